package attacks

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// visitor is somebody with cookies and an address, who looks at every single answer and follows nothing by themselves.
type visitor struct {
	t    testing.TB
	s    *harness.Server
	ip   string
	jar  http.CookieJar
	http *http.Client
}

func visit(t testing.TB, s *harness.Server) *visitor { return visitFrom(t, s, freshNetwork()) }

func visitFrom(t testing.TB, s *harness.Server, ip string) *visitor {
	v := &visitor{t: t, s: s, ip: ip, http: s.Client(ip)}
	v.jar, _ = cookiejar.New(nil)
	v.http.Jar = v.jar
	return v
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

func (r reply) location() *url.URL {
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return u
}

func (r reply) field(name string) string {
	var m map[string]any
	_ = json.Unmarshal([]byte(r.body), &m)
	s, _ := m[name].(string)
	return s
}

func (v *visitor) do(method, path string, body string, h http.Header) reply {
	v.t.Helper()
	to := path
	if strings.HasPrefix(path, "/") {
		to = v.s.Issuer + path
	}
	req, err := http.NewRequest(method, to, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(req.Header, h)
	if host := h.Get("Host"); host != "" {
		req.Host = host
	}
	begun := time.Now()
	resp, err := v.http.Do(req)
	if err != nil {
		v.t.Fatalf("%s %.200s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(resp.Body, 4<<20)); err != nil {
		v.t.Fatal(err)
	}
	r := reply{resp, b.String()}
	if took := time.Since(begun); took > 15*time.Second {
		v.t.Errorf("%s %.100s took %v", method, path, took)
	}
	quiet(v.t, method+" "+path, r)
	return r
}

func (v *visitor) get(path string) reply { v.t.Helper(); return v.do(http.MethodGet, path, "", nil) }
func (v *visitor) post(path string, form url.Values) reply {
	v.t.Helper()
	return v.do(http.MethodPost, path, form.Encode(), nil)
}

// submit posts a form as a browser does from one of our pages.
func (v *visitor) submit(path string, form url.Values) reply {
	v.t.Helper()
	return v.do(http.MethodPost, path, form.Encode(), http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}})
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

var ticked = regexp.MustCompile(`<input [^>]*name="([^"]+)" type="checkbox" value="([^"]*)" checked`)

// fields are the hidden fields and the ticked boxes of the first form of a page that has a csrf token.
func fields(r reply) url.Values {
	out := url.Values{}
	for _, part := range strings.Split(r.body, "<form")[1:] {
		form, _, _ := strings.Cut(part, "</form>")
		if !strings.Contains(form, `name="csrf"`) {
			continue
		}
		for _, m := range hidden.FindAllStringSubmatch(form, -1) {
			out.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		for _, m := range ticked.FindAllStringSubmatch(form, -1) {
			out.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		break
	}
	return out
}

// with returns v changed by pairs; an empty value removes.
func with(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, vs := range v {
		out[k] = slices.Clone(vs)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		}
	}
	return out
}

// signIn opens a session for the person's own account; a TOTP is used where the server asks.
func (v *visitor) signIn(user string) {
	v.t.Helper()
	r := v.submit("/login", with(fields(v.get("/login?to=/account")), "identifier", user, "password", password))
	if r.StatusCode == http.StatusOK && strings.Contains(r.body, `name="code"`) {
		r = v.submit("/code", with(fields(r), "code", codeOf(user)))
	}
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/account" {
		v.t.Fatalf("%s cannot sign in: %d %s\n%s", user, r.StatusCode, r.Header.Get("Location"), r.body)
	}
}

func (v *visitor) signedIn() bool {
	v.t.Helper()
	return v.get("/account").StatusCode == http.StatusOK
}

// cookie is the value of a cookie, whichever prefix it has.
func (v *visitor) cookie(name string) string {
	u, _ := url.Parse(v.s.Issuer)
	for _, c := range v.jar.Cookies(u) {
		if strings.TrimPrefix(c.Name, "__Host-") == name {
			return c.Value
		}
	}
	return ""
}

func (v *visitor) setCookie(name, value string) {
	u, _ := url.Parse(v.s.Issuer)
	for _, c := range []*http.Cookie{{Name: name, Value: value, Path: "/"}, {Name: "__Host-" + name, Value: value, Path: "/", Secure: true}} {
		v.jar.SetCookies(u, []*http.Cookie{c})
	}
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// request is a good authorization request of a client.
func request(client string) url.Values {
	return url.Values{"client_id": {client}, "redirect_uri": {"https://" + client + ".example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"state": {"st4te"}, "nonce": {"n0nce"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
}

func (v *visitor) authorize(q url.Values) reply {
	v.t.Helper()
	return v.get("/authorize?" + q.Encode())
}

// code gets a code for a client that needs no consent; the visitor is signed in.
func (v *visitor) code(q url.Values) string {
	v.t.Helper()
	r := v.authorize(q)
	code := r.location().Query().Get("code")
	if r.StatusCode != http.StatusSeeOther || code == "" {
		v.t.Fatalf("no code: %d %s\n%s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	return code
}

func basic(client string) http.Header { return basicWith(client, secretOf(client)) }

func basicWith(client, secret string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	return r.Header
}

// token posts to the token endpoint as a client with a secret; "" sends no authentication.
func (v *visitor) token(client string, form url.Values) reply {
	v.t.Helper()
	return v.as(client, "/token", form)
}

func (v *visitor) as(client, path string, form url.Values) reply {
	v.t.Helper()
	var h http.Header
	if client != "" {
		h = basic(client)
	}
	return v.do(http.MethodPost, path, form.Encode(), h)
}

func exchange(code, redirect string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
}

func refresh(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

var ownToken = url.Values{"grant_type": {"client_credentials"}}

// tokens walks the whole way for a client that needs no consent.
func (v *visitor) tokens(client, scope string) reply {
	v.t.Helper()
	q := with(request(client), "scope", scope)
	return accepted(v.t, v.token(client, exchange(v.code(q), q.Get("redirect_uri"))))
}

func (v *visitor) userinfo(token string) reply {
	v.t.Helper()
	return v.do(http.MethodGet, "/userinfo", "", http.Header{"Authorization": {"Bearer " + token}})
}

func (v *visitor) active(client, token string) bool {
	v.t.Helper()
	r := v.as(client, "/introspect", url.Values{"token": {token}})
	var a struct{ Active bool }
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.StatusCode != http.StatusOK {
		v.t.Fatalf("introspection: %d %s", r.StatusCode, r.body)
	}
	if !a.Active && strings.TrimSpace(r.body) != `{"active":false}` {
		v.t.Errorf("an inactive token tells more than that: %s", r.body)
	}
	return a.Active
}
