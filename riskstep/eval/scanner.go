package eval

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads one JSON text (RFC 8259) of a known shape, many times as fast as encoding/json and without its garbage.
// What it accepts, encoding/json accepts and reads alike; the fuzz test holds that.
type scanner struct {
	b   []byte
	i   int
	buf []byte // of the last string that had escapes
}

// deepest is how deep values that are passed over may nest.
const deepest = 64

func fault(format string, args ...any) error { return fmt.Errorf(format, args...) }

// at says in which field an error is.
func at(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

var errSyntax = errors.New("is no JSON")

func (s *scanner) reset(b []byte) { s.b, s.i = b, 0 }

// peek is the next byte that is no space; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// end is an error unless nothing follows.
func (s *scanner) end() error {
	if s.peek(); s.i < len(s.b) {
		return errSyntax
	}
	return nil
}

// object calls field for each field, with s before its value, which field must read.
func (s *scanner) object(field func(key string) error) error {
	if !s.take('{') {
		return errors.New("is no JSON object")
	}
	if s.take('}') {
		return nil
	}
	for {
		if s.peek() != '"' {
			return errSyntax
		}
		key, err := s.quoted()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return errSyntax
		}
		if err := field(known(key)); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

// known returns key without making garbage; "" for one that nobody reads.
func known(key []byte) string {
	switch string(key) {
	case "t":
		return "t"
	case "user":
		return "user"
	case "ip":
		return "ip"
	case "net":
		return "net"
	case "ua":
		return "ua"
	case "device":
		return "device"
	case "key":
		return "key"
	case "success":
		return "success"
	case "strong":
		return "strong"
	case "learn":
		return "learn"
	case "country":
		return "country"
	case "city":
		return "city"
	case "lat":
		return "lat"
	case "lon":
		return "lon"
	case "radius_km":
		return "radius_km"
	case "asn":
		return "asn"
	case "prefix":
		return "prefix"
	case "hosting":
		return "hosting"
	case "mobile":
		return "mobile"
	case "anonymous":
		return "anonymous"
	case "tor":
		return "tor"
	}
	return ""
}

// text is a string; nil for null. It is good until the next one is read.
func (s *scanner) text() ([]byte, error) {
	if s.null() {
		return nil, nil
	}
	if s.peek() != '"' {
		return nil, errors.New("is no string")
	}
	return s.quoted()
}

// name is a text of at most maxName bytes.
func (s *scanner) name() ([]byte, error) {
	b, err := s.text()
	if err == nil && len(b) > maxName {
		err = fault("is longer than %d bytes", maxName)
	}
	return b, err
}

// quoted reads the string that begins here. What is no UTF-8 becomes U+FFFD.
func (s *scanner) quoted() ([]byte, error) {
	start := s.i + 1
	for i := start; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.b[start:i], nil
		case c < ' ':
			return nil, errSyntax
		case c == '\\' || c >= utf8.RuneSelf:
			return s.unquote(start, i)
		}
	}
	return nil, errSyntax
}

// unquote goes on at i with what is not plain ASCII.
func (s *scanner) unquote(start, i int) ([]byte, error) {
	out := append(s.buf[:0], s.b[start:i]...)
	for i < len(s.b) {
		c := s.b[i]
		switch {
		case c == '"':
			s.i, s.buf = i+1, out
			return out, nil
		case c < ' ':
			return nil, errSyntax
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(s.b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		case c != '\\':
			out = append(out, c)
			i++
		case i+1 == len(s.b):
			return nil, errSyntax
		case s.b[i+1] == 'u':
			r := hex4(s.b[i+2:])
			if r < 0 {
				return nil, errSyntax
			}
			i += 6
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+1 < len(s.b) && s.b[i] == '\\' && s.b[i+1] == 'u' {
					low = hex4(s.b[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			e := escapes[s.b[i+1]]
			if e == 0 {
				return nil, errSyntax
			}
			out = append(out, e)
			i += 2
		}
	}
	return nil, errSyntax
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func hex4(b []byte) (r rune) {
	if len(b) < 4 {
		return -1
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func (s *scanner) word(w string) bool {
	if s.peek() != w[0] || len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) null() bool { return s.word("null") }

// bool is absent where the value is null.
func (s *scanner) bool(absent bool) (bool, error) {
	switch {
	case s.word("true"):
		return true, nil
	case s.word("false"):
		return false, nil
	case s.null():
		return absent, nil
	}
	return absent, errors.New("is neither true nor false")
}

// number is a number from low to high; NaN for null.
func (s *scanner) number(low, high float64) (float64, error) {
	if s.null() {
		return math.NaN(), nil
	}
	b, ok := s.digits()
	if !ok {
		return 0, errors.New("is no number")
	}
	v, err := strconv.ParseFloat(string(b), 64) // short ones stay on the stack
	if err != nil || v < low || v > high {
		return 0, fault("%.32s is not from %g to %g", b, low, high)
	}
	return v, nil
}

// digits is a number as RFC 8259 §6 spells it.
func (s *scanner) digits() ([]byte, bool) {
	s.peek()
	b, i := s.b[s.i:], 0
	run := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !run() {
		return nil, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !run() {
			return nil, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return nil, false
		}
	}
	s.i += i
	return b[:i], true
}

// skip passes over a value of any kind.
func (s *scanner) skip(depth int) error {
	if depth > deepest {
		return errors.New("nests too deep")
	}
	switch c := s.peek(); {
	case c == '"':
		_, err := s.quoted()
		return err
	case c == '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case c == '[':
		s.i++
		if s.take(']') {
			return nil
		}
		for {
			if err := s.skip(depth + 1); err != nil {
				return err
			}
			if s.take(']') {
				return nil
			}
			if !s.take(',') {
				return errSyntax
			}
		}
	case s.word("true"), s.word("false"), s.null():
		return nil
	}
	if _, ok := s.digits(); !ok {
		return errSyntax
	}
	return nil
}
