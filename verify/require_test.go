package verify_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

const metadata = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`

// ATTACKS D1, and RFC 6750 §2 and §3.1: where a token may stand, and what each fault is answered with.
func TestAttackD1AndCredentials(t *testing.T) {
	iss, rs, _ := setup(t)
	good := iss.AccessToken()
	tests := []struct {
		name, target string
		auth         []string
		status       int
		challenge    string
	}{
		{"header", "/x", []string{"Bearer " + good}, 200, ""},
		{"scheme in lower case", "/x", []string{"bearer " + good}, 200, ""},
		{"scheme in upper case", "/x", []string{"BEARER  " + good}, 200, ""},
		{"other query", "/x?token_access=1", []string{"Bearer " + good}, 200, ""},
		{"nothing", "/x", nil, 401, "Bearer " + metadata},
		{"other scheme", "/x", []string{"Basic dTpw"}, 401, "Bearer " + metadata},
		{"D1 token in the query", "/x?access_token=" + good, nil, 400, "invalid_request"},
		{"D1 token in the query, escaped", "/x?access%5Ftoken=" + good, nil, 400, "invalid_request"},
		{"D1 token in the query and the header", "/x?access_token=" + good, []string{"Bearer " + good}, 400, "invalid_request"},
		{"two headers", "/x", []string{"Bearer " + good, "Bearer " + good}, 400, "invalid_request"},
		{"two headers, one Basic", "/x", []string{"Basic dTpw", "Bearer " + good}, 400, "invalid_request"},
		{"two tokens in one", "/x", []string{"Bearer " + good + ", Bearer " + good}, 400, "invalid_request"},
		{"empty token", "/x", []string{"Bearer "}, 400, "invalid_request"},
		{"no token", "/x", []string{"Bearer"}, 400, "invalid_request"},
		{"quoted", "/x", []string{`Bearer "` + good + `"`}, 400, "invalid_request"},
		{"unknown token", "/x", []string{"Bearer abc"}, 401, "invalid_token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", api+tt.target, nil)
			for _, a := range tt.auth {
				r.Header.Add("Authorization", a)
			}
			w := call(rs.Require("wallet:move"), r)
			got := w.Header().Get("WWW-Authenticate")
			if w.Code != tt.status || !strings.Contains(got, tt.challenge) {
				t.Errorf("got %d %q, want %d %q", w.Code, got, tt.status, tt.challenge)
			}
			if tt.status != 200 && !strings.Contains(got, metadata) {
				t.Errorf("no resource_metadata in %q", got)
			}
			if tt.status == 401 && tt.challenge != "invalid_token" && strings.Contains(got, "error") {
				t.Errorf("an error code without a token: %q", got)
			}
		})
	}
}

func TestRequire(t *testing.T) {
	iss, rs, c := setup(t)
	phr := func(age time.Duration) verifytest.Change { return verifytest.Authenticated("phr", c.Now().Add(-age)) }
	step := rs.Require("wallet:move", verify.ACR("phr"), verify.MaxAge(5*time.Minute))
	const stepUp = `error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required", acr_values="phr", max_age="300", ` + metadata
	tests := []struct {
		name      string
		mw        func(http.Handler) http.Handler
		change    []verifytest.Change
		status    int
		challenge string
	}{
		{"scope", rs.Require("wallet:move"), nil, 200, ""},
		{"both scopes", rs.Require("wallet:move wallet:read"), nil, 200, ""},
		{"no scope asked", rs.Require(""), []verifytest.Change{verifytest.Claim("scope", nil)}, 200, ""},
		{"scope missing", rs.Require("wallet:admin"), nil, 403, `Bearer error="insufficient_scope", error_description="The access token does not carry the scope", scope="wallet:admin", ` + metadata},
		{"one of two scopes", rs.Require("wallet:move x"), nil, 403, `scope="wallet:move x"`},
		{"scope prefix", rs.Require("wallet"), nil, 403, `insufficient_scope`},
		{"strong and recent", step, []verifytest.Change{phr(time.Minute)}, 200, ""},
		{"stronger", step, []verifytest.Change{verifytest.Authenticated("phrh", c.Now())}, 200, ""},
		{"too weak", step, []verifytest.Change{verifytest.Authenticated("urn:postern:acr:aal2", c.Now())}, 401, "Bearer " + stepUp},
		{"too old", step, []verifytest.Change{phr(331 * time.Second)}, 401, stepUp},
		{"old, within the leeway", step, []verifytest.Change{phr(330 * time.Second)}, 200, ""},
		{"no acr", step, []verifytest.Change{phr(0), verifytest.Claim("acr", nil)}, 401, stepUp},
		{"unknown acr", step, []verifytest.Change{verifytest.Authenticated("gold", c.Now())}, 401, stepUp},
		{"no auth_time", step, []verifytest.Change{phr(0), verifytest.Claim("auth_time", nil)}, 401, stepUp},
		{"scope comes before step-up", step, []verifytest.Change{verifytest.WithScope("x")}, 403, "insufficient_scope"},
		{"one of two classes", rs.Require("", verify.ACR("gold", "urn:postern:acr:aal1")), nil, 200, ""},
		{"class outside the order", rs.Require("", verify.ACR("gold")), []verifytest.Change{phr(0)}, 401, `acr_values="gold"`},
		{"class outside the order, met", rs.Require("", verify.ACR("gold")), []verifytest.Change{verifytest.Authenticated("gold", c.Now())}, 200, ""},
		{"max_age 0", rs.Require("", verify.MaxAge(0)), []verifytest.Change{phr(time.Minute)}, 401, `max_age="0"`},
		{"expired", rs.Require(""), []verifytest.Change{verifytest.Claim("iat", 1), verifytest.Claim("exp", 2)}, 401, `error="invalid_token", error_description="The access token has expired"`},
		{"invalid without details", rs.Require(""), []verifytest.Change{verifytest.ForAudience("x")}, 401, `Bearer error="invalid_token", error_description="The access token is not valid", ` + metadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(tt.mw, bearer(iss.AccessToken(tt.change...)))
			if got := w.Header().Get("WWW-Authenticate"); w.Code != tt.status || !strings.Contains(got, tt.challenge) {
				t.Errorf("got %d %q\nwant %d %q", w.Code, got, tt.status, tt.challenge)
			}
			if w.Code != 200 && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("a refusal may be cached")
			}
			if w.Code == 200 && w.Body.String() != verifytest.Subject {
				t.Errorf("handler saw %q", w.Body)
			}
		})
	}
}

func TestACROrder(t *testing.T) {
	iss, rs, c := setup(t, verify.ACROrder("bronze", "silver"))
	for acr, want := range map[string]int{"silver": 200, "bronze": 200, "phrh": 401, "": 401} {
		w := call(rs.Require("", verify.ACR("bronze")), bearer(iss.AccessToken(verifytest.Authenticated(acr, c.Now()))))
		if w.Code != want {
			t.Errorf("acr %q: %d, want %d", acr, w.Code, want)
		}
	}
}

func TestIssuerDown(t *testing.T) {
	var causes []error
	iss, rs, c := setup(t, verify.OnRefusal(func(_ *http.Request, err error) { causes = append(causes, err) }))
	iss.SetDown(true)
	w := call(rs.Require(""), bearer(iss.AccessToken()))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(causes) != 1 {
		t.Errorf("got %d %v, causes %v", w.Code, w.Header(), causes)
	}
	iss.SetDown(false)
	c.Add(time.Second)
	if w := call(rs.Require(""), bearer(iss.AccessToken())); w.Code != 200 {
		t.Errorf("after it came back: %d", w.Code)
	}
}

func TestMetadata(t *testing.T) {
	iss, rs, _ := setup(t, verify.Resource("https://api.example.com/v1"), verify.Scopes("extra"))
	rs.Require("wallet:move")
	rs.Require("wallet:read wallet:move")
	if got := rs.MetadataPath(); got != "/.well-known/oauth-protected-resource/v1" {
		t.Errorf("path %q", got)
	}
	w := httptest.NewRecorder()
	rs.Metadata().ServeHTTP(w, httptest.NewRequest("GET", rs.MetadataPath(), nil))
	want := `{"resource":"https://api.example.com/v1","authorization_servers":["` + iss.URL + `"],"bearer_methods_supported":["header"],"scopes_supported":["extra","wallet:move","wallet:read"]}`
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s\nwant %s", w.Code, w.Body, want)
	}
	w = httptest.NewRecorder()
	rs.Metadata().ServeHTTP(w, httptest.NewRequest("POST", rs.MetadataPath(), nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	tests := []struct {
		name   string
		header string
		want   verify.Challenge
		bad    bool
	}{
		{name: "bare", header: "Bearer"},
		{name: "full", header: `Bearer error="insufficient_user_authentication", acr_values="phr phrh", max_age="300", resource_metadata="https://a/b"`,
			want: verify.Challenge{Error: "insufficient_user_authentication", ACRValues: []string{"phr", "phrh"}, MaxAge: 5 * time.Minute, HasMaxAge: true, ResourceMetadata: "https://a/b"}},
		{name: "tokens, spaces, unknown", header: `bearer realm="a \"b\", c" ,max_age = 0,x=y`, want: verify.Challenge{HasMaxAge: true}},
		{name: "other scheme", header: "DPoP error=x", bad: true},
		{name: "twice", header: `Bearer error="a", error="b"`, bad: true},
		{name: "open quote", header: `Bearer error="a`, bad: true},
		{name: "negative age", header: `Bearer max_age="-1"`, bad: true},
		{name: "long", header: "Bearer x=" + strings.Repeat("y", 9000), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := verify.ParseChallenge(tt.header)
			if (err != nil) != tt.bad || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v %v, want %+v", got, err, tt.want)
			}
		})
	}
}
