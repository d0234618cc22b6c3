// Package authntest gives tests people, a clock and real proofs: each proof comes out of a real
// authn.Service, from a real password and a real code. It has no back door, and the product never
// imports it.
package authntest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// Engine is what a Service keeps its things in: sqldb.DB, for one.
type Engine interface {
	authn.Store
	authn.PasskeyStore
	authn.RecoveryStore
	authn.ApproverStore
	store.Ephemeral
	store.Counters
}

// Person is somebody to sign in. Empty fields are filled from Username.
type Person struct {
	ID       ident.UserID
	Username string
	Email    string
	Password string // at least 15 characters, or 8 beside a TOTP secret; "" for none
	TOTP     []byte // shared secret of at least 20 bytes; nil for none
	Disabled bool
}

// Ann has a password, and Ben a one-time password besides.
var (
	Ann = Person{ID: "u-ann", Username: "ann", Email: "ann@example.com", Password: "seven green umbrellas"}
	Ben = Person{ID: "u-ben", Username: "ben", Email: "ben@example.com", Password: "quiet harbour at dusk", TOTP: []byte("12345678901234567890")}
)

// RPID and Origin are those of a Service whose policy names none.
const (
	RPID   = "id.example.org"
	Origin = "https://id.example.org"
)

// Options of a Service. Engine and Clock are required.
type Options struct {
	Engine Engine
	Clock  *Clock
	Trail  *Trail       // a new one where nil
	Policy authn.Policy // costs of Argon2 are the least where they are not set
	People []Person     // Ann and Ben where nil
	// Tell is told of recoveries; nil: there are none.
	Tell func(context.Context, authn.User, authn.RecoveryNews) error
}

// Service returns a real Service with people in it. Passwords are on.
func Service(t testing.TB, o Options) *authn.Service {
	t.Helper()
	if o.Trail == nil {
		o.Trail = &Trail{}
	}
	if o.Policy.Argon2 == (authn.Argon2Params{}) {
		o.Policy.Argon2 = authn.Argon2Params{MemoryKiB: 8, Time: 1, Parallelism: 1}
	}
	if o.People == nil {
		o.People = []Person{Ann, Ben}
	}
	o.Policy.Password = true
	if o.Policy.Passkey.RPID == "" {
		o.Policy.Passkey = authn.PasskeyPolicy{RPID: RPID, RPName: "Postern", Origins: []string{Origin}}
	}
	s, err := authn.New(authn.Options{
		Users: o.Engine, Passkeys: o.Engine, Recovery: o.Engine, Approvers: o.Engine, Ephemeral: o.Engine, Counters: o.Engine, Sealer: NewSealer(), Audit: o.Trail, Now: o.Clock.Now, Policy: o.Policy,
		TellRecovery: o.Tell,
	})
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	for _, p := range o.People {
		Enrol(t, s, o.Engine, p)
	}
	return s
}

// Enrol stores p through s, as an operator would.
func Enrol(t testing.TB, s *authn.Service, users authn.Store, p Person) {
	t.Helper()
	ctx := context.Background()
	u := authn.User{ID: p.ID, Username: p.Username, Email: p.Email, EmailVerified: p.Email != "", Disabled: p.Disabled}
	if u.ID == "" {
		u.ID = ident.UserID("u-" + p.Username)
	}
	var err error
	if p.TOTP != nil {
		if u, err = s.EnrolTOTP(ctx, u, p.TOTP); err != nil {
			t.Fatalf("authntest: %s: %v", p.Username, err)
		}
	}
	if p.Password != "" {
		u, err = s.SetPassword(ctx, u, p.Password)
	} else {
		err = users.PutUser(ctx, u)
	}
	if err != nil {
		t.Fatalf("authntest: %s: %v", p.Username, err)
	}
}

// Proof signs p in by password, and by a code as well where both is set.
func Proof(t testing.TB, s *authn.Service, clock *Clock, p Person, both bool, env ident.Env) authn.Proof {
	t.Helper()
	ctx := context.Background()
	proof, err := s.Password(ctx, authn.Attempt{Identifier: p.Username, Password: p.Password, Env: env})
	if err != nil {
		t.Fatalf("authntest: password of %s: %v", p.Username, err)
	}
	if !both {
		return proof
	}
	if proof, err = s.OTP(ctx, proof, Code(p.TOTP, clock.Now()), env); err != nil {
		t.Fatalf("authntest: code of %s: %v", p.Username, err)
	}
	return proof
}

// Code is what the authenticator app with secret shows at a time: six digits. RFC 6238 §4.
func Code(secret []byte, at time.Time) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	o := sum[19] & 15
	n := int(sum[o]&127)<<24 | int(sum[o+1])<<16 | int(sum[o+2])<<8 | int(sum[o+3])
	return fmt.Sprintf("%06d", n%1000000)
}

// Clock stands still until it is told to go on.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock stands at a Tuesday noon.
func NewClock() *Clock { return &Clock{at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves it on by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Trail keeps audit events, and refuses them while Down.
type Trail struct {
	mu     sync.Mutex
	events []audit.Event
	down   bool
}

// ErrTrail is what a Trail answers while it is down.
var ErrTrail = errors.New("authntest: the trail is down")

// Record implements audit.Recorder.
func (t *Trail) Record(_ context.Context, e audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		return ErrTrail
	}
	t.events = append(t.events, e)
	return nil
}

// Down makes it refuse, or accept again.
func (t *Trail) Down(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

// Events returns what was recorded since the last call.
func (t *Trail) Events() []audit.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.events
	t.events = nil
	return out
}

// Sealer is AES-256-GCM under a key of its own.
type Sealer struct{ aead cipher.AEAD }

// NewSealer makes a Sealer with a random key.
func NewSealer() *Sealer {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Sealer{aead}
}

// Derive implements authn.Sealer.
func (s *Sealer) Derive(name string) [][]byte {
	sum := sha256.Sum256([]byte(name))
	return [][]byte{sum[:]}
}

// Seal implements authn.Sealer.
func (s *Sealer) Seal(purpose string, plain []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, plain, []byte(purpose)), nil
}

// Open implements authn.Sealer.
func (s *Sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed, []byte(purpose))
}
