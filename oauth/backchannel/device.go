// Package backchannel owns requests whose user is elsewhere: of devices that lack a browser or a keyboard (RFC 8628), and
// of clients that ask for somebody who is not in front of them (CIBA). It takes the request, finds it again for the person,
// and keeps strangers from doing so; it never authenticates a person, never grants, and shows no page.
package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// DeviceOptions of a Device; all are needed except Life.
type DeviceOptions struct {
	Registry *oauth.Registry
	Reader   *oauth.Reader
	Auth     *clientauth.Authenticator
	Devices  oauth.Devices
	Counters store.Counters
	Locate   func(netip.Addr) riskstep.Place
	Audit    audit.Recorder
	Issuer   string
	Path     string // of the page for the user code, below the issuer
	Secret   func() string
	Rand     io.Reader
	Now      func() time.Time

	Life time.Duration // of a code; default 10 min
	Warn bool          // a device that is elsewhere than the person is warned of; otherwise it needs a passkey too
}

// Device takes the requests of devices and finds them again for people.
type Device struct{ opt DeviceOptions }

// NewDevice returns a Device.
func NewDevice(opt DeviceOptions) *Device {
	if opt.Life == 0 {
		opt.Life = 10 * time.Minute
	}
	return &Device{opt}
}

const (
	pollSeconds = 5 // between two polls, to begin with: RFC 8628 §3.2

	wrongLimit  = 10 // wrong codes from one network, or in one account, within wrongWindow
	wrongWindow = 10 * time.Minute
)

// deviceAnswer is RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
	Interval   int64  `json:"interval"`   // seconds
}

// Authorize answers POST /device_authorization: authenticate the client, is it registered for that, what it asks, record,
// keep. RFC 8628 §3.1, §3.2.
func (d *Device) Authorize(w http.ResponseWriter, r *http.Request) error {
	if err := oauth.ParseForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	c, err := d.opt.Auth.Authenticate(ctx, r)
	if err != nil {
		return err
	}
	if !c.Allows(oauth.DeviceGrant) {
		return oauth.UnauthorizedClient("The client is not registered for the device grant.")
	}
	q, err := d.opt.Reader.Elsewhere(c, r.PostForm)
	if err != nil {
		return err
	}
	env, now := oauth.EnvOf(ctx), d.opt.Now()
	if err := d.opt.Audit.Record(ctx, audit.Event{Type: "device.requested", Outcome: audit.OK, Actor: "client", Client: c.ID, IP: env.IP.String(),
		Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	req := &oauth.DeviceRequest{Request: *q, Agent: sessions.FamilyOf(env.UserAgent), Place: d.opt.Locate(env.IP), Network: ident.Network(env.IP),
		Expires: now.Add(d.opt.Life), Interval: pollSeconds}
	code, err := d.keep(ctx, req)
	if err != nil {
		return oauth.Unavailable(err)
	}
	uri := d.opt.Issuer + d.opt.Path
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(deviceAnswer{DeviceCode: code, UserCode: req.UserCode, URI: uri,
		Complete: uri + "?" + url.Values{"user_code": {req.UserCode}}.Encode(), ExpiresIn: int64(d.opt.Life / time.Second), Interval: pollSeconds})
}

// keep stores req under a new device_code and a user code that stands for nothing else.
func (d *Device) keep(ctx context.Context, req *oauth.DeviceRequest) (deviceCode string, err error) {
	deviceCode = "pdc_" + d.opt.Secret()
	for range 8 { // among 2.5e10 codes even one retry is rare
		if req.UserCode, err = newUserCode(d.opt.Rand); err != nil {
			return "", err
		}
		if err = d.opt.Devices.Put(ctx, deviceCode, req); !errors.Is(err, store.ErrExists) {
			break
		}
	}
	return deviceCode, err
}

// Asked is the request of a device that a person is shown.
type Asked struct {
	Handle string
	Client *oauth.Client
	*oauth.DeviceRequest
	Here riskstep.Place // where the person is
	Near bool           // the device is in the same network as the person
	Away bool           // the device is elsewhere: in another country, or one of both places is not known
}

// Find returns the pending request that typed stands for, to whoever may decide about it. Whatever is wrong with the code
// is one oauth.ErrNoDevice; who was wrong too often, from one network or in one account, gets oauth.TooMany, whatever the
// code. RFC 8628 §5.1.
func (d *Device) Find(ctx context.Context, typed string) (*Asked, error) {
	places := d.places(ctx)
	for _, place := range places { // counted first, so that many at once are counted too
		n, err := d.opt.Counters.Add(ctx, place, 1, wrongWindow)
		if err != nil {
			return nil, oauth.Unavailable(err)
		}
		if n > wrongLimit {
			return nil, d.guessed(ctx, n)
		}
	}
	a, err := d.find(ctx, typed)
	if errors.Is(err, oauth.ErrNoDevice) {
		return nil, err
	}
	for _, place := range places {
		if _, bad := d.opt.Counters.Add(ctx, place, -1, wrongWindow); bad != nil {
			return nil, oauth.Unavailable(bad)
		}
	}
	return a, err
}

// places are what wrong codes are counted by.
func (d *Device) places(ctx context.Context) []string {
	out := []string{"device:network:" + ident.Network(oauth.EnvOf(ctx).IP)}
	if sess := oauth.SessionOf(ctx); sess != nil {
		out = append(out, "device:user:"+string(sess.User))
	}
	return out
}

// guessed refuses, and records that somebody guesses when that begins.
func (d *Device) guessed(ctx context.Context, n int64) error {
	if n > wrongLimit+1 {
		return oauth.TooMany()
	}
	env := oauth.EnvOf(ctx)
	e := audit.Event{Type: "device.guessed", Outcome: audit.Denied, Actor: "user", IP: env.IP.String(), Request: env.RequestID}
	if sess := oauth.SessionOf(ctx); sess != nil {
		e.User, e.Session = sess.User, sess.ID
	}
	if err := d.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	return oauth.TooMany()
}

func (d *Device) find(ctx context.Context, typed string) (*Asked, error) {
	code, ok := UserCode(typed)
	if !ok {
		return nil, oauth.ErrNoDevice
	}
	handle, err := d.opt.Devices.Find(ctx, code)
	if err != nil {
		return nil, unavailable(err)
	}
	req, err := d.opt.Devices.Get(ctx, handle)
	if err != nil && !errors.Is(err, store.ErrTaken) {
		return nil, unavailable(err)
	}
	env := oauth.EnvOf(ctx)
	if err != nil || req.Status != oauth.DevicePending || !d.opt.Now().Before(req.Expires) || req.Browser != "" && req.Browser != env.Device {
		return nil, oauth.ErrNoDevice
	}
	a := &Asked{Handle: handle, DeviceRequest: req, Here: d.opt.Locate(env.IP), Near: req.Network == ident.Network(env.IP) && env.IP.IsValid()}
	if a.Client, err = d.opt.Registry.Find(ctx, req.Request.Client); err != nil || !a.Client.Allows(oauth.DeviceGrant) {
		return nil, oauth.ErrNoDevice
	}
	a.Away = !a.Near && (a.Here.Known || a.Place.Known) && a.Here.Country != a.Place.Country
	return a, nil
}

func unavailable(err error) error {
	if errors.Is(err, oauth.ErrNoDevice) {
		return err
	}
	return oauth.Unavailable(err)
}

// Confirm notes that the person says that the device is theirs, and returns the authorization request that they have to
// answer now. Where the device is elsewhere it asks for a fresh passkey, and for nothing less. RFC 8628 §5.4, RFC 10027.
func (d *Device) Confirm(ctx context.Context, a *Asked) (*oauth.Request, error) {
	if err := d.opt.Devices.Claim(ctx, a.Handle, oauth.EnvOf(ctx).Device); err != nil {
		if errors.Is(err, oauth.ErrDeviceDecided) {
			err = oauth.ErrNoDevice
		}
		return nil, err
	}
	q := a.Request
	q.Device = a.Handle
	if d.Passkey(a) {
		var fresh int64
		q.Need, q.NeedHard, q.MaxAge = max(q.Need, ident.PhishingResistant), true, &fresh
	}
	return &q, nil
}

// Passkey says that a needs one.
func (d *Device) Passkey(a *Asked) bool { return a.Away && !d.opt.Warn }

// Deny ends the request at the word of the person.
func (d *Device) Deny(ctx context.Context, a *Asked) error {
	if err := d.opt.Audit.Record(ctx, oauth.DeviceDeniedEvent(ctx, a.Client.ID, "person")); err != nil {
		return oauth.Unavailable(err)
	}
	err := d.opt.Devices.Deny(ctx, a.Handle, oauth.EnvOf(ctx).Device)
	if errors.Is(err, oauth.ErrDeviceDecided) {
		return oauth.ErrNoDevice
	}
	return err
}
