package sessions

import (
	"context"
	"time"

	"github.com/postern-id/postern/ident"
)

// MaxDeviceKeys is how many keys a person has at most; a further one takes the place of the one that was proved longest ago.
const MaxDeviceKeys = 100

// DeviceKey is a public key of a device, for which a person vouched by registering it while signed in there.
type DeviceKey struct {
	User      ident.UserID   `json:"user"`
	Device    ident.DeviceID `json:"device"`
	ID        string         `json:"id"`    // RFC 7638 thumbprint
	Level     ident.KeyProof `json:"level"` // how it was registered: never NoKey
	JWK       []byte         `json:"jwk"`   // public
	CreatedAt time.Time      `json:"created_at"`
	ProvedAt  time.Time      `json:"proved_at"` // coarse: written at most once an hour
}

// KeyStore keeps the keys of devices. Engines implement it. A key is named by its person, its device and its thumbprint:
// a browser that several people use has one row for each of them.
type KeyStore interface {
	// PutDeviceKey stores k, or moves ProvedAt of the row that is there forward; what else is there stays. It removes the rows of the
	// person beyond MaxDeviceKeys, those first that were proved longest ago, but never k. store.ErrNotFound where there is no such person.
	PutDeviceKey(ctx context.Context, k DeviceKey) error
	// DeviceKey returns the key id of device, of whichever of its people registered it first; store.ErrNotFound.
	DeviceKey(ctx context.Context, device ident.DeviceID, id string) (DeviceKey, error)
	// DeviceKeysOf returns the keys of user, those first that were proved last.
	DeviceKeysOf(ctx context.Context, user ident.UserID) ([]DeviceKey, error)
	// TouchDeviceKey moves ProvedAt of the key id of device, for all its people, forward to at; never back. No error where there is none.
	TouchDeviceKey(ctx context.Context, device ident.DeviceID, id string, at time.Time) error
	// DeleteDeviceKeys removes the keys of user on device, on all devices where device is "", and returns how many.
	DeleteDeviceKeys(ctx context.Context, user ident.UserID, device ident.DeviceID) (int64, error)
}
