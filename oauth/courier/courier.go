// Package courier owns the way by which clients are told things by us, not by a browser: it takes what the engines queued,
// claims it by lease, has it sent, and tries again. What a client is told, and what an answer means, it never knows; and a
// client that does not answer costs nobody else anything.
package courier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

const (
	pollEvery  = time.Second
	clients    = 64               // visited at the same time
	atOnce     = 4                // deliveries to one client at the same time
	sendWithin = 10 * time.Second // one attempt at most; the egress guard may be stricter
	lease      = time.Minute      // how long a claimed delivery is left alone: longer than an attempt
)

// Interrupted is why a delivery of a single attempt was given up that somebody claimed and never came back from: nobody knows
// whether it was sent.
const Interrupted = "interrupted"

// Outcome is what came of one attempt. The zero Outcome says that the client was told.
type Outcome struct {
	Why    string    // why it was not, in one word
	Status int       // of the client's answer; 0: none
	Final  bool      // another attempt would fail, too
	Until  time.Time // there is nothing to tell before; this was no attempt
	Err    error     // we could not do our own part: this was no attempt either, and is made again in a second
}

// Options of a Courier; all are needed.
type Options struct {
	Store  oauth.DeliveryStore
	Kind   oauth.DeliveryKind
	Delays []time.Duration // waited after each attempt that failed; the last of them again and again
	// Send makes one attempt, within 10 seconds.
	Send func(context.Context, oauth.Delivery) Outcome
	// Note records what came of an attempt, before it is written down; given up says that there will be no other. It may be
	// called again for the same attempt.
	Note func(ctx context.Context, d oauth.Delivery, o Outcome, givenUp bool) error
	Now  func() time.Time
}

// Courier delivers what is of one kind. Any number of nodes may have one: a delivery is claimed before it is made.
type Courier struct {
	opt   Options
	slots chan struct{}
	wake  chan struct{}
	mu    sync.Mutex
	busy  map[ident.ClientID]bool // clients that are being visited
	wg    sync.WaitGroup
}

// New returns a Courier.
func New(opt Options) *Courier {
	return &Courier{opt: opt, slots: make(chan struct{}, clients), wake: make(chan struct{}, 1), busy: map[ident.ClientID]bool{}}
}

// Wake has Run look at once for what is due, rather than within a second.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
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
		case <-c.wake:
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
	due, err := c.opt.Store.DueClients(ctx, c.opt.Kind, c.opt.Now(), 4*clients)
	if err != nil {
		return fmt.Errorf("courier: due: %w", err)
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
// client which is down is asked a few times a round, not once for each delivery.
func (c *Courier) visit(ctx context.Context, id ident.ClientID) error {
	for ctx.Err() == nil {
		due, err := c.opt.Store.DueDeliveries(ctx, c.opt.Kind, id, c.opt.Now(), lease, atOnce)
		if err != nil {
			return fmt.Errorf("courier: claim: %w", err)
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

// deliver makes one attempt. What came of it is written down even if ctx ends in that moment; an attempt that ctx cut
// short is nobody's failure: its lease ends, and somebody makes it again, if it may be made again.
func (c *Courier) deliver(ctx context.Context, d oauth.Delivery) (ok bool, err error) {
	o := Outcome{Why: Interrupted, Final: true}
	if d.Attempts <= d.Tries {
		sending, cancel := context.WithTimeout(ctx, sendWithin)
		o = c.opt.Send(sending, d)
		cancel()
	}
	if (o.Why != "" || o.Err != nil) && ctx.Err() != nil {
		return false, nil
	}
	ctx = context.WithoutCancel(ctx)
	if o.Err != nil {
		o.Until = c.opt.Now().Add(pollEvery)
	}
	if !o.Until.IsZero() {
		return o.Err == nil, errors.Join(o.Err, c.opt.Store.DeferDelivery(ctx, c.opt.Kind, d, o.Until))
	}
	if o.Why != "" {
		return false, c.failed(ctx, d, o)
	}
	if err := c.opt.Store.Delivered(ctx, c.opt.Kind, d.ID, c.opt.Now()); err != nil {
		return true, fmt.Errorf("courier: delivered: %w", err)
	}
	return true, c.opt.Note(ctx, d, o, false)
}

func (c *Courier) failed(ctx context.Context, d oauth.Delivery, o Outcome) error {
	givenUp, next := true, time.Time{}
	if !o.Final && d.Attempts < d.Tries {
		givenUp, next = false, c.opt.Now().Add(c.opt.Delays[min(max(0, d.Attempts-1), len(c.opt.Delays)-1)])
	}
	if err := c.opt.Note(ctx, d, o, givenUp); err != nil {
		return err
	}
	if err := c.opt.Store.DeliveryFailed(ctx, c.opt.Kind, d.ID, next, o.Why); err != nil {
		return fmt.Errorf("courier: failed: %w", err)
	}
	return nil
}
