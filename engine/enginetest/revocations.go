package enginetest

import (
	"slices"
	"sync"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

var logParts = []part[Engine]{
	{"whatever ends is on the log", logEntries},
	{"the log is read from where one was", logPages},
	{"what nobody needs is left out", logUntil},
	{"a reader of the log misses nothing", logContest},
}

// tail is all of the log after the entry with number after.
func tail(r *room[Engine], after int64) []oauth.Revocation {
	r.Helper()
	list, latest, err := r.e.Revocations(r.ctx, after, r.clock.now(), 10_000)
	must(r, err)
	last := after
	for _, e := range list {
		if e.Seq <= last || e.Seq > latest {
			r.Fatalf("number %d after %d, where the latest is %d", e.Seq, last, latest)
		}
		if !e.Until.After(r.clock.now()) {
			r.Fatalf("entry %d is over since %v", e.Seq, e.Until)
		}
		last = e.Seq
	}
	if len(list) > 0 && last != latest {
		r.Fatalf("the latest is %d, and %d was the last one read", latest, last)
	}
	return list
}

func latest(r *room[Engine]) int64 {
	r.Helper()
	return get(r.e.LatestRevocation(r.ctx))(r)
}

// since is what happened since the log ended at after: kind and name, with scope.
func since(r *room[Engine], after int64) (out []string) {
	r.Helper()
	for _, e := range tail(r, after) {
		s := e.Kind + " " + e.ID
		for _, scope := range e.Scope {
			s += " " + scope
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func logEntries(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	if n := latest(r); n != 0 || len(tail(r, 0)) != 0 {
		r.Fatalf("an empty log has an entry %d", n)
	}
	var at int64
	logged := func(what string, want ...string) {
		r.Helper()
		slices.Sort(want)
		same(r, what, since(r, at), want)
		at = latest(r)
	}
	sid := func(s ident.SessionID) string { return "session " + string(s) }
	gid := func(g oauth.Grant) string { return "grant " + string(g.ID) }
	under, loose, revokedOne := w.grant(r, w.session.ID), w.grant(r, ""), w.grant(r, w.session.ID)
	theirs := other.grant(r, "")
	logged("nothing ended")
	get(r.e.RevokeGrant(r.ctx, revokedOne.ID, r.clock.now(), "replay"))(r)
	logged("a grant", gid(revokedOne))
	r.clock.advance(time.Second)
	get(r.e.RevokeGrant(r.ctx, revokedOne.ID, r.clock.now(), "again"))(r)
	logged("a grant again")

	second := w.start(r)
	get(r.e.LimitSession(r.ctx, second.ID, []string{"pay", "a b"}, r.clock.now()))(r)
	logged("a limit", "limit "+string(second.ID)+" a b pay")
	get(r.e.LimitSession(r.ctx, second.ID, []string{"pay", "a b"}, r.clock.now()))(r)
	logged("the same limit")
	get(r.e.LimitSession(r.ctx, second.ID, nil, r.clock.now()))(r)
	logged("a limit lifted", "limit "+string(second.ID))
	get(r.e.EndSession(r.ctx, second.ID, r.clock.now(), "logout"))(r)
	logged("a session", sid(second.ID))
	r.clock.advance(time.Second)
	get(r.e.EndSession(r.ctx, second.ID, r.clock.now(), "logout"))(r)
	get(r.e.LimitSession(r.ctx, second.ID, []string{"pay"}, r.clock.now()))(r)
	logged("a session again")

	third, fourth := w.start(r), w.start(r)
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, w.session.ID, r.clock.now(), "password"))(r)
	logged("all sessions but one", sid(third.ID), sid(fourth.ID))
	r.clock.advance(time.Second)
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", r.clock.now(), "stolen"))(r)
	logged("all sessions", sid(w.session.ID), gid(loose))
	dead(r, "a grant of an ended session", under)

	r.clock.advance(time.Second)
	mine := w.grant(r, "")
	w2 := walk{user: w.user, client: newClient(r)}
	kept := w2.grant(r, "")
	must(r, r.e.WithdrawConsent(r.ctx, w.user.ID, w.client, r.clock.now()))
	logged("a consent", gid(mine))
	must(r, r.e.DeleteClient(r.ctx, string(w2.client), r.clock.now()))
	logged("a client", "client "+string(w2.client))
	dead(r, "a grant to a deleted client", kept)

	last, also := other.start(r), other.session
	r.clock.advance(time.Second)
	must(r, r.e.DeleteUser(r.ctx, other.user.ID))
	logged("a person", sid(last.ID), sid(also.ID), gid(theirs))

	must(r, r.e.RevokeToken(r.ctx, "jti", r.clock.now(), r.clock.in(time.Minute)))
	got := tail(r, at)
	same(r, "entries about a token", len(got), 1)
	e := got[0]
	if e.Kind != oauth.RevokedToken || e.ID != "jti" || !e.At.Equal(r.clock.now()) || e.Until.Before(r.clock.in(time.Minute)) || e.Scope != nil {
		r.Fatalf("a token: %+v", e)
	}
	for _, e := range tail(r, 0) {
		if e.Kind != oauth.RevokedToken && e.Until.Sub(e.At) < oauth.MaxAccess {
			r.Fatalf("%s is forgotten after %v, while tokens may live %v", e.Kind, e.Until.Sub(e.At), oauth.MaxAccess)
		}
	}
}

func logPages(r *room[Engine]) {
	for i := range 7 {
		must(r, r.e.RevokeToken(r.ctx, name("jti"), r.clock.now(), r.clock.in(time.Duration(i+1)*time.Hour)))
	}
	all := tail(r, 0)
	same(r, "all", len(all), 7)
	var paged []oauth.Revocation
	for after := int64(0); ; {
		page, last, err := r.e.Revocations(r.ctx, after, r.clock.now(), 3)
		must(r, err)
		same(r, "the latest", last, all[6].Seq)
		paged = append(paged, page...)
		if len(page) < 3 {
			break
		}
		after = page[2].Seq
	}
	same(r, "in pages", paged, all)
	same(r, "after the fifth", tail(r, all[4].Seq), all[5:])
	none, last, err := r.e.Revocations(r.ctx, all[6].Seq+100, r.clock.now(), 3)
	must(r, err)
	same(r, "beyond the end", none, []oauth.Revocation(nil))
	same(r, "the latest, beyond the end", last, all[6].Seq)
}

func logUntil(r *room[Engine]) {
	must(r, r.e.RevokeToken(r.ctx, "late", r.clock.now(), r.clock.in(48*time.Hour)))
	must(r, r.e.RevokeToken(r.ctx, "early", r.clock.now(), r.clock.in(time.Hour)))
	before := latest(r)
	r.clock.advance(2 * time.Hour)
	list, last, err := r.e.Revocations(r.ctx, 0, r.clock.now(), 10)
	must(r, err)
	if len(list) != 1 || list[0].ID != "late" || last != before {
		r.Fatalf("%+v up to %d, want the one that still matters up to %d", list, last, before)
	}
}

// logContest: readers that go on from where they were see every entry, whoever writes meanwhile.
func logContest(r *room[Engine]) {
	const writers, each = 8, 25
	want := make(chan string, writers*each)
	stop := make(chan struct{})
	got := make([]map[string]bool, 3)
	var readers sync.WaitGroup
	for i := range got {
		got[i] = map[string]bool{}
		readers.Go(func() {
			var after int64
			for final := false; ; {
				list, last, err := r.e.Revocations(r.ctx, after, r.clock.now(), 5)
				if err != nil {
					r.Errorf("reading the log: %v", err)
					return
				}
				for _, e := range list {
					got[i][e.ID] = true
				}
				switch {
				case len(list) == 5:
					after = list[4].Seq
				case final:
					return
				default:
					after = max(after, last)
				}
				select {
				case <-stop:
					final = len(list) < 5
				default:
				}
			}
		})
	}
	walks := make([]walk, writers)
	for i := range walks {
		walks[i] = newWalk(r)
	}
	errs := make([]error, writers)
	together(writers, func(i int) {
		for range each {
			s := walks[i].newSession(r)
			if errs[i] = r.e.InsertSession(r.ctx, s); errs[i] != nil {
				return
			}
			if _, errs[i] = r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout"); errs[i] != nil {
				return
			}
			want <- string(s.ID)
		}
	})
	close(stop)
	readers.Wait()
	close(want)
	for _, err := range errs {
		must(r, err)
	}
	for id := range want {
		for i := range got {
			if !got[i][id] {
				r.Fatalf("reader %d missed %s", i, id)
			}
		}
	}
}
