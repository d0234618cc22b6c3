package authn

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	crand "crypto/rand"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
)

// The limits of asking: people who are asked too often say yes at last.
const (
	askWindow    = 15 * time.Minute
	askSignIns   = 3  // of a person
	askStepUps   = 6  // of a person
	askBackends  = 10 // of a person
	askOfClient  = 6  // of a person by one client
	askOfNetwork = 30 // sign-ins and step-ups of everybody from one /24 or /48
	// coolDown is how long a person is not asked again by whom they said was not them.
	coolDown = 15 * time.Minute
	// doubtLife is how long after such a word a password alone is in doubt.
	doubtLife = 24 * time.Hour
)

// mayAsk counts a, and returns Throttled where that is too many.
func (s *Service) mayAsk(ctx context.Context, a Ask) error {
	if err := s.cooled(ctx, a); err != nil {
		return err
	}
	free := map[ApprovalKind]int64{ApproveSignIn: askSignIns, ApproveStepUp: askStepUps, ApproveBackchannel: askBackends}[a.Kind]
	limits := []struct {
		name, why string
		max       int64
	}{
		{name("ask", string(a.User), string(a.Kind)), "user", free},
		{name("ask-client", string(a.User), string(a.Client)), "client", askOfClient},
		{name("ask-network", ident.Network(a.Env.IP)), "network", askOfNetwork},
	}
	if a.Kind == ApproveBackchannel { // there the address is that of the client's server
		limits = limits[:2]
	}
	for _, l := range limits {
		n, err := s.counters.Add(ctx, l.name, 1, askWindow)
		if err != nil {
			return fmt.Errorf("authn: ask: %w", err)
		}
		if n <= l.max {
			continue
		}
		if n == l.max+1 { // one entry a window
			if err := s.audit.Record(ctx, event("approval.flooded", audit.Denied, l.why, a.User, a.Client, a.Env)); err != nil {
				return fmt.Errorf("authn: ask: %w", err)
			}
			if l.why != "network" {
				if err := s.doubt(ctx, a, doubtAt); err != nil {
					return err
				}
			}
		}
		return Throttled{RetryAfter: askWindow}
	}
	return nil
}

// cooled refuses who asks again after a denial. A device that the person knows is not made to wait for another's fault.
func (s *Service) cooled(ctx context.Context, a Ask) error {
	n, err := s.counters.Add(ctx, coolName(a.User, a.Kind, a.Client), 0, coolDown)
	if err != nil {
		return fmt.Errorf("authn: ask: %w", err)
	}
	if n == 0 {
		return nil
	}
	if a.Kind != ApproveBackchannel {
		known, err := s.throttle.knows(ctx, string(a.User), a.Env.Device)
		if err != nil {
			return err
		}
		if known {
			if n, err = s.counters.Add(ctx, coolDevice(a.User, a.Env.Device), 0, coolDown); err != nil {
				return fmt.Errorf("authn: ask: %w", err)
			}
			if n == 0 {
				return nil
			}
		}
	}
	return Throttled{RetryAfter: coolDown}
}

// coolName is what cools down: one client of the backchannel, or whoever wants to sign in.
func coolName(user ident.UserID, kind ApprovalKind, client ident.ClientID) string {
	if kind != ApproveBackchannel {
		return name("cool", string(user))
	}
	return name("cool", string(user), string(client))
}

func coolDevice(user ident.UserID, device ident.DeviceID) string {
	return name("cool-device", string(user), string(device))
}

// cool begins the cool-down after r was denied, and casts doubt on what its person signs in with.
func (s *Service) cool(ctx context.Context, r record) error {
	names := []string{coolName(r.User, r.Kind, r.Client)}
	if r.Device != "" {
		names = append(names, coolDevice(r.User, r.Device))
	}
	for _, n := range names {
		if _, err := s.counters.Add(ctx, n, 1, coolDown); err != nil {
			return fmt.Errorf("authn: deny: %w", err)
		}
	}
	return s.doubt(ctx, r.Ask, doubtAt)
}

// What casts doubt on a password, and how much: one wrong number may be a slip.
const (
	doubtAt      = 2 // from here on
	doubtOfWrong = 1
)

// doubt casts doubt on the password of who was asked a: whoever asks showed one, or uses a device on which it was shown.
func (s *Service) doubt(ctx context.Context, a Ask, weight int64) error {
	if a.Kind == ApproveBackchannel { // nothing of the person's was shown for it
		return nil
	}
	u, err := s.users.User(ctx, a.User)
	if err != nil || u.PasswordHash == "" {
		return err
	}
	if _, err := s.counters.Add(ctx, doubtName(u), weight, doubtLife); err != nil {
		return fmt.Errorf("authn: doubt: %w", err)
	}
	return nil
}

// doubted says whether the password of u is in doubt. Another one is not.
func (s *Service) doubted(ctx context.Context, u User) (bool, error) {
	n, err := s.counters.Add(ctx, doubtName(u), 0, doubtLife)
	if err != nil {
		return false, fmt.Errorf("authn: doubt: %w", err)
	}
	return n >= doubtAt, nil
}

func doubtName(u User) string { return name("doubt", string(u.ID), u.PasswordHash) }

// digits is a number of n digits, each equally likely.
func (s *Service) digits(n int) (string, error) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, err := crand.Int(s.rand, limit)
	if err != nil {
		return "", fmt.Errorf("authn: random: %w", err)
	}
	text := v.String()
	return strings.Repeat("0", n-len(text)) + text, nil
}
