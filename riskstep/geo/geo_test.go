package geo

import (
	"bytes"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/postern-id/postern/riskstep"
)

var t0 = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// rich is a record as MaxMind writes it, flatly as others do.
func rich(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("Somewhere")}}}
}

func flatly(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country_code": mmdbtype.String(code)}
}

// database makes a file of a type out of networks.
func database(t testing.TB, typ string, built time.Time, nets map[string]mmdbtype.DataType) []byte {
	t.Helper()
	return databaseOf(t, 6, typ, built, nets)
}

func databaseOf(t testing.TB, version int, typ string, built time.Time, nets map[string]mmdbtype.DataType) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{IPVersion: version, DatabaseType: typ, BuildEpoch: built.Unix(), RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, v := range nets {
		_, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// city is a record with a point, flatCity one of other makers.
func city(code string, lat, lon float64, km uint16) mmdbtype.DataType {
	r := rich(code).(mmdbtype.Map)
	r["city"] = mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Town")}}
	r["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(lat), "longitude": mmdbtype.Float64(lon), "time_zone": mmdbtype.String("UTC")}
	if km > 0 {
		r["location"].(mmdbtype.Map)["accuracy_radius"] = mmdbtype.Uint16(km)
	}
	return r
}

func flatCity(code string, lat, lon mmdbtype.DataType) mmdbtype.DataType {
	return mmdbtype.Map{"country_code": mmdbtype.String(code), "latitude": lat, "longitude": lon}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestLocate(t *testing.T) {
	for _, typ := range []struct {
		name   string
		record func(string) mmdbtype.DataType
	}{
		{"GeoLite2-Country", rich}, {"GeoLite2-City", rich}, {"GeoIP2-Enterprise", rich}, {"DBIP-Country-Lite", rich},
		{"country ipvAll", flatly}, {"iptoasn-country", flatly},
	} {
		t.Run(typ.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "geo.mmdb")
			write(t, path, database(t, typ.name, t0.Add(-24*time.Hour), map[string]mmdbtype.DataType{
				"192.0.2.0/24": typ.record("DE"), "198.51.100.0/24": typ.record("fr"), "2001:db8::/32": typ.record("NO"),
				"203.0.113.0/25": typ.record("None"), "203.0.113.128/25": typ.record(""),
			}))
			db, err := Open(path, func() time.Time { return t0 })
			if err != nil {
				t.Fatal(err)
			}
			if db.Age() != 24*time.Hour {
				t.Errorf("age %v", db.Age())
			}
			for ip, want := range map[string]string{
				"192.0.2.9": "DE", "::ffff:192.0.2.9": "DE", "198.51.100.1": "FR", "2001:db8::1": "NO", "2001:db8::1%eth0": "NO",
				"203.0.113.1": "", "203.0.113.200": "", "8.8.8.8": "", "::1": "", "fe80::1%eth0": "",
			} {
				got, err := db.Locate(netip.MustParseAddr(ip))
				if w := (riskstep.Place{Country: want, Known: want != ""}); err != nil || got != w {
					t.Errorf("%s: %+v, %v, want %+v", ip, got, err, w)
				}
			}
			if got, err := db.Locate(netip.Addr{}); err == nil && got.Known {
				t.Errorf("no address is in %v", got)
			}
		})
	}
}

// Where an address is, is kept to a tenth of a degree and ten km, and to nothing where the file says nothing.
func TestSpots(t *testing.T) {
	f32 := func(f float32) mmdbtype.DataType { return mmdbtype.Float32(f) }
	text := func(s string) mmdbtype.DataType { return mmdbtype.String(s) }
	for _, typ := range []struct {
		name   string
		cities bool
		nets   map[string]mmdbtype.DataType
		want   map[string]riskstep.Place
	}{
		{"GeoLite2-City", true, map[string]mmdbtype.DataType{
			"192.0.2.0/26": city("DE", 52.5243, 13.4105, 5), "192.0.2.64/26": city("BR", -23.5475, -46.6361, 200), "192.0.2.128/26": city("FR", 48.8566, 2.3522, 0),
			"192.0.2.192/26": rich("NO"), "198.51.100.0/26": city("GB", 51.5, 0.04, 1), "198.51.100.64/26": city("XX", 0, 0, 10), "198.51.100.128/26": city("DE", 91, 13, 5),
			"203.0.113.0/24": mmdbtype.Map{"location": mmdbtype.Map{"latitude": mmdbtype.Float64(1), "longitude": mmdbtype.Float64(1)}},
		}, map[string]riskstep.Place{
			"192.0.2.1":      {Country: "DE", Known: true, Spot: riskstep.Spot{Lat: 52.5, Lon: 13.4, Km: 13}},
			"192.0.2.65":     {Country: "BR", Known: true, Spot: riskstep.Spot{Lat: -23.5, Lon: -46.6, Km: 208}},
			"192.0.2.129":    {Country: "FR", Known: true, Spot: riskstep.Spot{Lat: 48.9, Lon: 2.4, Km: 58}},
			"192.0.2.193":    {Country: "NO", Known: true},
			"198.51.100.1":   {Country: "GB", Known: true, Spot: riskstep.Spot{Lat: 51.5, Km: 10}},
			"198.51.100.65":  {Country: "XX", Known: true},
			"198.51.100.129": {Country: "DE", Known: true},
			"203.0.113.1":    {},
			"8.8.8.8":        {},
		}},
		{"DBIP-Country-Lite", false, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE")},
			map[string]riskstep.Place{"192.0.2.1": {Country: "DE", Known: true}}},
		{"dbip-city-ipv4", true, map[string]mmdbtype.DataType{
			"192.0.2.0/26": flatCity("DE", f32(52.5243), f32(13.4105)), "192.0.2.64/26": flatCity("IS", text("64.1466"), text("-21.9426")),
			"192.0.2.128/26": flatCity("SE", text("north"), text("")), "192.0.2.192/26": flatly("NO"),
		}, map[string]riskstep.Place{
			"192.0.2.1":   {Country: "DE", Known: true, Spot: riskstep.Spot{Lat: 52.5, Lon: 13.4, Km: 58}},
			"192.0.2.65":  {Country: "IS", Known: true, Spot: riskstep.Spot{Lat: 64.1, Lon: -21.9, Km: 58}},
			"192.0.2.129": {Country: "SE", Known: true},
			"192.0.2.193": {Country: "NO", Known: true},
		}},
		{"iptoasn-country", false, map[string]mmdbtype.DataType{"192.0.2.0/24": flatly("DE")},
			map[string]riskstep.Place{"192.0.2.1": {Country: "DE", Known: true}}},
	} {
		t.Run(typ.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "geo.mmdb")
			write(t, path, database(t, typ.name, t0, typ.nets))
			db, err := Open(path, func() time.Time { return t0 })
			if err != nil {
				t.Fatal(err)
			}
			if db.Cities() != typ.cities {
				t.Errorf("cities %v", db.Cities())
			}
			for ip, want := range typ.want {
				if got, err := db.Locate(netip.MustParseAddr(ip)); err != nil || got != want {
					t.Errorf("%s: %+v, %v, want %+v", ip, got, err, want)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	good := database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE")})
	for name, b := range map[string][]byte{
		"empty":             {},
		"no database":       []byte("hello"),
		"half of one":       good[len(good)/2:][:len(good)/4],
		"without countries": database(t, "GeoLite2-ASN", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64496)}}),
		"flat without":      database(t, "asn ipv4", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": mmdbtype.Map{"asn": mmdbtype.Uint32(64496)}}),
		"flat and empty":    database(t, "country", t0, nil),
	} {
		path := filepath.Join(dir, "x")
		write(t, path, b)
		if _, err := Open(path, time.Now); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "nothing"), "/dev/zero"} {
		if _, err := Open(path, time.Now); err == nil {
			t.Errorf("%s: opened", path)
		}
	}
}

// A new file is used within half a minute; a bad one is reported, and the one before goes on.
func TestReload(t *testing.T) {
	c := &clock{at: t0}
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	write(t, path, database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE")}))
	db, err := Open(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when, want string, failed bool) {
		t.Helper()
		got, err := db.Locate(netip.MustParseAddr("192.0.2.1"))
		if err != nil || got.Country != want {
			t.Errorf("%s: %+v, %v, want %s", when, got, err, want)
		}
		if _, _, err := db.Status(); (err != nil) != failed {
			t.Errorf("%s: status %v", when, err)
		}
	}
	write(t, path, database(t, "country ipvAll", t0.Add(time.Hour), map[string]mmdbtype.DataType{"192.0.2.0/24": flatly("NO"), "198.51.100.0/24": flatly("SE")}))
	expect("at once", "DE", false)
	c.advance(checkEvery)
	expect("after half a minute", "NO", false)
	write(t, path, []byte("not a database"))
	c.advance(checkEvery)
	expect("a bad file", "NO", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.advance(checkEvery)
	expect("no file", "NO", true)
	write(t, path, database(t, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("IS")}))
	c.advance(checkEvery)
	expect("a good file again", "IS", false)
	c.advance(50 * 24 * time.Hour)
	if db.Age() < 50*24*time.Hour {
		t.Errorf("age %v", db.Age())
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				c.advance(checkEvery)
				if i == 0 {
					_ = os.Chtimes(path, time.Time{}, c.now())
				}
				_, _ = db.Locate(netip.MustParseAddr("192.0.2.1"))
			}
		})
	}
	wg.Wait()
}

// Whatever the bytes, opening and looking up never panic, and never yield what is no country.
func FuzzParse(f *testing.F) {
	good := database(f, "GeoLite2-Country", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE"), "2001:db8::/32": rich("NO")})
	plain := database(f, "country ipvAll", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": flatly("DE"), "2001:db8::/32": flatly("NO")})
	towns := database(f, "GeoLite2-City", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": city("DE", 52.5, 13.4, 20), "2001:db8::/32": city("NO", 59.9, 10.7, 5)})
	flats := database(f, "dbip-city", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": flatCity("DE", mmdbtype.Float32(52.5), mmdbtype.String("13.4"))})
	for _, b := range [][]byte{good, plain, towns, flats, good[1:], plain[:len(plain)-3], nil} {
		f.Add(b, uint16(0), byte(0))
	}
	for i := range 64 {
		f.Add(good, uint16(i*37), byte(255-i))
		f.Add(plain, uint16(i*31), byte(i))
		f.Add(towns, uint16(i*41), byte(i))
		f.Add(flats, uint16(i*29), byte(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, v byte) {
		if b = bytes.Clone(b); len(b) > 0 {
			b[int(at)%len(b)] ^= v
		}
		d, err := parse(b)
		if err != nil {
			return
		}
		w := &watched[*data]{now: func() time.Time { return t0 }}
		w.cur.Store(&reading[*data]{data: d})
		w.next.Store(t0.Add(time.Hour).UnixNano())
		db := &DB{file: w}
		for _, ip := range []string{"192.0.2.1", "2001:db8::1", "255.255.255.255", "::"} {
			n, err := db.Network(netip.MustParseAddr(ip))
			if n.Known != (n.ASN != 0) || n.Known && !n.Prefix.Contains(netip.MustParseAddr(ip)) || err != nil && n.Known || len(n.Org) > maxOrg {
				t.Fatalf("%s: %+v, %v", ip, n, err)
			}
			p, err := db.Locate(netip.MustParseAddr(ip))
			if p.Known != (p.Country != "") || p.Known && !isCountry(p.Country) || err != nil && p.Known ||
				p.Spot != (riskstep.Spot{}) && (!p.Known || p.Spot.Km < 10 || !(math.Abs(p.Spot.Lat) <= 90 && math.Abs(p.Spot.Lon) <= 180)) {
				t.Fatalf("%s: %+v, %v", ip, p, err)
			}
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	path := filepath.Join(b.TempDir(), "geo.mmdb")
	write(b, path, database(b, "GeoLite2-City", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": city("DE", 52.5, 13.4, 20)}))
	db, err := Open(path, func() time.Time { return t0 })
	if err != nil {
		b.Fatal(err)
	}
	ip := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		if p, _ := db.Locate(ip); !p.Known {
			b.Fatal("lost")
		}
	}
}

// A file of IPv4 brings the one of IPv6 beside it; without that addresses of IPv6 are not known.
func TestTwoFiles(t *testing.T) {
	dir := t.TempDir()
	four, six := filepath.Join(dir, "x-ipv4.mmdb"), filepath.Join(dir, "x-ipv6.mmdb")
	write(t, four, databaseOf(t, 4, "dbip-city", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": flatCity("DE", mmdbtype.Float32(52), mmdbtype.Float32(13))}))
	c := &clock{at: t0}
	expect := func(when, ip, want string, fails bool) {
		t.Helper()
		db, err := Open(four, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := db.Locate(netip.MustParseAddr(ip)); p.Country != want || (err != nil) != fails {
			t.Errorf("%s: %s: %+v, %v", when, ip, p, err)
		}
	}
	expect("alone", "192.0.2.1", "DE", false)
	expect("alone", "2001:db8::1", "", true)
	write(t, six, databaseOf(t, 6, "dbip-city", t0.Add(-time.Hour), map[string]mmdbtype.DataType{"2001:db8::/32": flatCity("NO", mmdbtype.Float32(60), mmdbtype.Float32(10))}))
	expect("with the other", "192.0.2.1", "DE", false)
	expect("with the other", "::ffff:192.0.2.1", "DE", false)
	expect("with the other", "2001:db8::1", "NO", false)
	if db, err := Open(four, c.now); err != nil || db.Age() != time.Hour {
		t.Errorf("%v, %v", db.Age(), err)
	}
	write(t, six, []byte("not one"))
	if _, err := Open(four, c.now); err == nil {
		t.Error("a damaged file of IPv6 opens")
	}
}
