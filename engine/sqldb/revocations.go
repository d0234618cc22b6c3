package sqldb

import (
	"context"
	"time"

	"github.com/postern-id/postern/oauth"
)

// The log of revocations is written by whatever revokes, in its transaction. Its readers go by number, so that a number
// must never become visible after a higher one: transactions that write the log take turns, each holding the log from its
// beginning (before any row, so that none waits for another's rows while it is waited for) to its commit. What a rollback
// leaves out is then nothing that could still come. SQLite has one writer anyway.

// logSlack is how much longer than an access token lives its entry stays: for the one that was being signed, and for
// clocks that differ.
const logSlack = time.Minute

const logEntry = `INSERT INTO revocations (at, until, kind, id, scope) SELECT $1, $2, `

var (
	qLogTurn = sql(`SELECT pg_advisory_xact_lock($1)`)

	// Only what this very transaction ended has its time; of two at the same microsecond both may be told twice.
	qLogSession    = sql(logEntry + `'session', id, '' FROM sessions WHERE id = $3 AND ended_at = $1`)
	qLogSessions   = sql(logEntry + `'session', id, '' FROM sessions WHERE user_id = $3 AND ended_at = $1`)
	qLogGrant      = sql(logEntry + `'grant', id, '' FROM grants WHERE id = $3 AND revoked_at = $1`)
	qLogConsent    = sql(logEntry + `'grant', id, '' FROM grants WHERE user_id = $3 AND user_id <> '' AND client_id = $4 AND revoked_at = $1`)
	qLogLoose      = sql(logEntry + `'grant', id, '' FROM grants WHERE user_id = $3 AND user_id <> '' AND session_id = '' AND revoked_at = $1`)
	qLogToken      = sql(`INSERT INTO revocations (at, until, kind, id, scope) VALUES ($1, $2, 'token', $3, '')`)
	qLogClient     = sql(logEntry + `'client', id, '' FROM documents WHERE kind = 'client' AND id = $3`)
	qLogLimit      = sql(logEntry + `'limit', id, $4 FROM sessions WHERE id = $3 AND ended_at = 0 AND limited <> $4`)
	qLogOfDeleted  = sql(logEntry + `'session', id, '' FROM sessions WHERE user_id = $3 AND ended_at = 0`)
	qLogOfDeleted2 = sql(logEntry + `'grant', id, '' FROM grants WHERE user_id = $3 AND user_id <> '' AND session_id = '' AND revoked_at = 0`)

	// One statement, one snapshot: the latest number belongs to the entries.
	qRevocations = sql(`SELECT l.latest, r.seq, r.at, r.until, r.kind, r.id, r.scope
		FROM (SELECT COALESCE(MAX(seq), 0) AS latest FROM revocations) l
		LEFT JOIN (SELECT seq, at, until, kind, id, scope FROM revocations WHERE seq > $1 AND until > $2 ORDER BY seq LIMIT $3) r ON 1 = 1
		ORDER BY r.seq`)
	qLatestRevocation = sql(`SELECT COALESCE(MAX(seq), 0) FROM revocations`)
	// The latest stays, since it is what tells the next number.
	qSweepRevocations = sql(`DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations
		WHERE until <= $1 AND seq < (SELECT MAX(seq) FROM revocations) ORDER BY seq LIMIT $2 @skip)`)
)

// logTurn is the lock's number, ours alone: "postrevs" in ASCII, but for its highest bit.
const logTurn = int64(0x706f737472657673)

// log makes o one that writes to the log.
func (o *op) log(q *query, args ...any) *op {
	o.logs = true
	return o.then(q, args...)
}

// outlived is when the last access token that is around at at has expired.
func (db *DB) outlived(at time.Time) int64 {
	life := time.Duration(db.access.Load())
	if life == 0 {
		life = oauth.MaxAccess
	}
	return micros(at.Add(life + logSlack))
}

// AccessLives says how long an access token lives at most, so that the log need not remember longer; a shorter time than
// said before changes nothing, as older tokens are still around. Without it that is oauth.MaxAccess.
func (db *DB) AccessLives(d time.Duration) {
	for {
		was := db.access.Load()
		if int64(d) <= was || db.access.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// Revocations implements oauth.RevocationStore.
func (db *DB) Revocations(ctx context.Context, after int64, now time.Time, limit int) (out []oauth.Revocation, latest int64, err error) {
	all, err := all(ctx, db, "revocations", func(r *row) oauth.Revocation {
		latest = r.int()
		return oauth.Revocation{Seq: r.int(), At: r.time(), Until: r.time(), Kind: r.text(), ID: r.text(), Scope: list[string](r)}
	}, qRevocations, after, micros(now), atMost(limit))
	if err != nil || len(all) == 1 && all[0].Seq == 0 {
		return nil, latest, err
	}
	return all, latest, nil
}

// LatestRevocation implements oauth.RevocationStore.
func (db *DB) LatestRevocation(ctx context.Context) (int64, error) {
	return one(ctx, db, "latest revocation", (*row).int, qLatestRevocation)
}

// RevokeToken implements oauth.RevocationStore.
func (db *DB) RevokeToken(ctx context.Context, jti string, at, until time.Time) error {
	o := newOp(qLogToken, micros(at), micros(until.Add(logSlack)), jti)
	o.logs = true
	_, err := db.change(ctx, "revoke token", o)
	return err
}
