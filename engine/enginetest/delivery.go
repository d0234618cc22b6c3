package enginetest

import (
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

var deliveryParts = []part[Engine]{
	{"what is queued is told apart by kind", deliveryKinds},
	{"what nobody claimed can be hurried", deliveryHurried},
	{"what has nothing to tell yet is given back", deliveryDeferred},
}

const notices = oauth.CIBADelivery

// notice queues a delivery to client that is due at, and returns it.
func notice(r *room[Engine], client ident.ClientID, at time.Time, tries int) oauth.Delivery {
	r.Helper()
	d := oauth.Delivery{ID: name("handle"), Client: client, User: "somebody", CreatedAt: r.clock.now(), DueAt: at, Tries: tries}
	must(r, r.e.QueueDelivery(r.ctx, notices, d))
	return d
}

func claim(r *room[Engine], client ident.ClientID) []oauth.Delivery {
	r.Helper()
	return get(r.e.DueDeliveries(r.ctx, notices, client, r.clock.now(), time.Minute, 10))(r)
}

func deliveryKinds(r *room[Engine]) {
	w := newWalk(r)
	a := told(r)
	now := r.clock.now()
	once, often := notice(r, a, now, 1), notice(r, a, now.Add(time.Second), 5)
	refuse(r, "queued again", r.e.QueueDelivery(r.ctx, notices, once), store.ErrExists)
	same(r, "among the logouts", queued(r, a), []oauth.Delivery(nil))
	w.ends(r, now, 1, a)
	logout := once
	logout.Tries = 5
	must(r, r.e.QueueDelivery(r.ctx, logouts, logout)) // a name may stand in both
	same(r, "logouts", len(queued(r, a)), 2)
	must(r, r.e.Delivered(r.ctx, logouts, once.ID, now))
	same(r, "due", get(r.e.DueClients(r.ctx, notices, now, 10))(r), []ident.ClientID{a})
	once.DueAt, once.Attempts = now.Add(time.Minute), 1
	same(r, "claimed", claim(r, a), []oauth.Delivery{once})
	must(r, r.e.DeliveryFailed(r.ctx, notices, once.ID, time.Time{}, "status"))
	r.clock.advance(time.Hour)
	often.DueAt, often.Attempts = r.clock.in(time.Minute), 1
	same(r, "claimed later", claim(r, a), []oauth.Delivery{often})
	same(r, "logouts due", len(get(r.e.DueDeliveries(r.ctx, logouts, a, r.clock.now(), time.Minute, 10))(r)), 1)
	refuse(r, "Delivered of another kind", r.e.Delivered(r.ctx, logouts, often.ID, now), store.ErrNotFound)
	same(r, "of the client", len(get(r.e.DeliveriesOf(r.ctx, notices, a, time.Time{}, 10))(r)), 2)
}

func deliveryHurried(r *room[Engine]) {
	a := told(r)
	d := notice(r, a, r.clock.in(time.Hour), 5)
	must(r, r.e.HurryDelivery(r.ctx, notices, "none", r.clock.now()))
	must(r, r.e.HurryDelivery(r.ctx, logouts, d.ID, r.clock.now()))
	same(r, "before", claim(r, a), []oauth.Delivery(nil))
	must(r, r.e.HurryDelivery(r.ctx, notices, d.ID, r.clock.now()))
	must(r, r.e.HurryDelivery(r.ctx, notices, d.ID, r.clock.in(time.Hour))) // never later than it was
	d.DueAt, d.Attempts = r.clock.in(time.Minute), 1
	same(r, "hurried", claim(r, a), []oauth.Delivery{d})
	must(r, r.e.HurryDelivery(r.ctx, notices, d.ID, r.clock.now()))
	same(r, "a lease stands", claim(r, a), []oauth.Delivery(nil))
	must(r, r.e.DeliveryFailed(r.ctx, notices, d.ID, time.Time{}, "refused"))
	must(r, r.e.HurryDelivery(r.ctx, notices, d.ID, r.clock.now()))
	same(r, "given up", claim(r, a), []oauth.Delivery(nil))
}

func deliveryDeferred(r *room[Engine]) {
	a := told(r)
	notice(r, a, r.clock.now(), 1)
	first := claim(r, a)[0]
	must(r, r.e.DeferDelivery(r.ctx, notices, first, r.clock.in(time.Second)))
	same(r, "put off", claim(r, a), []oauth.Delivery(nil))
	r.clock.advance(time.Second)
	second := claim(r, a)
	want := first
	want.DueAt = r.clock.in(time.Minute)
	same(r, "claimed again, as for the first time", second, []oauth.Delivery{want})
	must(r, r.e.DeferDelivery(r.ctx, notices, first, r.clock.now())) // by a worker whose lease is over
	same(r, "another's lease stands", claim(r, a), []oauth.Delivery(nil))
	r.clock.advance(time.Minute)
	third := claim(r, a)[0]
	same(r, "attempts", third.Attempts, 2)
	must(r, r.e.Delivered(r.ctx, notices, third.ID, r.clock.now()))
	must(r, r.e.DeferDelivery(r.ctx, notices, third, r.clock.now()))
	r.clock.advance(time.Hour)
	same(r, "delivered", claim(r, a), []oauth.Delivery(nil))
}
