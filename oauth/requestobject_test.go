package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/oauthtest"
)

var b64 = base64.RawURLEncoding

// signer is a client's ES256 key.
type signer struct{ *ecdsa.PrivateKey }

func newSigner(t testing.TB) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k}
}

func (s signer) jwks() string {
	p, _ := s.PublicKey.Bytes()
	return `{"keys":[{"kty":"EC","crv":"P-256","x":"` + b64.EncodeToString(p[1:33]) + `","y":"` + b64.EncodeToString(p[33:]) + `"}]}`
}

func (s signer) sign(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	input := b64.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, v, _ := ecdsa.Sign(rand.Reader, s.PrivateKey, sum[:])
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return input + "." + b64.EncodeToString(sig)
}

func inside(client string) map[string]any {
	return map[string]any{"client_id": client, "redirect_uri": "https://" + client + ".example/cb", "response_type": "code", "scope": "openid", "nonce": "n", "aud": oauthtest.Issuer}
}

// A request object may be encrypted to us, and has to be where the client registered that.
func TestRequestObjectEncrypted(t *testing.T) {
	k := newSigner(t)
	h := oauthtest.New(t, []string{
		`{"client_id":"a","client_secret":"s3cret","redirect_uris":["https://a.example/cb"],"jwks":` + k.jwks() + `}`,
		`{"client_id":"b","client_secret":"s3cret","redirect_uris":["https://b.example/cb"],"jwks":` + k.jwks() + `,"request_object_encryption_alg":"ECDH-ES","request_object_encryption_enc":"A256GCM"}`,
	}, nil)
	ours, _ := h.Ring.JWKS()
	set, err := keys.ParseSet(ours)
	if err != nil {
		t.Fatal(err)
	}
	to := func(token, enc string) string {
		out, err := set.Encrypt("ECDH-ES", enc, "JWT", []byte(token))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		name, client, object, want string
	}{
		{"plain", "a", k.sign(inside("a")), ""}, {"encrypted", "a", to(k.sign(inside("a")), "A128GCM"), ""}, {"as registered", "b", to(k.sign(inside("b")), "A256GCM"), ""},
		{"not encrypted", "b", k.sign(inside("b")), "invalid_request_object"}, {"by another enc", "b", to(k.sign(inside("b")), "A128GCM"), "invalid_request_object"},
		{"encrypted, not signed", "a", to(b64.EncodeToString([]byte(`{"alg":"none"}`))+"."+b64.EncodeToString([]byte(`{"client_id":"a"}`))+".", "A128GCM"), "invalid_request_object"},
		{"encrypted twice", "a", to(to(k.sign(inside("a")), "A128GCM"), "A128GCM"), "invalid_request_object"}, {"signed by another", "a", to(newSigner(t).sign(inside("a")), "A128GCM"), "invalid_request_object"},
	} {
		q, _, err := h.Reader.Read(t.Context(), url.Values{"client_id": {c.client}, "request": {c.object}})
		var f *oauth.Fault
		if errors.As(err, &f) {
			err = nil
			if f.Err.Code != c.want || f.Redirect != "" {
				t.Errorf("%s: %v to %q, want %q", c.name, f.Err, f.Redirect, c.want)
			}
		} else if c.want != "" || err == nil && q.Nonce != "n" {
			t.Errorf("%s: %+v", c.name, q)
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A request_uri is fetched where it is registered, and what is found has to be what its fragment says. OIDC Core §6.2.
func TestRequestURI(t *testing.T) {
	k := newSigner(t)
	object, fetched, status := k.sign(inside("a")), 0, http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched++
		if r.URL.Path == "/hop" {
			http.Redirect(w, r, "/r", http.StatusFound)
			return
		}
		w.WriteHeader(status)
		fmt.Fprintln(w, object)
	}))
	defer srv.Close()
	sum := sha256.Sum256([]byte(object + "\n"))
	digest := b64.EncodeToString(sum[:])
	h := oauthtest.New(t, []string{`{"client_id":"a","client_secret":"s3cret","profile":"oidc","redirect_uris":["https://a.example/cb"],"jwks":` + k.jwks() + `,
		"request_uris":["` + srv.URL + `/r","` + srv.URL + `/hop","` + srv.URL + `/h#` + digest + `"]}`}, nil)
	read := func(ref string) string {
		_, _, err := h.Reader.Read(t.Context(), url.Values{"client_id": {"a"}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {ref}})
		var f *oauth.Fault
		if errors.As(err, &f) {
			return f.Err.Code
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	for _, c := range []struct {
		ref, want string
		fetches   int
	}{
		{srv.URL + "/r", "", 1}, {srv.URL + "/h#" + digest, "", 1}, {srv.URL + "/r#" + digest, "", 1}, {srv.URL + "/r#" + strings.Repeat("A", 43), "invalid_request_uri", 1},
		{srv.URL + "/hop", "invalid_request_uri", 1}, {srv.URL + "/h", "invalid_request_uri", 0}, {srv.URL + "/other", "invalid_request_uri", 0}, {srv.URL + "/r?x=1", "invalid_request_uri", 0},
	} {
		fetched = 0
		if got := read(c.ref); got != c.want || fetched != c.fetches {
			t.Errorf("%s: %q after %d fetches, want %q after %d", c.ref, got, fetched, c.want, c.fetches)
		}
	}
	if status = http.StatusNotFound; read(srv.URL+"/r") != "invalid_request_uri" {
		t.Error("what is not there was taken")
	}
}

func FuzzRequestObject(f *testing.F) {
	k := newSigner(f)
	h := oauthtest.New(f, []string{`{"client_id":"a","client_secret":"s3cret","redirect_uris":["https://a.example/cb"],"jwks":` + k.jwks() + `}`}, nil)
	f.Add(`{"client_id":"a","redirect_uri":"https://a.example/cb","response_type":"code","max_age":1,"resource":["x"],"claims":{"userinfo":{}}}`)
	f.Add(`{"exp":1e300,"aud":[[]],"scope":null}`)
	f.Fuzz(func(t *testing.T, payload string) {
		var claims map[string]any
		if json.Unmarshal([]byte(payload), &claims) != nil {
			return
		}
		q, c, err := h.Reader.Read(t.Context(), url.Values{"client_id": {"a"}, "request": {k.sign(claims)}})
		if err != nil {
			return
		}
		if _, ok := c.Redirect(q.RedirectURI); !ok || q.Client != "a" {
			t.Fatalf("accepted %s as %+v", payload, q)
		}
	})
}
