package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// The cookies. Their names carry the prefix __Host-, which a browser takes only over TLS, for this host alone and for
// the whole site (RFC 6265bis §4.1.3.2).
const (
	sessionCookie = "sid"
	deviceCookie  = "did"
	langCookie    = "lang"
	themeCookie   = "theme"
	whoCookie     = "who"   // who used a passkey in this browser last
	stateCookie   = "bs"    // the OP browser state, for scripts: see SessionStates
	laterCookie   = "later" // the offer of a passkey was declined
)

// setCookie sets a cookie that scripts cannot read; life 0 lasts until the browser closes. An issuer without TLS can only
// be this machine itself (development): some browsers refuse Secure cookies there, so a plain twin goes with it.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: "__Host-" + name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	switch {
	case value == "":
		c.MaxAge = -1
	case life > 0:
		c.MaxAge = int(life / time.Second)
	}
	http.SetCookie(w, c)
	if !s.secure {
		twin := *c
		twin.Name, twin.Secure = name, false
		http.SetCookie(w, &twin)
	}
}

func (s *Server) cookie(r *http.Request, name string) string {
	if c, err := r.Cookie("__Host-" + name); err == nil && len(c.Value) <= 512 {
		return c.Value
	}
	if !s.secure {
		if c, err := r.Cookie(name); err == nil && len(c.Value) <= 512 {
			return c.Value
		}
	}
	return ""
}

// formToken binds a form to the browser that it was shown to and to what it is about. ATTACKS A24.
func formToken(key []byte, device, about string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(device))
	m.Write([]byte{0})
	m.Write([]byte(about))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (s *Server) csrf(r *http.Request, about string) string {
	return formToken(s.opt.FormKeys()[0], device(r.Context()), about)
}

// genuine says whether a form came from a page that we showed to this browser.
func (s *Server) genuine(r *http.Request, about string) bool {
	return s.genuineToken(r, about, r.PostForm.Get("csrf"))
}

func (s *Server) genuineToken(r *http.Request, about, token string) bool {
	for _, k := range s.opt.FormKeys() {
		if hmac.Equal([]byte(token), []byte(formToken(k, device(r.Context()), about))) {
			return true
		}
	}
	return false
}
