package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
)

// Whose word about the address counts: of the proxies that were configured, nearest first, until a stranger speaks.
func TestPeer(t *testing.T) {
	s := &Server{opt: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"no proxy, no header", "192.0.2.1:1", nil, "192.0.2.1"},
		{"no proxy believed", "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"hearsay", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"hearsay in another header", "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"a forged proxy", "10.0.0.1:1", []string{"10.0.0.5, 198.51.100.1"}, "198.51.100.1"},
		{"nothing said", "10.0.0.1:1", nil, "10.0.0.1"},
		{"nonsense", "10.0.0.1:1", []string{"x"}, "10.0.0.1"},
		{"nonsense behind", "10.0.0.1:1", []string{"x, 198.51.100.1"}, "198.51.100.1"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"mapped", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"no address", "@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := s.env(r).IP.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := newLimiter(func() time.Time { return now })
	passed := 0
	for range 500 {
		if l.allow("a", 10) {
			passed++
		}
	}
	if passed < 100 || passed > 102 {
		t.Errorf("a burst of %d, want 100", passed)
	}
	if !l.allow("b", 10) {
		t.Error("another network pays for it")
	}
	now = now.Add(time.Second)
	passed = 0
	for range 50 {
		if l.allow("a", 10) {
			passed++
		}
	}
	if passed < 9 || passed > 11 {
		t.Errorf("%d in a second, want 10", passed)
	}
	for i := range 2 * maxBuckets {
		l.allow(fmt.Sprint(i), 10)
	}
	if len(l.at) > maxBuckets {
		t.Errorf("%d buckets", len(l.at))
	}
}

// Which status an error of a floor below becomes. A wait is told, and never 500.
func TestOutward(t *testing.T) {
	for _, c := range []struct {
		err         error
		status      int
		code        string
		after       int
		errorOfPage bool
	}{
		{authn.Throttled{RetryAfter: 90 * time.Second}, 429, "slow_down", 90, true},
		{fmt.Errorf("x: %w", authn.Throttled{RetryAfter: time.Millisecond}), 429, "slow_down", 1, true},
		{authn.ErrBusy, 503, "temporarily_unavailable", 5, true},
		{authorize.ErrGone, 400, "invalid_request", 5, true},
		{fmt.Errorf("x: %w", authorize.ErrFinished), 400, "invalid_request", 5, true},
		{oauth.InvalidGrant("x"), 400, "invalid_grant", 5, false},
		{errors.New("database is locked"), 500, "server_error", 5, false},
		{context.Canceled, 500, "server_error", 5, false},
	} {
		e := oauth.AsError(outward(c.err))
		if e.Status != c.status || e.Code != c.code || retryAfter(c.err) != c.after {
			t.Errorf("%v: %d %s after %d", c.err, e.Status, e.Code, retryAfter(c.err))
		}
	}
}

func TestFormToken(t *testing.T) {
	key, other := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
	seen := map[string]string{}
	for _, c := range []struct {
		name          string
		key           []byte
		device, about string
	}{{"one", key, "d", "interaction 1"}, {"another interaction", key, "d", "interaction 2"}, {"another device", key, "e", "interaction 1"}, {"another key", other, "d", "interaction 1"},
		{"shifted", key, "di", "nteraction 1"}, {"no device", key, "", "interaction 1"}} {
		tok := formToken(c.key, c.device, c.about)
		if was, dup := seen[tok]; dup || len(tok) != 43 {
			t.Errorf("%s has the token of %q: %s", c.name, was, tok)
		}
		seen[tok] = c.name
	}
}
