package model

import "math"

// Nodes and weights of Gauss and Legendre's rule on [0,1].
var gauss = [...]struct{ at, weight float64 }{
	{0.0254460438286207, 0.0506142681451881}, {0.1292344072003028, 0.1111905172266872},
	{0.2970774243113014, 0.1568533229389437}, {0.5, 0.1813418916891810},
	{0.7029225756886985, 0.1568533229389437}, {0.8707655927996972, 0.1111905172266872}, {0.9745539561713792, 0.0506142681451881},
}

// explain returns L = ln Σ πₘ exp Σ_f xₘ,f over types m and signals f, what each signal has of it, and the
// posterior of the types.
//
// The parts are Aumann and Shapley's: signal f has ∫₀¹ Σ rₘ(s) xₘ,f ds, where r(s) is the posterior with all evidence
// scaled by s. They add up to L with nothing left over (the posterior-weighted sum leaves the divergence KL(r‖π)),
// depend on no order of signals, keep the sign on which all types agree, and give nothing to a signal that says
// nothing. What the quadrature misses is shared out in proportion.
func (m *Model) explain(a *assessment, parts *[signals]float64, posterior *[types]float64) float64 {
	var sums evidence
	for i := range a.found {
		sums.add(a.found[i].evidence)
	}
	total := m.posterior(&sums, 1, posterior)
	var mean [types]float64 // ∫ r
	for _, g := range gauss {
		var r [types]float64
		m.posterior(&sums, g.at, &r)
		for t := range r {
			mean[t] += g.weight * r[t]
		}
	}
	missed, size := total, 0.
	for i := range a.found {
		for t := range types {
			parts[i] += mean[t] * a.found[i].evidence[t]
		}
		missed -= parts[i]
		size += math.Abs(parts[i])
	}
	if size == 0 {
		return 0
	}
	for i := range parts {
		parts[i] += missed * math.Abs(parts[i]) / size
	}
	return total
}

// posterior fills r with the shares of the types, given their evidence scaled by s, and returns the logarithm of what
// they were divided by.
func (m *Model) posterior(sums *evidence, s float64, r *[types]float64) float64 {
	most := math.Inf(-1)
	for t := range r {
		r[t] = m.mixture[t] + s*sums[t]
		most = max(most, r[t])
	}
	all := 0.
	for t := range r {
		r[t] = math.Exp(r[t] - most)
		all += r[t]
	}
	for t := range r {
		r[t] /= all
	}
	return most + math.Log(all)
}
