package verify_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

const api = verifytest.Audience

// clock is a settable time, safe for the goroutines of a test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func setup(t testing.TB, options ...verify.Option) (*verifytest.Issuer, *verify.ResourceServer, *clock) {
	t.Helper()
	c := newClock()
	iss := verifytest.NewIssuer(t, c.Now)
	rs, err := verify.NewResourceServer(context.Background(), iss.URL,
		append([]verify.Option{verify.Audience(api), verify.Clock(c.Now)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return iss, rs, c
}

func TestVerifyReadsClaims(t *testing.T) {
	iss, rs, c := setup(t)
	got, err := rs.Verify(t.Context(), iss.AccessToken(verifytest.Claim("jti", "j1"), verifytest.ForAudience("https://other.example", api)))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := got.Claims["iat"].(json.Number); !ok || n.String() != "1800000000" {
		t.Errorf("raw iat = %v", got.Claims["iat"])
	}
	want := verify.Token{
		Issuer: iss.URL, Subject: verifytest.Subject, ClientID: verifytest.ClientID,
		Scopes: []string{"wallet:read", "wallet:move"}, Audience: []string{"https://other.example", api},
		ACR: "urn:postern:acr:aal1", AMR: []string{"pwd"}, JTI: "j1", SessionID: "session-1",
		AuthTime: c.Now(), IssuedAt: c.Now(), ExpiresAt: c.Now().Add(5 * time.Minute), Claims: got.Claims,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestVerifyAlgorithms(t *testing.T) {
	for _, alg := range []string{"ES256", "PS256", "RS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			iss, rs, _ := setup(t)
			iss.PublishNext(alg)
			iss.Rotate()
			if _, err := rs.Verify(t.Context(), iss.AccessToken()); err != nil {
				t.Errorf("accept: %v", err)
			}
			token := []byte(iss.AccessToken())
			i := len(token) - 20
			token[i] = map[bool]byte{true: 'B', false: 'A'}[token[i] == 'A']
			if _, err := rs.Verify(t.Context(), string(token)); !errors.Is(err, verify.ErrInvalid) {
				t.Errorf("altered signature: %v", err)
			}
		})
	}
}

func TestAlgorithmsNarrow(t *testing.T) {
	iss, rs, _ := setup(t, verify.Algorithms("PS256", "EdDSA"))
	if _, err := rs.Verify(t.Context(), iss.AccessToken()); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("ES256 is accepted though not allowed: %v", err)
	}
	iss.PublishNext("EdDSA")
	iss.Rotate()
	mustVerify(t, rs, iss.AccessToken())
}

// ATTACKS D6: a token of another issuer or audience, or another kind of token, is no access token here.
func TestAttackD6(t *testing.T) {
	iss, rs, _ := setup(t)
	other := verifytest.NewIssuer(t, newClock().Now)
	tests := []struct{ name, token string }{
		{"token of another issuer", other.AccessToken()},
		{"another issuer's claim, our key", iss.AccessToken(verifytest.Claim("iss", other.URL))},
		{"issuer with a slash", iss.AccessToken(verifytest.Claim("iss", iss.URL+"/"))},
		{"our claims, another issuer's key", iss.AccessToken(verifytest.SignedBy(other.Key()))},
		{"another audience", iss.AccessToken(verifytest.ForAudience("https://other.example"))},
		{"audience is a prefix", iss.AccessToken(verifytest.ForAudience(api + "/x"))},
		{"no audience", iss.AccessToken(verifytest.Claim("aud", nil))},
		{"audience of numbers", iss.AccessToken(verifytest.Claim("aud", []int{1}))},
		{"ID token", iss.IDToken(verifytest.Claim("aud", api))},
		{"ID token with the claims of an access token", iss.AccessToken(verifytest.Header("typ", "JWT"))},
		{"no typ", iss.AccessToken(verifytest.Header("typ", nil))},
		{"logout token", iss.AccessToken(verifytest.Header("typ", "logout+jwt"))},
		{"security event", iss.AccessToken(verifytest.Header("typ", "secevent+jwt"))},
		{"client assertion", iss.AccessToken(verifytest.Header("typ", "client-authentication+jwt"))},
		{"refresh token", "prt_5fz8mT0Yw"},
		{"opaque token without introspection", iss.Opaque()},
		{"bound to a key", iss.AccessToken(verifytest.Claim("cnf", map[string]string{"jkt": "x"}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := rs.Verify(t.Context(), tt.token); !errors.Is(err, verify.ErrInvalid) || !reflect.DeepEqual(got, verify.Token{}) && err == nil {
				t.Errorf("got %v", err)
			}
			w := call(rs.Require(""), bearer(tt.token))
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("answer %d %s", w.Code, w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

// ATTACKS D7: hostile JOSE is refused at bounded cost.
func TestAttackD7(t *testing.T) {
	iss, rs, _ := setup(t)
	good := iss.AccessToken()
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	resign := func(header, claims string) string {
		s, err := iss.Key().Sign([]byte(header), []byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hmacWithPublic := func() string {
		der, err := x509.MarshalPKIXPublicKey(iss.Key().Private.Public())
		if err != nil {
			t.Fatal(err)
		}
		input := b64([]byte(`{"typ":"at+jwt","alg":"HS256","kid":"key-1"}`)) + "." + parts[1]
		m := hmac.New(sha256.New, der)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	header := `{"typ":"at+jwt","alg":"ES256","kid":"key-1"`
	tests := []struct{ name, token string }{
		{"alg none", b64([]byte(`{"typ":"at+jwt","alg":"none"}`)) + "." + parts[1] + "."},
		{"alg none with a signature", iss.AccessToken(verifytest.Header("alg", "none"))},
		{"alg NoNe", iss.AccessToken(verifytest.Header("alg", "NoNe"))},
		{"no alg", iss.AccessToken(verifytest.Header("alg", nil))},
		{"alg is a number", iss.AccessToken(verifytest.Header("alg", 5))},
		{"HS256 with the public key", hmacWithPublic()},
		{"RS256 with an ES256 key", iss.AccessToken(verifytest.Header("alg", "RS256"))},
		{"ES384", iss.AccessToken(verifytest.Header("alg", "ES384"))},
		{"unknown crit", iss.AccessToken(verifytest.Header("crit", []string{"x"}), verifytest.Header("x", 1))},
		{"empty crit", iss.AccessToken(verifytest.Header("crit", []string{}))},
		{"b64 false", iss.AccessToken(verifytest.Header("b64", false))},
		{"b64 false in crit", iss.AccessToken(verifytest.Header("b64", false), verifytest.Header("crit", []string{"b64"}))},
		{"zip", iss.AccessToken(verifytest.Header("zip", "DEF"))},
		{"PBES2", iss.AccessToken(verifytest.Header("alg", "PBES2-HS256+A128KW"), verifytest.Header("p2c", 1_000_000_000))},
		{"PBES2 count beside ES256", iss.AccessToken(verifytest.Header("p2c", 1_000_000_000))},
		{"kid is a path", iss.AccessToken(verifytest.Header("kid", "../../etc/passwd"))},
		{"kid is SQL", iss.AccessToken(verifytest.Header("kid", "' OR 1=1 --"))},
		{"kid is long", iss.AccessToken(verifytest.Header("kid", strings.Repeat("k", 300)))},
		{"kid is a number", iss.AccessToken(verifytest.Header("kid", 1))},
		{"own key in jwk", selfSigned(t, iss)},
		{"member twice in the claims", resign(header+"}", strings.Replace(string(claims), `{`, `{"aud":"x",`, 1))},
		{"member twice in the header", resign(header+`,"alg":"ES256"}`, string(claims))},
		{"member twice, nested", resign(header+"}", strings.Replace(string(claims), `{`, `{"a":{"b":1,"b":2},`, 1))},
		{"member twice, escaped", resign(header+"}", strings.Replace(string(claims), `{`, `{"\u0061ud":"x",`, 1))},
		{"member in another case only", resign(header+"}", strings.Replace(string(claims), `"iss"`, `"ISS"`, 1))},
		{"deep JSON", resign(header+"}", strings.Replace(string(claims), `{`, `{"a":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000)+",", 1))},
		{"claims are no object", resign(header+"}", `[]`)},
		{"claims with a tail", resign(header+"}", string(claims)+"{}")},
		{"claims are not UTF-8", resign(header+"}", strings.Replace(string(claims), `{`, "{\"a\":\"\xff\",", 1))},
		{"two segments", parts[0] + "." + parts[1]},
		{"four segments", good + ".AAAA"},
		{"a million dots", strings.Repeat(".", 1_000_000)},
		{"empty segments", ".."},
		{"line break in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:]},
		{"padding", good + "="},
		{"other alphabet", strings.ReplaceAll(good, "-", "+") + "+"},
		{"signature empty", parts[0] + "." + parts[1] + "."},
		{"signature zero", parts[0] + "." + parts[1] + "." + b64(make([]byte, 64))},
		{"signature in DER length", parts[0] + "." + parts[1] + "." + b64(make([]byte, 71))},
		{"huge", good + strings.Repeat("A", 20<<10)},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			if _, err := rs.Verify(t.Context(), tt.token); !errors.Is(err, verify.ErrInvalid) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
			if w := call(rs.Require(""), bearer(tt.token)); w.Code != 401 && w.Code != 400 {
				t.Errorf("answer %d", w.Code)
			}
		})
	}
	if _, err := rs.Verify(t.Context(), good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

// selfSigned is a token with an unpublished key that it brings along.
func selfSigned(t *testing.T, iss *verifytest.Issuer) string {
	k, err := verifytest.NewKey(iss.Key().ID, "ES256")
	if err != nil {
		t.Fatal(err)
	}
	return iss.AccessToken(verifytest.SignedBy(k), verifytest.Header("jwk", k.JWK()), verifytest.Header("jku", iss.URL+"/evil"))
}

func TestVerifyTimes(t *testing.T) {
	iss, rs, c := setup(t)
	now := c.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name   string
		change []verifytest.Change
		want   error
	}{
		{"just expired, within the leeway", []verifytest.Change{verifytest.Claim("exp", at(-29*time.Second)), verifytest.Claim("iat", at(-time.Minute))}, nil},
		{"expired", []verifytest.Change{verifytest.Claim("exp", at(-30*time.Second)), verifytest.Claim("iat", at(-time.Minute))}, verify.ErrExpired},
		{"no exp", []verifytest.Change{verifytest.Claim("exp", nil)}, verify.ErrInvalid},
		{"exp is text", []verifytest.Change{verifytest.Claim("exp", "1900000000")}, verify.ErrInvalid},
		{"exp is huge", []verifytest.Change{verifytest.Claim("exp", 1e300)}, verify.ErrInvalid},
		{"exp is negative", []verifytest.Change{verifytest.Claim("exp", -1)}, verify.ErrInvalid},
		{"exp before iat", []verifytest.Change{verifytest.Claim("exp", at(-20*time.Second))}, verify.ErrInvalid},
		{"nbf within the leeway", []verifytest.Change{verifytest.Claim("nbf", at(30*time.Second))}, nil},
		{"nbf in the future", []verifytest.Change{verifytest.Claim("nbf", at(31*time.Second))}, verify.ErrInvalid},
		{"iat in the future", []verifytest.Change{verifytest.Claim("iat", at(31*time.Second))}, verify.ErrInvalid},
		{"no iat", []verifytest.Change{verifytest.Claim("iat", nil)}, verify.ErrInvalid},
		{"fractional exp", []verifytest.Change{verifytest.Claim("exp", float64(at(60*time.Second))+0.5)}, nil},
		{"no jti", []verifytest.Change{verifytest.Claim("jti", nil)}, verify.ErrInvalid},
		{"no sub", []verifytest.Change{verifytest.Claim("sub", nil)}, verify.ErrInvalid},
		{"no client_id", []verifytest.Change{verifytest.Claim("client_id", nil)}, verify.ErrInvalid},
		{"application/at+jwt", []verifytest.Change{verifytest.Header("typ", "application/at+jwt")}, nil},
		{"AT+JWT", []verifytest.Change{verifytest.Header("typ", "AT+JWT")}, nil},
		{"no kid, one key", []verifytest.Change{verifytest.Header("kid", nil)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := rs.Verify(t.Context(), iss.AccessToken(tt.change...)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestConfigurationFailsClosed(t *testing.T) {
	ok := verify.Audience(api)
	tests := []struct {
		name, issuer string
		options      []verify.Option
		want         string // part of the error; "" for none
	}{
		{"good", "https://id.example.com", []verify.Option{ok}, ""},
		{"no audience", "https://id.example.com", nil, "Audience is required"},
		{"empty audience", "https://id.example.com", []verify.Option{verify.Audience("")}, "empty audience"},
		{"plain http", "http://id.example.com", []verify.Option{ok}, "https"},
		{"http on localhost", "http://localhost:8080", []verify.Option{ok}, ""},
		{"query in the issuer", "https://id.example.com?x=1", []verify.Option{ok}, "query"},
		{"no URL", "id.example.com", []verify.Option{ok}, "absolute URL"},
		{"leeway", "https://id.example.com", []verify.Option{ok, verify.Leeway(61 * time.Second)}, "leeway"},
		{"symmetric algorithm", "https://id.example.com", []verify.Option{ok, verify.Algorithms("HS256")}, "not supported"},
		{"audience is no URL", "https://id.example.com", []verify.Option{verify.Audience("wallet")}, "give Resource"},
		{"audience is no URL, resource is", "https://id.example.com", []verify.Option{verify.Audience("wallet"), verify.Resource(api)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := verify.NewResourceServer(t.Context(), tt.issuer, tt.options...)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestImportsNothingOfOurs(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), `"github.com/postern-id`) {
			t.Errorf("%s imports another package of this module", f.Name())
		}
	}
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest("GET", api+"/x", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func call(mw func(http.Handler) http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, ok := verify.FromContext(r.Context())
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Write([]byte(t.Subject))
	})).ServeHTTP(w, r)
	return w
}
