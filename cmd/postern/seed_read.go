package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseEither returns the root of a YAML or JSON document, or nil where it is empty. JSON is read as JSON: YAML would
// refuse its tabs and surrogate pairs.
func parseEither(raw []byte) (*yaml.Node, error) {
	if !json.Valid(raw) {
		return parseYAML(raw)
	}
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(raw)), raw: raw, line: 1}
	r.dec.UseNumber()
	return r.node()
}

// jsonReader makes nodes of a document that is known to be valid, and so within the decoder's limit of depth.
type jsonReader struct {
	dec  *json.Decoder
	raw  []byte
	at   int64 // line is that of this offset
	line int
}

func (r *jsonReader) node() (*yaml.Node, error) {
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	to := r.dec.InputOffset()
	r.line += bytes.Count(r.raw[r.at:to], []byte{'\n'})
	r.at = to
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch v := token.(type) {
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if v == '{' {
			n.Kind = yaml.MappingNode
		}
		for r.dec.More() {
			child, err := r.node()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err = r.dec.Token()
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	default:
		n.Tag = "!!null"
	}
	return n, err
}

// object returns a mapping node as JSON would have it.
func object(n *yaml.Node) (map[string]any, error) {
	v, err := plain(n, 0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("must be a mapping")
	}
	return m, nil
}

const maxDepth = 32

func plain(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("is nested too deeply")
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, dup := m[key]; dup || n.Content[i].Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("%q is given twice, or is no name", key)
			}
			v, err := plain(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			v, err := plain(item, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, errors.New("uses a YAML alias, which is not supported here")
}

// scalar keeps numbers as they are written, and takes dates, which YAML would make times of, for the texts that they are.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}
