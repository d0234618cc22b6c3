package model

import "math"

// hours judges the time of day: how often the person comes near this hour, on a smoothed histogram that begins as the
// tenant's.
func (a *assessment) hours() finding {
	if a.n == 0 {
		return finding{}
	}
	const weight = 6
	public := a.tables.hourShare(a.now)
	near, total := weight*public, float64(weight)
	for i := range a.n {
		near += a.weight[i] * kernel(a.ring.entries[i].at, a.now)
		total += a.weight[i]
	}
	// Half of attackers keep the hours of the public, half their own.
	x := math.Log((.5*public + .5) / (near / total))
	f := finding{all(min(max(x, -.7), 1.2)), "usual hour", 0}
	if x > .9 {
		f.level, f.novel = "unusual hour", OddHour
	}
	return f
}

// kernel is how much a login at one time says of the hour of another, against an even day: von Mises, about three hours
// wide.
func kernel(t, now uint32) float64 {
	const (
		concentration = 2.
		norm          = 2.2796 // I₀(2)
	)
	angle := 2 * math.Pi * float64((now-t)%day) / day
	return math.Exp(concentration*math.Cos(angle)) / norm
}
