package wallet_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/examples/wallet"
	"github.com/postern-id/postern/verify/verifytest"
)

const aal1, aal2 = "urn:postern:acr:aal1", "urn:postern:acr:aal2"

// provider is verifytest's issuer with a front channel that says yes, and a token endpoint that holds the client to
// the protocol: code once, PKCE, redirect_uri, authentication.
type provider struct {
	*verifytest.Issuer
	t      testing.TB
	now    func() time.Time
	secret string // of the client; "" for a public one
	base   string // of the wallet

	mu       sync.Mutex
	codes    map[string]url.Values
	asked    []url.Values
	tamper   func(q url.Values)                  // of the authorization response
	idToken  func() []verifytest.Change          // more changes to ID tokens
	grant    func(asked url.Values) (acr string) // what the person can do
	lifetime time.Duration
}

func newProvider(t testing.TB, now func() time.Time, secret string) *provider {
	p := &provider{Issuer: verifytest.NewIssuer(t, now), t: t, now: now, secret: secret, codes: map[string]url.Values{}, lifetime: 5 * time.Minute}
	p.grant = func(q url.Values) string {
		if strings.Contains(q.Get("acr_values"), aal2) {
			return aal2
		}
		return aal1
	}
	p.Handle("GET /authorize", p.authorize)
	p.Handle("POST /token", p.token)
	p.Handle("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	return p
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.asked = append(p.asked, q)
	answer := url.Values{"state": {q.Get("state")}, "iss": {p.URL}}
	if acr := p.grant(q); acr == "" {
		answer.Set("error", "unmet_authentication_requirements")
	} else {
		code := rand.Text()
		q.Set("acr", acr)
		q.Set("auth_time", p.now().Format(time.RFC3339))
		p.codes[code] = q
		answer.Set("code", code)
	}
	if p.tamper != nil {
		p.tamper(answer)
	}
	http.Redirect(w, r, p.base+"/callback?"+answer.Encode(), http.StatusSeeOther)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
	id, secret, basic := r.BasicAuth()
	if p.secret != "" && (!basic || id != verifytest.ClientID || secret != url.QueryEscape(p.secret)) || p.secret == "" && r.PostFormValue("client_id") != verifytest.ClientID {
		refuse("invalid_client")
		return
	}
	var q url.Values
	if r.PostFormValue("grant_type") == "refresh_token" {
		q = p.codes[r.PostFormValue("refresh_token")]
	} else {
		q = p.codes[r.PostFormValue("code")]
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if q != nil && (q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != r.PostFormValue("redirect_uri")) {
			q = nil
		}
		delete(p.codes, r.PostFormValue("code"))
	}
	if q == nil {
		refuse("invalid_grant")
		return
	}
	delete(p.codes, r.PostFormValue("refresh_token"))
	refresh := rand.Text()
	at, err := time.Parse(time.RFC3339, q.Get("auth_time"))
	if err != nil {
		p.t.Error(err)
	}
	p.codes[refresh] = q
	exp := verifytest.Claim("exp", p.now().Add(p.lifetime).Unix())
	access := p.AccessToken(verifytest.ForAudience(q.Get("resource")), verifytest.Authenticated(q.Get("acr"), at), exp)
	sum := sha256.Sum256([]byte(access))
	changes := []verifytest.Change{
		verifytest.Claim("nonce", q.Get("nonce")), verifytest.Authenticated(q.Get("acr"), at), verifytest.Claim("name", "Lin Chen"),
		verifytest.Claim("email", "lin@demo.test"), verifytest.Claim("at_hash", base64.RawURLEncoding.EncodeToString(sum[:16])),
	}
	if p.idToken != nil {
		changes = append(changes, p.idToken()...)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(p.lifetime / time.Second), "refresh_token": refresh,
		"id_token": p.IDToken(changes...),
	})
}

func (p *provider) lastAsked() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[len(p.asked)-1]
}

func (p *provider) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// serve starts the wallet before p on a port of its own.
func serve(t testing.TB, p *provider) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	p.base = "http://" + s.Listener.Addr().String()
	h, err := wallet.New(wallet.Options{Issuer: p.URL, ClientID: verifytest.ClientID, Secret: p.secret, BaseURL: p.base, Now: p.now})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = h
	s.Start()
	t.Cleanup(s.Close)
	return p.base
}

// browser keeps cookies and follows redirects, as a person's does.
type browser struct {
	t    *testing.T
	c    *http.Client
	base string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}, base}
}

type page struct {
	status int
	path   string
	body   string
	header http.Header
}

func (b *browser) get(path string) page { return b.do("GET", path, nil) }

func (b *browser) post(path string, form url.Values) page { return b.do("POST", path, form) }

func (b *browser) do(method, path string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.base)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := b.c.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	if err := res.Write(&body); err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.Path, body.String(), res.Header}
}

// want fails unless p has the status, the path and every text.
func (b *browser) want(p page, status int, path string, texts ...string) {
	b.t.Helper()
	if p.status != status || p.path != path {
		b.t.Fatalf("got %d %s, want %d %s\n%s", p.status, p.path, status, path, p.body)
	}
	if i := slices.IndexFunc(texts, func(s string) bool { return !strings.Contains(p.body, s) }); i >= 0 {
		b.t.Fatalf("%s lacks %q:\n%s", p.path, texts[i], p.body)
	}
}
