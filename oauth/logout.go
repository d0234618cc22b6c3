package oauth

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// LogoutStore knows whom the end of a session concerns. Engines implement it.
type LogoutStore interface {
	// LogoutClients returns the clients that were granted something under the session, live or not, by ID, at most 200.
	LogoutClients(ctx context.Context, session ident.SessionID) ([]ident.ClientID, error)
}

// Document is c as engines store it.
func (c *Client) Document(at time.Time) (Document, error) {
	b, err := json.Marshal(c)
	return Document{ID: string(c.ID), JSON: b, UpdatedAt: at, Backchannel: c.BackchannelLogout != ""}, err
}
