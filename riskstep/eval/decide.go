package eval

import (
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
)

// decider asks a policy what follows from a recorded sign-in. What a record does not say is taken to be so: everybody can
// prove a second factor, and who was strong a passkey, which they just did; the others proved one factor.
type decider struct {
	policy *policy.Policy
	facts  policy.Facts
	bits   map[string]float64
	novel  []string
}

func newDecider(p *policy.Policy) *decider { return &decider{policy: p, bits: map[string]float64{}} }

// budgeted is from how many logins on somebody's scores make a budget's threshold.
const budgeted = 5

// decide returns allow, step_up, narrow, deny or revoke. ring is nil for somebody never seen.
func (d *decider) decide(l *model.Login, ring *model.Ring, r *model.Result) (string, error) {
	logins := 0
	if ring != nil {
		logins = ring.Len()
	}
	clear(d.bits)
	for _, c := range r.Reasons {
		d.bits[c.Signal] += c.Bits
	}
	proved, best := ident.AAL1, ident.AAL2
	if l.Strong {
		proved, best = ident.PhishingResistant, ident.PhishingResistant
	}
	d.facts = policy.Facts{
		Moment: "sign_in",
		Risk:   policy.Risk{P: r.P, Bits: d.bits, Novel: d.novelties(r.Novel, l.Net.State == model.Unknown, logins)},
		Net: policy.Net{Country: l.Net.Country, ASN: l.Net.ASN, Hosting: l.Net.Hosting, Anonymous: l.Net.Anonymous || l.Net.Tor,
			Mobile: l.Net.Mobile, Known: l.Net.State == model.Known},
		Device:  policy.Device{Known: logins > 0 && l.Device != "" && r.Novel&(model.NewDevice|model.NoDevice) == 0, Bound: l.Key != ident.NoKey, Hardware: l.Key == ident.KeyInChip},
		User:    policy.User{Logins: logins, Best: int(best)},
		Session: policy.Session{AAL: int(proved)},
	}
	o, err := d.policy.Decide(&d.facts)
	if err != nil {
		return "", err
	}
	return word(o.Action), nil
}

// learnt tells the budget of a login that succeeded.
func (d *decider) learnt(l *model.Login, ring *model.Ring, score float64) {
	if !l.Failed && ring != nil && ring.Len() >= budgeted {
		d.policy.Budget().Observe(l.At, score)
	}
}

func word(a policy.Action) string {
	if a == policy.StepUp {
		return "step_up"
	}
	return a.String()
}

// novelties are the words of what is new, in the sense of rules: country and device only for somebody with a history, and
// then also where they are not known.
func (d *decider) novelties(set model.Novelty, unknown bool, logins int) []string {
	const ofHistory = model.NewCountry | model.NewDevice | model.NoDevice | model.NewASN | model.NewNetwork | model.NewAddress | model.NewAgent | model.NewKey
	switch {
	case logins == 0:
		set &^= ofHistory
	default:
		if unknown {
			set |= model.NewCountry
		}
		if set&model.NoDevice != 0 {
			set |= model.NewDevice
		}
	}
	d.novel = d.novel[:0]
	for i, name := range policy.Novelties {
		if set&(1<<i) != 0 {
			d.novel = append(d.novel, name)
		}
	}
	return d.novel
}
