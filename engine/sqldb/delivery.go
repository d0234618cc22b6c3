package sqldb

import (
	"context"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

const deliveryColumns = `id, client_id, user_id, session_id, created_at, due_at, delivered_at, failure, attempts, tries`

// An outbox is the queries on one table of deliveries.
type outbox struct{ queue, hurry, clients, due, postpone, delivered, failed, of *query }

// outboxes are the tables of deliveries: one a kind, so that no courier reads past what is another's.
var outboxes = map[oauth.DeliveryKind]*outbox{
	oauth.LogoutDelivery: outboxIn("logout_deliveries"),
	oauth.CIBADelivery:   outboxIn("ciba_deliveries"),
}

func outboxIn(table string) *outbox {
	return &outbox{
		queue:   sql(`INSERT INTO ` + table + ` (` + deliveryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, $7) ON CONFLICT (id) DO NOTHING`),
		hurry:   sql(`UPDATE ` + table + ` SET due_at = $1 WHERE id = $2 AND attempts = 0 AND due_at > $1`),
		clients: sql(`SELECT client_id FROM ` + table + ` WHERE due_at > 0 AND due_at <= $1 GROUP BY client_id ORDER BY MIN(due_at), client_id LIMIT $2`),
		due: sql(`UPDATE ` + table + ` SET due_at = $1, attempts = attempts + 1
			WHERE id IN (SELECT id FROM ` + table + ` WHERE client_id = $2 AND due_at > 0 AND due_at <= $3 ORDER BY due_at, id LIMIT $4 @skip)
			RETURNING ` + deliveryColumns),
		postpone:  sql(`UPDATE ` + table + ` SET due_at = $1, attempts = attempts - 1 WHERE id = $2 AND due_at = $3 AND attempts = $4`),
		delivered: sql(`UPDATE ` + table + ` SET due_at = 0, delivered_at = $1, failure = '' WHERE id = $2`),
		failed: sql(`UPDATE ` + table + ` SET due_at = CASE WHEN delivered_at = 0 THEN CAST($1 AS BIGINT) ELSE 0 END,
			failure = CASE WHEN delivered_at = 0 THEN CAST($2 AS TEXT) ELSE '' END WHERE id = $3`),
		of: sql(`SELECT ` + deliveryColumns + ` FROM ` + table + ` WHERE client_id = $1 AND created_at >= $2 ORDER BY created_at DESC, id DESC LIMIT $3`),
	}
}

func scanDelivery(r *row) oauth.Delivery {
	return oauth.Delivery{
		ID: r.text(), Client: ident.ClientID(r.text()), User: ident.UserID(r.text()), Session: ident.SessionID(r.text()),
		CreatedAt: r.time(), DueAt: r.time(), DeliveredAt: r.time(), Failure: r.text(), Attempts: int(r.int()), Tries: int(r.int()),
	}
}

// QueueDelivery implements oauth.DeliveryStore.
func (db *DB) QueueDelivery(ctx context.Context, kind oauth.DeliveryKind, d oauth.Delivery) error {
	o := newOp(outboxes[kind].queue, d.ID, string(d.Client), string(d.User), string(d.Session), micros(d.CreatedAt), micros(d.DueAt), int64(d.Tries)).
		locks(lockLogouts, d.ID)
	return db.must(ctx, "queue delivery", o, store.ErrExists)
}

// HurryDelivery implements oauth.DeliveryStore.
func (db *DB) HurryDelivery(ctx context.Context, kind oauth.DeliveryKind, id string, at time.Time) error {
	_, err := db.change(ctx, "hurry delivery", newOp(outboxes[kind].hurry, micros(at), id).locks(lockLogouts, id))
	return err
}

// DueClients implements oauth.DeliveryStore.
func (db *DB) DueClients(ctx context.Context, kind oauth.DeliveryKind, now time.Time, limit int) ([]ident.ClientID, error) {
	return all(ctx, db, "due clients", scanClientID, outboxes[kind].clients, micros(now), atMost(limit))
}

// DueDeliveries implements oauth.DeliveryStore.
func (db *DB) DueDeliveries(ctx context.Context, kind oauth.DeliveryKind, client ident.ClientID, now time.Time, lease time.Duration, limit int) ([]oauth.Delivery, error) {
	var due []oauth.Delivery
	o := newOp(outboxes[kind].due, micros(now.Add(lease)), string(client), micros(now), atMost(limit)).
		rows(func(r *row) { due = append(due, scanDelivery(r)) }).locks(lockLogouts, "")
	o.reset = func() { due = nil }
	if _, err := db.change(ctx, "due deliveries", o); err != nil {
		return nil, err
	}
	return due, nil
}

// DeferDelivery implements oauth.DeliveryStore.
func (db *DB) DeferDelivery(ctx context.Context, kind oauth.DeliveryKind, d oauth.Delivery, until time.Time) error {
	o := newOp(outboxes[kind].postpone, micros(until), d.ID, micros(d.DueAt), int64(d.Attempts)).locks(lockLogouts, d.ID)
	_, err := db.change(ctx, "defer delivery", o)
	return err
}

// Delivered implements oauth.DeliveryStore.
func (db *DB) Delivered(ctx context.Context, kind oauth.DeliveryKind, id string, at time.Time) error {
	return db.must(ctx, "delivered", newOp(outboxes[kind].delivered, micros(at), id).locks(lockLogouts, id), store.ErrNotFound)
}

// DeliveryFailed implements oauth.DeliveryStore.
func (db *DB) DeliveryFailed(ctx context.Context, kind oauth.DeliveryKind, id string, next time.Time, why string) error {
	return db.must(ctx, "delivery failed", newOp(outboxes[kind].failed, micros(next), why, id).locks(lockLogouts, id), store.ErrNotFound)
}

// DeliveriesOf implements oauth.DeliveryStore.
func (db *DB) DeliveriesOf(ctx context.Context, kind oauth.DeliveryKind, client ident.ClientID, since time.Time, limit int) ([]oauth.Delivery, error) {
	return all(ctx, db, "deliveries to client", scanDelivery, outboxes[kind].of, string(client), micros(since), atMost(limit))
}
