package notify

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

// ErrLink says that a link is not one of ours, too old, or used already.
var ErrLink = errors.New("notify: no such link")

const (
	linkKind   = "notify.link"
	signInKind = "notify.signin"
	// signInMemory is how long it is known which sign-ins were disowned.
	signInMemory = 90 * 24 * time.Hour
)

// About is what a message was about, for who says that it was not them.
type About struct {
	ID      string            `json:"id"` // of the message
	User    ident.UserID      `json:"user"`
	Kind    Kind              `json:"kind"`
	Session ident.SessionID   `json:"session,omitempty"`
	Data    map[string]string `json:"data,omitempty"` // without URL
	At      time.Time         `json:"at"`             // when it happened
}

// arm makes the link with this secret work, once, until LinkLife after the message was made. Only the hash of the
// secret is kept, and what it is about lies sealed.
func (s *Service) arm(ctx context.Context, m Message, secret string) error {
	about := About{ID: m.ID, User: m.User, Kind: m.Kind, Session: m.Session, At: m.CreatedAt, Data: map[string]string{}}
	for k, v := range m.Data {
		if k != URL {
			about.Data[k] = v
		}
	}
	plain, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("notify: link: %w", err)
	}
	sealed, err := s.o.Sealer.Seal(linkKind, plain)
	if err != nil {
		return fmt.Errorf("notify: link: %w", err)
	}
	err = s.o.Ephemeral.Put(ctx, store.KeyOf(linkKind, secret), sealed, m.CreatedAt.Add(LinkLife))
	if err != nil && !errors.Is(err, store.ErrExists) { // an attempt before this one armed it
		return fmt.Errorf("notify: link: %w", err)
	}
	return nil
}

// Peek returns what the link with secret is about and changes nothing: scanners of mail follow links. ErrLink.
func (s *Service) Peek(ctx context.Context, secret string) (About, error) {
	if len(secret) > 128 {
		return About{}, ErrLink
	}
	sealed, err := s.o.Ephemeral.Get(ctx, store.KeyOf(linkKind, secret))
	return s.about(sealed, err)
}

// Disown uses the link with secret up and returns what it was about, to exactly one caller, who then ends the
// sessions of the person, has riskstep unlearn what came since, and cancels a recovery. ErrLink.
func (s *Service) Disown(ctx context.Context, secret string, env ident.Env) (About, error) {
	about, err := s.Peek(ctx, secret)
	if err != nil {
		return About{}, err
	}
	if err := s.answered(ctx, "notice.disowned", about, env); err != nil {
		return About{}, err
	}
	sealed, err := s.o.Ephemeral.Take(ctx, store.KeyOf(linkKind, secret))
	return s.about(sealed, err)
}

// DisownSignIn is Disown for who says on their own pages that the sign-in about (User, Session, At) was not them. Each can
// be disowned once: ErrLink.
func (s *Service) DisownSignIn(ctx context.Context, about About, env ident.Env) error {
	key := store.KeyOf(signInKind, fmt.Sprintf("%s\x00%s\x00%d", about.User, about.Session, about.At.UnixMicro()))
	if _, err := s.o.Ephemeral.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = ErrLink
		}
		return err
	}
	if err := s.answered(ctx, "notice.disowned", about, env); err != nil {
		return err
	}
	err := s.o.Ephemeral.Put(ctx, key, []byte{1}, s.o.Now().Add(signInMemory))
	if errors.Is(err, store.ErrExists) {
		return ErrLink
	}
	if err != nil {
		return fmt.Errorf("notify: disown: %w", err)
	}
	return nil
}

// OwnSignIn notes that the person says of the sign-in about that it was them: nobody need ask again.
func (s *Service) OwnSignIn(ctx context.Context, about About, env ident.Env) error {
	return s.answered(ctx, "notice.confirmed", about, env)
}

// answered records what the person said of what happened.
func (s *Service) answered(ctx context.Context, typ string, about About, env ident.Env) error {
	e := audit.Event{
		Type: typ, Outcome: audit.OK, Actor: "user", User: about.User, Session: about.Session, Device: env.Device,
		Agent: env.UserAgent, Request: env.RequestID, Reason: string(about.Kind), Data: map[string]string{"since": about.At.UTC().Format(time.RFC3339)},
	}
	if about.ID != "" {
		e.Data["message"] = about.ID
	}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if err := s.o.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("notify: %s: %w", typ, err)
	}
	return nil
}

func (s *Service) about(sealed []byte, err error) (About, error) {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return About{}, ErrLink
	}
	if err != nil {
		return About{}, fmt.Errorf("notify: link: %w", err)
	}
	plain, err := s.o.Sealer.Open(linkKind, sealed)
	if err != nil {
		return About{}, fmt.Errorf("notify: link: %w", err)
	}
	var a About
	if err := json.Unmarshal(plain, &a); err != nil {
		return About{}, fmt.Errorf("notify: link: %w", err)
	}
	return a, nil
}
