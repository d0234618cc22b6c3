package verify

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// Token is what a validated access token says. RFC 9068 §2.2, RFC 9470 §6.
type Token struct {
	Issuer    string
	Subject   string // the person, or the client where it acts for itself
	ClientID  string
	Scopes    []string
	Audience  []string
	ACR       string   // "" if the token does not say
	AMR       []string // RFC 8176 §2
	AuthTime  time.Time
	IssuedAt  time.Time
	ExpiresAt time.Time
	JTI       string
	SessionID string // `sid`
	// Limited is scope that was granted and that the token does without until the person proves more; it is not in Scopes.
	Limited []string
	// Claims holds every claim; numbers are json.Number. It may be shared: read it, do not change it.
	Claims map[string]any

	notBefore time.Time
}

// HasScope reports whether the token carries scope.
func (t Token) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }

type contextKey struct{}

// FromContext returns the token that Require validated for this request.
func FromContext(ctx context.Context) (Token, bool) {
	t, ok := ctx.Value(contextKey{}).(Token)
	return t, ok
}

// NewContext returns ctx with t in it, as Require does: for tests of handlers.
func NewContext(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// newToken reads the claims that have a name of their own; a claim of the wrong type makes the token invalid.
func newToken(claims map[string]any) (Token, error) {
	r := claimReader{claims: claims}
	t := Token{
		Issuer:    r.text("iss"),
		Subject:   r.text("sub"),
		ClientID:  r.text("client_id"),
		Scopes:    strings.Fields(r.text("scope")),
		Audience:  r.list("aud", true),
		ACR:       r.text("acr"),
		AMR:       r.list("amr", false),
		AuthTime:  r.date("auth_time"),
		IssuedAt:  r.date("iat"),
		ExpiresAt: r.date("exp"),
		JTI:       r.text("jti"),
		SessionID: r.text("sid"),
		Claims:    claims,
		notBefore: r.date("nbf"),
	}
	if limited := r.text("limited_scope"); limited != "" {
		t.Limited = strings.Fields(limited)
	}
	if r.bad != "" {
		return Token{}, invalid("claim %s has the wrong type", r.bad)
	}
	return t, nil
}

// checkClaims holds t against issuer, audience and the clock. RFC 9068 §4, RFC 7519 §4.1.
func (c *config) checkClaims(t Token, issuer string, audience []string) error {
	now := c.now()
	switch {
	case t.Issuer != issuer:
		return invalid("iss is not %s", issuer)
	case !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(t.Audience, a) }):
		return invalid("aud does not name this service")
	case t.Claims["cnf"] != nil:
		// A sender-constrained token taken as a plain bearer token would undo the constraint. RFC 9449 §7.2.
		return invalid("bound to a key (cnf), which this server cannot check")
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt.Add(c.leeway)):
		return ErrExpired
	case t.notBefore.After(now.Add(c.leeway)):
		return invalid("nbf is in the future")
	case t.IssuedAt.After(now.Add(c.leeway)):
		return invalid("iat is in the future")
	case !t.ExpiresAt.IsZero() && t.ExpiresAt.Before(t.IssuedAt):
		return invalid("exp is before iat")
	}
	return nil
}

// claimReader reads typed claims and remembers the first that has the wrong type.
type claimReader struct {
	claims map[string]any
	bad    string
}

func (r *claimReader) fail(name string) {
	if r.bad == "" {
		r.bad = name
	}
}

func (r *claimReader) text(name string) string {
	v, ok := r.claims[name]
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		r.fail(name)
	}
	return s
}

// list reads an array of strings, or one string where single is true.
func (r *claimReader) list(name string, single bool) []string {
	switch v := r.claims[name].(type) {
	case nil:
		if _, present := r.claims[name]; present {
			r.fail(name)
		}
		return nil
	case string:
		if single {
			return []string{v}
		}
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				r.fail(name)
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	r.fail(name)
	return nil
}

// date reads a NumericDate, RFC 7519 §2; the zero time where it is absent.
func (r *claimReader) date(name string) time.Time {
	v, ok := r.claims[name]
	if !ok {
		return time.Time{}
	}
	n, ok := v.(json.Number)
	if !ok {
		r.fail(name)
		return time.Time{}
	}
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f <= 0 || f > 1<<38 {
		r.fail(name)
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}
