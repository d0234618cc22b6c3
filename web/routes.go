package web

import (
	"net/http"

	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/web/static"
)

// face is who an endpoint talks to, and thereby what stands around it.
type face int

const (
	page   face = iota // a person in a browser: cookies, CSP, and no form from elsewhere
	fetch              // the script of our own pages: as page, with JSON
	frame              // anybody's page that holds ours in a frame: no cookies, a script of ours and nothing else
	open               // as page, but other sites may send people here by a form: they hold no power here
	api                // a program: no cookies, OAuth JSON
	public             // anybody, and caches: no cookies
)

// cors is whose pages may call an endpoint from a browser.
type cors int

const (
	nobody  cors = iota
	clients      // origins of registered clients, without credentials
	anybody
)

// route is one row of the attack surface: an endpoint without a row is dead code.
type route struct {
	path    string
	methods []string
	face    face
	cors    cors
	body    int64   // bytes of a request at most
	rate    float64 // requests a second from one network (/24, /48), in bursts of ten times as much; 0: no limit of its own
	h       func(http.ResponseWriter, *http.Request) error
}

// routes is the table.
func (s *Server) routes() []route {
	get := []string{http.MethodGet, http.MethodHead}
	post := []string{http.MethodPost}
	both := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	manage := []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	erase := []string{http.MethodDelete}
	const kb = 1 << 10
	const pace = 100 // what a large office behind one address may do; what guards secrets counts failures, in authn
	o := s.opt
	return []route{
		// the protocol
		{"/.well-known/openid-configuration", get, public, anybody, 0, 0, o.Discovery.Document},
		{"/.well-known/oauth-authorization-server", get, public, anybody, 0, 0, o.Discovery.Document},
		{meta.PathJWKS, get, public, anybody, 0, 0, o.Discovery.Keys},
		{meta.PathAuthorize, both, open, nobody, 64 * kb, 0, s.authorize},
		{meta.PathToken, post, api, clients, 64 * kb, 0, o.Token.Token},
		{meta.PathUserInfo, both, api, clients, 16 * kb, 0, o.Meta.UserInfo},
		{meta.PathIntrospect, post, api, nobody, 32 * kb, 0, o.Meta.Introspect},
		{meta.PathRevoke, post, api, clients, 32 * kb, 0, o.Meta.Revoke},
		{meta.PathLog, both, api, nobody, 16 * kb, pace, o.Meta.Revocations},
		{meta.PathLogout, both, open, nobody, 64 * kb, pace, s.logout},
		{meta.PathSession, get, frame, nobody, 0, 0, s.checkSession},
		{meta.PathDeviceAuth, post, api, nobody, 32 * kb, 10, o.Device.Authorize},
		{meta.PathCIBA, post, api, nobody, 64 * kb, pace, o.CIBA.Authorize},
		{"/bc-decide", post, api, nobody, 16 * kb, pace, s.decide},
		{meta.PathRegister, post, api, nobody, 64 * kb, pace, s.register},
		{"/register/{client}", manage, api, nobody, 64 * kb, pace, s.manageClient},
		{"/client-logo/{hash}", get, public, nobody, 0, pace, s.clientLogo},
		// the pages of a sign-in
		{"/login", both, page, nobody, 16 * kb, pace, s.login},
		{"/code", both, page, nobody, 16 * kb, pace, s.code},
		{"/consent", both, page, nobody, 16 * kb, pace, s.consent},
		{"/recovery-code", both, page, nobody, 16 * kb, pace, s.recoveryCode},
		{"/passkey", both, page, nobody, 16 * kb, pace, s.prompt},
		{meta.PathDevice, both, page, nobody, 16 * kb, pace, s.device},
		{"/push", both, page, nobody, 16 * kb, pace, s.push},
		{"/push/state", post, fetch, nobody, 16 * kb, pace, s.pushState},
		{"/continue", get, page, nobody, 0, pace, s.proceed},
		{"/webauthn/get/options", post, fetch, nobody, 16 * kb, pace, s.getOptions},
		{"/webauthn/get", post, fetch, nobody, 64 * kb, pace, s.get},
		{"/webauthn/create/options", post, fetch, nobody, 16 * kb, pace, s.createOptions},
		{"/webauthn/create", post, fetch, nobody, 64 * kb, pace, s.create},
		{keyPage, get, page, nobody, 0, pace, s.deviceKey},
		{keyProve, post, fetch, nobody, 16 * kb, pace, s.proveKey},
		{dbscRegister, post, open, nobody, 1 * kb, pace, s.dbscStart},
		{dbscRefresh, post, open, nobody, 1 * kb, pace, s.dbscRenew},
		// what a person approves on another device
		{inbox, get, page, nobody, 0, pace, s.approvals},
		{"/approve/{handle}", both, page, nobody, 16 * kb, pace, s.approve},
		{"/approve/{handle}/options", post, fetch, nobody, 16 * kb, pace, s.approveOptions},
		{"/approve/{handle}/sign", post, fetch, nobody, 64 * kb, pace, s.approveSign},
		{"/manifest.webmanifest", get, public, nobody, 0, 0, s.manifest},
		{"/sw.js", get, public, nobody, 0, 0, s.worker},
		// the person's own account
		{"/account", get, page, nobody, 0, pace, s.overview},
		{"/account/sessions", both, page, nobody, 16 * kb, pace, s.sessions},
		{"/account/apps", both, page, nobody, 16 * kb, pace, s.apps},
		{"/account/activity", get, page, nobody, 0, pace, s.activity},
		{"/account/passkeys", both, page, nobody, 16 * kb, pace, s.passkeys},
		{approversPage, both, page, nobody, 16 * kb, pace, s.approvers},
		{"/account/approvers/push", post, fetch, nobody, 16 * kb, pace, s.subscribe},
		{"/account/totp", both, page, nobody, 16 * kb, pace, s.totp},
		{"/account/recovery-codes", both, page, nobody, 16 * kb, pace, s.recoveryCodes},
		{"/account/password", both, page, nobody, 16 * kb, pace, s.password},
		{"/account/settings", both, page, nobody, 16 * kb, pace, s.settings},
		{"/account/export", get, page, nobody, 0, 1, s.export},
		{"/not-me", both, page, nobody, 16 * kb, pace, s.notMe},
		{"/recover", both, page, nobody, 16 * kb, pace, s.recover},
		{"/recover/go", both, page, nobody, 16 * kb, pace, s.recoverGo},
		{"/recover/show", post, page, nobody, 16 * kb, pace, s.recoverShow},
		{"/recover/cancel", post, page, nobody, 16 * kb, pace, s.recoverCancel},
		{"/recover/set", post, page, nobody, 16 * kb, pace, s.recoverSet},
		{"/dev/outbox", get, page, nobody, 0, pace, s.outbox},
		{"/{$}", get, page, nobody, 0, pace, s.home},
		// apps that approve
		{"/approver/enrol", post, api, nobody, 16 * kb, pace, s.approverEnrol},
		{"/approver/requests", get, api, nobody, 0, pace, s.approverRequests},
		{"/approver/requests/{handle}", post, api, nobody, 16 * kb, pace, s.approverDecide},
		{"/approver/push", post, api, nobody, 16 * kb, pace, s.approverPush},
		{"/approver", erase, api, nobody, 0, pace, s.approverRemove},
		// the rest
		{"/.well-known/webauthn", get, public, nobody, 0, 0, s.relatedOrigins},
		{"/.well-known/passkey-endpoints", get, public, nobody, 0, 0, s.passkeyEndpoints},
		{"/.well-known/change-password", get, public, nobody, 0, 0, s.changePassword},
		{"/healthz", get, public, nobody, 0, 0, s.healthz},
		{static.Prefix, get, public, nobody, 0, 0, s.static()},
	}
}

// register and manageClient are not there where clients cannot register themselves. RFC 7591 §3, RFC 7592 §2.

func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Register == nil {
		return errNotFound
	}
	return s.opt.Register.Create(w, r)
}

func (s *Server) manageClient(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Register == nil {
		return errNotFound
	}
	return s.opt.Register.Manage(w, r)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) static() func(http.ResponseWriter, *http.Request) error {
	h := http.StripPrefix(s.base.Path, static.Handler())
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store") // what is found says otherwise
		h.ServeHTTP(w, r)
		return nil
	}
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, s.base.Path+"/account", http.StatusSeeOther)
	return nil
}

// authorize is the authorization endpoint, by GET and POST. RFC 6749 §3.1, OIDC Core §3.1.2.1.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return badForm(err)
		}
		form = r.PostForm
	}
	page, answer, err := s.opt.Authorize.Authorize(r.Context(), form)
	switch {
	case err != nil:
		return err
	case answer == nil:
		return s.to(w, page)
	case answer.Posts():
		return s.post(w, r, &flow{}, *answer)
	}
	w.Header().Set("Location", answer.URL())
	w.WriteHeader(http.StatusSeeOther) // never repeats a credential POST, RFC 9700 §4.12
	return nil
}
