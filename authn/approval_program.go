package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// DecidedByProgram lets a program decide the request with handle in the place of a person: for tests, where nobody is there
// who could. It is ErrOff unless Policy.ProgramDecisions is set. bind is that of who asked; by is the client that decides.
// Where it allows, the proof is of one factor that no person ever shows (AAL1, without a method), so that whatever a
// client or a policy asks of people is not met by it. ErrNoApproval; Unapproved where it was decided before.
func (s *Service) DecidedByProgram(ctx context.Context, handle, bind string, allow bool, by ident.ClientID, env ident.Env) (Proof, error) {
	if !s.policy.ProgramDecisions {
		return Proof{}, ErrOff
	}
	r, _, err := s.settled(ctx, handle)
	if err != nil {
		return Proof{}, err
	}
	if !r.boundTo(bind) || r.Kind != ApproveBackchannel {
		return Proof{}, ErrNoApproval
	}
	u, err := s.users.User(ctx, r.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return Proof{}, ErrNoApproval
	}
	if err != nil {
		return Proof{}, fmt.Errorf("authn: program: %w", err)
	}
	d, outcome := decision{to: ApprovalDenied, by: string(by)}, audit.Denied
	if allow {
		d.to, outcome = ApprovalApproved, audit.OK
	}
	d.event = r.event("approval.decided_by_program", outcome, string(d.to), env)
	d.event.Actor, d.event.Data["by"] = "client", string(by)
	if _, err := s.decide(ctx, handle, d); err != nil || !allow {
		return Proof{}, err
	}
	if _, err := s.eph.Take(ctx, store.KeyOf(approvalKind, handle)); err != nil {
		return Proof{}, fmt.Errorf("authn: program: %w", err)
	}
	return s.proveAs(u, hasProgram)
}
