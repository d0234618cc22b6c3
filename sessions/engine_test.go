package sessions_test

import (
	"context"
	"testing"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/sqldb"
)

// newEngine is a real SQLite database, empty and in memory, that tells the time by clock.
func newEngine(t testing.TB, clock *authntest.Clock) *sqldb.DB {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: ":memory:", Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}
