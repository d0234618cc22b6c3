package main

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const redacted = "(redacted)"

// printable returns c as nested values in the order of its fields, without any secret.
func printable(c Config) *yaml.Node { return printNode("", reflect.ValueOf(c)) }

func printNode(prefix string, v reflect.Value) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := range v.NumField() {
		f, fv := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("yaml")
		val := &yaml.Node{}
		switch {
		case f.Type.Kind() == reflect.Struct:
			val = printNode(prefix+name+".", fv)
		case f.Tag.Get("secret") == "url":
			_ = val.Encode(redactURL(fv.String()))
		case f.Tag.Get("secret") != "" && fv.Len() > 0:
			_ = val.Encode(redacted)
		default:
			_ = val.Encode(fv.Interface())
		}
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, val)
	}
	return m
}

// redactURL returns s without the password in it: a URL keeps scheme, user, host and path; a keyword DSN nothing;
// a file name is no secret.
func redactURL(s string) string {
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		if err != nil {
			return redacted
		}
		if u.User != nil {
			if _, has := u.User.Password(); has {
				u.User = url.UserPassword(u.User.Username(), "redacted")
			}
		}
		if q := u.Query(); q.Has("password") || q.Has("sslpassword") {
			u.RawQuery = ""
		}
		return u.String()
	}
	if strings.Contains(s, "password") && strings.Contains(s, "=") {
		return redacted
	}
	return s
}

// schema returns the JSON Schema (draft 2020-12) of the configuration file.
func schema() map[string]any {
	s := schemaOf(reflect.ValueOf(Defaults()))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Postern configuration"
	s["required"] = []string{"issuer"}
	return s
}

func schemaOf(v reflect.Value) map[string]any {
	props := map[string]any{}
	for i := range v.NumField() {
		f, fv := v.Type().Field(i), v.Field(i)
		name, doc := f.Tag.Get("yaml"), f.Tag.Get("doc")
		p := schemaLeaf(f.Tag, fv)
		p["description"] = doc
		props[name] = p
		if (setting{tag: f.Tag}).inFile() {
			props[name+"_file"] = map[string]any{"type": "string", "description": "File that holds " + name + ", instead of " + name + "."}
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": props}
}

func schemaLeaf(tag reflect.StructTag, v reflect.Value) map[string]any {
	p := map[string]any{}
	enum := tag.Get("enum")
	if _, ok := v.Interface().(Duration); ok {
		p["type"], p["pattern"] = "string", `^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`
		p["default"] = v.Interface().(Duration).String()
		return p
	}
	switch v.Kind() {
	case reflect.Struct:
		return schemaOf(v)
	case reflect.Slice:
		items := map[string]any{"type": "string"}
		if enum != "" {
			items["enum"] = strings.Split(enum, ",")
		}
		p["type"], p["items"] = "array", items
		if v.Len() > 0 {
			p["default"] = v.Interface()
		}
		return p
	case reflect.String:
		p["type"] = "string"
		if enum != "" {
			p["enum"] = strings.Split(enum, ",")
		}
	case reflect.Bool:
		p["type"] = "boolean"
	case reflect.Int:
		p["type"] = "integer"
	case reflect.Float64:
		p["type"] = "number"
	}
	if !v.IsZero() {
		p["default"] = v.Interface()
	}
	for word, bound := range map[string]string{"minimum": tag.Get("min"), "maximum": tag.Get("max")} {
		if n, err := strconv.ParseFloat(bound, 64); err == nil {
			p[word] = json.Number(strconv.FormatFloat(n, 'f', -1, 64))
		}
	}
	return p
}
