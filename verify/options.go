package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Option configures a ResourceServer or an IDTokenVerifier.
type Option func(*config) error

type config struct {
	audience   []string
	resource   string
	scopes     []string
	algorithms []string
	acrOrder   []string
	leeway     time.Duration
	stale      time.Duration
	eager      bool
	http       *http.Client
	now        func() time.Time
	onRefusal  func(*http.Request, error)

	introspectID, introspectSecret string
	introspectTTL                  time.Duration

	follow                 context.Context
	followID, followSecret string
	silence                time.Duration
	maxRevoked             int
}

// The signature algorithms that may be allowed: asymmetric ones of RFC 7518 §3.1, RFC 8037 and RFC 9864.
var algorithms = []string{"ES256", "PS256", "RS256", "EdDSA", "Ed25519"}

func configure(options []Option) (config, error) {
	c := config{
		algorithms:    algorithms,
		acrOrder:      []string{"urn:postern:acr:aal1", "urn:postern:acr:aal2", "phr", "phrh"},
		leeway:        30 * time.Second,
		stale:         time.Hour,
		introspectTTL: 10 * time.Second,
		silence:       30 * time.Second,
		maxRevoked:    maxRevoked,
		now:           time.Now,
	}
	var errs []error
	for _, o := range options {
		errs = append(errs, o(&c))
	}
	c.http = boundedClient(c.http)
	return c, errors.Join(errs...)
}

// Audience names this resource as tokens do in `aud`; a token for any one of them is accepted. RFC 9068 §4.
func Audience(aud ...string) Option {
	return func(c *config) error {
		if slices.Contains(aud, "") {
			return errors.New("verify: empty audience")
		}
		c.audience = append(c.audience, aud...)
		return nil
	}
}

// Resource is the resource identifier for the metadata where the first Audience is no URL. RFC 9728 §1.2.
func Resource(url string) Option {
	return func(c *config) error { c.resource = url; return nil }
}

// Scopes adds scopes to the metadata that no Require names. RFC 9728 §2.
func Scopes(scope ...string) Option {
	return func(c *config) error { c.scopes = append(c.scopes, scope...); return nil }
}

// Algorithms narrows the accepted signature algorithms; the default is ES256, PS256, RS256, EdDSA and Ed25519.
// RFC 8725 §3.1.
func Algorithms(alg ...string) Option {
	return func(c *config) error {
		for _, a := range alg {
			if !slices.Contains(algorithms, a) {
				return fmt.Errorf("verify: algorithm %q is not supported", a)
			}
		}
		c.algorithms = slices.Clone(alg)
		return nil
	}
}

// ACROrder lists authentication context classes, weakest first; a later one satisfies a request for an earlier one.
// The default is the order of Postern. A class outside the list satisfies only itself.
func ACROrder(acr ...string) Option {
	return func(c *config) error { c.acrOrder = slices.Clone(acr); return nil }
}

// Leeway is how far the issuer's clock may differ from ours: 30 s by default, at most 60 s.
func Leeway(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > time.Minute {
			return fmt.Errorf("verify: leeway %v is not between 0 and 1m", d)
		}
		c.leeway = d
		return nil
	}
}

// StaleFor is how long keys that should have been refreshed still verify while the issuer is down: 1 h by default, at
// most 24 h. A key that left the JWKS can live no longer than that plus the freshness of the JWKS.
func StaleFor(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > 24*time.Hour {
			return fmt.Errorf("verify: staleness %v is not between 0 and 24h", d)
		}
		c.stale = d
		return nil
	}
}

// DiscoverAtStart makes the constructor fail unless the issuer answers.
func DiscoverAtStart() Option {
	return func(c *config) error { c.eager = true; return nil }
}

// HTTPClient is used, without its redirects, to reach the issuer. Its Timeout is 5 s if it has none.
func HTTPClient(h *http.Client) Option {
	return func(c *config) error { c.http = h; return nil }
}

// Clock replaces time.Now.
func Clock(now func() time.Time) Option {
	return func(c *config) error { c.now = now; return nil }
}

// OnRefusal is called with the private cause of every refusal of Require, for the server's own log; the client never
// sees it. The error holds no part of the token's signature, but r holds the token.
func OnRefusal(f func(r *http.Request, cause error)) Option {
	return func(c *config) error { c.onRefusal = f; return nil }
}

// Introspection lets opaque tokens in: they are asked about at the issuer's introspection endpoint as clientID with
// client_secret_basic. A positive answer is kept for 10 s, never beyond `exp`. RFC 7662 §2.
func Introspection(clientID, secret string) Option {
	return func(c *config) error {
		if clientID == "" {
			return errors.New("verify: introspection needs a client_id")
		}
		c.introspectID, c.introspectSecret = clientID, secret
		return nil
	}
}

// IntrospectionCache is how long a positive answer is kept, which is also how long a revoked opaque token may still
// work: between 0 (ask every time) and 1 min.
func IntrospectionCache(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > time.Minute {
			return fmt.Errorf("verify: introspection cache %v is not between 0 and 1m", d)
		}
		c.introspectTTL = d
		return nil
	}
}

// FollowRevocations has revocations take effect within about a second: until ctx ends, a goroutine asks the issuer as
// clientID with client_secret_basic what ended or narrowed before it expired. Tokens of an ended session, a revoked grant
// or a deleted client are then refused, and scope that a session does without for now is taken from its tokens, which
// Require answers with a step-up challenge. Whenever the issuer has been silent for longer than RevocationSilence, and
// until it has first answered, each token is asked about at the introspection endpoint with the same credentials; where
// that does not answer either, nothing is let in (ErrUnavailable).
func FollowRevocations(ctx context.Context, clientID, secret string) Option {
	return func(c *config) error {
		if clientID == "" || ctx == nil {
			return errors.New("verify: following revocations needs a context and a client_id")
		}
		c.follow, c.followID, c.followSecret = ctx, clientID, secret
		return nil
	}
}

// RevocationSilence is for how long the issuer may be silent until what is known of revocations is too old: 30 s by
// default, between 15 s, as an issuer to which nothing happens answers every 10 s, and 10 min.
func RevocationSilence(d time.Duration) Option {
	return func(c *config) error {
		if d < 15*time.Second || d > 10*time.Minute {
			return fmt.Errorf("verify: revocation silence %v is not between 15s and 10m", d)
		}
		c.silence = d
		return nil
	}
}
