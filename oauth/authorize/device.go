package authorize

import (
	"context"
	"errors"
	"net/url"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// BeginDevice begins the interaction for the request of a device that the person of ctx says is theirs, and returns the page
// that is due first. Nothing is decided by it. RFC 8628 §3.3.
func (s *Service) BeginDevice(ctx context.Context, q *oauth.Request) (page string, err error) {
	c, err := s.opt.Registry.Find(ctx, q.Client)
	if err != nil {
		return "", oauth.ErrNoDevice
	}
	it := &oauth.Interaction{Request: *q, Browser: string(oauth.EnvOf(ctx).Device), Created: s.opt.Now()}
	step, err := s.next(ctx, it, c)
	if err != nil {
		return "", err
	}
	if step.Err != nil { // it is told where everything ends
		step.Kind = Respond
	}
	id, err := s.begin(ctx, it)
	if err != nil {
		return "", oauth.Unavailable(err)
	}
	return step.Kind.Path(id), nil
}

// connect grants, and lets the device have it: the grant stands first, and falls if the device's request was decided
// otherwise or ended meanwhile. RFC 8628 §3.3.
func (s *Service) connect(ctx context.Context, l *Live, step Step) (*oauth.Answer, error) {
	q := &l.Request
	r, err := s.opt.Devices.Get(ctx, q.Device)
	if errors.Is(err, oauth.ErrNoDevice) || err == nil && (r.Status != oauth.DevicePending || !s.opt.Now().Before(r.Expires)) {
		return deviceGone(), nil // what is too late anyhow leaves no grant behind
	}
	if err != nil && !errors.Is(err, store.ErrTaken) {
		return nil, oauth.Unavailable(err)
	}
	sess := *step.Session
	sess.Country = r.Place.Country // tokens will be refreshed from where the device is
	step.Session = &sess
	g, err := s.grant(ctx, q, l.Client, step, q.Device)
	if err != nil {
		oauth.Leave(ctx, err)
		return s.disconnect(ctx, q, oauth.AsError(err))
	}
	err = s.opt.Audit.Record(ctx, event(ctx, "device.approved", "user", g))
	if err == nil {
		err = s.opt.Devices.Approve(ctx, q.Device, ident.DeviceID(l.Browser), g.ID)
	}
	if err == nil {
		return &oauth.Answer{Params: url.Values{}}, nil
	}
	if _, bad := s.opt.Grants.RevokeGrant(ctx, g.ID, s.opt.Now(), "device_gone"); bad != nil {
		return nil, oauth.Unavailable(errors.Join(err, bad))
	}
	if errors.Is(err, oauth.ErrNoDevice) || errors.Is(err, oauth.ErrDeviceDecided) {
		return deviceGone(), nil
	}
	return nil, oauth.Unavailable(err)
}

// disconnect tells the device that nothing comes of its request.
func (s *Service) disconnect(ctx context.Context, q *oauth.Request, e *oauth.Error) (*oauth.Answer, error) {
	if err := s.opt.Audit.Record(ctx, oauth.DeviceDeniedEvent(ctx, q.Client, e.Code)); err != nil {
		return nil, oauth.Unavailable(err)
	}
	err := s.opt.Devices.Deny(ctx, q.Device, oauth.EnvOf(ctx).Device)
	if err != nil && !errors.Is(err, oauth.ErrNoDevice) && !errors.Is(err, oauth.ErrDeviceDecided) {
		return nil, oauth.Unavailable(err)
	}
	return &oauth.Answer{Params: url.Values{"error": {e.Code}}}, nil
}

// deviceGone says that the device's request ended before the person had decided. RFC 8628 §3.5.
func deviceGone() *oauth.Answer { return &oauth.Answer{Params: url.Values{"error": {"expired_token"}}} }
