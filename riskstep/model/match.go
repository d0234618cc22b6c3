package model

import (
	"math"

	"github.com/postern-id/postern/ident"
)

// The levels at which something can be new: where a person's value is compared with those of their ring, given that the level
// above is not new itself.
const (
	lCountry = iota
	lASN
	lPrefix
	lAddress
	lDevice
	lFamily    // of the agent, on a device that is known
	lFamilyNew // of the agent, on one that is not
	lAgent     // the exact agent, on a device that is known
	lAgentNew  // the exact agent, on one that is not
	lKey       // the key that a known device had: new means that it is not shown
	lJA4       // the exact agent is known
	lJA4New
	levels
)

// mask has a bit for each entry of a ring.
type mask uint16

// match is what a login and a ring have in common.
type match struct {
	now         uint32
	n           int
	digests     [maxKeys]digest
	keys        int
	os, browser uint16
	version     uint32

	// Entries that have the same: each is a subset of the one before.
	all, country, asn, network, address mask
	device                              mask
	// key has the same key; family the same browser and system; agent the very same agent.
	key, family, agent, ja4 mask
	blank                   mask // entries whose place is not known, or that had none
	weight                  [maxEntries]float64
	ripe                    mask // entries that count in full

	parent [levels]mask // entries with which a level was compared; none: it was not
	same   [levels]mask // those of them that have the same value; none: it is new
	judged uint16       // levels that were compared
	fresh  uint16       // levels at which it is new
	ctx    [levels]context
}

// context says where in the tables a level of this login stands: how much there was to compare with, and for how long
// nothing has been seen of it.
type context struct{ n, gap uint8 }

// look fills m. It takes no memory beyond m.
func (m *match) look(r *Ring, h *Hasher, l *Login) {
	m.now, m.n = seconds(l.At), r.n
	m.keys = h.digests(l, &m.digests)
	m.os, m.browser, m.version = code(l.Agent.OS), code(l.Agent.Browser), packVersion(l.Agent.Version)
	var old digest
	var oldRead bool
	for i := range r.n {
		e, bit := &r.entries[i], mask(1)<<i
		m.all |= bit
		m.weight[i] = math.Exp2(-float64(m.now-min(e.at, m.now)) / (halfLife * day))
		if e.flags&pending == 0 || m.now > e.at && m.now-e.at >= maturity {
			m.ripe |= bit
		}
		if e.flags&(oldDevice|oldPrefix) != 0 && !oldRead {
			old, oldRead = h.older(l), true
		}
		m.compare(e, bit, &old, l)
	}
	// Who has the same network has been to the same place, whatever the data called it on that day.
	m.asn |= m.network
	m.country |= m.asn
	m.levels(r, l)
}

func (m *match) compare(e *entry, bit mask, old *digest, l *Login) {
	for k := range m.keys {
		d := &m.digests[k]
		if d.prefix != (hash{}) && e.prefix == d.prefix && e.flags&oldPrefix == 0 {
			m.network |= bit
			if d.address != (hash{}) && e.address == d.address {
				m.address |= bit
			}
		}
		if d.device != (hash{}) && e.device == d.device && e.flags&oldDevice == 0 {
			m.device |= bit
		}
		if d.key != (hash{}) && e.key == d.key {
			m.key |= bit
		}
		if d.agent != (hash{}) && e.agent == [4]byte(d.agent[:4]) {
			m.agent |= bit
		}
		if d.ja4 != (hash{}) && e.ja4 == [4]byte(d.ja4[:4]) {
			m.ja4 |= bit
		}
	}
	if e.flags&oldPrefix != 0 && e.prefix == old.prefix && old.prefix != (hash{}) {
		m.network |= bit
	}
	if e.flags&oldDevice != 0 && e.device == old.device && old.device != (hash{}) {
		m.device |= bit
	}
	switch {
	case e.country == [2]byte{} && e.asn == 0:
		m.blank |= bit
	case l.Net.State == Known && m.samePlace(e, l):
		m.country |= bit
		if l.Net.ASN == 0 || e.asn == l.Net.ASN {
			m.asn |= bit
		}
	}
	if e.os == m.os && e.browser == m.browser && m.os|m.browser != 0 {
		m.family |= bit
	}
	if l.Net.State != Known && e.country == [2]byte{} && e.asn == 0 {
		m.country, m.asn = m.country|bit, m.asn|bit
	}
}

func (m *match) samePlace(e *entry, l *Login) bool {
	if c := countryOf(l.Net.Country); c != [2]byte{} && e.country != [2]byte{} {
		return c == e.country
	}
	return e.asn == l.Net.ASN // one of them does not know its country
}

// countryOf is c as entries write it; zero for what is no code of ISO 3166-1.
func countryOf(c string) (out [2]byte) {
	if len(c) != 2 {
		return out
	}
	for i := range 2 {
		b := c[i] &^ 0x20
		if b < 'A' || b > 'Z' {
			return [2]byte{}
		}
		out[i] = b
	}
	return out
}

// having returns the entries of in for which has is true.
func (r *Ring) having(in mask, has func(e *entry) bool) (out mask) {
	for i := range r.n {
		if bit := mask(1) << i; in&bit != 0 && has(&r.entries[i]) {
			out |= bit
		}
	}
	return out
}

// levels compares each level with the entries that share the level above.
func (m *match) levels(r *Ring, l *Login) {
	hasASN := func(e *entry) bool { return e.asn != 0 }
	hasPrefix := func(e *entry) bool { return e.prefix != hash{} }
	hasAddress := func(e *entry) bool { return e.address != hash{} }
	hasFamily := func(e *entry) bool { return e.os|e.browser != 0 }
	hasAgent := func(e *entry) bool { return e.agent != [4]byte{} }
	hasJA4 := func(e *entry) bool { return e.ja4 != [4]byte{} }
	hasKey := func(e *entry) bool { return e.flags&(keyInApp|keyInChip) != 0 }
	d := &m.digests[0]

	if l.Net.State == Known {
		if l.Net.ASN != 0 || countryOf(l.Net.Country) != [2]byte{} {
			m.judge(r, lCountry, m.all&^m.blank|m.network, m.country)
		}
		if l.Net.ASN != 0 {
			m.judge(r, lASN, r.having(m.country, hasASN)|m.network, m.asn)
		}
	}
	if d.prefix != (hash{}) {
		within := m.asn
		if l.Net.State != Known && m.network != 0 && m.all&^m.blank != 0 { // where else its provider has networks is not known
			within = m.network
		}
		m.judge(r, lPrefix, r.having(within, hasPrefix), m.network)
	}
	if d.address != (hash{}) {
		m.judge(r, lAddress, r.having(m.network, hasAddress), m.address)
	}
	m.judge(r, lDevice, m.all, m.device)
	m.judgeAgent(r, lFamilyNew, lAgentNew, m.all, hasFamily, hasAgent)
	if m.device != 0 { // what a stranger's agent would say is not learnt from
		m.judged &^= 1<<lFamilyNew | 1<<lAgentNew
		m.judgeAgent(r, lFamily, lAgent, m.device, hasFamily, hasAgent)
	}
	if keyed := r.having(m.device, hasKey); keyed != 0 {
		m.judge(r, lKey, keyed, m.shown(r, l))
	}
	if d.ja4 != (hash{}) {
		level := lJA4New
		if m.agent != 0 {
			level = lJA4
		}
		m.judge(r, level, r.having(m.family, hasJA4), m.ja4&m.family)
	}
}

// judgeAgent compares the agent with those of some entries. One that says nothing is not that of who always said something.
func (m *match) judgeAgent(r *Ring, family, agent int, from mask, hasFamily, hasAgent func(*entry) bool) {
	m.judge(r, family, r.having(from, hasFamily), m.family&from)
	m.judge(r, agent, r.having(m.family&from, hasAgent), m.agent&m.family&from)
}

// shown are the entries made with the key that l proves. A proof that does not say of which key speaks of that of
// its device.
func (m *match) shown(r *Ring, l *Login) mask {
	switch {
	case l.Key == ident.NoKey:
		return 0
	case l.KeyID != "":
		return r.having(m.key, func(e *entry) bool { return e.proof() != ident.NoKey })
	}
	return r.having(m.device, func(e *entry) bool { return e.proof() != ident.NoKey && e.key == hash{} })
}

func (m *match) judge(r *Ring, level int, parent, same mask) {
	if parent == 0 {
		return
	}
	m.parent[level], m.same[level] = parent, same&parent
	m.judged |= 1 << level
	if same&parent == 0 {
		m.fresh |= 1 << level
	}
	var count float64
	var last uint32
	for i := range r.n {
		bit := mask(1) << i
		if parent&bit == 0 {
			continue
		}
		last = max(last, r.entries[i].at)
		if count += 0.5; m.ripe&bit != 0 {
			count += 0.5
		}
	}
	m.ctx[level] = context{countBucket(count), gapBucket(m.now - min(last, m.now))}
}

// sum is the weight of the entries in a mask.
func (m *match) sum(of mask) (w float64) {
	for i := range m.n {
		if of&(1<<i) != 0 {
			w += m.weight[i]
		}
	}
	return w
}

// share is how often the person's value was that of l, of the times that there was one to compare.
func (m *match) share(level int) float64 {
	if m.parent[level] == m.same[level] {
		return 1
	}
	return m.sum(m.same[level]) / m.sum(m.parent[level])
}

// distinct is how many values there are in some entries.
func (r *Ring) distinct(in mask, value func(e *entry) hash) (n int) {
	for i := range r.n {
		if in&(1<<i) == 0 {
			continue
		}
		v, seen := value(&r.entries[i]), false
		for j := range i {
			seen = seen || in&(1<<j) != 0 && value(&r.entries[j]) == v
		}
		if !seen {
			n++
		}
	}
	return n
}

// entryOf is what l teaches.
func (m *match) entryOf(l *Login) entry {
	d := &m.digests[0]
	e := entry{
		at: m.now, prefix: d.prefix, address: d.address, device: d.device, key: d.key,
		agent: [4]byte(d.agent[:4]), ja4: [4]byte(d.ja4[:4]), os: m.os, browser: m.browser, version: m.version,
	}
	if !l.Strong {
		e.flags |= pending
	}
	switch l.Key {
	case ident.KeyInApp:
		e.flags |= keyInApp
	case ident.KeyInChip:
		e.flags |= keyInChip
	default:
		e.key = hash{}
	}
	switch l.Net.State {
	case Absent:
		e.flags |= noAddress
	case Unknown:
		e.flags |= noData
	case Known:
		e.country, e.asn = countryOf(l.Net.Country), l.Net.ASN
		e.lat, e.lon, e.radius = spot(l)
	}
	if l.Net.Hosting || l.Net.Anonymous || l.Net.Tor {
		e.flags |= hosted
	}
	if l.Net.Mobile {
		e.flags |= mobile
	}
	return e
}
