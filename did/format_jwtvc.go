package did

import (
	"context"
	"errors"
	"time"
)

// jwtVC verifies credentials and presentations of VCDM 1.1 as JWTs, with the claims `vc` and `vp`. VCDM 1.1 §6.3.1.
type jwtVC struct{}

func (jwtVC) Format() string { return "jwt_vc_json" }

func (jwtVC) Recognises(input []byte) bool {
	typ, sd, ok := typOf(input)
	if !ok || sd || typ != "" && typ != "jwt" {
		return false
	}
	t, err := parseJWS(string(input))
	return err != nil || t.payload["vc"] != nil || t.payload["vp"] != nil
}

func (jwtVC) verify(ctx context.Context, e *exam, input string) {
	t, err := parseJWS(input)
	if !e.check("form", err, "a JWS") {
		return
	}
	_, isVC := t.payload["vc"]
	vp, isVP := t.payload["vp"]
	switch {
	case isVC && isVP:
		e.check("data model", errors.New("it is both a credential and a presentation"))
	case isVP:
		o, _ := vp.(object)
		e.presentationV1(ctx, &t, o)
	default:
		if c, ok := e.credentialV1(ctx, &t); ok {
			e.r.credentials = []Credential{c}
			e.unbound()
			e.r.complete = true
		}
	}
}

// credentialV1 verifies a credential of VCDM 1.1. What the JWT's claims and the credential both say must be the same:
// §6.3.1 lets the claims replace the members, and two readers would otherwise read two credentials.
func (e *exam) credentialV1(ctx context.Context, t *jws) (c Credential, ok bool) {
	o, from, until, iat, err := mergeV1(t.payload)
	if err == nil {
		err = credentialModel(o, false)
	}
	if !e.check("data model", err, "VCDM 1.1") {
		return c, false
	}
	c.from, c.until = from, until
	return e.credential(ctx, t, t.payload, o, c, iat)
}

// mergeV1 puts the claims of a JWT into the credential that it carries, VCDM 1.1 §6.3.1.2.
func mergeV1(payload object) (o object, from, until, iat time.Time, err error) {
	vc, isObject := payload["vc"].(object)
	if !isObject {
		return nil, from, until, iat, errors.New("vc is no object")
	}
	o = make(object, len(vc)+2)
	for name, v := range vc {
		o[name] = v
	}
	iss := entity(payload["iss"])
	if iss == "" || o["issuer"] != nil && entity(o["issuer"]) != iss {
		return nil, from, until, iat, errors.New("iss is not the issuer")
	}
	if o["issuer"] == nil {
		o["issuer"] = iss
	}
	if jti, found := payload["jti"]; found && o["id"] != nil && text(o["id"]) != text(jti) {
		return nil, from, until, iat, errors.New("jti is not the id")
	}
	if sub, found := payload["sub"]; found {
		if s := subjectOf(o); s != "" && s != text(sub) || text(sub) == "" {
			return nil, from, until, iat, errors.New("sub is not the subject")
		}
		if s, single := o["credentialSubject"].(object); single && s["id"] == nil {
			named := object{"id": sub}
			for name, v := range s {
				named[name] = v
			}
			o["credentialSubject"] = named
		}
	}
	nbf, exp, iat, err := numericDates(payload)
	if err != nil {
		return nil, from, until, iat, err
	}
	if from, until, err = dateSpan(o, false); err != nil {
		return nil, from, until, iat, err
	}
	for _, d := range [][2]time.Time{{from, nbf}, {until, exp}} {
		if !d[0].IsZero() && !d[1].IsZero() && d[0].Unix() != d[1].Unix() {
			return nil, from, until, iat, errors.New("its dates are not those of the JWT")
		}
	}
	from, until = narrower(from, until, nbf, exp)
	if from.IsZero() && iat.IsZero() {
		return nil, from, until, iat, errors.New("it has no issuanceDate")
	}
	return o, from, until, iat, nil
}

func (e *exam) presentationV1(ctx context.Context, t *jws, o object) {
	err := presentationModel(o, false)
	iss, holder := text(t.payload["iss"]), entity(o["holder"])
	if err == nil && (iss == "" || holder != "" && holder != iss) {
		err = errors.New("iss is not the holder")
	}
	if !e.check("data model", err, "VCDM 1.1") {
		return
	}
	e.check("contexts", e.contexts(o), "all known")
	inner, ok := texts(o["verifiableCredential"])
	if !ok {
		e.check("credentials", errors.New("a credential within is no JWT"))
		return
	}
	e.presented(ctx, t, t.payload, iss, inner)
}
