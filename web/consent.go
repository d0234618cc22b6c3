package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
)

func itoa(n int) string { return strconv.Itoa(n) }

// consent asks the person whether the client may have what it asks for.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if f.live == nil {
		return authorize.ErrGone
	}
	ctx := r.Context()
	step, err := s.opt.Authorize.Next(ctx, f.live)
	if err != nil {
		return err
	}
	if step.Err != nil || step.Kind != authorize.Consent { // not this page's turn, whatever was posted
		return s.onward(ctx, w, f.live)
	}
	if r.Method != http.MethodPost {
		return s.consentPage(w, r, f, step)
	}
	if !s.genuine(r, f.about()) {
		return errForged
	}
	allow := r.PostForm.Get("decision") == "allow"
	if !allow && r.PostForm.Get("decision") != "deny" {
		return s.consentPage(w, r, f, step)
	}
	scope := chosen(&f.live.Request, step, r.PostForm["allow"])
	if len(scope) == 0 && len(f.live.Request.Scope) > 0 { // everything was unticked: that is a no
		allow = false
	}
	if err := s.opt.Authorize.Decide(ctx, f.live, allow, scope); err != nil {
		return err
	}
	return s.onward(ctx, w, f.live)
}

// essential is the scope without which a sign-in is none: it cannot be unticked. OIDC Core §3.1.2.1.
const essential = "openid"

// asked says whether the page asks for a scope: it was not allowed before, or all is asked for again.
func asked(q *oauth.Request, step authorize.Step, scope string) bool {
	return slices.Contains(step.New, scope) || slices.Contains(step.Declined, scope) || q.Has("consent")
}

// chosen is what the person allows of what was requested: what was allowed before and is not asked for again, what cannot
// be unticked, and what was ticked. What was not requested is no choice.
func chosen(q *oauth.Request, step authorize.Step, ticked []string) (out []string) {
	for _, sc := range q.Scope {
		if sc == essential || !asked(q, step, sc) || slices.Contains(ticked, sc) {
			out = append(out, sc)
		}
	}
	return out
}

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request, f *flow, step authorize.Step) error {
	q := &f.live.Request
	u, err := s.opt.Users.User(r.Context(), step.Session.User)
	if err != nil {
		return err
	}
	v := pages.Consent{Form: s.form(r, f), Client: s.party(r, f), Account: u.Username,
		SwitchURL: s.base.Path + "/login?" + f.query() + "&switch=1", Resources: q.Resources, Claims: q.Claims.Names(),
		HostBefore: step.HostBefore}
	lang := s.language(r, joinSpaces(q.UILocales))
	for _, sc := range q.Scope {
		perm := s.permission(sc, lang)
		perm.Optional, perm.Unticked = sc != essential, slices.Contains(step.Declined, sc)
		switch {
		case sc == "offline_access" && !f.live.Client.Allows("refresh_token"): // it would be of no use
		case asked(q, step, sc):
			v.Asks = append(v.Asks, perm)
		default:
			v.Has = append(v.Has, perm)
		}
	}
	if to, err := url.Parse(q.RedirectURI); err == nil {
		v.ReturnHost = to.Host
	}
	return s.answer(w, r, http.StatusOK, v, f.live)
}

// permission is a scope in the words of the resource that it belongs to.
func (s *Server) permission(scope string, lang locales.Lang) pages.Permission {
	words := s.opt.Registry.Words(scope)
	if lang == locales.Chinese {
		return pages.Permission{Scope: scope, Text: words.Zh}
	}
	return pages.Permission{Scope: scope, Text: words.En}
}

// proceed completes an interaction: the last page that a person sees of us.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request) error {
	f, err := s.flow(r)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if f.live == nil {
		return authorize.ErrGone
	}
	answer, step, err := s.opt.Authorize.Finish(r.Context(), f.live)
	if err != nil {
		return s.finished(w, r, f, err)
	}
	if answer == nil {
		return s.to(w, step.Kind.Path(f.live.ID))
	}
	return s.send(w, r, f, *answer)
}
