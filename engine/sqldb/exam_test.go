package sqldb

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-id/postern/engine/enginetest"
)

// engines are the databases that every test of this package runs on.
var engines = []struct {
	name    string
	options func(t testing.TB) Options
}{
	{"sqlite", func(t testing.TB) Options {
		return Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "postern.db")}
	}},
	{"memory", func(testing.TB) Options { return Options{Driver: "sqlite", DSN: ":memory:"} }},
	{"postgres", func(t testing.TB) Options { return Options{Driver: "postgres", DSN: enginetest.Postgres(t)} }},
}

func open(t testing.TB, o Options, now func() time.Time) *DB {
	t.Helper()
	o.Now = now
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestExam(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			enginetest.Run(t, func(t *testing.T, now func() time.Time) enginetest.Engine {
				return open(t, e.options(t), now)
			})
		})
	}
}
