// Package logout owns the way by which clients learn from us, not from the browser, that a session ended: it delivers what
// the engines queued, with retries. OpenID Connect Back-Channel Logout. It never ends a session, and a client that does not
// answer costs nobody else anything.
package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
)

const (
	pollEvery  = time.Second
	clients    = 64               // visited at the same time
	atOnce     = 4                // deliveries to one client at the same time
	sendWithin = 10 * time.Second // one attempt at most; the egress guard may be stricter
	lease      = time.Minute      // how long a claimed delivery is left alone: longer than an attempt
)

// delays are what is waited after each attempt that failed; after the last there is none.
var delays = []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 7 * time.Minute}

// Options of a Courier; all are needed.
type Options struct {
	Store    oauth.LogoutStore
	Registry *oauth.Registry
	Issue    *issue.Issuer
	Egress   *egress.Client
	Audit    audit.Recorder
	Now      func() time.Time
}

// Courier delivers logout tokens. Any number of nodes may have one: a delivery is claimed before it is made.
type Courier struct {
	opt   Options
	slots chan struct{}
	mu    sync.Mutex
	busy  map[ident.ClientID]bool // clients that are being visited
	wg    sync.WaitGroup
}

// New returns a Courier.
func New(opt Options) *Courier {
	return &Courier{opt: opt, slots: make(chan struct{}, clients), busy: map[ident.ClientID]bool{}}
}

// Run delivers what is due until ctx ends, and returns, with nil, once nothing is under way. report gets what kept it from
// doing its work, such as a store that is down; it goes on in a second. A client that cannot be told is no error.
func (c *Courier) Run(ctx context.Context, report func(error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := c.round(ctx, report); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			c.wg.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// Tick delivers what is due now and waits for it.
func (c *Courier) Tick(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	err := c.round(ctx, func(err error) {
		mu.Lock()
		errs = append(errs, err)
		mu.Unlock()
	})
	c.wg.Wait()
	return errors.Join(append(errs, err)...)
}

// round begins a visit to each client to which something is due and which is not being visited.
func (c *Courier) round(ctx context.Context, report func(error)) error {
	due, err := c.opt.Store.DueLogoutClients(ctx, c.opt.Now(), 4*clients)
	if err != nil {
		return fmt.Errorf("logout: due: %w", err)
	}
	for _, id := range due {
		if !c.begin(id) {
			continue
		}
		c.wg.Go(func() {
			defer c.end(id)
			if err := c.visit(ctx, id); err != nil && ctx.Err() == nil {
				report(err)
			}
		})
	}
	return nil
}

func (c *Courier) begin(id ident.ClientID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[id] {
		return false
	}
	select {
	case c.slots <- struct{}{}:
		c.busy[id] = true
		return true
	default:
		return false
	}
}

func (c *Courier) end(id ident.ClientID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, id)
	<-c.slots
}

// visit delivers to one client until nothing is due or something failed: then the rest waits for the next round, so that a
// client which is down is asked a few times a round, not once for each of its sessions.
func (c *Courier) visit(ctx context.Context, id ident.ClientID) error {
	for ctx.Err() == nil {
		due, err := c.opt.Store.DueLogouts(ctx, id, c.opt.Now(), lease, atOnce)
		if err != nil {
			return fmt.Errorf("logout: claim: %w", err)
		}
		oks, errs := make([]bool, len(due)), make([]error, len(due))
		var wg sync.WaitGroup
		for i, d := range due {
			wg.Go(func() { oks[i], errs[i] = c.deliver(ctx, d) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for _, ok := range oks {
			if !ok {
				return nil
			}
		}
		if len(due) < atOnce {
			return nil
		}
	}
	return nil
}

// failure says why an attempt failed, in one word; final means that another would, too.
type failure struct {
	why    string
	status int
	final  bool
}

// deliver makes one attempt. What came of it is written down even if ctx ends in that moment; an attempt that ctx cut
// short is nobody's failure: its lease ends, and somebody makes it again.
func (c *Courier) deliver(ctx context.Context, d oauth.LogoutDelivery) (ok bool, err error) {
	f := c.send(ctx, d)
	if f != nil && ctx.Err() != nil {
		return false, nil
	}
	ctx = context.WithoutCancel(ctx)
	if f != nil {
		return false, c.failed(ctx, d, *f)
	}
	if err := c.opt.Store.LogoutDelivered(ctx, d.ID, c.opt.Now()); err != nil {
		return true, fmt.Errorf("logout: delivered: %w", err)
	}
	return true, c.record(ctx, d, "logout.delivered", audit.OK, failure{})
}

func (c *Courier) send(ctx context.Context, d oauth.LogoutDelivery) *failure {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	client, err := c.opt.Registry.Client(d.Client)
	if err != nil || client.BackchannelLogout == "" {
		return &failure{why: "unregistered", final: true}
	}
	token, err := c.opt.Issue.LogoutToken(ctx, client, d.User, d.Session)
	if err != nil {
		return &failure{why: "token"}
	}
	status, body, err := c.opt.Egress.Post(ctx, client.BackchannelLogout, url.Values{"logout_token": {token}})
	switch {
	case errors.Is(err, egress.ErrRefused):
		return &failure{why: "address", final: true}
	case err != nil && status == 0:
		return &failure{why: "unreachable"}
	case status == http.StatusOK || status == http.StatusNoContent: // §2.8: some frameworks answer 204
		return nil
	case status == http.StatusBadRequest && refusal(body):
		return &failure{why: "rejected", status: status, final: true}
	}
	return &failure{why: "status", status: status}
}

// refusal says whether body is the error of a client that read the token and does not accept it. §2.8.
func refusal(body []byte) bool {
	var e struct {
		Code string `json:"error"`
	}
	return json.Unmarshal(body, &e) == nil && e.Code != ""
}

func (c *Courier) failed(ctx context.Context, d oauth.LogoutDelivery, f failure) error {
	typ, next := "logout.given_up", time.Time{}
	if !f.final && d.Attempts <= len(delays) {
		typ, next = "logout.failed", c.opt.Now().Add(delays[max(0, d.Attempts-1)])
	}
	if err := c.record(ctx, d, typ, audit.Failed, f); err != nil {
		return err
	}
	if err := c.opt.Store.LogoutFailed(ctx, d.ID, next, f.why); err != nil {
		return fmt.Errorf("logout: failed: %w", err)
	}
	return nil
}

// record tells of client and session, not of the person.
func (c *Courier) record(ctx context.Context, d oauth.LogoutDelivery, typ string, outcome audit.Outcome, f failure) error {
	data := map[string]string{"attempts": strconv.Itoa(d.Attempts)}
	if f.status != 0 {
		data["status"] = strconv.Itoa(f.status)
	}
	e := audit.Event{Type: typ, Outcome: outcome, Actor: "system", Client: d.Client, Session: d.Session, Reason: f.why, Data: data}
	if err := c.opt.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("logout: %s: %w", typ, err)
	}
	return nil
}
