package enginetest

import (
	"context"
	"slices"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
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
		if m.delivery(logouts, id) >= 0 && !m.has("a client is told for each grant") {
			continue
		}
		d := oauth.Delivery{ID: id, Client: g.Client, User: s.User, Session: s.ID, CreatedAt: s.EndedAt, DueAt: s.EndedAt, Tries: oauth.DeliveryTries}
		if m.has("a delivery forgets its person") {
			d.User = ""
		}
		m.outboxes[logouts] = append(m.outboxes[logouts], d)
	}
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
