package authn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// secondOf is the person whose second factor is asked for after first; ErrWrong where they may not sign in.
func (s *Service) secondOf(ctx context.Context, first Proof) (User, error) {
	u, err := s.users.User(ctx, first.user)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return User{}, fmt.Errorf("authn: second factor: %w", err)
	}
	if err != nil || u.Disabled {
		return User{}, ErrWrong
	}
	return u, nil
}

// guessed has check look at one guess of a code of u, within the budgets: it uses the code up and returns "", or says
// why it does not count. It returns the proof of that factor alone, and the attempt, which the caller leaves; ErrWrong,
// Throttled. The trail says what happened under the name of the factor.
func (s *Service) guessed(ctx context.Context, factor string, f factors, u User, env ident.Env, check func() (string, error)) (Proof, *attempt, error) {
	try, log, err := s.throttle.enter(ctx, guess{factor: factor, account: string(u.ID), identifier: string(u.ID), env: env, strict: f == hasRecovery})
	if err != nil {
		return Proof{}, nil, s.refused(ctx, factor, log, err, u.ID, "", env)
	}
	p, err := s.look(ctx, factor, f, u, env, try, check)
	if err != nil {
		try.leave()
		return Proof{}, nil, err
	}
	return p, try, nil
}

func (s *Service) look(ctx context.Context, factor string, f factors, u User, env ident.Env, try *attempt, check func() (string, error)) (Proof, error) {
	reason, err := check()
	if err != nil {
		try.abandon(ctx)
		return Proof{}, err
	}
	if reason != "" {
		if err := try.fail(ctx); err != nil {
			return Proof{}, err
		}
		if err := s.audit.Record(ctx, event(factor+".failed", audit.Failed, reason, u.ID, "", env)); err != nil {
			return Proof{}, fmt.Errorf("authn: %s: %w", factor, err)
		}
		return Proof{}, ErrWrong
	}
	if err := s.audit.Record(ctx, event(factor+".verified", audit.OK, "", u.ID, "", env)); err != nil {
		return Proof{}, fmt.Errorf("authn: %s: %w", factor, err)
	}
	if err := try.succeed(ctx); err != nil {
		return Proof{}, err
	}
	return s.proveAs(u, f)
}

// second adds p, of the second factor of u, to first. Both together are a sign-in that is stronger than the mailbox
// through which accounts are recovered.
func (s *Service) second(ctx context.Context, first, p Proof, u User, try *attempt, env ident.Env) (Proof, error) {
	both, err := first.With(p)
	if err != nil {
		return Proof{}, err
	}
	if both.factors.worth().assurance > first.factors.worth().assurance {
		if err := try.remember(ctx); err != nil {
			return Proof{}, err
		}
	}
	return both, s.outrank(ctx, u, both, env)
}

// proveAs makes the Proof of one factor of u shown now, with what has to be known of the account.
func (s *Service) proveAs(u User, f factors) (Proof, error) {
	p, err := s.prove(u.ID, f)
	p.recovered = !u.RecoveredAt.IsZero()
	return p, err
}

// restored ends the time after a recovery in which the account counts for one factor only: u has a new one.
func (s *Service) restored(ctx context.Context, u User) error {
	if u.RecoveredAt.IsZero() || ctx.Value(inRecovery{}) != nil {
		return nil
	}
	if err := s.audit.Record(ctx, audit.Event{Type: "recovery.restored", Outcome: audit.OK, Actor: "user", User: u.ID}); err != nil {
		return fmt.Errorf("authn: restored: %w", err)
	}
	now, err := s.users.User(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("authn: restored: %w", err)
	}
	now.RecoveredAt, now.UpdatedAt = time.Time{}, s.now().UTC()
	if err := s.users.PutUser(ctx, now); err != nil {
		return fmt.Errorf("authn: restored: %w", err)
	}
	return nil
}
