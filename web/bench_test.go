package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/web/webtest"
)

const (
	benchVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	benchChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func benchServer(b *testing.B) (*webtest.Server, string) {
	clients := []string{}
	for _, format := range []string{"jwt", "opaque"} {
		clients = append(clients, `{"client_id":"`+format+`","client_secret":"s3cret","redirect_uris":["https://rp.example/cb"],"scope":"openid api:read",
			"grant_types":["authorization_code","refresh_token","client_credentials"],"skip_consent":true,"access_token_format":"`+format+`"}`)
	}
	s := webtest.New(b, clients, []string{`{"resource":"https://api.example","scopes":["api:read"]}`}, nil)
	s.Person("ann", "a long enough passphrase")
	return s, s.Cookie("ann", "a long enough passphrase")
}

// call sends a form as client and returns the answer; any status but 200 ends the benchmark.
func call(b *testing.B, h http.Handler, client, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://id.example.com"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "s3cret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w
}

func authorizeCode(b *testing.B, h http.Handler, client, cookie string) string {
	q := url.Values{"client_id": {client}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid api:read"},
		"state": {"xyz"}, "code_challenge": {benchChallenge}, "code_challenge_method": {"S256"}}
	r := httptest.NewRequest(http.MethodGet, "https://id.example.com/authorize?"+q.Encode(), nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		b.Fatalf("authorize: %d %s", w.Code, w.Header().Get("Location"))
	}
	return to.Query().Get("code")
}

func exchange(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.example/cb"}, "code_verifier": {benchVerifier}}
}

func pick(body, name string) string {
	_, rest, _ := strings.Cut(body, `"`+name+`":"`)
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

// The walk on durable SQLite, 16 callers a core so that writes share commits.
func BenchmarkWalk(b *testing.B) {
	for _, client := range []string{"opaque", "jwt"} {
		s, cookie := benchServer(b)
		parallel := func(name string, f func(pb *testing.PB)) {
			b.Run(name+"/"+client, func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(16)
				b.RunParallel(f)
			})
		}
		parallel("ClientCredentials", func(pb *testing.PB) {
			for pb.Next() {
				call(b, s.Handler, client, "/token", url.Values{"grant_type": {"client_credentials"}})
			}
		})
		tok := pick(call(b, s.Handler, client, "/token", exchange(authorizeCode(b, s.Handler, client, cookie))).Body.String(), "access_token")
		parallel("Introspection", func(pb *testing.PB) {
			for pb.Next() {
				call(b, s.Handler, client, "/introspect", url.Values{"token": {tok}})
			}
		})
		parallel("AuthorizeAndExchange", func(pb *testing.PB) {
			for pb.Next() {
				call(b, s.Handler, client, "/token", exchange(authorizeCode(b, s.Handler, client, cookie)))
			}
		})
		parallel("Refresh", func(pb *testing.PB) {
			cur := pick(call(b, s.Handler, client, "/token", exchange(authorizeCode(b, s.Handler, client, cookie))).Body.String(), "refresh_token")
			for pb.Next() {
				cur = pick(call(b, s.Handler, client, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {cur}}).Body.String(), "refresh_token")
			}
		})
	}
}

func BenchmarkSessionCheck(b *testing.B) {
	s, cookie := benchServer(b)
	sid, did, _ := strings.Cut(strings.TrimPrefix(cookie, "__Host-sid="), "; __Host-did=")
	env := ident.Env{Device: s.Sessions.Device(did)}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Sessions.Check(context.Background(), sid, env); err != nil {
			b.Fatal(err)
		}
	}
}
