package web

import (
	"errors"
	"net/http"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/web/pages"
)

// recover asks who has lost all ways to sign in; the answer is the same whoever it is.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) error {
	form := pages.Form{CSRF: s.csrf(r, aboutRecovery)}
	v := pages.Recover{Form: form, BackURL: s.base.Path + "/login"}
	if r.Method != http.MethodPost {
		if r.URL.Query().Has("done") { // where the script goes on, after a new passkey
			return s.answer(w, r, http.StatusOK, pages.Notice{What: pages.ToldRecovered}, nil)
		}
		return s.answer(w, r, http.StatusOK, v, nil)
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if !s.genuine(r, aboutRecovery) {
		return errForged
	}
	v.Identifier = r.PostForm.Get("identifier")
	if v.Identifier == "" {
		v.Fault = pages.Incomplete
		return s.answer(w, r, http.StatusUnprocessableEntity, v, nil)
	}
	var t authn.Throttled
	switch err := s.opt.Authn.StartRecovery(r.Context(), v.Identifier, oauth.EnvOf(r.Context())); {
	case errors.As(err, &t):
		v.Fault, v.RetryIn = pages.RateLimited, t.RetryAfter
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.answer(w, r, http.StatusTooManyRequests, v, nil)
	case errors.Is(err, authn.ErrOff):
		return errNotFound
	case err != nil:
		return err
	}
	return s.answer(w, r, http.StatusOK, pages.Notice{What: pages.ToldRecoverSent}, nil)
}

// recovering is a request that carries the secret of a recovery's link.
type recovering struct {
	secret string
	form   pages.Form
	state  authn.Recovery
	user   authn.User
}

// recovering reads it; by POST it must come from our page. A link that leads nowhere is answered: ok is false.
func (s *Server) recovering(w http.ResponseWriter, r *http.Request) (rec recovering, ok bool, err error) {
	rec.secret = r.URL.Query().Get("t")
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return rec, false, badForm(err)
		}
		if !s.genuine(r, aboutRecovery) {
			return rec, false, errForged
		}
		rec.secret = r.PostForm.Get("t")
	}
	rec.state, err = s.opt.Authn.RecoveryStatus(r.Context(), rec.secret)
	if errors.Is(err, authn.ErrNoRecovery) {
		return rec, false, s.answer(w, r, http.StatusBadRequest, pages.Error{Kind: pages.UsedLink}, nil)
	}
	if err != nil {
		return rec, false, err
	}
	rec.form = pages.Form{CSRF: s.csrf(r, aboutRecovery), Hidden: []pages.Field{{Name: "t", Value: rec.secret}}}
	rec.user, err = s.opt.Users.User(r.Context(), rec.state.User)
	return rec, err == nil, err
}

// recoverGo is where the link of a recovery leads: it begins the wait, shows how long it lasts, or what comes after it.
func (s *Server) recoverGo(w http.ResponseWriter, r *http.Request) error {
	rec, ok, err := s.recovering(w, r)
	if !ok {
		return err
	}
	if r.Method == http.MethodPost {
		if rec.state, err = s.opt.Authn.OpenRecovery(r.Context(), rec.secret, oauth.EnvOf(r.Context())); err != nil {
			return err
		}
	}
	return s.recoverPage(w, r, rec, http.StatusOK, pages.RecoverWait{})
}

// recoverPage is the page that fits the state of a recovery; wait has what the waiting page shall say beside.
func (s *Server) recoverPage(w http.ResponseWriter, r *http.Request, rec recovering, status int, wait pages.RecoverWait) error {
	switch now := s.opt.Now(); {
	case rec.state.Step == authn.RecoveryRequested:
		rec.form.Action = s.base.Path + "/recover/go"
		return s.answer(w, r, status, pages.RecoverOpen{Form: rec.form, Account: rec.user.Username}, nil)
	case rec.state.Ready(now):
		return s.answer(w, r, status, s.recoverSetPage(rec), nil)
	}
	if has, err := s.opt.Authn.Factors(r.Context(), rec.user.ID); err == nil {
		wait.Passkey = s.opt.Passkeys && has.Passkeys > 0
	}
	wait.Form, wait.Account, wait.Until, wait.Show = rec.form, rec.user.Username, rec.state.ReadyAt, s.base.Path+"/recover/show"
	return s.answer(w, r, status, wait, nil)
}

// recoverSetPage offers what there is to sign in with here: a passkey first.
func (s *Server) recoverSetPage(rec recovering) pages.RecoverSet {
	return pages.RecoverSet{Form: rec.form, Account: rec.user.Username, Passkey: s.opt.Passkeys, Password: s.opt.Passwords,
		Least: s.opt.Authn.LeastPassword(rec.user)}
}

// recoverShow ends the wait for who shows a factor that they still have.
func (s *Server) recoverShow(w http.ResponseWriter, r *http.Request) error {
	rec, ok, err := s.recovering(w, r)
	if !ok {
		return err
	}
	state, err := s.opt.Authn.ShowForRecovery(r.Context(), rec.secret, r.PostForm.Get("code"), oauth.EnvOf(r.Context()))
	var t authn.Throttled
	switch {
	case errors.As(err, &t):
		w.Header().Set("Retry-After", itoa(retryAfter(err)))
		return s.recoverPage(w, r, rec, http.StatusTooManyRequests, pages.RecoverWait{Fault: pages.RateLimited, RetryIn: t.RetryAfter})
	case errors.Is(err, authn.ErrWrong), errors.Is(err, authn.ErrNoRecovery):
		return s.recoverPage(w, r, rec, http.StatusUnauthorized, pages.RecoverWait{Fault: pages.Rejected})
	case err != nil:
		return err
	}
	rec.state = state
	return s.recoverPage(w, r, rec, http.StatusOK, pages.RecoverWait{})
}

// recoverCancel stops a recovery.
func (s *Server) recoverCancel(w http.ResponseWriter, r *http.Request) error {
	rec, ok, err := s.recovering(w, r)
	if !ok {
		return err
	}
	if err := s.opt.Authn.CancelRecoveryBy(r.Context(), rec.secret, oauth.EnvOf(r.Context())); err != nil && !errors.Is(err, authn.ErrNoRecovery) {
		return err
	}
	return s.answer(w, r, http.StatusOK, pages.Notice{What: pages.ToldRecoverCancelled}, nil)
}

// recoverSet sets the new password, once, and ends every session.
func (s *Server) recoverSet(w http.ResponseWriter, r *http.Request) error {
	rec, ok, err := s.recovering(w, r)
	if !ok {
		return err
	}
	again := s.recoverSetPage(rec)
	next := r.PostForm.Get("new")
	if next == "" && s.opt.Passwords && rec.state.Ready(s.opt.Now()) {
		again.Fault = pages.Incomplete
		return s.answer(w, r, http.StatusUnprocessableEntity, again, nil)
	}
	ctx := r.Context()
	done, err := s.opt.Authn.RecoverPassword(ctx, rec.secret, next, oauth.EnvOf(ctx))
	var weak authn.WeakPassword
	switch {
	case errors.As(err, &weak):
		again.Weak = weaknesses(weak)
		return s.answer(w, r, http.StatusUnprocessableEntity, again, nil)
	case errors.Is(err, authn.ErrTooEarly), errors.Is(err, authn.ErrNoRecovery), errors.Is(err, authn.ErrOff):
		return s.recoverPage(w, r, rec, http.StatusConflict, pages.RecoverWait{})
	case err != nil:
		return err
	}
	if err := s.recovered(w, r, done); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, pages.Notice{What: pages.ToldRecovered}, nil)
}
