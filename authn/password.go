package authn

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Attempt is one try to sign in by password.
type Attempt struct {
	Identifier string // as typed
	Password   string // as typed
	Env        ident.Env
	Client     ident.ClientID
}

// Password returns the proof of a person who knows their password. ErrWrong for an unknown person, a
// wrong password and a disabled account alike, after the same work; ErrOff where passwords are
// switched off; ErrBusy where too many wait; Throttled. NIST SP 800-63B-4 §3.1.1, §3.2.2.
func (s *Service) Password(ctx context.Context, a Attempt) (_ Proof, err error) {
	ctx, end := span.Start(ctx, "authn.Password")
	defer func() { end(err) }()
	if !s.policy.Password {
		return Proof{}, ErrOff
	}
	identifier := NormalizeIdentifier(a.Identifier)
	u, err := s.find(ctx, identifier)
	if err != nil {
		return Proof{}, err
	}
	account := string(u.ID)
	if account == "" {
		account = "?" + identifier
	}
	password, typeable := s.normalise(a.Password)
	try, log, err := s.throttle.enter(ctx, guess{factor: "pwd", account: account, identifier: identifier, secret: password, env: a.Env})
	if err != nil {
		return Proof{}, s.refused(ctx, "password", log, err, u.ID, a.Client, a.Env)
	}
	defer try.leave()
	want, usable := s.hasher.dummy, false
	if h, err := parsePHC(u.PasswordHash); err == nil && !u.Disabled && typeable {
		want, usable = h, true
	}
	same, err := s.hasher.compare(ctx, password, want)
	if err != nil {
		try.abandon(ctx)
		return Proof{}, err
	}
	if !same || !usable {
		if err := try.fail(ctx); err != nil {
			return Proof{}, err
		}
		if err := s.audit.Record(ctx, event("password.failed", audit.Failed, "wrong", u.ID, a.Client, a.Env)); err != nil {
			return Proof{}, fmt.Errorf("authn: password: %w", err)
		}
		return Proof{}, ErrWrong
	}
	if err := s.audit.Record(ctx, event("password.verified", audit.OK, "", u.ID, a.Client, a.Env)); err != nil {
		return Proof{}, fmt.Errorf("authn: password: %w", err)
	}
	return s.known(ctx, u, password, want, try)
}

// known ends a right password: the budgets are emptied, an old hash is renewed, and who has no
// second factor is now known on this device.
func (s *Service) known(ctx context.Context, u User, password string, was phc, try *attempt) (Proof, error) {
	if err := try.succeed(ctx); err != nil {
		return Proof{}, err
	}
	if was.params != s.policy.Argon2 {
		if err := s.rehash(ctx, u, password); err != nil {
			return Proof{}, err
		}
	}
	f := hasPassword
	if s.secretsOf(u)&hasOTP != 0 {
		// Nobody is locked out by a policy that grew stricter: only where there is a second
		// factor to ask for is a short password not enough.
		if utf8.RuneCountInString(password) < s.policy.MinLengthSingle {
			f = hasShortPassword
		}
	} else if err := try.remember(ctx); err != nil {
		return Proof{}, err
	}
	p, err := s.proveAs(u, f)
	if err != nil {
		return Proof{}, err
	}
	p.breached = s.leaked(password)
	p.doubted, err = s.doubted(ctx, u)
	return p, err
}

// rehash renews the hash of u with the present costs, unless the password was changed meanwhile.
func (s *Service) rehash(ctx context.Context, u User, password string) error {
	hash, err := s.hasher.hash(ctx, password)
	if errors.Is(err, ErrBusy) {
		return nil // the next sign-in does it
	}
	if err != nil {
		return err
	}
	now, err := s.users.User(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("authn: rehash: %w", err)
	}
	if now.PasswordHash != u.PasswordHash {
		return nil
	}
	now.PasswordHash, now.UpdatedAt = hash, s.now().UTC()
	if err := s.audit.Record(ctx, audit.Event{Type: "password.rehashed", Outcome: audit.OK, Actor: "system", User: u.ID}); err != nil {
		return fmt.Errorf("authn: rehash: %w", err)
	}
	if err := s.users.PutUser(ctx, now); err != nil {
		return fmt.Errorf("authn: rehash: %w", err)
	}
	return nil
}

// find returns the person of a normalised identifier, or the zero User.
func (s *Service) find(ctx context.Context, identifier string) (User, error) {
	u, err := s.users.UserByIdentifier(ctx, identifier)
	if errors.Is(err, store.ErrNotFound) {
		return User{}, nil
	}
	if err != nil {
		return User{}, fmt.Errorf("authn: find: %w", err)
	}
	if identifier == "" {
		return User{}, nil
	}
	return u, nil
}

// refused records a throttled attempt where it is the first of its delay, and passes err on.
func (s *Service) refused(ctx context.Context, factor string, log bool, err error, user ident.UserID, client ident.ClientID, env ident.Env) error {
	if !log {
		return err
	}
	if rerr := s.audit.Record(ctx, event(factor+".throttled", audit.Denied, "throttled", user, client, env)); rerr != nil {
		return fmt.Errorf("authn: %s: %w", factor, rerr)
	}
	return err
}

// normalise returns password in NFKC, whole; false for what no password can be: not UTF-8, or
// longer than policy allows. SP 800-63B-4 §3.1.1.2 (normalisation, no truncation).
func (s *Service) normalise(password string) (string, bool) {
	if len(password) > utf8.UTFMax*s.policy.MaxLength || !utf8.ValidString(password) {
		return "", false
	}
	n := norm.NFKC.String(password)
	return n, n != "" && utf8.RuneCountInString(n) <= s.policy.MaxLength
}

// HashPassword returns the PHC string of password without judging it; ErrBusy, or the error of ctx.
func (s *Service) HashPassword(ctx context.Context, password string) (string, error) {
	n, ok := s.normalise(password)
	if !ok {
		return "", WeakPassword{Codes: []string{TooLong}}
	}
	return s.hasher.hash(ctx, n)
}

// SetPassword stores u, who may be new, with a new password; WeakPassword says why it is refused.
// It ends no session: the caller does, with sessions.Manager.EndAll.
func (s *Service) SetPassword(ctx context.Context, u User, password string) (User, error) {
	if err := s.CheckPassword(u, password); err != nil {
		return User{}, err
	}
	hash, err := s.HashPassword(ctx, password)
	if err != nil {
		return User{}, err
	}
	u.PasswordHash, u.UpdatedAt = hash, s.now().UTC()
	if u.CreatedAt.IsZero() {
		u.CreatedAt = u.UpdatedAt
	}
	if err := s.audit.Record(ctx, audit.Event{Type: "password.changed", Outcome: audit.OK, User: u.ID}); err != nil {
		return User{}, fmt.Errorf("authn: set password: %w", err)
	}
	if err := s.users.PutUser(ctx, u); err != nil {
		return User{}, fmt.Errorf("authn: set password: %w", err)
	}
	return u, nil
}
