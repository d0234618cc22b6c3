package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/pages"
)

// owner is the person whose account pages are asked for; nil sends the browser to sign in first.
func (s *Server) owner(w http.ResponseWriter, r *http.Request) (*sessions.Session, authn.User, error) {
	sess := current(r.Context())
	if sess == nil {
		to := "/login?to=" + strings.TrimPrefix(r.URL.Path, s.base.Path)
		return nil, authn.User{}, s.to(w, to)
	}
	u, err := s.opt.Users.User(r.Context(), sess.User)
	return sess, u, err
}

func (s *Server) account(r *http.Request, u authn.User) pages.Account {
	name := u.Username
	var full string
	if json.Unmarshal(u.Claims["name"], &full) == nil && full != "" {
		name = full
	}
	return pages.Account{CSRF: s.csrf(r, "account"), Name: name, Done: pages.DoneOf(r.URL.Query().Get("done"))}
}

// overview is /account.
func (s *Server) overview(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	ctx := r.Context()
	list, err := s.opt.Sessions.List(ctx, u.ID)
	if err != nil {
		return err
	}
	apps, err := s.opt.Consents.Consents(ctx, u.ID)
	if err != nil {
		return err
	}
	factors, err := s.opt.Authn.Factors(ctx, u.ID)
	if err != nil {
		return err
	}
	events, _, err := s.events(r, sess, pages.Filter{}, s.opt.Now().Add(time.Minute), 5)
	if err != nil {
		return err
	}
	v := pages.Overview{Account: s.account(r, u), Username: u.Username, Email: u.Email, Passkeys: factors.Passkeys, Password: factors.Password,
		NoPassword: !s.opt.Passwords, TOTP: factors.OTP, Sessions: len(list), Apps: len(apps), Recent: events}
	approvers, err := s.opt.Authn.Approvers(ctx, u.ID)
	if err != nil {
		return err
	}
	v.Approvers = len(approvers)
	if v.CodesLeft, v.CodesOf, err = s.opt.Authn.RecoveryCodesLeft(ctx, u.ID); err != nil {
		return err
	}
	v.StopCSRF = s.csrf(r, aboutNotMe)
	if v.Alerts, err = s.alerts(r, sess, factors); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// sessions is /account/sessions: where the person is signed in, and the buttons that end it.
func (s *Server) sessions(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return s.endSessions(w, r, sess)
	}
	ctx := r.Context()
	list, err := s.opt.Sessions.List(ctx, u.ID)
	if err != nil {
		return err
	}
	grants, err := s.opt.Grants.GrantsOf(ctx, u.ID, "", s.opt.Now())
	if err != nil {
		return err
	}
	kept, err := s.keysOf(ctx, u.ID)
	if err != nil {
		return err
	}
	apps, lang := map[ident.SessionID][]string{}, string(s.language(r, ""))
	for _, g := range grants {
		if c, err := s.opt.Registry.Client(g.Client); err == nil && !slices.Contains(apps[g.Session], c.DisplayName(lang)) {
			apps[g.Session] = append(apps[g.Session], c.DisplayName(lang))
		}
	}
	return s.answer(w, r, http.StatusOK, pages.Sessions{Account: s.account(r, u), Devices: bound(devices(list, sess, apps), list, kept), Keeps: s.opt.Access}, nil)
}

// devices groups sessions by device, the one at hand first.
func devices(list []sessions.Session, here *sessions.Session, apps map[ident.SessionID][]string) []pages.Device {
	var out []pages.Device
	at := map[ident.DeviceID]int{}
	for _, v := range list {
		i, ok := at[v.Device]
		if !ok {
			i = len(out)
			at[v.Device] = i
			out = append(out, pages.Device{Name: v.Agent})
		}
		ps := pages.Session{ID: string(v.ID), Current: v.ID == here.ID, Country: v.LastCountry, CreatedAt: v.CreatedAt, LastSeen: v.LastSeen, Apps: apps[v.ID]}
		if v.Country != v.LastCountry {
			ps.From = v.Country
		}
		if !ps.Current {
			ps.Far = far(here.LastSpot, v.LastSpot)
		}
		for _, m := range v.AMR {
			ps.AMR = append(ps.AMR, string(m))
		}
		out[i].Current = out[i].Current || ps.Current
		out[i].Sessions = append(out[i].Sessions, ps)
	}
	slices.SortStableFunc(out, func(a, b pages.Device) int {
		switch {
		case a.Current == b.Current:
			return 0
		case a.Current:
			return -1
		}
		return 1
	})
	return out
}

func (s *Server) endSessions(w http.ResponseWriter, r *http.Request, here *sessions.Session) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if !s.genuine(r, "account") {
		return errForged
	}
	ctx := r.Context()
	if r.PostForm.Get("others") != "" {
		if _, err := s.opt.Sessions.EndAll(ctx, here.User, here.ID, "owner"); err != nil {
			return err
		}
		if err := s.forgetKeys(ctx, here.User, onAny); err != nil {
			return err
		}
		return s.to(w, "/account/sessions?done="+string(pages.DoneOthersOut))
	}
	id := ident.SessionID(r.PostForm.Get("session"))
	v, err := s.opt.Sessions.Alive(ctx, id)
	if errors.Is(err, sessions.ErrNone) || err == nil && v.User != here.User { // another person's is as good as none
		return s.to(w, "/account/sessions")
	}
	if err != nil {
		return err
	}
	if id == here.ID {
		return s.signOut(w, r, id, "owner", nil, "")
	}
	if err := s.opt.Meta.End(ctx, id, "owner"); err != nil {
		return err
	}
	if err := s.forgetKeys(ctx, here.User, func(d ident.DeviceID) bool { return d == v.Device }); err != nil {
		return err
	}
	return s.to(w, "/account/sessions?done="+string(pages.DoneSignedOut))
}

// apps is /account/apps: what the person allowed, and the button that takes it back.
func (s *Server) apps(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return s.withdraw(w, r, sess)
	}
	list, err := s.opt.Consents.Consents(r.Context(), u.ID)
	if err != nil {
		return err
	}
	lang := s.language(r, "")
	v := pages.Apps{Account: s.account(r, u)}
	for _, c := range list {
		app := pages.App{ID: string(c.Client), Client: pages.Party{Name: string(c.Client), Host: c.Host}, Since: c.CreatedAt,
			Offline: slices.Contains(c.Scope, "offline_access")}
		for _, scope := range c.Scope {
			if scope != "offline_access" {
				app.Has = append(app.Has, s.permission(scope, lang))
			}
		}
		if cl, err := s.opt.Registry.Client(c.Client); err == nil {
			app.Client.Name = cl.DisplayName(string(lang))
		}
		v.Apps = append(v.Apps, app)
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, here *sessions.Session) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if !s.genuine(r, "account") {
		return errForged
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	client := ident.ClientID(r.PostForm.Get("client"))
	if err := s.opt.Audit.Record(ctx, audit.Event{Type: "consent.withdrawn", Outcome: audit.OK, Actor: "user", User: here.User, Client: client,
		Session: here.ID, IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	if err := s.opt.Consents.WithdrawConsent(ctx, here.User, client, s.opt.Now()); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return s.to(w, "/account/apps?done="+string(pages.DoneWithdrawn))
}
