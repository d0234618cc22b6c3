package clients

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// TestZitadel walks with zitadel/oidc: discovery, code with PKCE, userinfo, refresh, introspection, revocation and
// logout, with a secret and with private_key_jwt.
func TestZitadel(t *testing.T) {
	for _, alg := range algs {
		t.Run("app-"+alg, func(t *testing.T) {
			t.Parallel()
			zitadel(t, "app-"+alg, secret, alg, rp.WithAuthStyle(oauth2.AuthStyleInHeader))
		})
	}
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		t.Run("jwt-"+alg, func(t *testing.T) {
			t.Parallel()
			zitadel(t, "jwt-"+alg, "", "ES256", rp.WithAuthStyle(oauth2.AuthStyleInParams),
				rp.WithJWTProfile(rp.SignerFromKeyAndKeyID(pemKey(t, "jwt-"+alg), keyID)))
		})
	}
}

type zitadelTokens = oidc.Tokens[*oidc.IDTokenClaims]

func zitadel(t *testing.T, id, secret, alg string, options ...rp.Option) {
	ctx := t.Context()
	nonce := rand.Text()
	options = append(options, rp.WithVerifierOpts(rp.WithSupportedSigningAlgorithms(alg),
		rp.WithNonce(func(context.Context) string { return nonce })))
	party, err := rp.NewRelyingPartyOIDC(ctx, issuer, id, secret, redirectURI,
		[]string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeOfflineAccess, "orders:read"}, options...)
	if err != nil {
		t.Fatal(err)
	}
	tokens := zitadelSignIn(t, party, nonce)
	claims := tokens.IDTokenClaims
	if claims.Subject == "" || claims.SessionID == "" || claims.AuthenticationContextClassReference == "" || claims.AccessTokenHash == "" {
		t.Errorf("ID token %+v, want sub, sid, acr and at_hash", claims)
	}
	info, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, claims.Subject, party)
	if err != nil {
		t.Fatal(err)
	}
	if info.Email != email || info.Name != "Ann Lindqvist" || info.PreferredUsername != username {
		t.Errorf("userinfo %+v, want %s, Ann Lindqvist, %s", info, email, username)
	}
	other := zitadelSignIn(t, party, nonce)

	nonce = "" // a refreshed ID token need not have one: OIDC Core §12.2
	fresh, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := introspect(t, fresh.AccessToken); !got.Active || got.ClientID != id || got.Subject != claims.Subject ||
		!slices.Contains(got.Audience, resource) || !slices.Contains(got.Scope, "orders:read") {
		t.Errorf("introspection %+v, want it active, for %s, with orders:read", got, resource)
	}

	state := rand.Text()
	to, err := rp.EndSession(ctx, party, fresh.IDToken, loggedOut, state, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if to == nil || to.String() != loggedOut+"?state="+state {
		t.Errorf("after logout the browser goes to %v, want %s?state=%s", to, loggedOut, state)
	}
	zitadelOver(t, party, fresh, "a logout")

	if got := introspect(t, other.AccessToken); !got.Active {
		t.Error("a logout ended a session on another device")
	}
	if err := rp.RevokeToken(ctx, party, other.RefreshToken, "refresh_token"); err != nil {
		t.Fatal(err)
	}
	zitadelOver(t, party, other, "a revocation")
}

// zitadelSignIn walks from the authorization request to validated tokens, in a new browser.
func zitadelSignIn(t *testing.T, party rp.RelyingParty, nonce string) *zitadelTokens {
	t.Helper()
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	sum := sha256.Sum256([]byte(verifier))
	q := signIn(t, rp.AuthURL(state, party, rp.WithCodeChallenge(base64.RawURLEncoding.EncodeToString(sum[:])),
		rp.AuthURLOpt(rp.WithURLParam("nonce", nonce)), rp.AuthURLOpt(rp.WithURLParam("resource", resource))))
	if q.Get("state") != state || q.Get("iss") != issuer {
		t.Fatalf("authorization response %v, want state %s and iss %s", q, state, issuer)
	}
	exchange := []rp.CodeExchangeOpt{rp.WithCodeVerifier(verifier)}
	if party.Signer() != nil {
		assertion, err := client.SignedJWTProfileAssertion(party.OAuthConfig().ClientID, []string{issuer}, time.Minute, party.Signer())
		if err != nil {
			t.Fatal(err)
		}
		exchange = append(exchange, rp.WithClientAssertionJWT(assertion))
	}
	tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](t.Context(), q.Get("code"), party, exchange...)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// zitadelOver holds that nothing of what tokens stand for is left.
func zitadelOver(t *testing.T, party rp.RelyingParty, tokens *zitadelTokens, after string) {
	t.Helper()
	if got := introspect(t, tokens.AccessToken); got.Active {
		t.Errorf("an access token outlived %s", after)
	}
	if _, err := rp.RefreshTokens[*oidc.IDTokenClaims](t.Context(), party, tokens.RefreshToken, "", ""); err == nil {
		t.Errorf("a refresh token outlived %s", after)
	}
}

// introspect asks about a token as the resource's server, with each way of authenticating that the library has; all must
// say the same.
func introspect(t *testing.T, token string) *oidc.IntrospectionResponse {
	t.Helper()
	ctx := t.Context()
	byBasic, err := rs.NewResourceServerClientCredentials(ctx, issuer, api, apiSecret)
	if err != nil {
		t.Fatal(err)
	}
	byJWT, err := rs.NewResourceServerJWTProfile(ctx, issuer, "jwt-ES256", keyID, pemKey(t, "jwt-ES256"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, byBasic, token)
	if err != nil {
		t.Fatal(err)
	}
	second, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, byJWT, token)
	if err != nil {
		t.Fatal(err)
	}
	if first.Active != second.Active || first.Subject != second.Subject || first.JWTID != second.JWTID {
		t.Errorf("introspection says %+v by secret and %+v by key", first, second)
	}
	return first
}

// pemKey is the private key of a client as the library wants it: PKCS #8 in PEM.
func pemKey(t *testing.T, client string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(clientKeys[client])
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
