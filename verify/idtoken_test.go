package verify_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

func TestIDToken(t *testing.T) {
	c := newClock()
	iss := verifytest.NewIssuer(t, c.Now)
	v, err := verify.NewIDTokenVerifier(t.Context(), iss.URL, verifytest.ClientID, verify.Clock(c.Now))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the access token"))
	atHash := base64.RawURLEncoding.EncodeToString(sum[:16])
	claim := verifytest.Claim
	tests := []struct {
		name   string
		change []verifytest.Change
		expect verify.Expect
		want   error
	}{
		{"plain", nil, verify.Expect{}, nil},
		{"nonce", []verifytest.Change{claim("nonce", "n1")}, verify.Expect{Nonce: "n1"}, nil},
		{"another nonce", []verifytest.Change{claim("nonce", "n2")}, verify.Expect{Nonce: "n1"}, verify.ErrInvalid},
		{"no nonce", nil, verify.Expect{Nonce: "n1"}, verify.ErrInvalid},
		{"at_hash", []verifytest.Change{claim("at_hash", atHash)}, verify.Expect{AccessToken: "the access token"}, nil},
		{"at_hash of another", []verifytest.Change{claim("at_hash", atHash)}, verify.Expect{AccessToken: "another"}, verify.ErrInvalid},
		{"another client", []verifytest.Change{claim("aud", "client-2")}, verify.Expect{}, verify.ErrInvalid},
		{"two audiences without azp", []verifytest.Change{claim("aud", []string{verifytest.ClientID, "x"})}, verify.Expect{}, verify.ErrInvalid},
		{"two audiences with azp", []verifytest.Change{claim("aud", []string{verifytest.ClientID, "x"}), claim("azp", verifytest.ClientID)}, verify.Expect{}, nil},
		{"azp is another", []verifytest.Change{claim("azp", "x")}, verify.Expect{}, verify.ErrInvalid},
		{"another issuer", []verifytest.Change{claim("iss", "https://x")}, verify.Expect{}, verify.ErrInvalid},
		{"expired", []verifytest.Change{claim("iat", 1), claim("exp", 2)}, verify.Expect{}, verify.ErrExpired},
		{"access token", []verifytest.Change{verifytest.Header("typ", "at+jwt")}, verify.Expect{}, verify.ErrInvalid},
		{"logout token", []verifytest.Change{claim("events", map[string]any{})}, verify.Expect{}, verify.ErrInvalid},
		{"max_age met", nil, verify.Expect{MaxAge: time.Minute, HasMaxAge: true}, nil},
		{"max_age exceeded", []verifytest.Change{claim("auth_time", c.Now().Add(-2*time.Minute).Unix())}, verify.Expect{MaxAge: time.Minute, HasMaxAge: true}, verify.ErrInvalid},
		{"max_age without auth_time", []verifytest.Change{claim("auth_time", nil)}, verify.Expect{MaxAge: time.Minute, HasMaxAge: true}, verify.ErrInvalid},
		{"acr met", []verifytest.Change{claim("acr", "phr")}, verify.Expect{ACR: []string{"urn:postern:acr:aal2"}}, nil},
		{"acr too weak", nil, verify.Expect{ACR: []string{"urn:postern:acr:aal2"}}, verify.ErrInvalid},
		{"no typ", []verifytest.Change{verifytest.Header("typ", nil)}, verify.Expect{}, nil},
		{"alg none", []verifytest.Change{verifytest.Header("alg", "none")}, verify.Expect{}, verify.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := v.Verify(t.Context(), iss.IDToken(tt.change...), tt.expect); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	d, err := v.Discovery(t.Context())
	if err != nil || d.TokenEndpoint != iss.URL+"/token" || !d.ResponseIss {
		t.Errorf("discovery %+v %v", d, err)
	}
}
