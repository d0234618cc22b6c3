package sqldb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

const (
	sessionColumns = `id, user_id, device_id, auth_time, amr, assurance, raised, raised_until, country, agent, created_at,
	last_seen, idle_until, expires_at, ended_at, end_reason, secret_hash, prev_hash, prev_until, version, last_lat, last_lon, last_km, last_country, snapshot, limited`
	// Rows of before there was a place of last use, or of an older binary, have NULL there: it is that of the sign-in.
	sessionSelect = `id, user_id, device_id, auth_time, amr, assurance, raised, raised_until, country, agent, created_at,
	last_seen, idle_until, expires_at, ended_at, end_reason, secret_hash, prev_hash, prev_until, version, last_lat, last_lon, last_km,
	COALESCE(last_country, country), snapshot, limited`
)

var (
	qInsertSession = sql(`INSERT INTO sessions (` + sessionColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (id) DO NOTHING`)
	qSession = sql(`SELECT ` + sessionSelect + ` FROM sessions WHERE id = $1`)
	// Ending and limits are not among what it writes: only EndSession ends, because it also revokes the grants, and only
	// LimitSession limits.
	qUpdateSession = sql(`UPDATE sessions SET user_id = $2, device_id = $3, auth_time = $4, amr = $5, assurance = $6, raised = $7,
		raised_until = $8, country = $9, agent = $10, created_at = $11, last_seen = $12, idle_until = $13, expires_at = $14,
		secret_hash = $15, prev_hash = $16, prev_until = $17, last_lat = $18, last_lon = $19, last_km = $20, last_country = $21,
		snapshot = $22, version = version + 1 WHERE id = $1 AND version = $23 AND ended_at = 0`)
	qLimitSession = sql(`UPDATE sessions SET limited = $1, version = version + 1 WHERE id = $2 AND ended_at = 0 AND limited <> $1`)
	qSessionThere = sql(`SELECT 1 FROM sessions WHERE id = $1`)
	qEndSession   = sql(`UPDATE sessions SET ended_at = $1, end_reason = $2, version = version + 1 WHERE id = $3 AND ended_at = 0`)
	qEndSessions  = sql(`UPDATE sessions SET ended_at = $1, end_reason = $2, version = version + 1
		WHERE user_id = $3 AND id <> $4 AND ended_at = 0 RETURNING id`)

	qRevokeOfSession = sql(`UPDATE grants SET revoked_at = $1, revoke_why = $2
		WHERE session_id = $3 AND session_id <> '' AND revoked_at = 0`)
	qRevokeOfUserExcept = sql(`UPDATE grants SET revoked_at = $1, revoke_why = $2
		WHERE user_id = $3 AND user_id <> '' AND session_id <> $4 AND session_id <> '' AND revoked_at = 0`)
	qRevokeOfUser = sql(`UPDATE grants SET revoked_at = $1, revoke_why = $2 WHERE user_id = $3 AND user_id <> '' AND revoked_at = 0`)

	qSessionsOf = sql(`SELECT ` + sessionSelect + ` FROM sessions
		WHERE user_id = $1 AND (ended_at = 0 OR ended_at >= $2) AND expires_at >= $2 AND idle_until >= $2
		ORDER BY created_at DESC, id DESC LIMIT 200`)
	qSessionsAfter = sql(`SELECT ` + sessionSelect + ` FROM sessions
		WHERE id > $1 AND ended_at = 0 AND expires_at > $2 AND idle_until > $2 ORDER BY id LIMIT $3`)
)

func scanSession(r *row) sessions.Session {
	return sessions.Session{
		ID: ident.SessionID(r.text()), User: ident.UserID(r.text()), Device: ident.DeviceID(r.text()),
		AuthTime: r.time(), AMR: list[ident.AMR](r), Assurance: ident.Assurance(r.int()),
		Raised: ident.Assurance(r.int()), RaisedUntil: r.time(), Country: r.text(), Agent: r.text(),
		CreatedAt: r.time(), LastSeen: r.time(), IdleUntil: r.time(), ExpiresAt: r.time(),
		EndedAt: r.time(), EndReason: r.text(),
		SecretHash: r.hash(), PrevHash: r.hash(), PrevUntil: r.time(), Version: r.int(),
		LastSpot: riskstep.Spot{Lat: degrees(r.int()), Lon: degrees(r.int()), Km: int(r.int())}, LastCountry: r.text(),
		Snapshot: snapshot(r), Limited: list[string](r),
	}
}

// tenths is how a coordinate is stored: in tenths of a degree, so that no row can hold a finer one.
func tenths(deg float64) int64 { return int64(math.Round(deg * 10)) }

func degrees(tenths int64) float64 { return float64(tenths) / 10 }

// taken is how a snapshot is stored: "" for the zero one, so that rows of before read as it.
func taken(s riskstep.Snapshot) string {
	if s == (riskstep.Snapshot{}) {
		return ""
	}
	b, err := json.Marshal(s)
	if err != nil { // texts and a number always marshal
		panic(err)
	}
	return string(b)
}

func snapshot(r *row) (s riskstep.Snapshot) {
	if text := r.text(); text != "" {
		r.err = errors.Join(r.err, json.Unmarshal([]byte(text), &s))
	}
	return s
}

// scopes is how limits are stored: in order and each once, so that the same set is the same text.
func scopes(l []string) string {
	if len(l) == 0 {
		return ""
	}
	l = slices.Clone(l)
	slices.Sort(l)
	return listed(slices.Compact(l))
}

// InsertSession implements sessions.Store.
func (db *DB) InsertSession(ctx context.Context, s sessions.Session) error {
	o := newOp(qInsertSession, string(s.ID), string(s.User), string(s.Device), micros(s.AuthTime), listed(s.AMR),
		int64(s.Assurance), int64(s.Raised), micros(s.RaisedUntil), s.Country, s.Agent, micros(s.CreatedAt),
		micros(s.LastSeen), micros(s.IdleUntil), micros(s.ExpiresAt), micros(s.EndedAt), s.EndReason,
		hashed(s.SecretHash), hashed(s.PrevHash), micros(s.PrevUntil), s.Version,
		tenths(s.LastSpot.Lat), tenths(s.LastSpot.Lon), int64(s.LastSpot.Km), s.LastCountry,
		taken(s.Snapshot), scopes(s.Limited)).locks(lockSessions, string(s.ID))
	return db.must(ctx, "insert session", o, store.ErrExists)
}

// Session implements sessions.Store.
func (db *DB) Session(ctx context.Context, id ident.SessionID) (sessions.Session, error) {
	return one(ctx, db, "session", scanSession, qSession, string(id))
}

// UpdateSession implements sessions.Store. It never ends or limits a session: EndedAt, EndReason and Limited are left as
// they are.
func (db *DB) UpdateSession(ctx context.Context, s sessions.Session) error {
	o := newOp(qUpdateSession, string(s.ID), string(s.User), string(s.Device), micros(s.AuthTime), listed(s.AMR),
		int64(s.Assurance), int64(s.Raised), micros(s.RaisedUntil), s.Country, s.Agent, micros(s.CreatedAt),
		micros(s.LastSeen), micros(s.IdleUntil), micros(s.ExpiresAt),
		hashed(s.SecretHash), hashed(s.PrevHash), micros(s.PrevUntil),
		tenths(s.LastSpot.Lat), tenths(s.LastSpot.Lon), int64(s.LastSpot.Km), s.LastCountry,
		taken(s.Snapshot), s.Version).locks(lockSessions, string(s.ID))
	return db.must(ctx, "update session", o, store.ErrStale)
}

// EndSession implements sessions.Store.
func (db *DB) EndSession(ctx context.Context, id ident.SessionID, at time.Time, reason string) (bool, error) {
	o := newOp(qEndSession, micros(at), reason, string(id)).
		then(qRevokeOfSession, micros(at), reason, string(id)).
		then(qTellOfSession, micros(at), string(id)).
		log(qLogSession, micros(at), db.outlived(at), string(id)).locks(lockSessions, string(id))
	n, err := db.change(ctx, "end session", o)
	if err != nil || n > 0 {
		return n > 0, err
	}
	there, err := db.there(ctx, "end session", qSessionThere, string(id))
	if err == nil && !there {
		err = fmt.Errorf("sqldb: end session: %w", store.ErrNotFound)
	}
	return false, err
}

// EndSessionsOf implements sessions.Store. It also ends sessions that have expired but may still carry offline grants.
func (db *DB) EndSessionsOf(ctx context.Context, user ident.UserID, keep ident.SessionID, at time.Time, reason string) ([]ident.SessionID, error) {
	var ended []ident.SessionID
	o := newOp(qEndSessions, micros(at), reason, string(user), string(keep)).
		rows(func(r *row) { ended = append(ended, ident.SessionID(r.text())) }).locks(lockSessions, "")
	o.reset = func() { ended = nil }
	if keep == "" {
		o.then(qRevokeOfUser, micros(at), reason, string(user))
	} else {
		o.then(qRevokeOfUserExcept, micros(at), reason, string(user), string(keep))
	}
	o.then(qTellOfUser, micros(at), string(user)).log(qLogSessions, micros(at), db.outlived(at), string(user))
	if keep == "" {
		o.log(qLogLoose, micros(at), db.outlived(at), string(user))
	}
	if _, err := db.change(ctx, "end sessions", o); err != nil {
		return nil, err
	}
	return ended, nil
}

// LimitSession implements sessions.Store.
func (db *DB) LimitSession(ctx context.Context, id ident.SessionID, limited []string, at time.Time) (bool, error) {
	o := newOp(qLogLimit, micros(at), db.outlived(at), string(id), scopes(limited)).
		then(qLimitSession, scopes(limited), string(id)).locks(lockSessions, string(id))
	o.logs = true // first, as only that sees whether anything will change
	n, err := db.change(ctx, "limit session", o)
	if err != nil || n > 0 {
		return n > 0, err
	}
	there, err := db.there(ctx, "limit session", qSessionThere, string(id))
	if err == nil && !there {
		err = fmt.Errorf("sqldb: limit session: %w", store.ErrNotFound)
	}
	return false, err
}

// SessionsOf implements sessions.Store.
func (db *DB) SessionsOf(ctx context.Context, user ident.UserID, since time.Time) ([]sessions.Session, error) {
	return all(ctx, db, "sessions of user", scanSession, qSessionsOf, string(user), micros(since))
}

// SessionsAfter implements sessions.Store.
func (db *DB) SessionsAfter(ctx context.Context, after ident.SessionID, now time.Time, limit int) ([]sessions.Session, error) {
	return all(ctx, db, "sessions", scanSession, qSessionsAfter, string(after), micros(now), atMost(limit))
}
