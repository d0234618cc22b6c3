package authn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

var (
	// ErrAsk says that a question cannot be asked like this: a fault of the caller, or of what a client sent.
	ErrAsk = errors.New("authn: not a request for approval")
	// ErrNoApprover says that the person has no device that could approve.
	ErrNoApprover = errors.New("authn: no approver")
	// ErrSelf says that the device that asks is the only one that could approve, or is the one that tries to.
	ErrSelf = errors.New("authn: a device does not approve what began on itself")
	// ErrNoApproval says that there is no such request: unknown, forgotten, another's or bound to something else.
	ErrNoApproval = errors.New("authn: no such request for approval")
)

// ApprovalKind is what an approved request lets happen.
type ApprovalKind string

// The kinds.
const (
	ApproveSignIn      ApprovalKind = "sign_in"
	ApproveStepUp      ApprovalKind = "step_up"
	ApproveBackchannel ApprovalKind = "backchannel" // CIBA: the client asks, no browser of the person's does
)

// ApprovalState is where a request stands. All but ApprovalPending are final.
type ApprovalState string

// The states.
const (
	ApprovalPending    ApprovalState = "pending"
	ApprovalApproved   ApprovalState = "approved"
	ApprovalDenied     ApprovalState = "denied"
	ApprovalWrong      ApprovalState = "wrong" // another number than the one shown was typed
	ApprovalExpired    ApprovalState = "expired"
	ApprovalCancelled  ApprovalState = "cancelled" // who asked gave up
	ApprovalSuperseded ApprovalState = "superseded"
)

// Unapproved says why a request cannot be approved, denied or redeemed: it stands at State.
type Unapproved struct{ State ApprovalState }

func (u Unapproved) Error() string { return "authn: the request is " + string(u.State) }

// The life of a request. NIST SP 800-63B-4 §3.1.3.2 (at most 10 minutes).
const (
	ApprovalLife    = 2 * time.Minute
	MaxApprovalLife = 10 * time.Minute
)

// MaxBindingMessage is the length of Ask.Text in characters at most.
const MaxBindingMessage = 80

// MaxAskedScope is the length of Ask.Scope and of Ask.Resource in characters at most: people are shown all of it.
const MaxAskedScope = 512

// Ask is a question to a person.
type Ask struct {
	Kind ApprovalKind
	User ident.UserID
	// Bind is a secret of who asks, such as an interaction or a hash of auth_req_id: only with it can the outcome be
	// redeemed, the number be read and the request be cancelled. A new request with the same Bind supersedes the earlier one.
	Bind     string
	Client   ident.ClientID // "" for the account's own pages
	App      string         // name as shown, at most 64 characters
	Host     string         // verified host of the app, or ""
	Text     string         // binding_message: plain, at most MaxBindingMessage characters
	Amount   string         // of a payment, as shown; "" none
	Currency string
	Payee    string
	Scope    string // what the client is allowed by approving, beside what it was before: RFC 6749 §3.3; ApproveBackchannel only
	Resource string // where, separated by spaces: RFC 8707
	Country  string // where it began: ISO 3166-1 alpha-2, or "" unknown
	NewPlace bool
	// Env is that of whoever asks; only the families of its browser and system are kept, and Device.
	Env     ident.Env
	Digits  int           // of the number that is typed: 2 or 3
	Compare bool          // the number is shown on both sides and compared, not typed: ApproveBackchannel only
	Life    time.Duration // ApprovalLife; at most MaxApprovalLife
}

// check completes a and says whether it can be asked.
func (a *Ask) check() error {
	if a.Life == 0 {
		a.Life = ApprovalLife
	}
	if a.Digits == 0 {
		a.Digits = 2
	}
	country := len(a.Country) == 0 || len(a.Country) == 2 && a.Country[0] >= 'A' && a.Country[0] <= 'Z' && a.Country[1] >= 'A' && a.Country[1] <= 'Z'
	switch {
	case !slices.Contains([]ApprovalKind{ApproveSignIn, ApproveStepUp, ApproveBackchannel}, a.Kind), a.User == "", a.Bind == "", !country,
		a.Digits < 2 || a.Digits > 3, a.Compare && a.Kind != ApproveBackchannel, a.Life < 0 || a.Life > MaxApprovalLife:
		return ErrAsk
	case a.Kind == ApproveBackchannel && a.Client == "", a.Kind != ApproveBackchannel && a.Scope+a.Resource != "":
		return ErrAsk
	}
	for _, f := range []struct {
		text string
		max  int
	}{
		{string(a.User), 128}, {string(a.Client), 512}, {a.App, 64}, {a.Host, 253}, {a.Text, MaxBindingMessage}, {a.Amount, 32}, {a.Currency, 8},
		{a.Payee, 64}, {a.Scope, MaxAskedScope}, {a.Resource, MaxAskedScope}, {a.Bind, 256}, {string(a.Env.Device), 128},
	} {
		if !plainText(f.text, f.max) {
			return ErrAsk
		}
	}
	return nil
}

// plainText says whether s is at most n characters of one line, none of which is invisible or turns others around.
func plainText(s string, n int) bool {
	return len(s) <= utf8.UTFMax*n && utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return !unicode.IsGraphic(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == utf8.RuneError
		})
}

// CheckBindingMessage says whether text can be shown as it is: one line of at most MaxBindingMessage characters, without
// control characters. ErrAsk. CIBA Core §7.1 (binding_message).
func CheckBindingMessage(text string) error {
	if !plainText(text, MaxBindingMessage) {
		return ErrAsk
	}
	return nil
}

func isPushEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxPushEndpoint && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Approval is a request as it stands.
type Approval struct {
	Handle   string // names it to everybody concerned; with it alone nothing can be redeemed
	Ask             // without Bind, and without Env: see Agent
	Agent    string // "Chrome on Windows", of who asks; "" unknown
	Number   string // only for who asked, and for both where it is compared
	State    ApprovalState
	Asked    time.Time
	Expires  time.Time
	Decided  time.Time // zero while it is pending
	By       string    // name of the approver that approved, or ""
	Approver string    // its id
}

// AskApproval puts a question to a.User. It returns the handle of the request, and the number for whoever asks to show.
// ErrNoApprover; ErrSelf where the only approver is the device that asks; Throttled where the person, the client or the
// network asked too often, or the person has just said that such a request was not theirs; ErrAsk. NIST SP 800-63B-4 §3.1.3.
func (s *Service) AskApproval(ctx context.Context, a Ask) (handle, number string, err error) {
	if err := a.check(); err != nil {
		return "", "", err
	}
	if err := s.canAsk(ctx, a); err != nil {
		return "", "", err
	}
	r := record{Ask: a, State: ApprovalPending, Agent: agentFamily(a.Env.UserAgent), Device: a.Env.Device, BindHash: bindHash(a.Bind)}
	r.Asked = s.now().UTC().Truncate(time.Microsecond)
	r.Expires = r.Asked.Add(a.Life)
	if r.Handle, err = s.random(32); err != nil {
		return "", "", err
	}
	if r.Nonce, err = s.random(16); err != nil {
		return "", "", err
	}
	if r.Number, err = s.digits(a.Digits); err != nil {
		return "", "", err
	}
	r.Ask.Bind, r.Ask.Env = "", ident.Env{}
	e := event("approval.asked", audit.OK, string(a.Kind), a.User, a.Client, a.Env)
	e.Data = map[string]string{"handle": r.Handle}
	if err := s.audit.Record(ctx, e); err != nil {
		return "", "", fmt.Errorf("authn: ask: %w", err)
	}
	if err := s.putRecord(ctx, r); err != nil {
		return "", "", err
	}
	return r.Handle, r.Number, s.list(ctx, r)
}

// canAsk says whether a may be asked now.
func (s *Service) canAsk(ctx context.Context, a Ask) error {
	u, err := s.users.User(ctx, a.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return ErrNoApprover
	}
	if err != nil {
		return fmt.Errorf("authn: ask: %w", err)
	}
	list, err := s.Approvers(ctx, a.User)
	if err != nil {
		return err
	}
	if list, err = s.usable(ctx, a.User, list); err != nil {
		return err
	}
	if s.policy.ProgramDecisions && a.Kind == ApproveBackchannel { // a program stands in for a device, and tires of nothing
		return nil
	}
	if len(list) == 0 {
		return ErrNoApprover
	}
	if !slices.ContainsFunc(list, func(x Approver) bool { return !x.is(a.Env.Device) }) {
		return ErrSelf
	}
	return s.mayAsk(ctx, a)
}

// is says whether a is the browser with device.
func (a Approver) is(device ident.DeviceID) bool {
	return device != "" && a.Kind == ApproverBrowser && a.Device == device
}

// usable leaves out browsers where the person has no passkey to sign with any more.
func (s *Service) usable(ctx context.Context, user ident.UserID, list []Approver) ([]Approver, error) {
	if !slices.ContainsFunc(list, func(a Approver) bool { return a.Kind == ApproverBrowser }) {
		return list, nil
	}
	keys, err := s.Passkeys(ctx, user)
	if err != nil || len(keys) > 0 && s.policy.Passkey.RPID != "" {
		return list, err
	}
	return slices.DeleteFunc(list, func(a Approver) bool { return a.Kind == ApproverBrowser }), nil
}

// CanApprove says whether a device other than the one with device can approve for user: what a page asks before it offers to.
func (s *Service) CanApprove(ctx context.Context, user ident.UserID, device ident.DeviceID) (bool, error) {
	list, err := s.Approvers(ctx, user)
	if err != nil {
		return false, err
	}
	if list, err = s.usable(ctx, user, list); err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(a Approver) bool { return !a.is(device) }), nil
}

// Reachable returns user, and whether they could be asked by back channel: they are there and have a device. It reads the
// same of whoever it is, nobody among them, so that the time which it takes says no more than the answer.
func (s *Service) Reachable(ctx context.Context, user ident.UserID) (User, bool, error) {
	u, err := s.users.User(ctx, user)
	there := err == nil && !u.Disabled
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return User{}, false, fmt.Errorf("authn: reachable: %w", err)
	}
	list, err := s.Approvers(ctx, user)
	if err != nil {
		return User{}, false, err
	}
	browsers := false
	if s.policy.Passkey.RPID != "" {
		keys, err := s.Passkeys(ctx, user)
		if err != nil {
			return User{}, false, err
		}
		browsers = len(keys) > 0
	}
	can := s.policy.ProgramDecisions || slices.ContainsFunc(list, func(a Approver) bool { return browsers || a.Kind == ApproverApp })
	return u, there && can, nil
}

// KnownDevice says whether user has completed a sign-in on device before: to any other browser approval is offered only
// after another factor, since anybody can type an identifier.
func (s *Service) KnownDevice(ctx context.Context, user ident.UserID, device ident.DeviceID) (bool, error) {
	return s.throttle.knows(ctx, string(user), device)
}

// Approval returns the request with handle to an approver of user; its number only where it is compared. ErrNoApproval.
func (s *Service) Approval(ctx context.Context, user ident.UserID, handle string) (Approval, error) {
	r, _, err := s.settled(ctx, handle)
	if err != nil {
		return Approval{}, err
	}
	if r.User != user {
		return Approval{}, ErrNoApproval
	}
	return r.shown(r.Compare), nil
}

// AskedApproval returns the request with handle, and its number, to who asked it with bind. ErrNoApproval.
func (s *Service) AskedApproval(ctx context.Context, handle, bind string) (Approval, error) {
	r, _, err := s.settled(ctx, handle)
	if err != nil {
		return Approval{}, err
	}
	if !r.boundTo(bind) {
		return Approval{}, ErrNoApproval
	}
	return r.shown(true), nil
}

// PendingApprovals returns the requests that wait for user, newest first, at most maxPending, as Approval does.
func (s *Service) PendingApprovals(ctx context.Context, user ident.UserID) ([]Approval, error) {
	list, err := s.pending(ctx, user)
	if err != nil {
		return nil, err
	}
	var out []Approval
	for _, r := range list {
		out = append(out, r.shown(r.Compare))
	}
	return out, nil
}

func (s *Service) pending(ctx context.Context, user ident.UserID) (out []record, err error) {
	listed, err := s.listed(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		r, _, err := s.settled(ctx, l.Handle)
		if errors.Is(err, ErrNoApproval) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r.User == user && r.State == ApprovalPending {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b record) int { return b.Asked.Compare(a.Asked) })
	return out[:min(len(out), maxPending)], nil
}

// CancelApproval ends a request that who asked it with bind gave up. Unapproved where it was decided before; ErrNoApproval.
func (s *Service) CancelApproval(ctx context.Context, handle, bind string) error {
	r, _, err := s.settled(ctx, handle)
	if err != nil {
		return err
	}
	if !r.boundTo(bind) {
		return ErrNoApproval
	}
	_, err = s.decide(ctx, handle, decision{to: ApprovalCancelled, event: r.event("approval.cancelled", audit.OK, "", ident.Env{})})
	return err
}
