package sqldb

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// versioned is a table of blobs, each with a version that counts its writes.
type versioned struct {
	what                string
	limit               int  // of a blob, in bytes
	lock                byte // see locks
	read, first, update *query
}

var (
	riskProfiles = versioned{"risk profile", 2 << 10, lockUsers,
		sql(`SELECT blob, version FROM risk_profiles WHERE user_id = $1`),
		sql(`INSERT INTO risk_profiles (user_id, blob, version) VALUES ($1, $2, 1) ON CONFLICT (user_id) DO NOTHING`),
		sql(`UPDATE risk_profiles SET blob = $1, version = version + 1 WHERE user_id = $2 AND version = $3`)}
	riskTables = versioned{"risk tables", 1 << 20, lockRisk,
		sql(`SELECT blob, version FROM risk_tables WHERE name = $1`),
		sql(`INSERT INTO risk_tables (name, blob, version) VALUES ($1, $2, 1) ON CONFLICT (name) DO NOTHING`),
		sql(`UPDATE risk_tables SET blob = $1, version = version + 1 WHERE name = $2 AND version = $3`)}
)

func (db *DB) blob(ctx context.Context, t *versioned, key string) ([]byte, int64, error) {
	type found struct {
		blob    []byte
		version int64
	}
	f, err := one(ctx, db, t.what, func(r *row) found { return found{r.blob(), r.int()} }, t.read, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	return f.blob, f.version, err
}

func (db *DB) saveBlob(ctx context.Context, t *versioned, key string, version int64, blob []byte) error {
	if len(blob) > t.limit {
		return fmt.Errorf("sqldb: save %s: %w", t.what, errTooLarge)
	}
	o := newOp(t.update, bytesOf(blob), key, version)
	if version == 0 {
		o = newOp(t.first, key, bytesOf(blob))
	}
	return db.must(ctx, "save "+t.what, o.locks(t.lock, key), store.ErrStale)
}

// RiskProfile implements riskstep.Store.
func (db *DB) RiskProfile(ctx context.Context, user ident.UserID) ([]byte, int64, error) {
	return db.blob(ctx, &riskProfiles, string(user))
}

// SaveRiskProfile implements riskstep.Store.
func (db *DB) SaveRiskProfile(ctx context.Context, user ident.UserID, version int64, blob []byte) error {
	return db.saveBlob(ctx, &riskProfiles, string(user), version, blob)
}

// RiskTables implements riskstep.Store.
func (db *DB) RiskTables(ctx context.Context, name string) ([]byte, int64, error) {
	return db.blob(ctx, &riskTables, name)
}

// SaveRiskTables implements riskstep.Store.
func (db *DB) SaveRiskTables(ctx context.Context, name string, version int64, blob []byte) error {
	return db.saveBlob(ctx, &riskTables, name, version, blob)
}
