//go:build unix

package enginetest

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
)

const pgPlaces = "/usr/lib/postgresql/*/bin"

var startPostgres = thrice(func() (*server, error) {
	initdb, err := find("initdb", pgPlaces)
	if err != nil {
		return nil, err
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return nil, err
	}
	s, err := newServer("postgres", "postgres", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	out, err := s.command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	err = s.start("INT", func(port string) []string {
		return []string{filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", port, "-k", s.dir, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
			"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "timezone=Asia/Kathmandu"}
	}, func() error { return s.psql("SELECT 1") })
	return s, err
})

// psql runs one statement as the superuser.
func (s *server) psql(statement string) error {
	psql, err := find("psql", pgPlaces)
	if err != nil {
		return err
	}
	out, err := s.command(psql, "-X", "-q", "-h", "127.0.0.1", "-p", s.port, "-U", "postgres", "-d", "postgres", "-c", statement).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

var databases atomic.Int64

// Postgres returns the URL of a fresh database on a private PostgreSQL server, started once for this process and
// gone with it. It commits in order but without fsync: it survives the death of a client, not of the machine. Its
// time zone is odd on purpose. The database is dropped when t ends.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := startPostgres()
	if err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
	db := fmt.Sprintf("exam%d", databases.Add(1))
	if err := s.psql("CREATE DATABASE " + db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.psql("DROP DATABASE " + db + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%s/%s?sslmode=disable", s.port, db)
}
