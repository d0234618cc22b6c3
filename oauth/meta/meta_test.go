package meta_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/sessions"
)

type desk struct {
	*oauthtest.House
	*meta.Service
	*meta.Discovery
	issuer *issue.Issuer
	feed   *meta.Feed
	manage *sessions.Manager
}

func open(t testing.TB) *desk {
	t.Helper()
	c := func(id, more string) string {
		return `{"client_id":"` + id + `","client_secret":"s3cret","redirect_uris":["https://` + id + `.example/cb"],"post_logout_redirect_uris":["https://` + id + `.example/bye","https://` + id + `.example/bye?a=1"],"scope":"openid email api:read"` + more + `}`
	}
	d := &desk{House: oauthtest.New(t, []string{c("app", ``), c("other", ``), c("opaque", `,"access_token_format":"opaque"`), c("api", `,"served_resources":["https://api.example"]`), c("second", `,"served_resources":["https://second.example"]`),
		`{"client_id":"pub","token_endpoint_auth_method":"none","redirect_uris":["https://pub.example/cb"]}`},
		[]string{`{"resource":"https://api.example","scopes":["api:read"]}`, `{"resource":"https://second.example","scopes":["x"]}`, `{"resource":"https://loose.example","scopes":["y"]}`})}
	derive := func(name string) func() [][]byte { return func() [][]byte { return d.Sealer.Derive(name) } }
	var err error
	if d.manage, err = sessions.New(sessions.Options{Store: d.DB, Audit: d.Audit, Now: d.Now, DeviceKey: derive("device")}); err != nil {
		t.Fatal(err)
	}
	d.issuer = issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: d.Ring, Derive: d.Sealer.Derive, Anchor: d.Sealer.Anchor, Keys: d.ClientKeys, Registry: d.Registry, Users: d.DB, Now: d.Now})
	auth := clientauth.New(clientauth.Options{Registry: d.Registry, Ephemeral: d.DB, Counters: d.DB, Audit: d.Audit, Keys: d.ClientKeys,
		SecretKeys: d.SecretKeys, Issuer: oauthtest.Issuer, Now: d.Now})
	d.feed = meta.NewFeed(meta.FeedOptions{Store: d.DB, Every: 10 * time.Millisecond})
	d.Service = meta.New(meta.Options{Registry: d.Registry, Auth: auth, Issue: d.issuer, Grants: d.DB, Logouts: d.DB, Log: d.DB, Feed: d.feed, Ephemeral: d.DB, Users: d.DB, Sessions: d.manage, Audit: d.Audit, Now: d.Now})
	d.Discovery = meta.NewDiscovery(oauthtest.Issuer, d.Registry, d.Ring)
	if err := d.DB.PutUser(context.Background(), authn.User{ID: "ann", Username: "ann", Email: "ann@example.com", CreatedAt: d.Clock, UpdatedAt: d.Clock}); err != nil {
		t.Fatal(err)
	}
	return d
}

// granted is what ann's grant to a client gave: access token, refresh token, ID token.
type granted struct {
	access, refresh, id string
	grant               oauth.Grant
}

func (d *desk) grant(client ident.ClientID, scope ...string) granted {
	d.T.Helper()
	ctx := context.Background()
	s := sessions.Session{ID: ident.SessionID(d.issuer.NewID()), User: "ann", AuthTime: d.Clock, AMR: []ident.AMR{ident.Password}, Assurance: ident.AAL1, CreatedAt: d.Clock, LastSeen: d.Clock,
		IdleUntil: d.Clock.Add(time.Hour), ExpiresAt: d.Clock.Add(time.Hour), Version: 1}
	if err := d.DB.InsertSession(ctx, s); err != nil {
		d.T.Fatal(err)
	}
	g := oauth.Grant{ID: ident.GrantID(d.issuer.NewID()), Client: client, User: "ann", Session: s.ID, Scope: scope, Assurance: ident.AAL1, AMR: s.AMR, AuthTime: d.Clock, CreatedAt: d.Clock,
		ExpiresAt: d.Clock.Add(time.Hour), RefreshSeq: 1}
	first := d.issuer.FirstRefresh(g.ID, "code")
	g.RefreshHash = first.Hash()
	if err := d.DB.InsertGrant(ctx, g); err != nil {
		d.T.Fatal(err)
	}
	c, err := d.Registry.Client(client)
	if err != nil {
		d.T.Fatal(err)
	}
	aud, _, err := d.Registry.Audience(c, scope, nil, oauthtest.Issuer)
	if err != nil {
		d.T.Fatal(err)
	}
	tok, err := d.issuer.AccessToken(ctx, c, &g, scope, aud)
	if err != nil {
		d.T.Fatal(err)
	}
	id, err := d.issuer.IDToken(ctx, c, &g, issue.With{AccessToken: tok.AccessToken})
	if err != nil {
		d.T.Fatal(err)
	}
	return granted{tok.AccessToken, first.String(), id, g}
}

type handler func(http.ResponseWriter, *http.Request) error

func post(h handler, client string, form url.Values) (*httptest.ResponseRecorder, *oauth.Error) {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		r.SetBasicAuth(client, "s3cret")
	}
	w := httptest.NewRecorder()
	if err := h(w, r); err != nil {
		return w, oauth.AsError(err)
	}
	return w, nil
}

func (d *desk) active(t testing.TB, client, tok string) bool {
	t.Helper()
	w, e := post(d.Introspect, client, url.Values{"token": {tok}})
	if e != nil {
		t.Fatal(e)
	}
	if strings.Contains(w.Body.String(), `"active":true`) {
		return true
	}
	if strings.TrimSpace(w.Body.String()) != `{"active":false}` {
		t.Errorf("an inactive token says %s", w.Body)
	}
	return false
}

// Who may ask about what. RFC 7662 §4.
func TestIntrospectionIsNobodyElses(t *testing.T) {
	d := open(t)
	both, api, mine := d.grant("app", "openid", "api:read"), d.grant("opaque", "api:read"), d.grant("app", "openid")
	for _, c := range []struct {
		name, client, token string
		want                bool
	}{
		{"its own", "app", both.access, true}, {"its server", "api", both.access, true}, {"another server", "second", both.access, false}, {"another client", "other", both.access, false},
		{"opaque, its server", "api", api.access, true}, {"opaque, another server", "second", api.access, false},
		{"for userinfo, its own", "app", mine.access, true}, {"for userinfo, a server", "api", mine.access, false}, {"for userinfo, a client", "other", mine.access, false},
		{"refresh, its own", "app", both.refresh, true}, {"refresh, the server", "api", both.refresh, false}, {"refresh, a client", "other", both.refresh, false},
		{"ID token", "app", both.id, false}, {"nonsense", "app", "x", false}, {"changed", "app", both.access[:len(both.access)-4] + "AAAA", false},
	} {
		if got := d.active(t, c.client, c.token); got != c.want {
			t.Errorf("%s: active=%v", c.name, got)
		}
	}
	for name, e := range map[string]*oauth.Error{"nobody": err(post(d.Introspect, "", url.Values{"token": {both.access}})), "a public client": err(post(d.Introspect, "", url.Values{"token": {both.access}, "client_id": {"pub"}}))} {
		if e == nil || e.Status != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func err(_ *httptest.ResponseRecorder, e *oauth.Error) *oauth.Error { return e }

// Whatever ends, ends everything below it, at every place that looks.
func TestWhatEndsEnds(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(d *desk, g granted){
		"revoked by access token":  func(d *desk, g granted) { _, _ = post(d.Revoke, "app", url.Values{"token": {g.access}}) },
		"revoked by refresh token": func(d *desk, g granted) { _, _ = post(d.Revoke, "app", url.Values{"token": {g.refresh}}) },
		"session ended":            func(d *desk, g granted) { _ = d.manage.End(ctx, g.grant.Session, "test") },
		"grant revoked":            func(d *desk, g granted) { _, _ = d.DB.RevokeGrant(ctx, g.grant.ID, d.Clock, "test") },
		"all sessions ended":       func(d *desk, _ granted) { _, _ = d.manage.EndAll(ctx, "ann", "", "test") },
		"time":                     func(d *desk, _ granted) { d.Clock = d.Clock.Add(time.Hour) },
		"client deleted": func(d *desk, _ granted) {
			_ = d.DB.DeleteClient(ctx, "app", d.Clock)
			_ = d.Registry.Reload(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			g := d.grant("app", "openid", "api:read")
			if !d.active(t, "api", g.access) || d.userinfo("Bearer "+g.access) != nil {
				t.Fatal("a fresh token does not work")
			}
			end(d, g)
			if d.active(t, "api", g.access) || d.active(t, "api", g.refresh) {
				t.Error("active")
			}
			if e := d.userinfo("Bearer " + g.access); e == nil || e.Status != http.StatusUnauthorized || e.Challenge == "" {
				t.Errorf("userinfo: %v", e)
			}
		})
	}
}

func (d *desk) userinfo(auth string) *oauth.Error {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	if err := d.UserInfo(httptest.NewRecorder(), r); err != nil {
		return oauth.AsError(err)
	}
	return nil
}

func TestRevokeByOthers(t *testing.T) {
	d := open(t)
	g := d.grant("app", "openid", "api:read")
	for _, tok := range []string{g.access, g.refresh} {
		if _, e := post(d.Revoke, "other", url.Values{"token": {tok}}); e == nil || e.Status != http.StatusBadRequest {
			t.Errorf("another client: %v", e)
		}
	}
	for _, tok := range []string{"x", g.id, g.refresh[:len(g.refresh)-4] + "AAAA", "pat_x"} { // unknown to us: nothing to do, RFC 7009 §2.2
		if _, e := post(d.Revoke, "other", url.Values{"token": {tok}}); e != nil {
			t.Errorf("%.10s: %v", tok, e)
		}
	}
	if !d.active(t, "app", g.access) || !d.active(t, "app", g.refresh) {
		t.Error("a stranger revoked it")
	}
}

func TestUserInfoRefusals(t *testing.T) {
	d := open(t)
	api, own := d.grant("app", "api:read"), d.grant("app", "openid")
	for name, c := range map[string]struct {
		auth   string
		status int
	}{"nothing": {"", 401}, "another audience": {"Bearer " + api.access, 401}, "ID token": {"Bearer " + own.id, 401}, "refresh token": {"Bearer " + own.refresh, 401}, "another scheme": {"DPoP " + own.access, 401}, "scheme alone": {"Bearer", 401}} {
		if e := d.userinfo(c.auth); e == nil || e.Status != c.status || e.Challenge == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if e := d.userinfo("bEaReR " + own.access); e != nil {
		t.Errorf("the scheme has no case: %v", e)
	}
	u, err := d.DB.User(context.Background(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	u.Disabled = true
	if err := d.DB.PutUser(context.Background(), u); err != nil {
		t.Fatal(err)
	}
	if e := d.userinfo("Bearer " + own.access); e == nil || e.Status != 401 {
		t.Errorf("a disabled person: %v", e)
	}
}

// OpenID Connect RP-Initiated Logout §2, §3: where it may lead, and where it must not.
func TestReadLogout(t *testing.T) {
	d := open(t)
	g := d.grant("app", "openid")
	const bye = "https://app.example/bye"
	for _, c := range []struct {
		name                                    string
		hint, client, to, state, want, wantSess string
		fault                                   bool
	}{
		{"nothing", "", "", "", "", "", "", false},
		{"hint", g.id, "", bye, "", bye, string(g.grant.Session), false},
		{"hint, state", g.id, "app", bye, "a&b", bye + "?state=a%26b", string(g.grant.Session), false},
		{"query kept", g.id, "", bye + "?a=1", "s", bye + "?a=1&state=s", string(g.grant.Session), false},
		{"client alone", "", "app", bye, "", bye, "", false},
		{"another client", g.id, "other", "", "", "", "", true},
		{"another client's URI", g.id, "", "https://other.example/bye", "", "", "", true},
		{"longer URI", g.id, "", bye + "/", "", "", "", true},
		{"URI for nobody", "", "", bye, "", "", "", true},
		{"unknown client", "", "who", "", "", "", "", true},
		{"access token", g.access, "", bye, "", "", "", true},
		{"changed hint", g.id[:len(g.id)-4] + "AAAA", "", bye, "", "", "", true},
		{"long state", g.id, "", bye, strings.Repeat("<", 3000), "", "", true},
	} {
		form := url.Values{}
		for name, v := range map[string]string{"id_token_hint": c.hint, "client_id": c.client, "post_logout_redirect_uri": c.to, "state": c.state} {
			if v != "" {
				form.Set(name, v)
			}
		}
		l := d.ReadLogout(form)
		if (l.Fault != nil) != c.fault || !c.fault && (l.Return != c.want || string(l.Session) != c.wantSess) {
			t.Errorf("%s: %+v", c.name, l)
		}
		if c.fault && l.Return != "" {
			t.Errorf("%s: a fault that leads to %s", c.name, l.Return)
		}
	}
	if l := d.ReadLogout(url.Values{"post_logout_redirect_uri": {bye, bye}}); l.Fault == nil {
		t.Error("a repeated parameter")
	}
	d.Clock = d.Clock.Add(24 * time.Hour) // an expired hint still says who it was
	if l := d.ReadLogout(url.Values{"id_token_hint": {g.id}}); l.Fault != nil {
		t.Errorf("an expired hint: %v", l.Fault)
	}
}

// Discovery promises only what is there, and tells caches what they need.
func TestDiscoveryAndKeys(t *testing.T) {
	d := open(t)
	get := func(h handler, etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.Host = "evil.example"
		r.Header.Set("If-None-Match", etag)
		w := httptest.NewRecorder()
		if err := h(w, r); err != nil {
			t.Fatal(err)
		}
		return w
	}
	for name, h := range map[string]handler{"discovery": d.Document, "keys": d.Keys} {
		w := get(h, "")
		if w.Code != 200 || w.Header().Get("ETag") == "" || strings.Contains(w.Body.String(), "evil.example") || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if again := get(h, w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", name, again.Code)
		}
	}
	var doc map[string]any
	if err := json.Unmarshal(get(d.Document, "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["issuer"] != oauthtest.Issuer || doc["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("%v", doc)
	}
	for _, name := range []string{"frontchannel_logout_supported", "frontchannel_logout_session_supported", "backchannel_logout_supported", "backchannel_logout_session_supported"} {
		if doc[name] != true {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	framed := meta.NewDiscovery(oauthtest.Issuer, d.Registry, d.Ring)
	framed.SessionIframe = true
	if _, offered := doc["check_session_iframe"]; offered || !strings.Contains(get(framed.Document, "").Body.String(), `"check_session_iframe":"`+oauthtest.Issuer+`/check-session"`) {
		t.Errorf("check_session_iframe: %v", doc["check_session_iframe"])
	}
	for name, v := range doc {
		if u, ok := v.(string); ok && !strings.HasPrefix(u, oauthtest.Issuer) {
			t.Errorf("%s is %s", name, u)
		}
	}
	for _, alg := range []string{"none", "HS256"} {
		if strings.Contains(get(d.Document, "").Body.String(), `signing_alg_values_supported":["`+alg) {
			t.Errorf("%s is offered", alg)
		}
	}
}
