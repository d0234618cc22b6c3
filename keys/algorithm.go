package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"slices"
)

// The algorithms we sign with and accept, RFC 7518 §3.1 and RFC 8037 §3.1.
// Verification runs on the standard library, see Set.Verify for why.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	PS256 = "PS256"
	EdDSA = "EdDSA" // with Ed25519 only; RFC 9864 §2.2 calls it "Ed25519", which is accepted too
)

// RSA moduli outside these bounds are refused: below, they can be broken; above, they cost us the time of an attacker's choice.
const minRSABits, maxRSABits = 2048, 8192

// canonical maps the fully specified name of RFC 9864 onto ours.
func canonical(alg string) string {
	if alg == "Ed25519" {
		return EdDSA
	}
	return alg
}

// algsOf returns the algorithms that pub can serve, or why it can serve none. An algorithm is only
// ever checked against a key of its own type, so a public key can never stand in for an HMAC secret.
func algsOf(pub crypto.PublicKey) ([]string, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, errUnsupported
		}
		if _, err := k.ECDH(); err != nil {
			return nil, fmt.Errorf("keys: the point is not on P-256")
		}
		return []string{ES256}, nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("keys: an Ed25519 key has %d bytes", ed25519.PublicKeySize)
		}
		return []string{EdDSA}, nil
	case *rsa.PublicKey:
		return []string{RS256, PS256}, checkRSA(k)
	}
	return nil, errUnsupported
}

func checkRSA(k *rsa.PublicKey) error {
	if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
		return fmt.Errorf("keys: RSA keys have %d to %d bits, not %d", minRSABits, maxRSABits, n)
	}
	if k.E < 3 || k.E&1 == 0 {
		return fmt.Errorf("keys: unfit RSA exponent")
	}
	return nil
}

// publicKey is a key of somebody, with the only algorithms it may be used with: to verify, to encrypt to, or both.
type publicKey struct {
	id      string
	algs    []string // of signatures
	encAlgs []string // of encryption
	encOnly bool     // its `use` is enc
	pub     crypto.PublicKey
}

func (k publicKey) fits(alg string) bool { return slices.Contains(k.algs, alg) }

// verify says whether sig is the signature of input under alg, which must be one of k.algs.
func (k publicKey) verify(alg string, input, sig []byte) bool {
	switch pub := k.pub.(type) {
	case ed25519.PublicKey:
		return alg == EdDSA && ed25519.Verify(pub, input, sig)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(input)
		return alg == ES256 && len(sig) == 64 && ecdsa.VerifyASN1(pub, digest[:], derOf(sig))
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		switch alg {
		case RS256:
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil
		case PS256:
			opts := rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} // RFC 7518 §3.5
			return rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, &opts) == nil
		}
	}
	return false
}

// derOf turns R||S of 64 bytes into the ASN.1 form that crypto/ecdsa reads.
func derOf(sig []byte) []byte {
	out := make([]byte, 2, 72)
	for _, half := range [][]byte{sig[:32], sig[32:]} {
		for len(half) > 1 && half[0] == 0 {
			half = half[1:]
		}
		out = append(out, 0x02, byte(len(half)))
		if half[0] >= 0x80 { // INTEGER is signed
			out[len(out)-1]++
			out = append(out, 0)
		}
		out = append(out, half...)
	}
	out[0], out[1] = 0x30, byte(len(out)-2)
	return out
}
