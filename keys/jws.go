package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Why a token is refused. Every error of Verify and Peek is one of these.
var (
	ErrMalformed = errors.New("keys: malformed token")       // not one strict compact JWS over a JSON object
	ErrRefused   = errors.New("keys: token not acceptable")  // its alg, typ or another header parameter
	ErrNoKey     = errors.New("keys: no key for this token") // unknown kid, or no key that fits its alg
	ErrSignature = errors.New("keys: wrong signature")
)

const (
	maxToken = 16 << 10 // bytes, where Expect.MaxSize is 0
	maxKeyID = 256      // bytes
)

// AnyTyp in Expect.Typ accepts every typ. It is for tokens whose other claims keep them apart, RFC 8725 §3.12.
const AnyTyp = "*"

// Expect says which tokens are acceptable. Algs and Typ have no default: where they are empty, nothing verifies.
type Expect struct {
	Algs    []string // the only `alg` values, RFC 8725 §3.1
	Typ     []string // the only `typ` values, with or without "application/", in any case; "" stands for absent. RFC 8725 §3.11
	MaxSize int      // bytes of the whole token; 0: 16 KiB
}

// Verified is what a valid signature covers.
type Verified struct {
	Alg     string // EdDSA also where the header said Ed25519
	KeyID   string // of the key that verified; "" if it has none
	Typ     string // as it stands in the header
	Payload []byte // a JSON object without duplicate members
}

// Header is what a token says about itself.
type Header struct {
	Alg, KeyID, Typ string
	hasKeyID        bool
}

// Peek returns the header and the payload of token without verifying anything: only to find which client an
// assertion claims to be from. It is as strict about form as Verify. ErrMalformed or ErrRefused.
func Peek(token string) (Header, []byte, error) {
	t, err := parseToken(token, maxToken)
	if err != nil {
		return Header{}, nil, err
	}
	return t.header, t.payload, nil
}

type parsedToken struct {
	header  Header
	payload []byte
	input   string // header.payload as they were sent: what is signed
	sig     []byte
}

// parseToken takes a compact JWS apart, RFC 7515 §7.1: exactly three parts, base64url without padding, line breaks or
// spare bits, so that a token has one spelling only.
func parseToken(token string, limit int) (t parsedToken, err error) {
	if len(token) > limit || strings.ContainsAny(token, "\r\n") { // encoding/base64 skips line breaks
		return t, ErrMalformed
	}
	head, rest, ok1 := strings.Cut(token, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || head == "" || body == "" {
		return t, ErrMalformed
	}
	t.input = token[:len(head)+1+len(body)]
	header, err1 := b64.DecodeString(head)
	payload, err2 := b64.DecodeString(body)
	var err3 error
	t.sig, err3 = b64.DecodeString(sig) // a further dot is no base64
	if err1 != nil || err2 != nil || err3 != nil || unique(payload) != nil {
		return t, ErrMalformed
	}
	t.payload = payload
	t.header, err = parseHeader(header)
	return t, err
}

var b64 = base64.RawURLEncoding.Strict()

// parseHeader reads a JOSE header, RFC 7515 §4.1. Extensions that change what is signed or how it is read (`crit`, `b64`,
// `zip`) are refused; keys and places to fetch keys from (`jwk`, `jku`, `x5u`, `x5c`) are not even looked at.
func parseHeader(text []byte) (h Header, err error) {
	malformed := members(text, func(name, value []byte) {
		var to *string
		switch string(name) {
		case "crit", "b64", "zip", "enc":
			err = fmt.Errorf("%w: header parameter %s", ErrRefused, name)
			return
		case "alg":
			to = &h.Alg
		case "kid":
			to, h.hasKeyID = &h.KeyID, true
		case "typ":
			to = &h.Typ
		default:
			return
		}
		if value[0] != '"' || json.Unmarshal(value, to) != nil || len(*to) > maxKeyID {
			err = fmt.Errorf("%w: header parameter %s", ErrRefused, name)
		}
	})
	if malformed != nil {
		return Header{}, ErrMalformed
	}
	return h, err
}

// verify is the one path on which tokens are verified, whoever's keys they are for.
func verify(token string, e Expect, all []publicKey) (Verified, error) {
	limit := e.MaxSize
	if limit <= 0 {
		limit = maxToken
	}
	t, err := parseToken(token, limit)
	if err != nil {
		return Verified{}, err
	}
	alg := canonical(t.header.Alg)
	if !slices.ContainsFunc(e.Algs, func(a string) bool { return canonical(a) == alg }) {
		return Verified{}, fmt.Errorf("%w: alg", ErrRefused)
	}
	if !slices.ContainsFunc(e.Typ, func(typ string) bool { return typ == AnyTyp || sameTyp(typ, t.header.Typ) }) {
		return Verified{}, fmt.Errorf("%w: typ", ErrRefused)
	}
	tried, input := false, []byte(t.input)
	for _, k := range all {
		if !k.fits(alg) || t.header.hasKeyID && k.id != t.header.KeyID {
			continue
		}
		tried = true
		if k.verify(alg, input, t.sig) {
			return Verified{Alg: alg, KeyID: k.id, Typ: t.header.Typ, Payload: t.payload}, nil
		}
	}
	if !tried {
		return Verified{}, ErrNoKey
	}
	return Verified{}, ErrSignature
}

// sameTyp compares media types as RFC 7515 §4.1.9 shortens them.
func sameTyp(a, b string) bool { return strings.EqualFold(shortTyp(a), shortTyp(b)) }

func shortTyp(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// SignWith returns payload as a compact JWS signed by k, RFC 7515 §7.1; typ "" leaves the parameter out.
// A server's own tokens are signed by a Ring, which has the header ready.
func SignWith(ctx context.Context, k Key, typ string, payload []byte) (string, error) {
	head, err := encodeHeader(k, typ)
	if err != nil {
		return "", err
	}
	return compact(ctx, k, head, payload)
}

// encodeHeader returns the protected header in base64url, with the dot that follows it.
func encodeHeader(k Key, typ string) (string, error) {
	text, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ,omitempty"`
	}{k.Alg(), k.ID(), typ})
	if err != nil || len(typ) > maxKeyID {
		return "", fmt.Errorf("keys: unfit typ")
	}
	return b64.EncodeToString(text) + ".", nil
}

// compact signs head + base64url(payload). The bytes are laid out once, with room for the signature.
func compact(ctx context.Context, k Key, head string, payload []byte) (string, error) {
	room := 86 // an ECDSA or Ed25519 signature in base64url
	if k.Alg() == RS256 || k.Alg() == PS256 {
		room = 342
	}
	buf := make([]byte, 0, len(head)+b64.EncodedLen(len(payload))+1+room)
	buf = b64.AppendEncode(append(buf, head...), payload)
	sig, err := k.Sign(ctx, buf)
	if err != nil {
		return "", fmt.Errorf("keys: %s: %w", k.ID(), err)
	}
	return string(b64.AppendEncode(append(buf, '.'), sig)), nil
}
