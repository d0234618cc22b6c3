package attacks

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestL8_TLS(t *testing.T) {
	t.Parallel()
	s := secure()
	host := strings.TrimPrefix(s.Issuer, "https://")
	shake := func(c *tls.Config) error {
		c.RootCAs = s.Transport.TLSClientConfig.RootCAs
		conn, err := tls.Dial("tcp", host, c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for name, c := range map[string]*tls.Config{
		"TLS 1.0":          {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1":          {MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11},
		"RSA key exchange": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		"CBC": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}},
		"RC4 and 3DES": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
	} {
		if shake(c) == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, c := range map[string]*tls.Config{"1.2 AEAD": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, "1.3": {MinVersion: tls.VersionTLS13}} {
		if err := shake(c); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
	v := visit(t, s)
	for _, path := range []string{"/login", "/.well-known/openid-configuration", "/jwks", "/no-such", "/token", "/userinfo", "/authorize", "/static/"} {
		if h := v.get(path).Header.Get("Strict-Transport-Security"); !strings.Contains(h, "max-age=") || strings.Contains(h, "max-age=0") {
			t.Errorf("%s: Strict-Transport-Security %q", path, h)
		}
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(v.get("/.well-known/openid-configuration").body), &doc); err != nil {
		t.Fatal(err)
	}
	for name, val := range doc {
		if u, ok := val.(string); ok && strings.Contains(u, "://") && !strings.HasPrefix(u, s.Issuer) {
			t.Errorf("%s is %s", name, u)
		}
	}
	// no plain http on the same port
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /login HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if raw, _ := io.ReadAll(conn); strings.Contains(string(raw), "csrf") || strings.Contains(string(raw), "Set-Cookie") {
		t.Errorf("plain http is served: %.200s", raw)
	}
	// cookies only as __Host-
	w := visit(t, s)
	w.signIn("bob")
	r := w.get("/login")
	r2 := visit(t, s).get("/login")
	for _, c := range append(r.Cookies(), r2.Cookies()...) {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie %v", c)
		}
	}
	// a cookie without the prefix, as a neighbouring host could plant it, counts for nothing
	thief := visit(t, s)
	u, _ := url.Parse(s.Issuer)
	thief.jar.SetCookies(u, []*http.Cookie{{Name: "sid", Value: w.cookie("sid"), Path: "/"}, {Name: "did", Value: w.cookie("did"), Path: "/"}})
	if thief.signedIn() {
		t.Error("a session cookie without its prefix is taken")
	}
}

func TestL10_HostHeader(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	want := v.get("/.well-known/openid-configuration").body
	for _, h := range []http.Header{{"Host": {"evil.example"}}, {"X-Forwarded-Host": {"evil.example"}}, {"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"}}, {"Forwarded": {"host=evil.example"}},
		{"X-Original-URL": {"/account"}}, {"X-Rewrite-URL": {"/account"}}, {"X-Host": {"evil.example"}}, {"X-Forwarded-Prefix": {"/evil"}}, {"X-HTTP-Method-Override": {"POST"}}} {
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/login", "/account", "/authorize?" + request("web").Encode(), "/no-such", "/"} {
			r := v.do(http.MethodGet, path, "", h)
			if strings.Contains(r.body, "evil") || strings.Contains(r.Header.Get("Location"), "evil") {
				t.Errorf("%s with %v: the host is believed: %q", path, h, r.Header.Get("Location"))
			}
			if strings.HasPrefix(path, "/.well-known") && r.body != want {
				t.Errorf("%s with %v differs", path, h)
			}
		}
	}
}

func TestL11_LogInjection(t *testing.T) {
	t.Parallel()
	s := plain()
	v := visit(t, s)
	const mark = "zq-injected-zq"
	evil := mark + "\n{\"level\":\"ERROR\",\"msg\":\"" + mark + "\"}\r\n\x1b[31m"
	v.do(http.MethodGet, "/"+url.PathEscape(evil)+"?"+url.QueryEscape(evil), "", http.Header{"User-Agent": {mark}, "Traceparent": {mark}, "X-Request-Id": {mark}, "Referer": {mark}})
	v.authorize(with(request(evil), "state", evil))
	v.token(evil, url.Values{"grant_type": {evil}})
	v.submit("/login", with(fields(v.get("/login")), "identifier", evil, "password", evil))
	if strings.Contains(s.Log(), mark) {
		t.Error("what strangers write stands in the log")
	}
	// The rest of the row holds over all tests: see leaks.
}

// TestL12_NothingAdministrative: the public listener serves only what is in the table, and shows nothing of the operator's.
func TestL12_NothingAdministrative(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/version", "/debug/pprof/", "/debug/vars", "/admin", "/admin/clients", "/api", "/api/users", "/clients", "/users", "/register", "/connect/register", "/par", "/bc-decide",
		"/test", "/conformance", "/.env", "/.git/config", "/postern.db", "/config", "/healthz/../metrics", "/static/../metrics", "/static/..%2f..%2fpostern.yaml", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/", "/static/app.css/..", "/.well-known/", "/.well-known/../metrics", "/swagger.json", "/graphql"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			r := v.do(method, path, "", nil)
			switch r.StatusCode {
			case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusForbidden, http.StatusBadRequest:
			case http.StatusTemporaryRedirect, http.StatusMovedPermanently, http.StatusPermanentRedirect:
			default:
				t.Errorf("%s %s: %d", method, path, r.StatusCode)
			}
			if strings.Contains(r.body, "go_goroutines") || strings.Contains(r.body, "root:") || strings.Contains(r.body, "secrets:") {
				t.Errorf("%s %s shows what it must not: %.100s", method, path, r.body)
			}
		}
	}
	// Nothing listens for the operator on other addresses than the management's own.
	if !strings.HasPrefix(v.s.Management, "http://127.0.0.1:") || v.s.Management == v.s.Issuer {
		t.Errorf("management at %s", v.s.Management)
	}
}

// raw sends bytes as they are and returns the status line's code of each answer.
func raw(t *testing.T, text string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(plain().Issuer, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return nil
	}
	var out []string
	br := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return out
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		out = append(out, resp.Status[:3])
	}
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	const host = "Host: localhost\r\n"
	body := "grant_type=client_credentials"
	post := "POST /token HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\n"
	for name, text := range map[string]string{
		"two lengths":        post + "Content-Length: 5\r\nContent-Length: 29\r\nConnection: close\r\n\r\n" + body,
		"length and chunked": post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /account HTTP/1.1\r\n" + host + "\r\n",
		"odd encoding":       post + "Transfer-Encoding: xchunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
		"negative length":    post + "Content-Length: -1\r\nConnection: close\r\n\r\n",
		"space before colon": "GET /login HTTP/1.1\r\n" + host + "Content-Length : 5\r\nConnection: close\r\n\r\n",
		"null in header":     "GET /login HTTP/1.1\r\n" + host + "X: a\x00b\r\nConnection: close\r\n\r\n",
		"no host":            "GET /login HTTP/1.1\r\nConnection: close\r\n\r\n",
		"two hosts":          "GET /login HTTP/1.1\r\n" + host + "Host: evil.example\r\nConnection: close\r\n\r\n",
		"bad version":        "GET /login HTTP/9.9\r\n" + host + "\r\n",
		"huge header":        "GET /login HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 200_000) + "\r\nConnection: close\r\n\r\n",
		"garbage":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		got := raw(t, text)
		if name == "length and chunked" { // net/http drops the length, as RFC 9112 §6.3 allows, and must close afterwards
			if len(got) > 1 {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		for _, status := range got {
			if status[0] != '4' && status[0] != '5' {
				t.Errorf("%s is taken: %v", name, got)
			}
		}
	}
	if got := raw(t, "GET /healthz HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n"); len(got) != 1 || got[0] != "204" {
		t.Errorf("a plain request: %v", got)
	}
}
