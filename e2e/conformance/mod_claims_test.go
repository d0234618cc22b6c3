package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// userinfoGet, userinfoPostHeader and userinfoPostBody call userinfo in the three ways of OIDC Core §5.3.1.
func userinfoGet(m *run) {
	m.enrol()
	i := m.happy()
	m.userinfoAnswer(m.userinfo(i.token), i)
}

func userinfoPostHeader(m *run) {
	m.enrol()
	i := m.happy()
	m.userinfoAnswer(m.userinfoPost(i.token, false), i)
}

// userinfoPostBody only warns where the server does not take the token in the form.
func userinfoPostBody(m *run) {
	m.enrol()
	i := m.happy()
	r := m.userinfoPost(i.token, true)
	if r.status != http.StatusOK {
		m.warn("userinfo takes no token in a form: %v", r)
		return
	}
	m.userinfoAnswer(r, i)
}

func (m *run) userinfoAnswer(r *reply, i *issued) {
	if r.status != http.StatusOK || !r.json() {
		m.stop("userinfo answers %v as %q", r, r.header.Get("Content-Type"))
	}
	m.checkUserinfo(r.fields, i)
}

// scopes makes a module that asks for scopes and looks whether their claims come. OIDC Core §5.4.
func scopes(more string) func(*run) {
	return func(m *run) {
		m.wantScopes(more)
		m.enrol()
		m.claimsCome(m.happy())
	}
}

var (
	scopeProfile = scopes("profile")
	scopeEmail   = scopes("email")
	scopeAddress = scopes("address")
	scopePhone   = scopes("phone")
	scopeAll     = scopes("address email phone profile")
)

func (m *run) wantScopes(more string) {
	m.scope = "openid " + more
	for _, s := range strings.Fields(more) {
		if m.config["scopes_supported"] != nil && !m.lists("scopes_supported", s) {
			m.skip("scopes_supported does not list " + s)
		}
	}
}

// claimsCome: from userinfo where there is an access token, in the ID token where there is none. OIDC Core §5.4.
func (m *run) claimsCome(i *issued) map[string]any {
	scope := i.asked.Get("scope")
	if i.token == "" {
		m.holds("the ID token", i.front.claims, scope)
		return i.front.claims
	}
	r := m.userinfo(i.token)
	m.checkUserinfo(r.fields, i)
	m.holds("userinfo", r.fields, scope)
	for _, s := range strings.Fields(scope) {
		for _, c := range scopeClaims[s] {
			if c != "sub" && i.id().claims[c] != nil {
				m.warn("the ID token has %s, which was asked of userinfo", c)
			}
		}
	}
	return r.fields
}

// alternateHappyFlow: the order of scopes and of parameters means nothing. RFC 6749 §3.3.
func alternateHappyFlow(m *run) {
	m.wantScopes("email")
	m.enrol()
	words := strings.Fields(m.scope)
	slices.Reverse(words)
	q := m.request(set("scope", strings.Join(words, " ")))
	names := slices.Sorted(maps.Keys(q))
	slices.Reverse(names)
	var pairs []string
	for _, n := range names {
		pairs = append(pairs, n+"="+url.QueryEscape(q.Get(n)))
	}
	m.claimsCome(m.success(m.received(q, m.open(m.text("authorization_endpoint")+"?"+strings.Join(pairs, "&")))))
}

// claimsEssential asks for name through the claims parameter. OIDC Core §5.5.1.
func claimsEssential(m *run) {
	m.enrol()
	place := "userinfo"
	if m.response == "id_token" {
		place = "id_token"
	}
	i := m.happy(set("claims", `{"`+place+`":{"name":{"essential":true}}}`))
	claims := m.claimsCome(i)
	if claims["name"] == nil {
		m.warn("%s has no name", place)
	}
	if place == "userinfo" && i.id().claims["name"] != nil {
		m.warn("the ID token has a name, which was asked of userinfo")
	}
}

// userinfoRS256: userinfo as a signed JWT, as registered. OIDC Core §5.3.2.
func userinfoRS256(m *run) {
	m.enrol(member("userinfo_signed_response_alg", "RS256"))
	i := m.happy()
	r := m.userinfo(i.token)
	if !strings.HasPrefix(r.header.Get("Content-Type"), "application/jwt") {
		m.fail("userinfo answers as %q", r.header.Get("Content-Type"))
	}
	header, claims := m.verified("userinfo", strings.TrimSpace(r.body))
	if header["alg"] != "RS256" {
		m.fail("userinfo is signed with %v", header["alg"])
	}
	if claims["iss"] != m.text("issuer") {
		m.fail("iss of userinfo is %v", claims["iss"])
	}
	if aud := claims["aud"]; aud != m.client.id && !slices.Contains(texts(aud), m.client.id) {
		m.fail("aud of userinfo is %v", aud)
	}
	m.checkUserinfo(claims, i)
}
