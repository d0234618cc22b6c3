package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/e2e/harness"
)

// TestWhatDerivesDies: after any revocation no endpoint yields anything active that derives from what was revoked, and
// nothing else dies with it. Random walks over a running server are held against a model.
func TestWhatDerivesDies(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set("8") // a check is a walk of dozens of requests
		defer f.Value.Set(f.DefValue)
	}
	for _, engine := range []string{harness.SQLite, harness.PostgresRedis} {
		t.Run(engine, func(t *testing.T) {
			s := open(t, harness.Options{Engine: engine})
			killed := map[string]int{}
			rapid.Check(t, func(rt *rapid.T) {
				m := &model{scene: s, rt: rt, killed: killed}
				m.furnish()
				rt.Repeat(map[string]func(*rapid.T){
					"login":                       m.login,
					"begin":                       m.begin,
					"exchange":                    m.exchange,
					"refresh":                     m.refresh,
					"give back a token":           m.giveBack,
					"replay a code":               m.replayCode,
					"replay an old refresh token": m.replayRefresh,
					"log out":                     m.logout,
					"end another session":         m.endSession,
					"withdraw consent":            m.withdraw,
					"disable a person":            m.disable,
					"":                            m.invariant,
				})
			})
			t.Logf("grants that died: %v", killed)
			sum := 0
			for _, n := range killed {
				sum += n
			}
			if sum < 10 && !t.Failed() {
				t.Errorf("the walks revoked next to nothing: %v", killed)
			}
		})
	}
}

// model is what should be true.
type model struct {
	scene
	rt       *rapid.T
	sessions []*modelSession
	grants   []*modelGrant
	killed   map[string]int // how many grants died of what, over all walks
}

// furnish begins a walk with something to revoke.
func (m *model) furnish() {
	for _, who := range []string{"ann", "ann", "bob"} {
		b, err := m.signedIn(who)
		m.ok(err)
		s := &modelSession{who, b, true}
		m.sessions = append(m.sessions, s)
		for _, client := range []string{"app1", "opaque"} {
			rp := m.cast.RP(m.Server, client)
			a, code, err := m.code(b, rp, "openid offline_access")
			m.ok(err)
			g := &modelGrant{session: s, client: client, alive: true, request: a, used: code}
			m.grants = append(m.grants, g)
			x, err := rp.Exchange(a, code, nil)
			m.due(g, x, err)
			for range 2 {
				x, err = rp.Refresh(g.refresh[len(g.refresh)-1], nil)
				m.due(g, x, err)
			}
		}
	}
}

func (m *model) kill(g *modelGrant, why string) {
	if g.alive {
		m.killed[why]++
	}
	g.alive = false
}

type modelSession struct {
	person string
	b      *harness.Browser
	alive  bool
}

type modelGrant struct {
	session *modelSession
	client  string
	alive   bool
	request *harness.Authorization
	code    string // not redeemed yet
	used    string // … redeemed
	access  []string
	refresh []string // the last one is current
}

func (g *modelGrant) String() string {
	return fmt.Sprintf("%s's grant to %s, alive %v, %d access tokens", g.session.person, g.client, g.alive, len(g.access))
}

// pick draws one of those that fit; nil if none does.
func pick[T any](rt *rapid.T, from []*T, label string, fits func(*T) bool) *T {
	var list []*T
	for _, x := range from {
		if fits(x) {
			list = append(list, x)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(rt, label)]
}

func always[T any](*T) bool { return true }

func (m *model) ok(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) login(rt *rapid.T) {
	if len(m.sessions) >= 5 {
		return
	}
	who := rapid.SampledFrom([]string{"ann", "bob"}).Draw(rt, "who")
	b, err := m.signedIn(who)
	m.ok(err)
	m.sessions = append(m.sessions, &modelSession{who, b, true})
}

func (m *model) begin(rt *rapid.T) {
	s := pick(rt, m.sessions, "session", always)
	if s == nil || len(m.grants) >= 12 {
		return
	}
	client := rapid.SampledFrom([]string{"app1", "app2", "opaque"}).Draw(rt, "client")
	scope := rapid.SampledFrom([]string{"openid", "openid offline_access"}).Draw(rt, "scope")
	if !s.alive {
		p, err := s.b.Go(m.cast.RP(m.Server, client).Authorize(nil).URL)
		m.ok(err)
		if p.Name() != "login" {
			rt.Fatalf("a session that ended leads to %s", p.Name())
		}
		return
	}
	a, code, err := m.code(s.b, m.cast.RP(m.Server, client), scope)
	m.ok(err)
	m.grants = append(m.grants, &modelGrant{session: s, client: client, alive: true, request: a, code: code})
}

// due checks an answer of the token endpoint, and keeps what came.
func (m *model) due(g *modelGrant, x *harness.Answer, err error) {
	m.ok(err)
	if x.OK() != g.alive || !g.alive && x.Get("error") != "invalid_grant" {
		m.rt.Fatalf("%v got %v", g, x)
	}
	if x.OK() {
		g.access = append(g.access, x.Get("access_token"))
		g.refresh = append(g.refresh, x.Get("refresh_token"))
	}
}

func (m *model) exchange(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return g.code != "" })
	if g == nil {
		return
	}
	x, err := m.cast.RP(m.Server, g.client).Exchange(g.request, g.code, nil)
	m.due(g, x, err)
	if g.alive {
		g.code, g.used = "", g.code
	}
}

func (m *model) refresh(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return len(g.refresh) > 0 })
	if g == nil {
		return
	}
	x, err := m.cast.RP(m.Server, g.client).Refresh(g.refresh[len(g.refresh)-1], nil)
	m.due(g, x, err)
}

func (m *model) giveBack(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return len(g.access) > 0 })
	if g == nil {
		return
	}
	tok := rapid.SampledFrom(slices.Concat(g.access, g.refresh)).Draw(rt, "token")
	x, err := m.cast.RP(m.Server, g.client).Revoke(tok)
	m.ok(err)
	if x.Status != http.StatusOK {
		rt.Fatalf("revoke: %v", x)
	}
	m.kill(g, "token")
}

func (m *model) replayCode(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return g.used != "" })
	if g == nil {
		return
	}
	m.kill(g, "code")
	x, err := m.cast.RP(m.Server, g.client).Exchange(g.request, g.used, nil)
	m.due(g, x, err)
}

func (m *model) replayRefresh(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return len(g.refresh) > 2 })
	if g == nil {
		return
	}
	m.kill(g, "refresh")
	x, err := m.cast.RP(m.Server, g.client).Refresh(g.refresh[0], nil) // two steps old at least: no lost answer
	m.due(g, x, err)
}

// ended is what the end of a session brings down.
func (m *model) ended(s *modelSession, why string) {
	s.alive = false
	for _, g := range m.grants {
		if g.session == s {
			m.kill(g, why)
		}
	}
}

func (m *model) logout(rt *rapid.T) {
	s := pick(rt, m.sessions, "session", func(s *modelSession) bool { return s.alive })
	if s == nil {
		return
	}
	_, err := s.b.Go("/logout")
	m.ok(err)
	_, err = s.b.Press("logout", "decision", "logout")
	m.ok(err)
	m.ended(s, "logout")
}

// endSession ends, from one session, all others of the same person.
func (m *model) endSession(rt *rapid.T) {
	s := pick(rt, m.sessions, "session", func(s *modelSession) bool { return s.alive })
	if s == nil {
		return
	}
	p, err := s.b.Go("/account/sessions")
	m.ok(err)
	f, found := p.FormWith("others", "1")
	if !found {
		return // there is no other
	}
	_, err = s.b.Submit(f, "", "", nil)
	m.ok(err)
	for _, o := range m.sessions {
		if o != s && o.person == s.person {
			m.ended(o, "session")
		}
	}
}

func (m *model) withdraw(rt *rapid.T) {
	g := pick(rt, m.grants, "grant", func(g *modelGrant) bool { return g.session.alive && g.client != "opaque" }) // which asks for no consent
	if g == nil {
		return
	}
	p, err := g.session.b.Go("/account/apps")
	m.ok(err)
	f, found := p.FormWith("client", g.client)
	if !found {
		return // withdrawn before
	}
	_, err = g.session.b.Submit(f, "", "", nil)
	m.ok(err)
	for _, o := range m.grants {
		if o.client == g.client && o.session.person == g.session.person {
			m.kill(o, "consent")
		}
	}
}

func (m *model) disable(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "seldom") > 0 {
		return
	}
	who := rapid.SampledFrom([]string{"ann", "bob"}).Draw(rt, "who")
	for _, flag := range []string{"--disable", "--enable"} {
		_, err := m.Command("user", "update", who, flag)
		m.ok(err)
	}
	for _, s := range m.sessions {
		if s.person == who {
			m.ended(s, "disabled")
		}
	}
}

// invariant asks every endpoint about everything.
func (m *model) invariant(rt *rapid.T) {
	for _, g := range m.grants {
		rp := m.cast.RP(m.Server, g.client)
		if n := len(g.access); n > 0 {
			tok := g.access[rapid.IntRange(0, n-1).Draw(rt, "access token")]
			m.active(rp, tok, g.alive, g, "access token")
			x, err := m.UserInfo(http.MethodGet, tok)
			m.ok(err)
			if x.OK() != g.alive {
				rt.Fatalf("userinfo for %v: %v", g, x)
			}
		}
		for i, tok := range g.refresh {
			if i < len(g.refresh)-2 {
				continue
			}
			m.active(rp, tok, g.alive && i == len(g.refresh)-1, g, "refresh token")
			if !g.alive {
				x, err := rp.Refresh(tok, nil)
				m.due(g, x, err)
			}
		}
		if !g.alive && g.code != "" {
			x, err := rp.Exchange(g.request, g.code, nil)
			m.due(g, x, err)
		}
	}
	for _, s := range m.sessions {
		p, err := s.b.Go("/account")
		m.ok(err)
		if got := p.Name() == "account"; got != s.alive {
			rt.Fatalf("a session of %s, alive %v, leads to %s", s.person, s.alive, p.Name())
		}
	}
}

func (m *model) active(rp *harness.RP, tok string, want bool, g *modelGrant, kind string) {
	x, err := rp.Introspect(tok)
	m.ok(err)
	if x.Fields["active"] != want {
		m.rt.Fatalf("%s of %v: %v", kind, g, x)
	}
}
