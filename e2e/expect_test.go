package e2e

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// outcome is what a command came to.
type outcome struct {
	status int
	fields map[string]any // of a JSON answer, of a page, or of a client's redirection URI
	text   string
}

func (o *outcome) String() string {
	raw, _ := json.Marshal(o.fields)
	text := o.text
	if len(text) > 400 {
		text = text[:400] + " …"
	}
	return fmt.Sprintf("%d %s\n%s", o.status, raw, text)
}

// field returns a field as text: lists of plain values are joined by spaces, "a.b" and "a.0" lead inwards, and "a.count"
// is the length of a list.
func (o *outcome) field(path string) (string, bool) {
	if v, ok := o.fields[path]; ok {
		return plain(v), true
	}
	var v any = o.fields
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			w, ok := x[part]
			if !ok {
				return "", false
			}
			v = w
		case []any:
			i, err := strconv.Atoi(part)
			switch {
			case part == "count":
				v = len(x)
			case err != nil || i < 0 || i >= len(x):
				return "", false
			default:
				v = x[i]
			}
		default:
			return "", false
		}
	}
	return plain(v), true
}

func plain(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case []any:
		var parts []string
		for _, e := range x {
			parts = append(parts, plain(e))
		}
		return strings.Join(parts, " ")
	case map[string]any:
		raw, _ := json.Marshal(x)
		return string(raw)
	}
	return fmt.Sprint(v)
}

// operators of an expectation, the longer ones first.
var operators = []string{"!=", "!~", "=", "~", ">", "<"}

// meets checks one word of an expectation, in which variables stand for themselves on the left of a capture only.
func (st *stage) meets(o *outcome, w word) error {
	if w.quoted {
		if text := st.fill(w.text); !strings.Contains(o.text, text) {
			return fmt.Errorf("the text %q is missing", text)
		}
		return nil
	}
	if n, err := strconv.Atoi(w.text); err == nil {
		if n != o.status {
			return fmt.Errorf("the status is %d, not %d", o.status, n)
		}
		return nil
	}
	at, op := len(w.text), ""
	for _, candidate := range operators {
		if i := strings.Index(w.text, candidate); i >= 0 && i < at {
			at, op = i, candidate
		}
	}
	left, right := w.text[:at], strings.TrimPrefix(w.text[at:], op)
	if name, ok := strings.CutPrefix(left, "$"); ok && op == "=" {
		v, there := o.field(right)
		if !there {
			return fmt.Errorf("there is no %s to keep as $%s", right, name)
		}
		st.vars[name] = v
		return nil
	}
	if op == "" {
		if got, _ := o.field("error"); got != w.text {
			return fmt.Errorf("the error is %q, not %q", got, w.text)
		}
		return nil
	}
	got, there := o.field(left)
	return compare(left, got, there, op, st.fill(right))
}

func compare(left, got string, there bool, op, want string) error {
	ok := false
	switch {
	case op == "=" && want == "present":
		ok = there
	case op == "=" && want == "absent":
		ok = !there
	case op == "=":
		ok = there && got == want
	case op == "!=":
		ok = got != want
	case op == "~":
		ok = has(got, want)
	case op == "!~":
		ok = !has(got, want)
	default:
		a, okA := new(big.Float).SetString(got)
		b, okB := new(big.Float).SetString(want)
		ok = okA && okB && (op == ">" && a.Cmp(b) > 0 || op == "<" && a.Cmp(b) < 0)
	}
	if ok {
		return nil
	}
	if !there {
		return fmt.Errorf("%s is absent; expected %s%s%s", left, left, op, want)
	}
	return fmt.Errorf("%s is %q; expected %s%s%s", left, got, left, op, want)
}

// has says whether list, words with spaces between, holds want.
func has(list, want string) bool { return slices.Contains(strings.Fields(list), want) }
