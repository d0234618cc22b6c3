package oauth_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// Of all who decide about a request at once one does, and it stays so; it is redeemed once.
func TestCIBARequests(t *testing.T) {
	ctx, now := context.Background(), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "p.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	s := oauth.CIBARequests{Ephemeral: db, Now: func() time.Time { return now }}
	h := oauth.CIBAHandle("pcr_x")
	if err := s.Put(ctx, h, &oauth.CIBARequest{Client: "a", Approval: "p", Expires: now.Add(time.Minute), Interval: 5}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Of(ctx, "p"); got != h || err != nil {
		t.Error(got, err)
	}
	if _, err := s.Of(ctx, "q"); !errors.Is(err, oauth.ErrNoCIBA) {
		t.Error(err)
	}
	for _, odd := range []string{"", "zz", oauth.CIBAHandle("pcr_y"), h + "00"} {
		if _, err := s.Get(ctx, odd); !errors.Is(err, oauth.ErrNoCIBA) {
			t.Errorf("%q: %v", odd, err)
		}
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := s.Decide(ctx, h, []string{oauth.CIBAApproved, oauth.CIBADenied, oauth.CIBAExpired}[i%3], "")
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, oauth.ErrCIBADecided) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d decided", won.Load())
	}
	if _, err := s.Poll(ctx, h); !errors.Is(err, oauth.ErrCIBADecided) {
		t.Error(err)
	}
	if err := s.Redeem(ctx, h); err != nil {
		t.Error(err)
	}
	if err := s.Redeem(ctx, h); !errors.Is(err, store.ErrTaken) {
		t.Error(err)
	}
}
