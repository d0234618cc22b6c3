package issue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
)

// What a client registered encrypted opens with its key only, and holds what was signed; our own ring plays the client.
func TestEncryptedToTheClient(t *testing.T) {
	theirs := oauthtest.New(t, nil, nil)
	jwks, _ := theirs.Ring.JWKS()
	h, i := issuer(t, `{"client_id":"a","client_secret":"s3cret","redirect_uris":["https://a.example/cb"],"jwks":`+string(jwks)+`,"subject_type":"pairwise",
		"id_token_encrypted_response_alg":"ECDH-ES","userinfo_signed_response_alg":"EdDSA","userinfo_encrypted_response_alg":"ECDH-ES","userinfo_encrypted_response_enc":"A256GCM"}`)
	c, err := h.Registry.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	read := func(token, enc string) (claims map[string]any) {
		t.Helper()
		if _, _, _, err := h.Ring.Decrypt(token, keys.ExpectEnc{}); err == nil {
			t.Error("we can open what is for the client")
		}
		plain, _, got, err := theirs.Ring.Decrypt(token, keys.ExpectEnc{})
		if err != nil || got != enc {
			t.Fatalf("%v, enc %q, want %q", err, got, enc)
		}
		v, err := h.Ring.Verify(string(plain), keys.Expect{Algs: []string{"ES256", "EdDSA"}, Typ: []string{"JWT"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(v.Payload, &claims); err != nil {
			t.Fatal(err)
		}
		return claims
	}
	id, err := i.IDToken(t.Context(), c, grant(h), issue.With{Nonce: "n", Code: "c"})
	if err != nil {
		t.Fatal(err)
	}
	got := read(id, "A128CBC-HS256")
	sub, _ := got["sub"].(string)
	if got["nonce"] != "n" || got["c_hash"] == nil || got["at_hash"] != nil || sub == string(grant(h).User) || len(sub) != 43 {
		t.Errorf("%v", got)
	}
	info, err := i.UserInfo(t.Context(), c, map[string]any{"sub": sub})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(info, "A256GCM"); got["sub"] != sub || got["aud"] != "a" || got["iss"] != oauthtest.Issuer {
		t.Errorf("%v", got)
	}
	if _, err := i.ReadHint(id); err == nil || strings.Contains(err.Error(), "panic") {
		t.Errorf("a hint that we cannot open: %v", err)
	}
	// The client's name for the person outlives the data keys.
	h.Clock = h.Clock.Add(time.Hour)
	if err := h.Sealer.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := i.Subject(c, grant(h).User); again != sub {
		t.Errorf("after a rotation %q, before %q", again, sub)
	}
}
