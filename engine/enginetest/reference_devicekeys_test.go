package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// --- sessions.KeyStore

func (m *reference) deviceKeysOf(user ident.UserID) (out []sessions.DeviceKey) {
	for _, k := range m.boundKeys {
		if k.User == user {
			out = append(out, k)
		}
	}
	if !m.has("keys of devices come in any order") {
		slices.SortStableFunc(out, func(a, b sessions.DeviceKey) int {
			return cmp.Or(b.ProvedAt.Compare(a.ProvedAt), cmp.Compare(a.Device, b.Device), cmp.Compare(a.ID, b.ID))
		})
	}
	return out
}

func (m *reference) PutDeviceKey(_ context.Context, k sessions.DeviceKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[k.User]; !ok && !m.has("PutDeviceKey ignores that there is nobody") {
		return store.ErrNotFound
	}
	k.JWK, k.CreatedAt, k.ProvedAt = bytes.Clone(k.JWK), m.micros(k.CreatedAt), m.micros(k.ProvedAt)
	here := func(o sessions.DeviceKey) bool { return o.User == k.User && o.Device == k.Device && o.ID == k.ID }
	i := slices.IndexFunc(m.boundKeys, here)
	switch {
	case i < 0:
		m.boundKeys = append(m.boundKeys, k)
	case m.has("PutDeviceKey replaces"):
		m.boundKeys[i] = k
	case k.ProvedAt.After(m.boundKeys[i].ProvedAt) || m.has("PutDeviceKey goes back"):
		m.boundKeys[i].ProvedAt = k.ProvedAt
	}
	all := m.deviceKeysOf(k.User)
	for n := len(all); n > sessions.MaxDeviceKeys && !m.has("keys of devices have no bound"); n-- {
		last := all[n-1]
		if here(last) && !m.has("the key that is put can go") {
			last = all[n-2]
		}
		m.boundKeys = slices.DeleteFunc(m.boundKeys, func(o sessions.DeviceKey) bool {
			return o.User == last.User && o.Device == last.Device && o.ID == last.ID
		})
	}
	return nil
}

func (m *reference) DeviceKey(_ context.Context, device ident.DeviceID, id string) (sessions.DeviceKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found *sessions.DeviceKey
	for i, k := range m.boundKeys {
		if (k.Device == device || m.has("a key is of any device")) && k.ID == id &&
			(found == nil || k.CreatedAt.Before(found.CreatedAt) != m.has("the latest registration counts")) {
			found = &m.boundKeys[i]
		}
	}
	if found == nil {
		return sessions.DeviceKey{}, store.ErrNotFound
	}
	return *found, nil
}

func (m *reference) DeviceKeysOf(_ context.Context, user ident.UserID) ([]sessions.DeviceKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deviceKeysOf(user), nil
}

func (m *reference) TouchDeviceKey(_ context.Context, device ident.DeviceID, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, k := range m.boundKeys {
		if (k.Device == device || m.has("TouchDeviceKey touches all devices")) && k.ID == id && (m.micros(at).After(k.ProvedAt) || m.has("TouchDeviceKey goes back")) {
			m.boundKeys[i].ProvedAt = m.micros(at)
			if m.has("TouchDeviceKey touches one") {
				break
			}
		}
	}
	return nil
}

func (m *reference) DeleteDeviceKeys(_ context.Context, user ident.UserID, device ident.DeviceID) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := len(m.boundKeys)
	m.boundKeys = slices.DeleteFunc(m.boundKeys, func(k sessions.DeviceKey) bool {
		return (k.User == user || m.has("DeleteDeviceKeys deletes another's")) && (device == "" && !m.has("DeleteDeviceKeys needs a device") || k.Device == device)
	})
	return int64(was - len(m.boundKeys)), nil
}
