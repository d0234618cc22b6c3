package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// MaxApprovers is how many approvers a person may have.
const MaxApprovers = 10

// The kinds of Approver.
const (
	ApproverBrowser = "browser" // signs with a passkey of the account
	ApproverApp     = "app"     // signs with a key of its own
)

// Approver is a device with which a person approves what happens elsewhere.
type Approver struct {
	ID        string         `json:"id"` // random, begins with a letter
	User      ident.UserID   `json:"user"`
	Kind      string         `json:"kind"`
	Name      string         `json:"name"`               // as the person calls it, at most 64 characters
	Device    ident.DeviceID `json:"device,omitempty"`   // of a browser: it never approves what began on itself
	Key       []byte         `json:"-"`                  // of an app: public JWK, ES256
	Attested  string         `json:"attested,omitempty"` // what was verified about the key of an app, or ""
	Push      []byte         `json:"-"`                  // where pushes go, sealed; nil: it only sees what waits when it looks
	CreatedAt time.Time      `json:"created_at"`
	UsedAt    time.Time      `json:"used_at,omitzero"`
	PushedAt  time.Time      `json:"pushed_at,omitzero"` // last push that was delivered
	FailedAt  time.Time      `json:"failed_at,omitzero"` // last push that was not
}

// ApproverStore keeps approvers. Engines implement it.
type ApproverStore interface {
	// Approvers returns all of user, oldest first.
	Approvers(ctx context.Context, user ident.UserID) ([]Approver, error)
	// Approver returns the one with id, whoever's it is; store.ErrNotFound.
	Approver(ctx context.Context, id string) (Approver, error)
	// AddApprover inserts it; store.ErrExists if the id is there already; store.ErrNotFound if there is no such user; at
	// most MaxApprovers a person, beyond which it is store.ErrStale.
	AddApprover(ctx context.Context, a Approver) error
	// PutApprover stores Name, Push, UsedAt, PushedAt and FailedAt of the one that has the ID and the User of a; store.ErrNotFound.
	PutApprover(ctx context.Context, a Approver) error
	// DeleteApprover removes it if it belongs to user; store.ErrNotFound.
	DeleteApprover(ctx context.Context, user ident.UserID, id string) error
	// UserCode returns the user code of user, sealed, and when it was set; store.ErrNotFound where there is none.
	UserCode(ctx context.Context, user ident.UserID) (sealed []byte, at time.Time, err error)
	// PutUserCode sets or replaces it, and removes it where sealed is nil; store.ErrNotFound if there is no such user.
	PutUserCode(ctx context.Context, user ident.UserID, sealed []byte, at time.Time) error
}

// PushTarget is where pushes to an approver go. RFC 8030 §5, RFC 8291 §2.
type PushTarget struct {
	Endpoint string `json:"endpoint"` // https
	P256DH   string `json:"p256dh,omitempty"`
	Auth     string `json:"auth,omitempty"`
}

const (
	maxPushEndpoint = 1 << 10 // bytes
	maxPushKey      = 128     // bytes, in base64url
)

// Approvers returns those of user, oldest first; none where there can be none.
func (s *Service) Approvers(ctx context.Context, user ident.UserID) ([]Approver, error) {
	if s.approvers == nil {
		return nil, nil
	}
	list, err := s.approvers.Approvers(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("authn: approvers: %w", err)
	}
	return list, nil
}

// EnrolBrowser makes the browser with env.Device an approver of user, and returns the one that it is already where it is.
// The caller has checked the person (CheckChange). ErrOff where user has no passkey to sign with or the browser has no
// device cookie; ErrFull; store.ErrNotFound.
func (s *Service) EnrolBrowser(ctx context.Context, user ident.UserID, name string, env ident.Env) (Approver, error) {
	if s.approvers == nil || s.policy.Passkey.RPID == "" || env.Device == "" {
		return Approver{}, ErrOff
	}
	keys, err := s.passkeys.Passkeys(ctx, user)
	if err != nil {
		return Approver{}, fmt.Errorf("authn: enrol browser: %w", err)
	}
	if len(keys) == 0 {
		return Approver{}, ErrOff
	}
	list, err := s.Approvers(ctx, user)
	if err != nil {
		return Approver{}, err
	}
	if i := slices.IndexFunc(list, func(a Approver) bool { return a.Kind == ApproverBrowser && a.Device == env.Device }); i >= 0 {
		return list[i], nil
	}
	if name = cleanName(name); name == "" {
		name = agentFamily(env.UserAgent)
	}
	if name == "" {
		name = "Browser"
	}
	return s.addApprover(ctx, Approver{User: user, Kind: ApproverBrowser, Name: name, Device: env.Device}, env)
}

// addApprover completes and stores a. The trail knows of it first.
func (s *Service) addApprover(ctx context.Context, a Approver, env ident.Env) (Approver, error) {
	id, err := s.random(16)
	if err != nil {
		return Approver{}, err
	}
	a.ID, a.CreatedAt = "a"+id, s.now().UTC().Truncate(time.Microsecond)
	e := event("approver.added", audit.OK, a.Kind, a.User, "", env)
	e.Data = map[string]string{"approver": a.ID, "name": a.Name}
	if err := s.audit.Record(ctx, e); err != nil {
		return Approver{}, fmt.Errorf("authn: add approver: %w", err)
	}
	err = s.approvers.AddApprover(ctx, a)
	if errors.Is(err, store.ErrStale) {
		return Approver{}, ErrFull
	}
	if err != nil {
		return Approver{}, fmt.Errorf("authn: add approver: %w", err)
	}
	return a, nil
}

// ownApprover returns the approver of user with id; store.ErrNotFound.
func (s *Service) ownApprover(ctx context.Context, user ident.UserID, id string) (Approver, error) {
	if s.approvers == nil {
		return Approver{}, ErrOff
	}
	a, err := s.approvers.Approver(ctx, id)
	if err == nil && a.User != user {
		err = store.ErrNotFound
	}
	if err != nil {
		return Approver{}, fmt.Errorf("authn: approver: %w", err)
	}
	return a, nil
}

// RenameApprover gives an approver of user another name; store.ErrNotFound.
func (s *Service) RenameApprover(ctx context.Context, user ident.UserID, id, name string, env ident.Env) error {
	a, err := s.ownApprover(ctx, user, id)
	if err != nil {
		return err
	}
	if name = cleanName(name); name == "" || name == a.Name {
		return nil
	}
	if err := s.audit.Record(ctx, event("approver.renamed", audit.OK, "", user, "", env)); err != nil {
		return fmt.Errorf("authn: rename approver: %w", err)
	}
	a.Name = name
	return s.putApprover(ctx, a)
}

// RemoveApprover removes an approver of user, with which nothing can be approved from then on; store.ErrNotFound.
func (s *Service) RemoveApprover(ctx context.Context, user ident.UserID, id string, env ident.Env) error {
	a, err := s.ownApprover(ctx, user, id)
	if err != nil {
		return err
	}
	e := event("approver.removed", audit.OK, "", user, "", env)
	e.Data = map[string]string{"approver": a.ID, "name": a.Name}
	if err := s.audit.Record(ctx, e); err != nil {
		return fmt.Errorf("authn: remove approver: %w", err)
	}
	if err := s.approvers.DeleteApprover(ctx, user, id); err != nil {
		return fmt.Errorf("authn: remove approver: %w", err)
	}
	return nil
}

func (s *Service) putApprover(ctx context.Context, a Approver) error {
	if err := s.approvers.PutApprover(ctx, a); err != nil {
		return fmt.Errorf("authn: put approver: %w", err)
	}
	return nil
}

// SetPush stores where pushes to an approver of user go, sealed; the zero PushTarget ends them. store.ErrNotFound; ErrAsk
// for a target that cannot be one. Whoever sends to it does so through egress.
func (s *Service) SetPush(ctx context.Context, user ident.UserID, id string, to PushTarget) error {
	a, err := s.ownApprover(ctx, user, id)
	if err != nil {
		return err
	}
	a.Push = nil
	if to != (PushTarget{}) {
		if !isPushEndpoint(to.Endpoint) || len(to.P256DH) > maxPushKey || len(to.Auth) > maxPushKey {
			return ErrAsk
		}
		plain, err := json.Marshal(to)
		if err != nil {
			return fmt.Errorf("authn: push: %w", err)
		}
		if a.Push, err = s.sealer.Seal(pushPurpose(a.ID), plain); err != nil {
			return fmt.Errorf("authn: push: %w", err)
		}
	}
	return s.putApprover(ctx, a)
}

// PushOf is where pushes to a go; false where they cannot.
func (s *Service) PushOf(a Approver) (to PushTarget, ok bool, err error) {
	if len(a.Push) == 0 {
		return PushTarget{}, false, nil
	}
	plain, err := s.sealer.Open(pushPurpose(a.ID), a.Push)
	if err == nil {
		err = json.Unmarshal(plain, &to)
	}
	if err != nil {
		return PushTarget{}, false, fmt.Errorf("authn: push: %w", err)
	}
	return to, true, nil
}

// Pushed notes whether a push to an approver of user was delivered, and with gone that its target is no more; store.ErrNotFound.
func (s *Service) Pushed(ctx context.Context, user ident.UserID, id string, delivered, gone bool) error {
	a, err := s.ownApprover(ctx, user, id)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	if delivered {
		a.PushedAt = now
	} else {
		a.FailedAt = now
	}
	if gone {
		a.Push = nil
	}
	return s.putApprover(ctx, a)
}

func pushPurpose(id string) string { return "authn.push/" + id }
