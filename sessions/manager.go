// Package sessions owns who is signed in where: the session and its cookie's secret, its limits, its
// rise and its end, and the names of devices. It asks for a proof and a decision about that very
// proof; it never verifies a credential, never judges risk, and never sets a cookie itself.
package sessions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

var (
	// ErrNone is the one answer to everything that is no live session.
	ErrNone = errors.New("sessions: no such session")
	// ErrRefused says that the decision does not allow the proof, or that they do not belong together.
	ErrRefused = errors.New("sessions: the decision does not allow this proof")
	// ErrWeaker says that a proof is weaker than what the session holds: prove at least that.
	ErrWeaker = errors.New("sessions: the proof is weaker than the session")
)

func errPolicy(why string) error { return errors.New("sessions: " + why) }

// seenEvery is how often LastSeen is written at most.
const seenEvery = time.Minute

// Options are what a Manager stands on. Rand defaults to crypto/rand.
type Options struct {
	Store     Store
	Audit     audit.Recorder
	Now       func() time.Time
	Rand      io.Reader
	DeviceKey func() [][]byte // secrets that name devices, the current one first; under the others devices keep their names
	Policy    Policy
	Locate    func(netip.Addr) riskstep.Place // where a session is used; without it the place stays that of the latest proof
	Risk      Judge                           // of a session that is used elsewhere than before; nil where no cookies are checked
}

// Judge is what a riskstep.Engine does.
type Judge interface {
	Decide(ctx context.Context, in riskstep.Input) (riskstep.Decision, error)
}

// Manager keeps sessions.
type Manager struct {
	store     Store
	audit     audit.Recorder
	now       func() time.Time
	rand      io.Reader
	deviceKey func() [][]byte
	policy    Policy
	locate    func(netip.Addr) riskstep.Place
	risk      Judge
}

// New returns a Manager, or an error for a missing part or a policy that cannot be.
func New(o Options) (*Manager, error) {
	if o.Store == nil || o.Audit == nil || o.Now == nil || o.DeviceKey == nil {
		return nil, errors.New("sessions: Store, Audit, Now and DeviceKey are needed")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	p := o.Policy.withDefaults()
	if err := p.check(); err != nil {
		return nil, err
	}
	return &Manager{store: o.Store, audit: o.Audit, now: o.Now, rand: o.Rand, deviceKey: o.DeviceKey, policy: p, locate: o.Locate, risk: o.Risk}, nil
}

// time is now as the engines keep it.
func (m *Manager) time() time.Time { return m.now().UTC().Truncate(time.Microsecond) }

// Start returns a new session and the value of its cookie, "<id>.<secret>". ErrRefused where d does
// not allow p. Beyond Policy.PerUser the oldest sessions of the person end.
func (m *Manager) Start(ctx context.Context, p authn.Proof, d riskstep.Decision, env ident.Env) (_ Session, _ string, err error) {
	ctx, end := span.Start(ctx, "sessions.Start")
	defer func() { end(err) }()
	now := m.time()
	if d.Moment() != riskstep.AtSignIn || !d.For(p) || !p.Fresh(m.now()) || p.Assurance() == ident.None {
		return Session{}, "", ErrRefused
	}
	id, err := m.random(idBytes)
	if err != nil {
		return Session{}, "", err
	}
	secret, err := m.random(secretBytes)
	if err != nil {
		return Session{}, "", err
	}
	life := m.policy.bearing(m.policy.life(p.Assurance(), flags(d)), env.KeyID)
	s := Session{
		ID: ident.SessionID(id), User: p.User(), Device: env.Device,
		AuthTime: p.At().UTC().Truncate(time.Microsecond), AMR: p.AMR(), Assurance: p.Assurance(),
		Country: d.Place().Country, Agent: FamilyOf(env.UserAgent),
		CreatedAt: now, LastSeen: now, IdleUntil: now.Add(life.Idle), ExpiresAt: now.Add(life.Absolute),
		SecretHash: hashOf(secret), PrevUntil: now.Add(m.policy.PrevGrace), Version: 1,
	}
	s.Snapshot = d.Snapshot()
	s.usedAt(d.Place())
	if err := m.record(ctx, "session.started", "", s, env, marks(d)); err != nil {
		return Session{}, "", err
	}
	if err := m.store.InsertSession(ctx, s); err != nil {
		return Session{}, "", fmt.Errorf("sessions: start: %w", err)
	}
	if err := m.limit(ctx, &s, d.Narrow()); err != nil {
		return Session{}, "", err
	}
	if err := m.evict(ctx, s); err != nil {
		return Session{}, "", err
	}
	return s, id + "." + secret, nil
}

// evict ends the oldest sessions of the person of s that are beyond Policy.PerUser. It counts after
// s stands, so that parallel sign-ins cannot all find room.
func (m *Manager) evict(ctx context.Context, s Session) error {
	all, err := m.List(ctx, s.User)
	if err != nil {
		return err
	}
	for i := m.policy.PerUser; i < len(all); i++ {
		if all[i].ID == s.ID {
			continue
		}
		if err := m.End(ctx, all[i].ID, "too_many"); err != nil && !errors.Is(err, ErrNone) {
			return err
		}
	}
	return nil
}

// Raise returns the same session after a step-up or a re-authentication, and the value of its new
// cookie: AuthTime and AMR are those of p, and a rung above that of the sign-in lasts Policy.Raise.
// ErrRefused where d does not allow p or p is of another person; ErrWeaker where p proves less than
// the session holds, so that its assurance and its AuthTime always tell of one ceremony; ErrNone.
func (m *Manager) Raise(ctx context.Context, s Session, p authn.Proof, d riskstep.Decision, env ident.Env) (_ Session, _ string, err error) {
	ctx, end := span.Start(ctx, "sessions.Raise")
	defer func() { end(err) }()
	if d.Moment() != riskstep.AtStepUp || !d.For(p) || !p.Fresh(m.now()) || p.User() != s.User || p.Assurance() == ident.None {
		return Session{}, "", ErrRefused
	}
	secret, err := m.random(secretBytes)
	if err != nil {
		return Session{}, "", err
	}
	var marked bool
	for range 4 {
		now := m.time()
		cur, err := m.Alive(ctx, s.ID)
		if err != nil {
			return Session{}, "", err
		}
		if cur.User != p.User() {
			return Session{}, "", ErrRefused
		}
		if p.Assurance() < cur.Reached(now) {
			return Session{}, "", ErrWeaker
		}
		cur.Snapshot = d.Snapshot() // the person stands for the device as it is now: a key that it lost binds it no longer
		m.raise(&cur, p, d, now)
		m.rotate(&cur, secret, now)
		if !marked {
			if err := m.record(ctx, "session.raised", "", cur, env, marks(d)); err != nil {
				return Session{}, "", err
			}
			marked = true
		}
		err = m.store.UpdateSession(ctx, cur)
		if err == nil {
			cur.Version++
			return cur, string(cur.ID) + "." + secret, m.unlimit(ctx, &cur, p, d)
		}
		if !errors.Is(err, store.ErrStale) {
			return Session{}, "", fmt.Errorf("sessions: raise: %w", err)
		}
	}
	return Session{}, "", fmt.Errorf("sessions: raise: %w", store.ErrStale)
}

// raise writes what p proved into s. A proof of at least the sign-in's rung begins the limits anew.
func (m *Manager) raise(s *Session, p authn.Proof, d riskstep.Decision, now time.Time) {
	s.AuthTime, s.AMR = p.At().UTC().Truncate(time.Microsecond), p.AMR()
	if p.Assurance() > s.Assurance {
		s.Raised, s.RaisedUntil = p.Assurance(), now.Add(m.policy.Raise)
	}
	life := m.policy.bearing(m.policy.life(s.Assurance, flags(d)), s.Snapshot.Key)
	s.LastSeen, s.IdleUntil, s.ExpiresAt = now, now.Add(life.Idle), now.Add(life.Absolute)
	s.usedAt(d.Place())
}

// usedAt notes where s is used. A place that is not known replaces one that was: nobody is where they were before
// because we cannot tell.
func (s *Session) usedAt(p riskstep.Place) { s.LastCountry, s.LastSpot = p.Country, p.Spot }

// rotate gives s a new secret; the one before works for the grace.
func (m *Manager) rotate(s *Session, secret string, now time.Time) {
	s.PrevHash, s.PrevUntil, s.SecretHash = s.SecretHash, now.Add(m.policy.PrevGrace), hashOf(secret)
}

// flags counts what was unusual about the sign-in.
func flags(d riskstep.Decision) int {
	n := 0
	if d.NewDevice() {
		n++
	}
	if d.NewCountry() {
		n++
	}
	return n
}

// marks are flags for the audit trail, from which the owner is told.
func marks(d riskstep.Decision) map[string]string {
	data := map[string]string{}
	if d.NewDevice() {
		data["new_device"] = "true"
	}
	if d.NewCountry() {
		data["new_country"] = "true"
	}
	if c := d.Place().Country; c != "" {
		data["country"] = c
	}
	return data
}

func (m *Manager) record(ctx context.Context, typ, reason string, s Session, env ident.Env, data map[string]string) error {
	e := audit.Event{
		Type: typ, Outcome: audit.OK, Actor: "user", User: s.User, Session: s.ID, Device: s.Device,
		Reason: reason, Agent: s.Agent, Request: env.RequestID, Data: data,
	}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if err := m.audit.Record(ctx, e); err != nil {
		return fmt.Errorf("sessions: %s: %w", typ, err)
	}
	return nil
}
