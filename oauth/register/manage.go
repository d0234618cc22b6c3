package register

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// Manage lets a client read, replace or end its registration, with the token that came with it; the request's path has the
// value "client". RFC 7592 §2.
func (s *Service) Manage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	c, token, err := s.owner(ctx, r)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPut:
		return s.update(w, r, c, token)
	case http.MethodDelete:
		return s.remove(ctx, w, c)
	}
	return s.answer(w, http.StatusOK, c, "", token)
}

// owner is the client of the path, if the request holds its registration access token. An unknown client and a wrong
// token give the same answer. RFC 7592 §2.
func (s *Service) owner(ctx context.Context, r *http.Request) (*oauth.Client, string, error) {
	refused := oauth.InvalidToken("The registration access token is not that of this client.")
	token, ok := bearer(r)
	if !ok || !strings.HasPrefix(token, tokenPrefix) {
		return nil, "", refused
	}
	id := ident.ClientID(r.PathValue("client"))
	if err := s.opt.Registry.Refresh(ctx); err != nil { // one that an operator deleted just now must not come back by an update
		return nil, "", oauth.Unavailable(err)
	}
	c, err := s.opt.Registry.Client(id)
	if err != nil || c.Origin != oauth.ByRegistration {
		_ = oauth.SecretMatches(s.opt.SecretKeys(), oauth.HashSecret([]byte{0}, "", ""), id, token) // same work as for a known one
		return nil, "", refused
	}
	if !oauth.SecretMatches(s.opt.SecretKeys(), c.ManagementHash, id, token) {
		return nil, "", refused
	}
	return c, token, nil
}

// update replaces the whole registration: what is left out goes back to its default. RFC 7592 §2.2.
func (s *Service) update(w http.ResponseWriter, r *http.Request, old *oauth.Client, token string) error {
	ctx := r.Context()
	m, err := read(r)
	if err != nil {
		return err
	}
	var id, secret string
	if json.Unmarshal(m["client_id"], &id) != nil || id != string(old.ID) {
		return oauth.InvalidMetadata("client_id must be that of this client.")
	}
	if raw, ok := m["client_secret"]; ok {
		if json.Unmarshal(raw, &secret) != nil || !oauth.SecretMatches(s.opt.SecretKeys(), old.SecretHash, old.ID, secret) {
			return oauth.InvalidMetadata("client_secret must be the one that was issued, or left out.")
		}
	}
	allow := s.opt.Allow
	allow.Profile = old.Profile
	c, err := s.client(ctx, &allow, m, old.Statement)
	if err != nil {
		return err
	}
	c.Keep(old)
	if secret, err = s.credential(c); err != nil {
		return err
	}
	if c, err = allow.Check(c); err != nil {
		return err
	}
	if err := s.keep(ctx, c, "client.updated", ""); err != nil {
		return err
	}
	return s.answer(w, http.StatusOK, c, secret, token)
}

// remove deletes the client and revokes what it was granted. RFC 7592 §2.3.
func (s *Service) remove(ctx context.Context, w http.ResponseWriter, c *oauth.Client) error {
	if err := s.record(ctx, "client.deleted", c.ID, ""); err != nil {
		return err
	}
	if err := s.opt.Store.DeleteClient(ctx, string(c.ID), s.opt.Now().UTC()); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.Unavailable(err)
	}
	if err := s.opt.Registry.Refresh(ctx); err != nil {
		return oauth.Unavailable(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
