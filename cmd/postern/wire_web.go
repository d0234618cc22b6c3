package main

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/courier"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/logout"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web"
)

// The names of the secrets that the shell derives.
const deriveForms = "forms"

// site is everything that the server serves in public, with the parts that need care while it runs.
type site struct {
	handler  http.Handler
	logouts  *courier.Courier
	ciba     *backchannel.CIBA
	registry *oauth.Registry
	tokens   *keys.Ring
	sealer   *keys.Sealer
}

// parts are the floors on which the protocol stands.
type parts struct {
	sealer   *keys.Sealer
	tokens   *keys.Ring
	people   *authn.Service
	risk     *riskstep.Engine
	sessions *sessions.Manager
}

func (h *house) parts(ctx context.Context) (p parts, err error) {
	if p.sealer, err = h.theSealer(ctx); err != nil {
		return p, err
	}
	if p.tokens, err = h.theTokens(ctx); err != nil {
		return p, err
	}
	if p.people, err = h.thePeople(ctx); err != nil {
		return p, err
	}
	if p.risk, err = h.theRisk(ctx); err != nil {
		return p, err
	}
	p.sessions, err = h.theSessions(ctx)
	return p, err
}

// site builds the protocol and the shell. allow are the networks that may be fetched from although they are not public;
// dev marks every page.
func (h *house) site(ctx context.Context, dev bool, allow []netip.Prefix) (*site, error) {
	notices, err := h.theNotices(ctx)
	if err != nil {
		return nil, err
	}
	p, err := h.parts(ctx)
	if err != nil {
		return nil, err
	}
	registry, err := oauth.NewRegistry(ctx, h.db)
	if err != nil {
		return nil, err
	}
	h.remember(registry)
	iss, t := h.cfg.Issuer, h.cfg.Tokens
	fetch := egress.New(egress.Options{Allow: allow})
	h.describe(registry, p.tokens, egress.Options{Allow: allow})
	logos := web.NewLogos(egress.New(egress.Options{Allow: allow, MaxBody: web.LogoSize}), clock)
	newcomers, err := h.registration(p, registry, fetch, logos.Prefetch)
	if err != nil {
		return nil, err
	}
	clientKeys := oauth.NewClientKeys(fetch, clock)
	issuer := issue.New(issue.Options{Issuer: iss, Ring: p.tokens, Derive: p.sealer.Derive, Anchor: p.sealer.Anchor, Keys: clientKeys, Registry: registry, Users: h.db,
		Now: clock, Rand: random, Access: t.Access.D(), IDToken: t.ID.D()})
	auth := clientauth.New(clientauth.Options{Registry: registry, Ephemeral: h.ephemeral(), Counters: h.counters(), Audit: h.journal,
		Keys: clientKeys, SecretKeys: func() [][]byte { return p.sealer.Derive(deriveClientSecret) },
		Issuer: iss, Endpoints: []string{iss + meta.PathToken, iss + meta.PathIntrospect, iss + meta.PathRevoke, iss + meta.PathLog, iss + meta.PathDeviceAuth, iss + meta.PathCIBA}, Now: clock})
	discovery := meta.NewDiscovery(iss, registry, p.tokens)
	discovery.Registration, discovery.Documents = newcomers != nil, h.cfg.Registration.Documents
	forms := func() [][]byte { return p.sealer.Derive(deriveForms) }
	var states *web.SessionStates
	var state func(context.Context, *oauth.Client, string) string
	if h.cfg.Sessions.Iframe {
		states = web.NewSessionStates(forms, random)
		state, discovery.SessionIframe = states.Of, true
	}
	reader := oauth.NewReader(oauth.ReaderOptions{Registry: registry, Issuer: iss, Keys: clientKeys, Ring: p.tokens, Fetch: fetch, Now: clock})
	devices := oauth.Devices{Ephemeral: h.ephemeral(), Now: clock}
	push, err := h.pushes(p, fetch)
	if err != nil {
		return nil, err
	}
	deviceKeys, err := sessions.NewKeys(sessions.KeysOptions{Manager: p.sessions, Store: h.db, Ephemeral: h.ephemeral()})
	if err != nil {
		return nil, err
	}
	ciba := backchannel.NewCIBA(backchannel.CIBAOptions{Registry: registry, Reader: reader, Auth: auth, Keys: clientKeys, Issue: issuer,
		Requests: oauth.CIBARequests{Ephemeral: h.ephemeral(), Now: clock}, People: p.people, Users: h.db, Seen: h.db.Session, Risk: p.risk,
		Sessions: p.sessions, Grants: h.db, Consents: h.db, Counters: h.counters(), Deliveries: h.db, Sealer: p.sealer, Egress: fetch, Audit: h.journal, Now: clock,
		Offline: t.Refresh.D(), Tell: push.Tell})
	handler, err := web.New(web.Options{
		Issuer: iss, Dev: dev, Pseudo: h.pseudo,
		Authorize: authorize.New(authorize.Options{Registry: registry, Issue: issuer, Risk: p.risk,
			Reader: reader, Devices: devices, Grants: h.db, Consents: h.db, Ephemeral: h.ephemeral(), Audit: h.journal, Best: best(p.people), State: state, Now: clock,
			Code: t.Code.D(), Offline: t.Refresh.D()}),
		Token: token.New(token.Options{Registry: registry, Auth: auth, Issue: issuer, Grants: h.db, Ephemeral: h.ephemeral(),
			Devices: devices, CIBA: ciba, Risk: p.risk, Sessions: p.sessions, Audit: h.journal, Now: clock, Grace: t.RefreshGrace.D()}),
		Device: backchannel.NewDevice(backchannel.DeviceOptions{Registry: registry, Reader: reader, Auth: auth, Devices: devices, Counters: h.counters(),
			Locate: p.risk.Locate, Audit: h.journal, Issuer: iss, Path: meta.PathDevice, Secret: issuer.NewSecret, Rand: random, Now: clock,
			Life: h.cfg.Device.Code.D(), Warn: h.cfg.Device.Elsewhere == "warn"}),
		CIBA: ciba, Decisions: h.cfg.Backchannel.Decisions,
		Meta: meta.New(meta.Options{Registry: registry, Auth: auth, Issue: issuer, Grants: h.db, Logouts: h.db, Log: h.db, Feed: h.theFeed(), Ephemeral: h.ephemeral(),
			Users: h.db, Sessions: p.sessions, Audit: h.journal, Now: clock}),
		Discovery: discovery, States: states, Register: newcomers, Logos: logos,
		Authn: p.people, Risk: p.risk, Sessions: p.sessions, Keys: deviceKeys, Users: h.db, Grants: h.db, Consents: h.db, Registry: registry,
		Audit: h.journal, History: h.db, FormKeys: forms,
		Notify: notices, Push: push, Passkeys: h.passkeyPolicy().RPID != "", Passwords: h.cfg.Password.Enabled, Recovery: h.canRecover(),
		Related: h.cfg.Passkeys.Origins, Proxies: prefixes(h.cfg.Proxies.Trusted), JA4Header: h.cfg.Proxies.JA4Header, Access: t.Access.D(), Log: h.log, Observe: h.metrics.ObserveRequest, Now: clock,
	})
	if err != nil {
		return nil, err
	}
	logouts := logout.New(logout.Options{Store: h.db, Registry: registry, Issue: issuer, Egress: fetch, Audit: h.journal, Now: clock})
	return &site{handler, logouts, ciba, registry, p.tokens, p.sealer}, nil
}

// best is what a person can reach with the factors they hold.
func best(people *authn.Service) func(context.Context, ident.UserID) (ident.Assurance, error) {
	return func(ctx context.Context, user ident.UserID) (ident.Assurance, error) {
		f, err := people.Factors(ctx, user)
		return f.Best, err
	}
}

// prefixes parses CIDR ranges that were validated before.
func prefixes(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// wantedAlgs lists the algorithms that clients are registered for.
func wantedAlgs(clients []*oauth.Client) []string {
	var algs []string
	for _, c := range clients {
		for _, alg := range []string{c.IDTokenAlg, c.TokenAlg, c.UserInfoAlg} {
			if alg != "" && !slices.Contains(algs, alg) {
				algs = append(algs, alg)
			}
		}
	}
	return algs
}
