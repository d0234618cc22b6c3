package did

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// readBitstring verifies a status list of the W3C, which is a credential itself. BSL §3.2; StatusList2021 §5.
func (e *exam) readBitstring(ctx context.Context, body []byte, n entry, issuer string) (l statusList, err error) {
	if e.depth > 0 {
		return l, errors.New("a list whose status stands in a list")
	}
	sub := &exam{j: e.j, p: e.p, now: e.now, at: e.now, fetch: e.fetch, depth: e.depth + 1}
	sub.p.Types, sub.p.Status = nil, Ignored
	c, o, err := sub.listCredential(ctx, strings.TrimSpace(string(body)))
	if err != nil {
		return l, err
	}
	if _, err := e.speaker(c.issuer, issuer); err != nil {
		return l, err
	}
	typ, subject := "BitstringStatusListCredential", "BitstringStatusList"
	if n.kind == "StatusList2021Entry" {
		typ, subject = "StatusList2021Credential", "StatusList2021"
	}
	types, _ := texts(o["type"])
	s, _ := o["credentialSubject"].(object)
	purposes, ok := texts(s["statusPurpose"])
	switch {
	case !slices.Contains(types, typ) || text(s["type"]) != subject:
		return l, fmt.Errorf("it is no %s", typ)
	case o["id"] != nil && text(o["id"]) != n.uri:
		return l, errors.New("it is the list of another address")
	case !ok || len(purposes) == 0:
		return l, errors.New("it has no statusPurpose")
	}
	ttl, err := seconds(s["ttl"], time.Millisecond)
	if err != nil {
		return l, err
	}
	data, err := parseBitstring(text(s["encodedList"]), n.kind == "StatusList2021Entry")
	return statusList{msb: true, data: data, purposes: purposes, until: keepFor(e.now, ttl, c.until)}, err
}

// listCredential verifies a list as the credential it is.
func (e *exam) listCredential(ctx context.Context, raw string) (c Credential, o object, err error) {
	var t jws
	ok, within := false, strings.HasPrefix(raw, "{")
	if within {
		o, err = parseObject([]byte(raw))
	} else if t, err = parseJWS(raw); err == nil {
		o = t.payload
	}
	if err != nil {
		return c, nil, err
	}
	switch {
	case within:
		c, ok = e.credentialDI(ctx, o)
	case sameTyp(t.typ, "vc+jwt"):
		c, ok = e.credentialV2(ctx, &t, t.payload)
	case t.typ == "" || sameTyp(t.typ, "jwt"):
		if o, _, _, _, err = mergeV1(t.payload); err == nil {
			c, ok = e.credentialV1(ctx, &t)
		}
	default:
		err = fmt.Errorf("typ %q", t.typ)
	}
	for _, check := range e.r.Checks {
		if err == nil && !check.Held {
			err = fmt.Errorf("%s: %s", check.Name, check.Why)
		}
	}
	if err == nil && !ok {
		err = errors.New("it does not verify")
	}
	return c, o, err
}

// minBitstring is how many entries a list has at least, so that it hides whose status is asked for: BSL §2.2.
const minBitstring = 131_072

// parseBitstring reads `encodedList`: multibase base64url (which StatusList2021 leaves out) of gzip.
func parseBitstring(encoded string, w3c2021 bool) ([]byte, error) {
	if rest, ok := strings.CutPrefix(encoded, "u"); ok {
		encoded = rest
	} else if !w3c2021 {
		return nil, errors.New("encodedList is no multibase base64url")
	}
	raw, err := b64.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return nil, errors.New("encodedList is no base64url")
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("encodedList is not compressed by gzip")
	}
	data, err := inflate(z)
	if err == nil && len(data)*8 < minBitstring {
		err = fmt.Errorf("it has less than %d entries", minBitstring)
	}
	return data, err
}
