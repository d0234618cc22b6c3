package clientauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/oauthtest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

var b64 = base64.RawURLEncoding

type gate struct {
	*oauthtest.House
	auth *clientauth.Authenticator
}

func open(t testing.TB, clients ...string) *gate {
	t.Helper()
	g := &gate{House: oauthtest.New(t, clients, nil)}
	g.auth = clientauth.New(clientauth.Options{Registry: g.Registry, Ephemeral: g.DB, Counters: g.DB, Audit: g.Audit,
		Keys: g.ClientKeys, SecretKeys: g.SecretKeys, Issuer: oauthtest.Issuer,
		Endpoints: []string{oauthtest.Issuer + "/token"}, Now: g.Now})
	return g
}

// ask authenticates a form from an address; auth is an Authorization header or "".
func (g *gate) ask(ip, auth string, form url.Values) (string, error) {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	if err := r.ParseForm(); err != nil {
		g.T.Fatal(err)
	}
	c, err := g.auth.Authenticate(oauth.WithEnv(context.Background(), ident.Env{IP: netip.MustParseAddr(ip)}), r)
	if err != nil {
		return oauth.AsError(err).Code, err
	}
	return string(c.ID), nil
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func TestAuthenticate(t *testing.T) {
	g := open(t,
		`{"client_id":"any","client_secret":"s3cret","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"basic","client_secret":"s3cret","token_endpoint_auth_method":"client_secret_basic","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"post","client_secret":"s3cret","token_endpoint_auth_method":"client_secret_post","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"pub","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"gone","client_secret":"s3cret","disabled":true,"redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"odd:+%","client_secret":"p:+% /","redirect_uris":["https://a.example/cb"]}`)
	for _, c := range []struct {
		name, auth string
		form       url.Values
		want       string
	}{
		{"basic", basic("any", "s3cret"), nil, "any"},
		{"post", "", form("client_id", "any", "client_secret", "s3cret"), "any"},
		{"both names agree", basic("any", "s3cret"), form("client_id", "any"), "any"},
		{"public", "", form("client_id", "pub"), "pub"},
		{"encoded", basic(url.QueryEscape("odd:+%"), url.QueryEscape("p:+% /")), nil, "odd:+%"},
		{"not encoded", basic("odd:+%", "p:+% /"), nil, "invalid_client"},
		{"nobody", "", nil, "invalid_client"},
		{"wrong secret", basic("any", "S3cret"), nil, "invalid_client"},
		{"empty secret", basic("any", ""), nil, "invalid_client"},
		{"no secret", "", form("client_id", "any"), "invalid_client"},
		{"unknown", basic("who", "s3cret"), nil, "invalid_client"},
		{"disabled", basic("gone", "s3cret"), nil, "invalid_client"},
		{"public with a secret", basic("pub", "x"), nil, "invalid_client"},
		{"names differ", basic("any", "s3cret"), form("client_id", "pub"), "invalid_request"},
		{"two ways", basic("any", "s3cret"), form("client_secret", "s3cret"), "invalid_request"},
		{"registered for basic", "", form("client_id", "basic", "client_secret", "s3cret"), "invalid_client"},
		{"registered for post", basic("post", "s3cret"), nil, "invalid_client"},
		{"repeated", "", form("client_id", "any", "client_id", "any", "client_secret", "s3cret"), "invalid_request"},
		{"bearer", "Bearer x", nil, "invalid_client"},
		{"no base64", "Basic !", nil, "invalid_client"},
		{"too long a name", "", form("client_id", strings.Repeat("x", 300), "client_secret", "x"), "invalid_client"},
		{"no text", "", form("client_id", "\xff\x00", "client_secret", "x"), "invalid_client"},
		{"another assertion type", "", form("client_assertion", "x", "client_assertion_type", "x"), "invalid_request"},
		{"no assertion", "", form("client_assertion_type", assertionType), "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.Clock = g.Clock.Add(10 * time.Minute) // failures are forgotten
			if got, _ := g.ask("192.0.2.1", c.auth, c.form); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Twenty wrong secrets block a client from one network for five minutes, from there only, the right secret too.
func TestBruteForce(t *testing.T) {
	g := open(t, `{"client_id":"a","client_secret":"s3cret","redirect_uris":["https://a.example/cb"]}`, `{"client_id":"b","client_secret":"s3cret","redirect_uris":["https://a.example/cb"]}`)
	status := func(ip, id, secret string) int {
		_, err := g.ask(ip, basic(id, secret), nil)
		if err == nil {
			return http.StatusOK
		}
		return oauth.AsError(err).Status
	}
	for i := range 19 {
		if got := status("192.0.2.1", "a", "guess"); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	if got := status("192.0.2.1", "a", "s3cret"); got != http.StatusOK {
		t.Errorf("before the limit: %d", got)
	}
	for range 3 {
		if got := status("192.0.2.200", "a", "guess"); got != http.StatusTooManyRequests {
			t.Errorf("beyond the limit, from the same network: %d", got)
		}
	}
	for what, got := range map[string][2]int{
		"right secret": {status("192.0.2.1", "a", "s3cret"), 429}, "another network": {status("198.51.100.1", "a", "s3cret"), 200}, "another client": {status("192.0.2.1", "b", "s3cret"), 200},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}
	g.Clock = g.Clock.Add(5*time.Minute + time.Second)
	if got := status("192.0.2.1", "a", "s3cret"); got != http.StatusOK {
		t.Errorf("after five minutes: %d", got)
	}
}

func TestOldSecretDuringRotation(t *testing.T) {
	g := open(t)
	key := g.SecretKeys()[0]
	doc := `{"client_id":"a","client_secret_hash":"` + oauth.HashSecret(key, "a", "new") + `","client_secret_hash_old":"` + oauth.HashSecret(key, "a", "old") +
		`","client_secret_old_until":"` + g.Clock.Add(time.Hour).Format(time.RFC3339) + `","redirect_uris":["https://a.example/cb"]}`
	if err := g.DB.PutClient(context.Background(), oauth.Document{ID: "a", JSON: []byte(doc), UpdatedAt: g.Clock}); err != nil {
		t.Fatal(err)
	}
	if err := g.Registry.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after        time.Duration
		secret, want string
	}{{0, "new", "a"}, {0, "old", "a"}, {59 * time.Minute, "old", "a"}, {2 * time.Minute, "old", "invalid_client"}, {0, "new", "a"}} {
		g.Clock = g.Clock.Add(c.after)
		if got, _ := g.ask("192.0.2.1", basic("a", c.secret), nil); got != c.want {
			t.Errorf("%s: %s, want %s", c.secret, got, c.want)
		}
	}
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func jwks(k *ecdsa.PrivateKey, kid string) string {
	p, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"` + kid + `","x":"` + b64.EncodeToString(p[1:33]) + `","y":"` + b64.EncodeToString(p[33:]) + `"}]}`
}

func (g *gate) assertion(k *ecdsa.PrivateKey, kid string, change map[string]any) string {
	c := map[string]any{"iss": "k", "sub": "k", "aud": oauthtest.Issuer, "jti": rand.Text(), "exp": g.Clock.Unix() + 60}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	payload, _ := json.Marshal(c)
	input := b64.EncodeToString([]byte(`{"alg":"ES256","kid":"`+kid+`"}`)) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		g.T.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + b64.EncodeToString(sig)
}

func asserted(a string) url.Values {
	return form("client_assertion", a, "client_assertion_type", assertionType)
}

// Whom an assertion may be meant for is a matter of the profile. C12.
func TestAssertionAudience(t *testing.T) {
	k := key(t)
	for _, c := range []struct {
		name         string
		aud          any
		strict, oidc string
	}{
		{"issuer", oauthtest.Issuer, "k", "k"}, {"issuer in a list", []string{oauthtest.Issuer}, "invalid_client", "k"}, {"endpoint", oauthtest.Issuer + "/token", "invalid_client", "k"},
		{"both", []string{oauthtest.Issuer + "/token", oauthtest.Issuer}, "invalid_client", "k"}, {"one of another", []string{oauthtest.Issuer, "https://evil.example"}, "invalid_client", "invalid_client"},
		{"another", "https://evil.example", "invalid_client", "invalid_client"}, {"empty list", []string{}, "invalid_client", "invalid_client"}, {"a number", 1, "invalid_client", "invalid_client"},
	} {
		for profile, want := range map[string]string{"oauth21": c.strict, "oidc": c.oidc} {
			g := open(t, `{"client_id":"k","profile":"`+profile+`","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.example/cb"],"jwks":`+jwks(k, "1")+`}`)
			if got, err := g.ask("192.0.2.1", "", asserted(g.assertion(k, "1", map[string]any{"aud": c.aud}))); got != want {
				t.Errorf("%s, %s: %s (%v), want %s", c.name, profile, got, err, want)
			}
		}
	}
}

// The edges of time, to the second: a minute of skew, an hour of life. RFC 7523 §3.
func TestAssertionTimes(t *testing.T) {
	k := key(t)
	g := open(t, `{"client_id":"k","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.example/cb"],"jwks":`+jwks(k, "1")+`}`)
	now := g.Clock.Unix()
	for _, c := range []struct {
		name   string
		change map[string]any
		want   string
	}{
		{"good", nil, "k"}, {"a minute late", map[string]any{"exp": now - 60}, "k"}, {"later", map[string]any{"exp": now - 61}, "invalid_client"},
		{"an hour", map[string]any{"exp": now + 3660}, "k"}, {"longer", map[string]any{"exp": now + 3661}, "invalid_client"}, {"iat a minute ahead", map[string]any{"iat": now + 60}, "k"}, {"iat further", map[string]any{"iat": now + 61}, "invalid_client"},
		{"nbf further", map[string]any{"nbf": now + 61}, "invalid_client"}, {"no exp", map[string]any{"exp": nil}, "invalid_client"}, {"no jti", map[string]any{"jti": nil}, "invalid_client"}, {"no aud", map[string]any{"aud": nil}, "invalid_client"},
		{"another aud", map[string]any{"aud": []string{oauthtest.Issuer, "https://evil.example"}}, "invalid_client"}, {"no sub", map[string]any{"sub": nil}, "invalid_client"}, {"iss differs", map[string]any{"iss": "x"}, "invalid_client"},
	} {
		if got, err := g.ask("192.0.2.1", "", asserted(g.assertion(k, "1", c.change))); got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
	}
	once := g.assertion(k, "1", nil)
	for i, want := range []string{"k", "invalid_client", "invalid_client"} {
		g.Clock = g.Clock.Add(time.Duration(i) * 20 * time.Second)
		if got, _ := g.ask("192.0.2.1", "", asserted(once)); got != want {
			t.Errorf("use %d: %s", i, got)
		}
	}
}

// Keys behind a URL: fetched once for many, again when none fits but not for each guess, and no longer believed for ever.
func TestJWKSURI(t *testing.T) {
	one, two := key(t), key(t)
	var served atomic.Pointer[string]
	var fetches atomic.Int64
	first, second := jwks(one, "1"), jwks(two, "2")
	served.Store(&first)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = w.Write([]byte(*served.Load()))
	}))
	defer srv.Close()
	g := open(t, `{"client_id":"k","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.example/cb"],"jwks_uri":"`+srv.URL+`/jwks"}`)
	try := func(k *ecdsa.PrivateKey, kid string) string {
		got, _ := g.ask("192.0.2.1", "", asserted(g.assertion(k, kid, nil)))
		return got
	}
	for range 5 {
		if got := try(one, "1"); got != "k" {
			t.Fatal(got)
		}
	}
	for range 10 {
		try(two, "2")
	}
	if n := fetches.Load(); n > 2 {
		t.Errorf("%d fetches for guesses", n)
	}
	served.Store(&second)
	g.Clock = g.Clock.Add(11 * time.Second)
	if got := try(two, "2"); got != "k" {
		t.Errorf("a rotated key: %s", got)
	}
	if got := try(one, "1"); got != "invalid_client" {
		t.Errorf("the key before: %s", got)
	}
	srv.Close()
	g.Clock = g.Clock.Add(2 * time.Minute)
	if got := try(two, "2"); got != "k" {
		t.Errorf("while the client's server is down: %s", got)
	}
}

// An address inside our own network is not fetched from, whatever a client registers.
func TestJWKSInside(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("fetched") }))
	defer srv.Close()
	g := open(t, `{"client_id":"k","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.example/cb"],"jwks_uri":"`+srv.URL+`/jwks"}`)
	auth := clientauth.New(clientauth.Options{Registry: g.Registry, Ephemeral: g.DB, Counters: g.DB, Audit: g.Audit, Keys: oauth.NewClientKeys(egress.New(egress.Options{}), g.Now), SecretKeys: g.SecretKeys,
		Issuer: oauthtest.Issuer, Now: g.Now})
	g.auth = auth
	if got, _ := g.ask("192.0.2.1", "", asserted(g.assertion(key(t), "1", nil))); got != "invalid_client" {
		t.Errorf("%s", got)
	}
}

// Without the counters or the trail nobody can guess unseen.
func TestFailsClosed(t *testing.T) {
	g := open(t, `{"client_id":"a","client_secret":"s3cret","redirect_uris":["https://a.example/cb"]}`)
	_ = g.Audit.Close(context.Background())
	_, err := g.ask("192.0.2.1", basic("a", "guess"), nil)
	var e *oauth.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", err)
	}
}

// Whatever an assertion is made of, it is refused without a panic.
func FuzzAssertion(f *testing.F) {
	g := open(f, `{"client_id":"k","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.example/cb"],"jwks":`+jwks(key(f), "1")+`}`)
	f.Add("")
	f.Add("e30.e30.")
	f.Add(g.assertion(key(f), "1", nil))
	f.Add(b64.EncodeToString([]byte(`{"alg":"none"}`)) + "." + b64.EncodeToString([]byte(`{"iss":"k","sub":"k"}`)) + ".")
	f.Fuzz(func(t *testing.T, a string) {
		g.Clock = g.Clock.Add(time.Minute)
		if got, err := g.ask("192.0.2.1", "", asserted(a)); err == nil || oauth.AsError(err).Status >= 500 {
			t.Errorf("%q: %s %v", a, got, err)
		}
	})
}
