package e2e

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
	"github.com/postern-id/postern/verify"
)

// TestKeysRotateUnderLoad: while keys rotate three times, resource servers with cached keys validate every token that is
// issued, at once and again at the end.
func TestKeysRotateUnderLoad(t *testing.T) {
	s := open(t, harness.Options{Engine: harness.SQLite})
	const aud = "https://orders.example"
	rs, err := verify.NewResourceServer(t.Context(), s.Issuer, verify.Audience(aud), verify.HTTPClient(&http.Client{Transport: s.Transport}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var issued atomic.Int64
	var mu sync.Mutex
	kept := map[string]string{} // kid → a token
	for range 4 {
		wg.Go(func() {
			svc := s.cast.RP(s.Server, "svc")
			for ctx.Err() == nil {
				x, err := svc.ClientCredentials(url.Values{"scope": {"orders:read"}})
				if err != nil || !x.OK() {
					t.Errorf("no token while keys rotate: %v %v", x, err)
					return
				}
				tok := x.Get("access_token")
				if _, err := rs.Verify(context.Background(), tok); err != nil {
					t.Errorf("a token does not validate while keys rotate: %v", err)
					return
				}
				header, _, _ := harness.DecodeJWT(tok)
				mu.Lock()
				kept[header["kid"].(string)] = tok
				mu.Unlock()
				issued.Add(1)
			}
		})
	}
	for range 3 {
		time.Sleep(700 * time.Millisecond)
		if _, err := s.Command("keys", "rotate"); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	stop()
	wg.Wait()
	for kid, tok := range kept {
		if _, err := rs.Verify(t.Context(), tok); err != nil {
			t.Errorf("a token of key %s does not validate at the end: %v", kid, err)
		}
	}
	if len(kept) < 2 {
		t.Errorf("the load never saw a new key: %d", len(kept))
	}
	t.Logf("%d tokens under %d keys", issued.Load(), len(kept))
}
