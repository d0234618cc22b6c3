package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/courier"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/store"
)

// again are what is waited before a client is told once more that could not be reached, or was in trouble.
var again = []time.Duration{2 * time.Second, 8 * time.Second, 25 * time.Second, time.Minute}

const (
	afterEnd = time.Second // after a request's end it is looked at: the approval's own end is a little later
	lookAway = time.Second // how long a request is left alone that was about to be decided
)

// address is what a client is told with, sealed in its request.
type address struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"client_notification_token"`
}

func sealedFor(handle string) string { return "ciba.notify/" + handle }

// queue has the client of a request that was not yet put told what becomes of it. The delivery stands before the request and
// is due at its end, so that whatever happens to this node, another one brings what came of it, or that its time is over.
func (s *CIBA) queue(ctx context.Context, c *oauth.Client, handle string, r *oauth.CIBARequest) error {
	if r.Mode == oauth.DeliverPoll {
		return nil
	}
	d := oauth.Delivery{ID: handle, Client: r.Client, User: r.User, CreatedAt: s.opt.Now(), DueAt: r.Expires.Add(afterEnd), Tries: oauth.DeliveryTries}
	if r.Mode == oauth.DeliverPing && c.Policy().PingOnce {
		d.Tries = 1
	}
	return s.opt.Deliveries.QueueDelivery(ctx, oauth.CIBADelivery, d)
}

// hurry is called before a request is decided: from then on couriers look at it every second until it is. So there is no
// instant between the decision and the order to tell it in which a node could die, wherever either of them is stored.
func (s *CIBA) hurry(ctx context.Context, handle string, r *oauth.CIBARequest) error {
	if r.Mode == oauth.DeliverPoll {
		return nil
	}
	if err := s.opt.Deliveries.HurryDelivery(ctx, oauth.CIBADelivery, handle, s.opt.Now()); err != nil {
		return oauth.Unavailable(err)
	}
	return nil
}

// Run tells clients until ctx ends. report gets what kept it from its work, such as a store that is down. A client that cannot
// be told is no error.
func (s *CIBA) Run(ctx context.Context, report func(error)) error { return s.courier.Run(ctx, report) }

// Tick ends what is over and tells whoever waits to be told.
func (s *CIBA) Tick(ctx context.Context) error { return s.courier.Tick(ctx) }

// deliver makes one attempt to tell a client.
func (s *CIBA) deliver(ctx context.Context, d oauth.Delivery) courier.Outcome {
	r, err := s.Look(ctx, d.ID)
	fetched := errors.Is(err, store.ErrTaken)
	switch {
	case errors.Is(err, oauth.ErrNoCIBA):
		return courier.Outcome{Why: "forgotten", Final: true}
	case err != nil && !fetched:
		return courier.Outcome{Err: fmt.Errorf("backchannel: tell client %s: %w", d.Client, err)}
	case r.Status == oauth.CIBAPending:
		return courier.Outcome{Until: s.opt.Now().Add(lookAway)}
	case r.Mode == oauth.DeliverPing && (fetched || r.Status == oauth.CIBAExpired):
		return courier.Outcome{Why: "needless", Final: true}
	}
	c, err := s.opt.Registry.Find(ctx, d.Client)
	if err != nil || c.NotificationEndpoint == "" {
		return courier.Outcome{Why: "unregistered", Final: true}
	}
	plain, err := s.opt.Sealer.Open(sealedFor(d.ID), r.Notify)
	if err != nil {
		return courier.Outcome{Err: err}
	}
	var to address
	if err := json.Unmarshal(plain, &to); err != nil {
		return courier.Outcome{Err: err}
	}
	p := pushed{AuthReqID: to.AuthReqID}
	if r.Mode == oauth.DeliverPush {
		if o := s.fill(ctx, c, d, r, &p); o.Why != "" || o.Err != nil {
			return o
		}
	}
	body, err := json.Marshal(p)
	if err != nil {
		return courier.Outcome{Err: err}
	}
	return s.send(ctx, c, to, body)
}

// send posts body to the client. No redirect is followed, and only a client that could not be reached or that is in trouble
// itself is asked again. CIBA Core §10.2, §10.3.
func (s *CIBA) send(ctx context.Context, c *oauth.Client, to address, body []byte) courier.Outcome {
	status, _, err := s.opt.Egress.Send(ctx, c.NotificationEndpoint,
		http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + to.Token}}, body)
	switch {
	case errors.Is(err, egress.ErrRefused):
		return courier.Outcome{Why: "address", Final: true}
	case err != nil && status == 0:
		return courier.Outcome{Why: "unreachable"}
	case status < 200 || status > 299:
		return courier.Outcome{Why: "status", Status: status, Final: status < 500}
	}
	return courier.Outcome{Status: status}
}

// pushed is what is sent: to a client that is pinged the name of its request; to one that asks for nothing also the answer of
// the token endpoint, or an error. CIBA Core §10.2, §10.3, §12.
type pushed struct {
	AuthReqID   string `json:"auth_req_id"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	*issue.Tokens
}

// fill completes what is pushed.
func (s *CIBA) fill(ctx context.Context, c *oauth.Client, d oauth.Delivery, r *oauth.CIBARequest, p *pushed) courier.Outcome {
	switch r.Status {
	case oauth.CIBAApproved:
		return s.tokens(ctx, c, d, r, p)
	case oauth.CIBAExpired:
		p.Error, p.Description = "expired_token", "Nobody decided in time."
	default:
		p.Error, p.Description = "access_denied", "The person did not allow it."
	}
	return courier.Outcome{}
}

// tokens redeems an approved request and mints what it entitles to, at the first attempt; a later one, on whatever node, mints
// the same again: nothing of them is stored, and there is one set of tokens. CIBA Core §10.3.1.
func (s *CIBA) tokens(ctx context.Context, c *oauth.Client, d oauth.Delivery, r *oauth.CIBARequest, p *pushed) courier.Outcome {
	now := s.opt.Now()
	g, err := s.opt.Grants.Grant(ctx, r.Grant)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !g.RevokedAt.IsZero(): // the person signed out, or took it back
		return courier.Outcome{Why: "revoked", Final: true}
	case err != nil:
		return courier.Outcome{Err: err}
	case !now.Before(r.Expires.Add(oauth.CIBALate)):
		return courier.Outcome{Why: "late", Final: true}
	}
	aud, _, err := s.opt.Registry.Audience(c, g.Scope, g.Resources, s.opt.Issue.Issuer())
	if err != nil {
		return courier.Outcome{Err: err}
	}
	if d.Failure != "status" && d.Failure != "unreachable" { // those were recorded when they were sent
		if err := s.opt.Audit.Record(ctx, audit.Event{Type: "token.issued", Outcome: audit.OK, Actor: "client", Client: c.ID, User: g.User, Session: g.Session,
			Grant: g.ID, Data: map[string]string{"grant_type": oauth.CIBAGrant}}); err != nil {
			return courier.Outcome{Err: err}
		}
	}
	err = s.opt.Requests.Redeem(ctx, d.ID)
	switch {
	case errors.Is(err, store.ErrTaken) && d.Attempts == 1: // by nobody who knows of this delivery
		return courier.Outcome{Why: "taken", Final: true}
	case err != nil && !errors.Is(err, store.ErrTaken):
		return courier.Outcome{Err: err}
	}
	t, err := s.mint(ctx, c, &g, aud, d.ID, p.AuthReqID)
	if err != nil {
		return courier.Outcome{Why: "mint"}
	}
	if t.ExpiresIn -= int64(now.Sub(g.CreatedAt) / time.Second); t.ExpiresIn <= 0 {
		return courier.Outcome{Why: "late", Final: true}
	}
	p.Tokens = &t
	return courier.Outcome{}
}

// mint makes the tokens of a grant, always the same ones.
func (s *CIBA) mint(ctx context.Context, c *oauth.Client, g *oauth.Grant, aud []string, handle, authReqID string) (t issue.Tokens, err error) {
	once := s.opt.Issue.Once(g.ID, handle, g.CreatedAt)
	if t, err = once.AccessToken(ctx, c, g, g.Scope, aud); err != nil {
		return t, err
	}
	if g.RefreshSeq > 0 {
		first, ok := once.FirstRefreshIs(g.ID, handle, g.RefreshHash)
		if !ok {
			return t, errors.New("backchannel: the first refresh token does not fit its grant")
		}
		t.RefreshToken = first.String()
	}
	t.IDToken, err = once.IDToken(ctx, c, g, issue.With{AccessToken: t.AccessToken, Refresh: t.RefreshToken, AuthReqID: authReqID})
	return t, err
}

// told records whether a client was told; tokens that did not arrive are revoked.
func (s *CIBA) told(ctx context.Context, d oauth.Delivery, o courier.Outcome, givenUp bool) error {
	if o.Why == "needless" {
		return nil
	}
	r, err := s.opt.Requests.Get(ctx, d.ID)
	if errors.Is(err, oauth.ErrNoCIBA) {
		r = &oauth.CIBARequest{}
	} else if err != nil && !errors.Is(err, store.ErrTaken) {
		return err
	}
	e := audit.Event{Type: "ciba.notified", Outcome: audit.OK, Actor: "system", Client: d.Client, User: d.User, Grant: r.Grant, Reason: o.Why,
		Data: map[string]string{"mode": r.Mode, "attempts": strconv.Itoa(d.Attempts)}}
	if o.Status != 0 {
		e.Data["status"] = strconv.Itoa(o.Status)
	}
	if o.Why != "" {
		e.Outcome = audit.Failed
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	if !givenUp || r.Grant == "" || r.Mode != oauth.DeliverPush || arrived(d, o) {
		return nil
	}
	_, err = s.opt.Grants.RevokeGrant(ctx, r.Grant, s.opt.Now(), "not_delivered")
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// arrived says whether a client may have what it was sent although it was given up: nobody knows what came of an attempt
// before, and a client that has its tokens refuses to take them again.
func arrived(d oauth.Delivery, o courier.Outcome) bool {
	return o.Why == courier.Interrupted || o.Why == "taken" || d.Attempts > 1 && d.Failure != "status" && o.Why == "status" && o.Final
}
