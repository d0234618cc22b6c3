package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// --- oauth.DeliveryStore

func (m *reference) delivery(kind oauth.DeliveryKind, id string) int {
	return slices.IndexFunc(m.outboxes[kind], func(d oauth.Delivery) bool { return d.ID == id })
}

func (m *reference) kindOf(kind oauth.DeliveryKind) oauth.DeliveryKind {
	if m.has("deliveries of all kinds lie together") {
		return logouts
	}
	return kind
}

func (m *reference) QueueDelivery(_ context.Context, kind oauth.DeliveryKind, d oauth.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind = m.kindOf(kind)
	if m.delivery(kind, d.ID) >= 0 && !m.has("QueueDelivery queues twice") {
		return store.ErrExists
	}
	if m.has("QueueDelivery forgets how often") {
		d.Tries = oauth.DeliveryTries
	}
	d.CreatedAt, d.DueAt = m.micros(d.CreatedAt), m.micros(d.DueAt)
	m.outboxes[kind] = append(m.outboxes[kind], d)
	return nil
}

func (m *reference) HurryDelivery(_ context.Context, kind oauth.DeliveryKind, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind = m.kindOf(kind)
	i := m.delivery(kind, id)
	if i < 0 {
		return nil
	}
	d := &m.outboxes[kind][i]
	if (d.Attempts == 0 || m.has("HurryDelivery breaks a lease")) && (d.DueAt.After(at) || m.has("HurryDelivery puts off") && !d.DueAt.IsZero()) {
		d.DueAt = m.micros(at)
	}
	return nil
}

func (m *reference) due(d oauth.Delivery, now time.Time) bool {
	return !d.DueAt.IsZero() && (!d.DueAt.After(now) || m.has("deliveries are due early") && d.DueAt.Before(now.Add(time.Millisecond)))
}

func (m *reference) DueClients(_ context.Context, kind oauth.DeliveryKind, now time.Time, limit int) (out []ident.ClientID, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.outboxes[m.kindOf(kind)])
	slices.SortStableFunc(list, func(a, b oauth.Delivery) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.Client, b.Client))
	})
	if m.has("DueClients has no order") {
		slices.Reverse(list)
	}
	for _, d := range list {
		if m.due(d, now) && !slices.Contains(out, d.Client) {
			out = append(out, d.Client)
		}
	}
	return first(out, limit), nil
}

func (m *reference) DueDeliveries(_ context.Context, kind oauth.DeliveryKind, client ident.ClientID, now time.Time, lease time.Duration, limit int) (out []oauth.Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.outboxes[m.kindOf(kind)]
	var due []int
	for i, d := range list {
		if m.due(d, now) && (d.Client == client || m.has("DueDeliveries claims for any client")) {
			due = append(due, i)
		}
	}
	slices.SortStableFunc(due, func(a, b int) int { return list[a].DueAt.Compare(list[b].DueAt) })
	due = first(due, limit)
	m.gap("DueDeliveries looks, then claims")
	for _, i := range due {
		d := &list[i]
		d.DueAt = m.micros(now.Add(lease))
		if m.has("DueDeliveries claims nothing") {
			d.DueAt = m.micros(now)
		}
		if !m.has("DueDeliveries does not count attempts") {
			d.Attempts++
		}
		out = append(out, *d)
	}
	return out, nil
}

func (m *reference) DeferDelivery(_ context.Context, kind oauth.DeliveryKind, d oauth.Delivery, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind = m.kindOf(kind)
	i := m.delivery(kind, d.ID)
	if i < 0 {
		return nil
	}
	mine := &m.outboxes[kind][i]
	if !m.has("DeferDelivery takes back what is another's") && (mine.Attempts != d.Attempts || !mine.DueAt.Equal(d.DueAt)) {
		return nil
	}
	mine.DueAt = m.micros(until)
	if !m.has("DeferDelivery counts as an attempt") {
		mine.Attempts--
	}
	return nil
}

func (m *reference) Delivered(_ context.Context, kind oauth.DeliveryKind, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind = m.kindOf(kind)
	i := m.delivery(kind, id)
	if i < 0 {
		return store.ErrNotFound
	}
	d := &m.outboxes[kind][i]
	d.DeliveredAt, d.Failure = m.micros(at), ""
	if !m.has("what was delivered is due again") {
		d.DueAt = time.Time{}
	}
	return nil
}

func (m *reference) DeliveryFailed(_ context.Context, kind oauth.DeliveryKind, id string, next time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind = m.kindOf(kind)
	i := m.delivery(kind, id)
	if i < 0 {
		return store.ErrNotFound
	}
	d := &m.outboxes[kind][i]
	if !d.DeliveredAt.IsZero() && !m.has("DeliveryFailed takes back what was delivered") {
		return nil
	}
	d.DueAt, d.Failure = m.micros(next), why
	return nil
}

func (m *reference) DeliveriesOf(_ context.Context, kind oauth.DeliveryKind, client ident.ClientID, since time.Time, limit int) (out []oauth.Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.outboxes[m.kindOf(kind)] {
		if d.Client == client && (!d.CreatedAt.Before(since) || m.has("DeliveriesOf goes back for ever")) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b oauth.Delivery) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return first(out, limit), nil
}
