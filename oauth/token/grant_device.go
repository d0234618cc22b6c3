package token

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// deviceGrant answers the polls of devices. RFC 8628 §3.4, §3.5.
type deviceGrant struct{ Options }

func (deviceGrant) Type() string { return oauth.DeviceGrant }

var (
	errDevice = oauth.InvalidGrant("The device_code is wrong, has expired, or was used.")

	errPending = &oauth.Error{Code: "authorization_pending", Description: "The person has not decided yet.", Status: http.StatusBadRequest}
	errSlow    = &oauth.Error{Code: "slow_down", Description: "Wait 5 seconds longer between two requests.", Status: http.StatusBadRequest}
	errDenied  = &oauth.Error{Code: "access_denied", Description: "The person did not allow it.", Status: http.StatusBadRequest}
	errExpired = &oauth.Error{Code: "expired_token", Description: "The device_code has expired; ask for a new one.", Status: http.StatusBadRequest}
)

func (g deviceGrant) Redeem(ctx context.Context, q *Request) (*Due, error) {
	code := q.Form.Get("device_code")
	if code == "" {
		return nil, oauth.InvalidRequest("device_code is missing.")
	}
	if len(code) > 200 {
		return nil, errDevice
	}
	handle := oauth.DeviceHandle(code)
	r, err := g.Devices.Get(ctx, handle)
	taken := errors.Is(err, store.ErrTaken)
	switch {
	case errors.Is(err, oauth.ErrNoDevice):
		return nil, errDevice
	case err != nil && !taken:
		return nil, oauth.Unavailable(err)
	case r.Request.Client != q.Client.ID: // a code that leaked is of no use to another client, and no harm to the right one
		return nil, errDevice
	case taken:
		return nil, g.replayed(ctx, q, r)
	}
	if r.Status == oauth.DevicePending {
		if r, err = g.poll(ctx, handle, r); err != nil {
			return nil, err
		}
	}
	switch {
	case r.Status == oauth.DeviceDenied:
		return nil, errDenied
	case !g.Now().Before(r.Expires): // what was given too late to be fetched is given to nobody
		return nil, g.revoke(ctx, r, "device_expired", errExpired)
	}
	return g.redeem(ctx, q, handle, r)
}

// poll says why a pending request has no tokens yet, or returns it where it was decided this instant.
func (g deviceGrant) poll(ctx context.Context, handle string, r *oauth.DeviceRequest) (*oauth.DeviceRequest, error) {
	slow, err := g.Devices.Poll(ctx, handle)
	switch {
	case errors.Is(err, oauth.ErrNoDevice):
		return nil, errExpired
	case errors.Is(err, oauth.ErrDeviceDecided):
		if r, err = g.Devices.Get(ctx, handle); errors.Is(err, store.ErrTaken) { // another poll of the device was faster
			return nil, errDevice
		}
		if err != nil {
			return nil, oauth.Unavailable(err)
		}
		return r, nil
	case err != nil:
		return nil, oauth.Unavailable(err)
	case slow:
		return nil, errSlow
	}
	return nil, errPending
}

func (g deviceGrant) redeem(ctx context.Context, q *Request, handle string, r *oauth.DeviceRequest) (*Due, error) {
	gr, err := g.Grants.Grant(ctx, r.Grant)
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	if !gr.RevokedAt.IsZero() || gr.SessionEnds.IsZero() { // the person signed out, or took it back
		return nil, errDevice
	}
	want, err := g.aimed(q, &gr, gr.Scope)
	if err != nil {
		return nil, err
	}
	if err := g.Devices.Redeem(ctx, handle); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return nil, g.replayed(ctx, q, r)
		}
		return nil, oauth.Unavailable(err)
	}
	due := &Due{Grant: &gr, Scope: slices.Clone(gr.Scope), Want: want}
	due.Refresh, err = g.firstRefresh(ctx, &gr, handle)
	return due, err
}

// replayed revokes what the first use of the device_code produced, as with any other code. RFC 9700 §4.5.
func (g deviceGrant) replayed(ctx context.Context, q *Request, r *oauth.DeviceRequest) error {
	env := oauth.EnvOf(ctx)
	if err := g.Audit.Record(ctx, audit.Event{Type: "device.replayed", Outcome: audit.Failed, Actor: "client", Client: q.Client.ID, Grant: r.Grant,
		IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	return g.revoke(ctx, r, "device_code_replayed", errDevice)
}

// revoke revokes the grant behind r, if there is one, and answers e.
func (g deviceGrant) revoke(ctx context.Context, r *oauth.DeviceRequest, why string, e *oauth.Error) error {
	if r.Grant == "" {
		return e
	}
	if _, err := g.Grants.RevokeGrant(ctx, r.Grant, g.Now(), why); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.Unavailable(err)
	}
	return e
}
