package geo

import (
	"bytes"
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
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: typ, BuildEpoch: built.Unix(), RecordSize: 24, IncludeReservedNetworks: true})
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
	for _, b := range [][]byte{good, plain, good[1:], plain[:len(plain)-3], nil} {
		f.Add(b, uint16(0), byte(0))
	}
	for i := range 64 {
		f.Add(good, uint16(i*37), byte(255-i))
		f.Add(plain, uint16(i*31), byte(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, v byte) {
		if b = bytes.Clone(b); len(b) > 0 {
			b[int(at)%len(b)] ^= v
		}
		d, err := parse(b)
		if err != nil {
			return
		}
		db := &DB{now: func() time.Time { return t0 }}
		db.cur.Store(d)
		db.next.Store(t0.Add(time.Hour).UnixNano())
		for _, ip := range []string{"192.0.2.1", "2001:db8::1", "255.255.255.255", "::"} {
			p, err := db.Locate(netip.MustParseAddr(ip))
			if p.Known != (p.Country != "") || p.Known && !isCountry(p.Country) || err != nil && p.Known {
				t.Fatalf("%s: %+v, %v", ip, p, err)
			}
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	path := filepath.Join(b.TempDir(), "geo.mmdb")
	write(b, path, database(b, "GeoLite2-City", t0, map[string]mmdbtype.DataType{"192.0.2.0/24": rich("DE")}))
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
