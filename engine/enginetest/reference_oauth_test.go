package enginetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
)

// --- oauth.GrantStore

func (m *reference) InsertGrant(_ context.Context, g oauth.Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.grants[g.ID]; ok && !m.has("InsertGrant replaces") {
		return store.ErrExists
	}
	s, ok := m.sessions[g.Session]
	over := !ok && !m.has("InsertGrant trusts an unknown session") || !s.EndedAt.IsZero() && !m.has("InsertGrant ignores the end")
	m.gap("InsertGrant looks, then writes")
	if g.Session != "" && over {
		return store.ErrStale
	}
	for _, t := range []*time.Time{&g.AuthTime, &g.CreatedAt, &g.ExpiresAt, &g.RevokedAt, &g.RotatedAt} {
		*t = m.micros(*t)
	}
	g.SessionEnds = time.Time{}
	if !m.has("a grant keeps limits") {
		g.Limited = nil
	}
	m.grants[g.ID] = g
	return nil
}

// read fills Limited and SessionEnds.
func (m *reference) read(g oauth.Grant) oauth.Grant {
	s, ok := m.sessions[g.Session]
	if ok && !m.has("Grant ignores limits") {
		g.Limited = s.Limited
	}
	if !ok || !s.EndedAt.IsZero() && !m.has("SessionEnds ignores the end") || m.has("SessionEnds is not filled") {
		return g
	}
	g.SessionEnds = s.ExpiresAt
	if s.IdleUntil.Before(s.ExpiresAt) && !m.has("SessionEnds ignores idleness") {
		g.SessionEnds = s.IdleUntil
	}
	return g
}

func (m *reference) Grant(_ context.Context, id ident.GrantID) (oauth.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g, ok := m.grants[id]; ok {
		return m.read(g), nil
	}
	return oauth.Grant{}, store.ErrNotFound
}

func (m *reference) RotateGrant(_ context.Context, id ident.GrantID, seq int64, hash [sha256.Size]byte, by riskstep.Snapshot, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[id]
	m.gap("RotateGrant looks, then writes")
	if !ok || g.RefreshSeq != seq && !m.has("RotateGrant ignores the number") || !g.RevokedAt.IsZero() && !m.has("RotateGrant ignores the revocation") {
		return store.ErrStale
	}
	g.RefreshHash, g.RefreshSeq, g.RotatedAt = hash, seq+1, m.micros(at)
	if !m.has("RotateGrant keeps the snapshot") {
		g.Snapshot = by
	}
	m.grants[id] = g
	return nil
}

func (m *reference) SnapshotGrant(_ context.Context, id ident.GrantID, by riskstep.Snapshot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[id]
	if !ok || !g.RevokedAt.IsZero() && !m.has("SnapshotGrant ignores the revocation") {
		return nil
	}
	m.gap("SnapshotGrant looks, then writes")
	if !m.has("SnapshotGrant does nothing") {
		g.Snapshot = by
	}
	if m.has("SnapshotGrant counts as a rotation") {
		g.RefreshSeq++
	}
	m.grants[id] = g
	return nil
}

func (m *reference) RevokeGrant(_ context.Context, id ident.GrantID, at time.Time, why string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.grants[id]; !ok {
		return false, store.ErrNotFound
	}
	return m.revoke(at, why, true, func(g oauth.Grant) bool { return g.ID == id }) > 0, nil
}

func (m *reference) GrantsOf(_ context.Context, user ident.UserID, client ident.ClientID, now time.Time) (out []oauth.Grant, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.grants {
		dead := !g.RevokedAt.IsZero() && !m.has("GrantsOf lists the revoked") || !g.ExpiresAt.After(now) && !m.has("GrantsOf lists the expired")
		if g.User == user && (client == "" || g.Client == client) && !dead {
			l := m.read(g)
			if m.has("GrantsOf ignores limits") {
				l.Limited = nil
			}
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b oauth.Grant) int { return b.CreatedAt.Compare(a.CreatedAt) })
	if m.has("lists have no bound") {
		return out, nil
	}
	return first(out, 500), nil
}

// --- oauth.ConsentStore

func (m *reference) Consent(_ context.Context, user ident.UserID, client ident.ClientID) (oauth.Consent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.consents[consentKey{user, client}]; ok {
		return c, nil
	}
	return oauth.Consent{}, store.ErrNotFound
}

func (m *reference) PutConsent(_ context.Context, c oauth.Consent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.CreatedAt, c.UpdatedAt = m.micros(c.CreatedAt), m.micros(c.UpdatedAt)
	m.consents[consentKey{c.User, c.Client}] = c
	return nil
}

func (m *reference) WithdrawConsent(_ context.Context, user ident.UserID, client ident.ClientID, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := consentKey{user, client}
	_, ok := m.consents[k]
	delete(m.consents, k)
	n := 0
	if !m.has("WithdrawConsent leaves the grants") {
		n = m.revoke(at, "withdrawn", !m.has("WithdrawConsent logs nothing"), func(g oauth.Grant) bool {
			return g.User == user && (g.Client == client || m.has("WithdrawConsent revokes every client's grants"))
		})
	}
	if !ok && (n == 0 || m.has("WithdrawConsent wants a consent")) {
		return store.ErrNotFound
	}
	return nil
}

func (m *reference) Consents(_ context.Context, user ident.UserID) (out []oauth.Consent, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, c := range m.consents {
		if k.user == user {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b oauth.Consent) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out, nil
}

// --- oauth.RegistryStore

func (m *reference) Registry(context.Context) (clients, resources []oauth.Document, rev int64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clients = slices.Collect(maps.Values(m.clients))
	m.gap("Registry reads in three steps")
	return clients, slices.Collect(maps.Values(m.resources)), m.registry, nil
}

func (m *reference) RegistryRevision(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.registry, nil
}

func (m *reference) put(in map[string]oauth.Document, d oauth.Document) error {
	if len(d.JSON) > 256<<10 && !m.has("a document has no bound") {
		return errTooBig
	}
	rev := m.registry
	m.gap("the revision is read, then written")
	d.JSON, d.UpdatedAt = bytes.Clone(d.JSON), m.micros(d.UpdatedAt)
	in[d.ID] = d
	m.registry = rev + 1
	return nil
}

func (m *reference) PutClient(_ context.Context, d oauth.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(m.clients, d)
}

func (m *reference) PutResource(_ context.Context, d oauth.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.has("clients and resources share their names") {
		return m.put(m.clients, d)
	}
	return m.put(m.resources, d)
}

func (m *reference) DeleteClient(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.clients[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.clients, id)
	m.append(oauth.DeletedClient, id, at, nil)
	if !m.has("DeleteClient leaves the grants") {
		m.revoke(at, "client deleted", false, func(g oauth.Grant) bool { return string(g.Client) == id })
	}
	if !m.has("DeleteClient leaves the consents") {
		maps.DeleteFunc(m.consents, func(k consentKey, _ oauth.Consent) bool { return string(k.client) == id })
	}
	m.registry++
	return nil
}

func (m *reference) DeleteResource(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.resources[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.resources, id)
	if !m.has("DeleteResource keeps the revision") {
		m.registry++
	}
	return nil
}
