package e2e

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
	"github.com/postern-id/postern/verify"
)

// How soon what ends at one node is refused by a resource server that follows another: with hints by Redis, and with
// nothing but a look at the log. The goal is a p99 of 250 ms; machines that also do other things are slow.
const revokedWithin = time.Second

// follower is a resource server that follows node.
func follower(t *testing.T, first, node *harness.Server) *verify.ResourceServer {
	t.Helper()
	u, err := url.Parse(node.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	there := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", u.Port()))
	}}
	t.Cleanup(there.CloseIdleConnections)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	rs, err := verify.NewResourceServer(ctx, first.Issuer, verify.Audience("https://orders.example"), verify.HTTPClient(&http.Client{Transport: there}),
		verify.FollowRevocations(ctx, "orders", "orders-secret-31415926"))
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if rs.Following() {
			return rs
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the resource server never knew all revocations")
	return nil
}

// refusedAfter is how long it takes until rs refuses token.
func refusedAfter(t *testing.T, rs *verify.ResourceServer, token string) time.Duration {
	t.Helper()
	begun := time.Now()
	for {
		_, err := rs.Verify(t.Context(), token)
		took := time.Since(begun)
		switch {
		case errors.Is(err, verify.ErrInvalid):
			return took
		case err != nil:
			t.Fatal(err)
		case took > 5*time.Second:
			t.Fatalf("still let in after %v", took)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// TestRevokedEverywhere: what ends at one node is refused by the other at once, and by a resource server that follows the
// other within the second, whoever ended it.
func TestRevokedEverywhere(t *testing.T) {
	for _, engine := range []string{harness.PostgresRedis, harness.Postgres} {
		t.Run(engine, func(t *testing.T) {
			s := open(t, harness.Options{Engine: engine})
			other := s.Beside()
			rs := follower(t, s.Server, other)
			b := must[*harness.Browser](t)(s.signedIn("ann"))
			here, there := s.cast.RP(s.Server, "house"), s.cast.RP(other, "house")
			grant := func() (access, refresh string) {
				t.Helper()
				tok := must[*harness.Answer](t)(s.tokens(b, here, "openid orders:read"))
				if _, err := rs.Verify(t.Context(), tok.Get("access_token")); err != nil {
					t.Fatal(err)
				}
				return tok.Get("access_token"), tok.Get("refresh_token")
			}
			dead := func(access, refresh string) {
				t.Helper()
				for _, tok := range []string{access, refresh} {
					if x := must[*harness.Answer](t)(there.Introspect(tok)); x.Fields["active"] != false {
						t.Errorf("the other node says %v", x)
					}
				}
				if x := must[*harness.Answer](t)(there.Refresh(refresh, nil)); x.OK() {
					t.Errorf("the other node renews it: %v", x)
				}
			}
			var took []time.Duration
			for range 40 {
				access, refresh := grant()
				if x := must[*harness.Answer](t)(here.Revoke(refresh)); !x.OK() {
					t.Fatal(x)
				}
				took = append(took, refusedAfter(t, rs, access))
				dead(access, refresh)
			}
			slices.Sort(took)
			t.Logf("%s: refused after p50 %v, p90 %v, at most %v", engine, took[len(took)/2], took[len(took)*9/10], took[len(took)-1])
			if worst := took[len(took)-1]; worst > revokedWithin {
				t.Errorf("refused after %v", worst)
			}
			access, refresh := grant()
			if _, err := s.Command("session", "revoke", "--user", "ann"); err != nil {
				t.Fatal(err)
			}
			if late := refusedAfter(t, rs, access); late > revokedWithin {
				t.Errorf("what an operator ended was refused after %v", late)
			}
			dead(access, refresh)
		})
	}
}
