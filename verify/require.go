package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Requirement is what Require asks of an authentication beyond a scope.
type Requirement func(*requirement)

type requirement struct {
	scopes []string
	acr    []string
	maxAge time.Duration
	aged   bool
}

// ACR asks for an authentication of one of these context classes, or of a stronger one. RFC 9470 §3 (acr_values).
func ACR(acr ...string) Requirement { return func(r *requirement) { r.acr = append(r.acr, acr...) } }

// MaxAge asks for an authentication at most d ago; whole seconds. RFC 9470 §3 (max_age).
func MaxAge(d time.Duration) Requirement {
	return func(r *requirement) { r.maxAge, r.aged = d.Truncate(time.Second), true }
}

// Require returns middleware that lets a request through only with a valid access token that carries scope (several,
// separated by spaces, if all are needed; "" for none) and meets every requirement; handlers find the token with
// FromContext. Otherwise the answer is a challenge in WWW-Authenticate:
// 401 without an error where no token was sent, 400 invalid_request, 401 invalid_token, 403 insufficient_scope
// (RFC 6750 §3), 401 insufficient_user_authentication (RFC 9470 §3; also where the scope is withheld for now), always with resource_metadata (RFC 9728 §5.1);
// 503 while the issuer cannot be reached.
func (rs *ResourceServer) Require(scope string, requirements ...Requirement) func(http.Handler) http.Handler {
	need := requirement{scopes: strings.Fields(scope)}
	for _, r := range requirements {
		r(&need)
	}
	rs.mu.Lock()
	for _, s := range need.scopes {
		if !slices.Contains(rs.scopes, s) {
			rs.scopes = append(rs.scopes, s)
		}
	}
	rs.mu.Unlock()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, err := rs.admit(r, need)
			if err != nil {
				rs.refuse(w, r, need, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), t)))
		})
	}
}

var (
	errNoToken   = errors.New("verify: no bearer token")
	errMalformed = errors.New("verify: malformed request")
	errScope     = errors.New("verify: a scope is missing")
	errLimited   = errors.New("verify: a scope is withheld until the person proves more")
	errStepUp    = errors.New("verify: authentication is too weak or too old")
)

func (rs *ResourceServer) admit(r *http.Request, need requirement) (Token, error) {
	token, err := bearer(r)
	if err != nil {
		return Token{}, err
	}
	t, err := rs.Verify(r.Context(), token)
	if err != nil {
		return Token{}, err
	}
	for _, s := range need.scopes {
		switch {
		case t.HasScope(s):
		case slices.Contains(t.Limited, s):
			return Token{}, errLimited
		default:
			return Token{}, errScope
		}
	}
	if !rs.strong(t, need) {
		return Token{}, errStepUp
	}
	return t, nil
}

// strong reports whether t's authentication meets need; a token that does not say meets nothing. RFC 9470 §5.
func (rs *ResourceServer) strong(t Token, need requirement) bool {
	if len(need.acr) > 0 && !slices.ContainsFunc(need.acr, func(want string) bool { return rs.satisfies(t.ACR, want) }) {
		return false
	}
	if !need.aged {
		return true
	}
	return !t.AuthTime.IsZero() && rs.now().Sub(t.AuthTime) <= need.maxAge+rs.leeway
}

func (c *config) satisfies(have, want string) bool {
	if have == want {
		return have != ""
	}
	h, w := slices.Index(c.acrOrder, have), slices.Index(c.acrOrder, want)
	return w >= 0 && h > w
}

// bearer returns the token in the one Authorization header; the scheme has any case. A token in the query is refused,
// never used: addresses end up in logs and histories. RFC 6750 §2, RFC 9700 §4.3.2.
func bearer(r *http.Request) (string, error) {
	if r.URL.RawQuery != "" {
		if q, _ := url.ParseQuery(r.URL.RawQuery); q.Has("access_token") {
			return "", errMalformed
		}
	}
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", errNoToken
	}
	if len(headers) > 1 {
		return "", errMalformed
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	token = strings.TrimLeft(token, " ")
	if !b64token(token) {
		return "", errMalformed
	}
	return token, nil
}

// b64token is the grammar of RFC 6750 §2.1.
func b64token(s string) bool {
	t := strings.TrimRight(s, "=")
	for i := range len(t) {
		c := t[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0) {
			return false
		}
	}
	return t != ""
}

// refuse turns the cause into the answer; the client learns what to do, not what exactly was wrong with its token.
func (rs *ResourceServer) refuse(w http.ResponseWriter, r *http.Request, need requirement, cause error) {
	if rs.onRefusal != nil {
		rs.onRefusal(r, cause)
	}
	c := Challenge{ResourceMetadata: rs.metadataURL()}
	status := http.StatusUnauthorized
	switch {
	case errors.Is(cause, errNoToken):
	case errors.Is(cause, errMalformed):
		status, c.Error = http.StatusBadRequest, "invalid_request"
		c.ErrorDescription = "Send the access token once, in the Authorization header"
	case errors.Is(cause, errScope):
		status, c.Error = http.StatusForbidden, "insufficient_scope"
		c.ErrorDescription = "The access token does not carry the scope"
		c.Scope = need.scopes
	case errors.Is(cause, errLimited):
		// The scope was granted: what is missing is the person. A new authentication, as the old one is what is doubted.
		c.Error = "insufficient_user_authentication"
		c.ErrorDescription = "A new authentication is required for this scope"
		c.Scope, c.ACRValues, c.HasMaxAge = need.scopes, need.acr, true
		if len(c.ACRValues) == 0 && len(rs.acrOrder) > 1 {
			c.ACRValues = rs.acrOrder[1:2]
		}
	case errors.Is(cause, errStepUp):
		c.Error = "insufficient_user_authentication"
		c.ErrorDescription = "A stronger or more recent authentication is required"
		c.ACRValues = need.acr
		c.MaxAge, c.HasMaxAge = need.maxAge, need.aged
	case errors.Is(cause, ErrExpired):
		c.Error, c.ErrorDescription = "invalid_token", "The access token has expired"
	case errors.Is(cause, ErrInvalid):
		c.Error, c.ErrorDescription = "invalid_token", "The access token is not valid"
	case errors.Is(cause, context.Canceled):
		return // nobody is there to read an answer
	default:
		w.Header().Set("Retry-After", "2")
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
		return
	}
	w.Header().Set("WWW-Authenticate", c.String())
	w.Header().Set("Cache-Control", "no-store")
	body := map[string]string{}
	if c.Error != "" {
		body["error"], body["error_description"] = c.Error, c.ErrorDescription
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
