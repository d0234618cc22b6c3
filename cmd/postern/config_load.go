package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxConfig = 1 << 20 // bytes of a configuration or seed file
	maxSecret = 64 << 10
	envPrefix = "POSTERN_"
)

// setting is one leaf of a Config.
type setting struct {
	path   string // "listen.tls.cert_file"
	tag    reflect.StructTag
	value  reflect.Value
	origin *string // where the value came from: "postern.yaml:12"; "" for a default
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}
func (s setting) secret() string { return s.tag.Get("secret") }
func (s setting) inFile() bool   { return s.secret() == "key" || s.secret() == "url" }

// sourced is a Config that remembers where each value came from, so that faults can say so.
type sourced struct {
	Config
	settings []setting
}

func newSourced() *sourced {
	c := &sourced{Config: Defaults()}
	c.settings = leaves("", reflect.ValueOf(&c.Config).Elem())
	return c
}

// leaves lists the settings of a struct in the order of its fields.
func leaves(prefix string, v reflect.Value) []setting {
	var out []setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		path := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, leaves(path+".", v.Field(i))...)
			continue
		}
		out = append(out, setting{path, f.Tag, v.Field(i), new(string)})
	}
	return out
}

func (c *sourced) find(path string) (setting, bool) {
	i := slices.IndexFunc(c.settings, func(s setting) bool { return s.path == path })
	if i < 0 {
		return setting{}, false
	}
	return c.settings[i], true
}

// where says where the value at path came from, for a fault.
func (c *sourced) where(path string) string {
	s, _ := c.find(path)
	if s.origin == nil {
		return ""
	}
	return *s.origin
}

// loadConfig reads defaults < file < environment < sets ("path=value") and validates the whole. Every fault is in the
// error, a faults. file may be "".
func loadConfig(file string, environ, sets []string) (*sourced, error) {
	c := newSourced()
	var fs faults
	if file != "" {
		c.readFile(file, &fs)
	}
	c.readEnv(environ, &fs)
	c.readSets(sets, &fs)
	c.validate(&fs)
	return c, fs.err()
}

func (c *sourced) readFile(file string, fs *faults) {
	raw, err := readLimited(file, maxConfig)
	if err != nil {
		fs.add(file, "", "%v", plainIO(err))
		return
	}
	root, err := parseYAML(raw)
	if err != nil {
		fs.add(file, "", "%v", err)
		return
	}
	if root != nil {
		c.readNode(file, "", root, fs)
	}
}

// parseYAML returns the one document in raw, or nil where it is empty.
func parseYAML(raw []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("must hold one YAML document")
	}
	return doc.Content[0], nil
}

func (c *sourced) readNode(file, prefix string, n *yaml.Node, fs *faults) {
	at := fmt.Sprintf("%s:%d", file, n.Line)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a section with everything commented out
	}
	if n.Kind != yaml.MappingNode {
		fs.add(at, strings.TrimSuffix(prefix, "."), "must be a mapping of settings")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at, path := fmt.Sprintf("%s:%d", file, key.Line), prefix+key.Value
		if seen[key.Value] {
			fs.add(at, path, "is given twice")
			continue
		}
		seen[key.Value] = true
		if s, ok := c.find(path); ok && s.inFile() && seen[key.Value+"_file"] {
			fs.add(at, path, "both the value and its file are given")
			continue
		}
		if s, ok := c.find(path); ok {
			c.readLeaf(s, at, val, fs)
		} else if s, ok := c.find(strings.TrimSuffix(path, "_file")); ok && s.inFile() {
			if seen[strings.TrimSuffix(key.Value, "_file")] {
				fs.add(at, path, "both the value and its file are given")
				continue
			}
			c.assignFile(s, at, path, val.Value, fs)
		} else if names := c.children(path + "."); len(names) > 0 {
			c.readNode(file, path+".", val, fs)
		} else {
			fs.add(at, path, "unknown field%s", nearest(key.Value, c.children(prefix)))
		}
	}
}

// children lists the names directly under prefix ("listen."), secrets also with _file.
func (c *sourced) children(prefix string) []string {
	var out []string
	for _, s := range c.settings {
		rest, ok := strings.CutPrefix(s.path, prefix)
		if !ok {
			continue
		}
		name, _, nested := strings.Cut(rest, ".")
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
		if !nested && s.inFile() {
			out = append(out, name+"_file")
		}
	}
	return out
}

func (c *sourced) readLeaf(s setting, at string, n *yaml.Node, fs *faults) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		fs.add(at, s.path, "has no value")
	case n.Kind == yaml.ScalarNode:
		c.assign(s, at, []string{n.Value}, fs)
	case n.Kind == yaml.SequenceNode && s.value.Kind() == reflect.Slice:
		items := []string{}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				fs.add(at, s.path, "must be a list of plain values")
				return
			}
			items = append(items, item.Value)
		}
		c.assign(s, at, items, fs)
	default:
		fs.add(at, s.path, "must be one value")
	}
}

// assign parses text into s. More than one item, or none, is for lists only.
func (c *sourced) assign(s setting, at string, items []string, fs *faults) {
	var err error
	if s.value.Kind() == reflect.Slice {
		s.value.Set(reflect.ValueOf(slices.Clone(items)))
	} else {
		err = parseScalar(s.value, items[0])
	}
	if err != nil {
		fs.add(at, s.path, "%v", err)
	}
	*s.origin = at
}

// assignFile reads a secret from the file that is named where its value would otherwise stand.
func (c *sourced) assignFile(s setting, at, path, file string, fs *faults) {
	raw, err := readLimited(file, maxSecret)
	if err != nil {
		fs.add(at, path, "%v", plainIO(err))
		return
	}
	items := []string{strings.TrimSpace(string(raw))}
	if s.value.Kind() == reflect.Slice {
		items = strings.Fields(string(raw))
	}
	c.assign(s, at, items, fs)
}

func parseScalar(v reflect.Value, text string) (err error) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("must be true or false")
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n {
			return errors.New("must be a number")
		}
		v.SetFloat(n)
	}
	return nil
}

// kubernetesLink matches what Kubernetes puts into the environment for a service called postern or postern-….
var kubernetesLink = regexp.MustCompile(`^POSTERN_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_.*)?)$`)

// notSettings are variables of ours that are flags of commands.
var notSettings = []string{"POSTERN_CONFIG"}

func (c *sourced) readEnv(environ []string, fs *faults) {
	names := make([]string, 0, 2*len(c.settings))
	given := map[string]string{}
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		if k, v, _ := strings.Cut(kv, "="); strings.HasPrefix(k, envPrefix) && !slices.Contains(notSettings, k) {
			given[k] = v
		}
	}
	for _, s := range c.settings {
		name := s.env()
		names = append(names, name)
		v, plain := given[name]
		if plain && s.value.Kind() == reflect.Slice {
			c.assign(s, name, splitList(v), fs)
		} else if plain {
			c.assign(s, name, []string{v}, fs)
		}
		delete(given, name)
		if !s.inFile() {
			continue
		}
		names = append(names, name+"_FILE")
		if file, ok := given[name+"_FILE"]; ok && plain {
			fs.add(name+"_FILE", s.path, "both %s and %s_FILE are set", name, name)
		} else if ok {
			c.assignFile(s, name+"_FILE", s.path, file, fs)
		}
		delete(given, name+"_FILE")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !kubernetesLink.MatchString(name) {
			fs.add(name, "", "no such setting%s", nearest(name, names))
		}
	}
}

func (c *sourced) readSets(sets []string, fs *faults) {
	for _, set := range sets {
		path, v, ok := strings.Cut(set, "=")
		s, known := c.find(path)
		file, isFile := c.find(strings.TrimSuffix(path, "_file"))
		switch {
		case !ok:
			fs.add("--set", path, "must be path=value")
		case known && (s.secret() == "key" || s.secret() == "text" || s.secret() == "url" && redactURL(v) != v):
			fs.add("--set", path, "is a secret, which other users could read on the command line: use %s_file", path)
		case known && s.value.Kind() == reflect.Slice:
			c.assign(s, "--set", splitList(v), fs)
		case known:
			c.assign(s, "--set", []string{v}, fs)
		case isFile && file.inFile():
			c.assignFile(file, "--set "+path, path, v, fs)
		default:
			fs.add("--set", path, "unknown field")
		}
	}
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

// readLimited reads a file of at most limit bytes; "-" is not special here.
func readLimited(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAllLimited(f, limit)
}

func readAllLimited(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return raw, err
}

// plainIO drops the operation and the path, which the fault names already.
func plainIO(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
