package pages

import (
	"time"

	"github.com/postern-id/postern/web/locales"
)

// Approvers is /account/approvers: the devices with which the person approves what begins elsewhere. Forms post enrol=1,
// app=1, test=ID, remove=ID, rename=ID with name, usercode=set with secret, or usercode=remove; that this browser is to be pushed goes through the script.
type Approvers struct {
	Account
	Approvers []Approver // oldest first
	NoPasskey bool       // there is none to sign with: a browser cannot approve
	Full      bool       // no more can be added
	Here      bool       // this browser is one of them
	Key       string     // applicationServerKey that browsers subscribe with; "" where nothing is pushed
	Untested  bool       // the test notification was not taken
	Code      string     // just made: with it an app becomes one
	QR        [][]bool   // the same with where, as modules
	Life      time.Duration
	CodeAt    time.Time // when the user code was set; zero: there is none
	CodeFault string    // key of why what was typed cannot be one
	CodeMin   int       // characters of one
	CodeMax   int
}

// CodeFaults are the keys of why something cannot be a user code, by the codes of authn.WeakPassword.
var CodeFaults = map[string]string{"too_short": "ucode.short", "too_long": "ucode.long", "common": "ucode.common", "contains_identifier": "ucode.personal"}

// Approver is one of them.
type Approver struct {
	ID, Name string
	App      bool
	Here     bool // is this browser
	Push     bool // can be told at once
	AddedAt  time.Time
	UsedAt   time.Time // zero: never
	PushedAt time.Time // last notification that was delivered; zero: none
	FailedAt time.Time // … and that was not
}

// Late says that the last notification was not delivered.
func (a Approver) Late() bool { return a.FailedAt.After(a.PushedAt) }

// Approvals is /approve: what waits for the person.
type Approvals struct {
	Account
	Waiting []Approve // newest first
}

// Approve asks the person about one request. It posts decision=deny, csrf to its path; to approve goes through the script,
// with the number.
type Approve struct {
	Account
	Handle   string
	Client   Party // who asks; the zero Party is this service
	Context  Context
	NewPlace bool
	Asks     bool   // a client asks by itself (CIBA), no browser of the person's
	Text     string // message of the client; "" is none
	Amount   string
	Currency string
	Payee    string
	Allows   []Permission // that approving gives the client, which had them not before
	AllowsAt []string     // where
	Compare  string       // shown on both sides and compared; "": a number is typed
	Digits   int          // of that number
	Unable   bool         // this browser is none that approves
}

// ApproveDone says what became of a request, on the side that approves.
type ApproveDone struct {
	State string // as authn.ApprovalState
	Asks  bool   // a client asked by itself
}

// Push is where a request to another device is waited for. It posts decision (ask, other or cancel), csrf, i, r to /push.
type Push struct {
	Form
	Client  Party
	State   string   // as authn.ApprovalState; "" where none could be made
	Devices []string // that were asked
	Inbox   string   // address of the page of requests, without scheme
	Number  string
	Left    time.Duration
	Handle  string
	RetryIn time.Duration // not 0: there were too many requests
	Cancel  bool          // offers a button decision=cancel that returns to the app
}

// Waits says that the request is undecided.
func (p Push) Waits() bool { return p.State == "pending" }

func (Approvers) page() string   { return "approvers" }
func (Approvals) page() string   { return "approvals" }
func (Approve) page() string     { return "approve" }
func (ApproveDone) page() string { return "approvedone" }
func (Push) page() string        { return "push" }

// outcomeKeys are the title and the sentence of what became of a request, for who was asked.
type outcomeKeys struct{ Title, Body string }

func approveOutcome(v ApproveDone) outcomeKeys {
	switch v.State {
	case "approved":
		if v.Asks {
			return outcomeKeys{"approve.ok.title", "approve.ok.ask"}
		}
		return outcomeKeys{"approve.ok.title", "approve.ok"}
	case "denied":
		if v.Asks {
			return outcomeKeys{"approve.denied.title", "approve.denied.ask"}
		}
		return outcomeKeys{"approve.denied.title", "approve.denied.body"}
	case "wrong":
		return outcomeKeys{"approve.ended", "approve.wrong"}
	case "superseded":
		return outcomeKeys{"approve.ended", "approve.superseded"}
	case "cancelled":
		return outcomeKeys{"approve.ended", "approve.cancelled"}
	}
	return outcomeKeys{"approve.ended", "push.expired"}
}

// pushOutcome is the sentence of what became of a request, for who asked.
func pushOutcome(state string) string {
	switch state {
	case "approved":
		return "push.approved"
	case "denied":
		return "push.denied"
	case "wrong":
		return "push.wrong"
	case "cancelled", "superseded":
		return "push.cancelled"
	}
	return "push.expired"
}

// PushWords are the title and the text of a notification about a request from a device in a country; test for one that is
// about nothing, app the name of a client that asks by itself.
func PushWords(c *locales.Catalogue, l locales.Lang, test bool, app, agent, country string) (title, body string) {
	w := words{c, l}
	switch {
	case test:
		return c.T(l, "notif.test"), c.T(l, "notif.test.body")
	case app != "":
		return c.T(l, "ciba.title", app), c.T(l, "notif.plain")
	case agent == "" || c.Place(l, country) == "":
		return c.T(l, "notif.title"), c.T(l, "notif.plain")
	}
	return c.T(l, "notif.title"), c.T(l, "notif.body", w.device(agent), w.place(country))
}
