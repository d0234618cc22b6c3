package sessions_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
)

// The limits of the model's world, short so that time does things.
var worldPolicy = sessions.Policy{
	Lives: [ident.HardwareBound + 1]sessions.Life{
		ident.AAL1: {Idle: 20 * time.Minute, Absolute: time.Hour}, ident.AAL2: {Idle: 10 * time.Minute, Absolute: 40 * time.Minute},
		ident.PhishingResistant: {Idle: time.Hour, Absolute: time.Hour}, ident.HardwareBound: {Idle: time.Hour, Absolute: time.Hour},
	},
	PerUser: 3,
}

// twin is what a session must be like, written down without looking at it.
type twin struct {
	n                        int
	id                       ident.SessionID
	who                      authntest.Person
	base, raised             ident.Assurance
	raisedUntil              time.Time
	env                      ident.Env
	cookie, before           string
	older                    []string
	beforeUntil, rotated     time.Time
	seen, idleUntil, expires time.Time
	idle                     time.Duration
	ended                    bool
}

func (w *twin) live(now time.Time) bool {
	return !w.ended && now.Before(w.idleUntil) && now.Before(w.expires)
}

func (w *twin) reached(now time.Time) ident.Assurance {
	if !w.live(now) {
		return ident.None
	}
	if now.Before(w.raisedUntil) {
		return max(w.base, w.raised)
	}
	return w.base
}

func (w *twin) renew(cookie string, now time.Time) {
	w.older = append(w.older, w.before)
	w.before, w.beforeUntil, w.cookie, w.rotated = w.cookie, now.Add(30*time.Second), cookie, now
}

func (w *twin) use(now time.Time) {
	if now.Sub(w.seen) >= time.Minute {
		w.seen, w.idleUntil = now, now.Add(w.idle)
	}
}

// world drives a real manager and its twins side by side.
type world struct {
	*rapid.T
	d     *desk
	twins []*twin
}

func (w *world) now() time.Time { return w.d.clock.Now() }

func (w *world) start(who authntest.Person, both bool, env ident.Env) {
	s, cookie := w.d.start(w, who, both, env)
	w.d.clock.Advance(time.Second) // the order of sessions is that of their starts
	life := worldPolicy.Lives[s.Assurance]
	want := ident.AAL1
	if both {
		want = ident.AAL2
	}
	if s.Assurance != want {
		w.Fatalf("started at %v, want %v", s.Assurance, want)
	}
	at := w.now().Add(-time.Second)
	w.twins = append(w.twins, &twin{n: len(w.twins), id: s.ID, who: who, base: want, env: env, cookie: cookie, rotated: at,
		seen: at, idle: life.Idle, idleUntil: at.Add(life.Idle), expires: at.Add(life.Absolute)})
	w.evict(who, at)
}

// evict ends the oldest beyond three, as they stood at the start of the newest.
func (w *world) evict(who authntest.Person, at time.Time) {
	room := worldPolicy.PerUser
	for _, t := range slices.Backward(w.twins) {
		if t.who.ID == who.ID && t.live(at) {
			if room--; room < 0 {
				t.ended = true
			}
		}
	}
}

func (w *world) raise(t *twin, both bool) {
	held := t.reached(w.now())
	p, dec := w.d.prove(w, riskstep.AtStepUp, t.who, both, t.env, ident.None)
	now := w.now()
	s, cookie, err := w.d.Raise(ctx, sessions.Session{ID: t.id, User: t.who.ID}, p, dec, t.env)
	held = t.reached(now)
	switch {
	case !t.live(now):
		w.want("Raise", t, err, sessions.ErrNone)
	case p.Assurance() < held:
		w.want("Raise", t, err, sessions.ErrWeaker)
	default:
		w.want("Raise", t, err, nil)
		if p.Assurance() > t.base {
			t.raised, t.raisedUntil = p.Assurance(), now.Add(10*time.Minute)
		}
		life := worldPolicy.Lives[t.base]
		t.seen, t.idleUntil, t.expires = now, now.Add(life.Idle), now.Add(life.Absolute)
		t.renew(cookie, now)
		if s.Reached(now) != t.reached(now) || !s.AuthTime.Equal(now) {
			w.Fatalf("raised %d to %v at %v, want %v", t.n, s.Reached(now), s.AuthTime, t.reached(now))
		}
	}
}

func (w *world) check(t *twin, which string, env ident.Env) {
	now := w.now()
	cookie, ok := t.cookie, t.live(now)
	switch which {
	case "before":
		if cookie = t.before; cookie == "" {
			return
		}
		ok = ok && now.Before(t.beforeUntil) && env.Device == t.env.Device
	case "older":
		if len(t.older) == 0 {
			return
		}
		cookie, ok = t.older[len(t.older)-1], false
	}
	s, fresh, err := w.d.Check(ctx, cookie, env)
	if !ok {
		w.want("Check "+which, t, err, sessions.ErrNone)
		if s.ID != "" || fresh != "" {
			w.Fatalf("a refusal gives away %q %q", s.ID, fresh)
		}
		return
	}
	w.want("Check "+which, t, err, nil)
	if due := which == "current" && now.Sub(t.rotated) >= 15*time.Minute; due != (fresh != "") {
		w.Fatalf("Check %s of %d: new cookie %q, due %v", which, t.n, fresh, due)
	}
	t.use(now)
	if fresh != "" {
		t.renew(fresh, now)
	}
	if s.ID != t.id || s.User != t.who.ID || s.Reached(now) != t.reached(now) || !s.IdleUntil.Equal(t.idleUntil) || !s.ExpiresAt.Equal(t.expires) {
		w.Fatalf("Check of %d: %+v, want %+v", t.n, s, t)
	}
}

func (w *world) want(what string, t *twin, err, want error) {
	w.Helper()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		w.Fatalf("%s of %d at %v: %v, want %v (%+v)", what, t.n, w.now(), err, want, t)
	}
}

// audit asks which sessions there are, and about one of them.
func (w *world) audit() {
	now := w.now()
	if len(w.twins) > 0 {
		t := rapid.SampledFrom(w.twins).Draw(w.T, "asked about")
		s, err := w.d.Alive(ctx, t.id)
		if t.live(now) {
			w.want("Alive", t, err, nil)
			if s.Reached(now) != t.reached(now) {
				w.Fatalf("%d reached %v, want %v", t.n, s.Reached(now), t.reached(now))
			}
		} else {
			w.want("Alive", t, err, sessions.ErrNone)
		}
	}
	for _, who := range []authntest.Person{authntest.Ann, authntest.Ben} {
		var got, want []ident.SessionID
		all, err := w.d.List(ctx, who.ID)
		if err != nil {
			w.Fatalf("List: %v", err)
		}
		for _, s := range all {
			got = append(got, s.ID)
		}
		for _, t := range slices.Backward(w.twins) {
			if t.who.ID == who.ID && t.live(now) {
				want = append(want, t.id)
			}
		}
		if !slices.Equal(got, want) {
			w.Fatalf("sessions of %s: %v, want %v", who.Username, got, want)
		}
	}
}

// Whatever happens in whatever order: an ended, idle or expired session is never returned, and an old
// secret works only within its grace and on its device.
func TestModel(t *testing.T) {
	d := newDesk(t, worldPolicy)
	rapid.Check(t, func(r *rapid.T) {
		for _, who := range []ident.UserID{"u-ann", "u-ben"} {
			if _, err := d.EndAll(ctx, who, "", "new world"); err != nil {
				r.Fatalf("%v", err)
			}
		}
		w := &world{T: r, d: d}
		envs := rapid.SampledFrom([]ident.Env{laptop, phone})
		some := func() *twin {
			if len(w.twins) == 0 {
				r.Skip("nobody is here yet")
			}
			return rapid.SampledFrom(w.twins).Draw(r, "session")
		}
		r.Repeat(map[string]func(*rapid.T){
			"start ann": func(r *rapid.T) { w.start(authntest.Ann, false, envs.Draw(r, "env")) },
			"start ben": func(r *rapid.T) { w.start(authntest.Ben, rapid.Bool().Draw(r, "both"), envs.Draw(r, "env")) },
			"raise": func(r *rapid.T) {
				t := some()
				w.raise(t, t.who.TOTP != nil && rapid.Bool().Draw(r, "both"))
			},
			"check current": func(r *rapid.T) { w.check(some(), "current", envs.Draw(r, "env")) },
			"check again":   func(r *rapid.T) { w.check(some(), "current", envs.Draw(r, "env")) },
			"check before":  func(r *rapid.T) { w.check(some(), "before", envs.Draw(r, "env")) },
			"check older":   func(r *rapid.T) { w.check(some(), "older", envs.Draw(r, "env")) },
			"touch": func(r *rapid.T) {
				t := some()
				err := d.Touch(ctx, t.id)
				if t.live(w.now()) {
					w.want("Touch", t, err, nil)
					t.use(w.now())
				} else {
					w.want("Touch", t, err, sessions.ErrNone)
				}
			},
			"end": func(r *rapid.T) {
				t := some()
				err := d.End(ctx, t.id, "logout")
				if t.ended {
					w.want("End", t, err, sessions.ErrNone)
				} else {
					w.want("End", t, err, nil)
				}
				t.ended = true
			},
			"end all": func(r *rapid.T) {
				keep := some()
				if _, err := d.EndAll(ctx, keep.who.ID, keep.id, "operator"); err != nil {
					r.Fatalf("EndAll: %v", err)
				}
				for _, t := range w.twins {
					if t.who.ID == keep.who.ID && t != keep {
						t.ended = true
					}
				}
			},
			"time": func(r *rapid.T) {
				d.clock.Advance(rapid.SampledFrom([]time.Duration{
					time.Second, 29 * time.Second, 30 * time.Second, 59 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute,
				}).Draw(r, "pass"))
			},
			"": func(*rapid.T) { w.audit() },
		})
	})
}
