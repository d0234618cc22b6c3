package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const (
	maxSet     = 256 << 10 // bytes
	maxSetKeys = 64
)

// Set is somebody else's public keys: a client's, a wallet issuer's. It never changes; read a new one instead.
type Set struct {
	keys []publicKey // that verify: never one whose `use` is enc
	enc  []publicKey // to encrypt to, in the order of preference: never one whose `use` is sig
}

// ParseSet reads a JWK set of at most 256 KiB and 64 keys, RFC 7517 §5. A set that holds a private or a symmetric key, a
// point off its curve, an RSA modulus outside 2048 to 8192 bits or a duplicate member is refused whole. Keys
// of types that we neither verify with nor encrypt to are left out: look at Len and HasEncryption.
func ParseSet(jwks []byte) (*Set, error) {
	if len(jwks) > maxSet {
		return nil, fmt.Errorf("keys: a key set has at most %d bytes", maxSet)
	}
	if err := unique(jwks); err != nil {
		return nil, err
	}
	m := map[string]json.RawMessage{} // not a struct, whose names would match in any case
	var list []json.RawMessage
	if json.Unmarshal(jwks, &m) != nil || m["keys"] == nil || json.Unmarshal(m["keys"], &list) != nil {
		return nil, fmt.Errorf("keys: a key set has an array `keys`")
	}
	if len(list) > maxSetKeys {
		return nil, fmt.Errorf("keys: a key set has at most %d keys", maxSetKeys)
	}
	var s Set
	for i, text := range list {
		k, err := parseJWK(text)
		if errors.Is(err, errUnsupported) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w (key %d)", err, i)
		}
		if len(k.algs) > 0 {
			s.keys = append(s.keys, k)
		}
		if len(k.encAlgs) > 0 {
			s.enc = append(s.enc, k)
		}
	}
	slices.SortStableFunc(s.enc, func(a, b publicKey) int { // those for encryption alone come first
		switch {
		case a.encOnly == b.encOnly:
			return 0
		case a.encOnly:
			return -1
		}
		return 1
	})
	return &s, nil
}

// Len is how many keys can verify.
func (s *Set) Len() int { return len(s.keys) }

// Verify returns what a compact JWS says, if a key of the set signed it and e accepts it: ErrMalformed, ErrRefused, ErrNoKey
// or ErrSignature. A `kid` must name a key exactly; without one, every key that fits the alg is tried.
// An alg works only with a key of its own type, and only with the `alg` of a JWK that has one. RFC 8725 §3.1.
//
// The header is parsed here and all four algorithms are checked by the standard library, not by jwx. jwx v2 is only a
// tenth slower (ES256: 78 µs against 73 µs here and 68 µs for the bare signature), but it takes duplicate members and unknown
// `crit`, so that this parser has to stand in front of it in any case; then nothing is left for it to add but a second
// parser that could read a token differently. JWKs are read and written by jwx.
func (s *Set) Verify(token string, e Expect) (Verified, error) { return verify(token, e, s.keys) }
