package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/postern-id/postern/ident"
)

const (
	maxRules = 64
	maxTests = 64 // of a rule
	maxNames = 64 // of Clients, of Scopes
)

var ruleName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// Set is rules that were compiled. It is safe for concurrent use; its zero value refuses.
type Set struct {
	rules    []compiled // by name
	compiled bool
}

type compiled struct {
	Rule
	program cel.Program
	effect  Outcome // with its Rule
}

// Compile returns rules ready to decide, in any order with the same effect. sensitive is what narrow(sensitive) takes
// away. Every expression is type-checked and may cost no more than is allowed, and every test is run; an error names the
// rule and the test.
func Compile(rules []Rule, sensitive ...string) (*Set, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("policy: %d rules, and at most %d are allowed", len(rules), maxRules)
	}
	s := &Set{compiled: true}
	seen := map[string]bool{}
	for i, r := range rules {
		if !ruleName.MatchString(r.Name) {
			return nil, fmt.Errorf("policy: rule %d: its name %.80q is not 1 to 64 of a-z, 0-9, - and _", i+1, r.Name)
		}
		if seen[r.Name] {
			return nil, fmt.Errorf("policy: rule %s: there are two of that name", r.Name)
		}
		seen[r.Name] = true
		c, err := compile(r, sensitive)
		if err != nil {
			return nil, fmt.Errorf("policy: rule %s: %w", r.Name, err)
		}
		s.rules = append(s.rules, c)
	}
	slices.SortFunc(s.rules, func(a, b compiled) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

func compile(r Rule, sensitive []string) (c compiled, err error) {
	if len(r.Clients) > maxNames || len(r.Scopes) > maxNames || len(r.Tests) > maxTests {
		return c, fmt.Errorf("at most %d clients, %d scopes and %d tests are allowed", maxNames, maxNames, maxTests)
	}
	for _, m := range r.Moments {
		if !slices.Contains(Moments, m) {
			return c, fmt.Errorf("moment %.32q is none of %s", m, strings.Join(Moments, ", "))
		}
	}
	c.Rule = r
	if c.effect, err = parseThen(r.Then, sensitive); err != nil {
		return c, err
	}
	c.effect.Rule = r.Name
	if c.program, err = program(r.When); err != nil {
		return c, err
	}
	for i, t := range r.Tests {
		if err := c.run(t, sensitive); err != nil {
			return c, fmt.Errorf("test %d (%.64s): %w", i+1, t.Name, err)
		}
	}
	return c, nil
}

// run runs one test of the rule.
func (c *compiled) run(t Test, sensitive []string) error {
	want, err := parseThen(t.Want, sensitive)
	if err != nil {
		return err
	}
	f := Facts{Moment: Moments[0], Limits: DefaultThresholds()}
	if len(c.Moments) > 0 {
		f.Moment = c.Moments[0]
	}
	text, err := json.Marshal(t.Facts)
	if err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	if err := f.known(); err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	if f.Risk.Level == "" {
		f.Risk.Level = LevelOf(f.Risk.P)
	}
	v, err := see(&f)
	if err != nil {
		return err
	}
	got := Outcome{Action: Allow}
	if hit, err := c.applies(v); err != nil {
		return err
	} else if hit && !done(c.effect, &f) {
		got = c.effect
	}
	if got.Rule = ""; !reflect.DeepEqual(got, want) {
		return fmt.Errorf("is %s, and should be %s", got, want)
	}
	return nil
}

// known says whether f has no word that does not exist.
func (f *Facts) known() error {
	for _, l := range []struct {
		name         string
		words, known []string
	}{
		{"moment", []string{f.Moment}, Moments}, {"risk.novel", f.Risk.Novel, Novelties}, {"risk.doubt", f.Risk.Doubt, Doubts},
		{"risk.level", []string{f.Risk.Level}, []string{"", "low", "medium", "high"}},
	} {
		for _, w := range l.words {
			if !slices.Contains(l.known, w) {
				return fmt.Errorf("%s: %.32q is none of %s", l.name, w, strings.Join(l.known, ", "))
			}
		}
	}
	for name := range f.Risk.Bits {
		if !slices.Contains(Signals, name) {
			return fmt.Errorf("risk.bits: %.32q is none of %s", name, strings.Join(Signals, ", "))
		}
	}
	return nil
}

// applies says whether the rule is for v and true of it.
func (c *compiled) applies(v *view) (bool, error) {
	if len(c.Moments) > 0 && !slices.Contains(c.Moments, v.Moment) || len(c.Clients) > 0 && !slices.Contains(c.Clients, v.Client.ID) {
		return false, nil
	}
	if len(c.Scopes) > 0 && !slices.ContainsFunc(v.Request.Scopes, func(s string) bool { return slices.Contains(c.Scopes, s) }) {
		return false, nil
	}
	out, _, err := c.program.Eval(v)
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

// done says whether what o asks for is held already.
func done(o Outcome, f *Facts) bool {
	if o.Action != StepUp || ident.Assurance(min(max(f.Session.AAL, 0), int(ident.HardwareBound))) < o.Required {
		return false
	}
	if o.Fresh {
		return f.Moment == "sign_in" || f.Moment == "step_up" // what was just proved
	}
	return o.MaxAge == 0 || time.Duration(f.Session.AuthAge)*time.Second <= o.MaxAge
}

// Decide returns the strictest outcome of all rules: revoke, deny, stepup (of several the highest rung and the shortest
// age), narrow (all scopes together), allow. A step-up that f shows to be done already asks nothing. An error means that a
// rule could not be evaluated, and that nothing may go on.
func (s *Set) Decide(f *Facts) (Outcome, error) {
	if s == nil || !s.compiled {
		return Outcome{}, errors.New("policy: not compiled")
	}
	v, err := see(f)
	if err != nil {
		return Outcome{}, err
	}
	all := Outcome{Action: Allow}
	var shadow []Outcome
	for i := range s.rules {
		c := &s.rules[i]
		hit, err := c.applies(v)
		switch {
		case err != nil && c.Shadow:
			shadow = append(shadow, Outcome{Action: Deny, Rule: c.Name}) // what it would do
		case err != nil:
			return Outcome{}, fmt.Errorf("policy: rule %s: %w", c.Name, err)
		case !hit || done(c.effect, f) || c.effect.Action == Allow:
		case c.Shadow:
			shadow = append(shadow, c.effect)
		default:
			all = all.and(c.effect)
		}
	}
	if all.Action == Deny || all.Action == Revoke {
		all.Narrow = nil
	}
	all.Shadow = shadow
	return all, nil
}

// and is both o and p: the stricter one decides and is named.
func (o Outcome) and(p Outcome) Outcome {
	out := o
	if p.stricter(o) {
		out = p
	}
	if o.Action == StepUp && p.Action == StepUp {
		out.Required, out.Fresh, out.MaxAge = max(o.Required, p.Required), o.Fresh || p.Fresh, shorter(o.MaxAge, p.MaxAge)
		if out.Fresh {
			out.MaxAge = 0
		}
	}
	out.Narrow = o.Narrow
	if len(o.Narrow) == 0 {
		out.Narrow = p.Narrow
	} else if len(p.Narrow) > 0 {
		out.Narrow = slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.Narrow, p.Narrow))))
	}
	return out
}

// stricter orders outcomes; those that ask the same are ordered by the name of their rule.
func (o Outcome) stricter(p Outcome) bool {
	if a, b := o.Action.weight(), p.Action.weight(); a != b {
		return a > b
	}
	if o.Required != p.Required {
		return o.Required > p.Required
	}
	if o.Fresh != p.Fresh {
		return o.Fresh
	}
	if o.MaxAge != p.MaxAge {
		return shorter(o.MaxAge, p.MaxAge) == o.MaxAge
	}
	return o.Rule < p.Rule
}

// shorter is the smaller of two ages of which 0 is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// String is o as a rule's Then.
func (o Outcome) String() string {
	switch o.Action {
	case StepUp:
		s := `stepup(acr="` + strings.TrimPrefix(o.Required.ACR(), "urn:postern:acr:") + `"`
		if o.MaxAge > 0 || o.Fresh {
			s += `, max_age="` + o.MaxAge.String() + `"`
		}
		return s + ")"
	case Narrow:
		return `narrow("` + strings.Join(o.Narrow, `", "`) + `")`
	}
	return o.Action.String()
}
