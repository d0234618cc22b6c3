package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/store"
)

// The `typ` of what devices sign: of browsers themselves (Device Bound Session Credentials), and of our script. Neither can
// pass for the other, nor for anything else. RFC 8725 §3.11.
const (
	TypChip = "dbsc+jwt"
	TypApp  = "postern-device-key+jwt"
)

const (
	// BoundLife is how long a proof counts: what steals a cookie with it is stopped by then.
	BoundLife = 10 * time.Minute
	// ChallengeLife is how long a challenge can be answered, once. Several may be open, since tabs do not wait for one another.
	ChallengeLife = 2 * time.Minute
	// vouchTime is how long after the person proved who they are their session takes its first key. Later only one
	// that they registered before: who holds a stolen cookie must not be able to make it theirs.
	vouchTime = 10 * time.Minute
	// rebindGrace is how long requests that were under way may still show the key that a better one replaced.
	rebindGrace = time.Minute
	maxProof    = 8 << 10 // bytes of a JWS
	touchEvery  = time.Hour
)

// Why a proof of a key is not taken.
var (
	ErrChallenge  = errors.New("sessions: no such challenge is open")           // not ours, another device's, old or answered: ask for another
	ErrProof      = errors.New("sessions: this is no proof of a key")           // malformed, forged, or for something else
	ErrUnknownKey = errors.New("sessions: nobody vouches for this key")         // not registered on this device, and nobody just signed in
	ErrOtherKey   = errors.New("sessions: the session is bound to another key") // also of a request that shows another key
	ErrKeyMissing = errors.New("sessions: the session is bound to a key that the request does not prove")
)

// KeysOptions are what Keys stand on. The Manager lends its clock, its trail and its secrets.
type KeysOptions struct {
	Manager   *Manager
	Store     KeyStore
	Ephemeral store.Ephemeral // challenges are answered once, on whichever node
}

// Keys binds devices, and the sessions on them, to keys that cannot be copied as a cookie can.
type Keys struct {
	m         *Manager
	store     KeyStore
	ephemeral store.Ephemeral
}

// NewKeys returns Keys, or an error for a missing part.
func NewKeys(o KeysOptions) (*Keys, error) {
	if o.Manager == nil || o.Store == nil || o.Ephemeral == nil {
		return nil, errors.New("sessions: Manager, Store and Ephemeral are needed")
	}
	return &Keys{o.Manager, o.Store, o.Ephemeral}, nil
}

// Claim is a proof as it arrived.
type Claim struct {
	Level    ident.KeyProof // KeyInChip: by the browser's own protocol; KeyInApp: by our script
	Token    string         // compact JWS
	Audience string         // URL that it was sent to
	KeyID    string         // of a registered key, where the JWS carries none: a refresh
}

// Proved is a proof that was taken.
type Proved struct {
	Key     DeviceKey
	Cookie  string   // bound cookie, for BoundLife
	Session *Session // as it is bound now; nil where there was none
}

// Prove takes a proof of a key by the device of env. s is the session whose cookie came with it, proved or not, or nil. A
// session that has no key is bound to it, if the person just signed in or vouched for the key before; one whose key was
// proved too moves on to a key that is kept better. ErrChallenge, ErrProof, ErrUnknownKey, ErrOtherKey.
func (k *Keys) Prove(ctx context.Context, c Claim, s *Session, env ident.Env) (Proved, error) {
	key, err := k.verify(ctx, c, env)
	if err == nil {
		key, s, err = k.admit(ctx, key, s, env)
	}
	if err != nil {
		return Proved{}, k.refused(ctx, err, s, env)
	}
	if now := k.m.time(); now.Sub(key.ProvedAt) >= touchEvery {
		if err := k.store.TouchDeviceKey(ctx, env.Device, key.ID, now); err != nil {
			return Proved{}, fmt.Errorf("sessions: device key: %w", err)
		}
	}
	cookie, err := k.cookie(env.Device, key.Level, key.ID)
	return Proved{Key: key, Cookie: cookie, Session: s}, err
}

// refused leaves a trace of refusals that somebody's session is concerned by.
func (k *Keys) refused(ctx context.Context, err error, s *Session, env ident.Env) error {
	reason := ""
	switch {
	case errors.Is(err, ErrProof):
		reason = "proof"
	case errors.Is(err, ErrUnknownKey):
		reason = "unknown"
	case errors.Is(err, ErrOtherKey):
		reason = "other"
	}
	if s == nil || reason == "" {
		return err
	}
	if failed := k.record(ctx, "device.key_refused", audit.Denied, reason, *s, env, nil); failed != nil {
		return failed
	}
	return err
}

// verify returns the key that the device holds: with its level and, where it is registered, all that is known of it.
func (k *Keys) verify(ctx context.Context, c Claim, env ident.Env) (DeviceKey, error) {
	e := keys.Expect{Algs: []string{keys.ES256, keys.RS256}, Typ: []string{TypChip}, MaxSize: maxProof}
	if c.Level == ident.KeyInApp {
		e.Algs, e.Typ = []string{keys.ES256}, []string{TypApp}
	}
	if env.Device == "" || c.Level == ident.NoKey {
		return DeviceKey{}, ErrProof
	}
	now := k.m.time()
	key := DeviceKey{Device: env.Device, ID: c.KeyID, Level: c.Level, CreatedAt: now, ProvedAt: now}
	var payload []byte
	if c.KeyID == "" {
		v, own, err := keys.VerifyEmbedded(c.Token, e)
		if err != nil {
			return DeviceKey{}, fmt.Errorf("%w: %w", ErrProof, err)
		}
		payload, key.ID, key.JWK = v.Payload, own.Thumbprint, own.JWK
	}
	known, err := k.store.DeviceKey(ctx, env.Device, key.ID)
	switch {
	case err == nil:
		key = known
	case !errors.Is(err, store.ErrNotFound):
		return DeviceKey{}, fmt.Errorf("sessions: device key: %w", err)
	case payload == nil:
		return DeviceKey{}, ErrUnknownKey
	}
	if key.Level != c.Level {
		return DeviceKey{}, fmt.Errorf("%w: of another kind", ErrProof)
	}
	if payload == nil {
		set, err := keys.ParseSet(fmt.Appendf(nil, `{"keys":[%s]}`, key.JWK))
		if err != nil {
			return DeviceKey{}, fmt.Errorf("%w: %w", ErrProof, err)
		}
		v, err := set.Verify(c.Token, e)
		if err != nil {
			return DeviceKey{}, fmt.Errorf("%w: %w", ErrProof, err)
		}
		payload = v.Payload
	}
	return key, k.answered(ctx, payload, c, env.Device)
}

// answered checks what was signed: the challenge, which nobody else answers any more, and for whom. Browsers that do not
// say for whom sign for the origin of the challenge.
func (k *Keys) answered(ctx context.Context, payload []byte, c Claim, device ident.DeviceID) error {
	var said struct {
		Challenge string  `json:"jti"`
		Audience  *string `json:"aud"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if said.Audience == nil && c.Level == ident.KeyInApp || said.Audience != nil && *said.Audience != c.Audience {
		return fmt.Errorf("%w: for somebody else", ErrProof)
	}
	exp, ok := k.open(said.Challenge, device)
	if !ok {
		return ErrChallenge
	}
	err := k.ephemeral.Put(ctx, store.KeyOf("device challenge", said.Challenge), []byte{1}, exp)
	if errors.Is(err, store.ErrExists) {
		return ErrChallenge
	}
	if err != nil {
		return fmt.Errorf("sessions: challenge: %w", err)
	}
	return nil
}

// admit decides what a key that the device holds means for the session.
func (k *Keys) admit(ctx context.Context, key DeviceKey, s *Session, env ident.Env) (DeviceKey, *Session, error) {
	if s == nil {
		if key.User == "" {
			return key, nil, ErrUnknownKey
		}
		return key, nil, nil
	}
	vouched, err := k.vouched(ctx, s.User, key)
	if err != nil {
		return key, s, err
	}
	switch was := s.Snapshot.Key; {
	case was == key.ID:
	case was == "" && s.Device == env.Device && (vouched || k.m.time().Sub(s.AuthTime) <= vouchTime):
	case was == "":
		return key, s, ErrUnknownKey
	case was == env.KeyID && key.Level > env.Key:
	default:
		return key, s, ErrOtherKey
	}
	if !vouched {
		own := key
		own.User, own.CreatedAt, own.ProvedAt = s.User, k.m.time(), k.m.time()
		if err := k.record(ctx, "device.key_registered", audit.OK, "", *s, env, map[string]string{"level": levels[key.Level]}); err != nil {
			return key, s, err
		}
		if err := k.store.PutDeviceKey(ctx, own); err != nil {
			return key, s, fmt.Errorf("sessions: device key: %w", err)
		}
		key = own
	}
	if s.Snapshot.Key == key.ID {
		return key, s, nil
	}
	bound, err := k.bind(ctx, *s, key.ID, env)
	return key, &bound, err
}

// levels are the words of the audit trail.
var levels = map[ident.KeyProof]string{ident.KeyInApp: "browser", ident.KeyInChip: "hardware"}

// vouched says whether user registered key on its device before.
func (k *Keys) vouched(ctx context.Context, user ident.UserID, key DeviceKey) (bool, error) {
	if key.User == "" || key.User == user {
		return key.User != "", nil
	}
	list, err := k.store.DeviceKeysOf(ctx, user)
	if err != nil {
		return false, fmt.Errorf("sessions: device keys: %w", err)
	}
	for _, o := range list {
		if o.Device == key.Device && o.ID == key.ID {
			return true, nil
		}
	}
	return false, nil
}

// Of returns the keys of user, those first that were proved last.
func (k *Keys) Of(ctx context.Context, user ident.UserID) ([]DeviceKey, error) {
	list, err := k.store.DeviceKeysOf(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("sessions: device keys: %w", err)
	}
	return list, nil
}

// Remove forgets the keys of user on device, on all devices where device is "". Sessions that are bound to them go on as
// long as their device can prove the key: end them first.
func (k *Keys) Remove(ctx context.Context, user ident.UserID, device ident.DeviceID) error {
	e := audit.Event{Type: "device.key_removed", Outcome: audit.OK, Actor: "user", User: user, Device: device}
	if err := k.m.audit.Record(ctx, e); err != nil {
		return fmt.Errorf("sessions: device.key_removed: %w", err)
	}
	if _, err := k.store.DeleteDeviceKeys(ctx, user, device); err != nil {
		return fmt.Errorf("sessions: device keys: %w", err)
	}
	return nil
}

func (k *Keys) record(ctx context.Context, typ string, outcome audit.Outcome, reason string, s Session, env ident.Env, data map[string]string) error {
	e := audit.Event{Type: typ, Outcome: outcome, Actor: "user", User: s.User, Session: s.ID, Device: env.Device, Reason: reason,
		Agent: FamilyOf(env.UserAgent), Request: env.RequestID, Data: data}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if err := k.m.audit.Record(ctx, e); err != nil {
		return fmt.Errorf("sessions: %s: %w", typ, err)
	}
	return nil
}
