package web

import (
	"net/http"

	"github.com/postern-id/postern/oauth"
)

// decideScope is what a client needs to decide requests in the place of people, for tests.
const decideScope = "postern:decide"

// decide lets a program decide a request by back channel. It is not there unless an operator switched it on.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) error {
	if !s.opt.Decisions {
		return errNotFound
	}
	if err := oauth.ParseForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	by, err := s.opt.Meta.Own(ctx, r, decideScope)
	if err != nil {
		return err
	}
	action := r.PostForm.Get("action")
	if action != "allow" && action != "deny" {
		return oauth.InvalidRequest("action must be allow or deny.")
	}
	if err := s.opt.CIBA.Decide(ctx, by, r.PostForm.Get("auth_req_id"), action == "allow"); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
