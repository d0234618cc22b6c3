package riskstep_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/enginetest"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// BenchmarkDecideOnPostgres is a whole decision about a sign-in: the ring is read and the decision stands in the trail
// before the answer. It reports the median and the 99th percentile too.
func BenchmarkDecideOnPostgres(b *testing.B) {
	clock := authntest.NewClock()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "postgres", DSN: enginetest.Postgres(b), Now: clock.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	trail, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: clock.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = trail.Close(context.Background()) })
	d := newDesk(b, func(o *riskstep.Options) { o.Store, o.Audit = db, trail })
	e := env(inDE, "laptop")
	for range 16 {
		d.settle(authntest.Ben, e)
		d.clock.Advance(24 * time.Hour)
	}
	p := authntest.Proof(b, d.authn, d.clock, authntest.Ben, false, e)
	in := riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: e, Best: ident.AAL2}
	took := make([]time.Duration, 0, 1<<14)
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		if got, err := d.Decide(ctx, in); err != nil || got.Action() != riskstep.Allow {
			b.Fatal(got.Action(), err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
