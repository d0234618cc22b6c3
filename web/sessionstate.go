package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/static"
)

// SessionStates tells clients in the browser whether somebody else signed in, or out: each answer carries a session_state,
// which a frame of ours compares with a cookie that its script reads. The cookie names the session to nobody and opens
// nothing. OpenID Connect Session Management §3.
type SessionStates struct {
	keys func() [][]byte
	rand io.Reader
}

// NewSessionStates needs the secrets that states derive from, newest first. random defaults to crypto/rand.
func NewSessionStates(keys func() [][]byte, random io.Reader) *SessionStates {
	if random == nil {
		random = rand.Reader
	}
	return &SessionStates{keys, random}
}

// browser is the OP browser state: the same as long as a session lasts, "" without one.
func (st *SessionStates) browser(sess *sessions.Session) string {
	if sess == nil {
		return ""
	}
	return formToken(st.keys()[0], "", "browser state "+string(sess.ID))
}

// Of is the session_state of an answer to c at redirectURI; "" where that is no web page.
func (st *SessionStates) Of(ctx context.Context, c *oauth.Client, redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	var salt [16]byte
	if _, err := io.ReadFull(st.rand, salt[:]); err != nil {
		return ""
	}
	return sessionState(string(c.ID), originOf(u), st.browser(current(ctx)), base64.RawURLEncoding.EncodeToString(salt[:]))
}

// sessionState is what web/static/checksession.js computes, too. Session Management §3.2.
func sessionState(client, origin, browser, salt string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s", client, origin, browser, salt))
	return hex.EncodeToString(sum[:]) + "." + salt
}

// originOf is the origin of u as a browser writes it. RFC 6454 §6.2.
func originOf(u *url.URL) string {
	host := u.Host
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = host[:len(host)-len(port)-1]
	}
	return u.Scheme + "://" + host
}

// setState puts the browser state of sess into its cookie, which our frame in a client's page has to see and to read.
func (s *Server) setState(w http.ResponseWriter, sess *sessions.Session) {
	if s.opt.States == nil {
		return
	}
	v := s.opt.States.browser(sess)
	c := &http.Cookie{Name: "__Host-" + stateCookie, Value: v, Path: "/", Secure: true, SameSite: http.SameSiteNoneMode}
	if v == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	if !s.secure {
		twin := *c
		twin.Name, twin.Secure, twin.SameSite = stateCookie, false, http.SameSiteLaxMode
		http.SetCookie(w, &twin)
	}
}

// keepState mends the cookie where it tells of another session than the request.
func (s *Server) keepState(w http.ResponseWriter, r *http.Request, sess *sessions.Session) {
	if s.opt.States != nil && s.cookie(r, stateCookie) != s.opt.States.browser(sess) {
		s.setState(w, sess)
	}
}

// checkSession is the page that clients hold in a frame. Session Management §3.2, §3.3.
func (s *Server) checkSession(w http.ResponseWriter, _ *http.Request) error {
	if s.opt.States == nil {
		return errNotFound
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	_, err := fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Session</title>\n<script src=\"%s\"></script>\n", s.base.Path+static.Path("checksession.js"))
	return err
}
