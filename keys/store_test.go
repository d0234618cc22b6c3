package keys_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/keys"
)

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

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func open(t testing.TB, now func() time.Time) *sqldb.DB {
	t.Helper()
	db := openDSN(t, filepath.Join(t.TempDir(), "keys.db"), now)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openDSN(t fataler, dsn string, now func() time.Time) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: dsn, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}

func newMaster(t fataler) keys.Master {
	t.Helper()
	m, err := keys.ParseMaster(keys.NewMasterText(nil))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newSealer(t fataler, st keys.Store, now func() time.Time, masters ...keys.Master) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer(ctx, keys.SealerOptions{Store: st, Masters: masters, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	every, ahead, overlap = 24 * time.Hour, time.Hour, 10 * time.Minute
)

func newRing(t fataler, st keys.Store, s *keys.Sealer, now func() time.Time, algs ...string) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(ctx, keys.RingOptions{Store: st, Sealer: s, Use: "token", Algs: algs, Now: now, Every: every, Ahead: ahead, Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
