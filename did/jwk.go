package did

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// maxJWK is the size of one public key as JSON, in bytes.
const maxJWK = 4 << 10

// private are the members that only a private or symmetric key has, RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2.
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// ParseJWK reads one public key of at most 4 KiB. Private and symmetric keys are refused, and points that are not on
// their curve. RFC 7517 §4.
func ParseJWK(text []byte) (Key, error) {
	if len(text) > maxJWK {
		return Key{}, fmt.Errorf("%w: a JWK of more than %d bytes", errKey, maxJWK)
	}
	o, err := parseObject(text)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", errKey, err)
	}
	return jwkOf(o)
}

// jwkOf reads a JWK that has been parsed already.
func jwkOf(o object) (Key, error) {
	for _, name := range private {
		if _, found := o[name]; found {
			return Key{}, fmt.Errorf("%w: this JWK holds a private member, %q", errKey, name)
		}
	}
	k, err := jwkKey(o)
	if err != nil {
		return Key{}, err
	}
	for name, to := range map[string]*string{"alg": &k.only, "kid": nil, "use": nil} {
		v, found := o[name]
		s, isText := v.(string)
		if found && (!isText || len(s) > 512) {
			return Key{}, fmt.Errorf("%w: %s of a JWK", errKey, name)
		}
		if to != nil {
			*to = s
		}
	}
	return k, nil
}

func jwkKey(o object) (Key, error) {
	kty, crv := text(o["kty"]), Curve(text(o["crv"]))
	if kty == "RSA" {
		n, err1 := b64.DecodeString(text(o["n"]))
		e, err2 := b64.DecodeString(text(o["e"]))
		if err1 != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
			return Key{}, fmt.Errorf("%w: RSA", errKey)
		}
		return NewKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
	}
	x, err := b64.DecodeString(text(o["x"]))
	if err != nil || len(x) == 0 {
		return Key{}, fmt.Errorf("%w: x of a JWK", errKey)
	}
	switch {
	case kty == "OKP" && crv == Ed25519:
		return ed25519Key(x)
	case kty == "OKP" && crv == X25519:
		return x25519Key(x)
	case kty != "EC":
		return Key{}, fmt.Errorf("%w: kty of a JWK", errKey)
	}
	y, err := b64.DecodeString(text(o["y"]))
	if err != nil || len(y) != len(x) { // both are as long as the field, RFC 7518 §6.2.1.2
		return Key{}, fmt.Errorf("%w: y of a JWK", errKey)
	}
	uncompressed := slices.Concat([]byte{4}, x, y)
	switch crv {
	case P256, P384, P521:
		if len(x) != (nist[crv].Params().BitSize+7)/8 {
			return Key{}, fmt.Errorf("%w: x of a JWK", errKey)
		}
		return point(crv, uncompressed)
	case Secp256k1:
		return k1Key(uncompressed)
	}
	return Key{}, fmt.Errorf("%w: crv of a JWK", errKey)
}

// Thumbprint is the SHA-256 thumbprint of the key in base64url, 43 characters; "" of the zero value. RFC 7638 §3.
func (k Key) Thumbprint() string {
	j := k.jwk()
	if j == nil {
		return ""
	}
	text, err := json.Marshal(j) // maps are written in the order of their names, as RFC 7638 §3.3 asks
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return b64.EncodeToString(sum[:])
}

// jwk returns the members of the key that every JWK of it has.
func (k Key) jwk() map[string]string {
	b := k.bytes()
	if len(b) == 0 {
		return nil
	}
	switch k.curve {
	case Ed25519, X25519:
		return map[string]string{"kty": "OKP", "crv": string(k.curve), "x": b64.EncodeToString(b)}
	case RSA:
		pub, _ := k.pub.(*rsa.PublicKey)
		return map[string]string{"kty": "RSA", "n": b64.EncodeToString(pub.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(pub.E)).Bytes())}
	case Secp256k1:
		b = k.uncompressedK1()
	}
	half := (len(b) - 1) / 2
	return map[string]string{"kty": "EC", "crv": string(k.curve), "x": b64.EncodeToString(b[1 : 1+half]), "y": b64.EncodeToString(b[1+half:])}
}
