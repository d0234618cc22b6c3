package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

var errJSON = errors.New("keys: malformed JSON")

// unique refuses anything but one JSON object in valid UTF-8, nested at most 32 deep, in which no object has two
// members of one name: parsers differ in which of the two they take. RFC 7515 §4, RFC 7519 §4.
func unique(data []byte) error { return members(data, nil) }

// members is unique, and gives each member of the outermost object to visit, which may be nil.
func members(data []byte, visit func(name, value []byte)) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return errJSON
	}
	s := scanner{data: data, visit: visit}
	if s.space(); s.data[s.i] != '{' {
		return errors.New("keys: not a JSON object")
	}
	return s.value(0)
}

// scanner walks text that is known to be valid JSON.
type scanner struct {
	data  []byte
	i     int
	visit func(name, value []byte)
}

func (s *scanner) space() {
	for s.i < len(s.data) && (s.data[s.i] == ' ' || s.data[s.i] == '\t' || s.data[s.i] == '\n' || s.data[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) value(depth int) error {
	if depth > maxDepth {
		return errors.New("keys: JSON nested too deep")
	}
	s.space()
	switch s.data[s.i] {
	case '{':
		return s.object(depth)
	case '[':
		for s.i++; ; s.i++ { // past '[' or ','
			if s.space(); s.data[s.i] == ']' {
				break
			}
			if err := s.value(depth + 1); err != nil {
				return err
			}
			if s.space(); s.data[s.i] == ']' {
				break
			}
		}
		s.i++
	case '"':
		s.text()
	default:
		for s.i < len(s.data) && strings.IndexByte(",]} \t\r\n", s.data[s.i]) < 0 {
			s.i++
		}
	}
	return nil
}

func (s *scanner) object(depth int) error {
	var few [16][]byte // most objects are small; a map only where one is not
	names, many := few[:0], map[string]struct{}(nil)
	for s.i++; ; s.i++ { // past '{' or ','
		if s.space(); s.data[s.i] == '}' {
			break
		}
		name := s.text()
		_, again := many[string(name)]
		if again || many == nil && slices.ContainsFunc(names, func(n []byte) bool { return bytes.Equal(n, name) }) {
			return errors.New("keys: duplicate JSON member")
		}
		if many == nil && len(names) == len(few) {
			many = make(map[string]struct{}, 64)
			for _, n := range names {
				many[string(n)] = struct{}{}
			}
		}
		if many != nil {
			many[string(name)] = struct{}{}
		} else {
			names = append(names, name)
		}
		s.space()
		s.i++ // ':'
		s.space()
		start := s.i
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if depth == 0 && s.visit != nil {
			s.visit(name, s.data[start:s.i])
		}
		if s.space(); s.data[s.i] == '}' {
			break
		}
	}
	s.i++
	return nil
}

// text reads a string and returns it with its escapes undone, so that "alg" and "\u0061lg" are one name.
func (s *scanner) text() []byte {
	start, escaped := s.i, false
	for s.i++; s.data[s.i] != '"'; s.i++ {
		if s.data[s.i] == '\\' {
			escaped = true
			s.i++
		}
	}
	s.i++
	if !escaped {
		return s.data[start+1 : s.i-1]
	}
	var out string
	_ = json.Unmarshal(s.data[start:s.i], &out) // valid, as the whole is
	return []byte(out)
}
