package sessions

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// Limit takes scope from the grants of the session with id, besides what they do without already, and returns all that
// they do without now. ErrNone where the session is over; one that has only expired may still have offline grants.
func (m *Manager) Limit(ctx context.Context, id ident.SessionID, scope []string) ([]string, error) {
	s, err := m.store.Session(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.EndedAt.IsZero() {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("sessions: read: %w", err)
	}
	err = m.limit(ctx, &s, scope)
	return s.Limited, err
}
