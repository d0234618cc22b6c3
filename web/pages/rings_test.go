package pages

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-id/postern/web/locales"
)

// No distance is told more exactly than the places are known.
func TestRound(t *testing.T) {
	for _, c := range []struct {
		km, off float64
		want    int
	}{
		{0, 0, 0}, {49.9, 20, 0}, {54, 20, 50}, {54, 26, 50}, {97, 20, 100}, {99.9, 80, 100},
		{255, 10, 260}, {255, 26, 250}, {255, 60, 300}, {312, 20, 300}, {140, 90, 100},
		{4470, 90, 4500}, {4470, 200, 4500}, {4470, 400, 4500}, {4470, 600, 4000}, {7830, 26, 7800},
		{13_350, 26, 13_000}, {19_999, 26, 20_000}, {1e9, 0, 20_000}, {math.Inf(1), 0, 20_000},
	} {
		if got := round(c.km, c.off); got != c.want {
			t.Errorf("%v km, wrong by %v: %d, want %d", c.km, c.off, got, c.want)
		}
	}
}

// What the list and the chart say of sessions: a distance and a dot, nearby without a dot, or nothing.
func TestRings(t *testing.T) {
	r := newRenderer(t)
	say := func(l locales.Lang, far ...Far) string {
		v := Sessions{Account: account, Devices: []Device{{Name: "Chrome on Windows", Current: true, Sessions: []Session{{ID: "here", Current: true, Country: "CN"}}}}}
		for i, f := range far {
			s := Session{ID: string(rune('a' + i)), Country: "DE", From: "FR", CreatedAt: now, LastSeen: now, Far: f}
			v.Devices = append(v.Devices, Device{Name: "Firefox on Linux", Sessions: []Session{s}})
		}
		return render(t, r, Frame{Lang: l, Now: now}, v)
	}
	away := Far{Known: true, Km: 7360, Off: 26, Bearing: 305}
	for _, c := range []struct {
		name string
		lang locales.Lang
		far  []Far
		has  []string
		dots int
	}{
		{"away", locales.English, []Far{away}, []string{"Germany</b> · about 7,400 km away ·", "First seen 2026-11-23 · France", ">1,000 km</text>"}, 1},
		{"away in Chinese", locales.Chinese, []Far{away}, []string{"德国</b> · 相距约7400公里 ·", "· 法国", ">1000公里</text>"}, 1},
		{"nearby", locales.English, []Far{{Known: true}}, []string{"Germany</b> · nearby ·"}, 0},
		{"nearby in Chinese", locales.Chinese, []Far{{Known: true}}, []string{"德国</b> · 附近 ·"}, 0},
		{"not known", locales.English, []Far{{}}, []string{"Germany</b> · "}, 0},
		{"two in one town", locales.English, []Far{away, {Known: true, Km: 7355, Bearing: 304}, {Known: true, Km: 900, Bearing: 90}}, nil, 2},
		{"nonsense", locales.English, []Far{{Known: true, Km: math.NaN()}, {Known: true, Km: 900, Bearing: math.Inf(1)}}, nil, 0},
	} {
		page := say(c.lang, c.far...)
		for _, want := range c.has {
			if !strings.Contains(page, want) {
				t.Errorf("%s: without %q", c.name, want)
			}
		}
		if got := strings.Count(page, `class="dot"`); got != c.dots || (c.dots > 0) != strings.Contains(page, `class="panel rings"`) {
			t.Errorf("%s: %d dots, want %d", c.name, got, c.dots)
		}
		if !c.far[0].Known && (strings.Contains(page, "km away") || strings.Contains(page, "nearby")) {
			t.Errorf("%s: a distance that nobody knows", c.name)
		}
	}
}

// Where the dots are.
func TestLayout(t *testing.T) {
	w := english(t)
	if w.rings(Sessions{Devices: someSessions.Devices[:1]}) != nil {
		t.Error("a chart of one device")
	}
	at := func(km, bearing float64) Session {
		return Session{ID: "x", Far: Far{Known: true, Km: km, Bearing: bearing}}
	}
	tests := []struct {
		name string
		in   Session
		x, y string
		km   string
	}{
		{"north", at(1000, 0), "0.0", "-60.7", "1,000"},
		{"east", at(1000, 90), "60.7", "0.0", "1,000"},
		{"the other side", at(20_000, 180), "0.0", "100.0", "20,000"},
		{"farther than the earth", at(1e9, 180), "0.0", "100.0", "20,000"},
		{"near", at(60, 90), "25.6", "0.0", "60"},
		{"rounded", at(4567, 180), "0.0", "80.6", "4,600"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := w.layout(Sessions{Devices: []Device{{Sessions: []Session{tt.in}}}})
			if len(c.Dots) != 1 || c.Dots[0].X != tt.x || c.Dots[0].Y != tt.y || c.marks["x"].Km != tt.km {
				t.Errorf("got %+v %+v", c.Dots, c.marks["x"])
			}
		})
	}
	for _, km := range []float64{-5, 0, 49} {
		if c := w.layout(Sessions{Devices: []Device{{Sessions: []Session{at(km, 90)}}}}); len(c.Dots) != 0 || *c.marks["x"] != (mark{}) {
			t.Errorf("a dot for %v km: %+v", km, c.Dots)
		}
	}
	c := w.layout(Sessions{Devices: []Device{{Sessions: []Session{at(1000, 180), {ID: "y", Far: Far{Known: true, Km: 9000, Bearing: 152}}}}}})
	for _, l := range c.Circles {
		for _, d := range c.Dots {
			x, _ := strconv.ParseFloat(l.X, 64)
			y, _ := strconv.ParseFloat(l.Y, 64)
			if math.Abs(x-d.x) < 30 && math.Abs(y-d.y) < 12 {
				t.Errorf("%q at %v %v lies under dot %d at %v %v", l.Text, x, y, d.No, d.x, d.y)
			}
		}
	}
	two := Sessions{Devices: []Device{{Sessions: []Session{at(1000, 10), {ID: "y", Far: Far{Known: true, Km: 1010, Bearing: 11}}, {ID: "z", Far: Far{Known: true, Km: 1000, Bearing: 200}},
		{ID: "n", Far: Far{Known: true, Km: math.NaN()}}, {ID: "i", Far: Far{Known: true, Bearing: math.Inf(1)}}}}}}
	c = w.layout(two)
	if len(c.Dots) != 2 || c.marks["x"].No != 1 || c.marks["y"].No != 1 || c.marks["z"].No != 2 || len(c.marks) != 3 {
		t.Errorf("got %+v %+v", c.Dots, c.marks)
	}
}
