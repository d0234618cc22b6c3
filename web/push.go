package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/pages"
)

// push is where a sign-in waits for another device of the person. A form asks; the page that it leads to shows the number,
// looks again by itself, and goes on once the request is approved. NIST SP 800-63B-4 §3.1.3.
func (s *Server) push(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if r.Method == http.MethodPost {
		return s.askPush(w, r, f)
	}
	a, err := s.opt.Authn.AskedApproval(r.Context(), r.URL.Query().Get("r"), s.bind(r, f))
	switch {
	case errors.Is(err, authn.ErrNoApproval):
		return s.to(w, s.otherWays(f))
	case err != nil:
		return err
	case a.State == authn.ApprovalApproved && r.Method == http.MethodGet:
		return s.approvedElsewhere(w, r, f, a.Handle)
	}
	return s.pushPage(w, r, f, http.StatusOK, a, 0)
}

// pushState answers the script of that page: where the request stands. The page itself says the rest.
func (s *Server) pushState(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	state := authn.ApprovalState("gone")
	if c.flow != nil {
		a, err := s.opt.Authn.AskedApproval(r.Context(), c.fields["r"], s.bind(r, c.flow))
		if err != nil && !errors.Is(err, authn.ErrNoApproval) {
			return err
		}
		if err == nil {
			state = a.State
		}
	}
	return writeJSON(w, map[string]authn.ApprovalState{"state": state})
}

// approvedElsewhere carries on with what another device approved, and with what was shown here before.
func (s *Server) approvedElsewhere(w http.ResponseWriter, r *http.Request, f *flow, handle string) error {
	ctx := r.Context()
	p, err := s.opt.Authn.ApprovedProof(ctx, handle, s.bind(r, f))
	if _, undecided := errors.AsType[authn.Unapproved](err); undecided || errors.Is(err, authn.ErrNoApproval) {
		return s.to(w, s.otherWays(f)) // another window was faster
	}
	if err != nil {
		return err
	}
	if f.hold != "" {
		if first, err := s.opt.Authn.Resume(ctx, f.hold, s.bind(r, f)); err == nil && first.User() == p.User() {
			if both, err := first.With(p); err == nil {
				p = both
			}
		}
		_ = s.opt.Authn.Drop(ctx, f.hold, s.bind(r, f))
	}
	return s.proved(w, r, f, p)
}

// otherWays is the path of the page where the person chooses how to go on.
func (s *Server) otherWays(f *flow) string {
	if f.hold != "" {
		return "/code?" + f.query()
	}
	return "/login?" + f.query()
}

// askPush takes the forms: a request is made, made again, or given up.
func (s *Server) askPush(w http.ResponseWriter, r *http.Request, f *flow) error {
	if !s.genuine(r, f.about()) {
		return errForged
	}
	ctx, bind := r.Context(), s.bind(r, f)
	switch decision := r.PostForm.Get("decision"); decision {
	case "other", "cancel":
		err := s.opt.Authn.CancelApproval(ctx, r.PostForm.Get("r"), bind)
		if _, decided := errors.AsType[authn.Unapproved](err); err != nil && !decided && !errors.Is(err, authn.ErrNoApproval) {
			return err
		}
		if decision == "other" {
			return s.to(w, s.otherWays(f))
		}
		_ = s.opt.Authn.Drop(ctx, f.hold, bind)
		return s.cancel(w, r, f, oauth.AccessDenied("The person cancelled the sign-in."))
	}
	user, kind, err := s.whom(r, f)
	if err != nil {
		return err
	}
	if user == "" {
		return s.to(w, s.otherWays(f))
	}
	a, err := s.askOf(r, f, user, kind)
	if err != nil {
		return err
	}
	handle, _, err := s.opt.Authn.AskApproval(ctx, a)
	var t authn.Throttled
	switch {
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.pushPage(w, r, f, http.StatusTooManyRequests, authn.Approval{}, t.RetryAfter)
	case errors.Is(err, authn.ErrNoApprover), errors.Is(err, authn.ErrSelf):
		return s.to(w, s.otherWays(f))
	case err != nil:
		return err
	}
	if s.opt.Push != nil {
		s.opt.Push.Tell(ctx, user, handle, a.Env.Device)
	}
	return s.to(w, "/push?"+f.query()+"&"+url.Values{"r": {handle}}.Encode())
}

// whom is who is asked, and for what: whoever showed a first factor in this flow, is signed in here, or is known to use
// this browser. Anybody else who types a name is told nothing and disturbs nobody; user is "" then.
func (s *Server) whom(r *http.Request, f *flow) (user ident.UserID, kind authn.ApprovalKind, err error) {
	ctx, kind := r.Context(), authn.ApproveSignIn
	sess := current(ctx)
	user, held := s.held(r, f)
	if !held {
		identifier := r.PostForm.Get("identifier")
		if identifier == "" && r.PostForm.Has("r") { // once more, of whom it was asked before
			if a, err := s.opt.Authn.AskedApproval(ctx, r.PostForm.Get("r"), s.bind(r, f)); err == nil {
				user = a.User
			}
		} else if user, err = s.knownHere(ctx, identifier); err != nil {
			return "", "", err
		}
	}
	if user == "" || !s.canPush(r, user) {
		return "", "", nil
	}
	if sess != nil && sess.User == user {
		kind = authn.ApproveStepUp
	}
	return user, kind, nil
}

// knownHere is the person that identifier names if they are signed in here or have signed in on this device before; "" otherwise.
func (s *Server) knownHere(ctx context.Context, identifier string) (ident.UserID, error) {
	if identifier = authn.NormalizeIdentifier(identifier); identifier == "" {
		return "", nil
	}
	u, err := s.opt.Users.UserByIdentifier(ctx, identifier)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if sess := current(ctx); sess != nil && sess.User == u.ID {
		return u.ID, nil
	}
	known, err := s.opt.Authn.KnownDevice(ctx, u.ID, oauth.EnvOf(ctx).Device)
	if err != nil || !known {
		return "", err
	}
	return u.ID, nil
}

// pushable is the identifier that the sign-in page offers to ask another device of; "" where it offers that not.
func (s *Server) pushable(r *http.Request, f *flow, identifier string) string {
	user, err := s.knownHere(r.Context(), identifier)
	if err != nil || user == "" || !s.canPush(r, user) {
		return ""
	}
	has, err := s.opt.Authn.Factors(r.Context(), user)
	if err != nil || !s.pushes(r, f, has.Best) {
		return ""
	}
	return identifier
}

// pushes says whether an approval would be enough in f, for somebody who can reach best: it can be phished as a code can.
func (s *Server) pushes(_ *http.Request, f *flow, best ident.Assurance) bool {
	if f.live != nil {
		return f.live.Required <= ident.AAL2
	}
	return !slices.Contains(factorPages, f.to) || best <= ident.AAL2
}

// canPush says whether another device than this one approves for user.
func (s *Server) canPush(r *http.Request, user ident.UserID) bool {
	can, err := s.opt.Authn.CanApprove(r.Context(), user, oauth.EnvOf(r.Context()).Device)
	return err == nil && can
}

// askOf is the question. Where something is unusual about the sign-in the number has three digits.
func (s *Server) askOf(r *http.Request, f *flow, user ident.UserID, kind authn.ApprovalKind) (authn.Ask, error) {
	env, party := oauth.EnvOf(r.Context()), s.party(r, f)
	a := authn.Ask{Kind: kind, User: user, Bind: s.bind(r, f), Client: f.request().Client, App: plain(party.Name, 64), Host: plain(party.Host, 253), Env: env, Digits: 2}
	u, err := s.opt.Users.User(r.Context(), user)
	if err != nil {
		return a, err
	}
	if lang := localeOf(u); lang != "" && f.live != nil { // who approves reads it, on whatever device: what is signed is what is shown
		a.App = plain(f.live.Client.DisplayName(strings.ReplaceAll(lang, "_", "-")), 64)
	}
	if f.live == nil {
		a.App, a.Host = plain(s.brand(), 64), s.base.Host
	}
	if env.IP.IsValid() {
		a.Country = s.opt.Risk.Locate(env.IP).Country
	}
	known, err := s.opt.Authn.KnownDevice(r.Context(), user, env.Device)
	if err != nil {
		return a, err
	}
	// Without a client a second factor is asked for since something is unusual, or since the page needs one.
	if !known || f.live == nil && f.hold != "" && !slices.Contains(factorPages, f.to) {
		a.Digits = 3
	}
	if f.live != nil {
		for _, reason := range f.live.Reasons {
			if riskstep.Reason(reason) != riskstep.ReasonAction {
				a.Digits = 3
			}
		}
		a.NewPlace = slices.Contains(f.live.Reasons, string(riskstep.ReasonCountry))
	}
	return a, nil
}

// plain is at most n characters of s that can be shown on one line.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > n {
		s = string(runes[:n])
	}
	return strings.TrimSpace(s)
}

func (s *Server) pushPage(w http.ResponseWriter, r *http.Request, f *flow, status int, a authn.Approval, retryIn time.Duration) error {
	v := pages.Push{Form: s.form(r, f), Client: s.party(r, f), State: string(a.State), Number: a.Number, Left: a.Expires.Sub(s.opt.Now()), Handle: a.Handle,
		RetryIn: retryIn, Cancel: f.live != nil, Inbox: s.base.Host + s.base.Path + inbox}
	if v.Waits() {
		list, err := s.opt.Authn.Approvers(r.Context(), a.User)
		if err != nil {
			return err
		}
		v.Devices = pushedTo(list, oauth.EnvOf(r.Context()))
	}
	return s.answer(w, r, status, v, f.live)
}
