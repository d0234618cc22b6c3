package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
	"github.com/lestrrat-go/jwx/v2/x25519"
)

// The algorithms that manage the key of a JWE, RFC 7518 §4.1. RSA1_5 is an oracle by construction (RFC 8725 §3.2), and
// what shares a secret (dir, A128KW, PBES2 with its cost of the sender's choice) has no place between parties that publish keys.
const (
	rsaOAEP256   = "RSA-OAEP-256"
	rsaOAEP      = "RSA-OAEP" // its SHA-1 need not resist collisions, RFC 8017 §7.1
	ecdhES       = "ECDH-ES"
	ecdhESA128KW = "ECDH-ES+A128KW"
	ecdhESA256KW = "ECDH-ES+A256KW"
)

var (
	// EncryptionAlgs are the `alg` values of a JWE that we make and read, RFC 7518 §4.1. Do not change it.
	EncryptionAlgs = []string{rsaOAEP256, rsaOAEP, ecdhES, ecdhESA128KW, ecdhESA256KW}
	// EncryptionEncs are the `enc` values of a JWE that we make and read, RFC 7518 §5.1. Do not change it.
	EncryptionEncs = []string{"A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"}
)

// encAlgsOf returns the algorithms with which one can encrypt to pub, or why there is none.
func encAlgsOf(pub crypto.PublicKey) ([]string, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return []string{rsaOAEP256, rsaOAEP}, checkRSA(k)
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return nil, errUnsupported
		}
		if _, err := k.ECDH(); err != nil {
			return nil, errors.New("keys: the point is not on its curve")
		}
	case x25519.PublicKey:
		if len(k) != x25519.PublicKeySize {
			return nil, fmt.Errorf("keys: an X25519 key has %d bytes", x25519.PublicKeySize)
		}
	default:
		return nil, errUnsupported
	}
	return []string{ecdhES, ecdhESA128KW, ecdhESA256KW}, nil
}

// HasEncryption says whether Encrypt finds a key for alg.
func (s *Set) HasEncryption(alg string) bool { return s.encrypter(alg) != nil }

// encrypter returns the key to use for alg, nil if there is none.
func (s *Set) encrypter(alg string) *publicKey {
	if s == nil { // of a client without keys
		return nil
	}
	i := slices.IndexFunc(s.enc, func(k publicKey) bool { return slices.Contains(k.encAlgs, alg) })
	if i < 0 {
		return nil
	}
	return &s.enc[i]
}

// Encrypt returns payload as a compact JWE to the owner of the set, RFC 7516 §7.1; cty "JWT" where payload is a JWT itself
// (RFC 7519 §5.2, OIDC Core §10.2), "" leaves the parameter out. The key is the first whose type and JWK `alg` fit alg; one
// with `use` enc comes before one without, and one with `use` sig is never taken. Its `kid` stands in the header.
// ErrRefused for an alg or enc that is not one of EncryptionAlgs or EncryptionEncs; ErrNoKey if no key fits.
func (s *Set) Encrypt(alg, enc, cty string, payload []byte) (string, error) {
	if !slices.Contains(EncryptionAlgs, alg) || !slices.Contains(EncryptionEncs, enc) {
		return "", fmt.Errorf("%w: alg or enc", ErrRefused)
	}
	k := s.encrypter(alg)
	if k == nil {
		return "", fmt.Errorf("%w: none to encrypt to with %s", ErrNoKey, alg)
	}
	head := jwe.NewHeaders()
	for name, v := range map[string]string{jwe.KeyIDKey: k.id, jwe.ContentTypeKey: cty} {
		if v == "" {
			continue
		}
		if err := head.Set(name, v); err != nil {
			return "", fmt.Errorf("keys: %w", err)
		}
	}
	token, err := jwe.Encrypt(payload, jwe.WithKey(jwa.KeyEncryptionAlgorithm(alg), k.pub),
		jwe.WithContentEncryption(jwa.ContentEncryptionAlgorithm(enc)), jwe.WithProtectedHeaders(head))
	if err != nil {
		return "", fmt.Errorf("keys: encrypting: %w", err)
	}
	return string(token), nil
}

// decrypter is a private key that opens what was encrypted to us.
type decrypter struct {
	id   string
	algs []string
	priv crypto.Signer // *ecdsa.PrivateKey or *rsa.PrivateKey
}

// open returns the plaintext of token, whose alg is one of d.algs; whatever is wrong with it, ErrDecrypt.
func (d *decrypter) open(token, alg string) ([]byte, error) {
	plain, err := jwe.Decrypt([]byte(token), jwe.WithKey(jwa.KeyEncryptionAlgorithm(alg), d.priv))
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}
