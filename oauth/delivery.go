package oauth

import (
	"context"
	"time"

	"github.com/postern-id/postern/ident"
)

// DeliveryKind is what a delivery tells a client.
type DeliveryKind string

// The kinds of deliveries.
const (
	LogoutDelivery DeliveryKind = "logout" // that a session ended: OpenID Connect Back-Channel Logout §2.5
	CIBADelivery   DeliveryKind = "ciba"   // what became of its request by back channel: CIBA Core §10.2, §10.3, §12
)

// DeliveryTries is how often a client is told at most, unless its delivery says otherwise.
const DeliveryTries = 5

// Delivery is something that one client has to be told by us, not by a browser. It names what it is about and holds nothing of
// it: no token and no secret is ever in it.
type Delivery struct {
	ID          string // of an end of a session: session and client; of a request by back channel: its handle
	Client      ident.ClientID
	User        ident.UserID
	Session     ident.SessionID // that ended
	CreatedAt   time.Time       // when the session ended, when the client asked
	DueAt       time.Time       // of the next attempt, or when the lease of this one ends; zero: delivered or given up
	DeliveredAt time.Time
	Failure     string // why the last attempt failed, a code; "" where none did
	Attempts    int
	Tries       int // attempts at most; 1: whoever is not sure that nothing was sent sends nothing
}

// DeliveryStore keeps what clients have to be told; any number of couriers may work for it. Engines implement it. The ends of
// sessions are queued by sessions.Store, in the transaction that ends them.
type DeliveryStore interface {
	// QueueDelivery stores a new delivery; store.ErrExists.
	QueueDelivery(ctx context.Context, kind DeliveryKind, d Delivery) error
	// HurryDelivery makes a delivery that nobody has claimed yet due at, if it is due later. None with that id: nothing happens.
	HurryDelivery(ctx context.Context, kind DeliveryKind, id string, at time.Time) error
	// DueClients returns the clients with deliveries due by now, the longest due first.
	DueClients(ctx context.Context, kind DeliveryKind, now time.Time, limit int) ([]ident.ClientID, error)
	// DueDeliveries claims up to limit deliveries to client that are due by now, the longest due first: their DueAt becomes
	// now+lease, and Attempts one more. Nobody else gets them before.
	DueDeliveries(ctx context.Context, kind DeliveryKind, client ident.ClientID, now time.Time, lease time.Duration, limit int) ([]Delivery, error)
	// DeferDelivery gives back a delivery, as it was claimed, that has nothing to tell before until: it is due then, and this
	// was no attempt. Nothing happens if the lease ended and somebody else claimed it.
	DeferDelivery(ctx context.Context, kind DeliveryKind, d Delivery, until time.Time) error
	// Delivered says that the client was told; store.ErrNotFound.
	Delivered(ctx context.Context, kind DeliveryKind, id string, at time.Time) error
	// DeliveryFailed says why it could not be told, and when to try next (zero: never); one that was delivered stays so;
	// store.ErrNotFound.
	DeliveryFailed(ctx context.Context, kind DeliveryKind, id string, next time.Time, why string) error
	// DeliveriesOf returns the deliveries to client that were queued since, newest first.
	DeliveriesOf(ctx context.Context, kind DeliveryKind, client ident.ClientID, since time.Time, limit int) ([]Delivery, error)
}
