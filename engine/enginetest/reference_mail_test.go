package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/store"
)

// --- notify.Store

func (m *reference) letter(id string) int {
	return slices.IndexFunc(m.mails, func(r notify.Record) bool { return r.ID == id })
}

func (m *reference) EnqueueMail(_ context.Context, r notify.Record, dedup string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if dedup != "" && m.now().Before(m.once[dedup]) && !m.has("EnqueueMail tells again") {
		return store.ErrExists
	}
	if dedup == "" && m.has("EnqueueMail takes no key for a key") {
		if m.now().Before(m.once[dedup]) {
			return store.ErrExists
		}
		until = m.now().Add(time.Hour)
	}
	m.gap("EnqueueMail looks, then writes")
	if m.letter(r.ID) >= 0 && !m.has("EnqueueMail takes an ID twice") {
		return store.ErrExists
	}
	if m.has("EnqueueMail never tells again") {
		until = until.AddDate(1, 0, 0)
	}
	m.once[dedup] = until
	r.Sealed, r.CreatedAt, r.NotBefore = bytes.Clone(r.Sealed), m.micros(r.CreatedAt), m.micros(r.NotBefore)
	if m.has("a mail forgets its session") {
		r.Session = ""
	}
	m.mails = append(m.mails, r)
	return nil
}

func (m *reference) DueMail(_ context.Context, now time.Time, lease time.Duration, limit int) (out []notify.Record, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []int
	for i, r := range m.mails {
		if !r.NotBefore.IsZero() && (!r.NotBefore.After(now) || m.has("DueMail is early") && r.NotBefore.Before(now.Add(time.Millisecond))) {
			due = append(due, i)
		}
	}
	if !m.has("DueMail takes the newest") {
		slices.SortStableFunc(due, func(a, b int) int { return m.mails[a].NotBefore.Compare(m.mails[b].NotBefore) })
	} else {
		slices.Reverse(due)
	}
	due = first(due, limit)
	m.gap("DueMail looks, then claims")
	for _, i := range due {
		if !m.has("DueMail claims for ever") {
			m.mails[i].NotBefore = m.micros(now.Add(lease))
		} else {
			m.mails[i].NotBefore = time.Time{}
		}
		if !m.has("DueMail does not count attempts") {
			m.mails[i].Attempts++
		}
		out = append(out, m.mails[i])
	}
	return out, nil
}

func (m *reference) MailSent(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letter(id)
	if i < 0 {
		return store.ErrNotFound
	}
	m.mails[i].SentAt = m.micros(at)
	if !m.has("what was sent is due again") {
		m.mails[i].NotBefore = time.Time{}
	}
	return nil
}

func (m *reference) MailFailed(_ context.Context, id string, next time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.letter(id)
	if i < 0 {
		return store.ErrNotFound
	}
	if !m.mails[i].SentAt.IsZero() && !m.has("MailFailed takes back what was sent") {
		return nil
	}
	if next.IsZero() && m.has("nothing is given up") {
		next = m.now()
	}
	m.mails[i].NotBefore = m.micros(next)
	return nil
}

func (m *reference) DropMail(_ context.Context, user ident.UserID, kind notify.Kind) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = slices.DeleteFunc(m.mails, func(r notify.Record) bool {
		return (r.User == user || m.has("DropMail drops everybody's")) && (r.Kind == kind || m.has("DropMail drops every kind")) &&
			(r.SentAt.IsZero() || m.has("DropMail drops what was sent"))
	})
	return nil
}

func (m *reference) Mails(_ context.Context, limit int) ([]notify.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.mails)
	slices.SortStableFunc(out, func(a, b notify.Record) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return first(out, limit), nil
}

func (m *reference) forgetMail(user ident.UserID) {
	if !m.has("DeleteUser leaves the mail") {
		m.mails = slices.DeleteFunc(m.mails, func(r notify.Record) bool { return r.User == user })
	}
}
