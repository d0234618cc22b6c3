package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// revocationMill lets 12 callers do everything at once to the sessions and grants of one person. Whatever locks an
// engine takes, nobody may see more than the refusals of the contract (no deadlock, no busy, no serialization failure),
// and in the end nothing derived from what was ended is live.
func revocationMill(r *room[Engine]) {
	w := newWalk(r)
	var ss []sessions.Session
	var gs []oauth.Grant
	for range 6 {
		s := w.newSession(r)
		must(r, r.e.InsertSession(r.ctx, s))
		ss = append(ss, s)
		gs = append(gs, w.grant(r, s.ID), w.grant(r, s.ID))
	}
	born := make([][]oauth.Grant, 12)
	errs := make([]error, len(born))
	together(len(born), func(i int) {
		rng := rand.New(rand.NewPCG(uint64(i), 0)) // the same acts every time; only their order is left to chance
		for range 25 {
			s, g := ss[rng.IntN(len(ss))], gs[rng.IntN(len(gs))]
			if err := w.act(r, rng.IntN(100), s, g, &born[i]); err != nil && !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
				errs[i] = err
				return
			}
		}
	})
	for _, err := range errs {
		must(r, err)
	}
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", r.clock.now(), "stolen"))(r)
	for _, s := range ss {
		if get(r.e.Session(r.ctx, s.ID))(r).EndedAt.IsZero() {
			r.Fatalf("session %s is live after all were ended", s.ID)
		}
	}
	for _, list := range append(born, gs) {
		for _, g := range list {
			dead(r, "a grant after all sessions were ended", g)
		}
	}
}

// act does one of the acts that change sessions and grants, chosen by n of 100.
func (w walk) act(r *room[Engine], n int, s sessions.Session, g oauth.Grant, born *[]oauth.Grant) (err error) {
	now := r.clock.now()
	switch {
	case n < 25:
		fresh := w.newGrant(r, s.ID)
		*born = append(*born, fresh)
		return r.e.InsertGrant(r.ctx, fresh)
	case n < 50:
		if g, err = r.e.Grant(r.ctx, g.ID); err != nil {
			return err
		}
		return r.e.RotateGrant(r.ctx, g.ID, g.RefreshSeq, hash1, someSnapshot, now)
	case n < 70:
		if s, err = r.e.Session(r.ctx, s.ID); err != nil {
			return err
		}
		s.Agent = fmt.Sprint(n)
		return r.e.UpdateSession(r.ctx, s)
	case n < 80:
		_, err = r.e.GrantsOf(r.ctx, w.user.ID, "", now)
	case n < 86:
		_, err = r.e.RevokeGrant(r.ctx, g.ID, now, "replay")
	case n < 90:
		_, err = r.e.EndSession(r.ctx, s.ID, now, "logout")
	case n < 93:
		_, err = r.e.EndSessionsOf(r.ctx, w.user.ID, s.ID, now, "password")
	case n < 96:
		return r.e.WithdrawConsent(r.ctx, w.user.ID, w.client, now)
	case n < 98:
		return r.e.PutConsent(r.ctx, w.consent(r))
	default:
		_, err = r.e.SessionsOf(r.ctx, w.user.ID, now)
	}
	return err
}
