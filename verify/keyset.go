package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

const maxKeys = 64 // of one JWKS; the rest is ignored

// keySet holds the usable keys of a JWKS.
type keySet struct{ keys []publicKey }

type publicKey struct {
	id   string
	algs []string // the algorithms that this key verifies, and no other
	key  any      // *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey
}

// find returns the key with kid that verifies alg. Without a kid it must be the only one that could. A set has a few
// keys, so a scan is quicker than a map.
func (s *keySet) find(kid, alg string) *publicKey {
	var found *publicKey
	for i := range s.keys {
		k := &s.keys[i]
		if (kid != "" && k.id != kid) || !slices.Contains(k.algs, alg) {
			continue
		}
		if kid != "" {
			return k
		}
		if found != nil {
			return nil
		}
		found = k
	}
	return found
}

// parseKeySet reads a JWKS. Keys of other uses and kinds are left out, as are private and symmetric ones: whoever reads
// the set could sign with those. RFC 7517 §5.
func parseKeySet(b []byte) (keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Keys == nil {
		return keySet{}, errors.New("JWKS: not a key set")
	}
	var s keySet
	for _, raw := range doc.Keys[:min(len(doc.Keys), maxKeys)] {
		if k, ok := parseKey(raw); ok {
			s.keys = append(s.keys, k)
		}
	}
	if len(s.keys) == 0 {
		return keySet{}, errors.New("JWKS: no usable key")
	}
	return s, nil
}

func parseKey(raw []byte) (publicKey, bool) {
	j, err := jwk.ParseKey(raw)
	if err != nil {
		return publicKey{}, false
	}
	ops := j.KeyOps()
	if (j.KeyUsage() != "" && j.KeyUsage() != "sig") || (len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify)) {
		return publicKey{}, false
	}
	var pub any
	if err := j.Raw(&pub); err != nil {
		return publicKey{}, false
	}
	k := publicKey{id: j.KeyID()}
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return publicKey{}, false
		}
		if _, err := key.ECDH(); err != nil { // not on the curve
			return publicKey{}, false
		}
		k.key, k.algs = key, []string{"ES256"}
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return publicKey{}, false
		}
		k.key, k.algs = key, []string{"EdDSA", "Ed25519"} // two names of one algorithm, RFC 9864 §2.2
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < 2048 || n > 8192 || key.E < 3 || key.E%2 == 0 {
			return publicKey{}, false
		}
		k.key, k.algs = key, []string{"RS256", "PS256"}
	default:
		return publicKey{}, false
	}
	if alg := j.Algorithm().String(); alg != "" {
		if !slices.Contains(k.algs, alg) {
			return publicKey{}, false
		}
		if _, ed := k.key.(ed25519.PublicKey); !ed {
			k.algs = []string{alg}
		}
	}
	return k, true
}
