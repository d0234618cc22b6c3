package backchannel

import (
	"context"
	"errors"
	"slices"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// had is what user allowed c before; the zero Consent where that is nothing. What was said to another host does not carry over.
func (s *CIBA) had(ctx context.Context, c *oauth.Client, user ident.UserID) (oauth.Consent, error) {
	had, err := s.opt.Consents.Consent(ctx, user, c.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.Consent{}, oauth.Unavailable(err)
	}
	if err != nil || had.Host != c.Host() {
		return oauth.Consent{}, nil
	}
	return had, nil
}

// grantable drops offline_access where the client could not use it. OIDC Core §11.
func grantable(c *oauth.Client, scope []string) []string {
	if c.Allows("refresh_token") {
		return slices.Clone(scope)
	}
	return missing(scope, []string{"offline_access"})
}

// missing is what of want is not in have.
func missing(want, have []string) (out []string) {
	for _, v := range want {
		if !slices.Contains(have, v) && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// unallowed is the scope and the resources that the person of r did not allow its client yet: what they are shown, and allow
// by approving. What they declined before is not asked for again by itself, as on the consent page.
func (s *CIBA) unallowed(ctx context.Context, c *oauth.Client, r *oauth.CIBARequest) (scope, resources []string, err error) {
	if c.SkipConsent {
		return nil, nil, nil
	}
	had, err := s.had(ctx, c, r.User)
	if err != nil {
		return nil, nil, err
	}
	return missing(missing(grantable(c, r.Scope), had.Scope), had.Declined), missing(r.Resources, had.Resources), nil
}

// allowed is what of the requested scope and resources the person gives by approving: what they allowed before and still do,
// and what they were shown, which is remembered. A program that approves in their place allows nothing. RFC 6749 §3.3.
func (s *CIBA) allowed(ctx context.Context, c *oauth.Client, r *oauth.CIBARequest, person bool, env ident.Env) (scope, resources []string, err error) {
	scope = grantable(c, r.Scope)
	if c.SkipConsent {
		return scope, r.Resources, nil
	}
	had, err := s.had(ctx, c, r.User)
	if err != nil {
		return nil, nil, err
	}
	if person && r.Host == c.Host() && len(r.Shown)+len(r.ShownAt) > 0 {
		if err := s.remember(ctx, c, r, &had, env); err != nil {
			return nil, nil, err
		}
	}
	scope = slices.DeleteFunc(scope, func(v string) bool { return v != "openid" && !slices.Contains(had.Scope, v) })
	resources = slices.DeleteFunc(slices.Clone(r.Resources), func(v string) bool { return !slices.Contains(had.Resources, v) })
	return scope, resources, nil
}

// remember adds to had what the person of r was shown, as the consent page does with what is ticked there.
func (s *CIBA) remember(ctx context.Context, c *oauth.Client, r *oauth.CIBARequest, had *oauth.Consent, env ident.Env) error {
	e := audit.Event{Type: "consent.given", Outcome: audit.OK, Actor: "user", User: r.User, Client: c.ID, Device: env.Device, Request: env.RequestID,
		Data: map[string]string{"handle": r.Approval}}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	now := s.opt.Now()
	if had.CreatedAt.IsZero() {
		had.CreatedAt = now
	}
	had.User, had.Client, had.Host, had.UpdatedAt = r.User, c.ID, r.Host, now
	had.Scope = append(had.Scope, missing(r.Shown, had.Scope)...)
	had.Resources = append(had.Resources, missing(r.ShownAt, had.Resources)...)
	had.Declined = missing(had.Declined, r.Shown)
	if err := s.opt.Consents.PutConsent(ctx, *had); err != nil {
		return oauth.Unavailable(err)
	}
	return nil
}
