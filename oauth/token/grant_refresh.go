package token

import (
	"context"
	"errors"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// refreshGrant rotates refresh tokens. RFC 6749 §6, RFC 9700 §4.14.2.
type refreshGrant struct{ Options }

func (refreshGrant) Type() string { return "refresh_token" }

var errRefresh = oauth.InvalidGrant("The refresh token is wrong, has expired, or was revoked.")

func (g refreshGrant) Redeem(ctx context.Context, q *Request) (*Due, error) {
	if q.Form.Get("refresh_token") == "" {
		return nil, oauth.InvalidRequest("refresh_token is missing.")
	}
	tok, err := issue.ParseRefresh(q.Form.Get("refresh_token"))
	if err != nil {
		return nil, errRefresh
	}
	gr, err := g.Grants.Grant(ctx, tok.Grant)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errRefresh
	}
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	if gr.Client != q.Client.ID || gr.RefreshSeq == 0 || !Stands(&gr, g.Now()) {
		return nil, errRefresh
	}
	current := tok.Is(gr.RefreshHash) && tok.Seq == gr.RefreshSeq
	if !current {
		if _, known := g.Issue.Ancestor(tok, gr.RefreshSeq, gr.RefreshHash); !known {
			return nil, errRefresh // a guess: it revokes nothing
		}
	}
	due := &Due{Grant: &gr}
	if due.Scope, err = narrowed(q.Form, gr.Scope); err != nil {
		return nil, err
	}
	if due.Want, err = g.aimed(q, &gr, due.Scope); err != nil {
		return nil, err
	}
	by, err := g.risk(ctx, q.Client, &gr)
	if err != nil {
		return nil, err
	}
	next, err := g.rotate(ctx, &gr, tok, current, by)
	if err != nil {
		return nil, err
	}
	due.Refresh = next.String()
	if !gr.Offline {
		if err := g.Sessions.Touch(ctx, gr.Session); errors.Is(err, sessions.ErrNone) {
			return nil, errRefresh
		} else if err != nil {
			return nil, oauth.Unavailable(err)
		}
	}
	return due, nil
}

// rotate moves the family on from tok, or finds the successor that tok already has.
func (g refreshGrant) rotate(ctx context.Context, gr *oauth.Grant, tok issue.Refresh, current bool, by riskstep.Snapshot) (issue.Refresh, error) {
	if current {
		next := g.Issue.Successor(tok)
		err := g.Grants.RotateGrant(ctx, gr.ID, tok.Seq, next.Hash(), by, g.Now())
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, store.ErrStale) {
			return next, oauth.Unavailable(err)
		}
		// Somebody was faster with the same token, or the grant was revoked this instant.
		limited := gr.Limited
		if *gr, err = g.Grants.Grant(ctx, gr.ID); err != nil {
			return next, oauth.Unavailable(err)
		}
		gr.Limit(limited) // by what this request was judged to be
		if !Stands(gr, g.Now()) {
			return next, errRefresh
		}
	}
	next, known := g.Issue.Ancestor(tok, gr.RefreshSeq, gr.RefreshHash)
	if known && tok.Seq == gr.RefreshSeq-1 && g.Now().Sub(gr.RotatedAt) <= g.Grace {
		return next, nil // the same successor: a lost answer or two tabs, RFC 9700 §4.14.2
	}
	env := oauth.EnvOf(ctx)
	if err := g.Audit.Record(ctx, audit.Event{Type: "refresh.replayed", Outcome: audit.Failed, Actor: "client", Client: gr.Client, User: gr.User,
		Session: gr.Session, Grant: gr.ID, IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return next, oauth.Unavailable(err)
	}
	if _, err := g.Grants.RevokeGrant(ctx, gr.ID, g.Now(), "refresh_replayed"); err != nil {
		return next, oauth.Unavailable(err)
	}
	return next, errRefresh
}

// risk judges the refresh by who redeemed before, and returns who does now: a person's tokens are not renewed from where
// only a stronger proof would let them sign in, and not with more than the situation allows.
func (g refreshGrant) risk(ctx context.Context, c *oauth.Client, gr *oauth.Grant) (riskstep.Snapshot, error) {
	was := gr.Snapshot
	if was == (riskstep.Snapshot{}) && c.Public() { // of before there were snapshots: it was the person who redeemed
		was.Country = gr.Country
	}
	d, err := g.Risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtRefresh, User: gr.User, Client: c.ID, Profile: c.Profile, Scopes: gr.Scope,
		Env: oauth.EnvOf(ctx), Held: gr.Assurance, AuthTime: gr.AuthTime, Was: was, Bound: gr.Binding != ""})
	if err != nil {
		return d.Snapshot(), oauth.Unavailable(err)
	}
	switch d.Action() {
	case riskstep.Allow:
	case riskstep.Narrow:
		err = g.narrow(ctx, gr, d.Narrow())
	case riskstep.StepUp:
		err = oauth.InvalidGrant("The situation changed; the person has to sign in again.")
	case riskstep.Revoke:
		err = g.revoke(ctx, gr)
	default:
		err = oauth.InvalidGrant("The situation changed; the token is not renewed from here.")
	}
	return d.Snapshot(), err
}

// narrow takes scope from all that the session granted, which tells resource servers too. A grant without a session does
// without it now.
func (g refreshGrant) narrow(ctx context.Context, gr *oauth.Grant, scope []string) error {
	gr.Limit(scope)
	if gr.Session == "" {
		return nil
	}
	all, err := g.Sessions.Limit(ctx, gr.Session, scope)
	if errors.Is(err, sessions.ErrNone) {
		return errRefresh
	}
	if err != nil {
		return oauth.Unavailable(err)
	}
	gr.Limit(all)
	return nil
}

// revoke ends the family.
func (g refreshGrant) revoke(ctx context.Context, gr *oauth.Grant) error {
	env := oauth.EnvOf(ctx)
	if err := g.Audit.Record(ctx, audit.Event{Type: "token.revoked", Outcome: audit.OK, Actor: "system", Reason: "risk", Client: gr.Client, User: gr.User,
		Session: gr.Session, Grant: gr.ID, IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	if _, err := g.Grants.RevokeGrant(ctx, gr.ID, g.Now(), "risk"); err != nil {
		return oauth.Unavailable(err)
	}
	return errRefresh
}
