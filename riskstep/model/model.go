package model

import "math"

// Model is the parameters. Immutable.
type Model struct {
	mixture evidence // ln of the share of each type of attacker
	scale   float64  // Platt's a: signals are not quite independent, so that the sum is over-confident
	shift   float64  // Platt's b, with the base rate of attacks
}

// Default returns the model that is shipped.
func Default() *Model {
	return &Model{mixture: evidence{math.Log(.85), math.Log(.10), math.Log(.04), math.Log(.01)}, scale: .745, shift: -2.1}
}

// Calibrated returns the model with another calibration: ln(P/(1-P)) = scale·L + shift. A scale that is not positive is
// kept from m, as order must not turn.
func (m *Model) Calibrated(scale, shift float64) *Model {
	c := *m
	if scale > 0 && !math.IsInf(scale, 0) {
		c.scale = scale
	}
	if !math.IsNaN(shift) && !math.IsInf(shift, 0) {
		c.shift = shift
	}
	return &c
}

// maxScore keeps P away from 0 and 1.
const maxScore = 30

// Score judges l against what is known of the person and the tenant.
func (m *Model) Score(r *Ring, t *Tables, h *Hasher, l *Login, p Pressure) Result {
	a := assessment{ring: r, tables: t, login: l}
	a.look(r, h, l)
	return m.score(&a, p)
}

func (m *Model) score(a *assessment, p Pressure) Result {
	a.found[fNetwork] = a.network()
	a.found[fDevice] = a.device()
	a.found[fKey] = a.key()
	a.found[fAgent] = a.agent()
	a.found[fJA4] = a.handshake()
	a.found[fTravel] = a.travel()
	a.found[fHosting] = a.hosting()
	a.found[fTime] = a.hours()
	a.bind()
	a.overlap()

	out := Result{Prior: m.shift, Reasons: make([]Contribution, 0, signals+2)}
	var parts [signals]float64
	total := m.explain(a, &parts, &out.Types)
	for i := range a.found {
		f := &a.found[i]
		out.Novel |= f.novel
		if f.level != "" {
			out.Reasons = append(out.Reasons, Contribution{names[i], m.scale * parts[i] / math.Ln2, f.level})
		}
	}
	out.Score = m.shift + m.scale*total
	if x := p.total(); x > 0 {
		out.Reasons = append(out.Reasons, Contribution{"velocity", x / math.Ln2, p.level()})
		out.Score += x
	}
	if x, level := a.credential(); x > 0 {
		out.Reasons = append(out.Reasons, Contribution{"credential", x / math.Ln2, level})
		out.Score += x
	}
	s := min(max(out.Score, -maxScore), maxScore)
	out.P = 1 / (1 + math.Exp(-s))
	return out
}
