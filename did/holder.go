package did

import (
	"errors"
	"fmt"
	"time"
)

// confirmation reads the holder's key out of `cnf`, RFC 7800 §3.2: only `jwk` says it in full, RFC 9901 §4.1.2. Zero where
// there is no cnf.
func confirmation(payload object) (Key, error) {
	v, found := payload["cnf"]
	if !found {
		return Key{}, nil
	}
	cnf, ok := v.(object)
	jwk, isJWK := cnf["jwk"].(object)
	if !ok || !isJWK {
		return Key{}, errors.New("cnf holds no jwk")
	}
	k, err := jwkOf(jwk)
	if err != nil {
		return Key{}, fmt.Errorf("cnf: %w", err)
	}
	return k, nil
}

// keyBinding verifies the Key Binding JWT of a presentation, or notes that there is none. RFC 9901 §7.3.
func (e *exam) keyBinding(t *sdJWT, c Credential) {
	if t.kb == "" {
		e.unbound()
		return
	}
	e.r.Kind = KindPresentation
	if e.p.Holder == HolderIgnored {
		e.check("holder", nil, "not asked for")
		return
	}
	kb, err := e.boundBy(t, c.cnf)
	if !e.check("holder", err, "the holder's key signed this presentation") {
		return
	}
	aud, ok := kb.payload["aud"].(string) // a single string, RFC 9901 §4.3
	if !ok {
		aud = ""
	}
	if e.challenge([]string{aud}, text(kb.payload["nonce"])) {
		e.r.presentation = Presentation{made: true, holder: c.subject, key: c.cnf, audience: e.p.Audience, nonce: e.p.Nonce, at: e.now, credentials: []Credential{c}}
	}
}

// unbound notes that a credential came alone.
func (e *exam) unbound() {
	e.r.Kind = KindCredential
	if e.p.Holder == OnlyPresentations {
		e.check("holder", errors.New("the holder proved nothing: this is a credential, and no presentation"))
	}
}

func (e *exam) boundBy(t *sdJWT, key Key) (*jws, error) {
	if key.pub == nil {
		return nil, errors.New("the issuer named no key of the holder (cnf)")
	}
	kb, err := parseJWS(t.kb)
	if err != nil {
		return nil, err
	}
	if kb.typ != "kb+jwt" {
		return nil, fmt.Errorf("typ of the holder's proof is %q", kb.typ)
	}
	if _, err := kb.verified(key); err != nil {
		return nil, errors.New("the signature is not by the holder's key")
	}
	want, err := t.digest(t.presented)
	if err != nil {
		return nil, err
	}
	if !equal(text(kb.payload["sd_hash"]), want) {
		return nil, errors.New("sd_hash is of another presentation")
	}
	if _, found := kb.payload["iat"]; !found {
		return nil, errors.New("the holder's proof has no iat")
	}
	return &kb, e.fresh(kb.payload)
}

// fresh checks that a holder's proof was made just now.
func (e *exam) fresh(payload object) error {
	nbf, exp, iat, err := numericDates(payload)
	switch {
	case err != nil:
		return err
	case !iat.IsZero() && e.at.Sub(iat) > e.p.maxAge()+e.p.leeway():
		return fmt.Errorf("the holder's proof is older than %s", e.p.maxAge())
	case iat.IsZero() && exp.IsZero():
		return errors.New("the holder's proof has no date")
	}
	return e.dates(nbf, exp, iat)
}

// narrower keeps the later start and the earlier end of two spans.
func narrower(from1, until1, from2, until2 time.Time) (from, until time.Time) {
	from, until = from1, until1
	if from.IsZero() || from2.After(from) {
		from = from2
	}
	if until.IsZero() || !until2.IsZero() && until2.Before(until) {
		until = until2
	}
	return from, until
}
