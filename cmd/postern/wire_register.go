package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/oauth/register"
)

// outsiders is what clients may have that no operator has looked at.
func (h *house) outsiders(ring *keys.Ring) oauth.Outsiders {
	r := h.cfg.Registration
	scopes := slices.Clone(oauth.OpenIDScopes)
	for _, s := range r.Scopes {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	host := ""
	if u, err := url.Parse(h.cfg.Issuer); err == nil {
		host = u.Hostname()
	}
	return oauth.Outsiders{Profile: r.Profile, Scopes: scopes, SigningAlgs: ring.Algs(), RequestAlgs: ring.EncAlgs(), Loopback: loopbackHost(host)}
}

// describe lets clients describe themselves by documents, where the operator wants that. g is the guard of fetches.
func (h *house) describe(registry *oauth.Registry, ring *keys.Ring, g egress.Options) {
	if !h.cfg.Registration.Documents {
		return
	}
	g.MaxBody = oauth.DocumentSize
	registry.Describe(oauth.NewDocuments(oauth.DocumentsOptions{Fetch: egress.New(g), Counters: h.counters(), Allow: h.outsiders(ring), Now: clock}))
}

// registration is the endpoint where clients register themselves, or nil where none may.
func (h *house) registration(p parts, registry *oauth.Registry, fetch *egress.Client, came func(*oauth.Client)) (*register.Service, error) {
	r := h.cfg.Registration
	if r.Mode == "off" {
		return nil, nil
	}
	believed, err := statementKeys(r.Statements)
	if err != nil {
		return nil, fmt.Errorf("registration.software_statement_issuers: %w", err)
	}
	return register.New(register.Options{Issuer: h.cfg.Issuer, Endpoint: h.cfg.Issuer + meta.PathRegister, Open: r.Mode == "open", Allow: h.outsiders(p.tokens),
		Registry: registry, Store: h.db, Ephemeral: h.ephemeral(), Counters: h.counters(), Audit: h.journal, Fetch: fetch,
		SecretKeys: func() [][]byte { return p.sealer.Derive(deriveClientSecret) }, Statements: believed, Registered: came,
		PerHour: int64(r.PerHour), Max: r.MaxClients, Now: clock, Rand: random}), nil
}

// statementKeys reads the keys of those whose software statements are believed; each is ISSUER=FILE.
func statementKeys(list []string) (map[string]*keys.Set, error) {
	out := map[string]*keys.Set{}
	for _, entry := range list {
		i := strings.LastIndex(entry, "=") // an issuer may have a query, a file hardly an equals sign
		if i <= 0 || i == len(entry)-1 {
			return nil, fmt.Errorf("%q is not ISSUER=FILE", entry)
		}
		issuer, file := entry[:i], entry[i+1:]
		raw, err := readLimited(file, 256<<10)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, plainIO(err))
		}
		set, err := keys.ParseSet(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if _, twice := out[issuer]; twice || set.Len() == 0 {
			return nil, fmt.Errorf("%s is named twice, or has no key that can verify", issuer)
		}
		out[issuer] = set
	}
	return out, nil
}
