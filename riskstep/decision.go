package riskstep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Action is what is to be done.
type Action uint8

// Actions. The zero value refuses.
const (
	Deny   Action = iota
	Allow         // go on
	StepUp        // prove Required first
	Narrow        // go on with less: a policy may say so, the default does not
)

func (a Action) String() string {
	return [...]string{"deny", "allow", "step_up", "narrow"}[min(a, Narrow)]
}

// Decision answers one Input. Only an Engine makes one; its zero value refuses.
type Decision struct {
	action     Action
	required   ident.Assurance
	reasons    []Reason
	place      Place
	newDevice  bool
	newCountry bool

	proof  string // the ID of the proof that it is about
	moment Moment
	user   ident.UserID
	learn  entry
	prior  profile
	ver    int64
}

// Action is what is to be done.
func (d Decision) Action() Action { return d.action }

// Required is the rung that must be proved where Action is StepUp.
func (d Decision) Required() ident.Assurance { return d.required }

// Reasons are why it is not a plain Allow, most telling first.
func (d Decision) Reasons() []Reason { return slices.Clone(d.reasons) }

// Place is where the person is, for the snapshot in the session or grant.
func (d Decision) Place() Place { return d.place }

// NewDevice says that the person was not seen with this browser before, though they were seen.
func (d Decision) NewDevice() bool { return d.newDevice }

// NewCountry says that the person was not seen in this country before, or that where they are is
// not known though it should be.
func (d Decision) NewCountry() bool { return d.newCountry }

// For says whether this decision allows p, and no other proof, to go on.
func (d Decision) For(p authn.Proof) bool {
	return d.action == Allow && p.Valid() && d.proof == p.ID() && d.user == p.User()
}

// Moment is when it was asked for; 0 for the zero Decision.
func (d Decision) Moment() Moment { return d.moment }

// Decide answers in. ErrInput; any other error means that what it needs to know cannot be read, and
// nothing may go on. Whatever is not a plain Allow is recorded first.
func (e *Engine) Decide(ctx context.Context, in Input) (_ Decision, err error) {
	ctx, end := span.Start(ctx, "riskstep.Decide")
	defer func() { end(err) }()
	if err := in.check(); err != nil {
		return Decision{}, err
	}
	v, err := e.view(ctx, in)
	if err != nil {
		return Decision{}, fmt.Errorf("riskstep: decide: %w", err)
	}
	found := make(map[string]Finding, len(e.signals))
	for _, s := range e.signals {
		found[s.Name()] = s.Assess(ctx, v)
	}
	d := judge(v, found)
	d.place, d.moment, d.user, d.proof = v.Place, in.Moment, in.User, in.Proof.ID()
	d.learn, d.prior, d.ver = v.entryOf(), v.profile, v.version
	if held := !in.Proof.Valid(); d.action == Allow && (held || !d.newCountry && !d.newDevice) {
		return d, nil
	}
	if err := e.audit.Record(ctx, d.event(in)); err != nil {
		return Decision{}, fmt.Errorf("riskstep: decide: %w", err)
	}
	return d, nil
}

func (d Decision) event(in Input) audit.Event {
	words := make([]string, len(d.reasons))
	for i, r := range d.reasons {
		words[i] = string(r)
	}
	ev := audit.Event{
		Type: "risk.decided", Outcome: audit.OK, Actor: "system", User: in.User, Client: in.Client,
		Device: in.Env.Device, Agent: in.Env.UserAgent, Request: in.Env.RequestID, Reason: strings.Join(words, " "),
		Data: map[string]string{"action": d.action.String(), "required": d.required.ACR(), "country": d.place.Country},
	}
	if d.action != Allow {
		ev.Outcome = audit.Denied
	}
	if in.Env.IP.IsValid() {
		ev.IP = in.Env.IP.String()
	}
	return ev
}

// Learn remembers where and with what the person signed in; call it once the session stands. Only an
// allowed sign-in or step-up teaches anything.
func (e *Engine) Learn(ctx context.Context, d Decision) error {
	if d.action != Allow || d.moment != AtSignIn && d.moment != AtStepUp || d.proof == "" {
		return nil
	}
	p, ver := d.prior, d.ver
	for range 4 {
		err := e.store.SaveRiskProfile(ctx, d.user, ver, p.learn(d.learn).blob())
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrStale) {
			return fmt.Errorf("riskstep: learn: %w", err)
		}
		blob, now, err := e.store.RiskProfile(ctx, d.user)
		if err != nil {
			return fmt.Errorf("riskstep: learn: %w", err)
		}
		p, ver = parseProfile(blob), now
		if p.alert != d.prior.alert {
			return nil // somebody disowned a sign-in meanwhile: perhaps this one
		}
	}
	return fmt.Errorf("riskstep: learn: %w", store.ErrStale)
}

// disputeSlack is by how much what tells of a sign-in may be later than the sign-in itself.
const disputeSlack = time.Minute

// Unlearn forgets what was learnt of user since a sign-in that they say was not theirs, and for thirty days has no
// device of theirs count as known. The caller ends the sessions.
func (e *Engine) Unlearn(ctx context.Context, user ident.UserID, since time.Time) error {
	ev := audit.Event{Type: "risk.unlearned", Outcome: audit.OK, Actor: "user", User: user, Reason: "disowned"}
	if err := e.audit.Record(ctx, ev); err != nil {
		return fmt.Errorf("riskstep: unlearn: %w", err)
	}
	from, now := uint32(max(since.Add(-disputeSlack).Unix(), 0)), uint32(e.now().Unix())
	for range 8 {
		blob, ver, err := e.store.RiskProfile(ctx, user)
		if err != nil {
			return fmt.Errorf("riskstep: unlearn: %w", err)
		}
		err = e.store.SaveRiskProfile(ctx, user, ver, parseProfile(blob).unlearn(from, now).blob())
		if !errors.Is(err, store.ErrStale) {
			if err != nil {
				err = fmt.Errorf("riskstep: unlearn: %w", err)
			}
			return err
		}
	}
	return fmt.Errorf("riskstep: unlearn: %w", store.ErrStale)
}
