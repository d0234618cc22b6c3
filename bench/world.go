package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// world is what the workers hold: signed-in browsers, tokens, refresh chains.
type world struct {
	s        *server
	c        int
	client   *http.Client
	browsers []*http.Client
	token    map[string]string   // client → an access token of its own
	refresh  map[string][]string // client → the current refresh token of each worker
}

// verifier and challenge are the pair of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func newWorld(s *server, c int) *world {
	t := &http.Transport{MaxIdleConnsPerHost: c + 8, MaxConnsPerHost: c + 8}
	noFollow := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w := &world{s: s, c: c, client: &http.Client{Transport: t, Timeout: 30 * time.Second}, token: map[string]string{}, refresh: map[string][]string{}}
	for range c {
		jar, _ := cookiejar.New(nil)
		w.browsers = append(w.browsers, &http.Client{Transport: t, Jar: jar, CheckRedirect: noFollow, Timeout: 30 * time.Second})
	}
	return w
}

var field = regexp.MustCompile(`name="(csrf|to)" value="([^"]*)"`)

// signIn gives every worker a browser with a session.
func (w *world) signIn(ctx context.Context) error {
	for i, b := range w.browsers {
		res, err := b.Get(w.s.issuer + "/login")
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		form := url.Values{"identifier": {fmt.Sprintf("user%d", i)}, "password": {"a long enough bench passphrase"}}
		for _, m := range field.FindAllStringSubmatch(string(body), -1) {
			form.Set(m[1], m[2])
		}
		res, err = b.PostForm(w.s.issuer+"/login", form)
		if err != nil {
			return err
		}
		drain(res)
		if res.StatusCode != http.StatusSeeOther {
			return fmt.Errorf("sign-in of user%d answered %d", i, res.StatusCode)
		}
	}
	return ctx.Err()
}

func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Active  bool   `json:"active"`
}

func (w *world) post(ctx context.Context, client, path string, form url.Values) (tokens, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.s.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, "bench-secret")
	res, err := w.client.Do(req)
	if err != nil {
		return tokens{}, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		return tokens{}, err
	}
	if res.StatusCode != http.StatusOK {
		return tokens{}, fmt.Errorf("%s answered %d: %s", path, res.StatusCode, b.String())
	}
	var t tokens
	return t, json.Unmarshal(b.Bytes(), &t)
}

func (w *world) login(ctx context.Context, client string, worker int) (tokens, error) {
	q := url.Values{"client_id": {client}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid api:read"},
		"state": {"some-state"}, "nonce": {"some-nonce"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.s.issuer+"/authorize?"+q.Encode(), nil)
	if err != nil {
		return tokens{}, err
	}
	res, err := w.browsers[worker].Do(req)
	if err != nil {
		return tokens{}, err
	}
	drain(res)
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		return tokens{}, fmt.Errorf("authorize answered %d, %s", res.StatusCode, res.Header.Get("Location"))
	}
	return w.post(ctx, client, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")},
		"redirect_uri": {"https://rp.example/cb"}, "code_verifier": {verifier}})
}

// operations lists what is measured, in the order of the table in docs/PERFORMANCE.md.
func (w *world) operations() []operation {
	ops := []operation{{name: "jwks", do: func(ctx context.Context, _ int) error { return w.get(ctx, "/jwks") }}}
	for _, client := range []string{"opaque", "jwt"} {
		credentials := func(ctx context.Context) error {
			t, err := w.post(ctx, client, "/token", url.Values{"grant_type": {"client_credentials"}})
			w.token[client] = t.Access
			return err
		}
		ops = append(ops,
			operation{name: "client_credentials " + client, do: func(ctx context.Context, _ int) error {
				_, err := w.post(ctx, client, "/token", url.Values{"grant_type": {"client_credentials"}})
				return err
			}},
			operation{name: "introspection " + client, prepare: credentials, do: func(ctx context.Context, _ int) error {
				t, err := w.post(ctx, client, "/introspect", url.Values{"token": {w.token[client]}})
				if err == nil && !t.Active {
					err = errors.New("inactive")
				}
				return err
			}},
			operation{name: "refresh " + client, prepare: func(ctx context.Context) error {
				w.refresh[client] = make([]string, w.c)
				for i := range w.c {
					t, err := w.login(ctx, client, i)
					if err != nil {
						return err
					}
					w.refresh[client][i] = t.Refresh
				}
				return nil
			}, do: func(ctx context.Context, i int) error {
				t, err := w.post(ctx, client, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.refresh[client][i]}})
				if err == nil {
					w.refresh[client][i] = t.Refresh
				}
				return err
			}},
			operation{name: "login " + client, do: func(ctx context.Context, i int) error {
				_, err := w.login(ctx, client, i)
				return err
			}})
	}
	return ops
}

func (w *world) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.s.issuer+path, nil)
	if err != nil {
		return err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	drain(res)
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", path, res.StatusCode)
	}
	return nil
}
