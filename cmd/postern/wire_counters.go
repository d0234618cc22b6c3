package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"time"

	"github.com/postern-id/postern/store"
)

// blindCounters keeps counters under keyed hashes of their names.
type blindCounters struct {
	store.Counters
	key []byte
}

// Add implements store.Counters.
func (c blindCounters) Add(ctx context.Context, name string, n int64, window time.Duration) (int64, error) {
	m := hmac.New(sha256.New, c.key)
	m.Write([]byte(name))
	return c.Counters.Add(ctx, string(m.Sum(nil)), n, window)
}
