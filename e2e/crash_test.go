package e2e

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// family is what one caller knows for certain: what the server acknowledged last.
type family struct {
	browser *harness.Browser
	refresh string // the newest acknowledged refresh token
	dead    string // an acknowledged access token whose authorization was then revoked, acknowledged too
	asked   bool   // a refresh was under way when the server died: refresh may have been used
}

// TestKillInTheMiddle: the server dies by SIGKILL under load. After it starts again every acknowledged session, grant and
// refresh token works, every acknowledged revocation holds, and the audit trail is whole.
func TestKillInTheMiddle(t *testing.T) {
	for _, engine := range []string{harness.SQLite, harness.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t, harness.Options{Engine: engine})
			families := make([]*family, 8)
			var wg sync.WaitGroup
			dying := make(chan struct{})
			var done atomic.Int64 // acknowledged refreshes of all callers
			for i := range families {
				f := &family{}
				families[i] = f
				wg.Go(func() { f.load(t, s, dying, &done) })
			}
			for deadline := time.Now().Add(time.Minute); done.Load() < 60 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
			}
			close(dying) // errors are expected from now on
			s.Kill()
			wg.Wait()
			s.Restart()
			refreshed := 0
			for i, f := range families {
				if f.browser == nil || f.refresh == "" {
					continue
				}
				refreshed++
				f.verify(t, s, i)
			}
			if refreshed < 4 {
				t.Errorf("the load was so slow that only %d callers got tokens", refreshed)
			}
			out, err := s.Command("audit", "verify")
			if err != nil || !strings.Contains(out, "as they were written") {
				t.Errorf("the audit trail after the crash: %v %s", err, out)
			}
		})
	}
}

// load signs in, and then refreshes and revokes until the server dies.
func (f *family) load(t *testing.T, s scene, dying <-chan struct{}, done *atomic.Int64) {
	fail := func(err error) bool {
		if err == nil {
			return false
		}
		select {
		case <-dying:
		default:
			t.Error(err)
		}
		return true
	}
	b, err := s.signedIn("ann")
	if fail(err) {
		return
	}
	app := s.cast.RP(s.Server, "house")
	tok, err := s.tokens(b, app, "openid offline_access")
	if fail(err) {
		return
	}
	f.browser, f.refresh = b, tok.Get("refresh_token")
	for n := 0; ; n++ {
		f.asked = true
		x, err := app.Refresh(f.refresh, nil)
		if fail(err) {
			return
		}
		if !x.OK() {
			t.Errorf("refresh: %v", x)
			return
		}
		f.refresh, f.asked = x.Get("refresh_token"), false
		done.Add(1)
		if n%3 > 0 {
			continue
		}
		gone, err := s.tokens(b, app, "openid")
		if fail(err) {
			return
		}
		revoked, err := app.Revoke(gone.Get("refresh_token"))
		if fail(err) {
			return
		}
		if revoked.OK() {
			f.dead = gone.Get("access_token")
		}
	}
}

func (f *family) verify(t *testing.T, s scene, i int) {
	app := s.cast.RP(s.Server, "house")
	// If a refresh was under way, its token may have been used: then this is a replay within the grace, and gets the same
	// successor.
	x, err := app.Refresh(f.refresh, nil)
	if err != nil || !x.OK() {
		t.Errorf("caller %d: an acknowledged refresh token is lost (another was under way: %v): %v %v", i, f.asked, x, err)
	}
	p, err := f.browser.Go("/account")
	if err != nil || p.Name() != "account" {
		t.Errorf("caller %d: an acknowledged session is lost: %v", i, err)
	}
	if f.dead != "" {
		if x, err := app.Introspect(f.dead); err != nil || x.Fields["active"] != false {
			t.Errorf("caller %d: an acknowledged revocation is lost: %v %v", i, x, err)
		}
	}
}
