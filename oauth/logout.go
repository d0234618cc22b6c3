package oauth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// LogoutDelivery is the end of a session that one client has to be told by back channel: engines queue it in the
// transaction that ends the session. OpenID Connect Back-Channel Logout §2.5.
type LogoutDelivery struct {
	ID          string
	Client      ident.ClientID
	User        ident.UserID
	Session     ident.SessionID
	CreatedAt   time.Time // when the session ended
	DueAt       time.Time // of the next attempt, or when the lease of this one ends; zero: delivered or given up
	DeliveredAt time.Time
	Failure     string // why the last attempt failed, a code; "" where none did
	Attempts    int
}

// LogoutStore keeps what clients have to be told of sessions that ended. Engines implement it; sessions.Store queues.
type LogoutStore interface {
	// LogoutClients returns the clients that were granted something under the session, live or not, by ID, at most 200.
	LogoutClients(ctx context.Context, session ident.SessionID) ([]ident.ClientID, error)
	// DueLogoutClients returns the clients with deliveries due by now, the longest due first.
	DueLogoutClients(ctx context.Context, now time.Time, limit int) ([]ident.ClientID, error)
	// DueLogouts claims up to limit deliveries to client that are due by now, the longest due first: their DueAt becomes
	// now+lease, and Attempts one more. Nobody else gets them before.
	DueLogouts(ctx context.Context, client ident.ClientID, now time.Time, lease time.Duration, limit int) ([]LogoutDelivery, error)
	// LogoutDelivered says that the client was told; store.ErrNotFound.
	LogoutDelivered(ctx context.Context, id string, at time.Time) error
	// LogoutFailed says why it could not be told, and when to try next (zero: never); one that was delivered stays so;
	// store.ErrNotFound.
	LogoutFailed(ctx context.Context, id string, next time.Time, why string) error
	// LogoutsOf returns the deliveries to client of sessions that ended since, newest first.
	LogoutsOf(ctx context.Context, client ident.ClientID, since time.Time, limit int) ([]LogoutDelivery, error)
}

// Document is c as engines store it.
func (c *Client) Document(at time.Time) (Document, error) {
	b, err := json.Marshal(c)
	return Document{ID: string(c.ID), JSON: b, UpdatedAt: at, Backchannel: c.BackchannelLogout != ""}, err
}
