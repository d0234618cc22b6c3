package clients

import (
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/cap/oidc"
	"github.com/hashicorp/cap/oidc/clientassertion"
	"golang.org/x/text/language"
)

// TestCap walks with hashicorp/cap, which checks on its own aud, azp, iat, auth_time, nonce, at_hash and sub.
func TestCap(t *testing.T) {
	for _, alg := range algs {
		t.Run("app-"+alg, func(t *testing.T) {
			t.Parallel()
			capWalk(t, "app-"+alg, secret, oidc.Alg(alg))
		})
	}
	t.Run("strict-RS256", func(t *testing.T) {
		t.Parallel()
		key := clientKeys["jwt-RS256"].(*rsa.PrivateKey)
		assertion, err := clientassertion.NewJWTWithRSAKey("strict-RS256", []string{issuer}, clientassertion.RS256, key, clientassertion.WithKeyID(keyID))
		if err != nil {
			t.Fatal(err)
		}
		capWalk(t, "strict-RS256", "", oidc.ES256, oidc.WithClientAssertionJWT(assertion))
	})
}

func capWalk(t *testing.T, id, secret string, alg oidc.Alg, more ...oidc.Option) {
	ctx := t.Context()
	conf, err := oidc.NewConfig(issuer, id, oidc.ClientSecret(secret), []oidc.Alg{alg}, []string{redirectURI}, oidc.WithAudiences(id))
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oidc.NewProvider(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Done()
	verifier, err := oidc.NewCodeVerifier()
	if err != nil {
		t.Fatal(err)
	}
	req, err := oidc.NewRequest(2*time.Minute, redirectURI, append([]oidc.Option{oidc.WithPKCE(verifier), oidc.WithMaxAge(60),
		oidc.WithScopes("profile", "email"), oidc.WithUILocales(language.SimplifiedChinese, language.English),
		oidc.WithClaims([]byte(`{"id_token":{"name":{"essential":true}}}`))}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	address, err := provider.AuthURL(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	q := signIn(t, address)
	if q.Get("iss") != issuer {
		t.Errorf("iss %q, want %q", q.Get("iss"), issuer)
	}
	tokens, err := provider.Exchange(ctx, req, q.Get("state"), q.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := tokens.IDToken().VerifyAccessToken(tokens.AccessToken()); err != nil || ok == (alg == oidc.EdDSA) { // which it leaves alone
		t.Errorf("at_hash: %v, %v", ok, err)
	}
	var got struct {
		Subject string          `json:"sub"`
		Name    string          `json:"name"`
		Email   json.RawMessage `json:"email"`
	}
	if err := tokens.IDToken().Claims(&got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "Ann Lindqvist" || got.Email != nil {
		t.Errorf("ID token says name %q and email %s; only the name was asked for", got.Name, got.Email)
	}
	info := map[string]any{}
	if err := provider.UserInfo(ctx, tokens.StaticTokenSource(), got.Subject, &info, oidc.WithAudiences(id)); err != nil {
		t.Fatal(err)
	}
	if info["email"] != email || info["preferred_username"] != username {
		t.Errorf("userinfo %v, want %s and %s", info, email, username)
	}
}
