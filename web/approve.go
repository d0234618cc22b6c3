package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/web/pages"
)

const inbox = "/approve"

// isAsked says that path is the page of a request.
func isAsked(path string) bool {
	handle, ok := strings.CutPrefix(path, inbox+"/")
	return ok && len(handle) <= 64 && !strings.ContainsFunc(handle, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
	})
}

// elsewhere is an error after which the script goes to a page of ours.
type elsewhere struct {
	error
	to string
}

func (e elsewhere) Unwrap() error { return e.error }

// approvals is /approve: what waits for the person, whether they were told or not.
func (s *Server) approvals(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	list, err := s.opt.Authn.PendingApprovals(r.Context(), u.ID)
	if err != nil {
		return err
	}
	v := pages.Approvals{Account: s.account(r, u)}
	for _, a := range list {
		v.Waiting = append(v.Waiting, s.questionOf(r, v.Account, a))
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// approve is /approve/{handle}: one request. To deny takes no script and no signature.
func (s *Server) approve(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx, env, handle := r.Context(), oauth.EnvOf(r.Context()), r.PathValue("handle")
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		if !s.genuine(r, "account") {
			return errForged
		}
		return s.deny(w, r, u.ID, handle)
	}
	a, err := s.opt.Authn.Approval(ctx, u.ID, handle)
	if err != nil {
		return err
	}
	if a.State != authn.ApprovalPending {
		return s.answer(w, r, http.StatusOK, pages.ApproveDone{State: string(a.State), Asks: a.Kind == authn.ApproveBackchannel}, nil)
	}
	v := s.questionOf(r, s.account(r, u), a)
	here, err := s.approverHere(ctx, u.ID, env.Device)
	if err != nil {
		return err
	}
	v.Unable = here.ID == ""
	return s.answer(w, r, http.StatusOK, v, nil)
}

func (s *Server) deny(w http.ResponseWriter, r *http.Request, user ident.UserID, handle string) error {
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	err := s.opt.Authn.DenyApproval(ctx, user, handle, authn.DenyNotMe, env)
	if _, decided := errors.AsType[authn.Unapproved](err); err != nil && !decided {
		return err
	}
	if err == nil {
		a, err := s.opt.Authn.Approval(ctx, user, handle)
		if err == nil {
			err = s.decided(ctx, a, env)
		}
		if err != nil {
			return err
		}
	}
	return s.to(w, inbox+"/"+handle) // says what it is, whoever was first
}

// decided tells the client that asked by itself.
func (s *Server) decided(ctx context.Context, a authn.Approval, env ident.Env) error {
	if a.Kind != authn.ApproveBackchannel || s.opt.CIBA == nil {
		return nil
	}
	return s.opt.CIBA.Decided(ctx, a.Handle, env)
}

// questionOf is how a request reads to the person who is asked.
func (s *Server) questionOf(r *http.Request, acct pages.Account, a authn.Approval) pages.Approve {
	v := pages.Approve{Account: acct, Handle: a.Handle, Client: pages.Party{Name: a.App, Host: a.Host}, NewPlace: a.NewPlace, Text: a.Text, Amount: a.Amount,
		Currency: a.Currency, Payee: a.Payee, Digits: a.Digits, Asks: a.Kind == authn.ApproveBackchannel,
		Context: pages.Context{Device: a.Agent, Country: a.Country, At: a.Asked}}
	lang := s.language(r, "")
	for _, scope := range strings.Fields(a.Scope) {
		v.Allows = append(v.Allows, s.permission(scope, lang))
	}
	v.AllowsAt = strings.Fields(a.Resource)
	if a.Compare {
		v.Compare = a.Number
	}
	return v
}

// approverHere is the approver that the browser with device is for user; the zero Approver where it is none.
func (s *Server) approverHere(ctx context.Context, user ident.UserID, device ident.DeviceID) (authn.Approver, error) {
	list, err := s.opt.Authn.Approvers(ctx, user)
	if err != nil {
		return authn.Approver{}, err
	}
	for _, a := range list {
		if a.Kind == authn.ApproverBrowser && a.Device == device && device != "" {
			return a, nil
		}
	}
	return authn.Approver{}, nil
}

// approveOptions takes the number and answers what a passkey is to sign; a wrong one ends the request.
func (s *Server) approveOptions(w http.ResponseWriter, r *http.Request) error {
	c, sess, at, err := s.approving(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	var out ceremonyOptions
	out.Options, out.Handle, err = s.opt.Authn.BeginApprove(ctx, sess, r.PathValue("handle"), c.fields["number"], s.bind(r, c.flow), oauth.EnvOf(ctx))
	if err != nil {
		return overAt(err, at)
	}
	return writeJSON(w, out)
}

// approveSign takes the signature.
func (s *Server) approveSign(w http.ResponseWriter, r *http.Request) error {
	c, user, at, err := s.approving(r)
	if err != nil {
		return err
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	a, err := s.opt.Authn.ApproveByPasskey(ctx, user, r.PathValue("handle"), c.fields["handle"], s.bind(r, c.flow), c.Response, env)
	if err != nil {
		return overAt(err, at)
	}
	if err := s.decided(ctx, a, env); err != nil {
		return err
	}
	return writeJSON(w, whereTo{To: s.base.Path + at})
}

// approving reads a request of the script of a request's page, which is at.
func (s *Server) approving(r *http.Request) (c *ceremony, user ident.UserID, at string, err error) {
	if c, err = s.ceremony(r); err != nil {
		return nil, "", "", err
	}
	if at = inbox + "/" + r.PathValue("handle"); !isAsked(at) {
		at = inbox
	}
	sess := current(r.Context())
	if sess == nil || c.flow == nil {
		return nil, "", "", elsewhere{authn.StepUp{Need: ident.AAL1}, "/login?to=" + at}
	}
	return c, sess.User, at, nil
}

// overAt sends the script back to the page where nothing more can be tried: it says what became of the request.
func overAt(err error, at string) error {
	if _, decided := errors.AsType[authn.Unapproved](err); decided || errors.Is(err, authn.ErrNoApproval) {
		return elsewhere{err, at}
	}
	return err
}
