package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

type clientCmd struct {
	List         clientListCmd   `cmd:"" help:"List the clients."`
	Show         clientShowCmd   `cmd:"" help:"Show one client's metadata."`
	Create       clientCreateCmd `cmd:"" help:"Create a client; its secret is printed this once."`
	Update       clientUpdateCmd `cmd:"" help:"Change a client's metadata."`
	Invite       clientInviteCmd `cmd:"" help:"Make a token by which somebody can register a client."`
	RotateSecret clientRotateCmd `cmd:"" name:"rotate-secret" help:"Give a client a new secret; the old one works for a while yet."`
	Delete       clientDeleteCmd `cmd:"" help:"Delete a client, and revoke all it was granted."`
}

type clientListCmd struct {
	configFlags
	outputFlags
}

func (c clientListCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		docs, _, _, err := h.db.Registry(ctx)
		if err != nil {
			return err
		}
		out := table{head: []string{"CLIENT", "NAME", "AUTHENTICATION", "GRANTS", "FROM", "STATE"}}
		list := []json.RawMessage{}
		for _, d := range docs {
			cl, err := oauth.ParseClient(d.JSON)
			if err != nil {
				return err
			}
			state := "enabled"
			if cl.Disabled {
				state = "disabled"
			}
			grants := cl.GrantTypes
			if len(grants) == 0 {
				grants = []string{"authorization_code"}
			}
			out.add(d.ID, dash(cl.Name), authName(cl), strings.Join(grants, " "), cmp.Or(cl.Origin, "operator"), state)
			list = append(list, publicClient(cl))
		}
		out.json = list
		return c.print(t.out, out)
	})
}

func authName(c *oauth.Client) string {
	if c.Public() {
		return "none"
	}
	if c.AuthMethod == "" {
		return "client_secret_basic"
	}
	return c.AuthMethod
}

// publicClient is a client's document without the hashes of its secrets.
func publicClient(c *oauth.Client) json.RawMessage {
	shown := *c
	shown.SecretHash, shown.OldHash, shown.ManagementHash = "", "", ""
	doc, err := json.Marshal(&shown)
	if err != nil {
		return json.RawMessage("null")
	}
	return doc
}

func (h *house) findClient(ctx context.Context, id string) (*oauth.Client, error) {
	docs, _, _, err := h.db.Registry(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if d.ID == id {
			return oauth.ParseClient(d.JSON)
		}
	}
	return nil, fmt.Errorf("there is no client %q: see 'postern client list'", id)
}

type clientShowCmd struct {
	configFlags
	outputFlags
	ID string `arg:"" help:"The client_id."`
}

func (c clientShowCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		cl, err := h.findClient(ctx, c.ID)
		if err != nil {
			return err
		}
		out := shownClient(cl)
		if err := h.addLogouts(ctx, cl, &out); err != nil {
			return err
		}
		return c.print(t.out, out)
	})
}

type clientCreateCmd struct {
	configFlags
	outputFlags
	Type         string   `enum:"spa,web,native,service" default:"web" help:"spa and native are public and use PKCE; web and service get a secret."`
	ID           string   `help:"The client_id; made up if not given."`
	Name         string   `help:"The name that people see on the consent page."`
	RedirectURI  []string `name:"redirect-uri" sep:"none" help:"Where the answer of a sign-in goes. May be repeated."`
	PostLogout   []string `name:"post-logout-redirect-uri" sep:"none" help:"Where a sign-out may end. May be repeated."`
	Scope        string   `help:"What it may ask for, separated by spaces; the scopes of OpenID Connect if not given."`
	Serves       []string `sep:"none" help:"A resource that this client is the server of, whose tokens it may introspect. May be repeated."`
	Opaque       bool     `help:"Give it opaque access tokens instead of JWTs."`
	SkipConsent  bool     `help:"Never ask people for consent: for your own applications."`
	RefreshToken bool     `default:"true" negatable:"" help:"Let it have refresh tokens, which it asks for with offline_access."`
}

// client is the metadata for the type; a secret is added by the caller where Public says that it needs one.
func (c clientCreateCmd) client(id string) *oauth.Client {
	cl := &oauth.Client{ID: ident.ClientID(id), Name: c.Name, RedirectURIs: c.RedirectURI, PostLogoutURIs: c.PostLogout,
		Scope: c.Scope, Serves: c.Serves, SkipConsent: c.SkipConsent, GrantTypes: []string{"authorization_code"}}
	switch c.Type {
	case "spa":
		cl.AuthMethod = "none"
	case "native":
		cl.AuthMethod, cl.ApplicationType = "none", "native"
	case "web":
		cl.AuthMethod = "client_secret_basic"
	case "service":
		cl.AuthMethod, cl.GrantTypes = "client_secret_basic", []string{"client_credentials"}
	}
	if c.RefreshToken && c.Type != "service" {
		cl.GrantTypes = append(cl.GrantTypes, "refresh_token")
	}
	if c.Opaque {
		cl.TokenFormat = "opaque"
	}
	return cl
}

func (c clientCreateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		id := c.ID
		if id == "" {
			made, err := randomText(12)
			if err != nil {
				return err
			}
			id = made
		}
		if _, err := h.findClient(ctx, id); err == nil {
			return fmt.Errorf("there is a client %q already", id)
		}
		cl := c.client(id)
		var secret string
		if cl.AuthMethod != "none" {
			var err error
			if secret, err = h.newSecret(ctx, cl); err != nil {
				return err
			}
		}
		if err := checkClient(cl); err != nil {
			return err
		}
		if err := h.putClient(ctx, cl); err != nil {
			return err
		}
		return c.printSecret(t, id, secret)
	})
}

// newSecret gives c a secret of 256 bits and returns it; c keeps its hash.
func (h *house) newSecret(ctx context.Context, c *oauth.Client) (string, error) {
	sealer, err := h.theSealer(ctx)
	if err != nil {
		return "", err
	}
	secret, err := randomText(32)
	if err != nil {
		return "", err
	}
	c.SecretHash = oauth.HashSecret(sealer.Derive(deriveClientSecret)[0], c.ID, secret)
	return secret, nil
}

// checkClient validates a client as a stored document would be.
func checkClient(c *oauth.Client) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = oauth.ParseClient(doc)
	return err
}

func (f outputFlags) printSecret(t *terminal, id, secret string) error {
	m := map[string]string{"client_id": id}
	out := table{rows: [][]string{{"client_id", id}}, json: m}
	if secret != "" {
		m["client_secret"] = secret
		out.add("client_secret", secret)
		if f.Output == "table" {
			fmt.Fprintln(t.err, "Keep the secret now: it is not stored and cannot be shown again.")
		}
	}
	return f.print(t.out, out)
}

type clientUpdateCmd struct {
	configFlags
	outputFlags
	ID      string   `arg:"" help:"The client_id."`
	Member  []string `short:"m" sep:"none" placeholder:"NAME=JSON" help:"Metadata to set, for example -m client_name=Shop or -m 'redirect_uris=[\"https://shop.example/cb\"]'; NAME= removes it. May be repeated."`
	Disable bool     `xor:"state" help:"Let nobody use it for now."`
	Enable  bool     `xor:"state" help:"Let it be used again."`
}

func (c clientUpdateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		cl, err := h.findClient(ctx, c.ID)
		if err != nil {
			return err
		}
		doc, err := json.Marshal(cl)
		if err != nil {
			return err
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(doc, &m); err != nil {
			return err
		}
		if err := setMembers(m, c.Member, "client_id"); err != nil {
			return err
		}
		if c.Disable || c.Enable {
			m["disabled"] = json.RawMessage(fmt.Sprint(c.Disable))
		}
		if doc, err = json.Marshal(m); err != nil {
			return err
		}
		if cl, err = oauth.ParseClient(doc); err != nil {
			return err
		}
		if err := h.putClient(ctx, cl); err != nil {
			return err
		}
		return c.print(t.out, documentTable(publicClient(cl)))
	})
}

// setMembers puts name=value into a document. A value that is no JSON is a text.
func setMembers(m map[string]json.RawMessage, sets []string, fixed string) error {
	for _, set := range sets {
		name, v, ok := strings.Cut(set, "=")
		switch {
		case !ok:
			return usage("-m %s: must be NAME=VALUE", set)
		case name == fixed || strings.HasPrefix(name, "client_secret"), strings.HasPrefix(name, "registration_access_token"):
			return usage("-m %s: cannot be set", name)
		case v == "":
			delete(m, name)
		case json.Valid([]byte(v)):
			m[name] = json.RawMessage(v)
		default:
			m[name], _ = json.Marshal(v)
		}
	}
	return nil
}

type clientRotateCmd struct {
	configFlags
	outputFlags
	ID    string   `arg:"" help:"The client_id."`
	Grace Duration `default:"1d" help:"How long the old secret still works; 0s for a secret that leaked."`
}

func (c clientRotateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		cl, err := h.findClient(ctx, c.ID)
		if err != nil {
			return err
		}
		if cl.SecretHash == "" {
			return fmt.Errorf("client %q has no secret to rotate", c.ID)
		}
		cl.OldHash, cl.OldUntil = cl.SecretHash, clock().UTC().Add(c.Grace.D())
		if c.Grace == 0 {
			cl.OldHash, cl.OldUntil = "", time.Time{}
		}
		secret, err := h.newSecret(ctx, cl)
		if err != nil {
			return err
		}
		if err := h.record(ctx, audit.Event{Type: "client.secret_rotated", Client: cl.ID}); err != nil {
			return err
		}
		if err := h.putClient(ctx, cl); err != nil {
			return err
		}
		return c.printSecret(t, c.ID, secret)
	})
}

type clientDeleteCmd struct {
	configFlags
	ID string `arg:"" help:"The client_id."`
}

func (c clientDeleteCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		if _, err := h.findClient(ctx, c.ID); err != nil {
			return err
		}
		if err := h.record(ctx, audit.Event{Type: "client.deleted", Client: ident.ClientID(c.ID)}); err != nil {
			return err
		}
		err := h.db.DeleteClient(ctx, c.ID, clock().UTC())
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("there is no client %q any more", c.ID)
		}
		if err == nil {
			fmt.Fprintf(t.out, "deleted client %s and revoked what it was granted\n", c.ID)
		}
		return err
	})
}
