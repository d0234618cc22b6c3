package authn

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Why a request is denied.
const (
	DenyNotMe  = "not_me" // the person did not begin it: whoever did has to wait, and what it knew is in doubt
	DenyCancel = "cancel" // the person did, and changed their mind
)

// BeginApprove takes number to the request with handle and returns the options of a WebAuthn get() whose challenge is the
// hash of what is approved, and the secret handle to the ceremony, which belongs to bind. device is the browser's, which
// must be an approver of user and not the one that asks. A wrong number ends the request: the error is Unapproved at
// ApprovalWrong. ErrNoApproval, ErrNoApprover, ErrSelf, Unapproved; ErrOff where user has no passkey. number is ignored where
// it is compared.
func (s *Service) BeginApprove(ctx context.Context, user ident.UserID, handle, number string, bind string, env ident.Env) (options []byte, ceremonyHandle string, err error) {
	r, err := s.approvable(ctx, user, handle)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.approvingBrowser(ctx, r, env.Device); err != nil {
		return nil, "", err
	}
	if err := s.checkNumber(ctx, r, number, env); err != nil {
		return nil, "", err
	}
	if s.policy.Passkey.RPID == "" {
		return nil, "", ErrOff
	}
	list, err := s.passkeys.Passkeys(ctx, user)
	if err != nil {
		return nil, "", fmt.Errorf("authn: approve: %w", err)
	}
	if len(list) == 0 {
		return nil, "", ErrOff
	}
	text, err := r.statement(r.Number).canonical()
	if err != nil {
		return nil, "", err
	}
	c := ceremony{User: user, Listed: true, Challenge: challengeOf(text)}
	for _, p := range list {
		c.Allow = append(c.Allow, p.ID)
	}
	if ceremonyHandle, err = s.begin(ctx, approveBind(bind, handle), &c); err != nil {
		return nil, "", err
	}
	options, err = marshalOptions(requestOptions{
		Challenge: c.Challenge, Timeout: r.Expires.Sub(s.now()).Milliseconds(), RPID: s.policy.Passkey.RPID,
		AllowCredentials: describe(list), UserVerification: "required",
	})
	return options, ceremonyHandle, err
}

// approveBind keeps the ceremonies of approvals apart from those of sign-ins.
func approveBind(bind, handle string) string { return bind + "\x00approve\x00" + handle }

// approvable is the request with handle, if it waits for user; it comes with Unapproved as well.
func (s *Service) approvable(ctx context.Context, user ident.UserID, handle string) (record, error) {
	r, _, err := s.settled(ctx, handle)
	switch {
	case err != nil:
		return record{}, err
	case r.User != user:
		return record{}, ErrNoApproval
	case r.stands() != ApprovalPending:
		return r, Unapproved{r.stands()}
	}
	return r, nil
}

// approvingBrowser is the approver of the person of r that the browser with device is.
func (s *Service) approvingBrowser(ctx context.Context, r record, device ident.DeviceID) (Approver, error) {
	if device != "" && device == r.Device {
		return Approver{}, ErrSelf
	}
	list, err := s.Approvers(ctx, r.User)
	if err != nil {
		return Approver{}, err
	}
	i := slices.IndexFunc(list, func(a Approver) bool { return a.is(device) })
	if i < 0 {
		return Approver{}, ErrNoApprover
	}
	return list[i], nil
}

// checkNumber ends r where number is not the one that was shown: there is no second guess.
func (s *Service) checkNumber(ctx context.Context, r record, number string, env ident.Env) error {
	if r.Compare || subtle.ConstantTimeCompare([]byte(normaliseCode(number)), []byte(r.Number)) == 1 {
		return nil
	}
	_, err := s.decide(ctx, r.Handle, decision{to: ApprovalWrong, event: r.event("approval.wrong_number", audit.Failed, "", env)})
	if err != nil {
		return err
	}
	if err := s.doubt(context.WithoutCancel(ctx), r.Ask, doubtOfWrong); err != nil {
		return err
	}
	return Unapproved{ApprovalWrong}
}

// ApproveByPasskey approves the request with handle by the response to the options of BeginApprove, and returns it. The
// ceremony is over, whatever comes out. ErrWrong for a response that is not right, ErrUnknownPasskey among them; ErrNoApproval,
// ErrNoApprover, ErrSelf; Unapproved where it was decided before, with the request as it stands.
func (s *Service) ApproveByPasskey(ctx context.Context, user ident.UserID, handle, ceremonyHandle, bind string, response []byte, env ident.Env) (_ Approval, err error) {
	ctx, end := span.Start(ctx, "authn.ApproveByPasskey")
	defer func() { end(err) }()
	if s.policy.Passkey.RPID == "" {
		return Approval{}, ErrOff
	}
	c, cerr := s.takeCeremony(ctx, ceremonyHandle, approveBind(bind, handle), false)
	if cerr != nil && !errors.Is(cerr, ErrWrong) {
		return Approval{}, cerr
	}
	r, err := s.approvable(ctx, user, handle)
	if err != nil {
		return r.shownTo(user), err
	}
	a, err := s.approvingBrowser(ctx, r, env.Device)
	if err != nil {
		return Approval{}, err
	}
	if cerr != nil {
		return Approval{}, s.misapproved(ctx, r, refusal{"ceremony", ErrWrong}, env)
	}
	text, err := r.statement(r.Number).canonical()
	if err != nil {
		return Approval{}, err
	}
	if !bytes.Equal(challengeOf(text), c.Challenge) || c.User != user {
		return Approval{}, s.misapproved(ctx, r, refusal{"challenge", ErrWrong}, env)
	}
	p, verified, err := s.assertion(ctx, c, response, env)
	if err == nil && !verified { // whatever policy says of sign-ins
		err = refuse("verification")
	}
	if err != nil {
		return Approval{}, s.misapproved(ctx, r, err, env)
	}
	proof, err := passkeyEvidence(s.policy.Passkey.RPID, text, p, response)
	if err != nil {
		return Approval{}, err
	}
	return s.approve(ctx, r, a, p.Suspect, proof, env)
}

// misapproved records why an approval does not count, and returns what the caller sees.
func (s *Service) misapproved(ctx context.Context, r record, err error, env ident.Env) error {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		return err
	}
	if err := s.audit.Record(ctx, r.event("approval.failed", audit.Failed, why.code, env)); err != nil {
		return fmt.Errorf("authn: approve: %w", err)
	}
	return why.as
}

// approve brings r to ApprovalApproved, with the evidence in the trail.
func (s *Service) approve(ctx context.Context, r record, a Approver, suspect bool, proof Evidence, env ident.Env) (Approval, error) {
	e := r.event("approval.approved", audit.OK, "", env)
	e.Data["approver"], e.Data["name"] = a.ID, a.Name
	var err error
	if e.Evidence, err = json.Marshal(proof); err != nil {
		return Approval{}, fmt.Errorf("authn: approve: %w", err)
	}
	out, err := s.decide(ctx, r.Handle, decision{to: ApprovalApproved, event: e, by: a.Name, approver: a.ID, suspect: suspect})
	if err != nil {
		return out.shownTo(r.User), err
	}
	a.UsedAt = s.now().UTC().Truncate(1000)
	if err := s.approvers.PutApprover(ctx, a); err != nil && !errors.Is(err, store.ErrNotFound) {
		return Approval{}, fmt.Errorf("authn: approve: %w", err)
	}
	return out.shown(out.Compare), nil
}

// shownTo is r for an approver of user; nothing for anybody else.
func (r *record) shownTo(user ident.UserID) Approval {
	if r.Handle == "" || r.User != user {
		return Approval{}
	}
	return r.shown(r.Compare)
}

// DenyApproval denies the request with handle for user, for a reason (DenyNotMe where it is ""). It needs no signature.
// ErrNoApproval; Unapproved where it was decided before.
func (s *Service) DenyApproval(ctx context.Context, user ident.UserID, handle, reason string, env ident.Env) error {
	if reason == "" {
		reason = DenyNotMe
	}
	if reason != DenyNotMe && reason != DenyCancel {
		return ErrAsk
	}
	r, err := s.approvable(ctx, user, handle)
	if err != nil {
		return err
	}
	if _, err := s.decide(ctx, handle, decision{to: ApprovalDenied, event: r.event("approval.denied", audit.Denied, reason, env)}); err != nil {
		return err
	}
	if reason == DenyCancel {
		return nil
	}
	return s.cool(context.WithoutCancel(ctx), r)
}

// passkeyEvidence is what proves that p signed text: what the browser and the authenticator signed, as they did.
func passkeyEvidence(rpID string, text []byte, p Passkey, response []byte) (Evidence, error) {
	in, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Evidence{}, fmt.Errorf("authn: evidence: %w", err)
	}
	raw := in.Raw.AssertionResponse
	return Evidence{
		V: 1, Statement: text, RPID: rpID, Credential: p.ID, PublicKey: p.PublicKey,
		AuthenticatorData: b64(raw.AuthenticatorData), ClientData: b64(raw.ClientDataJSON), Signature: b64(raw.Signature),
	}, nil
}
