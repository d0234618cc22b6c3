package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Reached is the rung that the session holds at now: what a step-up reached while it lasts, otherwise
// what the sign-in reached; None once the session is over.
func (s Session) Reached(now time.Time) ident.Assurance {
	if !s.live(now) {
		return ident.None
	}
	if now.Before(s.RaisedUntil) {
		return max(s.Assurance, s.Raised)
	}
	return s.Assurance
}

func (s Session) live(now time.Time) bool {
	return s.ID != "" && s.EndedAt.IsZero() && now.Before(s.IdleUntil) && now.Before(s.ExpiresAt)
}

// Check returns the session of a cookie. newCookie is "" where the cookie stays as it is, and its new
// value where its secret was old enough to change. ErrNone for anything wrong. The secret before the
// last change works for Policy.PrevGrace, on the same device. ErrKeyMissing and ErrOtherKey come with the session: it is
// bound to a key, and the request does not prove it, or proves another. ErrElsewhere comes with the session too: it is used in a
// way that only a new proof allows.
func (m *Manager) Check(ctx context.Context, cookie string, env ident.Env) (s Session, newCookie string, err error) {
	ctx, end := span.Start(ctx, "sessions.Check")
	defer func() { end(err) }()
	id, secret, ok := splitCookie(cookie)
	if !ok {
		return Session{}, "", ErrNone
	}
	given := hashOf(secret)
	for range 4 {
		now := m.time()
		if s, err = m.Alive(ctx, id); err != nil {
			return Session{}, "", err
		}
		current := matches(given, s.SecretHash)
		previous := matches(given, s.PrevHash) && now.Before(s.PrevUntil) && env.Device == s.Device
		if !current && !previous {
			return Session{}, "", ErrNone
		}
		if err := s.shownBy(env); err != nil { // before anything is written: a thief must not renew what they cannot use
			return s, "", err
		}
		next := s
		moved, err := m.elsewhere(ctx, &next, env)
		if err != nil {
			return s, "", err
		}
		changed := seen(&next, now) || moved
		if changed && m.locate != nil {
			next.usedAt(m.locate(env.IP))
		}
		if current && now.Sub(s.PrevUntil.Add(-m.policy.PrevGrace)) >= m.policy.RotateEvery {
			if secret, err = m.random(secretBytes); err != nil {
				return Session{}, "", err
			}
			m.rotate(&next, secret, now)
			changed, newCookie = true, string(id)+"."+secret
			if err := m.record(ctx, "session.rotated", "", next, env, nil); err != nil {
				return Session{}, "", err
			}
		}
		if !changed {
			return s, "", nil
		}
		err = m.store.UpdateSession(ctx, next)
		if err == nil {
			next.Version++
			return next, newCookie, nil
		}
		if !errors.Is(err, store.ErrStale) {
			return Session{}, "", fmt.Errorf("sessions: check: %w", err)
		}
		newCookie = "" // somebody else wrote: look again
	}
	return Session{}, "", fmt.Errorf("sessions: check: %w", store.ErrStale)
}

// seen moves LastSeen and IdleUntil where they are a minute old. How long the session may idle is
// what stands between the two.
func seen(s *Session, now time.Time) bool {
	if now.Sub(s.LastSeen) < seenEvery {
		return false
	}
	s.IdleUntil = now.Add(s.IdleUntil.Sub(s.LastSeen))
	s.LastSeen = now
	return true
}

// Alive returns the session with id if it is live; ErrNone.
func (m *Manager) Alive(ctx context.Context, id ident.SessionID) (Session, error) {
	s, err := m.store.Session(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Session{}, ErrNone
	}
	if err != nil {
		return Session{}, fmt.Errorf("sessions: read: %w", err)
	}
	if !s.live(m.time()) {
		return Session{}, ErrNone
	}
	return s, nil
}

// Touch says that the session is in use, as when one of its refresh tokens is; ErrNone. The place of use stays: whoever
// redeems a refresh token may be a server far from the person.
func (m *Manager) Touch(ctx context.Context, id ident.SessionID) error {
	s, err := m.Alive(ctx, id)
	if err != nil {
		return err
	}
	if !seen(&s, m.time()) {
		return nil
	}
	err = m.store.UpdateSession(ctx, s)
	if err != nil && !errors.Is(err, store.ErrStale) { // stale: somebody else has just used it, or ended it
		return fmt.Errorf("sessions: touch: %w", err)
	}
	return nil
}

// List returns the live sessions of user, newest first.
func (m *Manager) List(ctx context.Context, user ident.UserID) ([]Session, error) {
	now := m.time()
	all, err := m.store.SessionsOf(ctx, user, now)
	if err != nil {
		return nil, fmt.Errorf("sessions: list: %w", err)
	}
	live := all[:0]
	for _, s := range all {
		if s.live(now) {
			live = append(live, s)
		}
	}
	return live, nil
}

// End ends the session and all that derives from it, for reason, a code. ErrNone where it is not
// there or had ended before.
func (m *Manager) End(ctx context.Context, id ident.SessionID, reason string) error {
	s, err := m.store.Session(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.EndedAt.IsZero() {
		return ErrNone
	}
	if err != nil {
		return fmt.Errorf("sessions: end: %w", err)
	}
	if err := m.record(ctx, "session.ended", reason, s, ident.Env{}, nil); err != nil {
		return err
	}
	ended, err := m.store.EndSession(ctx, id, m.time(), reason)
	if err != nil {
		return fmt.Errorf("sessions: end: %w", err)
	}
	if !ended {
		return ErrNone
	}
	return nil
}

// EndAll ends all live sessions of user except keep, which may be "", with all that derives from
// them, and returns their ids. With keep "" nothing of the user is left, offline access included.
func (m *Manager) EndAll(ctx context.Context, user ident.UserID, keep ident.SessionID, reason string) ([]ident.SessionID, error) {
	who := Session{User: user, ID: keep}
	if err := m.record(ctx, "session.all_ended", reason, who, ident.Env{}, nil); err != nil {
		return nil, err
	}
	ids, err := m.store.EndSessionsOf(ctx, user, keep, m.time(), reason)
	if err != nil {
		return nil, fmt.Errorf("sessions: end all: %w", err)
	}
	return ids, nil
}
