package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

type code struct {
	hash [sha256.Size]byte
	used bool
}

func (m *reference) forgetFactors(user ident.UserID) {
	if !m.has("DeleteUser leaves the passkeys") {
		m.passkeys = slices.DeleteFunc(m.passkeys, func(p authn.Passkey) bool { return p.User == user })
	}
	if !m.has("DeleteUser leaves the approvers") {
		m.approvers = slices.DeleteFunc(m.approvers, func(a authn.Approver) bool { return a.User == user })
	}
	if !m.has("DeleteUser leaves the user code") {
		delete(m.userCodes, user)
	}
	if !m.has("DeleteUser leaves the recovery codes") {
		delete(m.codes, user)
	}
}

// --- authn.PasskeyStore

func (m *reference) credential(id []byte) int {
	return slices.IndexFunc(m.passkeys, func(p authn.Passkey) bool { return bytes.Equal(p.ID, id) })
}

func (m *reference) passkeysOf(user ident.UserID) (out []authn.Passkey) {
	for _, p := range m.passkeys {
		if p.User == user {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b authn.Passkey) int { return cmp.Compare(a.CreatedAt.UnixMicro(), b.CreatedAt.UnixMicro()) })
	return out
}

func (m *reference) Passkeys(_ context.Context, user ident.UserID) ([]authn.Passkey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.passkeysOf(user), nil
}

func (m *reference) Passkey(_ context.Context, id []byte) (authn.Passkey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.credential(id); i >= 0 {
		return m.passkeys[i], nil
	}
	return authn.Passkey{}, store.ErrNotFound
}

func (m *reference) AddPasskey(_ context.Context, p authn.Passkey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[p.User]; !ok && !m.has("AddPasskey ignores that there is nobody") {
		return store.ErrNotFound
	}
	i, n := m.credential(p.ID), len(m.passkeysOf(p.User))
	m.gap("AddPasskey looks, then writes")
	switch {
	case i >= 0 && (!m.has("two people may have one credential id") || m.passkeys[i].User == p.User):
		return store.ErrExists
	case n >= authn.MaxPasskeys && !m.has("passkeys have no bound"):
		return store.ErrStale
	}
	p.CreatedAt, p.UsedAt = m.micros(p.CreatedAt), m.micros(p.UsedAt)
	m.passkeys = append(m.passkeys, p)
	return nil
}

func (m *reference) UsePasskey(_ context.Context, p authn.Passkey, count uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.credential(p.ID)
	if i < 0 {
		return store.ErrNotFound
	}
	was := m.passkeys[i]
	m.gap("UsePasskey looks, then writes")
	if was.SignCount != count && !m.has("UsePasskey ignores the count") {
		return store.ErrStale
	}
	if m.has("UsePasskey replaces the whole") {
		m.passkeys[i] = p
		return nil
	}
	was.SignCount, was.BackedUp, was.UsedAt, was.UsedOn = p.SignCount, p.BackedUp, m.micros(p.UsedAt), p.UsedOn
	was.Suspect = p.Suspect || was.Suspect && !m.has("the suspect are cleared by a use")
	m.passkeys[i] = was
	return nil
}

func (m *reference) RenamePasskey(_ context.Context, user ident.UserID, id []byte, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.credential(id)
	if i < 0 || m.passkeys[i].User != user && !m.has("RenamePasskey ignores whose it is") {
		return store.ErrNotFound
	}
	m.passkeys[i].Name = name
	return nil
}

func (m *reference) DeletePasskey(_ context.Context, user ident.UserID, id []byte, last bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.credential(id)
	if i < 0 || m.passkeys[i].User != user && !m.has("DeletePasskey ignores whose it is") {
		return store.ErrNotFound
	}
	n := len(m.passkeysOf(user))
	m.gap("DeletePasskey looks, then writes")
	if n < 2 && !last {
		return store.ErrStale
	}
	if i = m.credential(id); i >= 0 {
		m.passkeys = slices.Delete(m.passkeys, i, i+1)
	}
	return nil
}

// --- authn.RecoveryStore

func (m *reference) PutRecoveryCodes(_ context.Context, user ident.UserID, hashes [][sha256.Size]byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[user]; !ok {
		return store.ErrNotFound
	}
	if !m.has("old recovery codes stay") {
		m.codes[user] = nil
	}
	for _, h := range hashes {
		m.codes[user] = append(m.codes[user], code{hash: h})
	}
	return nil
}

func (m *reference) left(user ident.UserID) (n int) {
	for _, c := range m.codes[user] {
		if !c.used {
			n++
		}
	}
	return n
}

func (m *reference) TakeRecoveryCode(_ context.Context, user ident.UserID, hash [sha256.Size]byte, at time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.codes[user], func(c code) bool { return c.hash == hash && !c.used })
	m.gap("TakeRecoveryCode looks, then writes")
	if i < 0 {
		return 0, store.ErrNotFound
	}
	m.codes[user][i].used = !at.IsZero() || !m.has("a code taken at no time is not taken")
	m.gap("what is left is counted later")
	return m.left(user), nil
}

func (m *reference) RecoveryCodes(_ context.Context, user ident.UserID) (left, of int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left(user), len(m.codes[user]), nil
}
