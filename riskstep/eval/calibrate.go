package eval

import (
	"math"
	"slices"
)

// The world in which probabilities are checked: two attempts in a hundred are attacks, which is where the model starts, by
// these shares of attackers.
const prevalence = .02

var mixture = map[Attacker]float64{Naive: .70, VPN: .20, Targeted: .08, StolenCookie: .02}

// outcome is what one attempt was, and how many it stands for.
type outcome struct {
	score, weight float64
	attack        bool
}

// outcomes weights logins and attacks so that share of them are attacks.
func (s *Samples) outcomes(m int, share float64) []outcome {
	var out []outcome
	legit, victims := 0.0, 0.0
	for _, w := range s.owners {
		if returning(w) {
			legit++
		}
	}
	for _, w := range s.victims {
		if returning(w) {
			victims++
		}
	}
	for i, w := range s.owners {
		if returning(w) {
			out = append(out, outcome{float64(s.legit[m][i]), (1 - share) / legit, false})
		}
	}
	for a := range Attackers {
		for i, w := range s.victims {
			if returning(w) && mixture[a] > 0 {
				out = append(out, outcome{float64(s.attacks[a][m][i]), share * mixture[a] / victims, true})
			}
		}
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// platt fits ln(P/(1-P)) = scale·score + shift by Newton's method.
func platt(list []outcome) (scale, shift float64) {
	scale = 1
	for range 50 {
		var g0, g1, h00, h01, h11 float64
		for _, o := range list {
			p := sigmoid(scale*o.score + shift)
			y := yes(o.attack)
			d, c := o.weight*(p-y), o.weight*max(p*(1-p), 1e-12)
			g0, g1 = g0+d, g1+d*o.score
			h00, h01, h11 = h00+c, h01+c*o.score, h11+c*o.score*o.score
		}
		det := h00*h11 - h01*h01
		if det <= 0 {
			break
		}
		d0, d1 := (h11*g0-h01*g1)/det, (h00*g1-h01*g0)/det
		step := min(1, 1/max(math.Abs(d1), math.Abs(d0), 1e-9)) // far from the end Newton overshoots
		shift, scale = shift-step*d0, scale-step*d1
		if math.Abs(d0)+math.Abs(d1) < 1e-9 {
			break
		}
	}
	return scale, shift
}

// bin is what was said and what came, of attempts that scored alike.
type bin struct{ said, came, weight float64 }

// reliability sorts attempts into bins by the probability that p gives them: of equal width in P, or where even is false
// in its log-odds, which shows the small ones; those beyond one in a thousand lie together.
func reliability(list []outcome, p func(score float64) float64, even bool) []bin {
	sums := map[int]*bin{}
	for _, o := range list {
		q := p(o.score)
		k := min(int(q*15), 14)
		if !even {
			k = int(math.Floor(min(max(math.Log(q/(1-q)), -7), 7) / .75))
		}
		b := sums[k]
		if b == nil {
			b = &bin{}
			sums[k] = b
		}
		b.said, b.weight = b.said+q*o.weight, b.weight+o.weight
		b.came += yes(o.attack) * o.weight
	}
	var out []bin
	for _, b := range sums {
		out = append(out, bin{b.said / b.weight, b.came / b.weight, b.weight})
	}
	slices.SortFunc(out, func(a, b bin) int { return int(math.Copysign(1, a.said-b.said)) })
	return out
}

// ece is the expected calibration error over fifteen bins of equal width.
func ece(list []outcome, p func(score float64) float64) (e float64) {
	total := 0.0
	for _, b := range reliability(list, p, true) {
		e, total = e+b.weight*math.Abs(b.said-b.came), total+b.weight
	}
	return e / total
}
