package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// Passkeys returns those of user, oldest first.
func (s *Service) Passkeys(ctx context.Context, user ident.UserID) ([]Passkey, error) {
	if s.passkeys == nil {
		return nil, nil
	}
	list, err := s.passkeys.Passkeys(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("authn: passkeys: %w", err)
	}
	return list, nil
}

// RenamePasskey gives a passkey of user another name; store.ErrNotFound.
func (s *Service) RenamePasskey(ctx context.Context, user ident.UserID, id []byte, name string, env ident.Env) error {
	p, err := s.own(ctx, user, id)
	if err != nil {
		return err
	}
	if err := s.audit.Record(ctx, event("passkey.renamed", audit.OK, "", user, "", env)); err != nil {
		return fmt.Errorf("authn: rename passkey: %w", err)
	}
	if err := s.passkeys.RenamePasskey(ctx, user, id, passkeyName(name, p)); err != nil {
		return fmt.Errorf("authn: rename passkey: %w", err)
	}
	return nil
}

// DeletePasskey removes a passkey of user; store.ErrNotFound, or ErrLast where the person could not sign in any more,
// however many are deleted at the same moment. It ends no session.
func (s *Service) DeletePasskey(ctx context.Context, user ident.UserID, id []byte, env ident.Env) error {
	if _, err := s.own(ctx, user, id); err != nil {
		return err
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return fmt.Errorf("authn: delete passkey: %w", err)
	}
	// A code, from an app or from paper, is no way to sign in by itself.
	other := s.secretsOf(u)&hasPassword != 0
	if !other {
		list, err := s.passkeys.Passkeys(ctx, user)
		if err != nil {
			return fmt.Errorf("authn: delete passkey: %w", err)
		}
		if len(list) < 2 {
			return s.refuseLast(ctx, user, env)
		}
	}
	if err := s.audit.Record(ctx, event("passkey.deleted", audit.OK, "", user, "", env)); err != nil {
		return fmt.Errorf("authn: delete passkey: %w", err)
	}
	err = s.passkeys.DeletePasskey(ctx, user, id, other)
	if errors.Is(err, store.ErrStale) {
		return s.refuseLast(ctx, user, env)
	}
	if err != nil {
		return fmt.Errorf("authn: delete passkey: %w", err)
	}
	return nil
}

func (s *Service) refuseLast(ctx context.Context, user ident.UserID, env ident.Env) error {
	if err := s.audit.Record(ctx, event("passkey.deleted", audit.Denied, "last", user, "", env)); err != nil {
		return fmt.Errorf("authn: delete passkey: %w", err)
	}
	return ErrLast
}

// own returns the passkey of user with id; store.ErrNotFound.
func (s *Service) own(ctx context.Context, user ident.UserID, id []byte) (Passkey, error) {
	if s.passkeys == nil {
		return Passkey{}, ErrOff
	}
	p, err := s.passkeys.Passkey(ctx, id)
	if err == nil && p.User != user {
		err = store.ErrNotFound
	}
	if err != nil {
		return Passkey{}, fmt.Errorf("authn: passkey: %w", err)
	}
	return p, nil
}

// CheckChange returns nil where somebody who signed in with have at a time may add or remove a factor of user, and
// StepUp otherwise: at the highest rung that the person can reach, at most ProofLife ago. NIST SP 800-63B-4 §4.1.
func (s *Service) CheckChange(ctx context.Context, user ident.UserID, have ident.Assurance, at time.Time) error {
	f, err := s.Factors(ctx, user)
	if err != nil {
		return err
	}
	if now := s.now(); have < f.Best || have == ident.None || at.After(now) || now.Sub(at) > ProofLife {
		return StepUp{Need: max(f.Best, ident.AAL1)}
	}
	return nil
}

// PasskeySignals is what a page tells authenticators, so that they forget what is gone and show the names of today;
// its JSON is what signalAllAcceptedCredentials and signalCurrentUserDetails take. WebAuthn L3 §5.1.10.
type PasskeySignals struct {
	RPID                     string   `json:"rpId"`
	UserID                   string   `json:"userId"` // base64url
	AllAcceptedCredentialIDs []string `json:"allAcceptedCredentialIds"`
	Name                     string   `json:"name"`
	DisplayName              string   `json:"displayName"`
}

// Signals returns them for user; store.ErrNotFound; ErrOff.
func (s *Service) Signals(ctx context.Context, user ident.UserID) (PasskeySignals, error) {
	if s.policy.Passkey.RPID == "" {
		return PasskeySignals{}, ErrOff
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return PasskeySignals{}, fmt.Errorf("authn: signals: %w", err)
	}
	list, err := s.passkeys.Passkeys(ctx, user)
	if err != nil {
		return PasskeySignals{}, fmt.Errorf("authn: signals: %w", err)
	}
	out := PasskeySignals{
		RPID: s.policy.Passkey.RPID, UserID: b64(handleOf(user)).String(), AllAcceptedCredentialIDs: []string{},
		Name: nameOf(u), DisplayName: displayNameOf(u),
	}
	for _, p := range list {
		out.AllAcceptedCredentialIDs = append(out.AllAcceptedCredentialIDs, b64(p.ID).String())
	}
	return out, nil
}

// nameOf is what an authenticator shows to tell accounts apart.
func nameOf(u User) string {
	if u.Username != "" {
		return u.Username
	}
	return u.Email
}

func displayNameOf(u User) string {
	var name string
	if json.Unmarshal(u.Claims["name"], &name) == nil && cleanName(name) != "" {
		return cleanName(name)
	}
	return nameOf(u)
}
