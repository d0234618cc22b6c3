package did

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Curve names a kind of key as a JWK's `crv` does, RFC 7518 §6.2.1.1 and RFC 8037 §2; "RSA" for what has none.
type Curve string

// The kinds of keys that people hold.
const (
	Ed25519   Curve = "Ed25519"
	X25519    Curve = "X25519" // for agreement only
	P256      Curve = "P-256"
	P384      Curve = "P-384"
	P521      Curve = "P-521"
	Secp256k1 Curve = "secp256k1"
	RSA       Curve = "RSA"
)

var errKey = errors.New("did: unfit key")

// Key is a public key that is known to lie on its curve. The zero value verifies nothing.
type Key struct {
	curve Curve
	pub   crypto.PublicKey // ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey, *ecdh.PublicKey or *secp256k1.PublicKey
	only  string           // the one `alg` that its JWK allows; "" for any of its type
}

// Curve is the kind of key; "" of the zero value.
func (k Key) Curve() Curve { return k.curve }

// Equal says whether two keys are the same point of the same curve.
func (k Key) Equal(o Key) bool {
	a, b := k.bytes(), o.bytes()
	return k.curve != "" && k.curve == o.curve && len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1
}

// bytes is one unique spelling of the key.
func (k Key) bytes() []byte {
	switch p := k.pub.(type) {
	case ed25519.PublicKey:
		return p
	case *ecdsa.PublicKey:
		b, _ := p.Bytes()
		return b
	case *ecdh.PublicKey:
		return p.Bytes()
	case *secp256k1.PublicKey:
		return p.SerializeCompressed()
	case *rsa.PublicKey:
		return append(p.N.Bytes(), big.NewInt(int64(p.E)).Bytes()...)
	}
	return nil
}

func (k Key) uncompressedK1() []byte {
	p, ok := k.pub.(*secp256k1.PublicKey)
	if !ok {
		return nil
	}
	return p.SerializeUncompressed()
}

// hashes are the digest and the length of R and S of each `alg` over a curve, RFC 7518 §3.4 and RFC 8812 §3.2.
var hashes = map[string]struct {
	curve Curve
	new   func() hash.Hash
	size  int
}{
	"ES256":  {P256, sha256.New, 32},
	"ES384":  {P384, sha512.New384, 48},
	"ES512":  {P521, sha512.New, 66},
	"ES256K": {Secp256k1, sha256.New, 32},
}

// Verify says whether sig is the JWS signature of input under alg, which must be one that a key of this type serves: a
// header can therefore never choose how its own signature is read. RFC 7515 §5.2, RFC 8725 §3.1.
func (k Key) Verify(alg string, input, sig []byte) bool {
	if k.only != "" && canonical(k.only) != canonical(alg) {
		return false
	}
	switch p := k.pub.(type) {
	case ed25519.PublicKey:
		return canonical(alg) == "EdDSA" && ed25519.Verify(p, input, sig)
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		switch alg {
		case "RS256":
			return rsa.VerifyPKCS1v15(p, crypto.SHA256, digest[:], sig) == nil
		case "PS256":
			return rsa.VerifyPSS(p, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return false
	}
	h, ok := hashes[alg]
	if !ok || h.curve != k.curve || len(sig) != 2*h.size {
		return false
	}
	d := h.new()
	d.Write(input)
	r, s := sig[:h.size], sig[h.size:]
	switch p := k.pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.Verify(p, d.Sum(nil), new(big.Int).SetBytes(r), new(big.Int).SetBytes(s))
	case *secp256k1.PublicKey:
		var rs, ss secp256k1.ModNScalar
		if rs.SetByteSlice(r) || ss.SetByteSlice(s) || rs.IsZero() || ss.IsZero() {
			return false
		}
		return k1ecdsa.NewSignature(&rs, &ss).Verify(d.Sum(nil), p)
	}
	return false
}

// canonical maps the fully specified name of RFC 9864 §2.2 onto the older one.
func canonical(alg string) string {
	if alg == "Ed25519" {
		return "EdDSA"
	}
	return alg
}

// nist are the curves of the standard library, which does their points in constant time.
var nist = map[Curve]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}

// point makes a key of an uncompressed (0x04 X Y) or compressed point.
func point(c Curve, b []byte) (Key, error) {
	curve := nist[c]
	size := (curve.Params().BitSize + 7) / 8
	if len(b) == 1+size {
		x, y := elliptic.UnmarshalCompressed(curve, b)
		if x == nil {
			return Key{}, fmt.Errorf("%w: no point of %s", errKey, c)
		}
		full := make([]byte, 1+2*size)
		full[0] = 4
		x.FillBytes(full[1 : 1+size])
		y.FillBytes(full[1+size:])
		b = full
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, b)
	if err != nil {
		return Key{}, fmt.Errorf("%w: no point of %s", errKey, c)
	}
	return Key{curve: c, pub: pub}, nil
}

func ed25519Key(b []byte) (Key, error) {
	if len(b) != ed25519.PublicKeySize || !onEdwards(b) {
		return Key{}, fmt.Errorf("%w: no point of Ed25519", errKey)
	}
	return Key{curve: Ed25519, pub: ed25519.PublicKey(b)}, nil
}

func x25519Key(b []byte) (Key, error) {
	pub, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("%w: X25519", errKey)
	}
	return Key{curve: X25519, pub: pub}, nil
}

func k1Key(b []byte) (Key, error) {
	if len(b) != 33 && len(b) != 65 || len(b) == 65 && b[0] != 4 { // the library also reads hybrid points
		return Key{}, fmt.Errorf("%w: no point of secp256k1", errKey)
	}
	pub, err := secp256k1.ParsePubKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("%w: no point of secp256k1", errKey)
	}
	return Key{curve: Secp256k1, pub: pub}, nil
}

// RSA moduli outside these bounds are refused: below, they can be broken; above, they cost us the time of an attacker's choice.
const minRSABits, maxRSABits = 2048, 8192

// NewKey makes a Key of a public key of the standard library, as certificates hold it.
func NewKey(pub crypto.PublicKey) (Key, error) {
	switch p := pub.(type) {
	case ed25519.PublicKey:
		return ed25519Key(p)
	case *ecdsa.PublicKey:
		for c, curve := range nist {
			if p.Curve == curve {
				b, err := p.Bytes()
				if err != nil {
					return Key{}, errKey
				}
				return point(c, b)
			}
		}
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n < minRSABits || n > maxRSABits || p.E < 3 || p.E&1 == 0 {
			return Key{}, fmt.Errorf("%w: RSA of %d bits", errKey, n)
		}
		return Key{curve: RSA, pub: p}, nil
	}
	return Key{}, errKey
}

// codecs are the multicodec prefixes of public keys. did:key §3.1.2; Controlled Identifiers §2.2.2.
var codecs = map[uint64]struct {
	curve Curve
	size  int // bytes of the key
	parse func([]byte) (Key, error)
}{
	0xed:   {Ed25519, 32, ed25519Key},
	0xec:   {X25519, 32, x25519Key},
	0xe7:   {Secp256k1, 33, k1Key},
	0x1200: {P256, 33, func(b []byte) (Key, error) { return point(P256, b) }},
	0x1201: {P384, 49, func(b []byte) (Key, error) { return point(P384, b) }},
	0x1202: {P521, 67, func(b []byte) (Key, error) { return point(P521, b) }},
}

// ParseMultikey reads `publicKeyMultibase` of a Multikey: a multibase value whose multicodec prefix says what it is.
// Controlled Identifiers §2.2.2.
func ParseMultikey(s string) (Key, error) {
	b, err := multibase(s)
	if err != nil {
		return Key{}, fmt.Errorf("%w: multibase", errKey)
	}
	code, raw, err := multicodec(b)
	if err != nil {
		return Key{}, fmt.Errorf("%w: multicodec", errKey)
	}
	c, ok := codecs[code]
	if !ok {
		return Key{}, fmt.Errorf("%w: multicodec 0x%x", errKey, code)
	}
	if len(raw) != c.size {
		return Key{}, fmt.Errorf("%w: %s keys have %d bytes", errKey, c.curve, c.size)
	}
	return c.parse(raw)
}
