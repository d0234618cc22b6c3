package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrDecrypt is returned for a JWE that no key of ours opens. It says nothing more, whatever was wrong: the wrapped key,
// the ephemeral key, the tag or the padding. RFC 7516 §11.5.
var ErrDecrypt = errors.New("keys: cannot decrypt")

// maxEncrypted is where ExpectEnc.MaxSize is 0: room for a JWS of maxToken in base64url once more, and a header.
const maxEncrypted = 24 << 10

// ExpectEnc says which encrypted tokens are acceptable.
type ExpectEnc struct {
	Algs    []string // the only `alg` values; empty: all of Ring.EncAlgs
	Encs    []string // the only `enc` values; empty: all of EncryptionEncs
	MaxSize int      // bytes of the whole token; 0: 24 KiB
}

// Decrypt returns the plaintext of a compact JWE that was encrypted to one of our keys, and its `alg` and `enc`; the
// plaintext of a nested JWT still has to be verified. A `kid` must name a key exactly; without one, every key that fits is
// tried. Compressed content (`zip`) is refused, so the plaintext is shorter than the token. RFC 7516 §5.2, RFC 8725 §3.6.
// ErrMalformed, ErrRefused, ErrNoKey or ErrDecrypt; the first three depend on nothing but what the sender wrote in clear.
func (r *Ring) Decrypt(token string, e ExpectEnc) (payload []byte, alg, enc string, err error) {
	if e.MaxSize <= 0 {
		e.MaxSize = maxEncrypted
	}
	h, err := parseEncrypted(token, e.MaxSize)
	if err != nil {
		return nil, "", "", err
	}
	if !slices.Contains(r.opts.EncAlgs, h.alg) || len(e.Algs) > 0 && !slices.Contains(e.Algs, h.alg) ||
		len(e.Encs) > 0 && !slices.Contains(e.Encs, h.enc) {
		return nil, "", "", fmt.Errorf("%w: alg or enc", ErrRefused)
	}
	err = ErrNoKey
	for _, d := range r.state.Load().enc {
		if !slices.Contains(d.algs, h.alg) || h.hasKeyID && d.id != h.keyID {
			continue
		}
		if payload, err = d.open(token, h.alg); err == nil {
			return payload, h.alg, h.enc, nil
		}
	}
	return nil, "", "", err
}

// encHeader is the header of a JWE, as far as we look at it.
type encHeader struct {
	alg, enc, keyID string
	hasKeyID        bool
}

// encSizes are the lengths in bytes of the content key, the initialization vector and the tag, RFC 7518 §5.2.3, §5.2.5, §5.3.
var encSizes = map[string]struct{ key, iv, tag int }{
	"A128GCM": {16, 12, 16}, "A256GCM": {32, 12, 16}, "A128CBC-HS256": {32, 16, 16}, "A256CBC-HS512": {64, 16, 32},
}

// parseEncrypted takes a compact JWE apart, RFC 7516 §7.1: exactly five parts, base64url without padding, line breaks or
// spare bits, each of the length that its algorithms ask for. What passes has one spelling only: where the library joins
// ciphertext and tag, the border between them cannot move.
func parseEncrypted(token string, limit int) (h encHeader, err error) {
	if len(token) > limit || strings.ContainsAny(token, "\r\n") || strings.Count(token, ".") != 4 {
		return h, ErrMalformed
	}
	var parts [5][]byte
	for i, text := range strings.Split(token, ".") {
		if parts[i], err = b64.DecodeString(text); err != nil {
			return h, ErrMalformed
		}
	}
	if h, err = parseEncHeader(parts[0]); err != nil {
		return h, err
	}
	size, known := encSizes[h.enc]
	if !known || !slices.Contains(EncryptionAlgs, h.alg) {
		return h, fmt.Errorf("%w: alg or enc", ErrRefused)
	}
	wrapped := map[string]int{ecdhES: 0, ecdhESA128KW: size.key + 8, ecdhESA256KW: size.key + 8} // RFC 7518 §4.6, RFC 3394 §2.2.1
	want, fixed := wrapped[h.alg]                                                                // not with RSA, where it is as long as the modulus
	if fixed && len(parts[1]) != want || len(parts[2]) != size.iv || len(parts[4]) != size.tag {
		return h, ErrMalformed
	}
	return h, nil
}

// parseEncHeader reads the header of a JWE, RFC 7516 §4.1. It is parseHeader for encryption: what changes how the rest is
// read (`crit`, `zip`, `b64`) is refused, and keys or places to fetch them from are not looked at.
func parseEncHeader(text []byte) (h encHeader, err error) {
	malformed := members(text, func(name, value []byte) {
		var to *string
		switch string(name) {
		case "crit", "zip", "b64":
			err = fmt.Errorf("%w: header parameter %s", ErrRefused, name)
			return
		case "alg":
			to = &h.alg
		case "enc":
			to = &h.enc
		case "kid":
			to, h.hasKeyID = &h.keyID, true
		default:
			return
		}
		if value[0] != '"' || json.Unmarshal(value, to) != nil || len(*to) > maxKeyID {
			err = fmt.Errorf("%w: header parameter %s", ErrRefused, name)
		}
	})
	if malformed != nil {
		return encHeader{}, ErrMalformed
	}
	return h, err
}
