package meta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// Own is the client that uses an endpoint of this server with an access token of its own, in which no person has a part:
// from client credentials, meant for us, with scope. RFC 6750 §3.1.
func (s *Service) Own(ctx context.Context, r *http.Request, scope string) (ident.ClientID, error) {
	raw, err := bearer(r)
	if err != nil {
		return "", err
	}
	a, err := s.access(ctx, raw)
	if errors.Is(err, errInactive) || err == nil && (a.grant != nil || !slices.Contains(a.Audience, s.opt.Issue.Issuer())) {
		return "", oauth.InvalidToken("The access token is wrong, has expired, was revoked, or is meant for somebody else.")
	}
	if err != nil {
		return "", oauth.Unavailable(err)
	}
	if !a.Has(scope) {
		e := oauth.AccessDenied("The access token lacks the scope %s.", scope)
		e.Code, e.Challenge = "insufficient_scope", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, scope)
		return "", e
	}
	return a.Client, nil
}
