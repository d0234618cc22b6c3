package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
)

const (
	maxThen   = 1024           // bytes
	maxScopes = 32             // in one narrow
	maxScope  = 128            // bytes
	longest   = 24 * time.Hour // max_age; what is older is no answer to a risk
)

// parseThen reads what follows from a rule:
//
//	allow | deny | revoke | stepup(acr="…", max_age="…") | narrow("…", …) | narrow(sensitive)
//
// sensitive is what the last one takes away; where that is nothing, it is allow.
func parseThen(text string, sensitive []string) (Outcome, error) {
	if len(text) > maxThen {
		return Outcome{}, errors.New("then is too long")
	}
	text = strings.TrimSpace(text)
	verb, rest, called := strings.Cut(text, "(")
	if !called {
		switch verb {
		case "allow":
			return Outcome{Action: Allow}, nil
		case "deny":
			return Outcome{Action: Deny}, nil
		case "revoke":
			return Outcome{Action: Revoke}, nil
		}
		return Outcome{}, fmt.Errorf("then %.64q is none of allow, stepup(…), narrow(…), deny, revoke", text)
	}
	inside, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return Outcome{}, errors.New("then has no closing parenthesis at its end")
	}
	switch verb {
	case "stepup":
		return parseStepUp(inside)
	case "narrow":
		if strings.TrimSpace(inside) == "sensitive" {
			return narrowTo(sensitive), nil
		}
		return parseNarrow(inside)
	}
	return Outcome{}, fmt.Errorf("then: %.32q takes nothing in parentheses", verb)
}

func parseStepUp(inside string) (Outcome, error) {
	o := Outcome{Action: StepUp}
	seen := map[string]bool{}
	err := eachArg(inside, func(name, value string) (err error) {
		if seen[name] {
			return fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		switch name {
		case "acr":
			o.Required, err = rungOf(value)
		case "max_age":
			o.MaxAge, err = time.ParseDuration(value)
			if err == nil && (o.MaxAge < 0 || o.MaxAge > longest || o.MaxAge%time.Second != 0) {
				err = fmt.Errorf("max_age is whole seconds, at most %s", longest)
			}
			o.Fresh = o.MaxAge == 0
		default:
			err = fmt.Errorf("stepup knows acr and max_age, not %.32q", name)
		}
		return err
	})
	if err == nil && !seen["acr"] && !seen["max_age"] {
		err = errors.New("stepup needs acr or max_age")
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("then: %w", err)
	}
	o.Required = max(o.Required, ident.AAL1)
	return o, nil
}

// rungOf reads an acr value as tokens carry it, or its short form.
func rungOf(acr string) (ident.Assurance, error) {
	for _, full := range []string{acr, "urn:postern:acr:" + acr} {
		if a := ident.AssuranceOf(full); a != ident.None {
			return a, nil
		}
	}
	return ident.None, fmt.Errorf("acr %.64q is none of aal1, aal2, phr, phrh", acr)
}

func parseNarrow(inside string) (Outcome, error) {
	var scopes []string
	err := eachArg(inside, func(name, value string) error {
		switch {
		case name != "":
			return fmt.Errorf("narrow takes scopes in quotes, or sensitive, not %.32q", name)
		case !validScope(value):
			return fmt.Errorf("%.64q is no scope", value)
		case len(scopes) == maxScopes:
			return fmt.Errorf("narrow takes at most %d scopes", maxScopes)
		}
		scopes = append(scopes, value)
		return nil
	})
	if err == nil && len(scopes) == 0 {
		err = errors.New("narrow names no scope")
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("then: %w", err)
	}
	return narrowTo(scopes), nil
}

func narrowTo(scopes []string) Outcome {
	if len(scopes) == 0 {
		return Outcome{Action: Allow}
	}
	return Outcome{Action: Narrow, Narrow: slices.Compact(slices.Sorted(slices.Values(scopes)))}
}

// validScope is scope-token of RFC 6749 §3.3.
func validScope(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// eachArg calls visit with every argument, `"value"` or `name="value"`, separated by commas. Nothing is escaped: no value
// needs a quote.
func eachArg(inside string, visit func(name, value string) error) error {
	rest := strings.TrimSpace(inside)
	for rest != "" {
		name, after, ok := strings.Cut(rest, `"`)
		if !ok {
			return fmt.Errorf("%.32q should be in quotes", rest)
		}
		value, after, ok := strings.Cut(after, `"`)
		if !ok {
			return errors.New("a quote is not closed")
		}
		name = strings.TrimSpace(name)
		if name != "" {
			name, ok = strings.CutSuffix(name, "=")
			if name = strings.TrimSpace(name); !ok || name == "" {
				return fmt.Errorf("%.32q should be name=\"value\"", rest)
			}
		}
		if err := visit(name, value); err != nil {
			return err
		}
		after = strings.TrimSpace(after)
		if after == "" {
			return nil
		}
		if rest, ok = strings.CutPrefix(after, ","); !ok {
			return fmt.Errorf("a comma is missing before %.32q", after)
		}
		if rest = strings.TrimSpace(rest); rest == "" {
			return errors.New("nothing follows the last comma")
		}
	}
	return nil
}
