package model

import "github.com/postern-id/postern/ident"

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
		switch blanks := m.all&^m.blank == 0; {
		case m.network != 0 && blanks:
			within = m.all
		case m.network != 0 && l.Net.State != Known: // where else its provider has networks is not known
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

// judgeAgent compares the agent with those of some entries. One that says nothing is not that of who always said
// something.
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
