package sqldb

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Migrations go forward only, each in a transaction of its own under a lock, and are recorded with
// a checksum: a file that was released is never edited. They must be safe while the previous
// version still runs, so a file may add tables, add columns with a default and add indexes;
// it removes or renames only what no released version still uses. An older binary accepts a
// database that is ahead of it.
//
//go:embed migrations
var migrationFiles embed.FS

// A migrator is a connection on which migrations run; the same few statements on both engines.
type migrator interface {
	dialect() string
	// lock opens a transaction in which no other migrator runs.
	lock(ctx context.Context) error
	// script runs statements without arguments.
	script(ctx context.Context, text string) error
	// applied returns name and checksum of what is recorded; nothing where there is no record yet.
	applied(ctx context.Context) (map[string]string, error)
}

type migration struct{ name, text, sum string }

func migrations(files fs.FS, dialect string) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/"+dialect+"/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var l []migration
	for _, n := range names {
		b, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		name := strings.TrimSuffix(n[strings.LastIndexByte(n, '/')+1:], ".sql")
		l = append(l, migration{name, string(b), hex.EncodeToString(sum[:])})
	}
	return l, nil
}

// Migrate applies what is pending, in order, and returns the names of what it applied. Any number
// of processes may call it at once. A released migration whose text changed is an error.
func (db *DB) Migrate(ctx context.Context) (applied []string, err error) {
	return db.migrate(ctx, migrationFiles)
}

func (db *DB) migrate(ctx context.Context, files fs.FS) (applied []string, err error) {
	err = db.migration(ctx, func(m migrator) error {
		all, err := migrations(files, m.dialect())
		if err != nil {
			return err
		}
		for {
			name, err := migrateNext(ctx, m, all)
			if err != nil || name == "" {
				return err
			}
			applied = append(applied, name)
		}
	})
	return applied, wrap("migrate", err)
}

// migrateNext applies the first pending migration and returns its name, or "".
func migrateNext(ctx context.Context, m migrator, all []migration) (string, error) {
	// Looked at without the lock first: a start with nothing to do writes nothing.
	if left, err := pending(ctx, m, all); err != nil || len(left) == 0 {
		return "", err
	}
	if err := m.lock(ctx); err != nil {
		return "", err
	}
	name, err := applyNext(ctx, m, all)
	if err == nil {
		err = m.script(ctx, "COMMIT")
	}
	if err != nil {
		m.script(context.WithoutCancel(ctx), "ROLLBACK")
		return "", err
	}
	return name, nil
}

func applyNext(ctx context.Context, m migrator, all []migration) (string, error) {
	err := m.script(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)`)
	if err != nil {
		return "", err
	}
	left, err := pending(ctx, m, all)
	if err != nil || len(left) == 0 {
		return "", err
	}
	next := left[0]
	if err := m.script(ctx, next.text); err != nil {
		return "", fmt.Errorf("%s: %w", next.name, err)
	}
	// Both come from our own files: digits, letters and _.
	return next.name, m.script(ctx, "INSERT INTO schema_migrations (name, checksum) VALUES ('"+next.name+"', '"+next.sum+"')")
}

func pending(ctx context.Context, m migrator, all []migration) (left []migration, err error) {
	done, err := m.applied(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		switch sum, ok := done[n.name]; {
		case !ok:
			left = append(left, n)
		case sum != n.sum:
			return nil, fmt.Errorf("migration %s was applied with another content (checksum %s, now %s)", n.name, sum, n.sum)
		}
	}
	return left, nil
}

// Pending returns the names of the migrations that Migrate would apply.
func (db *DB) Pending(ctx context.Context) (names []string, err error) {
	err = db.migration(ctx, func(m migrator) error {
		all, err := migrations(migrationFiles, m.dialect())
		if err != nil {
			return err
		}
		left, err := pending(ctx, m, all)
		for _, n := range left {
			names = append(names, n.name)
		}
		return err
	})
	return names, wrap("pending", err)
}

// SQLite: the writer's connection, lent by the lane.

func (l *lite) migration(ctx context.Context, f func(migrator) error) error {
	select {
	case c := <-l.writer:
		defer func() { l.writer <- c }()
		if c.closed {
			return errClosed
		}
		return f(liteMigrator{c})
	case <-ctx.Done():
		return ctx.Err()
	}
}

type liteMigrator struct{ c *liteConn }

func (liteMigrator) dialect() string                               { return "sqlite" }
func (m liteMigrator) lock(context.Context) error                  { return m.c.script("BEGIN IMMEDIATE") }
func (m liteMigrator) script(_ context.Context, text string) error { return m.c.script(text) }

var (
	liteRecord  = sql(`SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'`)
	liteApplied = sql(`SELECT name, checksum FROM schema_migrations`)
)

func (m liteMigrator) applied(context.Context) (map[string]string, error) {
	done := map[string]string{}
	o := newOp(liteRecord).rows(func(*row) {})
	if err := m.c.run(o); err != nil || o.steps[0].n == 0 {
		return nil, err
	}
	o = newOp(liteApplied).rows(func(r *row) {
		name := r.text()
		done[name] = r.text()
	})
	return done, m.c.run(o)
}

// PostgreSQL: a connection of its own.

func (p *pg) migration(ctx context.Context, f func(migrator) error) error {
	c, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return f(pgMigrator{c})
}

type pgMigrator struct{ c *pgconn.PgConn }

func (pgMigrator) dialect() string { return "postgres" }

// The number is ours alone: "postern" in ASCII.
func (m pgMigrator) lock(ctx context.Context) error {
	return m.script(ctx, "BEGIN; SELECT pg_advisory_xact_lock(31647739056321134)")
}

func (m pgMigrator) script(ctx context.Context, text string) error {
	return m.c.Exec(ctx, text).Close()
}

func (m pgMigrator) applied(ctx context.Context) (map[string]string, error) {
	res := m.c.ExecParams(ctx, "SELECT to_regclass('schema_migrations') IS NOT NULL", nil, nil, nil, nil).Read()
	if res.Err != nil || string(res.Rows[0][0]) == "f" {
		return nil, res.Err
	}
	res = m.c.ExecParams(ctx, "SELECT name, checksum FROM schema_migrations", nil, nil, nil, nil).Read()
	done := map[string]string{}
	for _, r := range res.Rows {
		done[string(r[0])] = string(r[1])
	}
	return done, res.Err
}
