// Package store is the contract between the domains and the engines for everything short-lived:
// single use, replay detection and counting. It holds interfaces and errors, no implementation.
// What is long-lived has a small Store interface beside its types in each domain.
//
// There is no Begin and no Commit: one method is one transaction.
package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// The errors every engine returns, always wrapped so that errors.Is finds them.
var (
	ErrNotFound = errors.New("store: not found")         // absent or expired
	ErrExists   = errors.New("store: already exists")    // present and unexpired
	ErrStale    = errors.New("store: changed meanwhile") // the old value given is not the current one
	ErrTaken    = errors.New("store: already taken")     // somebody took it first; the value comes with it
)

// MaxValue bounds a value of Ephemeral, in bytes.
const MaxValue = 64 << 10

// Key is the hash of what a caller holds. No engine ever sees the secret itself.
type Key [sha256.Size]byte

// KeyOf is the key of secret within kind ("code", "interaction", "jti", …). Kinds never collide.
func KeyOf(kind, secret string) Key {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write([]byte(secret))
	var k Key
	h.Sum(k[:0])
	return k
}

// Ephemeral keeps values until they expire. Every method is atomic across all nodes and goroutines.
type Ephemeral interface {
	// Put stores v under k until exp. ErrExists if k is present and unexpired, taken or not: also replay detection (jti).
	Put(ctx context.Context, k Key, v []byte, exp time.Time) error
	// Get returns the value of k; v together with ErrTaken if it was taken; ErrNotFound if absent or expired.
	Get(ctx context.Context, k Key) ([]byte, error)
	// Swap replaces old by v and keeps the expiry. ErrStale if the value is not old or was taken; ErrNotFound if absent or expired.
	Swap(ctx context.Context, k Key, old, v []byte) error
	// Take returns the value of k to exactly one caller. Later callers before the expiry get the same
	// value with ErrTaken; absent or expired: ErrNotFound. RFC 6749 §4.1.2 (single use).
	Take(ctx context.Context, k Key) ([]byte, error)
}

// Counters count within fixed windows, across all nodes.
type Counters interface {
	// Add adds n to key in the current window (the window begins with the first Add and lasts window)
	// and returns the total of that window; n may be 0 to look, and negative to give back.
	Add(ctx context.Context, key string, n int64, window time.Duration) (total int64, err error)
}
