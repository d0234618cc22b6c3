package issue

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
)

// IDToken mints the ID token of a grant; accessToken, where there is one, is bound in by at_hash. nonce is that of the
// authorization request, and "" at a refresh. OIDC Core §2, §3.1.3.6, §12.2.
func (i *Issuer) IDToken(ctx context.Context, c *oauth.Client, g *oauth.Grant, nonce, accessToken string) (_ string, err error) {
	ctx, end := span.Start(ctx, "issue.IDToken")
	defer func() { end(err) }()
	now := i.opt.Now()
	alg := c.IDTokenAlg
	if alg == "" {
		alg = i.opt.Ring.Algs()[0]
	}
	m := map[string]any{
		"iss": i.opt.Issuer, "sub": string(g.User), "aud": string(c.ID),
		"iat": now.Unix(), "exp": now.Add(i.opt.IDToken).Unix(),
		"auth_time": g.AuthTime.Unix(), "acr": g.Assurance.ACR(), "amr": g.AMR, "sid": string(g.Session),
	}
	if nonce != "" {
		m["nonce"] = nonce
	}
	if accessToken != "" {
		m["at_hash"] = halfHash(alg, accessToken)
	}
	if wish := g.Wishes(); wish != nil && len(wish.IDToken) > 0 {
		u, err := i.opt.Users.User(ctx, g.User)
		if err != nil {
			return "", fmt.Errorf("issue: the person of the ID token: %w", err)
		}
		for name, v := range oauth.ClaimsOf(u, nil, wish.IDToken) {
			if _, taken := m[name]; !taken {
				m[name] = v
			}
		}
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	return i.opt.Ring.Sign(ctx, alg, "JWT", payload)
}

// halfHash is at_hash: the left half of the hash that belongs to the algorithm of the ID token; for Ed25519 that is SHA-512.
// OIDC Core §3.1.3.6.
func halfHash(alg, token string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Hint is what a genuine ID token of ours says about a past sign-in; it may have expired. OIDC Core §3.1.2.1
// (id_token_hint), RP-Initiated Logout §2.
type Hint struct {
	Subject  ident.UserID    `json:"sub"`
	Session  ident.SessionID `json:"sid"`
	Audience Audience        `json:"aud"`
	Issuer   string          `json:"iss"`
}

// ReadHint verifies an ID token that comes back as a hint.
func (i *Issuer) ReadHint(token string) (Hint, error) {
	v, err := i.opt.Ring.Verify(token, keys.Expect{Algs: oauth.SigningAlgs, Typ: []string{"JWT"}, MaxSize: 16 << 10})
	if err != nil {
		return Hint{}, err
	}
	var h Hint
	if err := json.Unmarshal(v.Payload, &h); err != nil {
		return Hint{}, err
	}
	if h.Issuer != i.opt.Issuer || h.Subject == "" || len(h.Audience) == 0 {
		return Hint{}, fmt.Errorf("issue: not an ID token of this server")
	}
	return h, nil
}
