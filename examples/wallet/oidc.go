package wallet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/verify"
)

// client speaks OpenID Connect with the provider; its endpoints come from discovery.
type client struct {
	Options
	idTokens *verify.IDTokenVerifier
	http     *http.Client
}

// flow is one authorization request that is under way; its state names it once.
type flow struct {
	verifier string // PKCE, RFC 7636
	nonce    string
	acr      []string // asked for by a step-up
	maxAge   time.Duration
	aged     bool
	amount   int64 // of the withdrawal to go on with, in cents; 0 for a plain sign-in
	started  time.Time
}

// tokens is what a token response brought, validated.
type tokens struct {
	ID, Access, Refresh string
	Scope               string
	Expires             time.Time
	User                verify.Token   // from the ID token; zero if a refresh brought none
	Profile             map[string]any // from userinfo; nil if it did not answer
}

// oauthError is an error of the provider, RFC 6749 §4.1.2.1 and §5.2.
type oauthError struct{ Code, Description string }

func (e *oauthError) Error() string { return "provider: " + e.Code + ": " + e.Description }

// authorizeURL returns where to send the browser, and fills the secrets of f. RFC 6749 §4.1.1, RFC 7636 §4.3,
// RFC 8707 §2, OIDC Core §3.1.2.1.
func (c *client) authorizeURL(ctx context.Context, f *flow) (address, state string, err error) {
	d, err := c.idTokens.Discovery(ctx)
	if err != nil {
		return "", "", err
	}
	state, f.nonce, f.verifier, f.started = rand.Text(), rand.Text(), rand.Text()+rand.Text(), c.Now()
	challenge := sha256.Sum256([]byte(f.verifier))
	q := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.ClientID},
		"redirect_uri":          {c.RedirectURI()},
		"scope":                 {c.Scope},
		"resource":              {c.Audience},
		"state":                 {state},
		"nonce":                 {f.nonce},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	if len(f.acr) > 0 {
		q.Set("acr_values", strings.Join(f.acr, " "))
	}
	if f.aged {
		q.Set("max_age", strconv.FormatInt(int64(f.maxAge/time.Second), 10))
	}
	address, err = withQuery(d.AuthorizationEndpoint, q)
	return address, state, err
}

// answer takes the authorization response of f and redeems its code. RFC 9207 §2.4: the issuer must be ours.
func (c *client) answer(ctx context.Context, f flow, q url.Values) (tokens, error) {
	d, err := c.idTokens.Discovery(ctx)
	if err != nil {
		return tokens{}, err
	}
	if (q.Has("iss") || d.ResponseIss) && q.Get("iss") != d.Issuer {
		return tokens{}, errors.New("the response names another issuer (RFC 9207)")
	}
	if code := q.Get("error"); code != "" {
		return tokens{}, &oauthError{code, q.Get("error_description")}
	}
	if q.Get("code") == "" {
		return tokens{}, errors.New("the response has no code")
	}
	t, err := c.token(ctx, d, url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")},
		"redirect_uri": {c.RedirectURI()}, "code_verifier": {f.verifier}, "resource": {c.Audience},
	})
	if err != nil {
		return tokens{}, err
	}
	t.User, err = c.idTokens.Verify(ctx, t.ID, verify.Expect{
		Nonce: f.nonce, AccessToken: t.Access, MaxAge: f.maxAge, HasMaxAge: f.aged, ACR: f.acr,
	})
	if err == nil {
		t.Profile, err = c.profile(ctx, d, t)
	}
	return t, err
}

// profile asks userinfo who the person is: in the code flow, what `profile` and `email` stand for is there and not in
// the ID token. OIDC Core §5.3, §5.4. Without an answer it is nil; of another person it is an error.
func (c *client) profile(ctx context.Context, d verify.Discovery, t tokens) (map[string]any, error) {
	if d.UserinfoEndpoint == "" {
		return nil, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.UserinfoEndpoint, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+t.Access)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil
	}
	defer res.Body.Close()
	var claims map[string]any
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&claims) != nil {
		return nil, nil
	}
	if claims["sub"] != t.User.Subject {
		return nil, errors.New("userinfo is of another person than the ID token")
	}
	return claims, nil
}

// refresh returns new tokens for old; the subject stays. RFC 6749 §6, OIDC Core §12.2.
func (c *client) refresh(ctx context.Context, old tokens) (tokens, error) {
	d, err := c.idTokens.Discovery(ctx)
	if err != nil {
		return tokens{}, err
	}
	t, err := c.token(ctx, d, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}, "resource": {c.Audience},
	})
	if err != nil {
		return tokens{}, err
	}
	if t.Refresh == "" {
		t.Refresh = old.Refresh
	}
	t.Profile = old.Profile
	if t.ID == "" {
		t.ID, t.User = old.ID, old.User
		return t, nil
	}
	t.User, err = c.idTokens.Verify(ctx, t.ID, verify.Expect{AccessToken: t.Access})
	if err == nil && t.User.Subject != old.User.Subject {
		err = errors.New("the refreshed ID token is of another person")
	}
	return t, err
}

// token calls the token endpoint. RFC 6749 §3.2, §5.
func (c *client) token(ctx context.Context, d verify.Discovery, form url.Values) (tokens, error) {
	if c.Secret == "" {
		form.Set("client_id", c.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if c.Secret != "" {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	}
	res, err := c.http.Do(req)
	if err != nil {
		return tokens{}, fmt.Errorf("%w: %v", verify.ErrUnavailable, err)
	}
	defer res.Body.Close()
	var body struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int64  `json:"expires_in"`
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
		Scope        string `json:"scope"`
		Error        string `json:"error"`
		Description  string `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&body); err != nil {
		return tokens{}, fmt.Errorf("the token endpoint answered %d without JSON", res.StatusCode)
	}
	switch {
	case body.Error != "":
		return tokens{}, &oauthError{body.Error, body.Description}
	case res.StatusCode != http.StatusOK || body.AccessToken == "" || !strings.EqualFold(body.TokenType, "Bearer"):
		return tokens{}, fmt.Errorf("the token endpoint answered %d without a bearer token", res.StatusCode)
	}
	return tokens{
		ID: body.IDToken, Access: body.AccessToken, Refresh: body.RefreshToken, Scope: body.Scope,
		Expires: c.Now().Add(time.Duration(max(min(body.ExpiresIn, 86400), 0)) * time.Second),
	}, nil
}

// logoutURL returns where the provider ends its session, or "" if it has no such place. OIDC RP-Initiated Logout §2.
func (c *client) logoutURL(ctx context.Context, idToken string) string {
	d, err := c.idTokens.Discovery(ctx)
	if err != nil || d.EndSessionEndpoint == "" {
		return ""
	}
	address, err := withQuery(d.EndSessionEndpoint, url.Values{
		"id_token_hint": {idToken}, "client_id": {c.ClientID}, "post_logout_redirect_uri": {c.PostLogoutRedirectURI()},
	})
	if err != nil {
		return ""
	}
	return address
}

// withQuery adds q to endpoint, which may have a query of its own. RFC 6749 §3.1.
func withQuery(endpoint string, q url.Values) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return "", fmt.Errorf("endpoint %q is no URL", endpoint)
	}
	all := u.Query()
	for k, v := range q {
		all[k] = v
	}
	u.RawQuery = all.Encode()
	return u.String(), nil
}
