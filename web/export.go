package web

import (
	"encoding/json"
	"net/http"

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

// export is /account/export: everything that is known of the person, as a file of JSON. Secrets are not in it.
func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	sess, u, acct, err := s.keeper(w, r)
	if sess == nil || err != nil {
		return err
	}
	if acct.ConfirmURL != "" {
		return s.to(w, "/login?to=/account/settings")
	}
	ctx := r.Context()
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
