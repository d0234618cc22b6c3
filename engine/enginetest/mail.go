package enginetest

import (
	"errors"
	"sync"
	"time"

	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/store"
)

var mailParts = []part[Engine]{
	{"a mail comes back as it was", mailValues},
	{"what is told once is told once", mailOnce},
	{"one of many tells", mailOnceContest},
	{"what is due is claimed by one", mailDue},
	{"of many workers each mail goes to one", mailDueContest},
	{"sent is sent, given up is given up", mailEnds},
	{"what was not sent can be dropped", mailDrop},
	{"the mails of a deleted person go", mailDelete},
}

// newMail returns one to w, not yet stored, with every field filled that a new one has.
func (w walk) newMail(r *room[Engine]) notify.Record {
	return notify.Record{
		ID: name("mail"), User: w.user.ID, Kind: notify.NewDevice, Lang: "zh-CN", Session: w.session.ID,
		Sealed: []byte{0, 0xff, '%', 0}, CreatedAt: r.clock.now(), NotBefore: r.clock.in(time.Minute),
	}
}

func (w walk) mail(r *room[Engine], at time.Time) notify.Record {
	r.Helper()
	m := w.newMail(r)
	m.NotBefore = at
	must(r, r.e.EnqueueMail(r.ctx, m, "", time.Time{}))
	return m
}

func due(r *room[Engine], limit int) []notify.Record {
	r.Helper()
	return get(r.e.DueMail(r.ctx, r.clock.now(), time.Minute, limit))(r)
}

func mailValues(r *room[Engine]) {
	w := newWalk(r)
	same(r, "none", get(r.e.Mails(r.ctx, 10))(r), []notify.Record(nil))
	full := w.newMail(r)
	bare := notify.Record{ID: name("mail"), User: w.user.ID, Kind: notify.RecoveryDone, Sealed: []byte{1}, CreatedAt: r.clock.in(time.Second), NotBefore: r.clock.now()}
	must(r, r.e.EnqueueMail(r.ctx, full, "", time.Time{}))
	must(r, r.e.EnqueueMail(r.ctx, bare, "once", r.clock.in(time.Hour)))
	refuse(r, "an ID that is there", r.e.EnqueueMail(r.ctx, full, "", time.Time{}), store.ErrExists)
	same(r, "newest first", get(r.e.Mails(r.ctx, 10))(r), []notify.Record{bare, full})
	same(r, "at most one", get(r.e.Mails(r.ctx, 1))(r), []notify.Record{bare})
}

func mailOnce(r *room[Engine]) {
	w := newWalk(r)
	once := func() error { return r.e.EnqueueMail(r.ctx, w.newMail(r), "device", r.clock.in(time.Hour)) }
	must(r, once())
	refuse(r, "the same again", once(), store.ErrExists)
	must(r, r.e.EnqueueMail(r.ctx, w.newMail(r), "other", r.clock.in(time.Hour)))
	must(r, r.e.EnqueueMail(r.ctx, w.newMail(r), "", time.Time{}))
	must(r, r.e.EnqueueMail(r.ctx, w.newMail(r), "", time.Time{}))
	same(r, "mails", len(get(r.e.Mails(r.ctx, 10))(r)), 4)
	r.clock.advance(time.Hour)
	must(r, once())
	refuse(r, "the same again after its time", once(), store.ErrExists)
	same(r, "mails", len(get(r.e.Mails(r.ctx, 10))(r)), 5)
}

func mailOnceContest(r *room[Engine]) {
	w := newWalk(r)
	for range 3 {
		dedup, ms := name("dedup"), make([]notify.Record, 24)
		for i := range ms {
			ms[i] = w.newMail(r)
		}
		i := contest(r, "EnqueueMail", len(ms), store.ErrExists, func(i int) error {
			return r.e.EnqueueMail(r.ctx, ms[i], dedup, r.clock.in(time.Hour))
		})
		mine := 0
		for _, m := range get(r.e.Mails(r.ctx, 100))(r) {
			for j := range ms {
				if m.ID == ms[j].ID {
					mine++
					same(r, "the mail of the winner", j, i)
				}
			}
		}
		same(r, "mails of this contest", mine, 1)
	}
}

func mailDue(r *room[Engine]) {
	w := newWalk(r)
	late, soon := w.mail(r, r.clock.in(-time.Minute)), w.mail(r, r.clock.now())
	next := w.mail(r, r.clock.in(time.Microsecond))
	claimed := func(m notify.Record, attempts int) notify.Record {
		m.NotBefore, m.Attempts = r.clock.in(time.Minute), attempts
		return m
	}
	same(r, "none wanted", due(r, 0), []notify.Record(nil))
	same(r, "the longest due", due(r, 1), []notify.Record{claimed(late, 1)})
	same(r, "the next", due(r, 10), []notify.Record{claimed(soon, 1)})
	same(r, "no more", due(r, 10), []notify.Record(nil))
	r.clock.advance(time.Second)
	same(r, "one whose time has come", due(r, 10), []notify.Record{claimed(next, 1)})
	r.clock.advance(59*time.Second - time.Microsecond)
	same(r, "leases run", due(r, 10), []notify.Record(nil))
	r.clock.advance(time.Microsecond)
	same(r, "leases are over", len(due(r, 10)), 2)
	for _, m := range get(r.e.Mails(r.ctx, 10))(r) {
		if want := map[string]int{late.ID: 2, soon.ID: 2, next.ID: 1}[m.ID]; m.Attempts != want {
			r.Fatalf("%d attempts, want %d", m.Attempts, want)
		}
	}
}

func mailDueContest(r *room[Engine]) {
	w := newWalk(r)
	for range 40 {
		w.mail(r, r.clock.now())
	}
	var mu sync.Mutex
	got := map[string]int{}
	errs := make([]error, 12)
	together(len(errs), func(i int) {
		for {
			ms, err := r.e.DueMail(r.ctx, r.clock.now(), time.Minute, 3)
			if err != nil || len(ms) == 0 {
				errs[i] = err
				return
			}
			mu.Lock()
			for _, m := range ms {
				got[m.ID]++
			}
			mu.Unlock()
		}
	})
	must(r, errors.Join(errs...))
	same(r, "mails claimed", len(got), 40)
	for id, n := range got {
		if n != 1 {
			r.Fatalf("%s was claimed %d times", id, n)
		}
	}
}

func mailEnds(r *room[Engine]) {
	w := newWalk(r)
	sent, again, never := w.mail(r, r.clock.now()), w.mail(r, r.clock.now()), w.mail(r, r.clock.now())
	same(r, "due", len(due(r, 10)), 3)
	must(r, r.e.MailSent(r.ctx, sent.ID, r.clock.in(time.Second)))
	must(r, r.e.MailFailed(r.ctx, sent.ID, r.clock.in(time.Second))) // by a worker who was too slow
	must(r, r.e.MailFailed(r.ctx, again.ID, r.clock.in(30*time.Second)))
	must(r, r.e.MailFailed(r.ctx, never.ID, time.Time{}))
	refuse(r, "MailSent of none", r.e.MailSent(r.ctx, "none", r.clock.now()), store.ErrNotFound)
	refuse(r, "MailFailed of none", r.e.MailFailed(r.ctx, "none", r.clock.now()), store.ErrNotFound)
	r.clock.advance(29 * time.Second)
	same(r, "before its time", due(r, 10), []notify.Record(nil))
	at := r.clock.in(-29 * time.Second)
	want := map[string]notify.Record{}
	for _, m := range []notify.Record{sent, again, never} {
		m.Attempts, m.NotBefore = 1, time.Time{}
		want[m.ID] = m
	}
	s, a := want[sent.ID], want[again.ID]
	s.SentAt, a.NotBefore = at.Add(time.Second), at.Add(30*time.Second)
	want[sent.ID], want[again.ID] = s, a
	for _, m := range get(r.e.Mails(r.ctx, 10))(r) {
		same(r, "a mail that came to an end", m, want[m.ID])
	}
	r.clock.advance(time.Hour)
	got := due(r, 10)
	same(r, "due after an hour", len(got), 1)
	same(r, "the one that failed", got[0].ID, again.ID)
}

func mailDrop(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	sent, open, theirs := w.mail(r, r.clock.now()), w.mail(r, r.clock.now()), other.mail(r, r.clock.now())
	kept := w.newMail(r)
	kept.Kind = notify.RecoveryReady
	must(r, r.e.EnqueueMail(r.ctx, kept, "", time.Time{}))
	must(r, r.e.MailSent(r.ctx, sent.ID, r.clock.now()))
	must(r, r.e.DropMail(r.ctx, w.user.ID, notify.NewDevice))
	must(r, r.e.DropMail(r.ctx, "nobody", notify.NewDevice))
	ids := map[string]bool{}
	for _, m := range get(r.e.Mails(r.ctx, 10))(r) {
		ids[m.ID] = true
	}
	same(r, "what is left", ids, map[string]bool{sent.ID: true, theirs.ID: true, kept.ID: true})
	refuse(r, "MailSent of a dropped one", r.e.MailSent(r.ctx, open.ID, r.clock.now()), store.ErrNotFound)
}

func mailDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	w.mail(r, r.clock.now())
	theirs := other.mail(r, r.clock.now())
	must(r, r.e.DeleteUser(r.ctx, w.user.ID))
	same(r, "what is left", get(r.e.Mails(r.ctx, 10))(r), []notify.Record{theirs})
}
