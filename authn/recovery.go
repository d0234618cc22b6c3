package authn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// A recovery is for who lost every way to sign in. The mailbox alone is no factor: its link only begins a wait, in which
// the owner is told and can stop it. NIST SP 800-63B-4 §4.2.
//
//	requested ──link──▶ opened ──wait is over, or a factor is shown──▶ setting ──▶ done
//	    └───────────────────┴──▶ cancelled                                └─(fails)─▶ opened
//
// There is one record a person, changed only by Swap, so that each step is made once on all nodes.

// RecoveryStep is how far a recovery is.
type RecoveryStep string

// Steps.
const (
	RecoveryRequested RecoveryStep = "requested" // a link was made
	RecoveryOpened    RecoveryStep = "opened"    // who holds the link pressed the button: the wait runs
	RecoverySetting   RecoveryStep = "setting"   // the new credential is being made
	RecoveryDone      RecoveryStep = "done"
	RecoveryCancelled RecoveryStep = "cancelled"
)

const (
	// RecoveryOpenWithin is how long a link waits for being opened.
	RecoveryOpenWithin = time.Hour
	// RecoverySetWithin is how long, after the wait, a new credential can be set.
	RecoverySetWithin = 3 * 24 * time.Hour
	recoveryEpoch     = 60 * 24 * time.Hour
	maxCooldown       = 14 * 24 * time.Hour
	linksADay         = 5  // mails to one person
	linksAnHour       = 30 // questions from one network prefix
	recoveryKind      = "authn.recovery"
	recoveryLink      = "authn.recovery.link"
)

var (
	// ErrNoRecovery says that there is no recovery behind this link: unknown, too old, stopped or done.
	ErrNoRecovery = errors.New("authn: no such recovery")
	// ErrTooEarly says that the wait of a recovery is not over.
	ErrTooEarly = errors.New("authn: the wait of this recovery is not over")
)

// RecoveryPolicy is what an operator may choose about recovery.
type RecoveryPolicy struct {
	Off      bool          // nobody recovers by mail
	Cooldown time.Duration // from opening the link until a credential can be set: 24 h, at most 14 days; negative for none, in tests
}

func (p *RecoveryPolicy) complete() error {
	switch {
	case p.Cooldown == 0:
		p.Cooldown = 24 * time.Hour
	case p.Cooldown < 0:
		p.Cooldown = 0
	case p.Cooldown > maxCooldown:
		return errors.New("authn: nobody waits longer than 14 days for a recovery")
	}
	return nil
}

// RecoveryNews is what the owner of an account has to be told about a recovery.
type RecoveryNews struct {
	Step    RecoveryStep
	ID      string
	Secret  string    // of the link where one goes on from here; "" otherwise
	ReadyAt time.Time // with RecoveryOpened: when the wait is over; with RecoveryRequested: the earliest that it can be
	Env     ident.Env // where it was done
}

// Recovery is the state of one, for pages.
type Recovery struct {
	ID      string
	User    ident.UserID
	Step    RecoveryStep
	OpenBy  time.Time // with RecoveryRequested
	ReadyAt time.Time // with RecoveryOpened: from then on a credential can be set
	EndsAt  time.Time // with RecoveryOpened: until then
	Shown   bool      // a factor was shown, so that there is no wait
}

// Ready says whether a new credential can be set at now.
func (r Recovery) Ready(now time.Time) bool {
	return r.Step == RecoveryOpened && !now.Before(r.ReadyAt) && now.Before(r.EndsAt)
}

// live says whether a step can be made from it. While a credential is being made none can; where that was cut off
// another recovery begins anew.
func (r Recovery) live(now time.Time) bool {
	switch r.Step {
	case RecoveryRequested:
		return now.Before(r.OpenBy)
	case RecoveryOpened:
		return now.Before(r.EndsAt)
	}
	return false
}

// place is where a record lies, and what lies there.
type place struct {
	key store.Key
	raw []byte // nil: nothing
}

// pointer is what a link leads to.
type pointer struct {
	User ident.UserID `json:"user"`
	ID   string       `json:"id"`
}

// epochs are the keys under which the record of user can lie, the current one first. What lies in Ephemeral keeps the
// expiry that it began with: a record that is used again and again moves on with time.
func epochs(user ident.UserID, now time.Time) []store.Key {
	n := now.Unix() / int64(recoveryEpoch/time.Second)
	at := func(n int64) store.Key { return store.KeyOf(recoveryKind, fmt.Sprintf("%s\x00%d", user, n)) }
	keys := []store.Key{at(n)}
	if now.Sub(time.Unix(n*int64(recoveryEpoch/time.Second), 0)) < recoveryEpoch/2 { // longer than any recovery lasts
		keys = append(keys, at(n-1))
	}
	return keys
}

// recoveryOf returns the live recovery of user, or else the zero one, and where the next is to be written.
func (s *Service) recoveryOf(ctx context.Context, user ident.UserID) (Recovery, place, error) {
	now := s.now()
	var here place
	for i, k := range epochs(user, now) {
		raw, err := s.eph.Get(ctx, k)
		if errors.Is(err, store.ErrNotFound) {
			raw, err = nil, nil
		}
		if err != nil {
			return Recovery{}, place{}, fmt.Errorf("authn: recovery: %w", err)
		}
		if i == 0 {
			here = place{key: k, raw: raw}
		}
		if raw == nil {
			continue
		}
		var r Recovery
		if err := json.Unmarshal(raw, &r); err != nil {
			return Recovery{}, place{}, fmt.Errorf("authn: recovery: %w", err)
		}
		if r.live(now) {
			return r, place{key: k, raw: raw}, nil
		}
	}
	return Recovery{}, here, nil
}

// move writes r where was lies, if that is still what lies there; ErrNoRecovery otherwise: somebody else was faster.
func (s *Service) move(ctx context.Context, at place, r Recovery) (place, error) {
	v, err := json.Marshal(r)
	if err != nil {
		return place{}, fmt.Errorf("authn: recovery: %w", err)
	}
	if at.raw == nil {
		err = s.eph.Put(ctx, at.key, v, s.now().Add(2*recoveryEpoch))
	} else {
		err = s.eph.Swap(ctx, at.key, at.raw, v)
	}
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) {
		return place{}, ErrNoRecovery
	}
	if err != nil {
		return place{}, fmt.Errorf("authn: recovery: %w", err)
	}
	return place{key: at.key, raw: bytes.Clone(v)}, nil
}

// behind returns the recovery that the link with secret leads to, while it is live, and its person.
func (s *Service) behind(ctx context.Context, secret string) (Recovery, place, User, error) {
	none := func(err error) (Recovery, place, User, error) { return Recovery{}, place{}, User{}, err }
	if len(secret) > 128 || s.policy.Recovery.Off {
		return none(ErrNoRecovery)
	}
	v, err := s.eph.Get(ctx, store.KeyOf(recoveryLink, secret))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return none(ErrNoRecovery)
	}
	if err != nil {
		return none(fmt.Errorf("authn: recovery: %w", err))
	}
	var p pointer
	if err := json.Unmarshal(v, &p); err != nil {
		return none(fmt.Errorf("authn: recovery: %w", err))
	}
	if p.User == "" {
		return none(ErrNoRecovery)
	}
	r, at, err := s.recoveryOf(ctx, p.User)
	if err != nil {
		return none(err)
	}
	if r.ID != p.ID || p.ID == "" {
		return none(ErrNoRecovery)
	}
	u, err := s.users.User(ctx, p.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return none(ErrNoRecovery)
	}
	if err != nil {
		return none(fmt.Errorf("authn: recovery: %w", err))
	}
	return r, at, u, nil
}

// told records a step of a recovery and tells the owner, before it is made.
func (s *Service) told(ctx context.Context, u User, reason string, n RecoveryNews) error {
	e := event("recovery."+string(n.Step), audit.OK, reason, u.ID, "", n.Env)
	e.Data = map[string]string{"recovery": n.ID}
	if err := s.audit.Record(ctx, e); err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	if s.tell == nil {
		return nil
	}
	if err := s.tell(ctx, u, n); err != nil {
		return fmt.Errorf("authn: recovery: %w", err)
	}
	return nil
}
