package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/web"
	"github.com/postern-id/postern/web/webtest"
)

// party is a shell with clients that are told by frame, and Ann with a session in which they were granted something.
func party(t *testing.T, change func(*web.Options)) (s *webtest.Server, cookie string, sid ident.SessionID) {
	t.Helper()
	s = webtest.New(t, []string{
		`{"client_id":"one","client_secret":"x","redirect_uris":["https://one.example/cb"],"frontchannel_logout_uri":"https://one.example/out?a=1"}`,
		`{"client_id":"two","client_secret":"x","redirect_uris":["https://two.example:8443/cb"],"frontchannel_logout_uri":"https://two.example:8443/out","post_logout_redirect_uris":["https://two.example/bye"]}`,
		`{"client_id":"gone","client_secret":"x","redirect_uris":["https://gone.example/cb"],"frontchannel_logout_uri":"https://gone.example/out"}`,
		`{"client_id":"plain","client_secret":"x","redirect_uris":["https://plain.example/cb"],"post_logout_redirect_uris":["https://plain.example/bye"]}`,
	}, nil, change)
	s.Person("ann", passphrase)
	cookie = s.Cookie("ann", passphrase)
	value, _, _ := strings.Cut(cookie[len("__Host-sid="):], ".")
	sid = ident.SessionID(value)
	return s, cookie, sid
}

func granted(s *webtest.Server, sid ident.SessionID, clients ...ident.ClientID) {
	s.T.Helper()
	for _, c := range clients {
		g := oauth.Grant{ID: "g-" + ident.GrantID(c), Client: c, User: "id-ann", Session: sid, CreatedAt: s.Clock, ExpiresAt: s.Clock.Add(time.Hour)}
		if err := s.DB.InsertGrant(context.Background(), g); err != nil {
			s.T.Fatal(err)
		}
	}
}

var (
	iframe = regexp.MustCompile(`<iframe src="([^"]*)" sandbox="[^"]*" hidden>`)
	csrf   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
)

func framesOf(body string) (out []string) {
	for _, m := range iframe.FindAllStringSubmatch(body, -1) {
		out = append(out, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return out
}

func frameSource(policy string) string {
	_, rest, _ := strings.Cut(policy, "frame-src ")
	rest, _, _ = strings.Cut(rest, ";")
	return rest
}

// The pages of all clients of the session that want it are shown, nobody else's, and the browser then goes on.
func TestFrontChannel(t *testing.T) {
	s, cookie, sid := party(t, nil)
	granted(s, sid, "one", "two", "plain")
	want := []string{"https://one.example/out?a=1&iss=https%3A%2F%2Fid.example.com&sid=" + string(sid),
		"https://two.example:8443/out?iss=https%3A%2F%2Fid.example.com&sid=" + string(sid)}
	form := send(s, http.MethodGet, "/logout?client_id=two&post_logout_redirect_uri=https%3A%2F%2Ftwo.example%2Fbye&state=s", cookie, nil)
	token := csrf.FindStringSubmatch(form.Body.String())
	if token == nil || len(framesOf(form.Body.String())) != 0 {
		t.Fatalf("before it is confirmed: %s", form.Body)
	}
	w := send(s, http.MethodPost, "/logout", cookie, url.Values{"csrf": {token[1]}, "decision": {"logout"}, "client_id": {"two"},
		"post_logout_redirect_uri": {"https://two.example/bye"}, "state": {"s"}})
	body := w.Body.String()
	if got := framesOf(body); !slices.Equal(got, want) {
		t.Errorf("frames %q, want %q", got, want)
	}
	if got := frameSource(w.Header().Get("Content-Security-Policy")); got != "https://one.example https://two.example:8443" {
		t.Errorf("frame-src %q", got)
	}
	for _, must := range []string{`http-equiv="refresh" content="4;url=https://two.example/bye?state=s"`, `href="https://two.example/bye?state=s" data-next`, "/static/signout."} {
		if !strings.Contains(body, must) {
			t.Errorf("lacks %s: %s", must, body)
		}
	}
	if strings.Contains(cookies(cookie, w), "__Host-sid") || send(s, http.MethodGet, "/account", cookie, nil).Code != http.StatusSeeOther {
		t.Error("the session lives")
	}
}

// Signing out on the account's page tells them, too; without such clients nothing changes.
func TestFrontChannelOfTheOwner(t *testing.T) {
	for _, tt := range []struct {
		name    string
		clients []ident.ClientID
		frames  int
	}{{"with", []ident.ClientID{"one"}, 1}, {"without", []ident.ClientID{"plain"}, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			s, cookie, sid := party(t, nil)
			granted(s, sid, tt.clients...)
			page := send(s, http.MethodGet, "/account/settings", cookie, nil)
			token := csrf.FindStringSubmatch(page.Body.String())
			if token == nil {
				t.Fatalf("%d %v %s", page.Code, page.Header(), page.Body)
			}
			w := send(s, http.MethodPost, "/account/sessions", cookie, url.Values{"csrf": {token[1]}, "session": {string(sid)}})
			policy := w.Header().Get("Content-Security-Policy")
			if got := framesOf(w.Body.String()); w.Code != http.StatusOK || len(got) != tt.frames || strings.Contains(policy, "frame-src") != (tt.frames > 0) {
				t.Errorf("%d, frames %q, %s", w.Code, got, policy)
			}
			if strings.Contains(cookies(cookie, w), "__Host-sid") {
				t.Error("the cookie is left")
			}
		})
	}
}

// The state of the browser follows the session, opens nothing, and what goes to a client is what the frame computes.
func TestSessionState(t *testing.T) {
	var states *web.SessionStates
	s, cookie, sid := party(t, func(o *web.Options) { states = web.NewSessionStates(o.FormKeys, nil); o.States = states })
	w := send(s, http.MethodGet, "/account", cookie, nil)
	state := named(w.Result().Cookies(), "__Host-bs")
	if state == nil || state.HttpOnly || !state.Secure || state.SameSite != http.SameSiteNoneMode || state.Path != "/" || len(state.Value) < 40 {
		t.Fatalf("%+v", state)
	}
	if strings.Contains(state.Value, string(sid)) {
		t.Error("the state names the session")
	}
	with := cookie + "; __Host-bs=" + state.Value
	if c := named(send(s, http.MethodGet, "/account", with, nil).Result().Cookies(), "__Host-bs"); c != nil {
		t.Errorf("set again: %+v", c)
	}
	if c := named(send(s, http.MethodGet, "/login", "__Host-bs="+state.Value, nil).Result().Cookies(), "__Host-bs"); c == nil || c.MaxAge >= 0 {
		t.Errorf("without a session: %+v", c)
	}
	sess, err := s.Sessions.Alive(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	ctx := oauth.WithSession(context.Background(), sess)
	for redirect, origin := range map[string]string{"https://one.example/cb": "https://one.example", "https://one.example:443/cb?x": "https://one.example",
		"https://one.example:8443/cb": "https://one.example:8443", "http://127.0.0.1:80/": "http://127.0.0.1", "http://[::1]:80/": "http://[::1]", "app.one:/cb": ""} {
		got := states.Of(ctx, s.Client("one"), redirect)
		hash, salt, _ := strings.Cut(got, ".")
		sum := sha256.Sum256([]byte("one " + origin + " " + state.Value + " " + salt))
		if want := hex.EncodeToString(sum[:]); origin == "" && got != "" || origin != "" && (hash != want || len(salt) != 22) {
			t.Errorf("%s: %q, want %s", redirect, got, want)
		}
	}
	if a, b := states.Of(ctx, s.Client("one"), "https://one.example/cb"), states.Of(ctx, s.Client("one"), "https://one.example/cb"); a == b {
		t.Error("the salt repeats")
	}
	token := csrf.FindStringSubmatch(send(s, http.MethodGet, "/logout", with, nil).Body.String())
	out := send(s, http.MethodPost, "/logout", with, url.Values{"csrf": {token[1]}, "decision": {"logout"}})
	if strings.Contains(cookies(with, out), "__Host-bs") {
		t.Error("the state survives the session")
	}
}

func named(list []*http.Cookie, name string) *http.Cookie {
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// The frame is there where it is switched on, may stand in anybody's page, and holds nothing but its script.
func TestCheckSession(t *testing.T) {
	s, _, _ := party(t, func(o *web.Options) { o.States = web.NewSessionStates(o.FormKeys, nil) })
	w := send(s, http.MethodGet, "/check-session", "", nil)
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("X-Frame-Options") != "" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors *;") ||
		!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d %v", w.Code, h)
	}
	src := regexp.MustCompile(`<script src="(/static/checksession\.[0-9a-f]{12}\.js)"></script>`).FindStringSubmatch(w.Body.String())
	if src == nil || strings.Contains(w.Body.String(), "<style") {
		t.Fatalf("%s", w.Body)
	}
	if got := send(s, http.MethodGet, src[1], "", nil); got.Code != http.StatusOK {
		t.Errorf("its script: %d", got.Code)
	}
	off, _, _ := party(t, nil)
	if got := send(off, http.MethodGet, "/check-session", "", nil); got.Code != http.StatusNotFound || got.Header().Get("X-Frame-Options") != "DENY" {
		t.Errorf("switched off: %d %v", got.Code, got.Header())
	}
	if c := named(send(off, http.MethodGet, "/login", "", nil).Result().Cookies(), "__Host-bs"); c != nil {
		t.Errorf("switched off: %+v", c)
	}
}
