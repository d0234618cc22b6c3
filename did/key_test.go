package did_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// Every kind of key verifies what it signed, under its own alg alone, and nothing else.
func TestKeyVerify(t *testing.T) {
	input := []byte("header.payload")
	digest := sha256.Sum256(input)
	type signed struct {
		key did.Key
		sig []byte
	}
	all := map[string]signed{}
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA"} {
		s := didtest.NewSigner(t, alg)
		all[alg] = signed{signerKey(t, s), s.Sign(input)}
	}
	private, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	compact := k1.SignCompact(private, digest[:], true)
	point := private.PubKey().SerializeUncompressed()
	jwk, _ := json.Marshal(claims{"kty": "EC", "crv": "secp256k1", "x": did.B64.EncodeToString(point[1:33]), "y": did.B64.EncodeToString(point[33:])})
	all["ES256K"] = signed{key(t, jwk), compact[1:]}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := did.NewKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	pkcs, _ := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, digest[:])
	pss, _ := rsa.SignPSS(rand.Reader, rsaKey, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	all["RS256"], all["PS256"] = signed{pub, pkcs}, signed{pub, pss}
	for alg, s := range all {
		if len(s.key.Thumbprint()) != 43 || !s.key.Equal(s.key) {
			t.Errorf("%s: thumbprint %q", alg, s.key.Thumbprint())
		}
		for _, other := range []string{"ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "RS256", "PS256", "none", "", "HS256", "ES256 "} {
			want := other == alg || alg == "EdDSA" && other == "Ed25519"
			if got := s.key.Verify(other, input, s.sig); got != want {
				t.Errorf("a signature of %s under %q: %v", alg, other, got)
			}
		}
		bad := append([]byte(nil), s.sig...)
		bad[len(bad)/2] ^= 1
		for what, sig := range map[string][]byte{"changed": bad, "nothing": nil, "cut": s.sig[1:], "longer": append(s.sig[:len(s.sig):len(s.sig)], 0), "zeros": make([]byte, len(s.sig))} {
			if s.key.Verify(alg, input, sig) {
				t.Errorf("%s: %s verifies", alg, what)
			}
		}
		if s.key.Verify(alg, []byte("other"), s.sig) {
			t.Errorf("%s verifies another input", alg)
		}
	}
	order, _ := new(big.Int).SetString("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16)
	s := all["ES256K"].sig
	beyond := append(append([]byte(nil), s[:32]...), new(big.Int).Add(order, big.NewInt(1)).FillBytes(make([]byte, 32))...)
	if all["ES256K"].key.Verify("ES256K", input, beyond) {
		t.Error("S beyond the order verifies")
	}
	if (did.Key{}).Verify("EdDSA", input, s) || (did.Key{}).Equal(did.Key{}) || (did.Key{}).Thumbprint() != "" {
		t.Error("the zero key is a key")
	}
	var m map[string]any
	if err := json.Unmarshal(jwk, &m); err != nil {
		t.Fatal(err)
	}
	m["alg"] = "ES256"
	only, _ := json.Marshal(m)
	if key(t, only).Verify("ES256K", input, s) {
		t.Error("a key verifies under another alg than its own")
	}
	if weak, err := did.ParseJWK([]byte(fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"Ag"}`, did.B64.EncodeToString(rsaKey.N.Bytes())))); err == nil {
		t.Error("an even exponent", weak.Curve())
	}
}
