package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/examples/wallet"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// demo is who can be used at once. It is kept beside the data, so that a later start can tell it again.
type demo struct {
	Username   string `json:"username"`
	Email      string `json:"email"`
	Password   string `json:"password"`
	TOTPSecret string `json:"totp_secret"`
	APISecret  string `json:"api_secret"` // of the client demo-api
}

const (
	demoUser   = "lin"
	demoEmail  = "lin@demo.test"
	demoWallet = "demo-wallet"
	demoAPI    = "demo-api"
)

func (d *dev) makeDemo() (err error) {
	d.demo = demo{Username: demoUser, Email: demoEmail}
	if d.demo.Password, err = madePassword(); err != nil {
		return err
	}
	if d.demo.APISecret, err = randomText(32); err != nil {
		return err
	}
	secret := make([]byte, authn.MinTOTPSecret)
	if _, err := io.ReadFull(random, secret); err != nil {
		return err
	}
	d.demo.TOTPSecret = encodeTOTP(secret)
	return nil
}

// clients are those that are declared.
func (s *seed) clients() []*oauth.Client {
	var list []*oauth.Client
	for _, c := range s.Clients {
		list = append(list, c.Client)
	}
	return list
}

// populate declares the demo and then the seed, which may declare the demo's clients and user anew.
func (d *dev) populate(ctx context.Context, h *house) error {
	declared, err := d.declared()
	if err != nil {
		return err
	}
	if _, err := h.db.UserByIdentifier(ctx, demoUser); errors.Is(err, store.ErrNotFound) {
		totp, err := decodeTOTP(d.demo.TOTPSecret)
		if err != nil {
			return err
		}
		verified := true
		declared.Users = append(declared.Users, seedUser{where: "demo", password: d.demo.Password, totp: totp, verified: &verified,
			user: authn.User{Username: d.demo.Username, Email: d.demo.Email, Claims: map[string]json.RawMessage{
				"name": json.RawMessage(`"Lin Demo"`), "given_name": json.RawMessage(`"Lin"`), "family_name": json.RawMessage(`"Demo"`),
			}}})
	} else if err != nil {
		return err
	}
	for _, s := range []*seed{d.without(declared), d.seed} {
		changes, err := h.plan(ctx, s)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := c.do(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// declared are the demo's clients and resource, for the ports of this run.
func (d *dev) declared() (*seed, error) {
	front := wallet.Options{BaseURL: d.base}
	api := &oauth.Resource{ID: front.Resource(), Name: "Demo wallet", Scopes: []string{"wallet:read", "wallet:move"},
		Words: map[string]oauth.Words{
			"wallet:read": {En: "See your demo balance", Zh: "查看您的演示余额"},
			"wallet:move": {En: "Withdraw demo money", Zh: "提取演示资金"},
		}}
	s := &seed{Resources: []*oauth.Resource{api}}
	for _, c := range []seedClient{
		{Client: &oauth.Client{ID: demoWallet, Name: "Demo wallet", AuthMethod: "none", URI: d.base,
			RedirectURIs: []string{front.RedirectURI()}, PostLogoutURIs: []string{front.PostLogoutRedirectURI()},
			GrantTypes: []string{"authorization_code", "refresh_token"},
			Scope:      strings.Join(append(slices.Clone(oauth.OpenIDScopes), api.Scopes...), " ")}},
		{Client: &oauth.Client{ID: demoAPI, Name: "Demo API", AuthMethod: "client_secret_basic", SecretHash: placeholderHash,
			GrantTypes: []string{"client_credentials"}, Scope: "wallet:read", Serves: []string{api.ID}}, secret: d.demo.APISecret},
	} {
		if err := checkClient(c.Client); err != nil {
			return nil, err
		}
		s.Clients = append(s.Clients, c)
	}
	return s, nil
}

// without drops from s what the seed file declares itself.
func (d *dev) without(s *seed) *seed {
	for _, c := range d.seed.Clients {
		s.Clients = slices.DeleteFunc(s.Clients, func(o seedClient) bool { return o.ID == c.ID })
	}
	for _, u := range d.seed.Users {
		name := authn.NormalizeIdentifier(u.user.Username)
		if name == demoUser || authn.NormalizeIdentifier(u.user.Email) == demoEmail {
			s.Users = nil
			d.demo.Username, d.demo.Email, d.demo.Password, d.demo.TOTPSecret = u.user.Username, u.user.Email, u.password, ""
			if u.totp != nil {
				d.demo.TOTPSecret = encodeTOTP(u.totp)
			}
		}
	}
	return s
}
