package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// How a client came here, in Client.Origin. "" is an operator.
const (
	ByRegistration = "dynamic"  // RFC 7591
	ByDocument     = "document" // OAuth Client ID Metadata Document
)

// The limits on what outsiders register about themselves, beside those of every client.
const (
	maxText  = 200 // characters of a name
	maxNames = 32  // languages
	maxWords = 32  // contacts, request_uris, scopes, …
)

// outsiderMembers are what clients may say about themselves: RFC 7591 §2, OIDC Dynamic Client Registration §2, RP-Initiated
// Logout §3.1, Back-Channel Logout §2.2, Front-Channel Logout §2, RFC 9101 §10.5, CIBA Core §4. Everything else in a Client is for the operator to decide.
var outsiderMembers = []string{"redirect_uris", "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "grant_types", "response_types",
	"client_name", "client_uri", "logo_uri", "scope", "contacts", "tos_uri", "policy_uri", "jwks_uri", "jwks", "software_id", "software_version",
	"application_type", "sector_identifier_uri", "subject_type", "id_token_signed_response_alg", "id_token_encrypted_response_alg",
	"id_token_encrypted_response_enc", "userinfo_signed_response_alg", "userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc",
	"request_object_signing_alg", "request_object_encryption_alg", "request_object_encryption_enc", "request_uris", "require_signed_request_object",
	"default_max_age", "require_auth_time", "default_acr_values", "initiate_login_uri", "post_logout_redirect_uris",
	"backchannel_logout_uri", "backchannel_logout_session_required", "frontchannel_logout_uri", "frontchannel_logout_session_required",
	"backchannel_token_delivery_mode", "backchannel_client_notification_endpoint", "backchannel_authentication_request_signing_alg",
	"backchannel_user_code_parameter"}

// localized are those that may come in several languages. OIDC Dynamic Client Registration §2.1.
var localized = []string{"client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"}

// InvalidMetadata is the answer to metadata that cannot be registered, RFC 7591 §3.2.2.
func InvalidMetadata(format string, args ...any) *Error {
	return fail(400, "invalid_client_metadata", format, args)
}

// InvalidRedirectURI is the answer to redirection URIs that cannot be registered, RFC 7591 §3.2.2.
func InvalidRedirectURI(format string, args ...any) *Error {
	return fail(400, "invalid_redirect_uri", format, args)
}

// Outsiders is what the server allows clients that no operator has looked at.
type Outsiders struct {
	Profile     string   // their policy, see Policies
	Scopes      []string // what they may ask; not empty
	SigningAlgs []string // of tokens, the default first; RS256 comes before it where it is there, as OIDC has it
	RequestAlgs []string // in which request objects may be encrypted to us
	Loopback    bool     // this server is itself on loopback: so may be web clients with the implicit grant
}

// Read returns the client that metadata, a JSON object, describes, with the defaults of dynamic registration, not yet
// validated as a whole: Check does that when the rest is filled in. Members that only an operator may decide are ignored
// as unknown ones are, RFC 7591 §2. An error is an *Error.
func (o *Outsiders) Read(metadata map[string]json.RawMessage) (*Client, error) {
	known := map[string]json.RawMessage{}
	names := map[string]string{}
	for member, v := range metadata {
		name, tag, tagged := strings.Cut(member, "#")
		switch {
		case !tagged && slices.Contains(outsiderMembers, name):
			known[name] = v
		case tagged && slices.Contains(localized, name):
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return nil, InvalidMetadata("%s must be a string.", member)
			}
			if name == "client_name" && tag != "" { // the other pages are linked in one language
				names[tag] = s
			}
		}
	}
	doc, err := json.Marshal(known)
	if err != nil {
		return nil, InvalidMetadata("The metadata cannot be read.").Because(err)
	}
	c := &Client{}
	if err := json.Unmarshal(doc, c); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, InvalidMetadata("%s has the wrong type.", wrong.Field)
		}
		return nil, InvalidMetadata("The metadata cannot be read.").Because(err)
	}
	if string(c.JWKS) == "null" { // RFC 7592 §2.2: null is omitted
		c.JWKS = nil
	}
	if len(names) > 0 {
		c.Names = names
	}
	c.Profile = o.Profile
	for _, step := range []func(*Client) error{o.texts, o.redirects, o.grants, o.algs} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Check validates c as a whole, as a document that an engine kept would be. An error is an *Error.
func (o *Outsiders) Check(c *Client) (*Client, error) {
	doc, err := json.Marshal(c)
	if err != nil {
		return nil, InvalidMetadata("The metadata cannot be read.").Because(err)
	}
	ready, err := ParseClient(doc)
	if err != nil {
		_, what, _ := strings.Cut(err.Error(), ": ")
		return nil, InvalidMetadata("%s.", what).Because(err)
	}
	return ready, nil
}

// texts checks what people will see, and lists that nothing else bounds.
func (o *Outsiders) texts(c *Client) error {
	if len(c.Names) > maxNames || len(c.Contacts) > maxWords || len(c.RequestURIs) > maxWords || len(c.DefaultACRs) > maxWords {
		return InvalidMetadata("A list has more than %d entries.", maxWords)
	}
	all := append([]string{c.Name, c.SoftwareID, c.SoftwareVersion}, c.Contacts...)
	for tag, name := range c.Names {
		all = append(all, tag, name)
	}
	for _, s := range append(all, c.DefaultACRs...) {
		if len([]rune(s)) > maxText || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
			return InvalidMetadata("A name or contact has more than %d characters, or control characters.", maxText)
		}
	}
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		return InvalidMetadata("default_max_age is negative.")
	}
	if u, err := url.Parse(c.InitiateLoginURI); c.InitiateLoginURI != "" && (err != nil || u.Scheme != "https") {
		return InvalidMetadata("initiate_login_uri is not an https URL.") // OIDC Dynamic Client Registration §2
	}
	return nil
}

func (o *Outsiders) redirects(c *Client) error {
	if len(c.RedirectURIs) > maxURIs {
		return InvalidRedirectURI("There are more than %d redirect_uris.", maxURIs)
	}
	implicit := slices.ContainsFunc(c.ResponseTypes, func(rt string) bool { return sortedWords(rt) != "code" })
	for _, raw := range c.RedirectURIs {
		if fault := redirectFault(raw); fault != "" {
			return InvalidRedirectURI("redirect_uris '%s' %s.", raw, fault)
		}
		u, err := url.Parse(raw)
		if err != nil {
			return InvalidRedirectURI("redirect_uris '%s' is not a URI.", raw)
		}
		local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
		if implicit && c.ApplicationType != "native" && (u.Scheme != "https" || local) && !o.Loopback { // OIDC Dynamic Client Registration §2
			return InvalidRedirectURI("redirect_uris '%s': a web client with these response types needs https, and not on localhost.", raw)
		}
	}
	for _, raw := range c.PostLogoutURIs {
		if fault := redirectFault(raw); fault != "" {
			return InvalidMetadata("post_logout_redirect_uris '%s' %s.", raw, fault)
		}
	}
	return nil
}

// outsiderGrants are the grants in which a person takes part: a program alone has nothing here unless an operator said so.
var outsiderGrants = []string{"authorization_code", "implicit", "refresh_token"}

// grants makes grant types and response types fit. What we do not offer is left out, RFC 7591 §2; what a response type
// needs is added, OIDC Dynamic Client Registration §2.
func (o *Outsiders) grants(c *Client) error {
	wished := len(c.GrantTypes) > 0
	c.GrantTypes = slices.DeleteFunc(c.GrantTypes, func(g string) bool { return !slices.Contains(outsiderGrants, g) })
	if wished && len(c.GrantTypes) == 0 {
		return InvalidMetadata("None of the grant_types can be registered; there are %s.", strings.Join(outsiderGrants, ", "))
	}
	if len(c.ResponseTypes) == 0 && (!wished || slices.Contains(c.GrantTypes, "authorization_code")) {
		c.ResponseTypes = []string{"code"}
	}
	for _, rt := range c.ResponseTypes {
		words := strings.Fields(rt)
		if slices.Contains(words, "code") {
			c.GrantTypes = append(c.GrantTypes, "authorization_code")
		}
		if slices.Contains(words, "id_token") || slices.Contains(words, "token") {
			c.GrantTypes = append(c.GrantTypes, "implicit")
		}
	}
	var once []string
	for _, g := range c.GrantTypes {
		if !slices.Contains(once, g) {
			once = append(once, g)
		}
	}
	c.GrantTypes = once
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
	}
	if c.SubjectType == "" {
		c.SubjectType = "public"
	}
	var scopes []string
	asked := strings.Fields(c.Scope)
	for _, s := range o.Scopes {
		if len(asked) == 0 || slices.Contains(asked, s) {
			scopes = append(scopes, s)
		}
	}
	if len(scopes) == 0 {
		return InvalidMetadata("None of the scopes can be registered.")
	}
	c.Scope = strings.Join(scopes, " ")
	return nil
}

// algs fills in the algorithms and refuses those that this server does not have keys for.
func (o *Outsiders) algs(c *Client) error {
	if c.IDTokenAlg == "" && len(o.SigningAlgs) > 0 {
		c.IDTokenAlg = o.SigningAlgs[0]
		if slices.Contains(o.SigningAlgs, "RS256") {
			c.IDTokenAlg = "RS256"
		}
	}
	for _, a := range []struct {
		name, alg string
		allowed   []string
	}{{"id_token_signed_response_alg", c.IDTokenAlg, o.SigningAlgs}, {"userinfo_signed_response_alg", c.UserInfoAlg, o.SigningAlgs},
		{"request_object_encryption_alg", c.RequestEncAlg, o.RequestAlgs}} {
		if a.alg != "" && !slices.Contains(a.allowed, a.alg) {
			return InvalidMetadata("%s '%s' is not one of %s.", a.name, a.alg, strings.Join(a.allowed, ", "))
		}
	}
	return nil
}

// Registered is what c itself, or anybody whom it allows, may see of its registration: never a hash, never our policy.
// RFC 7591 §3.2.1.
func (c *Client) Registered() (map[string]json.RawMessage, error) {
	doc, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(doc, &all); err != nil {
		return nil, err
	}
	for member := range all {
		name, _, tagged := strings.Cut(member, "#")
		shown := tagged || slices.Contains(outsiderMembers, name) || name == "client_id" || name == "client_id_issued_at" || name == "software_statement"
		if !shown {
			delete(all, member)
		}
	}
	return all, nil
}

// Sectored says whether list, the document behind sector_identifier_uri, names every redirection URI of c, as it has to.
// OIDC Dynamic Client Registration §5.
func (c *Client) Sectored(list []byte) error {
	var uris []string
	if err := json.Unmarshal(list, &uris); err != nil {
		return fmt.Errorf("oauth: not a JSON array of strings: %w", err)
	}
	for _, u := range c.RedirectURIs {
		if !slices.Contains(uris, u) {
			return fmt.Errorf("oauth: it does not list %s", u)
		}
	}
	return nil
}

// Keep takes over from old, an earlier registration of the same client, what the client cannot decide.
func (c *Client) Keep(old *Client) {
	c.ID, c.Origin, c.IssuedAt, c.ManagementHash, c.Profile = old.ID, old.Origin, old.IssuedAt, old.ManagementHash, old.Profile
	c.SecretHash, c.OldHash, c.OldUntil = old.SecretHash, old.OldHash, old.OldUntil
	c.TokenFormat, c.TokenAlg, c.TokenSeconds, c.RefreshSeconds = old.TokenFormat, old.TokenAlg, old.TokenSeconds, old.RefreshSeconds
	c.RequirePKCE, c.Resources, c.Serves, c.WebOrigins = old.RequirePKCE, old.Resources, old.Serves, old.WebOrigins
	c.SkipConsent, c.MinimumACR, c.Disabled = old.SkipConsent, old.MinimumACR, old.Disabled
}
