// Package keys owns everything that signs, verifies, seals and opens: signing keys behind a
// KMS-able interface, their rotation, JWS, JWK and JWKS, and the envelope encryption of secrets
// at rest. It is the only importer of jwx. It never says what a token means.
package keys

import (
	"context"
	"crypto"
	"time"
)

// Key is one private signing key, wherever it lives: in memory, in a KMS or in an HSM.
type Key interface {
	ID() string  // the `kid`
	Alg() string // the JWS `alg`, RFC 7518 §3.1 or RFC 8037: ES256 RS256 PS256 EdDSA
	Public() crypto.PublicKey
	// Sign returns the signature of input in JOSE form (R||S for ECDSA, RFC 7518 §3.4).
	Sign(ctx context.Context, input []byte) ([]byte, error)
}

// State is where a signing key stands in its life: next → active → retired → gone.
type State string

// States. A signing key is published in the JWKS in all of them, and signs only while active. A key for encryption
// is published only while active, and opens in all of them.
const (
	Next    State = "next"    // published ahead, so that caches know it before it signs
	Active  State = "active"  // signs
	Retired State = "retired" // verifies until everything that it signed has expired
)

// Record is a key as an engine stores it.
type Record struct {
	ID        string    `json:"kid"`
	Use       string    `json:"use"` // "token" or "audit", or "enc": a key serves one use
	Alg       string    `json:"alg"` // of "enc": ECDH-ES or RSA-OAEP, for all algorithms of its type
	State     State     `json:"state"`
	Sealed    []byte    `json:"-"`          // sealed under the master key: PKCS#8, or a back end's reference; once retired, a signing key's public JWK
	PublicJWK []byte    `json:"public_jwk"` // JSON, for reading only: what verifies comes out of Sealed
	CreatedAt time.Time `json:"created_at"`
	ActiveAt  time.Time `json:"active_at,omitzero"`
	RetiredAt time.Time `json:"retired_at,omitzero"`
	RemoveAt  time.Time `json:"remove_at,omitzero"` // when a retired key may leave the JWKS
}

// Store keeps signing keys and sealed secrets. Engines implement it.
type Store interface {
	// SigningKeys returns all keys, oldest first.
	SigningKeys(ctx context.Context) ([]Record, error)
	// ApplyKeys inserts or replaces put and deletes remove in one transaction, provided that the stored
	// revision of the key set is still rev; otherwise store.ErrStale. The revision grows by one.
	ApplyKeys(ctx context.Context, rev int64, put []Record, remove []string) error
	// KeysRevision returns the revision of the key set; 0 while there is none.
	KeysRevision(ctx context.Context) (int64, error)
	// DataKeys returns the wrapped data keys of the envelope, oldest first.
	DataKeys(ctx context.Context) ([]DataKey, error)
	// PutDataKey inserts or replaces (by ID) one wrapped data key.
	PutDataKey(ctx context.Context, k DataKey) error
}

// DataKey is a data encryption key, wrapped by a master key.
type DataKey struct {
	ID        string // stands in front of everything it sealed
	Master    string // the id of the master key that wraps it
	Wrapped   []byte
	CreatedAt time.Time
}
