package authn_test

import (
	"encoding/base32"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
)

func TestTOTPEnrolment(t *testing.T) {
	h := newHouse(t, authn.Policy{Product: "Münze & Co"})
	env := from("192.0.2.1", "")
	e, err := h.BeginTOTP(ctx, "u-ann", "session-1")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
	if err != nil || len(secret) < authn.MinTOTPSecret {
		t.Fatalf("%d bytes, %v", len(secret), err)
	}
	u, err := url.Parse(e.URI)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Münze & Co:ann@example.com" ||
		u.Query().Get("secret") != e.Secret || u.Query().Get("issuer") != "Münze & Co" {
		t.Errorf("%s: %v", e.URI, err)
	}
	if f, err := h.Factors(ctx, "u-ann"); err != nil || f.OTP {
		t.Errorf("it counts before a code was seen: %+v %v", f, err)
	}
	at := func(steps int) string {
		return authntest.Code(secret, h.clock.Now().Add(time.Duration(steps)*30*time.Second))
	}
	for _, c := range []struct {
		name, bind, code string
		want             error
	}{
		{"another session", "session-2", at(0), authn.ErrNoHold},
		{"no session", "", at(0), authn.ErrNoHold},
		{"wrong", "session-1", "00000x", authn.ErrWrong},
		{"a phone that is behind", "session-1", at(-5), authn.Skewed{Steps: -5}},
		{"a phone that is ahead", "session-1", at(2), authn.Skewed{Steps: 2}},
		{"as far as is looked", "session-1", at(-10), authn.Skewed{Steps: -10}},
		{"too far", "session-1", at(11), authn.ErrWrong},
		{"right", "session-1", at(-1), nil},
		{"twice", "session-1", at(0), authn.ErrNoHold},
	} {
		_, err := h.ConfirmTOTP(ctx, e.Handle, c.bind, c.code, env)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := h.OTP(ctx, h.first(t, authntest.Ann, env), at(-1), env); !errors.Is(err, authn.ErrWrong) { // I4
		t.Errorf("the code of the enrolment signs in: %v", err)
	}
	if _, err := h.OTP(ctx, h.first(t, authntest.Ann, env), at(0), env); err != nil {
		t.Errorf("the next code: %v", err)
	}
	if u, err := h.RemoveTOTP(ctx, "u-ann", env); err != nil || u.TOTP != nil {
		t.Error(err)
	}
	if _, err := h.RemoveTOTP(ctx, "u-ann", env); !errors.Is(err, authn.ErrOff) {
		t.Errorf("removed twice: %v", err)
	}
	if f, _ := h.Factors(ctx, "u-ann"); f.OTP {
		t.Error("still there")
	}

	late, err := h.BeginTOTP(ctx, "u-ann", "session-1")
	if err != nil {
		t.Fatal(err)
	}
	secret, _ = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(late.Secret)
	h.clock.Advance(authn.EnrolLife)
	if _, err := h.ConfirmTOTP(ctx, late.Handle, "session-1", at(0), env); !errors.Is(err, authn.ErrNoHold) {
		t.Errorf("too late: %v", err)
	}
	if _, err := h.BeginTOTP(ctx, "u-ann", ""); err == nil {
		t.Error("an enrolment that belongs to nothing")
	}
}
