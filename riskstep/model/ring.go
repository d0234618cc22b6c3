package model

import (
	"time"

	"github.com/postern-id/postern/ident"
)

const (
	maxEntries = 16
	day        = 24 * 60 * 60
	// halfLife is after how many days a habit counts half.
	halfLife = 90.0
	// entryLife is how long a habit counts at all: as long as browsers keep the device cookie.
	entryLife = 400 * day
	// maturity is how long a login that was not strongly proven counts half: until its owner had time to dispute it.
	maturity = 7 * day
	// alertLife is how long no device counts as known after somebody said that a login was not theirs.
	alertLife = 30 * day
)

// entry is one successful login; there is one for each device, network and day, so that a burst cannot flush the ring.
type entry struct {
	at      uint32  // seconds since 1970, good until 2106
	country [2]byte // zero if unknown
	asn     uint32
	prefix  hash
	address hash
	device  hash // zero if there was none
	key     hash // zero if there was none
	agent   [4]byte
	ja4     [4]byte
	os      uint16 // see code
	browser uint16
	version uint32 // see packVersion
	lat     int16  // tenths of a degree
	lon     int16
	radius  uint8 // in steps of 10 km; 0: no point is known
	flags   flags
}

// flags of an entry.
type flags uint16

const (
	pending flags = 1 << iota // not strongly proven: see maturity
	hosted                    // hosting or anonymous
	mobile
	keyInApp
	keyInChip
	oldDevice // device and prefix are hashes of profiles of versions 1 and 2
	oldPrefix
)

// proof is the key that the entry was made with.
func (e *entry) proof() ident.KeyProof {
	switch {
	case e.flags&keyInChip != 0:
		return ident.KeyInChip
	case e.flags&keyInApp != 0:
		return ident.KeyInApp
	}
	return ident.NoKey
}

// ripe says whether e counts in full.
func (e *entry) ripe(now uint32) bool {
	return e.flags&pending == 0 || now > e.at && now-e.at >= maturity
}

// Ring is a person's last logins, and how often they did something new. The zero Ring is that of somebody new.
type Ring struct {
	entries [maxEntries]entry // oldest first
	n       int
	habits  [levels]habit
	alert   uint32 // until then no device counts as known; 0 for no alert
	damaged bool   // there was a blob, and it could not be read: nothing of the person is known, which is not the same as new
}

// habit is how often a person's value of one level was new, of late: the counts forget with each login.
type habit struct{ tried, new uint16 } // in units of 1/habitUnit

const (
	habitUnit   = 256
	habitMemory = 32 // logins
)

func (b *habit) learn(isNew bool) {
	b.tried -= b.tried / habitMemory
	b.new -= b.new / habitMemory
	b.tried += habitUnit
	if isNew {
		b.new += habitUnit
	}
}

// Len is the number of entries.
func (r *Ring) Len() int { return r.n }

// Alerted says whether somebody said of late that a login of theirs was not theirs.
func (r *Ring) Alerted(now time.Time) bool { return r.alert > 0 && int64(r.alert) > now.Unix() }

// Forget drops what was learnt since a time, and starts an alert of 30 days.
func (r *Ring) Forget(since, now time.Time) {
	kept := 0
	for i := range r.n {
		if int64(r.entries[i].at) < since.Unix() {
			r.entries[kept] = r.entries[i]
			kept++
		}
	}
	clear(r.entries[kept:])
	r.n, r.alert = kept, seconds(now.Add(alertLife*time.Second))
}

// Learn adds l, whatever came of it: whoever calls says that it succeeded.
func (r *Ring) Learn(h *Hasher, l *Login) {
	var m match
	m.look(r, h, l)
	r.learn(&m, l)
}

func (r *Ring) learn(m *match, l *Login) {
	if r.damaged {
		*r = Ring{alert: r.alert}
	}
	now := m.now
	if r.alert <= now {
		r.alert = 0
	}
	for level := range r.habits {
		if m.judged&(1<<level) != 0 {
			r.habits[level].learn(m.fresh&(1<<level) != 0)
		}
	}
	e := m.entryOf(l)
	r.refresh(m, &e)
	if i := r.sameDay(&e); i >= 0 {
		// What was strongly proven is not overwritten by what was not.
		if old := r.entries[i]; e.flags&pending != 0 && old.flags&pending == 0 {
			old.at = max(old.at, e.at)
			e = old
		}
		r.drop(i)
	}
	for r.n > 0 && r.entries[0].at < now && now-r.entries[0].at > entryLife {
		r.drop(0)
	}
	if r.n == maxEntries {
		r.drop(r.spare(&e, now))
	}
	i := r.n
	for i > 0 && r.entries[i-1].at > e.at {
		r.entries[i] = r.entries[i-1]
		i--
	}
	r.entries[i] = e
	r.n++
}

// sameDay is the index of the entry that e takes the place of; -1 if there is none.
func (r *Ring) sameDay(e *entry) int {
	for i := range r.n {
		o := &r.entries[i]
		if o.device == e.device && o.prefix == e.prefix && o.country == e.country && o.at/day == e.at/day {
			return i
		}
	}
	return -1
}

// spare is the index of the entry that a full ring misses least once e is added: the oldest whose device, with its
// agent and key, and network newer ones vouch for as well; otherwise the oldest, where possible one that vouches for
// nothing of e that e cannot vouch for itself.
func (r *Ring) spare(e *entry, now uint32) int {
	for i := range r.n {
		old := &r.entries[i]
		device, network := old.vouched(e, now)
		for j := i + 1; j < r.n; j++ {
			d, n := old.vouched(&r.entries[j], now)
			device, network = device || d, network || n
		}
		if device && network {
			return i
		}
	}
	for i := range r.n {
		if o := &r.entries[i]; e.ripe(now) || !o.ripe(now) || o.device != e.device && o.prefix != e.prefix && o.key != e.key {
			return i
		}
	}
	return 0
}

// vouched says for what of e another entry vouches.
func (e *entry) vouched(by *entry, now uint32) (device, network bool) {
	sound := by.ripe(now) || !e.ripe(now)
	return sound && by.device == e.device && by.agent == e.agent && by.key == e.key, by.prefix == e.prefix
}

func (r *Ring) drop(i int) {
	copy(r.entries[i:r.n], r.entries[i+1:r.n])
	r.n--
	r.entries[r.n] = entry{}
}

// refresh writes what e shares with older entries as e does: under the current key, and in the manner of today.
func (r *Ring) refresh(m *match, e *entry) {
	for i := range r.n {
		o := &r.entries[i]
		if m.device&(1<<i) != 0 {
			o.device, o.flags = e.device, o.flags&^oldDevice
		}
		if m.key&(1<<i) != 0 {
			o.key = e.key
		}
		if m.address&(1<<i) != 0 {
			o.address = e.address
		}
		if m.network&(1<<i) != 0 {
			o.prefix, o.flags = e.prefix, o.flags&^oldPrefix
		}
	}
}

// seconds is t as entries write it.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), 1<<32-1)) }
