// Package authn owns people and the proof of who they are: passwords, one-time passwords, what
// factors add up to, and the throttles that keep guessing hopeless. It alone makes a Proof.
// It never decides whether a proof is enough, never starts a session and never speaks HTTP.
package authn

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

var (
	// ErrWrong is the one answer to an unknown person, a wrong password or code, and a disabled account.
	ErrWrong = errors.New("authn: wrong identifier or credential")
	// ErrOff says that policy does not allow this way of signing in.
	ErrOff = errors.New("authn: this factor is switched off")
	// ErrBusy says that too many attempts wait already; the caller answers 503.
	ErrBusy = errors.New("authn: too many attempts in progress")
)

// Throttled refuses an attempt without looking at it; the caller answers 429.
type Throttled struct {
	RetryAfter time.Duration // at the latest then another attempt is looked at
}

func (t Throttled) Error() string {
	return "authn: too many failures, retry after " + t.RetryAfter.String()
}

// Sealer encrypts what must be read again, and has secrets for hashes; keys.Sealer is one.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
	// Derive returns secrets of 32 bytes for name: make with the first, accept any.
	Derive(name string) [][]byte
}

// Policy is what an operator may choose. The zero value of a field is its default.
type Policy struct {
	Password            bool // whether people can sign in by password; off unless set
	MinLengthSingle     int  // characters of a password that is the only factor: 15
	MinLengthWithSecond int  // characters of a password beside a second factor: 8
	MaxLength           int  // characters: 1024, at least 256
	Product             string
	BlocklistFile       string // more passwords to refuse, one a line, at most 64 MiB
	BreachFile          string // leaked passwords, as published for k-anonymity: a directory of ranges, or one sorted file
	Argon2              Argon2Params
	HashSlots           int // hashes at once: the number of cores
	QueueLimit          int // attempts waiting for a slot before ErrBusy: 32 a slot
	Throttle            Limits
	Passkey             PasskeyPolicy
	Recovery            RecoveryPolicy
	Approvers           ApproverPolicy
	ProgramDecisions    bool // programs may decide requests for approval: for tests, see DecidedByProgram
}

// Options are what a Service stands on. All must be set, except Rand (crypto/rand), Policy, and
// Passkeys, Recovery and Approvers, without which there are none.
type Options struct {
	Users     Store
	Passkeys  PasskeyStore
	Recovery  RecoveryStore
	Approvers ApproverStore
	Ephemeral store.Ephemeral
	Counters  store.Counters
	Sealer    Sealer
	Audit     audit.Recorder
	Now       func() time.Time
	Rand      io.Reader
	Policy    Policy
	// TellRecovery tells the owner of an account of each step of a recovery, before it is made: an error stops it. For
	// the zero User it tells nobody, and takes as long. Nil where nobody can be told: then there is no recovery.
	TellRecovery func(context.Context, User, RecoveryNews) error
}

// Service verifies factors.
type Service struct {
	users     Store
	passkeys  PasskeyStore
	recovery  RecoveryStore
	approvers ApproverStore
	appRoots  *x509.CertPool
	eph       store.Ephemeral
	counters  store.Counters
	sealer    Sealer
	audit     audit.Recorder
	now       func() time.Time
	rand      io.Reader
	policy    Policy
	hasher    *hasher
	block     *blocklist
	throttle  *throttle
	mds       *metadataService
	decoy     decoyKey
	breaches  *breaches
	tell      func(context.Context, User, RecoveryNews) error
}

// New returns a Service, or an error for a missing part, a policy that cannot be, or a blocklist file that cannot be read.
func New(o Options) (*Service, error) {
	if o.Users == nil || o.Ephemeral == nil || o.Counters == nil || o.Sealer == nil || o.Audit == nil || o.Now == nil {
		return nil, errors.New("authn: Users, Ephemeral, Counters, Sealer, Audit and Now are needed")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if err := o.Policy.complete(); err != nil {
		return nil, err
	}
	block, err := newBlocklist(o.Policy.BlocklistFile)
	if err != nil {
		return nil, err
	}
	leaks, err := openBreaches(o.Policy.BreachFile)
	if err != nil {
		return nil, err
	}
	if o.TellRecovery == nil {
		o.Policy.Recovery.Off = true
	}
	h, err := newHasher(o.Policy, o.Rand)
	if err != nil {
		return nil, err
	}
	th, err := newThrottle(o)
	if err != nil {
		return nil, err
	}
	if o.Policy.Passkey.RPID != "" && o.Passkeys == nil {
		return nil, errors.New("authn: Passkeys are needed where there is a relying party")
	}
	appRoots, err := o.Policy.Approvers.roots()
	if err != nil {
		return nil, err
	}
	mds, err := newMetadataService(o.Policy.Passkey.Metadata, o.Now)
	if err != nil {
		return nil, err
	}
	return &Service{
		users: o.Users, passkeys: o.Passkeys, recovery: o.Recovery, approvers: o.Approvers, appRoots: appRoots, eph: o.Ephemeral, counters: o.Counters, sealer: o.Sealer, audit: o.Audit, now: o.Now, rand: o.Rand,
		policy: o.Policy, hasher: h, block: block, throttle: th, mds: mds, breaches: leaks, tell: o.TellRecovery,
	}, nil
}

func (p *Policy) complete() error {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&p.MinLengthSingle, 15)
	def(&p.MinLengthWithSecond, 8)
	def(&p.MaxLength, 1024)
	def(&p.HashSlots, runtime.GOMAXPROCS(0))
	def(&p.QueueLimit, 32*p.HashSlots)
	if p.Product == "" {
		p.Product = "postern"
	}
	p.Argon2 = p.Argon2.withDefaults()
	p.Throttle = p.Throttle.withDefaults()
	switch {
	case p.MinLengthSingle < 8 || p.MinLengthWithSecond < 8: // SP 800-63B-4 §3.1.1.2
		return errors.New("authn: a password has at least 8 characters")
	case p.MinLengthSingle < p.MinLengthWithSecond:
		return errors.New("authn: a single password cannot be shorter than one beside a second factor")
	case p.MaxLength < 256 || p.MaxLength > 4096 || p.MaxLength < p.MinLengthSingle:
		return errors.New("authn: the longest password must have 256 to 4096 characters")
	case p.HashSlots < 1 || p.QueueLimit < 0:
		return errors.New("authn: at least one hash slot is needed")
	}
	if err := p.Passkey.complete(); err != nil {
		return err
	}
	if err := p.Recovery.complete(); err != nil {
		return err
	}
	return p.Argon2.check()
}

// Factors is what a person could show.
type Factors struct {
	Password, OTP bool
	Passkeys      int             // how many
	Approvers     int             // how many
	RecoveryCodes int             // how many are left
	Best          ident.Assurance // what all of it together reaches
}

// Factors returns what user has and policy allows; store.ErrNotFound.
func (s *Service) Factors(ctx context.Context, user ident.UserID) (Factors, error) {
	u, err := s.users.User(ctx, user)
	if err != nil {
		return Factors{}, fmt.Errorf("authn: factors: %w", err)
	}
	if u.Disabled {
		return Factors{}, nil
	}
	have := s.secretsOf(u)
	f := Factors{Password: have&hasPassword != 0, OTP: have&hasOTP != 0}
	if s.policy.Passkey.RPID != "" {
		list, err := s.passkeys.Passkeys(ctx, user)
		if err != nil {
			return Factors{}, fmt.Errorf("authn: factors: %w", err)
		}
		f.Passkeys = len(list)
		for _, p := range list {
			have |= s.factorOf(p, p.Verifies)
		}
	}
	if s.recovery != nil {
		if f.RecoveryCodes, _, err = s.recovery.RecoveryCodes(ctx, user); err != nil {
			return Factors{}, fmt.Errorf("authn: factors: %w", err)
		}
		if f.RecoveryCodes > 0 {
			have |= hasRecovery
		}
	}
	list, err := s.Approvers(ctx, user)
	if err != nil {
		return Factors{}, err
	}
	if f.Approvers = len(list); slices.ContainsFunc(list, func(a Approver) bool { return a.Kind == ApproverApp }) {
		have |= hasApproval // a browser signs with a passkey, which stands there already
	}
	if f.Best = have.worth().assurance; !u.RecoveredAt.IsZero() {
		f.Best = min(f.Best, ident.AAL1)
	}
	return f, nil
}

// secretsOf is what of the factors lies in the account itself.
func (s *Service) secretsOf(u User) (have factors) {
	if u.Disabled {
		return 0
	}
	if s.policy.Password && u.PasswordHash != "" {
		have |= hasPassword
	}
	if len(u.TOTP) > 0 {
		have |= hasOTP
	}
	return have
}

// prove makes the Proof of one factor shown now.
func (s *Service) prove(user ident.UserID, f factors) (Proof, error) {
	id, err := s.random(16)
	if err != nil {
		return Proof{}, err
	}
	now := s.now()
	return Proof{id: id, user: user, factors: f, from: now, at: now}, nil
}

func (s *Service) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return "", fmt.Errorf("authn: random: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// event fills what every event of this package has.
func event(typ string, outcome audit.Outcome, reason string, user ident.UserID, client ident.ClientID, env ident.Env) audit.Event {
	e := audit.Event{
		Type: typ, Outcome: outcome, Actor: "user", User: user, Client: client,
		Device: env.Device, Reason: reason, Agent: env.UserAgent, Request: env.RequestID,
	}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	return e
}
