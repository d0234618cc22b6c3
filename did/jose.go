package did

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

var errJWS = errors.New("did: malformed JWS")

// jws is a compact JWS taken apart, RFC 7515 §7.1. Nothing of it is verified.
type jws struct {
	alg, kid, typ string
	x5c           []any // nil if absent
	payload       object
	input         string // what is signed
	sig           []byte
}

// parseJWS takes a compact JWS apart: three parts, base64url with one spelling only, a header and a payload without duplicate
// members. Header parameters that change what is signed are refused, `alg` must be an asymmetric one; places to fetch keys
// from (`jku`, `x5u`) and keys (`jwk`) are not even looked at. RFC 7515 §4.1, RFC 8725 §3.
func parseJWS(s string) (t jws, err error) {
	if len(s) > maxInput || strings.ContainsAny(s, "\r\n") { // encoding/base64 skips line breaks
		return t, errJWS
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return t, fmt.Errorf("%w: not three parts", errJWS)
	}
	var raw [3][]byte
	for i, p := range parts {
		if raw[i], err = b64.DecodeString(p); err != nil {
			return t, fmt.Errorf("%w: base64url", errJWS)
		}
	}
	head, err := parseObject(raw[0])
	if err != nil {
		return t, fmt.Errorf("%w: header: %w", errJWS, err)
	}
	if t.payload, err = parseObject(raw[1]); err != nil {
		return t, fmt.Errorf("%w: payload: %w", errJWS, err)
	}
	t.input, t.sig = s[:len(parts[0])+1+len(parts[1])], raw[2]
	return t, t.readHeader(head)
}

func (t *jws) readHeader(head object) error {
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, found := head[name]; found {
			return fmt.Errorf("%w: header parameter %s", errJWS, name)
		}
	}
	for name, to := range map[string]*string{"alg": &t.alg, "kid": &t.kid, "typ": &t.typ} {
		v, found := head[name]
		s, isText := v.(string)
		if found && (!isText || s == "" || len(s) > maxURL) {
			return fmt.Errorf("%w: header parameter %s", errJWS, name)
		}
		*to = s
	}
	if v, found := head["x5c"]; found {
		certs, ok := v.([]any)
		if !ok || len(certs) == 0 {
			return fmt.Errorf("%w: header parameter x5c", errJWS)
		}
		t.x5c = certs
	}
	switch canonical(t.alg) {
	case "ES256", "ES384", "ES512", "ES256K", "EdDSA", "RS256", "PS256":
		return nil
	}
	return fmt.Errorf("%w: alg %q", errJWS, t.alg)
}

// verified returns the one of keys that signed t.
func (t *jws) verified(keys ...Key) (Key, error) {
	input := []byte(t.input)
	for _, k := range keys {
		if k.Verify(t.alg, input, t.sig) {
			return k, nil
		}
	}
	return Key{}, errors.New("the signature is not by the issuer's key")
}

// sameTyp compares media types as RFC 7515 §4.1.9 shortens them.
func sameTyp(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(strings.ToLower(a), "application/"), b)
}

// typOf is the `typ` of what may be a JWS or an SD-JWT, "" if it is neither; sd says that there are tildes.
func typOf(input []byte) (typ string, sd, ok bool) {
	first, _, sd := strings.Cut(string(input), "~")
	head, _, _ := strings.Cut(first, ".")
	raw, err := b64.DecodeString(head)
	if err != nil || len(head) > maxInput || strings.Count(first, ".") != 2 {
		return "", sd, false
	}
	o, err := parseObject(raw)
	if err != nil {
		return "", sd, false
	}
	return strings.TrimPrefix(strings.ToLower(text(o["typ"])), "application/"), sd, true
}

// numericDate reads a NumericDate, RFC 7519 §2: zero where the claim is absent.
func numericDate(o object, name string) (time.Time, error) {
	v, found := o[name]
	if !found {
		return time.Time{}, nil
	}
	n, ok := v.(json.Number)
	if !ok || len(n) > 32 {
		return time.Time{}, fmt.Errorf("%s is no number", name)
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<40 {
		return time.Time{}, fmt.Errorf("%s is no date", name)
	}
	if i, err := n.Int64(); err == nil {
		return time.Unix(i, 0), nil
	}
	r, _ := big.NewFloat(f).Int64()
	return time.Unix(r, 0), nil
}

// numericDates reads nbf, exp and iat.
func numericDates(o object) (nbf, exp, iat time.Time, err error) {
	nbf, err1 := numericDate(o, "nbf")
	exp, err2 := numericDate(o, "exp")
	iat, err3 := numericDate(o, "iat")
	return nbf, exp, iat, errors.Join(err1, err2, err3)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
