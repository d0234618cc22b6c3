package pages

import "strings"

// Filter chooses among the events of an Activity; the zero value takes all.
type Filter struct {
	Kind    string // one of the Kind… below, or ""
	Outcome string // OutcomeOK, OutcomeBad, or ""
}

// Kinds and outcomes of events, as they stand in the URL.
const (
	KindSignIn  = "signin"  // coming in, going out, and what was tried
	KindFactors = "factors" // ways to sign in, and recoveries
	KindApps    = "apps"    // what applications may do
	KindData    = "data"    // the person's own details
	OutcomeOK   = "ok"
	OutcomeBad  = "bad" // failed or blocked
)

// option is one choice of a Filter with the key of its words.
type option struct{ Value, Key string }

var (
	kindOptions    = func() []option { return kindWords }
	outcomeOptions = func() []option { return outcomeWords }

	kindWords    = []option{{"", "act.kind.all"}, {KindSignIn, "act.kind.signin"}, {KindFactors, "act.kind.factors"}, {KindApps, "act.kind.apps"}, {KindData, "act.kind.data"}}
	outcomeWords = []option{{"", "act.outcome.all"}, {OutcomeOK, "act.outcome.ok"}, {OutcomeBad, "act.outcome.bad"}}
)

// FilterOf returns the filter that two parameters of a query name; what they do not know chooses nothing.
func FilterOf(kind, outcome string) (f Filter) {
	for _, o := range kindWords {
		if o.Value == kind {
			f.Kind = kind
		}
	}
	for _, o := range outcomeWords {
		if o.Value == outcome {
			f.Outcome = outcome
		}
	}
	return f
}

// Takes says whether e is shown under f. What only accompanies an act is never shown, unless it went wrong.
func (f Filter) Takes(e Event) bool {
	switch {
	case !shown(e), f.Kind != "" && f.Kind != kindOfEvent(e.Type):
		return false
	case f.Outcome == OutcomeOK:
		return !worry(e)
	case f.Outcome == OutcomeBad:
		return worry(e)
	}
	return true
}

// kindOfEvent is under which kind an event is found: that of its type, or else of what the type is about.
func kindOfEvent(typ string) string {
	if k, ok := eventKinds[typ]; ok {
		return k
	}
	about, _, _ := strings.Cut(typ, ".")
	return eventKinds[about]
}

var eventKinds = map[string]string{
	"session": KindSignIn, "risk": KindSignIn, "notice": KindSignIn, "login": KindSignIn,
	"password": KindFactors, "password.failed": KindSignIn, "password.verified": KindSignIn,
	"otp": KindFactors, "otp.failed": KindSignIn, "otp.verified": KindSignIn,
	"passkey": KindFactors, "passkey.failed": KindSignIn, "passkey.verified": KindSignIn,
	"approver": KindFactors, "approval": KindSignIn, "user_code": KindFactors, "user_code.failed": KindSignIn, "user_code.throttled": KindSignIn,
	"recovery_codes": KindFactors, "recovery_code": KindSignIn, "recovery": KindFactors,
	"consent": KindApps, "token": KindApps, "grant": KindApps, "code": KindApps, "refresh": KindApps, "device": KindApps,
	"data": KindData, "user": KindData,
}

// Failed says whether e is a sign-in that failed or was blocked.
func (e Event) Failed() bool {
	return worry(e) && kindOfEvent(e.Type) == KindSignIn && (e.Type != "risk.decided" || e.Blocked())
}

// Blocked says whether e is a sign-in that the rules refused.
func (e Event) Blocked() bool { return e.Type == "risk.decided" && e.Action == "deny" }
