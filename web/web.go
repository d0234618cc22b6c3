// Package web is the shell: the table of routes, what stands around every handler, the pages' handlers, and the one place
// where errors become bytes. It never decides about a token.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/notify/webpush"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/oauth/register"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/pages"
	"github.com/postern-id/postern/web/static"
)

// Options of the shell. All are needed except Brand, Dev, Proxies, Observe and the limits.
type Options struct {
	Issuer    string
	Brand     string // what people call the service; default: the product's name
	Dev       bool   // says on every page that this is no place for real accounts
	Pseudo    int    // with Dev: every text is longer by so many percent, to see whether the pages hold it
	Authorize *authorize.Service
	Token     *token.Endpoint
	Device    *backchannel.Device
	CIBA      *backchannel.CIBA
	Decisions bool // programs may decide requests by back channel, for tests
	Meta      *meta.Service
	Discovery *meta.Discovery
	Register  *register.Service // nil: clients cannot register themselves
	Logos     *Logos            // nil: logos of clients are not shown
	Authn     *authn.Service
	Risk      *riskstep.Engine
	Sessions  *sessions.Manager
	Keys      *sessions.Keys // nil: devices prove no keys
	Notify    *notify.Service
	Push      *webpush.Courier // nil: requests for approval only wait on the pages
	Users     authn.Store
	Grants    oauth.GrantStore
	Consents  oauth.ConsentStore
	Registry  *oauth.Registry
	Audit     audit.Recorder
	History   audit.Store                                        // the person's own activity
	FormKeys  func() [][]byte                                    // secrets of the tokens in forms, newest first
	Proxies   []netip.Prefix                                     // peers whose X-Forwarded-For is believed
	JA4Header string                                             // in which they report the JA4 of the client; "" for none
	Passkeys  bool                                               // people can sign in by passkey
	Passwords bool                                               // … and by password
	Recovery  bool                                               // who lost all ways to sign in can ask for a mail
	Related   []string                                           // further origins that may use our passkeys, WebAuthn L3 §5.11
	States    *SessionStates                                     // session_state and the frame that checks it; nil for none
	Access    time.Duration                                      // life of an access token, told to people
	Log       *slog.Logger                                       // one line a request
	Observe   func(route string, status int, took time.Duration) // metrics
	Now       func() time.Time
	InFlight  int // requests at once before 503; default 2048
}

// Server holds what the handlers share.
type Server struct {
	opt    Options
	pages  *pages.Renderer
	words  *locales.Catalogue
	secure bool // the issuer is https
	base   *url.URL
	limits *limiter
	gate   chan struct{}
}

// New returns the handler of everything that the server serves in public.
func New(opt Options) (http.Handler, error) {
	base, err := url.Parse(opt.Issuer)
	if err != nil || base.Host == "" {
		return nil, errors.New("web: the issuer is not a URL")
	}
	words, err := locales.Load()
	if err != nil {
		return nil, err
	}
	if opt.Dev && opt.Pseudo > 0 {
		words = words.Pseudo(opt.Pseudo)
	}
	renderer, err := pages.New(words)
	if err != nil {
		return nil, err
	}
	if opt.InFlight == 0 {
		opt.InFlight = 2048
	}
	if opt.Observe == nil {
		opt.Observe = func(string, int, time.Duration) {}
	}
	s := &Server{opt: opt, pages: renderer, words: words, secure: base.Scheme == "https", base: base,
		limits: newLimiter(opt.Now), gate: make(chan struct{}, opt.InFlight)}
	mux := http.NewServeMux()
	for _, row := range s.routes() {
		mux.Handle(base.Path+row.path, s.wrap(row))
	}
	if base.Path != "" { // RFC 8414 §3.1: the well-known string stands between the host and the path
		const doc = "/.well-known/oauth-authorization-server"
		mux.Handle(doc+base.Path, s.wrap(route{path: doc, methods: []string{http.MethodGet, http.MethodHead}, face: public, cors: anybody, h: opt.Discovery.Document}))
	}
	lost := s.wrap(route{path: "/", face: page, h: s.notFound})
	mux.Handle("/", lost)
	mux.Handle(base.Path+strings.TrimSuffix(static.Prefix, "/"), lost) // otherwise redirected to the folder
	return straight(mux, lost), nil
}

func (s *Server) notFound(http.ResponseWriter, *http.Request) error { return errNotFound }

// device and session of a request, for the handlers.

func device(ctx context.Context) string { return string(oauth.EnvOf(ctx).Device) }

func current(ctx context.Context) *sessions.Session { return oauth.SessionOf(ctx) }
