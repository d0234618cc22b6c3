package sqldb

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

func TestSweep(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *DB) {
		ctx, now := t.Context(), time.Now()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		sweep := func(at time.Time, want int64) {
			t.Helper()
			if n, err := db.Sweep(ctx, at); n != want || err != nil {
				t.Errorf("sweep %v later: %d rows, %v, want %d", at.Sub(now), n, err, want)
			}
		}
		insert := func(id string, expires time.Duration) {
			t.Helper()
			must(db.InsertSession(ctx, sessions.Session{ID: ident.SessionID(id), User: "u", CreatedAt: now,
				IdleUntil: now.Add(expires), ExpiresAt: now.Add(expires)}))
		}
		const many = 2*sweepBatch + 7
		for i := range many {
			must(db.Put(ctx, key(i), nil, now.Add(time.Minute)))
		}
		must(db.Put(ctx, store.KeyOf("test", "later"), nil, now.Add(2*time.Hour)))
		_, err := db.Add(ctx, "n", 1, time.Minute)
		must(err)
		insert("short", time.Hour)
		insert("offline", time.Hour)
		must(db.InsertGrant(ctx, oauth.Grant{ID: "offline", User: "u", Session: "offline", Offline: true, CreatedAt: now, ExpiresAt: now.Add(365 * 24 * time.Hour)}))
		for i := range many {
			must(db.InsertGrant(ctx, oauth.Grant{ID: ident.GrantID(fmt.Sprint("g", i)), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
		}

		must(db.PutClient(ctx, oauth.Document{ID: "told", Backchannel: true}))
		insert("ended", time.Hour)
		must(db.InsertGrant(ctx, oauth.Grant{ID: "ended", User: "u", Session: "ended", Client: "told", CreatedAt: now, ExpiresAt: now.Add(365 * 24 * time.Hour)}))
		if ended, err := db.EndSession(ctx, "ended", now, "logout"); !ended || err != nil {
			t.Fatal(ended, err)
		}

		sweep(now, 0)
		sweep(now.Add(time.Minute), 0) // another node's clock may be behind
		sweep(now.Add(2*time.Minute), many+1)
		if _, err := db.Get(ctx, store.KeyOf("test", "later")); err != nil {
			t.Errorf("what has not expired is gone: %v", err)
		}
		sweep(now.Add(2*time.Hour), 0)
		sweep(now.Add(26*time.Hour), many+1)
		sweep(now.Add(49*time.Hour), 1)
		sweep(now.Add(32*24*time.Hour), 1)
		if _, err := db.Session(ctx, "short"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the old session is there: %v", err)
		}
		g, err := db.Grant(ctx, "offline")
		if err != nil || g.SessionEnds.IsZero() {
			t.Errorf("an offline grant lost its session: ends %v, %v", g.SessionEnds, err)
		}
		sweep(now.Add(367*24*time.Hour), 4)

		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := db.Sweep(ended, now); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}
