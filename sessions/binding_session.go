package sessions

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// shownBy says whether a request from env may use s: one that is bound to a key only comes with a current proof of that
// key. ErrKeyMissing where there is none, ErrOtherKey where it is another's.
func (s Session) shownBy(env ident.Env) error {
	switch {
	case s.Snapshot.Key == "" || s.Snapshot.Key == env.KeyID:
		return nil
	case env.KeyID == "":
		return ErrKeyMissing
	}
	return ErrOtherKey
}

// bind makes to the key of s, in one act of the store: of two that race, one wins, and the other finds another key.
func (k *Keys) bind(ctx context.Context, s Session, to string, env ident.Env) (Session, error) {
	from := s.Snapshot.Key
	if from != "" {
		err := k.ephemeral.Put(ctx, replaced(s.ID, from), []byte{1}, k.m.time().Add(rebindGrace))
		if err != nil && !errors.Is(err, store.ErrExists) {
			return s, fmt.Errorf("sessions: bind: %w", err)
		}
	}
	if err := k.record(ctx, "session.bound", audit.OK, "", s, env, nil); err != nil {
		return s, err
	}
	for range 4 {
		cur, err := k.m.Alive(ctx, s.ID)
		if err != nil {
			return s, err
		}
		if cur.Snapshot.Key == to {
			return cur, nil
		}
		if cur.Snapshot.Key != from {
			return s, ErrOtherKey
		}
		cur.Snapshot.Key = to
		err = k.m.store.UpdateSession(ctx, cur)
		if err == nil {
			cur.Version++
			return cur, nil
		}
		if !errors.Is(err, store.ErrStale) {
			return s, fmt.Errorf("sessions: bind: %w", err)
		}
	}
	return s, fmt.Errorf("sessions: bind: %w", store.ErrStale)
}

// replaced names the key that a better one of the same session replaced.
func replaced(id ident.SessionID, key string) store.Key {
	return store.KeyOf("replaced device key", string(id)+" "+key)
}

// Mismatch settles a request that showed another key than that of its session s: it ends the session and all that
// derives from it, since two devices hold the cookie of one. It returns true instead where that key was the session's
// until a moment ago: the request was under way when a better key replaced it.
func (k *Keys) Mismatch(ctx context.Context, s Session, env ident.Env) (under bool, err error) {
	_, err = k.ephemeral.Get(ctx, replaced(s.ID, env.KeyID))
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("sessions: replaced key: %w", err)
	}
	if err := k.record(ctx, "session.key_mismatch", audit.Denied, "", s, env, nil); err != nil {
		return false, err
	}
	if err := k.m.End(ctx, s.ID, "key_mismatch"); err != nil && !errors.Is(err, ErrNone) {
		return false, err
	}
	return false, nil
}
