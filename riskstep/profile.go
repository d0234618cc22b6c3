package riskstep

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
)

// The blob of a profile: version, number of entries, where an alert runs four bytes with its end (the version then says
// so), then entries of entrySize bytes, oldest first.
const (
	profileVersion = 1
	alertVersion   = 2
	maxEntries     = 16
	entrySize      = 4 + 2 + hashSize + hashSize
	hashSize       = 6
	// entryLife is how long a habit counts.
	entryLife = 180 * 24 * time.Hour
	// alertLife is how long no device counts as known after somebody said that a sign-in was not theirs.
	alertLife = 30 * 24 * time.Hour
)

// hash is 48 bits of an HMAC over user, level and value: it links nothing across people.
type hash [hashSize]byte

// entry is one successful sign-in; there is one for each device, network prefix and day.
type entry struct {
	at      uint32  // seconds since 1970, good until 2106
	country [2]byte // zero if unknown
	device  hash    // zero if there was none
	prefix  hash    // of the /24 or /48
}

type profile struct {
	entries []entry
	alert   uint32 // until then no device counts as known; seconds since 1970, 0 for no alert
	damaged bool   // there is a blob, and it cannot be read: nothing in it is known
}

// parseProfile reads a blob; one that it cannot read is a damaged profile, never an empty one.
func parseProfile(blob []byte) profile {
	if len(blob) == 0 {
		return profile{}
	}
	head := 2
	if blob[0] == alertVersion {
		head += 4
	}
	if len(blob) < head || blob[0] != profileVersion && blob[0] != alertVersion || blob[1] > maxEntries || len(blob) != head+int(blob[1])*entrySize {
		return profile{damaged: true}
	}
	p := profile{entries: make([]entry, blob[1])}
	if blob[0] == alertVersion {
		if p.alert = binary.BigEndian.Uint32(blob[2:]); p.alert == 0 {
			return profile{damaged: true}
		}
	}
	for i := range p.entries {
		b := blob[head+i*entrySize:]
		e := &p.entries[i]
		e.at = binary.BigEndian.Uint32(b)
		copy(e.country[:], b[4:])
		copy(e.device[:], b[6:])
		copy(e.prefix[:], b[6+hashSize:])
	}
	return p
}

func (p profile) blob() []byte {
	b := append(make([]byte, 0, 6+len(p.entries)*entrySize), profileVersion, byte(len(p.entries)))
	if p.alert != 0 {
		b[0] = alertVersion
		b = binary.BigEndian.AppendUint32(b, p.alert)
	}
	for _, e := range p.entries {
		b = binary.BigEndian.AppendUint32(b, e.at)
		b = append(b, e.country[:]...)
		b = append(b, e.device[:]...)
		b = append(b, e.prefix[:]...)
	}
	return b
}

// learn adds e, which replaces an entry of the same device, network and day, so that a burst cannot
// flush the ring; where it is full, the oldest goes.
func (p profile) learn(e entry) profile {
	const day = 24 * 60 * 60
	out := profile{entries: make([]entry, 0, maxEntries+1)}
	if p.alert > e.at {
		out.alert = p.alert
	}
	for _, old := range p.entries {
		same := old.device == e.device && old.prefix == e.prefix && old.country == e.country && old.at/day == e.at/day
		expired := old.at < e.at && time.Duration(e.at-old.at)*time.Second > entryLife
		if !same && !expired {
			out.entries = append(out.entries, old)
		}
	}
	out.entries = append(out.entries, e)
	slices.SortStableFunc(out.entries, func(a, b entry) int { return int(int64(a.at) - int64(b.at)) })
	if n := len(out.entries); n > maxEntries {
		out.entries = out.entries[n-maxEntries:]
	}
	return out
}

// unlearn forgets what was learnt from since on, and begins an alert.
func (p profile) unlearn(since, now uint32) profile {
	out := profile{alert: now + uint32(alertLife/time.Second), entries: []entry{}}
	for _, e := range p.entries {
		if e.at < since {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

func (p profile) alerted(now time.Time) bool { return int64(p.alert) > now.Unix() }

func (p profile) hasCountry(c string) bool {
	return len(c) == 2 && c[0] != 0 && slices.ContainsFunc(p.entries, func(e entry) bool { return string(e.country[:]) == c })
}

func (p profile) hasDevice(any []hash) bool {
	return slices.ContainsFunc(p.entries, func(e entry) bool { return e.device != hash{} && slices.Contains(any, e.device) })
}

// hashes are the hashes of value under every key, the current one first.
func hashes(keys [][]byte, user ident.UserID, level, value string) []hash {
	out := make([]hash, len(keys))
	for i, k := range keys {
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(string(user) + "\x00" + level + "\x00" + value))
		copy(out[i][:], mac.Sum(nil))
	}
	return out
}

// entryOf is what v teaches.
func (v *View) entryOf() entry {
	e := entry{at: uint32(v.Now.Unix())}
	if v.PlaceState == Usual {
		copy(e.country[:], v.Place.Country)
	}
	if len(v.keys) == 0 {
		return e
	}
	if v.Env.Device != "" {
		e.device = hashes(v.keys[:1], v.User, "device", string(v.Env.Device))[0]
	}
	e.prefix = hashes(v.keys[:1], v.User, "prefix", ident.Network(v.Env.IP))[0]
	return e
}
