package attacks

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	_, c, err := harness.DecodeJWT(token)
	if err != nil {
		t.Fatalf("%v: %q", err, token)
	}
	return c
}

var refreshTo = regexp.MustCompile(`http-equiv="refresh" content="\d+;\s*url=([^"]*)"`)

// leads is where a page sends the browser on by itself.
func leads(r reply) *url.URL {
	m := refreshTo.FindStringSubmatch(r.body)
	if m == nil {
		return &url.URL{}
	}
	u, err := url.Parse(html.UnescapeString(m[1]))
	if err != nil {
		return &url.URL{}
	}
	return u
}

func TestA12_SilentWithoutSession(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	q := with(request("house"), "prompt", "none")
	toClient(t, v.s, v.authorize(q), "https://house.example/cb?", "st4te", "login_required")
	for _, c := range []string{"x", "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", strings.Repeat("A", 4000), "\"a.b\""} {
		v.setCookie("sid", c)
		toClient(t, v.s, v.authorize(q), "https://house.example/cb?", "st4te", "login_required")
	}
	v.setCookie("sid", "")
	v.signIn("cat")
	v.code(q)
}

func TestA13_SilentThoughMoreIsDue(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("bob")
	toClient(t, v.s, v.authorize(with(request("web"), "prompt", "none")), "https://web.example/cb?", "st4te", "consent_required")
	toClient(t, v.s, v.authorize(with(request("house"), "prompt", "none", "acr_values", "urn:postern:acr:aal2", "claims", `{"id_token":{"acr":{"essential":true,"value":"urn:postern:acr:aal2"}}}`)),
		"https://house.example/cb?", "st4te", "unmet_authentication_requirements", "access_denied", "interaction_required")
	toClient(t, v.s, v.authorize(with(request("strict"), "prompt", "none")), "https://strict.example/cb?", "st4te", "unmet_authentication_requirements", "access_denied", "interaction_required")
	// Tia can prove more, and did not: her session is of one factor only if the server let her in with one.
	tia := visit(t, plain())
	r := tia.passwordStep("tia")
	if r.StatusCode == http.StatusSeeOther {
		toClient(t, v.s, tia.authorize(with(request("strict"), "prompt", "none")), "https://strict.example/cb?", "st4te", "interaction_required")
	} else {
		tia.submit("/code", with(fields(r), "code", codeOf("tia")))
	}
	v.code(with(request("house"), "prompt", "none"))
}

func TestA14_PromptContradiction(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, p := range []string{"none login", "login none", "none consent", "none select_account", "none none2"} {
		toClient(t, v.s, v.authorize(with(request("house"), "prompt", p)), "https://house.example/cb?", "st4te", "invalid_request")
	}
	for _, age := range []string{"-1", "x", "1e3", "99999999999999999999", "1.5", " 5"} {
		toClient(t, v.s, v.authorize(with(request("house"), "max_age", age)), "https://house.example/cb?", "st4te", "invalid_request")
	}
	for _, age := range []string{"9223372036854775807", "10000000000", "86400"} { // a duration must not overflow
		v.code(with(request("house"), "max_age", age, "prompt", "none"))
	}
}

func TestA15_FreshLogin(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string][2]string{"prompt": {"prompt", "login"}, "max_age": {"max_age", "1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := visit(t, plain())
			v.signIn("dan")
			before := v.cookie("sid")
			old := claims(t, v.tokens("house", "openid").field("id_token"))["auth_time"].(json.Number)
			time.Sleep(2100 * time.Millisecond)
			q := with(request("house"), extra[0], extra[1])
			r := v.authorize(q)
			to := r.Header.Get("Location")
			if !strings.HasPrefix(to, "/login?i=") {
				t.Fatalf("no new sign-in is asked: %q", to)
			}
			form := fields(v.get(to))
			// Going past the page does not help.
			r = v.get("/continue?i=" + form.Get("i"))
			if !strings.HasPrefix(r.Header.Get("Location"), "/login") {
				t.Fatalf("the sign-in can be skipped: %d %s %s", r.StatusCode, r.Header.Get("Location"), leads(r))
			}
			r = v.submit("/login", with(form, "identifier", "dan", "password", password))
			if v.cookie("sid") == before {
				t.Error("the session's secret does not change")
			}
			back := leads(v.get(r.Header.Get("Location"))).Query()
			tok := accepted(t, v.token("house", exchange(back.Get("code"), "https://house.example/cb"))).field("id_token")
			fresh, _ := claims(t, tok)["auth_time"].(json.Number)
			was, _ := old.Int64()
			if is, _ := fresh.Int64(); is <= was {
				t.Errorf("auth_time is %v, and was %v before", fresh, old)
			}
		})
	}
}

func TestA16_ForeignHint(t *testing.T) {
	t.Parallel()
	v, other := visit(t, plain()), visit(t, plain())
	v.signIn("cat")
	other.signIn("dan")
	hers, his := v.tokens("house", "openid").field("id_token"), other.tokens("house", "openid")
	q := with(request("house"), "prompt", "none")
	toClient(t, v.s, v.authorize(with(q, "id_token_hint", his.field("id_token"))), "https://house.example/cb?", "st4te", "login_required")
	toClient(t, v.s, v.authorize(with(q, "claims", `{"id_token":{"sub":{"value":"`+claims(t, his.field("id_token"))["sub"].(string)+`"}}}`)), "https://house.example/cb?", "st4te", "login_required")
	for _, hint := range forged(t, hers, "JWT") {
		toClient(t, v.s, v.authorize(with(q, "id_token_hint", hint)), "https://house.example/cb?", "st4te", "invalid_request", "login_required")
	}
	toClient(t, v.s, v.authorize(with(q, "id_token_hint", his.field("access_token"))), "https://house.example/cb?", "st4te", "invalid_request")
	// Asked for another person interactively, whoever signs in instead gets no code.
	to := v.authorize(with(request("house"), "id_token_hint", his.field("id_token"))).Header.Get("Location")
	r := v.submit("/login", with(fields(v.get(to)), "identifier", "cat", "password", password))
	if back := leads(v.get(r.Header.Get("Location"))).Query(); back.Has("code") || back.Get("error") != "login_required" {
		t.Errorf("a code for the wrong person: %v", back)
	}
	v.code(with(q, "id_token_hint", hers))
}

// forged are versions of a token of ours that nobody may believe.
func forged(t testing.TB, token, typ string) map[string]string {
	t.Helper()
	header, c, err := harness.DecodeJWT(token)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	sign := func(h map[string]any, c map[string]any) string {
		s, err := harness.SignJWT(otherKey, h, c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	out := map[string]string{
		"none":         enc(`{"alg":"none","typ":"`+typ+`"}`) + "." + parts[1] + ".",
		"none in caps": enc(`{"alg":"NONE"}`) + "." + parts[1] + "." + parts[2],
		"no signature": parts[0] + "." + parts[1] + ".",
		"foreign key":  sign(map[string]any{"alg": "ES256", "kid": header["kid"], "typ": typ}, c),
		"own jwk":      sign(map[string]any{"alg": "ES256", "typ": typ, "jwk": json.RawMessage(jwkOf(t))}, c),
		"jku":          sign(map[string]any{"alg": "ES256", "typ": typ, "kid": "x", "jku": "https://evil.example/jwks"}, c),
		"crit":         sign(map[string]any{"alg": "ES256", "typ": typ, "kid": header["kid"], "crit": []string{"x"}, "x": 1}, c),
		"b64":          sign(map[string]any{"alg": "ES256", "typ": typ, "kid": header["kid"], "b64": false, "crit": []string{"b64"}}, c),
		"zip":          sign(map[string]any{"alg": "ES256", "typ": typ, "kid": header["kid"], "zip": "DEF"}, c),
		"kid path":     sign(map[string]any{"alg": "ES256", "typ": typ, "kid": "../../../../dev/null"}, c),
		"kid sql":      sign(map[string]any{"alg": "ES256", "typ": typ, "kid": "' UNION SELECT 1 --"}, c),
		"pbes2":        enc(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"p2s":"AAAA"}`) + ".AAAA.AAAA.AAAA.AAAA",
		"changed":      parts[0] + "." + enc(strings.Replace(dec(parts[1]), "{", `{"x":1,`, 1)) + "." + parts[2],
		"padded":       parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"cut":          token[:len(token)-4],
		"twice":        token + "." + parts[2],
		"spaces":       parts[0] + ". " + parts[1] + "." + parts[2],
		"huge":         parts[0] + "." + strings.Repeat("A", 14_000) + "." + parts[2],
		"not a token":  "x", "dots": "..", "binary": "\x00\xff.\x00.\x00",
	}
	for name, key := range publicKeys(t, token) {
		out["hs256 with "+name] = hs256(map[string]any{"alg": "HS256", "kid": header["kid"], "typ": typ}, c, key)
	}
	return out
}

func TestA17_EssentialACR(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, c := range []string{
		`{"id_token":{"acr":{"essential":true,"value":"urn:postern:acr:aal2"}}}`, `{"id_token":{"acr":{"essential":true,"values":["phr","phrh"]}}}`,
		`{"id_token":{"acr":{"essential":true,"value":"no-such-level"}}}`,
	} {
		toClient(t, v.s, v.authorize(with(request("house"), "claims", c)), "https://house.example/cb?", "st4te", "unmet_authentication_requirements", "access_denied")
	}
	toClient(t, v.s, v.authorize(request("strict")), "https://strict.example/cb?", "st4te", "unmet_authentication_requirements", "access_denied")
	// As a wish it is no barrier, but the token says what happened.
	code := v.code(with(request("house"), "acr_values", "phrh urn:postern:acr:aal2"))
	c := claims(t, accepted(t, v.token("house", exchange(code, "https://house.example/cb"))).field("id_token"))
	if c["acr"] != "urn:postern:acr:aal1" {
		t.Errorf("acr is %v", c["acr"])
	}
}

func TestA18_Markup(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`{{7*7}}${7*7}\u2028"
	q := with(request("xss"), "state", evil, "nonce", evil, "login_hint", evil, "ui_locales", evil+" en", "display", evil, "acr_values", evil)
	page := begins(t, v, q)
	v.submit("/login", with(fields(page), "identifier", evil, "password", evil))
	r := v.submit("/login", with(fields(page), "identifier", "eve", "password", password))
	consent := v.get(r.Header.Get("Location"))
	if !strings.Contains(consent.body, "&lt;script&gt;") {
		t.Errorf("the consent page does not show the client's name escaped")
	}
	r = v.submit("/consent", with(fields(consent), "decision", "allow"))
	last := v.get(r.Header.Get("Location"))
	for _, r := range []reply{page, consent, last, v.get("/account/apps"), v.get("/account/activity"), v.get("/account/sessions"),
		v.get("/login?lang=" + url.QueryEscape(evil) + "&to=" + url.QueryEscape(evil)), v.get("/" + url.PathEscape(evil)), v.get("/account?done=" + url.QueryEscape(evil))} {
		body := r.body
		for _, tag := range []string{"<script>alert", "<img src=x", "onerror=alert(1)>", "49"} {
			if tag == "49" {
				if strings.Contains(body, "`49$49") {
					t.Error("a template inside a value runs")
				}
			} else if strings.Contains(body, tag) {
				t.Errorf("%s: markup of strangers is in the page: %s", r.Request.URL.Path, tag)
			}
		}
	}
	if got := leads(last).Query(); got.Get("state") != evil || got.Get("code") == "" {
		t.Errorf("state comes back as %q", got.Get("state"))
	}
	accepted(t, v.token("xss", exchange(leads(last).Query().Get("code"), "https://xss.example/cb")))
	toClient(t, v.s, v.authorize(with(q, "prompt", evil+" none x")), "https://xss.example/cb?", evil, "invalid_request", "consent_required")
	v.recorded("consent.given", audit.OK, 1)
}
