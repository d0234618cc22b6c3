package did

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// dataIntegrity verifies credentials and presentations of VCDM 1.1 and 2.0 that carry their proofs within. Data Integrity §4.
type dataIntegrity struct{}

func (dataIntegrity) Format() string { return "ldp_vc" }

func (dataIntegrity) Recognises(input []byte) bool {
	return bytes.HasPrefix(input, []byte("{")) && bytes.Contains(input, []byte(`"proof"`)) && bytes.Contains(input, []byte(`"@context"`))
}

func (dataIntegrity) verify(ctx context.Context, e *exam, input string) {
	o, err := parseObject([]byte(input))
	if !e.check("form", err, "JSON-LD with a proof") {
		return
	}
	types, _ := texts(o["type"])
	for _, t := range types {
		if t == "VerifiablePresentation" {
			e.presentationDI(ctx, o)
			return
		}
	}
	if c, ok := e.credentialDI(ctx, o); ok {
		e.r.credentials = []Credential{c}
		e.unbound()
		e.r.complete = true
	}
}

// isV2 says which version of the data model a document claims.
func isV2(o object) bool {
	ctx := list(o["@context"])
	return len(ctx) > 0 && ctx[0] == any(contextV2)
}

func modelName(v2 bool) string {
	if v2 {
		return "VCDM 2.0"
	}
	return "VCDM 1.1"
}

// credentialDI verifies a credential with its proofs within. Trust comes before anything that costs, since a stranger chose
// how much that is.
func (e *exam) credentialDI(ctx context.Context, o object) (c Credential, ok bool) {
	v2 := isV2(o)
	err := credentialModel(o, v2)
	if _, dated := o["issuanceDate"]; err == nil && !v2 && !dated {
		err = errors.New("it has no issuanceDate")
	}
	var proofs []*proof
	if err == nil {
		proofs, err = proofsOf(o)
	}
	if !e.check("data model", err, modelName(v2)) {
		return c, false
	}
	if !e.check("contexts", e.contexts(o), "all known") {
		return c, false
	}
	c.types, _ = texts(o["type"])
	e.check("type", e.acceptable(c.types), fmt.Sprintf("%q", c.types))
	c.issuer = entity(o["issuer"])
	keys, err := e.proofKeys(ctx, proofs, c.issuer, AssertionMethod)
	why := ""
	if err == nil {
		c.anchor = keys[0].anchor
		why, err = e.trusted(keys[0])
	} else if trust := e.p.Trust; !trust.trusts(c.issuer) {
		err = fmt.Errorf("%s is not on the list", c.issuer)
	} else {
		return c, e.check("proof", err)
	}
	if !e.check("trust", err, why) {
		e.stranger = true
		return c, false
	}
	if !e.proved(ctx, o, proofs, keys) {
		return c, false
	}
	for _, p := range proofs {
		if p.challenge != "" || len(p.domains) > 0 {
			return c, e.check("proof", errors.New("a proof with challenge or domain is of a presentation"))
		}
	}
	c.from, c.until, err = dateSpan(o, v2)
	if err == nil {
		err = e.dates(c.from, c.until, time.Time{})
	}
	e.check("dates", err, validity(c.from, c.until))
	e.status(ctx, append(w3cStatus(o), tokenStatus(o)...), c.issuer)
	c.subject = subjectOf(o)
	c.claims = object{"credentialSubject": o["credentialSubject"]}
	if c.cnf, err = confirmation(o); err != nil {
		return c, e.check("holder", err)
	}
	return c, true
}

// proofKeys finds the key of each proof: all must be of id, the issuer or the holder, and listed for rel.
func (e *exam) proofKeys(ctx context.Context, proofs []*proof, id string, rel Relationship) (out []signer, err error) {
	for _, p := range proofs {
		if p.purpose != string(rel) {
			return nil, fmt.Errorf("proofPurpose is %q, and not %s", p.purpose, rel)
		}
		s, err := e.signerOf(ctx, &jws{kid: p.method}, id, ways{dids: true, documents: true, rel: rel})
		if err != nil {
			return nil, fmt.Errorf("verificationMethod: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// proved checks the terms of o and all of its proofs.
func (e *exam) proved(ctx context.Context, o object, proofs []*proof, keys []signer) bool {
	unsecured := without(o, "proof")
	doc, err := e.readLD(unsecured)
	if err == nil {
		err = sameReading(o, doc.root)
	}
	if !e.check("terms", err, "all defined by pinned contexts") {
		return false
	}
	whole := &secured{doc: unsecured, ld: doc}
	var names []string
	for i, p := range proofs {
		err := e.dates(time.Time{}, p.expires, p.created)
		if err == nil {
			keys[i].keys, err = e.provenBy(ctx, o, whole, proofs, p, keys[i].keys)
		}
		if err != nil {
			return e.check("proof", fmt.Errorf("%s: %w", p.suite, err))
		}
		names = append(names, p.suite)
	}
	return e.check("proof", nil, strings.Join(names, ", "), "by the key of", keys[0].id, "("+keys[0].anchor+")")
}

// provenBy returns the one of keys that made p. A proof that follows others is over these too: Data Integrity §4.6.
func (e *exam) provenBy(ctx context.Context, o object, whole *secured, all []*proof, p *proof, keys []Key) ([]Key, error) {
	s := whole
	if len(p.previous) > 0 {
		var before []any
		for _, id := range p.previous {
			for _, q := range all {
				if q.id == id {
					before = append(before, q.o)
				}
			}
		}
		doc := without(o, "proof")
		doc["proof"] = before
		read, err := e.readLD(doc)
		if err != nil {
			return nil, err
		}
		s = &secured{doc: doc, ld: read}
	}
	err := errors.New("there is no key")
	for _, k := range keys {
		if err = p.verify(ctx, e, s, p.o, k); err == nil {
			return []Key{k}, nil
		}
	}
	return nil, err
}

// vocabulary is where the terms are that decide whether a credential holds.
const vocabulary = "https://www.w3.org/2018/credentials#"

// sameReading checks that a reader of JSON and one of RDF find the same: a holder may write a statement in many ways without
// breaking a signature over RDF.
func sameReading(o, root object) error {
	for _, name := range []string{"@id", "@type"} {
		if _, found := o[name]; found {
			return fmt.Errorf("the document has %s beside its alias", name)
		}
	}
	for _, name := range []string{"issuer", "validFrom", "validUntil", "issuanceDate", "expirationDate", "credentialStatus", "credentialSubject", "holder"} {
		_, read := o[name]
		_, meant := root[vocabulary+name]
		if read != meant {
			return fmt.Errorf("%s is not what it says as JSON", name)
		}
	}
	return nil
}

// presentationDI verifies a presentation with the holder's proofs within, and its credentials.
func (e *exam) presentationDI(ctx context.Context, o object) {
	e.r.Kind = KindPresentation
	v2 := isV2(o)
	err := presentationModel(o, v2)
	var proofs []*proof
	if err == nil {
		proofs, err = proofsOf(o)
	}
	if !e.check("data model", err, modelName(v2)) || !e.check("contexts", e.contexts(o), "all known") {
		return
	}
	holder := entity(o["holder"])
	if holder == "" { // then who signed is the holder: VCDM 2.0 §4.13
		holder, _, _ = strings.Cut(proofs[0].method, "#")
	}
	inner := list(o["verifiableCredential"])
	if len(inner) > maxCredentials {
		e.check("credentials", fmt.Errorf("more than %d", maxCredentials))
		return
	}
	keys, err := e.proofKeys(ctx, proofs, holder, Authentication)
	if err != nil {
		e.check("holder", fmt.Errorf("%s signed nothing: %w", holder, err))
		return
	}
	if !e.proved(ctx, o, proofs, keys) {
		return
	}
	e.check("holder", nil, holder, "signed this presentation")
	bound := e.p.Holder != HolderIgnored
	if bound {
		for _, p := range proofs {
			e.check("dates", e.recent(p), "made just now")
			bound = e.challenge(p.domains, p.challenge) && bound
		}
	}
	e.shown(holder, keys[0].keys[0], bound, len(inner), func(i int) (Credential, bool) { return e.innerDI(ctx, i+1, inner[i]) })
}

// recent is fresh for a proof within.
func (e *exam) recent(p *proof) error {
	switch {
	case p.created.IsZero() && p.expires.IsZero():
		return errors.New("the holder's proof has no date")
	case !p.created.IsZero() && e.at.Sub(p.created) > e.p.maxAge()+e.p.leeway():
		return fmt.Errorf("the holder's proof is older than %s", e.p.maxAge())
	}
	return nil // proved has looked at both dates
}

// innerDI verifies a credential within a presentation: with its own proofs, or as a JWT.
func (e *exam) innerDI(ctx context.Context, n int, v any) (c Credential, ok bool) {
	o, isObject := v.(object)
	raw, isText := v.(string)
	types, _ := texts(o["type"])
	switch {
	case isObject && len(types) == 1 && types[0] == "EnvelopedVerifiableCredential":
		var err error
		if raw, err = enveloped(o); err != nil {
			return c, e.check("credentials", err)
		}
		return e.inner(ctx, n, raw)
	case isText:
		return e.inner(ctx, n, raw)
	}
	e.prefix = fmt.Sprintf("credential %d: ", n)
	defer func() { e.prefix = "" }()
	if o["proof"] == nil {
		return c, e.check("form", errors.New("a credential within that nobody signed"))
	}
	return e.credentialDI(ctx, o)
}
