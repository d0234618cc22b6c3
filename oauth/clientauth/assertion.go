package clientauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// The clock of a client may be wrong by skew; an assertion lives maxLife at most.
const (
	skew    = time.Minute
	maxLife = time.Hour
)

type claims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience audience    `json:"aud"`
	ID       string      `json:"jti"`
	Expires  json.Number `json:"exp"`
	Issued   json.Number `json:"iat"`
	Before   json.Number `json:"nbf"`
}

// audience is a string or an array of strings. RFC 7519 §4.1.3.
type audience struct {
	values []string
	list   bool // it was an array
}

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		a.values = []string{one}
		return nil
	}
	a.list = true
	return json.Unmarshal(b, &a.values)
}

// claimedBy is the client that an assertion says it comes from; nothing is verified yet.
func claimedBy(assertion string) (ident.ClientID, error) {
	_, payload, err := keys.Peek(assertion)
	if err != nil {
		return "", err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return "", err
	}
	if c.Subject == "" || c.Subject != c.Issuer || len(c.Subject) > maxID || hasControl(c.Subject) {
		return "", errors.New("iss and sub must both be the client_id")
	}
	return ident.ClientID(c.Subject), nil
}

// assertion judges a private_key_jwt of client c. RFC 7523 §3, OIDC Core §9.
func (a *Authenticator) assertion(ctx context.Context, c *oauth.Client, token string) error {
	if c.Public() || c.SecretHash != "" && c.AuthMethod != "private_key_jwt" {
		return errors.New("the client has no keys")
	}
	algs := c.Policy().Algs
	if c.AuthAlg != "" {
		algs = []string{c.AuthAlg}
	}
	expect := keys.Expect{Algs: algs, Typ: []string{"", "JWT", "client-authentication+jwt"}, MaxSize: 8 << 10}
	v, err := a.opt.Keys.Verify(ctx, c, token, expect)
	if err != nil {
		return err
	}
	var cl claims
	if err := json.Unmarshal(v.Payload, &cl); err != nil {
		return err
	}
	if cl.Issuer != string(c.ID) || cl.Subject != string(c.ID) {
		return errors.New("iss and sub must both be the client_id")
	}
	if len(cl.Audience.values) == 0 {
		return errors.New("aud is missing")
	}
	if err := a.audience(c, cl.Audience); err != nil {
		return err
	}
	exp, err := a.times(cl)
	if err != nil {
		return err
	}
	if cl.ID == "" || len(cl.ID) > 512 {
		return errors.New("jti is missing or too long")
	}
	switch err := a.opt.Ephemeral.Put(ctx, store.KeyOf("assertion", string(c.ID)+"\x00"+cl.ID), []byte{1}, exp.Add(skew)); {
	case errors.Is(err, store.ErrExists):
		return errors.New("jti was used before")
	case err != nil:
		return oauth.Unavailable(err)
	}
	return nil
}

// audience checks aud: our issuer as the sole value, a string (draft-ietf-oauth-rfc7523bis §4); or, where the policy of c
// has it so, our issuer and endpoints, one or several. RFC 7523 §3.
func (a *Authenticator) audience(c *oauth.Client, aud audience) error {
	if c.Policy().Audience == "issuer" {
		if aud.list || aud.values[0] != a.opt.Issuer {
			return fmt.Errorf("aud must be %s and nothing else", a.opt.Issuer)
		}
		return nil
	}
	for _, v := range aud.values {
		if v != a.opt.Issuer && !slices.Contains(a.opt.Endpoints, v) {
			return fmt.Errorf("aud %q is not this server", v)
		}
	}
	return nil
}

// times checks exp, iat and nbf and returns exp.
func (a *Authenticator) times(cl claims) (time.Time, error) {
	now := a.opt.Now()
	at := func(n json.Number) (time.Time, bool) {
		f, err := n.Float64()
		if err != nil || f < 0 || f > 1e11 {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(f * 1000)), true
	}
	exp, ok := at(cl.Expires)
	if !ok || now.After(exp.Add(skew)) || exp.After(now.Add(maxLife+skew)) {
		return exp, errors.New("exp is missing, past, or more than an hour ahead")
	}
	for _, n := range []json.Number{cl.Issued, cl.Before} {
		if n == "" {
			continue
		}
		if t, ok := at(n); !ok || t.After(now.Add(skew)) {
			return exp, errors.New("iat or nbf lies in the future")
		}
	}
	return exp, nil
}
