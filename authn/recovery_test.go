package authn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// postbox keeps what owners are told.
type postbox struct {
	mu   sync.Mutex
	news []told
	down bool
}

type told struct {
	authn.RecoveryNews
	user ident.UserID
}

func (p *postbox) tell(_ context.Context, u authn.User, n authn.RecoveryNews) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errors.New("the postbox is down")
	}
	if u.ID != "" {
		p.news = append(p.news, told{n, u.ID})
	}
	return nil
}

// take returns the steps that were told since the last call, and the last secret among them.
func (p *postbox) take() (steps []authn.RecoveryStep, secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.news {
		if steps = append(steps, n.Step); n.Secret != "" {
			secret = n.Secret
		}
	}
	p.news = nil
	return steps, secret
}

type clinic struct {
	*house
	box *postbox
}

func newClinic(t testing.TB, p authn.Policy, people ...authntest.Person) *clinic {
	t.Helper()
	c := &clinic{house: &house{clock: authntest.NewClock(), trail: &authntest.Trail{}}, box: &postbox{}}
	c.engine = newEngine(t, c.clock)
	c.Service = authntest.Service(t, authntest.Options{Engine: c.engine, Clock: c.clock, Trail: c.trail, Policy: p, People: people, Tell: c.box.tell})
	c.trail.Events()
	return c
}

const newPassword = "eleven purple kettles"

var mailbox = from("198.51.100.7", "library")

// start asks for a link and returns its secret.
func (c *clinic) start(t testing.TB, identifier string) string {
	t.Helper()
	if err := c.StartRecovery(ctx, identifier, mailbox); err != nil {
		t.Fatal(err)
	}
	_, secret := c.box.take()
	return secret
}

func (c *clinic) opened(t testing.TB, identifier string) string {
	t.Helper()
	secret := c.start(t, identifier)
	if _, err := c.OpenRecovery(ctx, secret, mailbox); err != nil {
		t.Fatal(err)
	}
	c.box.take()
	return secret
}

// The whole way of somebody who forgot their password and has nothing else: link, wait, new password, one factor only
// until another is added.
func TestRecovery(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	secret := c.start(t, "ann@example.com")
	steps := func(want ...authn.RecoveryStep) {
		t.Helper()
		if got, _ := c.box.take(); !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	if r, err := c.RecoveryStatus(ctx, secret); err != nil || r.Step != authn.RecoveryRequested || r.User != "u-ann" {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := c.RecoverPassword(ctx, secret, newPassword, mailbox); !errors.Is(err, authn.ErrTooEarly) {
		t.Errorf("before it is opened: %v", err)
	}
	r, err := c.OpenRecovery(ctx, secret, mailbox)
	if err != nil || !r.ReadyAt.Equal(c.clock.Now().Add(24*time.Hour)) {
		t.Fatalf("%+v %v", r, err)
	}
	steps(authn.RecoveryOpened)
	c.clock.Advance(24*time.Hour - time.Second)
	if again, err := c.OpenRecovery(ctx, secret, mailbox); err != nil || again != r {
		t.Errorf("opened again: %+v %v", again, err)
	}
	if _, err := c.RecoverPassword(ctx, secret, newPassword, mailbox); !errors.Is(err, authn.ErrTooEarly) {
		t.Errorf("a second too early: %v", err)
	}
	c.clock.Advance(time.Second)
	if _, err := c.RecoverPassword(ctx, secret, "short", mailbox); !errors.As(err, new(authn.WeakPassword)) {
		t.Errorf("a weak password: %v", err)
	}
	if u, _ := c.engine.User(ctx, "u-ann"); !u.RecoveredAt.IsZero() {
		t.Error("a refused password marks the account")
	}
	steps()
	out, err := c.RecoverPassword(ctx, secret, newPassword, mailbox)
	if err != nil || !out.Lowered || !out.Before.Password || out.User.ID != "u-ann" {
		t.Fatalf("%+v %v", out, err)
	}
	steps(authn.RecoveryDone)
	if _, err := c.RecoverPassword(ctx, secret, "twelve purple kettles", mailbox); !errors.Is(err, authn.ErrNoRecovery) {
		t.Errorf("twice: %v", err)
	}
	if err := c.try("ann", authntest.Ann.Password, mailbox); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	p, err := c.Password(ctx, authn.Attempt{Identifier: "ann", Password: newPassword, Env: mailbox})
	if err != nil || !p.Recovered() || p.Assurance() != ident.AAL1 {
		t.Errorf("recovered %v, %v, %v", p.Recovered(), p.Assurance(), err)
	}
	if types := c.types("recovery."); !slices.Equal(types, []string{"recovery.requested", "recovery.opened", "recovery.done"}) {
		t.Errorf("%v", types)
	}
}

func (c *clinic) types(prefix string) (out []string) {
	for _, e := range c.trail.Events() {
		if strings.HasPrefix(e.Type, prefix) {
			out = append(out, e.Type)
		}
	}
	return out
}

// After a recovery by mailbox alone nothing reaches more than one factor, also not what was there before, until a factor
// is added; and nobody is asked for more than they can show.
func TestRecoveredReachesOneFactor(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	c.codes(t, "u-ben")
	secret := c.opened(t, "ben")
	c.clock.Advance(25 * time.Hour)
	if out, err := c.RecoverPassword(ctx, secret, newPassword, mailbox); err != nil || !out.Before.OTP || out.Before.RecoveryCodes != 10 {
		t.Fatalf("%+v %v", out, err)
	}
	ben := authntest.Ben
	ben.Password = newPassword
	sign := func() authn.Proof { return authntest.Proof(t, c.Service, c.clock, ben, true, mailbox) }
	if p := sign(); p.Assurance() != ident.AAL1 || !p.Recovered() {
		t.Errorf("both factors: %v", p.Assurance())
	}
	if f, err := c.Factors(ctx, "u-ben"); err != nil || f.Best != ident.AAL1 || !f.OTP {
		t.Errorf("%+v %v", f, err)
	}
	if err := c.CheckChange(ctx, "u-ben", ident.AAL1, c.clock.Now()); err != nil {
		t.Errorf("adding a factor must be possible: %v", err)
	}
	c.clock.Advance(time.Minute)
	c.codes(t, "u-ben")
	if p := sign(); p.Assurance() != ident.AAL2 || p.Recovered() {
		t.Errorf("after a factor was added: %v", p.Assurance())
	}
}

// A passkey that the recovery itself sets is no factor that was added.
func TestRecoveredByPasskey(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	secret := c.opened(t, "ann")
	c.clock.Advance(25 * time.Hour)
	calls := 0
	out, err := c.CompleteRecovery(ctx, secret, mailbox, func(ctx context.Context, u authn.User) (authn.User, error) {
		calls++
		if _, err := c.NewRecoveryCodes(ctx, u.ID); err != nil { // stands for Register, which ends the mark the same way
			return authn.User{}, err
		}
		if _, err := c.CompleteRecovery(ctx, secret, mailbox, nil); !errors.Is(err, authn.ErrNoRecovery) {
			t.Errorf("a second one within: %v", err)
		}
		return u, nil
	})
	if err != nil || calls != 1 || out.User.RecoveredAt.IsZero() {
		t.Fatalf("%+v %v", out, err)
	}
	if u, _ := c.engine.User(ctx, "u-ann"); u.RecoveredAt.IsZero() {
		t.Error("the mark is gone")
	}
}

// Who shows a factor beside the link waits for nothing and keeps what they had.
func TestRecoverySkipsTheWait(t *testing.T) {
	for _, how := range []string{"app", "code"} {
		t.Run(how, func(t *testing.T) {
			c := newClinic(t, authn.Policy{})
			code := c.codes(t, "u-ben")[0]
			if how == "app" {
				code = authntest.Code(authntest.Ben.TOTP, c.clock.Now())
			}
			secret := c.start(t, "ben")
			if _, err := c.ShowForRecovery(ctx, secret, code, mailbox); !errors.Is(err, authn.ErrNoRecovery) {
				t.Errorf("before it is opened: %v", err)
			}
			if _, err := c.OpenRecovery(ctx, secret, mailbox); err != nil {
				t.Fatal(err)
			}
			for _, wrong := range []string{"000000", "0000-0000", ""} {
				if _, err := c.ShowForRecovery(ctx, secret, wrong, mailbox); !errors.Is(err, authn.ErrWrong) {
					t.Errorf("%q: %v", wrong, err)
				}
			}
			r, err := c.ShowForRecovery(ctx, secret, code, mailbox)
			if err != nil || !r.Ready(c.clock.Now()) || !r.Shown {
				t.Fatalf("%+v %v", r, err)
			}
			out, err := c.RecoverPassword(ctx, secret, newPassword, mailbox)
			if err != nil || out.Lowered {
				t.Fatalf("%+v %v", out, err)
			}
			c.clock.Advance(time.Minute)
			ben := authntest.Ben
			ben.Password = newPassword
			if p := authntest.Proof(t, c.Service, c.clock, ben, true, mailbox); p.Assurance() != ident.AAL2 {
				t.Errorf("%v", p.Assurance())
			}
		})
	}
}

// ProveForRecovery takes no proof that shows nothing beside what was forgotten.
func TestRecoveryProof(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	secret := c.opened(t, "ben")
	env := from("192.0.2.1", "")
	for name, p := range map[string]authn.Proof{
		"none": {}, "a password": c.first(t, authntest.Ben, env), "somebody else": c.first(t, authntest.Ann, env),
	} {
		if _, err := c.ProveForRecovery(ctx, secret, p, env); !errors.Is(err, authn.ErrCombine) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// I3: who asks for a link learns nothing of who exists, and nobody but a person with a verified address is told.
func TestI3Recovery(t *testing.T) {
	gone := authntest.Person{ID: "u-gone", Username: "gone", Email: "gone@example.com", Password: "many small lanterns rise", Disabled: true}
	mute := authntest.Person{ID: "u-mute", Username: "mute", Password: "many small lanterns rise"}
	c := newClinic(t, authn.Policy{}, authntest.Ann, gone, mute)
	for identifier, want := range map[string]bool{"ann": true, "nobody": false, "gone": false, "mute": false, "": false, strings.Repeat("x", 5000): false} {
		c.trail.Events()
		err := c.StartRecovery(ctx, identifier, mailbox)
		steps, _ := c.box.take()
		if err != nil || (len(steps) == 1) != want {
			t.Errorf("%.20q: %v, told %v", identifier, err, steps)
		}
		if types := c.types("recovery."); !slices.Equal(types, []string{"recovery.requested"}) {
			t.Errorf("%.20q leaves another trail: %v", identifier, types)
		}
	}
	for _, secret := range []string{"", "unknown", strings.Repeat("x", 5000)} {
		if _, err := c.RecoveryStatus(ctx, secret); !errors.Is(err, authn.ErrNoRecovery) {
			t.Errorf("%.20q: %v", secret, err)
		}
	}
}

// Nobody's mailbox is flooded, and no network asks without end.
func TestI2RecoveryFlood(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	mails := 0
	for i := range 40 {
		if err := c.StartRecovery(ctx, "ann", from(fmt.Sprintf("10.0.%d.1", i), "")); err != nil {
			t.Fatal(err)
		}
		steps, _ := c.box.take()
		mails += len(steps)
	}
	if mails != 5 {
		t.Errorf("%d mails", mails)
	}
	throttled := 0
	for i := range 40 {
		if err := c.StartRecovery(ctx, fmt.Sprint("user", i), mailbox); errors.As(err, new(authn.Throttled)) {
			throttled++
		}
	}
	if throttled != 10 {
		t.Errorf("%d of 40 were throttled", throttled)
	}
}

// A recovery is stopped by who is signed in, by a link, and by a sign-in with more than a password; not by a password.
func TestRecoveryCancelled(t *testing.T) {
	env := from("192.0.2.1", "own")
	for name, how := range map[string]func(c *clinic, t *testing.T, secret string) (cancelled bool){
		"a session": func(c *clinic, t *testing.T, _ string) bool {
			yes, err := c.CancelRecovery(ctx, "u-ben", "session", env)
			if err != nil || !yes {
				t.Errorf("%v %v", yes, err)
			}
			return true
		},
		"the link": func(c *clinic, t *testing.T, secret string) bool {
			if err := c.CancelRecoveryBy(ctx, secret, env); err != nil {
				t.Error(err)
			}
			return true
		},
		"both factors": func(c *clinic, t *testing.T, _ string) bool {
			authntest.Proof(t, c.Service, c.clock, authntest.Ben, true, env)
			return true
		},
		"a password": func(c *clinic, t *testing.T, _ string) bool {
			authntest.Proof(t, c.Service, c.clock, authntest.Ben, false, env)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t, authn.Policy{})
			secret := c.opened(t, "ben")
			second := c.start(t, "ben") // another link to the same
			if r, err := c.RecoveryStatus(ctx, second); err != nil || r.Step != authn.RecoveryOpened {
				t.Errorf("%+v %v", r, err)
			}
			cancelled := how(c, t, secret)
			c.clock.Advance(25 * time.Hour)
			for _, s := range []string{secret, second} {
				if _, err := c.RecoveryStatus(ctx, s); errors.Is(err, authn.ErrNoRecovery) != cancelled {
					t.Errorf("%v", err)
				}
			}
			_, err := c.RecoverPassword(ctx, secret, newPassword, mailbox)
			if (err == nil) == cancelled {
				t.Errorf("%v", err)
			}
			if steps, _ := c.box.take(); slices.Contains(steps, authn.RecoveryCancelled) != cancelled {
				t.Errorf("told %v", steps)
			}
		})
	}
}

// Nothing happens of which nobody can be told, or which the trail cannot keep.
func TestRecoveryNeedsWitnesses(t *testing.T) {
	for name, down := range map[string]func(*clinic, bool){
		"postbox": func(c *clinic, d bool) { c.box.down = d },
		"trail":   func(c *clinic, d bool) { c.trail.Down(d) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t, authn.Policy{})
			secret := c.start(t, "ann")
			down(c, true)
			if err := c.StartRecovery(ctx, "ben", mailbox); err == nil {
				t.Error("started")
			}
			if _, err := c.OpenRecovery(ctx, secret, mailbox); err == nil {
				t.Error("opened")
			}
			down(c, false)
			if r, err := c.OpenRecovery(ctx, secret, mailbox); err != nil || r.Step != authn.RecoveryOpened {
				t.Errorf("%+v %v", r, err)
			}
			c.clock.Advance(25 * time.Hour)
			down(c, true)
			if _, err := c.RecoverPassword(ctx, secret, newPassword, mailbox); err == nil {
				t.Error("set")
			}
			down(c, false)
			if _, err := c.RecoverPassword(ctx, secret, newPassword, mailbox); err != nil {
				t.Errorf("it goes on: %v", err)
			}
		})
	}
}

func TestRecoveryOff(t *testing.T) {
	for name, c := range map[string]*clinic{
		"by policy":          newClinic(t, authn.Policy{Recovery: authn.RecoveryPolicy{Off: true}}),
		"nobody can be told": {house: newHouse(t, authn.Policy{})},
	} {
		if err := c.StartRecovery(ctx, "ann", mailbox); !errors.Is(err, authn.ErrOff) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of many who set a credential at once, one does.
func TestRecoveryRace(t *testing.T) {
	c := newClinic(t, authn.Policy{})
	secret := c.opened(t, "ann")
	c.clock.Advance(25 * time.Hour)
	var wg sync.WaitGroup
	won := make([]bool, 12)
	for i := range won {
		wg.Go(func() {
			_, err := c.RecoverPassword(ctx, secret, fmt.Sprintf("%d purple kettles boil", i), mailbox)
			won[i] = err == nil
		})
	}
	wg.Wait()
	n := 0
	for i := range won {
		if won[i] {
			n++
			if err := c.try("ann", fmt.Sprintf("%d purple kettles boil", i), mailbox); err != nil {
				t.Errorf("the winner's: %v", err)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d won", n)
	}
}

// No path sets a credential without the link and either the wait or a factor; every step is told and in the trail.
func TestRecoveryProperty(t *testing.T) {
	c := newClinic(t, authn.Policy{}, []authntest.Person{}...)
	serial := 0
	rapid.Check(t, func(t *rapid.T) {
		serial++
		c.clock.Advance(48 * time.Hour)
		m := &sick{T: t, clinic: c, secrets: map[string]string{}}
		m.person = authntest.Person{ID: ident.UserID(fmt.Sprint("u", serial)), Username: fmt.Sprint("p", serial), Email: fmt.Sprintf("p%d@example.com", serial), Password: "many small lanterns rise", TOTP: []byte("12345678901234567890")}
		m.enrol()
		t.Repeat(map[string]func(*rapid.T){
			"ask": m.ask, "open": m.open, "wait": m.wait, "show": m.show, "guess": m.guess, "set": m.set,
			"cancel": m.cancel, "sign in": m.signIn, "": m.agree,
		})
	})
}

// sick is a person who lost their password, and what the test knows of their recovery.
type sick struct {
	*rapid.T
	*clinic
	person  authntest.Person
	secrets map[string]string // secret → id of the recovery
	secret  string            // the newest
	live    string            // id of the live recovery, or ""
	opened  time.Time         // zero: not
	asked   time.Time
	shown   time.Time
}

func (m *sick) enrol() {
	u := authn.User{ID: m.person.ID, Username: m.person.Username, Email: m.person.Email, EmailVerified: true}
	u, err := m.EnrolTOTP(ctx, u, m.person.TOTP)
	if err == nil {
		_, err = m.SetPassword(ctx, u, m.person.Password)
	}
	if err != nil {
		m.Fatal(err)
	}
	m.trail.Events()
	m.box.take()
}

// over is when the live recovery ends.
func (m *sick) expire() {
	now := m.clock.Now()
	switch {
	case m.live == "":
	case m.opened.IsZero() && !now.Before(m.asked.Add(authn.RecoveryOpenWithin)):
		m.live = ""
	case m.shown.IsZero() && !m.opened.IsZero() && !now.Before(m.opened.Add(24*time.Hour+authn.RecoverySetWithin)):
		m.live = ""
	case !m.shown.IsZero() && !now.Before(m.shown.Add(authn.RecoverySetWithin)):
		m.live = ""
	}
	if m.live == "" {
		m.opened, m.shown = time.Time{}, time.Time{}
	}
}

func (m *sick) ask(t *rapid.T) {
	m.expire()
	if err := m.StartRecovery(ctx, m.person.Username, from(fmt.Sprintf("10.%d.1.1", rapid.IntRange(0, 255).Draw(t, "net")), "")); err != nil {
		if errors.As(err, new(authn.Throttled)) {
			return
		}
		t.Fatal(err)
	}
	steps, secret := m.box.take()
	m.trail.Events()
	if len(steps) == 0 { // five a day
		return
	}
	r, err := m.RecoveryStatus(ctx, secret)
	if err != nil || m.live != "" && r.ID != m.live {
		t.Fatalf("%+v %v, live %q", r, err, m.live)
	}
	m.secrets[secret], m.secret = r.ID, secret
	if m.live == "" || m.opened.IsZero() {
		m.asked = m.clock.Now()
	}
	m.live = r.ID
}

// works says whether secret leads to the live recovery.
func (m *sick) works() bool {
	m.expire()
	return m.live != "" && m.secrets[m.secret] == m.live
}

func (m *sick) open(t *rapid.T) {
	works := m.works()
	r, err := m.OpenRecovery(ctx, m.secret, mailbox)
	if works != (err == nil) {
		t.Fatalf("open: %v, want it to work: %v", err, works)
	}
	if steps, _ := m.box.take(); works && m.opened.IsZero() {
		m.opened = m.clock.Now()
		if !slices.Equal(steps, []authn.RecoveryStep{authn.RecoveryOpened}) || !r.ReadyAt.Equal(m.opened.Add(24*time.Hour)) {
			t.Fatalf("told %v, ready at %v", steps, r.ReadyAt)
		}
	} else if len(steps) > 0 {
		t.Fatalf("told %v", steps)
	}
}

func (m *sick) wait(t *rapid.T) {
	m.clock.Advance(rapid.SampledFrom([]time.Duration{time.Minute, 50 * time.Minute, 12 * time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}).Draw(t, "wait"))
}

func (m *sick) show(t *rapid.T) {
	m.clock.Advance(2 * time.Minute) // each code works once
	works := m.works() && !m.opened.IsZero()
	_, err := m.ShowForRecovery(ctx, m.secret, authntest.Code(m.person.TOTP, m.clock.Now()), mailbox)
	if errors.As(err, new(authn.Throttled)) {
		return
	}
	if works != (err == nil) {
		t.Fatalf("show: %v, want it to work: %v", err, works)
	}
	if works {
		m.shown = m.clock.Now()
	}
}

func (m *sick) guess(t *rapid.T) {
	if _, err := m.ShowForRecovery(ctx, m.secret, "00000x", mailbox); err == nil {
		t.Fatal("a wrong code was taken")
	}
}

func (m *sick) set(t *rapid.T) {
	may := m.works() && !m.opened.IsZero() && (!m.shown.IsZero() || !m.clock.Now().Before(m.opened.Add(24*time.Hour)))
	lowered := m.shown.IsZero()
	password := rapid.SampledFrom([]string{"short", "seven purple kettles boil", "nine green kettles boil"}).Draw(t, "password")
	weak := password == "short"
	out, err := m.RecoverPassword(ctx, m.secret, password, mailbox)
	if (may && !weak) != (err == nil) {
		t.Fatalf("set: %v, may %v", err, may)
	}
	steps, _ := m.box.take()
	if err != nil {
		if len(steps) > 0 {
			t.Fatalf("told %v of what did not happen", steps)
		}
		return
	}
	if out.Lowered != lowered || out.User.RecoveredAt.IsZero() && lowered || !slices.Equal(steps, []authn.RecoveryStep{authn.RecoveryDone}) {
		t.Fatalf("%+v, told %v", out, steps)
	}
	m.person.Password, m.live = password, ""
}

func (m *sick) cancel(t *rapid.T) {
	m.expire()
	yes, err := m.CancelRecovery(ctx, m.person.ID, "session", mailbox)
	m.stopped(t, "cancel", yes, err)
}

func (m *sick) stopped(t *rapid.T, what string, yes bool, err error) {
	steps, _ := m.box.take()
	if err != nil || yes != (m.live != "") || yes != slices.Equal(steps, []authn.RecoveryStep{authn.RecoveryCancelled}) {
		t.Fatalf("%s: %v %v, live %q, told %v", what, yes, err, m.live, steps)
	}
	m.live = ""
}

// signIn is one with both factors, which stops whatever is under way.
func (m *sick) signIn(t *rapid.T) {
	m.clock.Advance(2 * time.Minute)
	m.expire()
	env := from("203.0.113.9", ident.DeviceID("home"+m.person.Username))
	p, err := m.Password(ctx, authn.Attempt{Identifier: m.person.Username, Password: m.person.Password, Env: env})
	if err == nil {
		_, err = m.OTP(ctx, p, authntest.Code(m.person.TOTP, m.clock.Now()), env)
	}
	if errors.As(err, new(authn.Throttled)) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.stopped(t, "sign in", m.live != "", nil)
}

// agree compares what the trail and the pages say with what is known.
func (m *sick) agree(t *rapid.T) {
	m.expire()
	r, err := m.PendingRecovery(ctx, m.person.ID)
	if (err == nil) != (m.live != "") || err == nil && r.ID != m.live {
		t.Fatalf("pending: %+v %v, live %q", r, err, m.live)
	}
	for _, e := range m.trail.Events() {
		if strings.HasPrefix(e.Type, "recovery.") && e.Outcome != audit.OK && e.Type != "recovery.throttled" {
			t.Fatalf("%+v", e)
		}
	}
}
