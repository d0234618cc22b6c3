package web_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/oauth/oauthtest"
)

// H1: a challenge is good for CeremonyLife and not a second more, in a sign-in and in a registration.
func TestH1_Expired(t *testing.T) {
	s := shell(t, nil)
	s.Person("ida", passphrase)
	device := &authntest.Authenticator{Origin: oauthtest.Issuer}
	register := func(wait bool) int {
		cookie := s.Cookie("ida", passphrase)
		csrf := hiddenOf(send(s, http.MethodGet, "/account/passkeys", cookie, nil).Body.String()).Get("csrf")
		_, out := fetchJSON(s, "/webauthn/create/options", cookie, csrf, map[string]any{"to": "/account/passkeys"})
		made := &authntest.Authenticator{Origin: oauthtest.Issuer}
		if !wait {
			made = device
		}
		response := json.RawMessage(made.Register(t, raw(t, out["options"])))
		if wait {
			s.Clock = s.Clock.Add(authn.CeremonyLife)
			cookie = s.Cookie("ida", passphrase)
			csrf = hiddenOf(send(s, http.MethodGet, "/account/passkeys", cookie, nil).Body.String()).Get("csrf")
		}
		w, _ := fetchJSON(s, "/webauthn/create", cookie, csrf, map[string]any{"to": "/account/passkeys", "handle": out["handle"], "response": response})
		return w.Code
	}
	if got := register(true); got != http.StatusUnauthorized && got != http.StatusBadRequest {
		t.Errorf("a registration that took too long: %d", got)
	}
	if got := register(false); got != http.StatusOK {
		t.Fatalf("one in time: %d", got)
	}
	login := send(s, http.MethodGet, "/login", "", nil)
	theirs, form := cookies("", login), hiddenOf(login.Body.String())
	signIn := func(wait bool) int {
		_, out := fetchJSON(s, "/webauthn/get/options", theirs, form.Get("csrf"), map[string]any{"to": form.Get("to")})
		response := json.RawMessage(device.Assert(t, raw(t, out["options"])))
		if s.Clock = s.Clock.Add(authn.CeremonyLife - 1); wait {
			s.Clock = s.Clock.Add(1)
		}
		w, _ := fetchJSON(s, "/webauthn/get", theirs, form.Get("csrf"), map[string]any{"to": form.Get("to"), "handle": out["handle"], "response": response})
		return w.Code
	}
	if got := signIn(true); got != http.StatusUnauthorized {
		t.Errorf("a sign-in that took too long: %d", got)
	}
	if got := signIn(false); got != http.StatusOK {
		t.Errorf("one at the last moment: %d", got)
	}
}
