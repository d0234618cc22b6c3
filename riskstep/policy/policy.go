// Package policy owns what follows from a risk: the rules an operator writes (CEL), the thresholds on the probability of
// an attack and where they come from, and the record of a decision from which it can be explained and tried again under
// other rules. It never measures a risk, does no I/O, has no clock, and never takes a requirement away: rules only add.
package policy

import "slices"

// Policy is what a Config was built into. It is safe for concurrent use.
type Policy struct {
	set       *Set
	shadow    bool
	source    Source
	fixed     Thresholds // where source is not ByBudget, and until the budget knows enough
	budget    *Budget
	sensitive []string
}

// Decide answers f, which it completes: Risk.Level, Limits and Request.Sensitive. In the mode shadow the outcome is
// always Allow, and what it would have been stands in Outcome.Shadow. On an error nothing may go on.
func (p *Policy) Decide(f *Facts) (Outcome, error) {
	f.Limits = p.Thresholds()
	f.Risk.Level = LevelOf(f.Risk.P)
	f.Request.Sensitive = f.Request.Sensitive || slices.ContainsFunc(f.Request.Scopes, p.Sensitive)
	o, err := p.set.Decide(f)
	if err != nil || !p.shadow {
		return o, err
	}
	quiet := Outcome{Action: Allow, Shadow: o.Shadow}
	if o.Action != Allow {
		o.Shadow = nil
		quiet.Shadow = append([]Outcome{o}, quiet.Shadow...)
	}
	return quiet, nil
}

// Thresholds are those in force now.
func (p *Policy) Thresholds() Thresholds {
	if p.source != ByBudget {
		return p.fixed
	}
	return Thresholds{StepUp: p.budget.Threshold(p.fixed.StepUp), Deny: p.fixed.Deny}
}

// Budget is what the scores of legitimate sign-ins are told to, whether or not the thresholds come from it.
func (p *Policy) Budget() *Budget { return p.budget }

// Sensitive says whether scope is one that a risk takes away first.
func (p *Policy) Sensitive(scope string) bool { return slices.Contains(p.sensitive, scope) }

// Shadow says whether nothing is enforced.
func (p *Policy) Shadow() bool { return p.shadow }
