package sqldb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// TestMain lets this binary play the server that is killed.
func TestMain(m *testing.M) {
	if driver := os.Getenv("SQLDB_TEST_WRITER"); driver != "" {
		writer(driver, os.Getenv("SQLDB_TEST_DSN"))
	}
	os.Exit(m.Run())
}

// writer puts keys from many goroutines for ever, and prints the name of each once it is acknowledged.
func writer(driver, dsn string) {
	db, err := Open(context.Background(), Options{Driver: driver, DSN: dsn, Now: time.Now})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for g := range 16 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", g, i)
				if err := db.Put(context.Background(), store.KeyOf("kill", name), []byte(name), time.Now().Add(time.Hour)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(name)
				mu.Unlock()
			}
		}()
	}
	select {}
}

// kill -9 in the middle of a load loses nothing that was acknowledged.
func TestKill(t *testing.T) {
	for _, e := range engines {
		if e.name == "memory" {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			o := e.options(t)
			open(t, o, time.Now).Close()
			for round := range 3 {
				names := killed(t, o, 500*(round+1))
				db := open(t, o, time.Now)
				for _, name := range names {
					if v, err := db.Get(t.Context(), store.KeyOf("kill", name)); err != nil || string(v) != name {
						t.Fatalf("round %d: %s of %d acknowledged: %q, %v", round, name, len(names), v, err)
					}
				}
				// The next writer begins anew.
				if _, err := db.change(t.Context(), "empty", newOp(sqlEmpty)); err != nil {
					t.Fatal(err)
				}
				db.Close()
			}
		})
	}
}

var sqlEmpty = sql(`DELETE FROM ephemeral`)

// killed runs a writer, kills it after n acknowledgements, and returns all that it gave.
func killed(t *testing.T, o Options, n int) (names []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "SQLDB_TEST_WRITER="+o.Driver, "SQLDB_TEST_DSN="+o.DSN)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // what has no end of line was not said
		}
		if names = append(names, strings.TrimSuffix(line, "\n")); len(names) == n {
			cmd.Process.Kill()
		}
	}
	if len(names) < n {
		t.Fatalf("only %d acknowledged", len(names))
	}
	return names
}

// Two nodes: while one ends a session, the other makes and rotates grants under it. Nothing lives on.
func TestEndAgainstInsert(t *testing.T) {
	for _, e := range engines {
		if e.name == "memory" {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			o := e.options(t)
			a, b := open(t, o, time.Now), open(t, o, time.Now)
			now := time.Now()
			for i := range 60 {
				id := ident.SessionID(fmt.Sprint("s", i))
				s := sessions.Session{ID: id, User: "u", CreatedAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}
				if err := a.InsertSession(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				var done sync.WaitGroup
				for g := range 8 {
					done.Go(func() {
						g := oauth.Grant{ID: ident.GrantID(fmt.Sprint(i, "-", g)), User: "u", Session: id, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
						if err := b.InsertGrant(t.Context(), g); err != nil && !errors.Is(err, store.ErrStale) {
							t.Error(err)
						}
					})
				}
				done.Go(func() {
					if ended, err := a.EndSession(t.Context(), id, now, "logout"); !ended || err != nil {
						t.Error(ended, err)
					}
				})
				done.Wait()
				if l, err := a.GrantsOf(t.Context(), "u", "", now); err != nil || len(l) != 0 {
					t.Fatalf("round %d: %d grants outlive their session, %v", i, len(l), err)
				}
			}
		})
	}
}

// A broken connection costs at most the writes that were on their way.
func TestReconnect(t *testing.T) {
	o := engines[2].options(t)
	db, other := open(t, o, time.Now), open(t, o, time.Now)
	exp := time.Now().Add(time.Hour)
	if err := db.Put(t.Context(), key(1), []byte("v"), exp); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		kill := sql(`SELECT pg_terminate_backend(pid)::int FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()`)
		if _, err := all(t.Context(), other, "kill", (*row).int, kill); err != nil {
			t.Fatal(err)
		}
		if v, err := db.Get(t.Context(), key(1)); err != nil || string(v) != "v" {
			t.Errorf("round %d: reads must not notice: %q, %v", round, v, err)
		}
		first := db.Put(t.Context(), key(10+2*round), nil, exp)
		if err := db.Put(t.Context(), key(11+2*round), nil, exp); err != nil {
			t.Errorf("round %d: %v, then %v", round, first, err)
		}
	}
}

// Text that PostgreSQL refuses is found nowhere, and never fails a batch.
func TestHostileText(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *DB) {
		ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
		for _, bad := range []string{"a\x00b", "\xff"} {
			if _, err := db.UserByIdentifier(ctx, bad); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("UserByIdentifier(%q): %v", bad, err)
			}
			if _, err := db.Grant(ctx, ident.GrantID(bad)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Grant(%q): %v", bad, err)
			}
			if err := db.InsertSession(ctx, sessions.Session{ID: ident.SessionID(bad)}); !errors.Is(err, errText) {
				t.Errorf("InsertSession(%q): %v", bad, err)
			}
			if n, err := db.Add(ctx, bad, 1, time.Minute); n != 1 || err != nil {
				t.Errorf("Add(%q): %d, %v", bad, n, err)
			}
			g := oauth.Grant{ID: ident.GrantID(fmt.Sprintf("g%x", bad)), Nonce: bad, Scope: []string{`"`, "é", ""}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
			if err := db.InsertGrant(ctx, g); err != nil {
				t.Errorf("nonce %q: %v", bad, err)
			}
			got, err := db.Grant(ctx, g.ID)
			if err != nil || got.Nonce != bad || fmt.Sprintf("%q", got.Scope) != fmt.Sprintf("%q", g.Scope) {
				t.Errorf("nonce %q: %q, scope %q, %v", bad, got.Nonce, got.Scope, err)
			}
		}
	})
}
