package attacks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func dec(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return string(b)
}

func hs256(header, claims map[string]any, key []byte) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	input := enc(string(h)) + "." + enc(string(c))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// jwkOf is the attacker's own public key.
func jwkOf(t testing.TB) string {
	t.Helper()
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(harness.PublicJWKS(otherKey, "evil", "ES256")), &set); err != nil {
		t.Fatal(err)
	}
	return string(set.Keys[0])
}

// publicKeys are the server's public key in the shapes in which libraries have mistaken one for an HMAC key.
func publicKeys(t testing.TB, token string) map[string][]byte {
	t.Helper()
	jwks, err := plain().Get("/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(jwks.Body), &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("%v: %s", err, jwks.Body)
	}
	var k struct{ X, Y string }
	_ = json.Unmarshal(set.Keys[0], &k)
	point := append([]byte{4}, append([]byte(dec(k.X)), []byte(dec(k.Y))...)...)
	return map[string][]byte{"the JWK": set.Keys[0], "the point": point, "x": []byte(dec(k.X)), "the set": []byte(jwks.Body), "nothing": {}}
}

// lowS returns the other signature that fits the same text: (r, n-s). It is genuine by ECDSA, so it is no forgery, but a
// server must not take the two spellings for two tokens.
func otherSignature(sig []byte) []byte {
	n := otherKey.Params().N
	s := new(big.Int).SetBytes(sig[32:])
	out := append([]byte{}, sig[:32]...)
	return append(out, new(big.Int).Sub(n, s).FillBytes(make([]byte, 32))...)
}
