package authn_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
)

func TestChangePassword(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	const next = "eleven purple kettles"
	for _, c := range []struct {
		name, current, next string
		want                error
		codes               []string
	}{
		{"wrong", "not it at all, really", next, authn.ErrWrong, nil},
		{"too short", authntest.Ann.Password, "short", nil, []string{authn.TooShort}},
		{"the same", authntest.Ann.Password, authntest.Ann.Password, nil, []string{authn.Unchanged}},
		{"right", authntest.Ann.Password, next, nil, nil},
		{"the one before", authntest.Ann.Password, "twelve purple kettles", authn.ErrWrong, nil},
	} {
		_, err := h.ChangePassword(ctx, "u-ann", c.current, c.next, env)
		var weak authn.WeakPassword
		if errors.As(err, &weak); !slices.Equal(weak.Codes, c.codes) || c.codes == nil && (!errors.Is(err, c.want) || (err == nil) != (c.want == nil)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := h.try("ann", next, env); err != nil {
		t.Errorf("the new one: %v", err)
	}
	looked := 0
	for range 60 { // I2: no way around the throttle
		if _, err := h.ChangePassword(ctx, "u-ann", "wrong password again", "thirteen purple kettles", env); errors.Is(err, authn.ErrWrong) {
			looked++
		}
		h.clock.Advance(time.Second)
	}
	if looked > 20 {
		t.Errorf("%d guesses in a minute", looked)
	}
}

func TestRemovePassword(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	env := from("192.0.2.1", "")
	if _, err := h.RemovePassword(ctx, "u-ben", env); !errors.Is(err, authn.ErrLast) {
		t.Errorf("who has only a code besides: %v", err)
	}
	if err := h.engine.AddPasskey(ctx, authn.Passkey{ID: []byte{1}, User: "u-ben", Name: "key", PublicKey: []byte{1}, Verifies: true, CreatedAt: h.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if u, err := h.RemovePassword(ctx, "u-ben", env); err != nil || u.PasswordHash != "" {
		t.Errorf("with a passkey: %v", err)
	}
	if err := h.try("ben", authntest.Ben.Password, env); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("it still signs in: %v", err)
	}
	if _, err := h.RemovePassword(ctx, "u-ben", env); !errors.Is(err, authn.ErrOff) {
		t.Errorf("twice: %v", err)
	}
	// Who has none sets one without showing one.
	if _, err := h.ChangePassword(ctx, "u-ben", "", "eleven purple kettles", env); err != nil {
		t.Error(err)
	}
}
