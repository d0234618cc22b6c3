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

// This file and jwe.go are the only ones that know jwx: this one reads, writes and fingerprints JWKs.

// errUnsupported marks a key that is sound but not of a kind we use; sets leave it out, RFC 7517 §5.
var errUnsupported = errors.New("keys: unsupported type of key")

// private are the members that only a private or symmetric key has, RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2.
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parseJWK reads one public key, whose text unique has passed. Private and symmetric keys are refused;
// errUnsupported for keys that are none of our business (other curves, other algorithms).
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
	kty, alg, kid := text1(m["kty"]), canonical(text1(m["alg"])), text1(m["kid"])
	if kty == "oct" {
		return publicKey{}, fmt.Errorf("keys: symmetric keys have no place in a key set")
	}
	if len(kid) > maxKeyID {
		return publicKey{}, fmt.Errorf("keys: kid longer than %d bytes", maxKeyID)
	}
	use := text1(m["use"])
	signs, encrypts := purposes(kty, text1(m["crv"]))
	signs, encrypts = signs && (use == "" || use == "sig"), encrypts && (use == "" || use == "enc")
	if raw := m["key_ops"]; raw != nil {
		var ops []string
		readable := json.Unmarshal(raw, &ops) == nil
		signs, encrypts = signs && readable && slices.Contains(ops, "verify"), encrypts && readable && encryptOps(kty, ops)
	}
	if !signs && !encrypts {
		return publicKey{}, errUnsupported
	}
	pub, err := rawPublic(kty, text)
	if err != nil {
		return publicKey{}, err
	}
	k := publicKey{id: kid, encOnly: use == "enc", pub: pub}
	if signs {
		if k.algs, err = algsOf(pub); err != nil {
			return publicKey{}, err
		}
	}
	if encrypts {
		if k.encAlgs, err = encAlgsOf(pub); err != nil {
			return publicKey{}, err
		}
	}
	if m["alg"] != nil { // the only one, RFC 7517 §4.4
		other := func(a string) bool { return a != alg }
		k.algs, k.encAlgs = slices.DeleteFunc(k.algs, other), slices.DeleteFunc(k.encAlgs, other)
	}
	if len(k.algs)+len(k.encAlgs) == 0 {
		return publicKey{}, errUnsupported
	}
	return k, nil
}

// purposes says what we can do with keys of this type.
func purposes(kty, crv string) (signs, encrypts bool) {
	switch {
	case kty == "RSA", kty == "EC" && crv == "P-256":
		return true, true
	case kty == "OKP" && crv == "Ed25519":
		return true, false
	case kty == "EC" && crv == "P-384", kty == "OKP" && crv == "X25519":
		return false, true
	}
	return false, false
}

// encryptOps says whether `key_ops` lets one encrypt to a public key, RFC 7517 §4.3. Web Crypto gives the public keys of
// ECDH an empty list, since deriving is what the private one does.
func encryptOps(kty string, ops []string) bool {
	if kty == "RSA" {
		return slices.Contains(ops, "encrypt") || slices.Contains(ops, "wrapKey")
	}
	return len(ops) == 0 || slices.Contains(ops, "deriveKey") || slices.Contains(ops, "deriveBits")
}

// rawPublic returns the key of the standard library that text holds, or an x25519.PublicKey of jwx.
func rawPublic(kty string, text []byte) (pub crypto.PublicKey, err error) {
	parsed, err := jwk.ParseKey(text)
	if err == nil {
		err = parsed.Raw(&pub)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: unreadable JWK of type %s", kty)
	}
	switch k := pub.(type) { // a value or a pointer, depending on the type
	case ecdsa.PublicKey:
		pub = &k
	case rsa.PublicKey:
		pub = &k
	}
	return pub, nil
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
func PublicJWK(k Key) ([]byte, error) {
	return marshalJWK(k.Public(), map[string]string{"kid": k.ID(), "alg": k.Alg(), "use": "sig"})
}

func marshalJWK(pub crypto.PublicKey, with map[string]string) ([]byte, error) {
	if _, err := algsOf(pub); err != nil { // also refuses private keys
		return nil, err
	}
	k, err := jwk.FromRaw(pub)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for name, v := range with {
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
