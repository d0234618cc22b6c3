// Package register owns how clients register themselves: dynamic registration (RFC 7591, OpenID Connect Dynamic Client
// Registration), its management by the client (RFC 7592), initial access tokens and software statements. It never decides
// policy: what an outsider may have is one value, oauth.Outsiders, and what only an operator decides is never read from a
// request. It speaks HTTP because its specifications are HTTP; it stands beside meta, which is full.
package register

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// Options of a Service. All are needed except Statements, Registered and the limits, which are off where they are 0.
type Options struct {
	Issuer     string
	Endpoint   string // URL of Create; that of Manage has the client_id behind it
	Open       bool   // anybody may register; otherwise an initial access token is needed
	Allow      oauth.Outsiders
	Registry   *oauth.Registry
	Store      oauth.RegistryStore
	Ephemeral  store.Ephemeral
	Counters   store.Counters
	Audit      audit.Recorder
	Fetch      *egress.Client       // for sector_identifier_uri
	SecretKeys func() [][]byte      // of oauth.HashSecret, newest first
	Statements map[string]*keys.Set // keys of the issuers whose software statements are believed
	Registered func(*oauth.Client)  // told after a client came or changed
	PerHour    int64                // registrations without a token that one network may make in an hour
	Max        int                  // clients that registered themselves, in all
	Now        func() time.Time
	Rand       io.Reader
}

// Service serves the endpoint. It is safe for concurrent use.
type Service struct{ opt Options }

// New returns a Service.
func New(opt Options) *Service {
	if opt.Registered == nil {
		opt.Registered = func(*oauth.Client) {}
	}
	return &Service{opt: opt}
}

// tokenPrefix marks a registration access token, so that one which leaked is recognised.
const tokenPrefix = "prm_"

// Create registers a client. RFC 7591 §3.1, OIDC Dynamic Client Registration §3.1.
func (s *Service) Create(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	by, err := s.admit(ctx, r)
	if err != nil {
		return err
	}
	m, err := read(r)
	if err != nil {
		return err
	}
	allow := s.opt.Allow
	if by.Profile != "" {
		allow.Profile = by.Profile
	}
	c, err := s.client(ctx, &allow, m, "")
	if err != nil {
		return err
	}
	id, err := s.random(16)
	if err != nil {
		return err
	}
	c.ID = ident.ClientID(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id)))
	c.Origin, c.IssuedAt = oauth.ByRegistration, s.opt.Now().Unix()
	secret, err := s.credential(c)
	if err != nil {
		return err
	}
	token, err := s.text()
	if err != nil {
		return err
	}
	token = tokenPrefix + token
	c.ManagementHash = oauth.HashSecret(s.opt.SecretKeys()[0], c.ID, token)
	if c, err = allow.Check(c); err != nil {
		return err
	}
	if s.opt.Max > 0 && s.opt.Registry.Dynamic() >= s.opt.Max {
		return oauth.AccessDenied("No more clients can register here; ask the operator.")
	}
	if err := s.spend(ctx, by); err != nil { // last: whoever made a mistake keeps the token
		return err
	}
	if err := s.keep(ctx, c, "client.registered", by.how()); err != nil {
		return err
	}
	return s.answer(w, http.StatusCreated, c, secret, token)
}

// client reads what a request says of its client. stored is the software statement that it registered with before, or "".
func (s *Service) client(ctx context.Context, allow *oauth.Outsiders, m map[string]json.RawMessage, stored string) (*oauth.Client, error) {
	statement, err := s.statement(m, stored)
	if err != nil {
		return nil, err
	}
	c, err := allow.Read(m)
	if err != nil {
		return nil, err
	}
	c.Statement = statement
	if c.AuthMethod == "" {
		c.AuthMethod = "client_secret_basic" // RFC 7591 §2
	}
	if c.SectorURI != "" {
		body, _, err := s.opt.Fetch.Get(ctx, c.SectorURI, "application/json")
		if err == nil {
			err = c.Sectored(body)
		}
		if err != nil {
			return nil, oauth.InvalidMetadata("sector_identifier_uri must be an https URL whose document lists every redirect_uri.").Because(err)
		}
	}
	return c, nil
}

// credential gives c a secret where its method needs one that it does not have, and takes it away where it does not. It
// returns the new secret or "".
func (s *Service) credential(c *oauth.Client) (string, error) {
	if !strings.HasPrefix(c.AuthMethod, "client_secret_") {
		c.SecretHash, c.OldHash, c.OldUntil = "", "", time.Time{}
		return "", nil
	}
	if c.SecretHash != "" {
		return "", nil
	}
	secret, err := s.text()
	if err != nil {
		return "", err
	}
	c.SecretHash = oauth.HashSecret(s.opt.SecretKeys()[0], c.ID, secret)
	return secret, nil
}

// keep records what happens to c, and then makes it so, on this node at once.
func (s *Service) keep(ctx context.Context, c *oauth.Client, event, how string) error {
	doc, err := c.Document(s.opt.Now().UTC())
	if err != nil {
		return err
	}
	if err := s.record(ctx, event, c.ID, how); err != nil {
		return err
	}
	if err := s.opt.Store.PutClient(ctx, doc); err != nil {
		return oauth.Unavailable(err)
	}
	if err := s.opt.Registry.Refresh(ctx); err != nil {
		return oauth.Unavailable(err)
	}
	s.opt.Registered(c)
	return nil
}

func (s *Service) record(ctx context.Context, event string, id ident.ClientID, how string) error {
	env := oauth.EnvOf(ctx)
	e := audit.Event{Type: event, Outcome: audit.OK, Actor: "client", Client: id, IP: env.IP.String(), Agent: env.UserAgent, Request: env.RequestID}
	if how != "" {
		e.Data = map[string]string{"by": how}
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	return nil
}

// answer is the client information response. RFC 7591 §3.2.1, RFC 7592 §3.
func (s *Service) answer(w http.ResponseWriter, status int, c *oauth.Client, secret, token string) error {
	m, err := c.Registered()
	if err != nil {
		return err
	}
	texts := map[string]string{"registration_access_token": token, "registration_client_uri": s.opt.Endpoint + "/" + string(c.ID)}
	if secret != "" {
		texts["client_secret"] = secret
		m["client_secret_expires_at"] = json.RawMessage("0")
	}
	for name, text := range texts {
		if m[name], err = json.Marshal(text); err != nil {
			return err
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// read is the JSON object that a request carries. No page of a browser can send one elsewhere without asking first, which
// matters where this server is on the machine of the person who browses.
func read(r *http.Request) (map[string]json.RawMessage, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, oauth.InvalidMetadata("The Content-Type must be application/json.")
	}
	body, err := io.ReadAll(r.Body)
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		e := oauth.InvalidMetadata("The metadata is too long.").Because(err)
		e.Status = http.StatusRequestEntityTooLarge
		return nil, e
	}
	if err != nil {
		return nil, oauth.InvalidMetadata("The metadata cannot be read.").Because(err)
	}
	return parse(body)
}

func parse(body []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil || m == nil {
		return nil, oauth.InvalidMetadata("The metadata is not a JSON object.").Because(err)
	}
	return m, nil
}

func (s *Service) random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.opt.Rand, b)
	return b, err
}

// text is 256 bits of chance in base64url.
func (s *Service) text() (string, error) {
	b, err := s.random(32)
	return base64.RawURLEncoding.EncodeToString(b), err
}
