package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/store"
)

const mailColumns = `id, user_id, kind, lang, session_id, sealed, created_at, due_at, sent_at, attempts`

var (
	qInsertMail = sql(`INSERT INTO mail (` + mailColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0) ON CONFLICT (id) DO NOTHING`)
	// Once the key of what is told once carries our id, we are the one who tells.
	qInsertMailOnce = sql(`INSERT INTO mail (` + mailColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, 0, 0 FROM ephemeral e WHERE e.key = $9 AND e.value = $10 ON CONFLICT (id) DO NOTHING`)
	qDueMail = sql(`UPDATE mail SET due_at = $1, attempts = attempts + 1
		WHERE id IN (SELECT id FROM mail WHERE due_at > 0 AND due_at <= $2 ORDER BY due_at, id LIMIT $3 @skip) RETURNING ` + mailColumns)
	qMailSent   = sql(`UPDATE mail SET due_at = 0, sent_at = $1 WHERE id = $2`)
	qMailFailed = sql(`UPDATE mail SET due_at = CASE WHEN sent_at = 0 THEN CAST($1 AS BIGINT) ELSE 0 END WHERE id = $2`)
	qDropMail   = sql(`DELETE FROM mail WHERE user_id = $1 AND kind = $2 AND sent_at = 0`)
	qMails      = sql(`SELECT ` + mailColumns + ` FROM mail ORDER BY created_at DESC, id DESC LIMIT $1`)

	qDeleteUserMail = sql(`DELETE FROM mail WHERE user_id = $1`)
)

func scanMail(r *row) notify.Record {
	return notify.Record{
		ID: r.text(), User: ident.UserID(r.text()), Kind: notify.Kind(r.text()), Lang: r.text(), Session: ident.SessionID(r.text()),
		Sealed: r.blob(), CreatedAt: r.time(), NotBefore: r.time(), SentAt: r.time(), Attempts: int(r.int()),
	}
}

// EnqueueMail implements notify.Store. What is told once is marked as everything short-lived is.
func (db *DB) EnqueueMail(ctx context.Context, m notify.Record, dedup string, until time.Time) error {
	const what = "enqueue mail"
	if len(m.Sealed) > store.MaxValue {
		return fmt.Errorf("sqldb: %s: %w", what, errTooLarge)
	}
	args := []any{m.ID, string(m.User), string(m.Kind), m.Lang, string(m.Session), bytesOf(m.Sealed), micros(m.CreatedAt), micros(m.NotBefore)}
	if dedup == "" {
		return db.must(ctx, what, newOp(qInsertMail, args...).locks(lockMail, m.ID), store.ErrExists)
	}
	k := store.KeyOf("mail", dedup)
	o := newOp(qPut, k[:], []byte(m.ID), micros(until), micros(db.now())).locks(lockEphemeral, string(k[:]))
	o.then(qInsertMailOnce, append(args, k[:], []byte(m.ID))...)
	if _, err := db.change(ctx, what, o); err != nil {
		return err
	}
	if o.steps[1].n == 0 {
		return fmt.Errorf("sqldb: %s: %w", what, store.ErrExists)
	}
	return nil
}

// DueMail implements notify.Store.
func (db *DB) DueMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]notify.Record, error) {
	var due []notify.Record
	o := newOp(qDueMail, micros(now.Add(lease)), micros(now), atMost(limit)).
		rows(func(r *row) { due = append(due, scanMail(r)) }).locks(lockMail, "")
	o.reset = func() { due = nil }
	if _, err := db.change(ctx, "due mail", o); err != nil {
		return nil, err
	}
	return due, nil
}

// MailSent implements notify.Store.
func (db *DB) MailSent(ctx context.Context, id string, at time.Time) error {
	return db.must(ctx, "mail sent", newOp(qMailSent, micros(at), id).locks(lockMail, id), store.ErrNotFound)
}

// MailFailed implements notify.Store.
func (db *DB) MailFailed(ctx context.Context, id string, next time.Time) error {
	return db.must(ctx, "mail failed", newOp(qMailFailed, micros(next), id).locks(lockMail, id), store.ErrNotFound)
}

// DropMail implements notify.Store.
func (db *DB) DropMail(ctx context.Context, user ident.UserID, kind notify.Kind) error {
	_, err := db.change(ctx, "drop mail", newOp(qDropMail, string(user), string(kind)).locks(lockMail, ""))
	return err
}

// Mails implements notify.Store.
func (db *DB) Mails(ctx context.Context, limit int) ([]notify.Record, error) {
	return all(ctx, db, "mails", scanMail, qMails, atMost(limit))
}
