// Package token owns POST /token: a pipeline that no grant can step around, and one file for each grant. It never
// authenticates a person.
package token

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Options of an Endpoint; all are needed.
type Options struct {
	Registry  *oauth.Registry
	Auth      *clientauth.Authenticator
	Issue     *issue.Issuer
	Grants    oauth.GrantStore
	Ephemeral store.Ephemeral
	Devices   oauth.Devices
	CIBA      *backchannel.CIBA // nil: its grant is not known
	Risk      *riskstep.Engine
	Sessions  *sessions.Manager
	Audit     audit.Recorder
	Now       func() time.Time
	Grace     time.Duration // in which a replayed refresh token gets the same successor; 0 for never
}

// Grant is one way to get tokens. RFC 6749 §1.3.
type Grant interface {
	// Type is the grant_type.
	Type() string
	// Redeem consumes what the request brings and says what is due for it. The client is authenticated and registered
	// for this type; whatever Redeem returns has been single-used.
	Redeem(ctx context.Context, q *Request) (*Due, error)
}

// Request is a token request whose client is known.
type Request struct {
	Client *oauth.Client
	Form   url.Values
}

// Due is what a redeemed grant entitles to.
type Due struct {
	Grant   *oauth.Grant // nil where no person is involved
	Scope   []string
	Want    []string // resources asked for now, RFC 8707 §2.2; nil for those of the grant
	Refresh string   // refresh token to hand out, or ""
	Nonce   string   // for the ID token
}

// Endpoint is the token endpoint.
type Endpoint struct {
	opt    Options
	grants map[string]Grant
}

// New returns the endpoint with all its grants.
func New(opt Options) *Endpoint {
	e := &Endpoint{opt: opt, grants: map[string]Grant{}}
	for _, g := range []Grant{codeGrant{opt}, refreshGrant{opt}, clientGrant{opt}, deviceGrant{opt}, cibaGrant{opt}} {
		e.grants[g.Type()] = g
	}
	if opt.CIBA == nil {
		delete(e.grants, oauth.CIBAGrant)
	}
	return e
}

// Token answers POST /token: authenticate the client, is the grant permitted, redeem, bind to an audience, record, issue.
// RFC 6749 §3.2, §5.
func (e *Endpoint) Token(w http.ResponseWriter, r *http.Request) error {
	if err := oauth.ParseForm(r); err != nil {
		return err
	}
	ctx, form := r.Context(), r.PostForm
	for name, vs := range form {
		if len(vs) > 1 && name != "resource" { // RFC 8707 §2 alone may be repeated
			return oauth.InvalidRequest("The parameter %s is repeated.", name)
		}
	}
	g := e.grants[form.Get("grant_type")]
	if g == nil {
		if form.Get("grant_type") == "" {
			return oauth.InvalidRequest("grant_type is missing.")
		}
		return oauth.UnsupportedGrantType("This server does not know the grant_type.")
	}
	c, err := e.opt.Auth.Authenticate(ctx, r)
	if err != nil {
		return err
	}
	if !c.Allows(g.Type()) {
		return oauth.UnauthorizedClient("The client is not registered for this grant_type.")
	}
	inner, end := span.Start(ctx, "token.Redeem "+g.Type())
	due, err := g.Redeem(inner, &Request{Client: c, Form: form})
	end(err)
	if err != nil {
		return err
	}
	out, err := e.issue(ctx, c, due, g.Type())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	return json.NewEncoder(w).Encode(out)
}

func (e *Endpoint) issue(ctx context.Context, c *oauth.Client, due *Due, grantType string) (issue.Tokens, error) {
	want := due.Want
	if want == nil && due.Grant != nil {
		want = due.Grant.Resources
	}
	aud, _, err := e.opt.Registry.Audience(c, due.Scope, want, e.opt.Issue.Issuer())
	if err != nil {
		return issue.Tokens{}, err
	}
	if due.Grant != nil { // after the audience: whom the scope concerns still takes the token, and can ask for a step-up
		due.Scope = due.Grant.Without(due.Scope)
	}
	env := oauth.EnvOf(ctx)
	ev := audit.Event{Type: "token.issued", Outcome: audit.OK, Actor: "client", Client: c.ID, Request: env.RequestID, IP: env.IP.String(),
		Data: map[string]string{"grant_type": grantType}}
	if due.Grant != nil {
		ev.User, ev.Session, ev.Grant = due.Grant.User, due.Grant.Session, due.Grant.ID
	}
	if err := e.opt.Audit.Record(ctx, ev); err != nil {
		return issue.Tokens{}, oauth.Unavailable(err)
	}
	out, err := e.opt.Issue.AccessToken(ctx, c, due.Grant, due.Scope, aud)
	if err != nil {
		return out, err
	}
	out.RefreshToken = due.Refresh
	if due.Grant != nil && contains(due.Scope, "openid") {
		out.IDToken, err = e.opt.Issue.IDToken(ctx, c, due.Grant, issue.With{Nonce: due.Nonce, AccessToken: out.AccessToken})
	}
	return out, err
}

// narrowed is what a token request asks of the granted scope: all of it, or a part. RFC 6749 §6.
func narrowed(form url.Values, granted []string) ([]string, error) {
	asked := strings.Fields(form.Get("scope"))
	if len(asked) == 0 {
		return granted, nil
	}
	for _, s := range asked {
		if !contains(granted, s) {
			return nil, oauth.InvalidScope("The scope goes beyond what was granted.")
		}
	}
	return asked, nil
}

// targets checks the resources that a token request names against those of the grant. RFC 8707 §2.2.
func targets(form url.Values, g *oauth.Grant) ([]string, error) {
	want := form["resource"]
	if len(want) > 16 {
		return nil, oauth.InvalidTarget("Too many resources.")
	}
	if g != nil && len(g.Resources) > 0 {
		for _, r := range want {
			if !contains(g.Resources, r) {
				return nil, oauth.InvalidTarget("The resource was not part of the authorization.")
			}
		}
	}
	return want, nil
}

// aimed is what targets says, provided that the client may name those resources for scope. RFC 8707 §2.2.
func (o Options) aimed(q *Request, g *oauth.Grant, scope []string) ([]string, error) {
	want, err := targets(q.Form, g)
	if err != nil {
		return nil, err
	}
	_, _, err = o.Registry.Audience(q.Client, scope, want, o.Issue.Issuer())
	return want, err
}

// firstRefresh is the refresh token that g begins with, "" where it has none; secret is what was redeemed for g. Who
// redeemed it is noted: whoever comes with the next one is compared with them.
func (o Options) firstRefresh(ctx context.Context, g *oauth.Grant, secret string) (string, error) {
	if g.RefreshSeq == 0 {
		return "", nil
	}
	if err := o.Grants.SnapshotGrant(ctx, g.ID, o.Risk.Snapshot(g.User, oauth.EnvOf(ctx))); err != nil {
		return "", oauth.Unavailable(err)
	}
	first, ok := o.Issue.FirstRefreshIs(g.ID, secret, g.RefreshHash)
	if !ok {
		return "", errors.New("token: the first refresh token does not fit its grant")
	}
	return first.String(), nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
