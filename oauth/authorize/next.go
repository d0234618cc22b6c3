package authorize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Kind is what has to happen next in an interaction.
type Kind int

// Kinds.
const (
	Login   Kind = iota // sign in, or sign in again
	StepUp              // the same person proves more
	Consent             // the person allows or denies
	Respond             // nothing is left to do
)

// Path is the page that serves a kind.
func (k Kind) Path(id string) string {
	p := "/continue"
	switch k {
	case Login, StepUp: // both begin with the first factor, freshly
		p = "/login"
	case Consent:
		p = "/consent"
	}
	return p + "?i=" + id
}

// Step is the next thing to happen: an error for the client if Err is set, otherwise Kind.
type Step struct {
	Kind       Kind
	Err        *oauth.Error
	Session    *sessions.Session // whose answer it is, at Consent and Respond
	Scope      []string          // what is granted, at Respond
	New        []string          // what was neither allowed nor declined before, at Consent
	Declined   []string          // what was declined before, at Consent
	HostBefore string            // of the client when it was allowed, where it is another one now, at Consent
}

// next is the whole front channel on one screen: the session, its freshness, its strength, consent.
// prompt=none turns each of them into its error. OIDC Core §3.1.2.3, §3.1.2.4, §3.1.2.6.
func (s *Service) next(ctx context.Context, it *oauth.Interaction, c *oauth.Client) (_ Step, err error) {
	ctx, end := span.Start(ctx, "authorize.next")
	defer func() { end(err) }()
	q, now := &it.Request, s.opt.Now()
	ask := func(k Kind, silent func() *oauth.Error, sess *sessions.Session) Step {
		if q.Has("none") {
			return Step{Err: silent()}
		}
		return Step{Kind: k, Session: sess}
	}
	sess := oauth.SessionOf(ctx)
	if sess != nil && it.Session != "" && it.Session != sess.ID { // what was proved and allowed here was so in another session
		fresh := *it
		fresh.Proved, fresh.Decided = false, false
		it = &fresh
	}
	switch {
	case sess == nil:
		return ask(Login, oauth.LoginRequired, nil), nil
	case q.HintSub != "" && s.opt.Issue.Subject(c, sess.User) != q.HintSub:
		if it.Proved { // somebody else signed in: never a code for the wrong person
			return Step{Err: oauth.LoginRequired()}, nil
		}
		return ask(Login, oauth.LoginRequired, nil), nil
	case !it.Proved && (q.Has("login") || q.Has("select_account")):
		return ask(Login, oauth.LoginRequired, sess), nil
	case q.MaxAge != nil && !it.Proved && now.Sub(sess.AuthTime) > time.Duration(*q.MaxAge)*time.Second:
		return ask(Login, oauth.LoginRequired, sess), nil
	}
	d, err := s.judge(ctx, q, c, sess)
	if err != nil {
		return Step{}, oauth.Unavailable(err)
	}
	need, hard := q.Need, q.NeedHard
	switch d.Action() {
	case riskstep.Deny, riskstep.Revoke:
		return Step{Err: oauth.AccessDenied("The situation does not allow it.")}, nil
	case riskstep.StepUp:
		if stale := d.MaxAge() > 0 && now.Sub(sess.AuthTime) > d.MaxAge(); stale && !it.Proved {
			return ask(Login, oauth.LoginRequired, sess), nil
		}
		if d.Required() > need {
			need, hard = d.Required(), true
		}
	}
	if need > sess.Reached(now) {
		best, err := s.opt.Best(ctx, sess.User)
		if err != nil {
			return Step{}, err
		}
		if best >= need {
			return ask(StepUp, oauth.InteractionRequired, sess), nil
		}
		if hard {
			return Step{Err: oauth.UnmetRequirements()}, nil
		}
	}
	return s.consent(ctx, it, c, sess, missing(grantable(c, q.Scope), d.Narrow()), ask)
}

// judge asks whether the client may use the session for what it wants, here and now.
func (s *Service) judge(ctx context.Context, q *oauth.Request, c *oauth.Client, sess *sessions.Session) (riskstep.Decision, error) {
	if s.opt.Risk == nil {
		return riskstep.Decision{}, errors.New("authorize: nobody judges risk")
	}
	return s.opt.Risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtAuthorize, User: sess.User, Client: c.ID, Profile: string(c.Profile), Scopes: q.Scope,
		Env: oauth.EnvOf(ctx), Held: sess.Reached(s.opt.Now()), AuthTime: sess.AuthTime, Was: sess.Snapshot})
}

// Demanded is what the risk of an interaction demands of whoever proves more in sess: None where it demands nothing.
func (s *Service) Demanded(ctx context.Context, l *Live, sess *sessions.Session) (ident.Assurance, error) {
	d, err := s.judge(ctx, &l.Request, l.Client, sess)
	if err != nil || d.Action() != riskstep.StepUp {
		return ident.None, err
	}
	return d.Required(), nil
}

func (s *Service) consent(ctx context.Context, it *oauth.Interaction, c *oauth.Client, sess *sessions.Session, scope []string,
	ask func(Kind, func() *oauth.Error, *sessions.Session) Step) (Step, error) {
	q := &it.Request
	switch {
	case it.Decided && it.Denied:
		return Step{Err: oauth.AccessDenied("The person did not allow it.")}, nil
	case it.Decided:
		return Step{Kind: Respond, Session: sess, Scope: missing(it.Scope, missing(it.Scope, scope))}, nil
	case c.SkipConsent && !q.Has("consent"):
		return Step{Kind: Respond, Session: sess, Scope: scope}, nil
	}
	had, err := s.opt.Consents.Consent(ctx, sess.User, c.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Step{}, err
	}
	known, moved := err == nil, ""
	if known && had.Host != c.Host() { // what was said to another host does not carry over
		known, moved, had = false, had.Host, oauth.Consent{}
	}
	fresh := missing(missing(scope, had.Scope), had.Declined)
	allowed := missing(scope, missing(scope, had.Scope)) // what was declined is not asked for again by itself
	covered := known && len(fresh) == 0 && len(allowed) >= min(1, len(scope)) && len(missing(q.Resources, had.Resources)) == 0 &&
		len(missing(q.Claims.Names(), had.Claims)) == 0
	if covered && !q.Has("consent") {
		return Step{Kind: Respond, Session: sess, Scope: allowed}, nil
	}
	step := ask(Consent, oauth.ConsentRequired, sess)
	step.New, step.Declined, step.HostBefore = fresh, had.Declined, moved
	return step, nil
}

// grantable drops offline_access where the client could not use it. OIDC Core §11.
func grantable(c *oauth.Client, scope []string) []string {
	if c.Allows("refresh_token") {
		return scope
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return s == "offline_access" })
}

func missing(want, have []string) []string {
	var out []string
	for _, w := range want {
		if !slices.Contains(have, w) {
			out = append(out, w)
		}
	}
	return out
}

// Required is what a proof within the interaction has to reach: what the client asks as far as the person can reach it.
func Required(q *oauth.Request, best ident.Assurance) ident.Assurance {
	if q.Need > best && !q.NeedHard {
		return best
	}
	return q.Need
}
