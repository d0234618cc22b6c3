package authn

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/postern-id/postern/ident"
)

// Passkey is a WebAuthn public key credential of a person. WebAuthn L3 §4 (credential record).
type Passkey struct {
	ID         []byte       `json:"-"` // credential id, at most 1023 bytes
	User       ident.UserID `json:"user"`
	Name       string       `json:"name"`               // as the person calls it, at most 64 characters
	PublicKey  []byte       `json:"-"`                  // COSE_Key
	Alg        int64        `json:"alg"`                // COSE algorithm
	AAGUID     [16]byte     `json:"aaguid"`             // model of the authenticator; zero where it does not say
	Attested   string       `json:"attested,omitempty"` // attestation format that was verified, or ""
	Transports []string     `json:"transports,omitempty"`
	Attachment string       `json:"attachment,omitempty"` // platform or cross-platform, as seen at registration
	SignCount  uint32       `json:"sign_count"`
	Synced     bool         `json:"synced"`            // BE: may be copied to other devices; immutable
	BackedUp   bool         `json:"backed_up"`         // BS
	Verifies   bool         `json:"verifies"`          // verified its user at registration (UV)
	Suspect    bool         `json:"suspect,omitempty"` // its counter went back: it may have been cloned
	CreatedAt  time.Time    `json:"created_at"`
	UsedAt     time.Time    `json:"used_at,omitzero"`
	UsedOn     string       `json:"used_on,omitempty"` // "Chrome on Windows": family only
}

// MaxPasskeys is how many passkeys a person may have.
const MaxPasskeys = 50

// PasskeyStore keeps passkeys. Engines implement it.
type PasskeyStore interface {
	// Passkeys returns all of user, oldest first.
	Passkeys(ctx context.Context, user ident.UserID) ([]Passkey, error)
	// Passkey returns the one with the credential id, whoever's it is; store.ErrNotFound.
	Passkey(ctx context.Context, id []byte) (Passkey, error)
	// AddPasskey inserts it; store.ErrExists if the credential id is there already, for anybody; store.ErrNotFound if
	// there is no such user; at most MaxPasskeys a person, beyond which it is store.ErrStale.
	AddPasskey(ctx context.Context, p Passkey) error
	// UsePasskey stores SignCount, BackedUp, Suspect, UsedAt and UsedOn of p if the stored SignCount is still count;
	// otherwise store.ErrStale; store.ErrNotFound if it is gone. What is suspect stays so.
	UsePasskey(ctx context.Context, p Passkey, count uint32) error
	// RenamePasskey does so if it belongs to user; store.ErrNotFound.
	RenamePasskey(ctx context.Context, user ident.UserID, id []byte, name string) error
	// DeletePasskey removes it if it belongs to user; store.ErrNotFound. Unless last says that it may be user's last one,
	// store.ErrStale where it is: of two that are removed at the same moment, one stays.
	DeletePasskey(ctx context.Context, user ident.UserID, id []byte, last bool) error
}

// RecoveryStore keeps the hashes of recovery codes. Engines implement it.
type RecoveryStore interface {
	// PutRecoveryCodes replaces all codes of user in one transaction; none removes them; store.ErrNotFound if there
	// is no such user.
	PutRecoveryCodes(ctx context.Context, user ident.UserID, hashes [][sha256.Size]byte, at time.Time) error
	// TakeRecoveryCode consumes the code to exactly one caller and returns how many are left; store.ErrNotFound if user
	// has no unused code with this hash.
	TakeRecoveryCode(ctx context.Context, user ident.UserID, hash [sha256.Size]byte, at time.Time) (left int, err error)
	// RecoveryCodes returns how many of how many are left; 0, 0 where there are none.
	RecoveryCodes(ctx context.Context, user ident.UserID) (left, of int, err error)
}
