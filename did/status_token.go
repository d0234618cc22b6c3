package did

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// readToken verifies a Status List Token. Token Status List §5.1 and §8.3.
func (e *exam) readToken(ctx context.Context, body []byte, n entry, issuer string) (l statusList, err error) {
	t, err := parseJWS(strings.TrimSpace(string(body)))
	if err != nil {
		return l, err
	}
	if !sameTyp(t.typ, "statuslist+jwt") {
		return l, fmt.Errorf("typ %q", t.typ)
	}
	if text(t.payload["sub"]) != n.uri {
		return l, errors.New("it is the list of another address")
	}
	iss, err := e.speaker(text(t.payload["iss"]), issuer)
	if err != nil {
		return l, err
	}
	if err := e.signedBy(ctx, &t, iss); err != nil {
		return l, err
	}
	now := *e // a list tells how things stand now, whatever the moment asked about
	now.at = e.now
	_, exp, iat, err := numericDates(t.payload)
	if err != nil {
		return l, err
	}
	if iat.IsZero() {
		return l, errors.New("it has no iat")
	}
	if err := now.dates(time.Time{}, exp, iat); err != nil {
		return l, err
	}
	ttl, err := seconds(t.payload["ttl"], time.Second)
	if err != nil {
		return l, err
	}
	o, _ := t.payload["status_list"].(object)
	if l, err = parseTokenList(o); err != nil {
		return l, err
	}
	l.until = keepFor(e.now, ttl, exp)
	return l, nil
}

// parseTokenList reads `status_list`, Token Status List §4.2: bits 1, 2, 4 or 8, lst the zlib-compressed array.
func parseTokenList(o object) (l statusList, err error) {
	bits, _ := o["bits"].(json.Number)
	i := slices.Index([]json.Number{"1", "2", "4", "8"}, bits)
	if i < 0 {
		return l, errors.New("bits is none of 1, 2, 4, 8")
	}
	raw, err := b64.DecodeString(text(o["lst"]))
	if err != nil || len(raw) == 0 {
		return l, errors.New("lst is no base64url")
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return l, errors.New("lst is not compressed by zlib")
	}
	data, err := inflate(z)
	return statusList{bits: 1 << i, data: data}, err
}

// inflate reads to the end, 16 MiB at most.
func inflate(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err != nil {
		return nil, errors.New("it cannot be inflated")
	}
	if len(data) > maxList {
		return nil, fmt.Errorf("it inflates to more than %d bytes", maxList)
	}
	return data, nil
}

// speaker says who should have signed the list of a credential of issuer: the same, or, if it names another, one whom the
// policy lists.
func (e *exam) speaker(iss, issuer string) (string, error) {
	if iss == "" || iss == issuer {
		return issuer, nil
	}
	if !slices.Contains(e.p.Trust.Issuers, iss) {
		return "", errors.New("somebody else speaks about this credential")
	}
	return iss, nil
}

// signedBy checks that iss signed t, and is trusted to.
func (e *exam) signedBy(ctx context.Context, t *jws, iss string) error {
	id := iss
	if strings.HasPrefix(iss, "x5c:") { // an issuer without a name: the list has a certificate of its own
		id = ""
	}
	document := strings.HasPrefix(t.kid, iss+"#")
	s, err := e.signerOf(ctx, t, id, ways{dids: true, documents: document, metadata: !document, rel: AssertionMethod})
	if err == nil {
		_, err = t.verified(s.keys...)
	}
	if err == nil {
		_, err = e.trusted(s)
	}
	return err
}

// seconds reads a positive number of units; 0 where it is absent.
func seconds(v any, unit time.Duration) (time.Duration, error) {
	if v == nil {
		return 0, nil
	}
	n, _ := v.(json.Number)
	i, err := n.Int64()
	if err != nil || i <= 0 || i > 1<<40 {
		return 0, errors.New("ttl is no positive number")
	}
	if i > int64(maxListTTL/unit) {
		return maxListTTL, nil
	}
	return time.Duration(i) * unit, nil
}

// serves checks that a list speaks about the purpose of an entry, BSL §3.2.
func (l statusList) serves(n entry) error {
	if n.kind != "token" && !slices.Contains(l.purposes, n.purpose) {
		return fmt.Errorf("it does not speak about %q", n.purpose)
	}
	return nil
}
