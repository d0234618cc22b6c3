package did

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// sdJWTVC verifies SD-JWT VCs, `typ` dc+sd-jwt. SD-JWT VC §3; RFC 9901.
type sdJWTVC struct{}

func (sdJWTVC) Format() string { return "dc+sd-jwt" }

func (sdJWTVC) Recognises(input []byte) bool {
	typ, sd, ok := typOf(input)
	return ok && sd && typ == "dc+sd-jwt"
}

// hiddenVC may not be selectively disclosed, SD-JWT VC §3.2.2.2.
var hiddenVC = []string{"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"}

func (sdJWTVC) verify(ctx context.Context, e *exam, input string) {
	e.sdJWT(ctx, input, func(t *sdJWT, claims object) ([]string, error) {
		vct := text(t.payload["vct"])
		if vct == "" || len(vct) > maxURL {
			return nil, errors.New("it has no vct")
		}
		return []string{vct}, nil
	}, ways{metadata: true})
}

// plainSDJWT verifies SD-JWTs of a `typ` that the policy names, RFC 9901 §9.11.
type plainSDJWT struct{}

func (plainSDJWT) Format() string { return "sd-jwt" }

// Recognises takes every SD-JWT: it is asked last.
func (plainSDJWT) Recognises(input []byte) bool {
	_, sd, ok := typOf(input)
	return ok && sd
}

func (plainSDJWT) verify(ctx context.Context, e *exam, input string) {
	typ, _, _ := typOf([]byte(input))
	if !slices.ContainsFunc(e.p.Typ, func(t string) bool { return sameTyp(t, typ) }) {
		e.check("format", fmt.Errorf("the policy accepts no SD-JWT of typ %q", typ))
		return
	}
	if t, err := parseSDJWT(input); err == nil && t.payload["@context"] != nil { // whatever its typ, it is a W3C credential
		vcSDJWT{}.verify(ctx, e, input)
		return
	}
	e.sdJWT(ctx, input, func(t *sdJWT, _ object) ([]string, error) {
		return []string{t.typ}, nil
	}, ways{metadata: true, dids: true, rel: AssertionMethod})
}

// sdJWT verifies what all SD-JWTs with the claims of a JWT have in common; types reads what it is.
func (e *exam) sdJWT(ctx context.Context, input string, types func(*sdJWT, object) ([]string, error), w ways) {
	t, err := parseSDJWT(input)
	if !e.check("form", err, "an SD-JWT") {
		return
	}
	claims, top, err := t.reveal()
	if err == nil {
		err = t.neverHidden(top, hiddenVC...)
	}
	if !e.check("disclosures", err, fmt.Sprintf("%d, each referenced once", len(t.disclosures))) {
		return
	}
	c := Credential{claims: claims, subject: text(claims["sub"])}
	if c.types, err = types(&t, claims); !e.check("type", errors.Join(err, e.acceptable(c.types)), fmt.Sprintf("%q", c.types)) {
		return
	}
	if !e.issued(ctx, &t.jws, text(t.payload["iss"]), w, &c) {
		return
	}
	nbf, exp, iat, err := numericDates(claims)
	if err == nil {
		err = e.dates(nbf, exp, iat)
	}
	c.from, c.until = nbf, exp
	e.check("dates", err, validity(nbf, exp))
	e.status(ctx, tokenStatus(t.payload), c.issuer)
	if c.cnf, err = confirmation(t.payload); err != nil {
		e.check("holder", err)
		return
	}
	e.r.credentials = []Credential{c}
	e.keyBinding(&t, c)
	e.r.complete = true
}

// issued checks that the issuer signed t, and notes whether the policy trusts them; it fills in who it is.
func (e *exam) issued(ctx context.Context, t *jws, iss string, w ways, c *Credential) bool {
	s, err := e.signerOf(ctx, t, iss, w)
	c.issuer, c.anchor = iss, s.anchor
	if s.id != "" {
		c.issuer = s.id
	}
	if err == nil {
		_, err = t.verified(s.keys...)
	}
	proved := e.check("proof", err, t.alg, "by the key of", c.issuer, "("+s.anchor+")")
	if err != nil {
		s.id, s.rooted = iss, false
	}
	why, err := e.trusted(s)
	if !e.check("trust", err, why) {
		e.stranger = true
	}
	return proved
}
