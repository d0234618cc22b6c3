package model

import (
	"math"
	"sync"
	"sync/atomic"
)

// The regions of the cells of Tables, one after the other.
const (
	atRates     = 0 // pairs: tried, new
	atCountries = atRates + levels*countBuckets*gapBuckets*2
	atHours     = atCountries + letters*letters
	atShares    = atHours + 7*24 // pairs: of, with
	atChurn     = atShares + shares*2
	atValues    = atChurn + churnNets*churnCells
	cells       = atValues + rows*valueWidth

	letters    = 26
	churnNets  = 4096
	churnCells = 6
	rows       = 4
	valueWidth = 4096 // power of two

	// cellMax is where a cell stays: four bytes of the blob.
	cellMax = 1<<28 - 1
)

// What is counted as a share of something.
const (
	shareDevice    = iota // of all logins, those with a device cookie
	shareBlank            // of all logins, those whose place is not known
	shareHosting          // of those with a known place, those from hosting
	shareAnonymous        // the same, from anonymisers
	shareTor
	shareCountry // total of the countries
	shareHour    // total of the hours
	shareFamily  // total of the families
	shareASN     // total of the networks' providers
	shareWithin  // total of agents and handshakes
	shares
)

// A login counts two units where it was strongly proven, otherwise one. Rates that were learnt from
// strong proofs alone would be those of whoever was asked for one: asked because something was new.
const (
	strongUnits = 2
	weakUnits   = 1
	// rateUnit is how finely expected novelties are counted.
	rateUnit = 64
)

// Tables is what the logins of a tenant have in common: shares of countries, networks and agents, novelty rates, how
// often networks hand out new addresses. It holds counts only, of values hashed under the tenant's key or shared by
// many; none says anything of one person. Safe for concurrent use: readers take no lock.
type Tables struct {
	counts [cells]atomic.Uint32
	rates  atomic.Pointer[rates]

	mu      sync.Mutex // writers
	own     [cells]uint32
	touched int
}

// NewTables returns what is shipped: shares that say nothing yet, and novelty rates of a mixed public.
func NewTables() *Tables {
	t := &Tables{}
	t.derive()
	return t
}

// derive renews the rates. The caller holds mu, or is alone.
func (t *Tables) derive() {
	t.touched = 0
	t.rates.Store(ratesOf(func(level, n, gap int) (tried, fresh float64) {
		i := rateCell(level, n, gap)
		return t.count(i) / strongUnits, t.count(i+1) / strongUnits
	}))
}

func rateCell(level, n, gap int) int { return atRates + ((level*countBuckets+n)*gapBuckets+gap)*2 }

func (t *Tables) count(i int) float64 { return float64(t.counts[i].Load()) }

// add counts in the cell, and in what this node has yet to tell. The caller holds mu.
func (t *Tables) add(i int, units uint32) {
	t.counts[i].Store(min(t.counts[i].Load()+units, cellMax))
	t.own[i] = min(t.own[i]+units, cellMax)
}

// Learn counts l, compared with r as it was before: call it before r.Learn.
func (t *Tables) Learn(r *Ring, h *Hasher, l *Login) {
	var m match
	m.look(r, h, l)
	t.learn(&m, l)
}

// deriveAfter is how many logins later the rates are renewed.
const deriveAfter = 64

func (t *Tables) learn(m *match, l *Login) {
	units := uint32(weakUnits)
	if l.Strong {
		units = strongUnits
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.rates.Load()
	for level := range levels {
		if m.judged&(1<<level) == 0 {
			continue
		}
		c := m.ctx[level]
		i := rateCell(level, int(c.n), int(c.gap))
		t.add(i, units)
		if m.fresh&(1<<level) != 0 {
			t.add(i+1, units)
		}
		if l.Net.ASN != 0 && (level == lPrefix || level == lAddress) {
			t.churned(l.Net.ASN, level, m.fresh&(1<<level) != 0, float64(now[level][c.n][c.gap]), units)
		}
	}
	t.add(atHours+hourOf(m.now), units)
	t.add(shareCell(shareHour), units)
	t.shareOf(shareDevice, l.Device != "", units)
	t.shareOf(shareBlank, l.Net.State != Known, units)
	if l.Net.State == Known {
		t.place(m, l, units)
	}
	if m.os|m.browser != 0 {
		t.agent(m, l, units)
	}
	if t.touched++; t.touched >= deriveAfter {
		t.derive()
	}
}

// Values are counted when they are new for a person, so that shares are of people and nobody makes a value common by
// coming often.

// place counts where l came from.
func (t *Tables) place(m *match, l *Login, units uint32) {
	t.shareOf(shareHosting, l.Net.Hosting, units)
	t.shareOf(shareAnonymous, l.Net.Anonymous, units)
	t.shareOf(shareTor, l.Net.Tor, units)
	c := countryOf(l.Net.Country)
	if c != [2]byte{} && m.country == 0 {
		t.add(countryCell(c), units)
		t.add(shareCell(shareCountry), units)
	}
	if l.Net.ASN == 0 {
		return
	}
	if m.asn == 0 {
		t.sketch(asnValue(c, l.Net.ASN), units)
		t.sketch(asnValue(c, 0), units)
		t.add(shareCell(shareASN), units)
	}
}

// agent counts what l was made with.
func (t *Tables) agent(m *match, l *Login, units uint32) {
	if m.family == 0 {
		t.add(shareCell(shareFamily), units)
		t.sketch(m.familyValue(), units)
	}
	if l.Agent.Raw != "" && m.agent == 0 {
		t.within(m, m.agentValue(l), kindAgent, units)
	}
	if l.JA4 != "" && m.ja4 == 0 {
		t.within(m, m.ja4Value(l), kindJA4, units)
	}
}

// within counts a value of the family of m, and all values of that kind.
func (t *Tables) within(m *match, v uint64, kind uint64, units uint32) {
	t.add(shareCell(shareWithin), units)
	t.sketch(v, units)
	t.sketch(m.allOf(kind), units)
}

func shareCell(share int) int { return atShares + 2*share }

func (t *Tables) shareOf(share int, with bool, units uint32) {
	t.add(shareCell(share), units)
	if with {
		t.add(shareCell(share)+1, units)
	}
}

// share is how often something was so, starting at prior, which counts for weight logins.
func (t *Tables) share(share int, prior, weight float64) float64 {
	weight *= strongUnits
	return min((t.count(shareCell(share)+1)+prior*weight)/(t.count(shareCell(share))+weight), 1)
}

func countryCell(c [2]byte) int { return atCountries + int(c[0]-'A')*letters + int(c[1]-'A') }

// smooth is for how many logins the assumption counts that all values are alike.
const smooth = 20 * strongUnits

// anyCountry, anyASN and anyFamily are the chances of one value where all are alike.
const (
	anyCountry = 1. / 30
	anyASN     = 1. / 50
	anyFamily  = 1. / 20
)

// countryShare is the share of c among the tenant's logins.
func (t *Tables) countryShare(c [2]byte) float64 {
	if c == [2]byte{} {
		return anyCountry
	}
	return (t.count(countryCell(c)) + smooth*anyCountry) / (t.count(shareCell(shareCountry)) + smooth)
}

// asnShare is the share of the network of l among those from its country.
func (t *Tables) asnShare(l *Login) float64 {
	c := countryOf(l.Net.Country)
	return t.of(asnValue(c, l.Net.ASN), asnValue(c, 0), anyASN, smooth)
}

// of is the share of a value among all of its kind, any where nothing is known of them.
func (t *Tables) of(value, all uint64, any, weight float64) float64 {
	of := t.estimate(all)
	n := min(t.estimate(value), of)
	return (n + weight*any) / (of + weight)
}

// familyShare is the share of browser and system of l among the tenant's people.
func (t *Tables) familyShare(m *match) float64 {
	of := t.count(shareCell(shareFamily))
	n := min(t.estimate(m.familyValue()), of)
	return (n + smooth*anyFamily) / (of + smooth)
}

// withinFamily is the share of a value among those of its kind with the browser and system of m.
func (t *Tables) withinFamily(m *match, v uint64, kind uint64) float64 {
	return t.of(v, m.allOf(kind), anyFamily, smooth)
}

// hourShare is how often people come in the hour of the week of now and those beside it, against an even week: 1 is even.
func (t *Tables) hourShare(now uint32) float64 {
	const weight = 4000 * strongUnits
	h := hourOf(now)
	const week = 7 * 24
	near := t.count(atHours+h) + .5*t.count(atHours+(h+1)%week) + .5*t.count(atHours+(h+week-1)%week)
	return (near*week/2 + weight) / (t.count(shareCell(shareHour)) + weight)
}

// hourOf is the hour of the week of a time, from Thursday midnight UTC, when 1970 began.
func hourOf(now uint32) int { return int(now / 3600 % (7 * 24)) }

// rate is the tenant's novelty rate of a level of m. What is new is measured by how often its provider hands out
// something new; a new address by no less than others do, as its network is known.
func (t *Tables) rate(m *match, level int, asn uint32) float64 {
	c := m.ctx[level]
	rate := float64(t.rates.Load()[level][c.n][c.gap])
	if asn != 0 && m.fresh&(1<<level) != 0 {
		switch level {
		case lPrefix:
			rate *= t.churn(asn, level)
		case lAddress:
			rate *= max(t.churn(asn, level), 1)
		}
	}
	return min(rate, mostNew)
}

// leastChurn is how much less than others the calmest network hands out new addresses.
const leastChurn = .25

// churned counts how often a network handed out something new, and how often that was to be expected. Networks that
// fall into one place share it.
func (t *Tables) churned(asn uint32, level int, isNew bool, expected float64, units uint32) {
	i := churnCell(asn, level)
	t.add(i, units)
	if isNew {
		t.add(i+1, units)
	}
	t.add(i+2, uint32(math.Round(expected*rateUnit*float64(units))))
}

// churn is by how much a network's rate differs from the tenant's: mobile carriers and offices need no label.
func (t *Tables) churn(asn uint32, level int) float64 {
	const weight = 4 * strongUnits // expected novelties that say "as others"
	i := churnCell(asn, level)
	f := (t.count(i+1) + weight) / (t.count(i+2)/rateUnit + weight)
	return min(max(f, leastChurn), 8)
}

func churnCell(asn uint32, level int) int {
	return atChurn + int(mix(uint64(asn))%churnNets)*churnCells + (level-lPrefix)*3
}
