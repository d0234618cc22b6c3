package riskstep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/store"
)

// taught is what a decision can teach.
type taught struct {
	login   model.Login
	ring    model.Ring
	version int64
	score   float64 // logit
	strong  bool
}

// strong says whether v teaches at once: the person proved more than what can be phished, or the device its key. What is
// weaker counts half until a week has gone by undisputed. RISK: learning and poisoning.
func (v *view) strong() bool {
	return v.Proof.Assurance() >= ident.PhishingResistant || v.Env.Key != ident.NoKey
}

// knownWell is from how many sign-ins on the person's scores count for the budget of challenges.
const knownWell = 5

// Learn remembers where and with what the person signed in; call it once the session stands. Only an
// allowed sign-in or step-up teaches anything.
func (e *Engine) Learn(ctx context.Context, d Decision) error {
	if d.action != Allow && d.action != Narrow || d.moment != AtSignIn && d.moment != AtStepUp || d.proof == "" {
		return nil
	}
	t := d.taught
	t.login.Strong = t.strong
	hasher := model.NewHasher(e.o.HashKey()...)
	alert := t.ring.Alerted(e.o.Now())
	for try := range 4 {
		if try > 0 {
			blob, version, err := e.o.Store.RiskProfile(ctx, d.user)
			if err != nil {
				return fmt.Errorf("riskstep: learn: %w", err)
			}
			if t.ring, err = model.ParseRing(blob); err != nil {
				t.ring = model.Ring{}
			}
			if t.version = version; t.ring.Alerted(e.o.Now()) != alert {
				return nil // somebody disowned a sign-in meanwhile: perhaps this one
			}
		}
		was, ring := t.ring, t.ring
		ring.Learn(hasher, &t.login)
		err := e.o.Store.SaveRiskProfile(ctx, d.user, t.version, ring.Append(nil))
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err != nil {
			return fmt.Errorf("riskstep: learn: %w", err)
		}
		e.tables.Learn(&was, hasher, &t.login)
		e.velocity.Observe(&t.login)
		if was.Len() >= knownWell {
			e.o.Policy.Budget().Observe(e.o.Now(), t.score)
		}
		return nil
	}
	return fmt.Errorf("riskstep: learn: %w", store.ErrStale)
}

// velocityWindow is within what time the failures of an account are counted across nodes.
const velocityWindow = time.Hour

// Failed counts an attempt to sign in that failed: who tries many passwords is judged by all of them. user is "" where
// nobody has that name. Nothing else may depend on it: an error is for the log.
func (e *Engine) Failed(ctx context.Context, user ident.UserID, env ident.Env) error {
	v := e.look(Input{Moment: AtSignIn, User: user, Env: env})
	v.login.Failed = true
	e.velocity.Observe(&v.login)
	if e.o.Counters == nil {
		return nil
	}
	// Networks and providers are judged by their share of failures, which every node sees alike; one account is not.
	if user == "" {
		return nil
	}
	n, err := e.o.Counters.Add(ctx, "risk failed "+string(user), 1, velocityWindow)
	if err != nil {
		return fmt.Errorf("riskstep: failures: %w", err)
	}
	e.velocity.Set("account", string(user), float64(n), float64(n), v.now)
	return nil
}

// disputeSlack is by how much what tells of a sign-in may be later than the sign-in itself.
const disputeSlack = time.Minute

// Unlearn forgets what was learnt of user since a sign-in that they say was not theirs, and for thirty days has no
// device of theirs count as known. The caller ends the sessions.
func (e *Engine) Unlearn(ctx context.Context, user ident.UserID, since time.Time) error {
	ev := audit.Event{Type: "risk.unlearned", Outcome: audit.OK, Actor: "user", User: user, Reason: "disowned"}
	if err := e.o.Audit.Record(ctx, ev); err != nil {
		return fmt.Errorf("riskstep: unlearn: %w", err)
	}
	for range 8 {
		blob, version, err := e.o.Store.RiskProfile(ctx, user)
		if err != nil {
			return fmt.Errorf("riskstep: unlearn: %w", err)
		}
		ring, err := model.ParseRing(blob)
		if err != nil {
			ring = model.Ring{}
		}
		ring.Forget(since.Add(-disputeSlack), e.o.Now())
		err = e.o.Store.SaveRiskProfile(ctx, user, version, ring.Append(nil))
		if !errors.Is(err, store.ErrStale) {
			if err != nil {
				err = fmt.Errorf("riskstep: unlearn: %w", err)
			}
			return err
		}
	}
	return fmt.Errorf("riskstep: unlearn: %w", store.ErrStale)
}
