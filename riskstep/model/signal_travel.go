package model

import "math"

const (
	earthKm  = 6371.0088
	fastest  = 1000. // km/h between two logins, at most, for somebody who flies
	shortest = 3. / 60
	// mobileKm is how wrong the place of a mobile address is at least (arXiv 2605.21937: the median is near 200 km).
	mobileKm = 200
	// recent is for how long travel is judged, in seconds: one can get everywhere in two days.
	recent = 2 * day
	// lnFast is ln(q/p) of travel that nobody can make, given that the place is new; for who pretends to be nearby it
	// says less.
	lnFast = 2.3
)

// travel judges whether the person can have come from where they were last to a place that is new for them. Errors of
// the data are many and people's devices can be in two places, so that it counts little.
func (a *assessment) travel() finding {
	l := a.login
	lat, lon, radius := spot(l)
	if radius == 0 || a.n == 0 || a.match.network != 0 {
		return finding{}
	}
	if l.Key != 0 && a.match.shown(a.ring, l) != 0 {
		return finding{level: "not judged: the device proved its key"}
	}
	for i := a.n - 1; i >= 0; i-- {
		e := &a.ring.entries[i]
		if e.at > a.now || e.radius == 0 || e.flags&hosted != 0 {
			continue
		}
		if a.now-e.at > recent {
			break
		}
		km := distance(e.lat, e.lon, lat, lon) - uncertainty(e.radius, e.flags&mobile != 0) - uncertainty(radius, l.Net.Mobile)
		hours := max(float64(a.now-e.at)/3600, shortest)
		if km/hours > fastest {
			return finding{evidence{lnFast, lnFast, lnFast / 2, lnFast / 2}, "faster than one can travel", Fast}
		}
		return finding{level: "possible"}
	}
	return finding{}
}

func uncertainty(radius uint8, mobile bool) float64 {
	km := float64(radius) * radiusStep
	if mobile {
		km = max(km, mobileKm)
	}
	return km
}

// distance is that of two points along a great circle, in km.
func distance(lat1, lon1, lat2, lon2 int16) float64 {
	rad := func(tenths int16) float64 { return float64(tenths) / 10 * math.Pi / 180 }
	sin1, cos1 := math.Sincos(rad(lat1))
	sin2, cos2 := math.Sincos(rad(lat2))
	sinD, cosD := math.Sincos(rad(lon2) - rad(lon1))
	y, x := cos2*sinD, cos1*sin2-sin1*cos2*cosD
	return earthKm * math.Atan2(math.Hypot(y, x), sin1*sin2+cos1*cos2*cosD)
}
