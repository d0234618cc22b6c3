// Package riskstep owns the question whether what a person has proved is enough here and now: the
// signals, what is known of a person's habits, the policy, and the Decision, which only it can
// make. It never verifies a factor, never starts a session, and never lowers what a client asks
// for: risk only adds requirements. A signal that is down is unknown, never safe.
package riskstep

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
)

// Moment is when a decision is asked for.
type Moment int

// Moments.
const (
	AtSignIn     Moment = iota + 1 // a proof wants to become a session
	AtStepUp                       // a proof wants to raise or renew a session
	AtRefresh                      // a refresh token is redeemed: no proof
	AtIntrospect                   // a token is looked at: no proof
)

// Input is one question.
type Input struct {
	Moment Moment
	Proof  authn.Proof // zero at AtRefresh and AtIntrospect
	User   ident.UserID
	Client ident.ClientID
	Env    ident.Env
	Need   ident.Assurance // what the client asks for; None for nothing in particular
	Best   ident.Assurance // what the person could reach with their factors; unused where there is no proof
	Held   ident.Assurance // what the session or the grant holds; None at AtSignIn
	Was    Place           // the snapshot in the session or the grant
	Bound  bool            // what is presented is bound to a key (DPoP, mutual TLS)
}

// Policy is what an operator may choose. Start from DefaultPolicy.
type Policy struct {
	NewCountry    bool          // a new country asks for a second factor
	NewDevice     bool          // a new device asks for a second factor
	RefreshAbroad bool          // a bearer refresh token from another country than its grant is refused
	NoGeo         State         // what the country counts as where no Locator is configured: Absent, or Novel to insist
	MaxGeoAge     time.Duration // older data counts as unknown; 0 for no limit
}

// DefaultPolicy is the policy of a server nobody configured.
func DefaultPolicy() Policy {
	return Policy{NewCountry: true, NewDevice: true, RefreshAbroad: true, NoGeo: Absent, MaxGeoAge: 45 * 24 * time.Hour}
}

// Options are what an Engine stands on. Geo may be nil.
type Options struct {
	Store   Store
	Geo     Locator
	Audit   audit.Recorder
	Now     func() time.Time
	Policy  Policy
	HashKey func() [][]byte // secrets of the profile's hashes, the current one first; the others are still read
}

// ErrInput says that a question cannot be answered as it was put.
var ErrInput = errors.New("riskstep: the proof, the user and the moment do not fit together")

// Engine decides.
type Engine struct {
	store   Store
	geo     Locator
	audit   audit.Recorder
	now     func() time.Time
	policy  Policy
	hashKey func() [][]byte
	signals []Signal
}

// New returns an Engine, or an error for a missing part.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Audit == nil || o.Now == nil || o.HashKey == nil {
		return nil, errors.New("riskstep: Store, Audit, Now and HashKey are needed")
	}
	if keys := o.HashKey(); len(keys) == 0 || len(keys[0]) < 16 {
		return nil, errors.New("riskstep: a hash key has at least 16 bytes")
	}
	return &Engine{
		store: o.Store, geo: o.Geo, audit: o.Audit, now: o.Now, policy: o.Policy, hashKey: o.HashKey,
		signals: []Signal{country{}, device{}, credential{}},
	}, nil
}

// check says whether in can be answered: a proof belongs to a sign-in or a step-up, and to the user.
func (in Input) check() error {
	switch in.Moment {
	case AtSignIn, AtStepUp:
		if !in.Proof.Valid() || in.Proof.User() != in.User {
			return ErrInput
		}
	case AtRefresh, AtIntrospect:
		if in.Proof.Valid() || in.User == "" {
			return ErrInput
		}
	default:
		return ErrInput
	}
	return nil
}

// view collects what the signals look at. An error means that the store is down: the caller answers 503.
func (e *Engine) view(ctx context.Context, in Input) (*View, error) {
	v := &View{Input: in, Policy: e.policy, Now: e.now(), keys: e.hashKey()}
	v.Place, v.PlaceState = e.locate(in.Env.IP)
	if in.Moment == AtRefresh || in.Moment == AtIntrospect {
		return v, nil
	}
	blob, version, err := e.store.RiskProfile(ctx, in.User)
	if err != nil {
		return nil, err
	}
	v.profile, v.version = parseProfile(blob), version
	return v, nil
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
	if e.geo == nil {
		return Place{}, e.policy.NoGeo
	}
	p, err := e.geo.Locate(ip)
	if err != nil || !p.Known || len(p.Country) != 2 || e.policy.MaxGeoAge > 0 && e.geo.Age() > e.policy.MaxGeoAge {
		return Place{}, Unknown
	}
	return p, Usual
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598 §7
