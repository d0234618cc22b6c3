package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// ApprovedProof is the proof of the request with handle, once, to who asked it with bind, within ProofLife of the approval.
// ErrNoApproval, also for a second time; Unapproved where it is not approved (yet).
func (s *Service) ApprovedProof(ctx context.Context, handle, bind string) (Proof, error) {
	r, _, err := s.settled(ctx, handle)
	if err != nil {
		return Proof{}, err
	}
	switch {
	case !r.boundTo(bind):
		return Proof{}, ErrNoApproval
	case r.State != ApprovalApproved:
		return Proof{}, Unapproved{r.State}
	}
	u, err := s.users.User(ctx, r.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return Proof{}, ErrNoApproval
	}
	if err != nil {
		return Proof{}, fmt.Errorf("authn: approved: %w", err)
	}
	// The approver may have been removed since: what it said then counts no more.
	if _, err := s.ownApprover(ctx, r.User, r.Approver); errors.Is(err, store.ErrNotFound) {
		return Proof{}, ErrNoApproval
	} else if err != nil {
		return Proof{}, err
	}
	if err := s.audit.Record(ctx, r.event("approval.redeemed", audit.OK, "", ident.Env{})); err != nil {
		return Proof{}, fmt.Errorf("authn: approved: %w", err)
	}
	_, err = s.eph.Take(ctx, store.KeyOf(approvalKind, handle)) // approved is final: it is what was read
	if errors.Is(err, store.ErrTaken) || errors.Is(err, store.ErrNotFound) {
		return Proof{}, ErrNoApproval
	}
	if err != nil {
		return Proof{}, fmt.Errorf("authn: approved: %w", err)
	}
	p, err := s.proveAs(u, hasApproval)
	if err != nil {
		return Proof{}, err
	}
	p.from, p.at, p.suspect = r.Decided, r.Decided, r.Suspect
	if err := (&attempt{t: s.throttle, account: string(u.ID), device: r.Device}).remember(ctx); err != nil {
		return Proof{}, err
	}
	return p, s.outrank(ctx, u, p, ident.Env{Device: r.Device})
}
