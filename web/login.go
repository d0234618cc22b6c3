package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

const day = 24 * time.Hour

// flow is why somebody signs in: for a client's interaction, or (live nil) for their own account.
type flow struct {
	live *authorize.Live
	to   string // our own page afterwards, where live is nil
	hold string // handle of a parked first proof
}

// ownPages are where a sign-in without a client may lead: no other value of to is followed.
var ownPages = []string{"/account", "/account/sessions", "/account/apps", "/account/activity"}

// flow reads which flow a request belongs to.
func (s *Server) flow(r *http.Request) (*flow, error) {
	get := r.URL.Query().Get
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return nil, badForm(err)
		}
		get = r.PostForm.Get
	}
	if id := get("i"); id != "" {
		l, err := s.opt.Authorize.Load(r.Context(), id)
		if err != nil {
			return &flow{live: l}, err
		}
		return &flow{live: l, hold: l.Hold}, nil
	}
	f := &flow{to: "/account", hold: get("h")}
	for _, p := range ownPages {
		if get("to") == p {
			f.to = p
		}
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
	return pages.Party{Name: c.DisplayName(string(lang)), Host: c.Host(), PolicyURL: c.PolicyURI, TermsURL: c.TOSURI}
}

// finished shows that a flow was completed before; other errors pass.
func (s *Server) finished(w http.ResponseWriter, r *http.Request, f *flow, err error) error {
	if errors.Is(err, authorize.ErrFinished) && f != nil && f.live != nil {
		return s.answer(w, r, http.StatusOK, pages.Finished{Client: s.party(r, f)}, f.live)
	}
	return err
}

// login is the page for identifier and password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if r.Method != http.MethodPost {
		return s.loginPage(w, r, f, http.StatusOK, pages.Login{Identifier: f.request().LoginHint})
	}
	if !s.genuine(r, f.about()) {
		return errForged
	}
	if r.PostForm.Get("decision") == "cancel" {
		return s.cancel(w, r, f, oauth.AccessDenied("The person cancelled the sign-in."))
	}
	ctx := r.Context()
	a := authn.Attempt{Identifier: r.PostForm.Get("identifier"), Password: r.PostForm.Get("password"), Env: oauth.EnvOf(ctx),
		Client: f.request().Client}
	if a.Identifier == "" || a.Password == "" {
		return s.loginPage(w, r, f, http.StatusUnprocessableEntity, pages.Login{Identifier: a.Identifier, Fault: pages.Incomplete})
	}
	p, err := s.opt.Authn.Password(ctx, a)
	var t authn.Throttled
	switch {
	case errors.Is(err, authn.ErrWrong), errors.Is(err, authn.ErrOff):
		return s.loginPage(w, r, f, http.StatusUnauthorized, pages.Login{Identifier: a.Identifier, Fault: pages.Rejected})
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.loginPage(w, r, f, http.StatusTooManyRequests, pages.Login{Identifier: a.Identifier, Fault: pages.RateLimited, RetryIn: t.RetryAfter})
	case err != nil:
		return err
	}
	return s.proved(w, r, f, p)
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, f *flow, status int, v pages.Login) error {
	v.Form, v.Client, v.Cancel = s.form(r, f), s.party(r, f), f.live != nil
	if sess := current(r.Context()); sess != nil && !r.URL.Query().Has("switch") && f.request().HintUser == "" {
		u, err := s.opt.Users.User(r.Context(), sess.User)
		if err == nil && (v.Identifier == "" || v.Identifier == u.Username || v.Identifier == u.Email) {
			v.Known, v.Identifier = true, u.Username
			v.SwitchURL = s.base.Path + "/login?" + f.query() + "&switch=1"
		}
	}
	return s.answer(w, r, status, v, f.live)
}

func (f *flow) query() string {
	if f.live != nil {
		return url.Values{"i": {f.live.ID}}.Encode()
	}
	return url.Values{"to": {f.to}}.Encode()
}

// code is the page for the second factor.
func (s *Server) code(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if f.hold == "" { // nothing was proved yet: begin at the beginning
		return s.to(w, "/login?"+f.query())
	}
	ctx := r.Context()
	first, err := s.opt.Authn.Resume(ctx, f.hold, f.about()+device(ctx))
	if errors.Is(err, authn.ErrNoHold) {
		return s.to(w, "/login?"+f.query())
	}
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return s.codePage(w, r, f, first, http.StatusOK, pages.Code{})
	}
	if !s.genuine(r, f.about()) {
		return errForged
	}
	switch r.PostForm.Get("decision") {
	case "cancel", "notme":
		_ = s.opt.Authn.Drop(ctx, f.hold, f.about()+device(ctx))
		return s.cancel(w, r, f, oauth.AccessDenied("The person did not confirm."))
	}
	p, err := s.opt.Authn.OTP(ctx, first, r.PostForm.Get("code"), oauth.EnvOf(ctx))
	var t authn.Throttled
	switch {
	case errors.Is(err, authn.ErrWrong), errors.Is(err, authn.ErrOff):
		return s.codePage(w, r, f, first, http.StatusUnauthorized, pages.Code{Fault: pages.Rejected})
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.codePage(w, r, f, first, http.StatusTooManyRequests, pages.Code{Fault: pages.RateLimited, RetryIn: t.RetryAfter})
	case err != nil:
		return err
	}
	_ = s.opt.Authn.Drop(ctx, f.hold, f.about()+device(ctx))
	return s.proved(w, r, f, p)
}

func (s *Server) codePage(w http.ResponseWriter, r *http.Request, f *flow, first authn.Proof, status int, v pages.Code) error {
	v.Form, v.Client, v.Cancel = s.form(r, f), s.party(r, f), f.live != nil
	if u, err := s.opt.Users.User(r.Context(), first.User()); err == nil {
		v.Account = u.Username
	}
	v.SwitchURL = s.base.Path + "/login?" + f.query() + "&switch=1"
	if f.live != nil {
		v.StepUp = len(f.live.Reasons) > 0
		for _, reason := range f.live.Reasons {
			v.Reasons = append(v.Reasons, pages.Reason{Code: reasonCode(reason), Country: f.live.Place})
		}
		v.Context = pages.Context{Device: sessions.FamilyOf(oauth.EnvOf(r.Context()).UserAgent), Country: f.live.Place, At: s.opt.Now()}
	}
	return s.answer(w, r, status, v, f.live)
}

// reasonCode is the page's word for a reason of the risk engine.
func reasonCode(reason string) string {
	switch riskstep.Reason(reason) {
	case riskstep.ReasonCountry:
		return pages.ReasonCountry
	case riskstep.ReasonDevice:
		return pages.ReasonDevice
	case riskstep.ReasonAction:
		return pages.ReasonApp
	}
	return pages.ReasonRisk
}

// proved carries a proof on: the risk engine decides about it, and a session starts, is raised, or more is asked.
func (s *Server) proved(w http.ResponseWriter, r *http.Request, f *flow, p authn.Proof) error {
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	factors, err := s.opt.Authn.Factors(ctx, p.User())
	if err != nil {
		return err
	}
	in := riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Client: f.request().Client, Env: env,
		Need: authorize.Required(f.request(), factors.Best), Best: factors.Best}
	had := current(ctx)
	same := had != nil && had.User == p.User()
	if same {
		in.Moment, in.Held = riskstep.AtStepUp, had.Reached(s.opt.Now())
		in.Need = max(in.Need, in.Held)
		in.Was = riskstep.Place{Country: had.Country, Known: had.Country != ""}
	}
	d, err := s.opt.Risk.Decide(ctx, in)
	if err != nil {
		return oauth.Unavailable(err)
	}
	switch d.Action() {
	case riskstep.StepUp:
		return s.more(w, r, f, p, d)
	case riskstep.Deny:
		return s.cancel(w, r, f, refusal(d))
	}
	sess, err := s.establish(ctx, w, had, same, p, d, env)
	if err != nil {
		return err
	}
	ctx = oauth.WithSession(ctx, sess)
	if f.live == nil {
		return s.to(w, f.to)
	}
	if err := s.opt.Authorize.Proved(ctx, f.live, sess); err != nil {
		return err
	}
	return s.onward(ctx, w, f.live)
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
func (s *Server) establish(ctx context.Context, w http.ResponseWriter, had *sessions.Session, same bool, p authn.Proof,
	d riskstep.Decision, env ident.Env) (sessions.Session, error) {
	var (
		sess   sessions.Session
		cookie string
		err    error
	)
	if same {
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
	return sess, s.opt.Risk.Learn(ctx, d)
}

// more parks the proof and asks for a second factor.
func (s *Server) more(w http.ResponseWriter, r *http.Request, f *flow, p authn.Proof, d riskstep.Decision) error {
	ctx := r.Context()
	handle, err := s.opt.Authn.Hold(ctx, p, f.about()+device(ctx))
	if err != nil {
		return err
	}
	f.hold = handle
	if f.live == nil {
		return s.codePage(w, r, f, p, http.StatusOK, pages.Code{})
	}
	reasons := make([]string, 0, len(d.Reasons()))
	for _, reason := range d.Reasons() {
		reasons = append(reasons, string(reason))
	}
	if err := s.opt.Authorize.Held(ctx, f.live, handle, d.Required(), reasons, d.Place().Country); err != nil {
		return err
	}
	return s.to(w, "/code?"+f.query())
}

// onward sends the browser to whatever is next in an interaction.
func (s *Server) onward(ctx context.Context, w http.ResponseWriter, l *authorize.Live) error {
	step, err := s.opt.Authorize.Next(ctx, l)
	if err != nil {
		return err
	}
	kind := step.Kind
	if step.Err != nil {
		kind = authorize.Respond
	}
	return s.to(w, kind.Path(l.ID))
}

// cancel ends an interaction with an error for its client; without a client it leads home.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request, f *flow, e *oauth.Error) error {
	if f.live == nil {
		if e.Status == http.StatusForbidden && r.PostForm.Get("decision") == "" {
			return e
		}
		return s.to(w, "/login?"+f.query())
	}
	to, err := s.opt.Authorize.Abandon(r.Context(), f.live, e)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	return s.send(w, r, f, to, true)
}

// send shows the page that sends the browser on to a client. A form's answer must not redirect there itself: under
// form-action 'self' browsers refuse that.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f *flow, to string, denied bool) error {
	back, err := pages.Registered(to)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, pages.Continue{To: back, Client: s.party(r, f), Denied: denied}, f.live)
}

func (s *Server) to(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", s.base.Path+path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func joinSpaces(list []string) string { return strings.Join(list, " ") }
