package oauth

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
)

// Client is a registered client: its metadata under the names of RFC 7591 §2 and OpenID Connect Dynamic Client
// Registration §2, and our policy for it. A Client is immutable once it stands in a Registry.
type Client struct {
	ID         ident.ClientID `json:"client_id"`
	SecretHash string         `json:"client_secret_hash,omitempty"`     // see HashSecret; never the secret
	OldHash    string         `json:"client_secret_hash_old,omitempty"` // honoured until OldUntil after a rotation
	OldUntil   time.Time      `json:"client_secret_old_until,omitzero"`

	Name             string            `json:"client_name,omitempty"`
	Names            map[string]string `json:"-"` // client_name#<language tag>
	URI              string            `json:"client_uri,omitempty"`
	LogoURI          string            `json:"logo_uri,omitempty"`
	PolicyURI        string            `json:"policy_uri,omitempty"`
	TOSURI           string            `json:"tos_uri,omitempty"`
	Contacts         []string          `json:"contacts,omitempty"`
	ApplicationType  string            `json:"application_type,omitempty"` // web (default) or native
	RedirectURIs     []string          `json:"redirect_uris,omitempty"`
	PostLogoutURIs   []string          `json:"post_logout_redirect_uris,omitempty"`
	GrantTypes       []string          `json:"grant_types,omitempty"`    // default: authorization_code
	ResponseTypes    []string          `json:"response_types,omitempty"` // default: code
	ResponseModes    []string          `json:"response_modes,omitempty"` // default: those of the profile
	Scope            string            `json:"scope,omitempty"`          // what it may ask; default: the OpenID scopes
	AuthMethod       string            `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg          string            `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS             json.RawMessage   `json:"jwks,omitempty"`
	JWKSURI          string            `json:"jwks_uri,omitempty"`
	SubjectType      string            `json:"subject_type,omitempty"` // public (default) or pairwise, OIDC Core §8
	SectorURI        string            `json:"sector_identifier_uri,omitempty"`
	IDTokenAlg       string            `json:"id_token_signed_response_alg,omitempty"`
	IDTokenEncAlg    string            `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEnc       string            `json:"id_token_encrypted_response_enc,omitempty"` // default where the alg is given: A128CBC-HS256
	UserInfoAlg      string            `json:"userinfo_signed_response_alg,omitempty"`    // "": plain JSON
	UserInfoEncAlg   string            `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEnc      string            `json:"userinfo_encrypted_response_enc,omitempty"`
	RequestAlg       string            `json:"request_object_signing_alg,omitempty"` // "": any that the policy allows
	RequestEncAlg    string            `json:"request_object_encryption_alg,omitempty"`
	RequestEnc       string            `json:"request_object_encryption_enc,omitempty"`
	RequestURIs      []string          `json:"request_uris,omitempty"`
	RequireRequest   bool              `json:"require_signed_request_object,omitempty"` // RFC 9101 §10.5
	DefaultMaxAge    *int64            `json:"default_max_age,omitempty"`               // seconds
	RequireAuthTime  bool              `json:"require_auth_time,omitempty"`
	DefaultACRs      []string          `json:"default_acr_values,omitempty"`
	InitiateLoginURI string            `json:"initiate_login_uri,omitempty"`
	SoftwareID       string            `json:"software_id,omitempty"`
	SoftwareVersion  string            `json:"software_version,omitempty"`
	Statement        string            `json:"software_statement,omitempty"` // RFC 7591 §2.3, as it was verified

	BackchannelLogout   string `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogout  string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession bool   `json:"frontchannel_logout_session_required,omitempty"`

	// CIBA Core §4.
	DeliveryMode         string `json:"backchannel_token_delivery_mode,omitempty"`                // see Delivery
	NotificationEndpoint string `json:"backchannel_client_notification_endpoint,omitempty"`       // of ping and push
	CIBAAlg              string `json:"backchannel_authentication_request_signing_alg,omitempty"` // with it requests are always signed
	UserCodeParameter    bool   `json:"backchannel_user_code_parameter,omitempty"`                // people are asked only with their user code

	// How it came here, where an operator did not register it. RFC 7591, RFC 7592, Client ID Metadata Document.
	Origin         string `json:"registered_by,omitempty"` // "" (an operator), dynamic or document
	IssuedAt       int64  `json:"client_id_issued_at,omitempty"`
	ManagementHash string `json:"registration_access_token_hash,omitempty"` // see HashSecret

	// Policy: what the operator decided, strict where nothing is said.
	Profile        string   `json:"profile,omitempty"`                          // see Policies
	TokenFormat    string   `json:"access_token_format,omitempty"`              // jwt (default, RFC 9068) or opaque
	TokenAlg       string   `json:"access_token_signed_response_alg,omitempty"` // default: the server's
	TokenSeconds   int64    `json:"access_token_lifetime,omitempty"`            // seconds; default: the server's
	RefreshSeconds int64    `json:"refresh_token_lifetime,omitempty"`           // of the whole family, seconds
	RequirePKCE    *bool    `json:"require_pkce,omitempty"`                     // default: public clients, always
	Resources      []string `json:"allowed_resources,omitempty"`                // RFC 8707; default: every declared one whose scopes it may ask
	Serves         []string `json:"served_resources,omitempty"`                 // resources that it is the server of: it may introspect their tokens
	WebOrigins     []string `json:"web_origins,omitempty"`                      // CORS, beside the origins of its redirect URIs
	SkipConsent    bool     `json:"skip_consent,omitempty"`                     // a first-party application
	MinimumACR     string   `json:"minimum_acr,omitempty"`
	Disabled       bool     `json:"disabled,omitempty"`

	set    *keys.Set
	scopes []string
	policy Policy
	sector string
}

// The limits on what is registered.
const (
	maxClientID = 255
	maxURIs     = 64
	maxURI      = 2048
)

// OpenIDScopes are the scopes that every client may ask unless its metadata says otherwise. OIDC Core §5.4, §11.
var OpenIDScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

var authMethods = []string{"", "none", "client_secret_basic", "client_secret_post", "private_key_jwt"}

// GrantTypes lists the grant types this server knows; discovery shows it.
var GrantTypes = []string{"authorization_code", "implicit", "refresh_token", "client_credentials", DeviceGrant, CIBAGrant}

// SigningAlgs are the algorithms a client may choose for tokens made for it.
var SigningAlgs = []string{"ES256", "RS256", "PS256", "EdDSA"}

// AssertionAlgs are the algorithms accepted in client assertions.
var AssertionAlgs = []string{"ES256", "RS256", "PS256", "EdDSA", "Ed25519"}

// ParseClient reads a client document strictly: an unknown member or a fault in the metadata is an error that names it.
// All faults are reported at once, joined with "; ".
func ParseClient(doc []byte) (*Client, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(doc, &raw); err != nil {
		return nil, fmt.Errorf("client: not a JSON object: %w", err)
	}
	c := &Client{}
	for name, v := range raw {
		tag, ok := strings.CutPrefix(name, "client_name#")
		if !ok {
			continue
		}
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, fmt.Errorf("client: %s must be a string", name)
		}
		if c.Names == nil {
			c.Names = map[string]string{}
		}
		c.Names[tag] = s
		delete(raw, name)
	}
	rest, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	names := c.Names
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("client %s: %w", raw["client_id"], err)
	}
	c.Names = names
	if err := c.prepare(); err != nil {
		return nil, err
	}
	return c, nil
}

// MarshalJSON is the stored document, which ParseClient reads back.
func (c *Client) MarshalJSON() ([]byte, error) {
	type plain Client
	b, err := json.Marshal((*plain)(c))
	if err != nil || len(c.Names) == 0 {
		return b, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	for tag, name := range c.Names {
		if m["client_name#"+tag], err = json.Marshal(name); err != nil {
			return nil, err
		}
	}
	return json.Marshal(m)
}

// prepare validates c and computes what is derived from its metadata.
func (c *Client) prepare() error {
	var faults []string
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if c.ID == "" || len(c.ID) > maxClientID || Printable(string(c.ID)) != string(c.ID) {
		bad("client_id must be 1 to %d printable ASCII characters", maxClientID)
	}
	oneOf := func(name, v string, allowed ...string) {
		if !slices.Contains(allowed, v) {
			bad("%s %q is not one of %s", name, v, strings.TrimSpace(strings.Join(allowed, " ")))
		}
	}
	oneOf("token_endpoint_auth_method", c.AuthMethod, authMethods...)
	oneOf("application_type", c.ApplicationType, "", "web", "native")
	oneOf("subject_type", c.SubjectType, "", "public", "pairwise")
	oneOf("access_token_format", c.TokenFormat, "", "jwt", "opaque")
	oneOf("id_token_signed_response_alg", c.IDTokenAlg, append([]string{""}, SigningAlgs...)...)
	oneOf("access_token_signed_response_alg", c.TokenAlg, append([]string{""}, SigningAlgs...)...)
	oneOf("userinfo_signed_response_alg", c.UserInfoAlg, append([]string{""}, SigningAlgs...)...)
	oneOf("registered_by", c.Origin, "", ByRegistration, ByDocument)
	for _, g := range c.GrantTypes {
		oneOf("grant_types", g, GrantTypes...)
	}
	if c.MinimumACR != "" && ident.AssuranceOf(c.MinimumACR) == ident.None {
		bad("minimum_acr %q is not one of %s", c.MinimumACR, strings.Join(ident.ACRs[:], " "))
	}
	faults = append(faults, c.policyFaults()...)
	faults = append(faults, c.uriFaults()...)
	faults = append(faults, c.encryptionFaults()...)
	faults = append(faults, c.cibaFaults()...)
	if len(c.JWKS) > 0 {
		set, err := keys.ParseSet(c.JWKS)
		if err != nil {
			bad("jwks: %v", err)
		}
		c.set = set
	}
	if len(c.JWKS) > 0 && c.JWKSURI != "" {
		bad("jwks and jwks_uri exclude one another") // RFC 7591 §2
	}
	if c.AuthMethod == "private_key_jwt" && len(c.JWKS) == 0 && c.JWKSURI == "" {
		bad("private_key_jwt needs jwks or jwks_uri")
	}
	if strings.HasPrefix(c.AuthMethod, "client_secret_") && c.SecretHash == "" {
		bad("%s needs a client_secret", c.AuthMethod)
	}
	if c.Public() && slices.Contains(c.GrantTypes, "client_credentials") {
		bad("client_credentials needs a client that authenticates") // RFC 6749 §4.4
	}
	if (c.Allows("authorization_code") || c.Allows("implicit")) && len(c.RedirectURIs) == 0 {
		bad("redirect_uris is empty, and authorization_code needs one")
	}
	if c.SubjectType == "pairwise" {
		if c.sector = c.theSector(); c.sector == "" {
			bad("subject_type pairwise with redirect_uris on several hosts needs a sector_identifier_uri") // OIDC Core §8.1
		}
	}
	if c.TokenSeconds < 0 || c.TokenSeconds > 24*3600 {
		bad("access_token_lifetime must be 1 to 86400 seconds")
	}
	c.scopes = strings.Fields(c.Scope)
	if len(c.scopes) == 0 {
		c.scopes = OpenIDScopes
	}
	if len(faults) > 0 {
		return fmt.Errorf("client %q: %s", c.ID, strings.Join(faults, "; "))
	}
	return nil
}

func (c *Client) uriFaults() (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if len(c.RedirectURIs) > maxURIs || len(c.PostLogoutURIs) > maxURIs || len(c.WebOrigins) > maxURIs || len(c.RequestURIs) > maxURIs {
		bad("more than %d URIs", maxURIs)
	}
	for _, u := range c.RedirectURIs {
		if err := redirectFault(u); err != "" {
			bad("redirect_uris %q %s", u, err)
		}
	}
	for _, u := range c.PostLogoutURIs {
		if err := redirectFault(u); err != "" {
			bad("post_logout_redirect_uris %q %s", u, err)
		}
	}
	for _, u := range c.RequestURIs { // OIDC Core §6.2
		if p, err := url.Parse(u); err != nil || len(u) > maxRequestURI || p.Host == "" || p.User != nil || p.Scheme != "https" && !loopbackHTTP(p) {
			bad("request_uris %q is not an https URL of at most %d bytes", u, maxRequestURI)
		}
	}
	for name, u := range map[string]string{"client_uri": c.URI, "logo_uri": c.LogoURI, "policy_uri": c.PolicyURI,
		"tos_uri": c.TOSURI, "jwks_uri": c.JWKSURI, "initiate_login_uri": c.InitiateLoginURI, "sector_identifier_uri": c.SectorURI,
		"backchannel_logout_uri": c.BackchannelLogout, "frontchannel_logout_uri": c.FrontchannelLogout} {
		if p, err := url.Parse(u); u != "" && (err != nil || len(u) > maxURI || p.Host == "" || (p.Scheme != "https" && !loopbackHTTP(p))) {
			bad("%s %q is not an https URL", name, u)
		}
	}
	if f := c.frontchannelFault(); f != "" {
		bad("frontchannel_logout_uri %q %s", c.FrontchannelLogout, f)
	}
	for _, o := range c.WebOrigins {
		if p, err := url.Parse(o); err != nil || p.Scheme == "" || p.Host == "" || p.Scheme+"://"+p.Host != o {
			bad("web_origins %q is not an origin such as https://app.example.com", o)
		}
	}
	return faults
}

// frontchannelFault says what is wrong with the page that the client is told on, or "". It goes into a frame of ours, whose
// policy names its origin: that of a redirection URI, as OpenID Connect Front-Channel Logout §2 has it.
func (c *Client) frontchannelFault() string {
	u, err := url.Parse(c.FrontchannelLogout)
	switch {
	case c.FrontchannelLogout == "" || err != nil: // said already
		return ""
	case strings.ContainsAny(u.Host, "!$&'()*+,;=\"\\"):
		return "has a host that is none"
	}
	if f := redirectFault(c.FrontchannelLogout); f != "" {
		return f
	}
	for _, raw := range c.RedirectURIs {
		if r, err := url.Parse(raw); err == nil && r.Scheme == u.Scheme && strings.EqualFold(r.Host, u.Host) {
			return ""
		}
	}
	return "has not the origin of one of the redirect_uris"
}

// redirectFault says what is wrong with a redirection URI, or "". RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1.
func redirectFault(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > maxURI || !u.IsAbs():
		return "is not an absolute URI"
	case strings.Contains(raw, "#"):
		return "has a fragment"
	case u.User != nil:
		return "has user information"
	case u.Scheme == "http" && !loopbackHTTP(u):
		return "is plain http beyond this machine"
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Host == "" {
			return "has no host"
		}
		return ""
	case slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"}, strings.ToLower(u.Scheme)):
		return "has a dangerous scheme"
	}
	return ""
}

func loopbackHTTP(u *url.URL) bool {
	h := u.Hostname()
	return u.Scheme == "http" && (h == "localhost" || h == "127.0.0.1" || h == "::1" || strings.HasSuffix(h, ".localhost"))
}

// Public says that the client cannot keep a secret. RFC 6749 §2.1.
func (c *Client) Public() bool {
	return c.AuthMethod == "none" || c.AuthMethod == "" && c.SecretHash == "" && len(c.JWKS) == 0 && c.JWKSURI == ""
}

// Allows says whether the client is registered for a grant type.
func (c *Client) Allows(grant string) bool {
	if len(c.GrantTypes) == 0 {
		return grant == "authorization_code"
	}
	return slices.Contains(c.GrantTypes, grant)
}

// Scopes are those which the client may ask; not to be modified.
func (c *Client) Scopes() []string { return c.scopes }

// PKCE says whether an authorization request without code_challenge, with or without a nonce, is refused. RFC 9700 §2.1.1.
func (c *Client) PKCE(nonce bool) bool {
	switch {
	case c.Public():
		return true
	case c.RequirePKCE != nil:
		return *c.RequirePKCE
	}
	return c.policy.PKCE == "all" || c.policy.PKCE == "unbound" && !nonce
}

// Responses are the response types that the client may ask, sorted within; not to be modified.
func (c *Client) Responses() []string {
	if len(c.ResponseTypes) > 0 {
		return c.ResponseTypes
	}
	if c.Allows("authorization_code") {
		return []string{"code"}
	}
	return nil
}

// Modes are the response modes that the client may ask; not to be modified.
func (c *Client) Modes() []string {
	if len(c.ResponseModes) > 0 {
		return c.ResponseModes
	}
	return c.policy.ResponseModes
}

// Sector is the host that pairwise subjects are made for; "" where subjects are public. OIDC Core §8.1.
func (c *Client) Sector() string { return c.sector }

func (c *Client) theSector() string {
	if c.SectorURI != "" {
		if u, err := url.Parse(c.SectorURI); err == nil {
			return strings.ToLower(u.Host)
		}
		return ""
	}
	host := ""
	for _, raw := range c.RedirectURIs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || host != "" && !strings.EqualFold(u.Host, host) {
			return ""
		}
		host = strings.ToLower(u.Host)
	}
	if host == "" {
		return c.cibaSector()
	}
	return host
}

// Keys is the registered key set, nil where there is none or where it lies behind jwks_uri.
func (c *Client) Keys() *keys.Set { return c.set }

// DisplayName is the name in the language that fits best, or what else names the client.
func (c *Client) DisplayName(lang string) string {
	if n := c.Names[lang]; n != "" {
		return n
	}
	base, _, _ := strings.Cut(lang, "-")
	if n := c.Names[base]; n != "" {
		return n
	}
	if host := c.Host(); c.Name == "" && c.Origin != "" && host != "" { // nobody chose its client_id for people to read
		return host
	}
	return cmp.Or(c.Name, string(c.ID))
}

// Host is where the client lives as far as it cannot be forged: the host of its first https redirection URI, or its
// scheme where it is an app; without any the host of its client_uri, if an operator registered it; of a client that
// describes itself, the host that its client_id names. It is what people are shown beside the name.
func (c *Client) Host() string {
	if c.Origin == ByDocument {
		if u, err := url.Parse(string(c.ID)); err == nil {
			return u.Host
		}
		return ""
	}
	for _, raw := range c.RedirectURIs {
		if u, err := url.Parse(raw); err == nil {
			if u.Host != "" {
				return u.Host
			}
			return u.Scheme + ":"
		}
	}
	if c.Origin == "" { // a device has nowhere to redirect to, but whoever registered it knows it
		if u, err := url.Parse(c.URI); err == nil {
			return u.Host
		}
	}
	return ""
}

// Redirect returns the redirection URI that raw stands for: raw itself where it is registered, character by character,
// or differs from a registered loopback IP URI in its port only; the single registered one for "". RFC 6749 §3.1.2.3,
// RFC 9700 §2.1, RFC 8252 §7.3.
func (c *Client) Redirect(raw string) (string, bool) {
	if raw == "" {
		if len(c.RedirectURIs) == 1 {
			return c.RedirectURIs[0], true
		}
		return "", false
	}
	if slices.Contains(c.RedirectURIs, raw) {
		return raw, true
	}
	for _, reg := range c.RedirectURIs {
		if sameButPort(raw, reg) {
			return raw, true
		}
	}
	return "", false
}

func sameButPort(raw, reg string) bool {
	r, err := url.Parse(reg)
	if err != nil || r.Scheme != "http" || (r.Hostname() != "127.0.0.1" && r.Hostname() != "::1") {
		return false
	}
	prefix := "http://" + strings.TrimSuffix(r.Host, ":"+r.Port())
	tail, ok := strings.CutPrefix(raw, prefix)
	if !ok {
		return false
	}
	if t, found := strings.CutPrefix(tail, ":"); found {
		i := 0
		for i < len(t) && t[i] >= '0' && t[i] <= '9' {
			i++
		}
		if i == 0 || i > 5 {
			return false
		}
		tail = t[i:]
	}
	regTail := strings.TrimPrefix(reg, "http://"+r.Host)
	return tail == regTail
}

// PostLogout says whether raw is registered as a post_logout_redirect_uri, character by character.
// OpenID Connect RP-Initiated Logout §3.1.
func (c *Client) PostLogout(raw string) bool { return slices.Contains(c.PostLogoutURIs, raw) }
