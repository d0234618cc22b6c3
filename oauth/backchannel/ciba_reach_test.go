package backchannel_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// tally counts what is asked of a store.
type tally struct {
	authntest.Engine
	mu  sync.Mutex
	did map[string]int
}

func (t *tally) note(what string) { t.mu.Lock(); t.did[what]++; t.mu.Unlock() }

func (t *tally) User(ctx context.Context, id ident.UserID) (authn.User, error) {
	t.note("User")
	return t.Engine.User(ctx, id)
}

func (t *tally) UserByIdentifier(ctx context.Context, identifier string) (authn.User, error) {
	t.note("UserByIdentifier")
	return t.Engine.UserByIdentifier(ctx, identifier)
}

func (t *tally) Approvers(ctx context.Context, user ident.UserID) ([]authn.Approver, error) {
	t.note("Approvers")
	return t.Engine.Approvers(ctx, user)
}

func (t *tally) Passkeys(ctx context.Context, user ident.UserID) ([]authn.Passkey, error) {
	t.note("Passkeys")
	return t.Engine.Passkeys(ctx, user)
}

func (t *tally) UserCode(ctx context.Context, user ident.UserID) ([]byte, time.Time, error) {
	t.note("UserCode")
	return t.Engine.UserCode(ctx, user)
}

func (t *tally) Add(ctx context.Context, key string, n int64, window time.Duration) (int64, error) {
	t.note(fmt.Sprintf("Add %d", min(n, 1)))
	return t.Engine.Add(ctx, key, n, window)
}

func (t *tally) Get(ctx context.Context, k store.Key) ([]byte, error) {
	t.note("Get")
	return t.Engine.Get(ctx, k)
}

func (t *tally) Put(ctx context.Context, k store.Key, v []byte, exp time.Time) error {
	t.note("Put")
	return t.Engine.Put(ctx, k, v, exp)
}

// trail counts what is recorded.
type trail struct {
	audit.Recorder
	t *tally
}

func (r trail) Record(ctx context.Context, e audit.Event) error {
	r.t.note("Record " + e.Type)
	return r.Recorder.Record(ctx, e)
}

// Whoever cannot be asked, the same is read, written and recorded before the one answer: how long it takes tells nobody apart.
func TestCIBAReachesAlike(t *testing.T) {
	c, ctx := shop(t, false), context.Background()
	gone := authn.User{ID: "u-gone", Username: "gone", Disabled: true, CreatedAt: c.Clock, UpdatedAt: c.Clock}
	if err := c.DB.PutUser(ctx, gone); err != nil {
		t.Fatal(err)
	}
	ann, err := c.DB.User(ctx, authntest.Ann.ID)
	if err == nil {
		err = c.people.SetUserCode(ctx, ann, "k9fx", ident.Env{})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		client, want string
		hints        []string // zed is nobody, Ben has no device; of Ann the code is wrong
	}{
		{"poll", "unknown_user_id", []string{"zed", "ben", "u-ben", "gone"}},
		{"coded", "invalid_user_code", []string{"zed", "ben", "gone", "ann"}},
		{"strong", "unknown_user_id", []string{"zed", "ben"}}, // nor does what is asked for tell
	} {
		var first map[string]int
		for _, hint := range x.hints {
			c.tally.mu.Lock()
			c.tally.did = map[string]int{}
			c.tally.mu.Unlock()
			if _, err := c.send(c.Authorize, x.client, wish("login_hint", hint, "user_code", "guess")); code(err) != x.want {
				t.Errorf("%s %s: %s", x.client, hint, code(err))
			}
			switch got := c.tally.did; {
			case len(got) < 4:
				t.Fatalf("only %v was counted", got)
			case first == nil:
				first = got
			case !maps.Equal(got, first):
				t.Errorf("%s %s: %v, and of %s %v", x.client, hint, got, x.hints[0], first)
			}
		}
	}
}
