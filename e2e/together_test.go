package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

// callers is how many redeem the same thing at once.
const callers = 50

// together runs f in callers goroutines that begin at the same moment, and returns what each of them got.
func together(t *testing.T, f func() (*harness.Answer, error)) []*harness.Answer {
	t.Helper()
	answers, errs := make([]*harness.Answer, callers), make([]error, callers)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			<-gate
			answers[i], errs[i] = f()
		})
	}
	close(gate)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// scene is a server with its cast.
type scene struct {
	*harness.Server
	cast *harness.Cast
}

func open(t testing.TB, opt harness.Options) scene {
	t.Helper()
	cast := harness.NewCast()
	opt.Seed = cast.Seed
	return scene{harness.Start(t, opt), cast}
}

// signedIn returns a browser in which a person is signed in.
func (s scene) signedIn(who string) (*harness.Browser, error) {
	b, p := s.NewBrowser(), s.cast.Person(who)
	if err := b.Login(p.Username, p.Password, p.TOTP); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.Log())
	}
	return b, nil
}

// code walks to a code for the client.
func (s scene) code(b *harness.Browser, rp *harness.RP, scope string) (a *harness.Authorization, code string, err error) {
	a = rp.Authorize(map[string][]string{"scope": {scope}})
	p, err := b.Go(a.URL)
	if err == nil && p.Name() == "consent" {
		p, err = b.Consent("allow")
	}
	if err != nil {
		return nil, "", err
	}
	if code = p.Params().Get("code"); code == "" {
		return nil, "", fmt.Errorf("no code: %d %s %v: %s", p.Status, p.Name(), p.Params(), p.Text)
	}
	return a, code, nil
}

// tokens walks to tokens for the client.
func (s scene) tokens(b *harness.Browser, rp *harness.RP, scope string) (*harness.Answer, error) {
	a, code, err := s.code(b, rp, scope)
	if err != nil {
		return nil, err
	}
	tok, err := rp.Exchange(a, code, nil)
	if err == nil && !tok.OK() {
		err = fmt.Errorf("no tokens: %v", tok)
	}
	return tok, err
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestOneCodeAtOnce: fifty redemptions of one code at once, exactly one gets tokens, and those are dead: the other
// forty-nine are replays. RFC 6749 §4.1.2, RFC 9700 §4.5.
func TestOneCodeAtOnce(t *testing.T) {
	for _, engine := range harness.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t, harness.Options{Engine: engine})
			b := must[*harness.Browser](t)(s.signedIn("ann"))
			app := s.cast.RP(s.Server, "app1")
			for round := range 3 {
				a, code, err := s.code(b, app, "openid")
				if err != nil {
					t.Fatal(err)
				}
				var won *harness.Answer
				wins := 0
				for _, x := range together(t, func() (*harness.Answer, error) { return app.Exchange(a, code, nil) }) {
					switch {
					case x.OK():
						won = x
						wins++
					case x.Status != http.StatusBadRequest || x.Get("error") != "invalid_grant":
						t.Errorf("round %d: %v", round, x)
					}
				}
				if wins != 1 {
					t.Fatalf("round %d: %d of %d redemptions of one code got tokens", round, wins, callers)
				}
				for _, name := range []string{"access_token", "refresh_token"} {
					if x := must[*harness.Answer](t)(app.Introspect(won.Get(name))); x.Fields["active"] != false {
						t.Errorf("round %d: the %s of a code that was replayed is alive: %v", round, name, x)
					}
				}
			}
		})
	}
}

// TestOneRefreshAtOnce: fifty uses of one refresh token at once all get the same successor, which works.
func TestOneRefreshAtOnce(t *testing.T) {
	for _, engine := range harness.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t, harness.Options{Engine: engine})
			b := must[*harness.Browser](t)(s.signedIn("ann"))
			app := s.cast.RP(s.Server, "app1")
			refresh := must[*harness.Answer](t)(s.tokens(b, app, "openid")).Get("refresh_token")
			for round := range 3 {
				next := map[string]bool{}
				for _, x := range together(t, func() (*harness.Answer, error) { return app.Refresh(refresh, nil) }) {
					if !x.OK() {
						t.Errorf("round %d: %v", round, x)
						continue
					}
					next[x.Get("refresh_token")] = true
				}
				if len(next) != 1 {
					t.Fatalf("round %d: %d different successors", round, len(next))
				}
				for refresh = range next {
				}
			}
			if x := must[*harness.Answer](t)(app.Introspect(refresh)); x.Fields["active"] != true {
				t.Errorf("the successor is dead: %v", x)
			}
		})
	}
}
