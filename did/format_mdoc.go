package did

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
)

// mdoc verifies credentials and presentations of ISO 18013-5: a DeviceResponse with what the device signed, or an IssuerSigned
// alone; as CBOR, or in base64url as OpenID4VP §B.2 and OpenID4VCI carry them. What the device says of itself is checked to be
// allowed, and is no claim.
type mdoc struct{}

func (mdoc) Format() string { return "mso_mdoc" }

// Recognises takes every map of CBOR that speaks of what each mdoc has: issuerAuth, or the version of a DeviceResponse.
func (mdoc) Recognises(input []byte) bool {
	raw := mdocBytes(input)
	return isMap(raw) && (bytes.Contains(raw, []byte("issuerAuth")) || bytes.Contains(raw, []byte("version")))
}

// isMap says whether something begins as a map of CBOR does: no text does.
func isMap(raw []byte) bool { return major(raw) == majorMap }

// mdocBytes is the CBOR of input, which may be in base64url; nil if it is neither.
func mdocBytes(input []byte) []byte {
	if isMap(input) {
		return input
	}
	raw, err := b64.DecodeString(string(input))
	if err != nil || bytes.ContainsAny(input, "\r\n") { // encoding/base64 skips line breaks
		return nil
	}
	return raw
}

func (mdoc) verify(ctx context.Context, e *exam, input string) {
	raw := mdocBytes([]byte(input))
	if o, err := cborMembers(raw); err == nil && o["issuerAuth"] != nil {
		e.check("form", nil, "an IssuerSigned")
		if c, _, ok := e.issuerSigned(ctx, raw, ""); ok {
			e.r.credentials = []Credential{c}
			e.unbound()
			e.r.complete = true
		}
		return
	}
	e.r.Kind = KindPresentation
	documents, err := deviceResponse(raw)
	if !e.check("form", err, "a DeviceResponse") {
		return
	}
	e.documents(ctx, documents)
}

// deviceResponse returns the documents of a DeviceResponse. ISO 18013-5 §8.3.2.1.2.2.
func deviceResponse(raw []byte) (out []members, err error) {
	o, err := closed(raw, "version", "documents", "documentErrors", "status")
	if err != nil {
		return nil, err
	}
	if err := firstEdition(o["version"]); err != nil {
		return nil, err
	}
	status, err := cborUint(o["status"])
	if err != nil || status != 0 {
		return nil, errors.New("the wallet answers with an error")
	}
	documents, err := cborList(o["documents"])
	switch {
	case err != nil || len(documents) == 0:
		return nil, errors.New("it has no documents")
	case len(documents) > maxCredentials:
		return nil, fmt.Errorf("more than %d documents", maxCredentials)
	}
	for _, raw := range documents {
		d, err := closed(raw, "docType", "issuerSigned", "deviceSigned", "errors")
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// documents verifies every document of a presentation: each holds, or none does.
func (e *exam) documents(ctx context.Context, documents []members) {
	asked := e.p.Holder != HolderIgnored
	var all []Credential
	for i, d := range documents {
		e.prefix = fmt.Sprintf("credential %d: ", i+1)
		c, ok := e.document(ctx, d, asked)
		e.prefix = ""
		if !ok {
			return
		}
		all = append(all, c)
	}
	t := e.p.Transcript
	if asked && t.audience != "" && !e.sameSession(t) {
		return
	}
	e.r.credentials, e.r.complete = all, true
	if asked {
		e.r.presentation = Presentation{made: true, key: all[0].cnf, audience: t.audience, nonce: t.nonce, at: e.now, credentials: all}
	}
}

// sameSession checks that the policy asks for the audience and nonce which its transcript holds, where it asks for any.
func (e *exam) sameSession(t Transcript) bool {
	var err error
	if e.p.Audience != "" && e.p.Audience != t.audience {
		err = errors.New("the SessionTranscript of the policy is for another audience")
	}
	if err == nil && e.p.Nonce != "" && !equal(e.p.Nonce, t.nonce) {
		err = errors.New("the SessionTranscript of the policy is for another nonce")
	}
	return e.check("session", err, "signed for", t.audience, "and this request")
}

// document verifies one document of a DeviceResponse and, where that is asked for, that the device signed it.
func (e *exam) document(ctx context.Context, d members, asked bool) (c Credential, ok bool) {
	docType, err := cborText(d["docType"])
	signed, err1 := closed(d["deviceSigned"], "nameSpaces", "deviceAuth")
	if err := errors.Join(err, err1); err != nil || docType == "" {
		e.check("form", errors.New("a document has no docType, or the device signed nothing"))
		return c, false
	}
	c, m, ok := e.issuerSigned(ctx, d["issuerSigned"], docType)
	if !ok {
		return c, false
	}
	if !asked {
		e.check("holder", nil, "not asked for")
		return c, true
	}
	return c, e.check("holder", e.deviceAuth(m, signed), "the device signed this for this session")
}

// issuerSigned verifies an IssuerSigned; docType is the one that the document around it names, "" if there is none.
// ISO 18013-5 §9.3.1.
func (e *exam) issuerSigned(ctx context.Context, raw []byte, docType string) (c Credential, m *mso, ok bool) {
	o, err := closed(raw, "nameSpaces", "issuerAuth")
	var auth cose
	if err == nil {
		auth, err = parseCOSE(o["issuerAuth"], 18)
	}
	m = &mso{}
	if err == nil {
		*m, err = parseMSO(auth.payload)
	}
	if !e.check("issuerAuth", err, "a COSE_Sign1 of a Mobile Security Object") {
		return c, nil, false
	}
	leaf, ok := e.issuerAuth(auth, &c)
	if !ok {
		return c, nil, false
	}
	if docType != "" && docType != m.docType {
		err = fmt.Errorf("the document says %q, the issuer signed %q", docType, m.docType)
	}
	c.types = []string{m.docType}
	e.check("type", errors.Join(err, e.acceptable(c.types)), fmt.Sprintf("%q", c.types))
	claims, n, err := m.disclosed(o["nameSpaces"])
	if err == nil {
		err = sameCountry(claims, leaf)
	}
	if !e.check("disclosures", err, fmt.Sprintf("%d, each as the issuer signed it", n)) {
		return c, nil, false
	}
	c.claims, c.cnf, c.from, c.until = claims, m.device, m.from, m.until
	err = e.dates(m.from, m.until, m.signed)
	if err == nil && (m.signed.Before(leaf.NotBefore) || m.signed.After(leaf.NotAfter)) {
		err = errors.New("the certificate of the issuer was not valid when it was signed")
	}
	e.check("dates", err, validity(m.from, m.until))
	e.status(ctx, tokenStatus(m.status), c.issuer)
	return c, m, true
}

// issuerAuth checks who signed a document, and whether the policy trusts them.
func (e *exam) issuerAuth(auth cose, c *Credential) (*x509.Certificate, bool) {
	s, leaf, err := e.mdocSigner(auth.x5chain)
	if err == nil && !auth.signedBy(s.keys[0], auth.payload) {
		err = errors.New("the signature is not by the issuer's key")
	}
	c.issuer, c.anchor = s.id, s.anchor
	proved := e.check("proof", err, coseAlgs[auth.alg], "by the key of", c.issuer, "(x5chain)")
	if err != nil {
		s.rooted = false
	}
	why, err := e.trusted(s)
	if !e.check("trust", err, why) {
		e.stranger = true
	}
	return leaf, proved
}
