// Package did owns decentralized identifiers and the verification of credentials: DID methods and their documents,
// credential formats, status lists, and the policy under which one of them is believed. Whatever it reads was written by
// strangers, perhaps to harm: nothing is believed by default, every zero value refuses, and a Presentation can only be made
// here, after everything held. It never fetches what the policy did not allow, never keeps a raw credential, and decides
// nothing about accounts.
package did

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of identifiers, in bytes.
const (
	maxID  = 4 << 10 // did:jwk and did:peer carry keys within
	maxURL = maxID + 512
)

// Why an identifier or a document is refused.
var (
	ErrInvalid     = errors.New("did: invalid identifier")         // DID Core §3.1, or the method's own rules
	ErrUnsupported = errors.New("did: unsupported method")         // no method of that name is plugged in
	ErrNotFound    = errors.New("did: not found")                  // the method knows no such DID
	ErrDocument    = errors.New("did: invalid document")           // what was found is no document of this DID
	ErrDeactivated = errors.New("did: deactivated")                // the document of a DID which nobody controls any more
	ErrOffline     = errors.New("did: the policy allows no visit") // something would have to be fetched, and may not be
	ErrNoKey       = errors.New("did: no such key")                // not in the document, or not for this purpose
)

// ID is a DID without path, query and fragment, as DID Core §3.1 spells it. Only ParseID makes one of strange text.
type ID string

// Method is the method's name, "web" of did:web:example.com.
func (d ID) Method() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(d), "did:"), ":")
	return name
}

// Specific is what follows the method's name.
func (d ID) Specific() string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(string(d), "did:"), ":")
	return rest
}

// ParseID reads a DID of at most 4 KiB. ErrInvalid. DID Core §3.1.
func ParseID(s string) (ID, error) {
	if len(s) > maxID {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxID)
	}
	method, specific, ok := strings.Cut(strings.TrimPrefix(s, "did:"), ":")
	if !strings.HasPrefix(s, "did:") || !ok || method == "" || specific == "" || strings.HasSuffix(specific, ":") {
		return "", fmt.Errorf("%w: not did:method:id", ErrInvalid)
	}
	for _, c := range []byte(method) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", fmt.Errorf("%w: name of the method", ErrInvalid)
		}
	}
	for i := 0; i < len(specific); i++ {
		switch c := specific[i]; {
		case alphanumeric(c), c == '.', c == '-', c == '_', c == ':':
		case c == '%' && i+2 < len(specific) && isHex(specific[i+1]) && isHex(specific[i+2]):
			i += 2
		default:
			return "", fmt.Errorf("%w: a character of the identifier", ErrInvalid)
		}
	}
	return ID(s), nil
}

// URL is a DID URL, DID Core §3.2.
type URL struct {
	DID      ID
	Path     string // with its leading slash, or ""
	Query    string // without the question mark
	Fragment string // without the hash
}

// ParseURL reads an absolute DID URL of at most 4.5 KiB. ErrInvalid. DID Core §3.2.
func ParseURL(s string) (URL, error) {
	if len(s) > maxURL {
		return URL{}, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, maxURL)
	}
	rest, fragment, hasFragment := strings.Cut(s, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	id, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		id, path = rest[:i], rest[i:]
	}
	if hasFragment && fragment == "" || hasQuery && query == "" {
		return URL{}, fmt.Errorf("%w: empty query or fragment", ErrInvalid)
	}
	for _, part := range []string{path, query, fragment} {
		if !uriText(part) {
			return URL{}, fmt.Errorf("%w: a character of the URL", ErrInvalid)
		}
	}
	did, err := ParseID(id)
	if err != nil {
		return URL{}, err
	}
	return URL{DID: did, Path: path, Query: query, Fragment: fragment}, nil
}

// String writes u as ParseURL reads it.
func (u URL) String() string {
	s := string(u.DID) + u.Path
	if u.Query != "" {
		s += "?" + u.Query
	}
	if u.Fragment != "" {
		s += "#" + u.Fragment
	}
	return s
}

// uriText says whether s holds only what RFC 3986 lets stand in a path, query or fragment.
func uriText(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case alphanumeric(c), strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0:
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
