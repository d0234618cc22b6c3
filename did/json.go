package did

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest in what strangers send.
const maxDepth = 32

var errJSON = errors.New("did: malformed JSON")

// object is a JSON object. Its values are string, bool, nil, json.Number, []any and object.
type object = map[string]any

// parseObject reads one JSON object. Unlike encoding/json it refuses duplicate members (two readers would see two
// documents, RFC 8259 §4), text that is not UTF-8 and deep nesting.
func parseObject(text []byte) (object, error) {
	v, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%w: not an object", errJSON)
	}
	return o, nil
}

func parseJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: not UTF-8", errJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := value(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows", errJSON)
	}
	return v, nil
}

func value(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, errJSON
	}
	d, ok := t.(json.Delim)
	switch {
	case !ok:
		return t, nil
	case depth >= maxDepth:
		return nil, fmt.Errorf("%w: nested too deep", errJSON)
	case d == '[':
		list := []any{}
		for dec.More() {
			v, err := value(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	case d != '{':
		return nil, errJSON
	}
	o := object{}
	for dec.More() {
		t, err := dec.Token()
		name, isText := t.(string)
		if err != nil || !isText {
			return nil, errJSON
		}
		if _, again := o[name]; again {
			return nil, fmt.Errorf("%w: duplicate member", errJSON)
		}
		if o[name], err = value(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return o, err
}

// text is the string v, or "".
func text(v any) string {
	s, _ := v.(string)
	return s
}

// list is v as a list: JSON-LD lets one thing stand for a list of one.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// texts is a string or a list of strings; false if it holds anything else.
func texts(v any) (out []string, ok bool) {
	for _, item := range list(v) {
		s, isText := item.(string)
		if !isText {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
