package geo

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestList(t *testing.T) {
	e, err := parseList([]byte("# ours\n192.0.2.1\n192.0.2.8/29 ; a network\n198.51.100.10-198.51.100.20\r\n\n  as64500  A Name, Inc.\nAS4200000000\n" +
		"2001:db8:1::/48\n2001:db8:2::5\n::ffff:203.0.113.0/120\n192.0.2.9/31\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		ip   string
		asn  uint32
		want bool
	}{
		{"192.0.2.1", 0, true}, {"192.0.2.0", 0, false}, {"192.0.2.2", 0, false}, {"192.0.2.8", 0, true}, {"192.0.2.15", 0, true}, {"192.0.2.16", 0, false},
		{"198.51.100.9", 0, false}, {"198.51.100.10", 0, true}, {"198.51.100.20", 0, true}, {"198.51.100.21", 0, false},
		{"8.8.8.8", 64500, true}, {"8.8.8.8", 64501, false}, {"8.8.8.8", 4200000000, true}, {"8.8.8.8", 0, false},
		{"2001:db8:1:ffff::1", 0, true}, {"2001:db8:2::5", 0, true}, {"2001:db8:2::6", 0, false}, {"::1", 0, false}, {"ffff::", 0, false},
		{"203.0.113.77", 0, true}, {"0.0.0.0", 0, false}, {"255.255.255.255", 0, false},
	} {
		if got := e.has(netip.MustParseAddr(tc.ip), tc.asn); got != tc.want {
			t.Errorf("%s of %d: %v", tc.ip, tc.asn, got)
		}
	}
	if e.has(netip.Addr{}, 0) {
		t.Error("no address is on the list")
	}
}

func TestListRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":           {"", "no entry"},
		"comments only":   {"# nothing\n;\n", "no entry"},
		"a page":          {"<!DOCTYPE html>", "line 1"},
		"a name":          {"192.0.2.1\nexample.com\n", "line 2"},
		"a wide network":  {"0.0.0.0/0", "wider"},
		"a wide network6": {"::/0", "wider"},
		"all of IPv4":     {"::ffff:0:0/0", "line 1"},
		"AS0":             {"AS0", "line 1"},
		"a large AS":      {"AS4294967296", "line 1"},
		"a signed AS":     {"AS+5", "line 1"},
		"a zone":          {"fe80::1%eth0", "line 1"},
		"backwards":       {"192.0.2.9-192.0.2.1", "line 1"},
		"two families":    {"192.0.2.9-2001:db8::", "line 1"},
		"half a range":    {"192.0.2.9-", "line 1"},
		"a long line":     {strings.Repeat(" ", maxLine+1), "longer"},
	} {
		if _, err := parseList([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A set of ranges has what one of the ranges has.
func TestRangesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []span
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			lo := rapid.Uint32Range(0, 300).Draw(t, "lo")
			spans = append(spans, span{number4(lo), number4(lo + rapid.Uint32Range(0, 20).Draw(t, "size"))})
		}
		r := joined(append([]span(nil), spans...))
		for i := range uint32(330) {
			ip := number4(i)
			want := false
			for _, s := range spans {
				want = want || s.lo.Compare(ip) <= 0 && ip.Compare(s.hi) <= 0
			}
			if r.has(ip) != want {
				t.Fatalf("%s of %v: %v", ip, spans, !want)
			}
		}
	})
}

// A list is read anew when it changes; a bad one is reported, and the one before goes on.
func TestListReload(t *testing.T) {
	c := &clock{at: t0}
	path := filepath.Join(t.TempDir(), "tor.txt")
	write(t, path, []byte("192.0.2.1\n"))
	l, err := OpenList(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	ip := netip.MustParseAddr("::ffff:192.0.2.2")
	expect := func(when string, want, failed bool) {
		t.Helper()
		if got := l.Has(ip, 0); got != want {
			t.Errorf("%s: %v", when, got)
		}
		if _, _, _, err := l.Status(); (err != nil) != failed {
			t.Errorf("%s: %v", when, err)
		}
	}
	expect("at first", false, false)
	write(t, path, []byte("192.0.2.2\n192.0.2.3\n"))
	expect("at once", false, false)
	c.advance(checkEvery)
	expect("after half a minute", true, false)
	write(t, path, nil)
	c.advance(checkEvery)
	expect("an empty file", true, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.advance(checkEvery)
	expect("no file", true, true)
	write(t, path, []byte("192.0.2.4\nAS64500\n"))
	c.advance(checkEvery)
	expect("a good file again", false, false)
	if nets, systems, written, _ := l.Status(); nets != 1 || systems != 1 || time.Since(written) > time.Hour {
		t.Errorf("%d networks, %d systems, of %v", nets, systems, written)
	}
}

// Whatever the bytes, a list is read or refused, and no address is on a list that does not name it.
func FuzzList(f *testing.F) {
	f.Add([]byte("192.0.2.1\n2001:db8::/32 # x\nAS64500\n198.51.100.1-198.51.100.9"), uint32(0xc0000201))
	f.Add([]byte("::ffff:1.2.3.4/97\n-\n/\nAS"), uint32(0x01020304))
	f.Fuzz(func(t *testing.T, b []byte, ip uint32) {
		e, err := parseList(b)
		if err != nil {
			return
		}
		for i := 1; i < len(e.nets.v4); i++ {
			if e.nets.v4[i].lo <= e.nets.v4[i-1].hi {
				t.Fatalf("spans overlap: %v", e.nets.v4)
			}
		}
		a := number4(ip)
		want := false
		for _, s := range e.nets.v4 {
			want = want || s.lo <= ip && ip <= s.hi
		}
		if e.has(a, 0) != want {
			t.Fatalf("%s: %v", a, !want)
		}
		e.has(netip.AddrFrom16([16]byte{0x20, byte(ip)}), ip)
	})
}

func BenchmarkList(b *testing.B) {
	var text strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&text, "%s/28\n", number4(uint32(i)*20000))
	}
	e, err := parseList([]byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	ips := spread4(4096)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		e.has(ips[i%len(ips)], 64500)
		i++
	}
}
