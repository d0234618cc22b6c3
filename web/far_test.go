package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/riskstep/policy"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web"
	"github.com/postern-id/postern/web/webtest"
)

// atlas is a city database of a few addresses.
type atlas map[string]riskstep.Place

func (a atlas) Locate(ip netip.Addr) (riskstep.Place, error) { return a[ip.String()], nil }
func (a atlas) Age() time.Duration                           { return 0 }

func town(country string, lat, lon, km float64) riskstep.Place {
	return riskstep.Place{Country: country, Known: true, Spot: riskstep.NewSpot(lat, lon, km)}
}

const (
	berlin, potsdam, beijing, nice, sea, france = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"
)

// placed is a server behind a proxy that knows where addresses are.
func placed(t testing.TB) *webtest.Server {
	t.Helper()
	a := atlas{berlin: town("DE", 52.52, 13.405, 20), potsdam: town("DE", 52.39, 13.06, 20), beijing: town("CN", 39.90, 116.41, 50),
		nice: town("FR", 43.70, 7.27, 500), france: {Country: "FR", Known: true}}
	return shell(t, func(o *web.Options) {
		key := func() [][]byte { return [][]byte{[]byte(strings.Repeat("k", 32))} }
		conf := policy.DefaultConfig()
		conf.NewCountry, conf.NewDevice, conf.Mode = false, false, "shadow"
		rules, err := conf.Build()
		if err != nil {
			t.Fatal(err)
		}
		if o.Risk, err = riskstep.New(riskstep.Options{Store: o.Users.(riskstep.Store), Geo: a, Audit: o.Audit, Now: o.Now, Policy: rules, HashKey: key}); err != nil {
			t.Fatal(err)
		}
		if o.Sessions, err = sessions.New(sessions.Options{Store: o.Users.(sessions.Store), Audit: o.Audit, Now: o.Now, DeviceKey: key, Locate: o.Risk.Locate}); err != nil {
			t.Fatal(err)
		}
		o.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
}

// from is send by way of the proxy, from an address.
func from(s *webtest.Server, ip, method, path, cookie string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://id.example.com"+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-For", ip)
	r.Header.Set("Cookie", cookie)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

var tags = regexp.MustCompile(`<[^>]*>`)

// rows are what the list says of each session, without the tags.
func rows(page string) (out []string) {
	for _, row := range strings.Split(page, "<li><div>")[1:] {
		said, _, _ := strings.Cut(row, "</div>")
		out = append(out, strings.Join(strings.Fields(tags.ReplaceAllString(said, " ")), " "))
	}
	return out
}

// Who is signed in in several places sees how far they are from this one, as far as addresses tell.
func TestSessionsFar(t *testing.T) {
	s := placed(t)
	signIn := func(ip string) string {
		t.Helper()
		login := from(s, ip, http.MethodGet, "/login", "", nil)
		form := hiddenOf(login.Body.String())
		form.Set("identifier", "ann")
		form.Set("password", passphrase)
		w := from(s, ip, http.MethodPost, "/login", cookies("", login), form)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/account" {
			t.Fatalf("sign-in from %s: %d %s", ip, w.Code, w.Header().Get("Location"))
		}
		return cookies(cookies("", login), w)
	}
	list := func(ip, cookie string) (string, []string) {
		t.Helper()
		w := from(s, ip, http.MethodGet, "/account/sessions", cookie, nil)
		if w.Code != http.StatusOK {
			t.Fatalf("the page: %d", w.Code)
		}
		return w.Body.String(), rows(w.Body.String())
	}
	home := signIn(berlin)
	for _, c := range []struct {
		name, ip, want, not string
		dots                int
	}{
		{"far", beijing, "1 China · about 7,400 km away · Active now", "", 1},
		{"near", potsdam, "Germany · nearby · Active now", "Distance", 0},
		{"somewhere in a large circle", nice, "Distance from this device 1 France · about 1,000 km away", "", 1},
		{"a country only", france, "France · Active now", "km away", 0},
		{"nowhere", sea, "Unknown location · Active now", "km away", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := signIn(c.ip)
			page, said := list(berlin, home)
			if len(said) != 2 || !strings.HasPrefix(said[0], "Germany · Active now") {
				t.Fatalf("the list: %q", said)
			}
			if !strings.Contains(said[1], c.want) || c.not != "" && strings.Contains(said[1], c.not) {
				t.Errorf("the other session: %q, want %q", said[1], c.want)
			}
			if got := strings.Count(page, `class="dot"`); got != c.dots {
				t.Errorf("%d dots, want %d", got, c.dots)
			}
			if w := from(s, c.ip, http.MethodPost, "/account/sessions", home, url.Values{"csrf": hiddenOf(page)["csrf"], "others": {"1"}}); w.Code != http.StatusSeeOther {
				t.Fatalf("sign out: %d", w.Code)
			}
			if w := from(s, c.ip, http.MethodGet, "/account", other, nil); w.Code != http.StatusSeeOther {
				t.Fatalf("still signed in: %d", w.Code)
			}
		})
	}

	// A session that travels is where it was used last, and says where it came from.
	other := signIn(potsdam)
	s.Clock = s.Clock.Add(2 * time.Minute)
	from(s, beijing, http.MethodGet, "/account", other, nil)
	_, said := list(berlin, home)
	if len(said) != 2 || !strings.Contains(said[1], "China · about 7,400 km away") || !strings.Contains(said[1], "· Germany") {
		t.Errorf("after a journey: %q", said)
	}
	s.Clock = s.Clock.Add(2 * time.Minute)
	if _, said = list(sea, home); len(said) != 2 || strings.Contains(strings.Join(said, " "), "km away") {
		t.Errorf("from nowhere: %q", said)
	}
}
