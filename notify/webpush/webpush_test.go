package webpush

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/egress"
)

var clock = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decrypt is the browser's side. RFC 8291 §3.
func decrypt(t testing.TB, key *ecdh.PrivateKey, auth, body []byte) []byte {
	t.Helper()
	if len(body) < 86 || body[20] != 65 {
		t.Fatalf("a body of %d bytes", len(body))
	}
	salt, point, sealed := body[:16], body[21:86], body[86:]
	theirs, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := key.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ikm, _ := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(key.PublicKey().Bytes())+string(point), 32)
	cek, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	block, _ := aes.NewCipher(cek)
	gcm, _ := cipher.NewGCM(block)
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(plain, 2)
	if end < 0 || len(bytes.Trim(plain[end+1:], "\x00")) > 0 {
		t.Fatalf("%q does not end as a last record does", plain)
	}
	return plain[:end]
}

// The example of the specification comes out byte for byte. RFC 8291 §5, appendix A.
func TestVector(t *testing.T) {
	b, err := os.ReadFile("testdata/rfc8291/vector.json")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().NewPrivateKey(unb64(t, v["as_private"]))
	if err != nil {
		t.Fatal(err)
	}
	to := Target{P256DH: v["ua_public"], Auth: v["auth_secret"]}
	got, err := encrypt(to, unb64(t, v["plaintext"]), 0, unb64(t, v["salt"]), key)
	if err != nil || base64.RawURLEncoding.EncodeToString(got) != v["body"] {
		t.Errorf("%s, %v", base64.RawURLEncoding.EncodeToString(got), err)
	}
	theirs, err := ecdh.P256().NewPrivateKey(unb64(t, v["ua_private"]))
	if err != nil {
		t.Fatal(err)
	}
	if plain := decrypt(t, theirs, unb64(t, v["auth_secret"]), got); string(plain) != "When I grow up, I want to be a watermelon" {
		t.Errorf("%q", plain)
	}
}

func sender(t testing.TB, allow ...string) *Sender {
	t.Helper()
	o := egress.Options{Timeout: time.Second}
	for _, a := range allow {
		o.Allow = append(o.Allow, netip.MustParsePrefix(a))
	}
	s, err := New(Options{Egress: egress.New(o), Secret: bytes.Repeat([]byte{7}, 32), Subject: "https://id.example.com", Now: func() time.Time { return clock }, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The key is the same for ever: browsers are subscribed with it.
func TestKeyStays(t *testing.T) {
	if a, b := sender(t).PublicKey(), sender(t).PublicKey(); a != b || len(unb64(t, a)) != 65 {
		t.Errorf("%s, %s", a, b)
	}
	if _, err := New(Options{Secret: make([]byte, 31)}); err == nil {
		t.Error("a short secret made a key")
	}
}

// What arrives at a push service, and what is made of its answers.
func TestSend(t *testing.T) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := bytes.Repeat([]byte{9}, 16)
	var status int
	var got *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer srv.Close()
	s := sender(t, "127.0.0.0/8")
	to := Target{Endpoint: srv.URL + "/send/abc", P256DH: base64.URLEncoding.EncodeToString(key.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(auth)}
	for _, tt := range []struct {
		name    string
		status  int
		want    error
		message string
	}{
		{"created", 201, nil, "hello"}, {"accepted", 202, nil, strings.Repeat("x", 511)}, {"long", 201, nil, strings.Repeat("x", 512)},
		{"gone", 410, ErrGone, "x"}, {"not found", 404, ErrGone, "x"}, {"busy", 429, ErrRefused, "x"}, {"broken", 500, ErrRefused, "x"}, {"moved", 307, ErrRefused, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status = tt.status
			if err := s.Send(t.Context(), to, []byte(tt.message), "topic"); !errors.Is(err, tt.want) {
				t.Fatalf("%v", err)
			}
			if plain := decrypt(t, key, auth, body); string(plain) != tt.message || (len(body)-86-16)%padTo != 0 {
				t.Errorf("%q in %d bytes", plain, len(body))
			}
			h := got.Header
			if h.Get("TTL") != "120" || h.Get("Urgency") != "high" || h.Get("Topic") != "topic" || h.Get("Content-Encoding") != "aes128gcm" {
				t.Errorf("%v", h)
			}
			claimed(t, s, h.Get("Authorization"), srv.URL)
		})
	}
	t.Run("without keys", func(t *testing.T) {
		status = 201
		if err := s.Send(t.Context(), Target{Endpoint: srv.URL + "/wake"}, []byte("nothing"), ""); err != nil || len(body) > 0 || got.Header.Get("Content-Encoding") != "" {
			t.Errorf("%v, %q, %v", err, body, got.Header)
		}
	})
	t.Run("an address inside", func(t *testing.T) {
		if err := sender(t).Send(t.Context(), to, []byte("x"), ""); !errors.Is(err, egress.ErrRefused) {
			t.Error(err)
		}
	})
}

// claimed verifies what is said about the sender. RFC 8292 §2, §3.
func claimed(t *testing.T, s *Sender, header, audience string) {
	t.Helper()
	text, k, ok := strings.Cut(strings.TrimPrefix(header, "vapid t="), ", k=")
	parts := strings.Split(text, ".")
	if !ok || k != s.PublicKey() || len(parts) != 3 {
		t.Fatalf("%q", header)
	}
	point := unb64(t, k)
	x, y := new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:])
	sum, sig := sha256.Sum256([]byte(parts[0]+"."+parts[1])), unb64(t, parts[2])
	if !ecdsa.Verify(&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not verify")
	}
	want := fmt.Sprintf(`{"aud":%q,"exp":%d,"sub":"https://id.example.com"}`, audience, clock.Add(time.Hour).Unix())
	if got := string(unb64(t, parts[1])); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Whatever a browser calls its subscription, nothing is sent in the clear and nothing breaks.
func FuzzTarget(f *testing.F) {
	f.Add("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg")
	f.Add("", "x")
	f.Add("====", "AAAA")
	s := sender(f)
	f.Fuzz(func(t *testing.T, key, auth string) {
		to := Target{P256DH: key, Auth: auth}
		sealed, err := s.seal(to, []byte("secret words"))
		if (err == nil) != (to.Check() == nil && key+auth != "") || bytes.Contains(sealed, []byte("secret")) {
			t.Errorf("%q %q: %v, Check %v", key, auth, err, to.Check())
		}
	})
}
