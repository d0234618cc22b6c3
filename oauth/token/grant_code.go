package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// codeGrant redeems authorization codes. RFC 6749 §4.1.3, RFC 7636 §4.6.
type codeGrant struct{ Options }

func (codeGrant) Type() string { return "authorization_code" }

func (g codeGrant) Redeem(ctx context.Context, q *Request) (*Due, error) {
	code := q.Form.Get("code")
	if code == "" {
		return nil, oauth.InvalidRequest("code is missing.")
	}
	if len(code) > 200 {
		return nil, errCode
	}
	key := store.KeyOf("code", code)
	raw, err := g.Ephemeral.Get(ctx, key)
	taken := errors.Is(err, store.ErrTaken)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errCode
	}
	if err != nil && !taken {
		return nil, oauth.Unavailable(err)
	}
	var c oauth.Code
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	// Everything that the right client could have got wrong is checked before the code is consumed.
	if c.Client != q.Client.ID {
		return nil, errCode
	}
	if taken {
		return nil, g.replayed(ctx, q, c)
	}
	if err := g.check(c, q); err != nil {
		return nil, err
	}
	gr, err := g.Grants.Grant(ctx, c.Grant)
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	scope, err := narrowed(q.Form, gr.Scope)
	if err != nil {
		return nil, err
	}
	want, err := g.aimed(q, &gr, scope)
	if err != nil {
		return nil, err
	}
	if !gr.RevokedAt.IsZero() || gr.SessionEnds.IsZero() {
		return nil, errCode
	}
	if _, err := g.Ephemeral.Take(ctx, key); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return nil, g.replayed(ctx, q, c)
		}
		return nil, oauth.Unavailable(err)
	}
	due := &Due{Grant: &gr, Scope: scope, Want: want, Nonce: gr.Nonce}
	due.Refresh, err = g.firstRefresh(ctx, &gr, code)
	return due, err
}

var errCode = oauth.InvalidGrant("The code is wrong, has expired, or was used.")

func (g codeGrant) check(c oauth.Code, q *Request) error {
	if g.Now().After(c.Expires) {
		return errCode
	}
	if c.RedirectURI != "" && q.Form.Get("redirect_uri") != c.RedirectURI {
		return oauth.InvalidGrant("redirect_uri is not that of the authorization request.")
	}
	verifier := q.Form.Get("code_verifier")
	switch {
	case c.Challenge == "" && verifier != "": // RFC 9700 §4.8.2: somebody stripped the challenge
		return oauth.InvalidGrant("code_verifier is given, but the authorization request had no code_challenge.")
	case c.Challenge == "":
		return nil
	case len(verifier) < 43 || len(verifier) > 128:
		return oauth.InvalidGrant("code_verifier is missing or has not 43 to 128 characters.")
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.Challenge)) != 1 {
		return oauth.InvalidGrant("code_verifier does not fit the code_challenge.")
	}
	return nil
}

// replayed revokes what the first use of the code produced. RFC 6749 §4.1.2, RFC 9700 §4.5.
func (g codeGrant) replayed(ctx context.Context, q *Request, c oauth.Code) error {
	env := oauth.EnvOf(ctx)
	if err := g.Audit.Record(ctx, audit.Event{Type: "code.replayed", Outcome: audit.Failed, Actor: "client", Client: q.Client.ID, Grant: c.Grant,
		IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	if _, err := g.Grants.RevokeGrant(ctx, c.Grant, g.Now(), "code_replayed"); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.Unavailable(err)
	}
	return errCode
}
