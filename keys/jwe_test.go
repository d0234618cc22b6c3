package keys

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/x25519"
)

// privateJWK reads what only tests have: a private key as JSON.
func privateJWK(t *testing.T, text []byte) crypto.Signer {
	t.Helper()
	k, err := jwk.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	var raw any
	if err := k.Raw(&raw); err != nil {
		t.Fatal(err)
	}
	return raw.(crypto.Signer)
}

// The examples of others open: RFC 7516 appendix A.1, RFC 7520 §5.4 and §5.5.
func TestVectorsOpen(t *testing.T) {
	for _, name := range []string{"rfc7516/a1", "rfc7520/5.4", "rfc7520/5.5"} {
		t.Run(name, func(t *testing.T) {
			var v struct {
				Key              json.RawMessage
				Token, Plaintext string
			}
			readVector(t, name, &v)
			h, err := parseEncrypted(v.Token, maxEncrypted)
			if err != nil {
				t.Fatal(err)
			}
			d := decrypter{priv: privateJWK(t, v.Key)}
			if got, err := d.open(v.Token, h.alg); err != nil || string(got) != v.Plaintext {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// RFC 7518 appendix C gives the agreed key but no token, so the content is encrypted here.
func TestAgreementVector(t *testing.T) {
	var v struct {
		Key, Header json.RawMessage
		CEK         string
	}
	readVector(t, "rfc7518/c", &v)
	cek, err := b64.DecodeString(v.CEK)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(cek)
	aead, _ := cipher.NewGCM(block)
	head, iv := b64.EncodeToString(v.Header), make([]byte, 12)
	sealed := aead.Seal(nil, iv, []byte("hello Bob"), []byte(head))
	border := len(sealed) - 16
	token := strings.Join([]string{head, "", b64.EncodeToString(iv), b64.EncodeToString(sealed[:border]), b64.EncodeToString(sealed[border:])}, ".")
	if h, err := parseEncrypted(token, maxEncrypted); err != nil || h.alg != ecdhES || h.enc != "A128GCM" {
		t.Fatal(h, err)
	}
	d := decrypter{priv: privateJWK(t, v.Key)}
	if got, err := d.open(token, ecdhES); err != nil || string(got) != "hello Bob" {
		t.Errorf("%q, %v", got, err)
	}
}

func readVector(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// encKeys are private keys of every type that one can encrypt to.
func encKeys(t testing.TB) map[string]any {
	t.Helper()
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, x, err3 := x25519.GenerateKey(rand.Reader)
	r, err4 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"P-256": p256, "P-384": p384, "X25519": x, "RSA": r}
}

// setWith returns a set of the public halves of priv, each with the members that follow it.
func setWith(t testing.TB, entries ...any) *Set {
	t.Helper()
	var list []jwk.Key
	for i := 0; i < len(entries); i += 2 {
		k, err := jwk.FromRaw(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		pub, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range entries[i+1].(map[string]any) {
			if err := pub.Set(name, v); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, pub)
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func headerOf(t testing.TB, token string) (h map[string]any) {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	text, err := b64.DecodeString(head)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEncryptReachesItsOwner(t *testing.T) {
	for kind, priv := range encKeys(t) {
		set := setWith(t, priv, map[string]any{"kid": "k-" + kind, "use": "enc"})
		for _, alg := range EncryptionAlgs {
			if fits := strings.HasPrefix(alg, "RSA") == (kind == "RSA"); !fits {
				if _, err := set.Encrypt(alg, "A128GCM", "", nil); !errors.Is(err, ErrNoKey) || set.HasEncryption(alg) {
					t.Errorf("%s to %s: %v", alg, kind, err)
				}
				continue
			}
			for _, enc := range EncryptionEncs {
				for _, size := range []int{1, 15, 16, 17, 4096} {
					payload := []byte(strings.Repeat("x", size))
					token, err := set.Encrypt(alg, enc, "JWT", payload)
					if err != nil || !set.HasEncryption(alg) {
						t.Fatalf("%s %s to %s: %v", alg, enc, kind, err)
					}
					got, err := jwe.Decrypt([]byte(token), jwe.WithKey(jwa.KeyEncryptionAlgorithm(alg), priv))
					if err != nil || string(got) != string(payload) {
						t.Errorf("%s %s to %s, %d bytes: %v", alg, enc, kind, size, err)
					}
					h := headerOf(t, token)
					if h["alg"] != alg || h["enc"] != enc || h["kid"] != "k-"+kind || h["cty"] != "JWT" || h["zip"] != nil {
						t.Errorf("header %v", h)
					}
					if _, err := parseEncrypted(token, 8<<10); err != nil {
						t.Errorf("our own %s %s is not to our taste: %v", alg, enc, err)
					}
				}
			}
		}
	}
}

func TestWhichKeyEncrypts(t *testing.T) {
	all := encKeys(t)
	type m = map[string]any
	p, r, other := all["P-256"], all["RSA"], encKeys(t)["P-256"]
	for _, tt := range []struct {
		name   string
		set    *Set
		alg    string
		want   string // kid; "" if there is none
		verify int    // how many keys verify
	}{
		{"for encryption first", setWith(t, p, m{"kid": "any"}, other, m{"kid": "enc", "use": "enc"}), "ECDH-ES", "enc", 1},
		{"no use does", setWith(t, p, m{"kid": "any"}), "ECDH-ES", "any", 1},
		{"never for signatures", setWith(t, p, m{"kid": "sig", "use": "sig"}), "ECDH-ES", "", 1},
		{"never with a signature's alg", setWith(t, p, m{"kid": "sig", "alg": "ES256"}), "ECDH-ES", "", 1},
		{"alg respected", setWith(t, p, m{"kid": "a", "use": "enc", "alg": "ECDH-ES+A128KW"}, other, m{"kid": "b", "use": "enc", "alg": "ECDH-ES"}), "ECDH-ES", "b", 0},
		{"alg of no use to us", setWith(t, r, m{"kid": "a", "use": "enc", "alg": "RSA1_5"}), "RSA-OAEP", "", 0},
		{"first of equals", setWith(t, p, m{"kid": "a", "use": "enc"}, other, m{"kid": "b", "use": "enc"}), "ECDH-ES", "a", 0},
		{"key_ops to derive", setWith(t, p, m{"kid": "a", "key_ops": []string{"deriveKey"}}), "ECDH-ES", "a", 0},
		{"key_ops of Web Crypto", setWith(t, p, m{"kid": "a", "key_ops": []string{}}), "ECDH-ES", "a", 0},
		{"key_ops to verify", setWith(t, p, m{"kid": "a", "key_ops": []string{"verify"}}), "ECDH-ES", "", 1},
		{"key_ops to wrap", setWith(t, r, m{"kid": "a", "key_ops": []string{"wrapKey"}}), "RSA-OAEP-256", "a", 0},
		{"key_ops that an RSA key needs", setWith(t, r, m{"kid": "a", "key_ops": []string{}}), "RSA-OAEP", "", 0},
		{"use and key_ops at odds", setWith(t, p, m{"kid": "a", "use": "enc", "key_ops": []string{"verify"}}), "ECDH-ES", "", 0},
		{"no set", nil, "ECDH-ES", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := tt.set.Encrypt(tt.alg, "A256GCM", "", []byte("x"))
			if tt.want == "" {
				if !errors.Is(err, ErrNoKey) || tt.set.HasEncryption(tt.alg) {
					t.Fatalf("%v; want ErrNoKey", err)
				}
			} else if err != nil || headerOf(t, token)["kid"] != tt.want || headerOf(t, token)["cty"] != nil {
				t.Fatalf("%v, header %v; want %s", err, headerOf(t, token), tt.want)
			}
			if tt.set != nil && tt.set.Len() != tt.verify {
				t.Errorf("%d keys verify; want %d", tt.set.Len(), tt.verify)
			}
		})
	}
}

// A key for encryption verifies nothing, whatever it signed.
func TestEncryptionKeysDoNotVerify(t *testing.T) {
	k := newKey(t, ES256)
	token, err := SignWith(t.Context(), k, "JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for use, want := range map[string]error{"enc": ErrNoKey, "sig": nil} {
		set := setWith(t, k.Public(), map[string]any{"kid": k.ID(), "use": use})
		if _, err := set.Verify(token, Expect{Algs: ourAlgs, Typ: []string{AnyTyp}}); !errors.Is(err, want) {
			t.Errorf("use %s: %v; want %v", use, err, want)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	set := setWith(t, encKeys(t)["RSA"], map[string]any{})
	for _, alg := range []string{"RSA1_5", "dir", "A128KW", "PBES2-HS256+A128KW", "A128GCMKW", "none", "", "RSA-OAEP-512", "ECDH-ES+A192KW"} {
		if _, err := set.Encrypt(alg, "A128GCM", "", nil); !errors.Is(err, ErrRefused) {
			t.Errorf("alg %q: %v", alg, err)
		}
	}
	for _, enc := range []string{"", "none", "A192GCM", "A192CBC-HS384", "XC20P"} {
		if _, err := set.Encrypt("RSA-OAEP", enc, "", nil); !errors.Is(err, ErrRefused) {
			t.Errorf("enc %q: %v", enc, err)
		}
	}
}

// Sets with keys that would break the encryption are refused whole, as they are for signatures.
func TestUnfitEncryptionKeys(t *testing.T) {
	zero := strings.Repeat("A", 43)
	for name, text := range map[string]string{
		"off P-256":      fmt.Sprintf(`{"kty":"EC","crv":"P-256","use":"enc","x":%q,"y":%q}`, zero, zero),
		"off P-384":      fmt.Sprintf(`{"kty":"EC","crv":"P-384","x":%q,"y":%q}`, strings.Repeat("A", 64), strings.Repeat("A", 64)),
		"short X25519":   `{"kty":"OKP","crv":"X25519","use":"enc","x":"AAAA"}`,
		"RSA of 8 bits":  `{"kty":"RSA","use":"enc","n":"_w","e":"AQAB"}`,
		"private X25519": fmt.Sprintf(`{"kty":"OKP","crv":"X25519","x":%q,"d":%q}`, zero, zero),
	} {
		if s, err := ParseSet([]byte(`{"keys":[` + text + `]}`)); err == nil {
			t.Errorf("%s: taken, %d and %d keys", name, len(s.keys), len(s.enc))
		}
	}
	// A point of low order leaves no secret to agree on: found when it is used.
	s, err := ParseSet([]byte(`{"keys":[{"kty":"OKP","crv":"X25519","x":"` + zero + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if token, err := s.Encrypt("ECDH-ES", "A128GCM", "", []byte("secret")); err == nil {
		t.Errorf("encrypted to a point of low order: %s", token)
	}
}
