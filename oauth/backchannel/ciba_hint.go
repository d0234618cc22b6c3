package backchannel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// A client that names people who are not there, or who have nothing to approve with, more than unknownLimit times within
// unknownWindow looks for those who are: it is told nothing more for a while, about anybody.
const (
	unknownLimit  = 30
	unknownWindow = 15 * time.Minute

	hintSkew = time.Minute
	hintLife = time.Hour // of a login_hint_token at most
)

var errUnknown = errors.New("backchannel: nobody is meant")

// reach is the person that the one hint of a means, if that is somebody who can be asked. That there is nobody, that their
// account is disabled or has no device, and where the client sends user codes that theirs is another one or not set, is one
// answer, which comes from here after the same reads, writes and hashes whatever it is. CIBA Core §7.1, §13.
func (s *CIBA) reach(ctx context.Context, c *oauth.Client, a *oauth.CIBAAsked) (authn.User, error) {
	user, err := s.whom(ctx, c, a)
	if err != nil {
		return authn.User{}, err
	}
	if c.UserCodeParameter {
		err := s.opt.People.CheckUserCode(ctx, user, cmp.Or(a.LoginHint, a.IDTokenHint, a.LoginHintToken), a.UserCode, c.ID, oauth.EnvOf(ctx))
		switch {
		case errors.Is(err, authn.ErrWrong):
			return authn.User{}, refused("invalid_user_code", "The user code is not right.")
		case err != nil:
			return authn.User{}, oauth.Unavailable(err)
		}
	}
	u, can, err := s.opt.People.Reachable(ctx, user)
	switch {
	case err != nil:
		return authn.User{}, oauth.Unavailable(err)
	case !can:
		return authn.User{}, s.unknown(ctx, c)
	}
	return u, nil
}

// whom is the person that the one hint of a means, "" where it means nobody. CIBA Core §7.1, §7.2, §13.
func (s *CIBA) whom(ctx context.Context, c *oauth.Client, a *oauth.CIBAAsked) (ident.UserID, error) {
	n, err := s.opt.Counters.Add(ctx, "ciba:unknown:"+string(c.ID), 0, unknownWindow)
	if err != nil {
		return "", oauth.Unavailable(err)
	}
	if n >= unknownLimit {
		return "", oauth.TooMany()
	}
	var user ident.UserID
	switch {
	case a.LoginHint != "":
		user, err = s.named(ctx, c, a.LoginHint)
	case a.IDTokenHint != "":
		user, err = s.signedIn(ctx, c, a.IDTokenHint)
	default:
		user, err = s.vouched(ctx, c, a.LoginHintToken)
	}
	var e *oauth.Error
	switch {
	case errors.Is(err, errUnknown), errors.Is(err, store.ErrNotFound):
		return "", nil
	case errors.As(err, &e):
		return "", e
	case err != nil:
		return "", oauth.Unavailable(err)
	}
	return user, nil
}

// unknown answers, and counts, that nobody can be asked. CIBA Core §13.
func (s *CIBA) unknown(ctx context.Context, c *oauth.Client) error {
	n, err := s.opt.Counters.Add(ctx, "ciba:unknown:"+string(c.ID), 1, unknownWindow)
	if err != nil {
		return oauth.Unavailable(err)
	}
	if n == unknownLimit {
		if err := s.record(ctx, "ciba.guessed", audit.Denied, "client", &oauth.CIBARequest{Client: c.ID}, ""); err != nil {
			return err
		}
	}
	return refused("unknown_user_id", "Nobody who could approve is known under the hint.")
}

// named is the person with that username, e-mail, or subject as c knows it.
func (s *CIBA) named(ctx context.Context, c *oauth.Client, hint string) (ident.UserID, error) {
	u, err := s.opt.Users.UserByIdentifier(ctx, authn.NormalizeIdentifier(hint))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	sub, suberr := s.subject(ctx, c, hint) // looked for in any case: it takes as long for who is there as for who is not
	if err != nil {
		return sub, suberr
	}
	return u.ID, nil
}

// subject is the person whom c knows as sub. Pairwise subjects cannot be turned back into people.
func (s *CIBA) subject(ctx context.Context, c *oauth.Client, sub string) (ident.UserID, error) {
	if c.Sector() != "" {
		return "", errUnknown
	}
	u, err := s.opt.Users.User(ctx, ident.UserID(sub))
	return u.ID, err
}

// signedIn is the person of an ID token that we made for c, even if it has expired. CIBA Core §7.1 (id_token_hint).
func (s *CIBA) signedIn(ctx context.Context, c *oauth.Client, token string) (ident.UserID, error) {
	h, err := s.opt.Issue.ReadHint(token)
	if err != nil || !slices.Contains(h.Audience, string(c.ID)) {
		return "", oauth.InvalidRequest("id_token_hint is not an ID token of this server for this client.").Because(err)
	}
	if c.Sector() == "" {
		return s.subject(ctx, c, h.Subject)
	}
	sess, err := s.opt.Seen(ctx, h.Session)
	if err == nil && s.opt.Issue.Subject(c, sess.User) != h.Subject {
		err = errUnknown
	}
	return sess.User, err
}

// hintToken is what a login_hint_token says: a JWT that c signed, with a subject identifier. RFC 9493 §3.
type hintToken struct {
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"`
	Expires  float64         `json:"exp"`
	Issued   float64         `json:"iat"`
	Subject  struct {
		Format  string `json:"format"` // iss_sub, email or opaque
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Email   string `json:"email"`
		ID      string `json:"id"`
	} `json:"sub_id"`
}

// vouched is the person whom a login_hint_token means. CIBA Core §7.1 (login_hint_token), docs/clients.md.
func (s *CIBA) vouched(ctx context.Context, c *oauth.Client, token string) (ident.UserID, error) {
	bad := oauth.InvalidRequest("login_hint_token is not a JWT of this client for this server with iss, aud, exp and sub_id.")
	v, err := s.opt.Keys.Verify(ctx, c, token, keys.Expect{Algs: c.Policy().Algs, Typ: []string{"", "JWT", "login-hint+jwt"}, MaxSize: 4 << 10})
	if err != nil {
		return "", bad.Because(err)
	}
	var t hintToken
	if err := json.Unmarshal(v.Payload, &t); err != nil {
		return "", bad.Because(err)
	}
	if t.Issuer != string(c.ID) || !s.meant(t.Audience) || t.Expires <= 0 || t.Expires > 1e11 || t.Issued > 1e11 {
		return "", bad
	}
	now, exp := s.opt.Now(), time.Unix(int64(t.Expires), 0)
	switch {
	case !now.Before(exp.Add(hintSkew)):
		return "", refused("expired_login_hint_token", "login_hint_token has expired.")
	case exp.After(now.Add(hintLife + hintSkew)), time.Unix(int64(t.Issued), 0).After(now.Add(hintSkew)):
		return "", bad
	}
	switch id := t.Subject; id.Format {
	case "iss_sub":
		if id.Issuer != s.opt.Issue.Issuer() || id.Subject == "" {
			return "", errUnknown
		}
		return s.subject(ctx, c, id.Subject)
	case "email":
		if !strings.Contains(id.Email, "@") {
			return "", errUnknown
		}
		u, err := s.opt.Users.UserByIdentifier(ctx, authn.NormalizeIdentifier(id.Email))
		return u.ID, err
	case "opaque":
		return s.named(ctx, c, id.ID)
	}
	return "", bad
}

// meant says whether an audience is this server.
func (s *CIBA) meant(raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == s.opt.Issue.Issuer()
	}
	var list []string
	return json.Unmarshal(raw, &list) == nil && slices.Contains(list, s.opt.Issue.Issuer())
}
