// Package authorize owns the front channel: the authorization endpoint, what a person still has to do before it can be
// answered (next), consent, and the answer (respond). It shows no page: the shell does, and comes back here. It never
// decides who the person is.
package authorize

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// Options of a Service; all are needed except the durations.
type Options struct {
	Registry  *oauth.Registry
	Reader    *oauth.Reader
	Issue     *issue.Issuer
	Grants    oauth.GrantStore
	Consents  oauth.ConsentStore
	Ephemeral store.Ephemeral
	Devices   oauth.Devices
	Audit     audit.Recorder
	Best      func(context.Context, ident.UserID) (ident.Assurance, error)          // what a person can reach with the factors they hold
	Risk      sessions.Judge                                                        // of a client's wish to use a session
	State     func(ctx context.Context, c *oauth.Client, redirectURI string) string // session_state of an answer, Session Management §3; nil for none
	Now       func() time.Time

	Interaction time.Duration // how long the pages stay usable; default 30 min
	Code        time.Duration // life of a code; default 60 s
	Offline     time.Duration // life of a refresh family with offline_access; default 30 days
}

// Service answers authorization requests.
type Service struct{ opt Options }

// New returns a Service.
func New(opt Options) *Service {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&opt.Interaction, 30*time.Minute)
	def(&opt.Code, time.Minute)
	def(&opt.Offline, 30*24*time.Hour)
	return &Service{opt: opt}
}

// replayMemory is how long a code is remembered, so that its replay still finds what to revoke.
const replayMemory = 10 * time.Minute

// Authorize answers an authorization request: with the page that is due first, or with what goes to the client. An error is
// shown to the person, and nothing is redirected. RFC 6749 §3.1, OIDC Core §3.1.2.
func (s *Service) Authorize(ctx context.Context, form url.Values) (page string, answer *oauth.Answer, err error) {
	q, c, err := s.opt.Reader.Read(ctx, form)
	if err == nil {
		err = s.hint(q, c)
	}
	var f *oauth.Fault
	if errors.As(err, &f) {
		if f.Redirect == "" {
			return "", nil, f
		}
		return "", s.failure(f.Redirect, f.Mode, f.State, f.Err), nil
	}
	if err != nil {
		return "", nil, err
	}
	page, answer, err = s.begun(ctx, q, c)
	if err != nil {
		oauth.Leave(ctx, err)
		return "", s.refuse(q, oauth.AsError(err)), nil
	}
	return page, answer, nil
}

// begun says where a good request leads: to the client with its answer, or to the page that is due first.
func (s *Service) begun(ctx context.Context, q *oauth.Request, c *oauth.Client) (string, *oauth.Answer, error) {
	it := &oauth.Interaction{Request: *q, Browser: string(oauth.EnvOf(ctx).Device), Created: s.opt.Now()}
	step, err := s.next(ctx, it, c)
	switch {
	case err != nil:
		return "", nil, err
	case step.Err != nil:
		return "", s.refuse(q, step.Err), nil
	case step.Kind == Respond:
		answer, err := s.respond(ctx, it, c, step)
		return "", answer, err
	}
	id, err := s.begin(ctx, it)
	if err != nil {
		return "", nil, oauth.Unavailable(err)
	}
	return step.Kind.Path(id), nil, nil
}

// hint reads id_token_hint: it must be an ID token of ours, and fixes whose session is meant. OIDC Core §3.1.2.1.
func (s *Service) hint(q *oauth.Request, c *oauth.Client) error {
	fault := func(e *oauth.Error) error {
		return &oauth.Fault{Client: c, Redirect: q.RedirectURI, State: q.State, Mode: q.ResponseMode, Err: e}
	}
	if q.IDTokenHint != "" {
		h, err := s.opt.Issue.ReadHint(q.IDTokenHint)
		if err != nil {
			return fault(oauth.InvalidRequest("id_token_hint is not an ID token of this server.").Because(err))
		}
		q.HintSub = h.Subject
	}
	if sub := q.Claims.Subject(); sub != "" {
		if q.HintSub != "" && q.HintSub != sub {
			return fault(oauth.LoginRequired())
		}
		q.HintSub = sub
	}
	return nil
}

// refuse carries an error to the client of q.
func (s *Service) refuse(q *oauth.Request, e *oauth.Error) *oauth.Answer {
	return s.failure(q.RedirectURI, q.ResponseMode, q.State, e)
}

// failure carries an error to a client, with state and iss. RFC 6749 §4.1.2.1, RFC 9207 §2.
func (s *Service) failure(redirect, mode, state string, e *oauth.Error) *oauth.Answer {
	return s.answer(redirect, mode, state, url.Values{"error": {e.Code}, "error_description": {e.Description}})
}

func (s *Service) answer(redirect, mode, state string, v url.Values) *oauth.Answer {
	if state != "" {
		v.Set("state", state)
	}
	v.Set("iss", s.opt.Issue.Issuer())
	return &oauth.Answer{RedirectURI: redirect, Mode: mode, Params: v}
}
