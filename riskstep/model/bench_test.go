package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

const chromeWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"

// fullRing is that of a person with two devices and many networks.
func fullRing(h *Hasher, strong bool) (*Ring, *Login) {
	r := new(Ring)
	var l Login
	for i := range 40 {
		l = usual(start.Add(time.Duration(i) * 26 * time.Hour))
		l.Strong = strong
		if i%3 == 1 {
			l.Device, l.KeyID = "d2", "k2"
			l.IP = netip.MustParseAddr(fmt.Sprintf("198.51.%d.7", 100+i%5))
			l.Net.ASN, l.Net.Mobile, l.Net.Prefix = 4242, true, netip.Prefix{}
		}
		r.Learn(h, &l)
	}
	return r, &l
}

// usual is a login of Ann's from home.
func usual(at time.Time) Login {
	return Login{
		At: at, User: "ann", IP: netip.MustParseAddr("203.0.113.7"), Device: "d1", Key: ident.KeyInChip, KeyID: "k1", JA4: "t13d1516h2_8daaf6152771_d8a2da3f94cd",
		Net:    Net{State: Known, Country: "NO", City: "Oslo", Lat: 59.9, Lon: 10.7, Km: 20, ASN: 2119},
		Agent:  ParseAgent(chromeWindows, ""),
		Strong: true,
	}
}

func BenchmarkScore(b *testing.B) {
	h, t, m := NewHasher([]byte("key")), NewTables(), Default()
	r, l := fullRing(h, true)
	b.ReportAllocs()
	for b.Loop() {
		m.Score(r, t, h, l, Pressure{})
	}
}

func BenchmarkLearn(b *testing.B) {
	s := NewMemory(Default(), []byte("key"))
	r, l := fullRing(s.hasher, true)
	s.rings[l.User] = r
	b.ReportAllocs()
	for b.Loop() {
		l.At = l.At.Add(time.Hour)
		s.Learn(l)
	}
}

func BenchmarkParseAgent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseAgent(chromeWindows, `"Chromium";v="143", "Google Chrome";v="143"; "Windows"; ?0`)
	}
}
