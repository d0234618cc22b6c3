package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const approverColumns = `id, user_id, kind, name, device, public_key, attested, push, created_at, used_at, pushed_at, failed_at`

var (
	qApprovers   = sql(`SELECT ` + approverColumns + ` FROM approvers WHERE user_id = $1 ORDER BY created_at, id LIMIT 1000`)
	qApprover    = sql(`SELECT ` + approverColumns + ` FROM approvers WHERE id = $1`)
	qAddApprover = sql(`INSERT INTO approvers (` + approverColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM users u
		WHERE u.id = $2 AND (SELECT count(*) FROM approvers a WHERE a.user_id = $2) < $13 ON CONFLICT (id) DO NOTHING`)
	qPutApprover = sql(`UPDATE approvers SET name = $1, push = $2, used_at = $3, pushed_at = $4, failed_at = $5 WHERE id = $6 AND user_id = $7`)
	qDelApprover = sql(`DELETE FROM approvers WHERE id = $1 AND user_id = $2`)

	qUserCode    = sql(`SELECT sealed, set_at FROM user_codes WHERE user_id = $1`)
	qPutUserCode = sql(`INSERT INTO user_codes (user_id, sealed, set_at) SELECT $1, $2, $3 FROM users u WHERE u.id = $1
		ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at`)
	qDeleteUserCode = sql(`DELETE FROM user_codes WHERE user_id = $1`)

	qApproverThere       = sql(`SELECT 1 FROM approvers WHERE id = $1`)
	qDeleteUserApprovers = sql(`DELETE FROM approvers WHERE user_id = $1`)
)

func scanApprover(r *row) authn.Approver {
	return authn.Approver{
		ID: r.text(), User: ident.UserID(r.text()), Kind: r.text(), Name: r.text(), Device: ident.DeviceID(r.text()), Key: r.blob(), Attested: r.text(),
		Push: r.blob(), CreatedAt: r.time(), UsedAt: r.time(), PushedAt: r.time(), FailedAt: r.time(),
	}
}

// Approvers implements authn.ApproverStore.
func (db *DB) Approvers(ctx context.Context, user ident.UserID) ([]authn.Approver, error) {
	return all(ctx, db, "approvers", scanApprover, qApprovers, string(user))
}

// Approver implements authn.ApproverStore.
func (db *DB) Approver(ctx context.Context, id string) (authn.Approver, error) {
	return one(ctx, db, "approver", scanApprover, qApprover, id)
}

// AddApprover implements authn.ApproverStore.
func (db *DB) AddApprover(ctx context.Context, a authn.Approver) error {
	const what = "add approver"
	o := newOp(qLockUser, string(a.User)).then(qAddApprover, a.ID, string(a.User), a.Kind, a.Name, string(a.Device), bytesOf(a.Key), a.Attested,
		bytesOf(a.Push), micros(a.CreatedAt), micros(a.UsedAt), micros(a.PushedAt), micros(a.FailedAt), int64(authn.MaxApprovers)).
		locks(lockUsers, string(a.User))
	users, err := db.change(ctx, what, o)
	switch {
	case err != nil || o.steps[1].n > 0:
		return err
	case users == 0:
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrNotFound)
	}
	there, err := db.there(ctx, what, qApproverThere, a.ID)
	switch {
	case err != nil:
		return err
	case there:
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrExists)
	}
	return fmt.Errorf("sqldb: %s: %w: as many as one may have", what, store.ErrStale)
}

// PutApprover implements authn.ApproverStore.
func (db *DB) PutApprover(ctx context.Context, a authn.Approver) error {
	o := newOp(qPutApprover, a.Name, bytesOf(a.Push), micros(a.UsedAt), micros(a.PushedAt), micros(a.FailedAt), a.ID, string(a.User)).
		locks(lockUsers, string(a.User))
	return db.must(ctx, "put approver", o, store.ErrNotFound)
}

// DeleteApprover implements authn.ApproverStore.
func (db *DB) DeleteApprover(ctx context.Context, user ident.UserID, id string) error {
	return db.must(ctx, "delete approver", newOp(qDelApprover, id, string(user)).locks(lockUsers, string(user)), store.ErrNotFound)
}

// UserCode implements authn.ApproverStore.
func (db *DB) UserCode(ctx context.Context, user ident.UserID) ([]byte, time.Time, error) {
	type code struct {
		sealed []byte
		at     time.Time
	}
	c, err := one(ctx, db, "user code", func(r *row) code { return code{r.blob(), r.time()} }, qUserCode, string(user))
	return c.sealed, c.at, err
}

// PutUserCode implements authn.ApproverStore.
func (db *DB) PutUserCode(ctx context.Context, user ident.UserID, sealed []byte, at time.Time) error {
	o := newOp(qLockUser, string(user))
	if sealed == nil {
		o.then(qDeleteUserCode, string(user))
	} else {
		o.then(qPutUserCode, string(user), bytesOf(sealed), micros(at))
	}
	return db.must(ctx, "put user code", o.locks(lockUsers, string(user)), store.ErrNotFound)
}
