package enginetest

import (
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

var revocationParts = []part[Engine]{
	{"after an end nothing derived from it is live", revocationModel},
	{"everything at once", revocationMill},
}

// world is what the model knows of one person's sessions and grants.
type world struct {
	walks    []walk // the same person with two clients
	sessions []sessions.Session
	grants   []oauth.Grant
	log      int64 // where it was when the history began
}

// endSession ends session i and revokes what derives from it.
func (m *world) endSession(i int, at time.Time) {
	m.sessions[i].EndedAt = at
	m.revoke(at, func(g oauth.Grant) bool { return g.Session == m.sessions[i].ID })
}

func (m *world) revoke(at time.Time, which func(oauth.Grant) bool) {
	for i, g := range m.grants {
		if g.RevokedAt.IsZero() && which(g) {
			m.grants[i].RevokedAt = at
		}
	}
}

func (m *world) ended(sid ident.SessionID) bool {
	return slices.ContainsFunc(m.sessions, func(s sessions.Session) bool { return s.ID == sid && !s.EndedAt.IsZero() })
}

// revocationModel drives sessions and grants through random histories, and after every step demands that whatever
// derives from an ended session or was revoked reads as live nowhere, and that nothing else died.
func revocationModel(r *room[Engine]) {
	second := newClient(r)
	rapid.Check(r.T, func(t *rapid.T) {
		w := walk{user: newUser(r), client: newClient(r)}
		must(t, r.e.PutUser(r.ctx, w.user))
		m := &world{walks: []walk{w, {user: w.user, client: second}}, log: get(r.e.LatestRevocation(r.ctx))(t)}
		t.Repeat(m.actions(r))
	})
}

func (m *world) actions(r *room[Engine]) map[string]func(*rapid.T) {
	some := func(t *rapid.T, what string, n int) int {
		if n == 0 {
			t.Skip("no " + what + " yet")
		}
		return rapid.IntRange(0, n-1).Draw(t, what)
	}
	return map[string]func(*rapid.T){
		"sign in": func(t *rapid.T) {
			s := m.walks[0].newSession(r)
			s.Limited = nil
			must(t, r.e.InsertSession(r.ctx, s))
			m.sessions = append(m.sessions, s)
		},
		"touch": func(t *rapid.T) {
			i := some(t, "session", len(m.sessions))
			s := m.sessions[i]
			s.EndedAt, s.EndReason = time.Time{}, "" // as one that read it before its end would
			err := r.e.UpdateSession(r.ctx, s)
			if m.ended(s.ID) {
				refuse(t, "UpdateSession of an ended session", err, store.ErrStale)
				return
			}
			must(t, err)
			m.sessions[i].Version++
		},
		"limit": func(t *rapid.T) {
			i := some(t, "session", len(m.sessions))
			limited := rapid.SampledFrom([][]string{nil, {"a b"}, {"a b", "zoë"}, {"openid"}}).Draw(t, "limited")
			changes := m.sessions[i].EndedAt.IsZero() && !slices.Equal(m.sessions[i].Limited, limited)
			same(t, "LimitSession", get(r.e.LimitSession(r.ctx, m.sessions[i].ID, limited, r.clock.now()))(t), changes)
			if changes {
				m.sessions[i].Limited = limited
				m.sessions[i].Version++
			}
		},
		"sign out": func(t *rapid.T) {
			i := some(t, "session", len(m.sessions))
			was := m.ended(m.sessions[i].ID)
			same(t, "EndSession", get(r.e.EndSession(r.ctx, m.sessions[i].ID, r.clock.now(), "logout"))(t), !was)
			if !was {
				m.endSession(i, r.clock.now())
			}
		},
		"sign out elsewhere": func(t *rapid.T) {
			keep := ident.SessionID("")
			if i := rapid.IntRange(0, len(m.sessions)).Draw(t, "keep"); i < len(m.sessions) {
				keep = m.sessions[i].ID
			}
			var want []ident.SessionID
			for i, s := range m.sessions {
				if s.ID != keep && s.EndedAt.IsZero() {
					want = append(want, s.ID)
					m.endSession(i, r.clock.now())
				}
			}
			if keep == "" {
				m.revoke(r.clock.now(), func(oauth.Grant) bool { return true })
			}
			got := get(r.e.EndSessionsOf(r.ctx, m.walks[0].user.ID, keep, r.clock.now(), "password"))(t)
			slices.Sort(got)
			slices.Sort(want)
			same(t, "EndSessionsOf", got, want)
		},
		"authorize": func(t *rapid.T) {
			sid := ident.SessionID("")
			if i := rapid.IntRange(0, len(m.sessions)).Draw(t, "session"); i < len(m.sessions) {
				sid = m.sessions[i].ID
			}
			g := rapid.SampledFrom(m.walks).Draw(t, "client").newGrant(r, sid)
			g.Offline = rapid.Bool().Draw(t, "offline")
			err := r.e.InsertGrant(r.ctx, g)
			if m.ended(sid) {
				refuse(t, "InsertGrant under an ended session", err, store.ErrStale)
				return
			}
			must(t, err)
			m.grants = append(m.grants, g)
		},
		"refresh": func(t *rapid.T) {
			i := some(t, "grant", len(m.grants))
			g := &m.grants[i]
			seq := max(0, g.RefreshSeq-rapid.SampledFrom([]int64{0, 0, 1}).Draw(t, "behind"))
			err := r.e.RotateGrant(r.ctx, g.ID, seq, sha256.Sum256([]byte{byte(seq)}), someSnapshot, r.clock.now())
			if seq != g.RefreshSeq || !g.RevokedAt.IsZero() {
				refuse(t, "RotateGrant", err, store.ErrStale)
				return
			}
			must(t, err)
			g.RefreshSeq++
		},
		"revoke": func(t *rapid.T) {
			i := some(t, "grant", len(m.grants))
			live := m.grants[i].RevokedAt.IsZero()
			same(t, "RevokeGrant", get(r.e.RevokeGrant(r.ctx, m.grants[i].ID, r.clock.now(), "replay"))(t), live)
			m.revoke(r.clock.now(), func(g oauth.Grant) bool { return g.ID == m.grants[i].ID })
		},
		"withdraw": func(t *rapid.T) {
			w := rapid.SampledFrom(m.walks).Draw(t, "client")
			err := r.e.WithdrawConsent(r.ctx, w.user.ID, w.client, r.clock.now())
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("WithdrawConsent: %v", err)
			}
			m.revoke(r.clock.now(), func(g oauth.Grant) bool { return g.Client == w.client })
		},
		"time passes": func(*rapid.T) { r.clock.advance(time.Millisecond) },
		"":            func(t *rapid.T) { m.check(t, r) },
	}
}

// check compares the engine with the model.
func (m *world) check(t *rapid.T, r *room[Engine]) {
	limits := map[ident.SessionID][]string{}
	for _, s := range m.sessions {
		got := get(r.e.Session(r.ctx, s.ID))(t)
		same(t, "EndedAt of a session", got.EndedAt, s.EndedAt)
		same(t, "Limited of a session", got.Limited, s.Limited)
		limits[s.ID] = s.Limited
	}
	m.checkLog(t, r)
	var live []ident.GrantID
	for _, g := range m.grants {
		got := get(r.e.Grant(r.ctx, g.ID))(t)
		same(t, "RevokedAt of a grant", got.RevokedAt, g.RevokedAt)
		same(t, "RefreshSeq of a grant", got.RefreshSeq, g.RefreshSeq)
		same(t, "Limited of a grant", got.Limited, limits[g.Session])
		if m.ended(g.Session) && (got.RevokedAt.IsZero() || !got.SessionEnds.IsZero()) {
			t.Fatalf("a grant of an ended session reads as live: revoked %v, session ends %v", got.RevokedAt, got.SessionEnds)
		}
		if g.RevokedAt.IsZero() {
			live = append(live, g.ID)
		}
	}
	var got []ident.GrantID
	for _, g := range get(r.e.GrantsOf(r.ctx, m.walks[0].user.ID, "", r.clock.now()))(t) {
		got = append(got, g.ID)
	}
	slices.Sort(got)
	slices.Sort(live)
	same(t, "the live grants", got, live)
}

// checkLog demands that whoever has only tokens and the log knows as much: a token is dead if and only if the log says so
// of its session or its grant, and does without what the log said last of its session.
func (m *world) checkLog(t *rapid.T, r *room[Engine]) {
	list, _, err := r.e.Revocations(r.ctx, m.log, r.clock.now(), 10_000)
	must(t, err)
	over, limits := map[string]bool{}, map[string][]string{}
	for _, e := range list {
		if e.Kind == oauth.LimitedSession {
			limits[e.ID] = e.Scope
			continue
		}
		over[e.Kind+" "+e.ID] = true
	}
	for _, s := range m.sessions {
		same(t, "whether the log knows the end of a session", over["session "+string(s.ID)], !s.EndedAt.IsZero())
		same(t, "what the log says a session does without", limits[string(s.ID)], s.Limited)
	}
	for _, g := range m.grants {
		known := over["grant "+string(g.ID)] || g.Session != "" && over["session "+string(g.Session)]
		same(t, "whether the log knows the end of a grant", known, !g.RevokedAt.IsZero())
	}
}
