package authorize

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// respond grants: the event, the grant row, then the code, so that a replayed code always finds its victim.
// It returns the URL that carries the code to the client. RFC 6749 §4.1.2, RFC 9207 §2.
func (s *Service) respond(ctx context.Context, it *oauth.Interaction, c *oauth.Client, step Step) (_ string, err error) {
	ctx, end := span.Start(ctx, "authorize.respond")
	defer func() { end(err) }()
	q, sess, now := &it.Request, step.Session, s.opt.Now()
	id := ident.GrantID(s.opt.Issue.NewID())
	code := "pac_" + s.opt.Issue.NewSecret()
	g := oauth.Grant{ID: id, Client: c.ID, User: sess.User, Session: sess.ID, Scope: step.Scope, Resources: q.Resources, Nonce: q.Nonce,
		Assurance: sess.Reached(now), AMR: sess.AMR, AuthTime: sess.AuthTime, Country: sess.Country, CreatedAt: now,
		Offline: slices.Contains(step.Scope, "offline_access"), ExpiresAt: sess.ExpiresAt}
	if q.Claims != nil {
		raw, err := json.Marshal(q.Claims)
		if err != nil {
			return "", err
		}
		g.Claims = raw
	}
	if g.Offline {
		g.ExpiresAt = now.Add(s.opt.Offline)
		if c.RefreshSeconds > 0 {
			g.ExpiresAt = now.Add(time.Duration(c.RefreshSeconds) * time.Second)
		}
	}
	if c.Allows("refresh_token") {
		g.RefreshSeq, g.RefreshHash = 1, s.opt.Issue.FirstRefresh(id, code).Hash()
	}
	env := oauth.EnvOf(ctx)
	if err := s.opt.Audit.Record(ctx, audit.Event{Type: "grant.created", Outcome: audit.OK, Actor: "user", User: sess.User, Client: c.ID,
		Session: sess.ID, Grant: id, IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return "", oauth.Unavailable(err)
	}
	if err := s.opt.Grants.InsertGrant(ctx, g); err != nil {
		return "", err
	}
	v, err := json.Marshal(oauth.Code{Grant: id, Client: c.ID, RedirectURI: sentRedirect(q), Challenge: q.Challenge, Expires: now.Add(s.opt.Code)})
	if err != nil {
		return "", err
	}
	if err := s.opt.Ephemeral.Put(ctx, store.KeyOf("code", code), v, now.Add(s.opt.Code+replayMemory)); err != nil {
		return "", err
	}
	return s.answer(q.RedirectURI, q.State, url.Values{"code": {code}}), nil
}

// sentRedirect is what the token request has to repeat. RFC 6749 §4.1.3.
func sentRedirect(q *oauth.Request) string {
	if q.RedirectSent {
		return q.RedirectURI
	}
	return ""
}
