package main

import (
	"context"
	"fmt"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/register"
)

type clientInviteCmd struct {
	configFlags
	outputFlags
	Uses    int      `default:"1" help:"How many clients may be registered with it."`
	Expires Duration `default:"1h" help:"How long it can be used."`
	Profile string   `help:"The profile of the clients that come by it; that of the configuration if not given."`
}

// Run makes an initial access token. RFC 7591 §3.
func (c clientInviteCmd) Run(t *terminal) error {
	if c.Uses < 1 || c.Uses > register.MaxUses {
		return usage("--uses must be 1 to %d", register.MaxUses)
	}
	if c.Expires <= 0 || c.Expires.D() > 90*day {
		return usage("--expires must be up to 90d")
	}
	if p, ok := oauth.PolicyOf(c.Profile); !ok || p.Needs != "" {
		return usage("--profile %s is none that this server offers", c.Profile)
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		if h.cfg.Registration.Mode == "off" {
			return fmt.Errorf("nobody can register clients: set registration.mode to token or open")
		}
		if err := h.record(ctx, audit.Event{Type: "client.invited", Data: map[string]string{"uses": fmt.Sprint(c.Uses), "profile": c.Profile, "expires": c.Expires.String()}}); err != nil {
			return err
		}
		expires := clock().UTC().Add(c.Expires.D())
		token, err := register.Invite{Profile: c.Profile, Uses: c.Uses}.Issue(ctx, h.ephemeral(), random, expires)
		if err != nil {
			return err
		}
		at, stamp := h.cfg.Issuer+"/register", expires.Format("2006-01-02T15:04:05Z")
		if c.Output == "table" {
			fmt.Fprintln(t.err, "Keep the token now: it is not stored and cannot be shown again. It goes into the Authorization header, as Bearer.")
		}
		return c.print(t.out, table{rows: [][]string{{"initial_access_token", token}, {"registration_endpoint", at}, {"expires_at", stamp}},
			json: map[string]string{"initial_access_token": token, "registration_endpoint": at, "expires_at": stamp}})
	})
}
