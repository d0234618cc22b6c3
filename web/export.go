package web

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
)

// exported is what a person gets of their own data. GDPR Art. 20.
type exported struct {
	User     authn.User         `json:"user"`
	Passkeys []authn.Passkey    `json:"passkeys"`
	Sessions []sessions.Session `json:"sessions"`
	Consents []oauth.Consent    `json:"consents"`
	Activity []audit.Event      `json:"activity"` // the latest thousand
}

// confirmExport is where the proof is given that a download needs.
var confirmExport = "/login?" + url.Values{"to": {exportPage}}.Encode()

// export is /account/export: everything that is known of the person, as a file of JSON. Secrets are not in it. Who takes
// over a session must not get it all, so that a fresh proof is needed.
func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	if acct.ConfirmURL != "" {
		return s.to(w, confirmExport)
	}
	ctx, env := r.Context(), oauth.EnvOf(r.Context())
	e := audit.Event{Type: "data.exported", Outcome: audit.OK, Actor: "user", User: u.ID, Session: sess.ID, Device: env.Device, Agent: env.UserAgent,
		Request: env.RequestID}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	out := exported{User: u}
	if out.Passkeys, err = s.opt.Authn.Passkeys(ctx, u.ID); err != nil {
		return err
	}
	if out.Sessions, err = s.opt.Sessions.List(ctx, u.ID); err != nil {
		return err
	}
	if out.Consents, err = s.opt.Consents.Consents(ctx, u.ID); err != nil {
		return err
	}
	entries, err := s.opt.History.AuditOfUser(ctx, u.ID, s.opt.Now().Add(day), 1000)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ev, err := e.Event()
		if err != nil {
			return err
		}
		out.Activity = append(out.Activity, ev)
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	_, err = w.Write(b)
	return err
}
