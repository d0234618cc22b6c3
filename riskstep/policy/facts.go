package policy

// Facts are what rules see, under the names of their JSON (risk.p, net.country, …); see docs/risk.md. They are recorded
// with every decision, so that rules can be tried on the past, and hold no address. A zero field is not known.
type Facts struct {
	Moment  string     `json:"moment,omitempty"` // one of Moments
	Risk    Risk       `json:"risk,omitzero"`
	Limits  Thresholds `json:"limits,omitzero"` // in force at the decision; Policy.Decide fills it in
	Net     Net        `json:"net,omitzero"`
	Device  Device     `json:"device,omitzero"`
	User    User       `json:"user,omitzero"`
	Client  Client     `json:"client,omitzero"`
	Request Request    `json:"request,omitzero"`
	Session Session    `json:"session,omitzero"`
}

// Moments are the values of Facts.Moment.
var Moments = []string{"sign_in", "step_up", "refresh", "introspect", "use", "authorize"}

// Risk is what the model says.
type Risk struct {
	P     float64            `json:"p"`               // calibrated probability of an attack
	Level string             `json:"level,omitempty"` // LevelOf(P); Policy.Decide fills it in
	Bits  map[string]float64 `json:"bits,omitempty"`  // by signal (one of Signals), positive for an attack; in rules 0 where absent
	Novel []string           `json:"novel,omitempty"` // of Novelties; in rules booleans: risk.novel.country
	Doubt []string           `json:"doubt,omitempty"` // of Doubts; in rules booleans: risk.doubt.breached
}

// Signals are the names in Risk.Bits.
var Signals = []string{"network", "device", "key", "agent", "ja4", "travel", "hosting", "time", "velocity", "credential"}

// Novelties are the words of Risk.Novel. A country or a device is novel only for somebody of whom there is a history, and
// then also where it is not known though it should be.
var Novelties = []string{
	"country", "asn", "network", "address", "device", "no_device", "agent", "agent_back", "key", "key_missing",
	"fast", "hosting", "anonymous", "odd_hour", "unknown",
}

// Doubts are the words of Risk.Doubt: why what was shown may be in other hands.
var Doubts = []string{"breached", "denied", "counter_back", "disputed"}

// Net is where the request comes from.
type Net struct {
	Country   string `json:"country,omitempty"` // ISO 3166-1 alpha-2
	ASN       uint32 `json:"asn,omitempty"`
	Hosting   bool   `json:"hosting,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`
	Mobile    bool   `json:"mobile,omitempty"`
	Known     bool   `json:"known,omitempty"` // the network is known to the data
}

// Device is what the person sits at.
type Device struct {
	Known    bool `json:"known,omitempty"`    // its cookie was seen with this person
	Bound    bool `json:"bound,omitempty"`    // it just proved a key of its own
	Hardware bool `json:"hardware,omitempty"` // and keeps that key in hardware
}

// User is who.
type User struct {
	Logins  int  `json:"logins,omitempty"` // remembered sign-ins, at most 16
	Best    int  `json:"best,omitempty"`   // the rung that the person's factors can reach, as ident.Assurance
	Alerted bool `json:"alerted,omitempty"`
}

// Client is the application.
type Client struct {
	ID      string `json:"id,omitempty"`
	Profile string `json:"profile,omitempty"`
}

// Request is what is asked for.
type Request struct {
	Scopes    []string `json:"scopes,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"` // one of them is of risk.sensitive_scopes; Policy.Decide fills it in
}

// Session is what is held: a session, a grant, or at a sign-in and a step-up what was just proved.
type Session struct {
	AAL     int  `json:"aal,omitempty"`      // rung, as ident.Assurance
	AuthAge int  `json:"auth_age,omitempty"` // seconds since that rung was proved
	Moved   bool `json:"moved,omitempty"`    // another network or country than the snapshot's
	Abroad  bool `json:"abroad,omitempty"`   // another country than the snapshot's, or none known where there should be
	Bound   bool `json:"bound,omitempty"`    // to a key that was proved: DBSC, DPoP, mutual TLS
}
