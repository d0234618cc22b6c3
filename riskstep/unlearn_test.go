package riskstep_test

import (
	"testing"
	"time"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// decide asks about a sign-in of Ben by password.
func decideBen(t *testing.T, d *desk, dev ident.DeviceID) riskstep.Decision {
	t.Helper()
	e := env("192.0.2.1", dev)
	p := authntest.Proof(t, d.authn, d.clock, authntest.Ben, false, e)
	out, err := d.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: e, Best: ident.AAL2})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What was learnt since a disowned sign-in goes, what was known before stays, and for thirty days no device is known.
func TestUnlearn(t *testing.T) {
	d := newDesk(t, nil)
	step := func(name string, dev ident.DeviceID, want riskstep.Action) riskstep.Decision {
		t.Helper()
		got := decideBen(t, d, dev)
		if got.Action() != want {
			t.Errorf("%s: %v, want %v", name, got.Action(), want)
		}
		return got
	}
	learn := func(dec riskstep.Decision) {
		t.Helper()
		if err := d.Learn(ctx, dec); err != nil {
			t.Fatal(err)
		}
	}
	learn(step("the first sign-in", "own", riskstep.Allow))
	d.clock.Advance(48 * time.Hour)
	step("the own device", "own", riskstep.Allow)
	// Somebody signs in on another device and passes: a step-up with the whole proof.
	e := env("192.0.2.9", "theirs")
	p := authntest.Proof(t, d.authn, d.clock, authntest.Ben, true, e)
	theirs, err := d.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: e, Best: ident.AAL2})
	if err != nil {
		t.Fatal(err)
	}
	learn(theirs)
	late := step("their device is known now", "theirs", riskstep.Allow)

	disputed := d.clock.Now().Add(2 * time.Second)
	d.clock.Advance(time.Hour)
	d.trail.Events()
	if err := d.Unlearn(ctx, "u-ben", disputed); err != nil {
		t.Fatal(err)
	}
	if ev := d.trail.Events(); len(ev) != 1 || ev[0].Type != "risk.unlearned" || ev[0].User != "u-ben" {
		t.Errorf("%+v", ev)
	}
	learn(late) // decided before, learnt after: it must not come back
	step("their device", "theirs", riskstep.StepUp)
	step("even the own device", "own", riskstep.StepUp)
	d.clock.Advance(30*24*time.Hour + time.Second)
	step("the own device after the alert", "own", riskstep.Allow)
	step("their device after the alert", "theirs", riskstep.StepUp)

	if err := d.Unlearn(ctx, "u-nobody", disputed); err != nil {
		t.Errorf("somebody of whom nothing is known: %v", err)
	}
	d.trail.Down(true)
	if err := d.Unlearn(ctx, "u-ben", disputed); err == nil {
		t.Error("unlearnt without a trail")
	}
}

// A person of whom nothing is left is not one who is new: the first to come is not taken at their word.
func TestUnlearnEverything(t *testing.T) {
	d := newDesk(t, nil)
	if err := d.Learn(ctx, decideBen(t, d, "theirs")); err != nil {
		t.Fatal(err)
	}
	if err := d.Unlearn(ctx, "u-ben", d.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if got := decideBen(t, d, "any"); got.Action() != riskstep.StepUp || !got.NewDevice() {
		t.Errorf("%v", got.Action())
	}
}
