package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web/webtest"
)

// fetchJSON posts as the script of our pages does.
func fetchJSON(s *webtest.Server, path, cookie, csrf string, body map[string]any) (*httptest.ResponseRecorder, map[string]any) {
	b, _ := json.Marshal(body)
	r := httptest.NewRequest(http.MethodPost, oauthtest.Issuer+path, strings.NewReader(string(b)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", cookie)
	r.Header.Set("X-CSRF", csrf)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w, out
}

func raw(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The whole life of a passkey over HTTP, with an authenticator in software: made on the account page, used to sign in
// without a name, renamed, and guarded. H15, I8: a proof that is old changes nothing.
func TestPasskeyLife(t *testing.T) {
	s := shell(t, nil)
	s.Person("pia", passphrase)
	cookie := s.Cookie("pia", passphrase)
	page := send(s, http.MethodGet, "/account/passkeys", cookie, nil)
	csrf := hiddenOf(page.Body.String()).Get("csrf")
	if page.Code != http.StatusOK || csrf == "" {
		t.Fatalf("the page: %d", page.Code)
	}
	device := &authntest.Authenticator{Origin: oauthtest.Issuer}

	// H15, I8: eleven minutes after the sign-in nothing can be changed, neither by the script nor by a form.
	s.Clock = s.Clock.Add(11 * time.Minute)
	if w, out := fetchJSON(s, "/webauthn/create/options", cookie, csrf, map[string]any{"to": "/account/passkeys"}); w.Code != http.StatusForbidden || out["error"] != "stale" {
		t.Errorf("H15 an old proof: %d %v", w.Code, out)
	}
	for path, form := range map[string]url.Values{"/account/recovery-codes": {"create": {"1"}}, "/account/totp": {"remove": {"1"}},
		"/account/password": {"current": {passphrase}, "new": {"another long passphrase"}}} {
		form.Set("csrf", csrf)
		if w := send(s, http.MethodPost, path, cookie, form); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?to=") {
			t.Errorf("I8 %s with an old proof: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	cookie = s.Cookie("pia", passphrase)
	csrf = hiddenOf(send(s, http.MethodGet, "/account/passkeys", cookie, nil).Body.String()).Get("csrf")

	// A form token of somebody else's browser is none.
	if w, _ := fetchJSON(s, "/webauthn/create/options", cookie, "forged", map[string]any{"to": "/account/passkeys"}); w.Code != http.StatusForbidden {
		t.Errorf("A24 a forged token: %d", w.Code)
	}
	w, out := fetchJSON(s, "/webauthn/create/options", cookie, csrf, map[string]any{"to": "/account/passkeys"})
	if w.Code != http.StatusOK {
		t.Fatalf("create/options: %d %s", w.Code, w.Body)
	}
	made := device.Register(t, raw(t, out["options"]))
	body := map[string]any{"to": "/account/passkeys", "handle": out["handle"], "response": json.RawMessage(made)}
	if w, out = fetchJSON(s, "/webauthn/create", cookie, csrf, body); w.Code != http.StatusOK || out["to"] != "/account/passkeys?done=added" {
		t.Fatalf("create: %d %v", w.Code, out)
	}
	if w, _ = fetchJSON(s, "/webauthn/create", cookie, csrf, body); w.Code < 400 {
		t.Errorf("H1 the same registration twice: %d", w.Code)
	}

	// Somebody else's browser, without a name: the passkey says who it is, and one factor is both.
	fresh := send(s, http.MethodGet, "/login", "", nil)
	theirs := cookies("", fresh)
	form := hiddenOf(fresh.Body.String())
	if w, out = fetchJSON(s, "/webauthn/get/options", theirs, form.Get("csrf"), map[string]any{"to": form.Get("to")}); w.Code != http.StatusOK {
		t.Fatalf("get/options: %d %s", w.Code, w.Body)
	}
	answer := map[string]any{"to": form.Get("to"), "handle": out["handle"], "response": json.RawMessage(device.Assert(t, raw(t, out["options"])))}
	if w, out = fetchJSON(s, "/webauthn/get", theirs, form.Get("csrf"), answer); w.Code != http.StatusOK || out["to"] != "/account" || out["signal"] == nil {
		t.Fatalf("get: %d %v", w.Code, out)
	}
	signedIn := cookies(theirs, w)
	if w := send(s, http.MethodGet, "/account", signedIn, nil); w.Code != http.StatusOK {
		t.Errorf("not signed in: %d", w.Code)
	}
	if w, _ := fetchJSON(s, "/webauthn/get", theirs, form.Get("csrf"), answer); w.Code != http.StatusUnauthorized {
		t.Errorf("H1 one assertion twice: %d", w.Code)
	}

	// An authenticator whose passkey nobody knows is told so.
	stranger := &authntest.Authenticator{Origin: oauthtest.Issuer}
	_, out = fetchJSON(s, "/webauthn/create/options", cookie, csrf, map[string]any{"to": "/account/passkeys"})
	if out["error"] != "stale" { // the account reaches more by now: a password alone changes nothing any more
		t.Errorf("I8 a weaker proof: %v", out)
	}
	csrf = hiddenOf(send(s, http.MethodGet, "/account/passkeys", signedIn, nil).Body.String()).Get("csrf")
	_, out = fetchJSON(s, "/webauthn/create/options", signedIn, csrf, map[string]any{"to": "/account/passkeys"})
	stranger.Register(t, raw(t, out["options"])) // made, but never sent
	_, out = fetchJSON(s, "/webauthn/get/options", theirs, form.Get("csrf"), map[string]any{"to": "/account"})
	answer = map[string]any{"to": "/account", "handle": out["handle"], "response": json.RawMessage(stranger.Assert(t, raw(t, out["options"])))}
	if w, out = fetchJSON(s, "/webauthn/get", theirs, form.Get("csrf"), answer); w.Code != http.StatusUnauthorized || out["error"] != "unknown" {
		t.Errorf("an unknown passkey: %d %v", w.Code, out)
	}
}

// Who signs in by a new device is told, with a link that ends it once.
func TestThisWasNotMe(t *testing.T) {
	s := shell(t, nil)
	s.Person("noa", passphrase)
	signIn := func() string {
		t.Helper()
		login := send(s, http.MethodGet, "/login", "", nil)
		form := hiddenOf(login.Body.String())
		form.Set("identifier", "noa")
		form.Set("password", passphrase)
		w := send(s, http.MethodPost, "/login", cookies("", login), form)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/account" {
			t.Fatalf("sign-in: %d %s", w.Code, w.Header().Get("Location"))
		}
		return cookies(cookies("", login), w)
	}
	home := signIn() // the first sign-in of all is no news
	thief := signIn()
	messages, links, err := s.Notify.Outbox(t.Context(), 10)
	if err != nil || len(messages) != 1 || messages[0].Kind != "new_device" {
		t.Fatalf("the outbox: %v %v", messages, err)
	}
	link := strings.TrimPrefix(links[0], oauthtest.Issuer)
	if w := send(s, http.MethodGet, link, "", nil); w.Code != http.StatusOK {
		t.Fatalf("the link: %d", w.Code)
	}
	if w := send(s, http.MethodGet, "/account", thief, nil); w.Code != http.StatusOK {
		t.Errorf("following the link ended something: %d", w.Code) // scanners of mail follow links
	}
	page := send(s, http.MethodGet, link, "", nil)
	sure := hiddenOf(page.Body.String())
	if w := send(s, http.MethodPost, "/not-me", cookies("", page), sure); w.Code != http.StatusOK {
		t.Fatalf("the button: %d", w.Code)
	}
	for name, c := range map[string]string{"the thief": thief, "the owner": home} {
		if w := send(s, http.MethodGet, "/account", c, nil); w.Code != http.StatusSeeOther {
			t.Errorf("%s is still signed in: %d", name, w.Code)
		}
	}
	if w := send(s, http.MethodPost, "/not-me", cookies("", page), sure); w.Code != http.StatusBadRequest {
		t.Errorf("the link works twice: %d", w.Code)
	}
}
