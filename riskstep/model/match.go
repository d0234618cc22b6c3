package model

import (
	"math"

	"github.com/postern-id/postern/ident"
)

// The levels at which something can be new: where a person's value is compared with those of their ring, given that
// the level above is not new itself.
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
		if e.ripe(m.now) {
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
	if l.Net.State == Known {
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
