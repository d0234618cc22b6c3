package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// Live is an interaction that stands in the store, with the client it is for.
type Live struct {
	oauth.Interaction
	ID     string
	Client *oauth.Client
	raw    []byte
}

// What can be wrong with an interaction that a page names.
var (
	ErrGone     = errors.New("authorize: the interaction is not known or has expired")
	ErrFinished = errors.New("authorize: the interaction was completed before")
)

func (s *Service) begin(ctx context.Context, it *oauth.Interaction) (string, error) {
	raw, err := json.Marshal(it)
	if err != nil {
		return "", err
	}
	id := s.opt.Issue.NewSecret()
	return id, s.opt.Ephemeral.Put(ctx, store.KeyOf("interaction", id), raw, s.opt.Now().Add(s.opt.Interaction))
}

// Load returns the interaction with id if this browser began it; ErrGone or ErrFinished otherwise.
func (s *Service) Load(ctx context.Context, id string) (*Live, error) {
	if len(id) > 100 {
		return nil, ErrGone
	}
	raw, err := s.opt.Ephemeral.Get(ctx, store.KeyOf("interaction", id))
	finished := errors.Is(err, store.ErrTaken)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrGone
	}
	if err != nil && !finished {
		return nil, err
	}
	l := &Live{ID: id, raw: raw}
	if err := json.Unmarshal(raw, &l.Interaction); err != nil {
		return nil, err
	}
	if device := oauth.EnvOf(ctx).Device; device == "" || l.Browser != string(device) {
		return nil, ErrGone
	}
	if l.Client, err = s.opt.Registry.Find(ctx, l.Request.Client); err != nil {
		return nil, ErrGone
	}
	if finished {
		return l, ErrFinished
	}
	return l, nil
}

// save stores what changed in l; ErrGone if another request of the same browser was faster.
func (s *Service) save(ctx context.Context, l *Live) error {
	raw, err := json.Marshal(&l.Interaction)
	if err != nil {
		return err
	}
	if err := s.opt.Ephemeral.Swap(ctx, store.KeyOf("interaction", l.ID), l.raw, raw); err != nil {
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		return err
	}
	l.raw = raw
	return nil
}

// Held parks the handle of a first proof while the person finds the second factor; need and reasons say what for.
func (s *Service) Held(ctx context.Context, l *Live, handle string, need ident.Assurance, reasons []string, place string) error {
	l.Hold, l.Required, l.Reasons, l.Place = handle, need, reasons, place
	return s.save(ctx, l)
}

// Proved notes that the person proved themselves within this interaction and holds sess now.
func (s *Service) Proved(ctx context.Context, l *Live, sess sessions.Session) error {
	if l.Session != sess.ID {
		l.Decided, l.Denied, l.Scope = false, false, nil
	}
	l.Session, l.Proved, l.Hold, l.Reasons = sess.ID, true, "", nil
	return s.save(ctx, l)
}

// Next says what the person has to do now in l, in the session of ctx.
func (s *Service) Next(ctx context.Context, l *Live) (Step, error) {
	return s.next(ctx, &l.Interaction, l.Client)
}

// Decide notes the answer of the consent page; scope is what was allowed of what was asked. A yes is remembered.
func (s *Service) Decide(ctx context.Context, l *Live, allow bool, scope []string) error {
	sess := oauth.SessionOf(ctx)
	if sess == nil {
		return ErrGone
	}
	env := oauth.EnvOf(ctx)
	e := audit.Event{Type: "consent.given", Outcome: audit.OK, Actor: "user", User: sess.User, Client: l.Client.ID, Session: sess.ID,
		IP: env.IP.String(), Request: env.RequestID}
	if !allow {
		e.Type, e.Outcome = "consent.denied", audit.Denied
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return err
	}
	if l.Session != sess.ID { // the proof, if there was one, was of another session
		l.Session, l.Proved = sess.ID, false
	}
	asked := grantable(l.Client, l.Request.Scope)
	scope = missing(asked, missing(asked, scope))
	l.Decided, l.Denied, l.Scope = true, !allow, scope
	if allow {
		if err := s.remember(ctx, sess.User, l, scope, missing(asked, scope)); err != nil {
			return err
		}
	}
	return s.save(ctx, l)
}

func (s *Service) remember(ctx context.Context, user ident.UserID, l *Live, scope, declined []string) error {
	now := s.opt.Now()
	had, err := s.opt.Consents.Consent(ctx, user, l.Client.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	c := oauth.Consent{User: user, Client: l.Client.ID, Host: l.Client.Host(), CreatedAt: now, UpdatedAt: now}
	if err == nil && had.Host == c.Host { // what was allowed to another host does not carry over
		c.Scope, c.Resources, c.Claims, c.CreatedAt = missing(had.Scope, declined), had.Resources, had.Claims, had.CreatedAt
		c.Declined = missing(missing(had.Declined, scope), declined)
	}
	c.Scope = append(c.Scope, missing(scope, c.Scope)...)
	c.Declined = append(c.Declined, declined...)
	c.Resources = append(c.Resources, missing(l.Request.Resources, c.Resources)...)
	c.Claims = append(c.Claims, missing(l.Request.Claims.Names(), c.Claims)...)
	return s.opt.Consents.PutConsent(ctx, c)
}

// Finish completes l once: it returns what goes to the client, tokens or an error; for a device there is nothing to send,
// and the answer only says whether it failed. If something is still to be done it returns that step, and answer is nil.
func (s *Service) Finish(ctx context.Context, l *Live) (answer *oauth.Answer, step Step, err error) {
	q := &l.Request
	step, err = s.next(ctx, &l.Interaction, l.Client)
	if err != nil || step.Err == nil && step.Kind != Respond {
		return nil, step, err
	}
	if _, err := s.opt.Ephemeral.Take(ctx, store.KeyOf("interaction", l.ID)); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return nil, step, ErrFinished
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil, step, ErrGone
		}
		return nil, step, err
	}
	if step.Err != nil {
		answer, err = s.ended(ctx, q, step.Err)
		return answer, step, err
	}
	if q.Device != "" {
		answer, err = s.connect(ctx, l, step)
		return answer, step, err
	}
	answer, err = s.respond(ctx, &l.Interaction, l.Client, step)
	if err != nil {
		oauth.Leave(ctx, err)
		return s.refuse(q, oauth.AsError(err)), step, nil
	}
	return answer, step, nil
}

// Abandon completes l with an error for the client, and returns what carries it.
func (s *Service) Abandon(ctx context.Context, l *Live, e *oauth.Error) (*oauth.Answer, error) {
	if _, err := s.opt.Ephemeral.Take(ctx, store.KeyOf("interaction", l.ID)); err != nil {
		if errors.Is(err, store.ErrTaken) {
			return nil, ErrFinished
		}
		return nil, ErrGone
	}
	return s.ended(ctx, &l.Request, e)
}

// ended carries an error to whoever waits for an answer to q: the client, or the device.
func (s *Service) ended(ctx context.Context, q *oauth.Request, e *oauth.Error) (*oauth.Answer, error) {
	if q.Device != "" {
		return s.disconnect(ctx, q, e)
	}
	return s.refuse(q, e), nil
}
