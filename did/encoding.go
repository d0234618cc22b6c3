package did

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// b64 is base64url as JOSE spells it: no padding, no spare bits, so that bytes have one spelling only.
var b64 = base64.RawURLEncoding.Strict()

// maxBase58 bounds what base58 is asked to decode: its cost grows with the square of its length.
const maxBase58 = 1024

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var base58Digit = func() (d [256]int8) {
	for i := range d {
		d[i] = -1
	}
	for i := range len(base58Alphabet) {
		d[base58Alphabet[i]] = int8(i)
	}
	return d
}()

var errEncoding = errors.New("did: malformed encoding")

// base58Decode reads base58btc, Multibase §4 "z" without the prefix.
func base58Decode(s string) ([]byte, error) {
	if len(s) > maxBase58 {
		return nil, errEncoding
	}
	zeros := 0
	for zeros < len(s) && s[zeros] == '1' {
		zeros++
	}
	out := make([]byte, 0, len(s)) // little endian while it grows
	for i := zeros; i < len(s); i++ {
		carry := int(base58Digit[s[i]])
		if carry < 0 {
			return nil, errEncoding
		}
		for j := range out {
			carry += int(out[j]) * 58
			out[j], carry = byte(carry), carry>>8
		}
		for ; carry > 0; carry >>= 8 {
			out = append(out, byte(carry))
		}
	}
	for range zeros {
		out = append(out, 0)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, nil
}

// base58Encode writes base58btc.
func base58Encode(b []byte) string {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, len(b)*138/100+1)
	for _, c := range b[zeros:] {
		carry := int(c)
		for j := range digits {
			carry += int(digits[j]) << 8
			digits[j], carry = byte(carry%58), carry/58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, byte(carry%58))
		}
	}
	out := make([]byte, 0, zeros+len(digits))
	for range zeros {
		out = append(out, '1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, base58Alphabet[digits[i]])
	}
	return string(out)
}

// multibase reads the two bases that our specifications use: base58btc and base64url without padding.
// Controlled Identifiers §2.4.
func multibase(s string) ([]byte, error) {
	switch {
	case len(s) > 1 && s[0] == 'z':
		return base58Decode(s[1:])
	case len(s) > 1 && s[0] == 'u':
		b, err := b64.DecodeString(s[1:])
		if err != nil {
			return nil, errEncoding
		}
		return b, nil
	}
	return nil, errEncoding
}

// multicodec splits the varint in front of b from what follows, and refuses a varint with a longer spelling than needed.
func multicodec(b []byte) (code uint64, rest []byte, err error) {
	code, n := binary.Uvarint(b)
	if n <= 0 || n > 4 || n > 1 && b[n-1] == 0 {
		return 0, nil, errEncoding
	}
	return code, b[n:], nil
}
