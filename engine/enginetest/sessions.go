package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

var sessionParts = []part[Engine]{
	{"sessions come back as they were", sessionsValues},
	{"an update needs the version", sessionsUpdate},
	{"one update wins a version", sessionsContest},
	{"an end is once and for ever", sessionsEnd},
	{"an end takes its grants along", sessionsEndGrants},
	{"all but one end", sessionsEndAll},
	{"each of them is ended by one", sessionsEndAllContest},
	{"an update never revives", sessionsRevive},
	{"a limit is set and lifted by itself", sessionsLimit},
	{"no limit is lost to an update", sessionsLimitContest},
	{"a person's sessions", sessionsOf},
	{"sessions are listed in order", sessionsAfter},
}

func sessionsValues(r *room[Engine]) {
	w := newWalk(r)
	same(r, "full", get(r.e.Session(r.ctx, w.session.ID))(r), w.session)
	bare := sessions.Session{ID: ident.SessionID(name("bare")), User: w.user.ID, CreatedAt: r.clock.now(), IdleUntil: r.clock.in(time.Hour),
		ExpiresAt: r.clock.in(time.Hour).In(time.FixedZone("east", 3600))}
	must(r, r.e.InsertSession(r.ctx, bare))
	same(r, "bare", get(r.e.Session(r.ctx, bare.ID))(r), bare)

	again := w.newSession(r)
	again.ID = w.session.ID
	refuse(r, "InsertSession of a known id", r.e.InsertSession(r.ctx, again), store.ErrExists)
	same(r, "after a refusal", get(r.e.Session(r.ctx, w.session.ID))(r), w.session)
	_, err := r.e.Session(r.ctx, "nowhere")
	refuse(r, "Session of nothing", err, store.ErrNotFound)
}

func sessionsUpdate(r *room[Engine]) {
	w := newWalk(r)
	s := w.newSession(r)
	s.ID, s.CreatedAt = w.session.ID, w.session.CreatedAt
	s.AMR, s.Assurance, s.Raised, s.RaisedUntil, s.Country, s.PrevUntil = []ident.AMR{ident.HardwareKey}, ident.HardwareBound, ident.None, time.Time{}, "", time.Time{}
	s.LastSeen, s.IdleUntil, s.PrevHash = r.clock.in(time.Minute), r.clock.in(25*time.Hour), w.session.SecretHash
	s.SecretHash[0]++
	s.Snapshot = riskstep.Snapshot{Key: "def"}
	for _, spot := range []riskstep.Spot{{}, {Lat: 90, Lon: 180, Km: 20_000}, {Lat: -89.9, Lon: -179.9, Km: 10}} {
		s.LastCountry, s.LastSpot = "", spot
		changed := s
		changed.Limited = []string{"other"} // which only LimitSession writes
		must(r, r.e.UpdateSession(r.ctx, changed))
		s.Version++
		same(r, "after an update", get(r.e.Session(r.ctx, s.ID))(r), s)
	}
	for _, v := range []int64{s.Version - 1, s.Version + 1, 0, -1} {
		stale := s
		stale.Version, stale.Country = v, "XX"
		refuse(r, fmt.Sprintf("UpdateSession at version %d of %d", v, s.Version), r.e.UpdateSession(r.ctx, stale), store.ErrStale)
	}
	same(r, "after stale updates", get(r.e.Session(r.ctx, s.ID))(r), s)
	refuse(r, "UpdateSession of nothing", r.e.UpdateSession(r.ctx, w.newSession(r)), store.ErrStale)
}

func sessionsContest(r *room[Engine]) {
	w := newWalk(r)
	for range 4 {
		s := get(r.e.Session(r.ctx, w.session.ID))(r)
		i := contest(r, "UpdateSession", 24, store.ErrStale, func(i int) error {
			mine := s
			mine.Agent = fmt.Sprint(i)
			return r.e.UpdateSession(r.ctx, mine)
		})
		same(r, "the winner's session", get(r.e.Session(r.ctx, s.ID))(r).Agent, fmt.Sprint(i))
	}
}

func sessionsEnd(r *room[Engine]) {
	w := newWalk(r)
	at := r.clock.now()
	if !get(r.e.EndSession(r.ctx, w.session.ID, at, "logout"))(r) {
		r.Fatalf("the first EndSession returned false")
	}
	if get(r.e.EndSession(r.ctx, w.session.ID, r.clock.in(time.Minute), "later"))(r) {
		r.Fatalf("a second EndSession returned true")
	}
	got := get(r.e.Session(r.ctx, w.session.ID))(r)
	want := w.session
	want.EndedAt, want.EndReason, want.Version = at, "logout", got.Version
	same(r, "an ended session", got, want)
	for _, v := range []int64{w.session.Version, got.Version} {
		back := w.session
		back.Version = v
		refuse(r, "UpdateSession of an ended session", r.e.UpdateSession(r.ctx, back), store.ErrStale)
	}
	_, err := r.e.EndSession(r.ctx, "nowhere", at, "logout")
	refuse(r, "EndSession of nothing", err, store.ErrNotFound)

	s := w.newSession(r)
	must(r, r.e.InsertSession(r.ctx, s))
	contest(r, "EndSession", 24, errLost, func(int) error {
		ended, err := r.e.EndSession(r.ctx, s.ID, at, "logout")
		if err == nil && !ended {
			err = errLost
		}
		return err
	})
}

var errLost = errors.New("somebody was first")

func sessionsEndGrants(r *room[Engine]) {
	w := newWalk(r)
	second := w.newSession(r)
	must(r, r.e.InsertSession(r.ctx, second))
	offline, online := w.grant(r, w.session.ID), w.newGrant(r, w.session.ID)
	online.Offline = false
	must(r, r.e.InsertGrant(r.ctx, online))
	before := w.grant(r, w.session.ID)
	early := r.clock.now()
	get(r.e.RevokeGrant(r.ctx, before.ID, early, "earlier"))(r)
	elsewhere, loose := w.grant(r, second.ID), w.grant(r, "")

	r.clock.advance(time.Minute)
	at := r.clock.now()
	get(r.e.EndSession(r.ctx, w.session.ID, at, "logout"))(r)
	revoked(r, "an online grant of an ended session", online, at, "")
	revoked(r, "an offline grant of an ended session", offline, at, "")
	revoked(r, "a grant revoked before the session ended", before, early, "earlier")
	alive(r, "a grant of another session", elsewhere)
	alive(r, "a grant of no session", loose)
	refuse(r, "InsertGrant under an ended session", r.e.InsertGrant(r.ctx, w.newGrant(r, w.session.ID)), store.ErrStale)
}

func sessionsEndAll(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	var ss []sessions.Session
	var gs []oauth.Grant
	for range 4 {
		s := w.newSession(r)
		must(r, r.e.InsertSession(r.ctx, s))
		ss, gs = append(ss, s), append(gs, w.grant(r, s.ID))
	}
	loose, theirs := w.grant(r, ""), other.grant(r, other.session.ID)
	at := r.clock.now()
	get(r.e.EndSession(r.ctx, w.session.ID, at, "logout"))(r)
	get(r.e.EndSession(r.ctx, ss[0].ID, at, "logout"))(r)

	r.clock.advance(time.Minute)
	at = r.clock.now()
	ids := get(r.e.EndSessionsOf(r.ctx, w.user.ID, ss[3].ID, at, "password"))(r)
	slices.Sort(ids)
	want := []ident.SessionID{ss[1].ID, ss[2].ID}
	slices.Sort(want)
	same(r, "the ids of those ended", ids, want)
	for i, g := range gs[:3] {
		dead(r, fmt.Sprintf("the grant of session %d", i), g)
		reason := []string{"logout", "password", "password"}[i]
		same(r, fmt.Sprintf("why session %d ended", i), get(r.e.Session(r.ctx, ss[i].ID))(r).EndReason, reason)
	}
	same(r, "the session kept", get(r.e.Session(r.ctx, ss[3].ID))(r), ss[3])
	alive(r, "the grant of the session kept", gs[3])
	alive(r, "a grant of no session, where one session was kept", loose)

	ids = get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", at, "stolen"))(r)
	same(r, "the id of the last", ids, []ident.SessionID{ss[3].ID})
	dead(r, "the last grant", gs[3])
	revoked(r, "a grant of no session, where all sessions ended", loose, at, "")
	same(r, "nothing is left to end", get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", at, "again"))(r), []ident.SessionID(nil))
	same(r, "nobody's sessions", get(r.e.EndSessionsOf(r.ctx, "nobody", "", at, "again"))(r), []ident.SessionID(nil))
	same(r, "another person's session", get(r.e.Session(r.ctx, other.session.ID))(r), other.session)
	alive(r, "another person's grant", theirs)
}

func sessionsEndAllContest(r *room[Engine]) {
	w := newWalk(r)
	get(r.e.EndSession(r.ctx, w.session.ID, r.clock.now(), "logout"))(r)
	for range 4 {
		want := map[ident.SessionID]int{}
		for range 5 {
			s := w.newSession(r)
			must(r, r.e.InsertSession(r.ctx, s))
			want[s.ID] = 1
		}
		ended, errs := make([][]ident.SessionID, 8), make([]error, 8)
		together(len(ended), func(i int) {
			ended[i], errs[i] = r.e.EndSessionsOf(r.ctx, w.user.ID, "", r.clock.now(), "password")
		})
		got := map[ident.SessionID]int{}
		for i, ids := range ended {
			must(r, errs[i])
			for _, id := range ids {
				got[id]++
			}
		}
		same(r, "how often each session was ended", got, want)
	}
}

// sessionsRevive: an update that read the session while it lived must not undo its end.
func sessionsRevive(r *room[Engine]) {
	w := newWalk(r)
	for range 30 {
		s := w.newSession(r)
		must(r, r.e.InsertSession(r.ctx, s))
		errs := make([]error, 6)
		together(len(errs), func(i int) {
			if i%3 == 0 {
				_, errs[i] = r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout")
				return
			}
			if errs[i] = r.e.UpdateSession(r.ctx, s); errors.Is(errs[i], store.ErrStale) {
				errs[i] = nil
			}
		})
		for _, err := range errs {
			must(r, err)
		}
		if get(r.e.Session(r.ctx, s.ID))(r).EndedAt.IsZero() {
			r.Fatalf("the session is live after its end")
		}
	}
}

func sessionsLimit(r *room[Engine]) {
	w := newWalk(r)
	s, other := w.newSession(r), w.session
	s.Limited = nil
	must(r, r.e.InsertSession(r.ctx, s))
	limit := func(what string, changed bool, limited, want []string) {
		r.Helper()
		same(r, what+": LimitSession", get(r.e.LimitSession(r.ctx, s.ID, limited, r.clock.now()))(r), changed)
		got := get(r.e.Session(r.ctx, s.ID))(r)
		if changed && got.Version <= s.Version || !changed && got.Version != s.Version {
			r.Fatalf("%s: version %d after %d", what, got.Version, s.Version)
		}
		s.Limited, s.Version = want, got.Version
		same(r, what, got, s)
	}
	limit("nothing to lift", false, nil, nil)
	limit("one", true, []string{"pay"}, []string{"pay"})
	limit("the same", false, []string{"pay"}, []string{"pay"})
	limit("others, each once", true, []string{"zoë", "a b", "pay", "a b"}, []string{"a b", "pay", "zoë"})
	limit("the same in another order", false, []string{"pay", "zoë", "a b"}, []string{"a b", "pay", "zoë"})
	limit("fewer", true, []string{"pay"}, []string{"pay"})
	limit("lifted", true, []string{}, nil)
	limit("again", true, []string{"pay"}, []string{"pay"})
	same(r, "another session", get(r.e.Session(r.ctx, other.ID))(r), other)

	get(r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout"))(r)
	ended := get(r.e.Session(r.ctx, s.ID))(r)
	same(r, "LimitSession of an ended session", get(r.e.LimitSession(r.ctx, s.ID, nil, r.clock.now()))(r), false)
	same(r, "an ended session", get(r.e.Session(r.ctx, s.ID))(r), ended)
	_, err := r.e.LimitSession(r.ctx, "nowhere", []string{"pay"}, r.clock.now())
	refuse(r, "LimitSession of nothing", err, store.ErrNotFound)
}

// sessionsLimitContest: whoever read the session before it was limited must not undo that.
func sessionsLimitContest(r *room[Engine]) {
	w := newWalk(r)
	for range 20 {
		s := w.newSession(r)
		s.Limited = nil
		must(r, r.e.InsertSession(r.ctx, s))
		errs := make([]error, 6)
		together(len(errs), func(i int) {
			if i == 3 {
				_, errs[i] = r.e.LimitSession(r.ctx, s.ID, []string{"pay"}, r.clock.now())
				return
			}
			if errs[i] = r.e.UpdateSession(r.ctx, s); errors.Is(errs[i], store.ErrStale) {
				errs[i] = nil
			}
		})
		must(r, errors.Join(errs...))
		same(r, "Limited", get(r.e.Session(r.ctx, s.ID))(r).Limited, []string{"pay"})

		together(len(errs), func(i int) { // nor must a limit undo an end
			if i == 3 {
				_, errs[i] = r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout")
				return
			}
			_, errs[i] = r.e.LimitSession(r.ctx, s.ID, []string{fmt.Sprint(i)}, r.clock.now())
		})
		must(r, errors.Join(errs...))
		same(r, "EndedAt", get(r.e.Session(r.ctx, s.ID))(r).EndedAt, r.clock.now())
	}
}

func sessionsOf(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	now := r.clock.now()
	start := func(age time.Duration, change func(*sessions.Session)) sessions.Session {
		s := w.newSession(r)
		s.CreatedAt = now.Add(-age)
		if change != nil {
			change(&s)
		}
		must(r, r.e.InsertSession(r.ctx, s))
		return s
	}
	live := start(time.Minute, nil)
	start(2*time.Minute, func(s *sessions.Session) { s.IdleUntil = now.Add(-time.Hour) })
	start(3*time.Minute, func(s *sessions.Session) { s.ExpiresAt = now.Add(-time.Hour) })
	idled := start(4*time.Minute, func(s *sessions.Session) { s.IdleUntil = now.Add(-time.Second) })
	gone, recent := start(5*time.Minute, nil), start(6*time.Minute, nil)
	get(r.e.EndSession(r.ctx, gone.ID, now.Add(-time.Hour), "logout"))(r)
	get(r.e.EndSession(r.ctx, recent.ID, now.Add(-time.Second), "logout"))(r)

	ids := func(since time.Time) []ident.SessionID {
		var ids []ident.SessionID
		for _, s := range get(r.e.SessionsOf(r.ctx, w.user.ID, since))(r) {
			ids = append(ids, s.ID)
		}
		return ids
	}
	same(r, "not over before a minute ago", ids(now.Add(-time.Minute)), []ident.SessionID{w.session.ID, live.ID, idled.ID, recent.ID})
	same(r, "not over before now", ids(now), []ident.SessionID{w.session.ID, live.ID})
	same(r, "a whole one", get(r.e.SessionsOf(r.ctx, other.user.ID, now))(r), []sessions.Session{other.session})
	same(r, "of nobody", get(r.e.SessionsOf(r.ctx, "nobody", now))(r), []sessions.Session(nil))

	var newest ident.SessionID
	for i := range 205 {
		newest = start(-time.Duration(i+1)*time.Second, nil).ID
	}
	if got := ids(now); len(got) != 200 || got[0] != newest {
		r.Fatalf("%d sessions with %s first, want the newest 200 with %s first", len(got), got[0], newest)
	}
}

func sessionsAfter(r *room[Engine]) {
	w := newWalk(r)
	get(r.e.EndSession(r.ctx, w.session.ID, r.clock.now(), "logout"))(r)
	now := r.clock.now()
	var want []sessions.Session
	for _, id := range []ident.SessionID{"-", "B", "a-b", "aa", "é"} { // in the order of their bytes
		s := w.newSession(r)
		s.ID = id
		want = append(want, s)
	}
	// "a" idled out and "b" expired
	for _, id := range []ident.SessionID{"a", "b"} {
		s := w.newSession(r)
		s.ID, s.IdleUntil = id, now
		if id == "b" {
			s.IdleUntil, s.ExpiresAt = now.Add(time.Hour), now
		}
		must(r, r.e.InsertSession(r.ctx, s))
	}
	for _, i := range []int{3, 0, 4, 2, 1} {
		must(r, r.e.InsertSession(r.ctx, want[i]))
	}
	same(r, "all live", get(r.e.SessionsAfter(r.ctx, "", now, 100))(r), want)
	same(r, "two", get(r.e.SessionsAfter(r.ctx, "", now, 2))(r), want[:2])
	same(r, "two after B", get(r.e.SessionsAfter(r.ctx, "B", now, 2))(r), want[2:4])
	same(r, "after the last", get(r.e.SessionsAfter(r.ctx, "é", now, 100))(r), []sessions.Session(nil))
}
