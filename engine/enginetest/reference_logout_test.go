package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// --- oauth.LogoutStore

// tell queues what the clients of s are told.
func (m *reference) tell(s sessions.Session) {
	for _, g := range m.grants {
		if g.Session != s.ID || !m.clients[string(g.Client)].Backchannel && !m.has("every client is told") ||
			m.has("a client whose grant was revoked is not told") && g.RevokeWhy == "earlier" {
			continue
		}
		id := string(s.ID) + "." + string(g.Client)
		if m.delivery(id) >= 0 && !m.has("a client is told for each grant") {
			continue
		}
		d := oauth.LogoutDelivery{ID: id, Client: g.Client, User: s.User, Session: s.ID, CreatedAt: s.EndedAt, DueAt: s.EndedAt}
		if m.has("a delivery forgets its person") {
			d.User = ""
		}
		m.logouts = append(m.logouts, d)
	}
}

func (m *reference) delivery(id string) int {
	return slices.IndexFunc(m.logouts, func(d oauth.LogoutDelivery) bool { return d.ID == id })
}

func (m *reference) LogoutClients(_ context.Context, session ident.SessionID) (out []ident.ClientID, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.grants {
		if g.Session == session && g.Session != "" && (g.RevokedAt.IsZero() || !m.has("LogoutClients forgets the revoked")) &&
			(!slices.Contains(out, g.Client) || m.has("LogoutClients repeats")) {
			out = append(out, g.Client)
		}
	}
	slices.SortFunc(out, func(a, b ident.ClientID) int { return m.order(string(a), string(b)) })
	return first(out, 200), nil
}

func (m *reference) due(d oauth.LogoutDelivery, now time.Time) bool {
	return !d.DueAt.IsZero() && (!d.DueAt.After(now) || m.has("logouts are due early") && d.DueAt.Before(now.Add(time.Millisecond)))
}

func (m *reference) DueLogoutClients(_ context.Context, now time.Time, limit int) (out []ident.ClientID, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.logouts)
	slices.SortStableFunc(list, func(a, b oauth.LogoutDelivery) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.Client, b.Client))
	})
	if m.has("DueLogoutClients has no order") {
		slices.Reverse(list)
	}
	for _, d := range list {
		if m.due(d, now) && !slices.Contains(out, d.Client) {
			out = append(out, d.Client)
		}
	}
	return first(out, limit), nil
}

func (m *reference) DueLogouts(_ context.Context, client ident.ClientID, now time.Time, lease time.Duration, limit int) (out []oauth.LogoutDelivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []int
	for i, d := range m.logouts {
		if m.due(d, now) && (d.Client == client || m.has("DueLogouts claims for any client")) {
			due = append(due, i)
		}
	}
	slices.SortStableFunc(due, func(a, b int) int { return m.logouts[a].DueAt.Compare(m.logouts[b].DueAt) })
	due = first(due, limit)
	m.gap("DueLogouts looks, then claims")
	for _, i := range due {
		d := &m.logouts[i]
		d.DueAt = m.micros(now.Add(lease))
		if m.has("DueLogouts claims nothing") {
			d.DueAt = m.micros(now)
		}
		if !m.has("DueLogouts does not count attempts") {
			d.Attempts++
		}
		out = append(out, *d)
	}
	return out, nil
}

func (m *reference) LogoutDelivered(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.delivery(id)
	if i < 0 {
		return store.ErrNotFound
	}
	d := &m.logouts[i]
	d.DeliveredAt, d.Failure = m.micros(at), ""
	if !m.has("what was delivered is due again") {
		d.DueAt = time.Time{}
	}
	return nil
}

func (m *reference) LogoutFailed(_ context.Context, id string, next time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.delivery(id)
	if i < 0 {
		return store.ErrNotFound
	}
	d := &m.logouts[i]
	if !d.DeliveredAt.IsZero() && !m.has("LogoutFailed takes back what was delivered") {
		return nil
	}
	d.DueAt, d.Failure = m.micros(next), why
	return nil
}

func (m *reference) LogoutsOf(_ context.Context, client ident.ClientID, since time.Time, limit int) (out []oauth.LogoutDelivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.logouts {
		if d.Client == client && (!d.CreatedAt.Before(since) || m.has("LogoutsOf goes back for ever")) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b oauth.LogoutDelivery) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return first(out, limit), nil
}
