package sqldb

import (
	"context"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/store"
)

var (
	qKeys = sql(`SELECT id, use, alg, state, sealed, public_jwk, created_at, active_at, retired_at, remove_at
		FROM signing_keys ORDER BY created_at, id`)
	// A stale revision breaks the table's check, and with it the whole op.
	qKeysNext = sql(`UPDATE revisions SET rev = CASE WHEN rev = $1 THEN rev + 1 ELSE -1 END WHERE name = 'keys'`)
	qPutKey   = sql(`INSERT INTO signing_keys (id, use, alg, state, sealed, public_jwk, created_at, active_at, retired_at, remove_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET use = excluded.use, alg = excluded.alg, state = excluded.state, sealed = excluded.sealed,
			public_jwk = excluded.public_jwk, created_at = excluded.created_at, active_at = excluded.active_at,
			retired_at = excluded.retired_at, remove_at = excluded.remove_at`)
	qDeleteKey = sql(`DELETE FROM signing_keys WHERE id = $1`)
	qRevision  = sql(`SELECT rev FROM revisions WHERE name = $1`)

	qDataKeys   = sql(`SELECT id, master, wrapped, created_at FROM data_keys ORDER BY created_at, id`)
	qPutDataKey = sql(`INSERT INTO data_keys (id, master, wrapped, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET master = excluded.master, wrapped = excluded.wrapped, created_at = excluded.created_at`)
)

// SigningKeys implements keys.Store.
func (db *DB) SigningKeys(ctx context.Context) ([]keys.Record, error) {
	return all(ctx, db, "signing keys", func(r *row) keys.Record {
		return keys.Record{
			ID: r.text(), Use: r.text(), Alg: r.text(), State: keys.State(r.text()), Sealed: r.blob(), PublicJWK: r.blob(),
			CreatedAt: r.time(), ActiveAt: r.time(), RetiredAt: r.time(), RemoveAt: r.time(),
		}
	}, qKeys)
}

// ApplyKeys implements keys.Store.
func (db *DB) ApplyKeys(ctx context.Context, rev int64, put []keys.Record, remove []string) error {
	o := newOp(qKeysNext, rev).locks(lockKeys, "")
	o.solo = true
	for _, k := range put {
		o.then(qPutKey, k.ID, k.Use, k.Alg, string(k.State), bytesOf(k.Sealed), bytesOf(k.PublicJWK),
			micros(k.CreatedAt), micros(k.ActiveAt), micros(k.RetiredAt), micros(k.RemoveAt))
	}
	for _, id := range remove {
		o.then(qDeleteKey, id)
	}
	return translate(db.must(ctx, "apply keys", o, store.ErrStale), checked, store.ErrStale)
}

// KeysRevision implements keys.Store.
func (db *DB) KeysRevision(ctx context.Context) (int64, error) { return db.revision(ctx, "keys") }

func (db *DB) revision(ctx context.Context, name string) (int64, error) {
	return one(ctx, db, "revision", (*row).int, qRevision, name)
}

// DataKeys implements keys.Store.
func (db *DB) DataKeys(ctx context.Context) ([]keys.DataKey, error) {
	return all(ctx, db, "data keys", func(r *row) keys.DataKey {
		return keys.DataKey{ID: r.text(), Master: r.text(), Wrapped: r.blob(), CreatedAt: r.time()}
	}, qDataKeys)
}

// PutDataKey implements keys.Store.
func (db *DB) PutDataKey(ctx context.Context, k keys.DataKey) error {
	_, err := db.change(ctx, "put data key", newOp(qPutDataKey, k.ID, k.Master, bytesOf(k.Wrapped), micros(k.CreatedAt)))
	return err
}
