package conformance

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// client is a relying party that the server knows: one of those declared, or one that registered itself.
type client struct {
	id, secret, auth string
	base             string // path of its own at the host
	redirect         string
	key              *rsa.PrivateKey
	kid              string // "" where its only key has none
	audience         string // of its assertions
	registered       map[string]any
}

// own is a path at the host that only this client uses, as a URL.
func (m *run) own(c *client, name string) string { return m.w.host.URL + c.base + "/" + name }

// static is a client that was declared.
func (m *run) static(id string) *client {
	c := &client{id: id, secret: staticSecret(id), auth: m.auth, base: "/a/" + id}
	c.redirect = m.own(c, "callback")
	return c
}

// enrol gets the client of the module: the declared one, or one that registers itself with a document that edits change.
func (m *run) enrol(edits ...func(*client, map[string]any)) {
	switch {
	case m.dynamic:
		m.client = m.register(edits...)
	case m.auth == "client_secret_post":
		m.client = m.static("suite-post")
	default:
		m.client = m.static("suite-1")
	}
}

// member is an edit that sets a member of the registration document.
func member(name string, value any) func(*client, map[string]any) {
	return func(_ *client, doc map[string]any) { doc[name] = value }
}

// document is what the suite registers where a module has no other wish. OIDC Dynamic Client Registration §2.
func (m *run) document(edits ...func(*client, map[string]any)) (*client, map[string]any) {
	c := &client{auth: m.auth, base: "/a/" + harness.Random()[:16], key: m.w.keys[0]}
	c.redirect = m.own(c, "callback")
	var grants []string
	if m.with("code") {
		grants = append(grants, "authorization_code")
	}
	if m.front() {
		grants = append(grants, "implicit")
	}
	doc := map[string]any{"client_name": "Conformance " + strings.ReplaceAll(m.t.Name(), "/", " "), "redirect_uris": []string{c.redirect},
		"grant_types": grants, "response_types": []string{m.response}, "token_endpoint_auth_method": m.auth, "jwks": jwks(c.key, ""),
		"contacts": []string{"certification@rp.test"}}
	if name := doc["client_name"].(string); len(name) > 100 {
		doc["client_name"] = name[:100]
	}
	for _, e := range edits {
		e(c, doc)
	}
	return c, doc
}

// send posts a registration document.
func (m *run) send(doc map[string]any) *reply {
	endpoint, _ := m.config["registration_endpoint"].(string)
	if endpoint == "" {
		m.stop("discovery has no registration_endpoint")
	}
	raw, err := json.Marshal(doc)
	m.must(err)
	return m.call(http.MethodPost, endpoint, string(raw), http.Header{"Content-Type": {"application/json"}})
}

// register registers a client and checks the answer. OIDC Dynamic Client Registration §3.2, RFC 7591 §3.2.1.
func (m *run) register(edits ...func(*client, map[string]any)) *client {
	c, doc := m.document(edits...)
	r := m.send(doc)
	if r.status != http.StatusCreated || !r.json() || r.text("client_id") == "" {
		m.stop("registration answers %v", r)
	}
	if !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		m.fail("the registration response has Cache-Control %q", r.header.Get("Cache-Control"))
	}
	c.id, c.secret, c.registered = r.text("client_id"), r.text("client_secret"), r.fields
	if strings.HasPrefix(m.auth, "client_secret_") && c.secret == "" {
		m.stop("registration gives no client_secret")
	}
	if _, ok := r.fields["client_secret_expires_at"]; c.secret != "" && !ok {
		m.fail("registration gives no client_secret_expires_at")
	}
	if (r.text("registration_client_uri") == "") != (r.text("registration_access_token") == "") {
		m.fail("registration_client_uri and registration_access_token belong together")
	}
	for _, name := range []string{"redirect_uris", "response_types", "grant_types", "token_endpoint_auth_method"} {
		if !reflect.DeepEqual(r.fields[name], plain(doc[name])) {
			m.fail("registration changed %s to %v", name, r.fields[name])
		}
	}
	m.t.Cleanup(func() { m.unregister(c) })
	return c
}

// plain is v as a JSON decoder returns it.
func plain(v any) any {
	if list, ok := v.([]string); ok {
		out := make([]any, len(list))
		for i, s := range list {
			out[i] = s
		}
		return out
	}
	return v
}

// unregister deletes a client that registered itself. RFC 7592 §2.3. What goes wrong is a warning, as in the suite.
func (m *run) unregister(c *client) {
	uri, token := text(c.registered, "registration_client_uri"), text(c.registered, "registration_access_token")
	if uri == "" {
		return
	}
	req, err := http.NewRequest(http.MethodDelete, uri, nil)
	if err != nil {
		m.t.Errorf("%v", err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := m.w.server.Client("").Do(req)
	if err != nil {
		m.t.Errorf("%v", err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		m.warn("deleting the client answers %d", resp.StatusCode)
	}
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// registrationError checks a refused registration. OIDC Dynamic Client Registration §3.3.
func (m *run) registrationError(r *reply, codes ...string) {
	if r.status != http.StatusBadRequest || !r.json() {
		m.stop("registration answers %v, not 400", r)
	}
	for _, c := range codes {
		if r.text("error") == c {
			return
		}
	}
	m.fail("registration answers %v, not an error of %v", r, codes)
}

// tokenRequest sends a form to the token endpoint, with the client's authentication. OIDC Core §9.
func (m *run) tokenRequest(form url.Values) *reply {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	c := m.client
	switch c.auth {
	case "client_secret_basic":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id)+":"+url.QueryEscape(c.secret))))
	case "client_secret_post":
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	case "private_key_jwt":
		now := time.Now()
		aud := c.audience
		if aud == "" {
			aud = m.text("token_endpoint")
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", m.sign(map[string]any{"iss": c.id, "sub": c.id, "aud": aud, "jti": harness.Random(),
			"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}))
	}
	return m.call(http.MethodPost, m.text("token_endpoint"), form.Encode(), h)
}

// sign makes a JWT of the client, with RS256.
func (m *run) sign(claims map[string]any) string {
	header := map[string]any{"alg": "RS256"}
	if m.client.kid != "" {
		header["kid"] = m.client.kid
	}
	token, err := harness.SignJWT(m.client.key, header, claims)
	m.must(err)
	return token
}
