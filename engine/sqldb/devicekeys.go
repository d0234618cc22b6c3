package sqldb

import (
	"context"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

const deviceKeyColumns = `user_id, device_id, id, level, public_key, created_at, proved_at`

var _ sessions.KeyStore = (*DB)(nil)

var (
	qDeviceKey    = sql(`SELECT ` + deviceKeyColumns + ` FROM device_keys WHERE device_id = $1 AND id = $2 ORDER BY created_at, user_id LIMIT 1`)
	qDeviceKeysOf = sql(`SELECT ` + deviceKeyColumns + ` FROM device_keys WHERE user_id = $1 ORDER BY proved_at DESC, device_id, id LIMIT 1000`)
	qPutDeviceKey = sql(`INSERT INTO device_keys (` + deviceKeyColumns + `) SELECT $1, $2, $3, $4, $5, $6, $7 FROM users u WHERE u.id = $1
		ON CONFLICT (user_id, device_id, id) DO UPDATE
		SET proved_at = CASE WHEN excluded.proved_at > device_keys.proved_at THEN excluded.proved_at ELSE device_keys.proved_at END`)
	qTrimDeviceKeys = sql(`DELETE FROM device_keys WHERE user_id = $1 AND NOT (device_id = $2 AND id = $3) AND (device_id, id) NOT IN
		(SELECT k.device_id, k.id FROM device_keys k WHERE k.user_id = $1 AND NOT (k.device_id = $2 AND k.id = $3)
		ORDER BY k.proved_at DESC, k.device_id, k.id LIMIT $4)`)
	qTouchDeviceKey   = sql(`UPDATE device_keys SET proved_at = $1 WHERE device_id = $2 AND id = $3 AND proved_at < $1`)
	qDelDeviceKeys    = sql(`DELETE FROM device_keys WHERE user_id = $1 AND device_id = $2`)
	qDelAllDeviceKeys = sql(`DELETE FROM device_keys WHERE user_id = $1`)
)

func scanDeviceKey(r *row) sessions.DeviceKey {
	return sessions.DeviceKey{User: ident.UserID(r.text()), Device: ident.DeviceID(r.text()), ID: r.text(), Level: ident.KeyProof(r.int()),
		JWK: r.blob(), CreatedAt: r.time(), ProvedAt: r.time()}
}

// PutDeviceKey implements sessions.KeyStore.
func (db *DB) PutDeviceKey(ctx context.Context, k sessions.DeviceKey) error {
	o := newOp(qLockUser, string(k.User)).
		then(qPutDeviceKey, string(k.User), string(k.Device), k.ID, int64(k.Level), bytesOf(k.JWK), micros(k.CreatedAt), micros(k.ProvedAt)).
		then(qTrimDeviceKeys, string(k.User), string(k.Device), k.ID, int64(sessions.MaxDeviceKeys-1)).
		locks(lockUsers, string(k.User))
	return db.must(ctx, "put device key", o, store.ErrNotFound)
}

// DeviceKey implements sessions.KeyStore.
func (db *DB) DeviceKey(ctx context.Context, device ident.DeviceID, id string) (sessions.DeviceKey, error) {
	return one(ctx, db, "device key", scanDeviceKey, qDeviceKey, string(device), id)
}

// DeviceKeysOf implements sessions.KeyStore.
func (db *DB) DeviceKeysOf(ctx context.Context, user ident.UserID) ([]sessions.DeviceKey, error) {
	return all(ctx, db, "device keys", scanDeviceKey, qDeviceKeysOf, string(user))
}

// TouchDeviceKey implements sessions.KeyStore.
func (db *DB) TouchDeviceKey(ctx context.Context, device ident.DeviceID, id string, at time.Time) error {
	_, err := db.change(ctx, "touch device key", newOp(qTouchDeviceKey, micros(at), string(device), id))
	return err
}

// DeleteDeviceKeys implements sessions.KeyStore.
func (db *DB) DeleteDeviceKeys(ctx context.Context, user ident.UserID, device ident.DeviceID) (int64, error) {
	o := newOp(qDelAllDeviceKeys, string(user))
	if device != "" {
		o = newOp(qDelDeviceKeys, string(user), string(device))
	}
	return db.change(ctx, "delete device keys", o.locks(lockUsers, string(user)))
}
