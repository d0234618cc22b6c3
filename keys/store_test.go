package keys

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/store"
)

// memory is a Store for these tests.
type memory struct {
	mu   sync.Mutex
	rev  int64
	keys []Record
	data []DataKey
}

func (m *memory) SigningKeys(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.keys), nil
}

func (m *memory) ApplyKeys(_ context.Context, rev int64, put []Record, remove []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rev != m.rev {
		return store.ErrStale
	}
	m.rev++
	m.keys = slices.DeleteFunc(m.keys, func(r Record) bool { return slices.Contains(remove, r.ID) })
	for _, p := range put {
		if i := slices.IndexFunc(m.keys, func(r Record) bool { return r.ID == p.ID }); i >= 0 {
			m.keys[i] = p
		} else {
			m.keys = append(m.keys, p)
		}
	}
	return nil
}

func (m *memory) KeysRevision(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rev, nil
}

func (m *memory) DataKeys(context.Context) ([]DataKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.data), nil
}

func (m *memory) PutDataKey(_ context.Context, k DataKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.data, func(d DataKey) bool { return d.ID == k.ID }); i >= 0 {
		m.data[i] = k
	} else {
		m.data = append(m.data, k)
	}
	return nil
}

// clock is a time that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func testSealer(t testing.TB, st Store, now func() time.Time) *Sealer {
	t.Helper()
	m, err := ParseMaster(NewMasterText(nil))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSealer(t.Context(), SealerOptions{Store: st, Masters: []Master{m}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testRing(t testing.TB, st Store, s *Sealer, now func() time.Time, algs ...string) *Ring {
	t.Helper()
	r, err := NewRing(t.Context(), RingOptions{Store: st, Sealer: s, Use: "token", Algs: algs, Now: now,
		Every: 24 * time.Hour, Ahead: time.Hour, Overlap: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
