package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const (
	enrolKind = "authn.totp.enrol"
	// EnrolLife is how long a person may take to set up an authenticator app.
	EnrolLife = 10 * time.Minute
	maxSkew   = 10 // steps of thirty seconds, either way
)

// Skewed says that a code is right for another time: the clock of the phone is off by that much, in steps of thirty
// seconds, negative where it is behind. It is told only at enrolment, to who has just been shown the secret.
type Skewed struct{ Steps int }

func (s Skewed) Error() string {
	return "authn: the code is of a clock that is off by " + strconv.Itoa(s.Steps) + " steps"
}

// TOTPEnrolment is what a person needs to set up an authenticator app.
type TOTPEnrolment struct {
	Secret string // base32 without padding
	URI    string // otpauth://totp/…
	Handle string // secret; ConfirmTOTP takes it
}

// enrolment is what lies sealed until a code verifies.
type enrolment struct {
	Bind   []byte       `json:"bind"` // hash of what it belongs to
	User   ident.UserID `json:"user"`
	Secret []byte       `json:"secret"`
}

// BeginTOTP returns a new shared secret for user, which counts for nothing until ConfirmTOTP saw a code of it. bind is
// what it belongs to, such as the session. The caller has seen a StepUp before.
func (s *Service) BeginTOTP(ctx context.Context, user ident.UserID, bind string) (TOTPEnrolment, error) {
	if bind == "" {
		return TOTPEnrolment{}, errors.New("authn: an enrolment belongs to something")
	}
	u, err := s.users.User(ctx, user)
	if err != nil {
		return TOTPEnrolment{}, fmt.Errorf("authn: enrol: %w", err)
	}
	secret := make([]byte, MinTOTPSecret)
	if _, err := io.ReadFull(s.rand, secret); err != nil {
		return TOTPEnrolment{}, fmt.Errorf("authn: random: %w", err)
	}
	handle, err := s.random(32)
	if err != nil {
		return TOTPEnrolment{}, err
	}
	of := sha256.Sum256([]byte(bind))
	e := enrolment{Bind: of[:], User: u.ID, Secret: secret}
	if err := s.keep(ctx, handle, e); err != nil {
		return TOTPEnrolment{}, err
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return TOTPEnrolment{Secret: text, URI: s.otpauth(u, text), Handle: handle}, nil
}

// otpauth is what the QR code says. The form that authenticator apps agree on: issuer both in the label and beside it.
func (s *Service) otpauth(u User, secret string) string {
	label := u.Email
	if label == "" {
		label = u.Username
	}
	// Apps take a plus sign for one, also in the query.
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	product := escape(s.policy.Product)
	return "otpauth://totp/" + product + ":" + escape(label) + "?secret=" + secret + "&issuer=" + product + "&algorithm=SHA1&digits=6&period=30"
}

func (s *Service) keep(ctx context.Context, handle string, e enrolment) error {
	plain, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("authn: enrol: %w", err)
	}
	sealed, err := s.sealer.Seal(enrolKind, plain)
	if err != nil {
		return fmt.Errorf("authn: enrol: %w", err)
	}
	if err := s.eph.Put(ctx, store.KeyOf(enrolKind, handle), sealed, s.now().Add(EnrolLife)); err != nil {
		return fmt.Errorf("authn: enrol: %w", err)
	}
	return nil
}

// ConfirmTOTP stores the shared secret of handle, begun for bind, once code is one of it. A wrong code leaves the
// enrolment as it was: ErrWrong, or Skewed where it is one of another time. ErrNoHold where there is no such enrolment.
// The code is used up. RFC 6238 §5.2, §6.
func (s *Service) ConfirmTOTP(ctx context.Context, handle, bind, code string, env ident.Env) (User, error) {
	e, err := s.enrolmentOf(ctx, handle, bind)
	if err != nil {
		return User{}, err
	}
	step, ok := matchStep(e.Secret, normaliseCode(code), s.now())
	if !ok {
		return User{}, s.off(e.Secret, normaliseCode(code))
	}
	u, err := s.users.User(ctx, e.User)
	if err != nil {
		return User{}, fmt.Errorf("authn: enrol: %w", err)
	}
	if _, err := s.eph.Take(ctx, store.KeyOf(enrolKind, handle)); err != nil {
		if errors.Is(err, store.ErrTaken) || errors.Is(err, store.ErrNotFound) {
			return User{}, ErrNoHold
		}
		return User{}, fmt.Errorf("authn: enrol: %w", err)
	}
	if used, err := s.useStep(ctx, u.ID, step); err != nil || used {
		if err == nil {
			err = ErrWrong
		}
		return User{}, err
	}
	if u, err = s.EnrolTOTP(ctx, u, e.Secret); err != nil {
		return User{}, err
	}
	if err := s.restored(ctx, u); err != nil {
		return User{}, err
	}
	u.RecoveredAt = time.Time{}
	return u, nil
}

// off is what a wrong code at enrolment is: Skewed, or ErrWrong.
func (s *Service) off(secret []byte, code string) error {
	at := s.now().Unix() / int64(otpStep/time.Second)
	for n := int64(2); n <= maxSkew; n++ {
		for _, k := range []int64{n, -n} {
			if subtle.ConstantTimeCompare([]byte(hotp(secret, at+k)), []byte(code)) == 1 {
				return Skewed{Steps: int(k)}
			}
		}
	}
	return ErrWrong
}

func (s *Service) enrolmentOf(ctx context.Context, handle, bind string) (enrolment, error) {
	if len(handle) > 128 {
		return enrolment{}, ErrNoHold
	}
	sealed, err := s.eph.Get(ctx, store.KeyOf(enrolKind, handle))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return enrolment{}, ErrNoHold
	}
	if err != nil {
		return enrolment{}, fmt.Errorf("authn: enrol: %w", err)
	}
	plain, err := s.sealer.Open(enrolKind, sealed)
	if err != nil {
		return enrolment{}, fmt.Errorf("authn: enrol: %w", err)
	}
	var e enrolment
	if err := json.Unmarshal(plain, &e); err != nil {
		return enrolment{}, fmt.Errorf("authn: enrol: %w", err)
	}
	of := sha256.Sum256([]byte(bind))
	if subtle.ConstantTimeCompare(of[:], e.Bind) != 1 {
		return enrolment{}, ErrNoHold
	}
	return e, nil
}

// RemoveTOTP takes the authenticator app away from user; ErrOff where there is none. The caller has seen a StepUp before.
func (s *Service) RemoveTOTP(ctx context.Context, user ident.UserID, env ident.Env) (User, error) {
	u, err := s.users.User(ctx, user)
	if err != nil {
		return User{}, fmt.Errorf("authn: remove: %w", err)
	}
	if len(u.TOTP) == 0 {
		return User{}, ErrOff
	}
	if err := s.audit.Record(ctx, event("otp.removed", audit.OK, "", u.ID, "", env)); err != nil {
		return User{}, fmt.Errorf("authn: remove: %w", err)
	}
	u.TOTP, u.UpdatedAt = nil, s.now().UTC()
	if err := s.users.PutUser(ctx, u); err != nil {
		return User{}, fmt.Errorf("authn: remove: %w", err)
	}
	return u, nil
}

// TOTPEnrolment returns the enrolment under way with handle, for showing it again after a wrong code; ErrNoHold.
func (s *Service) TOTPEnrolment(ctx context.Context, handle, bind string) (TOTPEnrolment, error) {
	e, err := s.enrolmentOf(ctx, handle, bind)
	if err != nil {
		return TOTPEnrolment{}, err
	}
	u, err := s.users.User(ctx, e.User)
	if err != nil {
		return TOTPEnrolment{}, fmt.Errorf("authn: enrol: %w", err)
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(e.Secret)
	return TOTPEnrolment{Secret: text, URI: s.otpauth(u, text), Handle: handle}, nil
}
