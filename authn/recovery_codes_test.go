package authn_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

func (h *house) codes(t testing.TB, user ident.UserID) []string {
	t.Helper()
	codes, err := h.NewRecoveryCodes(ctx, user)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func TestRecoveryCodes(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	if _, err := h.RecoveryCode(ctx, h.first(t, authntest.Ann, env), "AAAA-AAAA", env); !errors.Is(err, authn.ErrOff) {
		t.Errorf("who has none: %v", err)
	}
	old := h.codes(t, "u-ann")
	codes := h.codes(t, "u-ann")
	form := regexp.MustCompile(`^[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for _, c := range append(old, codes...) {
		if seen[c] = true; !form.MatchString(c) {
			t.Errorf("%q", c)
		}
	}
	if len(codes) != 10 || len(seen) != 20 {
		t.Fatalf("%d codes, %d different", len(codes), len(seen))
	}
	theirs := h.codes(t, "u-ben")

	wide := strings.Map(func(r rune) rune {
		if r == '-' {
			return '　'
		}
		return r + 0xfee0
	}, codes[3])
	for _, c := range []struct {
		name, code string
		want       error
	}{
		{"as printed", codes[0], nil},
		{"again", codes[0], authn.ErrWrong},
		{"lower case, no dash", strings.ToLower(strings.ReplaceAll(codes[1], "-", "")), nil},
		{"spaced, another dash", " " + strings.ReplaceAll(codes[2], "-", " – ") + "\n", nil},
		{"full width", wide, nil},
		{"dots and an underscore", strings.Join(strings.Split(codes[4], "-"), "._."), nil},
		{"one of before", old[0], authn.ErrWrong},
		{"somebody else's", theirs[0], authn.ErrWrong},
		{"empty", "", authn.ErrWrong},
		{"a novel", strings.Repeat("A", 1<<20), authn.ErrWrong},
		{"with a U", "UUUU-UUUU", authn.ErrWrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.clock.Advance(time.Hour)
			p, err := h.RecoveryCode(ctx, h.first(t, authntest.Ann, env), c.code, env)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && (p.Assurance() != ident.AAL2 || !slices.Equal(p.AMR(), []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor})) {
				t.Errorf("%v %v", p.Assurance(), p.AMR())
			}
		})
	}
	if left, of, err := h.RecoveryCodesLeft(ctx, "u-ann"); err != nil || left != 5 || of != 10 {
		t.Errorf("%d of %d left, %v", left, of, err)
	}
	for _, e := range h.trail.Events() {
		for _, c := range append(codes, old...) {
			if strings.Contains(fmt.Sprintf("%+v", e), c) {
				t.Errorf("%s tells a code", e.Type)
			}
		}
	}
}

// Of many who show one code at once, one is let in.
func TestRecoveryCodeRace(t *testing.T) {
	wide := authn.Limit{Free: 99, Max: 99, Window: time.Hour, First: time.Second, Longest: time.Minute}
	h := newHouse(t, authn.Policy{Throttle: authn.Limits{AccountPrefix: wide, Account: wide}})
	env := from("192.0.2.1", "")
	first, code := h.first(t, authntest.Ann, env), h.codes(t, "u-ann")[0]
	var wg sync.WaitGroup
	won := make([]bool, 24)
	for i := range won {
		wg.Go(func() { _, err := h.RecoveryCode(ctx, first, code, env); won[i] = err == nil })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(won, func(w bool) bool { return !w })); n != 1 {
		t.Errorf("%d won", n)
	}
}

// I2: recovery codes are guessed as slowly as everything else.
func TestI2RecoveryCodes(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	h.codes(t, "u-ann")
	looked := 0
	for i := range 23 * 10 {
		env := from(fmt.Sprintf("10.%d.%d.1", i%200, i/200), ident.DeviceID(fmt.Sprint("new", i)))
		_, err := h.RecoveryCode(ctx, h.first(t, authntest.Ann, env), "0000-0000", env)
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

// I7: a code counts for nobody but who showed their password, lately.
func TestI7RecoveryCode(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	code := h.codes(t, "u-ben")[0]
	h.codes(t, "u-ann")
	if _, err := h.RecoveryCode(ctx, authn.Proof{}, code, env); !errors.Is(err, authn.ErrCombine) {
		t.Errorf("no first step: %v", err)
	}
	if _, err := h.RecoveryCode(ctx, h.first(t, authntest.Ann, env), code, env); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("somebody else's code: %v", err)
	}
	first := h.first(t, authntest.Ben, env)
	h.clock.Advance(authn.ProofLife + time.Second)
	if _, err := h.RecoveryCode(ctx, first, code, env); !errors.Is(err, authn.ErrCombine) {
		t.Errorf("an old first step: %v", err)
	}
	if _, err := h.RecoveryCode(ctx, h.first(t, authntest.Ben, env), code, env); err != nil {
		t.Errorf("the corrected request: %v", err)
	}
}
