package model

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

func TestABurstDoesNotFlushARing(t *testing.T) {
	h := NewHasher([]byte("key"))
	var r Ring
	home := usual(start)
	r.Learn(h, &home)
	for i := range 100 {
		l := usual(start.Add(time.Duration(i) * time.Minute))
		l.Device, l.IP = "burst", netip.MustParseAddr("198.51.100.1")
		r.Learn(h, &l)
	}
	if r.Len() != 2 {
		t.Errorf("%d entries", r.Len())
	}
}

func TestARareDeviceStays(t *testing.T) {
	h := NewHasher([]byte("key"))
	var r Ring
	rare := usual(start)
	rare.Device = "of the weekend"
	r.Learn(h, &rare)
	for d := range 60 {
		l := usual(start.Add(time.Duration(d+1) * 24 * time.Hour))
		r.Learn(h, &l)
	}
	var m match
	rare.At = start.Add(61 * 24 * time.Hour)
	m.look(&r, h, &rare)
	if r.Len() != maxEntries || m.device == 0 {
		t.Errorf("%d entries, device %b", r.Len(), m.device)
	}
	old := usual(start.Add(500 * 24 * time.Hour))
	r.Learn(h, &old)
	for i := range r.n {
		if old.At.Unix()-int64(r.entries[i].at) > entryLife {
			t.Error("a habit that never ends")
		}
	}
}

func TestWeakProofsTeachHalfAndLater(t *testing.T) {
	m, tables, h := Default(), NewTables(), NewHasher([]byte("key"))
	var r Ring
	l := usual(start)
	l.Strong, l.Key, l.KeyID = false, ident.NoKey, ""
	r.Learn(h, &l)
	bits := func(after time.Duration) float64 {
		next := l
		next.At = start.Add(after)
		got := m.Score(&r, tables, h, &next, Pressure{})
		b, _ := got.bits("device")
		return b
	}
	young, old := bits(24*time.Hour), bits(8*24*time.Hour)
	if !(old < young && young < 0) {
		t.Errorf("a day later %v, eight days later %v", young, old)
	}
	strong := usual(start)
	var taught Ring
	taught.Learn(h, &strong)
	l.At, l.Agent = start.Add(time.Hour), Agent{}
	taught.Learn(h, &l)
	if e := taught.entries[0]; taught.n != 1 || e.flags&pending != 0 || e.agent == [4]byte{} {
		t.Errorf("a weak proof overwrote a strong one: %+v", e)
	}
}

func TestForget(t *testing.T) {
	h := NewHasher([]byte("key"))
	var r Ring
	for d := range 5 {
		l := usual(start.Add(time.Duration(d) * 24 * time.Hour))
		r.Learn(h, &l)
	}
	now := start.Add(5 * 24 * time.Hour)
	r.Forget(start.Add(3*24*time.Hour), now)
	if r.Len() != 3 || !r.Alerted(now) || r.Alerted(now.Add(31*24*time.Hour)) {
		t.Errorf("%d entries, alert until %d", r.Len(), r.alert)
	}
}

// old writes a profile as version 1 or 2 did.
func old(alert uint32, entries ...[]byte) []byte {
	b := []byte{1, byte(len(entries))}
	if alert > 0 {
		b = binary.BigEndian.AppendUint32([]byte{2, byte(len(entries))}, alert)
	}
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

func oldHash(level, value string) []byte {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte("ann\x00" + level + "\x00" + value))
	return mac.Sum(nil)[:6]
}

func TestProfilesBeforeRingsAreRead(t *testing.T) {
	e := binary.BigEndian.AppendUint32(nil, seconds(start))
	e = append(e, "NO"...)
	e = append(e, oldHash("device", "d1")...)
	e = append(e, oldHash("prefix", "203.0.113.0/24")...)
	h, tables, m := NewHasher([]byte("key")), NewTables(), Default()
	for name, blob := range map[string][]byte{"version 1": old(0, e), "version 2": old(seconds(start)+10, e)} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRing(blob)
			if err != nil || r.Len() != 1 {
				t.Fatal(err, r.Len())
			}
			l := usual(start.Add(48 * time.Hour))
			l.Key, l.KeyID = ident.NoKey, ""
			got := m.Score(&r, tables, h, &l, Pressure{})
			if got.Novel != 0 {
				t.Errorf("what the profile knew is new: %b %+v", got.Novel, got.Reasons)
			}
			other := l
			other.Device, other.IP, other.Net.Country = "x", netip.MustParseAddr("192.0.2.1"), "SE"
			if n := m.Score(&r, tables, h, &other, Pressure{}).Novel; n&(NewCountry|NewDevice) != NewCountry|NewDevice {
				t.Errorf("novel %b", n)
			}
			r.Learn(h, &l)
			if r.entries[0].flags&(oldDevice|oldPrefix) != 0 {
				t.Error("what was recognised is still written in the old manner")
			}
			again, err := ParseRing(r.Append(nil))
			if err != nil || again != r {
				t.Error(err)
			}
		})
	}
}

func TestKeysAreRotated(t *testing.T) {
	var r Ring
	before, both, after := NewHasher([]byte("old")), NewHasher([]byte("new"), []byte("old")), NewHasher([]byte("new"))
	known := func(h *Hasher) bool {
		l := usual(start.Add(72 * time.Hour))
		var m match
		m.look(&r, h, &l)
		return m.device != 0 && m.address != 0 && m.key != 0 && m.agent != 0
	}
	l := usual(start)
	r.Learn(before, &l)
	if !known(before) || !known(both) || known(after) || known(NewHasher()) {
		t.Error(known(before), known(both), known(after), known(NewHasher()))
	}
	l.At = start.Add(48 * time.Hour)
	r.Learn(both, &l)
	if !known(after) {
		t.Error("what was recognised under the old key is not written under the new one")
	}
}

func TestHashesLinkNobody(t *testing.T) {
	h := NewHasher([]byte("key"))
	digest1 := func(user string, l Login) digest {
		l.User = user
		var d [maxKeys]digest
		h.digests(&l, &d)
		return d[0]
	}
	l := usual(start)
	ann, ben := digest1("ann", l), digest1("ben", l)
	if ann.device == ben.device || ann.prefix == ben.prefix || ann.address == ben.address || ann.agent == ben.agent || ann.key == ben.key || ann.ja4 == ben.ja4 {
		t.Error("the same value of two people has one hash")
	}
	l.KeyID = l.Device
	if d := digest1("ann", l); d.key == d.device {
		t.Error("the same value at two levels has one hash")
	}
	l.User, l.Device = "annd", "1"
	if digest1("annd", l).device == digest1("ann", Login{Device: "d1"}).device {
		t.Error("a value runs into the user's name")
	}
	if digest1("ann", usual(start)) != ann {
		t.Error("hashes change")
	}
	v6 := func(s string) digest { return digest1("ann", Login{IP: netip.MustParseAddr(s)}) }
	a, b, c := v6("2001:db8:1:1::1"), v6("2001:db8:1:1:dead:beef::"), v6("2001:db8:1:2::1")
	if a.address != b.address || a.address == c.address || a.prefix != c.prefix {
		t.Error("an IPv6 address is its /64, its network the /48")
	}
	if v6("::ffff:203.0.113.7").address != v6("203.0.113.7").address {
		t.Error("a mapped address is another one")
	}
}

func FuzzParseRing(f *testing.F) {
	h, m, tables := NewHasher([]byte("key")), Default(), NewTables()
	r, l := fullRing(h, false)
	f.Add(r.Append(nil))
	f.Add(old(0, make([]byte, oldEntry)))
	f.Add(old(7, make([]byte, oldEntry)))
	f.Add([]byte{ringVersion, damagedRing})
	f.Fuzz(func(t *testing.T, blob []byte) {
		r, err := ParseRing(blob)
		if (err != nil) != r.damaged {
			t.Fatal("an error without damage, or damage without an error")
		}
		got := m.Score(&r, tables, h, l, Pressure{})
		if !(got.P > 0 && got.P < 1) {
			t.Fatalf("%+v", got)
		}
		r.Learn(h, l)
		again, err := ParseRing(r.Append(nil))
		if err != nil || again != r || len(r.Append(nil)) >= 1024 {
			t.Fatalf("%v: another ring", err)
		}
	})
}
