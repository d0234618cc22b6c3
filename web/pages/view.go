package pages

import "time"

// View is one of the view structs of this package; its type says which page it is.
type View interface{ page() string }

// Form is the invisible part of a form of ours.
type Form struct {
	Action      string  // path to POST to; "" is the default of the page
	CSRF        string  // value of the field csrf
	Interaction string  // value of the field i; "" leaves it out
	Hidden      []Field // further hidden fields
}

// Field is a name and a value: a hidden field or a line of details.
type Field struct{ Name, Value string }

// Party is the client as a person sees it; the zero value means "no app, only this service".
type Party struct {
	Name       string
	Host       string // from the verified metadata: what cannot be forged
	LogoURL    string // a path of ours, or ""
	PolicyURL  string // http(s) only; anything else is not linked
	TermsURL   string
	Unverified bool // registered by a third party, reviewed by nobody
}

// Fault is why a form comes back to the person.
type Fault uint8

// Faults.
const (
	NoFault     Fault = iota
	Rejected          // the details are wrong; never says which one
	RateLimited       // too many attempts: RetryIn says how long
	Replayed          // Code only: the code was used before
	Incomplete        // a field is empty
	Skewed            // Code only: right by a clock that is off by more than a step
)

func (f Fault) String() string {
	switch f {
	case NoFault:
		return ""
	case RateLimited:
		return "rate"
	case Replayed:
		return "used"
	case Incomplete:
		return "empty"
	case Skewed:
		return "skew"
	}
	return "rejected"
}

// Login asks for a passkey or for identifier and password. It posts identifier, password, csrf, i to /login.
type Login struct {
	Form
	Client     Party
	Identifier string // as typed before, or from login_hint; kept
	Known      bool   // signed in already and asked again: Identifier is shown as a chip, not to be changed
	Passkey    bool   // offers passkeys: armed in the autofill of the identifier, and by a button
	Remembered string // who used a passkey in this browser before: the button says "Continue as …"; needs Passkey
	NoPassword bool   // passwords are switched off here, or Known has none: no password is asked for
	SwitchURL  string // path to start over with another account, where Known or Remembered
	RecoverURL string // path to recover an account; "" where that is not offered
	Push       string // whose other device can be asked: posts decision=ask, identifier to /push; "" where that is not offered
	HelpURL    string // where help is, http(s) or mailto; "" only gives advice
	Cancel     bool   // offers a button decision=cancel that returns to the app
	Fault      Fault
	RetryIn    time.Duration
}

// Code asks for a second proof: a passkey where the person has one, else a code of the authenticator app.
// It posts code, csrf, i to /code.
type Code struct {
	Form
	Client     Party
	Account    string   // whose code, as a chip
	SwitchURL  string   // path to start over with another account
	Passkey    bool     // has a passkey: it comes first and everything else is folded
	NoCode     bool     // has no authenticator app: no code is asked for
	Push       bool     // offers to ask another device: posts decision=ask to /push
	RecoverURL string   // path of the page that takes a recovery code; "" where there is none
	StepUp     bool     // "Confirm it's you" rather than "Enter your code"
	Reasons    []Reason // why; the first two are shown
	Context    Context  // of the sign-in being confirmed; zero shows nothing
	NotMe      bool     // offers a button decision=notme
	Cancel     bool     // offers a button decision=cancel that returns to the app
	HelpURL    string
	Left       int // attempts left; 0 says nothing
	Fault      Fault
	RetryIn    time.Duration
}

// RecoveryCode asks for one of the recovery codes. It posts code, csrf, i to /recovery-code.
type RecoveryCode struct {
	Form
	Client    Party
	Account   string
	SwitchURL string
	BackURL   string // path of the page with the other ways; "" where there is none
	Cancel    bool
	HelpURL   string
	Left      int // attempts left; 0 says nothing
	Fault     Fault
	RetryIn   time.Duration
}

// PasskeyPrompt offers a passkey after a sign-in without one; made (Made) it says so, and only goes on. It posts
// decision=later (not now, or go on), csrf, i to /passkey.
type PasskeyPrompt struct {
	Form
	Client Party
	Auto   bool   // after a password: lets the browser make a passkey by itself, where it can
	Made   bool   // done
	Here   string // with Made: where the passkey lives ("iCloud Keychain"), from authn.ProviderOf; "" is not known
	Silent bool   // with Made: the browser made it by itself, so the page explains
}

// Reason is why a further factor is asked for.
type Reason struct {
	Code    string        // see Reason* ; an unknown one says something general
	Country string        // ISO 3166-1 alpha-2, for ReasonCountry and ReasonTravel
	Ago     time.Duration // for ReasonTravel
}

// Codes of reasons.
const (
	ReasonDevice  = "new_device"
	ReasonCountry = "new_country"
	ReasonTravel  = "travel"
	ReasonApp     = "app"  // the client asked for more (acr_values, RFC 9470)
	ReasonAge     = "age"  // the last proof is too long ago (max_age, prompt=login)
	ReasonRisk    = "risk" // anything else unusual
)

// Context is where and with what somebody signs in.
type Context struct {
	Device  string // "Chrome on Windows"; never a raw User-Agent
	Country string // ISO 3166-1 alpha-2
	At      time.Time
}

// Consent asks whether Client may have what it asks for. It posts decision (allow or deny), csrf, i to /consent, with
// allow for each optional permission that is ticked.
type Consent struct {
	Form
	Client     Party
	Account    string
	SwitchURL  string
	Asks       []Permission // what is new; offline_access may stand among them or in Offline
	Has        []Permission // allowed earlier; shown folded
	Resources  []string     // RFC 8707: the services concerned
	Claims     []string     // names of the claims requested one by one, OIDC Core §5.5
	Offline    bool         // asks for a refresh token that outlives the session
	ReturnHost string       // where the browser goes next; "" shows nothing
	HostBefore string       // the client's host when consent was given last, if it is another one now
}

// Permission is one scope. Text is its description in the language of the Frame where the deployment has one; ""
// takes ours, and a scope that has none is shown by its name, never left out.
type Permission struct {
	Scope, Text string
	Optional    bool // on the consent page: can be unticked
	Unticked    bool // … and is to begin with
}

// Permissions returns the permissions of scopes without texts of the deployment.
func Permissions(scopes ...string) []Permission {
	ps := make([]Permission, len(scopes))
	for i, s := range scopes {
		ps[i].Scope = s
	}
	return ps
}

// Continue sends the browser on by itself, with a link for the one that does not. Status 200.
type Continue struct {
	To     Redirect
	Client Party
	Denied bool // going back without having allowed anything
}

// DeviceKey proves the key of the browser by a script, and goes on by itself. Status 200.
type DeviceKey struct {
	CSRF string
	To   string // path of ours, with its query: where the browser goes once the key is proved
	Skip string // the same, where it cannot be
}

// FormPost sends the browser on to a client with a form that posts itself. Status 200. Form Post Response Mode §2.
type FormPost struct {
	To     Redirect
	Fields []Field
	Client Party
	Denied bool // going back without having allowed anything
}

// Logout asks before signing out. It posts csrf, i, Hidden and decision (logout or stay) to /logout.
type Logout struct {
	Form
	Client  Party
	Account string
}

// SignedOut says that the person is signed out.
type SignedOut struct {
	Client Party
	Back   Redirect   // to the app, if it asked for that
	Frames []Redirect // pages of apps that forget the session when they are shown
}

// SigningOut says so, too, while the frames load, and then sends the browser on, with a link for the one that does not go.
type SigningOut struct {
	To     Redirect
	Client Party
	Frames []Redirect
}

// Finished says that this sign-in was completed before, typically after the Back button.
type Finished struct {
	Client Party
	Back   Redirect
}

// Kind is what went wrong, as a person needs to know it.
type Kind uint8

// Kinds of errors. Each has a sentence that says what happened and what to do.
const (
	Broken      Kind = iota // our fault: 500
	Expired                 // the interaction is gone: 400
	BadRedirect             // redirect_uri is not registered: 400
	BadClient               // client unknown or disabled: 400
	BadRequest              // the request of the app is wrong: 400
	Refused                 // policy says no: 403
	Disabled                // the account is disabled: 403
	NotFound                // 404
	TooMany                 // 429
	Forged                  // the form did not come from our page: 403
	Unavailable             // 503
	UsedLink                // a link from a mail was used before or is too old: 400
	Stale                   // what was to be changed is not there any more: 404 or 409
)

// Error says that it goes no further, and where to go instead.
// Where it may help, Self of the Frame is offered to try again.
type Error struct {
	Kind    Kind
	Client  Party
	Back    Redirect // to the app; only where redirect_uri was valid
	RetryIn time.Duration
	Details []Field // for the developer: give none to others
}
