package token

import (
	"context"
	"errors"
	"slices"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// cibaGrant answers clients that ask what became of their requests by back channel. CIBA Core §10.1, §11.
type cibaGrant struct{ Options }

func (cibaGrant) Type() string { return oauth.CIBAGrant }

var (
	errAuthReq = oauth.InvalidGrant("The auth_req_id is wrong, is another client's, or was used.")
	errCIBAEnd = &oauth.Error{Code: "expired_token", Description: "The auth_req_id has expired; ask again.", Status: 400}
)

func (g cibaGrant) Redeem(ctx context.Context, q *Request) (*Due, error) {
	id := q.Form.Get("auth_req_id")
	switch {
	case q.Client.Delivery() == oauth.DeliverPush:
		return nil, oauth.UnauthorizedClient("The client is registered to be sent its tokens, and cannot ask for them.")
	case id == "":
		return nil, oauth.InvalidRequest("auth_req_id is missing.")
	case len(id) > 200:
		return nil, errAuthReq
	}
	handle := oauth.CIBAHandle(id)
	r, err := g.CIBA.Requests().Get(ctx, handle)
	taken := errors.Is(err, store.ErrTaken)
	switch {
	case errors.Is(err, oauth.ErrNoCIBA):
		return nil, errAuthReq
	case err != nil && !taken:
		return nil, oauth.Unavailable(err)
	case r.Client != q.Client.ID: // no use to another client, and no harm to the right one
		return nil, errAuthReq
	case r.Mode == oauth.DeliverPush: // as it was when it asked
		return nil, oauth.UnauthorizedClient("The tokens of this request are sent, and cannot be asked for.")
	case taken:
		return nil, errAuthReq
	}
	if r.Status == oauth.CIBAPending {
		if r, err = g.poll(ctx, handle); err != nil {
			return nil, err
		}
	}
	switch late := g.Now().Add(-oauth.CIBALate); {
	case r.Status == oauth.CIBADenied:
		return nil, errDenied
	case r.Status == oauth.CIBAExpired:
		return nil, errCIBAEnd
	case !late.Before(r.Expires): // what was given and not fetched in time is given to nobody
		if _, err := g.Grants.RevokeGrant(ctx, r.Grant, g.Now(), "ciba_expired"); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, oauth.Unavailable(err)
		}
		return nil, errCIBAEnd
	}
	return g.redeem(ctx, q, handle, r)
}

// poll says why a pending request has no tokens yet, or returns it where it was decided by now. CIBA Core §11.
func (g cibaGrant) poll(ctx context.Context, handle string) (*oauth.CIBARequest, error) {
	r, err := g.CIBA.Look(ctx, handle)
	if errors.Is(err, oauth.ErrNoCIBA) || errors.Is(err, store.ErrTaken) {
		return nil, errAuthReq
	}
	if err != nil || r.Status != oauth.CIBAPending {
		return r, err
	}
	slow, err := g.CIBA.Requests().Poll(ctx, handle)
	switch {
	case errors.Is(err, oauth.ErrCIBADecided): // this instant: the next poll hears of it
		return nil, errPending
	case errors.Is(err, oauth.ErrNoCIBA):
		return nil, errCIBAEnd
	case err != nil:
		return nil, oauth.Unavailable(err)
	case slow:
		return nil, errSlow
	}
	return nil, errPending
}

func (g cibaGrant) redeem(ctx context.Context, q *Request, handle string, r *oauth.CIBARequest) (*Due, error) {
	gr, err := g.Grants.Grant(ctx, r.Grant)
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	if !Stands(&gr, g.Now()) { // the person signed out, or took it back
		return nil, errAuthReq
	}
	want, err := g.aimed(q, &gr, gr.Scope)
	if err != nil {
		return nil, err
	}
	if err := g.CIBA.Requests().Redeem(ctx, handle); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return nil, errAuthReq
		}
		return nil, oauth.Unavailable(err)
	}
	due := &Due{Grant: &gr, Scope: slices.Clone(gr.Scope), Want: want}
	due.Refresh, err = g.firstRefresh(ctx, &gr, handle)
	return due, err
}
