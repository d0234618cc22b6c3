package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/postern-id/postern/web/webtest"
)

const asking = `{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"],"scope":"openid profile email phone","grant_types":["authorization_code"]}`

func authorizing(scope, more string) string {
	return "/authorize?client_id=app&redirect_uri=https://app.example/cb&response_type=code&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&scope=" +
		url.QueryEscape(scope) + more
}

// What a person unticks on the consent page is not granted, and not asked for again by itself; what was not asked for
// cannot be ticked.
func TestConsentByChoice(t *testing.T) {
	s := webtest.New(t, []string{asking}, nil, nil)
	u := s.Person("cho", passphrase)
	cookie := s.Cookie("cho", passphrase)
	granted := func() []string {
		t.Helper()
		grants, err := s.DB.GrantsOf(t.Context(), u.ID, "app", s.Clock)
		if err != nil || len(grants) == 0 {
			t.Fatal(grants, err)
		}
		// newest by its number of them: the tests below compare what came last
		return grants[0].Scope
	}
	begin := func(scope, more string) (body, to string) {
		t.Helper()
		w := send(s, http.MethodGet, authorizing(scope, more), cookie, nil)
		to = w.Header().Get("Location")
		if strings.HasPrefix(to, "/consent?") {
			return get(t, s, to, cookie), to
		}
		if strings.HasPrefix(to, "/continue?") {
			w = send(s, http.MethodGet, to, cookie, nil)
			to = w.Body.String()
		}
		return "", to
	}
	answer := func(body, decision string, ticked ...string) string {
		t.Helper()
		form := hiddenOf(body)
		form.Set("decision", decision)
		form["allow"] = ticked
		w := send(s, http.MethodPost, "/consent", cookie, form)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("consent: %d %s", w.Code, w.Body)
		}
		return send(s, http.MethodGet, w.Header().Get("Location"), cookie, nil).Body.String()
	}
	for _, c := range []struct {
		name   string
		ticked []string
		want   []string // nil: denied
	}{
		{"all", []string{"profile", "email"}, []string{"openid", "profile", "email"}},
		{"some, and what was not asked for", []string{"email", "phone", "admin"}, []string{"openid", "email"}},
		{"none: who signs in is told all the same", nil, []string{"openid"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.DB.WithdrawConsent(t.Context(), u.ID, "app", s.Clock); err != nil && c.name != "all" {
				t.Fatal(err)
			}
			body, _ := begin("openid profile email", "")
			for _, sc := range []string{"profile", "email"} {
				if !strings.Contains(body, `name="allow" type="checkbox" value="`+sc+`" checked>`) {
					t.Errorf("%s cannot be chosen", sc)
				}
			}
			if strings.Contains(body, `value="openid"`) {
				t.Error("openid can be unticked")
			}
			if out := answer(body, "allow", c.ticked...); !strings.Contains(out, "code=") {
				t.Fatalf("no code: %s", out)
			}
			if got := granted(); !slices.Equal(got, c.want) {
				t.Errorf("granted %v, want %v", got, c.want)
			}
			// The same again is no question, and grants no more.
			if body, to := begin("openid profile email", ""); body != "" || !strings.Contains(to, "code=") {
				t.Errorf("asked again: %s", to)
			}
			grants, err := s.DB.GrantsOf(t.Context(), u.ID, "app", s.Clock)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range grants {
				if !slices.Equal(g.Scope, c.want) {
					t.Errorf("later %v, want %v", g.Scope, c.want)
				}
			}
		})
	}
	// Something new is asked for, with what was declined before, unticked.
	body, _ := begin("openid profile email phone", "")
	for want, is := range map[string]bool{`value="phone" checked>`: true, `value="email">`: true, `value="email" checked>`: false} {
		if strings.Contains(body, want) != is {
			t.Errorf("%s: %v", want, !is)
		}
	}
	answer(body, "allow", "phone")
	// And all of it where the application insists; what was allowed can be taken back there.
	body, _ = begin("openid phone", "&prompt=consent")
	if !strings.Contains(body, `value="phone" checked>`) {
		t.Error("prompt=consent asks nothing")
	}
	answer(body, "allow")
	consent, err := s.DB.Consent(t.Context(), u.ID, "app")
	if err != nil || slices.Contains(consent.Scope, "phone") || !slices.Contains(consent.Declined, "phone") {
		t.Errorf("what was taken back is remembered as allowed: %+v %v", consent, err)
	}
	// Only what was declined is wanted: that must be asked for; nothing ticked is a no.
	body, _ = begin("phone", "")
	if body == "" {
		t.Fatal("granted without a question")
	}
	if out := answer(body, "allow", "admin"); !strings.Contains(out, "access_denied") {
		t.Errorf("an empty choice: %s", out)
	}
}
