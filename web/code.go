package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

// code is the page for the second factor: a code of the authenticator app, or a passkey through the script.
func (s *Server) code(w http.ResponseWriter, r *http.Request) error {
	return s.second(w, r, s.opt.Authn.OTP, func(_ *flow, v pages.Code) pages.View { return v })
}

// verifySecond verifies what was typed as the second factor to first.
type verifySecond func(ctx context.Context, first authn.Proof, code string, env ident.Env) (authn.Proof, error)

// second is a page that takes a second factor by typing; view makes the page of what it shows.
func (s *Server) second(w http.ResponseWriter, r *http.Request, verify verifySecond, view func(*flow, pages.Code) pages.View) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	ctx := r.Context()
	first, err := s.opt.Authn.Resume(ctx, f.hold, s.bind(r, f))
	if errors.Is(err, authn.ErrNoHold) { // nothing was proved yet: begin at the beginning
		f.hold = ""
		return s.to(w, "/login?"+f.query())
	}
	if err != nil {
		return err
	}
	again := func(status int, v pages.Code) error {
		return s.answer(w, r, status, view(f, s.codePage(r, f, first, v)), f.live)
	}
	if r.Method != http.MethodPost {
		return again(http.StatusOK, pages.Code{})
	}
	if !s.genuine(r, f.about()) {
		return errForged
	}
	switch r.PostForm.Get("decision") {
	case "cancel", "notme":
		_ = s.opt.Authn.Drop(ctx, f.hold, s.bind(r, f))
		return s.cancel(w, r, f, oauth.AccessDenied("The person did not confirm."))
	}
	p, err := verify(ctx, first, r.PostForm.Get("code"), oauth.EnvOf(ctx))
	var t authn.Throttled
	switch {
	case errors.Is(err, authn.ErrWrong), errors.Is(err, authn.ErrOff):
		s.failed(ctx, first.User())
		return again(http.StatusUnauthorized, pages.Code{Fault: pages.Rejected})
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return again(http.StatusTooManyRequests, pages.Code{Fault: pages.RateLimited, RetryIn: t.RetryAfter})
	case err != nil:
		return err
	}
	_ = s.opt.Authn.Drop(ctx, f.hold, s.bind(r, f))
	return s.proved(w, r, f, p)
}

// codePage fills in what the page for a second factor shows.
func (s *Server) codePage(r *http.Request, f *flow, first authn.Proof, v pages.Code) pages.Code {
	v.Form, v.Client, v.Cancel = s.form(r, f), s.party(r, f), f.live != nil
	if u, err := s.opt.Users.User(r.Context(), first.User()); err == nil {
		v.Account = u.Username
	}
	if has, err := s.opt.Authn.Factors(r.Context(), first.User()); err == nil {
		v.Passkey, v.NoCode = s.opt.Passkeys && has.Passkeys > 0, !has.OTP
		if has.RecoveryCodes > 0 {
			v.RecoverURL = s.base.Path + "/recovery-code?" + f.query()
		}
		v.Push = s.pushes(r, f, has.Best) && s.canPush(r, first.User())
	}
	v.SwitchURL = s.base.Path + "/login?" + f.query() + "&switch=1"
	if f.live != nil {
		v.StepUp = len(f.live.Reasons) > 0
		for _, reason := range f.live.Reasons {
			v.Reasons = append(v.Reasons, pages.Reason{Code: reasonCode(reason), Country: f.live.Place})
		}
		v.Context = pages.Context{Device: sessions.FamilyOf(oauth.EnvOf(r.Context()).UserAgent), Country: f.live.Place, At: s.opt.Now()}
	}
	return v
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
