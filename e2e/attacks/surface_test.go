package attacks

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// surface is the table of routes as the world sees it.
var surface = []struct {
	path    string
	methods string
	cors    string // "": nobody, "*", or "clients"
}{
	{"/.well-known/openid-configuration", "GET HEAD", "*"}, {"/.well-known/oauth-authorization-server", "GET HEAD", "*"}, {"/jwks", "GET HEAD", "*"},
	{"/authorize", "GET HEAD POST", ""}, {"/token", "POST", "clients"}, {"/userinfo", "GET HEAD POST", "clients"}, {"/introspect", "POST", ""}, {"/revoke", "POST", "clients"},
	{"/logout", "GET HEAD POST", ""}, {"/login", "GET HEAD POST", ""}, {"/code", "GET HEAD POST", ""}, {"/consent", "GET HEAD POST", ""}, {"/continue", "GET HEAD", ""},
	{"/account", "GET HEAD", ""}, {"/account/sessions", "GET HEAD POST", ""}, {"/account/apps", "GET HEAD POST", ""}, {"/account/activity", "GET HEAD", ""}, {"/healthz", "GET HEAD", ""},
}

func TestMethods(t *testing.T) {
	t.Parallel()
	for _, row := range surface {
		v := visit(t, plain())
		allowed := strings.Fields(row.methods)
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "get", "GETX"} {
			r := v.do(m, row.path, "", http.Header{"X-Echo": {"echo-me"}})
			switch {
			case slices.Contains(allowed, m):
				if r.StatusCode == http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %d", m, row.path, r.StatusCode)
				}
			case m == "OPTIONS" && row.cors != "":
				if r.StatusCode != http.StatusNoContent {
					t.Errorf("%s %s: %d", m, row.path, r.StatusCode)
				}
			default:
				if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != strings.Join(allowed, ", ") {
					t.Errorf("%s %s: %d, Allow %q", m, row.path, r.StatusCode, r.Header.Get("Allow"))
				}
			}
			if m == "HEAD" && r.body != "" || strings.Contains(r.body, "echo-me") {
				t.Errorf("%s %s answers with a body: %.100s", m, row.path, r.body)
			}
		}
	}
}

// TestC_HeadNeverActs: HEAD is answered as GET would be, and completes nothing. RFC 9110 §9.2.1.
func TestC_HeadNeverActs(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, path := range []string{"/account", "/account/sessions", "/userinfo", "/logout", "/login"} {
		v.do(http.MethodHead, path, "", nil)
	}
	if !v.signedIn() {
		t.Error("HEAD signed somebody out")
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	for _, row := range surface {
		for _, origin := range []string{"https://evil.example", "null", "https://spa.example.evil.example", "http://spa.example", "https://spa.example:444", "https://SPA.example", "https://spa.example/", "file://", "https://spa.example, https://evil.example", "*"} {
			for _, m := range []string{"OPTIONS", "GET"} {
				r := v.do(m, row.path, "", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"}})
				allow := r.Header.Get("Access-Control-Allow-Origin")
				if row.cors == "*" && allow != "*" || row.cors != "*" && allow != "" {
					t.Errorf("%s %s from %s: Access-Control-Allow-Origin %q", m, row.path, origin, allow)
				}
				if r.Header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s %s: credentials are allowed", m, row.path)
				}
				if row.cors == "clients" && !strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin") {
					t.Errorf("%s %s: no Vary: Origin", m, row.path)
				}
			}
		}
		r := v.do("OPTIONS", row.path, "", http.Header{"Origin": {"https://spa.example"}, "Access-Control-Request-Method": {"POST"}})
		if want := map[string]string{"": "", "*": "*", "clients": "https://spa.example"}[row.cors]; r.Header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s from a registered origin: %q", row.path, r.Header.Get("Access-Control-Allow-Origin"))
		}
	}
}

// TestSizes: whatever is too long is refused, quickly and by size, everywhere.
func TestSizes(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("a", 300<<10)
	many := strings.Repeat("a=b&", 16_000)
	for _, row := range surface {
		v := visit(t, plain())
		v.signIn("cat")
		if strings.Contains(row.methods, "POST") {
			for name, body := range map[string]string{"one value": "x=" + big, "one name": big, "many": many + many + many + many, "escapes": strings.Repeat("%ff", 100_000), "broken": strings.Repeat("%", 100_000)} {
				begun := time.Now()
				r := v.do(http.MethodPost, row.path, body, map[bool]http.Header{true: basic("svc")}[strings.HasPrefix(row.cors, "cl") || row.path == "/introspect"])
				if r.StatusCode < 400 || r.StatusCode >= 500 {
					t.Errorf("%s %s: %d", row.path, name, r.StatusCode)
				}
				if (row.path == "/token" || row.path == "/login" || row.path == "/authorize") && name == "one value" && r.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("%s %s: %d, want 413", row.path, name, r.StatusCode)
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("%s %s took %v", row.path, name, took)
				}
			}
		}
		for _, q := range []string{"?x=" + strings.Repeat("a", 20_000), "?" + strings.Repeat("&", 20_000), "?i=" + strings.Repeat("A", 20_000), "?%00=%00", "?x=%ff%fe", "?;", "?%", "?lang=" + strings.Repeat("x", 10_000), "?i=%00", "?before=99999999999999999999", "?before=-1", "?done=x"} {
			v.get(row.path + q) // quiet looks at the answer
		}
		v.do(http.MethodGet, row.path, "", http.Header{"Cookie": {strings.Repeat("sid=x; ", 2000)}, "Accept-Language": {strings.Repeat("en-US,", 2000)}, "Authorization": {strings.Repeat("x", 2000)}})
	}
}

var seeds = []string{"", "authorization_code", "refresh_token", "client_credentials", "password", "house", "svc", "spa", "https://house.example/cb", "openid", "orders:read", "offline_access", verifier, challenge,
	"prt_x.1." + strings.Repeat("A", 43), "pac_" + strings.Repeat("A", 43), "eyJhbGciOiJub25lIn0.e30.", assertionType, "\x00", "\xff\xfe", "é", "%00", strings.Repeat("x", 300), "[]", "{}", "-1", "1e999", " ", "\r\n", "'", "\"", "<x>"}

var names = []string{"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "client_assertion", "client_assertion_type", "refresh_token", "scope", "resource", "token", "token_type_hint", "audience", "x", "", "grant_type[]", "scope\x00"}

// TestRandomForms: no form without a valid credential ever gets a token, and none puts the server at a loss. The seed of a
// failure is printed; the same seed sends the same forms.
func TestRandomForms(t *testing.T) {
	t.Parallel()
	start := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(start, 1))
	v := visit(t, plain())
	for i := range 1200 {
		if i%15 == 0 {
			v = visit(t, plain()) // the limit on wrong credentials is not what is examined
		}
		form := url.Values{}
		for range rnd.IntN(8) {
			form.Add(names[rnd.IntN(len(names))], seeds[rnd.IntN(len(seeds))])
		}
		if rnd.IntN(2) == 0 {
			form.Set("grant_type", seeds[1+rnd.IntN(3)])
		}
		h := http.Header{}
		switch rnd.IntN(4) {
		case 0:
			h = basicWith(seeds[rnd.IntN(len(seeds))], seeds[rnd.IntN(len(seeds))])
		case 1:
			h.Set("Authorization", "Basic "+enc(fmt.Sprint(rnd.Uint64())))
		}
		body := form.Encode()
		if rnd.IntN(10) == 0 { // not even a form
			raw := []byte(body + "%")
			for range 5 {
				raw[rnd.IntN(len(raw))] = byte(rnd.UintN(256))
			}
			body = string(raw)
		}
		path := []string{"/token", "/introspect", "/revoke"}[rnd.IntN(3)]
		r := v.do(http.MethodPost, path, body, h)
		if r.StatusCode >= 500 || strings.Contains(r.body, "access_token") || strings.Contains(r.body, `"active":true`) {
			t.Fatalf("seed %d, form %d: POST %s %q with %v: %d %s", start, i, path, body, h, r.StatusCode, r.body)
		}
		if path != "/revoke" && r.StatusCode < 400 { // a public client may revoke; nobody else does anything without a credential
			t.Fatalf("seed %d, form %d: POST %s %q with %v: %d %s", start, i, path, body, h, r.StatusCode, r.body)
		}
	}
	accepted(t, visit(t, plain()).token("svc", ownToken))
}
