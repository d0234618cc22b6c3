package model

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"pgregory.net/rapid"
)

var agentsDrawn = []string{
	"", chromeWindows,
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
}

// drawLogin draws one from a world so small that everything meets again.
func drawLogin(t *rapid.T, at time.Time) Login {
	l := Login{At: at, User: "u", Strong: rapid.Bool().Draw(t, "strong")}
	l.Agent = ParseAgent(rapid.SampledFrom(agentsDrawn).Draw(t, "agent"), "")
	l.Device = rapid.SampledFrom([]string{"", "d1", "d2", "d3", "d4"}).Draw(t, "device")
	l.JA4 = rapid.SampledFrom([]string{"", "j1", "j2"}).Draw(t, "ja4")
	if l.Key = rapid.SampledFrom([]ident.KeyProof{ident.NoKey, ident.KeyInApp, ident.KeyInChip}).Draw(t, "key"); l.Key != ident.NoKey {
		l.KeyID = rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(t, "id")
	}
	n := rapid.IntRange(0, 3).Draw(t, "network")
	if l.Net.State = rapid.SampledFrom([]State{Known, Known, Known, Unknown, Absent}).Draw(t, "state"); l.Net.State != Absent || n > 1 {
		l.IP = netip.AddrFrom4([4]byte{198, 51, byte(n), byte(rapid.IntRange(1, 2).Draw(t, "host"))})
	}
	if l.Net.State == Known {
		l.Net.Country = rapid.SampledFrom([]string{"NO", "SE", ""}).Draw(t, "country")
		l.Net.ASN = uint32(n)
		l.Net.Hosting, l.Net.Mobile = rapid.Bool().Draw(t, "hosting"), rapid.Bool().Draw(t, "mobile")
		l.Net.Anonymous, l.Net.Tor = rapid.Bool().Draw(t, "anonymous"), rapid.Bool().Draw(t, "tor")
		l.Net.Lat, l.Net.Lon, l.Net.Km = float64(20*n), 10, 50*rapid.IntRange(0, 2).Draw(t, "km")
	}
	return l
}

// drawMemory draws what was learnt of one person, and the login that comes next.
func drawMemory(t *rapid.T) (*Memory, Login) {
	s := NewMemory(Default(), []byte("key"))
	at := start
	for range rapid.IntRange(0, 25).Draw(t, "logins") {
		at = at.Add(time.Duration(rapid.IntRange(0, 20*24*60).Draw(t, "minutes")) * time.Minute)
		l := drawLogin(t, at)
		s.Learn(&l)
	}
	at = at.Add(time.Duration(rapid.IntRange(0, 20*24*60).Draw(t, "minutes")) * time.Minute)
	return s, drawLogin(t, at)
}

const within = 1e-9

func TestContributionsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, l := drawMemory(t)
		l.Doubt = Doubt(rapid.IntRange(0, 15).Draw(t, "doubt"))
		p := Pressure{Prefix: rapid.Float64Range(0, 9).Draw(t, "prefix"), Account: rapid.Float64Range(0, 9).Draw(t, "account")}
		r := s.Ring("u")
		if r == nil {
			r = new(Ring)
		}
		got := s.model.Score(r, s.tables, s.hasher, &l, p)
		sum, types := got.Prior, 0.
		for _, c := range got.Reasons {
			sum += c.Bits * math.Ln2
		}
		for _, x := range got.Types {
			types += x
		}
		if math.Abs(sum-got.Score) > within || math.Abs(types-1) > within {
			t.Fatalf("prior and contributions are %v of %v, types %v: %+v", sum, got.Score, types, got)
		}
		if !(got.P > 0 && got.P < 1) {
			t.Fatalf("P = %v", got.P)
		}
	})
}

func TestEvidenceOfAttackNeverLowersRisk(t *testing.T) {
	worse := map[string]func(l *Login){
		"hosting":             func(l *Login) { l.Net.Hosting = true },
		"anonymiser":          func(l *Login) { l.Net.Anonymous = true },
		"Tor":                 func(l *Login) { l.Net.Tor = true },
		"without its key":     func(l *Login) { l.Key, l.KeyID = ident.NoKey, "" },
		"with another key":    func(l *Login) { l.Key, l.KeyID = ident.KeyInChip, "another" },
		"key in the app":      func(l *Login) { l.Key = min(l.Key, ident.KeyInApp) },
		"without its cookie":  func(l *Login) { l.Device = "" },
		"with another cookie": func(l *Login) { l.Device = "another" },
		"without both":        func(l *Login) { l.Device, l.Key, l.KeyID = "", ident.NoKey, "" },
		"network unknown": func(l *Login) { // Tor and anonymisers stand on lists of their own
			l.Net = Net{State: Unknown, Anonymous: l.Net.Anonymous, Tor: l.Net.Tor}
		},
		"breached password": func(l *Login) { l.Doubt |= Breached },
		"denied":            func(l *Login) { l.Doubt |= Denied },
		"counter back":      func(l *Login) { l.Doubt |= CounterBack },
		"account disputed":  func(l *Login) { l.Doubt |= Disputed },
	}
	for name, change := range worse {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s, l := drawMemory(t)
				before := s.Score(&l)
				bad := l
				change(&bad)
				if after := s.Score(&bad); after.Score < before.Score-within {
					t.Fatalf("%+v\nscores %v: %+v\nafter %v: %+v", l, before.Score, before.Reasons, after.Score, after.Reasons)
				}
			})
		})
	}
	t.Run("pressure", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			draw := rapid.Float64Range(0, 5)
			p := Pressure{draw.Draw(t, "prefix"), draw.Draw(t, "asn"), draw.Draw(t, "account"), draw.Draw(t, "tenant")}
			more := Pressure{p.Prefix + draw.Draw(t, "more"), p.ASN, p.Account + draw.Draw(t, "more"), p.Tenant}
			if p.total() > more.total() {
				t.Fatalf("%+v: %v, %+v: %v", p, p.total(), more, more.total())
			}
		})
	})
}

// What a full ring gives up for a login, and what the tenant learns of it, may weigh a little against it.
const (
	givenUp   = .1
	commonNow = .2
)

func TestLearningALoginNeverRaisesItsScore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, l := drawMemory(t)
		r := s.Ring("u")
		if r == nil {
			r = new(Ring)
		}
		before := s.model.Score(r, s.tables, s.hasher, &l, Pressure{})
		r.Learn(s.hasher, &l)
		if after := s.model.Score(r, s.tables, s.hasher, &l, Pressure{}); after.Score > before.Score+givenUp {
			t.Fatalf("%+v\nscored %v: %+v\nlearnt, %v: %+v", l, before.Score, before.Reasons, after.Score, after.Reasons)
		}
		before = s.Score(&l)
		s.Learn(&l)
		if after := s.Score(&l); after.Score > before.Score+commonNow {
			t.Fatalf("%+v\nscored %v: %+v\nlearnt, %v: %+v", l, before.Score, before.Reasons, after.Score, after.Reasons)
		}
	})
}

func TestOrderOfMergesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var deltas [][]byte
		together := NewTables()
		for node := range rapid.IntRange(2, 4).Draw(t, "nodes") {
			s := NewMemory(Default(), []byte("key"))
			for i := range rapid.IntRange(0, 12).Draw(t, "logins") {
				l := drawLogin(t, start.Add(time.Duration(i)*time.Hour))
				l.User = fmt.Sprint(node, i%3)
				s.Learn(&l)
			}
			deltas = append(deltas, s.tables.Delta())
			if s.tables.Delta() != nil {
				t.Fatal("what was told is told again")
			}
		}
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3}[:len(deltas)]).Draw(t, "order") {
			if err := together.Merge(deltas[i]); err != nil {
				t.Fatal(err)
			}
		}
		straight := NewTables()
		for _, d := range deltas {
			if err := straight.Merge(d); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(together.Append(nil), straight.Append(nil)) || *together.rates.Load() != *straight.rates.Load() {
			t.Fatal("the order of merges matters")
		}
	})
}

func TestRingsFitAndComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, l := drawMemory(t)
		s.Learn(&l)
		r := s.Ring("u")
		if rapid.Bool().Draw(t, "disputed") {
			r.Forget(l.At.Add(-time.Hour), l.At)
		}
		b := r.Append(nil)
		if len(b) >= 1024 {
			t.Fatalf("%d bytes", len(b))
		}
		got, err := ParseRing(b)
		if err != nil || got != *r {
			t.Fatalf("%v: another ring", err)
		}
	})
}
