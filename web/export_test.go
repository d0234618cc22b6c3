package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/web"
)

// Who takes over a session does not get all that is known of its owner: a fresh proof is asked for, and what is given is
// in the trail before.
func TestExport(t *testing.T) {
	s := shell(t, nil)
	u := s.Person("ext", passphrase)
	cookie := s.Cookie("ext", passphrase)
	s.Clock = s.Clock.Add(11 * time.Minute)
	w := send(s, http.MethodGet, "/account/export", cookie, nil)
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/login?to=") || w.Body.Len() > 0 {
		t.Fatalf("with an old proof: %d %s", w.Code, w.Body)
	}
	if slices.Contains(typesOf(t, s, u.ID), "data.exported") {
		t.Error("what was refused is in the trail as given")
	}
	settings := get(t, s, "/account/settings?done=fresh", cookie)
	if strings.Contains(settings, "/account/export") || strings.Contains(settings, "You can download") || !strings.Contains(settings, "/login?to=") {
		t.Errorf("settings offer what cannot be had: %s", settings)
	}
	// The proof leads back to where the download is.
	page := send(s, http.MethodGet, to, cookie, nil)
	form := hiddenOf(page.Body.String())
	form.Set("identifier", "ext")
	form.Set("password", passphrase)
	jar := cookies(cookie, page)
	w = send(s, http.MethodPost, "/login", jar, form)
	if w.Header().Get("Location") != "/account/settings?done=fresh" {
		t.Fatalf("the proof leads to %q", w.Header().Get("Location"))
	}
	jar = cookies(jar, w)
	if settings = get(t, s, "/account/settings?done=fresh", jar); !strings.Contains(settings, `href="/account/export"`) {
		t.Errorf("no download: %s", settings)
	}
	s.Clock = s.Clock.Add(time.Second)
	w = send(s, http.MethodGet, "/account/export", jar, nil)
	var own struct{ Activity []audit.Event }
	if err := json.Unmarshal(w.Body.Bytes(), &own); err != nil || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
		t.Fatalf("the file: %d %v", w.Code, err)
	}
	if len(own.Activity) == 0 || own.Activity[0].Type != "data.exported" || own.Activity[0].Session == "" {
		t.Errorf("the trail does not say so: %+v", own.Activity)
	}
	if body := get(t, s, "/account/activity?kind=data", jar); !strings.Contains(body, "Data downloaded") {
		t.Error("activity does not say so")
	}
}

// Without a trail nothing is given.
func TestExportNeedsTheTrail(t *testing.T) {
	trail := &authntest.Trail{}
	s := shell(t, func(o *web.Options) { o.Audit = trail })
	cookie := s.Cookie("ann", passphrase)
	trail.Down(true)
	if w := send(s, http.MethodGet, "/account/export", cookie, nil); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "ann@example.com") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
