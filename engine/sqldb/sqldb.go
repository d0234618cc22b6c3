// Package sqldb keeps everything in SQLite (the default, pure Go) or in PostgreSQL: one set of
// queries, two dialects, migrations. It is the only importer of SQL drivers. It never decides
// what a row means, and never holds a transaction open across anything but its own statements.
//
// Every write is an op, a few statements whose outcome derives from the rows that they touched.
// Ops which wait at the same time are committed together (docs/decisions/003-group-commit.md):
// one durable write to the disk then serves many callers, and each is answered only after it.
package sqldb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Options say where the database is. Driver, DSN and Now are required.
type Options struct {
	Driver   string           // "sqlite" or "postgres"
	DSN      string           // SQLite: a file's path, or ":memory:"; PostgreSQL: a URL or a key=value string
	Now      func() time.Time // decides what has expired; nodes are assumed to be within a second of each other
	MaxConns int              // connections that read (one more writes); 0 is 4
	Revoked  func()           // called after this node wrote to the log of revocations; it must not wait. nil: nobody wants to know
}

// DB is an open database. Its methods may be called from any number of goroutines.
type DB struct {
	backend
	now     func() time.Time
	revoked func()
	access  atomic.Int64 // nanoseconds that an access token lives at most; 0: not said

	sweeping sync.Mutex
	cursor   map[*walk]any // where the next sweep goes on
}

var (
	_ store.Ephemeral       = (*DB)(nil)
	_ store.Counters        = (*DB)(nil)
	_ audit.Store           = (*DB)(nil)
	_ keys.Store            = (*DB)(nil)
	_ authn.Store           = (*DB)(nil)
	_ authn.PasskeyStore    = (*DB)(nil)
	_ authn.RecoveryStore   = (*DB)(nil)
	_ riskstep.Store        = (*DB)(nil)
	_ sessions.Store        = (*DB)(nil)
	_ oauth.GrantStore      = (*DB)(nil)
	_ oauth.ConsentStore    = (*DB)(nil)
	_ oauth.RegistryStore   = (*DB)(nil)
	_ oauth.LogoutStore     = (*DB)(nil)
	_ oauth.DeliveryStore   = (*DB)(nil)
	_ oauth.RevocationStore = (*DB)(nil)
	_ notify.Store          = (*DB)(nil)
)

// A backend is one of the two engines.
type backend interface {
	// read runs o, which changes nothing.
	read(ctx context.Context, o *op) error
	// write runs o in a transaction, which is durable when it returns nil.
	write(ctx context.Context, o *op) error
	// migration runs f with a connection of its own.
	migration(ctx context.Context, f func(migrator) error) error
	ping(ctx context.Context) error
	close() error
}

// Open connects to the database; it does not migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		return nil, errors.New("sqldb: Options.Now is missing")
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 4
	}
	var b backend
	var err error
	switch o.Driver {
	case "sqlite":
		b, err = openLite(o.DSN, o.MaxConns)
	case "postgres":
		b, err = openPG(ctx, o.DSN, o.MaxConns, o.Now)
	default:
		return nil, fmt.Errorf("sqldb: unknown driver %q: want sqlite or postgres", o.Driver)
	}
	if err != nil {
		return nil, fmt.Errorf("sqldb: open: %w", err)
	}
	return &DB{backend: b, now: o.Now, revoked: o.Revoked, cursor: map[*walk]any{}}, nil
}

var qPing = sql(`SELECT 1`)

// Ping returns nil if the database answers.
func (db *DB) Ping(ctx context.Context) error { return wrap("ping", db.ping(ctx)) }

// Close finishes the writes that were accepted, refuses new ones, and disconnects.
func (db *DB) Close() error { return wrap("close", db.close()) }

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqldb: %s: %w", what, err)
}

// change runs o and returns how many rows its first step changed.
func (db *DB) change(ctx context.Context, what string, o *op) (int64, error) {
	if err := o.check(); err != nil {
		return 0, wrap(what, err)
	}
	inner, end := span.Start(ctx, "sqldb.write")
	err := db.write(inner, o)
	end(err)
	if err != nil {
		return 0, wrap(what, err)
	}
	if o.logs && db.revoked != nil {
		db.revoked()
	}
	return o.steps[0].n, nil
}

// one reads at most one row; store.ErrNotFound where there is none.
func one[T any](ctx context.Context, db *DB, what string, scan func(*row) T, q *query, args ...any) (T, error) {
	var v, zero T
	o := newOp(q, args...).rows(func(r *row) { v = scan(r) })
	if o.check() != nil { // text that cannot be stored cannot be found either
		return zero, fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
	}
	inner, end := span.Start(ctx, "sqldb.read")
	err := db.read(inner, o)
	end(err)
	if err != nil {
		return zero, wrap(what, err)
	}
	if o.steps[0].n == 0 {
		return zero, fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
	}
	return v, nil
}

// all reads the rows of q.
func all[T any](ctx context.Context, db *DB, what string, scan func(*row) T, q *query, args ...any) ([]T, error) {
	var l []T
	o := newOp(q, args...).rows(func(r *row) { l = append(l, scan(r)) })
	o.reset = func() { l = nil }
	o.long = true
	if o.check() != nil {
		return nil, nil
	}
	inner, end := span.Start(ctx, "sqldb.read")
	err := db.read(inner, o)
	end(err)
	if err != nil {
		return nil, wrap(what, err)
	}
	return l, nil
}

// there tells whether q finds a row.
func (db *DB) there(ctx context.Context, what string, q *query, args ...any) (bool, error) {
	_, err := one(ctx, db, what, (*row).int, q, args...)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
