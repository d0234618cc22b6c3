package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// TestNarrowedEverywhere: whoever shows a session's cookie from another country loses what is sensitive at both nodes and at
// a resource server that follows the other one, within the second, while the rest goes on.
func TestNarrowedEverywhere(t *testing.T) {
	for _, engine := range []string{harness.PostgresRedis, harness.Postgres} {
		t.Run(engine, func(t *testing.T) {
			s := open(t, harness.Options{Engine: engine, Config: map[string]string{"risk.sensitive_scopes": "orders:read"}})
			other := s.Beside()
			rs := follower(t, s.Server, other)
			b := must[*harness.Browser](t)(s.signedIn("ann"))
			here, there := s.cast.RP(s.Server, "house"), s.cast.RP(other, "house")
			tok := must[*harness.Answer](t)(s.tokens(b, here, "openid orders:read"))
			access := tok.Get("access_token")
			if v, err := rs.Verify(t.Context(), access); err != nil || !slices.Contains(v.Scopes, "orders:read") {
				t.Fatal(v.Scopes, err)
			}
			b.Move("133.11.0.1") // the other side of the world
			if p := must[*harness.Page](t)(b.Go("/account")); p.Name() != "login" {
				t.Fatalf("the session goes on abroad: %s", p.Name())
			}
			begun := time.Now()
			for {
				v, err := rs.Verify(t.Context(), access)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(v.Scopes, "orders:read") {
					break
				}
				if time.Since(begun) > revokedWithin {
					t.Fatalf("still has %v", v.Scopes)
				}
				time.Sleep(time.Millisecond)
			}
			t.Logf("%s: narrowed at the follower of the other node after %v", engine, time.Since(begun))
			for name, rp := range map[string]*harness.RP{"this": here, "the other": there} {
				if x := must[*harness.Answer](t)(rp.Introspect(access)); x.Fields["active"] != true || strings.Contains(x.Get("scope"), "orders:read") {
					t.Errorf("%s node says %v", name, x.Fields)
				}
			}
			next := must[*harness.Answer](t)(there.Refresh(tok.Get("refresh_token"), nil))
			if !next.OK() || strings.Contains(next.Get("scope"), "orders:read") {
				t.Errorf("the other node renews it as %v", next.Fields)
			}
		})
	}
}
