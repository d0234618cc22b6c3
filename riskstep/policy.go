package riskstep

import "github.com/postern-id/postern/ident"

// judge is the policy: what the findings, the client and what was proved add up to.
func judge(v *View, found map[string]Finding) Decision {
	if v.Moment == AtRefresh || v.Moment == AtIntrospect {
		return judgeHeld(v, found["country"])
	}
	d := Decision{action: Allow}
	have := v.Proof.Assurance()
	best := max(v.Best, have)

	// What must be reached whatever the risk: what the client asks for, and in a session what it
	// holds already, so that its acr and its auth_time always tell of one and the same ceremony.
	must := max(v.Need, v.Held, ident.AAL1)
	if have == ident.None && best >= ident.AAL2 {
		must = max(must, ident.AAL2) // a short password is nothing without a second factor
	}
	if must > have {
		d.reasons = append(d.reasons, ReasonAction)
	}
	if must > best {
		return Decision{action: Deny, required: must, reasons: []Reason{ReasonUnmet}}
	}

	// What risk adds, where the person can answer it. Who cannot is let in and marked: sessions
	// makes the session short and tells its owner.
	want := must
	d.newCountry = found["country"].State.novel()
	d.newDevice = found["device"].State.novel()
	doubt := found["credential"].State.novel()
	for _, risk := range []struct {
		novel, on bool
		reason    Reason
	}{
		{d.newDevice, v.Policy.NewDevice, found["device"].Reason},
		{d.newCountry, v.Policy.NewCountry, found["country"].Reason},
		{doubt, true, found["credential"].Reason},
	} {
		if risk.novel && risk.on && have < ident.AAL2 {
			d.reasons = append([]Reason{risk.reason}, d.reasons...)
			if best >= ident.AAL2 {
				want = max(want, ident.AAL2)
			}
		}
	}
	d.newDevice = d.newDevice || doubt // whoever gets in with it: a short session, and the owner is told
	d.required = want
	if want > have {
		d.action = StepUp
	}
	return d
}

// judgeHeld is the policy for what was granted before: there is no proof, and nobody to ask.
func judgeHeld(v *View, country Finding) Decision {
	d := Decision{action: Allow, required: v.Need, newCountry: country.State.novel()}
	if v.Need > v.Held {
		d.action, d.reasons = StepUp, []Reason{ReasonAction}
	}
	if d.newCountry && !v.Bound && v.Policy.RefreshAbroad {
		d.action, d.required, d.reasons = StepUp, max(v.Need, ident.AAL1), append([]Reason{ReasonCountry}, d.reasons...)
	}
	return d
}
