package authn

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// The length of a user code in characters. CIBA Core §7.1 (user_code).
const (
	MinUserCode = 4
	MaxUserCode = 64
)

// The limits of guessing a user code. Nobody is asked by a guess, so that nothing but these stands between a client and a
// code of four digits.
const (
	codeGuesses       = 5   // of one person's by one client within codeWindow
	codeGuessesClient = 100 // of everybody's by one client within codeWindow
	codeGuessesPerson = 50  // of one person's by all clients within a day
	codeWindow        = time.Hour
)

// A user code is what a person tells those whom they let ask them by back channel. It is kept as argon2id of it, as
// passwords are, and that is sealed: so short a secret would fall at once to whoever has the hash alone, however slow it
// is, so that the key is needed as well, and with both each guess still costs its time.
func codePurpose(user ident.UserID) string { return "authn.user_code/" + string(user) }

// UserCodeAt is when user set their user code; the zero time where they have none.
func (s *Service) UserCodeAt(ctx context.Context, user ident.UserID) (time.Time, error) {
	if s.approvers == nil {
		return time.Time{}, nil
	}
	_, at, err := s.approvers.UserCode(ctx, user)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return time.Time{}, fmt.Errorf("authn: user code: %w", err)
	}
	return at, nil
}

// SetUserCode gives u another user code, or the first one. WeakPassword says why code cannot be one; ErrOff where there are no
// approvers. The caller has checked the person (CheckChange), and tells the owner.
func (s *Service) SetUserCode(ctx context.Context, u User, code string, env ident.Env) error {
	if s.approvers == nil {
		return ErrOff
	}
	text, err := s.fitCode(u, code)
	if err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, text)
	if err != nil {
		return err
	}
	sealed, err := s.sealer.Seal(codePurpose(u.ID), []byte(hash))
	if err != nil {
		return fmt.Errorf("authn: user code: %w", err)
	}
	return s.putCode(ctx, u.ID, "user_code.set", sealed, env)
}

// RemoveUserCode takes the user code of user away: clients that need one cannot ask them any more.
func (s *Service) RemoveUserCode(ctx context.Context, user ident.UserID, env ident.Env) error {
	if s.approvers == nil {
		return ErrOff
	}
	return s.putCode(ctx, user, "user_code.removed", nil, env)
}

func (s *Service) putCode(ctx context.Context, user ident.UserID, typ string, sealed []byte, env ident.Env) error {
	if err := s.audit.Record(ctx, event(typ, audit.OK, "", user, "", env)); err != nil {
		return fmt.Errorf("authn: user code: %w", err)
	}
	if err := s.approvers.PutUserCode(ctx, user, sealed, s.now().UTC().Truncate(time.Microsecond)); err != nil {
		return fmt.Errorf("authn: user code: %w", err)
	}
	return nil
}

// fitCode is code as it is hashed; WeakPassword where it cannot be one.
func (s *Service) fitCode(u User, code string) (string, error) {
	text, ok := s.normalise(code)
	switch {
	case utf8.RuneCountInString(text) < MinUserCode && (ok || code == ""):
		return "", WeakPassword{Codes: []string{TooShort}}
	case !ok, !plainText(text, MaxUserCode):
		return "", WeakPassword{Codes: []string{TooLong}}
	}
	plain := fold(text)
	if s.block.has(plain) || patterned(plain) {
		return "", WeakPassword{Codes: []string{Common}}
	}
	if mostly(plain, s.contextOf(u)) {
		return "", WeakPassword{Codes: []string{ContainsIdentifier}}
	}
	return text, nil
}

// CheckUserCode says whether code is the user code of user, whom client names by hint; user is "" where that names nobody.
// ErrWrong is the one answer to a wrong code, to one of somebody who has none, to one of nobody, each after the same work,
// and to any that comes after too many of these; ErrBusy. CIBA Core §7.1, §13.
func (s *Service) CheckUserCode(ctx context.Context, user ident.UserID, hint, code string, client ident.ClientID, env ident.Env) error {
	if s.approvers == nil {
		return ErrWrong
	}
	who := string(user)
	if who == "" {
		who = "?" + NormalizeIdentifier(hint)
	}
	over, first, back, err := s.countCode(ctx, who, client)
	if err != nil {
		return err
	}
	if over {
		return s.wrongCode(ctx, first, "user_code.throttled", audit.Denied, user, client, env)
	}
	want, usable, err := s.codeOf(ctx, user)
	if err != nil {
		return err
	}
	text, ok := s.normalise(code)
	same, err := s.hasher.compare(ctx, text, want)
	if err != nil {
		return errors.Join(err, back())
	}
	if !same || !usable || !ok {
		return s.wrongCode(ctx, true, "user_code.failed", audit.Failed, user, client, env)
	}
	if err := back(); err != nil {
		return err
	}
	if err := s.audit.Record(ctx, event("user_code.verified", audit.OK, "", user, client, env)); err != nil {
		return fmt.Errorf("authn: user code: %w", err)
	}
	return nil
}

// codeOf is what a code of user is compared with, and whether it can be right.
func (s *Service) codeOf(ctx context.Context, user ident.UserID) (phc, bool, error) {
	sealed, _, err := s.approvers.UserCode(ctx, user)
	if errors.Is(err, store.ErrNotFound) {
		return s.hasher.dummy, false, nil
	}
	var plain []byte
	if err == nil {
		plain, err = s.sealer.Open(codePurpose(user), sealed)
	}
	var want phc
	if err == nil {
		want, err = parsePHC(string(plain))
	}
	if err != nil {
		return phc{}, false, fmt.Errorf("authn: user code: %w", err)
	}
	return want, true, nil
}

// countCode counts a guess before it is looked at, so that parallel ones cannot share a look; back takes it back. first
// says that it is the first one over a limit.
func (s *Service) countCode(ctx context.Context, who string, client ident.ClientID) (over, first bool, back func() error, err error) {
	budgets := []struct {
		name   string
		max    int64
		window time.Duration
	}{
		{name("code", who, string(client)), codeGuesses, codeWindow},
		{name("code-person", who), codeGuessesPerson, 24 * time.Hour},
		{name("code-client", string(client)), codeGuessesClient, codeWindow},
	}
	for _, b := range budgets {
		n, err := s.counters.Add(ctx, b.name, 1, b.window)
		if err != nil {
			return false, false, nil, fmt.Errorf("authn: user code: %w", err)
		}
		over, first = over || n > b.max, first || n == b.max+1
	}
	return over, first, func() error {
		var errs []error
		for _, b := range budgets {
			_, err := s.counters.Add(context.WithoutCancel(ctx), b.name, -1, b.window)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}, nil
}

// wrongCode tells the trail, where it is to, and refuses.
func (s *Service) wrongCode(ctx context.Context, tell bool, typ string, outcome audit.Outcome, user ident.UserID, client ident.ClientID, env ident.Env) error {
	if tell {
		e := event(typ, outcome, "", user, client, env)
		e.Actor = "client"
		if err := s.audit.Record(ctx, e); err != nil {
			return fmt.Errorf("authn: user code: %w", err)
		}
	}
	return ErrWrong
}
