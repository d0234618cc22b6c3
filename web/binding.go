package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

const (
	boundCookie = "dbk" // the device proved its key within the last minutes: see sessions.Keys.Shown
	keepsCookie = "dk"  // "1": this browser keeps a key of ours; "0": it could not show one, do not ask again for a while

	keyPage  = "/device-key"
	keyProve = "/device-key/prove"

	keepsLife = 400 * day
	pauseLife = time.Hour
)

// Scripts by which a person proves who they are: they go on without a session.
var proofs = []string{"/push/state", "/webauthn/get/options", "/webauthn/get"}

// Rows right after a sign-in, on the way to a client, where a browser may have to make a key first: they have no script of
// ours that does it.
var arrivals = []string{"/consent", "/continue", "/passkey"}

// errKeyless answers a script whose session lacks its key.
var errKeyless = &oauth.Error{Code: "key_required", Description: "The session is bound to a key of its device.", Status: http.StatusUnauthorized}

// claimKey carries a session that lacks its key, for those who ask for the key.
type claimKey struct{}

// claimed is the session whose cookie came with a request, with its key or without.
func claimed(ctx context.Context) *sessions.Session {
	if sess := current(ctx); sess != nil {
		return sess
	}
	sess, _ := ctx.Value(claimKey{}).(*sessions.Session)
	return sess
}

// shownKey is what a bound cookie of the device says.
func (s *Server) shownKey(r *http.Request, device ident.DeviceID) (ident.KeyProof, string) {
	if s.opt.Keys == nil {
		return ident.NoKey, ""
	}
	return s.opt.Keys.Shown(s.cookie(r, boundCookie), device)
}

// keyless settles a request whose session is bound to a key that the request does not prove (why). It returns the context
// to go on with, or the path where the browser proves its key first.
func (s *Server) keyless(ctx context.Context, w http.ResponseWriter, r *http.Request, row route, sess sessions.Session, env ident.Env, why error) (context.Context, string, error) {
	if errors.Is(why, sessions.ErrOtherKey) {
		under, err := s.opt.Keys.Mismatch(ctx, sess, env)
		switch {
		case err != nil:
			return ctx, "", oauth.Unavailable(err)
		case under:
			return oauth.WithSession(ctx, sess), "", nil
		}
		s.setCookie(w, sessionCookie, "", 0)
		return ctx, "", nil
	}
	ctx = context.WithValue(ctx, claimKey{}, &sess)
	look := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case row.path == keyPage, row.path == keyProve, row.path == dbscRegister, row.path == dbscRefresh:
		return ctx, "", nil
	case look && row.face != fetch && row.path != meta.PathLogout && s.opt.Keys != nil && s.cookie(r, keepsCookie) != "0":
		return ctx, s.detour(r, row, true), nil
	case row.path == meta.PathLogout:
		return oauth.WithSession(ctx, sess), "", nil // whoever holds the cookie may end it
	case row.face == fetch && !slices.Contains(proofs, row.path):
		return ctx, "", elsewhere{errKeyless, keyPage + "?to=" + url.QueryEscape(s.base.Path+"/account")}
	}
	return withSuspended(ctx, sess), "", nil
}

// detour is the path of the page that proves the key of the browser, and leads back.
// With a session that only lacks its key no sign-in is needed any more: it leads to where that would have led.
func (s *Server) detour(r *http.Request, row route, keyless bool) string {
	to := r.URL.RequestURI()
	if q := r.URL.Query(); keyless && row.path == "/login" && q.Get("i") == "" && slices.Contains(ownPages, q.Get("to")) {
		to = s.base.Path + q.Get("to")
	}
	return keyPage + "?to=" + url.QueryEscape(to)
}

// enrol returns the path of that page where a browser should make or prove a key although nothing demands it: before a
// sign-in where it keeps one, since that is worth more than anything else that is known of it, and right after one.
func (s *Server) enrol(r *http.Request, row route, sess *sessions.Session, env ident.Env) string {
	if s.opt.Keys == nil || r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Dest") != "document" || env.Key != ident.NoKey {
		return ""
	}
	keeps := s.cookie(r, keepsCookie)
	switch {
	case sess == nil && row.path == "/login" && keeps == "1":
	case sess != nil && slices.Contains(arrivals, row.path) && keeps != "0" && sess.Snapshot.Key == "" && s.fresh(sess):
	default:
		return ""
	}
	return s.detour(r, row, false)
}

// fresh says whether the person proved who they are just now, so that they vouch for the device.
func (s *Server) fresh(sess *sessions.Session) bool {
	return s.opt.Now().Sub(sess.AuthTime) < 10*time.Minute
}

// deviceKey is /device-key: the page whose script proves the key of the browser, and goes on. Without a script, or where
// that fails, it leads on without: a session that needs the key is then asked for more.
func (s *Server) deviceKey(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Keys == nil {
		return errNotFound
	}
	ctx, q := r.Context(), r.URL.Query()
	to := s.local(q.Get("to"))
	switch sess, env := claimed(ctx), oauth.EnvOf(ctx); {
	case q.Has("skip"):
		s.setCookie(w, keepsCookie, "0", pauseLife)
		return s.away(w, to)
	case proven(sess, env), sess == nil && s.cookie(r, keepsCookie) != "1":
		return s.away(w, to)
	}
	return s.answer(w, r, http.StatusOK, pages.DeviceKey{CSRF: s.csrf(r, "account"), To: to, Skip: s.base.Path + keyPage + "?skip=1&to=" + url.QueryEscape(to)}, nil)
}

// proven says that there is nothing left to prove.
func proven(sess *sessions.Session, env ident.Env) bool {
	return env.Key != ident.NoKey && (sess == nil || sess.Snapshot.Key == env.KeyID)
}

// local is to where it is a path of ours, with its query; otherwise the account.
func (s *Server) local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || u.Fragment != "" || !strings.HasPrefix(to, s.base.Path+"/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || path.Clean(u.Path) != u.Path || strings.HasPrefix(u.Path, s.base.Path+keyPage) {
		return s.base.Path + "/account"
	}
	return to
}

func (s *Server) away(w http.ResponseWriter, to string) error {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// keyAnswer is what the script is told.
type keyAnswer struct {
	Challenge string `json:"challenge,omitempty"` // to be signed
	Make      bool   `json:"make,omitempty"`      // a browser without a key may make one
	Done      bool   `json:"done,omitempty"`      // the browser proves a better key by itself
	Left      int    `json:"left,omitempty"`      // seconds for which the proof counts
}

// proveKey takes a proof by the script, and without one says what to sign.
func (s *Server) proveKey(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Keys == nil {
		return errNotFound
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return oauth.InvalidRequest("The body must be JSON.")
	}
	var in struct {
		Proof string `json:"proof"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return badForm(err)
	}
	if !s.genuineToken(r, "account", r.Header.Get("X-CSRF")) {
		return errForged
	}
	ctx := r.Context()
	sess, env := claimed(ctx), oauth.EnvOf(ctx)
	if env.Key == ident.KeyInChip && proven(sess, env) {
		return writeJSON(w, keyAnswer{Done: true})
	}
	if in.Proof == "" {
		c, err := s.opt.Keys.Challenge(env.Device)
		if err != nil {
			return oauth.Unavailable(err)
		}
		return writeJSON(w, keyAnswer{Challenge: c, Make: sess != nil && sess.Snapshot.Key == "" && sess.Device == env.Device && s.fresh(sess)})
	}
	p, err := s.opt.Keys.Prove(ctx, sessions.Claim{Level: ident.KeyInApp, Token: in.Proof, Audience: s.opt.Issuer + keyProve}, sess, env)
	if err != nil {
		return s.keyRefused(w, err)
	}
	s.setCookie(w, boundCookie, p.Cookie, sessions.BoundLife)
	s.setCookie(w, keepsCookie, "1", keepsLife)
	return writeJSON(w, keyAnswer{Left: int(sessions.BoundLife / time.Second)})
}

// keyRefused answers the script: why a proof was not taken, in one word.
func (s *Server) keyRefused(w http.ResponseWriter, err error) error {
	word, status := "", http.StatusUnauthorized
	switch {
	case errors.Is(err, sessions.ErrChallenge):
		word = "expired"
	case errors.Is(err, sessions.ErrProof):
		word, status = "proof", http.StatusBadRequest
	case errors.Is(err, sessions.ErrUnknownKey):
		word, status = "unknown", http.StatusForbidden
	case errors.Is(err, sessions.ErrOtherKey):
		word, status = "other", http.StatusConflict
	default:
		return oauth.Unavailable(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(map[string]string{"error": word})
}

// binds returns the token for the script that makes or renews the proof of the session's key, where the page that answers
// r carries it; otherwise "".
func (s *Server) binds(r *http.Request) string {
	sess := current(r.Context())
	if s.opt.Keys == nil || sess == nil || s.cookie(r, keepsCookie) == "0" || oauth.EnvOf(r.Context()).Key == ident.KeyInChip {
		return ""
	}
	if p := strings.TrimPrefix(r.URL.Path, s.base.Path); p != "/account" && !strings.HasPrefix(p, "/account/") && p != inbox {
		return ""
	}
	return s.csrf(r, "account")
}

// keysOf are the keys of user by their thumbprint.
func (s *Server) keysOf(ctx context.Context, user ident.UserID) (map[string]ident.KeyProof, error) {
	if s.opt.Keys == nil {
		return nil, nil
	}
	list, err := s.opt.Keys.Of(ctx, user)
	if err != nil {
		return nil, err
	}
	out := map[string]ident.KeyProof{}
	for _, k := range list {
		out[k.ID] = k.Level
	}
	return out, nil
}

// bound marks the devices whose sessions are bound to a key of theirs.
func bound(devices []pages.Device, list []sessions.Session, kept map[string]ident.KeyProof) []pages.Device {
	by := map[string]string{}
	for _, v := range list {
		switch {
		case v.Snapshot.Key == "":
		case kept[v.Snapshot.Key] == ident.KeyInChip:
			by[string(v.ID)] = "hardware"
		default:
			by[string(v.ID)] = "browser"
		}
	}
	for i, d := range devices {
		for _, v := range d.Sessions {
			devices[i].Bound = max(devices[i].Bound, by[v.ID]) // hardware, where sessions differ
		}
	}
	return devices
}

// forgetKeys removes the keys of user on the devices that gone names and on which no session of theirs is left.
func (s *Server) forgetKeys(ctx context.Context, user ident.UserID, gone func(ident.DeviceID) bool) error {
	if s.opt.Keys == nil {
		return nil
	}
	live, err := s.opt.Sessions.List(ctx, user)
	if err != nil {
		return err
	}
	list, err := s.opt.Keys.Of(ctx, user)
	if err != nil {
		return err
	}
	done := map[ident.DeviceID]bool{}
	for _, k := range list {
		if done[k.Device] || !gone(k.Device) || slices.ContainsFunc(live, func(v sessions.Session) bool { return v.Device == k.Device }) {
			continue
		}
		if err := s.opt.Keys.Remove(ctx, user, k.Device); err != nil {
			return err
		}
		done[k.Device] = true
	}
	return nil
}

// onAny is any device.
func onAny(ident.DeviceID) bool { return true }
