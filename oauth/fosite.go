package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/postern-id/postern/ident"
)

// lookup is the storage that fosite needs to read authorization requests: clients, from memory.
type lookup struct{ reg *Registry }

func (l lookup) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	c, err := l.reg.Find(ctx, ident.ClientID(id))
	if err != nil {
		return nil, fosite.ErrNotFound.WithWrap(err)
	}
	return party{c}, nil
}

// Assertions are judged in clientauth, so fosite must never ask for them here: both answers refuse.

func (lookup) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }
func (lookup) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrServerError
}

// party shows a Client to fosite.
type party struct{ c *Client }

func (p party) GetID() string                   { return string(p.c.ID) }
func (p party) GetHashedSecret() []byte         { return nil } // fosite never authenticates a client here
func (p party) GetRedirectURIs() []string       { return p.c.RedirectURIs }
func (p party) GetGrantTypes() fosite.Arguments { return p.c.GrantTypes }
func (p party) GetScopes() fosite.Arguments     { return p.c.Scopes() }
func (p party) IsPublic() bool                  { return p.c.Public() }
func (p party) GetAudience() fosite.Arguments   { return nil }
func (p party) GetResponseModes() []fosite.ResponseModeType {
	var out []fosite.ResponseModeType
	for _, m := range p.c.Modes() {
		out = append(out, fosite.ResponseModeType(m))
	}
	return out
}
func (p party) GetResponseTypes() fosite.Arguments {
	return p.c.Responses()
}

// fromFosite translates an error of fosite; its debug text stays inside.
func fromFosite(err error) *Error {
	var f *fosite.RFC6749Error
	if !errors.As(err, &f) {
		return AsError(err)
	}
	status := f.CodeField
	if status == 0 {
		status = http.StatusBadRequest
	}
	e := fail(status, f.ErrorField, f.DescriptionField, nil)
	if f.HintField != "" {
		e.Description = Printable(f.HintField)
	}
	return e.Because(err)
}
