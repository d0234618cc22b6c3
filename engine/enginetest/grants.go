package enginetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
)

var grantParts = []part[Engine]{
	{"grants come back as they were", grantsValues},
	{"the end of the session is told", grantsSessionEnds},
	{"grants do without what their session does", grantsLimited},
	{"a rotation needs the number", grantsRotate},
	{"whoever redeems a code is noted", grantsSnapshot},
	{"50 rotations, one winner", grantsRotateContest},
	{"a revocation is once and for ever", grantsRevoke},
	{"a rotation against a revocation", grantsRotateRevoke},
	{"no grant slips past the end of its session", grantsSlip},
	{"no grant slips past the end of all sessions", grantsSlipAll},
	{"no grant slips past the deletion of its person", grantsSlipDelete},
	{"a person's live grants", grantsOf},
}

var hash1, hash2 = sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))

func grantsValues(r *room[Engine]) {
	w := newWalk(r)
	full := w.newGrant(r, w.session.ID)
	full.RefreshHash, full.RefreshSeq, full.RotatedAt = hash1, 1, r.clock.now()
	full.AuthTime = r.clock.now().In(time.FixedZone("east", 3*3600))
	must(r, r.e.InsertGrant(r.ctx, full))
	full.SessionEnds, full.Limited = w.session.IdleUntil, w.session.Limited
	same(r, "full", get(r.e.Grant(r.ctx, full.ID))(r), full)

	machine := oauth.Grant{ID: ident.GrantID(name("machine")), Client: w.client, Scope: []string{"api"}, CreatedAt: r.clock.now(), ExpiresAt: r.clock.in(time.Hour)}
	must(r, r.e.InsertGrant(r.ctx, machine))
	same(r, "of no person", get(r.e.Grant(r.ctx, machine.ID))(r), machine)
	big := w.newGrant(r, "")
	for i := range 500 {
		big.Scope = append(big.Scope, fmt.Sprintf("scope-%d-%s", i, strings.Repeat("é", 50)))
	}
	must(r, r.e.InsertGrant(r.ctx, big))
	same(r, "of many scopes", get(r.e.Grant(r.ctx, big.ID))(r), big)

	again := w.newGrant(r, "")
	again.ID = full.ID
	refuse(r, "InsertGrant of a known id", r.e.InsertGrant(r.ctx, again), store.ErrExists)
	same(r, "after a refusal", get(r.e.Grant(r.ctx, full.ID))(r), full)
	_, err := r.e.Grant(r.ctx, "nowhere")
	refuse(r, "Grant of nothing", err, store.ErrNotFound)
	refuse(r, "InsertGrant under a session that never was", r.e.InsertGrant(r.ctx, w.newGrant(r, "nowhere")), store.ErrStale)
}

// grantsSessionEnds: a session ends at its idle or absolute limit, whichever comes first, as it is known now.
func grantsSessionEnds(r *room[Engine]) {
	w := newWalk(r)
	g, loose := w.grant(r, w.session.ID), w.grant(r, "")
	ends := func(what string, g oauth.Grant, want time.Time) {
		r.Helper()
		same(r, what+": Grant.SessionEnds", get(r.e.Grant(r.ctx, g.ID))(r).SessionEnds, want)
		for _, l := range get(r.e.GrantsOf(r.ctx, w.user.ID, w.client, r.clock.now()))(r) {
			if l.ID == g.ID {
				same(r, what+": GrantsOf.SessionEnds", l.SessionEnds, want)
			}
		}
	}
	ends("idle limit first", g, w.session.IdleUntil)
	ends("no session", loose, time.Time{})
	s := w.session
	s.IdleUntil = s.ExpiresAt.Add(time.Hour)
	must(r, r.e.UpdateSession(r.ctx, s))
	ends("absolute limit first, after an update", g, s.ExpiresAt)
	get(r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout"))(r)
	ends("ended", g, time.Time{})
}

// grantsLimited: what a session does without is read with each of its grants, and kept with none of them.
func grantsLimited(r *room[Engine]) {
	w := newWalk(r)
	s := w.newSession(r)
	s.Limited = nil
	must(r, r.e.InsertSession(r.ctx, s))
	g := w.newGrant(r, s.ID)
	g.Limited = []string{"stored"}
	must(r, r.e.InsertGrant(r.ctx, g))
	loose := w.newGrant(r, "")
	loose.Limited = []string{"stored"}
	must(r, r.e.InsertGrant(r.ctx, loose))
	does := func(what string, want ...string) {
		r.Helper()
		same(r, what+": Grant.Limited", get(r.e.Grant(r.ctx, g.ID))(r).Limited, want)
		same(r, what+": Grant.Limited of another session", get(r.e.Grant(r.ctx, loose.ID))(r).Limited, []string(nil))
		for _, l := range get(r.e.GrantsOf(r.ctx, w.user.ID, w.client, r.clock.now()))(r) {
			if l.ID == g.ID {
				same(r, what+": GrantsOf.Limited", l.Limited, want)
			}
		}
	}
	does("no limit")
	for _, limited := range [][]string{{"a"}, {"a", "b \"c\""}, {"zoë"}, nil} {
		same(r, "LimitSession", get(r.e.LimitSession(r.ctx, s.ID, limited, r.clock.now()))(r), true)
		does(fmt.Sprint(limited), limited...)
	}
}

func grantsRotate(r *room[Engine]) {
	w := newWalk(r)
	g := w.grant(r, w.session.ID)
	for _, wrong := range []int64{1, -1, 9} {
		refuse(r, "RotateGrant from a number that never was", r.e.RotateGrant(r.ctx, g.ID, wrong, hash1, someSnapshot, r.clock.now()), store.ErrStale)
	}
	other := w.grant(r, w.session.ID)
	for seq, hash := range [][sha256.Size]byte{hash1, hash2, hash1} {
		r.clock.advance(time.Second)
		by := []riskstep.Snapshot{{}, {Country: "BR"}, someSnapshot}[seq]
		must(r, r.e.RotateGrant(r.ctx, g.ID, int64(seq), hash, by, r.clock.now()))
		g.RefreshHash, g.RefreshSeq, g.RotatedAt, g.Snapshot = hash, int64(seq)+1, r.clock.now(), by
		g.SessionEnds, g.Limited = w.session.IdleUntil, w.session.Limited
		refuse(r, "RotateGrant of a rotated one", r.e.RotateGrant(r.ctx, g.ID, int64(seq), [sha256.Size]byte{9}, someSnapshot, r.clock.now()), store.ErrStale)
		same(r, "after a rotation", get(r.e.Grant(r.ctx, g.ID))(r), g)
	}
	other.SessionEnds, other.Limited = w.session.IdleUntil, w.session.Limited
	same(r, "another grant", get(r.e.Grant(r.ctx, other.ID))(r), other)
	refuse(r, "RotateGrant of nothing", r.e.RotateGrant(r.ctx, "nowhere", 0, hash1, someSnapshot, r.clock.now()), store.ErrStale)
}

func grantsSnapshot(r *room[Engine]) {
	w := newWalk(r)
	g, other := w.grant(r, w.session.ID), w.grant(r, "")
	g.SessionEnds, g.Limited = w.session.IdleUntil, w.session.Limited
	for _, by := range []riskstep.Snapshot{{Country: "BR", ASN: 1}, {}, someSnapshot} {
		must(r, r.e.SnapshotGrant(r.ctx, g.ID, by))
		g.Snapshot = by
		same(r, "after SnapshotGrant", get(r.e.Grant(r.ctx, g.ID))(r), g)
	}
	same(r, "another grant", get(r.e.Grant(r.ctx, other.ID))(r), other)
	must(r, r.e.SnapshotGrant(r.ctx, "nowhere", someSnapshot))
	for range 10 {
		g := w.grant(r, "")
		errs := make([]error, 6)
		together(len(errs), func(i int) {
			if i == 3 {
				_, errs[i] = r.e.RevokeGrant(r.ctx, g.ID, r.clock.now(), "replay")
				return
			}
			errs[i] = r.e.SnapshotGrant(r.ctx, g.ID, someSnapshot)
		})
		must(r, errors.Join(errs...))
		dead(r, "a grant that was noted while it was revoked", g)
		must(r, r.e.SnapshotGrant(r.ctx, g.ID, riskstep.Snapshot{Country: "XX"}))
		same(r, "a revoked one", get(r.e.Grant(r.ctx, g.ID))(r).Snapshot, someSnapshot)
	}
}

func grantsRotateContest(r *room[Engine]) {
	w := newWalk(r)
	g := w.grant(r, w.session.ID)
	for seq := range int64(4) {
		i := contest(r, "RotateGrant", 50, store.ErrStale, func(i int) error {
			return r.e.RotateGrant(r.ctx, g.ID, seq, [sha256.Size]byte{byte(i)}, someSnapshot, r.clock.now())
		})
		got := get(r.e.Grant(r.ctx, g.ID))(r)
		same(r, "the winner's hash", got.RefreshHash, [sha256.Size]byte{byte(i)})
		same(r, "the next number", got.RefreshSeq, seq+1)
	}
}

func grantsRevoke(r *room[Engine]) {
	w := newWalk(r)
	g, other := w.grant(r, w.session.ID), w.grant(r, w.session.ID)
	must(r, r.e.RotateGrant(r.ctx, g.ID, 0, hash1, someSnapshot, r.clock.now()))
	g.RefreshHash, g.RefreshSeq, g.RotatedAt, g.Snapshot = hash1, 1, r.clock.now(), someSnapshot
	at := r.clock.now()
	if !get(r.e.RevokeGrant(r.ctx, g.ID, at, "replay"))(r) {
		r.Fatalf("the first RevokeGrant returned false")
	}
	r.clock.advance(time.Minute)
	if get(r.e.RevokeGrant(r.ctx, g.ID, r.clock.now(), "later"))(r) {
		r.Fatalf("a second RevokeGrant returned true")
	}
	revoked(r, "a revoked grant", g, at, "replay")
	alive(r, "another grant", other)
	_, err := r.e.RevokeGrant(r.ctx, "nowhere", at, "replay")
	refuse(r, "RevokeGrant of nothing", err, store.ErrNotFound)
	contest(r, "RevokeGrant", 24, errLost, func(int) error {
		did, err := r.e.RevokeGrant(r.ctx, other.ID, at, "replay")
		if err == nil && !did {
			err = errLost
		}
		return err
	})
}

// grantsRotateRevoke: whoever comes first, the grant is dead in the end, and nothing moves after that.
func grantsRotateRevoke(r *room[Engine]) {
	w := newWalk(r)
	for range 20 {
		g := w.grant(r, w.session.ID)
		errs := make([]error, 4)
		together(len(errs), func(i int) {
			if i == 0 {
				_, errs[i] = r.e.RevokeGrant(r.ctx, g.ID, r.clock.now(), "replay")
				return
			}
			if errs[i] = r.e.RotateGrant(r.ctx, g.ID, 0, hash1, someSnapshot, r.clock.now()); errors.Is(errs[i], store.ErrStale) {
				errs[i] = nil
			}
		})
		for _, err := range errs {
			must(r, err)
		}
		dead(r, "a grant rotated while it was revoked", g)
	}
}

func grantsSlip(r *room[Engine]) {
	slip(r, 30, func(w walk, s ident.SessionID) error {
		_, err := r.e.EndSession(r.ctx, s, r.clock.now(), "logout")
		return err
	})
}

func grantsSlipAll(r *room[Engine]) {
	slip(r, 15, func(w walk, s ident.SessionID) error {
		_, err := r.e.EndSessionsOf(r.ctx, w.user.ID, "", r.clock.now(), "stolen")
		return err
	})
}

func grantsSlipDelete(r *room[Engine]) {
	slip(r, 15, func(w walk, _ ident.SessionID) error { return r.e.DeleteUser(r.ctx, w.user.ID) })
}

// slip inserts grants while end ends their session: each must be refused, or be revoked in the end.
func slip(r *room[Engine], rounds int, end func(walk, ident.SessionID) error) {
	for range rounds {
		w := newWalk(r)
		s := w.newSession(r)
		must(r, r.e.InsertSession(r.ctx, s))
		var gs []oauth.Grant
		acts := []func() error{}
		for i := range 8 {
			if i == 4 {
				acts = append(acts, func() error { return end(w, s.ID) })
			}
			g := w.newGrant(r, s.ID)
			gs = append(gs, g)
			acts = append(acts, func() error {
				if err := r.e.InsertGrant(r.ctx, g); !errors.Is(err, store.ErrStale) {
					return err
				}
				return nil
			})
		}
		errs := make([]error, len(acts))
		together(len(acts), func(i int) { errs[i] = acts[i]() })
		for _, err := range errs {
			must(r, err)
		}
		for _, g := range gs {
			dead(r, "a grant inserted while its session ended", g)
		}
		refuse(r, "InsertGrant after the end", r.e.InsertGrant(r.ctx, w.newGrant(r, s.ID)), store.ErrStale)
	}
}

func grantsOf(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	second := newClient(r)
	var want []oauth.Grant // newest first
	start := func(age time.Duration, change func(*oauth.Grant)) oauth.Grant {
		g := w.newGrant(r, w.session.ID)
		g.CreatedAt = r.clock.in(-age)
		change(&g)
		must(r, r.e.InsertGrant(r.ctx, g))
		g.SessionEnds, g.Limited = w.session.IdleUntil, w.session.Limited
		return g
	}
	old := start(4*time.Minute, func(g *oauth.Grant) {})
	young := start(time.Minute, func(g *oauth.Grant) { g.Client = second })
	middle := start(2*time.Minute, func(g *oauth.Grant) { g.Session = "" })
	middle.SessionEnds, middle.Limited = time.Time{}, nil
	start(3*time.Minute, func(g *oauth.Grant) { g.ExpiresAt = r.clock.now() })
	gone := start(3*time.Minute, func(g *oauth.Grant) {})
	get(r.e.RevokeGrant(r.ctx, gone.ID, r.clock.now(), "replay"))(r)
	other.grant(r, other.session.ID)

	want = []oauth.Grant{young, middle, old}
	same(r, "of all clients", get(r.e.GrantsOf(r.ctx, w.user.ID, "", r.clock.now()))(r), want)
	same(r, "of one client", get(r.e.GrantsOf(r.ctx, w.user.ID, w.client, r.clock.now()))(r), want[1:])
	same(r, "of the other client", get(r.e.GrantsOf(r.ctx, w.user.ID, second, r.clock.now()))(r), want[:1])
	same(r, "of no client", get(r.e.GrantsOf(r.ctx, w.user.ID, "none", r.clock.now()))(r), []oauth.Grant(nil))
	same(r, "of nobody", get(r.e.GrantsOf(r.ctx, "nobody", "", r.clock.now()))(r), []oauth.Grant(nil))

	var newest ident.GrantID
	for i := range 505 {
		newest = start(-time.Duration(i+1)*time.Microsecond, func(*oauth.Grant) {}).ID
	}
	if got := get(r.e.GrantsOf(r.ctx, w.user.ID, "", r.clock.now()))(r); len(got) != 500 || got[0].ID != newest {
		r.Fatalf("%d grants with %s first, want the newest 500 with %s first", len(got), got[0].ID, newest)
	}
}
