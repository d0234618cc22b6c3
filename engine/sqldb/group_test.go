package sqldb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/store"
)

func key(i int) store.Key { return store.KeyOf("test", fmt.Sprint(i)) }

func lanes(db *DB) *lane {
	if l, ok := db.backend.(*lite); ok {
		return l.lane
	}
	return db.backend.(*pg).writes
}

// hold keeps the database from committing writes until release is called.
func hold(t *testing.T, db *DB) (release func()) {
	t.Helper()
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.migration(context.Background(), func(m migrator) error {
			if m.dialect() == "postgres" {
				if err := m.script(context.Background(), "BEGIN; LOCK TABLE ephemeral, audit IN EXCLUSIVE MODE"); err != nil {
					return err
				}
				defer m.script(context.Background(), "COMMIT")
			}
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	var once sync.Once
	release = func() {
		once.Do(func() {
			close(let)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(release)
	return release
}

// queued waits until n ops wait in the lane.
func queued(t *testing.T, db *DB, n int) {
	t.Helper()
	l := lanes(db)
	for range 2000 {
		l.mu.Lock()
		got := len(l.queue)
		l.mu.Unlock()
		if got == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("never %d ops in the queue", n)
}

// first occupies the worker with one op, which waits for hold to end.
func first(t *testing.T, db *DB) (result chan error) {
	t.Helper()
	l := lanes(db)
	taken := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.taken
	}
	before := taken()
	result = make(chan error, 1)
	go func() { result <- db.Put(context.Background(), key(-1), nil, time.Now().Add(time.Hour)) }()
	for range 2000 {
		if taken() > before {
			return result
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the worker took nothing")
	return nil
}

func eachEngine(t *testing.T, f func(t *testing.T, db *DB)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(t, open(t, e.options(t), time.Now)) })
	}
}

// What waits while a commit runs is committed together, up to maxBatch.
func TestGroupCommit(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *DB) {
		release := hold(t, db)
		lead := first(t, db)
		l := lanes(db)
		before := l.taken
		const n = maxBatch + 40
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- db.Put(context.Background(), key(i), []byte{1}, time.Now().Add(time.Hour)) }()
		}
		queued(t, db, n)
		release()
		for range n {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if err := <-lead; err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.taken - before; got != 2 {
			t.Errorf("%d ops in %d transactions, want 2", n, got)
		}
	})
}

// An op that breaks a constraint fails alone.
func TestBadNeighbour(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *DB) {
		entry := audit.Entry{Stream: "s", Seq: 1, At: time.Now(), Type: "t", Body: []byte("{}")}
		if err := db.AppendAudit(t.Context(), []audit.Entry{entry}); err != nil {
			t.Fatal(err)
		}
		release := hold(t, db)
		lead := first(t, db)
		const n = 20
		errs, bad := make(chan error, n), make(chan error, 2)
		put := func(i int) { errs <- db.Put(context.Background(), key(i), []byte{1}, time.Now().Add(time.Hour)) }
		for i := range n {
			go put(i)
		}
		// All or none: 2 is new, 1 is there.
		second := entry
		second.Seq = 2
		for range cap(bad) {
			go func() { bad <- db.AppendAudit(context.Background(), []audit.Entry{second, entry}) }()
		}
		queued(t, db, n+cap(bad))
		release()
		for range n {
			if err := <-errs; err != nil {
				t.Errorf("a neighbour failed: %v", err)
			}
		}
		for range cap(bad) {
			if err := <-bad; !errors.Is(err, store.ErrExists) {
				t.Errorf("the bad one got %v, want %v", err, store.ErrExists)
			}
		}
		<-lead
		if l, err := db.ReadAudit(t.Context(), "s", 1, 10); err != nil || len(l) != 1 {
			t.Errorf("%d entries, %v: want only the first", len(l), err)
		}
	})
}

// Who gives up hears so at once; an op that nobody had begun is then never done.
func TestGivingUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *DB) {
		release := hold(t, db)
		lead := first(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := make(chan error, 1), make(chan error, 1)
		exp := time.Now().Add(time.Hour)
		go func() { gone <- db.Put(ctx, key(1), []byte("gone"), exp) }()
		go func() { stays <- db.Put(context.Background(), key(2), []byte("stays"), exp) }()
		queued(t, db, 2)
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
		release()
		if err := errors.Join(<-stays, <-lead); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Get(t.Context(), key(1)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("abandoned op: Get returns %v, want %v", err, store.ErrNotFound)
		}
		if err := db.Put(ctx, key(3), nil, exp); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

// Close finishes what was accepted.
func TestCloseDrains(t *testing.T) {
	for _, e := range engines {
		if e.name == "memory" {
			continue // nothing is left to look at
		}
		t.Run(e.name, func(t *testing.T) {
			o := e.options(t)
			db := open(t, o, time.Now)
			release := hold(t, db)
			lead := first(t, db)
			const n = 30
			errs, closed := make(chan error, n), make(chan error, 1)
			for i := range n {
				go func() { errs <- db.Put(context.Background(), key(i), []byte{byte(i)}, time.Now().Add(time.Hour)) }()
			}
			queued(t, db, n)
			go func() { closed <- db.Close() }()
			time.Sleep(10 * time.Millisecond)
			release()
			for range n {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			if err := errors.Join(<-closed, <-lead); err != nil {
				t.Error(err)
			}
			if err := db.Put(t.Context(), key(99), nil, time.Now().Add(time.Hour)); !errors.Is(err, errClosed) {
				t.Errorf("after Close: %v, want %v", err, errClosed)
			}
			if _, err := db.Get(t.Context(), key(1)); !errors.Is(err, errClosed) {
				t.Errorf("after Close: %v, want %v", err, errClosed)
			}
			again := open(t, o, time.Now)
			for i := range n {
				if v, err := again.Get(t.Context(), key(i)); err != nil || v[0] != byte(i) {
					t.Errorf("%d: %v, %v", i, v, err)
				}
			}
		})
	}
}

func TestOverload(t *testing.T) {
	l := &lane{queue: make([]*op, maxQueue)}
	if err := l.do(t.Context(), newOp(qPing)); !errors.Is(err, errOverloaded) {
		t.Errorf("got %v, want %v", err, errOverloaded)
	}
}
