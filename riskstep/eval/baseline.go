package eval

import "math"

// Scorer is a model that is measured: Score is monotone in how much it takes an event for an attack, and nothing is
// learnt by it.
type Scorer interface {
	Score(*Event) float64
	Learn(*Event)
}

// past is what rules keep of a login.
type past struct {
	at       int64
	country  string
	lat, lon float64
	km       float64
	agent    string // system and browser, no version
}

// history is what rules remember of each person: the last logins, and what was ever seen.
type history struct {
	last  []past
	seen  map[string]bool
	agent map[string]bool
}

type historian map[string]*history

func (h historian) of(user string) *history {
	p := h[user]
	if p == nil {
		p = &history{seen: map[string]bool{}}
		h[user] = p
	}
	return p
}

func pastOf(e *Event) past {
	return past{e.At.Unix(), e.Net.Country, e.Net.Lat, e.Net.Lon, float64(e.Net.Km), e.Agent.OS + " " + e.Agent.Browser}
}

func (h *history) add(e *Event, keep int) {
	if h.last = append(h.last, pastOf(e)); len(h.last) > keep {
		h.last = append(h.last[:0], h.last[1:]...)
	}
}

// distance is a great circle in km.
func distance(aLat, aLon, bLat, bLon float64) float64 {
	const rad = math.Pi / 180
	sinLat, sinLon := math.Sin((bLat-aLat)*rad/2), math.Sin((bLon-aLon)*rad/2)
	x := sinLat*sinLat + math.Cos(aLat*rad)*math.Cos(bLat*rad)*sinLon*sinLon
	return 2 * 6371 * math.Asin(math.Sqrt(min(1, x)))
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// authentik is the travel rule of its GeoIP policy as it stands: five logins back, 1000 km for each unit of time, of
// which it takes days for hours, less a tolerance. Repaired, it takes hours and allows for the data's radii.
type authentik struct {
	historian
	repaired bool
}

func newAuthentik(repaired bool) Scorer { return &authentik{historian{}, repaired} }

func (b *authentik) Score(e *Event) float64 {
	const perHour, tolerance = 1000, 50
	x := pastOf(e)
	for _, l := range b.of(e.User).last {
		seconds := math.Abs(float64(x.at - l.at))
		km := distance(l.lat, l.lon, x.lat, x.lon)
		units := max(math.Floor(seconds/86400), 1)
		if b.repaired {
			km -= l.km + x.km
			units = max(seconds/3600, .05)
		}
		if km >= perHour*units-tolerance {
			return 1
		}
	}
	return 0
}

func (b *authentik) Learn(e *Event) { b.of(e.User).add(e, 5) }

// simpleRules asks for a second factor from a new country, a new system and browser, or faster than 1000 km/h.
type simpleRules struct{ historian }

func newRules() Scorer { return &simpleRules{historian{}} }

func (b *simpleRules) Score(e *Event) float64 {
	h, x := b.of(e.User), pastOf(e)
	if len(h.last) == 0 {
		return 1
	}
	return yes(!h.seen[x.country] || !h.seen[x.agent] || speed(h.last[0], x) > 1000)
}

func (b *simpleRules) Learn(e *Event) {
	h, x := b.of(e.User), pastOf(e)
	h.seen[x.country], h.seen[x.agent] = true, true
	h.add(e, 1)
}

// speed is in km/h; within three minutes nobody is taken to have moved.
func speed(a, b past) float64 {
	return distance(a.lat, a.lon, b.lat, b.lon) / max(math.Abs(float64(b.at-a.at))/3600, .05)
}

// keycloak is the extension that adds hand-set log-odds: known device −0.3, else +0.8; new country +0.8; impossible
// travel +1.5 to 2.
type keycloak struct{ historian }

func newKeycloak() Scorer { return &keycloak{historian{}} }

func (b *keycloak) Score(e *Event) float64 {
	h, x := b.of(e.User), pastOf(e)
	s := .8
	if h.seen["device "+e.Device] {
		s = -.3
	}
	if !h.seen[x.country] {
		s += .8
	}
	if len(h.last) > 0 {
		if v := speed(h.last[0], x); v > 2000 {
			s += 2
		} else if v > 1000 {
			s += 1.5
		}
	}
	if e.Net.Tor {
		s += 2.5
	}
	return s
}

func (b *keycloak) Learn(e *Event) {
	h, x := b.of(e.User), pastOf(e)
	h.seen[x.country], h.seen["device "+e.Device] = true, true
	h.add(e, 1)
}

// simple is SIMPLE of Wiefling et al., FC 2021: the share of an address's and an agent's features that the person never
// showed.
type simple struct{ historian }

func newSimple() Scorer { return &simple{historian{}} }

func (b *simple) Score(e *Event) float64 {
	h, n := b.of(e.User), 0.0
	for f, levels := range featuresOf(e) {
		for l, v := range levels {
			n += yes(!h.seen[featureNames[f][l]+v])
		}
	}
	return n
}

func (b *simple) Learn(e *Event) {
	h := b.of(e.User)
	for f, levels := range featuresOf(e) {
		for l, v := range levels {
			h.seen[featureNames[f][l]+v] = true
		}
	}
}
