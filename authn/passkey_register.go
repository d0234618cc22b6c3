package authn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// maxPasskeyName is the length of a name in characters.
const maxPasskeyName = 64

// BeginRegistration returns the options of a new passkey of user for parseCreationOptionsFromJSON, and the secret
// handle to the ceremony, which belongs to bind. Whether the person may add one now, CheckChange says.
// store.ErrNotFound; ErrFull; ErrOff. WebAuthn L3 §7.1 steps 1 and 2.
func (s *Service) BeginRegistration(ctx context.Context, bind string, user ident.UserID) (options []byte, handle string, err error) {
	return s.creation(ctx, bind, user, false)
}

// BeginConditionalRegistration is BeginRegistration for a passkey that the browser may make without asking, right after
// a sign-in by a password that it filled in: then alone may nobody have been present. WebAuthn L3 §5.1.3 (mediation
// `conditional`), §7.1 step 14.
func (s *Service) BeginConditionalRegistration(ctx context.Context, bind string, user ident.UserID) (options []byte, handle string, err error) {
	return s.creation(ctx, bind, user, true)
}

func (s *Service) creation(ctx context.Context, bind string, user ident.UserID, conditional bool) ([]byte, string, error) {
	policy := s.policy.Passkey
	if policy.RPID == "" {
		return nil, "", ErrOff
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return nil, "", fmt.Errorf("authn: passkey: %w", err)
	}
	list, err := s.passkeys.Passkeys(ctx, user)
	if err != nil {
		return nil, "", fmt.Errorf("authn: passkey: %w", err)
	}
	if len(list) >= MaxPasskeys {
		return nil, "", ErrFull
	}
	c := ceremony{Create: true, Conditional: conditional, User: user}
	handle, err := s.begin(ctx, bind, &c)
	if err != nil {
		return nil, "", err
	}
	o := creationOptions{
		RP:        entity{ID: policy.RPID, Name: policy.RPName},
		User:      entity{ID: b64(handleOf(user)), Name: nameOf(u), DisplayName: displayNameOf(u)},
		Challenge: c.Challenge, Timeout: CeremonyLife.Milliseconds(), ExcludeCredentials: describe(list),
		AuthenticatorSelection: selection{ResidentKey: "required", RequireResidentKey: true, UserVerification: "required"},
		Hints:                  []string{"client-device", "hybrid"}, Attestation: policy.Attestation,
		Extensions: map[string]any{"credProps": true},
	}
	if policy.Attestation == AttestDirect || policy.Attestation == AttestEnterprise {
		o.Hints = []string{"security-key"}
	}
	if conditional { // a browser that must not ask cannot verify
		o.AuthenticatorSelection.UserVerification = "preferred"
	}
	for _, a := range policy.Algorithms {
		o.PubKeyCredParams = append(o.PubKeyCredParams, parameter{Type: "public-key", Alg: a})
	}
	options, err := marshalOptions(o)
	return options, handle, err
}

// Register stores the passkey that the authenticator made for the challenge of handle for bind, and returns it;
// response is what toJSON of the credential gave. Without name it is called after its provider. The ceremony is
// over, whatever comes out. ErrWrong; ErrExists; ErrFull; ErrAttestation; ErrOff. WebAuthn L3 §7.1.
func (s *Service) Register(ctx context.Context, handle, bind string, response []byte, name string, env ident.Env) (_ Passkey, err error) {
	ctx, end := span.Start(ctx, "authn.Register")
	defer func() { end(err) }()
	if s.policy.Passkey.RPID == "" {
		return Passkey{}, ErrOff
	}
	c, err := s.takeCeremony(ctx, handle, bind, true)
	if err != nil && !errors.Is(err, ErrWrong) {
		return Passkey{}, err
	}
	var p Passkey
	if err != nil {
		err = refuse("ceremony")
	} else if p, err = s.attestation(c, response); err == nil {
		err = s.free(ctx, p.ID)
	}
	if r, ok := errors.AsType[refusal](err); ok {
		if err := s.audit.Record(ctx, event("passkey.refused", audit.Failed, r.code, c.User, "", env)); err != nil {
			return Passkey{}, fmt.Errorf("authn: register: %w", err)
		}
		return Passkey{}, r.as
	}
	if err != nil {
		return Passkey{}, err
	}
	p.Name = passkeyName(name, p)
	p.CreatedAt = s.now().UTC()
	e := event("passkey.registered", audit.OK, "", p.User, "", env)
	e.Data = map[string]string{"provider": ProviderOf(p.AAGUID), "attested": p.Attested}
	if err := s.audit.Record(ctx, e); err != nil {
		return Passkey{}, fmt.Errorf("authn: register: %w", err)
	}
	switch err := s.passkeys.AddPasskey(ctx, p); {
	case errors.Is(err, store.ErrExists):
		return Passkey{}, ErrExists
	case errors.Is(err, store.ErrStale):
		return Passkey{}, ErrFull
	case errors.Is(err, store.ErrNotFound):
		return Passkey{}, ErrWrong
	case err != nil:
		return Passkey{}, fmt.Errorf("authn: register: %w", err)
	}
	u, err := s.users.User(ctx, p.User)
	if err != nil {
		return Passkey{}, fmt.Errorf("authn: register: %w", err)
	}
	return p, s.restored(ctx, u)
}

// free refuses a credential id that somebody has, whoever it is. WebAuthn L3 §7.1 step 26.
func (s *Service) free(ctx context.Context, id []byte) error {
	_, err := s.passkeys.Passkey(ctx, id)
	switch {
	case err == nil:
		return refusal{"exists", ErrExists}
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return fmt.Errorf("authn: register: %w", err)
}

// attestation verifies response and returns the passkey that it makes: WebAuthn L3 §7.1 steps 5 to 25.
func (s *Service) attestation(c ceremony, response []byte) (Passkey, error) {
	policy := s.policy.Passkey
	if len(response) > maxResponse {
		return Passkey{}, refuse("malformed")
	}
	in, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Passkey{}, refuse("malformed")
	}
	att := &in.Response.AttestationObject
	data := &att.AuthData
	if len(in.RawID) > maxCredentialID || !bytes.Equal(in.RawID, data.AttData.CredentialID) || len(data.AttData.AAGUID) != 16 {
		return Passkey{}, refuse("credential_id")
	}
	if err := s.checkClient(in.Raw.AttestationResponse.ClientDataJSON, "webauthn.create", c.Challenge); err != nil {
		return Passkey{}, err
	}
	if in.ClientExtensionResults.RemoteClientDataJSON != nil {
		return Passkey{}, refuse("extension")
	}
	if err := s.checkAuthenticator(data, !c.Conditional, !c.Conditional); err != nil {
		return Passkey{}, err
	}
	alg, err := checkKey(data.AttData.CredentialPublicKey, policy.Algorithms)
	if err != nil {
		return Passkey{}, err
	}
	params := []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(alg)}}
	_, err = in.Verify(c.Challenge.String(), policy.RPID, policy.Origins, policy.Origins, policy.TopOrigins,
		protocol.TopOriginExplicitVerificationMode, len(policy.TopOrigins) > 0, !c.Conditional, !c.Conditional, nil, params,
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Passkey{}, refuse("attestation")
	}
	p := Passkey{
		ID: in.RawID, User: c.User, PublicKey: data.AttData.CredentialPublicKey, Alg: alg, AAGUID: [16]byte(data.AttData.AAGUID),
		Transports: transportsOf(in.Raw.AttestationResponse.Transports), Attachment: string(in.AuthenticatorAttachment),
		SignCount: data.Counter, Synced: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState(), Verifies: data.Flags.UserVerified(),
	}
	p.Attested, err = s.trust(att)
	return p, err
}

// transportsOf are those of reported that the specification knows or may come to know, in their order.
// WebAuthn L3 §5.2.1.1.
func transportsOf(reported []string) []string {
	var out []string
	for _, t := range reported {
		plain := t != "" && len(t) <= 32 && strings.Trim(t, "abcdefghijklmnopqrstuvwxyz-") == ""
		if plain && len(out) < 8 && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// passkeyName is name as far as it can be shown, or the provider's where nothing is left.
func passkeyName(name string, p Passkey) string {
	if name = cleanName(name); name != "" {
		return name
	}
	if name = ProviderOf(p.AAGUID); name != "" {
		return name
	}
	return "Passkey"
}

func cleanName(name string) string {
	if len(name) > 4*maxPasskeyName || !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name[:min(len(name), 4*maxPasskeyName)], "")
	}
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return -1
		}
		return r
	}, name))
	if r := []rune(name); len(r) > maxPasskeyName {
		name = strings.TrimSpace(string(r[:maxPasskeyName]))
	}
	return name
}
