package sessions

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// Session is a person signed in on one device.
type Session struct {
	ID          ident.SessionID   `json:"id"`
	User        ident.UserID      `json:"user"`
	Device      ident.DeviceID    `json:"device"`
	AuthTime    time.Time         `json:"auth_time"` // last time the person proved who they are
	AMR         []ident.AMR       `json:"amr"`
	Assurance   ident.Assurance   `json:"assurance"`        // what the sign-in reached
	Raised      ident.Assurance   `json:"raised,omitempty"` // what a step-up reached, until RaisedUntil
	RaisedUntil time.Time         `json:"raised_until,omitzero"`
	Country     string            `json:"country,omitempty"`      // ISO 3166-1 alpha-2 at sign-in, or ""
	LastCountry string            `json:"last_country,omitempty"` // the same, where it was used last
	LastSpot    riskstep.Spot     `json:"last_spot,omitzero"`     // roughly where that was
	Agent       string            `json:"agent,omitempty"`        // "Chrome on Windows": family only, for the person's own list
	Snapshot    riskstep.Snapshot `json:"snapshot,omitzero"`      // of the browser when it last proved who the person is
	Limited     []string          `json:"limited,omitempty"`      // scope that its grants do without until the person proves more; only LimitSession changes it
	CreatedAt   time.Time         `json:"created_at"`
	LastSeen    time.Time         `json:"last_seen"` // coarse: written at most once a minute
	IdleUntil   time.Time         `json:"idle_until"`
	ExpiresAt   time.Time         `json:"expires_at"` // absolute
	EndedAt     time.Time         `json:"ended_at,omitzero"`
	EndReason   string            `json:"end_reason,omitempty"`

	SecretHash [sha256.Size]byte `json:"-"` // of the cookie's secret
	PrevHash   [sha256.Size]byte `json:"-"` // of the secret before the last rotation, honoured until PrevUntil
	PrevUntil  time.Time         `json:"-"`
	Version    int64             `json:"-"` // grows with every write
}

// Store keeps sessions. Engines implement it.
type Store interface {
	// InsertSession stores a new session; store.ErrExists.
	InsertSession(ctx context.Context, s Session) error
	// Session returns the session with id, ended or not, or store.ErrNotFound.
	Session(ctx context.Context, id ident.SessionID) (Session, error)
	// UpdateSession replaces the session, but for its Limited, if its stored version is s.Version and it has not ended,
	// and stores s.Version+1; otherwise store.ErrStale.
	UpdateSession(ctx context.Context, s Session) error
	// EndSession ends the session and, in the same transaction, revokes every grant that derives from it.
	// It returns false if the session had ended before, and store.ErrNotFound.
	EndSession(ctx context.Context, id ident.SessionID, at time.Time, reason string) (ended bool, err error)
	// EndSessionsOf ends all live sessions of user except keep (which may be ""), and revokes the grants deriving from them,
	// in one transaction. It returns their ids. With keep "" it revokes every grant of the user.
	EndSessionsOf(ctx context.Context, user ident.UserID, keep ident.SessionID, at time.Time, reason string) ([]ident.SessionID, error)
	// LimitSession makes limited, in any order, what the session's grants do without from now on; empty lifts it. It
	// returns false where nothing changed, also because the session has ended, and store.ErrNotFound.
	LimitSession(ctx context.Context, id ident.SessionID, limited []string, at time.Time) (changed bool, err error)
	// SessionsOf returns the sessions of user which had not ended or expired before since, newest first, at most 200.
	SessionsOf(ctx context.Context, user ident.UserID, since time.Time) ([]Session, error)
	// SessionsAfter returns up to limit live sessions with an ID greater than after, ordered by ID, for operators.
	SessionsAfter(ctx context.Context, after ident.SessionID, now time.Time, limit int) ([]Session, error)
}
