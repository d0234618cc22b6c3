package authorize

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// respond grants: the event, the grant row, then what leads to it, so that a replayed code always finds its victim.
// It returns what goes to the client. RFC 6749 §4.1.2, OIDC Core §3.2.2.5, §3.3.2.5, RFC 9207 §2.
func (s *Service) respond(ctx context.Context, it *oauth.Interaction, c *oauth.Client, step Step) (_ *oauth.Answer, err error) {
	ctx, end := span.Start(ctx, "authorize.respond")
	defer func() { end(err) }()
	q := &it.Request
	code := ""
	if q.Wants("code") {
		code = "pac_" + s.opt.Issue.NewSecret()
	}
	g, err := s.grant(ctx, q, c, step, code)
	if err != nil {
		return nil, err
	}
	v := url.Values{}
	if code != "" {
		if err := s.keep(ctx, q, c, g, code); err != nil {
			return nil, err
		}
		v.Set("code", code)
	}
	if err := s.front(ctx, q, c, g, code, v); err != nil {
		return nil, err
	}
	if s.opt.State != nil {
		if state := s.opt.State(ctx, c, q.RedirectURI); state != "" {
			v.Set("session_state", state)
		}
	}
	return s.answer(q.RedirectURI, q.ResponseMode, q.State, v), nil
}

// grant records and stores what the person gave.
func (s *Service) grant(ctx context.Context, q *oauth.Request, c *oauth.Client, step Step, code string) (*oauth.Grant, error) {
	sess, now := step.Session, s.opt.Now()
	id := ident.GrantID(s.opt.Issue.NewID())
	g := oauth.Grant{ID: id, Client: c.ID, User: sess.User, Session: sess.ID, Scope: step.Scope, Resources: q.Resources, Nonce: q.Nonce,
		Assurance: sess.Reached(now), AMR: sess.AMR, AuthTime: sess.AuthTime, Country: sess.Country, CreatedAt: now,
		Offline: slices.Contains(step.Scope, "offline_access"), ExpiresAt: sess.ExpiresAt}
	if q.Claims != nil {
		raw, err := json.Marshal(q.Claims)
		if err != nil {
			return nil, err
		}
		g.Claims = raw
	}
	if g.Offline {
		g.ExpiresAt = now.Add(s.opt.Offline)
		if c.RefreshSeconds > 0 {
			g.ExpiresAt = now.Add(time.Duration(c.RefreshSeconds) * time.Second)
		}
	}
	if code != "" && c.Allows("refresh_token") {
		g.RefreshSeq, g.RefreshHash = 1, s.opt.Issue.FirstRefresh(id, code).Hash()
	}
	if err := s.opt.Audit.Record(ctx, event(ctx, "grant.created", "user", &g)); err != nil {
		return nil, oauth.Unavailable(err)
	}
	return &g, s.opt.Grants.InsertGrant(ctx, g)
}

func event(ctx context.Context, what, actor string, g *oauth.Grant) audit.Event {
	env := oauth.EnvOf(ctx)
	return audit.Event{Type: what, Outcome: audit.OK, Actor: actor, User: g.User, Client: g.Client, Session: g.Session, Grant: g.ID,
		IP: env.IP.String(), Request: env.RequestID}
}

// keep stores what stands behind a code.
func (s *Service) keep(ctx context.Context, q *oauth.Request, c *oauth.Client, g *oauth.Grant, code string) error {
	now := s.opt.Now()
	v, err := json.Marshal(oauth.Code{Grant: g.ID, Client: c.ID, RedirectURI: sentRedirect(q), Challenge: q.Challenge, Expires: now.Add(s.opt.Code)})
	if err != nil {
		return err
	}
	return s.opt.Ephemeral.Put(ctx, store.KeyOf("code", code), v, now.Add(s.opt.Code+replayMemory))
}

// front adds the tokens that the response type asks for at once. OIDC Core §3.2.2.5, §3.3.2.5.
func (s *Service) front(ctx context.Context, q *oauth.Request, c *oauth.Client, g *oauth.Grant, code string, v url.Values) error {
	if !q.Wants("token") && !q.Wants("id_token") {
		return nil
	}
	e := event(ctx, "token.issued", "client", g)
	e.Data = map[string]string{"response_type": q.ResponseType}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	with := issue.With{Nonce: q.Nonce, Code: code, Claims: q.ResponseType == "id_token"}
	if q.Wants("token") {
		aud, _, err := s.opt.Registry.Audience(c, g.Scope, q.Resources, s.opt.Issue.Issuer())
		if err != nil {
			return err
		}
		t, err := s.opt.Issue.AccessToken(ctx, c, g, g.Scope, aud)
		if err != nil {
			return err
		}
		with.AccessToken = t.AccessToken
		v.Set("access_token", t.AccessToken)
		v.Set("token_type", t.TokenType)
		v.Set("expires_in", strconv.FormatInt(t.ExpiresIn, 10))
		v.Set("scope", t.Scope)
	}
	if q.Wants("id_token") {
		token, err := s.opt.Issue.IDToken(ctx, c, g, with)
		if err != nil {
			return err
		}
		v.Set("id_token", token)
	}
	return nil
}

// sentRedirect is what the token request has to repeat. RFC 6749 §4.1.3.
func sentRedirect(q *oauth.Request) string {
	if q.RedirectSent {
		return q.RedirectURI
	}
	return ""
}
