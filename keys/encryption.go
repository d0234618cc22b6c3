package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// This file is what a Ring does differently with the keys that others encrypt to. They live as signing keys do, next →
// active → retired → gone, but only the active one is published: whoever encrypts takes what is published, so a retired
// key must leave the JWKS at once, and has to open until the caches of the JWKS have passed (Overlap). The next
// one is known to all nodes before the first client can use it, because it waits unpublished. They always live in this
// process: agreeing on a key is beyond most back ends.

// useEnc is the Record.Use of keys for encryption.
const useEnc = "enc"

// EncAlgs are the `alg` values of the encrypted tokens that Decrypt opens, for example for
// request_object_encryption_alg_values_supported, OIDC Discovery §3.
func (r *Ring) EncAlgs() []string { return slices.Clone(r.opts.EncAlgs) }

// EncKinds are the Record.Alg of the keys that EncAlgs need: ECDH-ES, RSA-OAEP or both. Rotate takes them too.
func (r *Ring) EncKinds() []string { return encKinds(r.opts.EncAlgs) }

// sees says whether keys of this use are the ring's. Those for encryption belong to the ring of tokens even where EncAlgs
// is empty, so that one can still remove them.
func (r *Ring) sees(use string) bool {
	return use == r.opts.Use || use == useEnc && r.opts.Use == "token"
}

func checkEncAlgs(o RingOptions) error {
	if len(o.EncAlgs) > 0 && o.Use != "token" {
		return errors.New("keys: only the ring of tokens has keys for encryption")
	}
	for i, alg := range o.EncAlgs {
		if !slices.Contains(EncryptionAlgs, alg) || slices.Contains(o.EncAlgs[:i], alg) {
			return fmt.Errorf("keys: %q is no algorithm to encrypt with, or stands twice", alg)
		}
	}
	return nil
}

// encKind is the Record.Alg of the key that serves alg: one key serves all algorithms of its type.
func encKind(alg string) string {
	if strings.HasPrefix(alg, ecdhES) {
		return ecdhES
	}
	return rsaOAEP
}

func isEncKind(alg string) bool { return alg == ecdhES || alg == rsaOAEP }

// encKinds are the kinds of key that algs ask for.
func encKinds(algs []string) (kinds []string) {
	for _, alg := range algs {
		if k := encKind(alg); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// generateEnc makes a key of kind: P-256, or RSA of 2048 bits. ref is its sealed PKCS#8.
func (r *Ring) generateEnc(_ context.Context, kind string) (_ crypto.PublicKey, ref []byte, err error) {
	var priv crypto.Signer
	if kind == ecdhES {
		priv, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		priv, err = rsa.GenerateKey(rand.Reader, minRSABits)
	}
	if err != nil {
		return nil, nil, err
	}
	kid, err := kidOf(priv.Public())
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, err
	}
	ref, err = r.opts.Sealer.Seal(encPurpose(kid, kind), der)
	return priv.Public(), ref, err
}

// openEnc opens a key for encryption, in whatever state it is.
func (r *Ring) openEnc(rec Record) (openedRecord, error) {
	der, err := r.opts.Sealer.Open(encPurpose(rec.ID, rec.Alg), rec.Sealed)
	if err != nil {
		return openedRecord{}, fmt.Errorf("keys: %s: %w", rec.ID, err)
	}
	priv, err := x509.ParsePKCS8PrivateKey(der)
	signer, ok := priv.(crypto.Signer)
	if err != nil || !ok {
		return openedRecord{}, fmt.Errorf("keys: %s: unreadable PKCS#8", rec.ID)
	}
	algs, err := encAlgsOf(signer.Public())
	if err != nil || encKind(algs[0]) != rec.Alg {
		return openedRecord{}, fmt.Errorf("keys: %s: no key for %s", rec.ID, rec.Alg)
	}
	// No `alg`: it could name only one of those that the key serves, RFC 7517 §4.4.
	text, err := marshalJWK(signer.Public(), map[string]string{"kid": rec.ID, "use": "enc"})
	return openedRecord{enc: &decrypter{id: rec.ID, algs: algs, priv: signer}, jwk: text}, err
}

// encPurpose binds what is sealed, as sealPurpose does: a signing key is never opened as one for encryption.
func encPurpose(kid, kind string) string { return "encryption key " + kind + " " + kid }
