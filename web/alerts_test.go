package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web/webtest"
)

// byPassword signs somebody in over HTTP, on a device of its own.
func byPassword(t *testing.T, s *webtest.Server, user string) string {
	t.Helper()
	page := send(s, http.MethodGet, "/login", "", nil)
	form := hiddenOf(page.Body.String())
	form.Set("identifier", user)
	form.Set("password", passphrase)
	w := send(s, http.MethodPost, "/login", cookies("", page), form)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/account" {
		t.Fatalf("sign-in: %d %s", w.Code, w.Header().Get("Location"))
	}
	return cookies(cookies("", page), w)
}

func get(t *testing.T, s *webtest.Server, path, cookie string) string {
	t.Helper()
	w := send(s, http.MethodGet, path, cookie, nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d", path, w.Code)
	}
	return w.Body.String()
}

var reports = regexp.MustCompile(`href="(/not-me\?[^"]*)"`)

func reportsOf(body string) (out []string) {
	for _, m := range reports.FindAllStringSubmatch(body, -1) {
		out = append(out, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return out
}

// A new device is told of until the owner answers for it, on another device than that.
func TestAlertOfANewDevice(t *testing.T) {
	s := shell(t, nil)
	s.Person("nia", passphrase)
	home := byPassword(t, s, "nia")
	if got := reportsOf(get(t, s, "/account", home)); len(got) != 1 { // among what happened last
		t.Fatalf("the first sign-in of all: %v", got)
	}
	s.Clock = s.Clock.Add(time.Second)
	other := byPassword(t, s, "nia")
	if body := get(t, s, "/account", other); strings.Contains(body, "Please check") {
		t.Error("a device is asked about itself")
	}
	body := get(t, s, "/account", home)
	if !strings.Contains(body, "New device:") {
		t.Fatalf("nothing is told: %s", body)
	}
	where := reportsOf(body)[0]
	page := send(s, http.MethodGet, where, home, nil)
	form := hiddenOf(page.Body.String())
	form.Set("decision", "mine")
	// The device itself cannot say that all is well: what it says so ends it.
	mine := hiddenOf(get(t, s, where, other))
	if strings.Contains(get(t, s, where, other), `value="mine"`) || mine.Get("csrf") == "" {
		t.Error("a device may answer for itself")
	}
	if w := send(s, http.MethodPost, "/not-me", home, form); w.Header().Get("Location") != "/account?done=owned" {
		t.Fatalf("it was me: %d %s", w.Code, w.Body)
	}
	if body := get(t, s, "/account?done=owned", home); strings.Contains(body, "New device:") || !strings.Contains(body, "We won&#39;t ask") {
		t.Error("it is asked again")
	}
	if w := send(s, http.MethodGet, "/account", other, nil); w.Code != http.StatusOK {
		t.Errorf("it was signed out: %d", w.Code)
	}
	s.Clock = s.Clock.Add(time.Second)
	byPassword(t, s, "nia")
	s.Clock = s.Clock.Add(8 * 24 * time.Hour)
	if body := get(t, s, "/account", byPassword(t, s, "nia")); strings.Contains(body, "Please check") {
		t.Error("after a week it is still told")
	}
}

// "This wasn't me" of an entry of the activity does what that of a mail does, once, and only for one's own.
func TestDisownASignIn(t *testing.T) {
	s := shell(t, nil)
	s.Person("noor", passphrase)
	u := s.Person("nick", passphrase)
	home := byPassword(t, s, "nick")
	s.Clock = s.Clock.Add(time.Minute)
	thief := byPassword(t, s, "nick")
	where := reportsOf(get(t, s, "/account/activity", home))[0]
	stranger := byPassword(t, s, "noor")
	if w := send(s, http.MethodGet, where, stranger, nil); w.Code != http.StatusNotFound {
		t.Errorf("another person's: %d", w.Code)
	}
	if w := send(s, http.MethodGet, where, "", nil); w.Code != http.StatusSeeOther {
		t.Errorf("nobody's: %d", w.Code)
	}
	for name, bad := range map[string]string{"no such": "/not-me?s=x&at=1", "nonsense": "/not-me?s=&at=99999999999999999999", "moved": where + "1"} {
		if w := send(s, http.MethodGet, bad, home, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	form := hiddenOf(get(t, s, where, home))
	forged := url.Values{"s": {form.Get("s")}, "at": {form.Get("at")}, "csrf": {"x"}}
	if w := send(s, http.MethodPost, "/not-me", home, forged); w.Code != http.StatusForbidden {
		t.Errorf("A24 a forged form: %d", w.Code)
	}
	// Meanwhile the thief adds a passkey.
	csrf := hiddenOf(get(t, s, "/account/passkeys", thief)).Get("csrf")
	_, out := fetchJSON(s, "/webauthn/create/options", thief, csrf, map[string]any{"to": "/account/passkeys"})
	device := &authntest.Authenticator{Origin: oauthtest.Issuer}
	if w, out := fetchJSON(s, "/webauthn/create", thief, csrf, map[string]any{"to": "/account/passkeys", "handle": out["handle"],
		"response": json.RawMessage(device.Register(t, raw(t, out["options"])))}); w.Code != http.StatusOK {
		t.Fatalf("a passkey: %d %v", w.Code, out)
	}
	s.Clock = s.Clock.Add(time.Minute)
	if w := send(s, http.MethodPost, "/not-me", home, form); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "safe for now") {
		t.Fatalf("the button: %d", w.Code)
	}
	for name, c := range map[string]string{"the thief": thief, "the owner": home} {
		if w := send(s, http.MethodGet, "/account", c, nil); w.Code != http.StatusSeeOther {
			t.Errorf("%s is still signed in: %d", name, w.Code)
		}
	}
	types := typesOf(t, s, u.ID)
	for _, want := range []string{"notice.disowned", "risk.unlearned", "session.all_ended"} {
		if !slices.Contains(types, want) {
			t.Errorf("no %s in %v", want, types)
		}
	}
	s.Clock = s.Clock.Add(time.Minute)
	back := s.Cookie("nick", passphrase)
	body := get(t, s, "/account", back)
	for _, want := range []string{"Change password", "/account/password", "yours?", "/account/passkeys"} {
		if !strings.Contains(body, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	again := hiddenOf(send(s, http.MethodGet, where, back, nil).Body.String())
	again.Set("s", form.Get("s"))
	if w := send(s, http.MethodPost, "/not-me", back, again); w.Code != http.StatusBadRequest {
		t.Errorf("twice: %d", w.Code)
	}
	if w := send(s, http.MethodGet, "/account", back, nil); w.Code != http.StatusOK {
		t.Errorf("the second time ended something: %d", w.Code)
	}
	if slices.Contains(reportsOf(get(t, s, "/account/activity", back)), where) {
		t.Error("what was reported can be reported again")
	}
}

// A recovery that is under way can be stopped on the overview.
func TestStopRecoveryFromOverview(t *testing.T) {
	s := shell(t, nil)
	u := s.Person("rex", passphrase)
	owner := s.Cookie("rex", passphrase)
	if body := get(t, s, "/account", owner); strings.Contains(body, `value="stop"`) {
		t.Error("there is nothing to stop")
	}
	link, form := opened(t, s, u)
	stop := hiddenOf(get(t, s, "/account", owner))
	stop.Set("decision", "stop")
	if w := send(s, http.MethodPost, "/not-me", owner, stop); w.Header().Get("Location") != "/account?done=stopped" {
		t.Fatalf("stop: %d", w.Code)
	}
	if w := send(s, http.MethodGet, "/recover/go?t="+form.Get("t"), link, nil); w.Code != http.StatusBadRequest {
		t.Errorf("the link still leads somewhere: %d", w.Code)
	}
	if w := send(s, http.MethodGet, "/account", owner, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), `value="stop"`) {
		t.Errorf("the overview: %d", w.Code)
	}
}

// The filter stays from page to page, and pages neither repeat nor lose anything.
func TestActivityFilter(t *testing.T) {
	s := shell(t, nil)
	u := s.Person("flo", passphrase)
	cookie := s.Cookie("flo", passphrase)
	const failures = 120
	for i := range 3 * failures {
		s.Clock = s.Clock.Add(time.Second)
		e := audit.Event{Type: "session.started", Outcome: audit.OK, User: u.ID, Session: ident.SessionID("none")}
		switch i % 3 {
		case 0:
			e.Type, e.Outcome = "password.failed", audit.Failed
		case 1:
			e.Type, e.Outcome = "token.issued", audit.OK
		}
		if err := s.Audit.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	older := regexp.MustCompile(`class="button" href="(/account/activity\?[^"]*before=[^"]*)"`)
	walk := func(path string) (failed, signed int) {
		for range 20 {
			body := get(t, s, path, cookie)
			failed += strings.Count(body, "<b>Sign-in failed</b>")
			signed += strings.Count(body, "<b>Signed in</b>")
			m := older.FindStringSubmatch(body)
			if m == nil {
				return failed, signed
			}
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		t.Fatalf("no end at %s: %d %d", path, failed, signed)
		return 0, 0
	}
	for _, c := range []struct {
		query          string
		failed, signed int
	}{{"", failures, failures + 1}, {"?kind=signin&outcome=bad", failures, 0}, {"?outcome=ok", 0, failures + 1}, {"?kind=data", 0, 0}, {"?kind=%22&before=x", failures, failures + 1}} {
		if failed, signed := walk("/account/activity" + c.query); failed != c.failed || signed != c.signed {
			t.Errorf("%s: %d failed, %d signed in; want %d, %d", c.query, failed, signed, c.failed, c.signed)
		}
	}
}
