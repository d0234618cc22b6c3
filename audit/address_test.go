package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/audit"
)

// Before and after any erasure the trail verifies, in the database and as an export, with its checkpoints; what is erased is gone.
func TestErasure(t *testing.T) {
	entries, o := history(t)
	rapid.Check(t, func(t *rapid.T) {
		s := into(t, entries)
		for range rapid.IntRange(0, 3).Draw(t, "erasures") {
			before := fixed().Add(time.Duration(rapid.IntRange(-1, 4).Draw(t, "minutes")) * time.Minute)
			if _, err := s.EraseAddresses(ctx, before, rapid.IntRange(0, 5).Draw(t, "limit")); err != nil {
				t.Fatal(err)
			}
		}
		var left, gone int64
		for i, e := range all(t, s) {
			ev, err := e.Event()
			switch {
			case err != nil || !e.Intact() || bytes.Contains(e.Body, []byte("192.0.2.1")):
				t.Fatalf("%+v, %v", e, err)
			case ev.Type == audit.OpenedType && e.Address() != audit.AddressNone:
				t.Fatalf("an address out of nothing: %+v", e)
			case e.Address() == audit.AddressKept:
				left++
				if ev.IP != "192.0.2.1" {
					t.Fatalf("entry %d: %q", i, ev.IP)
				}
			case e.Address() == audit.AddressErased:
				gone++
				if ev.IP != "" || e.IP != "" || e.Salt != nil {
					t.Fatalf("not erased: %+v", e)
				}
			}
		}
		var export bytes.Buffer
		if err := audit.Export(ctx, s, &export); err != nil {
			t.Fatal(err)
		}
		if n := int64(strings.Count(export.String(), "192.0.2.1")); n != left {
			t.Fatalf("the export has %d addresses of %d", n, left)
		}
		offline, err := audit.VerifyExport(bytes.NewReader(export.Bytes()), o)
		for name, rep := range map[string]audit.Report{"online": verify(t, s, o), "offline": offline} {
			if err != nil || !rep.OK() || rep.Addresses != left || rep.Erased != gone || left+gone != 12 {
				t.Fatalf("%s: %+v, %v; %d left, %d gone", name, rep, err, left, gone)
			}
		}
	})
}

// Any byte of an address that is there, or of its salt, that was changed, added or moved is found.
func TestAnyAddressChangeIsFound(t *testing.T) {
	entries, o := history(t)
	rapid.Check(t, func(t *rapid.T) {
		bent := slices.Clone(entries)
		i := rapid.IntRange(0, len(bent)-1).Draw(t, "entry")
		e := &bent[i]
		flip := func(b []byte) []byte {
			b = slices.Clone(b)
			b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 6).Draw(t, "bit")
			return b
		}
		switch act := rapid.SampledFrom([]string{"ip", "salt", "no ip", "no salt", "another's", "invented"}).Draw(t, "act"); {
		case e.IP == "": // the first of a stream
			e.IP, e.Salt = "192.0.2.9", bytes.Repeat([]byte{1}, 16)
		case act == "ip":
			e.IP = strings.ReplaceAll(strings.ToValidUTF8(string(flip([]byte(e.IP))), "?"), "\x00", "?")
		case act == "salt":
			e.Salt = flip(e.Salt)
		case act == "no ip":
			e.IP = ""
		case act == "no salt":
			e.Salt = nil
		case act == "another's":
			for _, x := range entries {
				if x.IP != "" && x.Hash != e.Hash {
					e.Salt = x.Salt
				}
			}
		default:
			e.IP, e.Salt = "192.0.2.9", bytes.Repeat([]byte{1}, 16)
		}
		s := into(t, bent)
		rep := verify(t, s, o)
		if rep.FaultCount != 1 || rep.Faults[0].Kind != audit.FaultAddress || rep.Faults[0].Seq != e.Seq || rep.Faults[0].Stream != e.Stream {
			t.Fatalf("%+v", rep)
		}
		var export bytes.Buffer
		if err := audit.Export(ctx, s, &export); err != nil {
			t.Fatal(err)
		}
		if rep, err := audit.VerifyExport(bytes.NewReader(export.Bytes()), o); err != nil || rep.FaultCount != 1 {
			t.Fatalf("%+v, %v", rep, err)
		}
		if bent[i].Intact() {
			t.Fatal("intact")
		}
	})
}

// Entries of before addresses could be erased have them in the chain, verify and show them.
func TestOlderEntries(t *testing.T) {
	old := audit.Entry{Stream: "s", Seq: 1, At: fixed().Truncate(time.Microsecond), Type: audit.OpenedType, Body: []byte(`{"type":"stream.opened","outcome":"ok","ip":"192.0.2.1"}`)}
	old.Hash = hashOf(old)
	s := into(t, []audit.Entry{old})
	if n, err := s.EraseAddresses(ctx, fixed().Add(time.Hour), 10); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	rep := verify(t, s, audit.VerifyOptions{})
	ev, err := all(t, s)[0].Event()
	if !rep.OK() || rep.Addresses != 0 || err != nil || ev.IP != "192.0.2.1" || old.Address() != audit.AddressNone {
		t.Errorf("%+v %+v %v", rep, ev, err)
	}
	old.IP = "192.0.2.1"
	if old.Intact() {
		t.Error("an address was put beside an entry that knows of none")
	}
}

// A commitment that an event brings along is not taken; the same address looks another each time; and where none is to be kept
// there is none.
func TestAddressIsHidden(t *testing.T) {
	db := open(t)
	var seen []string
	w, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: fixed, Observe: func(e audit.Event) { seen = append(seen, e.IP) }})
	if err != nil {
		t.Fatal(err)
	}
	e := event(1)
	e.Address = "mine"
	for range 2 {
		if err := w.Record(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	silent, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: fixed, NoIP: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := silent.Record(ctx, e); err != nil {
		t.Fatal(err)
	}
	bodies, none := map[string]bool{}, 0
	for _, e := range all(t, db) {
		if strings.Contains(string(e.Body), "mine") {
			t.Errorf("%s", e.Body)
		}
		if e.Type == audit.OpenedType {
			continue
		}
		bodies[string(e.Body)] = true
		if e.Address() == audit.AddressNone && e.IP == "" {
			none++
		}
	}
	if len(bodies) != 3 || none != 1 || !slices.Equal(seen, []string{"", "192.0.2.1", "192.0.2.1"}) {
		t.Errorf("%d bodies, %d without, seen %v", len(bodies), none, seen)
	}
	if rep := verify(t, db, audit.VerifyOptions{}); !rep.OK() || rep.Addresses != 2 {
		t.Errorf("%+v", rep)
	}
}
