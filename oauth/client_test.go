package oauth

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-id/postern/ident"
)

func parse(t *testing.T, doc string) *Client {
	t.Helper()
	c, err := ParseClient([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// F1, F2 and the metadata of RFC 7591: each fault is named.
func TestParseClientRefuses(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"no id", `{"redirect_uris":["https://a.example/cb"]}`, "client_id"},
		{"unknown member", `{"client_id":"a","redirect_uri":"x"}`, "redirect_uri"},
		{"fragment", `{"client_id":"a","redirect_uris":["https://a.example/cb#x"]}`, "fragment"},
		{"empty fragment", `{"client_id":"a","redirect_uris":["https://a.example/cb#"]}`, "fragment"},
		{"javascript", `{"client_id":"a","redirect_uris":["javascript:alert(1)"]}`, "dangerous"},
		{"JavaScript in capitals", `{"client_id":"a","redirect_uris":["JaVaScRiPt:alert(1)"]}`, "dangerous"},
		{"data", `{"client_id":"a","redirect_uris":["data:text/html,x"]}`, "dangerous"},
		{"plain http", `{"client_id":"a","redirect_uris":["http://a.example/cb"]}`, "plain http"},
		{"user information", `{"client_id":"a","redirect_uris":["https://u@a.example/cb"]}`, "user information"},
		{"relative", `{"client_id":"a","redirect_uris":["/cb"]}`, "absolute"},
		{"no redirect", `{"client_id":"a"}`, "redirect_uris is empty"},
		{"public client_credentials", `{"client_id":"a","token_endpoint_auth_method":"none","grant_types":["client_credentials"]}`, "authenticates"},
		{"secret method without secret", `{"client_id":"a","redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"client_secret_basic"}`, "client_secret"},
		{"key method without keys", `{"client_id":"a","redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt"}`, "jwks"},
		{"jwks and jwks_uri", `{"client_id":"a","redirect_uris":["https://a.example/"],"jwks":{"keys":[]},"jwks_uri":"https://a.example/k"}`, "exclude"},
		{"http jwks_uri", `{"client_id":"a","redirect_uris":["https://a.example/"],"jwks_uri":"http://a.example/k"}`, "jwks_uri"},
		{"implicit", `{"client_id":"a","redirect_uris":["https://a.example/"],"response_types":["token"]}`, "response_types"},
		{"two faults at once", `{"client_id":"","redirect_uris":["/x"]}`, "; "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseClient([]byte(tt.doc))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a fault about %q", err, tt.want)
			}
		})
	}
}

func TestClientRoundTrip(t *testing.T) {
	c := parse(t, `{"client_id":"a","client_name":"Harbor","client_name#zh-CN":"港湾","redirect_uris":["https://a.example/cb"],"require_pkce":true,
		"grant_types":["authorization_code","refresh_token"],"access_token_format":"opaque"}`)
	doc, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again := parse(t, string(doc))
	doc2, err := json.Marshal(again)
	if err != nil || string(doc) != string(doc2) {
		t.Errorf("reading back changes it:\n%s\n%s", doc, doc2)
	}
	if got := again.DisplayName("zh-CN"); got != "港湾" {
		t.Errorf("DisplayName(zh-CN) = %q", got)
	}
	if got := again.DisplayName("fr"); got != "Harbor" {
		t.Errorf("DisplayName(fr) = %q", got)
	}
}

// A1–A4: exact comparison; only the port of a loopback IP may differ.
func TestRedirect(t *testing.T) {
	c := parse(t, `{"client_id":"a","redirect_uris":["https://app.example/cb","https://app.example/q?a=1","http://127.0.0.1/cb","http://[::1]:4000/cb",
		"http://localhost:3000/cb","app.harbor:/cb"]}`)
	for _, tt := range []struct {
		uri  string
		want bool
	}{
		{"https://app.example/cb", true},
		{"https://app.example/q?a=1", true},
		{"app.harbor:/cb", true},
		{"http://127.0.0.1/cb", true},
		{"http://127.0.0.1:51000/cb", true},
		{"http://[::1]:51000/cb", true},
		{"http://localhost:3000/cb", true},
		{"http://localhost:3001/cb", false},
		{"https://app.example/cb?foo=bar", false},
		{"https://app.example/q?a=2", false},
		{"https://app.example/q?a=1&b=2", false},
		{"https://app.example/cb/", false},
		{"https://app.example/cb/..", false},
		{"https://app.example/cb/%2e%2e/x", false},
		{"https://app.example/CB", false},
		{"https://app.example//cb", false},
		{"https://app.example\\cb", false},
		{"https://app.example:8443/cb", false},
		{"https://app.example@evil.example/cb", false},
		{"https://evil.example/https://app.example/cb", false},
		{"https://аpp.example/cb", false}, // Cyrillic a
		{"https://xn--pp-7kc.example/cb", false},
		{"http://127.0.0.1:51000/cb?x=1", false},
		{"http://127.0.0.1:51000/cb#x", false},
		{"http://user@127.0.0.1:51000/cb", false},
		{"http://127.0.0.1:51000@evil.example/cb", false},
		{"http://127.0.0.1:123456/cb", false},
		{"http://127.0.0.1:/cb", false},
		{"http://127.0.0.2:51000/cb", false},
		{"http://127.0.0.1.evil.example/cb", false},
		{"", false}, // several are registered: A3
	} {
		if _, got := c.Redirect(tt.uri); got != tt.want {
			t.Errorf("Redirect(%q) = %v, want %v", tt.uri, got, tt.want)
		}
	}
	if got, ok := parse(t, `{"client_id":"a","redirect_uris":["https://a.example/cb"]}`).Redirect(""); !ok || got != "https://a.example/cb" {
		t.Errorf("the only registered URI may be left out: got %q, %v", got, ok)
	}
}

// A page that goes into a frame of ours is on an origin that the client answers for, and cannot break out of our policy.
func TestFrontchannelLogoutURI(t *testing.T) {
	for uri, want := range map[string]bool{
		"https://app.example/out": true, "https://app.example/out?x=1": true, "https://APP.example/out": true, "https://app.example:8443/out": false,
		"https://other.example/out": false, "http://app.example/out": false, "https://app.example/out#x": false, "https://u@app.example/out": false,
		"https://app.example;script-src/out": false, "javascript:alert(1)": false, "/out": false, "http://127.0.0.1:4000/out": true, "http://127.0.0.1:4001/out": false,
	} {
		_, err := ParseClient(fmt.Appendf(nil, `{"client_id":"a","redirect_uris":["https://app.example/cb","http://127.0.0.1:4000/cb","https://app.example;script-src/cb"],"frontchannel_logout_uri":%q}`, uri))
		if (err == nil) != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func FuzzParseClient(f *testing.F) {
	f.Add([]byte(`{"client_id":"a","redirect_uris":["https://a.example/cb"],"client_name#de":"x"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := ParseClient(doc)
		if err != nil {
			return
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseClient(b); err != nil {
			t.Fatalf("what was accepted is refused on reading it back: %v\n%s", err, b)
		}
		for _, u := range c.RedirectURIs {
			if got, ok := c.Redirect(u); !ok || got != u {
				t.Fatalf("registered %q does not match itself", u)
			}
		}
	})
}

func TestSecretMatches(t *testing.T) {
	old, now := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
	h := HashSecret(old, "a", "s3cret")
	for _, tt := range []struct {
		name       string
		keys       [][]byte
		id, secret string
		want       bool
	}{
		{"right", [][]byte{old}, "a", "s3cret", true},
		{"right after the key changed", [][]byte{now, old}, "a", "s3cret", true},
		{"wrong", [][]byte{old}, "a", "s3cre", false},
		{"other client", [][]byte{old}, "b", "s3cret", false},
		{"key gone", [][]byte{now}, "a", "s3cret", false},
	} {
		if got := SecretMatches(tt.keys, h, ident.ClientID(tt.id), tt.secret); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if SecretMatches([][]byte{old}, "", "a", "") || SecretMatches([][]byte{old}, "plain", "a", "plain") {
		t.Error("what is no hash of ours must never match")
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"a \"b\"\r\nc\t\\é": "a 'b'??c???", strings.Repeat("x", 400): strings.Repeat("x", 300)} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}
