package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/store"
)

var ctx = context.Background()

func fixed() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC) }

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func openDSN(t fataler, dsn string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: dsn, Now: fixed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t testing.TB) *sqldb.DB {
	t.Helper()
	db := openDSN(t, filepath.Join(t.TempDir(), "audit.db"))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newWriter(t fataler, s audit.Store) *audit.Writer {
	t.Helper()
	w, err := audit.NewWriter(ctx, audit.WriterOptions{Store: s, Now: fixed})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func event(i int) audit.Event {
	return audit.Event{Type: "session.started", Outcome: audit.OK, Actor: "user", User: "ann", IP: "192.0.2.1", Data: map[string]string{"n": fmt.Sprint(i)}}
}

func record(t fataler, w *audit.Writer, n int) {
	t.Helper()
	for i := range n {
		if err := w.Record(ctx, event(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t fataler, s audit.Store, o audit.VerifyOptions) audit.Report {
	t.Helper()
	rep, err := audit.Verify(ctx, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestManyRecordAtOnce(t *testing.T) {
	db := open(t)
	var seen []audit.Event
	var mu sync.Mutex
	w, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: fixed, Observe: func(e audit.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range 20 {
				if err := w.Record(ctx, event(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	heads, _ := db.AuditHeads(ctx)
	if len(heads) != 1 || heads[0].Seq != 64*20+1 {
		t.Fatalf("%+v", heads)
	}
	if rep := verify(t, db, audit.VerifyOptions{}); !rep.OK() || rep.Entries != 64*20+1 || rep.Streams != 1 {
		t.Errorf("%+v", rep)
	}
	if len(seen) != 64*20+1 || seen[0].Type != audit.OpenedType {
		t.Errorf("observed %d", len(seen))
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Record(ctx, event(0)); !errors.Is(err, audit.ErrClosed) {
		t.Error(err)
	}
}

func TestWhatIsWritten(t *testing.T) {
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint(i)] = ""
	}
	heavy := map[string]string{}
	for i := range 16 {
		heavy[fmt.Sprint(i)] = strings.Repeat(`"`, 300)
	}
	ok := audit.Event{Type: "a.b", Outcome: audit.OK}
	with := func(f func(*audit.Event)) audit.Event { e := ok; f(&e); return e }
	for _, tt := range []struct {
		name string
		e    audit.Event
		want audit.Event
		err  error
	}{
		{"as it is", event(1), event(1), nil},
		{"no type", with(func(e *audit.Event) { e.Type = "" }), ok, audit.ErrEvent},
		{"long type", with(func(e *audit.Event) { e.Type = strings.Repeat("x", 65) }), ok, audit.ErrEvent},
		{"unknown outcome", with(func(e *audit.Event) { e.Outcome = "maybe" }), ok, audit.ErrEvent},
		{"17 entries of data", with(func(e *audit.Event) { e.Data = many }), ok, audit.ErrEvent},
		{"long name of data", with(func(e *audit.Event) { e.Data = map[string]string{strings.Repeat("n", 65): ""} }), ok, audit.ErrEvent},
		{"agent cut", with(func(e *audit.Event) { e.Agent = strings.Repeat("é", 400) }), with(func(e *audit.Event) { e.Agent = strings.Repeat("é", 254) + "…" }), nil},
		{"agent of 512", with(func(e *audit.Event) { e.Agent = strings.Repeat("a", 512) }), with(func(e *audit.Event) { e.Agent = strings.Repeat("a", 512) }), nil},
		{"invalid UTF-8", with(func(e *audit.Event) { e.Reason = "a\xffb" }), with(func(e *audit.Event) { e.Reason = "a\ufffdb" }), nil},
		{"nothing but invalid UTF-8", with(func(e *audit.Event) { e.Agent = strings.Repeat("\xff", 1000) }), with(func(e *audit.Event) { e.Agent = "\ufffd…" }), nil},
		{"control characters", with(func(e *audit.Event) { e.User = "a\nb\x00" }), with(func(e *audit.Event) { e.User = "a\ufffdb\ufffd" }), nil},
		{"value cut", with(func(e *audit.Event) { e.Data = map[string]string{"v": strings.Repeat("v", 257)} }), with(func(e *audit.Event) { e.Data = map[string]string{"v": strings.Repeat("v", 253) + "…"} }), nil},
		{"value of 256", with(func(e *audit.Event) { e.Data = map[string]string{"v": strings.Repeat("v", 256)} }), with(func(e *audit.Event) { e.Data = map[string]string{"v": strings.Repeat("v", 256)} }), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t)
			w := newWriter(t, db)
			if err := w.Record(ctx, tt.e); !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			heads, _ := db.AuditHeads(ctx)
			got, _ := db.ReadAudit(ctx, heads[0].Stream, 2, 10)
			if tt.err != nil {
				if len(got) != 0 {
					t.Error("it was written")
				}
				return
			}
			ev, _ := got[0].Event()
			if ev.IP != tt.want.IP {
				t.Errorf("address %q", ev.IP)
			}
			tt.want.IP, tt.want.Address = "", ev.Address
			want, _ := json.Marshal(tt.want)
			if len(got) != 1 || string(got[0].Body) != string(want) || got[0].User != tt.want.User || got[0].Type != tt.want.Type {
				t.Errorf("%s\nwant %s", got[0].Body, want)
			}
			if rep := verify(t, db, audit.VerifyOptions{}); !rep.OK() {
				t.Errorf("%+v", rep)
			}
		})
	}
	db := open(t)
	w := newWriter(t, db)
	if err := w.Record(ctx, with(func(e *audit.Event) { e.Data = heavy; e.Agent = strings.Repeat(`\`, 600) })); err != nil {
		t.Fatal(err)
	}
	heads, _ := db.AuditHeads(ctx)
	got, _ := db.ReadAudit(ctx, heads[0].Stream, 2, 1)
	if len(got) != 1 || len(got[0].Body) > 8<<10 || !utf8.Valid(got[0].Body) {
		t.Errorf("%d bytes", len(got[0].Body))
	}
}

// faulty is a real store whose appends can fail before they happen, or after.
type faulty struct {
	*sqldb.DB
	mu            sync.Mutex
	before, after error
	blind         bool // reading fails as well
}

func (f *faulty) set(before, after error, blind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after, f.blind = before, after, blind
}

func (f *faulty) AppendAudit(ctx context.Context, entries []audit.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before != nil {
		return f.before
	}
	if err := f.DB.AppendAudit(ctx, entries); err != nil {
		return err
	}
	return f.after
}

func (f *faulty) ReadAudit(ctx context.Context, stream string, from int64, limit int) ([]audit.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind {
		return nil, errors.New("no connection")
	}
	return f.DB.ReadAudit(ctx, stream, from, limit)
}

func TestAppendFails(t *testing.T) {
	down := errors.New("database is down")
	for _, tt := range []struct {
		name          string
		before, after error
		blind         bool
		want          error
		written       int64 // entries after the failure
	}{
		{"before it happened", down, nil, false, down, 1},
		{"before it happened, unknowably", down, nil, true, down, 1},
		{"after it happened", nil, down, false, nil, 9},
		{"after it happened, unknowably", nil, down, true, down, 9},
		{"a late twin", nil, store.ErrExists, true, store.ErrExists, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &faulty{DB: open(t)}
			w := newWriter(t, f)
			f.set(tt.before, tt.after, tt.blind)
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range 8 {
				wg.Go(func() {
					err := w.Record(ctx, event(i))
					mu.Lock()
					defer mu.Unlock()
					if !errors.Is(err, tt.want) {
						// the first failure may hide the way of the later ones
						if tt.want == nil || err == nil {
							t.Errorf("%v; want %v", err, tt.want)
						}
					}
				})
			}
			wg.Wait()
			f.set(nil, nil, false)
			record(t, w, 3) // goes on in the same stream
			heads, _ := f.AuditHeads(ctx)
			if len(heads) != 1 || heads[0].Seq < 4 || heads[0].Seq > tt.written+3 {
				t.Errorf("%+v", heads)
			}
			if rep := verify(t, f, audit.VerifyOptions{}); !rep.OK() {
				t.Errorf("%+v", rep)
			}
		})
	}
}

func TestCallersThatHangUpDisturbNobody(t *testing.T) {
	db := open(t)
	w := newWriter(t, db)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			c, cancel := context.WithTimeout(ctx, time.Duration(i%5)*100*time.Microsecond)
			defer cancel()
			if i%2 == 0 {
				c = ctx
			}
			if err := w.Record(c, event(i)); err != nil && (i%2 == 0 || !errors.Is(err, context.DeadlineExceeded)) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, db, audit.VerifyOptions{}); !rep.OK() || rep.Entries < 101 {
		t.Errorf("%+v", rep)
	}
}

func TestForeignEntryInOurStream(t *testing.T) {
	db := open(t)
	w := newWriter(t, db)
	record(t, w, 1)
	heads, _ := db.AuditHeads(ctx)
	if err := db.AppendAudit(ctx, []audit.Entry{{Stream: heads[0].Stream, Seq: 3, At: fixed(), Type: "x.y", Body: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Record(ctx, event(1)); err == nil {
			t.Error("writes on after an entry that is not ours")
		}
	}
}

func TestExportIsVerifiableAlone(t *testing.T) {
	db := open(t)
	record(t, newWriter(t, db), 5)
	record(t, newWriter(t, db), 5)
	var out bytes.Buffer
	if err := audit.Export(ctx, db, &out); err != nil {
		t.Fatal(err)
	}
	rep, err := audit.VerifyExport(bytes.NewReader(out.Bytes()), audit.VerifyOptions{})
	if err != nil || !rep.OK() || rep.Entries != 12 || rep.Streams != 2 {
		t.Errorf("%+v %v", rep, err)
	}
	for name, text := range map[string]string{"no JSON": "x\n", "short hash": `{"stream":"s","seq":1,"prev":"","hash":"","type":"","body":""}` + "\n"} {
		if _, err := audit.VerifyExport(strings.NewReader(text), audit.VerifyOptions{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadCheckpoints(t *testing.T) {
	got, err := audit.ReadCheckpoints(strings.NewReader("a.b.c\r\n\n  d.e.f\n"))
	if err != nil || !slices.Equal(got, []string{"a.b.c", "d.e.f"}) {
		t.Errorf("%q %v", got, err)
	}
	if _, err := audit.ReadCheckpoints(strings.NewReader(strings.Repeat("x", 5<<20))); err == nil {
		t.Error("reads a line of 5 MiB")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","heads":[{"stream":"s","seq":1,"hash":"` + strings.Repeat("0a", 32) + `"}]}`))
	f.Add([]byte(`{"heads":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := audit.ParseCheckpoint(text)
		for _, h := range c.Heads {
			if err == nil && (h.Seq < 1 || h.Stream == "") {
				t.Fatalf("%+v", h)
			}
		}
	})
}

func FuzzVerifyExport(f *testing.F) {
	db := openDSN(f, ":memory:")
	record(f, newWriter(f, db), 2)
	var out bytes.Buffer
	if err := audit.Export(ctx, db, &out); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = audit.VerifyExport(bytes.NewReader(text), audit.VerifyOptions{})
	})
}

func BenchmarkRecord(b *testing.B) {
	w := newWriter(b, open(b))
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			if err := w.Record(ctx, event(1)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64 at once", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := w.Record(ctx, event(1)); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
