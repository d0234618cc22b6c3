package sqldb

import (
	"context"

	"github.com/postern-id/postern/ident"
)

// Only what this very transaction ended is told: an earlier end has another time, or is queued already. A session's
// name has no dot, so that the two names make one.
const tell = `INSERT INTO logout_deliveries (` + deliveryColumns + `)
	SELECT DISTINCT g.session_id || '.' || g.client_id, g.client_id, s.user_id, g.session_id, s.ended_at, s.ended_at, 0, '', 0, 5
	FROM sessions s JOIN grants g ON g.session_id = s.id AND g.session_id <> ''
		JOIN documents d ON d.kind = 'client' AND d.id = g.client_id AND d.backchannel = 1
	WHERE s.ended_at = $1 AND `

var (
	qTellOfSession = sql(tell + `s.id = $2 ON CONFLICT (id) DO NOTHING`)
	qTellOfUser    = sql(tell + `s.user_id = $2 ON CONFLICT (id) DO NOTHING`)

	qLogoutClients = sql(`SELECT DISTINCT client_id FROM grants WHERE session_id = $1 AND session_id <> '' ORDER BY client_id LIMIT 200`)
)

func scanClientID(r *row) ident.ClientID { return ident.ClientID(r.text()) }

// LogoutClients implements oauth.LogoutStore.
func (db *DB) LogoutClients(ctx context.Context, session ident.SessionID) ([]ident.ClientID, error) {
	return all(ctx, db, "logout clients", scanClientID, qLogoutClients, string(session))
}
