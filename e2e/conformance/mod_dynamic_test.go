package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// redirectFragment: no redirect_uri has a fragment. OIDC Dynamic Client Registration §2, §3.3.
func redirectFragment(m *run) {
	c, doc := m.document()
	doc["redirect_uris"] = []string{c.redirect + "#foobar"}
	m.registrationError(m.send(doc), "invalid_redirect_uri", "invalid_client_metadata", "invalid_request")
}

// loginPage is the first page that a fresh browser is shown for a client that registered a member.
func (m *run) loginPage(edit func(*client, map[string]any)) *harness.Page {
	m.enrol(edit)
	p, err := m.visitor.browser.Go(m.text("authorization_endpoint") + "?" + m.request().Encode())
	m.must(err)
	if !asks(p, "login") {
		m.stop("the server shows no sign-in page: %d %s", p.Status, p.Text)
	}
	return p
}

// registrationLogo: the logo stands on the sign-in page. OIDC Dynamic Client Registration §2.
func registrationLogo(m *run) {
	p := m.loginPage(func(c *client, doc map[string]any) {
		doc["logo_uri"] = m.w.host.publish(c.base+"/logo.png", "image/png", logo())
	})
	for _, src := range p.Images {
		if strings.HasPrefix(src, "data:") {
			continue
		}
		r := m.call(http.MethodGet, src, "", nil)
		if r.status == http.StatusOK && strings.HasPrefix(r.header.Get("Content-Type"), "image/") {
			m.review("the sign-in page shows the logo")
			return
		}
	}
	m.fail("the sign-in page shows no logo: %v", p.Images)
}

// registrationPolicy and registrationTOS: the sign-in page links to them.
func registrationPolicy(m *run) { m.linked("policy_uri", "policy.html") }

func registrationTOS(m *run) { m.linked("tos_uri", "tos.html") }

func (m *run) linked(name, file string) {
	uri := ""
	p := m.loginPage(func(c *client, doc map[string]any) {
		uri = m.w.host.publish(c.base+"/"+file, "text/html", "<title>"+name+"</title>")
		doc[name] = uri
	})
	if !slices.Contains(p.Links, uri) {
		m.fail("the sign-in page has no link to the %s: %v", name, p.Links)
		return
	}
	m.review("the sign-in page links to the " + name)
}

// registrationSector: a sector_identifier_uri that lists the redirect_uri. OIDC Core §8.1, OIDC Dynamic Client Registration §5.
func registrationSector(m *run) {
	m.needsPairwise()
	m.enrol(m.sector(func(c *client) string { return c.redirect }))
}

// registrationSectorBad: one that does not.
func registrationSectorBad(m *run) {
	m.needsPairwise()
	_, doc := m.document(m.sector(func(c *client) string { return c.redirect + "/another" }))
	r := m.send(doc)
	if r.status == http.StatusBadRequest && r.json() && r.text("error") != "invalid_client_metadata" {
		m.warn("the error is %s", r.text("error"))
		return
	}
	m.registrationError(r, "invalid_client_metadata")
}

func (m *run) needsPairwise() {
	if !m.lists("subject_types_supported", "pairwise") {
		m.skip("subject_types_supported does not list pairwise")
	}
}

func (m *run) sector(listed func(*client) string) func(*client, map[string]any) {
	return func(c *client, doc map[string]any) {
		doc["subject_type"] = "pairwise"
		doc["sector_identifier_uri"] = m.w.host.publish(c.base+"/redirect_uris.json", "application/json", encode([]string{listed(c)}))
	}
}

// rotateKeys: after a rotation there is a new key, and the old one stays. OIDC Core §10.1.1.
func rotateKeys(m *run) {
	before := m.fetchKeys()
	_, err := m.w.server.Command("keys", "rotate")
	m.must(err)
	for range 40 {
		after := m.fetchKeys()
		if fresh := slices.DeleteFunc(after.signing(), func(kid string) bool { return before[kid] != nil }); len(fresh) > 0 {
			for _, kid := range before.signing() {
				if after[kid] == nil {
					m.warn("the key %s went at once", kid)
				}
			}
			return
		}
		m.sleep(500 * time.Millisecond)
	}
	m.fail("there is no new key among %v", before.signing())
}

// thirdPartyLogin: initiate_login_uri is registered and can be read again. OIDC Core §4, RFC 7592 §2.1.
func thirdPartyLogin(m *run) {
	uri := ""
	m.enrol(func(c *client, doc map[string]any) {
		uri = m.own(c, "initiate_login")
		doc["initiate_login_uri"] = uri
	})
	if got := text(m.client.registered, "initiate_login_uri"); got != uri {
		m.fail("registration answers initiate_login_uri %q", got)
	}
	r := m.call(http.MethodGet, text(m.client.registered, "registration_client_uri"), "",
		http.Header{"Authorization": {"Bearer " + text(m.client.registered, "registration_access_token")}})
	if r.status != http.StatusOK || !r.json() {
		m.stop("the client configuration endpoint answers %v", r)
	}
	if got := r.text("initiate_login_uri"); got != uri {
		m.fail("the client configuration endpoint answers initiate_login_uri %q", got)
	}
}

// thirdPartyLoginPlain: without https it is refused.
func thirdPartyLoginPlain(m *run) {
	c, doc := m.document()
	doc["initiate_login_uri"] = strings.Replace(m.own(c, "initiate_login"), "https://", "http://", 1)
	m.registrationError(m.send(doc), "invalid_client_metadata")
}
