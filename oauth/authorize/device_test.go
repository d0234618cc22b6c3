package authorize_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/riskstep"
)

// pending is a device's request that the browser of ctx has confirmed.
func (f *front) pending(ctx context.Context, change func(*oauth.DeviceRequest)) (*oauth.Request, oauth.Devices) {
	f.T.Helper()
	f.n++
	code := "pdc_" + strings.Repeat("x", f.n)
	devices := oauth.Devices{Ephemeral: f.DB, Now: f.Now}
	r := &oauth.DeviceRequest{Request: oauth.Request{Client: "tv", Scope: []string{"openid", "offline_access"}}, UserCode: code, Expires: f.Clock.Add(10 * time.Minute),
		Interval: 5, Place: riskstep.Place{Country: "BR", Known: true}}
	if change != nil {
		change(r)
	}
	if err := devices.Put(ctx, code, r); err != nil {
		f.T.Fatal(err)
	}
	q := r.Request
	q.Device = oauth.DeviceHandle(code)
	if err := devices.Claim(ctx, q.Device, oauth.EnvOf(ctx).Device); err != nil {
		f.T.Fatal(err)
	}
	return &q, devices
}

// begun is the interaction for q.
func (f *front) begun(ctx context.Context, q *oauth.Request) (*authorize.Live, string) {
	f.T.Helper()
	page, err := f.BeginDevice(ctx, q)
	if err != nil {
		f.T.Fatal(err)
	}
	path, id, _ := strings.Cut(page, "?i=")
	l, err := f.Load(ctx, id)
	if err != nil {
		f.T.Fatal(err)
	}
	return l, path
}

func (f *front) became(q *oauth.Request, devices oauth.Devices) *oauth.DeviceRequest {
	f.T.Helper()
	r, err := devices.Get(context.Background(), q.Device)
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

// live are the grants of the device that stand.
func (f *front) live() []oauth.Grant {
	f.T.Helper()
	gs, err := f.DB.GrantsOf(context.Background(), "ann", "tv", f.Clock)
	if err != nil {
		f.T.Fatal(err)
	}
	return gs
}

// A device gets what the person allows, in their session; its tokens belong where the device is.
func TestDeviceConnected(t *testing.T) {
	f := open(t)
	sess := f.session("ann", 0, ident.AAL1)
	ctx := at("mine", sess)
	q, devices := f.pending(ctx, nil)
	l, path := f.begun(ctx, q)
	if path != "/consent" {
		t.Fatal(path)
	}
	if a, step, err := f.Finish(ctx, l); a != nil || err != nil || step.Kind != authorize.Consent {
		t.Fatal("finished without consent:", a, err)
	}
	if err := f.Decide(ctx, l, true, []string{"openid", "offline_access"}); err != nil {
		t.Fatal(err)
	}
	a, _, err := f.Finish(ctx, l)
	if err != nil || a.Failed() || a.RedirectURI != "" || len(a.Params) != 0 {
		t.Fatalf("%+v %v", a, err)
	}
	r := f.became(q, devices)
	gs := f.live()
	if r.Status != oauth.DeviceApproved || len(gs) != 1 || gs[0].ID != r.Grant {
		t.Fatalf("%+v %+v", r, gs)
	}
	if g := gs[0]; g.Session != sess.ID || !g.Offline || g.Country != "BR" || g.RefreshSeq != 1 || g.Scope[0] != "openid" {
		t.Errorf("%+v", g)
	}
	if _, _, err := f.Finish(ctx, l); !errors.Is(err, authorize.ErrFinished) {
		t.Error("finished twice:", err)
	}
}

// Whatever ends it before the person comes to the end leaves the device with a no, or with nothing, and never a grant.
func TestDeviceNotConnected(t *testing.T) {
	hard := func(r *oauth.DeviceRequest) {
		r.Request.Client, r.Request.Need, r.Request.NeedHard = "tv", ident.PhishingResistant, true
	}
	for _, c := range []struct {
		name, want, status string
		ask                func(*oauth.DeviceRequest)
		do                 func(f *front, ctx context.Context, l *authorize.Live, devices oauth.Devices)
	}{
		{"no consent", "access_denied", oauth.DeviceDenied, nil, func(f *front, ctx context.Context, l *authorize.Live, _ oauth.Devices) {
			if err := f.Decide(ctx, l, false, nil); err != nil {
				f.T.Fatal(err)
			}
		}},
		{"an account that cannot prove enough", "unmet_authentication_requirements", oauth.DeviceDenied, hard, nil},
		{"expired meanwhile", "expired_token", oauth.DevicePending, nil, func(f *front, ctx context.Context, l *authorize.Live, _ oauth.Devices) {
			if err := f.Decide(ctx, l, true, []string{"openid"}); err != nil {
				f.T.Fatal(err)
			}
			f.Clock = f.Clock.Add(10 * time.Minute)
		}},
		{"denied in another tab", "expired_token", oauth.DeviceDenied, nil, func(f *front, ctx context.Context, l *authorize.Live, devices oauth.Devices) {
			if err := f.Decide(ctx, l, true, []string{"openid"}); err != nil {
				f.T.Fatal(err)
			}
			if err := devices.Deny(ctx, l.Request.Device, "mine"); err != nil {
				f.T.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			ctx := at("mine", f.session("ann", 0, ident.AAL1))
			q, devices := f.pending(ctx, c.ask)
			l, _ := f.begun(ctx, q)
			if c.do != nil {
				c.do(f, ctx, l, devices)
			}
			a, _, err := f.Finish(ctx, l)
			if err != nil || a == nil || a.Params.Get("error") != c.want {
				t.Fatalf("%+v %v", a, err)
			}
			if r := f.became(q, devices); r.Status != c.status || r.Grant != "" || len(f.live()) != 0 {
				t.Errorf("%+v, %d grants", r, len(f.live()))
			}
		})
	}
	f := open(t)
	ctx := at("mine", nil)
	q, devices := f.pending(ctx, nil)
	l, path := f.begun(ctx, q)
	a, err := f.Abandon(ctx, l, oauth.AccessDenied("cancelled"))
	if r := f.became(q, devices); path != "/login" || err != nil || !a.Failed() || r.Status != oauth.DeviceDenied {
		t.Errorf("cancelled at sign-in: %s %+v %v", path, r, err)
	}
}

// Approve, deny and the last instant at once: one outcome, and a grant stands exactly if the device can fetch it.
func TestDeviceOneOutcome(t *testing.T) {
	f := open(t)
	ctx := at("mine", f.session("ann", 0, ident.AAL1))
	for round := range 10 {
		before := len(f.live())
		q, devices := f.pending(ctx, nil)
		l, _ := f.begun(ctx, q)
		if step, err := f.Next(ctx, l); err == nil && step.Kind == authorize.Consent {
			if err := f.Decide(ctx, l, true, []string{"openid", "offline_access"}); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		var answer *oauth.Answer
		var denied error
		wg.Go(func() {
			var err error
			if answer, _, err = f.Finish(ctx, l); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { denied = devices.Deny(ctx, q.Device, "mine") })
		wg.Wait()
		r, grants := f.became(q, devices), len(f.live())-before
		approved := r.Status == oauth.DeviceApproved
		if answer == nil || approved == answer.Failed() || approved == (denied == nil) || approved != (grants == 1) {
			t.Errorf("round %d: %s, answer %+v, denied %v, %d grants", round, r.Status, answer, denied, grants)
		}
	}
}
