package did

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of certificates in a header.
const (
	maxChain = 6
	maxCert  = 8 << 10 // bytes of DER
)

// signer is whose key should have signed something, and how we know.
type signer struct {
	id     string
	keys   []Key
	anchor string // "did", "x5c", "metadata", "document" or "known"
	rooted bool   // x5c: the chain ends at a root of the policy
}

// ways are the ways to an issuer's key that a format allows, after those that every format has (keys known ahead, x5c).
type ways struct {
	dids      bool         // iss is a DID, kid one of its methods
	documents bool         // iss is a URL, kid a method of the controlled identifier document there
	metadata  bool         // iss is a URL with JWT VC issuer metadata
	rel       Relationship // what the key must be for
}

// signerOf finds the key that id (the issuer, or the holder) signs with, as the header of t names it. It never takes a key
// from anywhere that the header chooses freely.
func (e *exam) signerOf(ctx context.Context, t *jws, id string, w ways) (signer, error) {
	if keys := e.p.Keys[id]; id != "" && len(keys) > 0 {
		return signer{id: id, keys: keys[:min(len(keys), maxKnownKeys)], anchor: "known"}, nil
	}
	switch {
	case t.x5c != nil && w.rel != Authentication: // holders have no certificates here
		return e.chain(t.x5c, id)
	case id == "":
		return signer{}, errors.New("it names no issuer")
	case strings.HasPrefix(id, "did:"):
		if !w.dids {
			return signer{}, errors.New("this format knows no DIDs as issuers")
		}
		return e.didSigner(ctx, t, id, w.rel)
	case w.metadata:
		return e.metadataSigner(ctx, t, id)
	case w.documents:
		return e.documentSigner(ctx, t, id, w.rel)
	}
	return signer{}, errors.New("there is no way to the key of " + id)
}

// didSigner: kid is a method of id's own document, absolute or as "#fragment", VC-JOSE-COSE §4.1; without kid the document
// must have only one key for rel.
func (e *exam) didSigner(ctx context.Context, t *jws, id string, rel Relationship) (signer, error) {
	if u, err := ParseURL(id); err != nil || string(u.DID) != id {
		return signer{}, fmt.Errorf("%w: issuer", ErrInvalid)
	}
	fetch := e.fetchFor(id)
	if rel == Authentication { // nobody lists holders; Visit still says where we may go
		fetch = e.get
	}
	if t.kid == "" {
		res, err := e.j.resolver.Resolve(ctx, ID(id), fetch)
		if err == nil && res.Deactivated {
			err = ErrDeactivated
		}
		if err != nil {
			return signer{}, err
		}
		_, k, err := res.Document.Only(rel)
		return signer{id: id, keys: []Key{k}, anchor: "did"}, err
	}
	kid := t.kid
	if strings.HasPrefix(kid, "#") {
		kid = id + kid
	}
	if !strings.HasPrefix(kid, id+"#") {
		return signer{}, errors.New("kid names a key of somebody else")
	}
	k, err := e.j.resolver.Key(ctx, kid, rel, fetch)
	return signer{id: id, keys: []Key{k}, anchor: "did"}, err
}

// documentSigner: id is the URL of a controlled identifier document, kid one of its methods. Controlled Identifiers §3.3.
func (e *exam) documentSigner(ctx context.Context, t *jws, id string, rel Relationship) (signer, error) {
	if !strings.HasPrefix(t.kid, id+"#") {
		return signer{}, errors.New("kid is no method of the issuer's document")
	}
	body, _, err := e.fetchFor(id).get(ctx, id, "application/cid, application/json")
	if err != nil {
		return signer{}, err
	}
	doc, err := ParseDocument(id, body)
	if err != nil {
		return signer{}, err
	}
	k, err := doc.Key(t.kid, rel)
	return signer{id: id, keys: []Key{k}, anchor: "document"}, err
}

// metadataSigner: the JWT VC issuer metadata of id, SD-JWT VC §4.
func (e *exam) metadataSigner(ctx context.Context, t *jws, id string) (signer, error) {
	u, err := url.Parse(id)
	if err != nil || hostOf(id) == "" || u.RawQuery != "" || u.Fragment != "" {
		return signer{}, errors.New("the issuer is no https URL")
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	body, _, err := e.fetchFor(id).get(ctx, "https://"+u.Host+"/.well-known/jwt-vc-issuer"+path, "application/json")
	if err != nil {
		return signer{}, err
	}
	if len(body) > maxDocument {
		return signer{}, errors.New("the issuer's metadata are too long")
	}
	meta, err := parseObject(body)
	if err != nil {
		return signer{}, err
	}
	if text(meta["issuer"]) != id {
		return signer{}, errors.New("these are the metadata of another issuer")
	}
	set, inline := meta["jwks"].(object)
	uri, remote := meta["jwks_uri"].(string)
	if inline == remote { // both, or neither
		return signer{}, errors.New("the issuer's metadata have one of jwks and jwks_uri")
	}
	if remote {
		body, _, err := e.fetchFor(id).get(ctx, uri, "application/json")
		if err != nil {
			return signer{}, err
		}
		if set, err = parseObject(body); err != nil || len(body) > maxDocument {
			return signer{}, errors.New("unreadable jwks_uri")
		}
	}
	keys, err := pick(set, t.kid)
	return signer{id: id, keys: keys, anchor: "metadata"}, err
}

// pick returns the keys of a JWK set that kid names; without kid the set must have one key only.
func pick(set object, kid string) (out []Key, err error) {
	items, ok := set["keys"].([]any)
	if !ok || len(items) > maxMethods {
		return nil, errors.New("no JWK set")
	}
	for _, item := range items {
		o, ok := item.(object)
		if !ok || kid != "" && text(o["kid"]) != kid || text(o["use"]) == "enc" {
			continue
		}
		k, err := jwkOf(o)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("%w: %d keys of the set are named by kid", ErrNoKey, len(out))
	}
	return out, nil
}

// chain verifies the certificates of `x5c` up to a root of the policy, and that the first one names id. Where the policy
// trusts anybody and has no roots the key is taken as it stands. RFC 7515 §4.1.6; SD-JWT VC §3.5; HAIP §6.1.1.
func (e *exam) chain(x5c []any, id string) (signer, error) {
	if len(x5c) > maxChain {
		return signer{}, fmt.Errorf("x5c has more than %d certificates", maxChain)
	}
	var certs []*x509.Certificate
	for _, item := range x5c {
		der, err := base64.StdEncoding.Strict().DecodeString(text(item))
		if err != nil || len(der) > maxCert {
			return signer{}, errors.New("x5c is no list of certificates")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return signer{}, errors.New("x5c holds what is no certificate")
		}
		certs = append(certs, c)
	}
	leaf := certs[0]
	switch {
	case leaf.IsCA:
		return signer{}, errors.New("x5c: a certificate authority signs no credentials")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return signer{}, errors.New("x5c: this certificate is not for signatures")
	case e.at.Before(leaf.NotBefore) || e.at.After(leaf.NotAfter):
		return signer{}, errors.New("x5c: the certificate is not valid at this time")
	case id != "" && !names(leaf, id):
		return signer{}, errors.New("x5c: the certificate is for somebody else")
	}
	rooted := false
	if len(e.p.Trust.Roots) > 0 || !e.p.Trust.Any {
		if err := rootedIn(e.p.Trust.Roots, certs, e.at); err != nil {
			return signer{}, err
		}
		rooted = true
	}
	k, err := NewKey(leaf.PublicKey)
	if id == "" {
		sum := sha256.Sum256(leaf.Raw)
		id = "x5c:" + hex.EncodeToString(sum[:])
	}
	return signer{id: id, keys: []Key{k}, anchor: "x5c", rooted: rooted}, err
}

func rootedIn(trusted, certs []*x509.Certificate, at time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range trusted {
		roots.AddCert(c)
	}
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return errors.New("x5c: the chain ends at no root of the policy")
	}
	return nil
}

// names says whether a certificate is for id: a URI of it, or the host of an https URL as a DNS name.
func names(c *x509.Certificate, id string) bool {
	if slices.ContainsFunc(c.URIs, func(u *url.URL) bool { return u.String() == id }) {
		return true
	}
	host := hostOf(id)
	return host != "" && slices.ContainsFunc(c.DNSNames, func(n string) bool { return strings.EqualFold(n, host) })
}

// trusted says why the policy believes a signer, or why not.
func (e *exam) trusted(s signer) (why string, err error) {
	switch {
	case s.rooted:
		return "its certificate ends at a root of the policy", nil
	case e.p.Trust.Any:
		return "the policy trusts anybody", nil
	case s.anchor != "x5c" && e.p.Trust.trusts(s.id):
		return s.id + " is on the list", nil
	}
	return "", fmt.Errorf("%s is not on the list", s.id)
}
