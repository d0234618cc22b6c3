package model

import "math"

// The types of attacker, by what of their victim they know how to imitate.
const (
	naive    = iota // nothing: a list of passwords and a proxy anywhere
	vpn             // the country
	targeted        // country, provider, and family of browser and system
	stolen          // those, the exact agent, and the device cookie: an infostealer, or a relay
	types
)

// evidence is what a signal says under each type of attacker: ln(q/p), where q is how likely such an attacker looks
// like this, and p how likely the person does.
type evidence [types]float64

// Two rules hold for every signal, and make the model monotone: what is known of the person never speaks against them,
// and what is new never speaks for them.

// against is ln(q/p) for something new.
func against(q, p float64) float64 { return max(0, math.Log(q/p)) }

// favour is ln(q/p) for something known.
func favour(q, p float64) float64 { return min(0, math.Log(q/p)) }

// all is the same evidence whoever the attacker is.
func all(x float64) evidence { return evidence{x, x, x, x} }

func (e *evidence) add(o evidence) {
	for t := range e {
		e[t] += o[t]
	}
}

// finding is what one signal says of a login.
type finding struct {
	evidence
	level string // what was found, in words; "" where there was nothing to judge
	novel Novelty
}

// The signals that are judged under each type of attacker; those after them speak for all.
const (
	fNetwork = iota
	fDevice
	fKey
	fAgent
	fJA4
	fTravel
	fHosting
	fTime
	signals
)

var names = [signals]string{"network", "device", "key", "agent", "ja4", "travel", "hosting", "time"}

// assessment is what signals look at, and what they find.
type assessment struct {
	match
	ring   *Ring
	tables *Tables
	login  *Login
	found  [signals]finding
}

// habitWeight is for how many novelties of the person's own the tenant's rate counts: people differ in how often they do
// something new by about as much as that rate itself.
const habitWeight = 4

// nu is the rate at which a level is new for this person: the tenant's, moved towards their own.
func (a *assessment) nu(level int) float64 {
	return a.ring.habits[level].towards(a.tables.rate(&a.match, level, a.login.Net.ASN))
}

// leastNu is the least that nu could be, whatever the network: what is not known is judged by it.
func (a *assessment) leastNu(level int) float64 {
	rate := float64(a.tables.rates.Load()[level][countBuckets-1][0])
	if level == lPrefix {
		rate *= leastChurn
	}
	return a.ring.habits[level].towards(rate)
}

func (b habit) towards(rate float64) float64 {
	return (float64(b.new)/habitUnit + habitWeight) / (float64(b.tried)/habitUnit + habitWeight/rate)
}

func (a *assessment) compared(level int) bool { return a.judged&(1<<level) != 0 }
func (a *assessment) isNew(level int) bool    { return a.fresh&(1<<level) != 0 }

// elsewhere is how much more likely than the tenant's public an attacker has a value: some of them, alike, look like that
// public, the others like anybody. anybody is the chance of the value there, share that among the public.
func elsewhere(alike, share, anybody float64) float64 {
	return min(rarest, alike+(1-alike)*anybody/share)
}

// How many attackers who imitate nothing look like the tenant's public: proxies are in the countries of everybody, but
// with the same large providers and browsers.
const (
	alikeCountry = .25
	alikeASN     = .5
	alikeFamily  = .5
)

// rarest bounds what it counts that a value is rare.
const rarest = 10
