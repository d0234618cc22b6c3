// Package meta owns what is said about tokens and about the server itself: discovery, keys, userinfo, introspection,
// revocation and logout. It issues nothing.
package meta

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
)

// Paths of the endpoints below the issuer.
const (
	PathAuthorize  = "/authorize"
	PathToken      = "/token"
	PathUserInfo   = "/userinfo"
	PathIntrospect = "/introspect"
	PathRevoke     = "/revoke"
	PathLog        = "/revocations"
	PathJWKS       = "/jwks"
	PathLogout     = "/logout"
	PathSession    = "/check-session"
	PathRegister   = "/register"
	PathDeviceAuth = "/device_authorization"
	PathCIBA       = "/bc-authorize"
	PathDevice     = "/device" // the page for the user code, RFC 8628 §3.3
)

// Discovery serves the metadata of the server and its keys, as bytes prepared ahead.
type Discovery struct {
	SessionIframe bool // there is a check_session_iframe, Session Management §2.1; to be set before the first request, as the next two
	Registration  bool // clients may register themselves, RFC 7591
	Documents     bool // … or be a document, OAuth Client ID Metadata Document §5

	issuer   string
	registry *oauth.Registry
	ring     *keys.Ring
	doc      atomic.Pointer[document]
}

type document struct {
	rev  int64
	body []byte
	etag string
}

// NewDiscovery needs our issuer identifier.
func NewDiscovery(issuer string, reg *oauth.Registry, ring *keys.Ring) *Discovery {
	return &Discovery{issuer: issuer, registry: reg, ring: ring}
}

// metadata of OpenID Connect Discovery §3 and RFC 8414 §2; one document serves both.
type metadata struct {
	Issuer             string   `json:"issuer"`
	Authorize          string   `json:"authorization_endpoint"`
	Token              string   `json:"token_endpoint"`
	UserInfo           string   `json:"userinfo_endpoint"`
	JWKS               string   `json:"jwks_uri"`
	Introspect         string   `json:"introspection_endpoint"`
	Revoke             string   `json:"revocation_endpoint"`
	Logout             string   `json:"end_session_endpoint"`
	Scopes             []string `json:"scopes_supported"`
	ResponseTypes      []string `json:"response_types_supported"`
	ResponseModes      []string `json:"response_modes_supported"`
	GrantTypes         []string `json:"grant_types_supported"`
	ACRs               []string `json:"acr_values_supported"`
	SubjectTypes       []string `json:"subject_types_supported"`
	IDTokenAlgs        []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth          []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAuthAlgs     []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	ClaimTypes         []string `json:"claim_types_supported"`
	Claims             []string `json:"claims_supported"`
	UILocales          []string `json:"ui_locales_supported"`
	Challenges         []string `json:"code_challenge_methods_supported"`
	Prompts            []string `json:"prompt_values_supported"`
	ClaimsParameter    bool     `json:"claims_parameter_supported"`
	RequestParameter   bool     `json:"request_parameter_supported"`
	RequestURI         bool     `json:"request_uri_parameter_supported"`
	RequireRequestURI  bool     `json:"require_request_uri_registration"`
	RequestAlgs        []string `json:"request_object_signing_alg_values_supported"`
	RequestEncAlgs     []string `json:"request_object_encryption_alg_values_supported,omitempty"`
	RequestEncs        []string `json:"request_object_encryption_enc_values_supported"`
	UserInfoAlgs       []string `json:"userinfo_signing_alg_values_supported"`
	UserInfoEncAlgs    []string `json:"userinfo_encryption_alg_values_supported"`
	UserInfoEncs       []string `json:"userinfo_encryption_enc_values_supported"`
	IDTokenEncAlgs     []string `json:"id_token_encryption_alg_values_supported"`
	IDTokenEncs        []string `json:"id_token_encryption_enc_values_supported"`
	Displays           []string `json:"display_values_supported"`
	ResponseIss        bool     `json:"authorization_response_iss_parameter_supported"`
	FrontLogout        bool     `json:"frontchannel_logout_supported"`
	FrontLogoutSession bool     `json:"frontchannel_logout_session_supported"`
	BackLogout         bool     `json:"backchannel_logout_supported"`
	BackLogoutSession  bool     `json:"backchannel_logout_session_supported"`
	CheckSession       string   `json:"check_session_iframe,omitempty"`
	Register           string   `json:"registration_endpoint,omitempty"`
	Device             string   `json:"device_authorization_endpoint"`       // RFC 8628 §4
	CIBA               string   `json:"backchannel_authentication_endpoint"` // CIBA Core §4, as the next three
	CIBAModes          []string `json:"backchannel_token_delivery_modes_supported"`
	CIBAAlgs           []string `json:"backchannel_authentication_request_signing_alg_values_supported"`
	CIBAUserCode       bool     `json:"backchannel_user_code_parameter_supported"`
	Log                string   `json:"postern_revocations_endpoint"` // docs/tokens.md
	ClientDocuments    bool     `json:"client_id_metadata_document_supported,omitempty"`
}

func (d *Discovery) build() ([]byte, error) {
	secrets := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	auth := append(append([]string(nil), secrets...), "none")
	at := func(path string) string { return d.issuer + path }
	m := metadata{
		Issuer: d.issuer, Authorize: at(PathAuthorize), Token: at(PathToken), UserInfo: at(PathUserInfo), JWKS: at(PathJWKS),
		Introspect: at(PathIntrospect), Revoke: at(PathRevoke), Log: at(PathLog), Logout: at(PathLogout),
		Scopes: d.registry.ScopesSupported(), ResponseTypes: oauth.ResponseTypes, ResponseModes: oauth.ResponseModes,
		GrantTypes: oauth.GrantTypes, ACRs: ident.ACRs[:], SubjectTypes: []string{"public", "pairwise"}, IDTokenAlgs: d.ring.Algs(),
		TokenAuth: auth, TokenAuthAlgs: oauth.AssertionAlgs, IntrospectAuth: secrets, IntrospectAuthAlgs: oauth.AssertionAlgs,
		RevokeAuth: auth, RevokeAuthAlgs: oauth.AssertionAlgs,
		ClaimTypes: []string{"normal"}, Claims: oauth.ClaimsSupported(), UILocales: []string{"en", "zh-CN"},
		Challenges: []string{"S256"}, Prompts: []string{"none", "login", "consent", "select_account"},
		ClaimsParameter: true, RequestParameter: true, RequestURI: true, RequireRequestURI: true, ResponseIss: true,
		RequestAlgs: oauth.AssertionAlgs, RequestEncAlgs: d.ring.EncAlgs(), RequestEncs: keys.EncryptionEncs,
		UserInfoAlgs: d.ring.Algs(), UserInfoEncAlgs: keys.EncryptionAlgs, UserInfoEncs: keys.EncryptionEncs,
		IDTokenEncAlgs: keys.EncryptionAlgs, IDTokenEncs: keys.EncryptionEncs, Displays: []string{"page", "popup"},
		FrontLogout: true, FrontLogoutSession: true, BackLogout: true, BackLogoutSession: true,
		Device: at(PathDeviceAuth), CIBA: at(PathCIBA), CIBAModes: oauth.DeliveryModes, CIBAUserCode: true, CIBAAlgs: oauth.AssertionAlgs,
	}
	if d.SessionIframe {
		m.CheckSession = at(PathSession)
	}
	if d.Registration {
		m.Register = at(PathRegister)
	}
	m.ClientDocuments = d.Documents
	return json.Marshal(m)
}

// Document serves the metadata; it is built anew only when a client or a resource changed.
// OpenID Connect Discovery §4, RFC 8414 §3.
func (d *Discovery) Document(w http.ResponseWriter, r *http.Request) error {
	doc := d.doc.Load()
	if rev := d.registry.Revision(); doc == nil || doc.rev != rev {
		body, err := d.build()
		if err != nil {
			return err
		}
		doc = &document{rev: rev, body: body, etag: etagOf(body)}
		d.doc.Store(doc)
	}
	serve(w, r, "application/json", doc.body, doc.etag)
	return nil
}

// Keys serves the JWK Set. RFC 7517 §5, OIDC Core §10.1.1.
func (d *Discovery) Keys(w http.ResponseWriter, r *http.Request) error {
	body, etag := d.ring.JWKS()
	serve(w, r, "application/jwk-set+json", body, etag)
	return nil
}

func serve(w http.ResponseWriter, r *http.Request, contentType string, body []byte, etag string) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=60")
	h.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	_, _ = w.Write(body)
}
