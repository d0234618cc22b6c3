package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// forge builds a token with exactly this header and payload, signed by k over them; k nil leaves the signature empty.
func forge(t testing.TB, k Key, header, payload string) string {
	t.Helper()
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload))
	if k == nil {
		return input + "."
	}
	sig, err := k.Sign(t.Context(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + enc.EncodeToString(sig)
}

func newKey(t testing.TB, alg string) Key {
	t.Helper()
	k, err := Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func setOf(t testing.TB, ks ...Key) (*Set, []byte) {
	t.Helper()
	var list []json.RawMessage
	for _, k := range ks {
		text, err := PublicJWK(k)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return s, text
}

// TestAttacksOnTokens names the rows of the attack list that live in this package: B1 to B3 (request objects), C11 (client
// assertions), D7 (access tokens).
func TestAttacksOnTokens(t *testing.T) {
	ours, other, rs := newKey(t, ES256), newKey(t, ES256), newKey(t, RS256)
	set, text := setOf(t, ours, rs)
	kid := ours.ID()
	hs := func(secret []byte) string {
		enc := base64.RawURLEncoding
		input := enc.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q}`, kid)) + "." + enc.EncodeToString([]byte(`{"sub":"ann"}`))
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return input + "." + enc.EncodeToString(m.Sum(nil))
	}
	der, _ := x509.MarshalPKIXPublicKey(ours.Public())
	otherJWK, _ := PublicJWK(other)
	good := forge(t, ours, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, kid), `{"sub":"ann"}`)
	e := Expect{Algs: []string{ES256, EdDSA}, Typ: []string{"", "JWT"}}
	if _, err := set.Verify(good, e); err != nil {
		t.Fatal(err)
	}
	all := append([]string{"none", "HS256", "PBES2-HS512+A256KW", ""}, ourAlgs...) // as a careless caller might
	with := func(more string) string {
		return forge(t, ours, fmt.Sprintf(`{"alg":"ES256","kid":%q,%s}`, kid, more), `{"sub":"ann"}`)
	}
	tests := []struct {
		name, token string
		expect      Expect
		want        error
	}{
		{"B1 alg none", forge(t, nil, `{"alg":"none"}`, `{"sub":"ann"}`), e, ErrRefused},
		{"B1 alg none, expected by mistake", forge(t, nil, `{"alg":"none"}`, `{"sub":"ann"}`), Expect{Algs: all, Typ: []string{""}}, ErrNoKey},
		{"B1 alg None", forge(t, nil, `{"alg":"None"}`, `{"sub":"ann"}`), e, ErrRefused},
		{"B1 alg RS256 where it is not registered", forge(t, rs, fmt.Sprintf(`{"alg":"RS256","kid":%q}`, rs.ID()), `{}`), e, ErrRefused},
		{"B1 no alg", forge(t, ours, `{}`, `{}`), e, ErrRefused},
		{"B1 no alg, expected by mistake", forge(t, ours, `{}`, `{}`), Expect{Algs: all, Typ: []string{""}}, ErrNoKey},
		{"B1 alg in another case", forge(t, ours, `{"alg":"es256"}`, `{}`), e, ErrRefused},
		{"B1 alg is no string", forge(t, ours, `{"alg":["ES256"]}`, `{}`), e, ErrRefused},
		{"B2 HS256 keyed with the public key in DER", hs(der), Expect{Algs: all, Typ: []string{""}}, ErrNoKey},
		{"B2 HS256 keyed with the public key in PEM", hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), Expect{Algs: all, Typ: []string{""}}, ErrNoKey},
		{"B2 HS256 keyed with the key set", hs(text), e, ErrRefused},
		{"B3 signed by another client's key", forge(t, other, `{"alg":"ES256"}`, `{"sub":"ann"}`), e, ErrSignature},
		{"B3 by another key, under our kid", forge(t, other, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, kid), `{"sub":"ann"}`), e, ErrSignature},
		{"B3 by another key, under its own kid", forge(t, other, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, other.ID()), `{"sub":"ann"}`), e, ErrNoKey},
		{"B3 payload exchanged", swapPayload(good, `{"sub":"bob"}`), e, ErrSignature},
		{"B3 no signature", good[:strings.LastIndex(good, ".")+1], e, ErrSignature},
		{"B3 signature of zeroes", good[:strings.LastIndex(good, ".")+1] + strings.Repeat("A", 86), e, ErrSignature},
		{"B3 signature in ASN.1", asn1Signature(t, ours, good), e, ErrSignature},
		{"B3 ES256 under the kid of the RSA key", forge(t, ours, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, rs.ID()), `{}`), e, ErrNoKey},
		{"B3 PS256 by a key whose alg is RS256", forge(t, rs, `{"alg":"PS256"}`, `{}`), Expect{Algs: ourAlgs, Typ: []string{""}}, ErrNoKey},
		{"C11 embedded jwk", forge(t, other, fmt.Sprintf(`{"alg":"ES256","jwk":%s}`, otherJWK), `{}`), e, ErrSignature},
		{"C11 jku", forge(t, other, `{"alg":"ES256","jku":"https://evil.example/jwks"}`, `{}`), e, ErrSignature},
		{"C11 x5u and x5c", forge(t, other, `{"alg":"ES256","x5u":"https://evil.example/c","x5c":["MIIB"]}`, `{}`), e, ErrSignature},
		{"C11 D7 kid traversal", forge(t, ours, `{"alg":"ES256","kid":"../../dev/null"}`, `{}`), e, ErrNoKey},
		{"C11 D7 kid as SQL", forge(t, ours, `{"alg":"ES256","kid":"' OR 1=1 --"}`, `{}`), e, ErrNoKey},
		{"C11 empty kid", forge(t, ours, `{"alg":"ES256","kid":""}`, `{}`), e, ErrNoKey},
		{"C11 kid null", forge(t, ours, `{"alg":"ES256","kid":null}`, `{}`), e, ErrRefused},
		{"C11 kid of 300 bytes", forge(t, ours, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, strings.Repeat("k", 300)), `{}`), e, ErrRefused},
		{"D7 unknown crit", with(`"crit":["exp"],"exp":1`), e, ErrRefused},
		{"D7 empty crit", with(`"crit":[]`), e, ErrRefused},
		{"D7 b64 false", with(`"b64":false,"crit":["b64"]`), e, ErrRefused},
		{"D7 b64 false without crit", with(`"b64":false`), e, ErrRefused},
		{"D7 zip", with(`"zip":"DEF"`), e, ErrRefused},
		{"D7 PBES2 with a huge count", forge(t, ours, `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"p2s":"AAAA"}`, `{}`), Expect{Algs: all, Typ: []string{""}}, ErrRefused},
		{"D7 a JWE", "e30.e30.e30.e30.e30", e, ErrMalformed},
		{"D7 duplicate alg", forge(t, ours, `{"alg":"none","alg":"ES256"}`, `{}`), e, ErrMalformed},
		{"D7 duplicate alg by escape", forge(t, ours, `{"alg":"none","\u0061lg":"ES256"}`, `{}`), e, ErrMalformed},
		{"D7 duplicate claim", forge(t, ours, `{"alg":"ES256"}`, `{"sub":"ann","sub":"bob"}`), e, ErrMalformed},
		{"D7 duplicate claim, nested", forge(t, ours, `{"alg":"ES256"}`, `{"act":[{"sub":"ann","x":{},"sub":"bob"}]}`), e, ErrMalformed},
		{"D7 the name Alg", forge(t, ours, `{"Alg":"ES256"}`, `{}`), e, ErrRefused},
		{"D7 payload is no object", forge(t, ours, `{"alg":"ES256"}`, `["ann"]`), e, ErrMalformed},
		{"D7 payload with a tail", forge(t, ours, `{"alg":"ES256"}`, `{} {}`), e, ErrMalformed},
		{"D7 invalid UTF-8", forge(t, ours, `{"alg":"ES256"}`, "{\"sub\":\"\xff\"}"), e, ErrMalformed},
		{"D7 nested too deep", forge(t, ours, `{"alg":"ES256"}`, `{"a":`+strings.Repeat("[", 60)+strings.Repeat("]", 60)+`}`), e, ErrMalformed},
		{"D7 a megabyte of dots", strings.Repeat(".", 1<<20), e, ErrMalformed},
		{"D7 a megabyte of dots, allowed", strings.Repeat(".", 1<<20), Expect{Algs: e.Algs, Typ: e.Typ, MaxSize: 2 << 20}, ErrMalformed},
		{"D7 a megabyte", good + strings.Repeat("A", 1<<20), e, ErrMalformed},
		{"D7 empty", "", e, ErrMalformed},
		{"D7 one dot", "e30.e30", e, ErrMalformed},
		{"D7 padding", good + "==", e, ErrMalformed},
		{"D7 line break", good[:20] + "\n" + good[20:], e, ErrMalformed},
		{"D7 space", " " + good, e, ErrMalformed},
		{"D7 spare bits", spareBits(good), e, ErrMalformed},
		{"D7 standard alphabet", "+" + good, e, ErrMalformed},
		{"D7 typ of another kind", forge(t, ours, `{"alg":"ES256","typ":"logout+jwt"}`, `{}`), e, ErrRefused},
		{"D7 typ is no string", forge(t, ours, `{"alg":"ES256","typ":1}`, `{}`), e, ErrRefused},
		{"D7 nothing expected", good, Expect{}, ErrRefused},
		{"D7 no typ expected", good, Expect{Algs: []string{ES256}}, ErrRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			got, err := set.Verify(tt.token, tt.expect)
			if !errors.Is(err, tt.want) || got.Payload != nil {
				t.Errorf("%+v, %v; want %v", got, err, tt.want)
			}
			if d := time.Since(start); d > 100*time.Millisecond {
				t.Errorf("took %v", d)
			}
		})
	}
}

func swapPayload(token, payload string) string {
	part := strings.Split(token, ".")
	part[1] = base64.RawURLEncoding.EncodeToString([]byte(payload))
	return strings.Join(part, ".")
}

func asn1Signature(t *testing.T, k Key, token string) string {
	input := token[:strings.LastIndex(token, ".")]
	digest := sha256.Sum256([]byte(input))
	der, err := k.(*softKey).priv.Sign(rand.Reader, digest[:], nil)
	if err != nil {
		// Sign wants the hash's name
		der, err = ecdsa.SignASN1(rand.Reader, k.(*softKey).priv.(*ecdsa.PrivateKey), digest[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(der)
}

// spareBits spells the same signature with another last character: 64 bytes leave four bits over.
func spareBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last|1])
}

func TestAcceptsTokens(t *testing.T) {
	ec, ed, rs := newKey(t, ES256), newKey(t, EdDSA), newKey(t, RS256)
	set, _ := setOf(t, ec, ed, rs)
	anyTyp := Expect{Algs: ourAlgs, Typ: []string{AnyTyp}}
	for _, tt := range []struct {
		name, token string
		expect      Expect
		want        Verified
	}{
		{"without kid", forge(t, ec, `{"alg":"ES256"}`, `{}`), anyTyp, Verified{ES256, ec.ID(), "", []byte(`{}`)}},
		{"RFC 9864 §2.2 Ed25519", forge(t, ed, `{"alg":"Ed25519"}`, `{}`), Expect{Algs: []string{EdDSA}, Typ: []string{""}}, Verified{EdDSA, ed.ID(), "", []byte(`{}`)}},
		{"RFC 9864 §2.2 Ed25519 expected", forge(t, ed, `{"alg":"EdDSA"}`, `{}`), Expect{Algs: []string{"Ed25519"}, Typ: []string{""}}, Verified{EdDSA, ed.ID(), "", []byte(`{}`)}},
		{"typ with application/", forge(t, rs, `{"alg":"RS256","typ":"application/at+JWT"}`, `{}`), Expect{Algs: []string{RS256}, Typ: []string{"at+jwt"}}, Verified{RS256, rs.ID(), "application/at+JWT", []byte(`{}`)}},
		{"unknown header parameters", forge(t, ec, `{"alg":"ES256","x":{"y":[1,"\"}",null,-1.5e3,true]},"":"" }`, ` { "a" : [ ] , "b" : { } } `), anyTyp, Verified{ES256, ec.ID(), "", []byte(` { "a" : [ ] , "b" : { } } `)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.Verify(tt.token, tt.expect)
			if err != nil || got.Alg != tt.want.Alg || got.KeyID != tt.want.KeyID || got.Typ != tt.want.Typ || !bytes.Equal(got.Payload, tt.want.Payload) {
				t.Errorf("%+v %v; want %+v", got, err, tt.want)
			}
			if h, payload, err := Peek(tt.token); err != nil || h.Typ != tt.want.Typ || !bytes.Equal(payload, tt.want.Payload) {
				t.Errorf("peek: %+v %s %v", h, payload, err)
			}
		})
	}
}

func TestKeySets(t *testing.T) {
	ec := newKey(t, ES256)
	good, _ := PublicJWK(ec)
	bend := func(f func(map[string]any)) string {
		m := map[string]any{}
		_ = json.Unmarshal(good, &m)
		f(m)
		text, _ := json.Marshal(m)
		return `{"keys":[` + string(text) + `]}`
	}
	set1 := func(name string, v any) string { return bend(func(m map[string]any) { m[name] = v }) }
	rsaJWK := func(bits, e int) string {
		n := bytes.Repeat([]byte{0xff}, bits/8) // need not be a product of primes
		return fmt.Sprintf(`{"keys":[{"kty":"RSA","n":%q,"e":%q}]}`, base64.RawURLEncoding.EncodeToString(n),
			base64.RawURLEncoding.EncodeToString([]byte{byte(e >> 16), byte(e >> 8), byte(e)}))
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	px, py := p384.X.Bytes(), p384.Y.Bytes()
	many := func(n int) string { return `{"keys":[` + strings.Repeat(string(good)+",", n-1) + string(good) + `]}` }
	for _, tt := range []struct {
		name, text string
		want       int // keys; -1: refused
	}{
		{"one", `{"keys":[` + string(good) + `]}`, 1},
		{"none", `{"keys":[]}`, 0},
		{"64", many(64), 64},
		{"D7 65", many(65), -1},
		{"D7 too long", `{"keys":[],"x":"` + strings.Repeat("x", maxSet) + `"}`, -1},
		{"no array", `{"keys":{}}`, -1},
		{"no keys", `{"Keys":[]}`, -1},
		{"a key is no object", `{"keys":[1]}`, -1},
		{"a key is null", `{"keys":[null]}`, -1},
		{"D13 private member", set1("d", "AAAA"), -1},
		{"D13 private member of no kind", set1("k", 1), -1},
		{"D13 symmetric", `{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}`, -1},
		{"D13 symmetric without key", `{"keys":[{"kty":"oct"}]}`, -1},
		{"duplicate member", `{"keys":[{"kty":"EC","kty":"oct"}]}`, -1},
		{"duplicate keys", `{"keys":[],"keys":[]}`, -1},
		{"point off the curve", set1("x", base64.RawURLEncoding.EncodeToString(make([]byte, 32))), -1},
		{"coordinate cut short", set1("x", "AAAA"), -1},
		{"coordinate is no base64", set1("y", "!"), -1},
		{"without y", bend(func(m map[string]any) { delete(m, "y") }), -1},
		{"long kid", set1("kid", strings.Repeat("k", 300)), -1},
		{"alg of another type", set1("alg", "RS256"), 0},
		{"alg HS256 on a public key", set1("alg", "HS256"), 0},
		{"for encryption", set1("use", "enc"), 0},
		{"key_ops without verify", set1("key_ops", []string{"encrypt"}), 0},
		{"key_ops with verify", set1("key_ops", []string{"verify"}), 1},
		{"another curve", fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-384","x":%q,"y":%q}]}`, base64.RawURLEncoding.EncodeToString(px), base64.RawURLEncoding.EncodeToString(py)), 0},
		{"unknown type", `{"keys":[{"kty":"AKP","pub":"AAAA"}]}`, 0},
		{"RSA of 2048 bits", rsaJWK(2048, 65537), 1},
		{"RSA of 1024 bits", rsaJWK(1024, 65537), -1},
		{"RSA with exponent 1", rsaJWK(2048, 1), -1},
		{"RSA with an even exponent", rsaJWK(2048, 65536), -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSet([]byte(tt.text))
			got := -1
			if err == nil {
				got = s.Len()
			}
			if got != tt.want {
				t.Errorf("%d keys, %v; want %d", got, err, tt.want)
			}
		})
	}
}

func TestKeySetRefusesHugeRSA(t *testing.T) {
	n := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 1025))
	if _, err := ParseSet(fmt.Appendf(nil, `{"keys":[{"kty":"RSA","n":%q,"e":"AQAB"}]}`, n)); err == nil {
		t.Error("accepted")
	}
}

// RFC 7638 §3.1, RFC 8037 §A.3.
func TestThumbprint(t *testing.T) {
	for _, tt := range []struct{ jwk, want string }{
		{`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		k, err := parseJWK([]byte(tt.jwk))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Thumbprint(k.pub); got != tt.want || err != nil {
			t.Errorf("%s %v; want %s", got, err, tt.want)
		}
	}
}
