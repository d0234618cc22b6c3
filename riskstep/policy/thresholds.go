package policy

import "math"

// Thresholds are probabilities of an attack from which something is asked (StepUp), or nothing is given (Deny; 1 is never).
type Thresholds struct {
	StepUp float64 `yaml:"step_up" json:"step_up" min:"0" max:"1" doc:"From this probability of an attack on, a second factor is asked for."`
	Deny   float64 `yaml:"deny" json:"deny" min:"0" max:"1" doc:"From this probability on, nobody is let in; 1 is never. Whoever can prove more should be asked to instead."`
}

// DefaultThresholds are those of a server that knows nothing of its people yet.
// In the made-up world of docs/RISK-REPORT.md one legitimate sign-in in fifty reaches the threshold, and more than nine in ten
// targeted attacks do. The model is calibrated for four attacks in a hundred sign-ins, far more than most servers see, so
// that most first sign-ins, of which nothing is known, stay below.
func DefaultThresholds() Thresholds { return Thresholds{StepUp: MediumFrom, Deny: 1} }

// Where levels begin. Medium begins just above what is said of a sign-in of which nothing is known, high where an attack is likelier than
// not.
const (
	MediumFrom = 0.12
	HighFrom   = 0.5
)

// LevelOf names p: "low" below MediumFrom, "high" from HighFrom on, "medium" between. What is no number is high.
func LevelOf(p float64) string {
	switch {
	case p < MediumFrom:
		return "low"
	case p < HighFrom:
		return "medium"
	}
	return "high"
}

// FromCosts returns the thresholds at which what is done costs least: friction F is what a challenge costs a legitimate
// person, takeover C what a successful attack costs, lockout K what it costs to refuse a legitimate person, all in one
// unit; efficacy b is the share of attacks that a challenge stops. A challenge pays at odds above F/(bC); to refuse pays
// at odds above both (K-F)/((1-b)C) and K/C, with b = 1 never. What is no cost gives DefaultThresholds.
func FromCosts(friction, takeover, lockout, efficacy float64) Thresholds {
	for _, x := range []float64{friction, takeover, lockout, efficacy} {
		if !(x >= 0) || math.IsInf(x, 1) {
			return DefaultThresholds()
		}
	}
	if takeover == 0 || efficacy > 1 {
		return DefaultThresholds()
	}
	return Thresholds{
		StepUp: ofOdds(friction, efficacy*takeover),
		Deny:   max(ofOdds(lockout-friction, (1-efficacy)*takeover), ofOdds(lockout, takeover)),
	}
}

// ofOdds is the probability whose odds are a/b: 0 where a is not positive, 1 where b is not.
func ofOdds(a, b float64) float64 {
	switch {
	case b <= 0:
		return 1
	case a <= 0:
		return 0
	}
	return a / (a + b)
}
