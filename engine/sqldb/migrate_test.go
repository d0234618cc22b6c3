package sqldb

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/postern-id/postern/ident"
)

// unmigrated opens a database as it is.
func unmigrated(t testing.TB, o Options) *DB {
	t.Helper()
	o.Now = time.Now
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// files holds the migrations of both dialects, each name with its text.
func files(texts ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i, text := range texts {
		for _, d := range []string{"sqlite", "postgres"} {
			m[fmt.Sprintf("migrations/%s/%04d_m.sql", d, i+1)] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return m
}

const (
	goodOne = `CREATE TABLE one (n BIGINT); INSERT INTO one VALUES (1);`
	goodTwo = `CREATE TABLE two (n BIGINT); UPDATE one SET n = n + 1;`
	broken  = `UPDATE one SET n = 77; CREATE TABLE one (n BIGINT);`
)

var qOne = sql(`SELECT n FROM one`)

func TestMigrate(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, db := t.Context(), unmigrated(t, e.options(t))
			check := func(what string, got []string, err error, want ...string) {
				t.Helper()
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %v, %v, want %v", what, got, err, want)
				}
			}
			fails := func(what string, err error, with string) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), with) {
					t.Errorf("%s: error %v, want one with %q", what, err, with)
				}
			}
			got, err := db.migrate(ctx, files(goodOne))
			check("first", got, err, "0001_m")
			_, err = db.migrate(ctx, files(goodOne, broken, goodTwo))
			fails("broken", err, "0002_m")
			if n, err := one(ctx, db, "one", (*row).int, qOne); n != 1 || err != nil {
				t.Errorf("after a broken migration: %d, %v, want 1 as before", n, err)
			}
			got, err = db.migrate(ctx, files(goodOne, goodTwo))
			check("second", got, err, "0002_m")
			got, err = db.migrate(ctx, files(goodOne, goodTwo))
			check("again", got, err)
			got, err = db.migrate(ctx, files(goodOne))
			check("an older binary", got, err)
			_, err = db.migrate(ctx, files(goodOne+" ", goodTwo))
			fails("changed", err, "0001_m was applied with another content")
			if n, err := one(ctx, db, "one", (*row).int, qOne); n != 2 || err != nil {
				t.Errorf("in the end: %d, %v, want 2", n, err)
			}
		})
	}
}

func TestPending(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := unmigrated(t, e.options(t))
			before, err := db.Pending(t.Context())
			if err != nil || len(before) == 0 || before[0] != "0001_init" {
				t.Fatalf("pending %v, %v", before, err)
			}
			applied, err := db.Migrate(t.Context())
			if err != nil || !slices.Equal(applied, before) {
				t.Errorf("applied %v, %v, want %v", applied, err, before)
			}
			if after, err := db.Pending(t.Context()); err != nil || len(after) != 0 {
				t.Errorf("pending %v, %v, want none", after, err)
			}
		})
	}
}

// Many processes start at once on an empty database: each migration is applied once.
func TestMigrateTogether(t *testing.T) {
	for _, e := range engines {
		if e.name == "memory" {
			continue // nobody shares it
		}
		t.Run(e.name, func(t *testing.T) {
			o := e.options(t)
			var mu sync.Mutex
			var all []string
			var done sync.WaitGroup
			for range 8 {
				db := unmigrated(t, o)
				done.Go(func() {
					got, err := db.migrate(t.Context(), files(goodOne, goodTwo, `UPDATE one SET n = n * 10;`))
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					all = append(all, got...)
				})
			}
			done.Wait()
			slices.Sort(all)
			if want := []string{"0001_m", "0002_m", "0003_m"}; !slices.Equal(all, want) {
				t.Errorf("applied %v, want %v", all, want)
			}
			db := unmigrated(t, o)
			if n, err := one(t.Context(), db, "one", (*row).int, qOne); n != 20 || err != nil {
				t.Errorf("%d, %v, want 20", n, err)
			}
		})
	}
}

// Both dialects make the same tables with the same columns.
func TestDialectsAgree(t *testing.T) {
	shape := func(dialect string) []string {
		all, err := migrations(migrationFiles, dialect)
		if err != nil {
			t.Fatal(err)
		}
		var l []string
		for _, m := range all {
			for line := range strings.Lines(m.text) {
				line, _, _ = strings.Cut(line, "--")
				switch f := strings.Fields(line); {
				case strings.HasPrefix(line, "CREATE"):
					l = append(l, strings.Join(f, " "))
				case strings.HasPrefix(line, "\t") && len(f) > 1:
					l = append(l, f[0])
				}
			}
		}
		return l
	}
	if lite, pg := shape("sqlite"), shape("postgres"); !slices.Equal(lite, pg) {
		t.Errorf("SQLite has %v\nPostgreSQL has %v", lite, pg)
	}
}

// Sessions of before places of last use were kept, and those that an older binary starts after, are used where the person
// signed in, as far as one knows.
func TestSessionsOfBefore(t *testing.T) {
	before := fstest.MapFS{}
	for _, d := range []string{"sqlite", "postgres"} {
		all, err := migrations(migrationFiles, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.name < "0004" {
				before["migrations/"+d+"/"+m.name+".sql"] = &fstest.MapFile{Data: []byte(m.text)}
			}
		}
	}
	insert := sql(`INSERT INTO sessions (id, user_id, device_id, auth_time, amr, assurance, raised, raised_until, country, agent, created_at,
		last_seen, idle_until, expires_at, secret_hash, prev_hash, prev_until, version)
		VALUES ($1, 'u', 'd', 1, '', 1, 0, 0, $2, '', 1, 1, 9, 9, $3, $3, 1, 1)`)
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			ctx, db := t.Context(), unmigrated(t, e.options(t))
			start := func(id, country string) {
				t.Helper()
				if n, err := db.change(ctx, "insert", newOp(insert, id, country, []byte{})); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if _, err := db.migrate(ctx, before); err != nil {
				t.Fatal(err)
			}
			start("old", "DE")
			if _, err := db.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			start("of an older binary", "FR")
			start("unplaced", "")
			for id, want := range map[ident.SessionID]string{"old": "DE", "of an older binary": "FR", "unplaced": ""} {
				s, err := db.Session(ctx, id)
				if err != nil || s.Country != want || s.LastCountry != want || s.LastSpot.Known() {
					t.Errorf("%s: %+v, %v", id, s, err)
				}
				s.LastCountry = ""
				if err := db.UpdateSession(ctx, s); err != nil {
					t.Fatal(err)
				}
				if s, err := db.Session(ctx, id); err != nil || s.LastCountry != "" {
					t.Errorf("%s used where nobody knows: %+v, %v", id, s, err)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		o    Options
	}{
		{"no clock", Options{Driver: "sqlite", DSN: ":memory:"}},
		{"no driver", Options{DSN: ":memory:", Now: time.Now}},
		{"unknown driver", Options{Driver: "mysql", DSN: "x", Now: time.Now}},
		{"no path", Options{Driver: "sqlite", Now: time.Now}},
		{"a path with options", Options{Driver: "sqlite", DSN: t.TempDir() + "/a?_pragma=synchronous(0)", Now: time.Now}},
		{"a URI", Options{Driver: "sqlite", DSN: "file:" + t.TempDir() + "/a", Now: time.Now}},
		{"no directory", Options{Driver: "sqlite", DSN: t.TempDir() + "/no/a", Now: time.Now}},
		{"not a URL", Options{Driver: "postgres", DSN: "postgres://%", Now: time.Now}},
		{"nobody listens", Options{Driver: "postgres", DSN: "postgres://u:topsecret@127.0.0.1:1/x", Now: time.Now}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, err := Open(t.Context(), tt.o)
			if err == nil {
				db.Close()
				t.Fatal("opened")
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the password stands in the error: %v", err)
			}
		})
	}
}

// BenchmarkFirstStart and BenchmarkLaterStart are what the database adds to the start of the product.
func BenchmarkFirstStart(b *testing.B) {
	for b.Loop() {
		db := open(b, engines[0].options(b), time.Now)
		db.Close()
	}
}

func BenchmarkLaterStart(b *testing.B) {
	o := engines[0].options(b)
	for b.Loop() {
		db := open(b, o, time.Now)
		if err := db.Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}
