package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// StartRecovery has a link mailed to the person of identifier, if there is one whose address was verified. It answers the
// same in the same time whether there is or not: nil. Throttled where one network asks for many; ErrOff.
// A recovery that is under way goes on: the new link leads to it.
func (s *Service) StartRecovery(ctx context.Context, identifier string, env ident.Env) (err error) {
	ctx, end := span.Start(ctx, "authn.StartRecovery")
	defer func() { end(err) }()
	if s.policy.Recovery.Off {
		return ErrOff
	}
	n, err := s.throttle.counters.Add(ctx, name("recovery-prefix", ident.Network(env.IP)), 1, time.Hour)
	if err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	if n > linksAnHour {
		return s.refused(ctx, "recovery", n == linksAnHour+1, Throttled{RetryAfter: time.Hour}, "", "", env)
	}
	identifier = NormalizeIdentifier(identifier)
	u, err := s.find(ctx, identifier)
	if err != nil {
		return err
	}
	account := string(u.ID)
	if u.ID == "" {
		account = "?" + identifier
	}
	if n, err = s.throttle.counters.Add(ctx, name("recovery", account), 1, 24*time.Hour); err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	if u.Disabled || u.Email == "" || !u.EmailVerified || n > linksADay {
		u = User{}
	}
	return s.link(ctx, u, env)
}

// link makes a link to the recovery of u, which it begins where there is none. For the zero User it makes as much, that
// leads nowhere and is told to nobody.
func (s *Service) link(ctx context.Context, u User, env ident.Env) error {
	now := s.now().UTC()
	secret, err := s.random(32)
	if err != nil {
		return err
	}
	r, at, err := s.recoveryOf(ctx, u.ID)
	if err != nil {
		return err
	}
	if u.ID == "" { // the record of nobody: a place of its own each time
		at = place{key: store.KeyOf(recoveryKind, secret)}
	}
	fresh := r.ID == ""
	if fresh || r.Step == RecoveryRequested {
		if fresh {
			if r.ID, err = s.random(16); err != nil {
				return err
			}
		}
		r = Recovery{ID: r.ID, User: u.ID, Step: RecoveryRequested, OpenBy: now.Add(RecoveryOpenWithin)}
	}
	v, err := json.Marshal(pointer{User: u.ID, ID: r.ID})
	if err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	news := RecoveryNews{Step: RecoveryRequested, ID: r.ID, Secret: secret, ReadyAt: now.Add(s.policy.Recovery.Cooldown), Env: env}
	if r.Step != RecoveryRequested {
		news.ReadyAt = r.ReadyAt
	}
	if err := s.told(ctx, u, "", news); err != nil {
		return err
	}
	life := RecoveryOpenWithin + s.policy.Recovery.Cooldown + RecoverySetWithin
	if err := s.eph.Put(ctx, store.KeyOf(recoveryLink, secret), v, now.Add(life)); err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	if _, err := s.move(ctx, at, r); err != nil && !errors.Is(err, ErrNoRecovery) { // somebody asked at the same time: one link works
		return err
	}
	return nil
}

// RecoveryStatus returns the recovery that the link with secret leads to and changes nothing: scanners of mail follow
// links. ErrNoRecovery.
func (s *Service) RecoveryStatus(ctx context.Context, secret string) (Recovery, error) {
	r, _, _, err := s.behind(ctx, secret)
	return r, err
}

// PendingRecovery returns the live recovery of user, for the pages of who is signed in; ErrNoRecovery.
func (s *Service) PendingRecovery(ctx context.Context, user ident.UserID) (Recovery, error) {
	r, _, err := s.recoveryOf(ctx, user)
	if err == nil && r.ID == "" {
		err = ErrNoRecovery
	}
	return r, err
}

// OpenRecovery begins the wait: who holds the link pressed the button. Opened already, it returns how far it is.
// ErrNoRecovery.
func (s *Service) OpenRecovery(ctx context.Context, secret string, env ident.Env) (Recovery, error) {
	r, at, u, err := s.behind(ctx, secret)
	if err != nil || r.Step != RecoveryRequested {
		return r, err
	}
	r.Step, r.ReadyAt = RecoveryOpened, s.now().UTC().Add(s.policy.Recovery.Cooldown)
	r.EndsAt = r.ReadyAt.Add(RecoverySetWithin)
	if err := s.told(ctx, u, "", RecoveryNews{Step: RecoveryOpened, ID: r.ID, Secret: secret, ReadyAt: r.ReadyAt, Env: env}); err != nil {
		return Recovery{}, err
	}
	_, err = s.move(ctx, at, r)
	return r, err
}

// ShowForRecovery ends the wait of an opened recovery at once for who shows a code of their authenticator app or a
// recovery code, which is used up: with the link that is what NIST SP 800-63B-4 §4.2.2.2 asks for. ErrWrong; Throttled;
// ErrNoRecovery.
func (s *Service) ShowForRecovery(ctx context.Context, secret, code string, env ident.Env) (Recovery, error) {
	r, at, u, err := s.behind(ctx, secret)
	if err != nil {
		return Recovery{}, err
	}
	if r.Step != RecoveryOpened {
		return Recovery{}, ErrNoRecovery
	}
	p, try, err := s.anyCode(ctx, u, code, env)
	if err != nil {
		return Recovery{}, err
	}
	defer try.leave()
	return s.shown(ctx, r, at, u, p, env)
}

// anyCode takes code for one of the authenticator app where it is as long as one, and for a recovery code otherwise.
func (s *Service) anyCode(ctx context.Context, u User, code string, env ident.Env) (Proof, *attempt, error) {
	p, try, err := Proof{}, (*attempt)(nil), ErrOff
	if len(normaliseRecovery(code)) == codeLength {
		p, try, err = s.takeRecoveryCode(ctx, u, code, env)
	} else if len(u.TOTP) > 0 {
		p, try, err = s.takeOTP(ctx, u, code, env)
	}
	if errors.Is(err, ErrOff) {
		err = ErrWrong
	}
	return p, try, err
}

// ProveForRecovery is ShowForRecovery for who can still sign in in part, with more than a password: a security key that
// does not verify its user, say. ErrCombine for a proof that is not fresh, not theirs or of a password only.
func (s *Service) ProveForRecovery(ctx context.Context, secret string, p Proof, env ident.Env) (Recovery, error) {
	r, at, u, err := s.behind(ctx, secret)
	if err != nil {
		return Recovery{}, err
	}
	if r.Step != RecoveryOpened {
		return Recovery{}, ErrNoRecovery
	}
	if !p.Fresh(s.now()) || p.user != u.ID || p.factors&^(hasPassword|hasShortPassword) == 0 {
		return Recovery{}, ErrCombine
	}
	return s.shown(ctx, r, at, u, p, env)
}

func (s *Service) shown(ctx context.Context, r Recovery, at place, u User, p Proof, env ident.Env) (Recovery, error) {
	now := s.now().UTC()
	r.Shown, r.EndsAt = true, now.Add(RecoverySetWithin)
	if r.ReadyAt.After(now) {
		r.ReadyAt = now
	}
	e := event("recovery.proved", audit.OK, p.methods(), u.ID, "", env)
	e.Data = map[string]string{"recovery": r.ID}
	if err := s.audit.Record(ctx, e); err != nil {
		return Recovery{}, fmt.Errorf("authn: recovery: %w", err)
	}
	_, err := s.move(ctx, at, r)
	return r, err
}

// Recovered is the end of a recovery.
type Recovered struct {
	User    User
	Before  Factors // what the person could show before, to be looked through: some of it may be lost or known to others
	Lowered bool    // no factor was shown: until a new one is added the account counts for one factor only
}

// CompleteRecovery has set make the new credential of u, once: while it runs nobody else can, and if it fails the
// recovery goes on as before. Afterwards the recovery is over. The caller then ends all sessions. ErrTooEarly;
// ErrNoRecovery; the error of set. Where no factor was shown, every proof of the person reaches AAL1 at most until
// they add one, and says Recovered.
func (s *Service) CompleteRecovery(ctx context.Context, secret string, env ident.Env, set func(context.Context, User) (User, error)) (_ Recovered, err error) {
	ctx, end := span.Start(ctx, "authn.CompleteRecovery")
	defer func() { end(err) }()
	r, at, u, err := s.behind(ctx, secret)
	if err != nil {
		return Recovered{}, err
	}
	if !r.Ready(s.now()) {
		return Recovered{}, ErrTooEarly
	}
	before, err := s.Factors(ctx, u.ID)
	if err != nil {
		return Recovered{}, err
	}
	open := r
	r.Step = RecoverySetting
	if at, err = s.move(ctx, at, r); err != nil {
		return Recovered{}, err
	}
	out, err := s.setRecovered(ctx, r, u, env, set)
	if err != nil {
		// Whoever has gone away meanwhile: the recovery goes on. Where even that fails it is lost, and another can begin.
		_, _ = s.move(context.WithoutCancel(ctx), at, open)
		return Recovered{}, err
	}
	out.Before = before
	r.Step = RecoveryDone
	if _, err := s.move(context.WithoutCancel(ctx), at, r); err != nil && !errors.Is(err, ErrNoRecovery) { // another began meanwhile
		return Recovered{}, err
	}
	return out, nil
}

// inRecovery marks the context in which a recovery sets a credential: that is no new factor beside it.
type inRecovery struct{}

// setRecovered lowers the account, tells its owner, and only then lets the new credential be made.
func (s *Service) setRecovered(ctx context.Context, r Recovery, u User, env ident.Env, set func(context.Context, User) (User, error)) (Recovered, error) {
	reason := "waited"
	if r.Shown {
		reason = "factor"
	}
	was := u.RecoveredAt
	if !r.Shown {
		u.RecoveredAt, u.UpdatedAt = s.now().UTC(), s.now().UTC()
		if err := s.users.PutUser(ctx, u); err != nil {
			return Recovered{}, fmt.Errorf("authn: recovery: %w", err)
		}
	}
	made, err := set(context.WithValue(ctx, inRecovery{}, true), u)
	if err != nil {
		u.RecoveredAt = was
		if perr := s.users.PutUser(context.WithoutCancel(ctx), u); perr != nil {
			return Recovered{}, fmt.Errorf("authn: recovery: %w", errors.Join(err, perr))
		}
		return Recovered{}, err
	}
	if err := s.told(ctx, u, reason, RecoveryNews{Step: RecoveryDone, ID: r.ID, Env: env}); err != nil {
		return Recovered{}, err
	}
	return Recovered{User: made, Lowered: !r.Shown}, nil
}

// RecoverPassword completes a recovery with a new password; WeakPassword says why it is refused.
func (s *Service) RecoverPassword(ctx context.Context, secret, password string, env ident.Env) (Recovered, error) {
	if !s.policy.Password {
		return Recovered{}, ErrOff
	}
	return s.CompleteRecovery(ctx, secret, env, func(ctx context.Context, u User) (User, error) {
		return s.SetPassword(ctx, u, password)
	})
}

// CancelRecovery stops the recovery of user that is under way, for by: "session", "notice", "factor". It returns whether
// there was one.
func (s *Service) CancelRecovery(ctx context.Context, user ident.UserID, by string, env ident.Env) (bool, error) {
	u, err := s.users.User(ctx, user)
	if err != nil {
		return false, fmt.Errorf("authn: recovery: %w", err)
	}
	return s.cancel(ctx, u, by, env)
}

// CancelRecoveryBy stops the recovery that the link with secret leads to; ErrNoRecovery.
func (s *Service) CancelRecoveryBy(ctx context.Context, secret string, env ident.Env) error {
	_, _, u, err := s.behind(ctx, secret)
	if err != nil {
		return err
	}
	_, err = s.cancel(ctx, u, "link", env)
	return err
}

func (s *Service) cancel(ctx context.Context, u User, by string, env ident.Env) (bool, error) {
	for range 8 { // while somebody else makes a step
		r, at, err := s.recoveryOf(ctx, u.ID)
		if err != nil || r.ID == "" {
			return false, err
		}
		if err := s.told(ctx, u, by, RecoveryNews{Step: RecoveryCancelled, ID: r.ID, Env: env}); err != nil {
			return false, err
		}
		r.Step = RecoveryCancelled
		if _, err := s.move(ctx, at, r); !errors.Is(err, ErrNoRecovery) {
			return err == nil, err
		}
	}
	return false, ErrBusy
}

// outrank stops a recovery of u once p shows that they can sign in with more than a mailbox and a password.
func (s *Service) outrank(ctx context.Context, u User, p Proof, env ident.Env) error {
	if p.factors.worth().assurance < ident.AAL2 {
		return nil
	}
	_, err := s.cancel(ctx, u, "factor", env)
	return err
}
