package did

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// rdfWriter makes statements of what was expanded. JSON-LD API §7.2, where nothing is left out.
type rdfWriter struct {
	quads    []rdfQuad
	seen     map[rdfQuad]bool
	subjects map[string]int // how often objects of the default graph say something about an id
	blanks   int
}

const (
	rdfNS  = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsdNS  = "http://www.w3.org/2001/XMLSchema#"
	rdfJSO = rdfNS + "JSON"
)

func (w *rdfWriter) blank() rdfNode {
	w.blanks++
	return rdfNode{"n" + strconv.Itoa(w.blanks), true}
}

func (w *rdfWriter) add(q rdfQuad) error {
	if len(w.quads) >= maxLDQuads {
		return errors.New("too many statements")
	}
	if !w.seen[q] {
		w.seen[q] = true
		w.quads = append(w.quads, q)
	}
	return nil
}

// node writes an object and returns what names it.
func (w *rdfWriter) node(o object, graph rdfNode) (rdfNode, error) {
	self := w.blank()
	if v, found := o["@id"]; found {
		id, err := iri(text(v))
		if err != nil {
			return self, err
		}
		self = rdfNode{text: id}
		if len(o) > 1 && graph.text == "" {
			w.subjects[text(v)]++
		}
	}
	for name, v := range o {
		var err error
		switch name {
		case "@id":
		case "@type":
			err = w.types(self, v, graph)
		default:
			var p string
			if p, err = iri(name); err == nil { // a keyword is no IRI
				err = w.property(self, p, v, graph)
			}
		}
		if err != nil {
			return self, err
		}
	}
	return self, nil
}

func (w *rdfWriter) types(self rdfNode, v any, graph rdfNode) error {
	types, ok := texts(v)
	if !ok {
		return errors.New("a type is no text")
	}
	for _, t := range types {
		id, err := iri(t)
		if err != nil {
			return fmt.Errorf("type %q is not defined", t)
		}
		if err := w.add(rdfQuad{s: self, p: "<" + rdfNS + "type>", o: rdfNode{text: id}, g: graph}); err != nil {
			return err
		}
	}
	return nil
}

func (w *rdfWriter) property(self rdfNode, p string, v any, graph rdfNode) error {
	for _, item := range list(v) {
		o, ok := item.(object)
		if !ok {
			return errors.New("a value that is no statement")
		}
		obj, err := w.value(o, graph)
		if err != nil {
			return err
		}
		if err := w.add(rdfQuad{self, obj, graph, p}); err != nil {
			return err
		}
	}
	return nil
}

// value writes what a value object, a list, a graph or a node says, and returns what names it.
func (w *rdfWriter) value(o object, graph rdfNode) (rdfNode, error) {
	if v, found := o["@value"]; found {
		s, err := literal(o, v)
		return rdfNode{text: s}, err
	}
	if v, found := o["@list"]; found && len(o) == 1 {
		return w.list(list(v), graph)
	}
	if v, found := o["@graph"]; found && len(o) == 1 {
		name := w.blank()
		for _, item := range list(v) {
			inner, ok := item.(object)
			if !ok {
				return name, errors.New("a graph of what is no object")
			}
			if _, err := w.node(inner, name); err != nil {
				return name, err
			}
		}
		return name, nil
	}
	return w.node(o, graph)
}

func (w *rdfWriter) list(items []any, graph rdfNode) (rdfNode, error) {
	if len(items) == 0 {
		return rdfNode{text: "<" + rdfNS + "nil>"}, nil
	}
	o, ok := items[0].(object)
	if !ok {
		return rdfNode{}, errors.New("a list of what is no statement")
	}
	self := w.blank()
	first, err := w.value(o, graph)
	if err == nil {
		err = w.add(rdfQuad{self, first, graph, "<" + rdfNS + "first>"})
	}
	if err != nil {
		return self, err
	}
	rest, err := w.list(items[1:], graph)
	if err != nil {
		return self, err
	}
	return self, w.add(rdfQuad{self, rest, graph, "<" + rdfNS + "rest>"})
}

// iri is the N-Quads text of an absolute IRI. RFC 3987 §2.2, N-Quads §3.1.
func iri(s string) (string, error) {
	colon := strings.IndexByte(s, ':')
	ok := colon > 0 && s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		if i < colon {
			ok = alphanumeric(c) || c == '+' || c == '-' || c == '.'
		} else {
			ok = c > ' ' && strings.IndexByte("<>\"{}|^`\\", c) < 0
		}
	}
	if !ok {
		return "", fmt.Errorf("%q is no absolute IRI", s)
	}
	return "<" + s + ">", nil
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)

// literal is the N-Quads text of a value object. JSON-LD API §7.3 and §8.6.
func literal(o object, v any) (string, error) {
	for name := range o {
		if name != "@value" && name != "@type" && name != "@language" {
			return "", fmt.Errorf("%s of a value would not be signed", name)
		}
	}
	datatype, typed := o["@type"].(string)
	if _, found := o["@type"]; found && !typed {
		return "", errors.New("a datatype is no IRI")
	}
	if datatype == "@json" {
		b, err := canonicalJSON(v)
		return quoted(string(b)) + "^^<" + rdfJSO + ">", err
	}
	var s, natural string
	switch v := v.(type) {
	case string:
		s = v
	case bool:
		s, natural = strconv.FormatBool(v), xsdNS+"boolean"
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return "", errors.New("a number that is none")
		}
		s, natural = number(f, datatype)
		if natural == xsdNS+"integer" && math.Abs(f) >= 1<<53 {
			return "", errors.New("a number that not every reader reads alike")
		}
	default:
		return "", errors.New("a value that is no scalar")
	}
	if lang, found := o["@language"]; found {
		if natural != "" || typed || !languageTag.MatchString(text(lang)) {
			return "", errors.New("a language of what is no text")
		}
		return quoted(s) + "@" + text(lang), nil
	}
	if !typed {
		datatype = natural
	}
	if datatype == "" || datatype == xsdNS+"string" {
		return quoted(s), nil
	}
	id, err := iri(datatype)
	return quoted(s) + "^^" + id, err
}

// number writes a number as JSON-LD API §8.6 does: an integer, or %1.15E without what is superfluous.
func number(f float64, datatype string) (s, natural string) {
	if f == math.Trunc(f) && math.Abs(f) < 1e21 && datatype != xsdNS+"double" {
		return strconv.FormatFloat(f+0, 'f', 0, 64), xsdNS + "integer"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', 15, 64), "E")
	mantissa = strings.TrimRight(mantissa, "0")
	if strings.HasSuffix(mantissa, ".") {
		mantissa += "0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n), xsdNS + "double"
}

// quoted writes a literal as canonical N-Quads do, RDFC-1.0 §5.
func quoted(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\b':
			b.WriteString(`\b`)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\f':
			b.WriteString(`\f`)
		case '\r':
			b.WriteString(`\r`)
		default:
			if c < 0x20 || c == 0x7f {
				fmt.Fprintf(&b, `\u%04X`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
