package token

import (
	"time"

	"github.com/postern-id/postern/oauth"
)

// Stands says whether what derives from a grant is alive: the grant was not revoked and has not expired, and neither has
// its session, unless the person allowed access beyond it (offline_access). The end of a session revokes its grants, so
// an offline grant falls with a sign-out too.
func Stands(g *oauth.Grant, now time.Time) bool {
	if !g.RevokedAt.IsZero() || !now.Before(g.ExpiresAt) {
		return false
	}
	return g.Offline || now.Before(g.SessionEnds)
}
