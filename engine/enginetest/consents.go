package enginetest

import (
	"time"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

var consentParts = []part[Engine]{
	{"consents come back as they were", consentsValues},
	{"a withdrawal takes its grants along", consentsWithdraw},
}

func (w walk) consent(r *room[Engine]) oauth.Consent {
	return oauth.Consent{
		User: w.user.ID, Client: w.client, Scope: []string{"openid", "zoë b"}, Declined: []string{"email", "phone"}, Resources: []string{"https://api.example/"}, Claims: []string{"name"},
		Host: "app.example", CreatedAt: r.clock.now(), UpdatedAt: r.clock.now(),
	}
}

func consentsValues(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	_, err := r.e.Consent(r.ctx, w.user.ID, w.client)
	refuse(r, "Consent never given", err, store.ErrNotFound)
	same(r, "no consents", get(r.e.Consents(r.ctx, w.user.ID))(r), []oauth.Consent(nil))

	full := w.consent(r)
	must(r, r.e.PutConsent(r.ctx, full))
	same(r, "full", get(r.e.Consent(r.ctx, w.user.ID, w.client))(r), full)
	r.clock.advance(time.Minute)
	full.Scope, full.Resources, full.Claims, full.Host, full.UpdatedAt = []string{"openid"}, nil, nil, "", r.clock.now()
	must(r, r.e.PutConsent(r.ctx, full))
	same(r, "replaced", get(r.e.Consent(r.ctx, w.user.ID, w.client))(r), full)

	r.clock.advance(time.Minute)
	second := w.consent(r)
	second.Client = newClient(r)
	must(r, r.e.PutConsent(r.ctx, second))
	must(r, r.e.PutConsent(r.ctx, other.consent(r)))
	same(r, "newest first", get(r.e.Consents(r.ctx, w.user.ID))(r), []oauth.Consent{second, full})
}

func consentsWithdraw(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	second := newClient(r)
	must(r, r.e.PutConsent(r.ctx, w.consent(r)))
	kept := w.consent(r)
	kept.Client = second
	must(r, r.e.PutConsent(r.ctx, kept))
	g, loose := w.grant(r, w.session.ID), w.grant(r, "")
	before := w.grant(r, w.session.ID)
	early := r.clock.now()
	get(r.e.RevokeGrant(r.ctx, before.ID, early, "earlier"))(r)
	elsewhere := w.newGrant(r, w.session.ID)
	elsewhere.Client = second
	must(r, r.e.InsertGrant(r.ctx, elsewhere))
	theirs := other.newGrant(r, other.session.ID)
	theirs.Client = w.client
	must(r, r.e.InsertGrant(r.ctx, theirs))

	r.clock.advance(time.Minute)
	at := r.clock.now()
	must(r, r.e.WithdrawConsent(r.ctx, w.user.ID, w.client, at))
	_, err := r.e.Consent(r.ctx, w.user.ID, w.client)
	refuse(r, "Consent withdrawn", err, store.ErrNotFound)
	revoked(r, "a grant under a withdrawn consent", g, at, "")
	revoked(r, "a grant of no session under a withdrawn consent", loose, at, "")
	revoked(r, "a grant revoked before", before, early, "earlier")
	alive(r, "a grant to another client", elsewhere)
	alive(r, "another person's grant", theirs)
	same(r, "the other consent", get(r.e.Consents(r.ctx, w.user.ID))(r), []oauth.Consent{kept})

	refuse(r, "WithdrawConsent where there was neither", r.e.WithdrawConsent(r.ctx, w.user.ID, newClient(r), at), store.ErrNotFound)
	refuse(r, "WithdrawConsent of nobody", r.e.WithdrawConsent(r.ctx, "nobody", w.client, at), store.ErrNotFound)
	must(r, r.e.WithdrawConsent(r.ctx, other.user.ID, w.client, at)) // a grant, though no consent
	dead(r, "a grant without consent", theirs)
}
