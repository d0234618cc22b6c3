package sessions_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/riskstep/policy"
	"github.com/postern-id/postern/sessions"
)

var (
	ctx    = context.Background()
	laptop = ident.Env{IP: netip.MustParseAddr("192.0.2.1"), Device: "laptop", UserAgent: "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36"}
	phone  = ident.Env{IP: netip.MustParseAddr("192.0.2.1"), Device: "phone", UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1"}
)

// desk is a manager with the real floors below it.
type desk struct {
	*sessions.Manager
	authn *authn.Service
	risk  *riskstep.Engine
	clock *authntest.Clock
	trail *authntest.Trail
	keys  [][]byte
	where map[netip.Addr]riskstep.Place
	db    *sqldb.DB
}

// tb is what both testing.TB and rapid.T are.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newDesk(t testing.TB, p sessions.Policy) *desk {
	t.Helper()
	d := &desk{clock: authntest.NewClock(), trail: &authntest.Trail{}, keys: [][]byte{bytes.Repeat([]byte{1}, 32)}}
	db := newEngine(t, d.clock)
	d.db = db
	d.authn = authntest.Service(t, authntest.Options{Engine: db, Clock: d.clock})
	conf := policy.DefaultConfig()
	conf.Mode = "shadow" // what a session does with a decision is asked here, not which decision there is
	quiet, err := conf.Build()
	if err != nil {
		t.Fatal(err)
	}
	d.risk, err = riskstep.New(riskstep.Options{Policy: quiet, Store: db, Audit: d.trail, Now: d.clock.Now, NoGeo: riskstep.Absent, HashKey: func() [][]byte { return d.keys }})
	if err != nil {
		t.Fatal(err)
	}
	d.Manager, err = sessions.New(sessions.Options{Store: db, Audit: d.trail, Now: d.clock.Now, DeviceKey: func() [][]byte { return d.keys }, Policy: p,
		Locate: func(ip netip.Addr) riskstep.Place { return d.where[ip] }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// prove signs p in and asks for the decision at m; held is what the session holds.
func (d *desk) prove(t tb, m riskstep.Moment, p authntest.Person, both bool, env ident.Env, held ident.Assurance) (authn.Proof, riskstep.Decision) {
	t.Helper()
	proof, err := d.authn.Password(ctx, authn.Attempt{Identifier: p.Username, Password: p.Password, Env: env})
	if err != nil {
		t.Fatalf("password: %v", err)
	}
	if both {
		d.clock.Advance(30 * time.Second) // a code works once
		if proof, err = d.authn.OTP(ctx, proof, authntest.Code(p.TOTP, d.clock.Now()), env); err != nil {
			t.Fatalf("code: %v", err)
		}
	}
	has, err := d.authn.Factors(ctx, proof.User())
	if err != nil {
		t.Fatalf("factors: %v", err)
	}
	dec, err := d.risk.Decide(ctx, riskstep.Input{Moment: m, Proof: proof, User: proof.User(), Env: env, Best: has.Best, Held: held})
	if err != nil {
		t.Fatalf("decide: %v", err)
	}
	return proof, dec
}

func (d *desk) start(t tb, p authntest.Person, both bool, env ident.Env) (sessions.Session, string) {
	t.Helper()
	proof, dec := d.prove(t, riskstep.AtSignIn, p, both, env, ident.None)
	s, cookie, err := d.Start(ctx, proof, dec, env)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return s, cookie
}

func (d *desk) check(cookie string, env ident.Env) (newCookie string, err error) {
	_, newCookie, err = d.Check(ctx, cookie, env)
	return newCookie, err
}

func TestStart(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	s, cookie := d.start(t, authntest.Ben, true, laptop)
	now := d.clock.Now()
	if s.User != "u-ben" || s.Device != "laptop" || s.Assurance != ident.AAL2 || !s.AuthTime.Equal(now) || !slices.Equal(s.AMR, []ident.AMR{"pwd", "otp", "mfa"}) ||
		s.Agent != "Chrome on Windows" || s.Reached(now) != ident.AAL2 || !s.IdleUntil.Equal(now.Add(time.Hour)) || !s.ExpiresAt.Equal(now.Add(24*time.Hour)) {
		t.Errorf("%+v", s)
	}
	got, newCookie, err := d.Check(ctx, cookie, laptop)
	if err != nil || newCookie != "" || got.ID != s.ID {
		t.Fatalf("%+v, %q, %v", got, newCookie, err)
	}
	id, secret, _ := strings.Cut(cookie, ".")
	for name, bad := range map[string]string{
		"empty": "", "id alone": id, "no secret": id + ".", "of zeros": id + "." + strings.Repeat("A", 43), "one character other": cookie[:len(cookie)-2] + "AA",
		"shorter": cookie[:len(cookie)-1], "longer": cookie + "A", "another session": strings.Repeat("A", 22) + "." + secret, "padded": cookie + "=", "a novel": strings.Repeat("x.", 1<<20),
	} {
		if _, err := d.check(bad, laptop); !errors.Is(err, sessions.ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	evs := d.trail.Events()
	if len(evs) == 0 || evs[len(evs)-1].Type != "session.started" || evs[len(evs)-1].Session != s.ID || strings.Contains(strings.Join([]string{evs[0].Agent, evs[0].Reason}, ""), secret) {
		t.Errorf("%+v", evs)
	}
}

// Nothing but a decision that allows this very proof, lately and for a sign-in, starts a session.
func TestStartRefuses(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	p, dec := d.prove(t, riskstep.AtSignIn, authntest.Ann, false, laptop, ident.None)
	q, other := d.prove(t, riskstep.AtSignIn, authntest.Ann, false, laptop, ident.None)
	b, stepUp := d.prove(t, riskstep.AtStepUp, authntest.Ben, false, laptop, ident.None)
	r, err := d.risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: q, User: q.User(), Env: laptop, Need: ident.AAL2, Best: ident.AAL1})
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, p authn.Proof, dec riskstep.Decision) {
		t.Helper()
		if s, cookie, err := d.Start(ctx, p, dec, laptop); !errors.Is(err, sessions.ErrRefused) || cookie != "" || s.ID != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuse("no decision", p, riskstep.Decision{})
	refuse("no proof", authn.Proof{}, dec)
	refuse("nothing", authn.Proof{}, riskstep.Decision{})
	refuse("a decision about another proof", p, other)
	refuse("a decision about another person", b, dec)
	refuse("a decision for a step-up", b, stepUp)
	refuse("a denial", q, r)
	d.clock.Advance(authn.ProofLife + time.Second)
	refuse("an old proof", p, dec)
}

func TestTrailDown(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	s, cookie := d.start(t, authntest.Ann, false, laptop)
	p, dec := d.prove(t, riskstep.AtSignIn, authntest.Ann, false, laptop, ident.None)
	_, up := d.prove(t, riskstep.AtStepUp, authntest.Ann, false, laptop, ident.None)
	d.trail.Down(true)
	if _, _, err := d.Start(ctx, p, dec, laptop); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("Start: %v", err)
	}
	if _, _, err := d.Raise(ctx, s, p, up, laptop); err == nil {
		t.Error("raised")
	}
	if err := d.End(ctx, s.ID, "logout"); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("End: %v", err)
	}
	if _, err := d.EndAll(ctx, "u-ann", "", "operator"); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("EndAll: %v", err)
	}
	d.trail.Down(false)
	if all, err := d.List(ctx, "u-ann"); err != nil || len(all) != 1 {
		t.Errorf("%d sessions, %v, want the one from before", len(all), err)
	}
	if _, err := d.check(cookie, laptop); err != nil {
		t.Errorf("it ended all the same: %v", err)
	}
}

// A session knows where it was used last, once a minute, and nothing where that cannot be told.
func TestLastPlace(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	at := func(n byte) ident.Env {
		env := laptop
		env.IP = netip.AddrFrom4([4]byte{198, 51, 100, n})
		return env
	}
	_, cookie := d.start(t, authntest.Ben, false, at(1))
	expect := func(when string, env ident.Env, country string, km int) {
		t.Helper()
		s, next, err := d.Check(ctx, cookie, env)
		if err != nil || s.Country != "" || s.LastCountry != country || s.LastSpot.Km != km {
			t.Errorf("%s: %+v, %v, want %s within %d km", when, s, err, country, km)
		}
		if next != "" {
			cookie = next
		}
	}
	d.clock.Advance(time.Minute)
	expect("nobody knows places", at(1), "", 0)
	d.where = map[netip.Addr]riskstep.Place{
		at(1).IP: {Country: "DE", Known: true, Spot: riskstep.NewSpot(52.5, 13.4, 20)}, at(2).IP: {Country: "FR", Known: true},
	}
	expect("too soon", at(1), "", 0)
	for _, c := range []struct {
		when    string
		env     ident.Env
		country string
		km      int
	}{
		{"a place", at(1), "DE", 28}, {"a country only", at(2), "FR", 0}, {"back", at(1), "DE", 28}, {"nowhere", at(3), "", 0}, {"found again", at(1), "DE", 28},
	} {
		d.clock.Advance(time.Minute)
		expect(c.when, c.env, c.country, c.km)
	}
	d.clock.Advance(time.Minute)
	s, err := d.List(ctx, "u-ben")
	if err != nil || len(s) != 1 {
		t.Fatal(s, err)
	}
	if err := d.Touch(ctx, s[0].ID); err != nil {
		t.Fatal(err)
	}
	expect("a refresh token elsewhere", at(2), "DE", 28)
}

// A step-up: same session, new secret, raised for ten minutes.
func TestRaise(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	s, before := d.start(t, authntest.Ben, false, laptop)
	d.clock.Advance(time.Hour)
	p, dec := d.prove(t, riskstep.AtStepUp, authntest.Ben, true, laptop, s.Reached(d.clock.Now()))
	r, cookie, err := d.Raise(ctx, s, p, dec, laptop)
	if err != nil {
		t.Fatal(err)
	}
	now := d.clock.Now()
	if r.ID != s.ID || cookie == before || r.Assurance != ident.AAL1 || r.Reached(now) != ident.AAL2 || !r.AuthTime.Equal(now) || !slices.Contains(r.AMR, ident.MultiFactor) {
		t.Errorf("%+v", r)
	}
	if _, err := d.check(before, phone); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("the old cookie on another device: %v", err)
	}
	if _, err := d.check(before, laptop); err != nil {
		t.Errorf("the old cookie within its grace: %v", err)
	}
	d.clock.Advance(30 * time.Second)
	if _, err := d.check(before, laptop); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("the old cookie after its grace: %v", err)
	}
	for after, want := range map[time.Duration]ident.Assurance{10*time.Minute - 1: ident.AAL2, 10 * time.Minute: ident.AAL1, 9 * time.Hour: ident.None} {
		if got := r.Reached(now.Add(after)); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
	// Re-authentication: AuthTime moves, the rung stays, the limits begin anew.
	d.clock.Advance(time.Hour)
	p, dec = d.prove(t, riskstep.AtStepUp, authntest.Ben, false, laptop, ident.AAL1)
	again, _, err := d.Raise(ctx, r, p, dec, laptop)
	if err != nil || !again.AuthTime.Equal(p.At()) || again.Reached(d.clock.Now()) != ident.AAL1 || !again.ExpiresAt.After(r.ExpiresAt) || slices.Contains(again.AMR, ident.OTP) {
		t.Errorf("%+v, %v", again, err)
	}
}

// L3: a step-up answered by less than what the session holds, by another person, or for a dead session.
func TestL3RaiseRefuses(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	s, _ := d.start(t, authntest.Ben, true, laptop)
	weak, dec := d.prove(t, riskstep.AtStepUp, authntest.Ben, false, laptop, ident.None)
	if _, _, err := d.Raise(ctx, s, weak, dec, laptop); !errors.Is(err, sessions.ErrWeaker) {
		t.Errorf("weaker: %v", err)
	}
	ann, dec := d.prove(t, riskstep.AtStepUp, authntest.Ann, false, laptop, ident.None)
	if _, _, err := d.Raise(ctx, s, ann, dec, laptop); !errors.Is(err, sessions.ErrRefused) {
		t.Errorf("another person: %v", err)
	}
	forged := s
	forged.User = "u-ann"
	if _, _, err := d.Raise(ctx, forged, ann, dec, laptop); !errors.Is(err, sessions.ErrRefused) {
		t.Errorf("another person, claimed: %v", err)
	}
	p, dec := d.prove(t, riskstep.AtSignIn, authntest.Ben, true, laptop, ident.None)
	if _, _, err := d.Raise(ctx, s, p, dec, laptop); !errors.Is(err, sessions.ErrRefused) {
		t.Errorf("a decision for a sign-in: %v", err)
	}
	p, dec = d.prove(t, riskstep.AtStepUp, authntest.Ben, true, laptop, ident.None)
	if err := d.End(ctx, s.ID, "logout"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Raise(ctx, s, p, dec, laptop); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("a dead session: %v", err)
	}
}

// E8: idle and absolute limits, by rung.
func TestE8Limits(t *testing.T) {
	for _, c := range []struct {
		name           string
		both           bool
		idle, absolute time.Duration
	}{{"one factor", false, 8 * time.Hour, 24 * time.Hour}, {"two factors", true, time.Hour, 24 * time.Hour}} {
		t.Run("E8 idle "+c.name, func(t *testing.T) {
			d := newDesk(t, sessions.Policy{RotateEvery: 48 * time.Hour})
			s, cookie := d.start(t, authntest.Ben, c.both, laptop)
			for range 2 {
				d.clock.Advance(c.idle - time.Second)
				if _, err := d.check(cookie, laptop); err != nil {
					t.Fatalf("before its limit: %v", err)
				}
			}
			d.clock.Advance(c.idle)
			if _, err := d.check(cookie, laptop); !errors.Is(err, sessions.ErrNone) {
				t.Errorf("after its limit: %v", err)
			}
			if _, err := d.Alive(ctx, s.ID); !errors.Is(err, sessions.ErrNone) {
				t.Errorf("alive: %v", err)
			}
		})
		t.Run("E8 absolute "+c.name, func(t *testing.T) {
			d := newDesk(t, sessions.Policy{RotateEvery: 48 * time.Hour})
			s, cookie := d.start(t, authntest.Ben, c.both, laptop)
			step := 30 * time.Minute
			for at := step; at < c.absolute; at += step {
				d.clock.Advance(step)
				if _, err := d.check(cookie, laptop); err != nil {
					t.Fatalf("at %v: %v", at, err)
				}
			}
			d.clock.Advance(step)
			if _, err := d.check(cookie, laptop); !errors.Is(err, sessions.ErrNone) {
				t.Errorf("after its limit: %v", err)
			}
			if err := d.Touch(ctx, s.ID); !errors.Is(err, sessions.ErrNone) {
				t.Errorf("touched back to life: %v", err)
			}
		})
	}
}

// Who was let in flagged, with one factor, is let in for less.
func TestFlaggedIsShorter(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	p, dec := d.prove(t, riskstep.AtSignIn, authntest.Ann, false, laptop, ident.None)
	if err := d.risk.Learn(ctx, dec); err != nil || p.User() != "u-ann" {
		t.Fatal(err)
	}
	d.trail.Events()
	s, _ := d.start(t, authntest.Ann, false, phone)
	if !s.ExpiresAt.Equal(s.CreatedAt.Add(6*time.Hour)) || !s.IdleUntil.Equal(s.CreatedAt.Add(2*time.Hour)) {
		t.Errorf("idle %v, absolute %v", s.IdleUntil.Sub(s.CreatedAt), s.ExpiresAt.Sub(s.CreatedAt))
	}
	for _, e := range d.trail.Events() {
		if e.Type == "session.started" && e.Data["new_device"] != "true" {
			t.Errorf("%+v tells nobody", e)
		}
	}
}

// The secret changes every fifteen minutes, once, and the one before works for its grace.
func TestRotation(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	_, cookie := d.start(t, authntest.Ann, false, laptop)
	d.clock.Advance(15*time.Minute - time.Second)
	if c, err := d.check(cookie, laptop); err != nil || c != "" {
		t.Fatalf("early: %q, %v", c, err)
	}
	d.clock.Advance(time.Second)
	var wg sync.WaitGroup
	got, errs := make([]string, 12), make([]error, 12)
	for i := range got {
		wg.Go(func() { got[i], errs[i] = d.check(cookie, laptop) })
	}
	wg.Wait()
	fresh := slices.DeleteFunc(slices.Clone(got), func(c string) bool { return c == "" })
	if len(fresh) != 1 || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Fatalf("%d new cookies, %v", len(fresh), errs)
	}
	if c, err := d.check(fresh[0], laptop); err != nil || c != "" {
		t.Errorf("the new one: %q, %v", c, err)
	}
	d.clock.Advance(30 * time.Second)
	if _, err := d.check(cookie, laptop); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("the old one after its grace: %v", err)
	}
	if _, err := d.check(fresh[0], laptop); err != nil {
		t.Errorf("the new one then: %v", err)
	}
}

func TestPerUser(t *testing.T) {
	d := newDesk(t, sessions.Policy{PerUser: 3})
	var ids []ident.SessionID
	for range 5 {
		s, _ := d.start(t, authntest.Ann, false, laptop)
		ids = append([]ident.SessionID{s.ID}, ids...)
		d.clock.Advance(time.Second)
	}
	all, err := d.List(ctx, "u-ann")
	var got []ident.SessionID
	for _, s := range all {
		got = append(got, s.ID)
	}
	if err != nil || !slices.Equal(got, ids[:3]) {
		t.Errorf("%v, %v, want the newest three of %v", got, err, ids)
	}
}

func TestEndAll(t *testing.T) {
	d := newDesk(t, sessions.Policy{})
	keep, kept := d.start(t, authntest.Ann, false, laptop)
	_, other := d.start(t, authntest.Ann, false, phone)
	_, bens := d.start(t, authntest.Ben, false, laptop)
	if ids, err := d.EndAll(ctx, "u-ann", keep.ID, "operator"); err != nil || len(ids) != 1 {
		t.Fatalf("%v, %v", ids, err)
	}
	for name, c := range map[string]struct {
		cookie string
		want   error
	}{"kept": {kept, nil}, "the other": {other, sessions.ErrNone}, "somebody else's": {bens, nil}} {
		if _, err := d.check(c.cookie, laptop); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := d.End(ctx, keep.ID, "logout"); err != nil {
		t.Fatal(err)
	}
	if err := d.End(ctx, keep.ID, "logout"); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("ended twice: %v", err)
	}
	if err := d.End(ctx, "nowhere", "logout"); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("ended nothing: %v", err)
	}
}

func BenchmarkCheck(b *testing.B) {
	d := newDesk(b, sessions.Policy{})
	_, cookie := d.start(b, authntest.Ann, false, laptop)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Check(ctx, cookie, laptop); err != nil {
			b.Fatal(err)
		}
	}
}
