package enginetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// --- authn.Store

func (m *reference) User(_ context.Context, id ident.UserID) (authn.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.users[id]; ok {
		return u, nil
	}
	return authn.User{}, store.ErrNotFound
}

func (m *reference) identifiers(u authn.User) []string {
	out := []string{u.Username}
	if u.Email != "" || m.has("no address is an address") {
		out = append(out, u.Email)
	}
	if !m.has("identifiers keep their case") {
		for i := range out {
			out[i] = strings.ToLower(out[i])
		}
	}
	return out
}

func (m *reference) UserByIdentifier(_ context.Context, identifier string) (authn.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		if slices.Contains(m.identifiers(u), identifier) {
			return u, nil
		}
	}
	return authn.User{}, store.ErrNotFound
}

func (m *reference) PutUser(_ context.Context, u authn.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clash := false
	for _, other := range m.users {
		if other.ID == u.ID {
			continue
		}
		mine, theirs := m.identifiers(u), m.identifiers(other)
		if m.has("names and addresses are two spaces") {
			clash = clash || mine[0] == theirs[0] || len(mine) > 1 && len(theirs) > 1 && mine[1] == theirs[1]
			continue
		}
		clash = clash || slices.ContainsFunc(mine, func(s string) bool { return slices.Contains(theirs, s) })
	}
	m.gap("PutUser looks, then writes")
	if clash && !m.has("PutUser ignores others") {
		return store.ErrExists
	}
	if m.has("hidden fields are lost") {
		u.PasswordHash, u.TOTP = "", nil
	}
	u.CreatedAt, u.UpdatedAt, u.RecoveredAt = m.micros(u.CreatedAt), m.micros(u.UpdatedAt), m.micros(u.RecoveredAt)
	u.Claims = maps.Clone(u.Claims)
	m.users[u.ID] = u
	return nil
}

func (m *reference) Users(_ context.Context, after ident.UserID, limit int) (out []authn.User, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		if u.ID > after {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b authn.User) int { return m.order(string(a.ID), string(b.ID)) })
	return first(out, limit), nil
}

func (m *reference) DeleteUser(_ context.Context, id ident.UserID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.users, id)
	if !m.has("DeleteUser logs nothing") {
		m.logDeletion(id)
	}
	if m.has("DeleteUser removes grants before sessions") { // in two transactions
		maps.DeleteFunc(m.grants, func(_ ident.GrantID, g oauth.Grant) bool { return g.User == id })
		m.gap("DeleteUser removes grants before sessions")
	}
	if !m.has("DeleteUser leaves the profile") {
		delete(m.profiles, "profile "+string(id))
	}
	m.forgetFactors(id)
	m.boundKeys = slices.DeleteFunc(m.boundKeys, func(k sessions.DeviceKey) bool {
		return k.User == id && !m.has("DeleteUser leaves the keys of devices")
	})
	m.forgetMail(id)
	maps.DeleteFunc(m.sessions, func(_ ident.SessionID, s sessions.Session) bool {
		return s.User == id && !m.has("DeleteUser leaves the sessions")
	})
	maps.DeleteFunc(m.grants, func(_ ident.GrantID, g oauth.Grant) bool {
		return g.User == id && !m.has("DeleteUser leaves the grants") && !m.has("DeleteUser removes grants before sessions")
	})
	maps.DeleteFunc(m.consents, func(k consentKey, _ oauth.Consent) bool {
		return k.user == id && !m.has("DeleteUser leaves the consents")
	})
	return nil
}

// logDeletion writes what ends with a person to the log.
func (m *reference) logDeletion(id ident.UserID) {
	for _, s := range m.sessions {
		if s.User == id && s.EndedAt.IsZero() {
			m.append(oauth.EndedSession, string(s.ID), m.now(), nil)
		}
	}
	for _, g := range m.grants {
		if g.User == id && g.Session == "" && g.RevokedAt.IsZero() {
			m.append(oauth.RevokedGrant, string(g.ID), m.now(), nil)
		}
	}
}

// --- riskstep.Store

func (m *reference) RiskProfile(_ context.Context, user ident.UserID) ([]byte, int64, error) {
	return m.riskBlob("profile " + string(user))
}

func (m *reference) SaveRiskProfile(_ context.Context, user ident.UserID, version int64, blob []byte) error {
	return m.saveRiskBlob("profile "+string(user), version, blob, 2<<10)
}

func (m *reference) RiskTables(_ context.Context, name string) ([]byte, int64, error) {
	return m.riskBlob("table " + name)
}

func (m *reference) SaveRiskTables(_ context.Context, name string, version int64, blob []byte) error {
	return m.saveRiskBlob("table "+name, version, blob, 1<<20)
}

func (m *reference) riskBlob(key string) ([]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.profiles[key]
	return p.blob, p.version, nil
}

func (m *reference) saveRiskBlob(key string, version int64, blob []byte, limit int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(blob) > limit && !m.has("a profile has no bound") {
		return errTooBig
	}
	stale := m.profiles[key].version != version
	m.gap("SaveRiskProfile looks, then writes")
	if stale && !m.has("SaveRiskProfile ignores the version") {
		return store.ErrStale
	}
	m.profiles[key] = profile{bytes.Clone(blob), version + 1}
	return nil
}

// --- sessions.Store

func (m *reference) stored(s sessions.Session) sessions.Session {
	for _, t := range []*time.Time{&s.AuthTime, &s.RaisedUntil, &s.CreatedAt, &s.LastSeen, &s.IdleUntil, &s.ExpiresAt, &s.EndedAt, &s.PrevUntil} {
		*t = m.micros(*t)
	}
	if m.has("a session has no snapshot") {
		s.Snapshot = riskstep.Snapshot{}
	}
	if m.has("hidden fields are lost") {
		s.SecretHash, s.PrevHash = [sha256.Size]byte{}, [sha256.Size]byte{}
	}
	return s
}

func (m *reference) InsertSession(_ context.Context, s sessions.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.sessions[s.ID]; ok && !m.has("InsertSession replaces") {
		return store.ErrExists
	}
	m.sessions[s.ID] = m.stored(s)
	return nil
}

func (m *reference) Session(_ context.Context, id ident.SessionID) (sessions.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.sessions[id]; ok {
		return s, nil
	}
	return sessions.Session{}, store.ErrNotFound
}

func (m *reference) UpdateSession(_ context.Context, s sessions.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, ok := m.sessions[s.ID]
	m.gap("UpdateSession looks, then writes")
	if !ok || was.Version != s.Version && !m.has("UpdateSession ignores the version") || !was.EndedAt.IsZero() && !m.has("UpdateSession revives") {
		return store.ErrStale
	}
	s.Version++
	if !m.has("UpdateSession limits") {
		s.Limited = was.Limited
	}
	m.sessions[s.ID] = m.stored(s)
	return nil
}

func (m *reference) LimitSession(_ context.Context, id ident.SessionID, limited []string, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	limited = slices.Clone(limited)
	if !m.has("limits keep their order") {
		slices.Sort(limited)
	}
	if !m.has("limits repeat") {
		limited = slices.Compact(limited)
	}
	same := slices.Equal(s.Limited, limited) && !m.has("LimitSession always says yes")
	m.gap("LimitSession looks, then writes")
	switch {
	case !ok:
		return false, store.ErrNotFound
	case same, !s.EndedAt.IsZero() && !m.has("LimitSession ignores the end"):
		return false, nil
	case len(limited) == 0 && m.has("a limit is never lifted"):
		return true, nil
	}
	s.Limited = limited
	s.Version++
	m.sessions[id] = s
	if len(limited) > 0 || !m.has("the log has no end of a limit") {
		m.append(oauth.LimitedSession, string(id), at, limited)
	}
	return true, nil
}

// revoke revokes the live grants that which names, and writes that to the log where nothing else says so.
func (m *reference) revoke(at time.Time, why string, logs bool, which func(oauth.Grant) bool) (n int) {
	for id, g := range m.grants {
		if which(g) && (g.RevokedAt.IsZero() || m.has("a second revocation replaces the first")) {
			g.RevokedAt, g.RevokeWhy = m.micros(at), why
			m.grants[id] = g
			if logs {
				m.append(oauth.RevokedGrant, string(id), at, nil)
			}
			n++
		}
	}
	return n
}

func (m *reference) EndSession(_ context.Context, id ident.SessionID, at time.Time, reason string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return false, store.ErrNotFound
	}
	if !s.EndedAt.IsZero() {
		if m.has("an earlier end is told") {
			m.tell(s)
		}
		return m.has("EndSession always says yes"), nil
	}
	if m.has("EndSession revokes before it ends") { // in two transactions
		m.revoke(at, reason, false, func(g oauth.Grant) bool { return g.Session == id })
		m.gap("EndSession revokes before it ends")
	}
	s.EndedAt, s.EndReason = m.micros(at), reason
	s.Version++
	m.sessions[id] = s
	m.append(oauth.EndedSession, string(id), at, nil)
	m.revoke(at, reason, false, func(g oauth.Grant) bool {
		return g.Session == id && !m.has("EndSession leaves the grants") && !m.has("EndSession revokes before it ends") &&
			!(g.Offline && m.has("EndSession spares offline grants"))
	})
	m.tell(s)
	return true, nil
}

func (m *reference) EndSessionsOf(_ context.Context, user ident.UserID, keep ident.SessionID, at time.Time, reason string) (out []ident.SessionID, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range maps.Clone(m.sessions) {
		if m.has("EndSessionsOf looks, then writes") {
			m.gap("EndSessionsOf looks, then writes")
		} else {
			s = m.sessions[id]
		}
		if s.User != user || id == keep && !m.has("EndSessionsOf ends the kept one") || !s.EndedAt.IsZero() {
			continue
		}
		s.EndedAt, s.EndReason = m.micros(at), reason
		s.Version++
		m.sessions[id] = s
		out = append(out, id)
		if !m.has("EndSessionsOf logs nothing") {
			m.append(oauth.EndedSession, string(id), at, nil)
		}
		if !m.has("EndSessionsOf leaves the grants") {
			m.revoke(at, reason, false, func(g oauth.Grant) bool { return g.Session == id })
		}
		if !m.has("EndSessionsOf tells no client") {
			m.tell(s)
		}
	}
	if keep == "" && !m.has("EndSessionsOf spares grants of no session") && !m.has("EndSessionsOf leaves the grants") {
		m.revoke(at, reason, !m.has("EndSessionsOf logs no grants"), func(g oauth.Grant) bool { return g.User == user })
	}
	if m.has("EndSessionsOf revokes all even where one is kept") {
		m.revoke(at, reason, false, func(g oauth.Grant) bool { return g.User == user && g.Session != keep })
	}
	return out, nil
}

func (m *reference) SessionsOf(_ context.Context, user ident.UserID, since time.Time) (out []sessions.Session, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		over := s.IdleUntil.Before(since) || s.ExpiresAt.Before(since) || !s.EndedAt.IsZero() && s.EndedAt.Before(since)
		if s.User == user && (!over || m.has("SessionsOf lists the dead")) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sessions.Session) int { return b.CreatedAt.Compare(a.CreatedAt) })
	if m.has("lists have no bound") {
		return out, nil
	}
	return first(out, 200), nil
}

func (m *reference) SessionsAfter(_ context.Context, after ident.SessionID, now time.Time, limit int) (out []sessions.Session, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.sessions {
		if id > after && s.EndedAt.IsZero() && s.ExpiresAt.After(now) && (s.IdleUntil.After(now) || m.has("SessionsAfter ignores idleness")) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sessions.Session) int { return m.order(string(a.ID), string(b.ID)) })
	return first(out, limit), nil
}
