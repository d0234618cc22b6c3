package conformance

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/postern-id/postern/e2e/harness"
)

const noUnsigned = "request_object_signing_alg_values_supported does not list none"

// needsUnsigned skips a module that sends unsigned request objects to a server which says that it takes none.
func (m *run) needsUnsigned() {
	if m.config["request_object_signing_alg_values_supported"] != nil && !m.lists("request_object_signing_alg_values_supported", "none") {
		m.skip(noUnsigned)
	}
}

// object is a request as claims of a request object. OIDC Core §6.1.
func object(q url.Values) map[string]any {
	out := map[string]any{}
	for name := range q {
		out[name] = q.Get(name)
	}
	return out
}

func unsigned(claims map[string]any) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return b64.EncodeToString([]byte(`{"alg":"none"}`)) + "." + b64.EncodeToString(raw) + "."
}

// outside is what stays beside a request object. OIDC Core §6.1: required parameters, by the syntax of OAuth.
func outside(q url.Values, more ...string) url.Values {
	out := url.Values{}
	for _, name := range append([]string{"client_id", "response_type", "scope", "redirect_uri"}, more...) {
		if q.Has(name) {
			out.Set(name, q.Get(name))
		}
	}
	return out
}

// unsignedObject: done right, or refused as not supported. OIDC Core §6.1.
func unsignedObject(m *run) {
	m.needsUnsigned()
	m.enrol()
	q := m.request()
	out := outside(q, "state", "response_mode")
	out.Set("request", unsigned(object(q)))
	m.supported(q, out, "request_not_supported")
}

// requestURIUnsigned is the same by reference. OIDC Core §6.2.
func requestURIUnsigned(m *run) {
	m.needsUnsigned()
	path := "/a/requests/" + harness.Random()[:16]
	m.enrol(member("request_uris", []string{m.w.host.URL + path}))
	q := m.request()
	out := outside(q)
	out.Set("request_uri", m.w.host.publish(path, "application/oauth-authz-req+jwt", unsigned(object(q))))
	m.supported(q, out, "request_uri_not_supported")
}

func (m *run) supported(q, sent url.Values, refusal string) {
	a := m.received(q, m.visit(sent))
	if a.Get("error") == refusal {
		m.skip(refusal + " says that the server does not support it")
	}
	m.success(a)
}

// objectRedirect: the redirect_uri in the request object counts, or the wrong one outside is refused. OIDC Core §6.1.
func objectRedirect(m *run) {
	m.needsUnsigned()
	m.enrol()
	q := m.request()
	out := outside(q, "state", "response_mode")
	out.Set("redirect_uri", m.client.redirect+"/"+harness.Random()[:12])
	out.Set("request", unsigned(object(q)))
	l := m.visit(out)
	if l.Callback == nil {
		m.errorPage(l, "sent a return address we don't recognise")
		return
	}
	m.success(m.received(q, l))
}

// requestURISigned: OIDC Core §6.2, with RS256, which the profile wants.
func requestURISigned(m *run) {
	if !m.lists("request_object_signing_alg_values_supported", "RS256") {
		m.fail("request_object_signing_alg_values_supported does not list RS256")
	}
	if m.config["request_uri_parameter_supported"] == false {
		m.fail("request_uri_parameter_supported is false")
	}
	path := "/a/requests/" + harness.Random()[:16]
	m.enrol(member("request_uris", []string{m.w.host.URL + path}), member("request_object_signing_alg", "RS256"))
	q := m.request()
	claims := object(q)
	claims["iss"], claims["aud"] = m.client.id, m.text("issuer")
	out := outside(q)
	out.Set("request_uri", m.w.host.publish(path, "application/oauth-authz-req+jwt", m.sign(claims)))
	m.success(m.received(q, m.visit(out)))
}

// redirectMissing: OpenID Connect wants it in every request. OIDC Core §3.1.2.1.
func redirectMissing(m *run) {
	m.enrol()
	q := m.request(set("redirect_uri", ""))
	l := m.visit(q)
	if l.Callback == nil {
		m.errorPage(l, "sent a return address we don't recognise")
		return
	}
	m.refused(m.received(q, l), "invalid_request", "invalid_request_object")
}

// queryRedirect registers a redirect_uri with a query.
func (m *run) queryRedirect() {
	m.enrol(func(c *client, doc map[string]any) {
		c.redirect += "?foo=bar"
		doc["redirect_uris"] = []string{c.redirect}
	})
}

// redirectQueryOK: the query of the redirect_uri is kept. OIDC Core §3.1.2.1, RFC 6749 §3.1.2.
func redirectQueryOK(m *run) {
	m.queryRedirect()
	i := m.happy()
	if got := i.Callback.Query.Get("foo"); got != "bar" {
		m.fail("the query of the redirect_uri came as %v", i.Callback.Query)
	}
}

// redirectQueryMismatch and redirectQueryAdded: a query that is not registered is refused.
func redirectQueryMismatch(m *run) {
	m.queryRedirect()
	m.badRedirect(m.request(set("redirect_uri", strings.Replace(m.client.redirect, "foo=bar", "bar=foo", 1))))
}

func redirectQueryAdded(m *run) {
	m.enrol()
	m.badRedirect(m.request(set("redirect_uri", m.client.redirect+"?foo=bar")))
}
