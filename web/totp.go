package web

import (
	"errors"
	"net/http"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

// totp is /account/totp: setting an authenticator app up, or taking it away. Nothing is stored before a code verifies.
func (s *Server) totp(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	v := pages.TOTP{Account: acct, On: len(u.TOTP) > 0}
	if r.Method == http.MethodPost {
		if done, err := s.change(w, r, acct); done || err != nil {
			return err
		}
		switch {
		case r.PostForm.Has("remove"):
			if _, err := s.opt.Authn.RemoveTOTP(ctx, u.ID, env); err != nil && !errors.Is(err, authn.ErrLast) && !errors.Is(err, authn.ErrOff) {
				return err
			}
			s.changed(r, u.ID, notify.FactorRemoved, pages.FactorTOTP, "")
			return s.to(w, "/account/totp?done="+string(pages.DoneNoTOTP))
		case r.PostForm.Has("code"):
			var skew authn.Skewed
			handle := r.PostForm.Get("handle")
			_, err := s.opt.Authn.ConfirmTOTP(ctx, handle, string(sess.ID), r.PostForm.Get("code"), env)
			switch {
			case err == nil:
				s.changed(r, u.ID, notify.FactorAdded, pages.FactorTOTP, "")
				return s.to(w, "/account/totp?done="+string(pages.DoneTOTP))
			case errors.As(err, &skew):
				v.Fault = pages.Skewed
			case errors.Is(err, authn.ErrWrong):
				v.Fault = pages.Rejected
			case !errors.Is(err, authn.ErrNoHold):
				return err
			}
		}
	}
	if v.On || acct.ConfirmURL != "" {
		return s.answer(w, r, http.StatusOK, v, nil)
	}
	return s.enrolPage(w, r, string(sess.ID), u, v)
}

// enrolPage shows the secret: that of the enrolment under way after a wrong code, otherwise a new one.
func (s *Server) enrolPage(w http.ResponseWriter, r *http.Request, bind string, u authn.User, v pages.TOTP) error {
	status := http.StatusOK
	e, err := s.opt.Authn.TOTPEnrolment(r.Context(), r.PostForm.Get("handle"), bind)
	if v.Fault == pages.NoFault || errors.Is(err, authn.ErrNoHold) {
		e, err = s.opt.Authn.BeginTOTP(r.Context(), u.ID, bind)
	} else {
		status = http.StatusUnprocessableEntity
	}
	if err != nil {
		return err
	}
	v.QR, v.Secret, v.URI = modules(e.URI), e.Secret, e.URI
	v.Hidden = []pages.Field{{Name: "handle", Value: e.Handle}}
	return s.answer(w, r, status, v, nil)
}

// password is /account/password.
func (s *Server) password(w http.ResponseWriter, r *http.Request) error {
	if !s.opt.Passwords {
		return errNotFound
	}
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx := r.Context()
	has, err := s.opt.Authn.Factors(ctx, u.ID)
	if err != nil {
		return err
	}
	v := pages.Password{Account: acct, Username: u.Username, Has: has.Password, Spare: has.Password && has.Passkeys > 0, Least: s.opt.Authn.LeastPassword(u)}
	if r.Method != http.MethodPost {
		return s.answer(w, r, http.StatusOK, v, nil)
	}
	if done, err := s.change(w, r, acct); done || err != nil {
		return err
	}
	if r.PostForm.Has("remove") {
		return s.removePassword(w, r, sess)
	}
	_, err = s.opt.Authn.ChangePassword(ctx, u.ID, r.PostForm.Get("current"), r.PostForm.Get("new"), oauth.EnvOf(ctx))
	var (
		weak authn.WeakPassword
		t    authn.Throttled
	)
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		if _, err := s.opt.Sessions.EndAll(ctx, u.ID, sess.ID, "password_changed"); err != nil {
			return err
		}
		s.tell(r, u.ID, notify.PasswordChanged, sess.ID, "", nil)
		return s.to(w, "/account/password?done="+string(pages.DonePassword))
	case errors.As(err, &weak):
		v.Weak = weaknesses(weak)
	case errors.As(err, &t):
		status, v.Fault, v.RetryIn = http.StatusTooManyRequests, pages.RateLimited, t.RetryAfter
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
	case errors.Is(err, authn.ErrWrong):
		status, v.Fault = http.StatusUnauthorized, pages.Rejected
	default:
		return err
	}
	return s.answer(w, r, status, v, nil)
}

// removePassword leaves the person with passkeys only. Where there is none the page shows how it is.
func (s *Server) removePassword(w http.ResponseWriter, r *http.Request, sess *sessions.Session) error {
	ctx := r.Context()
	switch _, err := s.opt.Authn.RemovePassword(ctx, sess.User, oauth.EnvOf(ctx)); {
	case errors.Is(err, authn.ErrLast), errors.Is(err, authn.ErrOff):
		return s.to(w, "/account/password")
	case err != nil:
		return err
	}
	if _, err := s.opt.Sessions.EndAll(ctx, sess.User, sess.ID, "password_changed"); err != nil {
		return err
	}
	s.changed(r, sess.User, notify.FactorRemoved, pages.FactorPassword, "")
	return s.to(w, "/account/password?done="+string(pages.DoneNoPass))
}

// weaknesses are the reasons of a refused password as the pages word them.
func weaknesses(weak authn.WeakPassword) []pages.Weakness {
	words := map[string]pages.Weakness{authn.TooShort: pages.TooShort, authn.TooLong: pages.TooLong, authn.Common: pages.Breached,
		authn.Breached: pages.Breached, authn.ContainsIdentifier: pages.Personal,
		authn.Unchanged: pages.Unchanged}
	var out []pages.Weakness
	for _, code := range weak.Codes {
		out = append(out, words[code])
	}
	return out
}
