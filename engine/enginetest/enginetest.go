// Package enginetest is the exam that every storage engine sits: each method of each Store interface
// against the words above it, alone and under contention, and two state machines against models.
// It also starts the private PostgreSQL and Redis servers that the exam needs.
// It never fakes a store, and the product never imports it.
//
// Where the interfaces leave a choice, the exam makes it:
//   - something is expired from the instant of its expiry on (now >= exp);
//   - time is the clock that the engine was opened with, never the engine's own;
//   - times come back in UTC, exact to the microsecond; empty and nil lists are the same;
//   - order by ID is order by bytes, whatever the locale of a database;
//   - usernames and e-mail addresses are one space: nobody's username may be another's address.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// Engine is everything that a complete engine keeps.
type Engine interface {
	store.Ephemeral
	store.Counters
	audit.Store
	keys.Store
	authn.Store
	authn.PasskeyStore
	authn.RecoveryStore
	authn.ApproverStore
	riskstep.Store
	sessions.Store
	sessions.KeyStore
	notify.Store
	oauth.GrantStore
	oauth.ConsentStore
	oauth.RegistryStore
	oauth.LogoutStore
	oauth.DeliveryStore
	oauth.RevocationStore
}

// Run examines a complete engine. open is called once for every part: it returns an empty engine that tells
// the time by now, and closes it in t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) Engine) {
	t.Run("Ephemeral", func(t *testing.T) {
		RunEphemeral(t, func(t *testing.T, now func() time.Time) store.Ephemeral { return open(t, now) })
	})
	t.Run("Counters", func(t *testing.T) {
		RunCounters(t, func(t *testing.T, now func() time.Time) store.Counters { return open(t, now) })
	})
	for _, section := range []struct {
		name  string
		parts []part[Engine]
	}{
		{"Audit", auditParts}, {"Keys", keyParts}, {"Users", userParts}, {"Factors", factorParts}, {"Risk", riskParts},
		{"Sessions", sessionParts}, {"Grants", grantParts}, {"Consents", consentParts},
		{"Registry", registryParts}, {"Revocation", revocationParts}, {"Log", logParts}, {"Mail", mailParts}, {"Logout", logoutParts}, {"Deliveries", deliveryParts},
		{"Approvers", approverParts}, {"Device keys", deviceKeyParts},
	} {
		t.Run(section.name, func(t *testing.T) { sit(t, open, section.parts) })
	}
}

// RunEphemeral examines an engine for what is short-lived; open is as in Run. A server that expires keys by a
// clock of its own (Redis) must do so late, and still answer by now.
func RunEphemeral(t *testing.T, open func(t *testing.T, now func() time.Time) store.Ephemeral) {
	sit(t, open, ephemeralParts)
}

// RunCounters examines an engine for counters; open is as in Run.
func RunCounters(t *testing.T, open func(t *testing.T, now func() time.Time) store.Counters) {
	sit(t, open, counterParts)
}

// part is one question of the exam.
type part[E any] struct {
	name string
	ask  func(*room[E])
}

// room is where one question is asked: an engine of its own and a clock that only the question moves.
type room[E any] struct {
	*testing.T
	ctx   context.Context
	clock *clock
	e     E
}

func sit[E any](t *testing.T, open func(*testing.T, func() time.Time) E, parts []part[E]) {
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			c := newClock()
			p.ask(&room[E]{T: t, ctx: t.Context(), clock: c, e: open(t, c.now)})
		})
	}
}

// clock stands still until it is moved.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Date(2031, 2, 3, 4, 5, 6, 789012000, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time               { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) in(d time.Duration) time.Time { return c.now().Add(d) }
func (c *clock) advance(d time.Duration)      { c.micros.Add(d.Microseconds()) }

// tb is what *testing.T and *rapid.T share and the helpers need.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func get[V any](v V, err error) func(t tb) V {
	return func(t tb) V {
		t.Helper()
		must(t, err)
		return v
	}
}

// refuse demands an error that is want; a nil want demands any error.
func refuse(t tb, what string, err, want error) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatalf("%s: no error, want %v", what, want)
	case want != nil && !errors.Is(err, want):
		t.Fatalf("%s: error %q, want %q", what, err, want)
	}
}

// together runs f(0) … f(n-1) at the same moment and waits for all of them.
func together(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-gate
			f(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
}

// contest runs n contestants at the same moment: exactly one may return nil, all others must return lose.
func contest(t tb, what string, n int, lose error, f func(i int) error) (winner int) {
	t.Helper()
	errs := make([]error, n)
	together(n, func(i int) { errs[i] = f(i) })
	winner = -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("%s: contestants %d and %d both won", what, winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, lose):
			t.Fatalf("%s: contestant %d got %q, want %q", what, i, err, lose)
		}
	}
	if winner < 0 {
		t.Fatalf("%s: nobody won", what)
	}
	return winner
}

var serial atomic.Int64

// name returns an identifier that nothing else in this process uses.
func name(kind string) string { return fmt.Sprintf("%s-%d", kind, serial.Add(1)) }
