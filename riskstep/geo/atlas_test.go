package geo

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/postern-id/postern/riskstep"
)

func system(n uint32, org string) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n), "autonomous_system_organization": mmdbtype.String(org)}
}

func both(code, asn, org string) mmdbtype.DataType {
	return mmdbtype.Map{"country_code": mmdbtype.String(code), "asn": mmdbtype.String(asn), "as_name": mmdbtype.String(org)}
}

func atlas(t testing.TB, o Options) *Atlas {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return t0 }
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func put(t testing.TB, name string, b []byte) string {
	path := filepath.Join(t.TempDir(), name)
	write(t, path, b)
	return path
}

var prefix = netip.MustParsePrefix

// Networks of the files of each maker.
func TestNetworks(t *testing.T) {
	for _, tc := range []struct {
		typ  string
		nets map[string]mmdbtype.DataType
		want map[string]riskstep.Network
	}{
		{"GeoLite2-ASN", map[string]mmdbtype.DataType{"192.0.2.0/25": system(64500, "A Net"), "2001:db8::/33": system(64501, "")}, map[string]riskstep.Network{
			"192.0.2.1":        {ASN: 64500, Org: "A Net", Prefix: prefix("192.0.2.0/25"), Known: true},
			"::ffff:192.0.2.1": {ASN: 64500, Org: "A Net", Prefix: prefix("192.0.2.0/25"), Known: true},
			"2001:db8::1%e":    {ASN: 64501, Prefix: prefix("2001:db8::/33"), Known: true},
			"192.0.2.200":      {}, "8.8.8.8": {},
		}},
		{"asn ipvAll", map[string]mmdbtype.DataType{"192.0.2.0/24": system(64500, "B"), "198.51.100.0/24": system(0, "none"), "203.0.113.0/24": system(4_200_000_000, "private")},
			map[string]riskstep.Network{"192.0.2.1": {ASN: 64500, Org: "B", Prefix: prefix("192.0.2.0/24"), Known: true}, "198.51.100.1": {}, "203.0.113.1": {}}},
		{"ipinfo lite", map[string]mmdbtype.DataType{"192.0.2.0/24": both("DE", "AS64500", "C\x07\n"), "198.51.100.0/24": both("SE", "ASx", "")},
			map[string]riskstep.Network{"192.0.2.1": {ASN: 64500, Org: "C", Prefix: prefix("192.0.2.0/24"), Known: true}, "198.51.100.1": {}}},
		{"GeoIP2-Enterprise", map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}, "traits": system(64500, "D")}},
			map[string]riskstep.Network{"192.0.2.1": {ASN: 64500, Org: "D", Prefix: prefix("192.0.2.0/24"), Known: true}}},
	} {
		db, err := OpenNetworks(put(t, "x.mmdb", database(t, tc.typ, t0, tc.nets)), func() time.Time { return t0 })
		if err != nil {
			t.Errorf("%s: %v", tc.typ, err)
			continue
		}
		for ip, want := range tc.want {
			if got, err := db.Network(netip.MustParseAddr(ip)); err != nil || got != want {
				t.Errorf("%s: %s: %+v, %v, want %+v", tc.typ, ip, got, err, want)
			}
		}
	}
	if _, err := OpenNetworks(put(t, "x.mmdb", database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE")})), time.Now); err == nil {
		t.Error("a file of countries is one of networks")
	}
}

// Who says what: a file wins over the table, and one kind of data stands in for no other.
func TestAtlas(t *testing.T) {
	countries := put(t, "c.mmdb", database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"8.8.8.0/24": rich("NO"), "192.0.2.0/24": rich("SE")}))
	systems := put(t, "n.mmdb", database(t, "GeoLite2-ASN", t0, map[string]mmdbtype.DataType{"8.8.8.0/24": system(64500, "A")}))
	flat := put(t, "f.mmdb", database(t, "ipinfo lite", t0, map[string]mmdbtype.DataType{"8.8.8.0/24": both("FI", "AS64501", "")}))
	for _, tc := range []struct {
		name, ip string
		o        Options
		place    riskstep.Place
		asn      uint32
	}{
		{"the table", "8.8.8.8", Options{Embedded: true}, riskstep.Place{Country: "US", Known: true}, 15169},
		{"the table does not know it", "240.0.0.1", Options{Embedded: true}, riskstep.Place{Local: true}, 0},
		{"documentation", "203.0.113.9", Options{Embedded: true}, riskstep.Place{Local: true}, 0},
		{"documentation of IPv6", "2001:db8::9", Options{Embedded: true}, riskstep.Place{Local: true}, 0},
		{"a file", "8.8.8.8", Options{Embedded: true, File: countries}, riskstep.Place{Country: "NO", Known: true}, 15169},
		{"a file that has documentation", "192.0.2.1", Options{Embedded: true, File: countries}, riskstep.Place{Country: "SE", Known: true}, 0},
		{"a file that does not know it", "9.9.9.9", Options{Embedded: true, File: countries}, riskstep.Place{}, 19281},
		{"two files", "8.8.8.8", Options{Embedded: true, File: countries, Networks: systems}, riskstep.Place{Country: "NO", Known: true}, 64500},
		{"two files that do not know it", "9.9.9.9", Options{Embedded: true, File: countries, Networks: systems}, riskstep.Place{}, 0},
		{"networks only", "8.8.8.8", Options{Embedded: true, Networks: systems}, riskstep.Place{Country: "US", Known: true}, 64500},
		{"one file of both", "8.8.8.8", Options{File: flat}, riskstep.Place{Country: "FI", Known: true}, 64501},
	} {
		a := atlas(t, tc.o)
		ip := netip.MustParseAddr(tc.ip)
		p, err := a.Places().Locate(ip)
		n, err2 := a.Networks().Network(ip)
		if err != nil || err2 != nil || p != tc.place || n.ASN != tc.asn || n.Known != (tc.asn != 0) || n.Known && !n.Prefix.Contains(ip) {
			t.Errorf("%s: %+v, %v, %+v, %v", tc.name, p, err, n, err2)
		}
	}
	if a := atlas(t, Options{}); a.Places() != nil || a.Networks() != nil {
		t.Error("nothing is found with no data")
	}
	if a := atlas(t, Options{File: countries}); a.Places() == nil || a.Networks() != nil {
		t.Error("networks are found in a file of countries")
	}
	for _, o := range []Options{{File: systems}, {Networks: countries}, {Tor: countries}, {Hosting: "nowhere"}} {
		o.Now = time.Now
		if _, err := New(o); err == nil {
			t.Errorf("%+v opens", o)
		}
	}
}

// Data that is too old is no data, and the lists go on.
func TestAtlasAges(t *testing.T) {
	c := &clock{at: t0}
	countries := put(t, "c.mmdb", database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"8.8.8.0/24": rich("NO")}))
	tor := put(t, "t.txt", []byte("8.8.8.8"))
	a := atlas(t, Options{Embedded: true, File: countries, Tor: tor, MaxAge: 45 * 24 * time.Hour, Now: c.now})
	ip := netip.MustParseAddr("8.8.8.8")
	expect := func(when string, place, network bool) {
		t.Helper()
		p, err := a.Places().Locate(ip)
		if p.Known != place || errors.Is(err, ErrOld) == place {
			t.Errorf("%s: %+v, %v", when, p, err)
		}
		n, err := a.Networks().Network(ip)
		if n.Known != network || errors.Is(err, ErrOld) == network || !n.Tor {
			t.Errorf("%s: %+v, %v", when, n, err)
		}
	}
	expect("new", true, true)
	c.advance(46 * 24 * time.Hour)
	expect("after 46 days", false, true)
	built, _, _ := Embedded()
	c.mu.Lock()
	c.at = built.Add(EmbeddedLimit + time.Second)
	c.mu.Unlock()
	expect("after 400 days", false, false)
	if got := a.Networks().Age(); got != EmbeddedLimit+time.Second {
		t.Errorf("the table is %v old", got)
	}
	if got, want := a.Places().Age(), c.now().Sub(t0); got != want {
		t.Errorf("the file is %v old", got)
	}
}

// The flags of the lists, by address and by system, with the list in the binary.
func TestAtlasFlags(t *testing.T) {
	a := atlas(t, Options{Embedded: true, Hosting: put(t, "h", []byte("203.0.113.0/25")), Anonymous: put(t, "a", []byte("AS15169\n203.0.113.1")),
		Tor: put(t, "t", []byte("203.0.113.2")), Mobile: put(t, "m", []byte("2001:db8::/32"))})
	for ip, want := range map[string]riskstep.Network{
		"203.0.113.1":   {Hosting: true, Anonymous: true},
		"203.0.113.2":   {Hosting: true, Tor: true},
		"203.0.113.200": {},
		"2001:db8::1":   {Mobile: true},
	} {
		if got, err := a.Networks().Network(netip.MustParseAddr(ip)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", ip, got, err)
		}
	}
	if n, err := a.Networks().Network(netip.MustParseAddr("8.8.8.8")); err != nil || !n.Hosting || !n.Anonymous || !n.Known {
		t.Errorf("%+v, %v", n, err)
	}
	only := atlas(t, Options{Tor: put(t, "t", []byte("203.0.113.2"))})
	if n, err := only.Networks().Network(netip.MustParseAddr("203.0.113.2")); !n.Tor || n.Known || err != nil {
		t.Errorf("a list alone: %+v, %v", n, err)
	}
}

func BenchmarkAtlas(b *testing.B) {
	a := atlas(b, Options{Embedded: true, Tor: put(b, "t", []byte("203.0.113.2"))})
	ips := spread4(4096)
	l, n := a.Places(), a.Networks()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_, _ = l.Locate(ips[i%len(ips)])
		_, _ = n.Network(ips[i%len(ips)])
		i++
	}
}
