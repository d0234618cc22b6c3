package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

// flow is why somebody signs in: for a client's interaction, or (live nil) for their own account.
type flow struct {
	live *authorize.Live
	to   string // our own page afterwards, where live is nil
	hold string // handle of a parked first proof
}

// ownPages are where a sign-in without a client may lead: no other value of to is followed.
var ownPages = []string{"/account", "/account/sessions", "/account/apps", "/account/activity", "/account/settings",
	inbox, "/account/passkeys", approversPage, "/account/totp", "/account/recovery-codes", "/account/password", exportPage}

// exportPage is where the person can download their data, after a proof for that.
const exportPage = "/account/settings?done=" + string(pages.DoneFresh)

// factorPages are those of them that change how the person signs in, or give away all that is known of them: they need a
// fresh proof of all that the person has.
var factorPages = ownPages[6:]

// flow reads which flow a request belongs to.
func (s *Server) flow(r *http.Request) (*flow, error) {
	get := r.URL.Query().Get
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return nil, badForm(err)
		}
		get = r.PostForm.Get
	}
	return s.flowOf(r.Context(), get)
}

// flowOf finds the flow that fields name: i, an interaction, or to and h without one.
func (s *Server) flowOf(ctx context.Context, get func(string) string) (*flow, error) {
	if id := get("i"); id != "" {
		l, err := s.opt.Authorize.Load(ctx, id)
		if err != nil {
			return &flow{live: l}, err
		}
		return &flow{live: l, hold: l.Hold}, nil
	}
	f := &flow{to: "/account", hold: get("h")}
	if to := get("to"); slices.Contains(ownPages, to) || isAsked(to) {
		f.to = to
	}
	return f, nil
}

// about names the flow for form tokens and parked proofs.
func (f *flow) about() string {
	if f.live != nil {
		return "interaction " + f.live.ID
	}
	return "account"
}

func (f *flow) request() *oauth.Request {
	if f.live != nil {
		return &f.live.Request
	}
	return &oauth.Request{}
}

// profile is the strictness of the client.
func (f *flow) profile() string {
	if f.live == nil || f.live.Client == nil {
		return ""
	}
	return string(f.live.Client.Profile)
}

type suspendedKey struct{}

// withSuspended keeps the session of a cookie that its owner has to prove anew before it is used again.
func withSuspended(ctx context.Context, s sessions.Session) context.Context {
	return context.WithValue(ctx, suspendedKey{}, &s)
}

func suspended(ctx context.Context) *sessions.Session {
	s, _ := ctx.Value(suspendedKey{}).(*sessions.Session)
	return s
}

func (s *Server) form(r *http.Request, f *flow) pages.Form {
	out := pages.Form{CSRF: s.csrf(r, f.about())}
	if f.live != nil {
		out.Interaction = f.live.ID
		return out
	}
	out.Hidden = []pages.Field{{Name: "to", Value: f.to}}
	if f.hold != "" {
		out.Hidden = append(out.Hidden, pages.Field{Name: "h", Value: f.hold})
	}
	return out
}

// party is the client of a flow as the person sees it.
func (s *Server) party(r *http.Request, f *flow) pages.Party {
	if f == nil || f.live == nil {
		return pages.Party{}
	}
	c := f.live.Client
	lang := s.language(r, joinSpaces(f.live.Request.UILocales))
	return pages.Party{Name: c.DisplayName(string(lang)), Host: c.Host(), LogoURL: s.logo(r.Context(), c), PolicyURL: c.PolicyURI, TermsURL: c.TOSURI,
		Unverified: c.Origin != ""}
}

// finished shows that a flow was completed before; other errors pass.
func (s *Server) finished(w http.ResponseWriter, r *http.Request, f *flow, err error) error {
	if errors.Is(err, authorize.ErrFinished) && f != nil && f.live != nil {
		return s.answer(w, r, http.StatusOK, pages.Finished{Client: s.party(r, f)}, f.live)
	}
	return err
}

// query names the flow in a URL. The handle of a parked proof is bound to the browser that parked it.
func (f *flow) query() string {
	if f.live != nil {
		return url.Values{"i": {f.live.ID}}.Encode()
	}
	v := url.Values{"to": {f.to}}
	if f.hold != "" {
		v.Set("h", f.hold)
	}
	return v.Encode()
}

// bind ties what is parked on the server between two requests to the flow and to the browser.
func (s *Server) bind(r *http.Request, f *flow) string { return f.about() + device(r.Context()) }

// proved carries a proof on, and answers a form with where that leads.
func (s *Server) proved(w http.ResponseWriter, r *http.Request, f *flow, p authn.Proof) error {
	to, refused, err := s.carry(w, r, f, p)
	switch {
	case err != nil:
		return err
	case refused != nil:
		return s.cancel(w, r, f, refused)
	}
	return s.to(w, to)
}

// carry decides about a proof, and starts or raises a session or parks the proof until there is more. It returns the
// path that is next, or why the person is refused.
func (s *Server) carry(w http.ResponseWriter, r *http.Request, f *flow, p authn.Proof) (to string, refused *oauth.Error, err error) {
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	in, had, err := s.question(ctx, f, p)
	if err != nil {
		return "", nil, err
	}
	d, err := s.opt.Risk.Decide(ctx, in)
	if err != nil {
		return "", nil, oauth.Unavailable(err)
	}
	switch d.Action() {
	case riskstep.StepUp:
		to, err = s.more(r, f, p, d)
		return to, nil, err
	case riskstep.Deny:
		return "", refusal(d), nil
	}
	sess, err := s.establish(ctx, w, had, p, d, env)
	if err != nil {
		return "", nil, err
	}
	s.arrived(r, sess, d)
	if f.live == nil {
		return f.to, nil, nil
	}
	ctx = oauth.WithSession(ctx, sess)
	if err := s.opt.Authorize.Proved(ctx, f.live, sess); err != nil {
		return "", nil, err
	}
	if s.offer(r, f, p.User()) {
		return "/passkey?" + f.query() + "&auto=1", nil, nil
	}
	to, err = s.next(ctx, f.live)
	return to, nil, err
}

// question is what the risk engine is asked about p; had is the session of this browser, if it is the same person's.
func (s *Server) question(ctx context.Context, f *flow, p authn.Proof) (in riskstep.Input, had *sessions.Session, err error) {
	factors, err := s.opt.Authn.Factors(ctx, p.User())
	if err != nil {
		return in, nil, err
	}
	in = riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Client: f.request().Client, Env: oauth.EnvOf(ctx),
		Need: authorize.Required(f.request(), factors.Best), Best: factors.Best}
	if f.live == nil && slices.Contains(factorPages, f.to) {
		in.Need = factors.Best
	}
	in.Profile, in.Scopes = f.profile(), f.request().Scope
	had = current(ctx)
	if held := suspended(ctx); had == nil && held != nil && held.User == p.User() {
		had = held // it goes on once its owner has proved anew who they are
	}
	if had != nil && had.User == p.User() {
		in.Moment, in.Held = riskstep.AtStepUp, had.Reached(s.opt.Now())
		in.Need = max(in.Need, in.Held)
		in.Was = had.Snapshot
		if f.live != nil {
			demanded, err := s.opt.Authorize.Demanded(ctx, f.live, had)
			if err != nil {
				return in, nil, oauth.Unavailable(err)
			}
			in.Need = max(in.Need, demanded)
		}
	}
	return in, had, nil
}

func refusal(d riskstep.Decision) *oauth.Error {
	for _, reason := range d.Reasons() {
		if reason == riskstep.ReasonUnmet {
			return oauth.UnmetRequirements()
		}
	}
	return oauth.AccessDenied("The sign-in was refused.")
}

// establish starts a session or raises the one at hand, and sets its cookie. Another person's session in this browser
// ends first.
func (s *Server) establish(ctx context.Context, w http.ResponseWriter, had *sessions.Session, p authn.Proof,
	d riskstep.Decision, env ident.Env) (sessions.Session, error) {
	var (
		sess   sessions.Session
		cookie string
		err    error
	)
	if had != nil && had.User == p.User() {
		sess, cookie, err = s.opt.Sessions.Raise(ctx, *had, p, d, env)
	} else {
		if had != nil {
			if err := s.opt.Meta.End(ctx, had.ID, "replaced"); err != nil {
				return sess, err
			}
		}
		sess, cookie, err = s.opt.Sessions.Start(ctx, p, d, env)
	}
	if err != nil {
		return sess, err
	}
	s.setCookie(w, sessionCookie, cookie, 0)
	s.setState(w, &sess)
	return sess, s.opt.Risk.Learn(ctx, d)
}

// more parks the proof and returns the path that asks for a second factor.
func (s *Server) more(r *http.Request, f *flow, p authn.Proof, d riskstep.Decision) (string, error) {
	ctx := r.Context()
	handle, err := s.opt.Authn.Hold(ctx, p, s.bind(r, f))
	if err != nil {
		return "", err
	}
	f.hold = handle
	if f.live == nil {
		return "/code?" + f.query(), nil
	}
	reasons := make([]string, 0, len(d.Reasons()))
	for _, reason := range d.Reasons() {
		reasons = append(reasons, string(reason))
	}
	return "/code?" + f.query(), s.opt.Authorize.Held(ctx, f.live, handle, d.Required(), reasons, d.Place().Country)
}

// next is the path of whatever is next in an interaction.
func (s *Server) next(ctx context.Context, l *authorize.Live) (string, error) {
	step, err := s.opt.Authorize.Next(ctx, l)
	if err != nil {
		return "", err
	}
	if step.Err != nil {
		step.Kind = authorize.Respond
	}
	return step.Kind.Path(l.ID), nil
}

// onward sends the browser there.
func (s *Server) onward(ctx context.Context, w http.ResponseWriter, l *authorize.Live) error {
	to, err := s.next(ctx, l)
	if err != nil {
		return err
	}
	return s.to(w, to)
}

// cancel ends an interaction with an error for its client; without a client it leads home.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request, f *flow, e *oauth.Error) error {
	if f.live == nil {
		if e.Status == http.StatusForbidden && r.PostForm.Get("decision") == "" {
			return e
		}
		return s.to(w, "/login?"+f.query())
	}
	answer, err := s.opt.Authorize.Abandon(r.Context(), f.live, e)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	return s.send(w, r, f, *answer)
}

// send shows the page that sends the browser on to a client. A form's answer must not redirect there itself: under
// form-action 'self' browsers refuse that.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f *flow, a oauth.Answer) error {
	if f.live != nil && f.live.Request.Device != "" {
		return s.deviceDone(w, r, f, a)
	}
	if a.Posts() {
		return s.post(w, r, f, a)
	}
	back, err := pages.Registered(a.URL())
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, pages.Continue{To: back, Client: s.party(r, f), Denied: a.Failed()}, f.live)
}

// post shows the page whose form carries an answer to a client. Its policy lets forms go there, wherever the client leads
// from there: browsers apply form-action to redirects too. Form Post Response Mode §2.
func (s *Server) post(w http.ResponseWriter, r *http.Request, f *flow, a oauth.Answer) error {
	to, err := pages.Registered(a.RedirectURI)
	if err != nil {
		return err
	}
	v := pages.FormPost{To: to, Client: s.party(r, f), Denied: a.Failed()}
	for name, values := range a.Params {
		for _, value := range values {
			v.Fields = append(v.Fields, pages.Field{Name: name, Value: value})
		}
	}
	slices.SortFunc(v.Fields, func(a, b pages.Field) int { return strings.Compare(a.Name, b.Name) })
	scheme, _, _ := strings.Cut(a.RedirectURI, ":")
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "form-action 'self'", "form-action "+scheme+":", 1))
	return s.answer(w, r, http.StatusOK, v, f.live)
}

func (s *Server) to(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", s.base.Path+path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func joinSpaces(list []string) string { return strings.Join(list, " ") }
