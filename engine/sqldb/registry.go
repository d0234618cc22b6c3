package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

const (
	consentColumns = `user_id, client_id, scope, declined, resources, claims, host, created_at, updated_at`
	maxDocument    = 256 << 10
	client         = "client"
	resource       = "resource"
)

var (
	qConsent    = sql(`SELECT ` + consentColumns + ` FROM consents WHERE user_id = $1 AND client_id = $2`)
	qConsents   = sql(`SELECT ` + consentColumns + ` FROM consents WHERE user_id = $1 ORDER BY updated_at DESC, created_at DESC, client_id`)
	qPutConsent = sql(`INSERT INTO consents (` + consentColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (user_id, client_id) DO UPDATE SET scope = excluded.scope, declined = excluded.declined, resources = excluded.resources, claims = excluded.claims,
			host = excluded.host, created_at = excluded.created_at, updated_at = excluded.updated_at`)
	qDeleteConsent   = sql(`DELETE FROM consents WHERE user_id = $1 AND client_id = $2`)
	qRevokeOfConsent = sql(`UPDATE grants SET revoked_at = $1, revoke_why = 'consent_withdrawn'
		WHERE user_id = $2 AND user_id <> '' AND client_id = $3 AND revoked_at = 0`)

	// One statement, one snapshot; the row of the revision is there even where there are no documents.
	qRegistry = sql(`SELECT r.rev, d.kind, d.id, d.json, d.updated_at, d.backchannel
		FROM revisions r LEFT JOIN documents d ON r.name = 'registry' WHERE r.name = 'registry' ORDER BY d.kind, d.id`)
	qRegistryNext = sql(`UPDATE revisions SET rev = rev + 1 WHERE name = 'registry'`)
	// As qRegistryNext where the document is there. It goes first, so that whoever writes to the registry waits here.
	qRegistryNextIf = sql(`UPDATE revisions SET rev = rev + 1
		WHERE name = 'registry' AND EXISTS (SELECT 1 FROM documents WHERE kind = $1 AND id = $2)`)
	qPutDocument = sql(`INSERT INTO documents (kind, id, json, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json, updated_at = excluded.updated_at`)
	// Whether a client is told by back channel stands beside its document, so that the end of a session finds it.
	qPutClient = sql(`INSERT INTO documents (kind, id, json, updated_at, backchannel) VALUES ('client', $1, $2, $3, $4)
		ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json, updated_at = excluded.updated_at, backchannel = excluded.backchannel`)
	qDeleteDocument       = sql(`DELETE FROM documents WHERE kind = $1 AND id = $2`)
	qRevokeOfClient       = sql(`UPDATE grants SET revoked_at = $1, revoke_why = 'client_deleted' WHERE client_id = $2 AND revoked_at = 0`)
	qDeleteClientConsents = sql(`DELETE FROM consents WHERE client_id = $1`)
)

func scanConsent(r *row) oauth.Consent {
	return oauth.Consent{
		User: ident.UserID(r.text()), Client: ident.ClientID(r.text()), Scope: list[string](r), Declined: list[string](r),
		Resources: list[string](r), Claims: list[string](r), Host: r.text(), CreatedAt: r.time(), UpdatedAt: r.time(),
	}
}

// Consent implements oauth.ConsentStore.
func (db *DB) Consent(ctx context.Context, user ident.UserID, client ident.ClientID) (oauth.Consent, error) {
	return one(ctx, db, "consent", scanConsent, qConsent, string(user), string(client))
}

// PutConsent implements oauth.ConsentStore.
func (db *DB) PutConsent(ctx context.Context, c oauth.Consent) error {
	_, err := db.change(ctx, "put consent", newOp(qPutConsent, string(c.User), string(c.Client), listed(c.Scope), listed(c.Declined), listed(c.Resources),
		listed(c.Claims), c.Host, micros(c.CreatedAt), micros(c.UpdatedAt)).locks(lockConsents, string(c.User)))
	return err
}

// WithdrawConsent implements oauth.ConsentStore.
func (db *DB) WithdrawConsent(ctx context.Context, user ident.UserID, client ident.ClientID, at time.Time) error {
	o := newOp(qRevokeOfConsent, micros(at), string(user), string(client)).
		then(qDeleteConsent, string(user), string(client)).
		log(qLogConsent, micros(at), db.outlived(at), string(user), string(client)).locks(lockGrants, "")
	n, err := db.change(ctx, "withdraw consent", o)
	if err == nil && n+o.steps[1].n == 0 {
		err = fmt.Errorf("sqldb: withdraw consent: %w", store.ErrNotFound)
	}
	return err
}

// Consents implements oauth.ConsentStore.
func (db *DB) Consents(ctx context.Context, user ident.UserID) ([]oauth.Consent, error) {
	return all(ctx, db, "consents", scanConsent, qConsents, string(user))
}

// Registry implements oauth.RegistryStore.
func (db *DB) Registry(ctx context.Context) (clients, resources []oauth.Document, rev int64, err error) {
	type line struct {
		rev  int64
		kind string
		doc  oauth.Document
	}
	l, err := all(ctx, db, "registry", func(r *row) line {
		return line{r.int(), r.text(), oauth.Document{ID: r.text(), JSON: r.blob(), UpdatedAt: r.time(), Backchannel: r.bool()}}
	}, qRegistry)
	for _, d := range l {
		rev = d.rev
		switch d.kind {
		case client:
			clients = append(clients, d.doc)
		case resource:
			resources = append(resources, d.doc)
		}
	}
	return clients, resources, rev, err
}

// RegistryRevision implements oauth.RegistryStore.
func (db *DB) RegistryRevision(ctx context.Context) (int64, error) {
	return db.revision(ctx, "registry")
}

// PutClient implements oauth.RegistryStore.
func (db *DB) PutClient(ctx context.Context, d oauth.Document) error {
	return db.putDocument(ctx, client, d, qPutClient, d.ID, bytesOf(d.JSON), micros(d.UpdatedAt), flag(d.Backchannel))
}

// PutResource implements oauth.RegistryStore.
func (db *DB) PutResource(ctx context.Context, d oauth.Document) error {
	return db.putDocument(ctx, resource, d, qPutDocument, resource, d.ID, bytesOf(d.JSON), micros(d.UpdatedAt))
}

func (db *DB) putDocument(ctx context.Context, kind string, d oauth.Document, put *query, args ...any) error {
	if len(d.JSON) > maxDocument {
		return fmt.Errorf("sqldb: put %s: %w", kind, errTooLarge)
	}
	_, err := db.change(ctx, "put "+kind, newOp(qRegistryNext).then(put, args...).locks(lockRegistry, ""))
	return err
}

// DeleteClient implements oauth.RegistryStore.
func (db *DB) DeleteClient(ctx context.Context, id string, at time.Time) error {
	o := newOp(qRegistryNextIf, client, id).log(qLogClient, micros(at), db.outlived(at), id).then(qDeleteDocument, client, id).
		then(qRevokeOfClient, micros(at), id).then(qDeleteClientConsents, id).locks(lockRegistry, "")
	return db.must(ctx, "delete client", o, store.ErrNotFound)
}

// DeleteResource implements oauth.RegistryStore.
func (db *DB) DeleteResource(ctx context.Context, id string) error {
	o := newOp(qRegistryNextIf, resource, id).then(qDeleteDocument, resource, id).locks(lockRegistry, "")
	return db.must(ctx, "delete resource", o, store.ErrNotFound)
}
