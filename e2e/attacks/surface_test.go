package attacks

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/web/static"
)

// endpoint is a route as the world sees it.
type endpoint struct {
	path    string
	methods string
	cors    string // "": nobody, "*", or "clients"
	face    string // who it talks to, as in web/routes.go
	kb      int    // of a request
	alone   string // what a GET and a form without a session come to: "" the page itself, or where a person has to go first
}

// surface is the table of routes.
var surface = []endpoint{
	{"/.well-known/openid-configuration", "GET HEAD", "*", "public", 0, ""},
	{"/.well-known/oauth-authorization-server", "GET HEAD", "*", "public", 0, ""},
	{"/jwks", "GET HEAD", "*", "public", 0, ""},
	{"/authorize", "GET HEAD POST", "", "open", 64, ""},
	{"/token", "POST", "clients", "api", 64, ""},
	{"/userinfo", "GET HEAD POST", "clients", "api", 16, ""},
	{"/introspect", "POST", "", "api", 32, ""},
	{"/revoke", "POST", "clients", "api", 32, ""},
	{"/revocations", "GET HEAD POST", "", "api", 16, ""},
	{"/logout", "GET HEAD POST", "", "open", 64, ""},
	{"/check-session", "GET HEAD", "", "frame", 0, "404"}, // switched off
	{"/bc-authorize", "POST", "", "api", 64, ""},
	{"/bc-decide", "POST", "", "api", 16, ""}, // switched off
	{"/register", "POST", "", "api", 64, ""},
	{"/register/{client}", "GET PUT DELETE", "", "api", 64, ""},
	{"/client-logo/{hash}", "GET HEAD", "", "public", 0, "404"},
	{"/device_authorization", "POST", "", "api", 32, ""},
	{"/device", "GET HEAD POST", "", "page", 16, ""},
	{"/login", "GET HEAD POST", "", "page", 16, ""},
	{"/code", "GET HEAD POST", "", "page", 16, "/login?to=%2Faccount"},
	{"/consent", "GET HEAD POST", "", "page", 16, "400"},
	{"/recovery-code", "GET HEAD POST", "", "page", 16, "/login?to=%2Faccount"},
	{"/passkey", "GET HEAD POST", "", "page", 16, "/login?to=%2Faccount"},
	{"/push", "GET HEAD POST", "", "page", 16, "/login?to=%2Faccount"},
	{"/push/state", "POST", "", "fetch", 16, ""},
	{"/continue", "GET HEAD", "", "page", 0, "400"},
	{"/webauthn/get/options", "POST", "", "fetch", 16, ""},
	{"/webauthn/get", "POST", "", "fetch", 64, ""},
	{"/webauthn/create/options", "POST", "", "fetch", 16, "stale"},
	{"/webauthn/create", "POST", "", "fetch", 64, "stale"},
	{"/device-key", "GET HEAD", "", "page", 0, "/account"},
	{"/device-key/prove", "POST", "", "fetch", 16, ""},
	{"/dbsc/register", "POST", "", "open", 1, ""}, // over TLS only
	{"/dbsc/refresh", "POST", "", "open", 1, ""},
	{"/approve", "GET HEAD", "", "page", 0, "/login?to=/approve"},
	{"/approve/{handle}", "GET HEAD POST", "", "page", 16, "/login?to=/approve/{handle}"},
	{"/approve/{handle}/options", "POST", "", "fetch", 16, "stale"},
	{"/approve/{handle}/sign", "POST", "", "fetch", 64, "stale"},
	{"/manifest.webmanifest", "GET HEAD", "", "public", 0, ""},
	{"/sw.js", "GET HEAD", "", "public", 0, ""},
	{"/account", "GET HEAD", "", "page", 0, "/login?to=/account"},
	{"/account/sessions", "GET HEAD POST", "", "page", 16, "/login?to=/account/sessions"},
	{"/account/apps", "GET HEAD POST", "", "page", 16, "/login?to=/account/apps"},
	{"/account/activity", "GET HEAD", "", "page", 0, "/login?to=/account/activity"},
	{"/account/passkeys", "GET HEAD POST", "", "page", 16, "/login?to=/account/passkeys"},
	{"/account/approvers", "GET HEAD POST", "", "page", 16, "/login?to=/account/approvers"},
	{"/account/approvers/push", "POST", "", "fetch", 16, "stale"},
	{"/account/totp", "GET HEAD POST", "", "page", 16, "/login?to=/account/totp"},
	{"/account/recovery-codes", "GET HEAD POST", "", "page", 16, "/login?to=/account/recovery-codes"},
	{"/account/password", "GET HEAD POST", "", "page", 16, "/login?to=/account/password"},
	{"/account/settings", "GET HEAD POST", "", "page", 16, "/login?to=/account/settings"},
	{"/account/export", "GET HEAD", "", "page", 0, "/login?to=/account/export"},
	{"/not-me", "GET HEAD POST", "", "page", 16, "400"},
	{"/recover", "GET HEAD POST", "", "page", 16, ""},
	{"/recover/go", "GET HEAD POST", "", "page", 16, "400"},
	{"/recover/show", "POST", "", "page", 16, "400"},
	{"/recover/cancel", "POST", "", "page", 16, "400"},
	{"/recover/set", "POST", "", "page", 16, "400"},
	{"/dev/outbox", "GET HEAD", "", "page", 0, "404"},
	{"/", "GET HEAD", "", "page", 0, "/account"},
	{"/approver/enrol", "POST", "", "api", 16, ""},
	{"/approver/requests", "GET HEAD", "", "api", 0, ""},
	{"/approver/requests/{handle}", "POST", "", "api", 16, ""},
	{"/approver/push", "POST", "", "api", 16, ""},
	{"/approver", "DELETE", "", "api", 0, ""},
	{"/.well-known/webauthn", "GET HEAD", "", "public", 0, ""},
	{"/.well-known/passkey-endpoints", "GET HEAD", "", "public", 0, ""},
	{"/.well-known/change-password", "GET HEAD", "", "public", 0, "/account/password"},
	{"/healthz", "GET HEAD", "", "public", 0, ""},
	{"/static/", "GET HEAD", "", "public", 0, "404"},
}

// TestSurfaceIsWhole: the table here is the one in web/routes.go, which is read as source: an endpoint without a row is
// an endpoint that nobody attacks.
func TestSurfaceIsWhole(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../web/routes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]string{"meta.PathAuthorize": meta.PathAuthorize, "meta.PathToken": meta.PathToken, "meta.PathUserInfo": meta.PathUserInfo,
		"meta.PathIntrospect": meta.PathIntrospect, "meta.PathRevoke": meta.PathRevoke, "meta.PathLog": meta.PathLog, "meta.PathJWKS": meta.PathJWKS, "meta.PathLogout": meta.PathLogout, "meta.PathRegister": meta.PathRegister, "manage": "GET PUT DELETE", "erase": "DELETE", "meta.PathSession": meta.PathSession, "meta.PathDeviceAuth": meta.PathDeviceAuth, "meta.PathDevice": meta.PathDevice, "meta.PathCIBA": meta.PathCIBA,
		"static.Prefix": static.Prefix, "inbox": "/approve", "keyPage": "/device-key", "keyProve": "/device-key/prove", "dbscRegister": "/dbsc/register", "dbscRefresh": "/dbsc/refresh", "approversPage": "/account/approvers", "logoPath": "/client-logo/", "get": "GET HEAD", "post": "POST", "both": "GET HEAD POST", "nobody": "", "anybody": "*", "clients": "clients"}
	var text func(ast.Expr) string
	text = func(e ast.Expr) string {
		switch x := e.(type) {
		case *ast.BasicLit:
			return strings.Trim(x.Value, `"`)
		case *ast.BinaryExpr:
			if x.Op == token.ADD {
				return text(x.X) + text(x.Y)
			}
			return text(x.X) // n * kb
		case *ast.SelectorExpr:
			name := x.X.(*ast.Ident).Name + "." + x.Sel.Name
			if v, ok := named[name]; ok {
				return v
			}
			t.Errorf("%s has no row: say here what it is", name)
			return name
		case *ast.Ident:
			if v, ok := named[x.Name]; ok {
				return v
			}
			return x.Name
		}
		return "?"
	}
	rows := 0
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || lit.Type != nil || len(lit.Elts) < 5 {
			return true
		}
		path := strings.TrimSuffix(text(lit.Elts[0]), "{$}")
		if !strings.HasPrefix(path, "/") {
			return true
		}
		rows++
		got := fmt.Sprint(text(lit.Elts[1]), " | ", text(lit.Elts[2]), " | ", text(lit.Elts[3]), " | ", text(lit.Elts[4]))
		i := slices.IndexFunc(surface, func(r endpoint) bool { return r.path == path })
		if i < 0 {
			t.Errorf("%s has no row", path)
			return true
		}
		if r := surface[i]; got != fmt.Sprint(r.methods, " | ", r.face, " | ", r.cors, " | ", r.kb) {
			t.Errorf("%s is %s, and the row says otherwise", path, got)
		}
		return true
	})
	if rows != len(surface) || rows < 40 {
		t.Errorf("%d routes, %d rows", rows, len(surface))
	}
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
			kind := "application/x-www-form-urlencoded"
			if row.face == "fetch" {
				kind = "application/json"
			}
			h := http.Header{"Content-Type": {kind}, "Sec-Fetch-Site": {"same-origin"}}
			if row.face == "api" && row.path != "/userinfo" {
				maps.Copy(h, basic("svc"))
			}
			for name, body := range map[string]string{"one value": "x=" + big, "one name": big, "many": many + many + many + many, "escapes": strings.Repeat("%ff", 100_000), "broken": strings.Repeat("%", 100_000), "JSON": `{"x":"` + big + `"}`, "deep": strings.Repeat("[", 100_000)} {
				begun := time.Now()
				r := v.do(http.MethodPost, row.path, body, h)
				if r.StatusCode < 400 || r.StatusCode >= 500 {
					t.Errorf("%s %s: %d", row.path, name, r.StatusCode)
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("%s %s took %v", row.path, name, took)
				}
			}
			// One byte more than is allowed is told so; what is allowed is read.
			fill := func(n int) string {
				if row.face == "fetch" {
					return `{"x":"` + strings.Repeat("a", n-8) + `"}`
				}
				return "x=" + strings.Repeat("a", n-2)
			}
			const unread = " /userinfo /register /bc-decide /dbsc/register /dbsc/refresh " // refused before its body is looked at
			for over, want := range map[int]bool{0: false, 1: true} {
				r := v.do(http.MethodPost, row.path, fill(row.kb<<10+over), h)
				if got := r.StatusCode == http.StatusRequestEntityTooLarge; got != want && !strings.Contains(unread, " "+row.path+" ") {
					t.Errorf("%s, %d bytes over its limit: %d", row.path, over, r.StatusCode)
				}
			}
		}
		for _, q := range []string{"?x=" + strings.Repeat("a", 20_000), "?" + strings.Repeat("&", 20_000), "?i=" + strings.Repeat("A", 20_000), "?%00=%00", "?x=%ff%fe", "?;", "?%", "?lang=" + strings.Repeat("x", 10_000), "?i=%00", "?before=99999999999999999999", "?before=-1", "?done=x"} {
			v.get(row.path + q) // quiet looks at the answer
		}
		v.do(http.MethodGet, row.path, "", http.Header{"Cookie": {strings.Repeat("sid=x; ", 2000)}, "Accept-Language": {strings.Repeat("en-US,", 2000)}, "Authorization": {strings.Repeat("x", 2000)}})
	}
}

// TestElsewhere: no form and no script of another site reaches a page of ours, and none without the token of our page;
// whatever the session. ATTACKS A24.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("dan")
	csrf := fields(v.get("/account/settings")).Get("csrf")
	for _, row := range surface {
		if !strings.Contains(row.methods, "POST") || row.face != "page" && row.face != "fetch" {
			continue
		}
		body, h := url.Values{"csrf": {csrf}}.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		if row.face == "fetch" {
			body, h = `{"to":"/account/passkeys"}`, http.Header{"Content-Type": {"application/json"}, "X-Csrf": {csrf}}
		}
		for name, from := range map[string]http.Header{"cross-site": {"Sec-Fetch-Site": {"cross-site"}}, "same-site": {"Sec-Fetch-Site": {"same-site"}},
			"origin": {"Origin": {"https://evil.example"}}, "null": {"Origin": {"null"}}} {
			maps.Copy(from, h)
			if r := v.do(http.MethodPost, row.path, body, from); r.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: %d", row.path, name, r.StatusCode)
			}
		}
		h.Set("Sec-Fetch-Site", "same-origin")
		for _, token := range []string{"", "x", csrf[1:] + "A"} {
			if row.face == "fetch" {
				h.Set("X-Csrf", token)
			} else {
				body = url.Values{"csrf": {token}, "rename": {"x"}, "delete": {"x"}, "create": {"1"}, "remove": {"1"}, "others": {"1"}, "lang": {"zh-CN"}}.Encode()
			}
			r := v.do(http.MethodPost, row.path, body, h)
			nothing := row.alone == "400" && r.StatusCode == http.StatusBadRequest || // no interaction, or no recovery, to which the form could belong
				strings.HasSuffix(row.path, "code") && r.Header.Get("Location") == row.alone // and no sign-in that waits for one
			if r.StatusCode != http.StatusForbidden && !nothing {
				t.Errorf("%s with the token %q: %d %s", row.path, token, r.StatusCode, r.Header.Get("Location"))
			}
		}
		if row.face == "fetch" { // what a form can send is no JSON
			for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""} {
				h.Set("Content-Type", kind)
				h.Set("X-Csrf", csrf)
				no(t, v.do(http.MethodPost, row.path, body, h), "expired", http.StatusBadRequest)
			}
		}
	}
	if !v.signedIn() || v.cookie("lang") != "" {
		t.Error("something was done")
	}
	page := fields(v.get("/account/settings"))
	if r := v.submit("/account/settings", with(page, "lang", "zh-CN")); r.StatusCode != http.StatusSeeOther || v.cookie("lang") != "zh-CN" {
		t.Errorf("the form of our page: %d", r.StatusCode)
	}
}

// TestAlone: without a session.
func TestAlone(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	page := fields(v.get("/login"))
	for _, row := range surface {
		if row.face == "api" || row.face == "open" {
			continue
		}
		if row.face == "fetch" {
			r := v.ask(row.path, page, map[string]any{"handle": "x", "response": map[string]any{}})
			switch {
			case row.alone != "":
				no(t, r, row.alone, http.StatusForbidden)
			case row.path == "/webauthn/get":
				no(t, r, "rejected", http.StatusUnauthorized)
			case r.StatusCode != http.StatusOK:
				t.Errorf("%s: %d %s", row.path, r.StatusCode, r.body)
			}
			continue
		}
		for _, m := range strings.Fields(row.methods) {
			r := v.do(m, row.path, map[bool]string{true: page.Encode()}[m == "POST"], http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}})
			got := r.Header.Get("Location")
			if got == "" && r.StatusCode >= 400 {
				got = fmt.Sprint(r.StatusCode)
			}
			if m == "POST" && row.alone == "" {
				continue // their forms have tests of their own
			}
			if got != row.alone && !(m == "POST" && row.alone == "400" && got == "403") {
				t.Errorf("%s %s comes to %q, want %q", m, row.path, got, row.alone)
			}
		}
	}
	if v.signedIn() {
		t.Error("signed in")
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
