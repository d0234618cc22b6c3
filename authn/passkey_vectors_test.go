package authn

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
)

type unhex []byte

func (h *unhex) UnmarshalText(t []byte) (err error) {
	*h, err = hex.DecodeString(string(t))
	return err
}

type vector struct {
	ID           string
	Registration struct {
		Challenge, ClientDataJSON, AttestationObject unhex
		CredentialID                                 unhex `json:"credential_id"`
	}
	Authentication struct{ Challenge, ClientDataJSON, AuthenticatorData, Signature unhex }
}

func vectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/webauthn-l3/webauthn-l3-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Vectors []vector }
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f.Vectors
}

func credentialJSON(id []byte, response map[string][]byte) []byte {
	text := map[string]string{}
	for k, v := range response {
		text[k] = base64.RawURLEncoding.EncodeToString(v)
	}
	b64id := base64.RawURLEncoding.EncodeToString(id)
	b, _ := json.Marshal(map[string]any{ // strings always marshal
		"id": b64id, "rawId": b64id, "type": "public-key", "clientExtensionResults": map[string]any{}, "response": text,
	})
	return b
}

// refusedVectors are those of WebAuthn L3 §16 that are not accepted, with the code in the trail and why.
var refusedVectors = map[string]struct{ code, why string }{
	"packed-es384":      {"algorithm", "ES384 is not among the three algorithms that we offer"},
	"packed-es512":      {"algorithm", "ES512 is not among the three algorithms that we offer"},
	"packed-ed448":      {"key", "no Ed448 in Go or in the library; we do not offer it"},
	"tpm-es256":         {"attestation", "the TPM's manufacturer in the vector is not one of the TCG's register"},
	"android-key-es256": {"attestation", "the vector's chain does not end in a root of Google, which the library demands"},
	"apple-es256":       {"attestation", "the vector's chain does not end in the root of Apple, which the library demands"},
}

// The test vectors of WebAuthn L3 §16.
func TestVectors(t *testing.T) {
	s := &Service{policy: Policy{Passkey: PasskeyPolicy{
		RPID: "example.org", Origins: []string{"https://example.org"}, TopOrigins: []string{"https://example.com"}, OptionalUV: true,
	}}}
	if err := s.policy.Passkey.complete(); err != nil {
		t.Fatal(err)
	}
	list := vectors(t)
	if len(list) != 15 {
		t.Fatalf("%d vectors", len(list))
	}
	for _, v := range list {
		t.Run(v.ID, func(t *testing.T) {
			reg, get := v.Registration, v.Authentication
			// The vectors set neither presence nor verification throughout: what a conditional creation allows.
			p, err := s.attestation(ceremony{Create: true, Conditional: true, Challenge: b64(reg.Challenge), User: "u"},
				credentialJSON(reg.CredentialID, map[string][]byte{"clientDataJSON": reg.ClientDataJSON, "attestationObject": reg.AttestationObject}))
			if no, ok := refusedVectors[v.ID]; ok {
				if r, _ := errors.AsType[refusal](err); r.code != no.code {
					t.Errorf("%v, want %q: %s", err, no.code, no.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			in, err := protocol.ParseCredentialRequestResponseBytes(credentialJSON(p.ID, map[string][]byte{
				"clientDataJSON": get.ClientDataJSON, "authenticatorData": get.AuthenticatorData, "signature": get.Signature,
			}))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.verifyAssertion(ceremony{Challenge: b64(get.Challenge)}, p, in); err != nil {
				t.Errorf("assertion: %v", err)
			}
			in.Response.Signature[len(in.Response.Signature)-1] ^= 1
			if err := s.verifyAssertion(ceremony{Challenge: b64(get.Challenge)}, p, in); err == nil {
				t.Error("an altered signature was accepted")
			}
		})
	}
}

// Each encoding in lowOrder is that of a point whose eightfold is neutral, and all of these points are in it.
// RFC 8032 §5.1.4 (addition).
func TestLowOrder(t *testing.T) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d := new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), p))
	mul := func(a, b *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Mul(a, b), p) }
	one := big.NewInt(1)
	inv := func(a *big.Int) *big.Int { return new(big.Int).ModInverse(new(big.Int).Mod(a, p), p) }
	canonical := 0
	for _, text := range lowOrder {
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != 32 || !weakEd25519(raw) {
			t.Fatalf("%s: %v", text, err)
		}
		raw[31] |= 0x80
		if !weakEd25519(raw) {
			t.Errorf("%s with the other sign is taken", text)
		}
		raw[31] &= 0x7f
		be := make([]byte, 32)
		for i := range raw {
			be[31-i] = raw[i]
		}
		y := new(big.Int).SetBytes(be)
		if y.Cmp(p) < 0 {
			canonical++
		}
		y.Mod(y, p)
		yy := mul(y, y)
		x := new(big.Int).ModSqrt(mul(new(big.Int).Sub(yy, one), inv(new(big.Int).Add(mul(new(big.Int).Mod(d, p), yy), one))), p)
		if x == nil {
			t.Fatalf("%s is no point", text)
		}
		for range 3 {
			k := mul(new(big.Int).Mod(d, p), mul(mul(x, x), mul(y, y)))
			nx := mul(mul(big.NewInt(2), mul(x, y)), inv(new(big.Int).Add(one, k)))
			ny := mul(new(big.Int).Add(mul(y, y), mul(x, x)), inv(new(big.Int).Sub(one, k)))
			x, y = nx, ny
		}
		if x.Sign() != 0 || y.Cmp(one) != 0 {
			t.Errorf("%s: eight times it is not neutral", text)
		}
	}
	if canonical != 5 { // y of the eight points: 0, 1, -1, and two of order eight
		t.Errorf("%d canonical encodings, want 5", canonical)
	}
}

func FuzzAssertion(f *testing.F) {
	s := &Service{policy: Policy{Passkey: PasskeyPolicy{RPID: "example.org", Origins: []string{"https://example.org"}}}}
	for _, v := range vectors(f) {
		f.Add(credentialJSON(v.Registration.CredentialID, map[string][]byte{
			"clientDataJSON": v.Authentication.ClientDataJSON, "authenticatorData": v.Authentication.AuthenticatorData, "signature": v.Authentication.Signature,
		}))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		in, err := protocol.ParseCredentialRequestResponseBytes(response)
		if err != nil {
			return
		}
		if s.verifyAssertion(ceremony{Challenge: make(b64, 32)}, Passkey{PublicKey: response}, in) == nil {
			t.Error("accepted")
		}
	})
}

func FuzzAttestation(f *testing.F) {
	s := &Service{policy: Policy{Passkey: PasskeyPolicy{RPID: "example.org", Origins: []string{"https://example.org"}}}}
	for _, v := range vectors(f) {
		f.Add(v.Registration.AttestationObject.bytes(), v.Registration.ClientDataJSON.bytes(), v.Registration.CredentialID.bytes())
	}
	f.Fuzz(func(t *testing.T, object, client, id []byte) {
		response := credentialJSON(id, map[string][]byte{"clientDataJSON": client, "attestationObject": object})
		// The challenge is taken from what came, so that the parsers behind it are reached.
		var d struct{ Challenge b64 }
		_ = json.Unmarshal(client, &d)
		p, err := s.attestation(ceremony{Create: true, Conditional: true, Challenge: d.Challenge}, response)
		if err == nil && (len(p.ID) == 0 || len(p.ID) > maxCredentialID || len(p.PublicKey) == 0) {
			t.Errorf("accepted %+v", p)
		}
		_, _ = s.attestation(ceremony{}, object)
		_, _ = checkKey(object, nil)
	})
}

func (h unhex) bytes() []byte { return h }

func FuzzMetadataBlob(f *testing.F) {
	f.Add([]byte(`{"no":1,"nextUpdate":"2026-01-01","entries":[{"aaguid":"00000000-0000-0000-0000-000000000001","timeOfLastStatusChange":"2026-01-01","metadataStatement":{"attestationRootCertificates":[""]}}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if b, err := parseBlob(payload, 0); err == nil && b.number <= 0 {
			t.Error("a blob without a number")
		}
	})
}
