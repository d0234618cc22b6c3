package authn_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// phone is what Cas approves with, laptop what she signs in on.
const (
	phone  ident.DeviceID = "d-phone"
	laptop ident.DeviceID = "d-laptop"
	asker                 = "the interaction on the laptop"
)

func env(device ident.DeviceID) ident.Env {
	e := from("192.0.2.1", device)
	e.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130"
	return e
}

// approving is a house in which Cas has a passkey, and a phone that approves.
type approving struct {
	*house
	key *authntest.Authenticator
	at  authn.Approver
}

func newApproving(t testing.TB) *approving {
	t.Helper()
	a := &approving{house: newHouse(t, authn.Policy{}, authntest.Ann, authntest.Ben, cas), key: &authntest.Authenticator{}}
	a.enrol(t, a.key, cas.ID)
	var err error
	if a.at, err = a.EnrolBrowser(ctx, cas.ID, "Cas's phone", env(phone)); err != nil {
		t.Fatal(err)
	}
	a.trail.Events()
	return a
}

func question() authn.Ask {
	return authn.Ask{Kind: authn.ApproveSignIn, User: cas.ID, Bind: asker, Client: "shop", App: "The <Shop> & 雲", Host: "shop.example", Country: "NL", Env: env(laptop)}
}

func (a *approving) ask(t testing.TB, q authn.Ask) (handle, number string) {
	t.Helper()
	handle, number, err := a.AskApproval(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return handle, number
}

// approve does what the page on the phone does.
func (a *approving) approve(t testing.TB, handle, number string, tweaks ...func(*authntest.Ceremony)) (authn.Approval, error) {
	t.Helper()
	options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
	if err != nil {
		return authn.Approval{}, err
	}
	return a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options, tweaks...), env(phone))
}

func state(err error) authn.ApprovalState {
	u, _ := errors.AsType[authn.Unapproved](err)
	return u.State
}

func TestApproval(t *testing.T) {
	a := newApproving(t)
	handle, number := a.ask(t, question())
	if len(number) != 2 {
		t.Fatalf("number %q", number)
	}
	waiting, err := a.PendingApprovals(ctx, cas.ID)
	if err != nil || len(waiting) != 1 || waiting[0].Handle != handle || waiting[0].Number != "" || waiting[0].Agent != "Chrome on Windows" {
		t.Fatalf("%+v, %v", waiting, err)
	}
	if got, err := a.AskedApproval(ctx, handle, asker); err != nil || got.Number != number {
		t.Fatalf("who asked sees %+v, %v", got, err)
	}
	if _, err := a.ApprovedProof(ctx, handle, asker); state(err) != authn.ApprovalPending {
		t.Fatalf("before: %v", err)
	}
	got, err := a.approve(t, handle, number)
	if err != nil || got.State != authn.ApprovalApproved || got.By != "Cas's phone" {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := a.ApprovedProof(ctx, handle, "somebody else"); !errors.Is(err, authn.ErrNoApproval) {
		t.Fatalf("another bind: %v", err)
	}
	p, err := a.ApprovedProof(ctx, handle, asker)
	if err != nil || p.User() != cas.ID || p.Assurance() != ident.AAL2 || !p.Fresh(a.clock.Now()) {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := a.ApprovedProof(ctx, handle, asker); !errors.Is(err, authn.ErrNoApproval) {
		t.Fatalf("a second time: %v", err)
	}
	if got, err := a.Approval(ctx, cas.ID, handle); err != nil || got.State != authn.ApprovalApproved {
		t.Fatalf("afterwards: %+v, %v", got, err)
	}
	for _, e := range a.trail.Events() {
		if e.Type != "approval.approved" {
			continue
		}
		proof, err := authn.ParseEvidence(e.Evidence)
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := proof.Verify()
		var st struct{ App, Number string }
		if err != nil || json.Unmarshal(text, &st) != nil || st.App != "The <Shop> & 雲" || st.Number != number {
			t.Fatalf("%s, %v", text, err)
		}
		return
	}
	t.Fatal("no evidence")
}
