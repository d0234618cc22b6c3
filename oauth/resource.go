package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Resource is a protected resource that tokens can be meant for. RFC 8707 §2.
type Resource struct {
	ID     string           `json:"resource"` // an absolute URI without fragment: the `aud` of its tokens
	Name   string           `json:"name,omitempty"`
	Scopes []string         `json:"scopes,omitempty"`
	Words  map[string]Words `json:"scope_descriptions,omitempty"` // scope → what it means, for the consent page
}

// Words are a text in the languages of the pages.
type Words struct {
	En string `json:"en"`
	Zh string `json:"zh-CN"`
}

// ParseResource reads a resource document strictly.
func ParseResource(doc []byte) (*Resource, error) {
	r := &Resource{}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if u, err := url.Parse(r.ID); err != nil || !u.IsAbs() || strings.Contains(r.ID, "#") || len(r.ID) > maxURI {
		return nil, fmt.Errorf("resource %q: must be an absolute URI without fragment", r.ID)
	}
	for _, s := range r.Scopes {
		if !ValidScopeToken(s) {
			return nil, fmt.Errorf("resource %q: scope %q is not a scope token", r.ID, s)
		}
	}
	return r, nil
}

// ValidScopeToken says whether s is a scope-token. RFC 6749 §3.3.
func ValidScopeToken(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
