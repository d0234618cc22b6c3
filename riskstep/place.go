package riskstep

import (
	"math"
	"net/netip"
	"time"
)

// Place is where an address is, as far as it is known.
type Place struct {
	Country string // ISO 3166-1 alpha-2, upper case; "" if unknown
	Spot    Spot   // zero where the data knows countries only
	Known   bool   // the address was found
	Local   bool   // a private, loopback or link-local address: it has no country
}

// Locator finds places; riskstep/geo is one. Nil where none is configured.
type Locator interface {
	// Locate returns the place of ip; the zero Place where the data does not have it, an error where there is no data.
	Locate(ip netip.Addr) (Place, error)
	// Age is how old the data is.
	Age() time.Duration
}

// Spot is a circle on the earth in which an address is likely to be. Whatever the data claims to know, it is no finer
// than a tenth of a degree and ten kilometres: enough to tell two cities apart, too little to find a house.
type Spot struct {
	Lat float64 `json:"lat"` // degrees north of the equator, one decimal
	Lon float64 `json:"lon"` // degrees east of Greenwich, one decimal
	Km  int     `json:"km"`  // the radius, at least 10; 0: nothing is known
}

const (
	earth    = 6371.0088 // km, the mean radius
	minSpot  = 10        // km
	maxSpot  = 20_000    // km: anywhere
	coarsens = 8         // km: how far rounding to a tenth of a degree moves a point at most
)

// NewSpot returns the circle of km around a point, made coarse; the zero Spot for what is no point on the earth, and for
// exactly 0, 0, which is how data says that it does not know.
func NewSpot(lat, lon, km float64) Spot {
	if !(math.Abs(lat) <= 90 && math.Abs(lon) <= 180 && km >= 0) || lat == 0 && lon == 0 {
		return Spot{}
	}
	tenth := func(f float64) float64 { return math.Round(f*10)/10 + 0 } // + 0: there is no -0
	return Spot{Lat: tenth(lat), Lon: tenth(lon), Km: int(min(max(math.Ceil(km)+coarsens, minSpot), maxSpot))}
}

// Known says whether s is a place at all.
func (s Spot) Known() bool { return s.Km > 0 }

// To returns how far the middle of t is from that of s along a great circle, in km, and in which direction one leaves s:
// degrees clockwise from north, in [0, 360). The distance is good to half a percent, as the earth is no sphere.
func (s Spot) To(t Spot) (km, bearing float64) {
	rad := func(deg float64) float64 { return deg * math.Pi / 180 }
	lat1, lat2, dLon := rad(s.Lat), rad(t.Lat), rad(t.Lon-s.Lon)
	sin1, cos1 := math.Sincos(lat1)
	sin2, cos2 := math.Sincos(lat2)
	sinD, cosD := math.Sincos(dLon)
	// The atan2 form holds for neighbours and antipodes, where those of arc cosine and haversine lose their digits.
	y, x := cos2*sinD, cos1*sin2-sin1*cos2*cosD
	km = earth * math.Atan2(math.Hypot(y, x), sin1*sin2+cos1*cos2*cosD)
	if bearing = math.Atan2(y, x) * 180 / math.Pi; bearing < 0 {
		bearing += 360
	}
	return km, math.Mod(bearing, 360)
}

// Locate returns the place of ip as decisions take it: one that cannot be relied on is not known.
func (e *Engine) Locate(ip netip.Addr) Place {
	p, _ := e.locate(ip)
	return p
}
