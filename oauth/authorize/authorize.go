// Package authorize owns the front channel: the authorization endpoint, what a person still has to do before it can be
// answered (next), consent, and the answer (respond). It shows no page: the shell does, and comes back here. It never
// decides who the person is.
package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
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
	Audit     audit.Recorder
	Best      func(context.Context, ident.UserID) (ident.Assurance, error) // what a person can reach with the factors they hold
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

// Authorize is the authorization endpoint, by GET and POST. RFC 6749 §3.1, OIDC Core §3.1.2.
func (s *Service) Authorize(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		form = r.PostForm
	}
	q, c, err := s.opt.Reader.Read(ctx, form)
	if err == nil {
		err = s.hint(q, c, form.Get("id_token_hint"))
	}
	var f *oauth.Fault
	if errors.As(err, &f) {
		if f.Redirect == "" {
			return f
		}
		return s.redirect(w, r, s.failure(f.Redirect, f.State, f.Err))
	}
	if err != nil {
		return err
	}
	to, err := s.begun(ctx, q, c)
	if err != nil {
		oauth.Leave(ctx, err)
		to = s.failure(q.RedirectURI, q.State, oauth.AsError(err))
	}
	return s.redirect(w, r, to)
}

// begun says where a good request leads: to the client with its answer, or to the page that is due first.
func (s *Service) begun(ctx context.Context, q *oauth.Request, c *oauth.Client) (string, error) {
	it := &oauth.Interaction{Request: *q, Browser: string(oauth.EnvOf(ctx).Device), Created: s.opt.Now()}
	step, err := s.next(ctx, it, c)
	switch {
	case err != nil:
		return "", err
	case step.Err != nil:
		return s.failure(q.RedirectURI, q.State, step.Err), nil
	case step.Kind == Respond:
		return s.respond(ctx, it, c, step)
	}
	id, err := s.begin(ctx, it)
	if err != nil {
		return "", oauth.Unavailable(err)
	}
	return step.Kind.Path(id), nil
}

// hint reads id_token_hint: it must be an ID token of ours, and fixes whose session is meant. OIDC Core §3.1.2.1.
func (s *Service) hint(q *oauth.Request, c *oauth.Client, token string) error {
	if token != "" {
		h, err := s.opt.Issue.ReadHint(token)
		if err != nil {
			return &oauth.Fault{Client: c, Redirect: q.RedirectURI, State: q.State,
				Err: oauth.InvalidRequest("id_token_hint is not an ID token of this server.").Because(err)}
		}
		q.HintUser = h.Subject
	}
	if sub := q.Claims.Subject(); sub != "" {
		if q.HintUser != "" && q.HintUser != sub {
			return &oauth.Fault{Client: c, Redirect: q.RedirectURI, State: q.State, Err: oauth.LoginRequired()}
		}
		q.HintUser = sub
	}
	return nil
}

// redirect sends the browser on with 303, which never repeats a credential POST. RFC 9700 §4.12.
func (s *Service) redirect(w http.ResponseWriter, _ *http.Request, to string) error {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// failure is the URL that carries an error to the client, with state and iss. RFC 6749 §4.1.2.1, RFC 9207 §2.
func (s *Service) failure(redirect, state string, e *oauth.Error) string {
	return s.answer(redirect, state, url.Values{"error": {e.Code}, "error_description": {e.Description}})
}

func (s *Service) answer(redirect, state string, v url.Values) string {
	if state != "" {
		v.Set("state", state)
	}
	v.Set("iss", s.opt.Issue.Issuer())
	sep := "?"
	if u, err := url.Parse(redirect); err == nil && (u.RawQuery != "" || u.ForceQuery) {
		sep = "&"
	}
	return redirect + sep + v.Encode()
}
