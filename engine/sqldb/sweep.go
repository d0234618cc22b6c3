package sqldb

import (
	"context"
	"time"
)

const (
	sweepBatch     = 500                 // rows in one transaction
	sweepStretches = 20                  // batches of a table walked in one sweep
	sweepSkew      = 10 * time.Second    // a node whose clock is behind may still want a row
	keepGrants     = 24 * time.Hour      // after their expiry
	keepSessions   = 30 * 24 * time.Hour // after their expiry, for the person's own list
	keepMail       = 14 * 24 * time.Hour // after it was written, whatever came of it
	keepDeliveries = 2 * 24 * time.Hour  // after they were queued, whatever came of them: operators look at the last day
)

var qSweepEphemeral = sql(`DELETE FROM ephemeral WHERE key IN (SELECT key FROM ephemeral WHERE exp <= $1 ORDER BY exp LIMIT $2 @skip)`)

// The other tables have no index on their expiry, since every write would pay for it: a sweep walks
// them by their key, stretch by stretch, from where the last sweep stopped.
type walk struct {
	from   any           // in front of every key
	next   *query        // the last key of the stretch behind $1; none at the end of the table
	delete *query        // the expired of that stretch
	keep   time.Duration // after the expiry
}

var walks = []*walk{
	{
		from:   []byte{},
		next:   sql(`SELECT key FROM counters WHERE key > $1 ORDER BY key LIMIT 1 OFFSET $2`),
		delete: sql(`DELETE FROM counters WHERE key IN (SELECT key FROM counters WHERE key > $1 ORDER BY key LIMIT $2) AND ends <= $3`),
		keep:   sweepSkew,
	},
	{
		from:   "",
		next:   sql(`SELECT id FROM grants WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`),
		delete: sql(`DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE id > $1 ORDER BY id LIMIT $2) AND expires_at <= $3`),
		keep:   keepGrants,
	},
	{
		from: "",
		next: sql(`SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`),
		// A session stays while a grant refers to it: an offline grant lives on after its session expired.
		delete: sql(`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT $2) AND expires_at <= $3
			AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.session_id = sessions.id AND g.session_id <> '')`),
		keep: keepSessions,
	},
	{
		from:   "",
		next:   sql(`SELECT id FROM mail WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`),
		delete: sql(`DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE id > $1 ORDER BY id LIMIT $2) AND created_at <= $3`),
		keep:   keepMail,
	},
	sweepDeliveries("logout_deliveries"),
	sweepDeliveries("ciba_deliveries"),
}

func sweepDeliveries(table string) *walk {
	return &walk{
		from:   "",
		next:   sql(`SELECT id FROM ` + table + ` WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`),
		delete: sql(`DELETE FROM ` + table + ` WHERE id IN (SELECT id FROM ` + table + ` WHERE id > $1 ORDER BY id LIMIT $2) AND created_at <= $3`),
		keep:   keepDeliveries,
	}
}

// Sweep deletes what expired before now and is of no more use, in transactions of at most 500
// rows, and returns how many rows went. Every node may call it, about once a minute.
func (db *DB) Sweep(ctx context.Context, now time.Time) (n int64, err error) {
	db.sweeping.Lock()
	defer db.sweeping.Unlock()
	for _, q := range []*query{qSweepEphemeral, qSweepRevocations} {
		gone, err := db.sweepOldest(ctx, q, now)
		n += gone
		if err != nil {
			return n, err
		}
	}
	for _, w := range walks {
		gone, err := db.sweepWalk(ctx, w, now)
		n += gone
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (db *DB) sweepOldest(ctx context.Context, q *query, now time.Time) (n int64, err error) {
	for {
		gone, err := db.change(ctx, "sweep", newOp(q, micros(now.Add(-sweepSkew)), int64(sweepBatch)))
		n += gone
		if err != nil || gone < sweepBatch {
			return n, err
		}
	}
}

func (db *DB) sweepWalk(ctx context.Context, w *walk, now time.Time) (n int64, err error) {
	for range sweepStretches {
		at, ok := db.cursor[w]
		if !ok {
			at = w.from
		}
		ends, err := all(ctx, db, "sweep", func(r *row) any {
			if _, ok := w.from.([]byte); ok {
				return r.bytes()
			}
			return r.text()
		}, w.next, at, int64(sweepBatch-1))
		if err != nil {
			return n, err
		}
		gone, err := db.change(ctx, "sweep", newOp(w.delete, at, int64(sweepBatch), micros(now.Add(-w.keep))))
		n += gone
		if err != nil {
			return n, err
		}
		if len(ends) == 0 {
			delete(db.cursor, w)
			return n, nil
		}
		db.cursor[w] = ends[0]
	}
	return n, nil
}
