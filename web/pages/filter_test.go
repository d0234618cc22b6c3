package pages

import (
	"strings"
	"testing"

	"github.com/postern-id/postern/web/locales"
)

func TestFilter(t *testing.T) {
	e := func(typ, outcome string) Event { return Event{Type: typ, Outcome: outcome} }
	for _, tt := range []struct {
		name string
		f    Filter
		e    Event
		want bool
	}{
		{"all", Filter{}, e("session.started", "ok"), true},
		{"what only accompanies", Filter{}, e("token.issued", "ok"), false},
		{"… is not found by its kind either", FilterOf(KindApps, ""), e("token.issued", "ok"), false},
		{"… but where it failed", FilterOf(KindApps, OutcomeBad), e("token.issued", "failed"), true},
		{"a sign-in", FilterOf(KindSignIn, ""), e("session.started", "ok"), true},
		{"a wrong password is a sign-in", FilterOf(KindSignIn, ""), e("password.failed", "failed"), true},
		{"a new password is none", FilterOf(KindSignIn, ""), e("password.changed", "ok"), false},
		{"… but a factor", FilterOf(KindFactors, ""), e("password.changed", "ok"), true},
		{"recovery", FilterOf(KindFactors, ""), e("recovery.opened", "ok"), true},
		{"an app", FilterOf(KindApps, ""), e("consent.given", "ok"), true},
		{"a download", FilterOf(KindData, ""), e("data.exported", "ok"), true},
		{"something new belongs to no kind", FilterOf(KindData, ""), e("moon.risen", "ok"), false},
		{"… and is shown among all", FilterOf("", ""), e("moon.risen", "ok"), true},
		{"what worked", FilterOf("", OutcomeOK), e("password.failed", "failed"), false},
		{"what did not", FilterOf("", OutcomeBad), e("session.started", "ok"), false},
		{"an unknown choice is none", FilterOf("x' or 1=1", "<script>"), e("session.started", "ok"), true},
	} {
		if got := tt.f.Takes(tt.e); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	for typ := range eventKeys { // whatever has words has a kind
		if typ, _, _ := strings.Cut(typ, "/"); kindOfEvent(typ) == "" {
			t.Errorf("%s belongs to no kind", typ)
		}
	}
}

// Every alert says something of its own and leads somewhere.
func TestAlerts(t *testing.T) {
	for _, l := range []locales.Lang{locales.English, locales.Chinese} {
		w := words{english(t).c, l}
		seen := map[string]bool{}
		for _, a := range someAlerts {
			got := w.alert(a)
			if got.Title == "" || got.Why == "" || got.Go == "" || strings.Contains(got.Title+got.Why, "alert.") || seen[got.Title] {
				t.Errorf("%s: %+v", a.What, got)
			}
			if (got.Path == "") != (a.What == AlertRecovery) {
				t.Errorf("%s leads to %q", a.What, got.Path)
			}
			seen[got.Title] = true
		}
	}
}
