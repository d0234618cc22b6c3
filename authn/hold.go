package authn

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// ErrNoHold says that there is no such held proof: unknown, expired, dropped or bound to something else.
var ErrNoHold = errors.New("authn: no held proof")

const holdKind = "authn.hold"

// held is a proof between two pages, as it lies sealed in the store.
type held struct {
	Bind      string       `json:"bind"`
	ID        string       `json:"id"`
	User      ident.UserID `json:"user"`
	Factors   factors      `json:"factors"`
	From      time.Time    `json:"from"`
	At        time.Time    `json:"at"`
	Suspect   bool         `json:"suspect,omitempty"`
	Breached  bool         `json:"breached,omitempty"`
	Recovered bool         `json:"recovered,omitempty"`
	Doubted   bool         `json:"doubted,omitempty"`
}

// Hold parks p on the server and returns the secret handle to it. bind is what it belongs to, such
// as an interaction: only with the same bind does Resume return it, until ProofLife after its first
// factor. ErrCombine for a proof that is not fresh.
func (s *Service) Hold(ctx context.Context, p Proof, bind string) (handle string, err error) {
	if !p.Fresh(s.now()) || bind == "" {
		return "", ErrCombine
	}
	if handle, err = s.random(32); err != nil {
		return "", err
	}
	plain, err := json.Marshal(held{Bind: bind, ID: p.id, User: p.user, Factors: p.factors, From: p.from, At: p.at, Suspect: p.suspect, Breached: p.breached, Recovered: p.recovered, Doubted: p.doubted})
	if err != nil {
		return "", fmt.Errorf("authn: hold: %w", err)
	}
	sealed, err := s.sealer.Seal(holdKind, plain)
	if err != nil {
		return "", fmt.Errorf("authn: hold: %w", err)
	}
	if err := s.eph.Put(ctx, store.KeyOf(holdKind, handle), sealed, p.from.Add(ProofLife)); err != nil {
		return "", fmt.Errorf("authn: hold: %w", err)
	}
	return handle, nil
}

// Resume returns the proof parked under handle for bind, as often as it is asked; ErrNoHold.
func (s *Service) Resume(ctx context.Context, handle, bind string) (Proof, error) {
	if len(handle) > 128 {
		return Proof{}, ErrNoHold
	}
	sealed, err := s.eph.Get(ctx, store.KeyOf(holdKind, handle))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return Proof{}, ErrNoHold
	}
	if err != nil {
		return Proof{}, fmt.Errorf("authn: resume: %w", err)
	}
	plain, err := s.sealer.Open(holdKind, sealed)
	if err != nil {
		return Proof{}, fmt.Errorf("authn: resume: %w", err)
	}
	var h held
	if err := json.Unmarshal(plain, &h); err != nil {
		return Proof{}, fmt.Errorf("authn: resume: %w", err)
	}
	p := Proof{id: h.ID, user: h.User, factors: h.Factors, from: h.From, at: h.At, suspect: h.Suspect, breached: h.Breached, recovered: h.Recovered, doubted: h.Doubted}
	if subtle.ConstantTimeCompare([]byte(h.Bind), []byte(bind)) != 1 || !p.Fresh(s.now()) {
		return Proof{}, ErrNoHold
	}
	return p, nil
}

// Drop ends a held proof once its sign-in is complete or abandoned; ErrNoHold where it is not there for bind.
func (s *Service) Drop(ctx context.Context, handle, bind string) error {
	if _, err := s.Resume(ctx, handle, bind); err != nil {
		return err
	}
	_, err := s.eph.Take(ctx, store.KeyOf(holdKind, handle))
	if errors.Is(err, store.ErrTaken) || errors.Is(err, store.ErrNotFound) {
		return ErrNoHold
	}
	if err != nil {
		return fmt.Errorf("authn: drop: %w", err)
	}
	return nil
}
