package meta_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
)

// A token says less as soon as its session does without something, and all of it when that is lifted.
func TestLimitedNow(t *testing.T) {
	d := open(t)
	g := d.grant("app", "openid", "email", "api:read")
	limit := func(scope ...string) {
		t.Helper()
		if _, err := d.DB.LimitSession(context.Background(), g.grant.Session, scope, d.Clock); err != nil {
			t.Fatal(err)
		}
	}
	says := func(what, token, want string) {
		t.Helper()
		w, e := post(d.Introspect, "app", url.Values{"token": {token}})
		if e != nil || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"active":true`) {
			t.Errorf("%s: %v %s, want %s", what, e, w.Body, want)
		}
	}
	userinfo := func(what string, email bool, code string) {
		t.Helper()
		w, e := post(d.UserInfo, "", url.Values{"access_token": {g.access}})
		got := ""
		if e != nil {
			got = e.Code
		}
		if got != code || strings.Contains(w.Body.String(), "ann@example.com") != email {
			t.Errorf("%s: userinfo %q %s", what, got, w.Body)
		}
	}
	says("whole", g.access, `"scope":"openid email api:read"`)
	userinfo("whole", true, "")
	limit("email", "api:read", "payments")
	says("limited", g.access, `"scope":"openid"`)
	says("limited", g.access, `"limited_scope":"api:read email"`)
	says("limited refresh", g.refresh, `"scope":"openid"`)
	userinfo("limited", false, "")
	limit("openid", "email", "api:read")
	says("nothing left", g.access, `"limited_scope":"api:read email openid"`)
	userinfo("nothing left", false, "insufficient_scope")
	limit()
	says("lifted", g.access, `"scope":"openid email api:read"`)
	userinfo("lifted", true, "")
}
