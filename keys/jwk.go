package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// This file is the only one that knows jwx: it reads, writes and fingerprints JWKs.

// errUnsupported marks a key that is sound but not of a kind we verify with; sets leave it out, RFC 7517 §5.
var errUnsupported = errors.New("keys: unsupported type of key")

// private are the members that only a private or symmetric key has, RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2.
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parseJWK reads one public key, whose text unique has passed. Private and symmetric keys are refused;
// errUnsupported for keys that are none of our business (other curves, `use` enc).
func parseJWK(text []byte) (publicKey, error) {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &m); err != nil || m == nil { // null is no error
		return publicKey{}, fmt.Errorf("keys: a JWK is a JSON object")
	}
	for _, name := range private {
		if _, found := m[name]; found {
			return publicKey{}, fmt.Errorf("keys: this JWK holds a private member, %q", name)
		}
	}
	kty, use, alg, kid := text1(m["kty"]), text1(m["use"]), canonical(text1(m["alg"])), text1(m["kid"])
	if kty == "oct" {
		return publicKey{}, fmt.Errorf("keys: symmetric keys have no place in a key set")
	}
	if len(kid) > maxKeyID {
		return publicKey{}, fmt.Errorf("keys: kid longer than %d bytes", maxKeyID)
	}
	crv := text1(m["crv"])
	if (kty != "EC" || crv != "P-256") && (kty != "OKP" || crv != "Ed25519") && kty != "RSA" || use != "" && use != "sig" {
		return publicKey{}, errUnsupported
	}
	if ops := m["key_ops"]; ops != nil {
		var list []string
		if json.Unmarshal(ops, &list) != nil || !slices.Contains(list, "verify") {
			return publicKey{}, errUnsupported
		}
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return publicKey{}, fmt.Errorf("keys: unreadable JWK of type %s", kty)
	}
	var pub any
	if err := parsed.Raw(&pub); err != nil {
		return publicKey{}, fmt.Errorf("keys: unreadable JWK of type %s", kty)
	}
	switch k := pub.(type) { // a value or a pointer, depending on the type
	case ecdsa.PublicKey:
		pub = &k
	case rsa.PublicKey:
		pub = &k
	}
	algs, err := algsOf(pub)
	if err != nil {
		return publicKey{}, err
	}
	if m["alg"] != nil {
		if !slices.Contains(algs, alg) {
			return publicKey{}, errUnsupported
		}
		algs = []string{alg}
	}
	return publicKey{id: kid, algs: algs, pub: pub}, nil
}

// text1 is the string that raw holds, "" if it holds none.
func text1(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// PublicJWK returns the public half of k as JSON, with `kid`, `alg` and `use` sig, RFC 7517 §4.
func PublicJWK(k Key) ([]byte, error) { return marshalJWK(k.ID(), k.Alg(), k.Public()) }

func marshalJWK(kid, alg string, pub crypto.PublicKey) ([]byte, error) {
	if _, err := algsOf(pub); err != nil { // also refuses private keys
		return nil, err
	}
	k, err := jwk.FromRaw(pub)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for name, v := range map[string]string{"kid": kid, "alg": alg, "use": "sig"} {
		if err := k.Set(name, v); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
	}
	return json.Marshal(k)
}

// Thumbprint returns the SHA-256 thumbprint of pub in base64url, 43 characters. RFC 7638 §3.
func Thumbprint(pub crypto.PublicKey) (string, error) {
	if _, err := algsOf(pub); err != nil {
		return "", err
	}
	k, err := jwk.FromRaw(pub)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// kidOf is the `kid` of our own keys: 96 bits of the thumbprint, enough for keys nobody else can choose.
func kidOf(pub crypto.PublicKey) (string, error) {
	t, err := Thumbprint(pub)
	if err != nil {
		return "", err
	}
	return strings.TrimLeft(t, "-")[:16], nil // a command line would take a leading hyphen for a flag
}
