package token_test

import (
	"context"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// pending leaves the request of a device for client, as /device_authorization does.
func (d *desk) pending(client ident.ClientID) (code string, devices oauth.Devices) {
	d.T.Helper()
	devices = oauth.Devices{Ephemeral: d.DB, Now: d.Now}
	code = "pdc_" + d.issuer.NewSecret()
	r := &oauth.DeviceRequest{Request: oauth.Request{Client: client, Scope: []string{"openid", "api:read"}}, UserCode: code[4:13],
		Expires: d.Clock.Add(10 * time.Minute), Interval: 5}
	if err := devices.Put(context.Background(), code, r); err != nil {
		d.T.Fatal(err)
	}
	return code, devices
}

// approve gives it a grant, as the front channel does, and returns that.
func (d *desk) approve(code string, client ident.ClientID, devices oauth.Devices) ident.GrantID {
	d.T.Helper()
	ctx, handle := context.Background(), oauth.DeviceHandle(code)
	g := oauth.Grant{ID: ident.GrantID(d.issuer.NewID()), Client: client, User: "ann", Session: d.session(), Scope: []string{"openid", "api:read"},
		Assurance: ident.AAL1, AMR: []ident.AMR{ident.Password}, AuthTime: d.Clock, CreatedAt: d.Clock, ExpiresAt: d.Clock.Add(12 * time.Hour), RefreshSeq: 1}
	g.RefreshHash = d.issuer.FirstRefresh(g.ID, handle).Hash()
	if err := d.DB.InsertGrant(ctx, g); err != nil {
		d.T.Fatal(err)
	}
	if err := devices.Claim(ctx, handle, "browser"); err != nil {
		d.T.Fatal(err)
	}
	if err := devices.Approve(ctx, handle, "browser", g.ID); err != nil {
		d.T.Fatal(err)
	}
	return g.ID
}

func polling(code string) url.Values {
	return url.Values{"grant_type": {oauth.DeviceGrant}, "device_code": {code}}
}

func (d *desk) revoked(id ident.GrantID) bool {
	d.T.Helper()
	g, err := d.DB.Grant(context.Background(), id)
	if err != nil {
		d.T.Fatal(err)
	}
	return !g.RevokedAt.IsZero()
}

// The pace of polls: too early is told, costs five seconds each time up to a minute, and whoever keeps it is not told.
func TestDevicePace(t *testing.T) {
	d := open(t)
	code, _ := d.pending("tv")
	for i, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, "authorization_pending"},
		{5 * time.Second, "authorization_pending"},
		{4500 * time.Millisecond, "authorization_pending"}, // clocks and networks are not exact
		{time.Second, "slow_down"},                         // 10 s from here
		{5 * time.Second, "slow_down"},                     // 15 s
		{15 * time.Second, "authorization_pending"},
		{10 * time.Second, "slow_down"}, // 20 s: it does not fall again
		{19500 * time.Millisecond, "authorization_pending"},
	} {
		d.Clock = d.Clock.Add(c.after)
		if got := d.post("tv", polling(code)).code(); got != c.want {
			t.Errorf("%d: %s, not %s", i, got, c.want)
		}
	}
	for range 40 {
		if got := d.post("tv", polling(code)).code(); got != "slow_down" {
			t.Fatal(got)
		}
	}
	d.Clock = d.Clock.Add(60 * time.Second)
	if got := d.post("tv", polling(code)).code(); got != "authorization_pending" {
		t.Errorf("after a minute: %s", got)
	}
	d.Clock = d.Clock.Add(9 * time.Minute)
	if got := d.post("tv", polling(code)).code(); got != "expired_token" {
		t.Errorf("after the end: %s", got)
	}
	d.Clock = d.Clock.Add(11 * time.Minute)
	if got := d.post("tv", polling(code)).code(); got != "invalid_grant" {
		t.Errorf("long after the end: %s", got)
	}
}

func TestDeviceRedeemed(t *testing.T) {
	d := open(t)
	code, devices := d.pending("tv")
	for _, c := range []struct {
		name, client string
		form         url.Values
		want         string
	}{
		{"another client", "tv2", polling(code), "invalid_grant"},
		{"a client without the grant", "a", polling(code), "unauthorized_client"},
		{"the handle instead of the code", "tv", polling(oauth.DeviceHandle(code)), "invalid_grant"},
		{"no code", "tv", url.Values{"grant_type": {oauth.DeviceGrant}}, "invalid_request"},
		{"a long code", "tv", polling(string(make([]byte, 300))), "invalid_grant"},
	} {
		if got := d.post(c.client, c.form).code(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	grant := d.approve(code, "tv", devices)
	if got := d.post("tv2", polling(code)).code(); got != "invalid_grant" {
		t.Errorf("another client once it is approved: %s", got)
	}
	bad := polling(code)
	bad.Set("resource", "https://nowhere.example")
	if got := d.post("tv", bad).code(); got != "invalid_target" {
		t.Errorf("an unknown resource: %s", got)
	}
	a := d.post("tv", polling(code)) // without any pause: it was decided
	if a.code() != "ok" || a.AccessToken == "" || a.RefreshToken == "" || a.IDToken == "" || a.Scope != "openid api:read" {
		t.Fatalf("%+v", a)
	}
	if r := d.post("tv", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}}); r.code() != "ok" {
		t.Errorf("the refresh token: %v", r.err)
	}
	if d.revoked(grant) {
		t.Error("revoked at once")
	}
	if got := d.post("tv", polling(code)).code(); got != "invalid_grant" || !d.revoked(grant) {
		t.Errorf("replayed: %s, revoked %v", got, d.revoked(grant))
	}
}

func TestDeviceRedeemedOnce(t *testing.T) {
	d := open(t)
	code, devices := d.pending("tv")
	d.approve(code, "tv", devices)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			switch got := d.post("tv", polling(code)).code(); got {
			case "ok":
				won.Add(1)
			case "invalid_grant":
			default:
				t.Error(got)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 24", won.Load())
	}
}

// What ended before it was fetched gives nothing.
func TestDeviceEnds(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name, want string
		revoked    bool
		end        func(d *desk, code string, devices oauth.Devices, id ident.GrantID)
	}{
		{"expired after the approval", "expired_token", true, func(d *desk, _ string, _ oauth.Devices, _ ident.GrantID) { d.Clock = d.Clock.Add(10 * time.Minute) }},
		{"taken back", "invalid_grant", true, func(d *desk, _ string, _ oauth.Devices, id ident.GrantID) {
			if _, err := d.DB.RevokeGrant(ctx, id, d.Clock, "user"); err != nil {
				d.T.Fatal(err)
			}
		}},
		{"signed out", "invalid_grant", true, func(d *desk, _ string, _ oauth.Devices, id ident.GrantID) {
			g, err := d.DB.Grant(ctx, id)
			if err != nil {
				d.T.Fatal(err)
			}
			if err := d.sessions.End(ctx, g.Session, "logout"); err != nil {
				d.T.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			code, devices := d.pending("tv")
			id := d.approve(code, "tv", devices)
			c.end(d, code, devices, id)
			if got := d.post("tv", polling(code)).code(); got != c.want || d.revoked(id) != c.revoked {
				t.Errorf("%s, revoked %v", got, d.revoked(id))
			}
		})
	}
	d := open(t)
	code, devices := d.pending("tv")
	if err := devices.Deny(ctx, oauth.DeviceHandle(code), "browser"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := d.post("tv", polling(code)); got.code() != "access_denied" || got.err.Status != 400 {
			t.Errorf("denied: %+v", got.err)
		}
	}
}
