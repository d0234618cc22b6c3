package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/postern-id/postern/keys"
)

var claims = []byte(`{"iss":"https://id.example","sub":"0196f2d4c0a87c1e","aud":["https://api.example"],"client_id":"app1","scope":"openid profile","iat":1772366400,"exp":1772366700,"jti":"b1d0a3f5e6c7","acr":"phr","auth_time":1772366390,"sid":"s-7f0c"}`)

func benchRing(b *testing.B) *keys.Ring {
	c := newClock()
	db := open(b, c.Now)
	return newRing(b, db, newSealer(b, db, c.Now, newMaster(b)), c.Now, keys.ES256, keys.EdDSA, keys.RS256, keys.PS256)
}

func BenchmarkSign(b *testing.B) {
	r := benchRing(b)
	for _, alg := range r.Algs() {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(ctx, alg, "at+jwt", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("raw ecdsa", func(b *testing.B) {
		priv, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		digest := sha256.Sum256(claims)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ecdsa.SignASN1(rand.Reader, priv, digest[:])
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := benchRing(b)
	for _, alg := range r.Algs() {
		token, _ := r.Sign(ctx, alg, "at+jwt", claims)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Verify(token, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	priv, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	digest := sha256.Sum256(claims)
	sig, _ := ecdsa.SignASN1(rand.Reader, priv, digest[:])
	b.Run("raw ecdsa", func(b *testing.B) {
		for b.Loop() {
			_ = ecdsa.VerifyASN1(&priv.PublicKey, digest[:], sig)
		}
	})
	body, _ := r.JWKS()
	set, _ := jwk.Parse(body)
	token, _ := r.Sign(ctx, keys.ES256, "at+jwt", claims)
	b.Run("jwx ES256 key set", func(b *testing.B) {
		for b.Loop() {
			if _, err := jws.Verify([]byte(token), jws.WithKeySet(set)); err != nil {
				b.Fatal(err)
			}
		}
	})
	first, _ := set.Key(0)
	b.Run("jwx ES256 key", func(b *testing.B) {
		for b.Loop() {
			if _, err := jws.Verify([]byte(token), jws.WithKey(jwa.ES256, first)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSealer(b *testing.B) {
	c := newClock()
	s := newSealer(b, open(b, c.Now), c.Now, newMaster(b))
	sealed, _ := s.Seal("totp", claims[:64])
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Seal("totp", claims[:64])
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Open("totp", sealed)
		}
	})
	b.Run("derive", func(b *testing.B) {
		for b.Loop() {
			_ = s.Derive("csrf")
		}
	})
}
