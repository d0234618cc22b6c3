package didtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"testing"
)

var b64 = base64.RawURLEncoding

// Signer is an issuer or a holder with one key, of whatever it is asked to sign: right or wrong.
type Signer struct {
	t   testing.TB
	Key crypto.Signer
	Alg string
}

// NewSigner makes a key for alg: ES256, ES384, ES512 or EdDSA.
func NewSigner(t testing.TB, alg string) *Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg], rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{t, key, alg}
}

// JWK is the public key, with the least members that a JWK has.
func (s *Signer) JWK() map[string]any {
	switch p := s.Key.Public().(type) {
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(p)}
	case *ecdsa.PublicKey:
		b, err := p.Bytes()
		if err != nil {
			s.t.Fatal(err)
		}
		half := len(b) / 2
		return map[string]any{"kty": "EC", "crv": p.Curve.Params().Name, "x": b64.EncodeToString(b[1 : 1+half]), "y": b64.EncodeToString(b[1+half:])}
	}
	return nil
}

// DID is the key as a did:jwk.
func (s *Signer) DID() string { return "did:jwk:" + b64.EncodeToString(s.json(s.JWK())) }

// JWKS is the key as JSON of a key set of one.
func (s *Signer) JWKS(kid string) string {
	k := s.JWK()
	k["kid"] = kid
	return string(s.json(map[string]any{"keys": []any{k}}))
}

func (s *Signer) json(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// JWS signs payload; header may override alg.
func (s *Signer) JWS(header, payload map[string]any) string {
	h := map[string]any{"alg": s.Alg}
	maps.Copy(h, header)
	input := b64.EncodeToString(s.json(h)) + "." + b64.EncodeToString(s.json(payload))
	return input + "." + b64.EncodeToString(s.Sign([]byte(input)))
}

// Sign signs input as JOSE does.
func (s *Signer) Sign(input []byte) []byte {
	if s.Alg == "EdDSA" {
		sig, err := s.Key.Sign(rand.Reader, input, crypto.Hash(0))
		if err != nil {
			s.t.Fatal(err)
		}
		return sig
	}
	var digest []byte
	size := 32
	switch s.Alg {
	case "ES256":
		d := sha256.Sum256(input)
		digest = d[:]
	case "ES384":
		d := sha512.Sum384(input)
		digest, size = d[:], 48
	case "ES512":
		d := sha512.Sum512(input)
		digest, size = d[:], 66
	}
	der, err := s.Key.Sign(rand.Reader, digest, crypto.SHA256)
	var rs struct{ R, S *big.Int }
	if err == nil {
		_, err = asn1.Unmarshal(der, &rs)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out
}

// Disclosure returns a disclosure and its SHA-256 digest; elements are what it holds, with its salt.
func Disclosure(t testing.TB, elements ...any) (disclosure, digest string) {
	t.Helper()
	b, err := json.Marshal(elements)
	if err != nil {
		t.Fatal(err)
	}
	disclosure = b64.EncodeToString(b)
	return disclosure, Digest(disclosure)
}

// Digest is the base64url SHA-256 of s.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return b64.EncodeToString(sum[:])
}

// SDJWT puts an SD-JWT together: what the issuer signed, disclosures, and what the holder signs over it (nil: nothing).
// kb gets sd_hash unless it has one.
func SDJWT(issued string, disclosures []string, holder *Signer, header, kb map[string]any) string {
	s := issued + "~" + strings.Join(append(disclosures, ""), "~")
	if holder == nil {
		return s
	}
	payload := map[string]any{"sd_hash": Digest(s)}
	maps.Copy(payload, kb)
	h := map[string]any{"typ": "kb+jwt"}
	maps.Copy(h, header)
	return s + holder.JWS(h, payload)
}
