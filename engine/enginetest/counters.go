package enginetest

import (
	"context"
	"strings"
	"time"

	"github.com/postern-id/postern/store"
)

var counterParts = []part[store.Counters]{
	{"the total of a window", countersWindow},
	{"keys are apart", countersKeys},
	{"concurrent sums are exact", countersSum},
	{"a new window counts every caller once", countersRollover},
	{"a cancelled caller is refused", countersCancelled},
}

func countersWindow(r *room[store.Counters]) {
	k := name("window")
	steps := []struct {
		after time.Duration
		n     int64
		want  int64
	}{
		{0, 1, 1}, {0, 2, 3}, {0, 0, 3}, {0, -1, 2}, {0, 1 << 40, 1<<40 + 2}, {0, -1 << 40, 2}, {0, -5, -3}, {0, 4, 1},
		{30 * time.Second, 1, 2}, // an Add never prolongs the window
		{30*time.Second - time.Microsecond, 0, 2},
		{time.Microsecond, 7, 7},
		{59 * time.Second, 1, 8},
		{time.Second, -2, -2},
		{time.Hour, 1, 1},
	}
	for i, s := range steps {
		r.clock.advance(s.after)
		if got := get(r.e.Add(r.ctx, k, s.n, time.Minute))(r); got != s.want {
			r.Fatalf("step %d: Add(%d) after %v: total %d, want %d", i, s.n, s.after, got, s.want)
		}
	}
	if got := get(r.e.Add(r.ctx, name("looked at"), 0, time.Minute))(r); got != 0 {
		r.Fatalf("looking at a key never counted: %d, want 0", got)
	}
}

func countersKeys(r *room[store.Counters]) {
	base := name("k")
	ks := []string{base, base + "a", base + "A", base + ":", base + " ", base + "é", base + "e\u0301", base + "{x}", strings.Repeat("k", 500) + base}
	for i, k := range ks {
		if got := get(r.e.Add(r.ctx, k, int64(i+1), time.Minute))(r); got != int64(i+1) {
			r.Fatalf("key %q: total %d, want %d", k, got, i+1)
		}
	}
}

func countersSum(r *room[store.Counters]) {
	k := name("sum")
	const callers, adds = 32, 12
	totals := make([][]int64, callers)
	errs := make([]error, callers)
	together(callers, func(i int) {
		for range adds {
			n, err := r.e.Add(r.ctx, k, 1, time.Hour)
			if err != nil {
				errs[i] = err
				return
			}
			totals[i] = append(totals[i], n)
		}
	})
	seen := map[int64]bool{}
	for i := range callers {
		must(r, errs[i])
		for _, n := range totals[i] {
			if seen[n] {
				r.Fatalf("two callers were told the total %d: a limit would let one through", n)
			}
			seen[n] = true
		}
	}
	if got := get(r.e.Add(r.ctx, k, 0, time.Hour))(r); got != callers*adds {
		r.Fatalf("%d Adds of 1 make %d", callers*adds, got)
	}
}

func countersRollover(r *room[store.Counters]) {
	k := name("rollover")
	for range 5 {
		errs := make([]error, 16)
		together(len(errs), func(i int) { _, errs[i] = r.e.Add(r.ctx, k, 1, time.Minute) })
		for _, err := range errs {
			must(r, err)
		}
		if got := get(r.e.Add(r.ctx, k, 0, time.Minute))(r); got != int64(len(errs)) {
			r.Fatalf("%d callers opened a window together, and it counts %d", len(errs), got)
		}
		r.clock.advance(time.Minute)
	}
}

func countersCancelled(r *room[store.Counters]) {
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := r.e.Add(ctx, name("cancelled"), 1, time.Minute)
	refuse(r, "Add with a cancelled context", err, nil)
}
