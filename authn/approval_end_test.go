package authn_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
)

// Whenever within a decision the time of a request ends, whoever decides is told an outcome: never that it still waits.
func TestEndWithinDecision(t *testing.T) {
	a := newApproving(t)
	var left atomic.Int64 // looks at the clock before it jumps; below 0: it stands
	left.Store(-1)
	s, err := authn.New(authn.Options{Users: a.engine, Passkeys: a.engine, Approvers: a.engine, Ephemeral: a.engine, Counters: a.engine,
		Sealer: authntest.NewSealer(), Audit: a.trail, Policy: authn.Policy{Passkey: authn.PasskeyPolicy{RPID: authntest.RPID, RPName: "Postern", Origins: []string{authntest.Origin}}},
		Now: func() time.Time {
			if left.Load() > 0 && left.Add(-1) == 0 {
				a.clock.Advance(authn.ApprovalLife)
			}
			return a.clock.Now()
		}})
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for looks := int64(1); looks <= 12; looks++ {
		a.clock.Advance(time.Hour)
		left.Store(-1)
		handle, _, err := s.AskApproval(ctx, question())
		if err != nil {
			t.Fatal(err)
		}
		left.Store(looks)
		err = s.CancelApproval(ctx, handle, asker)
		left.Store(-1)
		last, bad := s.AskedApproval(ctx, handle, asker)
		if bad != nil || last.State == authn.ApprovalPending {
			t.Fatalf("%d looks: %s, %v", looks, last.State, bad)
		}
		_, lost := errors.AsType[authn.Unapproved](err)
		switch {
		case err == nil && last.State != authn.ApprovalCancelled, err != nil && (!lost || state(err) != last.State):
			t.Errorf("%d looks: told %v, and it is %s", looks, err, last.State)
		case lost:
			late++
		}
	}
	if late < 2 || late == 12 {
		t.Errorf("%d of 12 were late: the clock does not jump where it should", late)
	}
}
