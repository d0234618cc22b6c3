package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// bareJWK is the public half of k with the members of RFC 7638 §3.2 alone.
func bareJWK(t testing.TB, k Key) string {
	t.Helper()
	text, err := marshalJWK(k.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVerifyEmbedded(t *testing.T) {
	es, rs, other := newKey(t, ES256), newKey(t, RS256), newKey(t, ES256)
	expect := Expect{Algs: []string{ES256, RS256}, Typ: []string{"dbsc+jwt"}, MaxSize: 8 << 10}
	const body = `{"jti":"c"}`
	header := func(alg, typ, jwk string) string { return fmt.Sprintf(`{"typ":%q,"alg":%q,"jwk":%s}`, typ, alg, jwk) }
	private := func() string {
		priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := priv.Bytes()
		pub, _ := priv.PublicKey.Bytes()
		e := base64.RawURLEncoding.EncodeToString
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s","d":"%s"}`, e(pub[1:33]), e(pub[33:]), e(d))
	}()
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"ES256", forge(t, es, header("ES256", "dbsc+jwt", bareJWK(t, es)), body), nil},
		{"RS256", forge(t, rs, header("RS256", "dbsc+jwt", bareJWK(t, rs)), body), nil},
		{"a key with more members", forge(t, es, header("ES256", "dbsc+jwt", strings.Replace(bareJWK(t, es), "{", `{"key_ops":["verify"],"ext":true,"kid":"k",`, 1)), body), nil},
		{"another's key", forge(t, es, header("ES256", "dbsc+jwt", bareJWK(t, other)), body), ErrSignature},
		{"no key", forge(t, es, `{"typ":"dbsc+jwt","alg":"ES256"}`, body), ErrNoKey},
		{"a key that is text", forge(t, es, header("ES256", "dbsc+jwt", `"AA"`), body), ErrNoKey},
		{"a private key", forge(t, es, header("ES256", "dbsc+jwt", private), body), ErrNoKey},
		{"a symmetric key", forge(t, es, header("HS256", "dbsc+jwt", `{"kty":"oct","k":"AA"}`), body), ErrNoKey},
		{"a huge key", forge(t, es, header("ES256", "dbsc+jwt", strings.Replace(bareJWK(t, es), "{", `{"a":"`+strings.Repeat("x", maxEmbedded)+`",`, 1)), body), ErrNoKey},
		{"the alg of another type", forge(t, es, header("RS256", "dbsc+jwt", bareJWK(t, es)), body), ErrNoKey},
		{"none", forge(t, nil, header("none", "dbsc+jwt", bareJWK(t, es)), body), ErrRefused},
		{"PS256", forge(t, rs, header("PS256", "dbsc+jwt", bareJWK(t, rs)), body), ErrRefused},
		{"another typ", forge(t, es, header("ES256", "jwt", bareJWK(t, es)), body), ErrRefused},
		{"two keys", forge(t, es, `{"typ":"dbsc+jwt","alg":"ES256","jwk":`+bareJWK(t, other)+`,"jwk":`+bareJWK(t, es)+`}`, body), ErrMalformed},
		{"in another case", forge(t, es, `{"typ":"dbsc+jwt","alg":"ES256","JWK":`+bareJWK(t, es)+`}`, body), ErrNoKey},
		{"too large", forge(t, es, header("ES256", "dbsc+jwt", bareJWK(t, es)), `{"a":"`+strings.Repeat("x", 8<<10)+`"}`), ErrMalformed},
		{"empty", "", ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, own, err := VerifyEmbedded(tt.token, expect)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				if own.JWK != nil || own.Thumbprint != "" || v.Payload != nil {
					t.Error("a refused token gave something away")
				}
				return
			}
			k := es
			if v.Alg == RS256 {
				k = rs
			}
			if string(own.JWK) != bareJWK(t, k) || string(v.Payload) != body || own.Thumbprint != thumbprint7638(t, own.JWK) {
				t.Errorf("%+v of %s", own, v.Payload)
			}
		})
	}
}

// thumbprint7638 is computed by the letter of RFC 7638 §3: the required members, in their order, without white space.
func thumbprint7638(t *testing.T, jwk []byte) string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal(jwk, &m); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, m["crv"], m["x"], m["y"])
	if m["kty"] == "RSA" {
		text = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, m["e"], m["n"])
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func FuzzVerifyEmbedded(f *testing.F) {
	k := newKey(f, ES256)
	f.Add(forge(f, k, `{"typ":"dbsc+jwt","alg":"ES256","jwk":`+bareJWK(f, k)+`}`, `{"jti":"c"}`))
	f.Add(forge(f, nil, `{"typ":"dbsc+jwt","alg":"none","jwk":{}}`, `{}`))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		_, own, err := VerifyEmbedded(token, Expect{Algs: []string{ES256, RS256}, Typ: []string{"dbsc+jwt"}, MaxSize: 8 << 10})
		if err == nil && (len(own.Thumbprint) != 43 || len(own.JWK) == 0) {
			t.Fatalf("%+v", own)
		}
	})
}

func BenchmarkVerifyEmbedded(b *testing.B) {
	for _, alg := range []string{ES256, RS256} {
		b.Run(alg, func(b *testing.B) {
			k := newKey(b, alg)
			token := forge(b, k, `{"typ":"dbsc+jwt","alg":"`+alg+`","jwk":`+bareJWK(b, k)+`}`, `{"jti":"c"}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := VerifyEmbedded(token, Expect{Algs: []string{alg}, Typ: []string{"dbsc+jwt"}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
