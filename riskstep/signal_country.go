package riskstep

import "context"

// country compares where the person is with where they have been: at a sign-in with the profile, at
// a refresh with the snapshot of the grant.
type country struct{}

func (country) Name() string { return "country" }

func (country) Assess(_ context.Context, v *View) Finding {
	if v.PlaceState == Absent {
		return Finding{State: Absent}
	}
	if v.Moment == AtRefresh || v.Moment == AtIntrospect {
		return sinceGrant(v)
	}
	switch {
	case !v.History():
		return Finding{State: Absent}
	case v.PlaceState != Usual:
		return Finding{State: v.PlaceState, Reason: ReasonCountry}
	case v.profile.damaged:
		return Finding{State: Unknown, Reason: ReasonCountry}
	case v.profile.hasCountry(v.Place.Country):
		return Finding{State: Usual}
	}
	return Finding{State: Novel, Reason: ReasonCountry}
}

func sinceGrant(v *View) Finding {
	switch {
	case v.Was.Country == "":
		return Finding{State: Absent}
	case v.PlaceState != Usual:
		return Finding{State: v.PlaceState, Reason: ReasonCountry}
	case v.Was.Country == v.Place.Country:
		return Finding{State: Usual}
	}
	return Finding{State: Novel, Reason: ReasonCountry}
}
