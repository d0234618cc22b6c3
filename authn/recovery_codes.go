package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

const (
	recoveryCodes = 10
	// codeAlphabet has nothing that looks like something else: neither 0 and O nor 1, I and L, and no U beside V.
	// Eight of its 30 characters are 39 bits. Codes from before may hold 0 and 1, which is why normaliseRecovery reads
	// letters for them.
	codeAlphabet = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLength   = 8
)

// NewRecoveryCodes returns ten new codes XXXX-XXXX of 39 bits each, and forgets those before. Only their hashes are
// kept: nobody sees them again. ErrOff where there is nowhere to keep them. NIST SP 800-63B-4 §3.1.2.1.
// The caller has seen a StepUp before, and tells the owner afterwards.
func (s *Service) NewRecoveryCodes(ctx context.Context, user ident.UserID) ([]string, error) {
	if s.recovery == nil {
		return nil, ErrOff
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("authn: recovery codes: %w", err)
	}
	codes, hashes := make([]string, recoveryCodes), make([][sha256.Size]byte, recoveryCodes)
	key := s.sealer.Derive(codeKey)[0]
	for i := range codes {
		c, err := newCode(s.rand)
		if err != nil {
			return nil, err
		}
		hashes[i] = codeHash(key, user, c)
		codes[i] = c[:4] + "-" + c[4:]
	}
	if err := s.audit.Record(ctx, audit.Event{Type: "recovery_codes.created", Outcome: audit.OK, Actor: "user", User: user}); err != nil {
		return nil, fmt.Errorf("authn: recovery codes: %w", err)
	}
	if err := s.recovery.PutRecoveryCodes(ctx, user, hashes, s.now()); err != nil {
		return nil, fmt.Errorf("authn: recovery codes: %w", err)
	}
	return codes, s.restored(ctx, u)
}

// newCode returns a code without its dash. Each character is as likely as any other: what 30 does not divide is thrown
// away.
func newCode(random io.Reader) (string, error) {
	const fair = 256 - 256%len(codeAlphabet)
	code, b := make([]byte, 0, codeLength), make([]byte, 2*codeLength)
	for {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", fmt.Errorf("authn: random: %w", err)
		}
		for _, x := range b {
			if int(x) >= fair {
				continue
			}
			if code = append(code, codeAlphabet[int(x)%len(codeAlphabet)]); len(code) == codeLength {
				return string(code), nil
			}
		}
	}
}

// RecoveryCode returns first together with a recovery code, which is used up: on all nodes each works once.
// It is a look-up secret, which RFC 8176 has no name for; like the list of one-time passwords that it is, it counts
// as `otp`, reaches AAL2 beside a password, and never `phr`. ErrWrong; ErrOff where the person has none left;
// ErrCombine where first is not fresh; Throttled. NIST SP 800-63B-4 §3.1.2.2.
func (s *Service) RecoveryCode(ctx context.Context, first Proof, code string, env ident.Env) (_ Proof, err error) {
	ctx, end := span.Start(ctx, "authn.RecoveryCode")
	defer func() { end(err) }()
	if !first.Fresh(s.now()) {
		return Proof{}, ErrCombine
	}
	u, err := s.secondOf(ctx, first)
	if err != nil {
		return Proof{}, err
	}
	p, try, err := s.takeRecoveryCode(ctx, u, code, env)
	if err != nil {
		return Proof{}, err
	}
	defer try.leave()
	return s.second(ctx, first, p, u, try, env)
}

// RecoveryCodesLeft returns how many of how many codes a person has left.
func (s *Service) RecoveryCodesLeft(ctx context.Context, user ident.UserID) (left, of int, err error) {
	if s.recovery == nil {
		return 0, 0, nil
	}
	if left, of, err = s.recovery.RecoveryCodes(ctx, user); err != nil {
		return 0, 0, fmt.Errorf("authn: recovery codes: %w", err)
	}
	return left, of, nil
}

// takeRecoveryCode uses a code of u up and returns the proof of it alone; the caller leaves the attempt.
func (s *Service) takeRecoveryCode(ctx context.Context, u User, code string, env ident.Env) (Proof, *attempt, error) {
	left, _, err := s.RecoveryCodesLeft(ctx, u.ID)
	if err != nil {
		return Proof{}, nil, err
	}
	if left == 0 {
		return Proof{}, nil, ErrOff
	}
	return s.guessed(ctx, "recovery_code", hasRecovery, u, env, func() (string, error) {
		typed := normaliseRecovery(code)
		for _, key := range s.sealer.Derive(codeKey) {
			_, err := s.recovery.TakeRecoveryCode(ctx, u.ID, codeHash(key, u.ID, typed), s.now())
			if err == nil {
				return "", nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return "", fmt.Errorf("authn: recovery code: %w", err)
			}
		}
		return "wrong", nil
	})
}

// codeKey names the secret of the hashes.
const codeKey = "authn recovery codes"

// codeHash is what is kept of a code. A keyed hash, since so few bits are found by trying; bound to their owner.
func codeHash(key []byte, user ident.UserID, code string) (h [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(string(user) + "\x00" + code))
	mac.Sum(h[:0])
	return h
}

// normaliseRecovery returns the characters of what a person typed or pasted: case, spaces, dashes and full width do not
// matter, and what looks like a digit is one.
func normaliseRecovery(code string) string {
	if len(code) > 128 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch r = unicode.ToUpper(r); {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '−' || r == '_' || r == '.':
			return -1
		case r == 'O':
			return '0'
		case r == 'I' || r == 'L':
			return '1'
		}
		return r
	}, norm.NFKC.String(code))
}
