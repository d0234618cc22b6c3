package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// --- authn.ApproverStore

func (m *reference) approverAt(id string) int {
	return slices.IndexFunc(m.approvers, func(a authn.Approver) bool { return a.ID == id })
}

func (m *reference) approversOf(user ident.UserID) (out []authn.Approver) {
	for _, a := range m.approvers {
		if a.User == user {
			out = append(out, a)
		}
	}
	if !m.has("approvers come in any order") {
		slices.SortStableFunc(out, func(a, b authn.Approver) int { return cmp.Compare(a.CreatedAt.UnixMicro(), b.CreatedAt.UnixMicro()) })
	}
	return out
}

func (m *reference) Approvers(_ context.Context, user ident.UserID) ([]authn.Approver, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.approversOf(user), nil
}

func (m *reference) Approver(_ context.Context, id string) (authn.Approver, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.approverAt(id); i >= 0 {
		return m.approvers[i], nil
	}
	return authn.Approver{}, store.ErrNotFound
}

func (m *reference) AddApprover(_ context.Context, a authn.Approver) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[a.User]; !ok && !m.has("AddApprover ignores that there is nobody") {
		return store.ErrNotFound
	}
	i, n := m.approverAt(a.ID), len(m.approversOf(a.User))
	m.gap("AddApprover looks, then writes")
	switch {
	case i >= 0 && (!m.has("two people may have one approver") || m.approvers[i].User == a.User):
		return store.ErrExists
	case n >= authn.MaxApprovers && !m.has("approvers have no bound"):
		return store.ErrStale
	}
	a.Key, a.Push, a.CreatedAt = bytes.Clone(a.Key), bytes.Clone(a.Push), m.micros(a.CreatedAt)
	a.UsedAt, a.PushedAt, a.FailedAt = m.micros(a.UsedAt), m.micros(a.PushedAt), m.micros(a.FailedAt)
	m.approvers = append(m.approvers, a)
	return nil
}

func (m *reference) PutApprover(_ context.Context, a authn.Approver) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.approverAt(a.ID)
	if i < 0 || m.approvers[i].User != a.User && !m.has("PutApprover changes another's") {
		return store.ErrNotFound
	}
	was := &m.approvers[i]
	if m.has("PutApprover changes everything") {
		*was = a
	}
	was.Name, was.UsedAt, was.PushedAt, was.FailedAt = a.Name, m.micros(a.UsedAt), m.micros(a.PushedAt), m.micros(a.FailedAt)
	if !m.has("PutApprover keeps where pushes went") {
		was.Push = bytes.Clone(a.Push)
	}
	return nil
}

func (m *reference) DeleteApprover(_ context.Context, user ident.UserID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.approverAt(id)
	if i < 0 || m.approvers[i].User != user && !m.has("DeleteApprover deletes another's") {
		return store.ErrNotFound
	}
	m.approvers = slices.Delete(m.approvers, i, i+1)
	return nil
}

// userCode is one, and when it was set.
type userCode struct {
	sealed []byte
	at     time.Time
}

func (m *reference) UserCode(_ context.Context, user ident.UserID) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.userCodes[user]; ok {
		return bytes.Clone(c.sealed), c.at, nil
	}
	return nil, time.Time{}, store.ErrNotFound
}

func (m *reference) PutUserCode(_ context.Context, user ident.UserID, sealed []byte, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.users[user]
	_, had := m.userCodes[user]
	switch {
	case !there && !m.has("PutUserCode ignores that there is nobody"):
		return store.ErrNotFound
	case sealed == nil && !m.has("a user code stays"):
		delete(m.userCodes, user)
	case sealed != nil && !(had && m.has("a user code is for ever")):
		m.userCodes[user] = userCode{bytes.Clone(sealed), m.micros(at)}
	}
	return nil
}
