package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// serverTest is the happy flow, with the closest look at what comes. OIDC Core §3.
func serverTest(m *run) {
	m.enrol()
	i := m.happy()
	for _, t := range []*idToken{i.front, i.back} {
		if t != nil && t.claims["name"] != nil {
			m.warn("the ID token has a name that was not asked for")
		}
	}
	if m.with("code") {
		m.guessable("code", i.Get("code"))
	}
}

// responseTypeMissing: RFC 6749 §3.1.1.
func responseTypeMissing(m *run) {
	m.enrol()
	q := m.request(set("response_type", ""))
	l := m.visit(q)
	if l.Callback == nil {
		m.errorPage(l, "sent a request that we can't use")
		return
	}
	m.refused(m.received(q, l), "invalid_request", "unsupported_response_type")
}

// idTokenSignature: RS256 is the default. OIDC Core §2, §3.1.3.7, §10.1; OIDC Dynamic Client Registration §2.
func idTokenSignature(m *run) {
	m.enrol()
	i := m.happy()
	for _, t := range []*idToken{i.front, i.back} {
		if t != nil && (t.header["alg"] != "RS256" || t.header["kid"] == nil) {
			m.fail("the ID token has the header %v", t.header)
		}
	}
}

// idTokenRS256 asks for RS256.
func idTokenRS256(m *run) {
	m.enrol(member("id_token_signed_response_alg", "RS256"))
	i := m.happy()
	if alg := i.id().header["alg"]; alg != "RS256" {
		m.fail("alg of the ID token is %v", alg)
	}
}

// idTokenUnsigned asks for none, which a server need not have.
func idTokenUnsigned(m *run) {
	if !m.lists("id_token_signing_alg_values_supported", "none") {
		m.skip("id_token_signing_alg_values_supported does not list none, and no server has to")
	}
	m.enrol(member("id_token_signed_response_alg", "none"))
	i := m.granted(m.ask())
	header, _, err := harness.DecodeJWT(m.exchange(i, nil).text("id_token"))
	m.must(err)
	if header["alg"] != "none" {
		m.fail("alg of the ID token is %v", header["alg"])
	}
}

// withoutNonceSucceeds: nonce is optional where no ID token comes through the browser. OIDC Core §3.1.2.1.
func withoutNonceSucceeds(m *run) {
	m.enrol()
	m.happy(set("nonce", ""))
}

// withoutNonceFails: OIDC Core §3.2.2.1, §3.3.2.11.
func withoutNonceFails(m *run) {
	m.enrol()
	q := m.request(set("nonce", ""))
	l := m.visit(q)
	if l.Callback == nil {
		m.errorPage(l, "sent a request that we can't use")
		return
	}
	m.refused(m.received(q, l), "invalid_request")
}

// sends makes a module that goes through a happy flow with one more parameter, which must do no harm.
func sends(name, value string) func(*run) {
	return func(m *run) {
		m.enrol()
		m.happy(set(name, value))
	}
}

// The parameters that a server may ignore. OIDC Core §3.1.2.1, §5.2.
var (
	displayPage      = sends("display", "page")
	displayPopup     = sends("display", "popup")
	unknownParameter = sends("extra", "foobar")
	uiLocales        = sends("ui_locales", "se")
	claimsLocales    = sends("claims_locales", "se")
)

// loginHint: OIDC Core §3.1.2.1.
func loginHint(m *run) {
	m.enrol()
	u, err := url.Parse(m.text("issuer"))
	m.must(err)
	m.happy(set("login_hint", "buffy@"+u.Host))
}

// acrValues asks for what discovery offers. OIDC Core §3.1.2.1.
func acrValues(m *run) {
	m.enrol()
	wanted := texts(m.config["acr_values_supported"])
	if len(wanted) == 0 {
		wanted = []string{"1", "2"}
	}
	i := m.happy(set("acr_values", strings.Join(wanted, " ")))
	if acr := i.id().text("acr"); !slices.Contains(wanted, acr) {
		m.warn("acr of the ID token is %q, none of acr_values", acr)
	}
}

// postRequest sends the authorization request by POST. OIDC Core §3.1.2.1.
func postRequest(m *run) {
	m.enrol()
	q := m.request()
	l, err := m.visitor.post(m.text("authorization_endpoint"), q)
	m.must(err)
	m.success(m.received(q, l))
}

// validPKCE: RFC 7636 §4.
func validPKCE(m *run) {
	m.enrol()
	verifier, method := harness.Random(), "plain"
	challenge := verifier
	if m.lists("code_challenge_methods_supported", "S256") {
		challenge, method = harness.Challenge(verifier), "S256"
	}
	i := m.granted(m.ask(set("code_challenge", challenge), set("code_challenge_method", method)))
	m.redeem(i, set("code_verifier", verifier))
	m.userinfo(i.token)
}

// codeReuse: a code works once. RFC 6749 §4.1.2, §5.2, OIDC Core §3.1.3.2.
func codeReuse(m *run) { m.reuse(0) }

// codeReuseLater tries again half a minute later; what the first use gave should then be dead.
func codeReuseLater(m *run) {
	i := m.reuse(30 * time.Second)
	r := m.call(http.MethodGet, m.text("userinfo_endpoint"), "", http.Header{"Authorization": {"Bearer " + i.token}})
	if r.status < 400 || r.status >= 500 {
		m.warn("the access token still works after its code was used again: %v", r)
	}
}

func (m *run) reuse(after time.Duration) *issued {
	m.enrol()
	i := m.happy()
	if after > 0 {
		m.sleep(after)
	}
	m.tokenError(m.exchange(i, nil), "invalid_grant")
	return i
}

// registeredRedirect: an error page, and nobody is sent anywhere. OIDC Core §3.1.2.1.
func registeredRedirect(m *run) {
	m.enrol()
	m.badRedirect(m.request(set("redirect_uri", m.client.redirect+"/"+harness.Random()[:12])))
}

// badRedirect sends a request whose redirect_uri is none, which only the person may be told.
func (m *run) badRedirect(q url.Values) {
	m.errorPage(m.visit(q), "sent a return address we don't recognise")
}

// errorPage checks that a visit ended at an error page that people understand.
func (m *run) errorPage(l *landing, words string) {
	if l.Callback != nil {
		m.stop("the relying party was reached: %v", l.Callback)
	}
	if l.Page.Status < 400 || !strings.Contains(l.Page.Text, words) {
		m.stop("the page %d %q does not say that the app %s", l.Page.Status, l.Page.Text, words)
	}
	m.review("the page says that the app " + words)
}
