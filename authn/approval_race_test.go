package authn_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// finals are the events that an outcome leaves, by the state that it is.
var finals = map[string]authn.ApprovalState{
	"approval.approved": authn.ApprovalApproved, "approval.denied": authn.ApprovalDenied, "approval.wrong_number": authn.ApprovalWrong,
	"approval.cancelled": authn.ApprovalCancelled, "approval.superseded": authn.ApprovalSuperseded,
}

// Of 64 who decide a request at the same moment, in every way there is, while its time ends, one does; everybody else
// learns what it was, the trail knows of that one only, and it stays.
func TestOneOutcome(t *testing.T) {
	won := map[authn.ApprovalState]int{}
	a := newApproving(t)
	for round := range 30 {
		a.clock.Advance(time.Hour) // past all limits
		handle, number := a.ask(t, question())
		ready := make([][2]any, 64) // options and ceremony of those who approve
		for i := 0; i < 64; i += 4 {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			ready[i] = [2]any{a.key.Assert(t, options), ceremony}
		}
		a.trail.Events()
		if round%3 == 0 {
			a.clock.Advance(authn.ApprovalLife - time.Microsecond)
		}
		var wg sync.WaitGroup
		begin := make(chan struct{})
		errs, seen := make([]error, 64), make([]authn.ApprovalState, 64)
		for i := range 64 {
			wg.Go(func() {
				<-begin
				if i%4 != 0 && round%2 == 0 { // to sign takes longest: others give them a start
					time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
				}
				switch i % 4 {
				case 0:
					_, errs[i] = a.ApproveByPasskey(ctx, cas.ID, handle, ready[i][1].(string), bind, ready[i][0].([]byte), env(phone))
				case 1:
					errs[i] = a.DenyApproval(ctx, cas.ID, handle, authn.DenyCancel, env(phone))
				case 2:
					errs[i] = a.CancelApproval(ctx, handle, asker)
				case 3:
					if round%3 == 0 {
						a.clock.Advance(time.Microsecond)
					}
					var got authn.Approval
					got, errs[i] = a.Approval(ctx, cas.ID, handle)
					seen[i] = got.State
				}
			})
		}
		close(begin)
		wg.Wait()
		last, err := a.Approval(ctx, cas.ID, handle)
		if err != nil || last.State == authn.ApprovalPending {
			t.Fatalf("in the end %s, %v", last.State, err)
		}
		won[last.State]++
		wins := 0
		for i, err := range errs {
			switch {
			case i%4 == 3 && (err != nil || seen[i] != authn.ApprovalPending && seen[i] != last.State):
				t.Errorf("one who looked saw %s, %v; it is %s", seen[i], err, last.State)
			case i%4 == 3:
			case i%4 == 0 && errors.Is(err, authn.ErrBusy): // sixteen at once use one passkey, whose counter moves on each time
			case err == nil:
				wins++
				if want := []authn.ApprovalState{authn.ApprovalApproved, authn.ApprovalDenied, authn.ApprovalCancelled}[i%4]; last.State != want {
					t.Errorf("one made it %s, and it is %s", want, last.State)
				}
			case state(err) != last.State:
				t.Errorf("a loser was told %v; it is %s", err, last.State)
			}
		}
		told := 0
		for _, e := range a.trail.Events() {
			if s := finals[e.Type]; s != "" {
				told++
				if s != last.State {
					t.Errorf("the trail says %s, it is %s", e.Type, last.State)
				}
			}
		}
		if want := map[bool]int{true: 0, false: 1}[last.State == authn.ApprovalExpired]; wins != want || told != want {
			t.Errorf("%d won, the trail knows of %d, want %d", wins, told, want)
		}
	}
	t.Log(won)
}

// A proof goes to one of many.
func TestOneProof(t *testing.T) {
	a := newApproving(t)
	handle, number := a.ask(t, question())
	if _, err := a.approve(t, handle, number); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() { _, errs[i] = a.ApprovedProof(ctx, handle, asker) })
	}
	wg.Wait()
	got := 0
	for _, err := range errs {
		if err == nil {
			got++
		} else if !errors.Is(err, authn.ErrNoApproval) {
			t.Error(err)
		}
	}
	if got != 1 {
		t.Errorf("%d proofs", got)
	}
}

// model is what the state machine knows of one request.
type model struct {
	handle, number, bind string
	state                authn.ApprovalState
	ends                 time.Time
	redeemed             bool
}

// TestApprovalModel runs whatever may happen to requests, in any order, against a model of five lines.
func TestApprovalModel(t *testing.T) {
	a := newApproving(t)
	rapid.Check(t, func(r *rapid.T) {
		a.clock.Advance(time.Hour) // past all limits, and whatever waited before
		var all []*model
		pick := func(r *rapid.T) *model {
			if len(all) == 0 {
				r.Skip()
			}
			return all[rapid.IntRange(0, len(all)-1).Draw(r, "request")]
		}
		now := func(m *model) authn.ApprovalState {
			if m.state == authn.ApprovalPending && !a.clock.Now().Before(m.ends) {
				m.state = authn.ApprovalExpired
			}
			return m.state
		}
		// try says whether what was tried had to succeed, and what the loser is told.
		try := func(r *rapid.T, what string, m *model, to authn.ApprovalState, err error) {
			was := now(m)
			switch {
			case was == authn.ApprovalPending && err == nil:
				m.state = to
			case was == authn.ApprovalPending, state(err) != was:
				r.Fatalf("%s of one that is %s: %v", what, was, err)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"ask": func(r *rapid.T) {
				q := question()
				q.Kind, q.Bind = authn.ApproveBackchannel, fmt.Sprint(rapid.IntRange(0, 2).Draw(r, "bind"))
				q.Client = "c" // its limits are far, and the cool-down its own
				q.Life = time.Duration(rapid.IntRange(1, 600).Draw(r, "life")) * time.Second
				handle, number, err := a.AskApproval(ctx, q)
				if _, much := errors.AsType[authn.Throttled](err); much {
					r.Skip()
				}
				if err != nil {
					r.Fatal(err)
				}
				for _, m := range all {
					if m.bind == q.Bind && now(m) == authn.ApprovalPending {
						m.state = authn.ApprovalSuperseded
					}
				}
				all = append(all, &model{handle: handle, number: number, bind: q.Bind, state: authn.ApprovalPending, ends: a.clock.Now().Add(q.Life)})
			},
			"wait": func(r *rapid.T) {
				a.clock.Advance(time.Duration(rapid.IntRange(1, 300).Draw(r, "seconds")) * time.Second)
			},
			"approve": func(r *rapid.T) {
				m := pick(r)
				_, err := a.approve(t, m.handle, m.number)
				if forgotten(m, a, err) {
					return
				}
				try(r, "approval", m, authn.ApprovalApproved, err)
			},
			"mistype": func(r *rapid.T) {
				m := pick(r)
				_, err := a.approve(t, m.handle, other(m.number))
				if forgotten(m, a, err) {
					return
				}
				if was := now(m); was == authn.ApprovalPending && state(err) == authn.ApprovalWrong {
					m.state = authn.ApprovalWrong
				} else if state(err) != was {
					r.Fatalf("a wrong number for one that is %s: %v", was, err)
				}
			},
			"deny": func(r *rapid.T) {
				m := pick(r)
				err := a.DenyApproval(ctx, cas.ID, m.handle, authn.DenyCancel, env(phone))
				if forgotten(m, a, err) {
					return
				}
				try(r, "denial", m, authn.ApprovalDenied, err)
			},
			"cancel": func(r *rapid.T) {
				m := pick(r)
				err := a.CancelApproval(ctx, m.handle, m.bind)
				if forgotten(m, a, err) {
					return
				}
				try(r, "cancellation", m, authn.ApprovalCancelled, err)
			},
			"redeem": func(r *rapid.T) {
				m := pick(r)
				_, err := a.ApprovedProof(ctx, m.handle, m.bind)
				switch was := now(m); {
				case forgotten(m, a, err):
				case was == authn.ApprovalApproved && !m.redeemed && err == nil:
					m.redeemed = true
				case was == authn.ApprovalApproved && m.redeemed && errors.Is(err, authn.ErrNoApproval):
				case was != authn.ApprovalApproved && state(err) == was:
				default:
					r.Fatalf("proof of one that is %s (redeemed %v): %v", was, m.redeemed, err)
				}
			},
			"": func(r *rapid.T) {
				var wait []string
				for _, m := range all {
					got, err := a.AskedApproval(ctx, m.handle, m.bind)
					if forgotten(m, a, err) {
						continue
					}
					if err != nil || got.State != now(m) || got.Number != m.number {
						r.Fatalf("%+v, %v, want %s", got, err, m.state)
					}
					if m.state == authn.ApprovalPending {
						wait = append(wait, m.handle)
					}
				}
				list, err := a.PendingApprovals(ctx, cas.ID)
				if err != nil {
					r.Fatal(err)
				}
				var got []string
				for _, p := range list {
					got = append(got, p.Handle)
				}
				slices.Sort(got)
				slices.Sort(wait)
				if !slices.Equal(got, wait) {
					r.Fatalf("%v wait, want %v", got, wait)
				}
			},
		})
	})
}

// forgotten says whether err is due to the store having forgotten m by now.
func forgotten(m *model, a *approving, err error) bool {
	return errors.Is(err, authn.ErrNoApproval) && !a.clock.Now().Before(m.ends.Add(authn.ProofLife))
}

// another is somebody with an app that approves.
func (a *approving) another(t *testing.T, id string) ident.UserID {
	t.Helper()
	authntest.Enrol(t, a.Service, a.engine, authntest.Person{ID: ident.UserID(id), Username: id})
	app := authn.Approver{ID: "a" + id, User: ident.UserID(id), Kind: authn.ApproverApp, CreatedAt: a.clock.Now()}
	if err := a.engine.AddApprover(ctx, app); err != nil {
		t.Fatal(err)
	}
	return app.User
}

func TestAskLimits(t *testing.T) {
	throttled := func(a *approving, q authn.Ask) bool {
		t.Helper()
		_, _, err := a.AskApproval(ctx, q)
		_, yes := errors.AsType[authn.Throttled](err)
		if err != nil && !yes {
			t.Fatal(err)
		}
		return yes
	}
	t.Run("three sign-ins of a person, with one entry of the flood", func(t *testing.T) {
		a := newApproving(t)
		for i := range 6 {
			q := question()
			q.Client = "" // no client of its own either
			q.Env.Device, q.Env.IP = "", from(fmt.Sprintf("192.0.%d.1", i), "").IP
			if throttled(a, q) != (i >= 3) {
				t.Errorf("question %d", i)
			}
		}
		floods := 0
		for _, e := range a.trail.Events() {
			if e.Type == "approval.flooded" {
				floods++
			}
		}
		if floods != 1 {
			t.Errorf("%d floods", floods)
		}
		a.clock.Advance(15 * time.Minute)
		if throttled(a, question()) {
			t.Error("for ever")
		}
	})
	t.Run("six of one client", func(t *testing.T) {
		a := newApproving(t)
		for i := range 8 {
			q := authn.Ask{Kind: authn.ApproveBackchannel, User: cas.ID, Client: "bank", Bind: asker}
			if throttled(a, q) != (i >= 6) {
				t.Errorf("question %d", i)
			}
		}
		if throttled(a, authn.Ask{Kind: authn.ApproveBackchannel, User: cas.ID, Client: "shop", Bind: asker}) {
			t.Error("another client")
		}
	})
	t.Run("thirty from one network", func(t *testing.T) {
		a := newApproving(t)
		for i := range 31 {
			q := question()
			q.User = a.another(t, fmt.Sprint("u-", i))
			if throttled(a, q) != (i >= 30) {
				t.Errorf("question %d", i)
			}
		}
	})
	t.Run("five wait at once", func(t *testing.T) {
		a := newApproving(t)
		for i := range 7 {
			q := authn.Ask{Kind: authn.ApproveBackchannel, User: cas.ID, Client: ident.ClientID(fmt.Sprint("bank", i)), Bind: fmt.Sprint(i)}
			if throttled(a, q) != (i >= 5) {
				t.Errorf("question %d", i)
			}
		}
		if list, err := a.PendingApprovals(ctx, cas.ID); err != nil || len(list) != 5 {
			t.Errorf("%d wait, %v", len(list), err)
		}
	})
}

// After "it was not me" nobody unknown may ask again, the device that asked neither, and the password is in doubt.
func TestNotMe(t *testing.T) {
	a := newApproving(t)
	ann := authntest.Ann
	app := newApp(t, a.house, ann.ID)
	handle, _ := a.ask(t, annAsks(laptop))
	if p := authntest.Proof(t, a.Service, a.clock, ann, false, env(laptop)); p.Doubted() { // and the laptop is known from now on
		t.Error("in doubt before")
	}
	authntest.Proof(t, a.Service, a.clock, ann, false, env("d-office"))
	a.trail.Events()
	if err := a.DenyApproval(ctx, ann.ID, handle, "", env(phone)); err != nil {
		t.Fatal(err)
	}
	if e := a.trail.Events(); len(e) != 1 || e[0].Type != "approval.denied" || e[0].Reason != authn.DenyNotMe {
		t.Errorf("%+v", e)
	}
	for _, c := range []struct {
		name   string
		device ident.DeviceID
		want   bool
	}{{"the device that asked", laptop, true}, {"an unknown one", "d-new", true}, {"one without a cookie", "", true}, {"one that Ann knows", "d-office", false}} {
		_, _, err := a.AskApproval(ctx, annAsks(c.device))
		if _, got := errors.AsType[authn.Throttled](err); got != c.want || !got && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	p := authntest.Proof(t, a.Service, a.clock, ann, false, env("d-office"))
	if !p.Doubted() {
		t.Error("the password is not in doubt")
	}
	held, err := a.Hold(ctx, p, bind)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = a.Resume(ctx, held, bind); err != nil || !p.Doubted() {
		t.Errorf("held: %v, %v", p.Doubted(), err)
	}
	if both, err := p.With(p); err != nil || !both.Doubted() {
		t.Errorf("with another: %v", err)
	}
	a.clock.Advance(15 * time.Minute)
	if _, _, err := a.AskApproval(ctx, annAsks(laptop)); err != nil {
		t.Errorf("for ever: %v", err)
	}
	u, err := a.engine.User(ctx, ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	ann.Password = "nine yellow lanterns"
	if _, err := a.SetPassword(ctx, u, ann.Password); err != nil {
		t.Fatal(err)
	}
	if authntest.Proof(t, a.Service, a.clock, ann, false, env("d-office")).Doubted() {
		t.Error("another password is in doubt")
	}
	_ = app
}

func annAsks(device ident.DeviceID) authn.Ask {
	q := question()
	q.User, q.Env = authntest.Ann.ID, env(device)
	return q
}

// A change of mind is no alarm, one slip neither; two are.
func TestDoubt(t *testing.T) {
	a := newApproving(t)
	ann := authntest.Ann
	a.enrol(t, a.key, ann.ID)
	if _, err := a.EnrolBrowser(ctx, ann.ID, "", env(phone)); err != nil {
		t.Fatal(err)
	}
	doubted := func() bool { return authntest.Proof(t, a.Service, a.clock, ann, false, env(laptop)).Doubted() }
	handle, _ := a.ask(t, annAsks(laptop))
	if err := a.DenyApproval(ctx, ann.ID, handle, authn.DenyCancel, env(phone)); err != nil || doubted() {
		t.Errorf("a change of mind: %v", err)
	}
	for i := range 2 {
		handle, number := a.ask(t, annAsks(laptop))
		if _, _, err := a.BeginApprove(ctx, ann.ID, handle, other(number), bind, env(phone)); state(err) != authn.ApprovalWrong {
			t.Fatal(err)
		}
		if doubted() != (i == 1) {
			t.Errorf("after %d wrong numbers: %v", i+1, doubted())
		}
	}
	a.clock.Advance(24 * time.Hour)
	if doubted() {
		t.Error("for ever")
	}
}
