package attacks

import (
	"crypto"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// object signs a request object of client whose header and claims are changed; nil removes a member.
func object(t testing.TB, client string, key crypto.Signer, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": "ES256", "kid": "es-1", "typ": "oauth-authz-req+jwt"}
	c := map[string]any{"iss": client, "aud": plain().Issuer, "exp": time.Now().Unix() + 300}
	for name, vs := range request(client) {
		c[name] = vs[0]
	}
	for _, m := range []struct{ to, from map[string]any }{{h, header}, {c, claims}} {
		maps.Copy(m.to, m.from)
		maps.DeleteFunc(m.to, func(_ string, v any) bool { return v == nil })
	}
	s, err := harness.SignJWT(key, h, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// by is the outer request that carries an object.
func by(client, token string, more ...string) url.Values {
	return with(url.Values{"client_id": {client}, "request": {token}}, more...)
}

func TestB1_B2_B3_RequestObjectSignature(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	good := object(t, "jar", esKey, nil, nil)
	claims := map[string]any{}
	_ = json.Unmarshal([]byte(dec(strings.Split(good, ".")[1])), &claims)
	bad := map[string]string{
		"none":            enc(`{"alg":"none"}`) + "." + strings.Split(good, ".")[1] + ".",
		"none in capital": enc(`{"alg":"NONE"}`) + "." + strings.Split(good, ".")[1] + ".",
		"foreign key":     object(t, "jar", otherKey, nil, nil),
		"foreign jwk":     object(t, "jar", otherKey, map[string]any{"jwk": json.RawMessage(jwkOf(t)), "kid": nil}, nil),
		"jku":             object(t, "jar", otherKey, map[string]any{"jku": "https://127.0.0.1:1/jwks"}, nil),
		"RS256":           object(t, "jar", rsKey, map[string]any{"alg": "RS256"}, nil),
		"HS256 by JWKS":   hs256(map[string]any{"alg": "HS256", "kid": "es-1"}, claims, []byte(harness.PublicJWKS(esKey, "es-1", "ES256"))),
		"HS256 by secret": hs256(map[string]any{"alg": "HS256"}, claims, []byte(secretOf("jar"))),
		"a byte off":      good[:len(good)-3] + "AAA",
		"no JWT":          "x.y.z", "binary": "\x00\xff", "five parts": "a.b.c.d.e", "typ of a token": object(t, "jar", esKey, map[string]any{"typ": "at+jwt"}, nil),
		"typ logout": object(t, "jar", esKey, map[string]any{"typ": "logout+jwt"}, nil), "crit": object(t, "jar", esKey, map[string]any{"crit": []string{"exp"}}, nil),
		"an assertion": assertion(t, esKey, nil, map[string]any{"iss": "jar", "sub": "jar"}),
	}
	for key, hmac := range publicKeys(t, good) {
		bad["HS256 by our "+key] = hs256(map[string]any{"alg": "HS256"}, claims, hmac)
	}
	for name, token := range bad {
		r := v.authorize(by("jar", token))
		shown(t, r, http.StatusBadRequest) // the outer request names no redirect_uri
		r = v.authorize(by("jar", token, "redirect_uri", "https://jar.example/cb", "response_type", "code", "state", "st4te"))
		if r.location().Query().Get("error") != "invalid_request_object" || r.location().Query().Has("code") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	v.code(by("jar", good))
	v.code(by("jar", object(t, "jar", esKey, map[string]any{"typ": nil}, nil)))
}

func TestB4_B5_B6_RequestObjectClaims(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	now := time.Now().Unix()
	for name, c := range map[string]map[string]any{
		"expired": {"exp": now - 120}, "not yet": {"nbf": now + 120}, "from the future": {"iat": now + 120}, "exp text": {"exp": "soon"}, "exp huge": {"exp": json.Number("1e300")},
		"aud other": {"aud": "https://evil.example"}, "aud others": {"aud": []string{"https://evil.example"}}, "aud number": {"aud": 7}, "iss other": {"iss": "house"}, "iss number": {"iss": 7},
		"client_id other": {"client_id": "house"}, "sub": {"sub": "jar"}, "request inside": {"request": "a.b.c"}, "request_uri inside": {"request_uri": "https://jar.example/r"},
		"scope list of numbers": {"scope": []int{1}}, "null": {"scope": json.RawMessage("null")},
	} {
		r := v.authorize(by("jar", object(t, "jar", esKey, nil, c), "redirect_uri", "https://jar.example/cb", "response_type", "code"))
		if got := r.location().Query(); got.Get("error") != "invalid_request_object" || got.Has("code") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for name, c := range map[string]map[string]any{
		"8 s ahead": {"nbf": now + 8, "iat": now + 8}, "aud list": {"aud": []string{v.s.Issuer, "https://other.example"}}, "no aud": {"aud": nil}, "no iss": {"iss": nil}, "no exp": {"exp": nil},
		"max_age a number": {"max_age": 100_000}, "claims an object": {"claims": map[string]any{"userinfo": map[string]any{"email": nil}}},
	} {
		if r := v.authorize(by("jar", object(t, "jar", esKey, nil, c))); !r.location().Query().Has("code") {
			t.Errorf("%s is refused: %d %s %.300s", name, r.StatusCode, r.Header.Get("Location"), r.body)
		}
	}
}

func TestB7_B8_B9_AroundTheObject(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	// What stands outside only does not count (RFC 9101 §6.3) …
	r := v.authorize(by("jar", object(t, "jar", esKey, nil, map[string]any{"state": nil}), "state", "outside", "scope", "openid email", "redirect_uri", "https://evil.example/cb"))
	if q := r.location().Query(); !q.Has("code") || q.Has("state") || !strings.HasPrefix(r.Header.Get("Location"), "https://jar.example/cb?") {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	shown(t, v.authorize(by("jar", object(t, "jar", esKey, nil, map[string]any{"redirect_uri": "https://evil.example/cb"}))), http.StatusBadRequest)
	// … except under OpenID Connect's own rule, and then the object wins. OIDC Core §6.1.
	r = v.authorize(by("jar-oidc", object(t, "jar-oidc", esKey, nil, map[string]any{"state": nil, "nonce": "inside"}), "state", "outside", "scope", "openid", "nonce", "outside", "response_type", "code"))
	if q := r.location().Query(); !q.Has("code") || q.Get("state") != "outside" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := v.authorize(by("jar-oidc", object(t, "jar-oidc", esKey, nil, nil), "response_type", "code id_token", "redirect_uri", "https://jar-oidc.example/cb")); strings.Contains(r.Header.Get("Location"), "code=") {
		t.Errorf("response_type differs: %s", r.Header.Get("Location"))
	}
	good := object(t, "jar", esKey, nil, nil)
	out := []string{"redirect_uri", "https://jar.example/cb", "response_type", "code", "state", "st4te"}
	toClient(t, v.s, v.authorize(by("jar", good, append(out, "request_uri", "https://jar.example/r")...)), "https://jar.example/cb?", "st4te", "invalid_request")
	twice := by("jar", good, out...)
	twice.Add("request", good)
	toClient(t, v.s, v.authorize(twice), "https://jar.example/cb?", "st4te", "invalid_request")
	toClient(t, v.s, v.authorize(request("jar-only")), "https://jar-only.example/cb?", "st4te", "invalid_request")
	v.code(by("jar-only", object(t, "jar-only", esKey, nil, nil)))
	v.code(by("jar", good))
}

// A request object by reference is fetched only from where the client registered, and never from inside.
func TestB8_RequestURI(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Errorf("somebody connected: %v", c.RemoteAddr())
			c.Close()
		}
	}()
	for _, ref := range []string{"https://" + l.Addr().String() + "/r", "http://" + l.Addr().String() + "/r", "https://jar.example/other", "https://jar.example/r?x", "file:///etc/passwd", "urn:ietf:params:oauth:request_uri:guess",
		"https://inside.localhost:" + strings.Split(l.Addr().String(), ":")[1] + "/r", "https://jar.example/" + strings.Repeat("x", 600), "//jar.example/r", ""} {
		r := v.authorize(url.Values{"client_id": {"jar"}, "redirect_uri": {"https://jar.example/cb"}, "response_type": {"code"}, "state": {"st4te"}, "request_uri": {ref}})
		if ref == "" {
			continue
		}
		toClient(t, v.s, r, "https://jar.example/cb?", "st4te", "invalid_request_uri")
	}
}

var posted = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// What a client is posted is markup to nobody, and stands in no URL.
func TestA27_FormPost(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	evil := `"><script>alert(1)</script><input name="code" value="x`
	r := v.authorize(with(request("posts"), "response_mode", "form_post", "state", evil))
	if r.StatusCode != http.StatusOK || r.Header.Get("Location") != "" || r.Header.Get("Cache-Control") != "no-store" || strings.Contains(r.body, "<script>alert") {
		t.Fatalf("%d %v\n%s", r.StatusCode, r.Header, r.body)
	}
	if !strings.Contains(r.body, `<form method="post" action="https://posts.example/cb" data-post>`) || strings.Contains(r.Header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("%s\n%s", r.Header.Get("Content-Security-Policy"), r.body)
	}
	names := map[string]int{}
	for _, m := range posted.FindAllStringSubmatch(r.body, -1) {
		names[m[1]]++
	}
	if names["code"] != 1 || names["state"] != 1 || names["iss"] != 1 || len(names) != 3 {
		t.Errorf("fields %v", names)
	}
	r = v.authorize(with(request("posts"), "response_mode", "form_post", "scope", "openid nothing", "state", evil))
	if r.StatusCode != http.StatusOK || !strings.Contains(r.body, `name="error" value="invalid_scope"`) {
		t.Errorf("an error: %d %s", r.StatusCode, r.body)
	}
}

// A8: an ID token in the front channel without nonce; a token in the query.
func TestA8_Nonce(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, typ := range []string{"id_token", "id_token token", "code id_token", "code id_token token"} {
		r := v.authorize(with(request("jar-oidc"), "response_type", typ, "nonce", ""))
		if f, _ := url.ParseQuery(r.location().EscapedFragment()); f.Get("error") != "invalid_request" || f.Get("iss") != v.s.Issuer || f.Has("id_token") || f.Has("code") {
			t.Errorf("%s: %s", typ, r.Header.Get("Location"))
		}
		r = v.authorize(with(request("jar-oidc"), "response_type", typ, "response_mode", "query"))
		if strings.Contains(r.location().RawQuery, "token=") || strings.Contains(r.Header.Get("Location"), "id_token=") {
			t.Errorf("%s in the query: %s", typ, r.Header.Get("Location"))
		}
		r = v.authorize(with(request("jar-oidc"), "response_type", typ))
		if f, _ := url.ParseQuery(r.location().EscapedFragment()); !f.Has("id_token") || r.location().RawQuery != "" {
			t.Errorf("%s: %s", typ, r.Header.Get("Location"))
		}
	}
}
