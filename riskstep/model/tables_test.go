package model

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func TestTablesTravel(t *testing.T) {
	s := lived(t, nil)
	blob := s.tables.Append(nil)
	got, err := ParseTables(blob)
	if err != nil || !bytes.Equal(got.Append(nil), blob) {
		t.Fatal(err)
	}
	shared := NewTables()
	if err := shared.Merge(s.tables.Delta()); err != nil || !bytes.Equal(shared.Append(nil), blob) {
		t.Fatal(err, "what was told is not what was learnt")
	}
	// Another node adopts what all know, and keeps what it has not told.
	other := lived(t, nil)
	if err := other.tables.Adopt(blob); err != nil {
		t.Fatal(err)
	}
	if err := shared.Merge(other.tables.Delta()); err != nil || !bytes.Equal(shared.Append(nil), other.tables.Append(nil)) {
		t.Fatal(err, "adopting lost or doubled something")
	}
	shared.Age()
	if n := shared.count(shareCell(shareDevice)); n != 600 {
		t.Errorf("after ageing %v units, want 600", n)
	}
	before := shared.Append(nil)
	for _, bad := range [][]byte{nil, {}, {9}, {tablesVersion, 1}, {tablesVersion, 1, 0}, append([]byte{tablesVersion}, bytes.Repeat([]byte{255}, 20)...), bytes.Repeat([]byte{1}, maxTables+1)} {
		if err := shared.Merge(bad); err == nil && len(bad) > 0 {
			t.Errorf("%v is read", bad[:min(len(bad), 8)])
		}
	}
	if !bytes.Equal(before, shared.Append(nil)) {
		t.Error("what cannot be read changed something")
	}
}

func TestTablesFit(t *testing.T) {
	full := NewTables()
	for i := range full.counts {
		full.counts[i].Store(cellMax)
	}
	blob := full.Append(nil)
	if len(blob) > maxTables {
		t.Errorf("%d bytes", len(blob))
	}
	if err := full.Merge(blob); err != nil || full.counts[0].Load() != cellMax {
		t.Error("a full cell overflows", err)
	}
}

func TestCarriersNeedNoLabel(t *testing.T) {
	s := NewMemory(Default(), []byte("key"))
	for d := range 200 {
		for u := range 5 {
			l := usual(start.Add(time.Duration(d) * 24 * time.Hour))
			l.User = string(rune('a' + u))
			s.Learn(&l) // at home, always the same
			l.At, l.Net.ASN = l.At.Add(time.Hour), 4242
			l.IP = netip.AddrFrom4([4]byte{198, 51, byte(d*7+u) % 60, 7})
			s.Learn(&l)
		}
	}
	if home, carrier := s.tables.churn(2119, lPrefix), s.tables.churn(4242, lPrefix); home > .6 || carrier < 1.2 {
		t.Errorf("home %v, carrier %v", home, carrier)
	}
}

func TestTablesAreReadWhileTheyLearn(t *testing.T) {
	s, other := lived(t, nil), NewTables()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 200 {
				l := usual(start.Add(31 * 24 * time.Hour))
				s.Score(&l)
			}
		})
		wg.Go(func() {
			r := new(Ring)
			for i := range 200 {
				l := usual(start.Add(time.Duration(i) * time.Hour))
				s.tables.Learn(r, s.hasher, &l)
				if i%50 == 0 {
					if err := other.Merge(s.tables.Delta()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzParseTables(f *testing.F) {
	t := NewTables()
	r, h := new(Ring), NewHasher([]byte("key"))
	l := usual(start)
	t.Learn(r, h, &l)
	f.Add(t.Append(nil))
	f.Add([]byte{tablesVersion})
	f.Add([]byte{tablesVersion, 0, 1, 0, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, blob []byte) {
		got, err := ParseTables(blob)
		if err != nil {
			return
		}
		l := usual(start)
		if p := Default().Score(r, got, h, &l, Pressure{}).P; !(p > 0 && p < 1) {
			t.Fatalf("P = %v", p)
		}
		if len(got.Append(nil)) > maxTables {
			t.Fatal("too large")
		}
	})
}
