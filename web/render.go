package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
)

// The errors of the shell itself.
var (
	errNotFound = &oauth.Error{Code: "not_found", Description: "There is nothing here.", Status: http.StatusNotFound}
	errMethod   = &oauth.Error{Code: "invalid_request", Description: "The method is not allowed here.", Status: http.StatusMethodNotAllowed}
	errForged   = &oauth.Error{Code: "invalid_request", Description: "The form did not come from our page.", Status: http.StatusForbidden}
)

func badForm(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &oauth.Error{Code: "invalid_request", Description: "The form is too long.", Status: http.StatusRequestEntityTooLarge, Cause: err}
	}
	return oauth.InvalidRequest("The form cannot be read.").Because(err)
}

// fail turns an error into bytes: the only place that does.
func (s *Server) fail(w *recorder, r *http.Request, row route, env ident.Env, err error) {
	if w.status != 0 { // an answer is under way; it can only be cut
		return
	}
	e := oauth.AsError(outward(err))
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter(err)))
	}
	if row.face == api || row.face == public {
		if e.Challenge != "" {
			h.Set("WWW-Authenticate", e.Challenge)
		}
		h.Set("Content-Type", "application/json")
		w.WriteHeader(e.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": e.Code, "error_description": e.Description})
		return
	}
	if row.face == fetch {
		s.failFetch(w, err, e)
		return
	}
	pageHeaders(h)
	v := pages.Error{Kind: kindOf(err, e)}
	if s.opt.Dev {
		v.Details = []pages.Field{{Name: "error", Value: e.Code}, {Name: "error_description", Value: e.Description}}
	}
	s.show(w, r, env.RequestID, e.Status, v, "")
}

// outward translates what the floors below call by their own names.
func outward(err error) error {
	var t authn.Throttled
	switch {
	case errors.As(err, &t):
		return oauth.TooMany().Because(err)
	case errors.Is(err, authn.ErrBusy):
		return oauth.Unavailable(err)
	case errors.Is(err, authn.ErrAsk):
		return oauth.InvalidRequest("That cannot be asked.").Because(err)
	case errors.Is(err, authn.ErrNoApproval):
		return errNotFound.Because(err)
	case errors.Is(err, authn.ErrNoApprover), errors.Is(err, authn.ErrSelf):
		return oauth.AccessDenied("This device does not approve.").Because(err)
	case errors.As(err, new(authn.Unapproved)):
		return (&oauth.Error{Code: "request_decided", Description: "The request was decided.", Status: http.StatusConflict}).Because(err)
	case errors.Is(err, authorize.ErrGone), errors.Is(err, authorize.ErrFinished):
		return oauth.InvalidRequest("The page has expired.").Because(err)
	}
	return err
}

// retryAfter is in seconds.
func retryAfter(err error) int {
	var t authn.Throttled
	if errors.As(err, &t) {
		return max(1, int(t.RetryAfter.Seconds()+0.999))
	}
	return 5
}

// kindOf is what a person is told of an error.
func kindOf(err error, e *oauth.Error) pages.Kind {
	var f *oauth.Fault
	switch {
	case errors.Is(err, authorize.ErrGone):
		return pages.Expired
	case errors.Is(err, errForged):
		return pages.Forged
	case errors.As(err, &f) && f.Client == nil:
		return pages.BadClient
	case errors.As(err, &f):
		return pages.BadRedirect
	}
	switch e.Status {
	case http.StatusNotFound:
		return pages.NotFound
	case http.StatusForbidden, http.StatusUnauthorized:
		return pages.Refused
	case http.StatusTooManyRequests:
		return pages.TooMany
	case http.StatusServiceUnavailable:
		return pages.Unavailable
	}
	if e.Status < 500 {
		return pages.BadRequest
	}
	return pages.Broken
}

// language is that of the page which answers r: of the link that was followed, chosen before, asked for by a client
// (locale, its ui_locales, or ""), or preferred by the browser.
func (s *Server) language(r *http.Request, locale string) locales.Lang {
	return locales.Match(r.URL.Query().Get("lang"), s.cookie(r, langCookie), locale, r.Header.Get("Accept-Language"))
}

// show renders a page whole or, if that fails, a plain sentence. locale is the ui_locales of a client, or "".
func (s *Server) show(w http.ResponseWriter, r *http.Request, requestID string, status int, v pages.View, locale string) {
	lang := s.language(r, locale)
	if r.URL.Query().Has("lang") {
		s.setCookie(w, langCookie, string(lang), 400*day)
	}
	self := r.URL.RequestURI()
	if r.Method == http.MethodPost { // the page that a form stands on can be had again by GET
		self = r.URL.Path
		if i := r.PostForm.Get("i"); i != "" {
			self += "?i=" + i
		} else if code := r.PostForm.Get("user_code"); code != "" {
			self += "?" + url.Values{"user_code": {code}}.Encode()
		}
	}
	var b bytes.Buffer
	err := s.pages.Render(&b, pages.Frame{Lang: lang, Theme: pages.ThemeOf(s.cookie(r, themeCookie)), Brand: s.opt.Brand, Base: s.base.Path, RequestID: requestID,
		Self: self, Now: s.opt.Now(), Dev: s.opt.Dev, Binds: s.binds(r)}, v)
	h := w.Header()
	if err != nil {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("Something went wrong on our side. Reference: " + requestID + "\n"))
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(lang))
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// answer shows a page of an interaction, or of the account where l is nil.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v pages.View, l *authorize.Live) error {
	locale := ""
	if l != nil && len(l.Request.UILocales) > 0 {
		locale = joinSpaces(l.Request.UILocales)
	}
	s.show(w, r, oauth.EnvOf(r.Context()).RequestID, status, v, locale)
	return nil
}
