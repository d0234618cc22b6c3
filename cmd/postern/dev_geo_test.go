package main

import (
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// geoFile makes a database of the documentation networks (RFC 5737): Berlin, Beijing and Sao Paulo. One of type
// GeoLite2-City has their places, any other their countries.
func geoFile(t *testing.T, typ string) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: typ, BuildEpoch: time.Now().Unix(), RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []struct {
		network, country string
		lat, lon         float64
	}{{"192.0.2.0/24", "DE", 52.52, 13.405}, {"198.51.100.0/24", "CN", 39.9042, 116.4074}, {"203.0.113.0/24", "BR", -23.5505, -46.6333}} {
		record := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(n.country)}}
		if typ == "GeoLite2-City" {
			record["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(n.lat), "longitude": mmdbtype.Float64(n.lon), "accuracy_radius": mmdbtype.Uint16(20)}
		}
		_, network, err := net.ParseCIDR(n.network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "geo.mmdb"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// traveller is a browser behind a proxy that says where it is.
type traveller struct {
	*http.Client
	from string
}

func (b traveller) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Forwarded-For", b.from)
	return http.DefaultTransport.RoundTrip(r)
}

// With a city database, who is signed in in two places sees how far they are from each other.
func TestDevGeo(t *testing.T) {
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	write(t, seed, "users:\n  - {username: ann, password: umbrella glacier tuesday}\n")
	for _, tc := range []struct{ typ, want, not string }{{"GeoLite2-City", "about 10,000 km away", ""}, {"GeoLite2-Country", "Brazil", "km away"}} {
		r, _ := startDev(t, "--seed", seed, "--geo", geoFile(t, tc.typ))
		page := ""
		for _, from := range []string{"203.0.113.1", "192.0.2.1"} {
			b := traveller{from: from}
			jar, _ := cookiejar.New(nil)
			b.Client = &http.Client{Jar: jar, Transport: b}
			login := read(t, b.Client, r.Issuer+"/login")
			form := url.Values{"identifier": {"ann"}, "password": {"umbrella glacier tuesday"}}
			for _, m := range hidden.FindAllStringSubmatch(login, -1) {
				form.Set(m[1], html.UnescapeString(m[2]))
			}
			req, _ := http.NewRequest("POST", r.Issuer+"/login", strings.NewReader(form.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Sec-Fetch-Site", "same-origin")
			res, err := b.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			page = read(t, b.Client, r.Issuer+"/account/sessions")
		}
		if !strings.Contains(page, tc.want) || tc.not != "" && strings.Contains(page, tc.not) {
			t.Errorf("%s: no %q, or %q, in %s", tc.typ, tc.want, tc.not, page)
		}
	}
}

func read(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
