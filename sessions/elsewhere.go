package sessions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// ErrElsewhere says that a session is shown from where, or by what, only a new proof lets it be used. It goes on for whoever
// used it before.
var ErrElsewhere = errors.New("sessions: used elsewhere than before")

// elsewhere judges the session by the request that shows it, and returns whether its snapshot is another now. What is
// risky to do is taken from its grants at once; ErrElsewhere; ErrNone where the session had to end.
func (m *Manager) elsewhere(ctx context.Context, s *Session, env ident.Env) (moved bool, err error) {
	if m.risk == nil {
		return false, nil
	}
	d, err := m.risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtUse, User: s.User, Env: env, Held: s.Reached(m.time()), AuthTime: s.AuthTime, Was: s.Snapshot})
	if err != nil {
		return false, fmt.Errorf("sessions: check: %w", err)
	}
	switch d.Action() {
	case riskstep.Revoke:
		if err := m.End(ctx, s.ID, "risk"); err != nil && !errors.Is(err, ErrNone) {
			return false, err
		}
		return false, ErrNone
	case riskstep.Deny:
		return false, ErrElsewhere
	}
	if err := m.limit(ctx, s, d.Narrow()); err != nil {
		return false, err
	}
	if d.Action() == riskstep.StepUp {
		return false, ErrElsewhere
	}
	now := d.Snapshot()
	now.Key = s.Snapshot.Key // a key binds until the person stands for another
	moved, s.Snapshot = now != s.Snapshot, now
	return moved, nil
}

// limit takes scope from the session's grants, besides what they do without already.
func (m *Manager) limit(ctx context.Context, s *Session, scope []string) error {
	all := slices.Clone(s.Limited)
	for _, name := range scope {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if len(all) == len(s.Limited) {
		return nil
	}
	return m.setLimited(ctx, s, all, "session.limited")
}

// unlimit gives the session's grants back what was taken from them, where the person proved enough for it.
func (m *Manager) unlimit(ctx context.Context, s *Session, p authn.Proof, d riskstep.Decision) error {
	if len(d.Narrow()) > 0 {
		return m.limit(ctx, s, d.Narrow())
	}
	if len(s.Limited) == 0 || p.Assurance() < ident.AAL2 && flags(d) > 0 {
		return nil
	}
	return m.setLimited(ctx, s, nil, "session.unlimited")
}

func (m *Manager) setLimited(ctx context.Context, s *Session, scope []string, event string) error {
	slices.Sort(scope)
	data := map[string]string{}
	for i, name := range scope {
		if i > 0 {
			data["scope"] += " "
		}
		data["scope"] += name
	}
	if err := m.record(ctx, event, "risk", *s, ident.Env{}, data); err != nil {
		return err
	}
	if _, err := m.store.LimitSession(ctx, s.ID, scope, m.time()); err != nil {
		return fmt.Errorf("sessions: limit: %w", err)
	}
	s.Limited = scope
	return nil
}
