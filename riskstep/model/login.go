package model

import (
	"net/netip"
	"time"

	"github.com/postern-id/postern/ident"
)

// Login is one attempt as the model sees it. A zero field is not known, which is never evidence of safety.
type Login struct {
	At     time.Time
	User   string
	IP     netip.Addr
	Net    Net
	Agent  Agent
	JA4    string
	Device string // name of the device cookie; "" if there was none
	Key    ident.KeyProof
	KeyID  string // thumbprint of the key that Key speaks of
	Failed bool   // the attempt did not succeed: counted, never learnt
	Strong bool   // a phishing-resistant or device-bound proof: may teach at once
	Doubt  Doubt
}

// State says how much is known of a network.
type State uint8

// States.
const (
	Absent  State = iota // there is no address, or a private one
	Unknown              // there should be data and is none: high risk
	Known
)

// Net is what the data says of an address.
type Net struct {
	State    State
	Country  string // ISO 3166-1 alpha-2; "" if unknown
	City     string
	Lat, Lon float64 // degrees
	Km       int     // radius of the circle in which the address is likely to be; 0: no point is known
	ASN      uint32
	Prefix   netip.Prefix // the zero Prefix: the /24 or /48 of the address

	Hosting, Mobile, Anonymous, Tor bool
}

// Doubt is a set of reasons to mistrust what was shown, whoever showed it.
type Doubt uint8

// Doubts.
const (
	Breached    Doubt = 1 << iota // the password stands on a list of those that leaked
	Denied                        // what the attempt began was denied as not the person's own
	CounterBack                   // a passkey's counter went back: WebAuthn L3 §6.1.1
	Disputed                      // the account is under alert
)

// Novelty is a set of what was new for the person, and of what is odd in itself.
type Novelty uint16

// Novelties.
const (
	NewCountry Novelty = 1 << iota
	NewASN
	NewNetwork // the /24 or /48
	NewAddress
	NewDevice // a device cookie that the person never showed
	NoDevice
	NewAgent   // family of browser and system
	AgentBack  // the version went down on the same device
	NewKey     // a key other than those shown before
	KeyMissing // the device has shown a key before and now shows none
	Fast       // impossible travel
	Hosting
	Anonymous // Tor, or a known anonymiser
	OddHour
	UnknownNet // the network should be known and is not, or the history is damaged
)

// Result is what the model says of one login.
type Result struct {
	P       float64        // calibrated probability of an attack, in (0,1)
	Score   float64        // ln(P/(1-P))
	Prior   float64        // the part of Score that stands before any signal of this login: base rate and calibration
	Types   [4]float64     // posterior of naive, VPN, targeted, stolen, given an attack
	Reasons []Contribution // every signal that was judged: Prior + Σ Bits·ln 2 = Score
	Novel   Novelty
}

// Contribution is what one signal adds to Score, after calibration.
type Contribution struct {
	Signal string  // "network", "device", "key", "agent", "ja4", "travel", "hosting", "time", "velocity", "credential"
	Bits   float64 // positive: towards an attack
	Level  string  // what was found, e.g. "new country"
}
