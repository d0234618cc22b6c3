package web

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"rsc.io/qr"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/pages"
)

// keeper is the person on a page that changes how they sign in. Where a fresh proof of all their factors is missing,
// the account says where to give it, and nothing can be changed. NIST SP 800-63B-4 §4.1; ATTACKS I8, H15.
func (s *Server) keeper(w http.ResponseWriter, r *http.Request) (*sessions.Session, authn.User, pages.Account, error) {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return nil, u, pages.Account{}, err
	}
	acct := s.account(r, u)
	var stale authn.StepUp
	switch _, err := s.mayChange(r); {
	case errors.As(err, &stale):
		acct.ConfirmURL = s.base.Path + "/login?" + url.Values{"to": {r.URL.Path[len(s.base.Path):]}}.Encode()
	case err != nil:
		return nil, u, acct, err
	}
	return sess, u, acct, nil
}

// change reads the form of such a page: it must be genuine, and the proof fresh; done says that the answer was given.
func (s *Server) change(w http.ResponseWriter, r *http.Request, acct pages.Account) (done bool, err error) {
	if err := r.ParseForm(); err != nil {
		return false, badForm(err)
	}
	if !s.genuine(r, "account") {
		return false, errForged
	}
	if acct.ConfirmURL != "" {
		return true, s.to(w, acct.ConfirmURL[len(s.base.Path):])
	}
	return false, nil
}

// passkeys is /account/passkeys.
func (s *Server) passkeys(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		if done, err := s.change(w, r, acct); done || err != nil {
			return err
		}
		return s.changePasskey(w, r, u)
	}
	ctx := r.Context()
	list, err := s.opt.Authn.Passkeys(ctx, u.ID)
	if err != nil {
		return err
	}
	has, err := s.opt.Authn.Factors(ctx, u.ID)
	if err != nil {
		return err
	}
	v := pages.Passkeys{Account: acct, Full: len(list) >= authn.MaxPasskeys}
	for _, p := range list {
		v.Passkeys = append(v.Passkeys, pages.Passkey{ID: base64.RawURLEncoding.EncodeToString(p.ID), Name: p.Name, Provider: authn.ProviderOf(p.AAGUID),
			AddedAt: p.CreatedAt, UsedAt: p.UsedAt, UsedOn: p.UsedOn, Synced: p.Synced, Key: p.Attachment == "cross-platform", Suspect: p.Suspect,
			Only: len(list) == 1 && !has.Password})
	}
	if sig, err := s.opt.Authn.Signals(ctx, u.ID); err == nil {
		v.Signal = pages.Signal{RPID: sig.RPID, UserID: sig.UserID, Accepted: sig.AllAcceptedCredentialIDs, Name: sig.Name, DisplayName: sig.DisplayName}
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

func (s *Server) changePasskey(w http.ResponseWriter, r *http.Request, u authn.User) error {
	ctx, env, done := r.Context(), oauth.EnvOf(r.Context()), pages.DoneRenamed
	id, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("rename") + r.PostForm.Get("delete"))
	if err != nil {
		return s.to(w, "/account/passkeys")
	}
	kind := notify.FactorChanged
	if r.PostForm.Has("delete") {
		kind, done = notify.FactorRemoved, pages.DoneDeleted
		err = s.opt.Authn.DeletePasskey(ctx, u.ID, id, env)
	} else {
		err = s.opt.Authn.RenamePasskey(ctx, u.ID, id, r.PostForm.Get("name"), env)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, authn.ErrLast): // the page shows how it is
		return s.to(w, "/account/passkeys")
	case err != nil:
		return err
	}
	s.changed(r, u.ID, kind, pages.FactorPasskey, "")
	return s.to(w, "/account/passkeys?done="+string(done))
}

// recoveryCodes is /account/recovery-codes. New codes are shown once, in the answer to the form that made them.
func (s *Server) recoveryCodes(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx := r.Context()
	v := pages.RecoveryCodes{Account: acct, Username: u.Username}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		if r.PostForm.Has("saved") { // changes nothing; and with codes there is more to prove than there was when they were made
			acct.ConfirmURL = ""
		}
		if done, err := s.change(w, r, acct); done || err != nil {
			return err
		}
		if r.PostForm.Has("saved") {
			return s.to(w, "/account/recovery-codes?done="+string(pages.DoneCodes))
		}
		if v.Codes, err = s.opt.Authn.NewRecoveryCodes(ctx, u.ID); err != nil {
			return err
		}
		s.changed(r, u.ID, notify.FactorChanged, pages.FactorCodes, "")
	}
	if v.Left, v.Of, err = s.opt.Authn.RecoveryCodesLeft(ctx, u.ID); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// recoveryCode is the page that takes a recovery code as the second factor of a sign-in.
func (s *Server) recoveryCode(w http.ResponseWriter, r *http.Request) error {
	return s.second(w, r, s.opt.Authn.RecoveryCode, func(f *flow, v pages.Code) pages.View {
		return pages.RecoveryCode{Form: v.Form, Client: v.Client, Account: v.Account, SwitchURL: v.SwitchURL, BackURL: s.base.Path + "/code?" + f.query(),
			Cancel: v.Cancel, HelpURL: v.HelpURL, Fault: v.Fault, RetryIn: v.RetryIn}
	})
}

// settings is /account/settings: language and theme, kept in the browser.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) error {
	sess, _, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	if acct.ConfirmURL != "" { // only the download needs a proof
		acct.ConfirmURL = s.base.Path + confirmExport
		if acct.Done == pages.DoneFresh {
			acct.Done = pages.NothingDone
		}
	}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		if !s.genuine(r, "account") {
			return errForged
		}
		s.setChoice(w, langCookie, r.PostForm.Get("lang"))
		s.setChoice(w, themeCookie, string(pages.ThemeOf(r.PostForm.Get("theme"))))
		return s.to(w, "/account/settings?done="+string(pages.DoneSettings))
	}
	return s.answer(w, r, http.StatusOK, pages.Settings{Account: acct, Choice: s.choice(r), ExportURL: s.base.Path + "/account/export"}, nil)
}

// modules is the QR code of text by rows, true is dark; nil for what does not fit into one. ISO/IEC 18004.
func modules(text string) [][]bool {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil
	}
	rows := make([][]bool, c.Size)
	for y := range rows {
		rows[y] = make([]bool, c.Size)
		for x := range rows[y] {
			rows[y][x] = c.Black(x, y)
		}
	}
	return rows
}
