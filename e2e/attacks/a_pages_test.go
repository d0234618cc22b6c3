package attacks

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-id/postern/audit"
)

var resource = regexp.MustCompile(`(?:src|href|action|content)="((?:https?:)?//[^"]*)"`)

// ownCode is script or style inside a page; attributes of an element count, not its text.
var ownCode = regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<[a-z][^>]*\s(?:on[a-z]+|style)=|<iframe|<object|<base`)

// TestA20_A21_EveryPage: each page stands on its own: no frame, no referrer, no cache, nothing from elsewhere. The headers
// themselves are checked with every answer of every test, in quiet.
func TestA20_A21_EveryPage(t *testing.T) {
	t.Parallel()
	for _, s := range []*visitor{visit(t, plain()), visit(t, secure())} {
		v := s
		var pages []reply
		see := func(r reply) reply {
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
				t.Errorf("%s is no page: %d %s", r.Request.URL.Path, r.StatusCode, r.Header.Get("Content-Type"))
			}
			pages = append(pages, r)
			return r
		}
		to := v.authorize(request("web")).Header.Get("Location")
		form := fields(see(v.get(to)))
		see(v.submit("/login", with(form, "identifier", "fay", "password", "wrong")))
		r := v.submit("/login", with(form, "identifier", "fay", "password", password))
		if next := r.Header.Get("Location"); strings.HasPrefix(next, "/consent") {
			r = v.submit("/consent", with(fields(see(v.get(next))), "decision", "allow"))
		}
		end := r.Header.Get("Location")
		see(v.get(end))
		see(v.get(end)) // finished
		for _, p := range []string{"/account", "/account/sessions", "/account/apps", "/account/activity", "/logout", "/no-such-page", "/authorize", "/login?i=gone"} {
			see(v.get(p))
		}
		see(v.submit("/logout", with(fields(v.get("/logout")), "decision", "leave")))
		for _, p := range pages {
			for _, m := range resource.FindAllStringSubmatch(p.body, -1) {
				if u, _ := url.Parse(m[1]); u != nil && !strings.HasPrefix(m[1], v.s.Issuer) && !strings.HasSuffix(u.Host, "web.example") {
					t.Errorf("%s takes or leads to %s", p.Request.URL.Path, m[1])
				}
			}
			if m := ownCode.FindString(p.body); m != "" {
				t.Errorf("%s has script or style of its own: %q", p.Request.URL.Path, m)
			}
		}
	}
}

func TestA22_RedirectAfterCredentials(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	to := v.authorize(request("house")).Header.Get("Location")
	form := fields(v.get(to))
	r := v.submit("/login", with(form, "identifier", "cat", "password", password))
	if r.StatusCode != http.StatusSeeOther && r.StatusCode != http.StatusOK {
		t.Errorf("a sign-in is answered with %d", r.StatusCode)
	}
	if strings.Contains(r.Header.Get("Location")+r.body, "code=pac_") && r.StatusCode != http.StatusOK {
		t.Errorf("the answer to a credential carries the code: %s", r.Header.Get("Location"))
	}
	if back := leads(v.get(r.Header.Get("Location"))).Query(); back.Get("code") == "" {
		t.Errorf("no code at the end: %v", back)
	}
	if r := v.post("/authorize", request("house")); r.StatusCode != http.StatusSeeOther {
		t.Errorf("POST /authorize is answered with %d", r.StatusCode)
	}
}

func TestA23_IssInEveryResponse(t *testing.T) {
	t.Parallel()
	for _, s := range []*visitor{visit(t, plain()), visit(t, secure())} {
		v := s
		toClient(t, v.s, v.authorize(with(request("house"), "prompt", "none")), "https://house.example/cb?", "st4te", "login_required")
		// cancelled on the page
		page := v.get(v.authorize(request("house")).Header.Get("Location"))
		r := v.submit("/login", with(fields(page), "decision", "cancel"))
		if q := leads(r).Query(); q.Get("iss") != v.s.Issuer || q.Get("error") != "access_denied" || q.Get("state") != "st4te" {
			t.Errorf("cancelling leads to %v", q)
		}
		v.signIn("cat")
		// neither a header nor a parameter changes it
		for _, h := range []http.Header{{"Host": {"evil.example"}}, {"X-Forwarded-Host": {"evil.example"}}, {"Forwarded": {"host=evil.example;proto=https"}}} {
			q := v.do(http.MethodGet, "/authorize?"+with(request("house"), "iss", "https://evil.example", "prompt", "none").Encode(), "", h).location().Query()
			if len(q["iss"]) != 1 || q.Get("iss") != v.s.Issuer {
				t.Errorf("iss is %v", q["iss"])
			}
		}
	}
}

// TestA24_LoginCSRF: every form, with no token, a foreign one, one of another interaction, or sent from elsewhere.
func TestA24_LoginCSRF(t *testing.T) {
	t.Parallel()
	v, attacker := visit(t, plain()), visit(t, plain())
	page := begins(t, v, request("web"))
	theirs := begins(t, attacker, request("web"))
	form, foreign := fields(page), fields(theirs)
	second := fields(begins(t, v, request("web")))
	own := fields(v.get("/login?to=/account"))
	creds := []string{"identifier", "bob", "password", password}
	for name, f := range map[string]url.Values{
		"none": with(form, "csrf", ""), "foreign": with(form, "csrf", foreign.Get("csrf")), "other interaction": with(form, "csrf", second.Get("csrf")),
		"own account": with(form, "csrf", own.Get("csrf")), "cut": with(form, "csrf", form.Get("csrf")[:20]), "longer": with(form, "csrf", form.Get("csrf")+"A"),
		"foreign, account": with(own, "csrf", fields(attacker.get("/login")).Get("csrf")), "none, account": with(own, "csrf", ""),
	} {
		r := v.submit("/login", with(f, creds...))
		shown(t, r, http.StatusForbidden)
		if v.cookie("sid") != "" {
			t.Fatalf("%s: somebody is signed in", name)
		}
	}
	good := with(form, creds...)
	for name, h := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}}, "same-site": {"Sec-Fetch-Site": {"same-site"}}, "origin": {"Origin": {"https://evil.example"}},
		"null origin": {"Origin": {"null"}}, "port": {"Origin": {"http://localhost:1"}},
	} {
		shown(t, v.do(http.MethodPost, "/login", good.Encode(), h), http.StatusForbidden)
		if v.cookie("sid") != "" {
			t.Fatalf("%s: somebody is signed in", name)
		}
	}
	// an interaction of another browser is not there for this one: the attacker's request cannot be finished by the victim
	shown(t, v.submit("/login", with(foreign, creds...)), http.StatusBadRequest)
	shown(t, v.get("/login?i="+foreign.Get("i")), http.StatusBadRequest)
	shown(t, v.get("/consent?i="+foreign.Get("i")), http.StatusBadRequest)
	shown(t, v.get("/continue?i="+foreign.Get("i")), http.StatusBadRequest)

	r := v.submit("/login", good)
	if v.cookie("sid") == "" {
		t.Fatal("the right form is refused")
	}
	consent := fields(v.get(r.Header.Get("Location")))
	for _, f := range []url.Values{with(consent, "csrf", ""), with(consent, "csrf", foreign.Get("csrf")), with(consent, "csrf", second.Get("csrf"))} {
		shown(t, v.submit("/consent", with(f, "decision", "allow")), http.StatusForbidden)
	}
	shown(t, v.do(http.MethodPost, "/consent", with(consent, "decision", "allow").Encode(), http.Header{"Sec-Fetch-Site": {"cross-site"}}), http.StatusForbidden)
	if r := v.get("/consent?decision=allow&i=" + consent.Get("i") + "&csrf=" + consent.Get("csrf")); r.StatusCode != http.StatusOK || leads(r).Query().Has("code") {
		t.Errorf("consent can be given by a link: %d", r.StatusCode)
	}
	if r := v.get("/continue?i=" + consent.Get("i")); !strings.HasPrefix(r.Header.Get("Location"), "/consent") {
		t.Errorf("consent can be skipped: %d %s", r.StatusCode, leads(r))
	}
	for _, path := range []string{"/account/sessions", "/account/apps"} {
		f := fields(v.get(path))
		for _, csrf := range []string{"", foreign.Get("csrf"), consent.Get("csrf")} {
			shown(t, v.submit(path, with(f, "csrf", csrf, "others", "1", "session", "x", "client", "web")), http.StatusForbidden)
		}
		shown(t, v.do(http.MethodPost, path, with(f, "others", "1").Encode(), http.Header{"Sec-Fetch-Site": {"cross-site"}}), http.StatusForbidden)
	}
	r = v.submit("/consent", with(consent, "decision", "allow"))
	if q := leads(v.get(r.Header.Get("Location"))).Query(); q.Get("code") == "" {
		t.Errorf("no code in the end: %v", q)
	}
	v.recorded("consent.given", audit.OK, 1)
}

// TestA24_Fixation: what an attacker plants in a browser does not survive the sign-in.
func TestA24_Fixation(t *testing.T) {
	t.Parallel()
	attacker, v := visit(t, plain()), visit(t, plain())
	attacker.signIn("bob")
	planted := attacker.cookie("sid")
	v.setCookie("sid", planted)
	v.setCookie("did", attacker.cookie("did"))
	v.signIn("cat")
	if v.cookie("sid") == planted {
		t.Fatal("the session keeps the attacker's secret")
	}
	attacker2 := visit(t, plain())
	attacker2.setCookie("sid", planted)
	attacker2.setCookie("did", attacker.cookie("did"))
	if attacker2.signedIn() {
		t.Error("the planted session is alive beside the new one")
	}
	// re-authentication changes the secret, and the old one is worth nothing elsewhere
	old := v.cookie("sid")
	v.signIn("cat")
	if v.cookie("sid") == old {
		t.Error("the secret does not change")
	}
	thief := visit(t, plain())
	thief.setCookie("sid", old)
	if thief.signedIn() {
		t.Error("the secret from before the sign-in still opens the account on another device")
	}
	if !v.signedIn() {
		t.Error("the owner is signed out")
	}
}

// TestOpenRedirects: nowhere does a parameter lead off our pages.
func TestOpenRedirects(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, to := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "/account/../../evil", "javascript:alert(1)", "/account@evil.example", "/account?x", "/logout", "\\\\evil.example", "/account\r\nLocation: https://evil.example", "/%2f%2fevil.example", "///evil.example"} {
		fresh := visit(t, plain())
		r := fresh.submit("/login", with(fields(fresh.get("/login?to="+url.QueryEscape(to))), "to", to, "identifier", "cat", "password", password))
		if r.Header.Get("Location") != "/account" {
			t.Errorf("to=%q leads to %q", to, r.Header.Get("Location"))
		}
	}
	for _, path := range []string{"//evil.example", "//evil.example/%2e%2e", "/\\evil.example", "/%5cevil.example", "//evil.example/login", "/login//evil.example", "/.//evil.example", "/account/..//evil.example"} {
		for _, q := range []string{"", "?lang=zh-CN"} {
			req, err := http.NewRequest(http.MethodGet, v.s.Issuer, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = path
			req.URL.RawQuery = strings.TrimPrefix(q, "?")
			resp, err := v.http.Do(req)
			if err != nil {
				continue
			}
			resp.Body.Close()
			to, err := url.Parse(resp.Header.Get("Location"))
			if err != nil || to.Host != "" && to.Host != resp.Request.URL.Host || strings.HasPrefix(resp.Header.Get("Location"), "//") || strings.HasPrefix(resp.Header.Get("Location"), "/\\") {
				t.Errorf("%s%s leads to %q", path, q, resp.Header.Get("Location"))
			}
		}
	}
	page := v.get("/login?lang=en&x=//evil.example")
	for _, m := range regexp.MustCompile(`href="([^"]*lang=[^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		if !strings.HasPrefix(m[1], "/login?") {
			t.Errorf("a language link leads to %q", m[1])
		}
	}
}

// TestMassAssignment: fields that a form does not have change nothing.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	extra := []string{"user", "bob", "sub", "bob", "username", "bob", "email_verified", "true", "admin", "true", "acr", "phrh", "scope", "openid orders:write admin", "client_id", "house", "redirect_uri", "https://evil.example/cb", "session", "x", "proved", "true", "decided", "true", "Proved", "true", "hold", "x", "h", "x", "required", "0"}
	form := fields(begins(t, v, with(request("web"), "scope", "openid orders:read")))
	r := v.submit("/login", with(form, append(extra, "identifier", "dan", "password", password)...))
	consent := v.get(r.Header.Get("Location"))
	r = v.submit("/consent", with(fields(consent), append(extra, "decision", "allow")...))
	back := leads(v.get(r.Header.Get("Location")))
	if !strings.HasPrefix(back.String(), "https://web.example/cb?") {
		t.Fatalf("leads to %s", back)
	}
	r = accepted(t, v.token("web", with(exchange(back.Query().Get("code"), "https://web.example/cb"), "sub", "bob", "acr", "phrh", "aud", "https://stock.example", "expires_in", "99999999", "client", "house")))
	if r.field("scope") != "openid orders:read" {
		t.Errorf("scope %q", r.field("scope"))
	}
	c := claims(t, r.field("access_token"))
	if c["client_id"] != "web" || c["acr"] != "urn:postern:acr:aal1" || c["sub"] == "bob" {
		t.Errorf("the token says %v", c)
	}
	if r := v.userinfo(r.field("access_token")); r.StatusCode != http.StatusOK || strings.Contains(r.body, "admin") {
		t.Errorf("userinfo: %d %s", r.StatusCode, r.body)
	}
}
