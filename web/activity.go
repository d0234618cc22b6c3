package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web/pages"
)

// activity is /account/activity, by cursor. What is chosen stands in the URL, and stays from page to page.
func (s *Server) activity(w http.ResponseWriter, r *http.Request) error {
	sess, u, err := s.owner(w, r)
	if sess == nil || err != nil {
		return err
	}
	q := r.URL.Query()
	filter := pages.FilterOf(q.Get("kind"), q.Get("outcome"))
	before := s.opt.Now().Add(time.Minute)
	if us, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && us > 0 {
		before = time.UnixMicro(us)
	}
	const size = 50
	events, older, err := s.events(r, sess, filter, before, size)
	if err != nil {
		return err
	}
	v := pages.Activity{Account: s.account(r, u), Filter: filter, Events: events}
	if !older.IsZero() {
		next := url.Values{"before": {strconv.FormatInt(older.UnixMicro(), 10)}}
		if filter.Kind != "" {
			next.Set("kind", filter.Kind)
		}
		if filter.Outcome != "" {
			next.Set("outcome", filter.Outcome)
		}
		v.Older = s.base.Path + "/account/activity?" + next.Encode()
	}
	return s.answer(w, r, http.StatusOK, v, nil)
}

// How much of a person's trail is read for one page: what a filter leaves out is read too.
const (
	trailPage  = 200
	trailPages = 10
)

// events returns up to limit things that happened to the person of sess before a time and that filter takes, newest
// first, and where the next ones begin; zero where there are none.
func (s *Server) events(r *http.Request, sess *sessions.Session, filter pages.Filter, before time.Time, limit int) (out []pages.Event, older time.Time, err error) {
	disowned := map[ident.SessionID]bool{}
	for range trailPages {
		entries, err := s.opt.History.AuditOfUser(r.Context(), sess.User, before, trailPage)
		if err != nil {
			return nil, older, err
		}
		for i, e := range entries {
			ev, err := e.Event()
			if err != nil {
				return nil, older, err
			}
			before = e.At
			if ev.Type == "notice.disowned" {
				disowned[ev.Session] = true
			}
			pe := s.event(r, ev, e.At)
			if signIn(ev) && !disowned[ev.Session] {
				pe.Report = s.base.Path + reportURL(ev.Session, e.At)
			}
			if !filter.Takes(pe) {
				continue
			}
			if out = append(out, pe); len(out) == limit {
				if i < len(entries)-1 || len(entries) == trailPage {
					older = e.At
				}
				return out, older, nil
			}
		}
		if len(entries) < trailPage {
			return out, older, nil
		}
	}
	return out, before, nil
}

// event is one entry of the trail as the person sees it.
func (s *Server) event(r *http.Request, ev audit.Event, at time.Time) pages.Event {
	pe := pages.Event{Type: ev.Type, Outcome: string(ev.Outcome), At: at, Device: sessions.FamilyOf(ev.Agent), Country: ev.Data["country"], IP: ev.IP, Action: ev.Data["action"]}
	if strings.HasPrefix(ev.Type, "session.") {
		pe.Device = ev.Agent // sessions keep the family only
	}
	if ev.Type == "risk.decided" && ev.Reason == string(riskstep.ReasonAction) && pe.Action == riskstep.StepUp.String() {
		pe.Outcome = string(audit.OK) // an application asked for more: nothing was unusual
	}
	if c, err := s.opt.Registry.Client(ev.Client); err == nil {
		pe.App = c.DisplayName(string(s.language(r, "")))
	}
	return pe
}

// signIn says whether an event is somebody's coming in, of which its owner may say that it was not them.
func signIn(ev audit.Event) bool {
	return ev.Session != "" && (ev.Type == "session.started" || ev.Type == "session.raised")
}

// reportURL is where the owner says of a sign-in that it was not them, below the base.
func reportURL(id ident.SessionID, at time.Time) string {
	return "/not-me?" + url.Values{"s": {string(id)}, "at": {strconv.FormatInt(at.UnixMicro(), 10)}}.Encode()
}

// signInOf finds the sign-in of a person that a reportURL names; store.ErrNotFound.
func (s *Server) signInOf(ctx context.Context, user ident.UserID, q url.Values) (audit.Event, time.Time, error) {
	us, err := strconv.ParseInt(q.Get("at"), 10, 64)
	if err != nil || us <= 0 || us > 1<<53 {
		return audit.Event{}, time.Time{}, store.ErrNotFound
	}
	entries, err := s.opt.History.AuditOfUser(ctx, user, time.UnixMicro(us+1), 8)
	if err != nil {
		return audit.Event{}, time.Time{}, err
	}
	for _, e := range entries {
		ev, err := e.Event()
		if err != nil {
			return audit.Event{}, time.Time{}, err
		}
		if signIn(ev) && e.At.UnixMicro() == us && string(ev.Session) == q.Get("s") {
			return ev, e.At, nil
		}
	}
	return audit.Event{}, time.Time{}, store.ErrNotFound
}
