package sqldb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const passkeyColumns = `id, user_id, name, public_key, alg, aaguid, attested, transports, attachment, sign_count, synced, backed_up,
	verifies, suspect, created_at, used_at, used_on`

var (
	// What counts the rows of a person first locks the person, so that nobody else is counting.
	qLockUser = sql(`UPDATE users SET updated_at = updated_at WHERE id = $1`)

	qPasskeys   = sql(`SELECT ` + passkeyColumns + ` FROM passkeys WHERE user_id = $1 ORDER BY created_at, id LIMIT 1000`)
	qPasskey    = sql(`SELECT ` + passkeyColumns + ` FROM passkeys WHERE id = $1`)
	qAddPasskey = sql(`INSERT INTO passkeys (` + passkeyColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17 FROM users u
		WHERE u.id = $2 AND (SELECT count(*) FROM passkeys p WHERE p.user_id = $2) < $18 ON CONFLICT (id) DO NOTHING`)
	qUsePasskey = sql(`UPDATE passkeys SET sign_count = $2, backed_up = $3, used_at = $4, used_on = $5,
		suspect = CASE WHEN suspect > $6 THEN suspect ELSE $6 END WHERE id = $1 AND sign_count = $7`)
	qRenamePasskey = sql(`UPDATE passkeys SET name = $1 WHERE id = $2 AND user_id = $3`)
	qDeletePasskey = sql(`DELETE FROM passkeys WHERE id = $1 AND user_id = $2
		AND (CAST($3 AS BIGINT) = 1 OR EXISTS (SELECT 1 FROM passkeys o WHERE o.user_id = $2 AND o.id <> $1))`)
	qPasskeyThere      = sql(`SELECT 1 FROM passkeys WHERE id = $1`)
	qPasskeyOf         = sql(`SELECT 1 FROM passkeys WHERE id = $1 AND user_id = $2`)
	qDeleteUserKeys    = sql(`DELETE FROM passkeys WHERE user_id = $1`)
	qDeleteUserCodes   = sql(`DELETE FROM recovery_codes WHERE user_id = $1`)
	qPutRecoveryCode   = sql(`INSERT INTO recovery_codes (user_id, hash, created_at) SELECT u.id, $2, $3 FROM users u WHERE u.id = $1 ON CONFLICT (user_id, hash) DO NOTHING`)
	qTakeRecoveryCode  = sql(`UPDATE recovery_codes SET used_at = $1 WHERE user_id = $2 AND hash = $3 AND used_at = 0`)
	qLeftRecoveryCodes = sql(`SELECT count(CASE WHEN used_at = 0 THEN 1 END), count(*) FROM recovery_codes WHERE user_id = $1`)
)

func scanPasskey(r *row) authn.Passkey {
	p := authn.Passkey{ID: r.blob(), User: ident.UserID(r.text()), Name: r.text(), PublicKey: r.blob(), Alg: r.int()}
	copy(p.AAGUID[:], r.blob())
	p.Attested, p.Transports, p.Attachment, p.SignCount = r.text(), list[string](r), r.text(), uint32(r.int())
	p.Synced, p.BackedUp, p.Verifies, p.Suspect = r.bool(), r.bool(), r.bool(), r.bool()
	p.CreatedAt, p.UsedAt, p.UsedOn = r.time(), r.time(), r.text()
	return p
}

// Passkeys implements authn.PasskeyStore.
func (db *DB) Passkeys(ctx context.Context, user ident.UserID) ([]authn.Passkey, error) {
	return all(ctx, db, "passkeys", scanPasskey, qPasskeys, string(user))
}

// Passkey implements authn.PasskeyStore.
func (db *DB) Passkey(ctx context.Context, id []byte) (authn.Passkey, error) {
	return one(ctx, db, "passkey", scanPasskey, qPasskey, bytesOf(id))
}

// AddPasskey implements authn.PasskeyStore.
func (db *DB) AddPasskey(ctx context.Context, p authn.Passkey) error {
	const what = "add passkey"
	o := newOp(qLockUser, string(p.User)).then(qAddPasskey, bytesOf(p.ID), string(p.User), p.Name, bytesOf(p.PublicKey), p.Alg, p.AAGUID[:],
		p.Attested, listed(p.Transports), p.Attachment, int64(p.SignCount), flag(p.Synced), flag(p.BackedUp), flag(p.Verifies),
		flag(p.Suspect), micros(p.CreatedAt), micros(p.UsedAt), p.UsedOn, int64(authn.MaxPasskeys)).locks(lockUsers, string(p.User))
	users, err := db.change(ctx, what, o)
	switch {
	case err != nil || o.steps[1].n > 0:
		return err
	case users == 0:
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
	}
	there, err := db.there(ctx, what, qPasskeyThere, bytesOf(p.ID))
	switch {
	case err != nil:
		return err
	case there:
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrExists)
	}
	return fmt.Errorf("sqldb: %s: %w: as many as one may have", what, store.ErrStale)
}

// UsePasskey implements authn.PasskeyStore.
func (db *DB) UsePasskey(ctx context.Context, p authn.Passkey, count uint32) error {
	const what = "use passkey"
	n, err := db.change(ctx, what, newOp(qUsePasskey, bytesOf(p.ID), int64(p.SignCount), flag(p.BackedUp), micros(p.UsedAt), p.UsedOn,
		flag(p.Suspect), int64(count)).locks(lockPasskeys, string(p.ID)))
	if err != nil || n > 0 {
		return err
	}
	return db.lost(ctx, what, qPasskeyThere, bytesOf(p.ID))
}

// RenamePasskey implements authn.PasskeyStore.
func (db *DB) RenamePasskey(ctx context.Context, user ident.UserID, id []byte, name string) error {
	o := newOp(qRenamePasskey, name, bytesOf(id), string(user)).locks(lockPasskeys, string(id))
	return db.must(ctx, "rename passkey", o, store.ErrNotFound)
}

// DeletePasskey implements authn.PasskeyStore.
func (db *DB) DeletePasskey(ctx context.Context, user ident.UserID, id []byte, last bool) error {
	const what = "delete passkey"
	o := newOp(qLockUser, string(user)).then(qDeletePasskey, bytesOf(id), string(user), flag(last)).locks(lockUsers, string(user))
	if _, err := db.change(ctx, what, o); err != nil || o.steps[1].n > 0 {
		return err
	}
	return db.lost(ctx, what, qPasskeyOf, bytesOf(id), string(user))
}

// lost is why nothing changed: store.ErrStale if q finds the row, store.ErrNotFound otherwise.
func (db *DB) lost(ctx context.Context, what string, q *query, args ...any) error {
	there, err := db.there(ctx, what, q, args...)
	switch {
	case err != nil:
		return err
	case there:
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrStale)
	}
	return fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
}

const maxRecoveryCodes = 100

// PutRecoveryCodes implements authn.RecoveryStore.
func (db *DB) PutRecoveryCodes(ctx context.Context, user ident.UserID, hashes [][sha256.Size]byte, at time.Time) error {
	if len(hashes) > maxRecoveryCodes {
		return fmt.Errorf("sqldb: put recovery codes: %w", errTooLarge)
	}
	o := newOp(qLockUser, string(user)).then(qDeleteUserCodes, string(user)).locks(lockUsers, string(user))
	for _, h := range hashes {
		o.then(qPutRecoveryCode, string(user), h[:], micros(at))
	}
	return db.must(ctx, "put recovery codes", o, store.ErrNotFound)
}

// TakeRecoveryCode implements authn.RecoveryStore.
func (db *DB) TakeRecoveryCode(ctx context.Context, user ident.UserID, hash [sha256.Size]byte, at time.Time) (left int, err error) {
	const what = "take recovery code"
	var n int
	o := newOp(qLockUser, string(user)).
		then(qTakeRecoveryCode, max(micros(at), 1), string(user), hash[:]).
		then(qLeftRecoveryCodes, string(user)).rows(func(r *row) { n = int(r.int()) }).locks(lockUsers, string(user))
	if _, err := db.change(ctx, what, o); err != nil {
		return 0, err
	}
	if o.steps[1].n == 0 {
		return 0, fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
	}
	return n, nil
}

// RecoveryCodes implements authn.RecoveryStore.
func (db *DB) RecoveryCodes(ctx context.Context, user ident.UserID) (left, of int, err error) {
	type codes struct{ left, of int }
	c, err := one(ctx, db, "recovery codes", func(r *row) codes { return codes{int(r.int()), int(r.int())} }, qLeftRecoveryCodes, string(user))
	if errors.Is(err, store.ErrNotFound) {
		return 0, 0, nil
	}
	return c.left, c.of, err
}
