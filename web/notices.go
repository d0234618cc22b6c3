package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
)

// kinds maps what is told to how the pages word it.
var kinds = map[notify.Kind]pages.MailKind{
	notify.NewDevice: pages.MailNewDevice, notify.NewPlace: pages.MailNewPlace, notify.FactorAdded: pages.MailFactorAdded,
	notify.FactorChanged: pages.MailFactorChanged, notify.FactorRemoved: pages.MailFactorRemoved, notify.PasswordChanged: pages.MailPasswordChanged,
	notify.RecoveryStarted: pages.MailRecoveryRequested, notify.RecoveryReady: pages.MailRecoveryReady,
	notify.RecoveryCancelled: pages.MailRecoveryCancelled, notify.RecoveryDone: pages.MailRecoveryDone, notify.RecoveryCodesLow: pages.MailCodesLow,
}

// tell puts a message for user into the outbox. What it is about is done, or will be: that it cannot be told stops
// nothing here, and the failure is left for the operator's log.
func (s *Server) tell(r *http.Request, user ident.UserID, kind notify.Kind, session ident.SessionID, dedup string, data map[string]string) {
	ctx := r.Context()
	u, err := s.opt.Users.User(ctx, user)
	if err == nil {
		if data == nil {
			data = map[string]string{}
		}
		env := oauth.EnvOf(ctx)
		data[notify.Device] = sessions.FamilyOf(env.UserAgent)
		if data[notify.Country] == "" && env.IP.IsValid() {
			data[notify.Country] = s.opt.Risk.Locate(env.IP).Country
		}
		err = s.opt.Notify.Tell(ctx, u, notify.Note{Kind: kind, Data: data, Session: session, Dedup: dedup})
	}
	if err != nil {
		oauth.Leave(ctx, err)
	}
}

// changed tells the owner of an account that a factor was added, changed or removed.
func (s *Server) changed(r *http.Request, user ident.UserID, kind notify.Kind, factor pages.Factor, name string) {
	s.tell(r, user, kind, "", "", map[string]string{notify.Factor: string(factor), notify.Name: name})
}

// arrived tells the owner of a sign-in on a new device or from a new country, once a device and day.
func (s *Server) arrived(r *http.Request, sess sessions.Session, d riskstep.Decision) {
	data := map[string]string{notify.Country: sess.Country}
	switch day := s.opt.Now().UTC().Format(time.DateOnly); {
	case d.NewCountry():
		s.tell(r, sess.User, notify.NewPlace, sess.ID, string(sess.Device)+sess.Country+day, data)
	case d.NewDevice():
		s.tell(r, sess.User, notify.NewDevice, sess.ID, string(sess.Device)+day, data)
	}
}

// notMe is where the "this was not me" of a mail leads, and that of a sign-in on the person's own pages: a page with a
// button, since scanners of mail follow links. The button ends every session, forgets what was learnt since, and stops a
// recovery.
func (s *Server) notMe(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		q = r.PostForm
		if !s.genuine(r, aboutNotMe) {
			return errForged
		}
	}
	if !q.Has("s") && q.Get("decision") != "stop" {
		return s.notMeByMail(w, r, q.Get("t"))
	}
	return s.notMeByHand(w, r, q)
}

const aboutNotMe = "not-me"

func (s *Server) notMeByMail(w http.ResponseWriter, r *http.Request, secret string) error {
	ctx := r.Context()
	var about notify.About
	var err error
	if r.Method == http.MethodPost {
		about, err = s.opt.Notify.Disown(ctx, secret, oauth.EnvOf(ctx))
	} else {
		about, err = s.opt.Notify.Peek(ctx, secret)
	}
	switch {
	case errors.Is(err, notify.ErrLink):
		return s.answer(w, r, http.StatusBadRequest, pages.Error{Kind: pages.UsedLink}, nil)
	case err != nil:
		return err
	case r.Method == http.MethodPost:
		return s.disowned(w, r, about)
	}
	v := pages.NotMe{Form: pages.Form{CSRF: s.csrf(r, aboutNotMe), Hidden: []pages.Field{{Name: "t", Value: secret}}}, What: kinds[about.Kind],
		Factor: pages.Factor(about.Data[notify.Factor]), Account: about.Data[notify.Account],
		Context: pages.Context{Device: about.Data[notify.Device], Country: about.Data[notify.Country], At: about.At}}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// notMeByHand is it for a sign-in that the person found on their own pages, and for the recovery that the overview tells
// of. What a device did it cannot answer for itself: who came in that way would.
func (s *Server) notMeByHand(w http.ResponseWriter, r *http.Request, q url.Values) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	if r.Method == http.MethodPost && q.Get("decision") == "stop" {
		return s.stopRecovery(w, r, sess, env)
	}
	ev, at, err := s.signInOf(ctx, u.ID, q)
	if errors.Is(err, store.ErrNotFound) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	about := notify.About{User: u.ID, Kind: kindOfSignIn(ev), Session: ev.Session, At: at}
	mayOwn := ev.Device != sess.Device && about.Kind != ""
	switch {
	case r.Method != http.MethodPost:
		v := pages.NotMe{Form: pages.Form{CSRF: s.csrf(r, aboutNotMe), Hidden: []pages.Field{{Name: "s", Value: q.Get("s")}, {Name: "at", Value: q.Get("at")}}},
			What: kinds[about.Kind], Account: u.Username, Mine: mayOwn, Context: pages.Context{Device: ev.Agent, Country: ev.Data["country"], At: at}}
		return s.answer(w, r, http.StatusOK, v, nil)
	case q.Get("decision") == "mine" && mayOwn:
		if err := s.opt.Notify.OwnSignIn(ctx, about, env); err != nil {
			return err
		}
		return s.to(w, "/account?done="+string(pages.DoneOwned))
	}
	if err := s.opt.Notify.DisownSignIn(ctx, about, env); err != nil {
		if errors.Is(err, notify.ErrLink) {
			return s.answer(w, r, http.StatusBadRequest, pages.Error{Kind: pages.UsedLink}, nil)
		}
		return err
	}
	return s.disowned(w, r, about)
}

// kindOfSignIn is what the person was told of a sign-in; "" where it was nothing new.
func kindOfSignIn(ev audit.Event) notify.Kind {
	switch {
	case ev.Type != "session.started":
	case ev.Data["new_country"] != "":
		return notify.NewPlace
	case ev.Data["new_device"] != "":
		return notify.NewDevice
	}
	return ""
}

// disowned does what follows once somebody said that it was not them.
func (s *Server) disowned(w http.ResponseWriter, r *http.Request, about notify.About) error {
	ctx := r.Context()
	if _, err := s.opt.Sessions.EndAll(ctx, about.User, "", "disowned"); err != nil {
		return err
	}
	if err := s.forgetKeys(ctx, about.User, onAny); err != nil {
		return err
	}
	if err := s.opt.Risk.Unlearn(ctx, about.User, about.At); err != nil {
		return err
	}
	if _, err := s.opt.Authn.CancelRecovery(ctx, about.User, "notice", oauth.EnvOf(ctx)); err != nil {
		return err
	}
	s.setCookie(w, sessionCookie, "", 0)
	return s.answer(w, r, http.StatusOK, pages.Notice{What: pages.ToldNotMe}, nil)
}

// outbox is the development page that shows what would have been mailed.
func (s *Server) outbox(w http.ResponseWriter, r *http.Request) error {
	if !s.opt.Dev {
		return errNotFound
	}
	messages, links, err := s.opt.Notify.Outbox(r.Context(), 50)
	if err != nil {
		return err
	}
	var v pages.Outbox
	for i, m := range messages {
		subject, text, _, err := s.opt.Notify.Word(m, links[i])
		if err != nil {
			return err
		}
		mail := pages.OutboxMail{ID: m.ID, To: m.To, Subject: subject, Text: text, At: m.CreatedAt}
		if m.ID == r.URL.Query().Get("m") {
			return s.answer(w, r, http.StatusOK, mail, nil)
		}
		v.Mails = append(v.Mails, mail)
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// setChoice keeps a language or a theme in the browser; "" follows what the browser prefers.
func (s *Server) setChoice(w http.ResponseWriter, cookie, value string) {
	s.setCookie(w, cookie, value, 400*day)
}

// choice is the language that was chosen; "" follows the browser.
func (s *Server) choice(r *http.Request) locales.Lang {
	if c := s.cookie(r, langCookie); c != "" {
		return locales.Match(c)
	}
	return ""
}
