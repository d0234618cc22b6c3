package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestA1_UnregisteredRedirect(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	for _, to := range []string{"https://evil.example/cb", "https://web.example", "https://spa.example/cb", "javascript:alert(1)", "data:text/html,x", "//web.example/cb", "/cb", "web.example/cb", "about:blank", "\x00", "https://web.example/cb\r\nX: y"} {
		q := with(request("web"), "redirect_uri", to)
		shown(t, v.authorize(q), http.StatusBadRequest)
		shown(t, v.post("/authorize", q), http.StatusBadRequest)
		q.Set("prompt", "none") // an error that would otherwise be sent back
		shown(t, v.authorize(q), http.StatusBadRequest)
	}
	begins(t, v, request("web"))
}

// begins: the request is good, so that a person is asked to sign in.
func begins(t testing.TB, v *visitor, q url.Values) reply {
	t.Helper()
	r := v.authorize(q)
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/login?i=") {
		t.Fatalf("a good request comes to %d %q\n%s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	page := v.get(r.Header.Get("Location"))
	if page.StatusCode != http.StatusOK {
		t.Fatalf("no sign-in page: %d", page.StatusCode)
	}
	return page
}

func TestA2_RedirectQuery(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	for _, c := range []struct{ client, to string }{
		{"web", "https://web.example/cb?foo=bar"}, {"web", "https://web.example/cb?"}, {"web", "https://web.example/cb#x"}, {"web", "https://web.example/cb&x=1"},
		{"two", "https://two.example/q?x=2"}, {"two", "https://two.example/q?x=1&y=2"}, {"two", "https://two.example/q?y=2&x=1"},
		{"two", "https://two.example/q"}, {"two", "https://two.example/q?X=1"}, {"two", "https://two.example/q?x=1#f"}, {"two", "https://two.example/q?x=%31"},
	} {
		shown(t, v.authorize(with(request(c.client), "redirect_uri", c.to)), http.StatusBadRequest)
	}
	v.signIn("cat")
	r := v.authorize(with(request("two"), "redirect_uri", "https://two.example/q?x=1"))
	if to := r.Header.Get("Location"); !strings.HasPrefix(to, "https://two.example/q?x=1&") || r.location().Query().Get("code") == "" {
		t.Errorf("a registered query is lost: %q", to)
	}
}

func TestA3_RedirectMissing(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	shown(t, v.authorize(with(request("two"), "redirect_uri", "")), http.StatusBadRequest)
	shown(t, v.authorize(with(request("two"), "redirect_uri", "", "scope", "orders:read")), http.StatusBadRequest)
	shown(t, v.authorize(with(request("web"), "redirect_uri", "")), http.StatusBadRequest) // OpenID Connect needs it even where one is registered
	begins(t, v, with(request("two"), "redirect_uri", "https://two.example/Path/cb"))
	begins(t, v, with(request("web"), "redirect_uri", "", "scope", "orders:read"))
}

func TestA4_RedirectLookalikes(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat") // whoever is signed in would get a code at once
	const good = "https://two.example/Path/cb"
	for _, to := range []string{
		"https://two.example/Path/cb/", "https://two.example/Path/cbx", "https://two.example/Path/cb/..", "https://two.example/Path/../Path/cb",
		"https://two.example/Path/%2e%2e/Path/cb", "https://two.example/Path%2fcb", "https://two.example//Path/cb", "https://two.example/path/cb",
		"https://two.example/PATH/cb", "https://two.example/Path/c%62", "https://two.example\\Path\\cb", "https:\\\\two.example/Path/cb",
		"https://two.example@evil.example/Path/cb", "https://user@two.example/Path/cb", "https://two.example:443/Path/cb", "https://two.example:8443/Path/cb",
		"https://two.example./Path/cb", "https://TWO.example/Path/cb", "HTTPS://two.example/Path/cb", "http://two.example/Path/cb", "https://xn--two-.example/Path/cb",
		"https://twо.example/Path/cb", "https://two.example.evil.example/Path/cb", "https://eviltwo.example/Path/cb", "https://two.example/Path/cb;x", "https://two.example/Path/cb%00",
		"https://two.example/Path/cb%0d%0aSet-Cookie:x=1", "https://two.example/Path/cb ", " https://two.example/Path/cb", "https://two.example/Path/cb\t", "https://two.example/Path/cb\n",
		"https:two.example/Path/cb", "https:///two.example/Path/cb", "two.example/Path/cb", "https://two.example/Path/cb\u202e", "https://two.example/Path/\ufeffcb", "https://two.example/Path/cb,https://two.example/Path/cb",
	} {
		shown(t, v.authorize(with(request("two"), "redirect_uri", to)), http.StatusBadRequest)
	}
	v.code(with(request("two"), "redirect_uri", good))
	for _, to := range []string{ // only the port of a loopback address may differ
		"http://127.0.0.1.evil.example/cb", "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1:1/cb/x", "http://127.0.0.1:99999999/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:8a/cb",
		"http://127.0.0.2:1/cb", "http://localhost:1/cb", "https://127.0.0.1:1/cb", "http://127.0.0.1:1/CB", "http://127.1:1/cb", "http://0.0.0.0:1/cb", "http://[::ffff:127.0.0.1]:1/cb", "http://127.0.0.1:1/cb?x", "http://127.0.0.1:-1/cb",
	} {
		shown(t, v.authorize(with(request("spa"), "redirect_uri", to)), http.StatusBadRequest)
	}
	for _, to := range []string{"http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", "http://[::1]:5/cb"} {
		v.code(with(request("spa"), "redirect_uri", to))
	}
}

func TestA5_UnknownClient(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	for _, id := range []string{"", "nobody", "WEB", "web ", "web\x00", "web%00", "../web", "*", strings.Repeat("x", 4000), "\xff\xfe", "<script>alert(1)</script>", "' OR 1=1 --"} {
		r := v.authorize(with(request("web"), "client_id", id, "redirect_uri", "https://evil.example/cb"))
		shown(t, r, http.StatusBadRequest)
		if strings.Contains(r.body, "//evil.example") || strings.Contains(r.body, "<script>alert") {
			t.Errorf("client_id %.40q: the page shows what the attacker wrote", id)
		}
	}
	begins(t, v, request("web"))
}

func TestA6_ResponseType(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, typ := range []string{"", "codes", "CODE", "code code", "device", "none", " ", "code,token", "\x00"} {
		toClient(t, v.s, v.authorize(with(request("house"), "response_type", typ)), "https://house.example/cb?", "st4te", "invalid_request", "unsupported_response_type", "unauthorized_client")
	}
	v.code(request("house"))
}

func TestA7_ResponseTypeNotRegistered(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, typ := range []string{"token", "id_token", "code id_token", "code token", "id_token token", "code id_token token"} {
		for _, mode := range []string{"", "fragment", "form_post", "query"} {
			toClient(t, v.s, v.authorize(with(request("house"), "response_type", typ, "response_mode", mode)), "https://house.example/cb?", "st4te",
				"invalid_request", "unsupported_response_type", "unauthorized_client", "unsupported_response_mode")
		}
	}
	for _, mode := range []string{"fragment", "form_post", "jwt", "query.jwt", "web_message"} {
		toClient(t, v.s, v.authorize(with(request("house"), "response_mode", mode)), "https://house.example/cb?", "st4te", "invalid_request", "unsupported_response_mode")
	}
	toClient(t, v.s, v.authorize(with(request("svc"), "scope", "orders:read")), "https://svc.example/cb?", "st4te", "unauthorized_client", "unsupported_response_type")
	v.code(with(request("house"), "response_mode", "query"))
}

func TestA9_PKCE(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	good := request("spa")
	for _, q := range []url.Values{
		with(good, "code_challenge", "", "code_challenge_method", ""), with(good, "code_challenge", ""), with(good, "code_challenge_method", "plain"),
		with(good, "code_challenge_method", ""), with(good, "code_challenge_method", "s256"), with(good, "code_challenge_method", "S512"),
		with(good, "code_challenge", verifier[:42]), with(good, "code_challenge", challenge+"A"), with(good, "code_challenge", challenge[:42]+"="),
		with(good, "code_challenge", challenge[:42]+"+"), with(good, "code_challenge", strings.Repeat("A", 4096)),
	} {
		toClient(t, v.s, v.authorize(q), "https://spa.example/cb?", "st4te", "invalid_request")
	}
	v.code(good)
}

func TestA11_RepeatedParameters(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, p := range []string{"client_id", "redirect_uri"} {
		for _, again := range []string{request("house").Get(p), "https://evil.example/cb", ""} {
			q := request("house")
			q.Add(p, again)
			shown(t, v.authorize(q), http.StatusBadRequest)
			shown(t, v.post("/authorize", q), http.StatusBadRequest)
		}
	}
	for _, p := range []string{"response_type", "scope", "nonce", "prompt", "max_age", "code_challenge", "code_challenge_method", "login_hint", "acr_values", "claims", "id_token_hint"} {
		q := request("house")
		q[p] = []string{"a", "a"}
		toClient(t, v.s, v.authorize(q), "https://house.example/cb?", "st4te", "invalid_request")
	}
	q := request("house")
	q.Add("state", "other")
	toClient(t, v.s, v.authorize(q), "https://house.example/cb?", "", "invalid_request")
	// One in the URL and one in the body are two places: only the body of a POST counts.
	shown(t, v.do(http.MethodPost, "/authorize?client_id=house&redirect_uri=https://house.example/cb", with(request("house"), "client_id", "", "redirect_uri", "").Encode(), nil), http.StatusBadRequest)
	v.code(request("house"))
}

func TestA28_ForbiddenScope(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, scope := range []string{"openid orders:write", "openid admin", "openid orders:read stock:read", "openid \"x", "openid\\", "openid é", "openid *", strings.Repeat("orders:read ", 200) + "admin", "openid OPENID"} {
		toClient(t, v.s, v.authorize(with(request("house"), "scope", scope)), "https://house.example/cb?", "st4te", "invalid_scope", "invalid_request")
	}
	for _, details := range []string{`[{"type":"payment"}]`, `[`} { // RFC 9396 is not spoken here: nothing may be granted by it
		code := v.code(with(request("house"), "authorization_details", details))
		if r := v.token("house", exchange(code, "https://house.example/cb")); strings.Contains(r.body, "payment") {
			t.Errorf("authorization_details pass: %s", r.body)
		}
	}
	v.code(with(request("house"), "scope", "openid orders:read"))
}

func TestA29_UnknownResource(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, res := range []string{"https://evil.example", "https://orders.example/", "https://ORDERS.example", "orders", "https://orders.example#x", "\x00", "https://orders.example?x"} {
		toClient(t, v.s, v.authorize(with(request("house"), "scope", "openid orders:read", "resource", res)), "https://house.example/cb?", "st4te", "invalid_target")
		refused(t, v.token("svc", with(ownToken, "resource", res)), http.StatusBadRequest, "invalid_target")
	}
	q := with(request("house"), "scope", "openid orders:read", "resource", "https://orders.example")
	code := v.code(q)
	refused(t, v.token("house", with(exchange(code, "https://house.example/cb"), "resource", "https://stock.example")), http.StatusBadRequest, "invalid_target")
	accepted(t, v.token("house", exchange(code, "https://house.example/cb")))
}

func TestA30_LongStateAndNonce(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("dan")
	for _, state := range []string{strings.Repeat("s", 128), strings.Repeat("n", 2000), strings.Repeat("ü<\"", 300), "a b+c%20d&e=f#g\r\nh", "\xff\x00\x01"} {
		r := v.authorize(with(request("house"), "state", state, "nonce", strings.Repeat("n", 384)))
		if got := r.location().Query().Get("state"); got != state {
			t.Errorf("state %.20q of %d bytes comes back with %d bytes", state, len(state), len(got))
		}
		tok := accepted(t, v.token("house", exchange(r.location().Query().Get("code"), "https://house.example/cb"))).field("id_token")
		if got := claims(t, tok)["nonce"]; got != strings.Repeat("n", 384) {
			t.Errorf("nonce %q", got)
		}
	}
	// Too long: refused, and what is refused is not echoed at any length.
	for _, n := range []int{5000, 20_000, 60_000} {
		r := v.post("/authorize", with(request("house"), "state", strings.Repeat("ü", n/2)))
		if to := r.Header.Get("Location"); len(to) > 9<<10 || r.location().Query().Has("code") {
			t.Errorf("a state of %d bytes makes a Location of %d", n, len(to))
		}
	}
	// On the way over our pages the answer is a page, not a Location: the longest state must pass there too.
	for _, state := range []string{strings.Repeat("<", 4096), strings.Repeat("x", 4096), strings.Repeat("ü", 700)} {
		r := v.authorize(with(request("web"), "state", state, "prompt", "consent"))
		if r.location().Query().Get("error") == "invalid_request" {
			continue
		}
		to := r.Header.Get("Location")
		r = v.submit("/consent", with(fields(v.get(to)), "decision", "allow"))
		r = v.get(r.Header.Get("Location"))
		if got := leads(r).Query(); got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("a state of %d bytes is lost on our pages: %d %v", len(state), r.StatusCode, got)
		}
	}
}

func TestA31_HostileClaims(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	begun := time.Now()
	for _, c := range []string{
		deep[:20_000], `{"userinfo":` + deep[:9000], strings.Repeat("[", 16_000), `{"id_token":` + strings.Repeat(`{"x":`, 9) + "1" + strings.Repeat("}", 10),
		`{"userinfo":{"` + strings.Repeat("a", 17_000) + `":null}}`, `{`, `[]`, `"x"`, `{"userinfo":[]}`, `{"userinfo":{"email":7}}`, `{"id_token":{"acr":{"values":"x"}}}`, `{} {}`, "{\"a\":\"\xff", "\x00",
		`{"userinfo":{` + strings.Repeat(`"x":null,`, 0) + manyClaims(200) + `}}`,
	} {
		toClient(t, v.s, v.post("/authorize", with(request("house"), "claims", c)), "https://house.example/cb?", "st4te", "invalid_request")
	}
	shown(t, v.post("/authorize", with(request("house"), "claims", strings.Repeat(`{"a":`, 200_000))), http.StatusRequestEntityTooLarge)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("hostile claims took %v", took)
	}
	v.code(with(request("house"), "claims", `{"userinfo":{"email":{"essential":true},"no_such":null},"x":1}`))
}

func manyClaims(n int) string {
	var out []string
	for i := range n {
		out = append(out, `"c`+strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+`":null`)
	}
	return strings.Join(out, ",")
}
