package web

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/web/pages"
)

const day = 24 * time.Hour

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
		s.failedAs(ctx, a.Identifier)
		return s.loginPage(w, r, f, http.StatusUnauthorized, pages.Login{Identifier: a.Identifier, Fault: pages.Rejected})
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.loginPage(w, r, f, http.StatusTooManyRequests, pages.Login{Identifier: a.Identifier, Fault: pages.RateLimited, RetryIn: t.RetryAfter})
	case err != nil:
		return err
	}
	return s.proved(w, r, f, p)
}

// failedAs has the risk engine count an attempt that failed. Nobody is who the name says they are, so it counts for the name too
// where nobody has it: the same work is done, and the same page follows.
func (s *Server) failedAs(ctx context.Context, identifier string) {
	name := authn.NormalizeIdentifier(identifier)
	account := ident.UserID("? " + name)
	if u, err := s.opt.Users.UserByIdentifier(ctx, name); err == nil {
		account = u.ID
	}
	s.failed(ctx, account)
}

// failed has the risk engine count an attempt at account that failed.
func (s *Server) failed(ctx context.Context, account ident.UserID) {
	if err := s.opt.Risk.Failed(ctx, account, oauth.EnvOf(ctx)); err != nil {
		oauth.Leave(ctx, err)
	}
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, f *flow, status int, v pages.Login) error {
	v.Form, v.Client, v.Cancel = s.form(r, f), s.party(r, f), f.live != nil
	v.Passkey, v.NoPassword = s.opt.Passkeys, !s.opt.Passwords
	if s.opt.Recovery {
		v.RecoverURL = s.base.Path + "/recover"
	}
	switching := r.URL.Query().Has("switch")
	if sess := current(r.Context()); sess != nil && !switching && f.request().HintSub == "" {
		u, err := s.opt.Users.User(r.Context(), sess.User)
		if err == nil && (v.Identifier == "" || v.Identifier == u.Username || v.Identifier == u.Email) {
			v.Known, v.Identifier = true, u.Username
		}
	}
	if !v.Known && !switching && v.Passkey && v.Identifier == "" {
		v.Remembered = s.remembered(r)
	}
	v.Push = s.pushable(r, f, cmp.Or(v.Remembered, v.Identifier))
	if v.Known || v.Remembered != "" {
		v.SwitchURL = s.base.Path + "/login?" + f.query() + "&switch=1"
	}
	return s.answer(w, r, status, v, f.live)
}

// remember notes in the browser who used a passkey in it, so that the next sign-in can name them. Whoever sees that page
// holds the device already.
func (s *Server) remember(w http.ResponseWriter, name string) {
	s.setCookie(w, whoCookie, base64.RawURLEncoding.EncodeToString([]byte(name)), 400*day)
}

func (s *Server) remembered(r *http.Request) string {
	b, err := base64.RawURLEncoding.DecodeString(s.cookie(r, whoCookie))
	if err != nil || authn.NormalizeIdentifier(string(b)) == "" {
		return ""
	}
	return string(b)
}
