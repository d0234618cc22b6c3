package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web"
	"github.com/postern-id/postern/web/webtest"
)

// house is a shell whose people have no passwords where passwords is false, and may show keys that verify nobody.
func house(t *testing.T, passwords bool) (*webtest.Server, *authn.Service) {
	t.Helper()
	var a *authn.Service
	s := shell(t, func(o *web.Options) {
		db := o.Users.(*sqldb.DB)
		var err error
		a, err = authn.New(authn.Options{Users: db, Passkeys: db, Recovery: db, Ephemeral: db, Counters: db, Sealer: authntest.NewSealer(), Audit: o.Audit,
			Now: o.Now, TellRecovery: o.Notify.Recovery, Policy: authn.Policy{Password: passwords, Passkey: authn.PasskeyPolicy{RPID: "id.example.com",
				Origins: []string{oauthtest.Issuer}, OptionalUV: true}}})
		if err != nil {
			t.Fatal(err)
		}
		o.Authn, o.Passwords = a, passwords
	})
	return s, a
}

// mailed is the link of the newest message of a kind to user.
func mailed(t *testing.T, s *webtest.Server, user ident.UserID, kind notify.Kind) notify.Message {
	t.Helper()
	messages, _, err := s.Notify.Outbox(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(messages, func(m notify.Message) bool { return m.Kind == kind && m.User == user })
	if i < 0 {
		t.Fatalf("no %s in %v", kind, messages)
	}
	return messages[i]
}

// opened asks for a recovery of user and opens it; it returns what its pages need.
func opened(t *testing.T, s *webtest.Server, u authn.User) (cookie string, form url.Values) {
	t.Helper()
	page := send(s, http.MethodGet, "/recover", "", nil)
	cookie = cookies("", page)
	form = hiddenOf(page.Body.String())
	form.Set("identifier", u.Email)
	send(s, http.MethodPost, "/recover", cookie, form)
	link := strings.TrimPrefix(mailed(t, s, u.ID, notify.RecoveryStarted).Data[notify.URL], oauthtest.Issuer)
	form = hiddenOf(send(s, http.MethodGet, link, cookie, nil).Body.String())
	if w := send(s, http.MethodPost, "/recover/go", cookie, form); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/recover/cancel") {
		t.Fatalf("the wait: %d", w.Code)
	}
	return cookie, form
}

func typesOf(t *testing.T, s *webtest.Server, user ident.UserID) (out []string) {
	t.Helper()
	entries, err := s.DB.AuditOfUser(t.Context(), user, s.Clock.Add(time.Hour), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Type)
	}
	return out
}

// I6: where passwords are switched off a recovery ends in a passkey, after the same wait, once, and signs everybody out. A
// ceremony that fails leaves it as it was.
func TestI6_RecoverByPasskey(t *testing.T) {
	s, _ := house(t, false)
	u := s.Person("rae", passphrase)
	cookie, form := opened(t, s, u)
	fields := func(more map[string]any) map[string]any {
		out := map[string]any{"t": form.Get("t")}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	csrf := form.Get("csrf")
	if w, out := fetchJSON(s, "/webauthn/create/options", cookie, csrf, fields(nil)); w.Code < 400 || out["options"] != nil {
		t.Errorf("before its time: %d %v", w.Code, out)
	}
	s.Clock = s.Clock.Add(24*time.Hour + time.Minute)
	page := send(s, http.MethodGet, "/recover/go?t="+form.Get("t"), cookie, nil).Body.String()
	if !strings.Contains(page, `data-passkey="create"`) || strings.Contains(page, `name="new"`) {
		t.Errorf("the page offers something else: %s", page)
	}
	if w, _ := fetchJSON(s, "/webauthn/create/options", cookie, "forged", fields(nil)); w.Code != http.StatusForbidden {
		t.Errorf("A24 a forged token: %d", w.Code)
	}
	if w, _ := fetchJSON(s, "/webauthn/create/options", cookie, csrf, map[string]any{"t": "unknown"}); w.Code != http.StatusConflict {
		t.Errorf("an unknown link: %d", w.Code)
	}
	if w := send(s, http.MethodPost, "/recover/set", cookie, url.Values{"csrf": {csrf}, "t": {form.Get("t")}, "new": {"another long passphrase"}}); w.Code != http.StatusConflict {
		t.Errorf("a password where there are none: %d", w.Code)
	}
	begin := func(cookie, csrf string) (json.RawMessage, any) {
		t.Helper()
		w, out := fetchJSON(s, "/webauthn/create/options", cookie, csrf, fields(nil))
		if w.Code != http.StatusOK {
			t.Fatalf("options: %d %v", w.Code, out)
		}
		return raw(t, out["options"]), out["handle"]
	}
	device := &authntest.Authenticator{Origin: oauthtest.Issuer}
	wrong := &authntest.Authenticator{Origin: "https://evil.example"}
	options, handle := begin(cookie, csrf)
	if w, out := fetchJSON(s, "/webauthn/create", cookie, csrf, fields(map[string]any{"handle": handle, "response": json.RawMessage(wrong.Register(t, options))})); w.Code != http.StatusUnauthorized {
		t.Errorf("another origin: %d %v", w.Code, out)
	}
	if !slices.Contains(typesOf(t, s, u.ID), "passkey.refused") {
		t.Error("a refusal left no trace")
	}
	// A ceremony belongs to the browser that began it.
	options, handle = begin(cookie, csrf)
	body := fields(map[string]any{"handle": handle, "response": json.RawMessage(device.Register(t, options))})
	strange := cookies("", send(s, http.MethodGet, "/recover", "", nil))
	strangeForm := hiddenOf(send(s, http.MethodGet, "/recover/go?t="+form.Get("t"), strange, nil).Body.String())
	if w, _ := fetchJSON(s, "/webauthn/create", strange, strangeForm.Get("csrf"), body); w.Code < 400 {
		t.Errorf("another browser: %d", w.Code)
	}
	// A second try, which the failures above do not hinder.
	device = &authntest.Authenticator{Origin: oauthtest.Issuer}
	options, handle = begin(cookie, csrf)
	live := s.Cookie("rae", passphrase)
	body = fields(map[string]any{"handle": handle, "response": json.RawMessage(device.Register(t, options))})
	w, out := fetchJSON(s, "/webauthn/create", cookie, csrf, body)
	if w.Code != http.StatusOK || out["to"] != "/recover?done=1" {
		t.Fatalf("create: %d %v", w.Code, out)
	}
	if w := send(s, http.MethodGet, "/recover?done=1", cookie, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/login") {
		t.Errorf("where it leads: %d", w.Code)
	}
	if w := send(s, http.MethodGet, "/account", live, nil); w.Code != http.StatusSeeOther {
		t.Errorf("who was signed in before still is: %d", w.Code)
	}
	if w, _ := fetchJSON(s, "/webauthn/create", cookie, csrf, body); w.Code != http.StatusConflict {
		t.Errorf("a second time: %d", w.Code)
	}
	mailed(t, s, u.ID, notify.RecoveryDone)
	if types := typesOf(t, s, u.ID); !slices.Contains(types, "recovery.done") || !slices.Contains(types, "passkey.registered") {
		t.Errorf("the trail: %v", types)
	}
	if w := signInByPasskey(t, s, device, nil); w != "/account" {
		t.Errorf("signing in: %s", w)
	}
}

// signInByPasskey returns where a sign-in without a name leads.
func signInByPasskey(t *testing.T, s *webtest.Server, device *authntest.Authenticator, tweak func(*authntest.Ceremony)) string {
	t.Helper()
	page := send(s, http.MethodGet, "/login", "", nil)
	cookie, form := cookies("", page), hiddenOf(page.Body.String())
	_, out := fetchJSON(s, "/webauthn/get/options", cookie, form.Get("csrf"), map[string]any{"to": "/account"})
	if tweak == nil {
		tweak = func(*authntest.Ceremony) {}
	}
	_, out = fetchJSON(s, "/webauthn/get", cookie, form.Get("csrf"), map[string]any{"to": "/account", "handle": out["handle"],
		"response": json.RawMessage(device.Assert(t, raw(t, out["options"]), tweak))})
	to, _ := out["to"].(string)
	return to
}

// Who still has a key that verifies nobody need not wait; one that verifies its owner is a sign-in, and stops the recovery.
func TestProveForRecovery(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags byte // of the assertion: user present, and perhaps verified
		want  string
	}{{"a touch", 0x01, "/recover/go?t="}, {"a touch and a PIN", 0x05, "/account"}} {
		t.Run(c.name, func(t *testing.T) {
			s, a := house(t, true)
			u := s.Person("ray", passphrase)
			device := &authntest.Authenticator{Origin: oauthtest.Issuer}
			options, handle, err := a.BeginRegistration(t.Context(), "test", u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Register(t.Context(), handle, "test", device.Register(t, options), "", ident.Env{}); err != nil {
				t.Fatal(err)
			}
			cookie, form := opened(t, s, u)
			secret := form.Get("t")
			if page := send(s, http.MethodGet, "/recover/go?t="+secret, cookie, nil).Body.String(); !strings.Contains(page, `data-passkey="get"`) {
				t.Error("the page does not ask for it")
			}
			_, out := fetchJSON(s, "/webauthn/get/options", cookie, form.Get("csrf"), map[string]any{"t": secret})
			answer := device.Assert(t, raw(t, out["options"]), func(x *authntest.Ceremony) { x.Flags = c.flags })
			w, out := fetchJSON(s, "/webauthn/get", cookie, form.Get("csrf"), map[string]any{"t": secret, "handle": out["handle"], "response": json.RawMessage(answer)})
			if to, _ := out["to"].(string); w.Code != http.StatusOK || !strings.HasPrefix(to, c.want) {
				t.Fatalf("%d %v", w.Code, out)
			}
			page := send(s, http.MethodGet, "/recover/go?t="+secret, cookie, nil)
			if ready := strings.Contains(page.Body.String(), `name="new"`); ready != (c.flags == 1) {
				t.Errorf("ready: %v", ready)
			}
		})
	}
}
