// Package verify is what a resource server imports: it validates access tokens and answers with the challenges of
// RFC 6750, RFC 9470 and RFC 9728; for relying parties it validates ID tokens. It works with any issuer that has
// discovery. It never issues anything, never needs the identity server's own code, and fails closed: what cannot be
// verified is refused.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// The kinds of failure of Verify. Their causes are for the server's own log, never for the client.
var (
	ErrInvalid     = errors.New("verify: token is not valid")
	ErrExpired     = fmt.Errorf("%w: expired", ErrInvalid)
	ErrUnavailable = errors.New("verify: issuer cannot be reached") // nothing is known about the token
)

const maxToken = 16 << 10 // bytes; a token is a header, and servers take about so much

// ResourceServer validates the access tokens of one issuer for one protected resource. It is safe for concurrent use
// and owns no goroutine that outlives a fetch, but for that of FollowRevocations.
type ResourceServer struct {
	config
	provider *provider
	opaque   *introspector // nil where Introspection is not configured
	follower *follower     // nil where FollowRevocations is not configured
	fallback *introspector // of the follower

	mu     sync.Mutex
	scopes []string // of every Require so far, for the metadata
}

// NewResourceServer returns a resource server that trusts issuer and nobody else. Audience is required; the first one
// must be an absolute URL (RFC 9728 §1.2), or Resource must be given. Unless DiscoverAtStart is given, the issuer is
// contacted when the first token arrives, so that both may start in any order. ctx bounds only what happens at the
// start; its values, not its end, reach later fetches. Errors: a configuration that cannot be safe, or the issuer's
// absence if DiscoverAtStart was given. RFC 8414 §3.3: the issuer in its metadata must equal issuer exactly.
func NewResourceServer(ctx context.Context, issuer string, options ...Option) (*ResourceServer, error) {
	c, err := configure(options)
	if err != nil {
		return nil, err
	}
	if len(c.audience) == 0 {
		return nil, errors.New("verify: Audience is required: without it a token for another service would do")
	}
	if c.resource == "" {
		c.resource = c.audience[0]
	}
	if err := checkURL(c.resource); err != nil {
		return nil, fmt.Errorf("verify: resource %q: %w (give Resource where the audience is no URL)", c.resource, err)
	}
	p, err := newProvider(ctx, issuer, c)
	if err != nil {
		return nil, err
	}
	rs := &ResourceServer{config: c, provider: p, scopes: slices.Clone(c.scopes)}
	if c.introspectID != "" {
		rs.opaque = newIntrospector(p, c)
	}
	if c.follow != nil {
		rs.follower = newFollower(p, c)
		c.introspectID, c.introspectSecret = c.followID, c.followSecret
		rs.fallback = newIntrospector(p, c)
		go rs.follower.run(c.follow)
	}
	if c.eager {
		if _, err := p.current(ctx); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// Verify returns what token says, once it is proven to come from the issuer, for this resource, now. A JWT is checked
// after RFC 9068 §4; anything else goes to the introspection endpoint if Introspection was given. Errors: ErrInvalid
// (also ErrExpired), ErrUnavailable, or that of ctx.
func (rs *ResourceServer) Verify(ctx context.Context, token string) (Token, error) {
	if len(token) > maxToken {
		return Token{}, invalid("longer than %d bytes", maxToken)
	}
	var t Token
	var err error
	switch {
	case strings.Count(token, ".") == 2:
		t, err = rs.verifyJWT(ctx, token)
	case rs.opaque == nil:
		return Token{}, invalid("not a JWT, and introspection is not configured")
	default:
		t, err = rs.opaque.verify(ctx, token)
	}
	if err != nil || rs.follower == nil {
		return t, err
	}
	if !rs.follower.knows() {
		return rs.fallback.verify(ctx, token)
	}
	if err := rs.follower.check(&t); err != nil {
		return Token{}, err
	}
	return t, nil
}

// Following reports whether all revocations are known now, so that no token need be asked about: for readiness checks.
// It is false without FollowRevocations.
func (rs *ResourceServer) Following() bool { return rs.follower != nil && rs.follower.knows() }

func (rs *ResourceServer) verifyJWT(ctx context.Context, token string) (Token, error) {
	claims, err := rs.provider.verifyJWS(ctx, token, func(typ string) bool {
		// RFC 9068 §4: the type that tells an access token from an ID token, a logout token or an assertion.
		return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
	})
	if err != nil {
		return Token{}, err
	}
	t, err := newToken(claims)
	if err != nil {
		return Token{}, err
	}
	// RFC 9068 §2.2: required members.
	if t.Subject == "" || t.ClientID == "" || t.JTI == "" || t.IssuedAt.IsZero() || t.ExpiresAt.IsZero() {
		return Token{}, invalid("one of sub, client_id, jti, iat, exp is missing")
	}
	return t, rs.checkClaims(t, rs.provider.issuer, rs.audience)
}

func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, a...))
}

// checkURL accepts https anywhere and http on this machine only.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is no URL")
	case u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "" || u.RawQuery != "":
		return errors.New("is no absolute URL without query and fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("must use https (http only on localhost)")
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || strings.HasSuffix(host, ".localhost")
}

// wellKnown puts name between the host and the path of base. RFC 8414 §3.1, RFC 9728 §3.1.
func wellKnown(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return u.Scheme + "://" + u.Host + "/.well-known/" + name + path
}

// MetadataPath returns the path at which Metadata has to be served, such as /.well-known/oauth-protected-resource/api
// for the resource https://host/api. RFC 9728 §3.1.
func (rs *ResourceServer) MetadataPath() string {
	u, err := url.Parse(rs.metadataURL())
	if err != nil {
		return ""
	}
	return u.Path
}

func (rs *ResourceServer) metadataURL() string {
	return wellKnown(rs.resource, "oauth-protected-resource")
}

// Metadata serves the protected resource metadata as JSON; the scopes are those of Scopes and of every Require.
// RFC 9728 §3.2.
func (rs *ResourceServer) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		rs.mu.Lock()
		scopes := slices.Clone(rs.scopes)
		rs.mu.Unlock()
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		writeJSON(w, http.StatusOK, struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
			Scopes   []string `json:"scopes_supported,omitempty"`
		}{rs.resource, []string{rs.provider.issuer}, []string{"header"}, scopes})
	})
}
