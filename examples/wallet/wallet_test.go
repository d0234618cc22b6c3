package wallet_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/examples/wallet"
	"github.com/postern-id/postern/verify/verifytest"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

var withdrawal = url.Values{"amount": {"25.00"}}

func TestWholeWalk(t *testing.T) {
	for name, secret := range map[string]string{"public client": "", "client_secret_basic": "s:cret"} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t, c.Now, secret)
			b := newBrowser(t, serve(t, p))
			b.want(b.get("/"), 200, "/", "Sign in", html.EscapeString(p.URL))
			b.want(b.get("/login"), 200, "/", "Lin Chen", "lin@demo.test", "1,250.00", "One factor", "password", "for another 5 minutes", "&#34;jti&#34;")
			asked := p.lastAsked()
			if asked.Get("resource") != p.base+"/api" || asked.Get("code_challenge_method") != "S256" || asked.Get("nonce") == "" || asked.Has("max_age") {
				t.Errorf("asked %v", asked)
			}

			b.want(b.post("/call", nil), 200, "/", "GET /api/balance", "200 OK", "1250.00")
			b.want(b.post("/withdraw", withdrawal), 200, "/confirm", "€25.00", "Two different factors", "In the last 5 minutes", "insufficient_user_authentication")
			b.want(b.get("/stepup"), 200, "/", "You withdrew €25.00.", "1,225.00", "Two different factors")
			if asked := p.lastAsked(); asked.Get("acr_values") != aal2 || asked.Get("max_age") != "300" {
				t.Errorf("step-up asked %v", asked)
			}
			b.want(b.post("/withdraw", withdrawal), 200, "/", "You withdrew €25.00.", "1,200.00")

			c.Add(6 * time.Minute) // the access token is renewed by itself; the sign-in has become too old
			b.want(b.post("/withdraw", withdrawal), 200, "/confirm", "6 minutes ago")
			b.want(b.get("/stepup"), 200, "/", "1,175.00")
			c.Add(time.Second)
			b.want(b.post("/refresh", nil), 200, "/", "You have new tokens.")

			left := b.post("/logout", nil)
			b.want(left, 200, "/logout", p.URL+"/logout?", "post_logout_redirect_uri="+url.QueryEscape(p.base+"/"), `http-equiv="refresh"`)
			m := regexp.MustCompile(`url=([^"]+)"`).FindStringSubmatch(left.body)
			if m == nil {
				t.Fatal("no refresh")
			}
			target, err := url.Parse(html.UnescapeString(m[1]))
			if err != nil || target.Query().Get("id_token_hint") == "" || target.Query().Get("client_id") != verifytest.ClientID {
				t.Errorf("logout to %v %v", target, err)
			}
			b.want(b.get("/"), 200, "/", `href="/login"`)
			b.want(b.post("/withdraw", withdrawal), 200, "/", `href="/login"`)
		})
	}
}

func TestUserinfoSaysWhoItIs(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		status       int
		want         string
	}{
		{"of the person", `{"sub":"` + verifytest.Subject + `","name":"Lin of Userinfo"}`, 200, "Lin of Userinfo"},
		{"of another person", `{"sub":"another","name":"Mallory"}`, 400, "userinfo is of another person"},
		{"without sub", `{"name":"Mallory"}`, 400, "userinfo is of another person"},
		{"not JSON", `sorry`, 200, "Lin Chen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, newClock().Now, "")
			p.Handle("GET /userinfo", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(tt.answer)) })
			b := newBrowser(t, serve(t, p))
			path := map[int]string{200: "/", 400: "/callback"}[tt.status]
			b.want(b.get("/login"), tt.status, path, tt.want)
		})
	}
}

func TestStepUpRefused(t *testing.T) {
	tests := []struct {
		name  string
		grant func(url.Values) string
		path  string
		code  int
		text  string
	}{
		{"the person declines", func(url.Values) string { return "" }, "/", 200, "Nothing was withdrawn"},
		{"a weaker sign-in comes back", func(url.Values) string { return aal1 }, "/callback", 400, "acr is weaker"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, newClock().Now, "")
			b := newBrowser(t, serve(t, p))
			b.get("/login")
			b.want(b.post("/withdraw", withdrawal), 200, "/confirm")
			p.change(func() { p.grant = tt.grant })
			b.want(b.get("/stepup"), tt.code, tt.path, tt.text)
			b.want(b.get("/"), 200, "/", "1,250.00")
		})
	}
}

func TestCallbackRefuses(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(url.Values)
		id     []verifytest.Change
		text   string
	}{
		{"another state", func(q url.Values) { q.Set("state", "x") }, nil, "can&#39;t continue"},
		{"no state", func(q url.Values) { q.Del("state") }, nil, "can&#39;t continue"},
		{"another issuer (ATTACKS A23)", func(q url.Values) { q.Set("iss", "https://evil.example") }, nil, "another issuer"},
		{"no issuer", func(q url.Values) { q.Del("iss") }, nil, "another issuer"},
		{"another code", func(q url.Values) { q.Set("code", "x") }, nil, "invalid_grant"},
		{"error with markup", func(q url.Values) {
			q.Set("error", "access_denied")
			q.Set("error_description", "<script>1</script>")
		}, nil, "&lt;script&gt;"},
		{"another nonce", nil, []verifytest.Change{verifytest.Claim("nonce", "x")}, "nonce"},
		{"another client's ID token", nil, []verifytest.Change{verifytest.Claim("aud", "x")}, "aud"},
		{"another at_hash", nil, []verifytest.Change{verifytest.Claim("at_hash", "x")}, "at_hash"},
		{"unsigned ID token", nil, []verifytest.Change{verifytest.Header("alg", "none")}, "alg"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, newClock().Now, "")
			p.tamper, p.idToken = tt.tamper, func() []verifytest.Change { return tt.id }
			b := newBrowser(t, serve(t, p))
			b.want(b.get("/login"), 400, "/callback", tt.text)
			b.want(b.get("/"), 200, "/", `href="/login"`)
		})
	}
}

func TestCallbackIsBoundToTheBrowserAndSingle(t *testing.T) {
	p := newProvider(t, newClock().Now, "")
	base := serve(t, p)
	b := newBrowser(t, base)
	var answer url.Values
	p.tamper = func(q url.Values) { answer = url.Values{"state": q["state"], "code": q["code"], "iss": q["iss"]} }
	b.want(b.get("/login"), 200, "/", "Lin Chen")
	b.want(b.get("/callback?"+answer.Encode()), 400, "/callback", "finished already")
	b.want(newBrowser(t, base).get("/callback?"+answer.Encode()), 400, "/callback", "another browser")
}

func TestSessionSecretChangesAtSignIn(t *testing.T) {
	p := newProvider(t, newClock().Now, "")
	b := newBrowser(t, serve(t, p))
	origin, err := url.Parse(b.base)
	if err != nil {
		t.Fatal(err)
	}
	p.grant = func(url.Values) string { return "" }
	b.want(b.get("/login"), 400, "/callback")
	before := b.c.Jar.Cookies(origin)
	p.change(func() { p.grant = func(url.Values) string { return aal1 } })
	b.want(b.get("/login"), 200, "/", "Lin Chen")
	fixated := newBrowser(t, b.base)
	fixated.c.Jar.SetCookies(origin, before)
	if len(before) != 1 {
		t.Fatalf("cookies %v", before)
	}
	fixated.want(fixated.get("/"), 200, "/", `href="/login"`)
}

func TestIssuerStartsLater(t *testing.T) {
	c := newClock()
	p := newProvider(t, c.Now, "")
	p.SetDown(true)
	b := newBrowser(t, serve(t, p))
	b.want(b.get("/"), 200, "/")
	b.want(b.get("/login"), 503, "/login", "isn&#39;t answering")
	p.SetDown(false)
	c.Add(time.Second)
	b.want(b.get("/login"), 200, "/", "Lin Chen", "1,250.00")
}

func TestPagesAreHardened(t *testing.T) {
	p := newProvider(t, newClock().Now, "")
	base := serve(t, p)
	b := newBrowser(t, base)
	b.get("/login")
	for _, path := range []string{"/", "/nothing", "/callback"} {
		got := b.get(path)
		csp := got.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, got.header)
		}
		if m := regexp.MustCompile(`(?i)<script|\son\w+=|\sstyle=|<no value>`).FindString(got.body); m != "" {
			t.Errorf("%s has %q", path, m)
		}
	}
	req, err := http.NewRequest("POST", base+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := b.c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 403 {
		t.Errorf("a foreign form was taken: %d", res.StatusCode)
	}
	b.want(b.get("/"), 200, "/", "Lin Chen")
}

func TestAPI(t *testing.T) {
	p := newProvider(t, newClock().Now, "")
	base := serve(t, p)
	b := newBrowser(t, base)
	b.want(b.get("/.well-known/oauth-protected-resource/api"), 200, "/.well-known/oauth-protected-resource/api", `"resource":"`+base+`/api"`, "wallet:move")
	b.want(b.get("/api/balance"), 401, "/api/balance", base+"/.well-known/oauth-protected-resource/api")
	strong := p.AccessToken(verifytest.ForAudience(base+"/api"), verifytest.Authenticated(aal2, p.now()))
	tests := []struct {
		name, token, body string
		want              int
	}{
		{"another audience", p.AccessToken(verifytest.Authenticated(aal2, p.now())), `{"amount":"1.00"}`, 401},
		{"without the scope", p.AccessToken(verifytest.ForAudience(base+"/api"), verifytest.WithScope("wallet:read")), `{"amount":"1.00"}`, 403},
		{"weak", p.AccessToken(verifytest.ForAudience(base + "/api")), `{"amount":"1.00"}`, 401},
		{"strong", strong, `{"amount":"1.5"}`, 200},
		{"too much", strong, `{"amount":"1249.00"}`, 409},
		{"all of it", strong, `{"amount":"1248.50"}`, 200},
		{"negative", strong, `{"amount":"-1.00"}`, 400},
		{"fractions", strong, `{"amount":"1.001"}`, 400},
		{"nothing", strong, `{"amount":"0"}`, 400},
		{"huge", strong, `{"amount":"99999999999999999999"}`, 400},
		{"no JSON", strong, `x`, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest("POST", base+"/api/withdraw", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+tt.token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("got %d, want %d", res.StatusCode, tt.want)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := wallet.Options{Issuer: "http://localhost:8080", ClientID: "c", BaseURL: "http://localhost:8090/", Now: time.Now}
	if _, err := wallet.New(good); err != nil {
		t.Errorf("good: %v", err)
	}
	if got := good.RedirectURI(); got != "http://localhost:8090/callback" {
		t.Errorf("redirect_uri %q", got)
	}
	for name, change := range map[string]func(*wallet.Options){
		"no client":       func(o *wallet.Options) { o.ClientID = "" },
		"no base":         func(o *wallet.Options) { o.BaseURL = "" },
		"no clock":        func(o *wallet.Options) { o.Now = nil },
		"issuer in clear": func(o *wallet.Options) { o.Issuer = "http://id.example.com" },
	} {
		o := good
		change(&o)
		if _, err := wallet.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
