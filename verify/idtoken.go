package verify

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"
)

// IDTokenVerifier validates the ID tokens that one issuer gives one client. It is safe for concurrent use.
type IDTokenVerifier struct {
	config
	provider *provider
	clientID string
}

// Expect is what a client knows about the ID token that it is about to receive.
type Expect struct {
	Nonce       string        // as sent; "" only where none was sent (a refresh, OIDC Core §12.2)
	AccessToken string        // that came with it, for `at_hash`; "" if none did
	MaxAge      time.Duration // as sent, if HasMaxAge
	HasMaxAge   bool
	ACR         []string // as sent in acr_values, if the client insists on it
}

// NewIDTokenVerifier returns a verifier for the client with clientID at issuer; Algorithms, ACROrder, Leeway, StaleFor,
// HTTPClient, Clock and DiscoverAtStart apply.
func NewIDTokenVerifier(ctx context.Context, issuer, clientID string, options ...Option) (*IDTokenVerifier, error) {
	c, err := configure(options)
	if err != nil {
		return nil, err
	}
	if clientID == "" {
		return nil, errors.New("verify: client_id is required")
	}
	p, err := newProvider(ctx, issuer, c)
	if err != nil {
		return nil, err
	}
	if c.eager {
		if _, err := p.current(ctx); err != nil {
			return nil, err
		}
	}
	return &IDTokenVerifier{config: c, provider: p, clientID: clientID}, nil
}

// Discovery returns the issuer's metadata, from the cache if it is there; ErrUnavailable.
func (v *IDTokenVerifier) Discovery(ctx context.Context) (Discovery, error) {
	s, err := v.provider.current(ctx)
	if err != nil {
		return Discovery{}, err
	}
	return s.discovery, nil
}

// Verify returns what the ID token says, once it is proven to come from the issuer, for this client, in answer to this
// request. Errors as for ResourceServer.Verify. OIDC Core §3.1.3.7.
func (v *IDTokenVerifier) Verify(ctx context.Context, token string, want Expect) (Token, error) {
	claims, err := v.provider.verifyJWS(ctx, token, func(typ string) bool {
		return typ == "" || strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "application/jwt")
	})
	if err != nil {
		return Token{}, err
	}
	t, err := newToken(claims)
	if err != nil {
		return Token{}, err
	}
	if t.Subject == "" || t.IssuedAt.IsZero() || t.ExpiresAt.IsZero() {
		return Token{}, invalid("one of sub, iat, exp is missing")
	}
	if err := v.checkClaims(t, v.provider.issuer, []string{v.clientID}); err != nil {
		return Token{}, err
	}
	if err := v.checkAnswer(t, want); err != nil {
		return Token{}, err
	}
	return t, nil
}

// checkAnswer holds t against the request that it answers.
func (v *IDTokenVerifier) checkAnswer(t Token, want Expect) error {
	r := claimReader{claims: t.Claims}
	azp, nonce, atHash := r.text("azp"), r.text("nonce"), r.text("at_hash")
	_, hasEvents := t.Claims["events"]
	switch {
	case r.bad != "":
		return invalid("claim %s has the wrong type", r.bad)
	case hasEvents:
		return invalid("a logout token or security event") // OIDC Back-Channel Logout §2.4
	case azp != "" && azp != v.clientID, azp == "" && len(t.Audience) > 1:
		return invalid("azp is not this client")
	case want.Nonce != "" && subtle.ConstantTimeCompare([]byte(nonce), []byte(want.Nonce)) != 1:
		return invalid("nonce is not that of the request")
	case want.AccessToken != "" && atHash != "" && !hashMatches(atHash, want.AccessToken):
		return invalid("at_hash is not that of the access token")
	case want.HasMaxAge && (t.AuthTime.IsZero() || v.now().Sub(t.AuthTime) > want.MaxAge+v.leeway):
		return invalid("authentication is older than max_age")
	case len(want.ACR) > 0 && !slices.ContainsFunc(want.ACR, func(a string) bool { return v.satisfies(t.ACR, a) }):
		return invalid("acr is weaker than asked for")
	}
	return nil
}

// hashMatches compares a left-half hash: SHA-256 for the algorithms with 256 in their name, and SHA-512, which is what
// Ed25519 hashes with, for it. OIDC Core §3.1.3.6. Neither half can be made to fit another token.
func hashMatches(hash, token string) bool {
	a, b := sha256.Sum256([]byte(token)), sha512.Sum512([]byte(token))
	return subtle.ConstantTimeCompare([]byte(hash), []byte(b64.EncodeToString(a[:16]))) == 1 ||
		subtle.ConstantTimeCompare([]byte(hash), []byte(b64.EncodeToString(b[:32]))) == 1
}
