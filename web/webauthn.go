package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

// ceremony is a request of the script on our pages; the shapes stand in the package comment of pages.
type ceremony struct {
	fields      map[string]string
	Response    json.RawMessage
	Conditional bool
	flow        *flow
	recovery    *authn.Recovery // where it is one of a recovery, which has no flow
}

// ceremony reads such a request. It must come from a page that we showed to this browser.
func (s *Server) ceremony(r *http.Request) (*ceremony, error) {
	var raw map[string]json.RawMessage
	if r.Header.Get("Content-Type") != "application/json" {
		return nil, oauth.InvalidRequest("The body must be JSON.")
	}
	if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
		return nil, badForm(err)
	}
	c := &ceremony{fields: map[string]string{}, Response: raw["response"]}
	_ = json.Unmarshal(raw["conditional"], &c.Conditional)
	for name, v := range raw {
		var text string
		if json.Unmarshal(v, &text) == nil {
			c.fields[name] = text
		}
	}
	about := aboutRecovery
	if secret, ok := c.fields["t"]; ok {
		rec, err := s.opt.Authn.RecoveryStatus(r.Context(), secret)
		if err != nil {
			return nil, err
		}
		c.recovery = &rec
	} else {
		f, err := s.flowOf(r.Context(), func(name string) string { return c.fields[name] })
		if err != nil {
			return nil, err
		}
		c.flow, about = f, f.about()
	}
	if !s.genuineToken(r, about, r.Header.Get("X-CSRF")) {
		return nil, errForged
	}
	return c, nil
}

// options of a ceremony and the handle to it.
type ceremonyOptions struct {
	Options json.RawMessage `json:"options"`
	Handle  string          `json:"handle"`
}

// whereTo answers a ceremony that succeeded.
type whereTo struct {
	To     string                `json:"to"`
	Signal *authn.PasskeySignals `json:"signal,omitempty"`
}

// getOptions begins a sign-in, or the confirmation of whoever is known already, by passkey. WebAuthn L3 §7.2.
func (s *Server) getOptions(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	if c.recovery != nil {
		return s.recoverPasskeyOptions(w, r, c)
	}
	ctx, bind := r.Context(), s.bind(r, c.flow)
	var out ceremonyOptions
	switch first, held := s.held(r, c.flow); {
	case held:
		out.Options, out.Handle, err = s.opt.Authn.BeginPasskey(ctx, bind, first)
	case c.fields["identifier"] != "":
		out.Options, out.Handle, err = s.opt.Authn.BeginPasskeyFor(ctx, bind, c.fields["identifier"])
	default:
		out.Options, out.Handle, err = s.opt.Authn.BeginPasskey(ctx, bind, "")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// held is whose first proof is parked in the flow, if there is one.
func (s *Server) held(r *http.Request, f *flow) (ident.UserID, bool) {
	if f.hold == "" {
		return "", false
	}
	p, err := s.opt.Authn.Resume(r.Context(), f.hold, s.bind(r, f))
	return p.User(), err == nil
}

// get completes it: the proof is carried on like any other.
func (s *Server) get(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	if c.recovery != nil {
		return s.recoverProve(w, r, c)
	}
	ctx, f := r.Context(), c.flow
	p, err := s.opt.Authn.Passkey(ctx, c.fields["handle"], s.bind(r, f), c.Response, oauth.EnvOf(ctx))
	if err != nil {
		if errors.Is(err, authn.ErrWrong) {
			s.failed(ctx, "")
		}
		return err
	}
	if f.hold != "" {
		if first, err := s.opt.Authn.Resume(ctx, f.hold, s.bind(r, f)); err == nil && first.User() == p.User() {
			if both, err := first.With(p); err == nil && both.Assurance() > p.Assurance() {
				p = both // a passkey that did not verify its user is one factor, and the password another
			}
		}
		_ = s.opt.Authn.Drop(ctx, f.hold, s.bind(r, f))
	}
	to, refused, err := s.carry(w, r, f, p)
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	}
	if u, err := s.opt.Users.User(ctx, p.User()); err == nil {
		s.remember(w, u.Username)
	}
	if s.offerHere(r, c, p.User()) && !strings.HasPrefix(to, "/code?") {
		to = "/passkey?" + f.query()
	}
	out := whereTo{To: s.base.Path + to}
	if sig, err := s.opt.Authn.Signals(ctx, p.User()); err == nil {
		out.Signal = &sig
	}
	return writeJSON(w, out)
}

// createOptions begins the registration of a passkey of the person who is signed in. WebAuthn L3 §7.1.
func (s *Server) createOptions(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	if c.recovery != nil {
		return s.recoverPasskeyOptions(w, r, c)
	}
	sess, err := s.mayChange(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	begin := s.opt.Authn.BeginRegistration
	if c.Conditional {
		begin = s.opt.Authn.BeginConditionalRegistration
	}
	var out ceremonyOptions
	if out.Options, out.Handle, err = begin(ctx, s.bind(r, c.flow), sess.User); err != nil {
		return err
	}
	return writeJSON(w, out)
}

// create completes it.
func (s *Server) create(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	if c.recovery != nil {
		return s.recoverByPasskey(w, r, c)
	}
	sess, err := s.mayChange(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	p, err := s.opt.Authn.Register(ctx, c.fields["handle"], s.bind(r, c.flow), c.Response, c.fields["name"], oauth.EnvOf(ctx))
	if err != nil {
		return err
	}
	s.changed(r, sess.User, notify.FactorAdded, pages.FactorPasskey, p.Name)
	if u, err := s.opt.Users.User(ctx, sess.User); err == nil {
		s.remember(w, u.Username)
	}
	out := whereTo{To: s.base.Path + "/account/passkeys?done=" + string(pages.DoneAdded)}
	if c.flow.live != nil {
		out.To = s.base.Path + "/passkey?" + c.flow.query() + "&made=1"
		if c.Conditional {
			out.To += "&auto=1"
		}
	}
	if sig, err := s.opt.Authn.Signals(ctx, sess.User); err == nil {
		out.Signal = &sig
	}
	return writeJSON(w, out)
}

// mayChange is the session of somebody who may change the factors of their account now; authn.StepUp otherwise.
func (s *Server) mayChange(r *http.Request) (*sessions.Session, error) {
	sess := current(r.Context())
	if sess == nil {
		return nil, authn.StepUp{Need: ident.AAL1}
	}
	return sess, s.opt.Authn.CheckChange(r.Context(), sess.User, sess.Reached(s.opt.Now()), sess.AuthTime)
}

// failFetch answers the script: what became of a ceremony, in one word.
func (s *Server) failFetch(w http.ResponseWriter, err error, e *oauth.Error) {
	word, status, to := "rejected", e.Status, ""
	var stale authn.StepUp
	switch {
	case errors.Is(err, authn.ErrUnknownPasskey):
		word, status = "unknown", http.StatusUnauthorized
	case errors.Is(err, authn.ErrWrong):
		status = http.StatusUnauthorized
	case errors.Is(err, authn.ErrExists):
		word, status = "exists", http.StatusConflict
	case errors.As(err, &stale):
		word, status, to = "stale", http.StatusForbidden, s.base.Path+"/login?to=/account/passkeys"
	case status == http.StatusTooManyRequests:
		word = "rate"
	case errors.Is(err, authn.ErrNoRecovery), errors.Is(err, authn.ErrTooEarly):
		word, status = "expired", http.StatusConflict
	case errors.Is(err, errForged), e.Status == http.StatusBadRequest:
		word = "expired"
	case errors.Is(err, authn.ErrSelf):
		word, status = "self", http.StatusForbidden
	case errors.Is(err, authn.ErrFull), errors.Is(err, authn.ErrAttestation), errors.Is(err, authn.ErrOff):
		status = http.StatusForbidden
	}
	if e, ok := errors.AsType[elsewhere](err); ok {
		to = s.base.Path + e.to
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := map[string]string{"error": word}
	if to != "" {
		body["to"] = to
	}
	_ = json.NewEncoder(w).Encode(body)
}

// prompt offers a passkey to whoever signed in without one, in a browser that can make one. It never stands in the way:
// it is shown once in thirty days, and only where the script of the sign-in page said that the browser can.
func (s *Server) prompt(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if current(r.Context()) == nil {
		return s.to(w, "/login?"+f.query())
	}
	on := f.to
	if f.live != nil {
		if on, err = s.next(r.Context(), f.live); err != nil {
			return err
		}
	}
	if r.Method == http.MethodPost {
		if !s.genuine(r, f.about()) {
			return errForged
		}
		s.setCookie(w, laterCookie, "1", 30*day)
		return s.to(w, on)
	}
	v := pages.PasskeyPrompt{Form: s.form(r, f), Client: s.party(r, f), Auto: r.URL.Query().Has("auto"), Made: r.URL.Query().Has("made")}
	if v.Made {
		v.Silent = v.Auto
		if list, err := s.opt.Authn.Passkeys(r.Context(), current(r.Context()).User); err == nil && len(list) > 0 {
			v.Here = authn.ProviderOf(list[len(list)-1].AAGUID)
		}
	}
	return s.answer(w, r, http.StatusOK, v, f.live)
}

// offer says whether the person who just signed in by password should be offered a passkey first.
func (s *Server) offer(r *http.Request, f *flow, user ident.UserID) bool {
	if !s.opt.Passkeys || f.live == nil || r.PostForm.Get("pk") != "1" || s.cookie(r, laterCookie) != "" {
		return false
	}
	list, err := s.opt.Authn.Passkeys(r.Context(), user)
	return err == nil && len(list) == 0
}

// offerHere says whether somebody who signed in by a passkey on another device, such as a phone beside this one, should be
// offered one on this device. A security key is no such device: it is carried along.
func (s *Server) offerHere(r *http.Request, c *ceremony, user ident.UserID) bool {
	var shown struct{ ID, AuthenticatorAttachment string }
	if c.flow.live == nil || c.fields["pk"] != "1" || s.cookie(r, laterCookie) != "" || json.Unmarshal(c.Response, &shown) != nil ||
		shown.AuthenticatorAttachment != "cross-platform" {
		return false
	}
	list, err := s.opt.Authn.Passkeys(r.Context(), user)
	return err == nil && slices.ContainsFunc(list, func(p authn.Passkey) bool {
		return base64.RawURLEncoding.EncodeToString(p.ID) == shown.ID && slices.Contains(p.Transports, "hybrid")
	})
}

// relatedOrigins is /.well-known/webauthn. WebAuthn L3 §5.11.1.
func (s *Server) relatedOrigins(w http.ResponseWriter, _ *http.Request) error {
	return writeStatic(w, map[string]any{"origins": append([]string{s.base.Scheme + "://" + s.base.Host}, s.opt.Related...)})
}

// passkeyEndpoints is /.well-known/passkey-endpoints: where password managers send people.
// A Well-Known URL for Relying Party Passkey Endpoints §2.
func (s *Server) passkeyEndpoints(w http.ResponseWriter, _ *http.Request) error {
	page := s.opt.Issuer + "/account/passkeys"
	return writeStatic(w, map[string]string{"enroll": page, "manage": page})
}

// changePassword is /.well-known/change-password. A Well-Known URL for Changing Passwords §3.
func (s *Server) changePassword(w http.ResponseWriter, _ *http.Request) error {
	return s.to(w, "/account/password")
}

func writeStatic(w http.ResponseWriter, v any) error { return writeAs(w, "application/json", v) }

func writeAs(w http.ResponseWriter, contentType string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age="+itoa(int(time.Hour/time.Second)))
	_, err = w.Write(b)
	return err
}

func writeJSON(w http.ResponseWriter, v any) error { return writeStatus(w, http.StatusOK, v) }

// writeStatus answers a program: v as JSON, which nobody keeps.
func writeStatus(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(b)
	return err
}
