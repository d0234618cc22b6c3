package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// softKey signs in this process.
type softKey struct {
	id, alg string
	priv    crypto.Signer
}

// Generate returns a new key for alg that lives in memory. RSA keys have 2048 bits. Its randomness is
// that of crypto/rand, which the standard library insists on for keys.
func Generate(alg string) (Key, error) {
	var priv crypto.Signer
	var err error
	switch alg {
	case ES256:
		priv, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, priv, err = ed25519.GenerateKey(rand.Reader)
	case RS256, PS256:
		priv, err = rsa.GenerateKey(rand.Reader, minRSABits)
	default:
		return nil, fmt.Errorf("keys: no algorithm %q", alg)
	}
	if err != nil {
		return nil, err
	}
	return NewKey(alg, priv)
}

// NewKey returns priv as a Key for alg; its ID is taken from its thumbprint. An error if the two do not fit.
func NewKey(alg string, priv crypto.Signer) (Key, error) {
	algs, err := algsOf(priv.Public())
	if err != nil {
		return nil, err
	}
	if !(publicKey{algs: algs}).fits(alg) {
		return nil, fmt.Errorf("keys: this key does not serve %q", alg)
	}
	id, err := kidOf(priv.Public())
	if err != nil {
		return nil, err
	}
	return &softKey{id: id, alg: alg, priv: priv}, nil
}

func (k *softKey) ID() string               { return k.id }
func (k *softKey) Alg() string              { return k.alg }
func (k *softKey) Public() crypto.PublicKey { return k.priv.Public() }

func (k *softKey) Sign(ctx context.Context, input []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.alg == EdDSA {
		return k.priv.Sign(rand.Reader, input, crypto.Hash(0))
	}
	digest := sha256.Sum256(input)
	switch k.alg {
	case ES256:
		der, err := k.priv.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return joseOf(der)
	case PS256:
		return k.priv.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	default:
		return k.priv.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
}

// joseOf turns the ASN.1 signature of crypto/ecdsa into R||S of 64 bytes, RFC 7518 §3.4.
func joseOf(der []byte) ([]byte, error) {
	var inner cryptobyte.String
	var r, s []byte
	input := cryptobyte.String(der)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || len(r) > 32 || len(s) > 32 {
		return nil, fmt.Errorf("keys: malformed ECDSA signature")
	}
	out := make([]byte, 64)
	copy(out[32-len(r):], r)
	copy(out[64-len(s):], s)
	return out, nil
}

// software is the Backend of keys that live in this process and are stored as sealed PKCS#8.
type software struct{ sealer *Sealer }

func (b software) Generate(_ context.Context, alg string) (crypto.PublicKey, []byte, error) {
	k, err := Generate(alg)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.(*softKey).priv)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := b.sealer.Seal(sealPurpose(k.ID(), alg), der)
	return k.Public(), sealed, err
}

func (b software) Open(_ context.Context, rec Record) (Key, error) {
	der, err := b.sealer.Open(sealPurpose(rec.ID, rec.Alg), rec.Sealed)
	if err != nil {
		return nil, err
	}
	priv, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: unreadable PKCS#8", rec.ID)
	}
	signer, ok := priv.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("keys: %s: no signing key", rec.ID)
	}
	return NewKey(rec.Alg, signer)
}

// The purposes bind what is sealed to its key and algorithm, so that rows cannot be exchanged.
func sealPurpose(kid, alg string) string   { return "signing key " + alg + " " + kid }
func retirePurpose(kid, alg string) string { return "retired key " + alg + " " + kid }
