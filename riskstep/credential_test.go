package riskstep_test

import (
	"testing"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// A passkey whose counter went back may have been copied: its sign-in is let through, since the owner may be the one
// who comes second, but marked, so that the session is short and the owner is told. WebAuthn L3 §6.1.1.
func TestCounterRegressionRaisesRisk(t *testing.T) {
	d := newDesk(t, nil)
	people := authntest.Service(t, authntest.Options{Engine: newEngine(t, d.clock), Clock: d.clock,
		Policy: authn.Policy{Passkey: authn.PasskeyPolicy{RPID: authntest.RPID, Origins: []string{authntest.Origin}}}})
	user, home := authntest.Ann.ID, env("", "home")
	device := &authntest.Authenticator{}
	options, handle, err := people.BeginRegistration(ctx, "b", user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.Register(ctx, handle, "b", device.Register(t, options), "", home); err != nil {
		t.Fatal(err)
	}
	signIn := func(a *authntest.Authenticator) riskstep.Decision {
		t.Helper()
		options, handle, err := people.BeginPasskey(ctx, "b", "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := people.Passkey(ctx, handle, "b", a.Assert(t, options), home)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: user, Env: home, Best: ident.PhishingResistant})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	copied := device.Clone()
	for range 3 {
		got := signIn(device)
		if got.Action() != riskstep.Allow || got.NewDevice() {
			t.Fatalf("the owner: %v, new device %v", got.Action(), got.NewDevice())
		}
		if err := d.Learn(ctx, got); err != nil {
			t.Fatal(err)
		}
	}
	if got := signIn(copied); got.Action() != riskstep.Allow || !got.NewDevice() {
		t.Errorf("the copy: %v, new device %v; want allow and marked", got.Action(), got.NewDevice())
	}
}

// A password of which its owner said "it was not me" is asked a second factor for, and where there is none it is marked.
func TestDenialRaisesRisk(t *testing.T) {
	d := newDesk(t, nil)
	engine := newEngine(t, d.clock)
	people := authntest.Service(t, authntest.Options{Engine: engine, Clock: d.clock})
	user, home := authntest.Ann, env("192.0.2.1", "home")
	decide := func(best ident.Assurance) riskstep.Decision {
		t.Helper()
		got, err := d.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: authntest.Proof(t, people, d.clock, user, false, home), User: user.ID, Env: home, Best: best})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if err := d.Learn(ctx, decide(ident.AAL1)); err != nil {
		t.Fatal(err)
	}
	if got := decide(ident.AAL2); got.Action() != riskstep.Allow || got.NewDevice() {
		t.Fatalf("before: %v, new device %v", got.Action(), got.NewDevice())
	}
	if err := engine.AddApprover(ctx, authn.Approver{ID: "a", User: user.ID, Kind: authn.ApproverApp, CreatedAt: d.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	handle, _, err := people.AskApproval(ctx, authn.Ask{Kind: authn.ApproveSignIn, User: user.ID, Bind: "b", App: "Shop"})
	if err != nil {
		t.Fatal(err)
	}
	if err := people.DenyApproval(ctx, user.ID, handle, authn.DenyNotMe, home); err != nil {
		t.Fatal(err)
	}
	if got := decide(ident.AAL2); got.Action() != riskstep.StepUp || got.Required() != ident.AAL2 {
		t.Errorf("after: %v, required %v", got.Action(), got.Required())
	}
	if got := decide(ident.AAL1); got.Action() != riskstep.Allow || !got.NewDevice() {
		t.Errorf("where there is nothing to ask for: %v, marked %v", got.Action(), got.NewDevice())
	}
}
