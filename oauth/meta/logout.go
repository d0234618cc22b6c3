package meta

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
)

// Logout is a request to end a session, as far as it can be believed. OpenID Connect RP-Initiated Logout §2.
type Logout struct {
	Client  *oauth.Client   // who asks; nil if nobody says so credibly
	Session ident.SessionID // the session that a genuine id_token_hint names; "" without one
	Subject string          // as that client knows the person
	Return  string          // where the browser goes afterwards: registered, with state; "" for our own page
	Fault   *oauth.Error    // the request is wrong: nothing is redirected, and the person decides
}

// Frame is the page of a client that forgets a session, to be shown in a frame, and its origin.
type Frame struct{ URL, Origin string }

// ReadLogout reads the parameters of the logout endpoint. A hint that is not an ID token of ours, a client_id that is not
// its audience, or a post_logout_redirect_uri that is not registered make a Fault, never a redirect.
func (s *Service) ReadLogout(form url.Values) Logout {
	var l Logout
	for _, p := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		limit := 4 << 10
		if p == "id_token_hint" {
			limit = 16 << 10
		}
		if len(form[p]) > 1 || len(url.QueryEscape(form.Get(p))) > limit { // state has to fit into the URL that answers
			l.Fault = oauth.InvalidRequest("The parameter %s is repeated or too long.", p)
			return l
		}
	}
	id := ident.ClientID(form.Get("client_id"))
	if tok := form.Get("id_token_hint"); tok != "" {
		h, err := s.opt.Issue.ReadHint(tok)
		if err != nil {
			l.Fault = oauth.InvalidRequest("id_token_hint is not an ID token of this server.").Because(err)
			return l
		}
		if id == "" {
			id = ident.ClientID(h.Audience[0])
		}
		if !slices.Contains(h.Audience, string(id)) {
			l.Fault = oauth.InvalidRequest("client_id is not the client of the id_token_hint.")
			return l
		}
		l.Session, l.Subject = h.Session, h.Subject
	}
	if id != "" {
		c, err := s.opt.Registry.Client(id)
		if err != nil {
			l.Fault = oauth.InvalidRequest("The client is not known here.")
			return l
		}
		l.Client = c
	}
	to := form.Get("post_logout_redirect_uri")
	if to == "" {
		return l
	}
	if l.Client == nil || !l.Client.PostLogout(to) {
		l.Fault = oauth.InvalidRequest("post_logout_redirect_uri is not registered for this client.")
		return l
	}
	if state := form.Get("state"); state != "" {
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		to += sep + url.Values{"state": {state}}.Encode()
	}
	l.Return = to
	return l
}

// Frames are the pages of the clients that were granted something in the session and want to hear of its end from the
// browser. Each is told issuer and session, whether it asked for that or not. OpenID Connect Front-Channel Logout §2, §3.
func (s *Service) Frames(ctx context.Context, id ident.SessionID) ([]Frame, error) {
	if id == "" {
		return nil, nil
	}
	clients, err := s.opt.Logouts.LogoutClients(ctx, id)
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	var out []Frame
	for _, cid := range clients {
		c, err := s.opt.Registry.Client(cid)
		if err != nil || c.FrontchannelLogout == "" {
			continue
		}
		u, err := url.Parse(c.FrontchannelLogout)
		if err != nil {
			continue
		}
		sep := "?"
		if strings.Contains(c.FrontchannelLogout, "?") {
			sep = "&"
		}
		q := url.Values{"iss": {s.opt.Issue.Issuer()}, "sid": {string(id)}}
		out = append(out, Frame{URL: c.FrontchannelLogout + sep + q.Encode(), Origin: u.Scheme + "://" + u.Host})
	}
	return out, nil
}

// End ends a session and with it everything that derives from it. A session that is gone is no error.
func (s *Service) End(ctx context.Context, id ident.SessionID, reason string) error {
	if id == "" {
		return nil
	}
	if err := s.opt.Sessions.End(ctx, id, reason); err != nil && !errors.Is(err, sessions.ErrNone) {
		return oauth.Unavailable(err)
	}
	return nil
}
