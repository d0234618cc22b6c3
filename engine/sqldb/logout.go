package sqldb

import (
	"context"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

const (
	logoutColumns = `id, client_id, user_id, session_id, created_at, due_at, delivered_at, failure, attempts`
	// Only what this very transaction ended is told: an earlier end has another time, or is queued already. A session's
	// name has no dot, so that the two names make one.
	tell = `INSERT INTO logout_deliveries (` + logoutColumns + `)
		SELECT DISTINCT g.session_id || '.' || g.client_id, g.client_id, s.user_id, g.session_id, s.ended_at, s.ended_at, 0, '', 0
		FROM sessions s JOIN grants g ON g.session_id = s.id AND g.session_id <> ''
			JOIN documents d ON d.kind = 'client' AND d.id = g.client_id AND d.backchannel = 1
		WHERE s.ended_at = $1 AND `
)

var (
	qTellOfSession = sql(tell + `s.id = $2 ON CONFLICT (id) DO NOTHING`)
	qTellOfUser    = sql(tell + `s.user_id = $2 ON CONFLICT (id) DO NOTHING`)

	qLogoutClients = sql(`SELECT DISTINCT client_id FROM grants WHERE session_id = $1 AND session_id <> '' ORDER BY client_id LIMIT 200`)
	qDueClients    = sql(`SELECT client_id FROM logout_deliveries WHERE due_at > 0 AND due_at <= $1
		GROUP BY client_id ORDER BY MIN(due_at), client_id LIMIT $2`)
	qDueLogouts = sql(`UPDATE logout_deliveries SET due_at = $1, attempts = attempts + 1
		WHERE id IN (SELECT id FROM logout_deliveries WHERE client_id = $2 AND due_at > 0 AND due_at <= $3 ORDER BY due_at, id LIMIT $4 @skip)
		RETURNING ` + logoutColumns)
	qLogoutDelivered = sql(`UPDATE logout_deliveries SET due_at = 0, delivered_at = $1, failure = '' WHERE id = $2`)
	qLogoutFailed    = sql(`UPDATE logout_deliveries SET due_at = CASE WHEN delivered_at = 0 THEN CAST($1 AS BIGINT) ELSE 0 END,
		failure = CASE WHEN delivered_at = 0 THEN CAST($2 AS TEXT) ELSE '' END WHERE id = $3`)
	qLogoutsOf = sql(`SELECT ` + logoutColumns + ` FROM logout_deliveries WHERE client_id = $1 AND created_at >= $2
		ORDER BY created_at DESC, id DESC LIMIT $3`)
)

func scanLogout(r *row) oauth.LogoutDelivery {
	return oauth.LogoutDelivery{
		ID: r.text(), Client: ident.ClientID(r.text()), User: ident.UserID(r.text()), Session: ident.SessionID(r.text()),
		CreatedAt: r.time(), DueAt: r.time(), DeliveredAt: r.time(), Failure: r.text(), Attempts: int(r.int()),
	}
}

func scanClientID(r *row) ident.ClientID { return ident.ClientID(r.text()) }

// LogoutClients implements oauth.LogoutStore.
func (db *DB) LogoutClients(ctx context.Context, session ident.SessionID) ([]ident.ClientID, error) {
	return all(ctx, db, "logout clients", scanClientID, qLogoutClients, string(session))
}

// DueLogoutClients implements oauth.LogoutStore.
func (db *DB) DueLogoutClients(ctx context.Context, now time.Time, limit int) ([]ident.ClientID, error) {
	return all(ctx, db, "due logout clients", scanClientID, qDueClients, micros(now), atMost(limit))
}

// DueLogouts implements oauth.LogoutStore.
func (db *DB) DueLogouts(ctx context.Context, client ident.ClientID, now time.Time, lease time.Duration, limit int) ([]oauth.LogoutDelivery, error) {
	var due []oauth.LogoutDelivery
	o := newOp(qDueLogouts, micros(now.Add(lease)), string(client), micros(now), atMost(limit)).
		rows(func(r *row) { due = append(due, scanLogout(r)) }).locks(lockLogouts, "")
	o.reset = func() { due = nil }
	if _, err := db.change(ctx, "due logouts", o); err != nil {
		return nil, err
	}
	return due, nil
}

// LogoutDelivered implements oauth.LogoutStore.
func (db *DB) LogoutDelivered(ctx context.Context, id string, at time.Time) error {
	return db.must(ctx, "logout delivered", newOp(qLogoutDelivered, micros(at), id).locks(lockLogouts, id), store.ErrNotFound)
}

// LogoutFailed implements oauth.LogoutStore.
func (db *DB) LogoutFailed(ctx context.Context, id string, next time.Time, why string) error {
	return db.must(ctx, "logout failed", newOp(qLogoutFailed, micros(next), why, id).locks(lockLogouts, id), store.ErrNotFound)
}

// LogoutsOf implements oauth.LogoutStore.
func (db *DB) LogoutsOf(ctx context.Context, client ident.ClientID, since time.Time, limit int) ([]oauth.LogoutDelivery, error) {
	return all(ctx, db, "logouts of client", scanLogout, qLogoutsOf, string(client), micros(since), atMost(limit))
}
