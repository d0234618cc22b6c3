package policy

import "errors"

// Set is rules that were compiled.
type Set struct{}

// Compile returns rules ready to decide, in any order with the same effect. sensitive is what narrow(sensitive) takes
// away. Every expression is type-checked and may cost no more than is allowed, and every test is run; an error names the
// rule and the test.
func Compile(rules []Rule, sensitive ...string) (*Set, error) {
	return nil, errors.New("policy: not compiled")
}

// Decide returns the strictest outcome of all rules: revoke, deny, stepup (of several the highest rung and the shortest
// age), narrow (all scopes together), allow. A step-up that f shows to be done already asks nothing. An error means that a
// rule could not be evaluated, and that nothing may go on.
func (s *Set) Decide(f *Facts) (Outcome, error) {
	return Outcome{}, errors.New("policy: not compiled")
}
