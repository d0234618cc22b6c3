package meta

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// Options of a Service; all are needed.
type Options struct {
	Registry  *oauth.Registry
	Auth      *clientauth.Authenticator
	Issue     *issue.Issuer
	Grants    oauth.GrantStore
	Logouts   oauth.LogoutStore
	Log       oauth.RevocationStore
	Feed      *Feed
	Ephemeral store.Ephemeral
	Users     authn.Store
	Sessions  *sessions.Manager
	Audit     audit.Recorder
	Now       func() time.Time
}

// Service answers questions about tokens.
type Service struct{ opt Options }

// New returns a Service.
func New(opt Options) *Service { return &Service{opt} }

func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// errInactive says that a token does not stand; why is nobody's business. RFC 7662 §2.2.
var errInactive = errors.New("meta: inactive")

// shownAccess is an access token that stands, with whom it was given to and why.
type shownAccess struct {
	issue.Access
	client *oauth.Client
	grant  *oauth.Grant // nil where no person is involved
}

// access reads an access token and asks whether it still stands: its grant, its session, its client, a revocation.
// It is the one gate for every use of an access token at this server. errInactive, or an error of a store.
func (s *Service) access(ctx context.Context, raw string) (a shownAccess, err error) {
	if a.Access, err = s.opt.Issue.Read(raw); err != nil {
		return a, errInactive
	}
	if a.client, err = s.opt.Registry.Find(ctx, a.Client); err != nil {
		return a, errInactive
	}
	if a.Grant == "" {
		_, err := s.opt.Ephemeral.Get(ctx, store.KeyOf("revoked", a.ID))
		if errors.Is(err, store.ErrNotFound) {
			return a, nil
		}
		if err != nil && !errors.Is(err, store.ErrTaken) {
			return a, err
		}
		return a, errInactive
	}
	g, err := s.opt.Grants.Grant(ctx, a.Grant)
	if errors.Is(err, store.ErrNotFound) || err == nil && !token.Stands(&g, s.opt.Now()) {
		return a, errInactive
	}
	a.grant = &g
	if len(g.Limited) > 0 {
		a.Scope = strings.Join(g.Without(strings.Fields(a.Scope)), " ")
	}
	a.Limited = strings.Join(g.Granted(g.Limited), " ") // as it is now
	return a, err
}

// bearer is the access token of a request: in the Authorization header, or in the form of a POST. Never in the URL.
// RFC 6750 §2.1, §2.2.
func bearer(r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", oauth.InvalidRequest("An access token does not belong into a URL.")
	}
	auth := r.Header.Values("Authorization")
	inBody := r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if inBody {
		if err := r.ParseForm(); err != nil {
			return "", oauth.InvalidRequest("The body is not a form.").Because(err)
		}
		inBody = r.PostForm.Has("access_token")
	}
	switch {
	case len(auth) > 1, len(auth) == 1 && inBody, inBody && len(r.PostForm["access_token"]) > 1:
		return "", oauth.InvalidRequest("Send one access token, in one way.")
	case inBody:
		return r.PostForm.Get("access_token"), nil
	case len(auth) == 0:
		e := oauth.InvalidToken("An access token is needed.")
		e.Challenge = `Bearer realm="postern"` // RFC 6750 §3.1: no error code where nothing was shown
		return "", e
	}
	scheme, tok, ok := strings.Cut(auth[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", oauth.InvalidToken("The scheme must be Bearer.")
	}
	return strings.TrimSpace(tok), nil
}

// UserInfo answers GET and POST /userinfo. OIDC Core §5.3.
func (s *Service) UserInfo(w http.ResponseWriter, r *http.Request) error {
	raw, err := bearer(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	a, err := s.access(ctx, raw)
	if errors.Is(err, errInactive) {
		return oauth.InvalidToken("The access token is wrong, has expired, or was revoked.")
	}
	if err != nil {
		return oauth.Unavailable(err)
	}
	c, g := a.client, a.grant
	if g == nil || !slices.Contains(a.Audience, s.opt.Issue.Issuer()) {
		return oauth.InvalidToken("The access token is meant for somebody else.")
	}
	if !a.Has("openid") {
		e := oauth.AccessDenied("The access token lacks the scope openid.")
		e.Code, e.Challenge = "insufficient_scope", `Bearer error="insufficient_scope", scope="openid"`
		return e
	}
	u, err := s.opt.Users.User(ctx, g.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return oauth.InvalidToken("The access token is wrong, has expired, or was revoked.")
	}
	if err != nil {
		return oauth.Unavailable(err)
	}
	var wishes map[string]*oauth.ClaimWish
	if w := g.Wishes(); w != nil {
		wishes = w.UserInfo
	}
	out := oauth.ClaimsOf(u, strings.Fields(a.Scope), wishes)
	out["sub"] = s.opt.Issue.Subject(c, g.User)
	if c.UserInfoAlg == "" && c.UserInfoEncAlg == "" {
		return writeJSON(w, out)
	}
	token, err := s.opt.Issue.UserInfo(ctx, c, out)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwt")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write([]byte(token))
	return err
}

// introspection is an answer of RFC 7662 §2.2; an inactive token says nothing but that.
type introspection struct {
	Active    bool            `json:"active"`
	TokenType string          `json:"token_type,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	Client    ident.ClientID  `json:"client_id,omitempty"`
	Subject   string          `json:"sub,omitempty"`
	Username  string          `json:"username,omitempty"`
	Audience  issue.Audience  `json:"aud,omitempty"`
	Issuer    string          `json:"iss,omitempty"`
	IssuedAt  int64           `json:"iat,omitempty"`
	Expires   int64           `json:"exp,omitempty"`
	ID        string          `json:"jti,omitempty"`
	Session   ident.SessionID `json:"sid,omitempty"`
	ACR       string          `json:"acr,omitempty"`
	AMR       []ident.AMR     `json:"amr,omitempty"`
	AuthTime  int64           `json:"auth_time,omitempty"`
	Grant     ident.GrantID   `json:"gid,omitempty"`
	Limited   string          `json:"limited_scope,omitempty"`
}

// Introspect answers POST /introspect to an authenticated client, about tokens that concern it. RFC 7662 §2.
func (s *Service) Introspect(w http.ResponseWriter, r *http.Request) error {
	c, raw, err := s.question(r)
	if err != nil {
		return err
	}
	if c.Public() { // RFC 7662 §2.1: whoever asks must authenticate
		return oauth.InvalidClient()
	}
	out, err := s.introspect(r.Context(), c, raw)
	if err != nil {
		return oauth.Unavailable(err)
	}
	return writeJSON(w, out)
}

func (s *Service) introspect(ctx context.Context, c *oauth.Client, raw string) (introspection, error) {
	if tok, err := issue.ParseRefresh(raw); err == nil {
		return s.introspectRefresh(ctx, c, tok)
	}
	a, err := s.access(ctx, raw)
	if errors.Is(err, errInactive) || err == nil && !s.concerns(c, &a.Access) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	return introspection{Active: true, TokenType: "Bearer", Scope: a.Scope, Client: a.Client, Subject: a.Subject, Audience: a.Audience,
		Issuer: a.Issuer, IssuedAt: a.IssuedAt, Expires: a.Expires, ID: a.ID, Session: a.Session, ACR: a.ACR, AMR: a.AMR, AuthTime: a.AuthTime, Grant: a.Grant, Limited: a.Limited}, nil
}

// introspectRefresh tells a client about a refresh token of its own; nobody else has anything to do with it.
func (s *Service) introspectRefresh(ctx context.Context, c *oauth.Client, tok issue.Refresh) (introspection, error) {
	g, err := s.opt.Grants.Grant(ctx, tok.Grant)
	if errors.Is(err, store.ErrNotFound) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	if g.Client != c.ID || tok.Seq != g.RefreshSeq || !tok.Is(g.RefreshHash) || !token.Stands(&g, s.opt.Now()) {
		return introspection{}, nil
	}
	return introspection{Active: true, TokenType: "refresh_token", Scope: strings.Join(g.Without(g.Scope), " "), Client: g.Client, Subject: s.opt.Issue.Subject(c, g.User),
		Issuer: s.opt.Issue.Issuer(), IssuedAt: g.CreatedAt.Unix(), Expires: g.ExpiresAt.Unix(), Session: g.Session}, nil
}

// concerns says whether c may learn what a token says: it is its own, or c serves a resource in its audience. A resource
// that no client is declared to serve is open to every client that authenticates; userinfo is ours to serve, so that this
// server in the audience lets nobody in. RFC 7662 §4.
func (s *Service) concerns(c *oauth.Client, a *issue.Access) bool {
	if a.Client == c.ID {
		return true
	}
	for _, aud := range a.Audience {
		if aud == string(c.ID) || slices.Contains(c.Serves, aud) || aud != s.opt.Issue.Issuer() && !s.opt.Registry.Served(aud) {
			return true
		}
	}
	return false
}

// Revoke answers POST /revoke: 200 whatever the token is, unless it belongs to another client. The authorization behind a
// token of a person falls as a whole, with its refresh tokens (RFC 7009 §2.1); a client's own token falls alone.
func (s *Service) Revoke(w http.ResponseWriter, r *http.Request) error {
	c, raw, err := s.question(r)
	if err != nil {
		return err
	}
	if err := s.revoke(r.Context(), c, raw); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) revoke(ctx context.Context, c *oauth.Client, raw string) error {
	var grant ident.GrantID
	env := oauth.EnvOf(ctx)
	ev := audit.Event{Type: "token.revoked", Outcome: audit.OK, Actor: "client", Client: c.ID, IP: env.IP.String(), Request: env.RequestID}
	if tok, err := issue.ParseRefresh(raw); err == nil {
		g, err := s.opt.Grants.Grant(ctx, tok.Grant)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return oauth.Unavailable(err)
		}
		_, older := s.opt.Issue.Ancestor(tok, g.RefreshSeq, g.RefreshHash)
		if !older && (tok.Seq != g.RefreshSeq || !tok.Is(g.RefreshHash)) {
			return nil
		}
		if g.Client != c.ID {
			return oauth.InvalidGrant("The token belongs to another client.")
		}
		grant = g.ID
	} else {
		a, err := s.opt.Issue.Read(raw)
		if err != nil {
			return nil
		}
		if a.Client != c.ID {
			return oauth.InvalidGrant("The token belongs to another client.")
		}
		if a.Grant == "" {
			if err := s.opt.Audit.Record(ctx, ev); err != nil {
				return oauth.Unavailable(err)
			}
			// The log first: who tries again after half of it failed writes to it twice, and no harm is done.
			if err := s.opt.Log.RevokeToken(ctx, a.ID, s.opt.Now(), time.Unix(a.Expires, 0)); err != nil {
				return oauth.Unavailable(err)
			}
			err := s.opt.Ephemeral.Put(ctx, store.KeyOf("revoked", a.ID), []byte{1}, time.Unix(a.Expires, 0).Add(time.Minute))
			if err != nil && !errors.Is(err, store.ErrExists) {
				return oauth.Unavailable(err)
			}
			return nil
		}
		grant = a.Grant
	}
	ev.Grant = grant
	if err := s.opt.Audit.Record(ctx, ev); err != nil {
		return oauth.Unavailable(err)
	}
	if _, err := s.opt.Grants.RevokeGrant(ctx, grant, s.opt.Now(), "client"); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.Unavailable(err)
	}
	return nil
}

// question reads what introspection and revocation have in common: an authenticated client and a token.
func (s *Service) question(r *http.Request) (*oauth.Client, string, error) {
	if err := oauth.ParseForm(r); err != nil {
		return nil, "", err
	}
	c, err := s.opt.Auth.Authenticate(r.Context(), r)
	if err != nil {
		return nil, "", err
	}
	if len(r.PostForm["token"]) != 1 || r.PostForm.Get("token") == "" {
		return nil, "", oauth.InvalidRequest("token is missing or repeated.")
	}
	return c, r.PostForm.Get("token"), nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(append(b, '\n'))
	return err
}
