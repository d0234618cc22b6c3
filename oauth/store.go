package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// Grant is one authorization that a person (or, for client credentials, nobody) gave a client, and the family of the
// refresh tokens under it. It stands before the code that leads to it leaves the server.
type Grant struct {
	ID        ident.GrantID   `json:"id"`
	Client    ident.ClientID  `json:"client_id"`
	User      ident.UserID    `json:"user"`
	Session   ident.SessionID `json:"session"`
	Scope     []string        `json:"scope"`
	Resources []string        `json:"resource,omitempty"` // RFC 8707 §2
	Claims    json.RawMessage `json:"claims,omitempty"`   // OIDC Core §5.5, as requested
	Nonce     string          `json:"nonce,omitempty"`
	Assurance ident.Assurance `json:"assurance"`
	AMR       []ident.AMR     `json:"amr"`
	AuthTime  time.Time       `json:"auth_time"`
	Offline   bool            `json:"offline,omitempty"` // outlives the session's expiry, never its end
	Country   string          `json:"country,omitempty"` // where the person was, as riskstep saw it
	Binding   string          `json:"binding,omitempty"` // what the refresh tokens are bound to: "jkt:…", "x5t:…" or ""
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt time.Time       `json:"expires_at"` // of the family
	RevokedAt time.Time       `json:"revoked_at,omitzero"`
	RevokeWhy string          `json:"revoke_why,omitempty"`

	RefreshHash [sha256.Size]byte `json:"-"`           // of the current refresh token's secret; zero where none was issued
	RefreshSeq  int64             `json:"refresh_seq"` // number of the current refresh token; 0 where none was issued
	RotatedAt   time.Time         `json:"rotated_at,omitzero"`

	// Snapshot is of whoever redeemed the code or the latest refresh token; zero before that.
	Snapshot riskstep.Snapshot `json:"snapshot,omitzero"`

	// Limited is the scope that the session's grants do without now, as its Limited says. Engines fill it on reading; it is
	// not stored with the grant.
	Limited []string `json:"-"`

	// SessionEnds is when the session ends at the latest, as known now; zero if it has ended already or Session is "".
	// Engines fill it on reading; it is not stored.
	SessionEnds time.Time `json:"-"`
}

// Consent is what a person allowed a client, remembered.
type Consent struct {
	User      ident.UserID   `json:"user"`
	Client    ident.ClientID `json:"client_id"`
	Scope     []string       `json:"scope"`
	Declined  []string       `json:"declined,omitempty"` // scope that was asked for and not allowed: not asked for again by itself
	Resources []string       `json:"resource,omitempty"`
	Claims    []string       `json:"claims,omitempty"`
	Host      string         `json:"host,omitempty"` // the client's host when it was given
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// GrantStore keeps grants. Engines implement it.
type GrantStore interface {
	// InsertGrant stores a new grant; store.ErrExists; store.ErrStale if its session has ended.
	InsertGrant(ctx context.Context, g Grant) error
	// Grant returns the grant with id, revoked or not, with SessionEnds and Limited filled; store.ErrNotFound.
	Grant(ctx context.Context, id ident.GrantID) (Grant, error)
	// RotateGrant sets RefreshHash to hash, RefreshSeq to seq+1, RotatedAt to at and Snapshot to by, if the stored
	// RefreshSeq is seq and the grant is not revoked; otherwise store.ErrStale.
	RotateGrant(ctx context.Context, id ident.GrantID, seq int64, hash [sha256.Size]byte, by riskstep.Snapshot, at time.Time) error
	// SnapshotGrant sets Snapshot to by, as RotateGrant does, without a rotation: for whoever redeems the code. Nothing
	// happens to a grant that is not there or is revoked.
	SnapshotGrant(ctx context.Context, id ident.GrantID, by riskstep.Snapshot) error
	// RevokeGrant revokes the grant; false if it had been revoked before; store.ErrNotFound.
	RevokeGrant(ctx context.Context, id ident.GrantID, at time.Time, why string) (revoked bool, err error)
	// GrantsOf returns the live grants of user (all clients where client is ""), newest first, at most 500.
	GrantsOf(ctx context.Context, user ident.UserID, client ident.ClientID, now time.Time) ([]Grant, error)
}

// ConsentStore keeps consents. Engines implement it.
type ConsentStore interface {
	// Consent returns what user allowed client; store.ErrNotFound.
	Consent(ctx context.Context, user ident.UserID, client ident.ClientID) (Consent, error)
	// PutConsent inserts or replaces it.
	PutConsent(ctx context.Context, c Consent) error
	// WithdrawConsent removes it and, in the same transaction, revokes every grant of user to client; store.ErrNotFound if there was neither.
	WithdrawConsent(ctx context.Context, user ident.UserID, client ident.ClientID, at time.Time) error
	// Consents returns all of user, newest first.
	Consents(ctx context.Context, user ident.UserID) ([]Consent, error)
}

// RegistryStore keeps clients and resources as JSON documents, with one revision for all of them so that a node sees
// cheaply that something changed. Engines implement it.
type RegistryStore interface {
	// Registry returns all clients and resources with their revision, in one snapshot.
	Registry(ctx context.Context) (clients, resources []Document, rev int64, err error)
	// RegistryRevision returns the revision; 0 while nothing was ever written.
	RegistryRevision(ctx context.Context) (int64, error)
	// PutClient and PutResource insert or replace one document and raise the revision.
	PutClient(ctx context.Context, d Document) error
	PutResource(ctx context.Context, d Document) error
	// DeleteClient removes a client and, in the same transaction, revokes all its grants and removes its consents; store.ErrNotFound.
	DeleteClient(ctx context.Context, id string, at time.Time) error
	// DeleteResource removes a resource; store.ErrNotFound.
	DeleteResource(ctx context.Context, id string) error
}

// Document is a client or a resource as an engine stores it. That of a client is made by Client.Document.
type Document struct {
	ID          string
	JSON        []byte // at most 256 KiB; secrets in it are hashed or sealed
	UpdatedAt   time.Time
	Backchannel bool // of a client: the end of a session queues a Delivery for it
}
