package authn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// BeginPasskey returns the options of a sign-in or re-authentication for parseRequestOptionsFromJSON, and the
// secret handle to the ceremony, which belongs to bind. Without user any discoverable passkey will do; with
// user only theirs, and ErrOff where they have none. ErrOff also where there are no passkeys at all.
// WebAuthn L3 §7.2 steps 1 and 2.
func (s *Service) BeginPasskey(ctx context.Context, bind string, user ident.UserID) (options []byte, handle string, err error) {
	if s.policy.Passkey.RPID == "" {
		return nil, "", ErrOff
	}
	var list []Passkey
	if user != "" {
		if list, err = s.passkeys.Passkeys(ctx, user); err != nil {
			return nil, "", fmt.Errorf("authn: passkey: %w", err)
		}
		if len(list) == 0 {
			return nil, "", ErrOff
		}
	}
	return s.request(ctx, bind, user, describe(list), user != "")
}

// BeginPasskeyFor is BeginPasskey for who typed identifier. Somebody unknown, or without a passkey, gets a list
// that is as long, as steady and as slow as a real one, with which nobody can sign in. WebAuthn L3 §14.6.2.
func (s *Service) BeginPasskeyFor(ctx context.Context, bind, identifier string) (options []byte, handle string, err error) {
	if s.policy.Passkey.RPID == "" {
		return nil, "", ErrOff
	}
	identifier = NormalizeIdentifier(identifier)
	u, err := s.find(ctx, identifier)
	if err != nil {
		return nil, "", err
	}
	account := string(u.ID)
	if account == "" {
		account = "?" + identifier
	}
	list, err := s.passkeys.Passkeys(ctx, u.ID) // for nobody too: it takes its time
	if err != nil {
		return nil, "", fmt.Errorf("authn: passkey: %w", err)
	}
	allow, err := s.decoys(ctx, account)
	if err != nil {
		return nil, "", err
	}
	if len(list) > 0 && !u.Disabled {
		allow = describe(list)
	}
	return s.request(ctx, bind, u.ID, allow, true)
}

func (s *Service) request(ctx context.Context, bind string, user ident.UserID, allow []descriptor, listed bool) ([]byte, string, error) {
	c := ceremony{User: user, Listed: listed}
	for _, d := range allow {
		c.Allow = append(c.Allow, d.ID)
	}
	handle, err := s.begin(ctx, bind, &c)
	if err != nil {
		return nil, "", err
	}
	o := requestOptions{
		Challenge: c.Challenge, Timeout: CeremonyLife.Milliseconds(), RPID: s.policy.Passkey.RPID,
		AllowCredentials: allow, UserVerification: "required",
	}
	if s.policy.Passkey.OptionalUV {
		o.UserVerification = "preferred"
	}
	options, err := marshalOptions(o)
	return options, handle, err
}

// refusal is why a response does not count: a code for the trail, and never for the person.
type refusal struct {
	code string
	as   error // what the caller sees
}

func (r refusal) Error() string { return "authn: passkey: " + r.code }

func refuse(code string) error { return refusal{code, ErrWrong} }

// Passkey returns the proof of the person whose passkey signed the challenge of handle for bind; response is what
// toJSON of the credential gave. The ceremony is over, whatever comes out. ErrUnknownPasskey; ErrWrong for
// everything else that is wrong; ErrOff. A counter that went back does not refuse the passkey, which may be its
// owner's: the proof and the passkey are suspect from then on. WebAuthn L3 §7.2.
func (s *Service) Passkey(ctx context.Context, handle, bind string, response []byte, env ident.Env) (_ Proof, err error) {
	ctx, end := span.Start(ctx, "authn.Passkey")
	defer func() { end(err) }()
	if s.policy.Passkey.RPID == "" {
		return Proof{}, ErrOff
	}
	c, err := s.takeCeremony(ctx, handle, bind, false)
	if err != nil && !errors.Is(err, ErrWrong) {
		return Proof{}, err
	}
	var shown Passkey
	var verified bool
	if err != nil {
		err = refuse("ceremony")
	} else {
		shown, verified, err = s.assertion(ctx, c, response, env)
	}
	if r, ok := errors.AsType[refusal](err); ok {
		if err := s.audit.Record(ctx, event("passkey.failed", audit.Failed, r.code, shown.User, "", env)); err != nil {
			return Proof{}, fmt.Errorf("authn: passkey: %w", err)
		}
		return Proof{}, r.as
	}
	if err != nil {
		return Proof{}, err
	}
	e := event("passkey.verified", audit.OK, "", shown.User, "", env)
	if shown.Suspect {
		e.Reason = "counter"
	}
	if err := s.audit.Record(ctx, e); err != nil {
		return Proof{}, fmt.Errorf("authn: passkey: %w", err)
	}
	if verified {
		if err := (&attempt{t: s.throttle, account: string(shown.User), device: env.Device}).remember(ctx); err != nil {
			return Proof{}, err
		}
	}
	u, err := s.users.User(ctx, shown.User)
	if err != nil {
		return Proof{}, fmt.Errorf("authn: passkey: %w", err)
	}
	p, err := s.proveAs(u, s.factorOf(shown, verified))
	if err != nil {
		return Proof{}, err
	}
	p.suspect = shown.Suspect
	return p, s.outrank(ctx, u, p, env)
}

// assertion verifies response and moves the counter of its passkey on. A refusal comes with the passkey where
// that is known.
func (s *Service) assertion(ctx context.Context, c ceremony, response []byte, env ident.Env) (p Passkey, verified bool, err error) {
	if len(response) > maxResponse {
		return p, false, refuse("malformed")
	}
	in, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil || len(in.RawID) > maxCredentialID {
		return p, false, refuse("malformed")
	}
	p, err = s.passkeys.Passkey(ctx, in.RawID)
	if errors.Is(err, store.ErrNotFound) {
		return Passkey{}, false, refusal{"unknown", ErrUnknownPasskey}
	}
	if err != nil {
		return Passkey{}, false, fmt.Errorf("authn: passkey: %w", err)
	}
	if err := s.whose(ctx, c, p, in.Response.UserHandle); err != nil {
		return p, false, err
	}
	if err := s.verifyAssertion(c, p, in); err != nil {
		return p, false, err
	}
	data := in.Response.AuthenticatorData
	p, err = s.advance(ctx, p, data.Counter, data.Flags.HasBackupState(), env)
	return p, data.Flags.UserVerified(), err
}

// whose checks that p is one that the ceremony asked for and that handle names its owner, who may sign in.
// WebAuthn L3 §7.2 steps 5 and 6.
func (s *Service) whose(ctx context.Context, c ceremony, p Passkey, handle []byte) error {
	if c.Listed && !slices.ContainsFunc(c.Allow, func(id b64) bool { return bytes.Equal(id, p.ID) }) || c.User != "" && c.User != p.User {
		return refuse("not_allowed")
	}
	// A passkey that was named may leave the handle out.
	if (len(handle) > 0 || !c.Listed) && !bytes.Equal(handle, handleOf(p.User)) {
		return refuse("user_handle")
	}
	u, err := s.users.User(ctx, p.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return refuse("disabled")
	}
	if err != nil {
		return fmt.Errorf("authn: passkey: %w", err)
	}
	return nil
}

// verifyAssertion is WebAuthn L3 §7.2 steps 7 to 21.
func (s *Service) verifyAssertion(c ceremony, p Passkey, in *protocol.ParsedCredentialAssertionData) error {
	policy, flags := s.policy.Passkey, in.Response.AuthenticatorData.Flags
	if err := s.checkClient(in.Raw.AssertionResponse.ClientDataJSON, "webauthn.get", c.Challenge); err != nil {
		return err
	}
	if in.ClientExtensionResults.RemoteClientDataJSON != nil {
		return refuse("extension")
	}
	if err := s.checkAuthenticator(&in.Response.AuthenticatorData, true, !policy.OptionalUV); err != nil {
		return err
	}
	if flags.HasBackupEligible() != p.Synced { // immutable: WebAuthn L3 §6.1.3
		return refuse("backup")
	}
	if _, err := checkKey(p.PublicKey, nil); err != nil {
		return err
	}
	err := in.Verify(c.Challenge.String(), policy.RPID, "", policy.Origins, policy.Origins, policy.TopOrigins,
		protocol.TopOriginExplicitVerificationMode, len(policy.TopOrigins) > 0, !policy.OptionalUV, true, p.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return refuse("signature")
	}
	return nil
}

// advance stores that p was used with count; where somebody else did at the same time, it looks again.
// WebAuthn L3 §7.2 steps 22 to 26, §6.1.1.
func (s *Service) advance(ctx context.Context, p Passkey, count uint32, backedUp bool, env ident.Env) (Passkey, error) {
	for range 16 {
		was := p.SignCount
		if count > was {
			p.SignCount = count
		} else if count != 0 || was != 0 {
			p.Suspect = true
		}
		p.BackedUp, p.UsedAt, p.UsedOn = backedUp, s.now().UTC(), agentFamily(env.UserAgent)
		err := s.passkeys.UsePasskey(ctx, p, was)
		if err == nil {
			return p, nil
		}
		if errors.Is(err, store.ErrStale) {
			p, err = s.passkeys.Passkey(ctx, p.ID)
		}
		if errors.Is(err, store.ErrNotFound) {
			return p, refusal{"unknown", ErrUnknownPasskey}
		}
		if err != nil {
			return p, fmt.Errorf("authn: passkey: %w", err)
		}
	}
	return p, ErrBusy
}
