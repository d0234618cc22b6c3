package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
)

const (
	atOnce     = 4                // messages being delivered at the same time
	sendWithin = 30 * time.Second // one message
	lease      = 2 * time.Minute  // how long a claimed message is left alone: longer than it may take
	firstDelay = time.Minute      // doubles with each attempt
	lastDelay  = time.Hour
	giveUp     = 24 * time.Hour // after it was due first
	pollEvery  = 15 * time.Second
)

// Run delivers what is due until ctx ends; it returns only then, with nil. report gets the error of a round that could
// not be done, such as a store that is down; the next round is soon.
func (s *Service) Run(ctx context.Context, report func(error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if _, err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// Tick delivers what is due now, a few at a time, and returns how many were sent. A message that fails is no error: it
// is tried again after growing delays, given up after a day, and each time recorded. Without a Transport it does nothing.
func (s *Service) Tick(ctx context.Context) (sent int, err error) {
	if s.o.Transport == nil {
		return 0, nil
	}
	for ctx.Err() == nil {
		due, err := s.o.Store.DueMail(ctx, s.o.Now(), lease, atOnce)
		if err != nil {
			return sent, fmt.Errorf("notify: due: %w", err)
		}
		if len(due) == 0 {
			return sent, nil
		}
		errs := make([]error, len(due))
		oks := make([]bool, len(due))
		var wg sync.WaitGroup
		for i, r := range due {
			wg.Go(func() { oks[i], errs[i] = s.deliver(ctx, r) })
		}
		wg.Wait()
		for _, ok := range oks {
			if ok {
				sent++
			}
		}
		if err := errors.Join(errs...); err != nil {
			return sent, err
		}
	}
	return sent, ctx.Err()
}

// deliver sends one claimed message. That it was sent is written down even if ctx ends in that moment.
func (s *Service) deliver(ctx context.Context, r Record) (bool, error) {
	err := s.send(ctx, r)
	if ctx.Err() != nil && err != nil {
		return false, nil // we stop: its lease ends, and somebody else sends it
	}
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return false, s.failed(ctx, r, err)
	}
	// First what keeps it from being sent again, then what tells of it.
	if err := s.o.Store.MailSent(ctx, r.ID, s.o.Now()); err != nil {
		return true, fmt.Errorf("notify: sent: %w", err)
	}
	return true, s.record(ctx, r, "mail.sent", audit.OK, "")
}

func (s *Service) send(ctx context.Context, r Record) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	m, link, err := s.open(ctx, r)
	if err != nil {
		return failure{"open", err}
	}
	subject, text, html, err := s.o.Render(m, link)
	if err != nil {
		return failure{"render", err}
	}
	raw, err := s.compose(m, subject, text, html)
	if err != nil {
		return failure{"compose", Refused{Err: err}}
	}
	return s.o.Transport.Send(ctx, s.from.Address, m.To, raw)
}

// failure says at which step a message failed, in one word.
type failure struct {
	step string
	err  error
}

func (f failure) Error() string { return "notify: " + f.step + ": " + f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func (s *Service) failed(ctx context.Context, r Record, why error) error {
	now := s.o.Now()
	next := now.Add(delay(r.Attempts))
	_, refused := errors.AsType[Refused](why)
	typ := "mail.failed"
	if refused || next.Sub(r.CreatedAt) > giveUp && r.Attempts > 1 {
		typ, next = "mail.given_up", time.Time{}
	}
	reason := "transport"
	if f, ok := errors.AsType[failure](why); ok {
		reason = f.step
	} else if refused {
		reason = "refused"
	}
	if err := s.record(ctx, r, typ, audit.Failed, reason); err != nil {
		return err
	}
	if err := s.o.Store.MailFailed(ctx, r.ID, next); err != nil {
		return fmt.Errorf("notify: failed: %w", err)
	}
	return nil
}

func delay(attempts int) time.Duration {
	d := firstDelay
	for i := 1; i < attempts && d < lastDelay; i++ {
		d *= 2
	}
	return min(d, lastDelay)
}

func (s *Service) record(ctx context.Context, r Record, typ string, outcome audit.Outcome, reason string) error {
	err := s.o.Audit.Record(ctx, audit.Event{
		Type: typ, Outcome: outcome, Actor: "system", User: r.User, Session: r.Session, Reason: reason,
		Data: map[string]string{"message": r.ID, "kind": string(r.Kind)},
	})
	if err != nil {
		return fmt.Errorf("notify: %s: %w", typ, err)
	}
	return nil
}
