package token

import (
	"context"
	"slices"
	"strings"

	"github.com/postern-id/postern/oauth"
)

// clientGrant gives a client tokens for itself. RFC 6749 §4.4.
type clientGrant struct{ Options }

func (clientGrant) Type() string { return "client_credentials" }

func (g clientGrant) Redeem(_ context.Context, q *Request) (*Due, error) {
	if q.Client.Public() {
		return nil, oauth.UnauthorizedClient("A public client has nothing of its own.")
	}
	asked := strings.Fields(q.Form.Get("scope"))
	if len(asked) > 64 {
		return nil, oauth.InvalidScope("Too many scopes.")
	}
	if len(asked) == 0 { // RFC 6749 §3.3: the default is all that concerns no person
		asked = slices.DeleteFunc(slices.Clone(q.Client.Scopes()), aboutPeople)
	}
	for _, s := range asked {
		if !contains(q.Client.Scopes(), s) || aboutPeople(s) {
			return nil, oauth.InvalidScope("The client may not ask this scope for itself.")
		}
	}
	want, err := targets(q.Form, nil)
	if err != nil {
		return nil, err
	}
	return &Due{Scope: asked, Want: want}, nil
}

func aboutPeople(scope string) bool { return contains(oauth.OpenIDScopes, scope) }
