package backchannel_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// Without the right user code nobody is asked, and nobody learns why not; after too many wrong ones the right one is wrong, too.
func TestCIBAUserCode(t *testing.T) {
	c, ctx := shop(t, false), context.Background()
	no := func(want string, pairs ...string) {
		t.Helper()
		if _, err := c.send(c.Authorize, "coded", wish(pairs...)); code(err) != want {
			t.Errorf("%v: %s, want %s", pairs, code(err), want)
		}
	}
	no("missing_user_code")
	no("missing_user_code", "login_hint", "zed")
	no("invalid_user_code", "user_code", "k9fx", "login_hint", "zed")
	no("invalid_user_code", "user_code", "k9fx") // none is set
	ann, err := c.DB.User(ctx, authntest.Ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	ann.Claims = map[string]json.RawMessage{"locale": json.RawMessage(`"zh_CN"`)}
	if err := c.DB.PutUser(ctx, ann); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "k9f", "1234", "aaaa", "qwerty", "a\nb9x", "annann9"} {
		if c.people.SetUserCode(ctx, ann, bad, ident.Env{}) == nil {
			t.Errorf("%q is a user code", bad)
		}
	}
	if err := c.people.SetUserCode(ctx, ann, "k9fx", ident.Env{}); err != nil {
		t.Fatal(err)
	}
	no("invalid_user_code", "user_code", "K9FX")
	_, approval := c.asked("coded", "user_code", "k9fx")
	if a, err := c.people.Approval(ctx, ann.ID, approval); err != nil || a.App != "柜台" {
		t.Errorf("%q, %v: not the name in the language of the account", a.App, err)
	}
	c.asked("poll", "user_code", "wrong") // not registered for it: not looked at
	for range 4 {
		no("invalid_user_code", "user_code", "guess")
	}
	no("invalid_user_code", "user_code", "k9fx")
	c.wait(61 * 60 * 1e9)
	c.asked("coded", "user_code", "k9fx")
	if err := c.people.RemoveUserCode(ctx, ann.ID, ident.Env{}); err != nil {
		t.Fatal(err)
	}
	no("invalid_user_code", "user_code", "k9fx")
}
