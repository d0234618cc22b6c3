package oauth

import "slices"

// Limit adds scope to what the grant does without, in this copy only.
func (g *Grant) Limit(scope []string) {
	limited := slices.Clone(g.Limited)
	for _, s := range scope {
		if !slices.Contains(limited, s) {
			limited = append(limited, s)
		}
	}
	g.Limited = limited
}

// Granted is scope as far as it is in what was granted.
func (g *Grant) Granted(scope []string) (out []string) {
	for _, s := range scope {
		if slices.Contains(g.Scope, s) {
			out = append(out, s)
		}
	}
	return out
}

// Without is scope but for what the grant does without now.
func (g *Grant) Without(scope []string) []string {
	if len(g.Limited) == 0 {
		return scope
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return slices.Contains(g.Limited, s) })
}
