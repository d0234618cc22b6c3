package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// jwksDelay is how long the suite is told to wait before it uses a new key (its jwks_refresh_delay): a little more than
// the pause that the server makes between two fetches of one set.
const jwksDelay = 11 * time.Second

// refreshToken: refresh tokens work, change nothing about who the person is, and are bound to their client.
// RFC 6749 §6, §10.4, OIDC Core §11, §12.2.
func refreshToken(m *run) {
	grant := func(_ *client, doc map[string]any) {
		doc["grant_types"] = append(slices.Clone(doc["grant_types"].([]string)), "refresh_token")
	}
	m.enrol(grant)
	first := m.client
	m.offline()
	m.refreshed(m.offlineFlow(0), true)
	if m.dynamic {
		m.client = m.register(grant)
	} else {
		m.client = m.static("suite-2")
	}
	i := m.offlineFlow(43)
	m.refreshed(i, false)
	m.client = first
	m.tokenError(m.tokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {i.reply.text("refresh_token")}}), "invalid_grant")
}

// offline asks for offline_access where the server has it.
func (m *run) offline() {
	if m.lists("scopes_supported", "offline_access") {
		m.scope = "openid offline_access"
	}
}

// offlineFlow authorizes with consent; nonceLength 0 leaves the usual one.
func (m *run) offlineFlow(nonceLength int) *issued {
	edits := []func(url.Values){set("prompt", "consent")}
	if nonceLength > 0 {
		edits = append(edits, set("nonce", harness.Random()[:nonceLength]))
	}
	i := m.granted(m.ask(edits...))
	m.redeem(i, nil)
	if i.reply.text("refresh_token") == "" {
		if m.lists("grant_types_supported", "refresh_token") {
			m.warn("grant_types_supported lists refresh_token, and there was none")
		}
		m.skip("no refresh token was issued")
	}
	if !m.lists("grant_types_supported", "refresh_token") {
		m.warn("grant_types_supported does not list refresh_token")
	}
	return i
}

// refreshed uses the refresh token of i once, and leaves the newest one in i.
func (m *run) refreshed(i *issued, withScope bool) {
	m.sleep(time.Second) // iat differs
	old := i.reply.text("refresh_token")
	m.describable("refresh_token", old)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}}
	if withScope {
		form.Set("scope", i.asked.Get("scope"))
	}
	r := m.tokenRequest(form)
	m.tokenResponse(r)
	m.guessable("access token", r.text("access_token"))
	if r.fields["expires_in"] == nil {
		m.warn("the refreshed token response has no expires_in")
	}
	if r.text("access_token") == i.token {
		m.fail("the access token did not change")
	}
	if raw := r.text("id_token"); raw != "" {
		t := &idToken{raw: raw}
		t.header, t.claims = m.verified("refreshed ID token", raw)
		m.sameSignIn(i.back, t)
	}
	switch next := r.text("refresh_token"); next {
	case "":
		r.fields["refresh_token"] = old
	default:
		m.guessable("refresh token", next)
	}
	i.reply, i.token = r, r.text("access_token")
	m.userinfo(i.token)
}

// sameSignIn: OIDC Core §12.2.
func (m *run) sameSignIn(a, b *idToken) {
	for _, c := range []string{"iss", "sub", "azp"} {
		if a.claims[c] != b.claims[c] {
			m.fail("%s of the refreshed ID token is %v, not %v", c, b.claims[c], a.claims[c])
		}
	}
	if strings.Join(texts(a.claims["aud"]), " ")+a.text("aud") != strings.Join(texts(b.claims["aud"]), " ")+b.text("aud") {
		m.fail("aud of the refreshed ID token is %v", b.claims["aud"])
	}
	if b.at("iat") <= a.at("iat") {
		m.fail("iat of the refreshed ID token is %d, after %d", b.at("iat"), a.at("iat"))
	}
	if a.at("auth_time") != 0 && b.at("auth_time") != a.at("auth_time") {
		m.fail("auth_time of the refreshed ID token is %d, not %d", b.at("auth_time"), a.at("auth_time"))
	}
	if n := b.text("nonce"); n != "" && n != a.text("nonce") {
		m.fail("nonce of the refreshed ID token is %q", n)
	}
}

// withJWKSURI registers keys by reference, under a kid of their own.
func (m *run) withJWKSURI(more ...func(*client, map[string]any)) {
	m.enrol(append([]func(*client, map[string]any){func(c *client, doc map[string]any) {
		c.kid = harness.Random()[:12]
		delete(doc, "jwks")
		doc["jwks_uri"] = m.publishKeys(c)
	}}, more...)...)
}

func (m *run) publishKeys(c *client) string {
	return m.w.host.publish(c.base+"/jwks", "application/json", encode(jwks(c.key, c.kid)))
}

// rpKeyRotation: a new key of the client is picked up. OIDC Core §10.1.1.
func rpKeyRotation(m *run) {
	m.withJWKSURI(func(_ *client, doc map[string]any) {
		doc["grant_types"] = append(slices.Clone(doc["grant_types"].([]string)), "refresh_token")
	})
	m.scope = "openid offline_access"
	i := m.offlineFlow(0)
	m.client.key, m.client.kid = m.w.keys[1], harness.Random()[:12]
	m.publishKeys(m.client)
	m.sleep(jwksDelay)
	m.refreshed(i, false)
}

// registrationJWKSURI: OIDC Dynamic Client Registration §2.
func registrationJWKSURI(m *run) {
	m.withJWKSURI()
	m.happy()
}

// assertionIssuerAudience: an assertion whose audience is the issuer; a refusal only warns. OIDC Core §9.
func assertionIssuerAudience(m *run) {
	m.enrol()
	m.client.audience = m.text("issuer")
	i := m.granted(m.ask())
	if !m.with("code") {
		return
	}
	r := m.exchange(i, nil)
	if r.text("error") == "" {
		m.redeemed(i, r)
		return
	}
	m.warn("an assertion with the issuer as its audience is refused: %v", r)
	if r.text("error") != "invalid_client" || r.status != http.StatusBadRequest && r.status != http.StatusUnauthorized {
		m.fail("the refusal is %v", r)
	}
}
