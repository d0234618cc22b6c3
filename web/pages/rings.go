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
	R, Label int
	Text     string
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
)

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
			r, sin, cos := math.Max(radius(s.Far.Km), nearest), math.Sin(s.Far.Bearing*math.Pi/180), math.Cos(s.Far.Bearing*math.Pi/180)
			c.marks[s.ID] = &mark{No: c.at(r*sin, -r*cos), Km: w.number(km)}
		}
	}
	for _, km := range []int{100, 1000, 10_000} {
		r := int(math.Round(radius(float64(km))))
		c.Circles = append(c.Circles, circle{R: r, Label: r - 4, Text: w.c.T(w.l, "sess.km", w.number(km))})
	}
	return c
}

// at returns the number of the dot at a place: that of one which is there already, or of a new one.
func (c *chart) at(x, y float64) int {
	for _, d := range c.Dots {
		if math.Hypot(d.x-x, d.y-y) < touching {
			return d.No
		}
	}
	coord := func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
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
