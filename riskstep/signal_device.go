package riskstep

import "context"

// device asks whether the person has signed in with this browser before. A cookie can be copied:
// knowing it never lowers a requirement, not knowing it may raise one. After a sign-in that its owner disowned no
// device is known for a while.
type device struct{}

func (device) Name() string { return "device" }

func (device) Assess(_ context.Context, v *View) Finding {
	switch {
	case v.Moment == AtRefresh || v.Moment == AtIntrospect || !v.History():
		return Finding{State: Absent}
	case v.profile.damaged || v.profile.alerted(v.Now):
		return Finding{State: Unknown, Reason: ReasonDevice}
	case v.Env.Device != "" && v.profile.hasDevice(hashes(v.keys, v.User, "device", string(v.Env.Device))):
		return Finding{State: Usual}
	}
	return Finding{State: Novel, Reason: ReasonDevice}
}
