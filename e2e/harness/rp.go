package harness

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RP is a relying party: a registered client that speaks to the server. It is safe for concurrent use.
type RP struct {
	ID       string
	Secret   string
	Auth     string // none, client_secret_basic, client_secret_post or private_key_jwt; default by Secret and Key
	Redirect string // redirection URI, never fetched
	Key      crypto.Signer
	Alg      string // of Key: ES256 or RS256
	KeyID    string

	server *Server
	http   *http.Client
}

// RP returns a relying party of the server; fill in what the client has.
func (s *Server) RP(rp RP) *RP {
	rp.server, rp.http = s, s.Client("")
	if rp.Auth == "" {
		switch {
		case rp.Key != nil:
			rp.Auth = "private_key_jwt"
		case rp.Secret != "":
			rp.Auth = "client_secret_basic"
		default:
			rp.Auth = "none"
		}
	}
	return &rp
}

// Authorization is one authorization request and what its answer has to fit.
type Authorization struct {
	URL                    string
	State, Nonce, Verifier string
	Redirect               string
}

// Authorize makes an authorization request with PKCE, state and nonce. extra replaces parameters; a nil or empty list
// leaves one out.
func (rp *RP) Authorize(extra url.Values) *Authorization {
	a := &Authorization{State: Random(), Nonce: Random(), Verifier: Random(), Redirect: rp.Redirect}
	v := url.Values{"client_id": {rp.ID}, "response_type": {"code"}, "redirect_uri": {rp.Redirect}, "scope": {"openid"},
		"state": {a.State}, "nonce": {a.Nonce}, "code_challenge": {Challenge(a.Verifier)}, "code_challenge_method": {"S256"}}
	merge(v, extra)
	a.State, a.Nonce, a.Redirect = v.Get("state"), v.Get("nonce"), v.Get("redirect_uri")
	if !v.Has("code_challenge") {
		a.Verifier = ""
	}
	a.URL = rp.server.URL("/authorize", v)
	return a
}

// Challenge is the code_challenge of a code_verifier. RFC 7636 §4.2.
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Random returns 256 random bits as base64url, 43 characters.
func Random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Answer is an answer of the server to a program.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Fields map[string]any // the JSON object, numbers as json.Number; nil without one
}

// Get returns a field as text: "" where it is absent or no string.
func (a *Answer) Get(field string) string {
	s, _ := a.Fields[field].(string)
	return s
}

// OK says whether the answer is a success.
func (a *Answer) OK() bool { return a != nil && a.Status == http.StatusOK }

func (a *Answer) String() string { return fmt.Sprintf("%d %s", a.Status, strings.TrimSpace(a.Body)) }

// Exchange redeems a code. extra replaces parameters.
func (rp *RP) Exchange(a *Authorization, code string, extra url.Values) (*Answer, error) {
	v := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	if a != nil && a.Redirect != "" {
		v.Set("redirect_uri", a.Redirect)
	}
	if a != nil && a.Verifier != "" {
		v.Set("code_verifier", a.Verifier)
	}
	return rp.Token(merge(v, extra))
}

// Refresh redeems a refresh token.
func (rp *RP) Refresh(token string, extra url.Values) (*Answer, error) {
	return rp.Token(merge(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, extra))
}

// ClientCredentials asks for a token of the client's own.
func (rp *RP) ClientCredentials(extra url.Values) (*Answer, error) {
	return rp.Token(merge(url.Values{"grant_type": {"client_credentials"}}, extra))
}

// Token sends a token request as it is, authenticated.
func (rp *RP) Token(form url.Values) (*Answer, error) { return rp.Post("/token", form) }

// Introspect asks about a token. RFC 7662.
func (rp *RP) Introspect(token string) (*Answer, error) {
	return rp.Post("/introspect", url.Values{"token": {token}})
}

// Revoke revokes a token. RFC 7009.
func (rp *RP) Revoke(token string) (*Answer, error) {
	return rp.Post("/revoke", url.Values{"token": {token}})
}

// Post sends a form to an endpoint, with the client's authentication.
func (rp *RP) Post(path string, form url.Values) (*Answer, error) {
	form = merge(url.Values{}, form)
	h := http.Header{}
	switch rp.Auth {
	case "none":
		form.Set("client_id", rp.ID)
	case "client_secret_basic":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(rp.ID)+":"+url.QueryEscape(rp.Secret))))
	case "client_secret_post":
		form.Set("client_id", rp.ID)
		form.Set("client_secret", rp.Secret)
	case "private_key_jwt":
		if !form.Has("client_assertion") {
			assertion, err := rp.Assertion(nil)
			if err != nil {
				return nil, err
			}
			form.Set("client_assertion", assertion)
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	}
	return rp.server.PostForm(rp.http, path, form, h)
}

// Assertion makes a client assertion; claims replace its members. RFC 7523 §3.
func (rp *RP) Assertion(claims map[string]any) (string, error) {
	now := time.Now()
	m := map[string]any{"iss": rp.ID, "sub": rp.ID, "aud": rp.server.Issuer, "jti": Random(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for k, v := range claims {
		m[k] = v
	}
	return SignJWT(rp.Key, map[string]any{"alg": rp.Alg, "kid": rp.KeyID, "typ": "JWT"}, m)
}

// UserInfo asks who the person behind an access token is, by GET or POST; POST sends it in the form.
func (s *Server) UserInfo(method, token string) (*Answer, error) {
	if method == http.MethodPost {
		return s.PostForm(s.Client(""), "/userinfo", url.Values{"access_token": {token}}, nil)
	}
	return s.Get("/userinfo", http.Header{"Authorization": {"Bearer " + token}})
}

// Get fetches a path below the issuer as a program does.
func (s *Server) Get(path string, h http.Header) (*Answer, error) {
	req, err := http.NewRequest(http.MethodGet, s.Issuer+path, nil)
	if err != nil {
		return nil, err
	}
	return answer(s.Client(""), req, h)
}

// PostForm posts a form to a path below the issuer.
func (s *Server) PostForm(c *http.Client, path string, form url.Values, h http.Header) (*Answer, error) {
	req, err := http.NewRequest(http.MethodPost, s.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answer(c, req, h)
}

// SendJSON sends a document to one of our URLs, as a client does that registers itself; token is a bearer token or "".
func (s *Server) SendJSON(method, uri, token string, doc []byte) (*Answer, error) {
	req, err := http.NewRequest(method, uri, bytes.NewReader(doc))
	if err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return answer(s.Client(""), req, h)
}

func answer(c *http.Client, req *http.Request, h http.Header) (*Answer, error) {
	for name, vs := range h {
		req.Header[name] = vs
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(raw)}
	dec := json.NewDecoder(strings.NewReader(a.Body))
	dec.UseNumber()
	if dec.Decode(&a.Fields) != nil {
		a.Fields = nil
	}
	return a, nil
}

// merge puts extra over v and drops what extra empties.
func merge(v, extra url.Values) url.Values {
	for name, vs := range extra {
		if len(vs) == 0 || len(vs) == 1 && vs[0] == "" {
			v.Del(name)
			continue
		}
		v[name] = vs
	}
	return v
}
