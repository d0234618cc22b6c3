package did

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// WebMethod resolves did:web: a document at an https URL, trusted as far as DNS and TLS are. did:web §2.5.2.
type WebMethod struct{}

// Name is "web".
func (WebMethod) Name() string { return "web" }

// Resolve fetches the document. What it is given as fetch follows no redirect and visits no internal address.
func (WebMethod) Resolve(ctx context.Context, id ID, fetch Fetch) (Resolution, error) {
	host, path, err := webHost(id.Specific())
	if err != nil {
		return Resolution{}, err
	}
	if path == "" {
		path = "/.well-known"
	}
	body, _, err := fetch.get(ctx, "https://"+host+path+"/did.json", "application/did+json, application/did+ld+json, application/json")
	if err != nil {
		return Resolution{}, fmt.Errorf("did:web: %w", err)
	}
	doc, err := ParseDocument(string(id), body)
	if err != nil {
		return Resolution{}, err
	}
	return Resolution{Document: doc}, nil
}

// webHost turns "example.com%3A3000:user:alice" into a host with its port and a path, "/user/alice" or "". Addresses instead
// of names, user information, and segments that a server or a proxy could read as a way out are refused. did:web §2.1 and §2.5.2.
func webHost(specific string) (host, path string, err error) {
	parts := strings.Split(specific, ":")
	host, port, hasPort := strings.Cut(strings.ReplaceAll(parts[0], "%3a", "%3A"), "%3A")
	if err := hostName(host); err != nil {
		return "", "", err
	}
	host = strings.ToLower(host)
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' || port[0] == '+' {
			return "", "", fmt.Errorf("%w: port of did:web", ErrInvalid)
		}
		host += ":" + port
	}
	for _, p := range parts[1:] {
		plain, err := url.PathUnescape(p)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\?#%") || strings.IndexFunc(plain, control) >= 0 {
			return "", "", fmt.Errorf("%w: path of did:web", ErrInvalid)
		}
		path += "/" + p
	}
	return host, path, nil
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

// hostName accepts a DNS name of at least two labels, or localhost; whoever may be visited there is for fetch to say. What a
// resolver could take for an address is refused: the last label of a name is never a number.
func hostName(host string) error {
	bad := fmt.Errorf("%w: host of did:web", ErrInvalid)
	if len(host) > 253 {
		return bad
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return bad
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return bad
		}
		for i := range len(l) {
			if !alphanumeric(l[i]) && l[i] != '-' {
				return bad
			}
		}
	}
	last := labels[len(labels)-1]
	if last[0] >= '0' && last[0] <= '9' || len(labels) == 1 && host != "localhost" {
		return bad
	}
	return nil
}
