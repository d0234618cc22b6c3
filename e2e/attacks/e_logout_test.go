package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-id/postern/audit"
)

const bye = "https://web.example/bye"

// signedUp is a visitor with a session and an ID token for the client web.
func signedUp(t *testing.T) (*visitor, reply) {
	t.Helper()
	v := visit(t, plain())
	v.signIn("fay")
	q := request("web")
	r := v.authorize(q)
	if to := r.Header.Get("Location"); strings.HasPrefix(to, "/consent") {
		r = v.submit("/consent", with(fields(v.get(to)), "decision", "allow"))
		r = v.token("web", exchange(leads(v.get(r.Header.Get("Location"))).Query().Get("code"), "https://web.example/cb"))
	} else {
		r = v.token("web", exchange(r.location().Query().Get("code"), "https://web.example/cb"))
	}
	return v, accepted(t, r)
}

func logoutURL(pairs ...string) string { return "/logout?" + with(url.Values{}, pairs...).Encode() }

func TestE1_PostLogoutRedirect(t *testing.T) {
	t.Parallel()
	v, tok := signedUp(t)
	hint := tok.field("id_token")
	for _, to := range []string{"https://evil.example", "https://house.example/bye", bye + "?x=1", bye + "/", bye + "?", bye + "#x", "https://web.example/cb", "https://web.example:443/bye", "https://WEB.example/bye",
		"javascript:alert(1)", "//web.example/bye", "https://web.example@evil.example/bye", bye + "?a=1&b=2", bye + "\r\nX: y", "\x00", strings.Repeat("x", 20_000)} {
		shown(t, v.get(logoutURL("id_token_hint", hint, "post_logout_redirect_uri", to)), http.StatusBadRequest)
		shown(t, v.post("/logout", with(url.Values{}, "id_token_hint", hint, "post_logout_redirect_uri", to)), http.StatusBadRequest)
		shown(t, v.get(logoutURL("client_id", "web", "post_logout_redirect_uri", to)), http.StatusBadRequest)
	}
	shown(t, v.get(logoutURL("id_token_hint", hint, "client_id", "house", "post_logout_redirect_uri", "https://house.example/bye")), http.StatusBadRequest)
	shown(t, v.get(logoutURL("id_token_hint", hint, "client_id", "nobody")), http.StatusBadRequest)
	shown(t, v.get(logoutURL("id_token_hint", hint, "post_logout_redirect_uri", bye, "state", strings.Repeat("<", 10_000))), http.StatusBadRequest)
	if !v.signedIn() {
		t.Fatal("a refused request ended the session")
	}
	r := v.get(logoutURL("id_token_hint", hint, "post_logout_redirect_uri", bye+"?a=1", "state", "s&x=1\"<"))
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), bye+"?a=1&state=") || r.location().Query().Get("state") != "s&x=1\"<" {
		t.Errorf("a good logout: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if v.signedIn() {
		t.Error("still signed in")
	}
}

func TestE2_LogoutHint(t *testing.T) {
	t.Parallel()
	v, tok := signedUp(t)
	for name, hint := range forged(t, tok.field("id_token"), "JWT") {
		r := v.get(logoutURL("id_token_hint", hint, "post_logout_redirect_uri", bye))
		if r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for _, other := range []string{tok.field("access_token"), tok.field("refresh_token")} {
		shown(t, v.get(logoutURL("id_token_hint", other, "post_logout_redirect_uri", bye)), http.StatusBadRequest)
	}
	// without a hint: a page, and nothing happens by itself
	r := v.get(logoutURL("client_id", "web", "post_logout_redirect_uri", bye))
	if r.StatusCode != http.StatusOK || r.Header.Get("Location") != "" || leads(r).String() != "" {
		t.Errorf("without hint: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	// a hint of somebody else's session ends neither
	other, theirs := signedUp(t)
	if r := v.get(logoutURL("id_token_hint", theirs.field("id_token"), "post_logout_redirect_uri", bye)); r.StatusCode != http.StatusOK || r.Header.Get("Location") != "" {
		t.Errorf("a foreign hint: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	if !v.signedIn() || !other.signedIn() {
		t.Error("somebody is signed out")
	}
	// without any session and hint there is nobody to ask, and nowhere to go
	if r := visit(t, plain()).get(logoutURL("client_id", "web", "post_logout_redirect_uri", bye)); r.Header.Get("Location") != "" {
		t.Errorf("a redirect for nobody: %s", r.Header.Get("Location"))
	}
}

func TestE3_LogoutCSRF(t *testing.T) {
	t.Parallel()
	v, tok := signedUp(t)
	attacker := visit(t, plain())
	attacker.signIn("dan")
	foreign := fields(attacker.get("/logout"))
	for _, r := range []reply{
		v.do(http.MethodGet, "/logout", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"image"}}),
		v.post("/logout", nil), v.post("/logout", url.Values{"decision": {"leave"}}), v.do(http.MethodHead, "/logout", "", nil),
	} {
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", r.Request.Method, r.StatusCode)
		}
	}
	for _, csrf := range []string{"x", foreign.Get("csrf"), fields(v.get("/account/sessions")).Get("csrf")} {
		shown(t, v.post("/logout", url.Values{"csrf": {csrf}, "decision": {"leave"}}), http.StatusForbidden)
	}
	if !v.signedIn() || v.userinfo(tok.field("access_token")).StatusCode != http.StatusOK {
		t.Fatal("signed out by a stranger")
	}
	v.submit("/logout", with(fields(v.get("/logout")), "decision", "stay"))
	if !v.signedIn() {
		t.Fatal("signed out though the answer was no")
	}
	v.submit("/logout", with(fields(v.get("/logout")), "decision", "leave"))
	if v.signedIn() {
		t.Error("still signed in")
	}
}

func TestE4_AfterLogout(t *testing.T) {
	t.Parallel()
	v, tok := signedUp(t)
	more := v.tokens("house", "openid offline_access")
	sid, did := v.cookie("sid"), v.cookie("did")
	pending := v.code(request("house"))
	half := v.authorize(with(request("web"), "prompt", "consent")).Header.Get("Location")
	halfForm := fields(v.get(half))
	r := v.get(logoutURL("id_token_hint", tok.field("id_token"), "post_logout_redirect_uri", bye))
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Clear-Site-Data") == "" {
		t.Errorf("logout: %d %v", r.StatusCode, r.Header)
	}
	toClient(t, v.s, v.authorize(with(request("house"), "prompt", "none")), houseCB+"?", "st4te", "login_required")
	thief := visit(t, plain())
	thief.setCookie("sid", sid)
	thief.setCookie("did", did)
	toClient(t, v.s, thief.authorize(with(request("house"), "prompt", "none")), houseCB+"?", "st4te", "login_required")
	refused(t, v.token("house", exchange(pending, houseCB)), http.StatusBadRequest, "invalid_grant")
	if to := v.submit("/consent", with(halfForm, "decision", "allow")).Header.Get("Location"); !strings.HasPrefix(to, "/login") {
		t.Errorf("consent after logout leads to %q", to)
	}
	for _, x := range []struct{ client, token string }{
		{"web", tok.field("access_token")}, {"web", tok.field("refresh_token")}, {"house", more.field("access_token")}, {"house", more.field("refresh_token")},
	} {
		if v.active(x.client, x.token) {
			t.Errorf("a token of %s outlives the logout", x.client)
		}
	}
	for _, at := range []string{tok.field("access_token"), more.field("access_token")} {
		if r := v.userinfo(at); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("userinfo after logout: %d", r.StatusCode)
		}
	}
	refused(t, v.token("house", refresh(more.field("refresh_token"))), http.StatusBadRequest, "invalid_grant")
	v.signIn("fay")
	v.tokens("house", "openid")
	v.recorded("session.started", audit.OK, 2)
}

// TestE_OtherPersonsSession: nobody ends or sees what belongs to somebody else.
func TestE_OtherPersonsSession(t *testing.T) {
	t.Parallel()
	v, tok := signedUp(t)
	sid, _ := claims(t, tok.field("id_token"))["sid"].(string)
	other := visit(t, plain())
	other.signIn("dan")
	f := fields(other.get("/account/sessions"))
	for _, id := range []string{sid, v.cookie("sid"), "", "*", "%", "' OR 1=1 --", strings.Repeat("x", 10_000), "\x00"} {
		other.submit("/account/sessions", with(f, "session", id))
	}
	other.submit("/account/apps", with(fields(other.get("/account/apps")), "client", "web"))
	if !v.signedIn() || v.userinfo(tok.field("access_token")).StatusCode != http.StatusOK {
		t.Error("a stranger ended the session")
	}
	if strings.Contains(other.get("/account/sessions").body, sid) || strings.Contains(other.get("/account/activity?before=99999999999999999").body, v.ip) {
		t.Error("a stranger sees the session")
	}
}

// TestConsentOfAnotherPerson: what one person allowed in an interaction is no answer for the one who signs in after.
func TestConsentOfAnotherPerson(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	form := fields(begins(t, v, with(request("web"), "scope", "openid email", "prompt", "login consent")))
	r := v.submit("/login", with(form, "identifier", "dan", "password", password))
	consent := fields(v.get(r.Header.Get("Location")))
	r = v.submit("/consent", with(consent, "decision", "allow"))
	if r.Header.Get("Location") != "/continue?i="+consent.Get("i") {
		t.Fatalf("consent leads to %q", r.Header.Get("Location"))
	}
	v.signIn("bob") // in another tab, before the answer is fetched
	r = v.get("/continue?i=" + consent.Get("i"))
	if q := leads(r).Query(); q.Has("code") {
		tok := accepted(t, v.token("web", exchange(q.Get("code"), "https://web.example/cb")))
		t.Errorf("the code is for %v, who allowed nothing and was not asked to sign in here", v.userinfo(tok.field("access_token")).body)
	}
}
