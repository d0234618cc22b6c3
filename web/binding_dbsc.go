package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
)

// Device Bound Session Credentials: the browser keeps a key in hardware, and proves it by itself whenever the bound cookie
// has gone. W3C Working Draft Device Bound Session Credentials; its draft of 17 February 2026.
const (
	dbscRegister = "/dbsc/register"
	dbscRefresh  = "/dbsc/refresh"
)

// dbscAttributes are those of the bound cookie, without its life. They have to be what setCookie sets: a browser looks for
// a cookie with them.
const dbscAttributes = "Path=/; Secure; HttpOnly; SameSite=Lax"

// unbound are the paths below the issuer's that need no key: a browser would hold up requests for them otherwise.
var unbound = []string{"/static/", "/.well-known/", "/jwks", "/token", "/userinfo", "/healthz", "/manifest.webmanifest", "/sw.js", "/client-logo/"}

// offerKey asks the browser to make a key in hardware for the session: right after a sign-in, or where it proves one that is
// kept less well. Browsers that cannot do it take no notice.
func (s *Server) offerKey(w http.ResponseWriter, r *http.Request, sess *sessions.Session, env ident.Env) {
	if s.opt.Keys == nil || !s.secure || sess == nil || r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Dest") != "document" {
		return
	}
	if sess.Snapshot.Key == "" && !s.fresh(sess) || sess.Snapshot.Key != "" && (env.Key != ident.KeyInApp || env.KeyID != sess.Snapshot.Key) {
		return
	}
	if c, err := s.opt.Keys.Challenge(env.Device); err == nil { // without it the session is as good as before
		w.Header().Set("Secure-Session-Registration", fmt.Sprintf(`(ES256 RS256);path="%s";challenge="%s"`, s.base.Path+dbscRegister, c))
	}
}

// dbscJWS is the proof in the header of a request: a string of RFC 9651 §3.3.3, which base64url lets stand without escapes.
func dbscJWS(r *http.Request) string {
	return strings.Trim(strings.TrimSpace(r.Header.Get("Secure-Session-Response")), `"`)
}

// dbscStart registers a key that the browser made, for the device and the session whose cookies came with it.
func (s *Server) dbscStart(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Keys == nil || !s.secure {
		return errNotFound
	}
	return s.dbscProve(w, r, sessions.Claim{Level: ident.KeyInChip, Token: dbscJWS(r), Audience: s.opt.Issuer + dbscRegister})
}

// dbscRenew answers a browser whose bound cookie has gone: first with a challenge, then with the cookie.
func (s *Server) dbscRenew(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Keys == nil || !s.secure {
		return errNotFound
	}
	id := strings.Trim(strings.TrimSpace(r.Header.Get("Sec-Secure-Session-Id")), `"`)
	if len(id) != 43 {
		return s.dbscEnd(w, http.StatusBadRequest)
	}
	return s.dbscProve(w, r, sessions.Claim{Level: ident.KeyInChip, Token: dbscJWS(r), Audience: s.opt.Issuer + dbscRefresh, KeyID: id})
}

func (s *Server) dbscProve(w http.ResponseWriter, r *http.Request, c sessions.Claim) error {
	ctx := r.Context()
	env, err := oauth.EnvOf(ctx), sessions.ErrChallenge
	var p sessions.Proved
	if c.Token != "" {
		p, err = s.opt.Keys.Prove(ctx, c, claimed(ctx), env)
	}
	switch {
	case err == nil:
		s.setCookie(w, boundCookie, p.Cookie, sessions.BoundLife)
		return writeJSON(w, s.dbscSession(p.Key.ID))
	case errors.Is(err, sessions.ErrChallenge):
		next, err := s.opt.Keys.Challenge(env.Device)
		if err != nil {
			return oauth.Unavailable(err)
		}
		value := fmt.Sprintf("%q", next)
		if c.KeyID != "" {
			value += fmt.Sprintf(`;id="%s"`, c.KeyID)
		}
		w.Header().Set("Secure-Session-Challenge", value)
		w.WriteHeader(http.StatusForbidden) // the one status besides 407 and 429 after which the browser tries again
		return nil
	case errors.Is(err, sessions.ErrUnknownKey) && c.KeyID != "":
		return s.dbscEnd(w, http.StatusOK)
	case errors.Is(err, sessions.ErrProof), errors.Is(err, sessions.ErrUnknownKey), errors.Is(err, sessions.ErrOtherKey):
		return s.dbscEnd(w, http.StatusBadRequest)
	}
	return oauth.Unavailable(err) // the browser keeps its session, and waits
}

// dbscEnd has the browser forget its key.
func (s *Server) dbscEnd(w http.ResponseWriter, status int) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(map[string]bool{"continue": false})
}

type (
	dbscRule struct {
		Type   string `json:"type"`
		Domain string `json:"domain"`
		Path   string `json:"path"`
	}
	dbscScope struct {
		Origin      string     `json:"origin"`
		IncludeSite bool       `json:"include_site"`
		Rules       []dbscRule `json:"scope_specification"`
	}
	dbscCredential struct {
		Type       string `json:"type"`
		Name       string `json:"name"`
		Attributes string `json:"attributes"`
	}
	dbscSession struct {
		ID          string           `json:"session_identifier"`
		RefreshURL  string           `json:"refresh_url"`
		Scope       dbscScope        `json:"scope"`
		Credentials []dbscCredential `json:"credentials"`
	}
)

// dbscSession is what the browser does with the key id: whenever the bound cookie is missing from a request to us, it
// renews it first.
func (s *Server) dbscSession(id string) dbscSession {
	scope := dbscScope{Origin: s.base.Scheme + "://" + s.base.Host}
	for _, p := range unbound {
		scope.Rules = append(scope.Rules, dbscRule{"exclude", s.base.Hostname(), s.base.Path + strings.TrimSuffix(p, "/")})
	}
	return dbscSession{ID: id, RefreshURL: s.base.Path + dbscRefresh, Scope: scope,
		Credentials: []dbscCredential{{"cookie", "__Host-" + boundCookie, dbscAttributes}}}
}
