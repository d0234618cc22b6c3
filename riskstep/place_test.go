package riskstep_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/riskstep"
)

var (
	berlin     = riskstep.NewSpot(52.5200, 13.4050, 5)
	hamburg    = riskstep.NewSpot(53.5511, 9.9937, 5)
	singapore  = riskstep.NewSpot(1.3521, 103.8198, 5)
	beijing    = riskstep.NewSpot(39.9042, 116.4074, 5)
	newYork    = riskstep.NewSpot(40.7128, -74.0060, 5)
	london     = riskstep.NewSpot(51.5074, -0.1278, 5)
	sydney     = riskstep.NewSpot(-33.8688, 151.2093, 5)
	saoPaulo   = riskstep.NewSpot(-23.5505, -46.6333, 5)
	tokyo      = riskstep.NewSpot(35.6762, 139.6503, 5)
	losAngeles = riskstep.NewSpot(34.0522, -118.2437, 5)
)

// Distances and first courses of well-known pairs, from tables of great circles.
func TestTo(t *testing.T) {
	for _, c := range []struct {
		name        string
		from, to    riskstep.Spot
		km, bearing float64
	}{
		{"Berlin to Hamburg", berlin, hamburg, 255, 299},
		{"Berlin to Beijing", berlin, beijing, 7359, 55},
		{"Singapore to Beijing", singapore, beijing, 4465, 15},
		{"London to New York", london, newYork, 5570, 288},
		{"New York to London", newYork, london, 5570, 51},
		{"Sydney to Sao Paulo", sydney, saoPaulo, 13_358, 161},
		{"Tokyo to Los Angeles, over the date line", tokyo, losAngeles, 8815, 55},
		{"nowhere else", berlin, berlin, 0, 0},
		{"a step over the date line", riskstep.NewSpot(10, 179.9, 1), riskstep.NewSpot(10, -179.9, 1), 22, 90},
		{"from the pole", riskstep.NewSpot(90, 0, 1), riskstep.NewSpot(0, 90, 1), 10_008, 90},
		{"almost to the other side", riskstep.NewSpot(0, 10, 1), riskstep.NewSpot(0, -170.1, 1), 20_004, 90},
	} {
		km, bearing := c.from.To(c.to)
		if math.Abs(km-c.km) > max(10, c.km/200) || math.Abs(bearing-c.bearing) > 2 {
			t.Errorf("%s: %.0f km at %.0f°, want %.0f km at %.0f°", c.name, km, bearing, c.km, c.bearing)
		}
	}
}

func TestNewSpot(t *testing.T) {
	for _, c := range []struct {
		name         string
		lat, lon, km float64
		want         riskstep.Spot
	}{
		{"rounded", 52.5243, 13.4505, 20, riskstep.Spot{Lat: 52.5, Lon: 13.5, Km: 28}},
		{"no finer than ten km", 52.5, 13.4, 0, riskstep.Spot{Lat: 52.5, Lon: 13.4, Km: 10}},
		{"no minus nought", -0.04, -13.4, 5, riskstep.Spot{Lon: -13.4, Km: 13}},
		{"anywhere", 1, 1, math.Inf(1), riskstep.Spot{Lat: 1, Lon: 1, Km: 20_000}},
		{"not known", 0, 0, 20, riskstep.Spot{}},
		{"no latitude", 90.1, 0, 20, riskstep.Spot{}},
		{"no longitude", 1, -180.1, 20, riskstep.Spot{}},
		{"no number", math.NaN(), 1, 20, riskstep.Spot{}},
		{"no radius", 1, 1, -1, riskstep.Spot{}},
		{"no radius either", 1, 1, math.NaN(), riskstep.Spot{}},
	} {
		if got := riskstep.NewSpot(c.lat, c.lon, c.km); got != c.want || math.Signbit(got.Lat) != (c.want.Lat < 0) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// It is as far there as back; who goes that far in that direction arrives; and the circle holds the point that was
// rounded away.
func TestSpotLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lat, lon := rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lon")
		a := riskstep.NewSpot(lat, lon, rapid.Float64Range(0, 1000).Draw(t, "km"))
		b := riskstep.NewSpot(rapid.Float64Range(-90, 90).Draw(t, "lat 2"), rapid.Float64Range(-180, 180).Draw(t, "lon 2"), 5)
		km, bearing := a.To(b)
		back, course := b.To(a)
		if math.Abs(km-back) > 1e-6 {
			t.Fatalf("%v km there, %v back", km, back)
		}
		for _, c := range []float64{bearing, course} {
			if !(0 <= c && c < 360) {
				t.Fatalf("course %v", c)
			}
		}
		if !(0 <= km && km <= 20_016) {
			t.Fatalf("%v km", km)
		}
		if off, _ := arrive(a, km, bearing).To(b); math.Abs(a.Lat) < 90 && off > 1e-3 { // at a pole every course is the same one
			t.Fatalf("%v km from the goal", off)
		}
		if off, _ := a.To(riskstep.Spot{Lat: lat, Lon: lon}); a.Known() && off > float64(a.Km) {
			t.Fatalf("%v km from %+v", off, a)
		}
	})
}

// arrive is where one comes who leaves s in a direction and goes km along a great circle.
func arrive(s riskstep.Spot, km, bearing float64) riskstep.Spot {
	rad := math.Pi / 180
	d, lat, course := km/6371.0088, s.Lat*rad, bearing*rad
	to := math.Asin(max(-1, min(1, math.Sin(lat)*math.Cos(d)+math.Cos(lat)*math.Sin(d)*math.Cos(course))))
	lon := math.Atan2(math.Sin(course)*math.Sin(d)*math.Cos(lat), math.Cos(d)-math.Sin(lat)*math.Sin(to))
	return riskstep.Spot{Lat: to / rad, Lon: s.Lon + lon/rad}
}

// What a decision would not rely on is no place for anybody else.
func TestEngineLocate(t *testing.T) {
	d := newDesk(t, nil)
	for ip, want := range map[string]riskstep.Place{
		inDE: {Country: "DE", Known: true}, "::ffff:" + inDE: {Country: "DE", Known: true}, nowhere: {}, office: {Local: true}, "127.0.0.1": {Local: true},
	} {
		if got := d.Locate(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %+v, want %+v", ip, got, want)
		}
	}
	if got := d.Locate(netip.Addr{}); got != (riskstep.Place{}) {
		t.Errorf("no address: %+v", got)
	}
	d.atlas.age = 365 * 24 * time.Hour
	if got := d.Locate(netip.MustParseAddr(inDE)); got != (riskstep.Place{}) {
		t.Errorf("old data: %+v", got)
	}
}
