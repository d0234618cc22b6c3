package policy

import (
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
)

// Action is what is to be done.
type Action uint8

// Actions. The zero value refuses.
const (
	Deny   Action = iota
	Allow         // go on
	Narrow        // go on without Outcome.Narrow
	StepUp        // prove Outcome.Required first, no longer ago than Outcome.MaxAge
	Revoke        // end the session or the grant
)

var actionWords = [...]string{"deny", "allow", "narrow", "stepup", "revoke"}

func (a Action) String() string {
	if int(a) >= len(actionWords) {
		return actionWords[Deny]
	}
	return actionWords[a]
}

// MarshalText is String.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what String returns.
func (a *Action) UnmarshalText(text []byte) error {
	for i, w := range actionWords {
		if w == string(text) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("policy: %.32q is no action", text)
}

// weight orders actions by how strict they are.
func (a Action) weight() int {
	return [...]int{Deny: 3, Allow: 0, Narrow: 1, StepUp: 2, Revoke: 4}[min(a, Revoke)]
}

// Rule says what follows when something is so. Empty Clients, Scopes and Moments mean all; Scopes means that one of them is
// asked for or held.
type Rule struct {
	Name    string   `yaml:"name" json:"name"`                           // [a-z0-9_-]{1,64}
	When    string   `yaml:"when" json:"when"`                           // CEL of type bool over Facts, at most 1024 bytes
	Then    string   `yaml:"then" json:"then"`                           // allow, stepup(acr="phr", max_age="5m"), narrow("payments"), narrow(sensitive), deny, revoke
	Clients []string `yaml:"clients,omitempty" json:"clients,omitempty"` // client_id
	Scopes  []string `yaml:"scopes,omitempty" json:"scopes,omitempty"`
	Moments []string `yaml:"moments,omitempty" json:"moments,omitempty"` // of Moments
	Shadow  bool     `yaml:"shadow,omitempty" json:"shadow,omitempty"`   // is said, not done
	Tests   []Test   `yaml:"tests,omitempty" json:"tests,omitempty"`
}

// Test is a case that stands beside its rule and runs whenever the rule is compiled: the rule alone, over Facts that are zero
// but for these, the shipped Limits, the Level that belongs to P, and the first of the rule's Moments.
type Test struct {
	Name  string         `yaml:"name" json:"name"`
	Facts map[string]any `yaml:"facts" json:"facts"` // as in the JSON of Facts
	Want  string         `yaml:"want" json:"want"`   // as Rule.Then
}

// Outcome is what follows.
type Outcome struct {
	Action   Action          `json:"action"`
	Required ident.Assurance `json:"required,omitempty"` // at StepUp
	MaxAge   time.Duration   `json:"max_age,omitempty"`  // at StepUp: of the proof; 0 for any
	Fresh    bool            `json:"fresh,omitempty"`    // at StepUp: what is held does not count, however young (max_age 0 of RFC 9470 §4)
	Narrow   []string        `json:"narrow,omitempty"`   // scopes to do without, in order; with StepUp until it is done
	Rule     string          `json:"rule,omitempty"`     // the one that decided; "" for a plain Allow
	Shadow   []Outcome       `json:"shadow,omitempty"`   // of rules in shadow; none of them is Allow
}
