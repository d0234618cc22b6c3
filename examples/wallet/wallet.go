// Package wallet is a demo: a relying party that signs people in with an OpenID provider and shows what it got, and a
// small API that accepts only validated access tokens. Both are served by one handler and talk to each other over HTTP,
// as they would on two machines. It keeps everything in memory and moves no real money.
package wallet

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/postern-id/postern/verify"
)

// Options says who the wallet is and whom it trusts.
type Options struct {
	Issuer   string // the provider's issuer identifier; it may start later than the wallet
	ClientID string
	Secret   string // "" for a public client; PKCE is used either way
	BaseURL  string // the wallet's own origin, such as http://localhost:8090
	Audience string // resource identifier of the demo API; BaseURL + "/api" if ""
	Scope    string // asked for at sign-in; "openid profile email wallet:read wallet:move" if ""
	// WithdrawACR is the authentication that the API demands for a withdrawal; urn:postern:acr:aal2 if "".
	WithdrawACR string
	// APIClientID and APISecret are the API's own client, with which it follows the provider's log of revocations until
	// Context ends; it follows nothing if Context is nil.
	Context                context.Context
	APIClientID, APISecret string
	Now                    func() time.Time
	Log                    *slog.Logger // faults of the demo; nil for none
}

// RedirectURI is what the client has to register in redirect_uris.
func (o Options) RedirectURI() string { return o.origin() + "/callback" }

// PostLogoutRedirectURI is what the client has to register in post_logout_redirect_uris.
func (o Options) PostLogoutRedirectURI() string { return o.origin() + "/" }

func (o Options) origin() string { return strings.TrimSuffix(o.BaseURL, "/") }

// Resource is the audience of the API's access tokens, which the provider has to know.
func (o Options) Resource() string {
	if o.Audience != "" {
		return o.Audience
	}
	return o.origin() + "/api"
}

// stepUpAge is how recent a sign-in must be for a withdrawal.
const stepUpAge = 5 * time.Minute

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/wallet.css
var css []byte

//go:embed pages/icon.svg
var icon []byte

type wallet struct {
	Options
	oidc     *client
	sessions *sessions
	pages    *template.Template
	http     *http.Client
}

// New returns the wallet and its API. The issuer is contacted when somebody first needs it.
func New(o Options) (http.Handler, error) {
	o.BaseURL = o.origin()
	o.Audience = o.Resource()
	if o.Scope == "" {
		o.Scope = "openid profile email wallet:read wallet:move"
	}
	if o.WithdrawACR == "" {
		o.WithdrawACR = "urn:postern:acr:aal2"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ClientID == "" || o.BaseURL == "" || o.Now == nil {
		return nil, errors.New("wallet: ClientID, BaseURL and Now are required")
	}
	ctx := context.Background()
	idTokens, err := verify.NewIDTokenVerifier(ctx, o.Issuer, o.ClientID, verify.Clock(o.Now))
	if err != nil {
		return nil, fmt.Errorf("wallet: %w", err)
	}
	options := []verify.Option{verify.Audience(o.Audience), verify.Clock(o.Now), verify.OnRefusal(func(r *http.Request, cause error) {
		o.Log.Info("demo API refused", "path", r.URL.Path, "cause", cause)
	})}
	if o.Context != nil {
		options = append(options, verify.FollowRevocations(o.Context, o.APIClientID, o.APISecret))
	}
	rs, err := verify.NewResourceServer(ctx, o.Issuer, options...)
	if err != nil {
		return nil, fmt.Errorf("wallet: %w", err)
	}
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	hc := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w := &wallet{
		Options: o, pages: pages, http: hc,
		oidc:     &client{Options: o, idTokens: idTokens, http: hc},
		sessions: newSessions(o.Now, strings.HasPrefix(o.BaseURL, "https://")),
	}
	return w.routes(rs), nil
}

func (w *wallet) routes(rs *verify.ResourceServer) http.Handler {
	page := http.NewServeMux()
	page.HandleFunc("GET /{$}", w.home)
	page.HandleFunc("GET /login", w.login)
	page.HandleFunc("GET /callback", w.callback)
	page.HandleFunc("POST /refresh", w.signedIn(w.refresh))
	page.HandleFunc("POST /call", w.signedIn(w.call))
	page.HandleFunc("POST /withdraw", w.signedIn(w.withdraw))
	page.HandleFunc("GET /confirm", w.signedIn(w.confirm))
	page.HandleFunc("GET /stepup", w.signedIn(w.stepUp))
	page.HandleFunc("POST /logout", w.signedIn(w.logout))
	page.HandleFunc("GET /wallet.css", asset("text/css; charset=utf-8", css))
	page.HandleFunc("GET /icon.svg", asset("image/svg+xml", icon))
	page.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		w.fail(rw, http.StatusNotFound, "There is no such page", "The address may be mistyped.")
	})

	api := newAPI(rs, w.WithdrawACR)
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	mux.Handle(rs.MetadataPath(), rs.Metadata())
	mux.Handle("/", secure(http.NewCrossOriginProtection().Handler(page)))
	return http.MaxBytesHandler(mux, 16<<10)
}

// secure sets the headers of every page: nothing but our own style sheet, no frames, no cache.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func asset(contentType string, b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Write(b)
	}
}
