package pages

import "time"

// Account is what all account pages share. Their forms post csrf to the path of their page.
type Account struct {
	CSRF  string
	Name  string // how the person is called: name, username or e-mail
	Done  Done   // what the form before has done
	Fault Fault

	// ConfirmURL is the path that asks for a fresh proof and returns here. Where it is not "", the pages of passkeys,
	// authenticator app, recovery codes and password show it instead of what could be changed, and settings instead of
	// the download.
	ConfirmURL string
	RetryIn    time.Duration // with RateLimited
}

// Done is the success that a page tells once, after the redirect that follows a form.
type Done string

// Successes.
const (
	NothingDone   Done = ""
	DoneSignedOut Done = "signedout" // one session
	DoneOthersOut Done = "othersout" // all other sessions
	DoneWithdrawn Done = "withdrawn" // access of an app
	DoneAdded     Done = "added"     // a passkey
	DoneRenamed   Done = "renamed"   // a passkey
	DoneDeleted   Done = "deleted"   // a passkey
	DoneTOTP      Done = "totp"      // authenticator app set up
	DoneNoTOTP    Done = "nototp"    // authenticator app removed
	DoneCodes     Done = "codes"     // recovery codes saved
	DonePassword  Done = "password"  // changed or set
	DoneNoPass    Done = "nopass"    // password removed
	DoneSettings  Done = "settings"  // language and theme
	DoneStopped   Done = "stopped"   // a recovery
	DoneFresh     Done = "fresh"     // a proof that is needed to download one's data
	DoneOwned     Done = "owned"     // a sign-in was theirs
	DoneApprover  Done = "approver"  // this browser approves
	DoneNamed     Done = "named"     // an approver
	DoneGone      Done = "gone"      // an approver was removed
	DoneCodeSet   Done = "codeset"   // the user code
	DoneCodeGone  Done = "codegone"
	DoneTested    Done = "tested" // a notification was sent
)

// DoneOf returns the success that a query parameter names; NothingDone where it names none.
func DoneOf(s string) Done {
	if _, ok := doneKeys[Done(s)]; ok {
		return Done(s)
	}
	return NothingDone
}

// Overview is /account: how the account stands.
type Overview struct {
	Account
	Username   string
	Email      string
	Passkeys   int
	Password   bool // has one
	NoPassword bool // passwords are switched off here
	TOTP       bool // has an authenticator app
	Approvers  int  // devices that approve
	CodesLeft  int  // recovery codes
	CodesOf    int
	Alerts     []Alert // what is to be looked at now, the most urgent first
	StopCSRF   string  // for the button that stops a recovery
	Sessions   int
	Apps       int
	Recent     []Event // the latest few
}

// AlertKind is what an Alert is about.
type AlertKind string

// Alerts. Each says one thing that the owner should do now.
const (
	AlertRecovery AlertKind = "recovery" // somebody recovers the account: with Until. It posts decision=stop, csrf to /not-me
	AlertSignIn   AlertKind = "signin"   // a new device, or NewPlace, that nobody answered for: with Context
	AlertReported AlertKind = "reported" // the owner said that something was not them, and the password is still the same
	AlertAdded    AlertKind = "added"    // a passkey (Name) was added while somebody else may have been in
	AlertSuspect  AlertKind = "suspect"  // the counter of a passkey (Name) went back
	AlertFailed   AlertKind = "failed"   // Count sign-ins failed or were blocked in the last 7 days
)

// Alert is one of them.
type Alert struct {
	What     AlertKind
	Path     string    // below Base, where it is looked at; AlertRecovery has a button instead
	Until    time.Time // when the recovery can be finished; zero: it was not begun yet
	Context  Context
	NewPlace bool
	Name     string
	Count    int
}

// Sessions is /account/sessions. Forms post session=ID, or others=1 for all but this one.
type Sessions struct {
	Account
	Devices []Device      // this device first
	Keeps   time.Duration // how long an app may keep access after a sign-out: the life of an access token
}

// Alone says that there is no session but the current one.
func (s Sessions) Alone() bool {
	return len(s.Devices) == 0 || len(s.Devices) == 1 && s.Devices[0].Current && len(s.Devices[0].Sessions) <= 1
}

// Device is a browser or phone with its sessions.
type Device struct {
	Name     string // "Chrome on Windows"; "" is an unknown device
	Current  bool
	Bound    string // what its sessions are bound to: "hardware" or "browser"; "" is nothing
	Sessions []Session
}

// Session is one sign-in on a device.
type Session struct {
	ID        string
	Current   bool
	Country   string // ISO 3166-1 alpha-2, where it was used last
	From      string // the same, where the person signed in; "" if that is no other
	CreatedAt time.Time
	LastSeen  time.Time
	AMR       []string // RFC 8176 values
	Apps      []string // names
	Far       Far      // from the session at hand
}

// Far is where a session was seen last, from the place of the session at hand; approximate.
type Far struct {
	Known   bool
	Km      float64 // 0: near, and nothing closer can be told
	Off     float64 // km, by which Km may be wrong
	Bearing float64 // degrees clockwise from north
}

// Apps is /account/apps. Forms post client=ID.
type Apps struct {
	Account
	Apps []App
}

// App is a client that the person allowed something.
type App struct {
	ID      string
	Client  Party
	Has     []Permission
	Offline bool
	Since   time.Time
	Used    time.Time // zero: unknown
}

// Activity is /account/activity. Its form gets kind and outcome of Filter.
type Activity struct {
	Account
	Filter Filter
	Events []Event // newest first
	Older  string  // path and query of the next page; "" on the last one
}

// Event is one thing that happened to the account, as an audit event tells it. Type and Outcome are those of the
// audit event; one without words of ours is shown by its type. What only
// accompanies an act (a token issued, a cookie rotated) is left out.
type Event struct {
	Type    string
	Outcome string
	Action  string // of risk.decided, from its data: "deny" was a block, anything else a further question
	At      time.Time
	Device  string
	Country string
	IP      string
	App     string
	Report  string // path where its owner says that it was not them; "" where there is nothing to say
}
