package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

// waitFor polls until ok, because a refresh in the background has no other end to see.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestRotationIsSeen(t *testing.T) {
	iss, rs, c := setup(t)
	mustVerify(t, rs, iss.AccessToken())
	old := iss.Key()

	iss.Rotate() // without having been published ahead
	mustVerify(t, rs, iss.AccessToken())
	mustVerify(t, rs, iss.AccessToken(verifytest.SignedBy(old)))

	iss.Retire()
	c.Add(5 * time.Minute) // freshness ends
	mustVerify(t, rs, iss.AccessToken())
	if _, err := rs.Verify(t.Context(), iss.AccessToken(verifytest.SignedBy(old))); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("a key that left the JWKS still verifies: %v", err)
	}
}

func TestRefreshAheadInTheBackground(t *testing.T) {
	iss, rs, c := setup(t)
	mustVerify(t, rs, iss.AccessToken())
	c.Add(3 * time.Minute)
	mustVerify(t, rs, iss.AccessToken())
	if n := iss.Requests("/jwks"); n != 1 {
		t.Fatalf("%d fetches while fresh", n)
	}
	c.Add(time.Minute) // past three quarters
	mustVerify(t, rs, iss.AccessToken())
	waitFor(t, "refresh ahead of expiry", func() bool { return iss.Requests("/jwks") == 2 })
}

func TestFreshnessIsBounded(t *testing.T) {
	tests := []struct {
		control string
		fresh   time.Duration // no fetch before three quarters of it
	}{
		{"", 5 * time.Minute},
		{"max-age=0", time.Minute},
		{"no-store", time.Minute},
		{"private, Max-Age=600", 10 * time.Minute},
		{"max-age=99999999", time.Hour},
		{"max-age=x", 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.control, func(t *testing.T) {
			iss, rs, c := setup(t)
			iss.SetCacheControl(tt.control)
			mustVerify(t, rs, iss.AccessToken())
			c.Add(tt.fresh*3/4 - time.Second)
			mustVerify(t, rs, iss.AccessToken())
			if n := iss.Requests("/jwks"); n != 1 {
				t.Errorf("%d fetches while fresh", n)
			}
			c.Add(tt.fresh/4 + time.Second)
			mustVerify(t, rs, iss.AccessToken())
			if n := iss.Requests("/jwks"); n != 2 {
				t.Errorf("%d fetches after freshness", n)
			}
		})
	}
}

func TestStaleKeysForABoundedTime(t *testing.T) {
	iss, rs, c := setup(t, verify.StaleFor(10*time.Minute))
	mustVerify(t, rs, iss.AccessToken())
	iss.SetDown(true)
	c.Add(5*time.Minute + time.Second)
	mustVerify(t, rs, iss.AccessToken())
	c.Add(9 * time.Minute)
	mustVerify(t, rs, iss.AccessToken())
	c.Add(time.Minute)
	if _, err := rs.Verify(t.Context(), iss.AccessToken()); !errors.Is(err, verify.ErrUnavailable) {
		t.Errorf("keys outlive their bound: %v", err)
	}
	iss.SetDown(false)
	c.Add(10 * time.Second)
	mustVerify(t, rs, iss.AccessToken())
}

func TestUnknownKeyIDsDoNotHammer(t *testing.T) {
	iss, rs, c := setup(t)
	mustVerify(t, rs, iss.AccessToken())
	before := iss.Requests("/jwks")
	const seconds = 60
	for s := range seconds {
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				token := iss.AccessToken(verifytest.Header("kid", fmt.Sprintf("made-up-%d-%d", s, g)))
				if _, err := rs.Verify(context.Background(), token); !errors.Is(err, verify.ErrInvalid) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		c.Add(time.Second)
	}
	if n := iss.Requests("/jwks") - before; n < 1 || n > seconds/10+1 {
		t.Errorf("%d tokens with invented key ids caused %d fetches in %d s", 16*seconds, n, seconds)
	}
	if n := iss.Requests("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d discoveries", n)
	}
	iss.Rotate()
	c.Add(10 * time.Second)
	mustVerify(t, rs, iss.AccessToken())
}

func TestFirstCallersShareOneFetch(t *testing.T) {
	iss, rs, _ := setup(t)
	token := iss.AccessToken()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() { mustVerify(t, rs, token) })
	}
	wg.Wait()
	if n := iss.Requests("/jwks"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestHangingIssuerDelaysOnlyOnce(t *testing.T) {
	const timeout = 400 * time.Millisecond
	iss, rs, c := setup(t, verify.HTTPClient(&http.Client{Timeout: timeout, Transport: &hanging{}}))
	mustVerify(t, rs, iss.AccessToken())
	c.Add(6 * time.Minute)
	mustVerify(t, rs, iss.AccessToken()) // waits for the fetch, which fails
	for range 3 {
		c.Add(10 * time.Second)
		start := time.Now()
		mustVerify(t, rs, iss.AccessToken())
		if d := time.Since(start); d > timeout/2 {
			t.Errorf("waited %v for an issuer that is known to hang", d)
		}
	}
}

// hanging lets the first two requests through (discovery and JWKS); later ones get no answer.
type hanging struct{ n atomic.Int64 }

func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.n.Add(1) > 2 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestFailingIssuerIsNotHammered(t *testing.T) {
	iss, rs, _ := setup(t)
	iss.SetDown(true)
	token := iss.AccessToken()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := rs.Verify(context.Background(), token); !errors.Is(err, verify.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := iss.Requests("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d attempts in one moment", n)
	}
}

// Keys rotate through next, active and retired every few moments while four callers verify fresh tokens: none fails.
func TestRotationUnderLoad(t *testing.T) {
	iss, rs, c := setup(t)
	mustVerify(t, rs, iss.AccessToken())
	var verified, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				long := verifytest.Claim("exp", c.Now().Add(24*time.Hour).Unix()) // the clock leaps
				if _, err := rs.Verify(context.Background(), iss.AccessToken(long)); err != nil {
					failed.Add(1)
					t.Errorf("valid token refused: %v", err)
					return
				}
				verified.Add(1)
			}
		})
	}
	for range 10 {
		iss.PublishNext("ES256")
		settle(t, iss, rs, c)
		iss.Rotate()
		settle(t, iss, rs, c)
		iss.Retire()
		settle(t, iss, rs, c)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d verified, %d failed, %d JWKS fetches", verified.Load(), failed.Load(), iss.Requests("/jwks"))
}

// settle lets the JWKS age past its refresh point and waits for the refresh, as the overlap of a rotation does.
func settle(t *testing.T, iss *verifytest.Issuer, rs *verify.ResourceServer, c *clock) {
	t.Helper()
	old := rs.Snapshot()
	c.Add(4 * time.Minute)
	waitFor(t, "JWKS is fetched", func() bool {
		mustVerify(t, rs, iss.AccessToken())
		return rs.Snapshot() != old
	})
}

func TestDiscovery(t *testing.T) {
	key, err := verifytest.NewKey("k", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		path string // of the issuer
		docs map[string]func(base string) (int, any)
		want string
	}{
		{"OpenID Connect, with path", "/tenant", map[string]func(string) (int, any){
			"/tenant/.well-known/openid-configuration": func(b string) (int, any) { return 200, doc(b+"/tenant", b+"/jwks") }}, ""},
		{"RFC 8414, with path", "/tenant", map[string]func(string) (int, any){
			"/.well-known/oauth-authorization-server/tenant": func(b string) (int, any) { return 200, doc(b+"/tenant", b+"/jwks") }}, ""},
		{"issuer with another path", "", map[string]func(string) (int, any){
			"/.well-known/openid-configuration": func(b string) (int, any) { return 200, doc(b+"/", b+"/jwks") }}, "issuer is"},
		{"another issuer", "", map[string]func(string) (int, any){
			"/.well-known/openid-configuration": func(b string) (int, any) { return 200, doc("https://evil.example", b+"/jwks") }}, "issuer is"},
		{"jwks_uri is plain http elsewhere", "", map[string]func(string) (int, any){
			"/.well-known/openid-configuration": func(b string) (int, any) { return 200, doc(b, "http://evil.example/jwks") }}, "jwks_uri"},
		{"redirect is not followed", "", map[string]func(string) (int, any){
			"/.well-known/openid-configuration": func(b string) (int, any) { return 302, b + "/elsewhere" },
			"/elsewhere":                        func(b string) (int, any) { return 200, doc(b, b+"/jwks") }}, "status 302"},
		{"none", "", nil, "not found"},
		{"too long", "", map[string]func(string) (int, any){
			"/.well-known/openid-configuration": func(b string) (int, any) { return 200, strings.Repeat("x", 2<<20) }}, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var base string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/jwks" {
					json.NewEncoder(w).Encode(map[string]any{"keys": []any{key.JWK(), map[string]string{"kty": "new"}}})
					return
				}
				f, ok := tt.docs[r.URL.Path]
				if !ok {
					w.WriteHeader(404)
					return
				}
				status, v := f(base)
				if status == 302 {
					http.Redirect(w, r, v.(string), status)
					return
				}
				json.NewEncoder(w).Encode(v)
			}))
			defer s.Close()
			base = s.URL
			_, err := verify.NewResourceServer(t.Context(), base+tt.path, verify.Audience(api), verify.DiscoverAtStart())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func doc(issuer, jwks string) map[string]string {
	return map[string]string{"issuer": issuer, "jwks_uri": jwks}
}

func TestIntrospection(t *testing.T) {
	iss, rs, c := setup(t, verify.Introspection("rs:1", "s&cret"))
	iss.AddClient("rs%3A1", "s%26cret") // RFC 6749 §2.3.1: encoded before Basic
	tests := []struct {
		name   string
		change []verifytest.Change
		want   error
	}{
		{"active", nil, nil},
		{"inactive", []verifytest.Change{verifytest.Claim("active", false)}, verify.ErrInvalid},
		{"active is text", []verifytest.Change{verifytest.Claim("active", "true")}, verify.ErrInvalid},
		{"another audience", []verifytest.Change{verifytest.ForAudience("https://other.example")}, verify.ErrInvalid},
		{"no audience", []verifytest.Change{verifytest.Claim("aud", nil)}, verify.ErrInvalid},
		{"another issuer", []verifytest.Change{verifytest.Claim("iss", "https://other.example")}, verify.ErrInvalid},
		{"no issuer", []verifytest.Change{verifytest.Claim("iss", nil)}, nil},
		{"expired", []verifytest.Change{verifytest.Claim("iat", 1), verifytest.Claim("exp", 2)}, verify.ErrExpired},
		{"refresh token", []verifytest.Change{verifytest.Claim("token_use", "refresh_token")}, verify.ErrInvalid},
		{"DPoP token", []verifytest.Change{verifytest.Claim("token_type", "DPoP")}, verify.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := rs.Verify(t.Context(), iss.Opaque(tt.change...))
			if !errors.Is(err, tt.want) || (err == nil) != (got.Subject == verifytest.Subject) {
				t.Errorf("got %+v %v, want %v", got, err, tt.want)
			}
		})
	}
	t.Run("shared and kept for a moment", func(t *testing.T) {
		token, before := iss.Opaque(), iss.Requests("/introspect")
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() { mustVerify(t, rs, token) })
		}
		wg.Wait()
		if n := iss.Requests("/introspect") - before; n != 1 {
			t.Errorf("%d questions about one token", n)
		}
		iss.Revoke(token)
		c.Add(10 * time.Second)
		if _, err := rs.Verify(t.Context(), token); !errors.Is(err, verify.ErrInvalid) {
			t.Errorf("a revoked token outlives the cache: %v", err)
		}
	})
	t.Run("kept no longer than exp", func(t *testing.T) {
		token := iss.Opaque(verifytest.Claim("exp", c.Now().Add(-25*time.Second).Unix()), verifytest.Claim("iat", c.Now().Add(-time.Minute).Unix()))
		mustVerify(t, rs, token)
		c.Add(6 * time.Second)
		if _, err := rs.Verify(t.Context(), token); !errors.Is(err, verify.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("negative answers are forgotten", func(t *testing.T) {
		before := iss.Requests("/introspect")
		for range 3 {
			rs.Verify(t.Context(), "made-up")
		}
		if n := iss.Requests("/introspect") - before; n != 1 {
			t.Errorf("%d questions at one moment", n)
		}
		c.Add(time.Second)
		rs.Verify(t.Context(), "made-up")
		if n := iss.Requests("/introspect") - before; n != 2 {
			t.Errorf("%d questions after a second", n)
		}
	})
	t.Run("issuer down", func(t *testing.T) {
		iss.SetDown(true)
		defer iss.SetDown(false)
		if _, err := rs.Verify(t.Context(), iss.Opaque()); !errors.Is(err, verify.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func mustVerify(t testing.TB, rs *verify.ResourceServer, token string) {
	t.Helper()
	if _, err := rs.Verify(context.Background(), token); err != nil {
		t.Errorf("valid token refused: %v", err)
	}
}
