package issue_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
)

// E6: a logout token says what OpenID Connect Back-Channel Logout §2.4 asks, and is nothing else.
func TestLogoutToken(t *testing.T) {
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding
	jwk := fmt.Sprintf(`{"kty":"RSA","use":"enc","alg":"RSA-OAEP-256","kid":"e","n":%q,"e":%q}`, b64.EncodeToString(own.N.Bytes()), b64.EncodeToString(big.NewInt(int64(own.E)).Bytes()))
	h := oauthtest.New(t, []string{
		`{"client_id":"plain","client_secret":"x","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"pair","client_secret":"x","redirect_uris":["https://b.example/cb"],"subject_type":"pairwise","id_token_signed_response_alg":"EdDSA"}`,
		`{"client_id":"enc","client_secret":"x","redirect_uris":["https://c.example/cb"],"id_token_encrypted_response_alg":"RSA-OAEP-256","id_token_encrypted_response_enc":"A256GCM","jwks":{"keys":[` + jwk + `]}}`,
	}, nil)
	i := issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: h.Ring, Derive: h.Sealer.Derive, Anchor: h.Sealer.Anchor, Keys: h.ClientKeys, Registry: h.Registry, Users: h.DB, Now: h.Now, Rand: rand.Reader})
	seen := map[string]bool{}
	for _, tt := range []struct {
		client ident.ClientID
		alg    string
	}{{"plain", "ES256"}, {"pair", "EdDSA"}, {"enc", "ES256"}} {
		c, err := h.Registry.Client(tt.client)
		if err != nil {
			t.Fatal(err)
		}
		token, err := i.LogoutToken(t.Context(), c, "u1", "s1")
		if err != nil {
			t.Fatal(err)
		}
		if tt.client == "enc" {
			token = opened(t, token, own)
		}
		head, _, _ := strings.Cut(token, ".")
		raw, _ := b64.DecodeString(head)
		var header struct{ Typ, Alg string }
		if err := json.Unmarshal(raw, &header); err != nil || header.Typ != "logout+jwt" || header.Alg != tt.alg {
			t.Errorf("%s: header %s, %v", tt.client, raw, err)
		}
		v, err := h.Ring.Verify(token, keys.Expect{Algs: []string{tt.alg}, Typ: []string{"logout+jwt"}, MaxSize: 4 << 10})
		if err != nil {
			t.Fatalf("%s: %v", tt.client, err)
		}
		var got map[string]any
		if err := json.Unmarshal(v.Payload, &got); err != nil {
			t.Fatal(err)
		}
		jti, _ := got["jti"].(string)
		if len(jti) < 22 || seen[jti] {
			t.Errorf("%s: jti %q", tt.client, jti)
		}
		seen[jti] = true
		delete(got, "jti")
		now := float64(h.Clock.Unix())
		want := map[string]any{"iss": oauthtest.Issuer, "aud": string(tt.client), "sub": i.Subject(c, "u1"), "sid": "s1", "iat": now, "exp": now + 120,
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", tt.client, got, want)
		}
		if _, err := i.ReadHint(token); err == nil {
			t.Errorf("%s: a logout token is a hint", tt.client)
		}
		if _, err := i.Read(token); err == nil {
			t.Errorf("%s: a logout token is an access token", tt.client)
		}
	}
	pair, err := h.Registry.Client("pair")
	if err != nil || i.Subject(pair, "u1") == "u1" {
		t.Errorf("pairwise: %v", err)
	}
}

// opened decrypts RSA-OAEP-256 with A256GCM. RFC 7516 §5.2.
func opened(t *testing.T, token string, own *rsa.PrivateKey) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 5 {
		t.Fatalf("not encrypted: %s", token)
	}
	var raw [5][]byte
	for i, p := range parts {
		raw[i], _ = base64.RawURLEncoding.DecodeString(p)
	}
	key, err := rsa.DecryptOAEP(sha256.New(), nil, own, raw[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
