package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// figures of one round.
type figures struct {
	perSecond     float64
	p50, p95, p99 time.Duration
	cpu, dbCPU    time.Duration // an operation
	failed        int64
}

func (f figures) row(name string) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }
	db := "–"
	if f.dbCPU > 0 {
		db = ms(f.dbCPU)
	}
	return fmt.Sprintf("| %s | %.0f | %s | %s | %s | %s | %s | %d |", name, f.perSecond, ms(f.p50), ms(f.p95), ms(f.p99), ms(f.cpu), db, f.failed)
}

func median(rows []figures) figures {
	pick := func(get func(figures) float64) float64 {
		v := make([]float64, len(rows))
		for i, r := range rows {
			v[i] = get(r)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	d := func(get func(figures) time.Duration) time.Duration {
		return time.Duration(pick(func(f figures) float64 { return float64(get(f)) }))
	}
	return figures{
		perSecond: pick(func(f figures) float64 { return f.perSecond }),
		p50:       d(func(f figures) time.Duration { return f.p50 }), p95: d(func(f figures) time.Duration { return f.p95 }),
		p99: d(func(f figures) time.Duration { return f.p99 }), cpu: d(func(f figures) time.Duration { return f.cpu }),
		dbCPU: d(func(f figures) time.Duration { return f.dbCPU }), failed: int64(pick(func(f figures) float64 { return float64(f.failed) })),
	}
}

// operation is one thing to measure. do runs on worker i of c, which no other goroutine uses meanwhile.
type operation struct {
	name    string
	prepare func(ctx context.Context) error
	do      func(ctx context.Context, worker int) error
}

// measure runs op n times from c workers.
func measure(ctx context.Context, s *server, op operation, n, c int) (figures, error) {
	if op.prepare != nil {
		if err := op.prepare(ctx); err != nil {
			return figures{}, err
		}
	}
	if err := op.do(ctx, 0); err != nil { // one to warm up, and to fail early
		return figures{}, err
	}
	var (
		left   atomic.Int64
		failed atomic.Int64
		wg     sync.WaitGroup
		took   = make([][]time.Duration, c)
	)
	left.Store(int64(n))
	cpu, db := s.cpu(), s.databaseCPU()
	begun := time.Now()
	for i := range c {
		wg.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				t := time.Now()
				if op.do(ctx, i) != nil {
					failed.Add(1)
				}
				took[i] = append(took[i], time.Since(t))
			}
		})
	}
	wg.Wait()
	wall := time.Since(begun)
	f := figures{perSecond: float64(n) / wall.Seconds(), cpu: (s.cpu() - cpu) / time.Duration(n), dbCPU: (s.databaseCPU() - db) / time.Duration(n),
		failed: failed.Load()}
	all := slices.Concat(took...)
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[min(len(all)-1, int(q*float64(len(all))))] }
	f.p50, f.p95, f.p99 = at(.50), at(.95), at(.99)
	return f, ctx.Err()
}
