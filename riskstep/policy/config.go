package policy

import (
	"errors"
	"fmt"
	"slices"
)

// Source is where the thresholds come from.
type Source string

// Sources.
const (
	ByThresholds Source = "thresholds"
	ByBudget     Source = "budget"
	ByCosts      Source = "costs"
)

// Config is what an operator sets, in the manner of cmd/postern's Config. Start from DefaultConfig.
type Config struct {
	Mode       string     `yaml:"mode" enum:"enforce,shadow" doc:"shadow: decide and record, but ask nothing, so that a policy can be watched before it is enforced."`
	Source     string     `yaml:"source" enum:"thresholds,budget,costs" doc:"Where the thresholds come from: given, the share of sign-ins that may be challenged, or what mistakes cost."`
	Thresholds Thresholds `yaml:"thresholds" doc:"On the probability of an attack. Those of the source budget until it knows 2000 sign-ins."`
	Budget     float64    `yaml:"budget" min:"0.0001" max:"0.5" doc:"The share of legitimate sign-ins (of people with five or more before) that the model may challenge."`
	Costs      Costs      `yaml:"costs" doc:"What mistakes cost, all in one unit; see docs/risk.md."`
	Sensitive  []string   `yaml:"sensitive_scopes" doc:"Scopes that a risk takes away first, such as payments."`
	NewDevice  bool       `yaml:"new_device" doc:"A device never seen with this person asks for a second factor."`
	NewCountry bool       `yaml:"new_country" doc:"A country never seen with this person asks for a second factor."`
	Abroad     bool       `yaml:"refresh_abroad" doc:"A refresh token bound to no key is refused in another country than it was granted in."`
	RulesFile  string     `yaml:"rules_file" doc:"YAML file with further rules; see docs/risk.md. 'postern risk simulate' tries them on the past."`
}

// Costs are what FromCosts takes.
type Costs struct {
	Friction float64 `yaml:"friction" min:"0" max:"1000000000" doc:"What it costs when a legitimate person is asked for a second factor."`
	Takeover float64 `yaml:"takeover" min:"0" max:"1000000000" doc:"What it costs when an attacker gets into an account."`
	Lockout  float64 `yaml:"lockout" min:"0" max:"1000000000" doc:"What it costs when a legitimate person is refused."`
	Efficacy float64 `yaml:"efficacy" min:"0" max:"1" doc:"The share of attacks that the second factor stops."`
}

// DefaultConfig is the policy of a server nobody configured.
func DefaultConfig() Config {
	return Config{
		Mode: "enforce", Source: string(ByThresholds), Thresholds: DefaultThresholds(), Budget: 0.02,
		Costs: Costs{Friction: 1, Takeover: 100, Lockout: 20, Efficacy: 0.96}, NewDevice: true, NewCountry: true, Abroad: true,
	}
}

// Build returns the Policy of c, with rules (those of RulesFile, which the caller reads) beside the default ones. An error
// names what is wrong.
func (c Config) Build(rules ...Rule) (*Policy, error) {
	p := &Policy{source: Source(c.Source), sensitive: slices.Clone(c.Sensitive), budget: NewBudget(c.Budget)}
	switch c.Mode {
	case "enforce":
	case "shadow":
		p.shadow = true
	default:
		return nil, fmt.Errorf("policy: mode %.32q is neither enforce nor shadow", c.Mode)
	}
	if !(c.Budget >= minShare && c.Budget <= maxShare) {
		return nil, fmt.Errorf("policy: a budget is between %g and %g", minShare, maxShare)
	}
	for _, s := range c.Sensitive {
		if !validScope(s) {
			return nil, fmt.Errorf("policy: sensitive scope %.64q is none", s)
		}
	}
	switch p.source {
	case ByThresholds, ByBudget:
		p.fixed = c.Thresholds
	case ByCosts:
		k := c.Costs
		if !(k.Takeover > 0) || !(k.Efficacy > 0) {
			return nil, errors.New("policy: costs need a takeover and an efficacy above 0")
		}
		p.fixed = FromCosts(k.Friction, k.Takeover, k.Lockout, k.Efficacy)
	default:
		return nil, fmt.Errorf("policy: source %.32q is none of thresholds, budget, costs", c.Source)
	}
	if t := p.fixed; !(t.StepUp >= 0 && t.StepUp <= 1 && t.Deny > 0 && t.Deny <= 1) {
		return nil, fmt.Errorf("policy: thresholds of %g and %g: both are at most 1, and that of deny is above 0", t.StepUp, t.Deny)
	}
	off := map[string]bool{ruleNewCountry: !c.NewCountry, ruleNewDevice: !c.NewDevice, ruleAbroad: !c.Abroad}
	all := slices.DeleteFunc(DefaultRules(), func(r Rule) bool { return off[r.Name] })
	var err error
	p.set, err = Compile(append(all, rules...), c.Sensitive...)
	return p, err
}
