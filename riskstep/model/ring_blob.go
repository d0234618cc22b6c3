package model

import (
	"encoding/binary"
	"errors"
)

// The blob of a ring, version 3: version, number of entries, end of the alert (4), habits (levels × 4), then entries
// of entrySize bytes, oldest first; big-endian. Versions 1 and 2 are those of profiles before there were rings:
// entries of time, country, device and network; version 2 has the end of an alert before them.
const (
	ringVersion = 3
	entrySize   = 4 + 2 + 4 + 4*6 + 4 + 4 + 2 + 2 + 4 + 2 + 2 + 1 + 2
	ringHead    = 2 + 4 + levels*4
	oldEntry    = 4 + 2 + 6 + 6
	damagedRing = 255 // a number of entries that no ring has: what was damaged stays so until a login is learnt
)

var errRing = errors.New("risk model: a ring cannot be read")

// ParseRing reads what Append wrote, and profiles of versions 1 and 2; no blob is somebody new. With an error comes a
// damaged ring: it scores as the history of somebody else, and the next login begins it anew.
func ParseRing(blob []byte) (Ring, error) {
	var r Ring
	ok := len(blob) == 0
	if len(blob) >= 2 && blob[1] <= maxEntries {
		r.n = int(blob[1])
		switch blob[0] {
		case 1:
			ok = r.parseOld(blob[2:])
		case 2:
			if ok = len(blob) >= 6; ok {
				r.alert = binary.BigEndian.Uint32(blob[2:])
				ok = r.alert > 0 && r.parseOld(blob[6:])
			}
		case ringVersion:
			ok = r.parse(blob)
		}
	}
	if !ok {
		return Ring{damaged: true}, errRing
	}
	return r, nil
}

func (r *Ring) parse(blob []byte) bool {
	if len(blob) != ringHead+r.n*entrySize {
		return false
	}
	r.alert = binary.BigEndian.Uint32(blob[2:])
	for i := range r.habits {
		b := blob[6+4*i:]
		r.habits[i] = habit{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
		if r.habits[i].new > r.habits[i].tried || r.habits[i].tried > habitUnit*(habitMemory+1) {
			return false
		}
	}
	for i := range r.n {
		r.entries[i].parse(blob[ringHead+i*entrySize:])
		if i > 0 && r.entries[i].at < r.entries[i-1].at {
			return false
		}
	}
	return true
}

func (r *Ring) parseOld(b []byte) bool {
	if len(b) != r.n*oldEntry {
		return false
	}
	for i := range r.n {
		e := &r.entries[i]
		e.at = binary.BigEndian.Uint32(b)
		copy(e.country[:], b[4:])
		copy(e.device[:], b[6:])
		copy(e.prefix[:], b[12:])
		e.flags = oldDevice | oldPrefix
		b = b[oldEntry:]
		if i > 0 && e.at < r.entries[i-1].at {
			return false
		}
	}
	return true
}

// Append appends the ring to b: less than 1 KiB.
func (r *Ring) Append(b []byte) []byte {
	n := byte(r.n)
	if r.damaged {
		n = damagedRing
	}
	b = append(b, ringVersion, n)
	b = binary.BigEndian.AppendUint32(b, r.alert)
	for _, h := range r.habits {
		b = binary.BigEndian.AppendUint16(b, h.tried)
		b = binary.BigEndian.AppendUint16(b, h.new)
	}
	for i := range r.n {
		b = r.entries[i].append(b)
	}
	return b
}

func (e *entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, e.at)
	b = append(b, e.country[:]...)
	b = binary.BigEndian.AppendUint32(b, e.asn)
	b = append(b, e.prefix[:]...)
	b = append(b, e.address[:]...)
	b = append(b, e.device[:]...)
	b = append(b, e.key[:]...)
	b = append(b, e.agent[:]...)
	b = append(b, e.ja4[:]...)
	b = binary.BigEndian.AppendUint16(b, e.os)
	b = binary.BigEndian.AppendUint16(b, e.browser)
	b = binary.BigEndian.AppendUint32(b, e.version)
	b = binary.BigEndian.AppendUint16(b, uint16(e.lat))
	b = binary.BigEndian.AppendUint16(b, uint16(e.lon))
	b = append(b, e.radius)
	return binary.BigEndian.AppendUint16(b, uint16(e.flags))
}

func (e *entry) parse(b []byte) {
	e.at = binary.BigEndian.Uint32(b)
	copy(e.country[:], b[4:])
	e.asn = binary.BigEndian.Uint32(b[6:])
	copy(e.prefix[:], b[10:])
	copy(e.address[:], b[16:])
	copy(e.device[:], b[22:])
	copy(e.key[:], b[28:])
	copy(e.agent[:], b[34:])
	copy(e.ja4[:], b[38:])
	e.os = binary.BigEndian.Uint16(b[42:])
	e.browser = binary.BigEndian.Uint16(b[44:])
	e.version = binary.BigEndian.Uint32(b[46:])
	e.lat = int16(binary.BigEndian.Uint16(b[50:]))
	e.lon = int16(binary.BigEndian.Uint16(b[52:]))
	e.radius = b[54]
	e.flags = flags(binary.BigEndian.Uint16(b[55:]))
}
