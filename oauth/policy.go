package oauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postern-id/postern/keys"
)

// Policy is how strict the server is with a client. The standards contradict one another, so that one strictness cannot
// serve every client: what OpenID Connect's own tests send is what FAPI's must see refused.
type Policy struct {
	Name string // as registered in profile

	ResponseTypes []string // what a client may register at most
	ResponseModes []string // how it is answered, unless it registers other ones
	PKCE          string   // who must use it: "all", "unbound" (all but confidential clients that send a nonce) or "public"
	MergeRequest  bool     // parameters beside a request object count too, OIDC Core §6.1; otherwise only those in it, RFC 9101 §6.3
	Audience      string   // of client assertions: "issuer", as the sole string, or "endpoints": those and arrays of them too
	Algs          []string // of client assertions and request objects
	Pushed        bool     // authorization requests come through PAR only, RFC 9126
	Bound         bool     // access tokens are bound to a key or a certificate
	Rotate        bool     // refresh tokens change at each use
	PingOnce      bool     // a ping of CIBA is never sent twice, whatever came of it
	Needs         string   // what the profile needs and this server lacks; such a client is refused

	Backchannel ObjectRule // for signed requests to the backchannel authentication endpoint, CIBA Core §7.1.1
}

// Policies are all profiles, the default first: what OAuth 2.1 and RFC 9700 ask of everybody.
var Policies = []Policy{
	{Name: "oauth21", ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, PKCE: "unbound", Audience: "issuer", Algs: AssertionAlgs, Rotate: true,
		Backchannel: hourly},
	{Name: "oidc", ResponseTypes: ResponseTypes, ResponseModes: ResponseModes, PKCE: "public", MergeRequest: true, Audience: "endpoints", Algs: AssertionAlgs, Rotate: true,
		Backchannel: hourly},
	{Name: "fapi2", ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, PKCE: "all", Audience: "issuer", Algs: fapiAlgs, Pushed: true, Bound: true, Backchannel: hourly,
		Needs: "pushed authorization requests and sender-constrained tokens"},
	{Name: "fapi-ciba", Audience: "endpoints", Algs: fapiAlgs, Bound: true, PingOnce: true, Backchannel: ObjectRule{Life: hourly.Life, Age: hourly.Age, Always: true},
		Needs: "certificate-bound tokens"},
}

var fapiAlgs = []string{"PS256", "ES256", "EdDSA", "Ed25519"}

// ResponseTypes are those that this server knows, each with its values in alphabetical order.
// OAuth 2.0 Multiple Response Types §3, §5.
var ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}

// ResponseModes are those that this server knows. OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2.
var ResponseModes = []string{"query", "fragment", "form_post"}

// PolicyOf is the policy with that name; "" is the default.
func PolicyOf(name string) (Policy, bool) {
	for _, p := range Policies {
		if p.Name == name || name == "" {
			return p, true
		}
	}
	return Policy{}, false
}

// Policy is how strict the server is with c.
func (c *Client) Policy() Policy { return c.policy }

// sortedWords is s with its words in alphabetical order: the order of response_type values means nothing, RFC 6749 §3.1.1.
func sortedWords(s string) string {
	words := strings.Fields(s)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// policyFaults is what of the registration the profile does not allow.
func (c *Client) policyFaults() (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	p, ok := PolicyOf(c.Profile)
	if !ok {
		var names []string
		for _, p := range Policies {
			names = append(names, p.Name)
		}
		bad("profile %q is not one of %s", c.Profile, strings.Join(names, " "))
		return faults
	}
	c.policy = p
	if p.Needs != "" {
		bad("profile %s needs %s, which this server does not offer", p.Name, p.Needs)
	}
	for i, rt := range c.ResponseTypes {
		rt = sortedWords(rt)
		c.ResponseTypes[i] = rt
		words := strings.Fields(rt)
		switch {
		case !slices.Contains(ResponseTypes, rt):
			bad("response_types %q is not known", rt)
		case !slices.Contains(p.ResponseTypes, rt):
			bad("response_types %q is not allowed by the profile %s", rt, p.Name)
		case slices.Contains(words, "code") && !c.Allows("authorization_code"):
			bad("response_types %q needs the grant type authorization_code", rt) // OIDC Registration §2
		case rt != "code" && !c.Allows("implicit"):
			bad("response_types %q needs the grant type implicit", rt)
		}
	}
	for _, m := range c.ResponseModes {
		if !slices.Contains(ResponseModes, m) {
			bad("response_modes %q is not one of %s", m, strings.Join(ResponseModes, " "))
		}
	}
	for name, alg := range map[string]string{"token_endpoint_auth_signing_alg": c.AuthAlg, "request_object_signing_alg": c.RequestAlg} {
		if alg != "" && !slices.Contains(p.Algs, alg) {
			bad("%s %q is not one of %s", name, alg, strings.Join(p.Algs, " "))
		}
	}
	return faults
}

// encryptionFaults is what is wrong with the JWE algorithms of the registration. OIDC Dynamic Client Registration §2.
func (c *Client) encryptionFaults() (faults []string) {
	for _, e := range []struct {
		name     string
		alg, enc *string
	}{{"id_token_encrypted_response", &c.IDTokenEncAlg, &c.IDTokenEnc}, {"userinfo_encrypted_response", &c.UserInfoEncAlg, &c.UserInfoEnc},
		{"request_object_encryption", &c.RequestEncAlg, &c.RequestEnc}} {
		switch {
		case *e.alg == "" && *e.enc == "":
			continue
		case *e.alg == "":
			faults = append(faults, fmt.Sprintf("%s_enc needs %s_alg", e.name, e.name))
			continue
		case *e.enc == "":
			*e.enc = "A128CBC-HS256"
		}
		if !slices.Contains(keys.EncryptionAlgs, *e.alg) {
			faults = append(faults, fmt.Sprintf("%s_alg %q is not one of %s", e.name, *e.alg, strings.Join(keys.EncryptionAlgs, " ")))
		}
		if !slices.Contains(keys.EncryptionEncs, *e.enc) {
			faults = append(faults, fmt.Sprintf("%s_enc %q is not one of %s", e.name, *e.enc, strings.Join(keys.EncryptionEncs, " ")))
		}
	}
	if (c.IDTokenEncAlg != "" || c.UserInfoEncAlg != "") && len(c.JWKS) == 0 && c.JWKSURI == "" {
		faults = append(faults, "encrypted responses need jwks or jwks_uri")
	}
	return faults
}
