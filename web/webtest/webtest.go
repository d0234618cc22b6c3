// Package webtest serves the whole of the public listener in process, over the real floors of oauthtest: for tests and
// benchmarks that need neither a socket nor the binary.
package webtest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web"
)

// Server is a house with its shell.
type Server struct {
	*oauthtest.House
	Handler  http.Handler
	Authn    *authn.Service
	Sessions *sessions.Manager
	Keys     *sessions.Keys
	Notify   *notify.Service
	Log      *slog.Logger
}

// New builds it; change, which may be nil, sees the shell's options before they are used.
func New(t testing.TB, clients, resources []string, change func(*web.Options)) *Server {
	t.Helper()
	s := &Server{House: oauthtest.New(t, clients, resources), Log: slog.New(slog.DiscardHandler)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	derive := func(name string) func() [][]byte { return func() [][]byte { return s.Sealer.Derive(name) } }
	var err error
	words, err := web.MailWriter("")
	must(err)
	s.Notify, err = notify.New(notify.Options{Store: s.DB, Sealer: s.Sealer, Ephemeral: s.DB, Render: words, Audit: s.Audit, Now: s.Now,
		BaseURL: oauthtest.Issuer})
	must(err)
	s.Authn, err = authn.New(authn.Options{Users: s.DB, Passkeys: s.DB, Recovery: s.DB, Approvers: s.DB, TellRecovery: s.Notify.Recovery, Ephemeral: s.DB, Counters: s.DB, Sealer: s.Sealer, Audit: s.Audit, Now: s.Now,
		Policy: authn.Policy{Password: true, Passkey: authn.PasskeyPolicy{RPID: "id.example.com", Origins: []string{oauthtest.Issuer}}}})
	must(err)
	s.Sessions, err = sessions.New(sessions.Options{Store: s.DB, Audit: s.Audit, Now: s.Now, DeviceKey: derive("device"), Risk: s.Risk})
	must(err)
	iss := issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: s.Ring, Derive: s.Sealer.Derive, Anchor: s.Sealer.Anchor, Keys: s.ClientKeys, Registry: s.Registry, Users: s.DB, Now: s.Now})
	auth := clientauth.New(clientauth.Options{Registry: s.Registry, Ephemeral: s.DB, Counters: s.DB, Audit: s.Audit, Keys: s.ClientKeys,
		SecretKeys: s.SecretKeys, Issuer: oauthtest.Issuer, Endpoints: []string{oauthtest.Issuer + meta.PathToken}, Now: s.Now})
	devices := oauth.Devices{Ephemeral: s.DB, Now: s.Now}
	s.Keys, err = sessions.NewKeys(sessions.KeysOptions{Manager: s.Sessions, Store: s.DB, Ephemeral: s.DB})
	must(err)
	opt := web.Options{
		Issuer: oauthtest.Issuer,
		Authorize: authorize.New(authorize.Options{Risk: s.Risk, Registry: s.Registry, Reader: s.Reader, Issue: iss, Grants: s.DB, Consents: s.DB, Ephemeral: s.DB, Devices: devices,
			Audit: s.Audit, Now: s.Now, Best: func(ctx context.Context, u ident.UserID) (ident.Assurance, error) {
				f, err := s.Authn.Factors(ctx, u)
				return f.Best, err
			}}),
		Token: token.New(token.Options{Registry: s.Registry, Auth: auth, Issue: iss, Grants: s.DB, Ephemeral: s.DB, Devices: devices, Risk: s.Risk, Sessions: s.Sessions,
			Audit: s.Audit, Now: s.Now, Grace: 20 * time.Second}),
		Device: backchannel.NewDevice(backchannel.DeviceOptions{Registry: s.Registry, Reader: s.Reader, Auth: auth, Devices: devices, Counters: s.DB,
			Locate: s.Risk.Locate, Audit: s.Audit, Issuer: oauthtest.Issuer, Path: meta.PathDevice, Secret: iss.NewSecret, Rand: rand.Reader, Now: s.Now}),
		Meta: meta.New(meta.Options{Registry: s.Registry, Auth: auth, Issue: iss, Grants: s.DB, Logouts: s.DB, Log: s.DB, Feed: meta.NewFeed(meta.FeedOptions{Store: s.DB}), Ephemeral: s.DB, Users: s.DB, Sessions: s.Sessions,
			Audit: s.Audit, Now: s.Now}),
		Discovery: meta.NewDiscovery(oauthtest.Issuer, s.Registry, s.Ring),
		Authn:     s.Authn, Risk: s.Risk, Sessions: s.Sessions, Keys: s.Keys, Users: s.DB, Grants: s.DB, Consents: s.DB, Registry: s.Registry,
		Notify: s.Notify, Passkeys: true, Passwords: true, Recovery: true, Audit: s.Audit, History: s.DB, FormKeys: derive("forms"), Log: s.Log, Now: s.Now,
	}
	if change != nil {
		change(&opt)
	}
	s.Handler, err = web.New(opt)
	must(err)
	return s
}

// Person adds somebody with a password and returns them.
func (s *Server) Person(username, password string) authn.User {
	s.T.Helper()
	ctx := context.Background()
	hash, err := s.Authn.HashPassword(ctx, password)
	if err != nil {
		s.T.Fatal(err)
	}
	u := authn.User{ID: ident.UserID("id-" + username), Username: username, Email: username + "@example.com", EmailVerified: true, PasswordHash: hash,
		CreatedAt: s.Clock, UpdatedAt: s.Clock}
	if err := s.DB.PutUser(ctx, u); err != nil {
		s.T.Fatal(err)
	}
	return u
}

// Cookie signs user in by password and returns the session's cookie header with its device.
func (s *Server) Cookie(user, password string) string {
	s.T.Helper()
	ctx := context.Background()
	dev := s.Sessions.NewDevice()
	env := ident.Env{Device: s.Sessions.Device(dev)}
	p, err := s.Authn.Password(ctx, authn.Attempt{Identifier: user, Password: password, Env: env})
	if err != nil {
		s.T.Fatal(err)
	}
	d, err := s.Risk.Decide(ctx, riskstep.Input{Moment: riskstep.AtSignIn, Proof: p, User: p.User(), Env: env, Best: p.Assurance()})
	if err != nil {
		s.T.Fatal(err)
	}
	_, c, err := s.Sessions.Start(ctx, p, d, env)
	if err != nil {
		s.T.Fatal(err)
	}
	return "__Host-sid=" + c + "; __Host-did=" + dev
}

// Clients returns an *oauth.Client by id, for tests of single floors.
func (s *Server) Client(id ident.ClientID) *oauth.Client {
	s.T.Helper()
	c, err := s.Registry.Client(id)
	if err != nil {
		s.T.Fatal(err)
	}
	return c
}
