package did

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Limits of an SD-JWT.
const (
	maxDisclosures = 1024
	maxReveal      = 64 // how deep disclosures may nest in one another and in the payload
)

// sdJWT is an SD-JWT or SD-JWT+KB taken apart, RFC 9901 §4. Nothing of it is verified.
type sdJWT struct {
	jws
	disclosures []string // as they stand, base64url
	presented   string   // everything up to and with the last tilde: what sd_hash is over
	kb          string   // the Key Binding JWT, or ""
}

func parseSDJWT(s string) (t sdJWT, err error) {
	if len(s) > maxInput {
		return t, errJWS
	}
	parts := strings.Split(s, "~")
	if len(parts) < 2 || len(parts)-2 > maxDisclosures {
		return t, fmt.Errorf("%w: tildes", errJWS)
	}
	t.kb = parts[len(parts)-1]
	t.presented = s[:len(s)-len(t.kb)]
	t.disclosures = parts[1 : len(parts)-1]
	t.jws, err = parseJWS(parts[0])
	return t, err
}

// sdAlgs are the hash functions that `_sd_alg` may name, RFC 9901 §4.1.1.
var sdAlgs = map[string]func() hash.Hash{"sha-256": sha256.New, "sha-384": sha512.New384, "sha-512": sha512.New}

// digest is the base64url digest of what stands in s, by the SD-JWT's own hash function.
func (t *sdJWT) digest(s string) (string, error) {
	alg := "sha-256"
	if v, found := t.payload["_sd_alg"]; found {
		alg = text(v)
	}
	h, ok := sdAlgs[alg]
	if !ok {
		return "", fmt.Errorf("_sd_alg %q is unknown", alg)
	}
	d := h()
	d.Write([]byte(s))
	return b64.EncodeToString(d.Sum(nil)), nil
}

// disclosure is one that was sent, RFC 9901 §4.2.
type disclosure struct {
	name  string // of an object's member
	plain bool   // an element of an array: it has no name
	value any
	used  bool
}

// revealer puts disclosures into a payload, RFC 9901 §7.1.
type revealer struct {
	byDigest map[string]*disclosure
	seen     map[string]bool // every digest in payload and disclosures, which must be unique
	top      []string        // names that were disclosed into the outermost object
}

// reveal returns the payload with everything that was disclosed, without `_sd`, `_sd_alg` and placeholders, and the names
// disclosed into its outermost object. It refuses what RFC 9901 §7.1 refuses: disclosures that nothing refers to, or that
// stand twice; digests that stand twice; members called `_sd` or `...`; members that are there already.
func (t *sdJWT) reveal() (claims object, top []string, err error) {
	r := &revealer{byDigest: map[string]*disclosure{}, seen: map[string]bool{}}
	for _, s := range t.disclosures {
		d, err := parseDisclosure(s)
		if err != nil {
			return nil, nil, err
		}
		digest, err := t.digest(s)
		if err != nil {
			return nil, nil, err
		}
		if r.byDigest[digest] != nil {
			return nil, nil, errors.New("one disclosure stands twice")
		}
		r.byDigest[digest] = d
	}
	if _, err := t.digest(""); err != nil { // also where nothing is disclosed
		return nil, nil, err
	}
	claims, err = r.object(t.payload, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range r.byDigest {
		if !d.used {
			return nil, nil, errors.New("a disclosure is not referenced")
		}
	}
	return claims, r.top, nil
}

func parseDisclosure(s string) (*disclosure, error) {
	raw, err := b64.DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a disclosure is no base64url")
	}
	v, err := parseJSON(raw)
	items, ok := v.([]any)
	if err != nil || !ok || len(items) != 2 && len(items) != 3 {
		return nil, errors.New("a disclosure is an array of two or three elements")
	}
	if _, ok := items[0].(string); !ok {
		return nil, errors.New("the salt of a disclosure is a string")
	}
	if len(items) == 2 {
		return &disclosure{plain: true, value: items[1]}, nil
	}
	name, ok := items[1].(string)
	if !ok || name == "_sd" || name == "..." {
		return nil, errors.New("a disclosure names what no claim is called")
	}
	return &disclosure{name: name, value: items[2]}, nil
}

// find returns the disclosure of a digest, nil if it was not sent.
func (r *revealer) find(v any) (*disclosure, error) {
	digest, ok := v.(string)
	if !ok {
		return nil, errors.New("a digest is a string")
	}
	if r.seen[digest] {
		return nil, errors.New("one digest stands twice")
	}
	r.seen[digest] = true
	d := r.byDigest[digest]
	if d != nil {
		d.used = true
	}
	return d, nil
}

func (r *revealer) value(v any, depth int) (any, error) {
	if depth > maxReveal {
		return nil, errors.New("disclosures nest too deep")
	}
	switch v := v.(type) {
	case object:
		return r.object(v, depth)
	case []any:
		return r.array(v, depth)
	}
	return v, nil
}

func (r *revealer) object(o object, depth int) (object, error) {
	out := make(object, len(o))
	for name, v := range o {
		switch {
		case name == "_sd":
			continue
		case name == "...":
			return nil, errors.New("`...` stands where no element does")
		case name == "_sd_alg":
			if depth > 0 {
				return nil, errors.New("`_sd_alg` stands only at the top")
			}
			continue
		}
		plain, err := r.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		out[name] = plain
	}
	hidden, found := o["_sd"]
	digests, ok := hidden.([]any)
	if found && !ok {
		return nil, errors.New("`_sd` is no array")
	}
	for _, v := range digests {
		d, err := r.find(v)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if d.plain {
			return nil, errors.New("an element is disclosed as a member")
		}
		if _, there := out[d.name]; there || d.name == "_sd_alg" && depth == 0 {
			return nil, fmt.Errorf("a disclosure overwrites %q", d.name)
		}
		if out[d.name], err = r.value(d.value, depth+1); err != nil {
			return nil, err
		}
		if depth == 0 {
			r.top = append(r.top, d.name)
		}
	}
	return out, nil
}

func (r *revealer) array(items []any, depth int) ([]any, error) {
	out := make([]any, 0, len(items))
	for _, item := range items {
		o, _ := item.(object)
		v, hidden := o["..."]
		if hidden {
			if len(o) != 1 {
				return nil, errors.New("a placeholder has more than `...`")
			}
			d, err := r.find(v)
			if err != nil {
				return nil, err
			}
			if d == nil {
				continue
			}
			if !d.plain {
				return nil, errors.New("a member is disclosed as an element")
			}
			item = d.value
		}
		plain, err := r.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
	return out, nil
}

// neverHidden checks that none of names was disclosed rather than stated, nor has anything hidden within: what a verifier
// relies on must not be the holder's to show or to leave out.
func (t *sdJWT) neverHidden(top []string, names ...string) error {
	for _, name := range names {
		if slices.Contains(top, name) || hides(t.payload[name]) {
			return fmt.Errorf("%s is never selectively disclosed", name)
		}
	}
	return nil
}

// hides says whether anything within v is selectively disclosable.
func hides(v any) bool {
	switch v := v.(type) {
	case object:
		for name, item := range v {
			if name == "_sd" || name == "..." || hides(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hides)
	}
	return false
}
