package keys

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxEmbedded is how large a public key within a header may be, in bytes: an RSA key of 8192 bits has some 1400.
const maxEmbedded = 2 << 10

// Embedded is the public key that a token carries in its own header: it says that somebody holds the key, not who.
type Embedded struct {
	JWK        []byte // kty and the public members only, in the spelling of RFC 7638 §3.2
	Thumbprint string // RFC 7638 §3, SHA-256 in base64url: 43 characters
}

// VerifyEmbedded verifies a compact JWS by the `jwk` in its own header, RFC 7515 §4.1.3, as a proof of possession does.
// It is as strict as Set.Verify, whose errors it returns; ErrNoKey also where the header holds no public key, or one that
// names another `alg`.
func VerifyEmbedded(token string, e Expect) (Verified, Embedded, error) {
	limit := e.MaxSize
	if limit <= 0 {
		limit = maxToken
	}
	t, err := parseToken(token, limit)
	if err != nil {
		return Verified{}, Embedded{}, err
	}
	jwk := headerKey(t.input)
	if len(jwk) > maxEmbedded {
		return Verified{}, Embedded{}, ErrNoKey
	}
	k, err := parseJWK(jwk)
	if err != nil || len(k.algs) == 0 {
		return Verified{}, Embedded{}, ErrNoKey
	}
	v, err := verify(token, e, []publicKey{k})
	if err != nil {
		return Verified{}, Embedded{}, err
	}
	var own Embedded
	if own.JWK, err = marshalJWK(k.pub, nil); err == nil {
		own.Thumbprint, err = Thumbprint(k.pub)
	}
	if err != nil {
		return Verified{}, Embedded{}, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	return v, own, nil
}

// headerKey is the text of `jwk` in the header of what parseToken has passed; nil where it has none.
func headerKey(input string) (found json.RawMessage) {
	head, _, _ := strings.Cut(input, ".")
	text, err := b64.DecodeString(head)
	if err != nil {
		return nil
	}
	_ = members(text, func(name, value []byte) {
		if string(name) == "jwk" {
			found = append(found, value...)
		}
	})
	return found
}
