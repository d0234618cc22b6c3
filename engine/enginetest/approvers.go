package enginetest

import (
	"strings"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

var approverParts = []part[Engine]{
	{"approvers come back as they were", approversValues},
	{"an approver belongs to one", approversUnique},
	{"a person has at most so many approvers", approversFull},
	{"the approvers of a deleted person go", approversDelete},
	{"a person has one user code", userCodes},
}

// newApprover returns one of w's, not yet stored, with every field filled.
func (w walk) newApprover(r *room[Engine]) authn.Approver {
	return authn.Approver{
		ID: name("approver"), User: w.user.ID, Kind: authn.ApproverApp, Name: "Zoë's <phone> 雲", Device: "device", Key: []byte(`{"kty":"EC"}`),
		Attested: "android-key", Push: []byte{0, 0xff, '%', 0}, CreatedAt: r.clock.now(), UsedAt: r.clock.in(time.Microsecond),
		PushedAt: r.clock.in(2 * time.Microsecond), FailedAt: r.clock.in(3 * time.Microsecond),
	}
}

func (w walk) approver(r *room[Engine]) authn.Approver {
	r.Helper()
	a := w.newApprover(r)
	must(r, r.e.AddApprover(r.ctx, a))
	return a
}

func approversValues(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	same(r, "none", get(r.e.Approvers(r.ctx, w.user.ID))(r), []authn.Approver(nil))
	full := w.newApprover(r)
	bare := authn.Approver{ID: name("approver"), User: w.user.ID, Kind: authn.ApproverBrowser, CreatedAt: r.clock.in(-time.Second)}
	theirs := other.newApprover(r)
	for _, a := range []authn.Approver{full, bare, theirs} {
		must(r, r.e.AddApprover(r.ctx, a))
		same(r, "Approver", get(r.e.Approver(r.ctx, a.ID))(r), a)
	}
	same(r, "oldest first", get(r.e.Approvers(r.ctx, w.user.ID))(r), []authn.Approver{bare, full})
	same(r, "another's", get(r.e.Approvers(r.ctx, other.user.ID))(r), []authn.Approver{theirs})
	same(r, "nobody's", get(r.e.Approvers(r.ctx, ""))(r), []authn.Approver(nil))

	want := full
	want.Name, want.Push = strings.Repeat("名", 64), nil
	want.UsedAt, want.PushedAt, want.FailedAt = r.clock.in(time.Hour), r.clock.in(2*time.Hour), time.Time{}
	changed := want
	changed.Kind, changed.Device, changed.Key, changed.Attested, changed.CreatedAt = "no", "other", []byte{9}, "", r.clock.in(time.Hour)
	must(r, r.e.PutApprover(r.ctx, changed))
	same(r, "a change changes only what it may", get(r.e.Approver(r.ctx, full.ID))(r), want)

	stolen := changed
	stolen.User = other.user.ID
	refuse(r, "PutApprover of another", r.e.PutApprover(r.ctx, stolen), store.ErrNotFound)
	refuse(r, "DeleteApprover of another", r.e.DeleteApprover(r.ctx, other.user.ID, full.ID), store.ErrNotFound)
	for _, id := range []string{"", "nobody's", full.ID[1:], full.ID + "x", "\xff"} {
		_, err := r.e.Approver(r.ctx, id)
		refuse(r, "Approver that is not there", err, store.ErrNotFound)
		if id != "\xff" {
			refuse(r, "PutApprover that is not there", r.e.PutApprover(r.ctx, authn.Approver{ID: id, User: w.user.ID}), store.ErrNotFound)
			refuse(r, "DeleteApprover that is not there", r.e.DeleteApprover(r.ctx, w.user.ID, id), store.ErrNotFound)
		}
	}
	same(r, "after refusals", get(r.e.Approver(r.ctx, full.ID))(r), want)
	must(r, r.e.DeleteApprover(r.ctx, w.user.ID, full.ID))
	refuse(r, "a second time", r.e.DeleteApprover(r.ctx, w.user.ID, full.ID), store.ErrNotFound)
	same(r, "the other one", get(r.e.Approvers(r.ctx, w.user.ID))(r), []authn.Approver{bare})
}

func approversUnique(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	a := w.approver(r)
	refuse(r, "the same again", r.e.AddApprover(r.ctx, a), store.ErrExists)
	thief := other.newApprover(r)
	thief.ID = a.ID
	refuse(r, "the same for another", r.e.AddApprover(r.ctx, thief), store.ErrExists)
	same(r, "its owner's", get(r.e.Approver(r.ctx, a.ID))(r), a)
	ghost := a
	ghost.ID, ghost.User = name("approver"), "nobody"
	refuse(r, "of nobody", r.e.AddApprover(r.ctx, ghost), store.ErrNotFound)

	fresh := []authn.Approver{w.newApprover(r), other.newApprover(r)}
	fresh[1].ID = fresh[0].ID
	i := contest(r, "AddApprover", 16, store.ErrExists, func(i int) error { return r.e.AddApprover(r.ctx, fresh[i%2]) })
	same(r, "the winner's", get(r.e.Approver(r.ctx, fresh[0].ID))(r), fresh[i%2])
}

func approversFull(r *room[Engine]) {
	w := newWalk(r)
	for range authn.MaxApprovers - 1 {
		w.approver(r)
	}
	fresh := make([]authn.Approver, 12)
	for i := range fresh {
		fresh[i] = w.newApprover(r)
	}
	contest(r, "AddApprover", len(fresh), store.ErrStale, func(i int) error { return r.e.AddApprover(r.ctx, fresh[i]) })
	list := get(r.e.Approvers(r.ctx, w.user.ID))(r)
	same(r, "approvers", len(list), authn.MaxApprovers)
	refuse(r, "one that is there of a full person", r.e.AddApprover(r.ctx, list[0]), store.ErrExists)
	must(r, r.e.DeleteApprover(r.ctx, w.user.ID, list[0].ID))
	w.approver(r)
	newWalk(r).approver(r)
}

func approversDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	a, theirs := w.approver(r), other.approver(r)
	must(r, r.e.DeleteUser(r.ctx, w.user.ID))
	_, err := r.e.Approver(r.ctx, a.ID)
	refuse(r, "a deleted person's approver", err, store.ErrNotFound)
	refuse(r, "an approver for a deleted person", r.e.AddApprover(r.ctx, a), store.ErrNotFound)
	same(r, "another's", get(r.e.Approver(r.ctx, theirs.ID))(r), theirs)
}

func userCodes(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	none := func(what string, user ident.UserID) {
		r.Helper()
		_, _, err := r.e.UserCode(r.ctx, user)
		refuse(r, what, err, store.ErrNotFound)
	}
	is := func(what string, user ident.UserID, sealed []byte, at time.Time) {
		r.Helper()
		got, when, err := r.e.UserCode(r.ctx, user)
		must(r, err)
		same(r, what, got, sealed)
		same(r, what+": when", when, at)
	}
	none("before any", w.user.ID)
	none("of nobody", "")
	refuse(r, "for nobody", r.e.PutUserCode(r.ctx, "nobody", []byte{1}, r.clock.now()), store.ErrNotFound)
	none("of nobody, after", "nobody")
	must(r, r.e.PutUserCode(r.ctx, w.user.ID, []byte{0, 0xff}, r.clock.now()))
	must(r, r.e.PutUserCode(r.ctx, other.user.ID, []byte{2}, r.clock.now()))
	is("the first", w.user.ID, []byte{0, 0xff}, r.clock.now())
	must(r, r.e.PutUserCode(r.ctx, w.user.ID, []byte{3}, r.clock.in(time.Second)))
	is("another one", w.user.ID, []byte{3}, r.clock.in(time.Second))
	must(r, r.e.PutUserCode(r.ctx, w.user.ID, nil, r.clock.now()))
	none("removed", w.user.ID)
	must(r, r.e.PutUserCode(r.ctx, w.user.ID, nil, r.clock.now())) // and once more
	is("another's", other.user.ID, []byte{2}, r.clock.now())
	must(r, r.e.DeleteUser(r.ctx, other.user.ID))
	none("a deleted person's", other.user.ID)
}
