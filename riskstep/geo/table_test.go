package geo

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func facts(lines ...string) (countries, systems []Fact) {
	for _, l := range lines {
		var f Fact
		fields := strings.Fields(l)
		f.First, f.Last = netip.MustParseAddr(fields[0]), netip.MustParseAddr(fields[1])
		if n, ok := parseASN(fields[2]); ok {
			f.ASN = n
			systems = append(systems, f)
		} else {
			f.Country = fields[2]
			countries = append(countries, f)
		}
	}
	return countries, systems
}

func tableOf(t testing.TB, countries, systems []Fact) (*table, string) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTable(&b, t0, countries, systems); err != nil {
		t.Fatal(err)
	}
	out, err := parseTable(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return out, b.String()
}

func small(t testing.TB) (*table, string) {
	c, s := facts("1.0.0.0 1.0.3.255 DE", "1.0.4.0 1.0.4.99 SE", "1.0.4.100 1.0.4.255 NO", "1.0.8.0 1.0.8.9 FR", "255.0.0.0 255.255.255.255 JP",
		"2a00:: 2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff IT", "2b00:: 2b00:0:0:ff:ffff:ffff:ffff:ffff ES", "2b00:0:0:100:: 2b00:0:0:ffff:ffff:ffff:ffff:ffff PT",
		"1.0.0.0 1.0.0.255 AS100", "1.0.1.0 1.0.255.255 AS200", "2a00:1:: 2a00:1:ffff:ffff:ffff:ffff:ffff:ffff AS4199999999")
	return tableOf(t, c, s)
}

// What was written is found, in the widest prefix that it holds for.
func TestTable(t *testing.T) {
	tab, _ := small(t)
	if !tab.built.Equal(t0) {
		t.Errorf("built %v", tab.built)
	}
	for ip, want := range map[string]string{
		"1.0.0.1": "DE AS100 1.0.0.0/24", "1.0.1.0": "DE AS200 1.0.1.0/24", "1.0.2.255": "DE AS200 1.0.2.0/23", "1.0.3.255": "DE AS200 1.0.2.0/23",
		"1.0.4.1": "NO AS200 1.0.4.0/24", "1.0.4.200": "NO AS200 1.0.4.0/24", // most of it is Norwegian
		"1.0.5.0": " AS200 1.0.5.0/24", "1.0.8.200": "FR AS200 1.0.8.0/24", "1.0.200.1": " AS200 1.0.128.0/17", "1.1.0.0": " AS0 1.1.0.0/16", "0.0.0.0": " AS0 0.0.0.0/8",
		"255.1.2.3": "JP AS0 255.0.0.0/8", "2a00::1": "IT AS0 2a00::/32", "2a00:1::1": "IT AS4199999999 2a00:1::/32", "2a00:2::": "IT AS0 2a00:2::/31",
		"2b00::1": "PT AS0 2b00::/48", "::1": " AS0 ::/3", "ffff::": " AS0 8000::/1",
	} {
		e, p, err := tab.of(netip.MustParseAddr(ip))
		if got := fmt.Sprintf("%s AS%d %s", e.country, e.asn, p); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", ip, got, err, want)
		}
	}
	if _, _, err := tab.of(netip.Addr{}); err == nil {
		t.Error("no address is somewhere")
	}
	c, _ := facts("1.0.0.9 1.0.0.1 DE")
	if err := WriteTable(&bytes.Buffer{}, t0, c, nil); err == nil {
		t.Error("a range that ends before it begins is written")
	}
}

// Facts that are whole networks come back as they are, however many they are.
func TestTableProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[uint32]string{}
		var c, s []Fact
		at := uint32(0)
		for range rapid.IntRange(0, 300).Draw(t, "facts") {
			at += rapid.Uint32Range(0, 300).Draw(t, "gap")
			n := rapid.Uint32Range(1, 300).Draw(t, "size")
			f := Fact{First: number4(at << 8), Last: number4((at+n)<<8 - 1)}
			if rapid.Bool().Draw(t, "system") {
				f.ASN = rapid.Uint32Range(1, 40).Draw(t, "asn")
				s = append(s, f)
			} else {
				f.Country = rapid.SampledFrom([]string{"DE", "NO", "JP"}).Draw(t, "country")
				c = append(c, f)
			}
			for i := at; i < at+n; i++ {
				want[i] = fmt.Sprint(f.Country, f.ASN)
			}
			at += n
		}
		var b bytes.Buffer
		if err := WriteTable(&b, t0, c, s); err != nil {
			t.Fatal(err)
		}
		tab, err := parseTable(b.String())
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			i := rapid.Uint32Range(0, at+10).Draw(t, "look")
			ip := number4(i<<8 + 7)
			e, p, err := tab.of(ip)
			got := fmt.Sprint(e.country, e.asn)
			if w := want[i]; err != nil || w == "" && got != "0" || w != "" && got != w {
				t.Fatalf("%s: %s, %v, want %s", ip, got, err, w)
			}
			if !p.Contains(ip) || p != p.Masked() {
				t.Fatalf("%s is not in %s", ip, p)
			}
			for _, edge := range []netip.Addr{p.Addr(), last(p)} {
				if f, _, err := tab.of(edge); err != nil || f.asn != e.asn || f.country != e.country {
					t.Fatalf("%s is in %s, where all is alike, and is not", edge, p)
				}
			}
		}
	})
}

func number4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func TestTableRefuses(t *testing.T) {
	_, good := small(t)
	for name, s := range map[string]string{"nothing": "", "another file": "hello, world", "half": good[:len(good)/2], "more": good + "x", "the magic only": good[:8]} {
		if _, err := parseTable(s); err == nil {
			t.Errorf("%s is a table", name)
		}
	}
}

// Whatever the bytes, nothing panics, and what is found is around the address.
func FuzzTable(f *testing.F) {
	_, good := small(f)
	for i := range 64 {
		f.Add([]byte(good), uint16(i*5), byte(1<<(i%8)), uint32(i)<<26)
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, v byte, ip uint32) {
		if b = bytes.Clone(b); len(b) > 0 {
			b[int(at)%len(b)] ^= v
		}
		tab, err := parseTable(string(b))
		if err != nil {
			return
		}
		for _, a := range []netip.Addr{number4(ip), netip.AddrFrom16([16]byte{byte(ip), byte(ip >> 8), byte(ip >> 16)})} {
			e, p, err := tab.of(a)
			if err == nil && (!p.Contains(a) || e.country != "" && !isCountry(e.country)) {
				t.Fatalf("%s: %+v %s", a, e, p)
			}
		}
	})
}

// The embedded table knows the large networks, is of the size that was promised, and costs nothing to open.
func TestEmbedded(t *testing.T) {
	built, size, err := Embedded()
	if err != nil || size > 4<<20 || built.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("%v, %d bytes, %v", built, size, err)
	}
	tab, _ := embedded()
	for ip, want := range map[string]string{
		"8.8.8.8": "US AS15169", "9.9.9.9": "AS19281", "2001:4860:4860::8888": "US AS15169", "193.0.6.139": "NL AS3333", "133.11.0.1": "JP AS2501",
		"130.149.7.1": "DE AS680", "202.112.0.1": "CN", "200.160.2.3": "BR AS22548", "2001:638::1": "DE AS680",
	} {
		e, p, err := tab.of(netip.MustParseAddr(ip))
		got := fmt.Sprintf("%s AS%d", e.country, e.asn)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s in %s, %v, want %s", ip, got, p, err, want)
		}
	}
	// Every entry can be reached, and none contradicts another.
	var known, all uint64
	for key := uint64(0); key < 1<<v4Width; {
		e, err := tab.find(&tab.v4, key)
		if err != nil || e.lo > key || e.hi < key {
			t.Fatalf("%d: %+v, %v", key, e, err)
		}
		if e.asn != 0 && e.country != "" {
			known += e.hi - key + 1
		}
		all++
		key = e.hi + 1
	}
	if known < 11<<20 || all < 400_000 {
		t.Errorf("%d of %d networks of IPv4 are known, in %d entries", known, 1<<v4Width, all)
	}
}

func BenchmarkEmbedded(b *testing.B) {
	tab, err := embedded()
	if err != nil {
		b.Fatal(err)
	}
	for name, ips := range map[string][]netip.Addr{
		"one": {netip.MustParseAddr("8.8.8.8")},
		"v4":  spread4(4096),
		"v6":  spread6(4096),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, _, err := tab.of(ips[i%len(ips)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkOpenEmbedded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseTable(world); err != nil {
			b.Fatal(err)
		}
	}
}

func spread4(n int) (out []netip.Addr) {
	for i := range n {
		out = append(out, number4(uint32(i)*2654435761))
	}
	return out
}

func spread6(n int) (out []netip.Addr) {
	for i := range n {
		h := uint32(i) * 2654435761
		out = append(out, netip.AddrFrom16([16]byte{0x20 | byte(i&0xf), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}))
	}
	return out
}
