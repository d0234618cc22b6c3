package riskstep

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
	"github.com/postern-id/postern/span"
)

// Action is what is to be done.
type Action uint8

// Actions. The zero value refuses.
const (
	Deny   Action = iota
	Allow         // go on
	StepUp        // prove Required first, no longer ago than MaxAge
	Narrow        // go on without Narrow
	Revoke        // end the session or the grant
)

func (a Action) String() string {
	return [...]string{"deny", "allow", "step_up", "narrow", "revoke"}[min(a, Revoke)]
}

// Decision answers one Input. Only an Engine makes one; its zero value refuses.
type Decision struct {
	action     Action
	required   ident.Assurance
	maxAge     time.Duration
	narrow     []string
	reasons    []Reason
	newDevice  bool
	newCountry bool
	level      string
	place      Place
	snap       Snapshot

	proof  string // the ID of the proof that it is about
	moment Moment
	user   ident.UserID
	taught taught
}

// Action is what is to be done.
func (d Decision) Action() Action { return d.action }

// Required is the rung that must be proved where Action is StepUp.
func (d Decision) Required() ident.Assurance { return d.required }

// MaxAge is how long ago that may have been where Action is StepUp; 0 for any time.
func (d Decision) MaxAge() time.Duration { return d.maxAge }

// Narrow is the scope to do without, until the person proves more. It may be there with StepUp too.
func (d Decision) Narrow() []string { return slices.Clone(d.narrow) }

// Reasons are why it is not a plain Allow, most telling first.
func (d Decision) Reasons() []Reason { return slices.Clone(d.reasons) }

// Level is how high the risk is: "low", "medium" or "high"; "" where it was not measured.
func (d Decision) Level() string { return d.level }

// Place is where the person is.
func (d Decision) Place() Place { return d.place }

// Snapshot is what is there now, for the session or the grant.
func (d Decision) Snapshot() Snapshot { return d.snap }

// NewDevice says that the person was not seen with this browser before, though they were seen.
func (d Decision) NewDevice() bool { return d.newDevice }

// NewCountry says that the person was not seen in this country before, or that where they are is
// not known though it should be.
func (d Decision) NewCountry() bool { return d.newCountry }

// For says whether this decision allows p, and no other proof, to go on.
func (d Decision) For(p authn.Proof) bool {
	return (d.action == Allow || d.action == Narrow) && p.Valid() && d.proof == p.ID() && d.user == p.User()
}

// Moment is when it was asked for; 0 for the zero Decision.
func (d Decision) Moment() Moment { return d.moment }

// Decide answers in. ErrInput; any other error means that what it needs to know cannot be read, and nothing may go on.
// Every decision about a proof is recorded first, and of the others each that is not a plain Allow.
func (e *Engine) Decide(ctx context.Context, in Input) (_ Decision, err error) {
	ctx, end := span.Start(ctx, "riskstep.Decide")
	defer func() { end(err) }()
	if err := in.check(); err != nil {
		return Decision{}, err
	}
	v := e.look(in)
	if e.asksHabits(v) {
		if err := e.recall(ctx, v); err != nil {
			return Decision{}, fmt.Errorf("riskstep: decide: %w", err)
		}
	}
	facts := v.facts()
	out, err := e.o.Policy.Decide(&facts)
	if err != nil {
		return Decision{}, fmt.Errorf("riskstep: decide: %w", err)
	}
	d := e.judge(v, out)
	if v.read {
		d.level = facts.Risk.Level
	}
	if v.Moment.held() && d.action == Allow && len(out.Shadow) == 0 {
		return d, nil
	}
	if err := e.o.Audit.Record(ctx, e.event(v, &d, facts, out)); err != nil {
		return Decision{}, fmt.Errorf("riskstep: decide: %w", err)
	}
	return d, nil
}

// asksHabits says whether the person's habits matter: what was granted is measured again only where something changed,
// or where much is at stake.
func (e *Engine) asksHabits(v *view) bool {
	return !v.Moment.held() || v.moved() || v.changedAgent() || v.Was == (Snapshot{}) && v.Moment.browser() || slices.ContainsFunc(v.Scopes, e.o.Policy.Sensitive) && v.Moment == AtAuthorize
}

// judge is what the policy's outcome, the client's wish and what was proved add up to.
func (e *Engine) judge(v *view, out policy.Outcome) Decision {
	d := Decision{action: Allow, moment: v.Moment, user: v.User, proof: v.Proof.ID(), place: v.place, snap: v.snap,
		newCountry: v.newCountry(), newDevice: v.newDevice()}
	if v.read {
		d.taught = taught{login: v.login, ring: v.ring, version: v.version, score: v.result.Score, strong: v.strong()}
	}
	if v.Moment.held() {
		v.judgeHeld(&d, out)
		return d
	}
	have := v.Proof.Assurance()
	best := max(v.Best, have)

	// What must be reached whatever the risk: what the client asks for, and in a session what it
	// holds already, so that its acr and its auth_time always tell of one and the same ceremony.
	must := max(v.Need, v.Held, ident.AAL1)
	if have == ident.None && best >= ident.AAL2 {
		must = max(must, ident.AAL2) // a short password is nothing without a second factor
	}
	if must > best {
		d.action, d.required, d.reasons = Deny, must, []Reason{ReasonUnmet}
		d.newCountry, d.newDevice = false, false
		return d
	}
	d.required = must
	switch out.Action {
	case policy.Deny, policy.Revoke:
		d.action, d.reasons = Deny, append(v.reasons(), ReasonRisk)
		return d
	case policy.StepUp:
		if out.Required <= have {
			break
		}
		d.reasons = v.reasons()
		switch {
		case best >= out.Required:
			d.required = max(must, out.Required)
		case !slices.Contains(shipped, out.Rule):
			d.action, d.required, d.reasons = Deny, out.Required, []Reason{ReasonUnmet}
			return d
		case best >= ident.AAL2:
			d.required = max(must, best)
		default: // who cannot is let in and marked: the session is short, its owner is told, and it does without what is sensitive
			d.narrow = out.Narrow
		}
	case policy.Narrow:
		d.narrow = out.Narrow
	}
	if out.Action == policy.Allow && have < ident.AAL2 && best < ident.AAL2 && (d.newCountry || d.newDevice || v.doubted()) {
		d.reasons = v.reasons() // who has nothing more to prove is let in and marked
	}
	if must > have {
		d.reasons = append(d.reasons, ReasonAction)
	}
	d.newDevice = d.newDevice || v.doubted() // whoever gets in with it: a short session, and the owner is told
	switch {
	case d.required > have:
		d.action, d.narrow = StepUp, nil
	case len(d.narrow) > 0:
		d.action = Narrow
	}
	return d
}

// judgeHeld is it for what was granted before: there is no proof, and nobody to ask at once.
func (v *view) judgeHeld(d *Decision, out policy.Outcome) {
	d.required, d.maxAge, d.narrow = v.Need, out.MaxAge, out.Narrow
	if len(d.narrow) > 0 {
		d.action = Narrow
	}
	if v.Need > v.Held {
		d.action, d.reasons = StepUp, []Reason{ReasonAction}
	}
	stepUp := func(required ident.Assurance) {
		d.action, d.required, d.reasons = StepUp, max(d.required, required, ident.AAL1), append(v.reasons(), d.reasons...)
	}
	switch out.Action {
	case policy.StepUp:
		if stepUp(out.Required); out.Fresh {
			d.maxAge = time.Nanosecond
		}
	case policy.Deny:
		d.action, d.reasons = Deny, append(v.reasons(), ReasonRisk)
	case policy.Revoke:
		d.action, d.reasons = Revoke, append(v.reasons(), ReasonRisk)
	}
	switch {
	case v.otherKey():
		d.action, d.reasons = Revoke, []Reason{ReasonKey}
	case v.changedAgent() && (d.action == Allow || d.action == Narrow):
		stepUp(v.Held)
	}
}

// doubted says that what was shown may be in other hands.
func (v *view) doubted() bool { return v.login.Doubt&^model.Disputed != 0 }

// reasons are what the person is told, most telling first.
func (v *view) reasons() (out []Reason) {
	if v.doubted() {
		out = append(out, ReasonCredential)
	}
	if v.newCountry() || v.Moment.held() && v.abroad() {
		out = append(out, ReasonCountry)
	}
	if v.newDevice() {
		out = append(out, ReasonDevice)
	}
	if len(out) == 0 {
		out = append(out, ReasonRisk)
	}
	return out
}

// shipped are the names of our own rules. Those ask for what the person has; an operator's own rule means what it says.
var shipped = func() (names []string) {
	for _, r := range policy.DefaultRules() {
		names = append(names, r.Name)
	}
	return names
}()

// event is the decision for the trail; the record in it explains the decision and lets rules be tried on it.
func (e *Engine) event(v *view, d *Decision, facts policy.Facts, out policy.Outcome) audit.Event {
	list := make([]string, len(d.reasons))
	for i, r := range d.reasons {
		list[i] = string(r)
	}
	ev := audit.Event{
		Type: "risk.decided", Outcome: audit.OK, Actor: "system", User: v.User, Client: v.Client,
		Device: v.Env.Device, Agent: v.Env.UserAgent, Request: v.Env.RequestID, Reason: strings.Join(list, " "),
		Data: map[string]string{"action": d.action.String(), "required": d.required.ACR(), "country": d.place.Country, "moment": v.Moment.String()},
	}
	if d.action == Deny || d.action == StepUp || d.action == Revoke {
		ev.Outcome = audit.Denied
	}
	if v.Env.IP.IsValid() {
		ev.IP = v.Env.IP.String()
	}
	rec := policy.Record{V: 1, Model: modelVersion, Facts: facts, Score: v.result.Score, Prior: v.result.Prior, Types: v.result.Types, Outcome: out}
	if e.o.Geo != nil {
		rec.MMDB = v.now.Add(-e.o.Geo.Age()).Unix()
	}
	for _, c := range v.result.Reasons {
		rec.Reasons = append(rec.Reasons, policy.Reason{Signal: c.Signal, Bits: math.Round(c.Bits*1000) / 1000, Level: c.Level})
	}
	if b, err := rec.Marshal(); err == nil {
		ev.Evidence = b
	}
	if v.read {
		ev.Data["p"] = strconv.FormatFloat(facts.Risk.P, 'g', 3, 64)
	}
	return ev
}

const (
	modelVersion = "1"
	ln2          = math.Ln2
)

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
