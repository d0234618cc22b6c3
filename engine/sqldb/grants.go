package sqldb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
)

const (
	grantInsert = `INSERT INTO grants (id, client_id, user_id, session_id, scope, resources, claims, nonce, assurance, amr, auth_time,
		offline, country, binding, created_at, expires_at, revoked_at, revoke_why, refresh_hash, refresh_seq, rotated_at, snapshot) `
	grantValues = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22`
	grantSelect = `SELECT g.id, g.client_id, g.user_id, g.session_id, g.scope, g.resources, g.claims, g.nonce, g.assurance, g.amr, g.auth_time,
		g.offline, g.country, g.binding, g.created_at, g.expires_at, g.revoked_at, g.revoke_why, g.refresh_hash, g.refresh_seq, g.rotated_at, g.snapshot,
		CASE WHEN s.ended_at = 0 THEN CASE WHEN s.idle_until < s.expires_at THEN s.idle_until ELSE s.expires_at END ELSE 0 END, s.limited
		FROM grants g LEFT JOIN sessions s ON s.id = g.session_id `
)

var (
	// The session's row is locked against its ending, so that nothing can be made under a session that is being ended.
	qInsertUnder = sql(grantInsert + `SELECT ` + grantValues + ` FROM sessions s WHERE s.id = $4 AND s.ended_at = 0 @share ON CONFLICT (id) DO NOTHING`)
	qInsertGrant = sql(grantInsert + `VALUES (` + grantValues + `) ON CONFLICT (id) DO NOTHING`)
	qGrantThere  = sql(`SELECT 1 FROM grants WHERE id = $1`)
	qGrant       = sql(grantSelect + `WHERE g.id = $1`)
	qGrantsOf    = sql(grantSelect + `WHERE g.user_id = $1 AND g.user_id <> '' AND ($2 = '' OR g.client_id = $2)
		AND g.revoked_at = 0 AND g.expires_at > $3 ORDER BY g.created_at DESC, g.id DESC LIMIT 500`)
	// A grant whose session has ended is revoked, since both happen in one transaction.
	qRotate = sql(`UPDATE grants SET refresh_hash = $1, refresh_seq = refresh_seq + 1, rotated_at = $2, snapshot = $3
		WHERE id = $4 AND refresh_seq = $5 AND revoked_at = 0`)
	qSnapshot = sql(`UPDATE grants SET snapshot = $1 WHERE id = $2 AND revoked_at = 0`)
	qRevoke   = sql(`UPDATE grants SET revoked_at = $1, revoke_why = $2 WHERE id = $3 AND revoked_at = 0`)
)

func scanGrant(r *row) oauth.Grant {
	return oauth.Grant{
		ID: ident.GrantID(r.text()), Client: ident.ClientID(r.text()), User: ident.UserID(r.text()), Session: ident.SessionID(r.text()),
		Scope: list[string](r), Resources: list[string](r), Claims: r.blob(), Nonce: string(r.blob()),
		Assurance: ident.Assurance(r.int()), AMR: list[ident.AMR](r), AuthTime: r.time(), Offline: r.bool(),
		Country: r.text(), Binding: r.text(), CreatedAt: r.time(), ExpiresAt: r.time(), RevokedAt: r.time(), RevokeWhy: r.text(),
		RefreshHash: r.hash(), RefreshSeq: r.int(), RotatedAt: r.time(), Snapshot: snapshot(r),
		SessionEnds: r.time(), Limited: list[string](r),
	}
}

// InsertGrant implements oauth.GrantStore. A session that is not there counts as ended.
func (db *DB) InsertGrant(ctx context.Context, g oauth.Grant) error {
	q := qInsertUnder
	if g.Session == "" {
		q = qInsertGrant
	}
	// The nonce comes from outside and may hold any byte: not a text.
	o := newOp(q, string(g.ID), string(g.Client), string(g.User), string(g.Session), listed(g.Scope), listed(g.Resources),
		bytesOf(g.Claims), []byte(g.Nonce), int64(g.Assurance), listed(g.AMR), micros(g.AuthTime), flag(g.Offline), g.Country,
		g.Binding, micros(g.CreatedAt), micros(g.ExpiresAt), micros(g.RevokedAt), g.RevokeWhy, hashed(g.RefreshHash),
		g.RefreshSeq, micros(g.RotatedAt), taken(g.Snapshot)).locks(lockSessions, string(g.Session))
	n, err := db.change(ctx, "insert grant", o)
	if err != nil || n > 0 {
		return err
	}
	there, err := db.there(ctx, "insert grant", qGrantThere, string(g.ID))
	switch {
	case err != nil:
		return err
	case there:
		return fmt.Errorf("sqldb: insert grant: %w", store.ErrExists)
	default:
		return fmt.Errorf("sqldb: insert grant: %w: the session has ended", store.ErrStale)
	}
}

// Grant implements oauth.GrantStore.
func (db *DB) Grant(ctx context.Context, id ident.GrantID) (oauth.Grant, error) {
	return one(ctx, db, "grant", scanGrant, qGrant, string(id))
}

// RotateGrant implements oauth.GrantStore.
func (db *DB) RotateGrant(ctx context.Context, id ident.GrantID, seq int64, hash [sha256.Size]byte, by riskstep.Snapshot, at time.Time) error {
	o := newOp(qRotate, hashed(hash), micros(at), taken(by), string(id), seq).locks(lockGrants, string(id))
	return db.must(ctx, "rotate grant", o, store.ErrStale)
}

// SnapshotGrant implements oauth.GrantStore.
func (db *DB) SnapshotGrant(ctx context.Context, id ident.GrantID, by riskstep.Snapshot) error {
	_, err := db.change(ctx, "snapshot grant", newOp(qSnapshot, taken(by), string(id)).locks(lockGrants, string(id)))
	return err
}

// RevokeGrant implements oauth.GrantStore.
func (db *DB) RevokeGrant(ctx context.Context, id ident.GrantID, at time.Time, why string) (bool, error) {
	o := newOp(qRevoke, micros(at), why, string(id)).log(qLogGrant, micros(at), db.outlived(at), string(id))
	n, err := db.change(ctx, "revoke grant", o.locks(lockGrants, string(id)))
	if err != nil || n > 0 {
		return n > 0, err
	}
	there, err := db.there(ctx, "revoke grant", qGrantThere, string(id))
	if err == nil && !there {
		err = fmt.Errorf("sqldb: revoke grant: %w", store.ErrNotFound)
	}
	return false, err
}

// GrantsOf implements oauth.GrantStore.
func (db *DB) GrantsOf(ctx context.Context, user ident.UserID, client ident.ClientID, now time.Time) ([]oauth.Grant, error) {
	return all(ctx, db, "grants of user", scanGrant, qGrantsOf, string(user), string(client), micros(now))
}
