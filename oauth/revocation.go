package oauth

import (
	"context"
	"time"
)

// MaxAccess is how long an access token lives at most, whatever a client or the configuration asks for.
const MaxAccess = 24 * time.Hour

// What an entry of the revocation log is about, in Revocation.Kind, and which claim of an access token names it.
const (
	EndedSession   = "session" // sid: every token of the session is over
	RevokedGrant   = "grant"   // gid: every token of the grant is over
	RevokedToken   = "token"   // jti: this token is over
	DeletedClient  = "client"  // client_id: every token that it got up to At is over
	LimitedSession = "limit"   // sid: its tokens do without Scope, whatever was limited before; none: they have all of theirs
)

// Revocation is one entry of the log of what ended or narrowed before it expired. A later entry about the same thing
// replaces an earlier one, and the same may be said twice.
type Revocation struct {
	Seq   int64 // grows with every entry
	At    time.Time
	Kind  string
	ID    string   // the value of the claim
	Scope []string // of a limit
	Until time.Time
}

// RevocationStore keeps the log. What ends a session, revokes grants, deletes a client or a person or limits a session
// appends to it in the same transaction. Engines implement it.
type RevocationStore interface {
	// Revocations returns up to limit entries after the one with number after that still matter at now, in order, and
	// the number of the latest entry of all, 0 where there never was one. It is complete: no entry up to the last one
	// returned, or up to latest where fewer than limit are returned, is ever seen later.
	Revocations(ctx context.Context, after int64, now time.Time, limit int) (entries []Revocation, latest int64, err error)
	// LatestRevocation is the number of the latest entry.
	LatestRevocation(ctx context.Context) (int64, error)
	// RevokeToken appends an entry about one token, which expires at until.
	RevokeToken(ctx context.Context, jti string, at, until time.Time) error
}
