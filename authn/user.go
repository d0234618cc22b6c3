package authn

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// User is a person who can sign in.
type User struct {
	ID            ident.UserID               `json:"id"`
	Username      string                     `json:"username"`
	Email         string                     `json:"email,omitempty"`
	EmailVerified bool                       `json:"email_verified,omitempty"`
	Claims        map[string]json.RawMessage `json:"claims,omitempty"` // OIDC Core §5.1, except sub, email, email_verified, preferred_username
	PasswordHash  string                     `json:"-"`                // PHC string of argon2id, or ""
	TOTP          []byte                     `json:"-"`                // shared secret, sealed; nil where none is enrolled
	Disabled      bool                       `json:"disabled,omitempty"`
	CreatedAt     time.Time                  `json:"created_at"`
	UpdatedAt     time.Time                  `json:"updated_at"`
	RecoveredAt   time.Time                  `json:"recovered_at,omitzero"` // with nothing but the mailbox, and no factor was added since
}

// Store keeps people. Engines implement it.
type Store interface {
	// User returns the person with id, or store.ErrNotFound.
	User(ctx context.Context, id ident.UserID) (User, error)
	// UserByIdentifier returns the person whose username or e-mail, case-folded, is identifier (already normalised
	// by NormalizeIdentifier), or store.ErrNotFound.
	UserByIdentifier(ctx context.Context, identifier string) (User, error)
	// PutUser inserts or replaces (by ID) a person; store.ErrExists if another one has the username or e-mail.
	PutUser(ctx context.Context, u User) error
	// Users returns up to limit people with an ID greater than after, ordered by ID.
	Users(ctx context.Context, after ident.UserID, limit int) ([]User, error)
	// DeleteUser removes a person with all that is theirs except the audit trail; store.ErrNotFound.
	DeleteUser(ctx context.Context, id ident.UserID) error
}
