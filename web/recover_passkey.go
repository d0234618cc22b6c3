package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
)

// aboutRecovery is what the tokens in the forms of a recovery are about.
const aboutRecovery = "recover"

// bindRecovery ties a ceremony to one recovery and to the browser.
func bindRecovery(r *http.Request, rec authn.Recovery) string {
	return aboutRecovery + " " + rec.ID + " " + device(r.Context())
}

// recoverPasskeyOptions begins the ceremony of a recovery: of a new passkey once the wait is over, of one that the person
// still has while it lasts.
func (s *Server) recoverPasskeyOptions(w http.ResponseWriter, r *http.Request, c *ceremony) (err error) {
	ctx, bind, rec := r.Context(), bindRecovery(r, *c.recovery), c.recovery
	var out ceremonyOptions
	switch {
	case rec.Ready(s.opt.Now()):
		out.Options, out.Handle, err = s.opt.Authn.BeginRegistration(ctx, bind, rec.User)
	case rec.Step == authn.RecoveryOpened:
		out.Options, out.Handle, err = s.opt.Authn.BeginPasskey(ctx, bind, rec.User)
	default:
		err = authn.ErrTooEarly
	}
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// recoverByPasskey completes a recovery with a new passkey, once, and ends every session. A ceremony that fails leaves
// the recovery as it was.
func (s *Server) recoverByPasskey(w http.ResponseWriter, r *http.Request, c *ceremony) error {
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	done, err := s.opt.Authn.CompleteRecovery(ctx, c.fields["t"], env, func(ctx context.Context, u authn.User) (authn.User, error) {
		_, err := s.opt.Authn.Register(ctx, c.fields["handle"], bindRecovery(r, *c.recovery), c.Response, "", env)
		return u, err
	})
	if err != nil {
		return err
	}
	if err := s.recovered(w, r, done); err != nil {
		return err
	}
	s.remember(w, done.User.Username)
	out := whereTo{To: s.base.Path + "/recover?done=1"}
	if sig, err := s.opt.Authn.Signals(ctx, done.User.ID); err == nil {
		out.Signal = &sig
	}
	return writeJSON(w, out)
}

// recovered ends every session of who has just recovered their account.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request, done authn.Recovered) error {
	if _, err := s.opt.Sessions.EndAll(r.Context(), done.User.ID, "", "recovered"); err != nil {
		return err
	}
	if err := s.forgetKeys(r.Context(), done.User.ID, onAny); err != nil {
		return err
	}
	s.setCookie(w, sessionCookie, "", 0)
	return nil
}

// recoverProve ends the wait for who still has a passkey. One that also verifies its user is more than a recovery asks
// for: it stops the recovery, and is a sign-in.
func (s *Server) recoverProve(w http.ResponseWriter, r *http.Request, c *ceremony) error {
	ctx, env, secret := r.Context(), oauth.EnvOf(r.Context()), c.fields["t"]
	p, err := s.opt.Authn.Passkey(ctx, c.fields["handle"], bindRecovery(r, *c.recovery), c.Response, env)
	if err != nil {
		return err
	}
	_, err = s.opt.Authn.ProveForRecovery(ctx, secret, p, env)
	if err == nil {
		return writeJSON(w, whereTo{To: s.base.Path + "/recover/go?" + url.Values{"t": {secret}}.Encode()})
	}
	if !errors.Is(err, authn.ErrNoRecovery) {
		return err
	}
	to, refused, err := s.carry(w, r, &flow{to: "/account"}, p)
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	}
	return writeJSON(w, whereTo{To: s.base.Path + to})
}
