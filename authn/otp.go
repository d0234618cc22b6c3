package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// What authenticator apps understand: HMAC-SHA-1, six digits, steps of thirty seconds. RFC 6238 §4.
const (
	otpStep   = 30 * time.Second
	otpDigits = 6
	// MinTOTPSecret is the length of a shared secret in bytes at least. RFC 4226 §4, R6.
	MinTOTPSecret = 20
)

// OTP returns first together with the one-time password code. One step of thirty seconds before and
// after now is accepted; each step works once, on all nodes. ErrWrong; ErrOff where the person has
// none enrolled; ErrCombine where first is not fresh; Throttled. RFC 6238 §5.2.
func (s *Service) OTP(ctx context.Context, first Proof, code string, env ident.Env) (_ Proof, err error) {
	ctx, end := span.Start(ctx, "authn.OTP")
	defer func() { end(err) }()
	if !first.Fresh(s.now()) {
		return Proof{}, ErrCombine
	}
	u, err := s.secondOf(ctx, first)
	if err != nil {
		return Proof{}, err
	}
	if len(u.TOTP) == 0 {
		return Proof{}, ErrOff
	}
	p, try, err := s.takeOTP(ctx, u, code, env)
	if err != nil {
		return Proof{}, err
	}
	defer try.leave()
	return s.second(ctx, first, p, u, try, env)
}

// takeOTP uses a code of u up and returns the proof of it alone; the caller leaves the attempt.
func (s *Service) takeOTP(ctx context.Context, u User, code string, env ident.Env) (Proof, *attempt, error) {
	return s.guessed(ctx, "otp", hasOTP, u, env, func() (string, error) { return s.checkOTP(ctx, u, code) })
}

// checkOTP uses code up and returns "", or says why it does not count.
func (s *Service) checkOTP(ctx context.Context, u User, code string) (reason string, err error) {
	secret, err := s.sealer.Open(totpPurpose(u.ID), u.TOTP)
	if err != nil {
		return "", fmt.Errorf("authn: otp: %w", err)
	}
	step, ok := matchStep(secret, normaliseCode(code), s.now())
	if !ok {
		return "wrong", nil
	}
	if used, err := s.useStep(ctx, u.ID, step); err != nil || used {
		return "reused", err
	}
	return "", nil
}

// useStep uses a step up, and says whether it had been before.
func (s *Service) useStep(ctx context.Context, user ident.UserID, step int64) (used bool, err error) {
	k := store.KeyOf("authn.totp", string(user)+"\x00"+strconv.FormatInt(step, 10))
	err = s.eph.Put(ctx, k, []byte{1}, time.Unix((step+3)*int64(otpStep/time.Second), 0))
	if errors.Is(err, store.ErrExists) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("authn: otp: %w", err)
	}
	return false, nil
}

// EnrolTOTP stores u with the shared secret, sealed. The caller has seen a code of it before.
func (s *Service) EnrolTOTP(ctx context.Context, u User, secret []byte) (User, error) {
	if len(secret) < MinTOTPSecret || len(secret) > 64 || u.ID == "" {
		return User{}, fmt.Errorf("authn: a shared secret has %d to 64 bytes", MinTOTPSecret)
	}
	sealed, err := s.sealer.Seal(totpPurpose(u.ID), secret)
	if err != nil {
		return User{}, fmt.Errorf("authn: enrol: %w", err)
	}
	u.TOTP, u.UpdatedAt = sealed, s.now().UTC()
	if u.CreatedAt.IsZero() {
		u.CreatedAt = u.UpdatedAt
	}
	if err := s.audit.Record(ctx, audit.Event{Type: "otp.enrolled", Outcome: audit.OK, User: u.ID}); err != nil {
		return User{}, fmt.Errorf("authn: enrol: %w", err)
	}
	if err := s.users.PutUser(ctx, u); err != nil {
		return User{}, fmt.Errorf("authn: enrol: %w", err)
	}
	return u, nil
}

// totpPurpose binds a sealed secret to its owner: moved to another row it does not open.
func totpPurpose(u ident.UserID) string { return "authn.totp/" + string(u) }

// normaliseCode returns the digits of what a person typed or pasted: full-width digits count,
// spaces and hyphens do not.
func normaliseCode(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, norm.NFKC.String(code))
}

// matchStep is the step around now whose code is code. It compares all of them, whichever matches.
func matchStep(secret []byte, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / int64(otpStep/time.Second)
	for _, n := range []int64{at - 1, at, at + 1} {
		if subtle.ConstantTimeCompare([]byte(hotp(secret, n)), []byte(code)) == 1 {
			step, ok = n, true
		}
	}
	return step, ok
}

// hotp is the code of counter. RFC 4226 §5.3.
func hotp(secret []byte, counter int64) string {
	mac := hmac.New(sha1.New, secret)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(counter))
	mac.Write(b[:])
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0x0f:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", otpDigits, n%1_000_000)
}
