package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// quiet takes what a module complains of.
type quiet struct{ *testing.T }

func (quiet) Errorf(string, ...any) {}
func (quiet) Logf(string, ...any)   {}

// fault is something that a server does wrong, and a module that has to see it.
type fault struct {
	name, module string
	variant      variant
	damage       func(endpoint string, r *reply)
	divert       func(*landing)
	claim        func(m *run, claims map[string]any) // in ID tokens, which are then signed anew
	want         verdict
}

var (
	codeFlow = variant{response: "code", auth: "client_secret_basic"}
	hybrids  = variant{response: "code id_token token", auth: "client_secret_basic"}
	posted   = variant{response: "id_token", mode: "form_post", auth: "client_secret_basic"}
	newcomer = variant{response: "code", auth: "private_key_jwt", dynamic: true}
)

// at damages the answers of one endpoint.
func at(path string, how func(*reply)) func(string, *reply) {
	return func(endpoint string, r *reply) {
		if strings.HasSuffix(endpoint, path) {
			how(r)
		}
	}
}

func becomes(name string, v any) func(*reply) {
	return func(r *reply) { r.fields[name] = v }
}

// claims changes a claim of ID tokens.
func claims(name string, v any) func(*run, map[string]any) {
	return func(_ *run, c map[string]any) { c[name] = v }
}

// came changes what reached the relying party.
func came(how func(*delivery)) func(*landing) {
	return func(l *landing) {
		if l.Callback != nil {
			how(l.Callback)
		}
	}
}

func without(list any, gone string) any {
	return slices.DeleteFunc(slices.Clone(list.([]any)), func(v any) bool { return v == gone })
}

const config = "/openid-configuration"

var faults = []fault{
	{name: "no RS256", module: "oidcc-discovery-endpoint-verification", want: failed,
		damage: at(config, func(r *reply) { becomes("id_token_signing_alg_values_supported", []any{"ES256"})(r) })},
	{name: "no code", module: "oidcc-discovery-endpoint-verification", want: failed,
		damage: at(config, func(r *reply) {
			r.fields["response_types_supported"] = without(r.fields["response_types_supported"], "code")
		})},
	{name: "http", module: "oidcc-discovery-endpoint-verification", want: failed, damage: at(config, becomes("revocation_endpoint", "http://localhost/revoke"))},
	{name: "another issuer", module: "oidcc-discovery-endpoint-verification", want: failed, damage: at(config, becomes("issuer", "https://localhost"))},
	{name: "a flag that is a word", module: "oidcc-discovery-endpoint-verification", want: failed, damage: at(config, becomes("claims_parameter_supported", "true"))},
	{name: "no claims", module: "oidcc-discovery-endpoint-verification", want: warning, damage: at(config, func(r *reply) { delete(r.fields, "claims_supported") })},
	{name: "a secret key", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/jwks", eachKey(func(k map[string]any) { k["d"] = "AQ" }))},
	{name: "one kid twice", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/jwks", eachKey(func(k map[string]any) { k["kid"] = "1" }))},
	{name: "no kid", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/jwks", eachKey(func(k map[string]any) { delete(k, "kid") }))},

	{name: "wrong signature", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/token", func(r *reply) { becomes("id_token", flipped(r.text("id_token")))(r) })},
	{name: "wrong iss", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("iss", "https://else.test")},
	{name: "wrong aud", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("aud", "else")},
	{name: "wrong azp", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("azp", "else")},
	{name: "expired", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("exp", time.Now().Add(-time.Minute).Unix())},
	{name: "from tomorrow", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("iat", time.Now().Add(time.Hour).Unix())},
	{name: "wrong nonce", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("nonce", "else")},
	{name: "no nonce", module: "oidcc-server", variant: hybrids, want: failed, claim: func(_ *run, c map[string]any) { delete(c, "nonce") }},
	{name: "wrong at_hash", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("at_hash", "AAAA")},
	{name: "no at_hash", module: "oidcc-server", variant: hybrids, want: failed, claim: func(_ *run, c map[string]any) { delete(c, "at_hash") }},
	{name: "no c_hash", module: "oidcc-server", variant: hybrids, want: failed, claim: func(_ *run, c map[string]any) { delete(c, "c_hash") }},
	{name: "another person", module: "oidcc-userinfo-get", variant: codeFlow, want: failed, claim: claims("sub", "else")},
	{name: "an empty sub", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("sub", "")},
	{name: "a name unasked", module: "oidcc-server", variant: codeFlow, want: warning, claim: claims("name", "Buffy")},
	{name: "an address that is a text", module: "oidcc-server", variant: codeFlow, want: failed, claim: claims("address", "Sunnydale")},
	{name: "no auth_time", module: "oidcc-max-age-10000", variant: codeFlow, want: failed, claim: func(_ *run, c map[string]any) { delete(c, "auth_time") }},
	{name: "the same auth_time", module: "oidcc-prompt-login", variant: codeFlow, want: failed, claim: claims("auth_time", 1_700_000_000)},
	{name: "the same iat", module: "oidcc-refresh-token", variant: codeFlow, want: failed, claim: claims("iat", time.Now().Unix())},

	{name: "kept in caches", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/token", func(r *reply) { r.header.Del("Cache-Control") })},
	{name: "another token type", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/token", becomes("token_type", "mac"))},
	{name: "no access token", module: "oidcc-server", variant: codeFlow, want: failed, damage: at("/token", becomes("access_token", ""))},
	{name: "a code works twice", module: "oidcc-codereuse", variant: codeFlow, want: failed, damage: at("/token", func(r *reply) { r.status = http.StatusOK })},
	{name: "another error", module: "oidcc-codereuse", variant: codeFlow, want: failed, damage: at("/token", func(r *reply) {
		if r.text("error") != "" {
			r.fields["error"] = "invalid_request"
		}
	})},
	{name: "userinfo is text", module: "oidcc-userinfo-get", variant: codeFlow, want: failed, damage: at("/userinfo", func(r *reply) { r.header.Set("Content-Type", "text/plain") })},
	{name: "userinfo without sub", module: "oidcc-userinfo-get", variant: codeFlow, want: failed, damage: at("/userinfo", func(r *reply) { delete(r.fields, "sub") })},
	{name: "updated_at is a text", module: "oidcc-scope-profile", variant: codeFlow, want: failed, damage: at("/userinfo", becomes("updated_at", "2020-01-01"))},
	{name: "no e-mail address", module: "oidcc-scope-email", variant: codeFlow, want: warning, damage: at("/userinfo", func(r *reply) { delete(r.fields, "email") })},
	{name: "no name", module: "oidcc-claims-essential", variant: codeFlow, want: warning, damage: at("/userinfo", func(r *reply) { delete(r.fields, "name") })},

	{name: "another state", module: "oidcc-server", variant: codeFlow, want: failed, divert: came(func(d *delivery) { d.Query.Set("state", "else") })},
	{name: "another iss", module: "oidcc-server", variant: codeFlow, want: failed, divert: came(func(d *delivery) { d.Query.Set("iss", "https://else.test") })},
	{name: "a token unasked", module: "oidcc-server", variant: codeFlow, want: failed, divert: came(func(d *delivery) { d.Query.Set("access_token", "x") })},
	{name: "in the query", module: "oidcc-server", variant: hybrids, want: failed, divert: came(func(d *delivery) { d.Query.Set("code", d.Fragment.Get("code")) })},
	{name: "no fragment", module: "oidcc-server", variant: hybrids, want: failed, divert: came(func(d *delivery) { d.Query, d.Fragment = d.Fragment, nil })},
	{name: "not posted", module: "oidcc-server", variant: posted, want: failed, divert: came(func(d *delivery) { d.Method = http.MethodGet })},
	{name: "an error with a code", module: "oidcc-prompt-none-not-logged-in", variant: codeFlow, want: failed, divert: came(func(d *delivery) { d.Query.Set("code", "x") })},
	{name: "an error of another kind", module: "oidcc-prompt-none-not-logged-in", variant: codeFlow, want: failed, divert: came(func(d *delivery) { d.Query.Set("error", "access_denied") })},
	{name: "nobody is asked", module: "oidcc-max-age-1", variant: codeFlow, want: failed, divert: func(l *landing) { l.Logins = nil }},
	{name: "asked in vain", module: "oidcc-id-token-hint", variant: codeFlow, want: failed, divert: func(l *landing) { l.Logins = append(l.Logins, l.Page) }},
	{name: "a page that says nothing", module: "oidcc-ensure-registered-redirect-uri", variant: codeFlow, want: failed, divert: func(l *landing) { l.Page.Text = "Oops" }},
	{name: "sent to a stranger", module: "oidcc-ensure-registered-redirect-uri", variant: codeFlow, want: failed, divert: func(l *landing) { l.Callback = &delivery{} }},
	{name: "the query is lost", module: "oidcc-redirect-uri-query-OK", variant: newcomer, want: failed, divert: came(func(d *delivery) { d.Query.Del("foo") })},

	{name: "registered with 200", module: "oidcc-server", variant: newcomer, want: failed, damage: at("/register", func(r *reply) { r.status = http.StatusOK })},
	{name: "another redirect_uri", module: "oidcc-server", variant: newcomer, want: failed, damage: at("/register", becomes("redirect_uris", []any{"https://else.test"}))},
	{name: "a fragment is registered", module: "oidcc-redirect-uri-regfrag", variant: newcomer, want: failed, damage: at("/register", func(r *reply) { r.status = http.StatusCreated })},
	{name: "a sector of others", module: "oidcc-registration-sector-bad", variant: newcomer, want: failed, damage: at("/register", func(r *reply) { r.status = http.StatusCreated })},
	{name: "no initiate_login_uri", module: "oidcc-3rd_party-init-login", variant: newcomer, want: failed, damage: at("/register", func(r *reply) { delete(r.fields, "initiate_login_uri") })},

	{name: "another state after the logout", module: "oidcc-rp-initiated-logout", variant: codeFlow, want: failed, divert: came(func(d *delivery) {
		if strings.HasSuffix(d.Path, "/post_logout_redirect") {
			d.Query.Set("state", "else")
		}
	})},
	{name: "sent back all the same", module: "oidcc-rp-initiated-logout-no-id-token-hint", variant: codeFlow, want: failed, divert: func(l *landing) {
		if l.Callback == nil {
			l.Callback = &delivery{Path: "/post_logout_redirect"}
		}
	}},
	{name: "no frame", module: "oidcc-frontchannel-rp-initiated-logout", variant: codeFlow, want: failed, divert: func(l *landing) { l.Frames = nil }},
	{name: "a frame without sid", module: "oidcc-frontchannel-rp-initiated-logout", variant: codeFlow, want: failed, divert: func(l *landing) {
		for _, f := range l.Frames {
			f.Query.Del("sid")
		}
	}},
	{name: "another session", module: "oidcc-session-management-rp-initiated-logout", variant: codeFlow, want: failed, divert: came(func(d *delivery) {
		d.Query.Set("session_state", strings.Repeat("0", 64)+".salt")
	})},
	{name: "no back channel", module: "oidcc-backchannel-logout-discovery-endpoint-verification", variant: codeFlow, want: failed, damage: at(config, becomes("backchannel_logout_session_supported", false))},
}

// TestChecks damages what comes of a good server, and wants the modules to see it.
func TestChecks(t *testing.T) {
	w := newWorld(t)
	t.Run("fault", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.name+" in "+f.module, func(t *testing.T) {
				t.Parallel()
				w.slots <- struct{}{}
				defer func() { <-w.slots }()
				m := &run{variant: f.variant, t: quiet{t}, w: w, slot: w.slots, result: &result{}, damage: f.damage, divert: f.divert}
				if f.claim != nil {
					m.forge(f.claim)
				}
				m.module(f.module)
				if m.result.verdict != f.want {
					t.Errorf("the verdict is %v, not %v: %q", m.result.verdict, f.want, m.result.notes)
				}
			})
		}
	})
}

// TestModules: every module is in a plan, and every plan's modules are there.
func TestModules(t *testing.T) {
	planned := map[string]bool{}
	for _, p := range plans {
		for _, s := range p.series {
			for _, name := range s.modules {
				if planned[name] = true; modules[name] == nil {
					t.Errorf("%s of %s does not exist", name, p.name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		if !planned[name] {
			t.Errorf("%s is in no plan", name)
		}
	}
}

func eachKey(how func(map[string]any)) func(*reply) {
	return func(r *reply) {
		for _, k := range r.fields["keys"].([]any) {
			how(k.(map[string]any))
		}
	}
}

// flipped is a token whose signature is another one.
func flipped(token string) string {
	i := strings.LastIndexByte(token, '.') + 1
	return token[:i] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, token[i:])
}

const forgeKey = "forged"

// forge signs all ID tokens anew after a change of their claims, with a key that it puts among those of the server.
func (m *run) forge(change func(*run, map[string]any)) {
	key := m.w.keys[2]
	sign := func(token string) string {
		_, c, err := harness.DecodeJWT(token)
		if err != nil {
			return token
		}
		change(m, c)
		out, err := harness.SignJWT(key, map[string]any{"alg": "RS256", "kid": forgeKey}, c)
		if err != nil {
			panic(err)
		}
		return out
	}
	m.damage = func(endpoint string, r *reply) {
		if keys, ok := r.fields["keys"].([]any); ok {
			r.fields["keys"] = append(keys, jwks(key, forgeKey)["keys"].([]map[string]any)[0])
		}
		if t := r.text("id_token"); t != "" {
			r.fields["id_token"] = sign(t)
		}
	}
	m.divert = came(func(d *delivery) {
		for _, v := range []url.Values{d.Fragment, d.Form} {
			if v.Has("id_token") {
				v.Set("id_token", sign(v.Get("id_token")))
			}
		}
	})
}
