package web_test

import (
	"bytes"
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/web"
	"github.com/postern-id/postern/web/webtest"
)

const passphrase = "a long enough passphrase"

func shell(t testing.TB, change func(*web.Options)) *webtest.Server {
	t.Helper()
	s := webtest.New(t, []string{`{"client_id":"house","client_secret":"s3cret","redirect_uris":["https://house.example/cb"],"scope":"openid","skip_consent":true,"grant_types":["authorization_code","refresh_token"]}`}, nil, change)
	s.Person("ann", passphrase)
	return s
}

// send makes one request with a cookie header, as a browser on a page of ours would.
func send(s *webtest.Server, method, path, cookie string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://id.example.com"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// cookies merges what an answer sets into a cookie header.
func cookies(header string, w *httptest.ResponseRecorder) string {
	jar := map[string]string{}
	for _, c := range strings.Split(header, "; ") {
		if name, v, ok := strings.Cut(c, "="); ok {
			jar[name] = v
		}
	}
	for _, c := range w.Result().Cookies() {
		jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
	var out []string
	for name, v := range jar {
		out = append(out, name+"="+v)
	}
	return strings.Join(out, "; ")
}

const authorization = "/authorize?client_id=house&redirect_uri=https://house.example/cb&response_type=code&scope=openid&state=s&nonce=n&prompt=none"

// E8: what is idle or old is no session, at a page, silently, and for what derives from it.
func TestE8_SessionLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		wait []time.Duration // between uses of the session
		want bool
	}{
		{"used each hour for nine hours", times(9, time.Hour), true},
		{"idle just under eight hours", []time.Duration{8*time.Hour - time.Minute}, true},
		{"idle for eight hours", []time.Duration{8 * time.Hour}, false},
		{"used for a day", times(24, time.Hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shell(t, nil)
			cookie := s.Cookie("ann", passphrase)
			for i, d := range c.wait {
				s.Clock = s.Clock.Add(d)
				w := send(s, http.MethodGet, "/account", cookie, nil)
				if last := i == len(c.wait)-1; (w.Code == http.StatusOK) != (c.want || !last) {
					t.Fatalf("use %d: %d to %q", i, w.Code, w.Header().Get("Location"))
				}
				cookie = cookies(cookie, w)
			}
			to, _ := url.Parse(send(s, http.MethodGet, authorization, cookie, nil).Header().Get("Location"))
			if got := to.Query().Get("error"); c.want == (got != "") || !c.want && got != "login_required" {
				t.Errorf("silently: %s", to)
			}
		})
	}
}

func times(n int, d time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

// L6: where nothing can be recorded or looked up, nobody is signed in and nothing is shown, and the answer says to come again.
func TestL6_FailsClosed(t *testing.T) {
	for name, breakIt := range map[string]func(*webtest.Server){
		"trail": func(s *webtest.Server) { _ = s.Audit.Close(context.Background()) },
		"store": func(s *webtest.Server) { _ = s.DB.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, nil)
			cookie := s.Cookie("ann", passphrase)
			page := send(s, http.MethodGet, "/login?to=/account", "", nil)
			form := hiddenOf(page.Body.String())
			form.Set("identifier", "ann")
			form.Set("password", passphrase)
			breakIt(s)
			w := send(s, http.MethodPost, "/login", cookies("", page), form)
			if w.Code < 500 || strings.Contains(strings.Join(w.Header().Values("Set-Cookie"), " "), "__Host-sid") || strings.Contains(w.Body.String(), "sql") {
				t.Errorf("sign-in: %d %v", w.Code, w.Header())
			}
			if w := send(s, http.MethodGet, authorization, cookie, nil); strings.Contains(w.Header().Get("Location"), "code=") {
				t.Errorf("a code: %s", w.Header().Get("Location"))
			}
			if name == "store" {
				if w := send(s, http.MethodGet, "/account", cookie, nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
					t.Errorf("account: %d %v", w.Code, w.Header())
				}
			}
		})
	}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

func hiddenOf(body string) url.Values {
	out := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		out.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return out
}

// I2: a guesser is told to wait, on the page and for how long.
func TestI2_ToldToWait(t *testing.T) {
	s := shell(t, nil)
	page := send(s, http.MethodGet, "/login?to=/account", "", nil)
	form, cookie := hiddenOf(page.Body.String()), cookies("", page)
	form.Set("identifier", "ann")
	form.Set("password", "wrong")
	var last *httptest.ResponseRecorder
	for range 12 {
		last = send(s, http.MethodPost, "/login", cookie, form)
	}
	if last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") == "" || !strings.Contains(last.Body.String(), `name="identifier"`) || !strings.HasPrefix(last.Header().Get("Content-Type"), "text/html") {
		t.Errorf("the twelfth guess: %d %v", last.Code, last.Header())
	}
	s.Clock = s.Clock.Add(25 * time.Hour)
	form.Set("password", passphrase)
	if w := send(s, http.MethodPost, "/login", cookie, form); w.Code != http.StatusSeeOther {
		t.Errorf("the right password a day later: %d", w.Code)
	}
}

// Beyond its limit of requests at once the server says so, and goes on serving afterwards.
func TestInFlight(t *testing.T) {
	s := shell(t, func(o *web.Options) { o.InFlight = 1 })
	body, release := &stalled{started: make(chan struct{}), goOn: make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(release)
		r := httptest.NewRequest(http.MethodPost, "https://id.example.com/token", body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.Handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-body.started
	if w := send(s, http.MethodGet, "/jwks", "", nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("beyond the limit: %d", w.Code)
	}
	close(body.goOn)
	<-release
	if w := send(s, http.MethodGet, "/jwks", "", nil); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
}

type stalled struct{ started, goOn chan struct{} }

func (b *stalled) Read([]byte) (int, error) {
	select {
	case <-b.started:
	default:
		close(b.started)
	}
	<-b.goOn
	return 0, http.ErrBodyReadAfterClose
}

// L11: the one line of a request names the route, and nothing of what was sent.
func TestL11_LogLine(t *testing.T) {
	var b bytes.Buffer
	s := shell(t, func(o *web.Options) { o.Log = slog.New(slog.NewJSONHandler(&b, nil)) })
	const mark = "zq-secret-zq"
	send(s, http.MethodGet, "/"+mark+"?"+mark, "", nil)
	send(s, http.MethodGet, "/login?i="+mark+"&to="+mark, "__Host-sid="+mark, nil)
	send(s, http.MethodPost, "/token", "", url.Values{"grant_type": {"client_credentials"}, "client_id": {mark}, "client_secret": {mark}})
	send(s, http.MethodPost, "/introspect", "", url.Values{"token": {mark}})
	_ = s.DB.Close() // a fault of ours is logged with its cause, which holds nothing of the request either
	send(s, http.MethodPost, "/token", "", url.Values{"grant_type": {"client_credentials"}, "client_id": {"house"}, "client_secret": {mark}})
	if strings.Contains(b.String(), mark) || strings.Contains(b.String(), "192.0.2.1") || strings.Contains(b.String(), "s3cret") {
		t.Errorf("the log holds what was sent:\n%s", b.String())
	}
	if lines := strings.Count(b.String(), "\n"); lines != 5 {
		t.Errorf("%d lines for 5 requests:\n%s", lines, b.String())
	}
}

// Paths that are not plain are not redirected by anybody but us.
func TestOddPaths(t *testing.T) {
	s := shell(t, nil)
	for _, p := range []string{"//evil.example", "//token", "/./token", "/account/../token", "/token//", "/static", "/static/../token", "/%2e%2e/token", "/account/"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "https://id.example.com/", nil)
			u, err := url.Parse("https://id.example.com" + p)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, r)
			if w.Code != http.StatusNotFound || w.Header().Get("Location") != "" || w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("Strict-Transport-Security") == "" {
				t.Errorf("%s %s: %d %v", method, p, w.Code, w.Header())
			}
		}
	}
}
