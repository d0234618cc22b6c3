package transit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/keys"
)

// kms speaks the transit API over a local master key, as its documentation describes it.
func kms(t *testing.T, token string) *httptest.Server {
	t.Helper()
	inner, err := keys.ParseMaster(keys.NewMasterText(nil))
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(w http.ResponseWriter, status int, why string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {why}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/transit/{op}/postern", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != token {
			refuse(w, 403, "permission denied")
			return
		}
		var in struct{ Plaintext, Ciphertext string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		data := map[string]string{}
		if r.PathValue("op") == "encrypt" {
			plain, _ := base64.StdEncoding.DecodeString(in.Plaintext)
			wrapped, _ := inner.Wrap(r.Context(), plain)
			data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(wrapped)
		} else {
			wrapped, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
			plain, err := inner.Unwrap(r.Context(), wrapped)
			if err != nil {
				refuse(w, 400, "cipher: message authentication failed")
				return
			}
			data["plaintext"] = base64.StdEncoding.EncodeToString(plain)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestWrapsAndUnwraps(t *testing.T) {
	s := kms(t, "s.1")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{"token": {Token: "s.1"}, "token file": {TokenFile: file}} {
		t.Run(name, func(t *testing.T) {
			o.URL, o.Key = s.URL, "postern"
			m, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			plain := bytes.Repeat([]byte{7}, 32)
			wrapped, err := m.Wrap(t.Context(), plain)
			if err != nil || !bytes.HasPrefix(wrapped, []byte("vault:v1:")) {
				t.Fatalf("%q %v", wrapped, err)
			}
			if got, err := m.Unwrap(t.Context(), wrapped); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%x %v", got, err)
			}
			if _, err := m.Unwrap(t.Context(), []byte("vault:v1:AAAA")); err == nil {
				t.Error("opens what it did not wrap")
			}
			if m.ID() != "transit:transit/postern" {
				t.Error(m.ID())
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	var elsewhere int
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer thief.Close()
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		},
		"endless answer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte(" "), maxAnswer+1))
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no data": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":null}`)) },
		"data of a type": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"ciphertext":{"a":1}}}`))
		},
		"denied": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"hangs":  func(http.ResponseWriter, *http.Request) { time.Sleep(600 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			m, err := New(Options{URL: s.URL, Key: "postern", Token: "topsecret", Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Wrap(t.Context(), []byte("plain")); err == nil || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("wrap: %v", err)
			}
			if _, err := m.Unwrap(t.Context(), []byte("x")); err == nil {
				t.Error("unwrap")
			}
		})
	}
	if elsewhere != 0 {
		t.Error("the token followed a redirect")
	}
}

func TestRefusesOptions(t *testing.T) {
	good := Options{URL: "https://kms.example:8200", Key: "postern", Token: "t"}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]func(*Options){
		"http":          func(o *Options) { o.URL = "http://kms.example:8200" },
		"userinfo":      func(o *Options) { o.URL = "https://a:b@kms.example" },
		"path":          func(o *Options) { o.URL = "https://kms.example/v1" },
		"no key":        func(o *Options) { o.Key = "" },
		"key traversal": func(o *Options) { o.Key = ".." },
		"key slash":     func(o *Options) { o.Key = "a/b" },
		"mount":         func(o *Options) { o.Mount = "a/../b" },
		"no token":      func(o *Options) { o.Token = "" },
		"two tokens":    func(o *Options) { o.TokenFile = "/run/token" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			bend(&o)
			if _, err := New(o); err == nil {
				t.Error("accepted")
			}
		})
	}
}
