package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// locked is a buffer that a server may write to while a test reads it.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startDev runs postern dev on free ports; stop ends it and returns its exit code and what it logged.
func startDev(t *testing.T, args ...string) (r readyLine, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	logs := &locked{}
	done := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"dev", "--listen", "127.0.0.1:0", "--json"}, args...), nil, strings.NewReader(""), in, logs)
		in.Close()
		done <- code
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), `{"ready":true,"issuer":"http://localhost:`) || json.Unmarshal(lines.Bytes(), &r) != nil {
		cancel()
		t.Fatalf("no line: code %d, %s", <-done, logs.String())
	}
	go func() {
		for lines.Scan() {
			t.Errorf("a second line: %s", lines.Text())
		}
	}()
	var once sync.Once
	code := -1
	stop = func() (int, string) {
		once.Do(func() {
			cancel()
			select {
			case code = <-done:
			case <-time.After(20 * time.Second):
				t.Error("does not end")
			}
		})
		return code, logs.String()
	}
	t.Cleanup(func() { stop() })
	return r, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestDevServes(t *testing.T) {
	r, stop := startDev(t)
	if !r.Ready || len(r.User.Password) < 15 || len(r.User.TOTPSecret) != 32 || r.User.Email != "lin@demo.test" ||
		r.Client.ID != "demo-wallet" || !strings.HasPrefix(r.Issuer, "http://localhost:") {
		t.Errorf("got %+v", r)
	}
	for _, tc := range []struct{ url, want string }{
		{r.Issuer + "/.well-known/openid-configuration", `"issuer":"` + r.Issuer + `"`},
		{r.Issuer + "/jwks", `"ES256"`},
		{r.Wallet + "/", "<html"},
		{r.Management + "/livez", `"ok"`},
		{r.Management + "/readyz", `"database":"ok"`},
		{r.Management + "/version", `"go"`},
		{r.Management + "/metrics", `postern_events_total{outcome="ok",reason="",type="user.declared"} 1`},
		{r.Management + "/metrics", "go_goroutines"},
		{r.Management + "/metrics", "postern_key_age_seconds"},
	} {
		if status, body := get(t, tc.url); status != http.StatusOK || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %.300s", tc.url, status, body)
		}
	}
	if r := call(t, "", nil, "healthcheck", "--url", r.Management+"/readyz"); r.code != exitOK || r.out != "ready\n" {
		t.Errorf("healthcheck: %+v", r)
	}
	if code, logs := stop(); code != exitOK || logs != "" {
		t.Errorf("ended with %d and logged %s", code, logs)
	}
	if _, err := http.Get(r.Issuer); err == nil {
		t.Error("still listening")
	}
}

// A text that has grown is still all there.
func TestDevPseudo(t *testing.T) {
	for _, tc := range []struct{ name, percent, want string }{{"as it is", "0", "<h1>Sign in</h1>"}, {"longer by 40 %", "40", "<h1>Sign in lo</h1>"}} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := startDev(t, "--pseudo", tc.percent)
			if status, body := get(t, r.Issuer+"/login"); status != http.StatusOK || !strings.Contains(body, tc.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	if r := call(t, "", nil, "dev", "--pseudo", "201"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

func TestDevKeepsItsData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, stop := startDev(t, "--data", dir)
	_, keysBefore := get(t, first.Issuer+"/jwks")
	if code, logs := stop(); code != exitOK {
		t.Fatal(logs)
	}
	second, _ := startDev(t, "--data", dir)
	if second.User.Password != first.User.Password || second.User.TOTPSecret != first.User.TOTPSecret || second.API.Secret != first.API.Secret {
		t.Errorf("the demo user changed: %+v, %+v", first, second)
	}
	if _, keysAfter := get(t, second.Issuer+"/jwks"); keysAfter != keysBefore {
		t.Error("the keys changed")
	}
	if status, body := clientToken(t, second, second.API.Secret); status != http.StatusOK {
		t.Errorf("the client does not work: %s", body)
	}
}

func clientToken(t *testing.T, r readyLine, secret string) (int, string) {
	t.Helper()
	req, _ := http.NewRequest("POST", r.Issuer+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"wallet:read"}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(r.API.ID, secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func TestDevSeed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seed.yaml")
	write(t, file, "clients:\n  - {client_id: rp, client_secret: of my own, redirect_uris: [http://localhost:1/cb], id_token_signed_response_alg: RS256}\n"+
		"users:\n  - {username: lin, email: lin@demo.test, password: umbrella glacier tuesday}\n")
	r, _ := startDev(t, "--seed", file)
	if r.User.Password != "umbrella glacier tuesday" || r.User.TOTPSecret != "" {
		t.Errorf("the seed's own lin is not shown: %+v", r.User)
	}
	if _, body := get(t, r.Issuer+"/jwks"); !strings.Contains(body, `"RS256"`) {
		t.Errorf("the algorithm that a client wants has no key: %s", body)
	}
}

func TestDevIsForThisMachine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"everywhere", nil, []string{"--listen", "0.0.0.0:0"}, exitUsage, "use 'postern serve'"},
		{"no host", nil, []string{"--listen", ":0"}, exitUsage, "use 'postern serve'"},
		{"wallet everywhere", nil, []string{"--listen", "127.0.0.1:0", "--wallet", "0.0.0.0:0"}, exitUsage, "no address on this machine"},
		{"issuer", []string{"POSTERN_ISSUER=https://id.example.com"}, []string{"--listen", "127.0.0.1:0"}, exitConfig, "for this machine only"},
		{"taken", nil, []string{"--listen", taken.Addr().String()}, exitFailed, "choose another with --listen"},
		{"seed", nil, []string{"--listen", "127.0.0.1:0", "--seed", "/nowhere"}, exitConfig, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if r := call(t, "", tc.env, append([]string{"dev"}, tc.args...)...); r.code != tc.code || !strings.Contains(r.err, tc.want) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestTheReadyBlockIsForPeople(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &locked{}
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"dev", "--listen", "127.0.0.1:0"}, nil, strings.NewReader(""), out, io.Discard)
	}()
	for range 200 {
		if strings.Contains(out.String(), "Ctrl-C") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("code %d", code)
	}
	for _, want := range []string{"Wallet", "start here", "lin@demo.test", "demo-api", "data in memory"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour where there is no terminal")
	}
}

var hidden = regexp.MustCompile(`type="hidden" name="([a-z_]+)" value="([^"]*)"`)

// Whatever is logged, at any level, names nobody and holds no secret.
func TestLogsAreSilentAboutPeople(t *testing.T) {
	r, stop := startDev(t, "--log", "debug")
	_, token := clientToken(t, r, r.API.Secret)
	clientToken(t, r, "a wrong secret")
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	res, err := browser.Get(r.Wallet + "/login")
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(res.Body)
	res.Body.Close()
	for _, password := range []string{"a wrong password of lin", r.User.Password} {
		form := url.Values{"identifier": {r.User.Email}, "password": {password}}
		for _, m := range hidden.FindAllStringSubmatch(string(page), -1) {
			if !form.Has(m[1]) {
				form.Set(m[1], m[2])
			}
		}
		req, _ := http.NewRequest("POST", res.Request.URL.String(), strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", r.Issuer)
		post, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, post.Body)
		post.Body.Close()
	}
	_, metrics := get(t, r.Management+"/metrics")
	if !strings.Contains(metrics, `type="password.failed"`) || !strings.Contains(metrics, `type="password.verified"`) {
		t.Errorf("nobody tried to sign in; the test tests nothing")
	}
	code, logs := stop()
	if code != exitOK || !strings.Contains(logs, "route=/login") {
		t.Errorf("no log lines: %d %s", code, logs)
	}
	for _, private := range []string{r.User.Password, r.User.Email, r.User.TOTPSecret, "a wrong password", "a wrong secret",
		r.API.Secret, "127.0.0.1", "Go-http-client", "lin@", accessToken(token)} {
		if strings.Contains(logs, private) {
			t.Errorf("the log holds %q", private)
		}
		if strings.Contains(metrics, private) {
			t.Errorf("the metrics hold %q", private)
		}
	}
}

func accessToken(body string) string {
	var m struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(body), &m)
	return m.AccessToken
}
