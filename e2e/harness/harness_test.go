package harness_test

import (
	"net/url"
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

// TestWalk is the shortest whole walk through the harness itself, on every kind of server that it can start.
func TestWalk(t *testing.T) {
	for name, opt := range map[string]harness.Options{
		"dev in memory": {Engine: harness.Memory},
		"dev on a file": {Engine: harness.SQLite, Dev: true},
		"serve":         {Engine: harness.SQLite},
		"serve by TLS":  {Engine: harness.SQLite, TLS: true, Config: map[string]string{"tokens.access": "10m"}},
	} {
		t.Run(name, func(t *testing.T) {
			cast := harness.NewCast()
			opt.Seed = cast.Seed
			s := harness.Start(t, opt)
			ann, app := cast.Person("ann"), cast.RP(s, "app1")
			b := s.NewBrowser()
			a := app.Authorize(url.Values{"scope": {"openid profile"}})
			p, err := b.Go(a.URL)
			if err == nil {
				p, err = b.SignIn(ann.Username, ann.Password)
			}
			if err == nil {
				p, err = b.Consent("allow")
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, s.Log())
			}
			code := p.Params().Get("code")
			if p.Name() != "client" || code == "" || p.Params().Get("state") != a.State {
				t.Fatalf("the client was reached with %v, the page is %s: %s", p.Params(), p.Name(), p.Text)
			}
			tok, err := app.Exchange(a, code, nil)
			if err != nil || !tok.OK() {
				t.Fatal(tok, err)
			}
			who, err := s.UserInfo("GET", tok.Get("access_token"))
			if err != nil || who.Get("name") != ann.Name {
				t.Fatal(who, err)
			}
			t.Logf("ready after %v", s.Took)
		})
	}
}
