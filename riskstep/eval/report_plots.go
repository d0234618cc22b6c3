package eval

// roc plots attacks caught against logins challenged.
func (r *report) roc() string {
	c := newChart(900, 760, "Share of attacks caught against share of legitimate logins challenged, for four attackers and five models")
	ax := axis{from: 1e-4, to: 1, log: true, ticks: []float64{1e-4, 1e-3, .01, .1, 1}, label: "legitimate logins challenged", percent: true}
	ay := axis{from: .9, to: 1, ticks: []float64{.9, .92, .94, .96, .98, 1}, label: "attacks caught", percent: true}
	s := r.main[0]
	for i, a := range []Attacker{Naive, VPN, Targeted, StolenCookie} {
		var curves []curve
		for m := range 5 {
			curves = append(curves, curve{style: m, points: s.points(m, a)})
		}
		var stars []star
		if tpr := s.caught(firstRule, a, 1); tpr >= .9 {
			stars = append(stars, star{s.challenged(firstRule, 1, returning), tpr, "country, agent, speed"})
		}
		c.panel(80+float64(i%2)*440, 50+float64(i/2)*350, 340, 250, a.String(), ax, ay, curves, stars, false)
	}
	c.legend(60, 742, 172, s.Names[:5]...)
	return c.String()
}

// reliabilityPlot plots what came against what was said.
func (r *report) reliabilityPlot() string {
	c := newChart(900, 420, "Share of attacks among attempts of each probability: as shipped, and fitted")
	ticks := []float64{1e-4, 1e-3, .01, .1, 1}
	ax := axis{from: 1e-4, to: 1, log: true, ticks: ticks, label: "probability of an attack, as said"}
	ay := axis{from: 1e-4, to: 1, log: true, ticks: ticks, label: "share of attacks, as it came"}
	total := 0.0
	for _, o := range r.held {
		total += o.weight
	}
	for i, p := range []func(float64) float64{sigmoid, r.fitted} {
		var points [][2]float64
		for _, b := range reliability(r.held, p, false) {
			if b.weight/total > 1e-5 && b.came >= ay.from && b.said >= ax.from {
				points = append(points, [2]float64{b.said, b.came})
			}
		}
		c.panel(80+float64(i)*440, 50, 340, 300, []string{"as shipped", "fitted on another world"}[i], ax, ay, []curve{{style: 0, points: points, dots: true}}, nil, true)
	}
	return c.String()
}
