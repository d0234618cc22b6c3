package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

var b64 = base64.RawURLEncoding

// DecodeJWT returns the header and the claims of a JWT; numbers are json.Number. It verifies nothing.
func DecodeJWT(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a JWT")
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := b64.DecodeString(parts[i])
		if err != nil {
			return nil, nil, fmt.Errorf("not a JWT: %w", err)
		}
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.UseNumber()
		if err := dec.Decode(into); err != nil {
			return nil, nil, fmt.Errorf("not a JWT: %w", err)
		}
	}
	return header, claims, nil
}

// SignJWT makes a compact JWS with ES256 or RS256, by the alg of the header.
func SignJWT(key crypto.Signer, header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			return "", err
		}
		sig = make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
	case *rsa.PrivateKey:
		if sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("harness: no way to sign with %T", key)
	}
	return input + "." + b64.EncodeToString(sig), nil
}

// PublicJWKS is the JWK Set of one public key, as a seed file takes it.
func PublicJWKS(key crypto.Signer, kid, alg string) string {
	m := map[string]any{"kid": kid, "alg": alg, "use": "sig"}
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		p, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64.EncodeToString(p[1:33]), b64.EncodeToString(p[33:])
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64.EncodeToString(k.N.Bytes()), b64.EncodeToString(big.NewInt(int64(k.E)).Bytes())
	default:
		panic(fmt.Sprintf("harness: no JWK for %T", k))
	}
	raw, _ := json.Marshal(map[string]any{"keys": []any{m}})
	return string(raw)
}
