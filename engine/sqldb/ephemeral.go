package sqldb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/store"
)

// The tables that ops lock, in the order in which one transaction locks them.
const (
	lockNone byte = iota
	lockEphemeral
	lockCounters
	lockUsers
	lockRisk
	lockPasskeys
	lockSessions
	lockGrants
	lockConsents
	lockRegistry
	lockKeys
	lockMail
	lockLogouts
)

var (
	qPut = sql(`INSERT INTO ephemeral (key, value, exp, taken) VALUES ($1, $2, $3, 0)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, exp = excluded.exp, taken = 0 WHERE ephemeral.exp <= $4`)
	qGet  = sql(`SELECT value, taken FROM ephemeral WHERE key = $1 AND exp > $2`)
	qSwap = sql(`UPDATE ephemeral SET value = $1 WHERE key = $2 AND value = $3 AND taken = 0 AND exp > $4`)
	qTake = sql(`UPDATE ephemeral SET taken = $1 WHERE key = $2 AND taken = 0 AND exp > $1 RETURNING value`)

	qAdd = sql(`INSERT INTO counters (key, n, ends) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET
			n    = excluded.n + CASE WHEN counters.ends > $4 THEN counters.n ELSE 0 END,
			ends = CASE WHEN counters.ends > $4 THEN counters.ends ELSE excluded.ends END
		RETURNING n`)
	qTotal = sql(`SELECT n FROM counters WHERE key = $1 AND ends > $2`)
)

var errTooLarge = errors.New("sqldb: value too large")

// Put implements store.Ephemeral. A value of more than store.MaxValue bytes is refused.
func (db *DB) Put(ctx context.Context, k store.Key, v []byte, exp time.Time) error {
	if len(v) > store.MaxValue {
		return fmt.Errorf("sqldb: put: %w", errTooLarge)
	}
	o := newOp(qPut, k[:], bytesOf(v), micros(exp), micros(db.now())).locks(lockEphemeral, string(k[:]))
	return db.must(ctx, "put", o, store.ErrExists)
}

// must runs o, and returns refused if its first step changed nothing.
func (db *DB) must(ctx context.Context, what string, o *op, refused error) error {
	n, err := db.change(ctx, what, o)
	if err == nil && n == 0 {
		err = fmt.Errorf("sqldb: %s: %w", what, refused)
	}
	return err
}

type ephemeral struct {
	value []byte
	taken bool
}

func (db *DB) find(ctx context.Context, what string, k store.Key) (ephemeral, error) {
	return one(ctx, db, what, func(r *row) ephemeral {
		return ephemeral{value: r.bytes(), taken: r.bool()}
	}, qGet, k[:], micros(db.now()))
}

// Get implements store.Ephemeral.
func (db *DB) Get(ctx context.Context, k store.Key) ([]byte, error) {
	e, err := db.find(ctx, "get", k)
	if err == nil && e.taken {
		err = fmt.Errorf("sqldb: get: %w", store.ErrTaken)
	}
	return e.value, err
}

// Swap implements store.Ephemeral.
func (db *DB) Swap(ctx context.Context, k store.Key, old, v []byte) error {
	if len(v) > store.MaxValue {
		return fmt.Errorf("sqldb: swap: %w", errTooLarge)
	}
	o := newOp(qSwap, bytesOf(v), k[:], bytesOf(old), micros(db.now())).locks(lockEphemeral, string(k[:]))
	n, err := db.change(ctx, "swap", o)
	if err != nil || n > 0 {
		return err
	}
	if _, err := db.find(ctx, "swap", k); err != nil {
		return err
	}
	return fmt.Errorf("sqldb: swap: %w", store.ErrStale)
}

// Take implements store.Ephemeral.
func (db *DB) Take(ctx context.Context, k store.Key) ([]byte, error) {
	var v []byte
	o := newOp(qTake, micros(db.now()), k[:]).rows(func(r *row) { v = r.bytes() }).locks(lockEphemeral, string(k[:]))
	n, err := db.change(ctx, "take", o)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return v, nil
	}
	e, err := db.find(ctx, "take", k)
	if err != nil {
		return nil, err
	}
	return e.value, fmt.Errorf("sqldb: take: %w", store.ErrTaken)
}

// Add implements store.Counters. Looking (n is 0) writes nothing, and so begins no window.
func (db *DB) Add(ctx context.Context, key string, n int64, window time.Duration) (int64, error) {
	now := db.now()
	if n == 0 {
		total, err := one(ctx, db, "add", (*row).int, qTotal, []byte(key), micros(now))
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		return total, err
	}
	var total int64
	o := newOp(qAdd, []byte(key), n, micros(now.Add(window)), micros(now)).
		rows(func(r *row) { total = r.int() }).locks(lockCounters, key)
	if _, err := db.change(ctx, "add", o); err != nil {
		return 0, err
	}
	return total, nil
}
