package oauth

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
)

// DeviceGrant is the grant type of devices that lack a browser or a keyboard. RFC 8628 §3.4.
const DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// What became of a device's request. Pending is the only one that anything follows.
const (
	DevicePending  = ""
	DeviceApproved = "approved"
	DeviceDenied   = "denied"
)

// DeviceRequest is the request of a device for which a person decides elsewhere. RFC 8628 §3.1.
type DeviceRequest struct {
	Request  Request        `json:"request"`            // as the device asked; its Device is not set
	UserCode string         `json:"user_code"`          // as it is shown: XXXX-XXXX
	Agent    string         `json:"agent,omitempty"`    // what the device calls itself, as sessions have it: "Firefox on Linux"
	Place    riskstep.Place `json:"place"`              // where the device is
	Network  string         `json:"network"`            // … and in which network, see ident.Network
	Expires  time.Time      `json:"expires"`            // after it nobody can decide, and nothing is given out
	Interval int64          `json:"interval"`           // seconds that the device has to wait between two polls, by now
	Polled   time.Time      `json:"polled,omitzero"`    // when it polled last
	Browser  ident.DeviceID `json:"browser,omitempty"`  // of the person who said that the device is theirs: nobody else goes on
	Status   string         `json:"status,omitempty"`   // Device…
	Grant    ident.GrantID  `json:"grant_id,omitempty"` // what was given, once approved
}

// What can be wrong with the request of a device.
var (
	ErrNoDevice      = errors.New("oauth: the request of the device is not known or has expired")
	ErrDeviceDecided = errors.New("oauth: it was decided about the request of the device before")
)

// DeviceHandle is what finds a device's request and can never redeem it: the hash of its device_code, in hex.
func DeviceHandle(deviceCode string) string {
	k := store.KeyOf("device", deviceCode)
	return hex.EncodeToString(k[:])
}

// Devices keeps the requests of devices while they last; of all that happens to one in the same instant exactly one comes first.
type Devices struct {
	Ephemeral store.Ephemeral
	Now       func() time.Time
}

func (d Devices) all() elsewhere[DeviceRequest] {
	return elsewhere[DeviceRequest]{eph: d.Ephemeral, none: ErrNoDevice, decided: ErrDeviceDecided, open: func(r *DeviceRequest) error {
		switch {
		case r.Status != DevicePending:
			return ErrDeviceDecided
		case !d.Now().Before(r.Expires):
			return ErrNoDevice
		}
		return nil
	}}
}

// deviceMemory is how long a request is remembered after its end: a late poll is told that it is late, and a replayed
// device_code finds what to revoke.
const deviceMemory = 10 * time.Minute

// Put keeps a new request under the hash of its device_code, and a way to it under its user code until it expires.
// store.ErrExists: the user code stands for another request.
func (d Devices) Put(ctx context.Context, deviceCode string, r *DeviceRequest) error {
	handle := DeviceHandle(deviceCode)
	if err := d.Ephemeral.Put(ctx, store.KeyOf("user_code", r.UserCode), []byte(handle), r.Expires); err != nil {
		return err
	}
	return d.all().put(ctx, handle, r, r.Expires.Add(deviceMemory))
}

// Find returns the handle of the request that userCode, normalised, stands for; ErrNoDevice.
func (d Devices) Find(ctx context.Context, userCode string) (handle string, err error) {
	raw, err := d.Ephemeral.Get(ctx, store.KeyOf("user_code", userCode))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return "", ErrNoDevice
	}
	return string(raw), err
}

// Get returns a request, whatever became of it; store.ErrTaken with it if its device_code was redeemed; ErrNoDevice.
func (d Devices) Get(ctx context.Context, handle string) (*DeviceRequest, error) {
	r, _, err := d.all().get(ctx, handle)
	return r, err
}

// Change changes a request that is pending and has not expired, at once or not at all. change may be called several
// times, and its error ends the attempt. ErrNoDevice, ErrDeviceDecided.
func (d Devices) Change(ctx context.Context, handle string, change func(*DeviceRequest) error) error {
	return d.all().change(ctx, handle, change)
}

// Poll notes that the device asks what became of its request. slow says that it did so too early. ErrDeviceDecided,
// ErrNoDevice. RFC 8628 §3.5.
func (d Devices) Poll(ctx context.Context, handle string) (slow bool, err error) {
	return d.all().poll(ctx, handle, d.Now(), func(r *DeviceRequest) (*time.Time, *int64) { return &r.Polled, &r.Interval })
}

// Claim notes in which browser the person said that the device is theirs. From then on no other browser can decide:
// ErrNoDevice, as for a code that does not exist.
func (d Devices) Claim(ctx context.Context, handle string, browser ident.DeviceID) error {
	return d.Change(ctx, handle, func(r *DeviceRequest) error {
		if browser == "" || r.Browser != "" && r.Browser != browser {
			return ErrNoDevice
		}
		r.Browser = browser
		return nil
	})
}

// Approve gives the device that was claimed in browser what stands under grant.
func (d Devices) Approve(ctx context.Context, handle string, browser ident.DeviceID, grant ident.GrantID) error {
	return d.Change(ctx, handle, func(r *DeviceRequest) error {
		if browser == "" || r.Browser != browser {
			return ErrNoDevice
		}
		r.Status, r.Grant = DeviceApproved, grant
		return nil
	})
}

// Deny ends the request with a no. browser need not have claimed it, but no other one may have.
func (d Devices) Deny(ctx context.Context, handle string, browser ident.DeviceID) error {
	return d.Change(ctx, handle, func(r *DeviceRequest) error {
		if browser == "" || r.Browser != "" && r.Browser != browser {
			return ErrNoDevice
		}
		r.Status = DeviceDenied
		return nil
	})
}

// Redeem takes an approved request: nil to exactly one caller, store.ErrTaken to the others.
func (d Devices) Redeem(ctx context.Context, handle string) error {
	return d.all().redeem(ctx, handle)
}

// Elsewhere checks what a client asks for a person who is not in its browser: scope, resources and assurance, as the
// authorization endpoint does. RFC 8628 §3.1, RFC 8707 §2.
func (rd *Reader) Elsewhere(c *Client, form url.Values) (*Request, error) {
	for p, vs := range form {
		if len(vs) > 1 && p != "resource" {
			return nil, InvalidRequest("The parameter %s is repeated.", p)
		}
		for _, v := range vs {
			if len(v) > maxParam && p != "client_assertion" {
				return nil, InvalidRequest("A parameter is longer than %d bytes.", maxParam)
			}
		}
	}
	q := &Request{Client: c.ID, Resources: form["resource"], UILocales: strings.Fields(form.Get("ui_locales")), MaxAge: c.DefaultMaxAge}
	for _, s := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(c.Scopes(), s) {
			return nil, InvalidScope("The client may not ask this scope.")
		}
		if !slices.Contains(q.Scope, s) {
			q.Scope = append(q.Scope, s)
		}
	}
	for _, check := range []func(*Request, *Client, url.Values) *Error{rd.target, rd.assurance} {
		if err := check(q, c, form); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// DeviceDeniedEvent is what is recorded of a no; reason is "person", or the code of the error that ended it.
func DeviceDeniedEvent(ctx context.Context, client ident.ClientID, reason string) audit.Event {
	env := EnvOf(ctx)
	e := audit.Event{Type: "device.denied", Outcome: audit.Denied, Actor: "user", Client: client, Reason: reason, Device: env.Device,
		IP: env.IP.String(), Request: env.RequestID}
	if sess := SessionOf(ctx); sess != nil {
		e.User, e.Session = sess.User, sess.ID
	}
	return e
}
