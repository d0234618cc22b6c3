package did

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxCredentials is how many credentials one presentation holds.
const maxCredentials = 16

// vcJWT verifies credentials and presentations of VCDM 2.0 as JWTs, `typ` vc+jwt and vp+jwt. VC-JOSE-COSE §3.1.
type vcJWT struct{}

func (vcJWT) Format() string { return "vc+jwt" }

func (vcJWT) Recognises(input []byte) bool {
	typ, sd, ok := typOf(input)
	return ok && !sd && (typ == "vc+jwt" || typ == "vp+jwt")
}

func (vcJWT) verify(ctx context.Context, e *exam, input string) {
	t, err := parseJWS(input)
	if !e.check("form", err, "a JWS") {
		return
	}
	if sameTyp(t.typ, "vp+jwt") {
		e.presentationV2(ctx, &t, t.payload)
		return
	}
	if c, ok := e.credentialV2(ctx, &t, t.payload); ok {
		e.r.credentials = []Credential{c}
		e.unbound()
		e.r.complete = true
	}
}

// vcSDJWT verifies credentials and presentations of VCDM 2.0 as SD-JWTs, `typ` vc+sd-jwt and vp+sd-jwt. VC-JOSE-COSE §3.2.
type vcSDJWT struct{}

func (vcSDJWT) Format() string { return "vc+sd-jwt" }

func (vcSDJWT) Recognises(input []byte) bool {
	typ, sd, ok := typOf(input)
	return ok && sd && (typ == "vc+sd-jwt" || typ == "vp+sd-jwt")
}

func (vcSDJWT) verify(ctx context.Context, e *exam, input string) {
	t, claims, ok := e.revealed(input)
	if !ok {
		return
	}
	if sameTyp(t.typ, "vp+sd-jwt") {
		if t.kb != "" {
			e.check("holder", errKeyBound)
			return
		}
		e.presentationV2(ctx, &t.jws, claims)
		return
	}
	if c, ok := e.credentialV2(ctx, &t.jws, claims); ok {
		e.r.credentials = []Credential{c}
		e.keyBinding(t, c)
		e.r.complete = true
	}
}

// hiddenV2 is what a holder must not be able to leave out, beside what the model demands anyway.
var hiddenV2 = []string{"iss", "nbf", "exp", "cnf", "issuer", "validFrom", "validUntil", "credentialStatus", "@context", "vc", "vp"}

// errKeyBound: the holder signs the presentation, and a second proof within would say something that nobody looked at.
var errKeyBound = errors.New("a Key Binding JWT has no place here")

// revealed takes an SD-JWT of VCDM 2.0 apart and puts its disclosures in.
func (e *exam) revealed(input string) (*sdJWT, object, bool) {
	t, err := parseSDJWT(input)
	if !e.check("form", err, "an SD-JWT") {
		return nil, nil, false
	}
	claims, top, err := t.reveal()
	if err == nil {
		err = t.neverHidden(top, hiddenV2...)
	}
	return &t, claims, e.check("disclosures", err, fmt.Sprintf("%d, each referenced once", len(t.disclosures)))
}

// credentialV2 verifies a credential of VCDM 2.0 whose payload, or what was disclosed of it, is o.
func (e *exam) credentialV2(ctx context.Context, t *jws, o object) (c Credential, ok bool) {
	err := noInner(o)
	if err == nil {
		err = credentialModel(o, true)
	}
	iss, stated := o["iss"]
	if err == nil && stated && text(iss) != entity(o["issuer"]) { // VC-JOSE-COSE §3.1.3
		err = errors.New("iss is not the issuer")
	}
	if !e.check("data model", err, "VCDM 2.0") {
		return c, false
	}
	nbf, exp, iat, err := datesV2(o)
	if err != nil {
		return c, e.check("dates", err)
	}
	from, until, err := dateSpan(o, true)
	if err != nil {
		return c, e.check("dates", err)
	}
	c.from, c.until = narrower(from, until, nbf, exp)
	return e.credential(ctx, t, o, o, c, iat)
}

// credential does what all versions of W3C credentials have in common; payload is the JWT's, o the credential.
func (e *exam) credential(ctx context.Context, t *jws, payload, o object, c Credential, iat time.Time) (Credential, bool) {
	e.check("contexts", e.contexts(o), "all known")
	c.types, _ = texts(o["type"])
	e.check("type", e.acceptable(c.types), fmt.Sprintf("%q", c.types))
	if !e.issued(ctx, t, entity(o["issuer"]), ways{dids: true, documents: true, rel: AssertionMethod}, &c) {
		return c, false
	}
	e.check("dates", e.dates(c.from, c.until, iat), validity(c.from, c.until))
	e.status(ctx, append(w3cStatus(o), tokenStatus(payload)...), c.issuer)
	c.subject = subjectOf(o)
	c.claims = object{"credentialSubject": o["credentialSubject"]}
	var err error
	if c.cnf, err = confirmation(payload); err != nil {
		return c, e.check("holder", err)
	}
	return c, true
}

// noInner refuses the claims of version 1.1: VC-JOSE-COSE §3.1.1.
func noInner(o object) error {
	for _, name := range []string{"vc", "vp"} {
		if _, found := o[name]; found {
			return fmt.Errorf("the claim %s has no place in VCDM 2.0", name)
		}
	}
	return nil
}

// datesV2 reads the dates of a JWT; issuers of VCDM 2.0 are seen to write iat as text, and it decides little.
func datesV2(o object) (nbf, exp, iat time.Time, err error) {
	if s, isText := o["iat"].(string); isText {
		if iat, err = time.Parse(time.RFC3339, s); err != nil {
			return nbf, exp, iat, errors.New("iat is no date")
		}
		nbf, err1 := numericDate(o, "nbf")
		exp, err2 := numericDate(o, "exp")
		return nbf, exp, iat, errors.Join(err1, err2)
	}
	return numericDates(o)
}

// presentationV2 verifies a presentation of VCDM 2.0. VC-JOSE-COSE §3.1.2.
func (e *exam) presentationV2(ctx context.Context, t *jws, o object) {
	err := noInner(o)
	if err == nil {
		err = presentationModel(o, true)
	}
	iss, holder := text(o["iss"]), entity(o["holder"])
	if err == nil && iss != "" && holder != "" && iss != holder {
		err = errors.New("iss is not the holder")
	}
	if !e.check("data model", err, "VCDM 2.0") {
		return
	}
	e.check("contexts", e.contexts(o), "all known")
	if holder == "" {
		holder = iss
	}
	var inner []string
	for _, v := range list(o["verifiableCredential"]) {
		s, err := enveloped(v)
		if err != nil {
			e.check("credentials", err)
			return
		}
		inner = append(inner, s)
	}
	e.presented(ctx, t, o, holder, inner)
}

// enveloped returns the credential in an EnvelopedVerifiableCredential, VCDM 2.0 §4.13: presentations hold nothing else.
func enveloped(v any) (string, error) {
	o, _ := v.(object)
	types, _ := texts(o["type"])
	if len(types) != 1 || types[0] != "EnvelopedVerifiableCredential" {
		return "", errors.New("a credential within that nobody signed, or not as a JWT")
	}
	if ctx := list(o["@context"]); len(ctx) == 0 || ctx[0] != any(contextV2) {
		return "", fmt.Errorf("the first @context of a credential within is not %s", contextV2)
	}
	kind, s, ok := strings.Cut(text(o["id"]), ",")
	if !ok || kind != "data:application/vc+jwt" && kind != "data:application/vc+sd-jwt" {
		return "", errors.New("a credential within is no data URL of vc+jwt or vc+sd-jwt")
	}
	return s, nil
}

// presented does what all presentations as JWTs have in common: the holder's signature with a key for authentication, its
// freshness, audience and nonce, and that each credential within holds and is the holder's own.
func (e *exam) presented(ctx context.Context, t *jws, payload object, holder string, inner []string) {
	e.r.Kind = KindPresentation
	s, err := e.signerOf(ctx, t, holder, ways{dids: true, documents: true, rel: Authentication})
	var key Key
	if err == nil {
		key, err = t.verified(s.keys...)
	}
	if err != nil {
		err = fmt.Errorf("%s signed nothing: %w", holder, err)
	}
	if !e.check("holder", err, holder, "signed this presentation") {
		return
	}
	asked := e.p.Holder != HolderIgnored
	nbf, exp, iat, err := datesV2(payload)
	if err == nil {
		err = e.dates(nbf, exp, iat)
	}
	if err == nil && asked {
		err = e.fresh(payload)
	}
	e.check("dates", err, "made just now")
	aud, isList := texts(payload["aud"])
	if !isList {
		aud = nil
	}
	bound := asked && e.challenge(aud, text(payload["nonce"]))
	e.shown(holder, key, bound, len(inner), func(i int) (Credential, bool) { return e.inner(ctx, i+1, inner[i]) })
}

// shown verifies the n credentials of a presentation that holder signed with key, and that they are the holder's own.
func (e *exam) shown(holder string, key Key, bound bool, n int, one func(i int) (Credential, bool)) {
	switch {
	case n == 0:
		e.check("credentials", errors.New("there is none"))
		return
	case n > maxCredentials:
		e.check("credentials", fmt.Errorf("more than %d", maxCredentials))
		return
	}
	var all []Credential
	for i := range n {
		c, ok := one(i)
		if !ok {
			return
		}
		if e.p.Holder != HolderIgnored {
			e.prefix = fmt.Sprintf("credential %d: ", i+1)
			e.check("holder", belongs(c, holder, key), "it is the holder's own")
			e.prefix = ""
		}
		all = append(all, c)
	}
	e.r.credentials, e.r.complete = all, true
	if bound {
		e.r.presentation = Presentation{made: true, holder: holder, key: key, audience: e.p.Audience, nonce: e.p.Nonce, at: e.now, credentials: all}
	}
}

// belongs says whether a credential is of who presents it: the issuer bound it to the key that signed, or, naming no key, to
// the holder as its subject.
func belongs(c Credential, holder string, key Key) error {
	switch {
	case c.cnf.pub != nil && !key.Equal(c.cnf):
		return errors.New("the issuer bound it to another key")
	case c.cnf.pub == nil && (c.subject == "" || c.subject != holder):
		return errors.New("it is about somebody else, or about nobody")
	}
	return nil
}

// inner verifies a credential within a presentation.
func (e *exam) inner(ctx context.Context, n int, raw string) (c Credential, ok bool) {
	e.prefix = fmt.Sprintf("credential %d: ", n)
	defer func() { e.prefix = "" }()
	switch typ, sd, isJWS := typOf([]byte(raw)); {
	case isJWS && sd && typ == "vc+sd-jwt":
		t, claims, ok := e.revealed(raw)
		if !ok {
			return c, false
		}
		if t.kb != "" {
			return c, e.check("holder", errKeyBound)
		}
		return e.credentialV2(ctx, &t.jws, claims)
	case isJWS && !sd && typ == "vc+jwt":
		t, err := parseJWS(raw)
		if !e.check("form", err, "a JWS") {
			return c, false
		}
		return e.credentialV2(ctx, &t, t.payload)
	case isJWS && !sd:
		t, err := parseJWS(raw)
		if !e.check("form", err, "a JWS") {
			return c, false
		}
		return e.credentialV1(ctx, &t)
	}
	return c, e.check("form", errors.New("it is none of the forms that a presentation may hold"))
}
