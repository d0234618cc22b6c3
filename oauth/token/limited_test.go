package token_test

import (
	"context"
	"testing"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// What a session does without, its grants do without at once: at the code, at each refresh, until it is lifted.
func TestLimitedScope(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	var sess ident.SessionID
	var grant ident.GrantID
	code := d.code("a", func(g *oauth.Grant, _ *oauth.Code) { sess, grant = g.Session, g.ID })
	limit := func(scope ...string) {
		t.Helper()
		if _, err := d.DB.LimitSession(ctx, sess, scope, d.Clock); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, a answer, scope, limited string) string {
		t.Helper()
		if a.err != nil {
			t.Fatalf("%s: %v", what, a.err)
		}
		read, err := d.issuer.Read(a.AccessToken)
		if err != nil || a.Scope != scope || read.Scope != scope || read.Limited != limited {
			t.Errorf("%s: %v, scope %q, in the token %q without %q; want %q without %q", what, err, a.Scope, read.Scope, read.Limited, scope, limited)
		}
		if len(read.Audience) != 2 {
			t.Errorf("%s: audience %v: whoever asks for the scope no longer takes the token", what, read.Audience)
		}
		return a.RefreshToken
	}
	limit("api:read", "payments")
	tok := check("the code", d.post("a", exchange(code)), "openid", "api:read")
	tok = check("a refresh", d.post("a", refreshing(tok)), "openid", "api:read")
	tok = check("a refresh that asks for it", d.post("a", refreshing(tok, "scope", "openid api:read")), "openid", "api:read")
	limit()
	tok = check("lifted", d.post("a", refreshing(tok)), "openid api:read", "")
	limit("openid")
	a := d.post("a", refreshing(tok))
	if check("without openid", a, "api:read", "openid"); a.IDToken != "" {
		t.Error("an ID token without openid")
	}
	g, err := d.DB.Grant(ctx, grant)
	if err != nil || g.Snapshot.Network == "" {
		t.Errorf("who redeemed is not noted: %+v %v", g.Snapshot, err)
	}
}
