package riskstep_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/riskstep/policy"
)

var ctx = context.Background()

// atlas is a Locator of the documentation networks. It can fail and age as a real one can.
type atlas struct {
	down bool
	age  time.Duration
}

func (a *atlas) Locate(ip netip.Addr) (riskstep.Place, error) {
	if a.down {
		return riskstep.Place{}, errors.New("no data")
	}
	for prefix, country := range map[string]string{"192.0.2.0/24": "DE", "198.51.100.0/24": "FR", "2001:db8::/32": "NO"} {
		if netip.MustParsePrefix(prefix).Contains(ip) {
			return riskstep.Place{Country: country, Known: true}, nil
		}
	}
	return riskstep.Place{}, nil
}

func (a *atlas) Age() time.Duration { return a.age }

const (
	inDE, inFR, nowhere, office = "192.0.2.7", "198.51.100.7", "203.0.113.7", "10.1.2.3"
)

// desk is an engine with what stands around it.
type desk struct {
	*riskstep.Engine
	t     testing.TB
	authn *authn.Service
	clock *authntest.Clock
	trail *authntest.Trail
	store riskstep.Store
	atlas *atlas
	keys  [][]byte
}

func newDesk(t testing.TB, change func(*riskstep.Options)) *desk {
	t.Helper()
	d := &desk{t: t, clock: authntest.NewClock(), trail: &authntest.Trail{}, atlas: &atlas{}, keys: [][]byte{bytes.Repeat([]byte{1}, 32)}}
	db := newEngine(t, d.clock)
	d.store = db
	d.authn = authntest.Service(t, authntest.Options{Engine: db, Clock: d.clock})
	o := riskstep.Options{Store: db, Geo: d.atlas, Audit: d.trail, Now: d.clock.Now, MaxGeoAge: 45 * 24 * time.Hour, NoGeo: riskstep.Absent, HashKey: func() [][]byte { return d.keys }}
	if change != nil {
		change(&o)
	}
	e, err := riskstep.New(o)
	if err != nil {
		t.Fatal(err)
	}
	d.Engine = e
	return d
}

func env(ip string, dev ident.DeviceID) ident.Env {
	e := ident.Env{Device: dev, UserAgent: "test"}
	if ip != "" {
		e.IP = netip.MustParseAddr(ip)
	}
	return e
}

// ask signs p in, with a code too where both is set, and asks for a decision.
func (d *desk) ask(p authntest.Person, both bool, e ident.Env, more func(*riskstep.Input)) riskstep.Decision {
	d.t.Helper()
	proof := authntest.Proof(d.t, d.authn, d.clock, p, both, e)
	best := ident.AAL1
	if p.TOTP != nil {
		best = ident.AAL2
	}
	in := riskstep.Input{Moment: riskstep.AtSignIn, Proof: proof, User: proof.User(), Client: "app", Env: e, Best: best}
	if more != nil {
		more(&in)
	}
	got, err := d.Decide(ctx, in)
	if err != nil {
		d.t.Fatal(err)
	}
	if got.For(in.Proof) != (got.Action() == riskstep.Allow) {
		d.t.Fatalf("%v, but For says %v", got.Action(), got.For(in.Proof))
	}
	d.clock.Advance(time.Minute) // codes work once
	return got
}

// settle makes e a habit of p.
func (d *desk) settle(p authntest.Person, e ident.Env) {
	d.t.Helper()
	dec := d.ask(p, p.TOTP != nil, e, nil)
	if dec.Action() != riskstep.Allow {
		d.t.Fatalf("settling: %v", dec.Action())
	}
	if err := d.Learn(ctx, dec); err != nil {
		d.t.Fatal(err)
	}
}

// L2: what a sign-in needs, by person, place and device.
func TestL2SignIn(t *testing.T) {
	home := env(inDE, "laptop")
	type want struct {
		action            riskstep.Action
		required          ident.Assurance
		reasons           []riskstep.Reason
		newDevice, abroad bool
	}
	need := func(a ident.Assurance) func(*riskstep.Input) { return func(in *riskstep.Input) { in.Need = a } }
	why := func(r ...riskstep.Reason) []riskstep.Reason { return r }
	for _, c := range []struct {
		name    string
		person  authntest.Person
		both    bool
		settled bool
		env     ident.Env
		more    func(*riskstep.Input)
		want    want
	}{
		{"first ever", authntest.Ann, false, false, home, nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"first ever of who has a second factor", authntest.Ben, false, false, home, nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"as usual", authntest.Ann, false, true, home, nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"same country, other address", authntest.Ann, false, true, env("192.0.2.250", "laptop"), nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"new country, can step up", authntest.Ben, false, true, env(inFR, "laptop"), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonCountry), false, true}},
		{"new country, cannot", authntest.Ann, false, true, env(inFR, "laptop"), nil, want{riskstep.Allow, ident.AAL1, why(riskstep.ReasonCountry), false, true}},
		{"new country, both factors", authntest.Ben, true, true, env(inFR, "laptop"), nil, want{riskstep.Allow, ident.AAL1, nil, false, true}},
		{"new device, can step up", authntest.Ben, false, true, env(inDE, "other"), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonDevice), true, false}},
		{"new device, cannot", authntest.Ann, false, true, env(inDE, "other"), nil, want{riskstep.Allow, ident.AAL1, why(riskstep.ReasonDevice), true, false}},
		{"no device cookie", authntest.Ben, false, true, env(inDE, ""), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonDevice), true, false}},
		{"both new", authntest.Ben, false, true, env(inFR, "other"), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonCountry, riskstep.ReasonDevice), true, true}},
		{"the client asks for more", authntest.Ben, false, true, home, need(ident.AAL2), want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonAction), false, false}},
		{"the client asks for what is there", authntest.Ben, true, true, home, need(ident.AAL2), want{riskstep.Allow, ident.AAL2, nil, false, false}},
		{"the client asks for the impossible", authntest.Ben, true, true, home, need(ident.PhishingResistant), want{riskstep.Deny, ident.PhishingResistant, why(riskstep.ReasonUnmet), false, false}},
		{"the client asks for what ann lacks", authntest.Ann, false, true, home, need(ident.AAL2), want{riskstep.Deny, ident.AAL2, why(riskstep.ReasonUnmet), false, false}},
		{"a public address not in the data", authntest.Ben, false, true, env(nowhere, "laptop"), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonCountry), false, true}},
		{"no address at all", authntest.Ben, false, true, env("", "laptop"), nil, want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonCountry), false, true}},
		{"a private address", authntest.Ben, false, true, env(office, "laptop"), nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"loopback", authntest.Ben, false, true, env("::1", "laptop"), nil, want{riskstep.Allow, ident.AAL1, nil, false, false}},
		{"a step-up to what the session holds", authntest.Ben, false, true, home, func(in *riskstep.Input) { in.Moment, in.Held = riskstep.AtStepUp, ident.AAL2 },
			want{riskstep.StepUp, ident.AAL2, why(riskstep.ReasonAction), false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, nil)
			if c.settled {
				d.settle(c.person, home)
			}
			d.trail.Events()
			got := d.ask(c.person, c.both, c.env, c.more)
			if w := (want{got.Action(), got.Required(), got.Reasons(), got.NewDevice(), got.NewCountry()}); w.action != c.want.action || w.required != c.want.required ||
				!slices.Equal(w.reasons, c.want.reasons) || w.newDevice != c.want.newDevice || w.abroad != c.want.abroad {
				t.Errorf("%+v, want %+v", w, c.want)
			}
			if evs := d.trail.Events(); len(evs) != 1 || evs[0].Type != "risk.decided" || evs[0].Data["action"] != c.want.action.String() {
				t.Errorf("recorded %+v", evs)
			}
		})
	}
}

// L6: data that is missing, stale or unreadable never counts as safe.
func TestL6SignalDown(t *testing.T) {
	home := env(inDE, "laptop")
	for _, c := range []struct {
		name  string
		spoil func(d *desk)
		want  riskstep.Action
	}{
		{"all well", func(*desk) {}, riskstep.Allow},
		{"the database fails", func(d *desk) { d.atlas.down = true }, riskstep.StepUp},
		{"the database is stale", func(d *desk) { d.atlas.age = 46 * 24 * time.Hour }, riskstep.StepUp},
		{"the profile is damaged", func(d *desk) {
			_, v, _ := d.store.RiskProfile(ctx, "u-ben")
			if err := d.store.SaveRiskProfile(ctx, "u-ben", v, []byte{1, 1, 7}); err != nil {
				d.t.Fatal(err)
			}
		}, riskstep.StepUp},
		{"the hash key is another", func(d *desk) { d.keys = [][]byte{bytes.Repeat([]byte{9}, 32)} }, riskstep.StepUp},
		{"the hash key was rotated", func(d *desk) { d.keys = [][]byte{bytes.Repeat([]byte{9}, 32), d.keys[0]} }, riskstep.Allow},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.settle(authntest.Ben, home)
			c.spoil(d)
			if got := d.ask(authntest.Ben, false, home, nil); got.Action() != c.want {
				t.Errorf("%v, want %v", got.Action(), c.want)
			}
		})
	}
}

// No database at all is a choice of the operator: it steps nobody up, unless policy insists.
func TestNoGeo(t *testing.T) {
	for state, want := range map[riskstep.State]riskstep.Action{riskstep.Absent: riskstep.Allow, riskstep.Unknown: riskstep.StepUp} {
		d := newDesk(t, func(o *riskstep.Options) { o.Geo, o.NoGeo = nil, state })
		d.settle(authntest.Ben, env(inDE, "laptop"))
		if got := d.ask(authntest.Ben, false, env(inFR, "laptop"), nil); got.Action() != want {
			t.Errorf("%v: %v, want %v", state, got.Action(), want)
		}
	}
}

type downStore struct{ riskstep.Store }

var errDown = errors.New("store down")

func (downStore) RiskProfile(context.Context, ident.UserID) ([]byte, int64, error) {
	return nil, 0, errDown
}

// L6: without the store, and without the audit trail, there is no decision.
func TestL6StoreDown(t *testing.T) {
	d := newDesk(t, func(o *riskstep.Options) { o.Store = downStore{o.Store} })
	p := authntest.Proof(t, d.authn, d.clock, authntest.Ann, false, env(inDE, ""))
	in := riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: env(inDE, ""), Best: ident.AAL1}
	if got, err := d.Decide(ctx, in); !errors.Is(err, errDown) || got.For(p) {
		t.Errorf("%v, %v", got.Action(), err)
	}
	d = newDesk(t, nil)
	d.settle(authntest.Ann, env(inDE, "laptop"))
	p = authntest.Proof(t, d.authn, d.clock, authntest.Ann, false, env(inFR, ""))
	in.Proof, in.Env = p, env(inFR, "")
	d.trail.Down(true)
	if got, err := d.Decide(ctx, in); !errors.Is(err, authntest.ErrTrail) || got.For(p) {
		t.Errorf("%v, %v", got.Action(), err)
	}
}

// L4: a refresh from another country than its grant's.
func TestL4Refresh(t *testing.T) {
	de := riskstep.Snapshot{Country: "DE"}
	for _, c := range []struct {
		name string
		in   riskstep.Input
		off  bool
		down bool
		want riskstep.Action
	}{
		{"at home", riskstep.Input{Env: env(inDE, ""), Was: de}, false, false, riskstep.Allow},
		{"abroad with a bearer token", riskstep.Input{Env: env(inFR, ""), Was: de}, false, false, riskstep.StepUp},
		{"abroad with a bound token", riskstep.Input{Env: env(inFR, ""), Was: de, Bound: true}, false, false, riskstep.Allow},
		{"abroad, policy off", riskstep.Input{Env: env(inFR, ""), Was: de}, true, false, riskstep.Allow},
		{"nobody knows where", riskstep.Input{Env: env(inDE, ""), Was: de}, false, true, riskstep.StepUp},
		{"nobody knew where", riskstep.Input{Env: env(inFR, "")}, false, false, riskstep.Allow},
		{"from a private address", riskstep.Input{Env: env(office, ""), Was: de}, false, false, riskstep.Allow},
		{"held too little", riskstep.Input{Env: env(inDE, ""), Was: de, Need: ident.AAL2, Held: ident.AAL1}, false, false, riskstep.StepUp},
		{"held enough", riskstep.Input{Env: env(inDE, ""), Was: de, Need: ident.AAL2, Held: ident.AAL2}, false, false, riskstep.Allow},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, func(o *riskstep.Options) {
				conf := policy.DefaultConfig()
				conf.Abroad = !c.off
				var err error
				if o.Policy, err = conf.Build(); err != nil {
					t.Fatal(err)
				}
			})
			d.atlas.down = c.down
			for _, m := range []riskstep.Moment{riskstep.AtRefresh, riskstep.AtIntrospect} {
				c.in.Moment, c.in.User = m, "u-ann"
				got, err := d.Decide(ctx, c.in)
				if err != nil || got.Action() != c.want {
					t.Fatalf("%v, %v, want %v", got.Action(), err, c.want)
				}
				if err := d.Learn(ctx, got); err != nil {
					t.Fatal(err)
				}
				if blob, _, _ := d.store.RiskProfile(ctx, "u-ann"); blob != nil {
					t.Error("a refresh taught a habit")
				}
			}
		})
	}
}

// A decision is about one proof, and the zero decision about none.
func TestDecisionIsBound(t *testing.T) {
	d := newDesk(t, nil)
	e := env(inDE, "laptop")
	p := authntest.Proof(t, d.authn, d.clock, authntest.Ann, false, e)
	q := authntest.Proof(t, d.authn, d.clock, authntest.Ann, false, e)
	b := authntest.Proof(t, d.authn, d.clock, authntest.Ben, false, e)
	got, err := d.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: e, Best: ident.AAL1})
	if err != nil || !got.For(p) || got.For(q) || got.For(b) || got.For(authn.Proof{}) {
		t.Errorf("%v: p %v q %v b %v", err, got.For(p), got.For(q), got.For(b))
	}
	var zero riskstep.Decision
	if zero.For(p) || zero.For(authn.Proof{}) || zero.Action() != riskstep.Deny {
		t.Error("the zero decision allows something")
	}
	for name, in := range map[string]riskstep.Input{
		"no moment":          {Proof: p, User: p.User()},
		"no proof":           {Moment: riskstep.AtSignIn, User: p.User()},
		"another's proof":    {Moment: riskstep.AtSignIn, Proof: p, User: "u-ben"},
		"a proof at refresh": {Moment: riskstep.AtRefresh, Proof: p, User: p.User()},
		"nobody at refresh":  {Moment: riskstep.AtRefresh},
		"a moment to come":   {Moment: 99, Proof: p, User: p.User()},
	} {
		if _, err := d.Decide(ctx, in); !errors.Is(err, riskstep.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only what was allowed teaches, and two who learn at once both do.
func TestLearn(t *testing.T) {
	d := newDesk(t, nil)
	home := env(inDE, "laptop")
	one, two := d.ask(authntest.Ben, true, home, nil), d.ask(authntest.Ben, true, env(inFR, "phone"), nil)
	for _, dec := range []riskstep.Decision{one, two} {
		if err := d.Learn(ctx, dec); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []ident.Env{home, env(inFR, "phone"), env(inFR, "laptop")} {
		if got := d.ask(authntest.Ben, false, e, nil); got.Action() != riskstep.Allow {
			t.Errorf("%v: %v", e, got.Reasons())
		}
	}
	away := env("2001:db8::1", "stolen")
	refused := d.ask(authntest.Ben, false, away, nil)
	if err := d.Learn(ctx, refused); err != nil {
		t.Fatal(err)
	}
	if got := d.ask(authntest.Ben, false, away, nil); got.Action() != riskstep.StepUp {
		t.Error("a refused sign-in became a habit")
	}
	for i := range 40 {
		dec := d.ask(authntest.Ann, false, env(inDE, ident.DeviceID(rune('a'+i))), nil)
		if err := d.Learn(ctx, dec); err != nil {
			t.Fatal(err)
		}
	}
	if blob, _, _ := d.store.RiskProfile(ctx, "u-ann"); len(blob) == 0 || len(blob) > 1024 {
		t.Errorf("the profile has %d bytes", len(blob))
	}
}

func BenchmarkDecide(b *testing.B) {
	d := newDesk(b, nil)
	e := env(inDE, "laptop")
	d.settle(authntest.Ben, e)
	p := authntest.Proof(b, d.authn, d.clock, authntest.Ben, false, e)
	in := riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: e, Best: ident.AAL2}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := d.Decide(ctx, in); err != nil || got.Action() != riskstep.Allow {
			b.Fatal(got.Action(), err)
		}
	}
}
