package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/store"
)

const (
	couriers = 16   // clients that are told at the same time
	maxJobs  = 1024 // that wait for a courier; beyond them a client is not told
	maxWatch = 4096 // requests whose end is watched; beyond them a client is not told that its time is over
	sweep    = time.Second
	drain    = 3 * time.Second // how long what waits is still delivered after the server was told to end
)

// again are what is waited before tokens are pushed once more to a client that could not be reached. A ping is never
// repeated: the client asks anyhow. CIBA Core §10.2.
var again = []time.Duration{time.Second, 5 * time.Second}

// address is what a client is told with, sealed in its request.
type address struct {
	AuthReqID string `json:"auth_req_id"`
	Token     string `json:"client_notification_token"`
}

func sealedFor(handle string) string { return "ciba.notify/" + handle }

// job is a client that has to be told what became of its request.
type job struct {
	handle string
	r      oauth.CIBARequest
}

// notify has the client of a decided request told, without waiting for it.
func (s *CIBA) notify(ctx context.Context, handle string, r *oauth.CIBARequest) error {
	s.unobserve(handle)
	if r.Mode == oauth.DeliverPoll || r.Mode == oauth.DeliverPing && r.Status == oauth.CIBAExpired {
		return nil
	}
	select {
	case s.jobs <- job{handle, *r}:
		return nil
	default:
		return s.told(ctx, job{handle, *r}, "busy", 0)
	}
}

// observe has the end of the time of a request noticed, where its client does not ask.
func (s *CIBA) observe(handle string, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watch) < maxWatch {
		s.watch[handle] = end
	}
}

func (s *CIBA) unobserve(handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watch, handle)
}

// Run tells clients until ctx ends; what waits then has a moment to get away. report gets what kept it from its work, such
// as a store that is down. A client that cannot be told is no error.
func (s *CIBA) Run(ctx context.Context, report func(error)) error {
	work := context.WithoutCancel(ctx)
	var wg sync.WaitGroup
	for range couriers {
		wg.Go(func() {
			for {
				select {
				case j := <-s.jobs:
					s.carry(work, j, report)
				case <-ctx.Done():
					late, cancel := context.WithTimeout(work, drain)
					defer cancel()
					s.empty(late, report)
					return
				}
			}
		})
	}
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return nil
		case <-tick.C:
			if err := s.expire(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Tick ends what is over and tells whoever waits to be told.
func (s *CIBA) Tick(ctx context.Context) (err error) {
	err = s.expire(ctx)
	s.empty(ctx, func(bad error) { err = errors.Join(err, bad) })
	return err
}

// empty delivers what waits, as long as ctx lasts.
func (s *CIBA) empty(ctx context.Context, report func(error)) {
	for ctx.Err() == nil {
		select {
		case j := <-s.jobs:
			s.carry(ctx, j, report)
		default:
			return
		}
	}
}

// expire looks at the requests whose time is over.
func (s *CIBA) expire(ctx context.Context) error {
	now := s.opt.Now()
	var over []string
	s.mu.Lock()
	for handle, end := range s.watch {
		if !now.Before(end.Add(time.Second)) { // the approval's own end is a little later
			over = append(over, handle)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, handle := range over {
		r, err := s.Look(ctx, handle)
		switch {
		case errors.Is(err, oauth.ErrNoCIBA), errors.Is(err, store.ErrTaken), err == nil && r.Status != oauth.CIBAPending:
			s.unobserve(handle)
		case err != nil:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// carry tells one client.
func (s *CIBA) carry(ctx context.Context, j job, report func(error)) {
	if err := s.deliver(ctx, j); err != nil {
		report(fmt.Errorf("backchannel: notify client %s: %w", j.r.Client, err))
	}
}

func (s *CIBA) deliver(ctx context.Context, j job) error {
	c, err := s.opt.Registry.Find(ctx, j.r.Client)
	if err != nil || c.NotificationEndpoint == "" {
		return s.told(ctx, j, "unregistered", 0)
	}
	plain, err := s.opt.Sealer.Open(sealedFor(j.handle), j.r.Notify)
	if err != nil {
		return err
	}
	var to address
	if err := json.Unmarshal(plain, &to); err != nil {
		return err
	}
	if j.r.Mode == oauth.DeliverPing { // CIBA Core §10.2: whatever is answered
		body, err := json.Marshal(map[string]string{"auth_req_id": to.AuthReqID})
		if err != nil {
			return err
		}
		status, why := s.send(ctx, c, to, body)
		return s.told(ctx, j, why, status)
	}
	body, err := s.parcel(ctx, c, j, to)
	if errors.Is(err, store.ErrTaken) {
		return nil // another one was faster
	}
	if err != nil {
		return err
	}
	status, why := s.send(ctx, c, to, body)
	for _, pause := range again {
		if status != 0 && status < 500 || why == "address" {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		status, why = s.send(ctx, c, to, body)
	}
	if status != 0 && (status < 200 || status > 299) {
		why = "status"
	}
	return s.told(ctx, j, why, status)
}

// send posts body to the client, and returns the status of its answer, 0 for none, and why there is none.
func (s *CIBA) send(ctx context.Context, c *oauth.Client, to address, body []byte) (status int, why string) {
	status, _, err := s.opt.Egress.Send(ctx, c.NotificationEndpoint,
		http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + to.Token}}, body)
	switch {
	case errors.Is(err, egress.ErrRefused):
		return 0, "address"
	case err != nil && status == 0:
		return 0, "unreachable"
	}
	return status, ""
}

// pushed is what is sent to a client that asks for nothing: the answer of the token endpoint, or an error. CIBA Core §10.3, §12.
type pushed struct {
	AuthReqID   string `json:"auth_req_id"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	*issue.Tokens
}

// parcel is what is pushed; store.ErrTaken where the tokens went out before.
func (s *CIBA) parcel(ctx context.Context, c *oauth.Client, j job, to address) ([]byte, error) {
	p := pushed{AuthReqID: to.AuthReqID}
	switch j.r.Status {
	case oauth.CIBAApproved:
		t, err := s.tokens(ctx, c, j, to)
		if err != nil {
			return nil, err
		}
		p.Tokens = &t
	case oauth.CIBAExpired:
		p.Error, p.Description = "expired_token", "Nobody decided in time."
	default:
		p.Error, p.Description = "access_denied", "The person did not allow it."
	}
	return json.Marshal(p)
}

// tokens redeems an approved request and issues what it entitles to. CIBA Core §10.3.1.
func (s *CIBA) tokens(ctx context.Context, c *oauth.Client, j job, to address) (t issue.Tokens, err error) {
	g, err := s.opt.Grants.Grant(ctx, j.r.Grant)
	if err != nil {
		return t, err
	}
	aud, _, err := s.opt.Registry.Audience(c, g.Scope, g.Resources, s.opt.Issue.Issuer())
	if err != nil {
		return t, err
	}
	if err := s.opt.Requests.Redeem(ctx, j.handle); err != nil {
		return t, err
	}
	if err := s.opt.Audit.Record(ctx, audit.Event{Type: "token.issued", Outcome: audit.OK, Actor: "client", Client: c.ID, User: g.User, Session: g.Session,
		Grant: g.ID, Data: map[string]string{"grant_type": oauth.CIBAGrant}}); err != nil {
		return t, err
	}
	if t, err = s.opt.Issue.AccessToken(ctx, c, &g, g.Scope, aud); err != nil {
		return t, err
	}
	if g.RefreshSeq > 0 {
		first, ok := s.opt.Issue.FirstRefreshIs(g.ID, j.handle, g.RefreshHash)
		if !ok {
			return t, errors.New("backchannel: the first refresh token does not fit its grant")
		}
		t.RefreshToken = first.String()
	}
	t.IDToken, err = s.opt.Issue.IDToken(ctx, c, &g, issue.With{AccessToken: t.AccessToken, Refresh: t.RefreshToken, AuthReqID: to.AuthReqID})
	return t, err
}

// told records whether a client was told; tokens that did not arrive are revoked.
func (s *CIBA) told(ctx context.Context, j job, why string, status int) error {
	e := audit.Event{Type: "ciba.notified", Outcome: audit.OK, Actor: "system", Client: j.r.Client, User: j.r.User, Grant: j.r.Grant, Reason: why,
		Data: map[string]string{"mode": j.r.Mode}}
	if status != 0 {
		e.Data["status"] = strconv.Itoa(status)
	}
	if why != "" {
		e.Outcome = audit.Failed
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	if why == "" || j.r.Mode != oauth.DeliverPush || j.r.Grant == "" {
		return nil
	}
	_, err := s.opt.Grants.RevokeGrant(ctx, j.r.Grant, s.opt.Now(), "not_delivered")
	return err
}
