package riskstep

import (
	"bytes"
	"testing"
	"time"
)

func TestProfileRing(t *testing.T) {
	const day = 24 * 60 * 60
	at := func(sec uint32, dev byte) entry { return entry{at: sec, country: [2]byte{'D', 'E'}, device: hash{dev}} }
	var p profile
	for i := range uint32(200) { // a burst from one device on one day does not flush the ring
		p = p.learn(at(i, 1))
	}
	if len(p.entries) != 1 || p.entries[0].at != 199 {
		t.Fatalf("%+v", p.entries)
	}
	for i := range uint32(20) {
		p = p.learn(at(1000+i, byte(10+i)))
	}
	if len(p.entries) != maxEntries || p.hasDevice([]hash{{1}}) || !p.hasDevice([]hash{{29}}) {
		t.Errorf("%d entries, the oldest still there: %v", len(p.entries), p.hasDevice([]hash{{1}}))
	}
	late := p.learn(at(uint32(entryLife/time.Second)+2*day, 99))
	if len(late.entries) != 1 {
		t.Errorf("%d entries after half a year, want one", len(late.entries))
	}
	if got := parseProfile(p.blob()); !bytes.Equal(got.blob(), p.blob()) || len(p.blob()) > 1024 {
		t.Errorf("%d bytes do not come back", len(p.blob()))
	}
	if (profile{entries: []entry{{}}}).hasDevice([]hash{{}}) {
		t.Error("no device matches no device")
	}
	if (profile{entries: []entry{{}}}).hasCountry("\x00\x00") || (profile{entries: []entry{{}}}).hasCountry("") {
		t.Error("no country is a country")
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte{})
	f.Add((profile{entries: []entry{{at: 1, country: [2]byte{'D', 'E'}}}}).blob())
	f.Add([]byte{1, 255})
	f.Add([]byte{2, 0, 0, 0, 0, 0})
	f.Add((profile{alert: 9, entries: []entry{{at: 1}}}).blob())
	f.Fuzz(func(t *testing.T, b []byte) {
		p := parseProfile(b)
		if !p.damaged && len(b) > 0 && !bytes.Equal(p.blob(), b) {
			t.Fatalf("%x came back as %x", b, p.blob())
		}
		if got := p.learn(entry{at: 7}); len(got.entries) == 0 || len(got.entries) > maxEntries || len(got.blob()) > 1024 {
			t.Fatalf("%d entries", len(got.entries))
		}
	})
}
