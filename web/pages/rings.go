package pages

import (
	"math"
	"strconv"

	"github.com/postern-id/postern/web/locales"
)

// chart shows how far away sessions are, without a map: direction, and distance on a scale of logarithms.
type chart struct {
	Circles []circle
	Dots    []dot
	marks   map[string]*mark // by session
}

type circle struct {
	R    int
	X, Y string // of its text
	Text string
}

type dot struct {
	X, Y string
	No   int
	x, y float64
}

// mark is what the list says of a session whose distance is known.
type mark struct {
	No int    // of its dot; 0 for one that is too near for a dot: it has a distance, but no direction
	Km string // "" where it is too near to tell
}

const (
	chartRadius = 100.0
	farthest    = 20_000.0 // km: half around the earth
	nearest     = 18.0     // no dot is nearer to the middle, where this session stands
	touching    = 14.0     // dots nearer to each other than this are one

	besideLabel, aboveLabel = 33.0, 14.0 // how far the middle of a dot keeps from that of a text
)

// labelled are the bearings where the texts of the circles may stand, on the circles themselves; those to the east and
// the west would run into each other.
var labelled = []float64{180, 150, 210, 135, 225, 120, 240, 60, 300, 45, 315, 30, 330}

// radius is linear up to some ten km and then a logarithm, so that a suburb and a continent both find room.
func radius(km float64) float64 {
	km = math.Min(math.Max(km, 0), farthest)
	return chartRadius * math.Log1p(km/10) / math.Log1p(farthest/10)
}

func (w words) layout(v Sessions) *chart {
	c := &chart{marks: map[string]*mark{}}
	for _, d := range v.Devices {
		for _, s := range d.Sessions {
			if s.Current || !s.Far.Known || math.IsNaN(s.Far.Km) || math.IsNaN(s.Far.Bearing) || math.IsInf(s.Far.Bearing, 0) {
				continue
			}
			km := round(s.Far.Km, s.Far.Off)
			if km == 0 {
				c.marks[s.ID] = &mark{}
				continue
			}
			c.marks[s.ID] = &mark{No: c.at(toward(s.Far.Bearing, math.Max(radius(s.Far.Km), nearest))), Km: w.number(km)}
		}
	}
	circles := []int{100, 1000, 10_000}
	clear := c.clearest(circles)
	for _, km := range circles {
		r := radius(float64(km))
		x, y := toward(clear, r)
		c.Circles = append(c.Circles, circle{R: int(math.Round(r)), X: coord(x), Y: coord(y), Text: w.c.T(w.l, "sess.km", w.number(km))})
	}
	return c
}

// clearest is the first bearing at which the texts of the circles cover the fewest dots.
func (c *chart) clearest(circles []int) (best float64) {
	least := len(c.Dots) + 1
	for _, bearing := range labelled {
		covered := 0
		for _, km := range circles {
			x, y := toward(bearing, radius(float64(km)))
			for _, d := range c.Dots {
				if math.Abs(d.x-x) < besideLabel && math.Abs(d.y-y) < aboveLabel {
					covered++
				}
			}
		}
		if covered < least {
			best, least = bearing, covered
		}
	}
	return best
}

// toward is the point at r from the middle in a direction; y grows downwards.
func toward(bearing, r float64) (x, y float64) {
	sin, cos := math.Sincos(bearing * math.Pi / 180)
	return r * sin, -r * cos
}

func coord(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10+0, 'f', 1, 64) } // + 0: there is no -0

// at returns the number of the dot at a place: that of one which is there already, or of a new one.
func (c *chart) at(x, y float64) int {
	for _, d := range c.Dots {
		if math.Hypot(d.x-x, d.y-y) < touching {
			return d.No
		}
	}
	c.Dots = append(c.Dots, dot{coord(x), coord(y), len(c.Dots) + 1, x, y})
	return len(c.Dots)
}

// rings returns the chart of v; nil where it would show nothing.
func (w words) rings(v Sessions) *chart {
	if c := w.layout(v); len(c.Dots) > 0 {
		return c
	}
	return nil
}

func (w words) far(v Sessions) map[string]*mark { return w.layout(v).marks }

// round is km as places can tell: with two digits that count, or with one where it may be wrong by more than the second
// says; 0 below what an address can tell.
func round(km, off float64) int {
	if km < 50 {
		return 0
	}
	km = math.Min(km, farthest)
	digit := math.Pow(10, math.Floor(math.Log10(km)))
	unit := math.Max(digit/10, 10)
	for _, coarser := range []float64{digit / 2, digit} {
		if off > unit {
			unit = math.Max(coarser, 10)
		}
	}
	return int(math.Max(math.Round(km/unit)*unit, unit))
}

// number is n with the separators of the language.
func (w words) number(n int) string {
	s := strconv.Itoa(n)
	if w.l != locales.Chinese && n >= 1000 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
