package sqldb

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const userColumns = `u.id, u.username, u.email, u.email_verified, u.claims, u.password_hash, u.totp, u.disabled, u.created_at, u.updated_at, u.recovered_at`

var (
	qUser             = sql(`SELECT ` + userColumns + ` FROM users u WHERE u.id = $1`)
	qUserByIdentifier = sql(`SELECT ` + userColumns + ` FROM user_identifiers i JOIN users u ON u.id = i.user_id WHERE i.identifier = $1`)
	qUsers            = sql(`SELECT ` + userColumns + ` FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2`)
	qPutUser          = sql(`INSERT INTO users (id, username, email, email_verified, claims, password_hash, totp, disabled, created_at, updated_at, recovered_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET username = excluded.username, email = excluded.email, email_verified = excluded.email_verified,
			claims = excluded.claims, password_hash = excluded.password_hash, totp = excluded.totp, disabled = excluded.disabled,
			created_at = excluded.created_at, updated_at = excluded.updated_at, recovered_at = excluded.recovered_at`)
	qForgetIdentifiers = sql(`DELETE FROM user_identifiers WHERE user_id = $1`)
	qPutIdentifier     = sql(`INSERT INTO user_identifiers (identifier, user_id) VALUES ($1, $2)`)

	qDeleteUser         = sql(`DELETE FROM users WHERE id = $1`)
	qDeleteUserProfile  = sql(`DELETE FROM risk_profiles WHERE user_id = $1`)
	qDeleteUserSessions = sql(`DELETE FROM sessions WHERE user_id = $1`)
	qDeleteUserGrants   = sql(`DELETE FROM grants WHERE user_id = $1 AND user_id <> ''`)
	qDeleteUserConsents = sql(`DELETE FROM consents WHERE user_id = $1`)
)

func scanUser(r *row) authn.User {
	u := authn.User{ID: ident.UserID(r.text()), Username: r.text(), Email: r.text(), EmailVerified: r.bool()}
	if b := r.blob(); b != nil {
		if err := json.Unmarshal(b, &u.Claims); err != nil {
			r.err = errors.Join(r.err, err)
		}
	}
	u.PasswordHash, u.TOTP, u.Disabled = r.text(), r.blob(), r.bool()
	u.CreatedAt, u.UpdatedAt, u.RecoveredAt = r.time(), r.time(), r.time()
	return u
}

// User implements authn.Store.
func (db *DB) User(ctx context.Context, id ident.UserID) (authn.User, error) {
	return one(ctx, db, "user", scanUser, qUser, string(id))
}

// UserByIdentifier implements authn.Store.
func (db *DB) UserByIdentifier(ctx context.Context, identifier string) (authn.User, error) {
	return one(ctx, db, "user by identifier", scanUser, qUserByIdentifier, identifier)
}

// PutUser implements authn.Store. Usernames and e-mails share one name space, as one field of a form takes both.
func (db *DB) PutUser(ctx context.Context, u authn.User) error {
	claims := []byte{}
	if u.Claims != nil {
		var err error
		if claims, err = json.Marshal(u.Claims); err != nil {
			return wrap("put user", err)
		}
	}
	o := newOp(qPutUser, string(u.ID), u.Username, u.Email, flag(u.EmailVerified), claims, u.PasswordHash,
		bytesOf(u.TOTP), flag(u.Disabled), micros(u.CreatedAt), micros(u.UpdatedAt), micros(u.RecoveredAt)).locks(lockUsers, string(u.ID))
	o.solo = true // a name that somebody else has breaks a constraint
	o.then(qForgetIdentifiers, string(u.ID))
	name, email := authn.NormalizeIdentifier(u.Username), authn.NormalizeIdentifier(u.Email)
	if name != "" {
		o.then(qPutIdentifier, name, string(u.ID))
	}
	if email != "" && email != name {
		o.then(qPutIdentifier, email, string(u.ID))
	}
	_, err := db.change(ctx, "put user", o)
	return translate(err, unique, store.ErrExists)
}

// Users implements authn.Store.
func (db *DB) Users(ctx context.Context, after ident.UserID, limit int) ([]authn.User, error) {
	return all(ctx, db, "users", scanUser, qUsers, string(after), atMost(limit))
}

// DeleteUser implements authn.Store. Sessions go before grants: a grant that is just being made
// holds its session's row, and is found afterwards.
func (db *DB) DeleteUser(ctx context.Context, id ident.UserID) error {
	o := newOp(qDeleteUser, string(id)).locks(lockUsers, string(id))
	now := db.now()
	o.log(qLogOfDeleted, micros(now), db.outlived(now), string(id)).log(qLogOfDeleted2, micros(now), db.outlived(now), string(id))
	for _, q := range []*query{qForgetIdentifiers, qDeleteUserProfile, qDeleteUserSessions, qDeleteUserGrants, qDeleteUserConsents, qDeleteUserKeys, qDeleteUserCodes, qDeleteUserMail, qDeleteUserApprovers, qDeleteUserCode} {
		o.then(q, string(id))
	}
	o.then(qDelAllDeviceKeys, string(id))
	return db.must(ctx, "delete user", o, store.ErrNotFound)
}
