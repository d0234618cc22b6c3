package eval

import (
	"strconv"
	"time"

	"github.com/postern-id/postern/ident"
)

// Attacker knows the password, and of its victim as much as its kind says.
type Attacker int

// Attackers; the model has a picture of the first five.
const (
	Naive         Attacker = iota // any country, half from hosting; any browser
	VPN                           // the victim's country, mostly from hosting; any browser
	Targeted                      // the victim's provider and city; the same kind of browser, of any version
	VeryTargeted                  // the victim's provider and city; exactly the same browser
	StolenCookie                  // as very targeted, with the victim's device cookie
	CountryProxy                  // unmodelled: a home in the victim's country; exactly the same browser
	GenericAgent                  // unmodelled: the victim's provider in any city; the commonest browser
	StolenProfile                 // as stolen cookie, with the key where that is no hardware: nothing but time gives it away
	Attackers
)

var attackerNames = [Attackers]string{"naive", "VPN", "targeted", "very targeted", "stolen cookie",
	"unmodelled: country proxy, exact agent", "unmodelled: same provider, generic agent", "stolen profile, key in the app"}

func (a Attacker) String() string { return attackerNames[a] }

// Attack is an attempt upon the person of the latest login, at some time since the login before it, to be judged before
// that login is learnt.
func (s *Stream) Attack(kind Attacker, of *Event) Event {
	r, p := s.evil, &s.people[of.Person]
	e := *of
	e.At = of.At.Add(-time.Duration(r.Float64() * float64(s.now-s.since) * float64(time.Second)))
	e.Failed, e.Strong, e.Key, e.KeyID = false, false, ident.NoKey, ""
	s.stolen++ // an attempt begins at a page of ours, which gives every browser a cookie
	e.Device = "x" + strconv.Itoa(s.stolen)
	d, cookie, keyID := s.victim(p)

	any := func(n net) { s.setNet(&e, spot{net: n, host: byte(1 + r.IntN(250))}) }
	switch kind {
	case Naive:
		c := r.IntN(len(earth))
		if r.Float64() < .5 {
			any(hostingNet(r, c, r.IntN(hosting)))
		} else {
			any(homeNet(r, c, r.IntN(3), zipf(r, residential)))
		}
	case VPN:
		if r.Float64() < .7 {
			any(hostingNet(r, p.country, r.IntN(hosting)))
		} else {
			any(homeNet(r, p.country, r.IntN(3), zipf(r, residential)))
		}
	case CountryProxy:
		any(homeNet(r, p.country, r.IntN(3), zipf(r, residential)))
	case GenericAgent:
		any(homeNet(r, p.country, r.IntN(3), p.isp))
	default:
		any(homeNet(r, p.country, p.city, p.isp))
	}

	m := int(s.now / month)
	switch kind {
	case Naive, VPN:
		months, _ := lag(r)
		e.UA = s.agents.at(pickFamily(r, r.Float64() < .5), m-months)
	case Targeted:
		months, _ := lag(r)
		e.UA = s.agents.at(d.fam, m-months)
	case GenericAgent:
		e.UA = s.agents.at(&desktops[0], m)
	default:
		e.UA = s.agentOf(d, s.now)
	}
	s.finish(&e)

	if (kind == StolenCookie || kind == StolenProfile) && cookie != "" {
		e.Device = cookie
	}
	if kind == StolenProfile && d.key == ident.KeyInApp && keyID != "" {
		e.Key, e.KeyID = d.key, keyID
	}
	return e
}

// victim is the device that is imitated, with the cookie and the key that it had: one that signed in before, where there
// is one.
func (s *Stream) victim(p *person) (d *device, cookie, keyID string) {
	var weights [4]float64
	some := false
	had := func(i int) (string, string) {
		if i == s.device {
			return s.shown, s.keyID
		}
		return p.devices[i].shown, p.devices[i].keyID
	}
	for i := range p.devices {
		if cookie, _ := had(i); cookie != "" {
			weights[i], some = p.devices[i].weight, true
		}
	}
	i := 0
	if some {
		i = pick(s.evil, weights[:len(p.devices)]...)
	}
	cookie, keyID = had(i)
	return &p.devices[i], cookie, keyID
}
