package verify

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

const maxDepth = 16 // of nested JSON

// decodeObject reads one JSON object, with member names as they are written (encoding/json would match struct fields
// in any case) and each at most once at every level; numbers are json.Number. RFC 8725 §2.4, RFC 7515 §4.
func decodeObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	r := jsonReader{b: b}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not an object")
	}
	return m, nil
}

// jsonReader walks over bytes that are valid JSON: encoding/json has said so, and that is what its steps rely on. It is
// there because encoding/json cannot see a repeated member except through Decoder.Token, at several times the cost.
type jsonReader struct {
	b []byte
	i int
}

// next skips white space and the separators, whose places are known to be right, and returns the byte after it.
func (r *jsonReader) next() byte {
	for strings.IndexByte(" \t\r\n,:", r.b[r.i]) >= 0 {
		r.i++
	}
	return r.b[r.i]
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	switch r.next() {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case '"':
		return r.text()
	case 't':
		r.i += len("true")
		return true, nil
	case 'f':
		r.i += len("false")
		return false, nil
	case 'n':
		r.i += len("null")
		return nil, nil
	}
	start := r.i
	for r.i < len(r.b) && strings.IndexByte("+-.0123456789eE", r.b[r.i]) >= 0 {
		r.i++
	}
	return json.Number(r.b[start:r.i]), nil
}

func (r *jsonReader) object(depth int) (any, error) {
	m := make(map[string]any)
	for r.i++; r.next() != '}'; {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		if _, dup := m[name]; dup {
			return nil, errors.New("a member appears twice")
		}
		if m[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	r.i++
	return m, nil
}

func (r *jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.i++; r.next() != ']'; {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	r.i++
	return list, nil
}

func (r *jsonReader) text() (string, error) {
	start, plain := r.i, true
	for r.i++; r.b[r.i] != '"'; r.i++ {
		if r.b[r.i] == '\\' {
			plain = false
			r.i++
		}
	}
	r.i++
	raw := r.b[start:r.i]
	if plain {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}
