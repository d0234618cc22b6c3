package verifytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"time"
)

var b64 = base64.RawURLEncoding

// What tokens say unless a test changes it.
const (
	Subject  = "user-1"
	ClientID = "client-1"
	Audience = "https://api.example.com"
	Scope    = "wallet:read wallet:move"
)

// Key is a signing key.
type Key struct {
	ID, Alg string
	Private crypto.Signer
}

// NewKey makes a key for ES256, RS256, PS256 or EdDSA.
func NewKey(id, alg string) (*Key, error) {
	var p crypto.Signer
	var err error
	switch alg {
	case "ES256":
		p, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256":
		p, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, p, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no algorithm %q", alg)
	}
	return &Key{ID: id, Alg: alg, Private: p}, err
}

// JWK is the public half.
func (k *Key) JWK() map[string]string {
	j := map[string]string{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch p := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, X, Y
		if err != nil {
			return nil
		}
		j["kty"], j["crv"] = "EC", "P-256"
		j["x"], j["y"] = b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])
	case *rsa.PublicKey:
		j["kty"] = "RSA"
		j["n"], j["e"] = b64.EncodeToString(p.N.Bytes()), b64.EncodeToString(big.NewInt(int64(p.E)).Bytes())
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", b64.EncodeToString(p)
	}
	return j
}

// Sign returns the compact JWS of header and payload, which need not be JSON.
func (k *Key) Sign(header, payload []byte) (string, error) {
	input := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch p := k.Private.(type) {
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, p, sum[:]); err == nil {
			sig = make([]byte, 64)
			r.FillBytes(sig[:32])
			s.FillBytes(sig[32:])
		}
	case *rsa.PrivateKey:
		if k.Alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, p, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, p, crypto.SHA256, sum[:])
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(p, []byte(input))
	}
	return input + "." + b64.EncodeToString(sig), err
}

// Change alters the token that is about to be signed.
type Change func(*draft)

type draft struct {
	header, claims map[string]any
	key            *Key
}

// Claim sets a claim to any JSON value; nil removes it.
func Claim(name string, value any) Change {
	return func(d *draft) { set(d.claims, name, value) }
}

// Header sets a header parameter to any JSON value; nil removes it.
func Header(name string, value any) Change {
	return func(d *draft) { set(d.header, name, value) }
}

func set(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// SignedBy signs with k, published or not, and sets `alg` and `kid` after it.
func SignedBy(k *Key) Change {
	return func(d *draft) { d.key, d.header["alg"], d.header["kid"] = k, k.Alg, k.ID }
}

// ForAudience sets `aud`.
func ForAudience(aud ...string) Change { return Claim("aud", aud) }

// WithScope sets `scope`.
func WithScope(scope ...string) Change { return Claim("scope", strings.Join(scope, " ")) }

// Authenticated sets `acr` and `auth_time`.
func Authenticated(acr string, at time.Time) Change {
	return func(d *draft) { d.claims["acr"], d.claims["auth_time"] = acr, at.Unix() }
}

// AccessToken returns a JWT access token of RFC 9068 that lives five minutes, with changes; introspection knows it.
func (i *Issuer) AccessToken(changes ...Change) string {
	d := i.draft("at+jwt", i.accessClaims(), changes)
	token := i.sign(d)
	known := maps.Clone(d.claims)
	known["active"] = true
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opaque[token] = known
	return token
}

// IDToken returns an ID token of OIDC Core §2 for ClientID, with changes.
func (i *Issuer) IDToken(changes ...Change) string {
	now := i.now()
	return i.sign(i.draft("JWT", map[string]any{
		"iss": i.URL, "sub": Subject, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"auth_time": now.Unix(), "acr": "urn:postern:acr:aal1", "amr": []string{"pwd"}, "sid": "session-1",
	}, changes))
}

// Opaque returns an opaque access token that introspection knows; Claim("active", false) makes it unknown.
func (i *Issuer) Opaque(changes ...Change) string {
	claims := i.accessClaims()
	claims["active"], claims["token_type"] = true, "Bearer"
	d := i.draft("", claims, changes)
	token := "opaque_" + rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opaque[token] = d.claims
	return token
}

// Revoke makes introspection forget a token.
func (i *Issuer) Revoke(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.opaque, token)
}

func (i *Issuer) accessClaims() map[string]any {
	now := i.now()
	return map[string]any{
		"iss": i.URL, "sub": Subject, "client_id": ClientID, "aud": Audience, "scope": Scope, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(),
		"acr": "urn:postern:acr:aal1", "amr": []string{"pwd"}, "sid": "session-1",
	}
}

func (i *Issuer) draft(typ string, claims map[string]any, changes []Change) *draft {
	d := &draft{header: map[string]any{"typ": typ}, claims: claims}
	SignedBy(i.Key())(d)
	for _, c := range changes {
		c(d)
	}
	return d
}

func (i *Issuer) sign(d *draft) string {
	i.t.Helper()
	header, err := json.Marshal(d.header)
	if err != nil {
		i.t.Fatalf("verifytest: header: %v", err)
	}
	claims, err := json.Marshal(d.claims)
	if err != nil {
		i.t.Fatalf("verifytest: claims: %v", err)
	}
	token, err := d.key.Sign(header, claims)
	if err != nil {
		i.t.Fatalf("verifytest: sign: %v", err)
	}
	return token
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return b64.EncodeToString(sum[:12])
}
