package verify_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

// BenchmarkVerifyES256 is the hot path, beside its floor (one raw verification) and what jwx takes for the signature alone.
func BenchmarkVerifyES256(b *testing.B) {
	iss, rs, _ := setup(b)
	token := iss.AccessToken()
	mustVerify(b, rs, token)
	pub := iss.Key().Private.Public().(*ecdsa.PublicKey)
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := rs.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		i := strings.LastIndexByte(token, '.')
		sum := sha256.Sum256([]byte(token[:i]))
		sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
		if err != nil {
			b.Fatal(err)
		}
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		for b.Loop() {
			if !ecdsa.Verify(pub, sum[:], r, s) {
				b.Fatal("bad")
			}
		}
	})
	b.Run("jwx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jws.Verify([]byte(token), jws.WithKey(jwa.ES256, pub)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Only what the issuer signed, byte for byte, is ever accepted.
func FuzzVerify(f *testing.F) {
	iss, rs, _ := setup(f)
	good := iss.AccessToken()
	parts := strings.Split(good, ".")
	for _, s := range []string{good, iss.IDToken(), iss.AccessToken(verifytest.Header("crit", []string{"x"})), "..", "a.b.c",
		parts[0] + "." + parts[1] + ".", "e30." + parts[1] + "." + parts[2], strings.Repeat(".", 100), "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := rs.Verify(t.Context(), token)
		if err == nil && token != good {
			t.Fatalf("accepted %q", token)
		}
		if err != nil && !errors.Is(err, verify.ErrInvalid) {
			t.Fatalf("%q: %v", token, err)
		}
	})
}

// Claims and headers of any bytes under a right signature cause no panic.
func FuzzSignedBytes(f *testing.F) {
	iss, rs, _ := setup(f)
	header := []byte(`{"alg":"ES256","typ":"at+jwt","kid":"key-1"}`)
	f.Add(header, []byte(`{"iss":"x","aud":["y"],"exp":1e9,"scope":"a b"}`))
	f.Add(header, []byte(`{"aud":null,"exp":-0,"amr":[[]]}`))
	f.Add([]byte(`{"alg":"ES256","typ":"at+jwt"}`), []byte(`{"a":{"b":[{"c":1}]}}`))
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		token, err := iss.Key().Sign(header, claims)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rs.Verify(t.Context(), token); err != nil && !errors.Is(err, verify.ErrInvalid) {
			t.Fatal(err)
		}
	})
}

func FuzzParseKeySet(f *testing.F) {
	for _, s := range keySets {
		f.Add([]byte(s.json))
	}
	f.Fuzz(func(t *testing.T, b []byte) { verify.ParseKeySet(b) })
}

// What can be read can be written and read again.
func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer error="invalid_token", scope="a b", max_age="300", acr_values="x"`)
	f.Add(`Bearer`)
	f.Add(`bearer a=b,c="d\"e"`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := verify.ParseChallenge(s)
		if err != nil {
			return
		}
		again, err := verify.ParseChallenge(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q → %q → %q, %v", s, c.String(), again.String(), err)
		}
	})
}
