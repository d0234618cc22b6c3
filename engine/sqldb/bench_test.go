package sqldb

import (
	"context"
	"crypto/sha256"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// inFlight is how many callers each benchmark has at a time, on two cores.
const inFlight = 32

// benchmark runs f on every engine from many goroutines, after prepare; n differs in each call, and
// comes in no order, as identifiers do. It reports operations a second and the CPU of this process (on SQLite that is all of it).
// PostgreSQL runs without fsync unless POSTERN_BENCH_POSTGRES names a durable database.
func benchmark(b *testing.B, prepare, f func(ctx context.Context, db *DB, n string) error) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			o := e.options(b)
			if dsn := os.Getenv("POSTERN_BENCH_POSTGRES"); dsn != "" && e.name == "postgres" {
				o.DSN = dsn
			}
			db := open(b, o, time.Now)
			// That database outlives the process, and is the same for each b.N.
			prefix := strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
			if prepare != nil {
				parallel(b, db, prefix, prepare)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			parallel(b, db, prefix, f)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
		})
	}
}

func parallel(b *testing.B, db *DB, prefix string, f func(ctx context.Context, db *DB, n string) error) {
	var i atomic.Int64
	b.SetParallelism(inFlight)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(context.Background(), db, prefix+strconv.FormatUint(uint64(i.Add(1))*0x9e3779b97f4a7c15, 36)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var benchValue = make([]byte, 300)

func put(ctx context.Context, db *DB, n string) error {
	return db.Put(ctx, store.KeyOf("bench", n), benchValue, time.Now().Add(time.Hour))
}

func get(ctx context.Context, db *DB, n string) error {
	_, err := db.Get(ctx, store.KeyOf("bench", n))
	return err
}

func take(ctx context.Context, db *DB, n string) error {
	_, err := db.Take(ctx, store.KeyOf("bench", n))
	return err
}

func insertSession(ctx context.Context, db *DB, n string) error {
	now := time.Now()
	return db.InsertSession(ctx, sessions.Session{
		ID: ident.SessionID(n), User: ident.UserID(n), Device: "d", AuthTime: now, AMR: []ident.AMR{ident.Password},
		Assurance: ident.AAL1, Agent: "Chrome on Windows", CreatedAt: now, LastSeen: now, IdleUntil: now.Add(time.Hour),
		ExpiresAt: now.Add(24 * time.Hour), SecretHash: sha256.Sum256([]byte(n)),
	})
}

func session(ctx context.Context, db *DB, n string) error {
	_, err := db.Session(ctx, ident.SessionID(n))
	return err
}

func insertGrant(ctx context.Context, db *DB, n string) error {
	now := time.Now()
	return db.InsertGrant(ctx, oauth.Grant{
		ID: ident.GrantID(n), Client: "app", User: ident.UserID(n), Session: ident.SessionID(n), Scope: []string{"openid", "profile"},
		Nonce: "n-0S6_WzA2Mj", Assurance: ident.AAL1, AMR: []ident.AMR{ident.Password}, AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
	})
}

func both(ctx context.Context, db *DB, n string) error {
	if err := insertSession(ctx, db, n); err != nil {
		return err
	}
	return insertGrant(ctx, db, n)
}

func grant(ctx context.Context, db *DB, n string) error {
	_, err := db.Grant(ctx, ident.GrantID(n))
	return err
}

func rotate(ctx context.Context, db *DB, n string) error {
	return db.RotateGrant(ctx, ident.GrantID(n), 0, sha256.Sum256([]byte(n)), riskstep.Snapshot{}, time.Now())
}

func appendAudit(ctx context.Context, db *DB, n string) error {
	now := time.Now()
	l := make([]audit.Entry, 8)
	for i := range l {
		l[i] = audit.Entry{Stream: n, Seq: int64(i + 1), At: now, User: "u", Type: "token.issued", Body: benchValue}
	}
	return db.AppendAudit(ctx, l)
}

func add(ctx context.Context, db *DB, n string) error {
	_, err := db.Add(ctx, n, 1, time.Minute)
	return err
}

func revoke(ctx context.Context, db *DB, n string) error {
	_, err := db.RevokeGrant(ctx, ident.GrantID(n), time.Now(), "bench")
	return err
}

// BenchmarkRevokeGrantTwoNodes has two nodes write to the log at once: they take turns.
func BenchmarkRevokeGrantTwoNodes(b *testing.B) {
	o := engines[2].options(b)
	one, two := open(b, o, time.Now), open(b, o, time.Now)
	prefix := strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
	parallel(b, one, prefix, both)
	b.ResetTimer()
	var i atomic.Int64
	parallel(b, one, prefix, func(ctx context.Context, db *DB, n string) error {
		if i.Add(1)%2 == 0 {
			db = two
		}
		return revoke(ctx, db, n)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkPut(b *testing.B)           { benchmark(b, nil, put) }
func BenchmarkGet(b *testing.B)           { benchmark(b, put, get) }
func BenchmarkTake(b *testing.B)          { benchmark(b, put, take) }
func BenchmarkAdd(b *testing.B)           { benchmark(b, nil, add) }
func BenchmarkInsertSession(b *testing.B) { benchmark(b, nil, insertSession) }
func BenchmarkSession(b *testing.B)       { benchmark(b, insertSession, session) }
func BenchmarkInsertGrant(b *testing.B)   { benchmark(b, insertSession, insertGrant) }
func BenchmarkGrant(b *testing.B)         { benchmark(b, both, grant) }
func BenchmarkRotateGrant(b *testing.B)   { benchmark(b, both, rotate) }
func BenchmarkAppendAudit8(b *testing.B)  { benchmark(b, nil, appendAudit) }
func BenchmarkRevokeGrant(b *testing.B)   { benchmark(b, both, revoke) }
