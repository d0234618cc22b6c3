package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
)

// The limits on an authorization request, in bytes.
const (
	maxParam  = 4 << 10
	maxClaims = 16 << 10
	maxScopes = 64

	maxMaxAge = 100 * 365 * 24 * 3600 // seconds: beyond it every sign-in is fresh enough, and a Duration would overflow
)

// Reader reads and checks authorization requests. fosite parses, finds the client, and checks response type, response
// mode and scope; around it stands what fosite lacks or allows: repeated parameters (RFC 6749 §3.1), exact redirection
// URIs, PKCE with S256 only, resource indicators, claims, and request objects.
type Reader struct {
	opt      ReaderOptions
	provider *fosite.Fosite
}

// ReaderOptions of a Reader; all are needed.
type ReaderOptions struct {
	Registry *Registry
	Issuer   string
	Keys     *ClientKeys    // that verify request objects
	Ring     *keys.Ring     // that decrypts them
	Fetch    *egress.Client // that fetches those given by reference
	Now      func() time.Time
}

// NewReader returns a Reader.
func NewReader(opt ReaderOptions) *Reader {
	cfg := &fosite.Config{
		MinParameterEntropy:         1,
		ScopeStrategy:               fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:    func(_, _ []string) error { return nil }, // RFC 8707 replaces it
		EnforcePKCEForPublicClients: true,
	}
	return &Reader{opt: opt, provider: &fosite.Fosite{Store: lookup{opt.Registry}, Config: cfg}}
}

// Fault is a refused authorization request. Where Redirect is not "", the client and its redirection URI are known good,
// and the error belongs there; otherwise it must be shown to the person and nothing may be redirected. RFC 6749 §4.1.2.1.
type Fault struct {
	Err      *Error
	Client   *Client
	Redirect string
	State    string
	Mode     string // how the error travels there, see Answer
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// single are the parameters that must not be repeated; the rest is ignored when unknown. RFC 6749 §3.1.
var single = []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age",
	"ui_locales", "id_token_hint", "login_hint", "acr_values", "claims", "code_challenge", "code_challenge_method", "display",
	"claims_locales", "dpop_jkt"}

// Read returns the request of form, or a *Fault.
func (rd *Reader) Read(ctx context.Context, form url.Values) (*Request, *Client, error) {
	f := &Fault{}
	for _, p := range []string{"client_id", "redirect_uri"} {
		if len(form[p]) > 1 {
			f.Err = InvalidRequest("The parameter %s is repeated.", p)
			return nil, nil, f
		}
	}
	c, err := rd.opt.Registry.Find(ctx, ident.ClientID(form.Get("client_id")))
	if err != nil {
		f.Err = InvalidRequest("The client is not known here.").Because(err)
		return nil, nil, f
	}
	f.Client = c
	whole, bad := rd.object(ctx, c, form)
	if bad != nil { // the client hears of it only where the outer request says where
		if f.Err = bad; form.Get("redirect_uri") != "" {
			f.towards(form)
		}
		return nil, nil, f
	}
	form = whole
	if !f.towards(form) {
		f.Err = InvalidRequest("The redirect_uri is not registered for this client.")
		return nil, nil, f
	}
	if form.Get("redirect_uri") == "" && slices.Contains(strings.Fields(form.Get("scope")), "openid") { // OIDC Core §3.1.2.1
		f.Err, f.Redirect = InvalidRequest("redirect_uri is missing, and OpenID Connect requires it."), ""
		return nil, nil, f
	}
	if f.Err = rd.outside(form, f.Mode); f.Err != nil {
		return nil, nil, f
	}
	areq, err := rd.provider.NewAuthorizeRequest(ctx, &http.Request{Method: http.MethodGet, Form: form, Header: http.Header{}, URL: &url.URL{}})
	if err != nil && !errors.Is(err, fosite.ErrInvalidState) { // state is optional: RFC 6749 §4.1.1
		f.Err = fromFosite(err)
		return nil, nil, f
	}
	q := &Request{Client: c.ID, RedirectURI: f.Redirect, RedirectSent: form.Get("redirect_uri") != "", State: form.Get("state"),
		ResponseType: sortedWords(form.Get("response_type")), ResponseMode: f.Mode, IDTokenHint: form.Get("id_token_hint"),
		Scope: slices.Compact(slices.Clone([]string(areq.GetRequestedScopes()))), Nonce: form.Get("nonce"),
		Prompt: strings.Fields(form.Get("prompt")), LoginHint: form.Get("login_hint"), UILocales: strings.Fields(form.Get("ui_locales")),
		Resources: form["resource"]}
	for _, check := range []func(*Request, *Client, url.Values) *Error{rd.answerable, rd.pkce, rd.prompt, rd.target, rd.wishes, rd.assurance} {
		if f.Err = check(q, c, form); f.Err != nil {
			return nil, nil, f
		}
	}
	return q, c, nil
}

// towards notes where an answer to form may go; false if that is nowhere.
func (f *Fault) towards(form url.Values) bool {
	redirect, ok := f.Client.Redirect(form.Get("redirect_uri"))
	if !ok || len(form["redirect_uri"]) > 1 {
		return false
	}
	f.Redirect, f.Mode, f.State = redirect, modeOf(form), form.Get("state")
	if !slices.Contains(f.Client.Modes(), f.Mode) {
		f.Mode = "query" // where errors go too
	}
	if len(form["state"]) > 1 || len(url.QueryEscape(f.State)) > maxParam {
		f.State = "" // what is refused for its size or its repetition is not sent back
	}
	return true
}

// outside checks what stands before any meaning: repetition, size, and what this server does not take.
func (rd *Reader) outside(form url.Values, mode string) *Error {
	for _, p := range single {
		vs := form[p]
		if len(vs) > 1 {
			return InvalidRequest("The parameter %s is repeated.", p)
		}
		limit := maxParam
		if p == "claims" {
			limit = maxClaims
		}
		if len(vs) == 1 && len(vs[0]) > limit {
			return InvalidRequest("The parameter %s is longer than %d bytes.", p, limit)
		}
	}
	if len(url.QueryEscape(form.Get("state"))) > maxParam { // it has to fit into the URL that answers
		return InvalidRequest("The parameter state is longer than %d bytes in a URL.", maxParam)
	}
	if form.Get("response_type") == "" {
		return InvalidRequest("The parameter response_type is missing.")
	}
	if rt := form.Get("response_type"); rt != strings.ToLower(rt) { // fosite takes it in any case; RFC 6749 §3.1.1 does not
		return fail(http.StatusBadRequest, "unsupported_response_type", "The response_type is not supported; it is case sensitive.", nil)
	}
	if m := form.Get("response_mode"); m != "" && m != mode {
		return InvalidRequest("The response_mode is not registered for this client, or cannot carry this response_type.") // no token in a query
	}
	return nil
}

// answerable: what tokens in the front channel need. OIDC Core §3.2.2.1, §3.3.2.11.
func (rd *Reader) answerable(q *Request, _ *Client, _ url.Values) *Error {
	if q.ResponseMode == "query" && (q.Wants("id_token") || q.Wants("token")) {
		return InvalidRequest("The client is registered for no response_mode that can carry a token.")
	}
	if !q.Wants("id_token") {
		return nil
	}
	if !slices.Contains(q.Scope, "openid") {
		return InvalidRequest("The response_type asks for an ID token, and scope lacks openid.")
	}
	if q.Nonce == "" {
		return InvalidRequest("nonce is missing, and an ID token in the front channel needs it.")
	}
	return nil
}

// pkce: RFC 7636 §4.3; only S256 (RFC 9700 §2.1.1); required where the client's policy says so.
func (rd *Reader) pkce(q *Request, c *Client, form url.Values) *Error {
	ch, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case ch == "" && method != "":
		return InvalidRequest("code_challenge_method is given without code_challenge.")
	case ch == "" && q.Wants("code") && c.PKCE(q.Nonce != "" && slices.Contains(q.Scope, "openid")):
		return InvalidRequest("This client must use PKCE: code_challenge is missing.")
	case ch != "" && !q.Wants("code"):
		return nil // without a code it protects nothing
	case ch == "":
		return nil
	case method != "S256":
		return InvalidRequest("code_challenge_method must be S256.")
	case len(ch) != 43 || strings.Trim(ch, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return InvalidRequest("code_challenge must be the base64url of a SHA-256, 43 characters.")
	}
	q.Challenge = ch
	return nil
}

// prompt and max_age: OIDC Core §3.1.2.1.
func (rd *Reader) prompt(q *Request, c *Client, form url.Values) *Error {
	if q.Has("none") && len(q.Prompt) > 1 {
		return InvalidRequest("prompt=none cannot stand with another value.")
	}
	if raw := form.Get("max_age"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < 0 {
			return InvalidRequest("max_age must be a number of seconds.")
		}
		q.MaxAge = &n
	} else if c.DefaultMaxAge != nil {
		q.MaxAge = c.DefaultMaxAge
	}
	if q.MaxAge != nil && *q.MaxAge > maxMaxAge {
		n := int64(maxMaxAge)
		q.MaxAge = &n
	}
	return nil
}

// target: RFC 8707 §2.1.
func (rd *Reader) target(q *Request, c *Client, _ url.Values) *Error {
	if len(q.Scope) > maxScopes || len(q.Resources) > 16 {
		return InvalidRequest("Too many scopes or resources.")
	}
	if _, _, err := rd.opt.Registry.Audience(c, q.Scope, q.Resources, rd.opt.Issuer); err != nil {
		return AsError(err)
	}
	return nil
}

// wishes: the claims parameter, OIDC Core §5.5. What is unknown in it is ignored, what is malformed is refused.
func (rd *Reader) wishes(q *Request, _ *Client, form url.Values) *Error {
	raw := form.Get("claims")
	if raw == "" {
		return nil
	}
	if depth(raw) > 8 {
		return InvalidRequest("claims is nested too deeply.")
	}
	var cl Claims
	if err := json.NewDecoder(bytes.NewReader([]byte(raw))).Decode(&cl); err != nil || !json.Valid([]byte(raw)) {
		return InvalidRequest("claims is not the JSON object that OpenID Connect defines.")
	}
	if len(cl.UserInfo)+len(cl.IDToken) > 128 {
		return InvalidRequest("claims asks for too many claims.")
	}
	q.Claims = &cl
	return nil
}

// assurance: acr_values, an essential acr (OIDC Core §5.5.1.1) and the client's own minimum become one rung.
func (rd *Reader) assurance(q *Request, c *Client, form url.Values) *Error {
	values := strings.Fields(form.Get("acr_values"))
	if len(values) == 0 {
		values = c.DefaultACRs
	}
	q.Need = weakest(values)
	if q.Claims != nil {
		if w := q.Claims.IDToken["acr"]; w != nil {
			var asked []string
			for _, v := range append(slices.Clone(w.Values), w.Value) {
				var s string
				if len(v) > 0 && json.Unmarshal(v, &s) == nil {
					asked = append(asked, s)
				}
			}
			if n := weakest(asked); n > q.Need {
				q.Need = n
			}
			if w.Essential && len(asked) > 0 {
				if weakest(asked) == ident.None {
					return UnmetRequirements()
				}
				q.NeedHard = true
			}
		}
	}
	if m := ident.AssuranceOf(c.MinimumACR); m > ident.None {
		q.Need, q.NeedHard = max(q.Need, m), true
	}
	return nil
}

// weakest is the lowest known rung among acrs: any of them satisfies, and so does whatever is stronger.
func weakest(acrs []string) ident.Assurance {
	low := ident.None
	for _, v := range acrs {
		if a := ident.AssuranceOf(v); a != ident.None && (low == ident.None || a < low) {
			low = a
		}
	}
	return low
}

// depth is the greatest nesting of brackets outside strings.
func depth(s string) int {
	deep, now, inString := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deep = max(deep, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deep
}
