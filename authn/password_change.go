package authn

import (
	"context"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
)

// ChangePassword gives user the password next, after they showed current once more; who has none yet shows nothing.
// ErrWrong, Throttled and ErrBusy as with Password; WeakPassword says why next is refused. It ends no session: the
// caller does, with sessions.Manager.EndAll, and tells the owner.
func (s *Service) ChangePassword(ctx context.Context, user ident.UserID, current, next string, env ident.Env) (User, error) {
	if !s.policy.Password {
		return User{}, ErrOff
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return User{}, fmt.Errorf("authn: change password: %w", err)
	}
	if u.PasswordHash == "" {
		return s.SetPassword(ctx, u, next)
	}
	p, err := s.Password(ctx, Attempt{Identifier: u.Username, Password: current, Env: env})
	if err != nil {
		return User{}, err
	}
	if p.user != u.ID { // the name went to somebody else in between
		return User{}, ErrWrong
	}
	a, _ := s.normalise(current)
	b, _ := s.normalise(next)
	if a == b {
		return User{}, WeakPassword{Codes: []string{Unchanged}}
	}
	if u, err = s.users.User(ctx, user); err != nil { // its hash may have been renewed
		return User{}, fmt.Errorf("authn: change password: %w", err)
	}
	return s.SetPassword(ctx, u, next)
}

// RemovePassword takes the password away from user, who signs in with a passkey instead; ErrLast where they have none,
// ErrOff where they have no password. The caller has seen a StepUp before.
func (s *Service) RemovePassword(ctx context.Context, user ident.UserID, env ident.Env) (User, error) {
	u, err := s.users.User(ctx, user)
	if err != nil {
		return User{}, fmt.Errorf("authn: remove password: %w", err)
	}
	if u.PasswordHash == "" {
		return User{}, ErrOff
	}
	f, err := s.Factors(ctx, user)
	if err != nil {
		return User{}, err
	}
	if f.Passkeys == 0 {
		return User{}, ErrLast
	}
	if err := s.audit.Record(ctx, event("password.removed", audit.OK, "", u.ID, "", env)); err != nil {
		return User{}, fmt.Errorf("authn: remove password: %w", err)
	}
	u.PasswordHash, u.UpdatedAt = "", s.now().UTC()
	if err := s.users.PutUser(ctx, u); err != nil {
		return User{}, fmt.Errorf("authn: remove password: %w", err)
	}
	return u, nil
}

// leaked says whether password is on the breach list. A list that cannot be read says nothing, and what is unknown is
// never safe: it counts as leaked, which asks for more and never locks out.
func (s *Service) leaked(password string) bool {
	yes, err := s.breaches.has(password)
	return yes || err != nil
}
