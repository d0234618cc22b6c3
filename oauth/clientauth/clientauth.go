// Package clientauth answers one question: which client is this? It knows client secrets, private_key_jwt and public
// clients (RFC 6749 §2.3, OIDC Core §9). It never says what the client may do.
package clientauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Options of an Authenticator; all are needed.
type Options struct {
	Registry   *oauth.Registry
	Ephemeral  store.Ephemeral
	Counters   store.Counters
	Audit      audit.Recorder
	Keys       *oauth.ClientKeys
	SecretKeys func() [][]byte // of oauth.HashSecret, newest first
	Issuer     string
	Endpoints  []string // URLs that an assertion may name as its audience beside the issuer
	Now        func() time.Time
}

// failLimit is how many wrong credentials one client may show from one network within failWindow.
const (
	failLimit  = 20
	failWindow = 5 * time.Minute

	maxID = 255 // bytes of a client_id
)

// Authenticator authenticates clients.
type Authenticator struct {
	opt     Options
	mu      sync.Mutex
	blocked map[string]time.Time // client and network → until when; filled from Counters, so that asking costs nothing
}

// New returns an Authenticator.
func New(opt Options) *Authenticator {
	return &Authenticator{opt: opt, blocked: map[string]time.Time{}}
}

// Authenticate returns the client that a POST to one of our endpoints comes from; r.PostForm is parsed. A client that is
// unknown and a credential that is wrong give the same invalid_client.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request) (_ *oauth.Client, err error) {
	ctx, end := span.Start(ctx, "clientauth.Authenticate")
	defer func() { end(err) }()
	cred, err := read(r)
	if err != nil {
		return nil, err
	}
	place := string(cred.id) + "|" + ident.Network(oauth.EnvOf(ctx).IP)
	if a.isBlocked(place) {
		return nil, oauth.TooMany()
	}
	c, err := a.opt.Registry.Find(ctx, cred.id)
	if err == nil {
		err = a.check(ctx, c, cred)
	} else if cred.secret != "" {
		_ = oauth.SecretMatches(a.opt.SecretKeys(), oauth.HashSecret([]byte{0}, "", ""), cred.id, cred.secret) // same work as for a known one
	}
	if err == nil {
		return c, nil
	}
	var e *oauth.Error
	if errors.As(err, &e) && e.Status >= 500 {
		return nil, err
	}
	if err := a.failed(ctx, cred.id, place, err); err != nil {
		return nil, err
	}
	return nil, oauth.InvalidClient().Because(err)
}

// credential is what a request shows of its client.
type credential struct {
	id        ident.ClientID
	method    string // as registered: none, client_secret_basic, client_secret_post, private_key_jwt
	secret    string
	assertion string
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2

func read(r *http.Request) (credential, error) {
	form := r.PostForm
	for _, p := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if len(form[p]) > 1 {
			return credential{}, oauth.InvalidRequest("The parameter %s is repeated.", p)
		}
	}
	cred := credential{id: ident.ClientID(form.Get("client_id")), method: "none"}
	methods := 0
	if auth := r.Header.Values("Authorization"); len(auth) > 0 {
		methods++
		id, secret, ok := basic(r)
		if len(auth) > 1 || !ok {
			return cred, oauth.InvalidClient()
		}
		if cred.id != "" && cred.id != id {
			return cred, oauth.InvalidRequest("client_id differs from the Authorization header.")
		}
		cred.id, cred.secret, cred.method = id, secret, "client_secret_basic"
	}
	if form.Has("client_secret") {
		methods++
		cred.secret, cred.method = form.Get("client_secret"), "client_secret_post"
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		methods++
		if form.Get("client_assertion_type") != assertionType {
			return cred, oauth.InvalidRequest("client_assertion_type must be %s.", assertionType)
		}
		cred.assertion, cred.method = form.Get("client_assertion"), "private_key_jwt"
		id, err := claimedBy(cred.assertion)
		if err != nil || cred.id != "" && cred.id != id {
			return cred, oauth.InvalidClient().Because(err)
		}
		cred.id = id
	}
	if methods > 1 { // RFC 6749 §2.3
		return cred, oauth.InvalidRequest("A request may authenticate its client in one way only.")
	}
	if cred.id == "" || len(cred.id) > maxID || hasControl(string(cred.id)) { // nobody is called that: it is not even counted
		return cred, oauth.InvalidClient()
	}
	return cred, nil
}

// basic decodes HTTP Basic, whose parts are form-encoded. RFC 6749 §2.3.1.
func basic(r *http.Request) (ident.ClientID, string, bool) {
	user, pass, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	return ident.ClientID(id), secret, err1 == nil && err2 == nil && id != ""
}

// check judges the credential of a known client. A client uses the method that it registered.
func (a *Authenticator) check(ctx context.Context, c *oauth.Client, cred credential) error {
	switch {
	case c.AuthMethod != "" && c.AuthMethod != cred.method:
		return errors.New("not the registered method, but " + cred.method)
	case cred.method == "none":
		if !c.Public() {
			return errors.New("no credential")
		}
		return nil
	case cred.method == "private_key_jwt":
		return a.assertion(ctx, c, cred.assertion)
	case c.SecretHash == "":
		return errors.New("the client has no secret")
	}
	keys := a.opt.SecretKeys()
	if oauth.SecretMatches(keys, c.SecretHash, c.ID, cred.secret) {
		return nil
	}
	if c.OldHash != "" && a.opt.Now().Before(c.OldUntil) && oauth.SecretMatches(keys, c.OldHash, c.ID, cred.secret) {
		return nil
	}
	return errors.New("wrong secret")
}

func (a *Authenticator) isBlocked(place string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.blocked[place]
	if ok && !a.opt.Now().Before(until) {
		delete(a.blocked, place)
		return false
	}
	return ok
}

// failed records a failure; its own error means that the request is refused for that.
func (a *Authenticator) failed(ctx context.Context, id ident.ClientID, place string, cause error) error {
	env := oauth.EnvOf(ctx)
	if err := a.opt.Audit.Record(ctx, audit.Event{Type: "client.authenticated", Outcome: audit.Failed, Actor: "client", Client: id,
		IP: env.IP.String(), Request: env.RequestID}); err != nil {
		return oauth.Unavailable(err)
	}
	n, err := a.opt.Counters.Add(ctx, "clientauth:"+place, 1, failWindow)
	if err != nil {
		return oauth.Unavailable(err)
	}
	if n < failLimit {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.blocked) > 10_000 { // a bound on memory: forget, and let the counters say it again
		clear(a.blocked)
	}
	a.blocked[place] = a.opt.Now().Add(failWindow)
	return oauth.TooMany().Because(cause)
}

// hasControl keeps log and header injection out of identifiers: they are printable ASCII.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}
