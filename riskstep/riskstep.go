// Package riskstep owns the question whether what a person has proved is enough here and now: what is known of a
// person's habits, the judgement of the model (riskstep/model) under the operator's policy (riskstep/policy), and the
// Decision, which only it can make. It never verifies a factor, never starts a session, and never lowers what a client
// asks for: risk only adds requirements. A signal that is down is unknown, never safe.
package riskstep

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
	"github.com/postern-id/postern/store"
)

// Moment is when a decision is asked for.
type Moment int

// Moments. Those after AtStepUp have no proof: what was granted before is judged again.
const (
	AtSignIn     Moment = iota + 1 // a proof wants to become a session
	AtStepUp                       // a proof wants to raise or renew a session
	AtRefresh                      // a refresh token is redeemed
	AtIntrospect                   // a token is looked at
	AtUse                          // a session's cookie is shown from elsewhere than before
	AtAuthorize                    // a client asks to use a session
)

func (m Moment) held() bool { return m > AtStepUp }

// browser says whether the request comes from the person's own browser.
func (m Moment) browser() bool { return m != AtRefresh && m != AtIntrospect }

func (m Moment) String() string {
	return [...]string{"", "sign_in", "step_up", "refresh", "introspect", "use", "authorize"}[m]
}

// Input is one question.
type Input struct {
	Moment   Moment
	Proof    authn.Proof // zero where the Moment has none
	User     ident.UserID
	Client   ident.ClientID
	Profile  string   // of the client: its strictness
	Scopes   []string // asked for, or held
	Env      ident.Env
	Need     ident.Assurance // what the client asks for; None for nothing in particular
	Best     ident.Assurance // what the person could reach with their factors; unused where there is no proof
	Held     ident.Assurance // what the session or the grant holds; None at AtSignIn
	AuthTime time.Time       // when that was proved; zero at AtSignIn
	Was      Snapshot        // of the session or the grant
	Bound    bool            // what is presented is bound to a key (DPoP, mutual TLS)
}

// State says how much is known of where an address is.
type State uint8

// States. Unknown is never safe.
const (
	Unknown State = iota // there should be something to be known, and is not
	Usual                // it is known
	Absent               // there is nothing to be known, by configuration or by the nature of the address
)

// Options are what an Engine stands on. Geo, Networks, Counters, Policy and Model may be nil: nothing is known of
// addresses, failures are counted on this node only, and the policy and the model are the shipped ones.
type Options struct {
	Store     Store
	Geo       Locator
	Networks  Networks
	Audit     audit.Recorder
	Counters  store.Counters
	Now       func() time.Time
	Policy    *policy.Policy
	Model     *model.Model
	NoGeo     State           // what an address counts as where Geo is nil: Absent, or Unknown to insist
	MaxGeoAge time.Duration   // older data counts as unknown; 0 for no limit
	HashKey   func() [][]byte // secrets of the hashes of habits, the current one first; the others are still read
}

// ErrInput says that a question cannot be answered as it was put.
var ErrInput = errors.New("riskstep: the proof, the user and the moment do not fit together")

// Engine decides.
type Engine struct {
	o        Options
	velocity *model.Velocity
	tables   *model.Tables
	syncing  sync.Mutex
	unsent   unsent
}

// New returns an Engine, or an error for a missing part.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Audit == nil || o.Now == nil || o.HashKey == nil {
		return nil, errors.New("riskstep: Store, Audit, Now and HashKey are needed")
	}
	if keys := o.HashKey(); len(keys) == 0 || len(keys[0]) < 16 {
		return nil, errors.New("riskstep: a hash key has at least 16 bytes")
	}
	if o.Policy == nil {
		p, err := policy.DefaultConfig().Build()
		if err != nil {
			return nil, err
		}
		o.Policy = p
	}
	if o.Model == nil {
		o.Model = model.Default()
	}
	return &Engine{o: o, velocity: model.NewVelocity(), tables: model.NewTables()}, nil
}

// Policy is what the Engine decides under.
func (e *Engine) Policy() *policy.Policy { return e.o.Policy }

// check says whether in can be answered: a proof belongs to a sign-in or a step-up, and to the user.
func (in Input) check() error {
	switch in.Moment {
	case AtSignIn, AtStepUp:
		if !in.Proof.Valid() || in.Proof.User() != in.User {
			return ErrInput
		}
	case AtRefresh, AtIntrospect, AtUse, AtAuthorize:
		if in.Proof.Valid() || in.User == "" {
			return ErrInput
		}
	default:
		return ErrInput
	}
	return nil
}

// locate returns the place of ip, and Usual where it can be relied on, Absent where there is nothing
// to be known, Unknown where there should be.
func (e *Engine) locate(ip netip.Addr) (Place, State) {
	ip = ip.Unmap()
	if !ip.IsValid() {
		return Place{}, Unknown
	}
	if ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || shared.Contains(ip) {
		return Place{Local: true}, Absent
	}
	if e.o.Geo == nil {
		return Place{}, e.o.NoGeo
	}
	p, err := e.o.Geo.Locate(ip)
	if err == nil && p.Local { // nothing is routed from there
		return p, Absent
	}
	if err != nil || !p.Known || len(p.Country) != 2 || e.o.MaxGeoAge > 0 && e.o.Geo.Age() > e.o.MaxGeoAge {
		return Place{}, Unknown
	}
	return p, Usual
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598 §7
