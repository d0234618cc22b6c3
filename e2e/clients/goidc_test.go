package clients

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// TestGoOIDC walks with coreos/go-oidc and x/oauth2: discovery, code with PKCE, ID token, userinfo, refresh.
func TestGoOIDC(t *testing.T) {
	ctx := t.Context()
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		client, secret, alg string
		style               oauth2.AuthStyle
	}
	rows := []row{
		{"public", "", "ES256", oauth2.AuthStyleInParams},
		{"post", secret, "ES256", oauth2.AuthStyleInParams},
		{"opaque", secret, "ES256", oauth2.AuthStyleAutoDetect},
	}
	for _, alg := range algs {
		rows = append(rows, row{"app-" + alg, secret, alg, oauth2.AuthStyleAutoDetect})
	}
	for _, r := range rows {
		t.Run(r.client, func(t *testing.T) {
			t.Parallel()
			conf := &oauth2.Config{ClientID: r.client, ClientSecret: r.secret, RedirectURL: redirectURI, Endpoint: provider.Endpoint(),
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}}
			conf.Endpoint.AuthStyle = r.style
			verifier := provider.Verifier(&oidc.Config{ClientID: r.client, SupportedSigningAlgs: []string{r.alg}})
			goOIDC(t, provider, conf, verifier)
		})
	}
}

func goOIDC(t *testing.T, provider *oidc.Provider, conf *oauth2.Config, verifier *oidc.IDTokenVerifier) {
	ctx := t.Context()
	state, nonce, pkce := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	q := signIn(t, conf.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce)))
	if q.Get("state") != state || q.Get("iss") != issuer || q.Get("code") == "" {
		t.Fatalf("authorization response %v, want a code, state %s and iss %s", q, state, issuer)
	}
	tokens, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	subject := checkIDToken(t, verifier, tokens, nonce)
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != subject || info.Email != email || !info.EmailVerified {
		t.Errorf("userinfo %+v, want subject %s with %s, verified", info, subject, email)
	}

	old := *tokens
	old.Expiry = old.Expiry.AddDate(-1, 0, 0) // x/oauth2 refreshes what has expired
	fresh, err := conf.TokenSource(ctx, &old).Token()
	if err != nil {
		t.Fatal(err)
	}
	if fresh.AccessToken == tokens.AccessToken || fresh.RefreshToken == tokens.RefreshToken {
		t.Error("a refresh brought the old tokens")
	}
	if again := checkIDToken(t, verifier, fresh, ""); again != subject {
		t.Errorf("the refreshed ID token is of %s, want %s", again, subject)
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh)); err != nil {
		t.Error(err)
	}
	if _, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(pkce)); err == nil {
		t.Error("a code was redeemed twice")
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh)); err == nil {
		t.Error("a replayed code left its tokens alive")
	}
}

// checkIDToken verifies signature, iss, aud and exp as the library does, then nonce and at_hash, and returns sub.
func checkIDToken(t *testing.T, verifier *oidc.IDTokenVerifier, tokens *oauth2.Token, nonce string) string {
	t.Helper()
	raw, _ := tokens.Extra("id_token").(string)
	id, err := verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if nonce != "" && id.Nonce != nonce {
		t.Errorf("nonce %q, want %q", id.Nonce, nonce)
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	var claims struct {
		Sid      string   `json:"sid"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		AuthTime int64    `json:"auth_time"`
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if claims.Sid == "" || claims.ACR == "" || len(claims.AMR) == 0 || claims.AuthTime == 0 {
		t.Errorf("claims %+v, want sid, acr, amr and auth_time", claims)
	}
	return id.Subject
}

// TestOAuth2ClientCredentials walks with x/oauth2 alone, each way in which it sends a secret.
func TestOAuth2ClientCredentials(t *testing.T) {
	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	for client, style := range map[string]oauth2.AuthStyle{"app-ES256": oauth2.AuthStyleInHeader, "post": oauth2.AuthStyleInParams} {
		conf := clientcredentials.Config{ClientID: client, ClientSecret: secret, TokenURL: provider.Endpoint().TokenURL,
			Scopes: []string{"orders:read"}, AuthStyle: style, EndpointParams: map[string][]string{"resource": {resource}}}
		tokens, err := conf.Token(t.Context())
		if err != nil {
			t.Errorf("%s: %v", client, err)
			continue
		}
		if got := introspect(t, tokens.AccessToken); !got.Active || got.ClientID != client || got.Subject != client {
			t.Errorf("%s: introspection %+v, want it active and of the client itself", client, got)
		}
		conf.ClientSecret += "x"
		if _, err := conf.Token(context.WithoutCancel(t.Context())); err == nil {
			t.Errorf("%s: a wrong secret was taken", client)
		}
	}
}
