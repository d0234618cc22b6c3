package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/notify/webpush"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
	"github.com/postern-id/postern/web/static"
)

const approversPage = "/account/approvers"

// approvers is /account/approvers: the devices with which the person approves what begins elsewhere.
func (s *Server) approvers(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	v := pages.Approvers{Account: acct}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		if r.PostForm.Has("test") { // changes nothing
			acct.ConfirmURL = ""
		}
		if done, err := s.change(w, r, acct); done || err != nil {
			return err
		}
		if done, err := s.changeApprovers(w, r, u, &v); done || err != nil {
			return err
		}
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	list, err := s.opt.Authn.Approvers(ctx, u.ID)
	if err != nil {
		return err
	}
	has, err := s.opt.Authn.Factors(ctx, u.ID)
	if err != nil {
		return err
	}
	if v.CodeAt, err = s.opt.Authn.UserCodeAt(ctx, u.ID); err != nil {
		return err
	}
	v.CodeMin, v.CodeMax = authn.MinUserCode, authn.MaxUserCode
	v.NoPasskey, v.Full = !s.opt.Passkeys || has.Passkeys == 0, len(list) >= authn.MaxApprovers
	for _, a := range list {
		here := a.Kind == authn.ApproverBrowser && a.Device == env.Device
		v.Here = v.Here || here
		v.Approvers = append(v.Approvers, pages.Approver{ID: a.ID, Name: a.Name, App: a.Kind == authn.ApproverApp, Here: here, Push: len(a.Push) > 0 && s.opt.Push != nil,
			AddedAt: a.CreatedAt, UsedAt: a.UsedAt, PushedAt: a.PushedAt, FailedAt: a.FailedAt})
	}
	if s.opt.Push != nil && v.Here {
		v.Key = s.opt.Push.PublicKey()
		// This page registers a worker, the address of which is a trusted type of its own.
		h := w.Header()
		h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "trusted-types 'none'", "trusted-types worker; worker-src 'self'", 1))
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// changeApprovers does what a form of that page asks for; done says that the answer was given.
func (s *Server) changeApprovers(w http.ResponseWriter, r *http.Request, u authn.User, v *pages.Approvers) (done bool, err error) {
	ctx, env, form := r.Context(), oauth.EnvOf(r.Context()), r.PostForm
	kind, name, said := notify.FactorChanged, "", pages.NothingDone
	switch {
	case form.Has("enrol"):
		var a authn.Approver
		a, err = s.opt.Authn.EnrolBrowser(ctx, u.ID, "", env)
		kind, name, said = notify.FactorAdded, a.Name, pages.DoneApprover
	case form.Has("app"):
		if v.Code, err = s.opt.Authn.BeginAppEnrolment(ctx, u.ID, env); err == nil {
			v.QR, v.Life = modules(s.opt.Issuer+"/approver#"+v.Code), authn.EnrolCodeLife
			return false, nil
		}
	case form.Has("rename"):
		err = s.opt.Authn.RenameApprover(ctx, u.ID, form.Get("rename"), form.Get("name"), env)
		said = pages.DoneNamed
	case form.Has("remove"):
		err = s.opt.Authn.RemoveApprover(ctx, u.ID, form.Get("remove"), env)
		kind, said = notify.FactorRemoved, pages.DoneGone
	case form.Has("usercode"):
		return s.changeUserCode(w, r, u, v)
	case form.Has("test"):
		return s.testPush(w, r, u.ID, v)
	default:
		return true, s.to(w, approversPage)
	}
	if errors.Is(err, authn.ErrOff) || errors.Is(err, authn.ErrFull) || errors.Is(err, store.ErrNotFound) { // the page shows how it is
		return true, s.to(w, approversPage)
	}
	if err != nil {
		return true, err
	}
	s.changed(r, u.ID, kind, pages.FactorApprover, name)
	return true, s.to(w, approversPage+"?done="+string(said))
}

// changeUserCode sets, changes or removes what the person tells clients that may ask them. CIBA Core §7.1 (user_code).
func (s *Server) changeUserCode(w http.ResponseWriter, r *http.Request, u authn.User, v *pages.Approvers) (done bool, err error) {
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	had, err := s.opt.Authn.UserCodeAt(ctx, u.ID)
	if err != nil {
		return true, err
	}
	kind, said := notify.FactorChanged, pages.DoneCodeSet
	switch {
	case r.PostForm.Get("usercode") == "set":
		if had.IsZero() {
			kind = notify.FactorAdded
		}
		err = s.opt.Authn.SetUserCode(ctx, u, r.PostForm.Get("secret"), env)
	case had.IsZero():
		return true, s.to(w, approversPage)
	default:
		kind, said = notify.FactorRemoved, pages.DoneCodeGone
		err = s.opt.Authn.RemoveUserCode(ctx, u.ID, env)
	}
	if weak, ok := errors.AsType[authn.WeakPassword](err); ok {
		v.CodeFault = pages.CodeFaults[weak.Codes[0]]
		return false, nil
	}
	if err != nil {
		return true, err
	}
	s.changed(r, u.ID, kind, pages.FactorUserCode, "")
	return true, s.to(w, approversPage+"?done="+string(said))
}

// testPush tells one device that it can be told. Where that fails the page says so.
func (s *Server) testPush(w http.ResponseWriter, r *http.Request, user ident.UserID, v *pages.Approvers) (done bool, err error) {
	list, err := s.opt.Authn.Approvers(r.Context(), user)
	if err != nil {
		return true, err
	}
	for _, a := range list {
		if a.ID == r.PostForm.Get("test") && s.opt.Push != nil {
			if err := s.opt.Push.Test(r.Context(), a); err == nil {
				return true, s.to(w, approversPage+"?done="+string(pages.DoneTested))
			}
			v.Untested = true
			return false, nil
		}
	}
	return true, s.to(w, approversPage)
}

// subscribe takes where this browser is pushed. It gives nobody a way in, so that a session is enough: a browser that was
// given another address says so by itself.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ceremony(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	sess := current(ctx)
	if sess == nil {
		return elsewhere{authn.StepUp{Need: ident.AAL1}, "/login?to=" + approversPage}
	}
	here, err := s.approverHere(ctx, sess.User, oauth.EnvOf(ctx).Device)
	if err != nil {
		return err
	}
	to := authn.PushTarget{Endpoint: c.fields["endpoint"], P256DH: c.fields["p256dh"], Auth: c.fields["auth"]}
	if here.ID == "" || to.P256DH == "" || webpush.Target(to).Check() != nil {
		return oauth.InvalidRequest("This browser is no approver, or this is no subscription.")
	}
	if err := s.opt.Authn.SetPush(ctx, sess.User, here.ID, to); err != nil {
		return err
	}
	return writeJSON(w, whereTo{To: s.base.Path + approversPage})
}

// PushWriter words pushes, in the language of the person.
func PushWriter() (webpush.Words, error) {
	words, err := locales.Load()
	if err != nil {
		return nil, err
	}
	return func(u authn.User, a authn.Approval) (lang, title, body string) {
		l := locales.Match(localeOf(u))
		app := ""
		if a.Kind == authn.ApproveBackchannel {
			if app = a.App; app == "" {
				app = a.Host
			}
		}
		title, body = pages.PushWords(words, l, a.Handle == "", app, a.Agent, a.Country)
		return string(l), title, body
	}, nil
}

// localeOf is the language of u, or "". OIDC Core §5.1.
func localeOf(u authn.User) (lang string) {
	_ = json.Unmarshal(u.Claims["locale"], &lang)
	return lang
}

// brand is what people call the service.
func (s *Server) brand() string {
	if s.opt.Brand != "" {
		return s.opt.Brand
	}
	return s.words.T(locales.English, "app.name")
}

// manifest makes the page of requests something that a phone puts on its home screen: there browsers of Apple allow pushes.
func (s *Server) manifest(w http.ResponseWriter, _ *http.Request) error {
	brand, base := s.brand(), s.base.Path
	return writeAs(w, "application/manifest+json", map[string]any{"id": base + inbox, "name": brand, "short_name": brand, "start_url": base + inbox, "scope": base + "/",
		"display": "standalone", "icons": []map[string]string{{"src": base + static.Path("icon.svg"), "sizes": "any", "type": "image/svg+xml"}}})
}

// worker is the service worker. It stands at the root, so that all pages are its own, and is never taken from a cache.
func (s *Server) worker(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'")
	_, err := w.Write(static.Text("sw.js"))
	return err
}

// pushedTo are the names of the devices that are asked when env asks.
func pushedTo(list []authn.Approver, env ident.Env) (names []string) {
	for _, a := range list {
		if a.Kind != authn.ApproverBrowser || a.Device != env.Device {
			names = append(names, a.Name)
		}
	}
	return names
}
