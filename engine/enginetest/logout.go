package enginetest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

const logouts = oauth.LogoutDelivery

var logoutParts = []part[Engine]{
	{"the end of a session is queued for its clients", logoutQueued},
	{"so is the end of many", logoutQueuedOfMany},
	{"a grant that is being made is told or refused", logoutContest},
	{"the clients of a session", logoutClients},
	{"what is due is claimed for one client", logoutDue},
	{"of many workers each delivery goes to one", logoutDueContest},
	{"delivered is delivered, given up is given up", logoutEnds},
	{"operators see the latest", logoutsOf},
}

// told returns a new client that wants to be told.
func told(r *room[Engine]) ident.ClientID {
	r.Helper()
	d := document(r, name("client"))
	d.Backchannel = true
	must(r, r.e.PutClient(r.ctx, d))
	return ident.ClientID(d.ID)
}

// grantTo stores a grant to client under a session of w.
func (w walk) grantTo(r *room[Engine], client ident.ClientID, sid ident.SessionID) oauth.Grant {
	r.Helper()
	w.client = client
	return w.grant(r, sid)
}

func (w walk) start(r *room[Engine]) sessions.Session {
	r.Helper()
	s := w.newSession(r)
	must(r, r.e.InsertSession(r.ctx, s))
	return s
}

func queued(r *room[Engine], client ident.ClientID) []oauth.Delivery {
	r.Helper()
	return get(r.e.DeliveriesOf(r.ctx, logouts, client, time.Time{}, 1000))(r)
}

// fresh is the delivery to client as the end of s queues it.
func fresh(client ident.ClientID, s sessions.Session, at time.Time) oauth.Delivery {
	return oauth.Delivery{ID: string(s.ID) + "." + string(client), Client: client, User: s.User, Session: s.ID, CreatedAt: at, DueAt: at, Tries: oauth.DeliveryTries}
}

func logoutQueued(r *room[Engine]) {
	w := newWalk(r)
	a, b, quiet := told(r), told(r), newClient(r)
	w.grantTo(r, a, w.session.ID)
	w.grantTo(r, a, w.session.ID)
	over := w.grantTo(r, b, w.session.ID)
	get(r.e.RevokeGrant(r.ctx, over.ID, r.clock.now(), "earlier"))(r)
	w.grantTo(r, quiet, w.session.ID)
	w.grantTo(r, a, "")
	elsewhere := w.start(r)
	w.grantTo(r, a, elsewhere.ID)
	same(r, "before the end", queued(r, a), []oauth.Delivery(nil))
	r.clock.advance(time.Minute)
	at := r.clock.now()
	get(r.e.EndSession(r.ctx, w.session.ID, at, "logout"))(r)
	get(r.e.EndSession(r.ctx, w.session.ID, at, "logout"))(r)
	get(r.e.EndSession(r.ctx, w.session.ID, r.clock.in(time.Second), "logout"))(r)
	same(r, "a client with two grants", queued(r, a), []oauth.Delivery{fresh(a, w.session, at)})
	same(r, "a client whose grant was revoked before", queued(r, b), []oauth.Delivery{fresh(b, w.session, at)})
	same(r, "a client that wants not to be told", queued(r, quiet), []oauth.Delivery(nil))

	d := document(r, string(a))
	must(r, r.e.PutClient(r.ctx, d)) // wants it no more
	get(r.e.EndSession(r.ctx, elsewhere.ID, at, "logout"))(r)
	same(r, "a client that wants it no more", len(queued(r, a)), 1)

	d.Backchannel = true
	must(r, r.e.PutClient(r.ctx, d)) // again, too late for what has ended
	get(r.e.EndSession(r.ctx, elsewhere.ID, r.clock.in(time.Minute), "logout"))(r)
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", r.clock.in(time.Minute), "stolen"))(r)
	same(r, "what ended before is not told now", len(queued(r, a)), 1)
}

func logoutQueuedOfMany(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	a, b := told(r), told(r)
	kept, gone, theirs := w.start(r), w.start(r), other.session
	w.grantTo(r, a, w.session.ID)
	w.grantTo(r, b, gone.ID)
	w.grantTo(r, b, kept.ID)
	other.grantTo(r, a, theirs.ID)
	at := r.clock.now()
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, kept.ID, at, "password"))(r)
	same(r, "of a client", queued(r, a), []oauth.Delivery{fresh(a, w.session, at)})
	same(r, "of another", queued(r, b), []oauth.Delivery{fresh(b, gone, at)})
	later := r.clock.in(time.Minute)
	get(r.e.EndSessionsOf(r.ctx, w.user.ID, "", later, "stolen"))(r)
	same(r, "after the last ended", queued(r, b), []oauth.Delivery{fresh(b, kept, later), fresh(b, gone, at)})
	same(r, "what was told is not told again", len(queued(r, a)), 1)
}

// logoutContest: of a grant that is made while its session ends, either nothing is left, or its client is told.
func logoutContest(r *room[Engine]) {
	w := newWalk(r)
	for range 20 {
		s := w.start(r)
		clients, errs := make([]ident.ClientID, 6), make([]error, 7)
		for i := range clients {
			clients[i] = told(r)
		}
		together(len(errs), func(i int) {
			if i == len(clients) {
				_, errs[i] = r.e.EndSession(r.ctx, s.ID, r.clock.now(), "logout")
				return
			}
			mine := w
			mine.client = clients[i]
			errs[i] = r.e.InsertGrant(r.ctx, mine.newGrant(r, s.ID))
		})
		for i, err := range errs {
			if err != nil && !errors.Is(err, store.ErrStale) {
				r.Fatalf("unexpected error: %v", err)
			}
			if i == len(clients) {
				continue
			}
			want := 1
			if err != nil {
				want = 0
			}
			same(r, "deliveries to one of the clients", len(queued(r, clients[i])), want)
		}
	}
}

func logoutClients(r *room[Engine]) {
	w := newWalk(r)
	a, b := told(r), newClient(r)
	w.grantTo(r, b, w.session.ID)
	w.grantTo(r, a, w.session.ID)
	w.grantTo(r, a, w.session.ID)
	w.grantTo(r, told(r), "")
	w.grantTo(r, told(r), w.start(r).ID)
	want := []ident.ClientID{a, b}
	slices.Sort(want)
	same(r, "of a live session", get(r.e.LogoutClients(r.ctx, w.session.ID))(r), want)
	get(r.e.EndSession(r.ctx, w.session.ID, r.clock.now(), "logout"))(r)
	same(r, "of an ended session", get(r.e.LogoutClients(r.ctx, w.session.ID))(r), want)
	same(r, "of no session", get(r.e.LogoutClients(r.ctx, ""))(r), []ident.ClientID(nil))
	same(r, "of none", get(r.e.LogoutClients(r.ctx, "nowhere"))(r), []ident.ClientID(nil))
}

// ends queues n deliveries to each of clients, all due at.
func (w walk) ends(r *room[Engine], at time.Time, n int, clients ...ident.ClientID) {
	r.Helper()
	for range n {
		s := w.start(r)
		for _, c := range clients {
			w.grantTo(r, c, s.ID)
		}
		get(r.e.EndSession(r.ctx, s.ID, at, "logout"))(r)
	}
}

func logoutDue(r *room[Engine]) {
	w := newWalk(r)
	a, b := told(r), told(r)
	now := r.clock.now()
	due := func(c ident.ClientID, limit int) []oauth.Delivery {
		r.Helper()
		return get(r.e.DueDeliveries(r.ctx, logouts, c, r.clock.now(), time.Minute, limit))(r)
	}
	same(r, "nobody", get(r.e.DueClients(r.ctx, logouts, now, 10))(r), []ident.ClientID(nil))
	w.ends(r, now, 1, b)
	w.ends(r, now.Add(-time.Minute), 1, a)
	w.ends(r, now.Add(time.Microsecond), 1, a, b)
	same(r, "the longest due first", get(r.e.DueClients(r.ctx, logouts, now, 10))(r), []ident.ClientID{a, b})
	same(r, "at most one", get(r.e.DueClients(r.ctx, logouts, now, 1))(r), []ident.ClientID{a})
	same(r, "none wanted", due(a, 0), []oauth.Delivery(nil))
	first := due(a, 10)
	same(r, "due to a", len(first), 1)
	want := oauth.Delivery{ID: first[0].ID, Client: a, User: w.user.ID, Session: first[0].Session, CreatedAt: now.Add(-time.Minute), DueAt: now.Add(time.Minute), Attempts: 1, Tries: oauth.DeliveryTries}
	same(r, "claimed", first, []oauth.Delivery{want})
	same(r, "no more to a", due(a, 10), []oauth.Delivery(nil))
	same(r, "b is left", get(r.e.DueClients(r.ctx, logouts, now, 10))(r), []ident.ClientID{b})
	r.clock.advance(time.Second)
	same(r, "to b", len(due(b, 1)), 1)
	same(r, "to b, the rest", len(due(b, 10)), 1)
	same(r, "to a, the next", len(due(a, 10)), 1)
	r.clock.advance(58 * time.Second)
	same(r, "leases run", get(r.e.DueClients(r.ctx, logouts, r.clock.now(), 10))(r), []ident.ClientID(nil))
	r.clock.advance(time.Second)
	again := due(a, 10)
	want.DueAt, want.Attempts = r.clock.in(time.Minute), 2
	same(r, "a lease is over", again, []oauth.Delivery{want})
}

func logoutDueContest(r *room[Engine]) {
	w := newWalk(r)
	a, b := told(r), told(r)
	w.ends(r, r.clock.now(), 20, a, b)
	var mu sync.Mutex
	got := map[string]int{}
	errs := make([]error, 12)
	together(len(errs), func(i int) {
		c := []ident.ClientID{a, b}[i%2]
		for {
			ds, err := r.e.DueDeliveries(r.ctx, logouts, c, r.clock.now(), time.Minute, 3)
			if err != nil || len(ds) == 0 {
				errs[i] = err
				return
			}
			mu.Lock()
			for _, d := range ds {
				got[d.ID]++
			}
			mu.Unlock()
		}
	})
	must(r, errors.Join(errs...))
	same(r, "deliveries claimed", len(got), 40)
	for id, n := range got {
		if n != 1 {
			r.Fatalf("%s was claimed %d times", id, n)
		}
	}
}

func logoutEnds(r *room[Engine]) {
	w := newWalk(r)
	a := told(r)
	w.ends(r, r.clock.now(), 3, a)
	due := get(r.e.DueDeliveries(r.ctx, logouts, a, r.clock.now(), time.Minute, 10))(r)
	same(r, "due", len(due), 3)
	sent, again, never := due[0], due[1], due[2]
	must(r, r.e.DeliveryFailed(r.ctx, logouts, sent.ID, r.clock.in(time.Second), "timeout"))
	must(r, r.e.Delivered(r.ctx, logouts, sent.ID, r.clock.in(time.Second)))
	must(r, r.e.DeliveryFailed(r.ctx, logouts, sent.ID, r.clock.in(time.Second), "timeout")) // by a worker who was too slow
	must(r, r.e.DeliveryFailed(r.ctx, logouts, again.ID, r.clock.in(30*time.Second), "status"))
	must(r, r.e.DeliveryFailed(r.ctx, logouts, never.ID, time.Time{}, "refused"))
	refuse(r, "Delivered of none", r.e.Delivered(r.ctx, logouts, "none", r.clock.now()), store.ErrNotFound)
	refuse(r, "DeliveryFailed of none", r.e.DeliveryFailed(r.ctx, logouts, "none", r.clock.now(), "x"), store.ErrNotFound)
	sent.DueAt, sent.DeliveredAt = time.Time{}, r.clock.in(time.Second)
	again.DueAt, again.Failure = r.clock.in(30*time.Second), "status"
	never.DueAt, never.Failure = time.Time{}, "refused"
	want := map[string]oauth.Delivery{sent.ID: sent, again.ID: again, never.ID: never}
	for _, d := range queued(r, a) {
		same(r, "a delivery that came to an end", d, want[d.ID])
	}
	r.clock.advance(time.Hour)
	got := get(r.e.DueDeliveries(r.ctx, logouts, a, r.clock.now(), time.Minute, 10))(r)
	same(r, "due after an hour", len(got), 1)
	same(r, "the one that failed", got[0].ID, again.ID)
}

func logoutsOf(r *room[Engine]) {
	w := newWalk(r)
	a, b := told(r), told(r)
	for i := range 3 {
		w.ends(r, r.clock.in(time.Duration(i)*time.Minute), 1, a)
	}
	w.ends(r, r.clock.now(), 1, b)
	at := func(since time.Duration, limit int) (out []time.Duration) {
		for _, d := range get(r.e.DeliveriesOf(r.ctx, logouts, a, r.clock.in(since), limit))(r) {
			out = append(out, d.CreatedAt.Sub(r.clock.now()))
		}
		return out
	}
	same(r, "all", at(0, 10), []time.Duration{2 * time.Minute, time.Minute, 0})
	same(r, "since", at(time.Minute, 10), []time.Duration{2 * time.Minute, time.Minute})
	same(r, "at most one", at(0, 1), []time.Duration{2 * time.Minute})
}
