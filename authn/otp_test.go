package authn_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

func (h *house) first(t *testing.T, p authntest.Person, env ident.Env) authn.Proof {
	t.Helper()
	return authntest.Proof(t, h.Service, h.clock, p, false, env)
}

// I4: a code works once in its window, on all nodes, one step before and after, and no further.
func TestI4OneUse(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env, ben := from("192.0.2.1", ""), authntest.Ben
	for _, c := range []struct {
		name string
		code func() string
		want error
	}{
		{"now", func() string { return authntest.Code(ben.TOTP, h.clock.Now()) }, nil},
		{"again", func() string { return authntest.Code(ben.TOTP, h.clock.Now()) }, authn.ErrWrong},
		{"a step before", func() string { return authntest.Code(ben.TOTP, h.clock.Now().Add(-30*time.Second)) }, nil},
		{"a step after", func() string { return authntest.Code(ben.TOTP, h.clock.Now().Add(30*time.Second)) }, nil},
		{"two steps before", func() string { return authntest.Code(ben.TOTP, h.clock.Now().Add(-60*time.Second)) }, authn.ErrWrong},
		{"two steps after", func() string { return authntest.Code(ben.TOTP, h.clock.Now().Add(60*time.Second)) }, authn.ErrWrong},
		{"empty", func() string { return "" }, authn.ErrWrong},
		{"a novel", func() string { return strings.Repeat("1", 1<<20) }, authn.ErrWrong},
		{"full width, spaced, an hour later", func() string {
			h.clock.Advance(time.Hour)
			var b strings.Builder
			for i, r := range authntest.Code(ben.TOTP, h.clock.Now()) {
				if i == 3 {
					b.WriteString(" ")
				}
				b.WriteRune(r - '0' + '０')
			}
			return b.String()
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := c.code()
			p, err := h.OTP(ctx, h.first(t, ben, env), code, env)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && (p.Assurance() != ident.AAL2 || !slices.Equal(p.AMR(), []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}) || p.User() != "u-ben") {
				t.Errorf("%v %v", p.Assurance(), p.AMR())
			}
		})
	}
}

// I4: of many who show one code at once, one is let in.
func TestI4Race(t *testing.T) {
	h := newHouse(t, authn.Policy{Throttle: authn.Limits{
		AccountPrefix: authn.Limit{Free: 99, Max: 99, Window: time.Hour, First: time.Second, Longest: time.Minute},
		Account:       authn.Limit{Free: 99, Max: 99, Window: time.Hour, First: time.Second, Longest: time.Minute},
	}})
	env := from("192.0.2.1", "")
	first, code := h.first(t, authntest.Ben, env), authntest.Code(authntest.Ben.TOTP, h.clock.Now())
	var wg sync.WaitGroup
	won := make([]bool, 24)
	for i := range won {
		wg.Go(func() { _, err := h.OTP(ctx, first, code, env); won[i] = err == nil })
	}
	wg.Wait()
	if slices.Index(won, true) < 0 || slices.Contains(won[slices.Index(won, true)+1:], true) {
		t.Errorf("%v: want exactly one", won)
	}
}

// I4: six digits are not guessed: who has the password gets a hundred tries a day, whatever they change.
func TestI4BruteForce(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	looked := 0
	for i := range 23 * 10 {
		env := from(fmt.Sprintf("10.%d.%d.1", i%200, i/200), ident.DeviceID(fmt.Sprint("new", i)))
		_, err := h.OTP(ctx, h.first(t, authntest.Ben, env), "00000x", env)
		if errors.Is(err, authn.ErrWrong) {
			looked++
		} else if !errors.As(err, new(authn.Throttled)) {
			t.Fatal(err)
		}
		h.clock.Advance(6 * time.Minute)
	}
	if looked < 20 || looked > 100 {
		t.Errorf("%d codes were looked at in a day", looked)
	}
}

// I7: a second step counts for nobody but who did the first, lately.
func TestI7NoFirstStep(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	code := func() string { return authntest.Code(authntest.Ben.TOTP, h.clock.Now()) }
	if _, err := h.OTP(ctx, authn.Proof{}, code(), env); !errors.Is(err, authn.ErrCombine) {
		t.Errorf("no first step: %v", err)
	}
	if _, err := h.OTP(ctx, h.first(t, authntest.Ann, env), code(), env); !errors.Is(err, authn.ErrOff) {
		t.Errorf("somebody else's code: %v", err)
	}
	first := h.first(t, authntest.Ben, env)
	h.clock.Advance(authn.ProofLife + time.Second)
	if _, err := h.OTP(ctx, first, code(), env); !errors.Is(err, authn.ErrCombine) {
		t.Errorf("an old first step: %v", err)
	}
	u, _ := h.engine.User(ctx, "u-ben")
	first = h.first(t, authntest.Ben, env)
	u.Disabled = true
	if err := h.engine.PutUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	if _, err := h.OTP(ctx, first, code(), env); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("disabled meanwhile: %v", err)
	}
}

// I7: a password that is short because there is a second factor is nothing without it.
func TestI7ShortPasswordAlone(t *testing.T) {
	cas := authntest.Person{Username: "cas", Password: "x9 fob k", TOTP: []byte("abcdefghijabcdefghij")}
	h := newHouse(t, authn.Policy{}, cas)
	env := from("192.0.2.1", "dev")
	first := h.first(t, cas, env)
	if first.Assurance() != ident.None || !first.Valid() {
		t.Errorf("%v: want a proof that cannot stand alone", first.Assurance())
	}
	both, err := h.OTP(ctx, first, authntest.Code(cas.TOTP, h.clock.Now()), env)
	if err != nil || both.Assurance() != ident.AAL2 {
		t.Errorf("%v, %v", both.Assurance(), err)
	}
}

// I7: a proof between two pages stays on the server, belongs to one interaction, and is short-lived.
func TestI7Hold(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	p := h.first(t, authntest.Ben, env)
	handle, err := h.Hold(ctx, p, "interaction 1")
	if err != nil {
		t.Fatal(err)
	}
	resume := func(handle, bind string) error { _, err := h.Resume(ctx, handle, bind); return err }
	for range 2 {
		got, err := h.Resume(ctx, handle, "interaction 1")
		if err != nil || got.ID() != p.ID() || got.User() != p.User() || got.Assurance() != p.Assurance() || !got.At().Equal(p.At()) {
			t.Fatalf("%+v, %v, want %+v", got, err, p)
		}
	}
	for name, err := range map[string]error{
		"another interaction": resume(handle, "interaction 2"), "none": resume(handle, ""), "a guess": resume("guess", "interaction 1"),
		"a novel": resume(strings.Repeat("x", 1<<20), "interaction 1"), "drop for another": h.Drop(ctx, handle, "interaction 2"),
	} {
		if !errors.Is(err, authn.ErrNoHold) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, _ := h.Resume(ctx, handle, "interaction 1")
	if both, err := h.OTP(ctx, got, authntest.Code(authntest.Ben.TOTP, h.clock.Now()), env); err != nil || both.Assurance() != ident.AAL2 {
		t.Errorf("going on with it: %v, %v", both.Assurance(), err)
	}
	if err := h.Drop(ctx, handle, "interaction 1"); err != nil {
		t.Fatal(err)
	}
	if err := resume(handle, "interaction 1"); !errors.Is(err, authn.ErrNoHold) {
		t.Errorf("dropped: %v", err)
	}
	late, err := h.Hold(ctx, h.first(t, authntest.Ann, env), "i")
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(authn.ProofLife)
	if err := resume(late, "i"); !errors.Is(err, authn.ErrNoHold) {
		t.Errorf("after ten minutes: %v", err)
	}
	if _, err := h.Hold(ctx, authn.Proof{}, "i"); !errors.Is(err, authn.ErrCombine) {
		t.Errorf("nothing held: %v", err)
	}
}

func TestFactors(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, authntest.Ben, authntest.Person{Username: "bare"}, authntest.Person{Username: "gone", Password: "nobody lives here now", Disabled: true})
	for user, want := range map[ident.UserID]authn.Factors{
		"u-ann":  {Password: true, Best: ident.AAL1},
		"u-ben":  {Password: true, OTP: true, Best: ident.AAL2},
		"u-bare": {},
		"u-gone": {},
	} {
		if got, err := h.Factors(ctx, user); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", user, got, err, want)
		}
	}
	if _, err := h.Factors(ctx, "nobody"); err == nil {
		t.Error("factors of nobody")
	}
}

func TestEnrolTOTPRefuses(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	for _, secret := range [][]byte{nil, make([]byte, 19), make([]byte, 65)} {
		if _, err := h.EnrolTOTP(ctx, authn.User{ID: "u-ann", Username: "ann"}, secret); err == nil {
			t.Errorf("%d bytes were accepted", len(secret))
		}
	}
	// A sealed secret moved to another person does not open.
	ben, _ := h.engine.User(ctx, "u-ben")
	ann, _ := h.engine.User(ctx, "u-ann")
	ann.TOTP = ben.TOTP
	if err := h.engine.PutUser(ctx, ann); err != nil {
		t.Fatal(err)
	}
	env := from("192.0.2.1", "")
	if p, err := h.OTP(ctx, h.first(t, authntest.Ann, env), authntest.Code(authntest.Ben.TOTP, h.clock.Now()), env); err == nil {
		t.Errorf("ben's secret served ann: %v", p.Assurance())
	}
}
