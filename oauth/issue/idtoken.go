package issue

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
)

// With is what an ID token binds itself to, beside its grant; what is "" is left out.
type With struct {
	Nonce       string // of the authorization request
	AccessToken string // at_hash, OIDC Core §3.1.3.6
	Code        string // c_hash, OIDC Core §3.3.2.11
	AuthReqID   string // urn:openid:params:jwt:claim:auth_req_id, CIBA Core §10.3.1
	Refresh     string // urn:openid:params:jwt:claim:rt_hash, CIBA Core §10.3.1
	Claims      bool   // the claims that the scopes open go in, since no access token opens userinfo, OIDC Core §5.4
}

// IDToken mints the ID token of a grant, signed and, where c wants that, encrypted. OIDC Core §2, §3.1.3.6, §3.3.2.11, §12.2.
func (i *Issuer) IDToken(ctx context.Context, c *oauth.Client, g *oauth.Grant, with With) (_ string, err error) {
	ctx, end := span.Start(ctx, "issue.IDToken")
	defer func() { end(err) }()
	now := i.opt.Now()
	alg := i.alg(c.IDTokenAlg)
	m := map[string]any{
		"iss": i.opt.Issuer, "sub": i.Subject(c, g.User), "aud": string(c.ID),
		"iat": now.Unix(), "exp": now.Add(i.opt.IDToken).Unix(),
		"auth_time": g.AuthTime.Unix(), "acr": g.Assurance.ACR(), "sid": string(g.Session),
	}
	if len(g.AMR) > 0 {
		m["amr"] = g.AMR
	}
	for name, v := range map[string]string{"nonce": with.Nonce, "at_hash": halfHash(alg, with.AccessToken), "c_hash": halfHash(alg, with.Code),
		"urn:openid:params:jwt:claim:auth_req_id": with.AuthReqID, "urn:openid:params:jwt:claim:rt_hash": halfHash(alg, with.Refresh)} {
		if v != "" {
			m[name] = v
		}
	}
	var scope []string
	if with.Claims {
		scope = g.Scope
	}
	if err := i.claims(ctx, g, scope, m); err != nil {
		return "", err
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	token, err := i.opt.Ring.Sign(ctx, alg, "JWT", payload)
	if err != nil || c.IDTokenEncAlg == "" {
		return token, err
	}
	return i.encrypt(ctx, c, c.IDTokenEncAlg, c.IDTokenEnc, "JWT", token)
}

// claims adds to m what scope and the claims parameter open of the person, as far as no claim of ours has that name.
func (i *Issuer) claims(ctx context.Context, g *oauth.Grant, scope []string, m map[string]any) error {
	var wishes map[string]*oauth.ClaimWish
	if w := g.Wishes(); w != nil {
		wishes = w.IDToken
	}
	if len(scope) == 0 && len(wishes) == 0 {
		return nil
	}
	u, err := i.opt.Users.User(ctx, g.User)
	if err != nil {
		return fmt.Errorf("issue: the person of the ID token: %w", err)
	}
	for name, v := range oauth.ClaimsOf(u, scope, wishes) {
		if _, taken := m[name]; !taken {
			m[name] = v
		}
	}
	return nil
}

// UserInfo is what userinfo answers to a client that registered a signed or encrypted answer: a JWT. OIDC Core §5.3.2.
func (i *Issuer) UserInfo(ctx context.Context, c *oauth.Client, claims map[string]any) (string, error) {
	claims["iss"], claims["aud"] = i.opt.Issuer, string(c.ID)
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, cty := string(body), "json"
	if c.UserInfoAlg != "" {
		if token, err = i.opt.Ring.Sign(ctx, c.UserInfoAlg, "JWT", body); err != nil {
			return "", err
		}
		cty = "JWT"
	}
	if c.UserInfoEncAlg == "" {
		return token, nil
	}
	return i.encrypt(ctx, c, c.UserInfoEncAlg, c.UserInfoEnc, cty, token)
}

// encrypt fails as unavailable where the keys of the client cannot be had: nothing leaves in the clear instead.
func (i *Issuer) encrypt(ctx context.Context, c *oauth.Client, alg, enc, cty, token string) (string, error) {
	out, err := i.opt.Keys.Encrypt(ctx, c, alg, enc, cty, []byte(token))
	if err != nil {
		return "", oauth.Unavailable(fmt.Errorf("issue: no key of client %s to encrypt for: %w", c.ID, err))
	}
	return out, nil
}

func (i *Issuer) alg(registered string) string {
	if registered != "" {
		return registered
	}
	return i.opt.Ring.Algs()[0]
}

// Subject is how c knows user: by one name that all clients share, or by one that only those of its sector do.
// OIDC Core §8, §8.1.
func (i *Issuer) Subject(c *oauth.Client, user ident.UserID) string {
	sector := c.Sector()
	if sector == "" {
		return string(user)
	}
	m := hmac.New(sha256.New, i.opt.Anchor("pairwise-subject"))
	m.Write([]byte(sector))
	m.Write([]byte{0})
	m.Write([]byte(user))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// halfHash is at_hash or c_hash: the left half of the hash that belongs to the algorithm of the ID token; for Ed25519 that
// is SHA-512. "" of "". OIDC Core §3.1.3.6.
func halfHash(alg, token string) string {
	if token == "" {
		return ""
	}
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
	Subject  string          `json:"sub"` // as the client of the token knows the person
	Session  ident.SessionID `json:"sid"`
	Audience Audience        `json:"aud"`
	Issuer   string          `json:"iss"`
}

// ReadHint verifies an ID token that comes back as a hint, as it was signed or encrypted to us. OIDC Core §3.1.2.1.
func (i *Issuer) ReadHint(token string) (Hint, error) {
	if strings.Count(token, ".") == 4 {
		plain, _, _, err := i.opt.Ring.Decrypt(token, keys.ExpectEnc{MaxSize: 16 << 10})
		if err != nil {
			return Hint{}, err
		}
		token = string(plain)
	}
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
