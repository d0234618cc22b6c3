package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/pages"
)

const (
	alertFor    = 7 * day // how long something unusual waits for an answer on the overview
	manyFailed  = 5       // failures in that time which are more than slips
	maxSignedIn = 3       // new devices that are told of one by one
)

// alerts are what the owner of sess should look at or stop now, the most urgent first.
func (s *Server) alerts(r *http.Request, sess *sessions.Session, has authn.Factors) (out []pages.Alert, err error) {
	ctx := r.Context()
	switch rec, err := s.opt.Authn.PendingRecovery(ctx, sess.User); {
	case err == nil:
		out = append(out, pages.Alert{What: pages.AlertRecovery, Until: rec.ReadyAt})
	case !errors.Is(err, authn.ErrNoRecovery):
		return nil, err
	}
	late, err := s.lately(ctx, sess)
	if err != nil {
		return nil, err
	}
	for _, e := range late.arrivals[:min(len(late.arrivals), maxSignedIn)] {
		out = append(out, pages.Alert{What: pages.AlertSignIn, NewPlace: e.Data["new_country"] != "", Path: reportURL(e.Session, e.at),
			Context: pages.Context{Device: e.Agent, Country: e.Data["country"], At: e.at}})
	}
	if !late.reported.IsZero() && has.Password && !late.password {
		out = append(out, pages.Alert{What: pages.AlertReported, Path: "/account/password"})
	}
	list, err := s.opt.Authn.Passkeys(ctx, sess.User)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		a := pages.Alert{Name: p.Name, Path: "/account/passkeys"}
		switch {
		case p.Suspect:
			a.What = pages.AlertSuspect
		case p.CreatedAt.Before(late.reported) && p.CreatedAt.After(late.since):
			a.What = pages.AlertAdded
		default:
			continue
		}
		out = append(out, a)
	}
	if late.blocked || late.failed >= manyFailed {
		out = append(out, pages.Alert{What: pages.AlertFailed, Count: late.failed, Path: "/account/activity?outcome=" + pages.OutcomeBad})
	}
	return out, nil
}

// arrival is a sign-in by a new device or from a new place.
type arrival struct {
	audit.Event
	at time.Time
}

// lately is what the trail of the last days says that its owner should know.
type lately struct {
	arrivals []arrival // that nobody answered for, newest first
	failed   int       // sign-ins that failed or were blocked
	blocked  bool      // one of them by the rules
	reported time.Time // when the owner said that something was not them; zero: they did not
	since    time.Time // … and since when somebody else may have been in
	password bool      // it was changed after that
}

// lately reads the trail, newest first. The device at hand cannot answer for itself: what it did is no news on it.
func (s *Server) lately(ctx context.Context, sess *sessions.Session) (out lately, err error) {
	now := s.opt.Now()
	entries, err := s.opt.History.AuditOfUser(ctx, sess.User, now.Add(time.Minute), trailPage)
	if err != nil {
		return out, err
	}
	var answered []ident.SessionID
	for _, e := range entries {
		if now.Sub(e.At) > alertFor {
			break
		}
		ev, err := e.Event()
		if err != nil {
			return out, err
		}
		switch pe := s.eventKind(ev); {
		case ev.Type == "notice.disowned":
			if out.reported.IsZero() {
				out.reported, out.since = e.At, e.At
				if at, err := time.Parse(time.RFC3339, ev.Data["since"]); err == nil {
					out.since = at.Add(-time.Second)
				}
			}
			answered = append(answered, ev.Session)
		case ev.Type == "notice.confirmed":
			answered = append(answered, ev.Session)
		case out.reported.IsZero() && ev.Type == "password.changed":
			out.password = true
		case ev.Type == "session.started" && (ev.Data["new_device"] != "" || ev.Data["new_country"] != ""):
			if ev.Device != sess.Device && e.At.After(out.reported) && !slices.Contains(answered, ev.Session) {
				out.arrivals = append(out.arrivals, arrival{ev, e.At})
			}
		case pe.Failed():
			out.failed++
			out.blocked = out.blocked || pe.Blocked()
		}
	}
	return out, nil
}

func (s *Server) eventKind(ev audit.Event) pages.Event {
	return pages.Event{Type: ev.Type, Outcome: string(ev.Outcome), Action: ev.Data["action"]}
}

// stopRecovery is the button of the overview that stops a recovery.
func (s *Server) stopRecovery(w http.ResponseWriter, r *http.Request, sess *sessions.Session, env ident.Env) error {
	if _, err := s.opt.Authn.CancelRecovery(r.Context(), sess.User, "session", env); err != nil {
		return err
	}
	return s.to(w, "/account?done="+string(pages.DoneStopped))
}
