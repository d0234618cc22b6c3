package backchannel_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
)

type house struct {
	*oauthtest.House
	*backchannel.Device
	devices oauth.Devices
	n       int
}

func open(t testing.TB, change func(*backchannel.DeviceOptions)) *house {
	t.Helper()
	h := &house{House: oauthtest.New(t, []string{
		`{"client_id":"tv","token_endpoint_auth_method":"none","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"scope":"openid offline_access films"}`,
		`{"client_id":"box","client_secret":"s3cret","grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"minimum_acr":"urn:postern:acr:aal2"}`,
		`{"client_id":"web","token_endpoint_auth_method":"none","redirect_uris":["https://web.example/cb"]}`},
		[]string{`{"resource":"https://films.example","scopes":["films"]}`})}
	h.devices = oauth.Devices{Ephemeral: h.DB, Now: h.Now}
	auth := clientauth.New(clientauth.Options{Registry: h.Registry, Ephemeral: h.DB, Counters: h.DB, Audit: h.Audit, Keys: h.ClientKeys,
		SecretKeys: h.SecretKeys, Issuer: oauthtest.Issuer, Now: h.Now})
	o := backchannel.DeviceOptions{Registry: h.Registry, Reader: h.Reader, Auth: auth, Devices: h.devices, Counters: h.DB, Audit: h.Audit,
		Issuer: oauthtest.Issuer, Path: "/device", Secret: func() string { h.n++; return strings.Repeat("s", h.n) }, Rand: rand.Reader, Now: h.Now,
		Locate: func(ip netip.Addr) riskstep.Place {
			switch ip.As4()[0] {
			case 11:
				return riskstep.Place{Country: "SE", Known: true}
			case 12:
				return riskstep.Place{Country: "BR", Known: true}
			case 10:
				return riskstep.Place{Local: true}
			}
			return riskstep.Place{}
		}}
	if change != nil {
		change(&o)
	}
	h.Device = backchannel.NewDevice(o)
	return h
}

func at(ip string, device ident.DeviceID) context.Context {
	return oauth.WithEnv(context.Background(), ident.Env{IP: netip.MustParseAddr(ip), Device: device})
}

// ask sends a device authorization request from ip.
func (h *house) ask(ip string, form url.Values) (map[string]any, error) {
	h.T.Helper()
	r := httptest.NewRequest(http.MethodPost, "/device_authorization", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if err := h.Authorize(w, r.WithContext(at(ip, ""))); err != nil {
		if w.Body.Len() > 0 {
			h.T.Error("an error and an answer")
		}
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		h.T.Fatal(err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		h.T.Error("the answer may be cached")
	}
	return m, nil
}

func (h *house) code(ip string) string {
	h.T.Helper()
	m, err := h.ask(ip, url.Values{"client_id": {"tv"}, "scope": {"openid"}})
	if err != nil {
		h.T.Fatal(err)
	}
	return m["user_code"].(string)
}

func TestRequest(t *testing.T) {
	h := open(t, nil)
	m, err := h.ask("11.0.0.1", url.Values{"client_id": {"tv"}, "scope": {"openid films films"}, "resource": {"https://films.example"}})
	if err != nil {
		t.Fatal(err)
	}
	code := m["user_code"].(string)
	want := map[string]any{"device_code": "pdc_s", "user_code": code, "verification_uri": oauthtest.Issuer + "/device",
		"verification_uri_complete": oauthtest.Issuer + "/device?user_code=" + code, "expires_in": 600., "interval": 5.}
	for k, v := range want {
		if m[k] != v {
			t.Errorf("%s is %v", k, m[k])
		}
	}
	if len(m) != len(want) {
		t.Errorf("%v", m)
	}
	a, err := h.Find(at("11.0.0.1", "mine"), code)
	if err != nil || a.Client.ID != "tv" || strings.Join(a.Request.Scope, " ") != "openid films" || a.Request.Resources[0] != "https://films.example" || a.Handle != oauth.DeviceHandle("pdc_s") {
		t.Errorf("%+v %v", a, err)
	}
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"not registered for it":    {url.Values{"client_id": {"web"}}, "unauthorized_client"},
		"nobody":                   {url.Values{}, "invalid_client"},
		"a secret is missing":      {url.Values{"client_id": {"box"}}, "invalid_client"},
		"a scope it may not ask":   {url.Values{"client_id": {"tv"}, "scope": {"openid email"}}, "invalid_scope"},
		"an unknown resource":      {url.Values{"client_id": {"tv"}, "resource": {"https://x.example"}}, "invalid_target"},
		"repeated":                 {url.Values{"client_id": {"tv"}, "scope": {"openid", "films"}}, "invalid_request"},
		"long":                     {url.Values{"client_id": {"tv"}, "x": {strings.Repeat("x", 5000)}}, "invalid_request"},
		"many resources":           {url.Values{"client_id": {"tv"}, "resource": make([]string, 17)}, "invalid_request"},
		"the same as its own long": {url.Values{"client_id": {"tv"}, "scope": {strings.Repeat("films ", 600)}}, ""},
	} {
		_, err := h.ask("11.0.0.1", c.form)
		if got := errCode(err); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func errCode(err error) string {
	if err == nil {
		return ""
	}
	return oauth.AsError(err).Code
}

// What the person has to do depends on where the device is.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name         string
		there, here  string
		near, away   bool
		passkey      bool
		passkeyWarns bool
	}{
		{"the same country", "11.0.0.1", "11.9.0.1", false, false, false, false},
		{"the same network", "11.0.0.1", "11.0.0.2", true, false, false, false},
		{"another country", "12.0.0.1", "11.0.0.1", false, true, true, false},
		{"the device is nowhere", "203.0.113.1", "11.0.0.1", false, true, true, false},
		{"the device is inside", "10.0.0.1", "11.0.0.1", false, true, true, false},
		{"the person is nowhere", "11.0.0.1", "203.0.113.1", false, true, true, false},
		{"nothing is known", "203.0.113.1", "198.51.100.1", false, false, false, false},
		{"both inside", "10.0.0.1", "10.1.0.1", false, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, warn := range []bool{false, true} {
				h := open(t, func(o *backchannel.DeviceOptions) { o.Warn = warn })
				ctx := at(c.here, "mine")
				a, err := h.Find(ctx, h.code(c.there))
				if err != nil || a.Near != c.near || a.Away != c.away {
					t.Fatalf("%+v %v", a, err)
				}
				q, err := h.Confirm(ctx, a)
				if err != nil || q.Device != a.Handle {
					t.Fatal(q, err)
				}
				strict := q.Need == ident.PhishingResistant && q.NeedHard && q.MaxAge != nil && *q.MaxAge == 0
				if strict != (c.passkey && !warn) || !strict && (q.Need != ident.None || q.MaxAge != nil) {
					t.Errorf("warn %v: need %v, hard %v", warn, q.Need, q.NeedHard)
				}
			}
		})
	}
}

// A guesser is stopped after ten codes, whatever comes then; who types well is not, and others are not either.
func TestGuesses(t *testing.T) {
	h := open(t, nil)
	good := h.code("11.0.0.1")
	for range 50 {
		if _, err := h.Find(at("11.5.0.1", "me"), good); err != nil {
			t.Fatal("who is right is not counted:", err)
		}
	}
	var refused, wrong atomic.Int64
	var wg sync.WaitGroup
	for range 40 { // at once
		wg.Go(func() {
			switch _, err := h.Find(at("198.51.100.7", "mallory"), "BBBB-BBBB"); {
			case errors.Is(err, oauth.ErrNoDevice):
				wrong.Add(1)
			case errCode(err) == "slow_down":
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 10 || refused.Load() != 30 {
		t.Errorf("%d wrong, %d refused", wrong.Load(), refused.Load())
	}
	if _, err := h.Find(at("198.51.100.9", "mallory2"), good); errCode(err) != "slow_down" {
		t.Error("the same network with the right code:", err)
	}
	if _, err := h.Find(at("11.5.0.1", "me"), good); err != nil {
		t.Error("another network:", err)
	}
	// One account from many networks.
	signedIn := func(ip string) context.Context {
		return oauth.WithSession(at(ip, "mallory"), sessions.Session{ID: "s", User: "mallory"})
	}
	for i := range 12 {
		_, err := h.Find(signedIn(netip.AddrFrom4([4]byte{192, 0, byte(i), 1}).String()), "CCCC-CCCC")
		if want := i >= 10; (errCode(err) == "slow_down") != want {
			t.Errorf("guess %d: %v", i, err)
		}
	}
	guessed := 0
	for _, e := range h.events() {
		if e.Type == "device.guessed" {
			guessed++
		}
	}
	if guessed != 2 {
		t.Errorf("%d times on record", guessed)
	}
	h.Clock = h.Clock.Add(10*time.Minute + time.Second)
	if _, err := h.Find(at("198.51.100.9", "mallory"), h.code("11.0.0.1")); err != nil {
		t.Error("after ten minutes:", err)
	}
}

// events are all that is on record.
func (h *house) events() (out []audit.Event) {
	h.T.Helper()
	heads, err := h.DB.AuditHeads(context.Background())
	if err != nil {
		h.T.Fatal(err)
	}
	for _, head := range heads {
		entries, err := h.DB.ReadAudit(context.Background(), head.Stream, 1, 10_000)
		if err != nil {
			h.T.Fatal(err)
		}
		for _, e := range entries {
			var ev audit.Event
			if err := json.Unmarshal(e.Body, &ev); err != nil {
				h.T.Fatal(err)
			}
			out = append(out, ev)
		}
	}
	return out
}

// The browser in which somebody said yes is the only one that goes on, and what ended is as unknown as what never was.
func TestWhoMayGoOn(t *testing.T) {
	h := open(t, nil)
	mine, theirs := at("11.0.0.1", "mine"), at("11.0.0.1", "theirs")
	code := h.code("11.0.0.1")
	find := func(ctx context.Context) *backchannel.Asked {
		t.Helper()
		a, err := h.Find(ctx, code)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	seen := find(theirs) // both look at the page of the same code
	if _, err := h.Confirm(mine, find(mine)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Confirm(theirs, seen); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("a second browser says yes:", err)
	}
	if err := h.Deny(theirs, seen); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("a second browser says no:", err)
	}
	if _, err := h.Find(theirs, code); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("a second browser finds it:", err)
	}
	if _, err := h.Confirm(mine, find(mine)); err != nil {
		t.Error("the same browser again:", err)
	}
	if err := h.Deny(mine, find(mine)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Find(mine, code); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("what was denied is found:", err)
	}
	if _, err := h.Confirm(mine, seen); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("what was denied is confirmed:", err)
	}
	code = h.code("11.0.0.1")
	late := find(mine)
	h.Clock = h.Clock.Add(10 * time.Minute)
	if _, err := h.Confirm(mine, late); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("confirmed too late:", err)
	}
	if _, err := h.Find(mine, code); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error("found too late:", err)
	}
	var denied []audit.Event
	for _, e := range h.events() {
		if e.Type == "device.denied" {
			denied = append(denied, e)
		}
	}
	if len(denied) < 1 || denied[len(denied)-1].Client != "tv" || denied[len(denied)-1].Outcome != audit.Denied || denied[len(denied)-1].Reason != "person" {
		t.Errorf("on record: %+v", denied)
	}
}

// Any number of yes, no and polls at once come to one outcome.
func TestOneOutcome(t *testing.T) {
	h := open(t, nil)
	ctx := at("11.0.0.1", "mine")
	for round := range 12 {
		a, err := h.Find(ctx, h.code("11.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Confirm(ctx, a); err != nil {
			t.Fatal(err)
		}
		var yes, no atomic.Int64
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if h.devices.Approve(ctx, a.Handle, "mine", "grant") == nil {
					yes.Add(1)
				}
			})
			wg.Go(func() {
				if h.devices.Deny(ctx, a.Handle, "mine") == nil {
					no.Add(1)
				}
			})
			wg.Go(func() { _, _ = h.devices.Poll(ctx, a.Handle) })
		}
		wg.Wait()
		r, err := h.devices.Get(ctx, a.Handle)
		if err != nil || yes.Load()+no.Load() != 1 || (r.Status == oauth.DeviceApproved) != (yes.Load() == 1) || (r.Grant == "grant") != (yes.Load() == 1) {
			t.Errorf("round %d: %d yes, %d no: %+v %v", round, yes.Load(), no.Load(), r, err)
		}
	}
}
