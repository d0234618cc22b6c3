package verify

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
)

var b64 = base64.RawURLEncoding.Strict()

const maxKeyID = 256 // bytes of `kid`

// verifyJWS returns the claims of a compact JWS that one of the issuer's keys signed and whose `typ` typeOK accepts.
// The algorithm must be allowed here and be that of the key; extensions (`crit`, `b64`, `zip`) are refused, and keys
// that the token brings along (`jwk`, `jku`, `x5c`, `x5u`) are never looked at. RFC 7515 §5.2, RFC 8725 §3.
func (p *provider) verifyJWS(ctx context.Context, token string, typeOK func(typ string) bool) (map[string]any, error) {
	head, rest, _ := strings.Cut(token, ".")
	body, sig64, ok := strings.Cut(rest, ".")
	if !ok || len(token) > maxToken {
		return nil, invalid("not a compact JWS")
	}
	header, err := decodeSegment(head)
	if err != nil {
		return nil, invalid("header: %v", err)
	}
	alg, kid, err := p.checkHeader(header, typeOK)
	if err != nil {
		return nil, err
	}
	sig, err := decodeBase64(sig64)
	if err != nil {
		return nil, invalid("signature: %v", err)
	}
	k, err := p.key(ctx, kid, alg)
	if err != nil {
		return nil, err
	}
	if !k.verify(alg, []byte(token[:len(head)+1+len(body)]), sig) {
		return nil, invalid("signature does not match")
	}
	claims, err := decodeSegment(body)
	if err != nil {
		return nil, invalid("claims: %v", err)
	}
	return claims, nil
}

func (p *provider) checkHeader(h map[string]any, typeOK func(string) bool) (alg, kid string, err error) {
	for _, name := range []string{"crit", "b64", "zip", "enc", "p2c", "p2s"} {
		if _, ok := h[name]; ok {
			return "", "", invalid("header parameter %s is not allowed", name)
		}
	}
	alg, _ = h["alg"].(string)
	if !slices.Contains(p.algorithms, alg) {
		return "", "", invalid("alg is not allowed")
	}
	typ, _ := h["typ"].(string)
	if !typeOK(typ) {
		return "", "", invalid("typ is wrong")
	}
	if v, ok := h["kid"]; ok {
		kid, ok = v.(string)
		if !ok || kid == "" || len(kid) > maxKeyID {
			return "", "", invalid("kid is malformed")
		}
	}
	return alg, kid, nil
}

// verify reports whether sig is a signature of k over input. The algorithm has been matched with the key.
func (k *publicKey) verify(alg string, input, sig []byte) bool {
	switch pub := k.key.(type) {
	case *ecdsa.PublicKey:
		if len(sig) != 64 { // R||S, RFC 7518 §3.4
			return false
		}
		sum := sha256.Sum256(input)
		return ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(pub, input, sig)
	case *rsa.PublicKey:
		sum := sha256.Sum256(input)
		if alg == "PS256" {
			return rsa.VerifyPSS(pub, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig) == nil
	}
	return false
}

func decodeSegment(s string) (map[string]any, error) {
	b, err := decodeBase64(s)
	if err != nil {
		return nil, err
	}
	return decodeObject(b)
}

// decodeBase64 takes exactly one spelling of each value: the standard decoder would skip line breaks.
func decodeBase64(s string) ([]byte, error) {
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64url")
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return b, nil
}
