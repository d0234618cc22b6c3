package authn_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
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

// What is refused, and what the request is afterwards.
func TestApprovalRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, a *approving, handle, number string) error
		want error
		then authn.ApprovalState
	}{
		{"a wrong number kills", func(t *testing.T, a *approving, handle, number string) error {
			_, err := a.approve(t, handle, other(number))
			return err
		}, authn.Unapproved{State: authn.ApprovalWrong}, authn.ApprovalWrong},
		{"no number kills", func(t *testing.T, a *approving, handle, _ string) error {
			_, err := a.approve(t, handle, "")
			return err
		}, authn.Unapproved{State: authn.ApprovalWrong}, authn.ApprovalWrong},
		{"there is no second guess", func(t *testing.T, a *approving, handle, number string) error {
			_, _ = a.approve(t, handle, other(number))
			_, err := a.approve(t, handle, number)
			return err
		}, authn.Unapproved{State: authn.ApprovalWrong}, authn.ApprovalWrong},
		{"somebody else's request", func(t *testing.T, a *approving, handle, number string) error {
			_, _, err := a.BeginApprove(ctx, authntest.Ben.ID, handle, number, bind, env(phone))
			return err
		}, authn.ErrNoApproval, authn.ApprovalPending},
		{"somebody else's denial", func(t *testing.T, a *approving, handle, _ string) error {
			return a.DenyApproval(ctx, authntest.Ben.ID, handle, "", env(phone))
		}, authn.ErrNoApproval, authn.ApprovalPending},
		{"the device that asks", func(t *testing.T, a *approving, handle, number string) error {
			if _, err := a.EnrolBrowser(ctx, cas.ID, "", env(laptop)); err != nil {
				t.Fatal(err)
			}
			_, _, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(laptop))
			return err
		}, authn.ErrSelf, authn.ApprovalPending},
		{"a browser that is no approver", func(t *testing.T, a *approving, handle, number string) error {
			_, _, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env("d-tablet"))
			return err
		}, authn.ErrNoApprover, authn.ApprovalPending},
		{"a browser without a cookie", func(t *testing.T, a *approving, handle, number string) error {
			_, _, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(""))
			return err
		}, authn.ErrNoApprover, authn.ApprovalPending},
		{"an approver removed before it signs", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			if err := a.RemoveApprover(ctx, cas.ID, a.at.ID, env(phone)); err != nil {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.ErrNoApprover, authn.ApprovalPending},
		{"after its time", func(t *testing.T, a *approving, handle, number string) error {
			a.clock.Advance(authn.ApprovalLife)
			_, err := a.approve(t, handle, number)
			return err
		}, authn.Unapproved{State: authn.ApprovalExpired}, authn.ApprovalExpired},
		{"signed after its time", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			a.clock.Advance(authn.ApprovalLife)
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.Unapproved{State: authn.ApprovalExpired}, authn.ApprovalExpired},
		{"without user verification", func(t *testing.T, a *approving, handle, number string) error {
			_, err := a.approve(t, handle, number, func(c *authntest.Ceremony) { c.Flags &^= 0x04 })
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"another challenge", func(t *testing.T, a *approving, handle, number string) error {
			_, err := a.approve(t, handle, number, func(c *authntest.Ceremony) { c.Challenge = "AAAA" })
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"a ceremony twice", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, []byte("{}"), env(phone))
			if !errors.Is(err, authn.ErrWrong) {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"the ceremony of another request", func(t *testing.T, a *approving, handle, number string) error {
			q := question()
			q.Bind = "another"
			second, number2 := a.ask(t, q)
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, second, number2, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"the ceremony of a sign-in", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginPasskey(ctx, bind, cas.ID)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"an approval is no sign-in", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Passkey(ctx, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"somebody else's passkey", func(t *testing.T, a *approving, handle, number string) error {
			theirs := &authntest.Authenticator{}
			p := a.enrol(t, theirs, authntest.Ben.ID)
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, theirs.AssertWith(t, p.ID, options), env(phone))
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"a second approval", func(t *testing.T, a *approving, handle, number string) error {
			if _, err := a.approve(t, handle, number); err != nil {
				t.Fatal(err)
			}
			_, err := a.approve(t, handle, number)
			return err
		}, authn.Unapproved{State: authn.ApprovalApproved}, authn.ApprovalApproved},
		{"a denial after it", func(t *testing.T, a *approving, handle, number string) error {
			if _, err := a.approve(t, handle, number); err != nil {
				t.Fatal(err)
			}
			return a.DenyApproval(ctx, cas.ID, handle, "", env(phone))
		}, authn.Unapproved{State: authn.ApprovalApproved}, authn.ApprovalApproved},
		{"resent", func(t *testing.T, a *approving, handle, number string) error {
			a.ask(t, question())
			_, err := a.approve(t, handle, number)
			return err
		}, authn.Unapproved{State: authn.ApprovalSuperseded}, authn.ApprovalSuperseded},
		{"cancelled", func(t *testing.T, a *approving, handle, number string) error {
			if err := a.CancelApproval(ctx, handle, asker); err != nil {
				t.Fatal(err)
			}
			_, err := a.approve(t, handle, number)
			return err
		}, authn.Unapproved{State: authn.ApprovalCancelled}, authn.ApprovalCancelled},
		{"cancelled by who did not ask", func(t *testing.T, a *approving, handle, number string) error {
			return a.CancelApproval(ctx, handle, "somebody")
		}, authn.ErrNoApproval, authn.ApprovalPending},
		{"a reason of its own", func(t *testing.T, a *approving, handle, number string) error {
			return a.DenyApproval(ctx, cas.ID, handle, "whatever", env(phone))
		}, authn.ErrAsk, authn.ApprovalPending},
		{"the trail is down", func(t *testing.T, a *approving, handle, number string) error {
			options, ceremony, err := a.BeginApprove(ctx, cas.ID, handle, number, bind, env(phone))
			if err != nil {
				t.Fatal(err)
			}
			a.trail.Down(true)
			defer a.trail.Down(false)
			_, err = a.ApproveByPasskey(ctx, cas.ID, handle, ceremony, bind, a.key.Assert(t, options), env(phone))
			return err
		}, authntest.ErrTrail, authn.ApprovalPending},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApproving(t)
			handle, number := a.ask(t, question())
			if err := c.do(t, a, handle, number); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if got, err := a.Approval(ctx, cas.ID, handle); err != nil || got.State != c.then {
				t.Errorf("it is %s (%v), want %s", got.State, err, c.then)
			}
			_, err := a.ApprovedProof(ctx, handle, asker)
			if (c.then == authn.ApprovalApproved) != (err == nil) {
				t.Errorf("proof: %v", err)
			}
		})
	}
}

// other is a number that number is not.
func other(number string) string {
	if number == "00" {
		return "01"
	}
	return "00"
}

func TestApprovalNobody(t *testing.T) {
	a := newApproving(t)
	for _, handle := range []string{"", "x", strings.Repeat("x", 4096), "\x00"} {
		if _, err := a.Approval(ctx, cas.ID, handle); !errors.Is(err, authn.ErrNoApproval) {
			t.Errorf("%q: %v", handle, err)
		}
		if _, err := a.ApprovedProof(ctx, handle, asker); !errors.Is(err, authn.ErrNoApproval) {
			t.Errorf("%q: %v", handle, err)
		}
	}
	handle, _ := a.ask(t, question())
	if _, err := a.Approval(ctx, authntest.Ben.ID, handle); !errors.Is(err, authn.ErrNoApproval) {
		t.Errorf("another's: %v", err)
	}
	if _, err := a.AskedApproval(ctx, handle, ""); !errors.Is(err, authn.ErrNoApproval) {
		t.Errorf("without bind: %v", err)
	}
}

func TestAskRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(a *approving, q *authn.Ask)
		want error
	}{
		{"nobody", func(_ *approving, q *authn.Ask) { q.User = "nobody" }, authn.ErrNoApprover},
		{"no approver", func(_ *approving, q *authn.Ask) { q.User = authntest.Ben.ID }, authn.ErrNoApprover},
		{"from the only approver", func(_ *approving, q *authn.Ask) { q.Env = env(phone) }, authn.ErrSelf},
		{"an approver without a passkey left", func(a *approving, q *authn.Ask) {
			list, _ := a.Passkeys(ctx, cas.ID)
			_ = a.engine.DeletePasskey(ctx, cas.ID, list[0].ID, true)
		}, authn.ErrNoApprover},
		{"disabled", func(a *approving, q *authn.Ask) {
			u, _ := a.engine.User(ctx, cas.ID)
			u.Disabled = true
			_ = a.engine.PutUser(ctx, u)
		}, authn.ErrNoApprover},
		{"no bind", func(_ *approving, q *authn.Ask) { q.Bind = "" }, authn.ErrAsk},
		{"no kind", func(_ *approving, q *authn.Ask) { q.Kind = "" }, authn.ErrAsk},
		{"one digit", func(_ *approving, q *authn.Ask) { q.Digits = 1 }, authn.ErrAsk},
		{"a sign-in that is compared", func(_ *approving, q *authn.Ask) { q.Compare = true }, authn.ErrAsk},
		{"too long a life", func(_ *approving, q *authn.Ask) { q.Life = authn.MaxApprovalLife + 1 }, authn.ErrAsk},
		{"a backchannel of nobody", func(_ *approving, q *authn.Ask) { q.Kind, q.Client = authn.ApproveBackchannel, "" }, authn.ErrAsk},
		{"too long a text", func(_ *approving, q *authn.Ask) { q.Text = strings.Repeat("名", 81) }, authn.ErrAsk},
		{"two lines", func(_ *approving, q *authn.Ask) { q.Text = "a\nb" }, authn.ErrAsk},
		{"turned around", func(_ *approving, q *authn.Ask) { q.Payee = "a\u202eb" }, authn.ErrAsk},
		{"no text", func(_ *approving, q *authn.Ask) { q.App = "a\xff" }, authn.ErrAsk},
		{"no country", func(_ *approving, q *authn.Ask) { q.Country = "nl" }, authn.ErrAsk},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApproving(t)
			q := question()
			c.with(a, &q)
			if _, _, err := a.AskApproval(ctx, q); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if list, err := a.PendingApprovals(ctx, cas.ID); err != nil || len(list) != 0 {
				t.Errorf("%v waits, %v", list, err)
			}
		})
	}
}

// A payment over the backchannel: the number is compared on both sides.
func TestCompare(t *testing.T) {
	a := newApproving(t)
	q := authn.Ask{Kind: authn.ApproveBackchannel, User: cas.ID, Bind: asker, Client: "bank", App: "Bank", Text: "Rent for May", Amount: "1,250.00", Currency: "EUR",
		Payee: "Café Noir", Compare: true, Digits: 3, Life: authn.MaxApprovalLife}
	handle, number := a.ask(t, q)
	got, err := a.Approval(ctx, cas.ID, handle)
	if err != nil || got.Number != number || len(number) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	a.clock.Advance(authn.MaxApprovalLife - time.Second)
	if got, err = a.approve(t, handle, ""); err != nil || got.Payee != "Café Noir" {
		t.Fatalf("%+v, %v", got, err)
	}
	a.clock.Advance(authn.ProofLife)
	if p, err := a.ApprovedProof(ctx, handle, asker); err != nil || !p.Fresh(a.clock.Now()) {
		t.Fatalf("%v", err)
	}
}

// An approver that is removed after it approved approves nothing.
func TestApproverRemovedAfter(t *testing.T) {
	a := newApproving(t)
	handle, number := a.ask(t, question())
	if _, err := a.approve(t, handle, number); err != nil {
		t.Fatal(err)
	}
	if err := a.RemoveApprover(ctx, cas.ID, a.at.ID, env(phone)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ApprovedProof(ctx, handle, asker); !errors.Is(err, authn.ErrNoApproval) {
		t.Errorf("%v", err)
	}
}

func TestApprovers(t *testing.T) {
	a := newApproving(t)
	again, err := a.EnrolBrowser(ctx, cas.ID, "Other", env(phone))
	if err != nil || again.ID != a.at.ID {
		t.Fatalf("the same browser again: %+v, %v", again, err)
	}
	if _, err := a.EnrolBrowser(ctx, authntest.Ben.ID, "", env(phone)); !errors.Is(err, authn.ErrOff) {
		t.Errorf("without a passkey: %v", err)
	}
	a.clock.Advance(time.Second)
	for i := range authn.MaxApprovers - 1 {
		if _, err := a.EnrolBrowser(ctx, cas.ID, "", env(ident.DeviceID(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.EnrolBrowser(ctx, cas.ID, "", env("one more")); !errors.Is(err, authn.ErrFull) {
		t.Errorf("too many: %v", err)
	}
	if err := a.RenameApprover(ctx, cas.ID, a.at.ID, " My\nphone ", env(phone)); err != nil {
		t.Fatal(err)
	}
	to := authn.PushTarget{Endpoint: "https://push.example/x", P256DH: "p", Auth: "a"}
	if err := a.SetPush(ctx, cas.ID, a.at.ID, to); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://push.example/x", "https://", "https://u@push.example/", "https://push.example/" + strings.Repeat("x", 1024), "x"} {
		if err := a.SetPush(ctx, cas.ID, a.at.ID, authn.PushTarget{Endpoint: bad}); !errors.Is(err, authn.ErrAsk) {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
	list, err := a.Approvers(ctx, cas.ID)
	if err != nil || len(list) != authn.MaxApprovers || list[0].Name != "Myphone" || strings.Contains(string(list[0].Push), "push.example") {
		t.Fatalf("%+v, %v", list, err)
	}
	if got, ok, err := a.PushOf(list[0]); err != nil || !ok || got != to {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	if err := a.Pushed(ctx, cas.ID, a.at.ID, false, true); err != nil {
		t.Fatal(err)
	}
	list, _ = a.Approvers(ctx, cas.ID)
	if _, ok, _ := a.PushOf(list[0]); ok || list[0].FailedAt.IsZero() {
		t.Errorf("%+v", list[0])
	}
	for _, err := range []error{a.RenameApprover(ctx, authntest.Ben.ID, a.at.ID, "x", env(phone)), a.RemoveApprover(ctx, authntest.Ben.ID, a.at.ID, env(phone)),
		a.SetPush(ctx, authntest.Ben.ID, a.at.ID, to), a.Pushed(ctx, authntest.Ben.ID, a.at.ID, true, false)} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another's: %v", err)
		}
	}
}

// Where a sign-in may go without user verification, an approval may not.
func TestApprovalVerifiesUser(t *testing.T) {
	a := &approving{house: newHouse(t, authn.Policy{Passkey: authn.PasskeyPolicy{RPID: authntest.RPID, Origins: []string{authntest.Origin}, OptionalUV: true}}, cas),
		key: &authntest.Authenticator{}}
	a.enrol(t, a.key, cas.ID)
	if _, err := a.EnrolBrowser(ctx, cas.ID, "", env(phone)); err != nil {
		t.Fatal(err)
	}
	handle, number := a.ask(t, question())
	if _, err := a.approve(t, handle, number, func(c *authntest.Ceremony) { c.Flags &^= 0x04 }); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("unverified: %v", err)
	}
	if _, err := a.approve(t, handle, number); err != nil {
		t.Errorf("verified: %v", err)
	}
}
