package token_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	redirect  = "https://a.example/cb"
)

// TestMain lets the properties run over fewer cases than rapid's 100 unless -rapid.checks says otherwise: each writes durably.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// desk is a token endpoint over a real database, with codes and grants as the front channel leaves them.
type desk struct {
	*oauthtest.House
	endpoint *token.Endpoint
	issuer   *issue.Issuer
	sessions *sessions.Manager
	n        int
}

func open(t testing.TB) *desk {
	t.Helper()
	app := func(id, more string) string {
		return `{"client_id":"` + id + `","client_secret":"s3cret","redirect_uris":["https://` + id + `.example/cb"],"scope":"openid api:read api:write"` + more + `}`
	}
	all := `,"grant_types":["authorization_code","refresh_token","client_credentials"]`
	d := &desk{House: oauthtest.New(t, []string{app("a", all), app("b", all), app("plain", ``),
		app("tv", `,"grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]`), app("tv2", `,"grant_types":["urn:ietf:params:oauth:grant-type:device_code"]`),
		`{"client_id":"pub","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code","refresh_token"]}`},
		[]string{`{"resource":"https://api.example","scopes":["api:read","api:write"]}`, `{"resource":"https://other.example","scopes":["other"]}`})}
	derive := func(name string) func() [][]byte { return func() [][]byte { return d.Sealer.Derive(name) } }
	var err error
	if d.sessions, err = sessions.New(sessions.Options{Store: d.DB, Audit: d.Audit, Now: d.Now, DeviceKey: derive("device")}); err != nil {
		t.Fatal(err)
	}
	d.issuer = issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: d.Ring, Derive: d.Sealer.Derive, Anchor: d.Sealer.Anchor, Keys: d.ClientKeys, Registry: d.Registry, Users: d.DB, Now: d.Now})
	auth := clientauth.New(clientauth.Options{Registry: d.Registry, Ephemeral: d.DB, Counters: d.DB, Audit: d.Audit, Keys: d.ClientKeys,
		SecretKeys: d.SecretKeys, Issuer: oauthtest.Issuer, Endpoints: []string{oauthtest.Issuer + "/token"}, Now: d.Now})
	d.endpoint = token.New(token.Options{Registry: d.Registry, Auth: auth, Issue: d.issuer, Grants: d.DB, Ephemeral: d.DB, Devices: oauth.Devices{Ephemeral: d.DB, Now: d.Now}, Risk: d.Risk, Sessions: d.sessions,
		Audit: d.Audit, Now: d.Now, Grace: 20 * time.Second})
	return d
}

// session puts a session of twelve hours into the store.
func (d *desk) session() ident.SessionID {
	d.n++
	s := sessions.Session{ID: ident.SessionID(fmt.Sprintf("session-%d", d.n)), User: "ann", AuthTime: d.Clock, AMR: []ident.AMR{ident.Password}, Assurance: ident.AAL1,
		CreatedAt: d.Clock, LastSeen: d.Clock, IdleUntil: d.Clock.Add(12 * time.Hour), ExpiresAt: d.Clock.Add(12 * time.Hour), Version: 1}
	if err := d.DB.InsertSession(context.Background(), s); err != nil {
		d.T.Fatal(err)
	}
	return s.ID
}

// code leaves a grant and a code for a client, as a sign-in does.
func (d *desk) code(client ident.ClientID, change func(*oauth.Grant, *oauth.Code)) string {
	d.T.Helper()
	ctx := context.Background()
	code := "pac_" + d.issuer.NewSecret()
	g := oauth.Grant{ID: ident.GrantID(d.issuer.NewID()), Client: client, User: "ann", Session: d.session(), Scope: []string{"openid", "api:read"}, Nonce: "n0nce",
		Assurance: ident.AAL1, AMR: []ident.AMR{ident.Password}, AuthTime: d.Clock, CreatedAt: d.Clock, ExpiresAt: d.Clock.Add(12 * time.Hour), RefreshSeq: 1}
	c := oauth.Code{Grant: g.ID, Client: client, RedirectURI: redirect, Challenge: challenge, Expires: d.Clock.Add(time.Minute)}
	if change != nil {
		change(&g, &c)
	}
	if g.RefreshSeq == 1 {
		g.RefreshHash = d.issuer.FirstRefresh(g.ID, code).Hash()
	}
	if err := d.DB.InsertGrant(ctx, g); err != nil {
		d.T.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		d.T.Fatal(err)
	}
	if err := d.DB.Put(ctx, store.KeyOf("code", code), raw, d.Clock.Add(11*time.Minute)); err != nil {
		d.T.Fatal(err)
	}
	return code
}

// answer is what the endpoint says: tokens, or an error.
type answer struct {
	issue.Tokens
	err *oauth.Error
}

func (a answer) code() string {
	if a.err == nil {
		return "ok"
	}
	return a.err.Code
}

// post sends a form as client; "" sends no authentication.
func (d *desk) post(client string, form url.Values) answer {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		r.SetBasicAuth(client, "s3cret")
	}
	w := httptest.NewRecorder()
	err := d.endpoint.Token(w, r.WithContext(oauth.WithEnv(r.Context(), ident.Env{IP: netip.MustParseAddr("192.0.2.1")})))
	if err != nil {
		if w.Body.Len() > 0 {
			d.T.Errorf("an error and an answer: %s", w.Body)
		}
		return answer{err: oauth.AsError(err)}
	}
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a.Tokens); err != nil || w.Header().Get("Cache-Control") != "no-store" {
		d.T.Errorf("%v: %v %s", err, w.Header(), w.Body)
	}
	return a
}

func exchange(code string, pairs ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func refreshing(tok string, pairs ...string) url.Values {
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// What the wrong request gets, and that it takes nothing from the right one.
func TestCodeRefusals(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		name, client string
		pairs        []string
		want         string
	}{
		{"another client", "b", nil, "invalid_grant"},
		{"no client", "", nil, "invalid_client"},
		{"public client", "", []string{"client_id", "pub"}, "invalid_grant"},
		{"no redirect_uri", "a", []string{"redirect_uri", ""}, "invalid_grant"},
		{"another redirect_uri", "a", []string{"redirect_uri", redirect + "/"}, "invalid_grant"},
		{"no verifier", "a", []string{"code_verifier", ""}, "invalid_grant"},
		{"another verifier", "a", []string{"code_verifier", strings.Repeat("a", 43)}, "invalid_grant"},
		{"short verifier", "a", []string{"code_verifier", "a"}, "invalid_grant"},
		{"wider scope", "a", []string{"scope", "openid api:read api:write"}, "invalid_scope"},
		{"unknown resource", "a", []string{"resource", "https://evil.example"}, "invalid_target"},
		{"no code", "a", []string{"code", ""}, "invalid_request"},
		{"guessed code", "a", []string{"code", "pac_x"}, "invalid_grant"},
		{"long code", "a", []string{"code", strings.Repeat("x", 201)}, "invalid_grant"},
		{"unknown grant", "a", []string{"grant_type", "password"}, "unsupported_grant_type"},
		{"no grant", "a", []string{"grant_type", ""}, "invalid_request"},
		{"grant not registered", "plain", []string{"grant_type", "refresh_token"}, "unauthorized_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := d.code("a", nil)
			if got := d.post(c.client, exchange(code, c.pairs...)).code(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := d.post("a", exchange(code)).code(); got != "ok" {
				t.Errorf("the right request afterwards: %s", got)
			}
		})
	}
	if got := d.post("a", url.Values{"grant_type": {"client_credentials"}, "scope": {"api:read", "api:read"}}).code(); got != "invalid_request" {
		t.Errorf("a repeated parameter: %s", got)
	}
}

// A code ends with its minute, its grant and its session.
func TestCodeEnds(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		end  func(d *desk, g ident.GrantID, s ident.SessionID)
		want string
	}{
		{"in time", func(d *desk, _ ident.GrantID, _ ident.SessionID) { d.Clock = d.Clock.Add(59 * time.Second) }, "ok"},
		{"too late", func(d *desk, _ ident.GrantID, _ ident.SessionID) { d.Clock = d.Clock.Add(61 * time.Second) }, "invalid_grant"},
		{"grant revoked", func(d *desk, g ident.GrantID, _ ident.SessionID) { _, _ = d.DB.RevokeGrant(ctx, g, d.Clock, "test") }, "invalid_grant"},
		{"session ended", func(d *desk, _ ident.GrantID, s ident.SessionID) { _ = d.sessions.End(ctx, s, "test") }, "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			var grant ident.GrantID
			var sess ident.SessionID
			code := d.code("a", func(g *oauth.Grant, _ *oauth.Code) { grant, sess = g.ID, g.Session })
			c.end(d, grant, sess)
			if got := d.post("a", exchange(code)).code(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestCodeRedeemedOnce(t *testing.T) {
	d := open(t)
	code := d.code("a", nil)
	var wg sync.WaitGroup
	got := make([]answer, 32)
	for i := range got {
		wg.Go(func() { got[i] = d.post("a", exchange(code)) })
	}
	wg.Wait()
	won := answer{err: oauth.InvalidGrant("nobody")}
	n := 0
	for _, a := range got {
		if a.err == nil {
			won, n = a, n+1
		} else if a.err.Code != "invalid_grant" {
			t.Errorf("a loser gets %v", a.err)
		}
	}
	if n != 1 {
		t.Fatalf("%d of 32 succeed", n)
	}
	if got := d.post("a", refreshing(won.RefreshToken)).code(); got != "invalid_grant" {
		t.Errorf("the replay left the refresh token alive: %s", got)
	}
}

// A right refresh gives a successor; a replay gets the same one within the grace, and ends its family, and only its, after it.
func TestRefreshFamilies(t *testing.T) {
	d := open(t)
	one, two := d.post("a", exchange(d.code("a", nil))), d.post("a", exchange(d.code("a", nil)))
	next := d.post("a", refreshing(one.RefreshToken))
	if next.code() != "ok" || next.RefreshToken == one.RefreshToken || next.IDToken == "" {
		t.Fatalf("%v %v", next.err, next.Tokens)
	}
	d.Clock = d.Clock.Add(19 * time.Second)
	if again := d.post("a", refreshing(one.RefreshToken)); again.RefreshToken != next.RefreshToken {
		t.Errorf("within the grace another successor: %v", again.err)
	}
	for name, a := range map[string]answer{"client": d.post("b", refreshing(next.RefreshToken)), "scope": d.post("a", refreshing(next.RefreshToken, "scope", "api:write")),
		"resource": d.post("a", refreshing(next.RefreshToken, "resource", "https://evil.example")), "guess": d.post("a", refreshing(next.RefreshToken[:len(next.RefreshToken)-4]+"AAAA"))} {
		if a.err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	d.Clock = d.Clock.Add(2 * time.Second)
	if got := d.post("a", refreshing(one.RefreshToken)).code(); got != "invalid_grant" {
		t.Errorf("after the grace: %s", got)
	}
	if got := d.post("a", refreshing(next.RefreshToken)).code(); got != "invalid_grant" {
		t.Errorf("the family outlives a replay: %s", got)
	}
	if got := d.post("a", refreshing(two.RefreshToken)).code(); got != "ok" {
		t.Errorf("another family falls with it: %s", got)
	}
}

func TestRefreshInParallel(t *testing.T) {
	d := open(t)
	first := d.post("a", exchange(d.code("a", nil))).RefreshToken
	got := make([]answer, 24)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = d.post("a", refreshing(first)) })
	}
	wg.Wait()
	for _, a := range got {
		if a.err != nil || a.RefreshToken != got[0].RefreshToken {
			t.Fatalf("%v, %q and %q", a.err, a.RefreshToken, got[0].RefreshToken)
		}
	}
}

// A model of a family against the endpoint: whatever is sent in whatever order and at whatever time, only the current
// token, and within its grace the one before, ever gets anything.
func TestRefreshModel(t *testing.T) {
	d := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		var grant ident.GrantID
		var sess ident.SessionID
		offline := rapid.Bool().Draw(rt, "offline")
		code := d.code("a", func(g *oauth.Grant, _ *oauth.Code) { grant, sess, g.Offline = g.ID, g.Session, offline })
		history := []string{d.post("a", exchange(code)).RefreshToken}
		ends := d.Clock.Add(12 * time.Hour)
		var rotated time.Time
		dead := false
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "do") {
			case 0, 1:
				d.Clock = d.Clock.Add(time.Duration(rapid.SampledFrom([]int{1, 10, 19, 21, 3600, 7200}).Draw(rt, "seconds")) * time.Second)
			case 2:
				if rapid.IntRange(0, 4).Draw(rt, "rare") == 0 {
					_ = d.sessions.End(context.Background(), sess, "test")
					dead = true
				}
			case 3:
				if rapid.IntRange(0, 4).Draw(rt, "rare") == 0 {
					_, _ = d.DB.RevokeGrant(context.Background(), grant, d.Clock, "test")
					dead = true
				}
			default:
				i := rapid.IntRange(max(0, len(history)-3), len(history)-1).Draw(rt, "token")
				a := d.post("a", refreshing(history[i]))
				alive := !dead && d.Clock.Before(ends)
				switch {
				case alive && i == len(history)-1:
					if a.err != nil {
						rt.Fatalf("the current token: %v", a.err)
					}
					history, rotated = append(history, a.RefreshToken), d.Clock
				case alive && i == len(history)-2 && d.Clock.Sub(rotated) <= 20*time.Second:
					if a.err != nil || a.RefreshToken != history[i+1] {
						rt.Fatalf("within the grace: %v", a.err)
					}
				default:
					if a.code() != "invalid_grant" {
						rt.Fatalf("token %d of %d (alive %v): %s", i, len(history), alive, a.code())
					}
					dead = true
				}
			}
		}
	})
}

// Any form whatever: never our fault, and no token without a credential.
func TestAnyForm(t *testing.T) {
	d := open(t)
	values := rapid.OneOf(rapid.SampledFrom([]string{"", "authorization_code", "refresh_token", "client_credentials", "a", "pub", "s3cret-not", redirect, verifier, "openid", "api:read", "pac_x", "prt_g.1." + strings.Repeat("A", 43), "\x00", "\xff"}), rapid.String())
	names := rapid.SampledFrom([]string{"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "scope", "resource", "client_assertion", "client_assertion_type", "x"})
	rapid.Check(t, func(rt *rapid.T) {
		d.Clock = d.Clock.Add(time.Minute) // wrong credentials are forgotten in time
		form := url.Values{}
		for range rapid.IntRange(0, 8).Draw(rt, "n") {
			form.Add(names.Draw(rt, "name"), values.Draw(rt, "value"))
		}
		if a := d.post("", form); a.err == nil || a.err.Status >= 500 {
			rt.Fatalf("%v: %v %v", form, a.err, a.Tokens)
		}
	})
}

// What cannot be recorded is not done, and a store that is down is nobody's permission.
func TestFailsClosed(t *testing.T) {
	for name, breakIt := range map[string]func(*desk){
		"audit": func(d *desk) { _ = d.Audit.Close(context.Background()) },
		"store": func(d *desk) { _ = d.DB.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			tok := d.post("a", exchange(d.code("a", nil))).RefreshToken
			code := d.code("a", nil)
			breakIt(d)
			for what, a := range map[string]answer{"code": d.post("a", exchange(code)), "refresh": d.post("a", refreshing(tok)), "own": d.post("a", url.Values{"grant_type": {"client_credentials"}}),
				"wrong secret": d.post("", url.Values{"grant_type": {"client_credentials"}, "client_id": {"a"}, "client_secret": {"x"}})} {
				if a.err == nil || a.err.Status != http.StatusServiceUnavailable {
					t.Errorf("%s: %v", what, a.err)
				}
			}
		})
	}
}

func TestClientCredentials(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ scope, resource, want string }{
		{"", "", "ok"}, {"api:read", "", "ok"}, {"api:read", "https://api.example", "ok"}, {"openid", "", "invalid_scope"}, {"api:read openid", "", "invalid_scope"}, {"other", "", "invalid_scope"},
		{strings.Repeat("api:read ", 65), "", "invalid_scope"}, {"api:read", "https://evil.example", "invalid_target"},
	} {
		form := url.Values{"grant_type": {"client_credentials"}}
		if c.scope != "" {
			form.Set("scope", c.scope)
		}
		if c.resource != "" {
			form.Set("resource", c.resource)
		}
		a := d.post("a", form)
		if a.code() != c.want || a.RefreshToken != "" || a.IDToken != "" {
			t.Errorf("%.30q %q: %s, want %s", c.scope, c.resource, a.code(), c.want)
		}
	}
}

// FuzzForm takes any bytes as a form: never our fault, and no token.
func FuzzForm(f *testing.F) {
	d := open(f)
	for _, s := range []string{"", "grant_type=client_credentials", "grant_type=client_credentials&client_id=a&client_secret=", "a;b", "%", "\x00=\x00",
		"grant_type=refresh_token&client_id=pub&refresh_token=prt_x.1." + strings.Repeat("A", 43), "grant_type=authorization_code&code=pac_x&client_id=pub&code_verifier=" + verifier,
		"grant_type=client_credentials&client_assertion=e30.e30.&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		d.Clock = d.Clock.Add(time.Minute) // wrong credentials are forgotten in time
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if err := d.endpoint.Token(w, r); err == nil || oauth.AsError(err).Status >= 500 || w.Body.Len() > 0 {
			t.Errorf("%q: %v %s", body, err, w.Body)
		}
	})
}
