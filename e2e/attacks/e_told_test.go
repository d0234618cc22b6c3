package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

// ear is the servers of the clients that want to be told: what came where, and how often somebody followed a redirect.
type ear struct {
	mu       sync.Mutex
	heard    map[string][]string // client: the logout tokens
	followed bool
	url      string
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := strings.TrimPrefix(r.URL.Path, "/")
	e.mu.Lock()
	e.heard[client] = append(e.heard[client], r.PostFormValue("logout_token"))
	e.followed = e.followed || client == "elsewhere"
	e.mu.Unlock()
	switch client {
	case "hang":
		<-r.Context().Done()
	case "away":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
}

// tokens waits until client heard of n sessions.
func (e *ear) tokens(t testing.TB, client string, n int) []string {
	t.Helper()
	var got []string
	soon(t, fmt.Sprintf("%d logouts for %s", n, client), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		got = slices.Clone(e.heard[client])
		return len(got) >= n
	})
	return got
}

func soon(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not soon: %s", what)
}

// telling is a server whose clients listen on this machine, and are allowed to.
func telling(t *testing.T) (*harness.Server, *ear) {
	t.Helper()
	e := &ear{heard: map[string][]string{}}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.CloseClientConnections)
	e.url = srv.URL
	uris := map[string]string{"good": e.url + "/good", "pair": e.url + "/pair", "hang": e.url + "/hang", "away": e.url + "/away", "inside": "https://10.0.0.1/out",
		"cloud": "https://169.254.169.254/latest/meta-data"}
	var clients []map[string]any
	for id, uri := range uris {
		c := map[string]any{"client_id": id, "client_secret": secretOf(id), "redirect_uris": []string{"https://" + id + ".example/cb"}, "skip_consent": true,
			"post_logout_redirect_uris": []string{"https://" + id + ".example/bye"}, "backchannel_logout_uri": uri, "frontchannel_logout_uri": "https://" + id + ".example/out"}
		if id == "pair" {
			c["subject_type"] = "pairwise"
		}
		clients = append(clients, c)
	}
	var users []map[string]any
	for _, name := range []string{"ann", "bob", "cat", "dan", "eve", "fay", "gus"} {
		users = append(users, map[string]any{"username": name, "email": name + "@people.test", "password": password})
	}
	doc, err := json.Marshal(map[string]any{"clients": clients, "users": users})
	if err != nil {
		t.Fatal(err)
	}
	return harness.Start(t, harness.Options{Engine: harness.SQLite, Seed: string(doc), Config: map[string]string{"egress.allow": "127.0.0.1/32"}}), e
}

// ended lists what the trail says of telling clients: type, reason, client.
func ended(t testing.TB, s *harness.Server) (out []string) {
	for _, e := range trail(t, s) {
		if strings.HasPrefix(e.Type, "logout.") {
			if e.User != "" || e.IP != "" {
				t.Errorf("%s tells of the person: %+v", e.Type, e)
			}
			out = append(out, strings.TrimSpace(strings.Join([]string{e.Type, string(e.Client), e.Reason, e.Data["status"]}, " ")))
		}
	}
	return out
}

// TestE5_BackChannel: a client whose address is inside, redirects or hangs keeps nobody else from being told.
func TestE5_BackChannel(t *testing.T) {
	t.Parallel()
	s, e := telling(t)
	v := visit(t, s)
	v.signIn("ann")
	for _, c := range []string{"hang", "away", "inside", "cloud", "good"} {
		v.tokens(c, "openid")
	}
	v.submit("/logout", with(fields(v.get("/logout")), "decision", "logout"))
	begun := time.Now()
	e.tokens(t, "good", 1)
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("told after %v while another hangs", took)
	}
	want := []string{"logout.delivered good", "logout.failed away status 307", "logout.failed hang unreachable", "logout.given_up cloud address", "logout.given_up inside address"}
	soon(t, "every fate is in the trail", func() bool {
		got := ended(t, s)
		slices.Sort(got)
		return slices.Equal(slices.Compact(got), want)
	})
	e.mu.Lock()
	if e.followed {
		t.Error("a redirect was followed")
	}
	e.mu.Unlock()
	for client, says := range map[string]string{"good": "1 delivered, 0 pending, 0 given up", "inside": "0 delivered, 0 pending, 1 given up", "away": "0 delivered, 1 pending, 0 given up"} {
		if out, err := s.Command("client", "show", client); err != nil || !strings.Contains(out, says) {
			t.Errorf("client show %s: %v\n%s", client, err, out)
		}
	}
	if m, err := s.Metrics(); err != nil || !strings.Contains(m, `postern_events_total{outcome="failed",reason="address",type="logout.given_up"} 2`) {
		t.Errorf("metrics: %v", err)
	}
}

// TestE6_LogoutToken: it says what OpenID Connect Back-Channel Logout §2.4 asks, and is good for nothing else.
func TestE6_LogoutToken(t *testing.T) {
	t.Parallel()
	s, e := telling(t)
	v := visit(t, s)
	v.signIn("bob")
	tok, pair := v.tokens("good", "openid"), v.tokens("pair", "openid")
	id := claims(t, tok.field("id_token"))
	v.get(logoutURL("id_token_hint", tok.field("id_token"), "post_logout_redirect_uri", "https://good.example/bye"))
	token := e.tokens(t, "good", 1)[0]
	header, got, err := harness.DecodeJWT(token)
	if err != nil || header["typ"] != "logout+jwt" || header["alg"] == "none" {
		t.Fatalf("%v %v", header, err)
	}
	if got["sid"] != id["sid"] || got["sub"] != id["sub"] || got["iss"] != s.Issuer || got["aud"] != "good" {
		t.Errorf("%v, of %v", got, id)
	}
	events, _ := got["events"].(map[string]any)
	if what, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !ok || len(what) != 0 || len(events) != 1 {
		t.Errorf("events %v", got["events"])
	}
	seconds := func(name string) int64 {
		n, _ := got[name].(json.Number)
		v, _ := n.Int64()
		return v
	}
	iat, exp := seconds("iat"), seconds("exp")
	if life := exp - iat; life <= 0 || life > 120 || time.Since(time.Unix(iat, 0)).Abs() > time.Minute {
		t.Errorf("from %v to %v", iat, exp)
	}
	if jti, _ := got["jti"].(string); len(jti) < 22 {
		t.Errorf("jti %q", jti)
	}
	for name := range got {
		if !slices.Contains([]string{"iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"}, name) {
			t.Errorf("it also says %s", name)
		}
	}
	other := claims(t, e.tokens(t, "pair", 1)[0])
	if other["sub"] != claims(t, pair.field("id_token"))["sub"] || other["sub"] == got["sub"] {
		t.Errorf("pairwise: %v", other["sub"])
	}
	// nobody takes it for something else
	if r := v.userinfo(token); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("as an access token: %d", r.StatusCode)
	}
	shown(t, v.get(logoutURL("id_token_hint", token)), http.StatusBadRequest)
	if v.active("good", token) {
		t.Error("introspection takes it for a token")
	}
}

// TestE_ToldHoweverItEnds: whatever ends a session, its clients hear of it.
func TestE_ToldHoweverItEnds(t *testing.T) {
	t.Parallel()
	s, e := telling(t)
	command := func(args ...string) {
		t.Helper()
		if out, err := s.Command(args...); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	heard := 0
	for _, tt := range []struct {
		name, user string
		end        func(v *visitor, sid string)
	}{
		{"at the application", "ann", func(v *visitor, _ string) {
			v.submit("/logout", with(fields(v.get("/logout")), "decision", "logout"))
		}},
		{"on the account's page", "bob", func(v *visitor, sid string) {
			v.submit("/account/sessions", with(fields(v.get("/account/settings")), "session", sid))
		}},
		{"from another browser", "cat", func(v *visitor, _ string) {
			other := visit(t, s)
			other.signIn("cat")
			other.submit("/account/sessions", with(fields(other.get("/account/settings")), "others", "1"))
		}},
		{"replaced by another person", "dan", func(v *visitor, _ string) {
			v.submit("/login", with(fields(v.get("/login?to=/account&switch=1")), "identifier", "gus", "password", password))
		}},
		{"by an operator", "eve", func(_ *visitor, sid string) { command("session", "revoke", sid) }},
		{"with the account", "fay", func(*visitor, string) { command("user", "update", "fay", "--disable") }},
		{"with the account, deleted", "gus", func(*visitor, string) { command("user", "delete", "gus") }},
	} {
		v := visit(t, s)
		v.signIn(tt.user)
		sid, _ := claims(t, v.tokens("good", "openid").field("id_token"))["sid"].(string)
		tt.end(v, sid)
		heard++
		list := e.tokens(t, "good", heard)
		if got := claims(t, list[len(list)-1])["sid"]; got != sid || len(list) != heard {
			t.Errorf("%s: heard of %v, %d times, want %s", tt.name, got, len(list), sid)
		}
	}
	soon(t, "each is in the trail", func() bool {
		n := 0
		for _, ev := range trail(t, s) {
			if ev.Type == "logout.delivered" && ev.Outcome == audit.OK {
				n++
			}
		}
		return n == heard
	})
}

// TestFrontChannel: the frames of a sign-out are those of the session's clients, and the policy names their origins alone.
func TestFrontChannel(t *testing.T) {
	t.Parallel()
	s, _ := telling(t)
	v := visit(t, s)
	v.signIn("ann")
	tok := v.tokens("good", "openid")
	v.tokens("away", "openid")
	sid, _ := claims(t, tok.field("id_token"))["sid"].(string)
	r := v.get(logoutURL("id_token_hint", tok.field("id_token"), "post_logout_redirect_uri", "https://good.example/bye", "state", "s"))
	policy := r.Header.Get("Content-Security-Policy")
	if r.StatusCode != http.StatusOK || !strings.HasSuffix(policy, "; frame-src https://away.example https://good.example") {
		t.Errorf("%d %s", r.StatusCode, policy)
	}
	q := url.Values{"iss": {s.Issuer}, "sid": {sid}}.Encode()
	for _, c := range []string{"good", "away"} {
		if want := `<iframe src="https://` + c + `.example/out?` + strings.ReplaceAll(q, "&", "&amp;") + `"`; !strings.Contains(r.body, want) {
			t.Errorf("lacks %s:\n%s", want, r.body)
		}
	}
	if strings.Count(r.body, "<iframe") != 2 || leads(r).String() != "https://good.example/bye?state=s" || !strings.Contains(r.body, `href="https://good.example/bye?state=s"`) {
		t.Errorf("%s", r.body)
	}
	if v.signedIn() {
		t.Error("still signed in")
	}
}
