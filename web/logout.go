package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/web/pages"
)

// logout is the logout endpoint, and the form that confirms it. OpenID Connect RP-Initiated Logout §2, §3.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		form = r.PostForm
	}
	ctx := r.Context()
	req := s.opt.Meta.ReadLogout(form)
	if req.Fault != nil {
		return req.Fault
	}
	sess := current(ctx)
	confirmed := r.Method == http.MethodPost && form.Has("csrf")
	switch {
	case confirmed && !s.genuine(r, "logout"):
		return errForged
	case confirmed && form.Get("decision") == "stay":
		return s.to(w, "/account")
	case confirmed && sess != nil:
		return s.signOut(w, r, sess.ID, "logout", req.Client, req.Return)
	case req.Session != "" && (sess == nil || sess.ID == req.Session):
		return s.signOut(w, r, req.Session, "logout", req.Client, req.Return)
	case sess == nil:
		return s.signOut(w, r, "", "logout", req.Client, "")
	}
	v := pages.Logout{Form: pages.Form{CSRF: s.csrf(r, "logout")}}
	for _, p := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if form.Has(p) {
			v.Hidden = append(v.Hidden, pages.Field{Name: p, Value: form.Get(p)})
		}
	}
	if req.Client != nil {
		v.Client = pages.Party{Name: req.Client.DisplayName(string(s.language(r, ""))), Host: req.Client.Host()}
	}
	if u, err := s.opt.Users.User(ctx, sess.User); err == nil {
		v.Account = u.Username
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// signOut ends the session id (none for ""), forgets it in this browser, lets the pages of clients that want it forget it,
// too, and leads where the client asked, or to our own page. What clients have to be told by back channel is queued by then.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, id ident.SessionID, reason string, c *oauth.Client, to string) error {
	ctx := r.Context()
	list, err := s.opt.Meta.Frames(ctx, id)
	if err != nil {
		return err
	}
	if err := s.opt.Meta.End(ctx, id, reason); err != nil {
		return err
	}
	s.setCookie(w, sessionCookie, "", 0)
	s.setState(w, nil)
	w.Header().Set("Clear-Site-Data", `"cache"`) // not "storage": the key of the device stays, as its cookie does
	frames, err := framed(w.Header(), list)
	if err != nil {
		return err
	}
	var party pages.Party
	if c != nil {
		party = pages.Party{Name: c.DisplayName(string(s.language(r, ""))), Host: c.Host()}
	}
	if to == "" {
		return s.answer(w, r, http.StatusOK, pages.SignedOut{Client: party, Frames: frames}, nil)
	}
	form := r.Method == http.MethodPost && r.PostForm.Has("csrf") // our own: see send
	if len(frames) > 0 || form {
		back, err := pages.Registered(to)
		if err != nil {
			return err
		}
		return s.answer(w, r, http.StatusOK, pages.SigningOut{To: back, Client: party, Frames: frames}, nil)
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// framed lets a page hold the frames in list, and no others.
func framed(h http.Header, list []meta.Frame) ([]pages.Redirect, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var frames []pages.Redirect
	var origins []string
	for _, f := range list {
		to, err := pages.Registered(f.URL)
		if err != nil {
			return nil, err
		}
		frames = append(frames, to)
		if !slices.Contains(origins, f.Origin) {
			origins = append(origins, f.Origin)
		}
	}
	h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; frame-src "+strings.Join(origins, " "))
	return frames, nil
}
