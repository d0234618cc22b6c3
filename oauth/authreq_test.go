package oauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/oauthtest"
)

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B

func house(t testing.TB) *oauthtest.House {
	return oauthtest.New(t, []string{
		`{"client_id":"spa","redirect_uris":["https://app.example/cb"],"scope":"openid profile api:read","token_endpoint_auth_method":"none"}`,
		`{"client_id":"web","client_secret":"s3cret","redirect_uris":["https://web.example/cb"],"scope":"openid","allowed_resources":["https://api.example"]}`,
		`{"client_id":"strict","client_secret":"s3cret","redirect_uris":["https://s.example/cb"],"minimum_acr":"phr","require_pkce":true}`,
		`{"client_id":"oidc","client_secret":"s3cret","redirect_uris":["https://oidc.example/cb"],"scope":"openid","profile":"oidc","grant_types":["authorization_code","implicit"],"response_types":["code","id_token","id_token token","code id_token","code token","token code id_token"]}`,
		`{"client_id":"machine","client_secret":"s3cret","grant_types":["client_credentials"],"scope":"api:read"}`,
	}, []string{`{"resource":"https://api.example","scopes":["api:read"]}`, `{"resource":"https://other.example","scopes":["other"]}`})
}

func valid(over ...string) url.Values {
	v := url.Values{"client_id": {"spa"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"state": {"s"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(over); i += 2 {
		if over[i+1] == "-" {
			v.Del(over[i])
			continue
		}
		v.Set(over[i], over[i+1])
	}
	return v
}

// Rows of ATTACKS part A that reading decides: where the fault is shown (on our page, or to the client), and its code.
func TestReadRefuses(t *testing.T) {
	h := house(t)
	twice := func(p, second string) url.Values {
		v := valid()
		v.Add(p, second)
		return v
	}
	for _, tt := range []struct {
		name     string
		form     url.Values
		code     string
		redirect bool
	}{
		{"A1 unregistered redirect_uri", valid("redirect_uri", "https://evil.example/cb"), "invalid_request", false},
		{"A2 query added", valid("redirect_uri", "https://app.example/cb?x=1"), "invalid_request", false},
		{"A5 unknown client", valid("client_id", "nobody", "redirect_uri", "https://evil.example"), "invalid_request", false},
		{"A6 no response_type", valid("response_type", "-"), "invalid_request", true},
		{"A6 unknown response_type", valid("response_type", "banana"), "unsupported_response_type", true},
		{"A7 implicit", valid("response_type", "token"), "unsupported_response_type", true},
		{"A7 hybrid", valid("response_type", "code id_token"), "unsupported_response_type", true},
		{"A3 no redirect_uri with openid", valid("redirect_uri", "-"), "invalid_request", false},
		{"A7 client without code", valid("client_id", "machine", "redirect_uri", "-"), "invalid_request", false},
		{"A9 no PKCE", valid("code_challenge", "-", "code_challenge_method", "-"), "invalid_request", true},
		{"A9 plain", valid("code_challenge_method", "plain"), "invalid_request", true},
		{"A9 method left out means plain", valid("code_challenge_method", "-"), "invalid_request", true},
		{"A9 challenge too short", valid("code_challenge", "abc"), "invalid_request", true},
		{"A9 challenge with other characters", valid("code_challenge", strings.Repeat("+", 43)), "invalid_request", true},
		{"A11 client_id twice", twice("client_id", "spa"), "invalid_request", false},
		{"A11 redirect_uri twice", twice("redirect_uri", "https://app.example/cb"), "invalid_request", false},
		{"A11 state twice", twice("state", "s2"), "invalid_request", true},
		{"A11 scope twice", twice("scope", "profile"), "invalid_request", true},
		{"A14 prompt none with login", valid("prompt", "none login"), "invalid_request", true},
		{"max_age negative", valid("max_age", "-1"), "invalid_request", true},
		{"max_age words", valid("max_age", "soon"), "invalid_request", true},
		{"A17 essential acr nobody knows", valid("claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}`), "unmet_authentication_requirements", true},
		{"A28 scope beyond the client's", valid("scope", "openid admin"), "invalid_scope", true},
		{"A29 unknown resource", valid("resource", "https://nowhere.example"), "invalid_target", true},
		{"A29 resource of others", valid("client_id", "web", "redirect_uri", "https://web.example/cb", "resource", "https://other.example"), "invalid_target", true},
		{"A31 deep claims", valid("claims", strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100)), "invalid_request", true},
		{"A31 long claims", valid("claims", `{"userinfo":{"`+strings.Repeat("a", 1<<20)+`":null}}`), "invalid_request", true},
		{"A31 no JSON", valid("claims", `{"userinfo":`), "invalid_request", true},
		{"A31 trailing bytes", valid("claims", `{} {}`), "invalid_request", true},
		{"B1 unsigned request object", valid("request", "eyJhbGciOiJub25lIn0.e30."), "invalid_request_object", true},
		{"request_uri of nobody", valid("request_uri", "https://evil.example/r"), "invalid_request_uri", true},
		{"B8 both", valid("request", "a.b.c", "request_uri", "https://evil.example/r"), "invalid_request", true},
		{"a mode that is off", valid("response_mode", "form_post"), "invalid_request", true},
		{"fragment for a client of codes", valid("response_mode", "fragment"), "invalid_request", true},
		{"unknown mode", valid("response_mode", "web_message"), "invalid_request", true},
		{"A7 a token for a client of codes", valid("response_type", "token"), "unsupported_response_type", true},
		{"A7 more than a code", valid("response_type", "code id_token", "nonce", "n"), "unsupported_response_type", true},
		{"a token in the query", valid("client_id", "oidc", "redirect_uri", "https://oidc.example/cb", "response_type", "id_token token", "nonce", "n", "response_mode", "query"), "invalid_request", true},
		{"A8 no nonce", valid("client_id", "oidc", "redirect_uri", "https://oidc.example/cb", "response_type", "code id_token"), "invalid_request", true},
		{"an ID token without openid", valid("client_id", "oidc", "redirect_uri", "https://oidc.example/cb", "response_type", "id_token", "scope", "-", "nonce", "n"), "invalid_request", true},
		{"A9 neither PKCE nor nonce", valid("client_id", "web", "redirect_uri", "https://web.example/cb", "code_challenge", "-", "code_challenge_method", "-", "nonce", "-"), "invalid_request", true},
		{"registration", valid("registration", "{}"), "registration_not_supported", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := h.Reader.Read(t.Context(), tt.form)
			var f *oauth.Fault
			if !errors.As(err, &f) {
				t.Fatalf("not refused: %v", err)
			}
			if f.Err.Code != tt.code || (f.Redirect != "") != tt.redirect {
				t.Errorf("got %s, redirect %q; want %s, redirect %v", f.Err, f.Redirect, tt.code, tt.redirect)
			}
			if f.Err.Description != oauth.Printable(f.Err.Description) || f.Err.Description == "" {
				t.Errorf("C31: description %q", f.Err.Description)
			}
		})
	}
}

func TestReadAccepts(t *testing.T) {
	h := house(t)
	read := func(over ...string) *oauth.Request {
		t.Helper()
		q, _, err := h.Reader.Read(t.Context(), valid(over...))
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	if q := read("state", "-"); q.State != "" { // RFC 6749 §4.1.1: state is only recommended
		t.Errorf("state %q", q.State)
	}
	long := strings.Repeat("ä%20", 96)
	if q := read("state", long, "nonce", long); q.State != long || q.Nonce != long { // A30
		t.Error("a long state or nonce was changed")
	}
	if q := read("unknown", "x", "display", "popup"); q.Client != "spa" {
		t.Error("unknown parameters must be ignored")
	}
	if q := read("acr_values", "urn:x phr urn:postern:acr:aal2"); q.Need != ident.AAL2 || q.NeedHard {
		t.Errorf("acr_values: need %v hard %v, want the weakest known rung, voluntary", q.Need, q.NeedHard)
	}
	if q := read("claims", `{"id_token":{"acr":{"essential":true,"value":"phr"},"email":null}}`); q.Need != ident.PhishingResistant || !q.NeedHard {
		t.Errorf("essential acr: need %v hard %v", q.Need, q.NeedHard)
	}
	if q := read("client_id", "strict", "redirect_uri", "https://s.example/cb"); q.Need != ident.PhishingResistant || !q.NeedHard {
		t.Errorf("the client's own minimum: need %v hard %v", q.Need, q.NeedHard)
	}
	if q := read("client_id", "web", "redirect_uri", "-", "scope", "-"); q.RedirectSent {
		t.Error("a client may leave out its only redirect_uri")
	}
	if q := read("client_id", "web", "redirect_uri", "https://web.example/cb", "nonce", "n", "code_challenge", "-", "code_challenge_method", "-"); q.Challenge != "" {
		t.Error("a confidential client that sends a nonce may leave out PKCE")
	}
	oidc := []string{"client_id", "oidc", "redirect_uri", "https://oidc.example/cb", "code_challenge", "-", "code_challenge_method", "-"}
	if q := read(append(oidc, "nonce", "-")...); q.ResponseType != "code" || q.ResponseMode != "query" {
		t.Errorf("by the policy oidc: %q %q", q.ResponseType, q.ResponseMode)
	}
	for _, tt := range []struct{ asked, mode, kind, by string }{
		{"token id_token code", "", "code id_token token", "fragment"}, {"id_token token", "form_post", "id_token token", "form_post"},
		{"code", "fragment", "code", "fragment"}, {"code", "form_post", "code", "form_post"}, {"id_token", "fragment", "id_token", "fragment"},
	} {
		over := append(oidc, "nonce", "n", "response_type", tt.asked)
		if tt.mode != "" {
			over = append(over, "response_mode", tt.mode)
		}
		if q := read(over...); q.ResponseType != tt.kind || q.ResponseMode != tt.by {
			t.Errorf("%s by %q: got %q by %q", tt.asked, tt.mode, q.ResponseType, q.ResponseMode)
		}
	}
}

func FuzzRead(f *testing.F) {
	h := house(f)
	f.Add(valid().Encode())
	f.Add(valid("claims", `{"id_token":{"acr":{"values":["phr"]}}}`, "resource", "https://api.example").Encode())
	f.Fuzz(func(t *testing.T, query string) {
		form, _ := url.ParseQuery(query)
		q, c, err := h.Reader.Read(t.Context(), form)
		if err != nil {
			return
		}
		if _, ok := c.Redirect(q.RedirectURI); !ok {
			t.Fatalf("accepted an unregistered redirect_uri %q", q.RedirectURI)
		}
		if c.PKCE(q.Nonce != "") && q.Wants("code") && q.Challenge == "" {
			t.Fatal("accepted without PKCE")
		}
	})
}

func BenchmarkRead(b *testing.B) {
	h := house(b)
	form := valid()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := h.Reader.Read(b.Context(), form); err != nil {
			b.Fatal(err)
		}
	}
}
