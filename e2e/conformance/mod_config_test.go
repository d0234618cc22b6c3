package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// discover fetches the discovery document. OIDC Discovery §4.
func (m *run) discover() map[string]any {
	r := m.call(http.MethodGet, m.w.server.Issuer+"/.well-known/openid-configuration", "", nil)
	if r.status != http.StatusOK || !r.json() {
		m.stop("discovery answers %d as %q", r.status, r.header.Get("Content-Type"))
	}
	return r.fields
}

// discovery checks the metadata. OIDC Discovery §3, §4.3, §7.2.
func discovery(m *run) {
	if m.text("issuer") != m.w.server.Issuer || strings.ContainsAny(m.text("issuer"), "?#") {
		m.fail("issuer is %s", m.text("issuer"))
	}
	responses, grants := []string{"code"}, []string{"authorization_code"}
	if m.dynamic { // OIDC Core §15.2
		responses, grants = []string{"code", "id_token", "id_token token"}, []string{"authorization_code", "implicit"}
	}
	for _, want := range responses {
		if !slices.ContainsFunc(texts(m.config["response_types_supported"]), func(s string) bool { return sameWords(s, want) }) {
			m.fail("response_types_supported does not list %s", want)
		}
	}
	for _, want := range grants {
		if (m.config["grant_types_supported"] != nil || m.dynamic) && !m.lists("grant_types_supported", want) {
			m.fail("grant_types_supported does not list %s", want)
		}
	}
	if !m.lists("subject_types_supported", "public") && !m.lists("subject_types_supported", "pairwise") {
		m.fail("subject_types_supported is %v", m.config["subject_types_supported"])
	}
	if !m.lists("id_token_signing_alg_values_supported", "RS256") {
		m.fail("id_token_signing_alg_values_supported does not list RS256")
	}
	if m.config["scopes_supported"] == nil {
		m.warn("there is no scopes_supported")
	} else if !m.lists("scopes_supported", "openid") {
		m.fail("scopes_supported does not list openid")
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri"} {
		m.text(name)
	}
	if m.config["userinfo_endpoint"] == nil {
		m.warn("there is no userinfo_endpoint")
	}
	if m.dynamic {
		m.text("registration_endpoint")
	}
	if m.config["request_object_signing_alg_values_supported"] != nil && !m.lists("request_object_signing_alg_values_supported", "RS256") {
		m.warn("request_object_signing_alg_values_supported does not list RS256")
	}
	if len(texts(m.config["claims_supported"])) == 0 {
		m.warn("there is no claims_supported")
	}
	m.schema()
	m.allHTTPS()
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// schema checks the types of the members by their names. OIDC Discovery §3, RFC 8414 §2.
func (m *run) schema() {
	for name, v := range m.config {
		good := true
		switch {
		case strings.HasSuffix(name, "_endpoint"), strings.HasSuffix(name, "_uri"), name == "issuer", name == "check_session_iframe":
			_, good = v.(string)
		case slices.Contains(flags, name):
			_, good = v.(bool)
		case strings.HasSuffix(name, "_supported"):
			list, ok := v.([]any)
			good = ok && len(list) > 0 && len(texts(v)) == len(list)
		}
		if !good {
			m.fail("%s is %v", name, v)
		}
	}
}

var flags = []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration",
	"frontchannel_logout_supported", "frontchannel_logout_session_supported", "backchannel_logout_supported", "backchannel_logout_session_supported",
	"authorization_response_iss_parameter_supported", "tls_client_certificate_bound_access_tokens", "require_signed_request_object",
	"require_pushed_authorization_requests", "client_id_metadata_document_supported", "backchannel_user_code_parameter_supported"}

// allHTTPS: every endpoint is reached over TLS. OIDC Discovery §7.1.
func (m *run) allHTTPS() {
	for name, v := range m.config {
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" && name != "check_session_iframe" {
			continue
		}
		s, _ := v.(string)
		if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
			m.fail("%s is %q", name, s)
		}
	}
}

// flag checks that discovery says true.
func (m *run) flag(name string) {
	if m.config[name] != true {
		m.fail("%s is %v", name, m.config[name])
	}
}

// What the four plans about logout want in the metadata. RP-Initiated Logout §2.1, Back-Channel Logout §2.1,
// Front-Channel Logout §3, Session Management §3.3.
func rpLogoutDiscovery(m *run) {
	m.allHTTPS()
	m.text("end_session_endpoint")
}

func backLogoutDiscovery(m *run) {
	rpLogoutDiscovery(m)
	m.flag("backchannel_logout_supported")
	m.flag("backchannel_logout_session_supported")
}

func frontLogoutDiscovery(m *run) {
	rpLogoutDiscovery(m)
	m.flag("frontchannel_logout_supported")
	m.flag("frontchannel_logout_session_supported")
}

func sessionDiscovery(m *run) {
	rpLogoutDiscovery(m)
	m.text("check_session_iframe")
}
