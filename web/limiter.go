package web

import (
	"sync"
	"time"
)

// limiter is a token bucket for each key, in this process: it spares us work. What guards secrets counts across all
// nodes, in authn and clientauth.
type limiter struct {
	now func() time.Time
	mu  sync.Mutex
	at  map[string]time.Time // theoretical arrival time, as in GCRA
}

const (
	burst      = 10 // seconds of the rate that may come at once
	maxBuckets = 50_000
)

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, at: map[string]time.Time{}}
}

func (l *limiter) allow(key string, perSecond float64) bool {
	step := time.Duration(float64(time.Second) / perSecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if len(l.at) >= maxBuckets {
		for k, t := range l.at {
			if t.Before(now) {
				delete(l.at, k)
			}
		}
		if len(l.at) >= maxBuckets {
			clear(l.at)
		}
	}
	t := l.at[key]
	if t.Before(now) {
		t = now
	}
	if t.Sub(now) > burst*time.Second {
		return false
	}
	l.at[key] = t.Add(step)
	return true
}
