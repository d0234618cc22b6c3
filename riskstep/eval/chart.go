package eval

import (
	"fmt"
	"math"
	"strings"
)

// chart writes plots as SVG that reads on light and on dark pages. Lines differ in dashes too, not in colour alone.
type chart struct {
	b             strings.Builder
	width, height int
}

// axis maps values to pixels.
type axis struct {
	from, to float64
	log      bool
	ticks    []float64
	label    string
	percent  bool
}

// curve is one line of a panel.
type curve struct {
	style  int // 0 to 4
	points [][2]float64
	dots   bool // points are drawn, not only joined
}

// star is a single point with a name.
type star struct {
	x, y float64
	name string
}

const chartStyle = `<style>
 text{fill:#15191e}.m{fill:#525c68}.g{stroke:#d3d9e0}.f{stroke:#76828f;fill:none}.n{stroke:#76828f;stroke-dasharray:2 3}
 path.c{fill:none;stroke-width:2}.s0{stroke:#0b5d66}.s1{stroke:#0b5d66;stroke-dasharray:7 4}.s2{stroke:#7a3ea8}.s3{stroke:#b3500b;stroke-dasharray:2 3}.s4{stroke:#76828f;stroke-dasharray:9 3 2 3}
 circle.s0,circle.s1,circle.s2,circle.s3,circle.s4{stroke-dasharray:none;stroke-width:1.5;fill:#ffffff}.x{fill:#15191e}.bg{fill:#ffffff}
 @media (prefers-color-scheme:dark){text{fill:#e7eaee}.m{fill:#a5afba}.g{stroke:#2c343d}.f{stroke:#7c8895}.n{stroke:#7c8895}.s0,.s1{stroke:#6fcbd3}.s2{stroke:#c79bea}.s3{stroke:#f2a65e}.s4{stroke:#a5afba}
 circle.s0,circle.s1,circle.s2,circle.s3,circle.s4{fill:#0e1216}.x{fill:#e7eaee}.bg{fill:#0e1216}}
</style>
`

func newChart(width, height int, title string) *chart {
	c := &chart{width: width, height: height}
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="%s">`+"\n", width, height, escape(title))
	c.b.WriteString(chartStyle)
	fmt.Fprintf(&c.b, `<rect class="bg" width="%d" height="%d"/>`+"\n", width, height)
	return c
}

func (c *chart) String() string { return c.b.String() + "</svg>\n" }

func (c *chart) text(x, y float64, class, anchor, s string) {
	fmt.Fprintf(&c.b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escape(s))
}

// place is where v stands between pixels a and b; what lies outside is put onto the edge.
func (a *axis) place(v, from, to float64) float64 {
	lo, hi := a.from, a.to
	v = min(max(v, lo), hi)
	if a.log {
		v, lo, hi = math.Log(v), math.Log(lo), math.Log(hi)
	}
	return from + (to-from)*(v-lo)/(hi-lo)
}

func (a *axis) name(v float64) string {
	if a.percent {
		return fmt.Sprintf("%.4g %%", 100*v)
	}
	return fmt.Sprintf("%.4g", v)
}

// panel draws one plot in the rectangle from x, y.
func (c *chart) panel(x, y, w, h float64, title string, ax, ay axis, curves []curve, stars []star, diagonal bool) {
	fmt.Fprintf(&c.b, `<text x="%.1f" y="%.1f" font-weight="600">%s</text>`+"\n", x, y-8, escape(title))
	for _, v := range ax.ticks {
		px := ax.place(v, x, x+w)
		fmt.Fprintf(&c.b, `<path class="g" d="M%.1f %.1fv%.1f"/>`, px, y, h)
		c.text(px, y+h+15, "m", "middle", ax.name(v))
	}
	for _, v := range ay.ticks {
		py := ay.place(v, y+h, y)
		fmt.Fprintf(&c.b, `<path class="g" d="M%.1f %.1fh%.1f"/>`, x, py, w)
		c.text(x-6, py+4, "m", "end", ay.name(v))
	}
	fmt.Fprintf(&c.b, `<rect class="f" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n", x, y, w, h)
	c.text(x+w/2, y+h+31, "m", "middle", ax.label)
	fmt.Fprintf(&c.b, `<text class="m" text-anchor="middle" transform="translate(%.1f %.1f) rotate(-90)">%s</text>`+"\n", x-50, y+h/2, escape(ay.label))
	if diagonal {
		fmt.Fprintf(&c.b, `<path class="n" d="M%.1f %.1fL%.1f %.1f"/>`+"\n", x, y+h, x+w, y)
	}
	for _, l := range curves {
		var d strings.Builder
		for i, p := range l.points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], ax.place(p[0], x, x+w), ay.place(p[1], y+h, y))
		}
		fmt.Fprintf(&c.b, `<path class="c s%d" d="%s"/>`+"\n", l.style, d.String())
		for _, p := range l.points {
			if l.dots {
				fmt.Fprintf(&c.b, `<circle class="s%d" cx="%.1f" cy="%.1f" r="3.5"/>`, l.style, ax.place(p[0], x, x+w), ay.place(p[1], y+h, y))
			}
		}
	}
	for _, s := range stars {
		px, py := ax.place(s.x, x, x+w), ay.place(s.y, y+h, y)
		fmt.Fprintf(&c.b, `<path class="x" d="M%.1f %.1fl1.8 4.2 4.5.4-3.4 3 1 4.4-3.9-2.3-3.9 2.3 1-4.4-3.4-3 4.5-.4z"/>`, px, py-6)
		c.text(px, py+18, "m", "middle", s.name)
	}
}

// legend explains curves, in a row from x, y.
func (c *chart) legend(x, y, step float64, names ...string) {
	for i, n := range names {
		at := x + float64(i)*step
		fmt.Fprintf(&c.b, `<path class="c s%d" d="M%.1f %.1fh26"/>`, i, at, y-4)
		c.text(at+32, y, "", "start", n)
	}
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
