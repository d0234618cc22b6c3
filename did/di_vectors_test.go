package did_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
)

const (
	examplesV2  = "https://www.w3.org/ns/credentials/examples/v2"
	citizenship = "https://w3id.org/citizenship/v4rc1"
)

func TestMain(m *testing.M) {
	text, err := os.ReadFile("testdata/citizenship/terms.jsonld")
	if err != nil {
		panic(err)
	}
	did.PinContext(citizenship, text)
	os.Exit(m.Run())
}

// multikeys are all public keys of a vector file.
func multikeys(t testing.TB, name string) (out []did.Key) {
	t.Helper()
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, item := range v {
				if s, ok := item.(string); ok && name == "publicKeyMultibase" {
					k, err := did.ParseMultikey(s)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, k)
				} else {
					walk(item)
				}
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	var v any
	decode(t, name, &v)
	walk(v)
	if len(out) == 0 {
		t.Fatal(name, "has no key")
	}
	return out
}

// diVector is a published credential, and the key that made its proofs.
type diVector struct {
	file, keys string
	canon      string // the published canonical N-Quads of the document; "" of a suite over JSON
	options    string // of the proof's options
}

const eddsa, ecdsa2019 = "vc-di-eddsa/TestVectors/", "vc-di-ecdsa/TestVectors/"

var diVectors = []diVector{
	{eddsa + "eddsa-rdfc-2022/signedDataInt.json", eddsa + "keyPair.json", "canonDocDataInt.txt", "DataInt"},
	{eddsa + "eddsa-rdfc-2022/employ/signedDataInt.json", eddsa + "keyPair.json", "canonDocDataInt.txt", "DataInt"},
	{eddsa + "eddsa-jcs-2022/signedJCS.json", eddsa + "keyPair.json", "", ""},
	{eddsa + "Ed25519Signature2020/signedEdSig.json", eddsa + "keyPair.json", "canonDocEdSig.txt", "EdSig"},
	{eddsa + "proof-set-chain/signedProofSet1.json", eddsa + "proof-set-chain/multiKeyPairs.json", "", ""},
	{eddsa + "proof-set-chain/signedProofSet2.json", eddsa + "proof-set-chain/multiKeyPairs.json", "", ""},
	{eddsa + "proof-set-chain/signedProofChain1.json", eddsa + "proof-set-chain/multiKeyPairs.json", "", ""},
	{eddsa + "proof-set-chain/signedProofChain2.json", eddsa + "proof-set-chain/multiKeyPairs.json", "", ""},
	{ecdsa2019 + "ecdsa-rdfc-2019-p256/signedECDSAP256.json", ecdsa2019 + "p256KeyPair.json", "canonDocECDSAP256.txt", "ECDSAP256"},
	{ecdsa2019 + "ecdsa-rdfc-2019-p256/employ/signedECDSAP256.json", ecdsa2019 + "p256KeyPair.json", "canonDocECDSAP256.txt", "ECDSAP256"},
	{ecdsa2019 + "ecdsa-rdfc-2019-p384/signedECDSAP384.json", ecdsa2019 + "p384KeyPair.json", "canonDocECDSAP384.txt", "ECDSAP384"},
	{ecdsa2019 + "ecdsa-rdfc-2019-p384/employ/signedECDSAP384.json", ecdsa2019 + "p384KeyPair.json", "canonDocECDSAP384.txt", "ECDSAP384"},
	{ecdsa2019 + "ecdsa-jcs-2019-p256/signedJCSECDSAP256.json", ecdsa2019 + "p256KeyPair.json", "", ""},
	{ecdsa2019 + "ecdsa-jcs-2019-p384/signedJCSECDSAP384.json", ecdsa2019 + "p384KeyPair.json", "", ""},
	{ecdsa2019 + "ecdsa-sd-2023/employ/derivedRevealDocument.json", ecdsa2019 + "p256KeyPair.json", "", ""},
	{ecdsa2019 + "ecdsa-sd-2023/prc/derivedRevealDocument.json", ecdsa2019 + "p256KeyPair.json", "", ""},
}

// A base proof is the holder's: whoever shows it shows everything, and no verifier takes it.
func TestBaseProofsAreRefused(t *testing.T) {
	j := judge(time.Date(2024, 12, 24, 0, 0, 0, 0, time.UTC))
	for _, name := range []string{"employ", "prc"} {
		v := diVector{file: ecdsa2019 + "ecdsa-sd-2023/" + name + "/addSignedSDBase.json", keys: ecdsa2019 + "p256KeyPair.json"}
		var doc map[string]any
		decode(t, v.file, &doc)
		err := j.Verify(t.Context(), read(t, v.file), v.policy(t, doc)).Failed()
		if err == nil || !strings.Contains(err.Error(), "base proof") {
			t.Error(err)
		}
	}
}

func (v diVector) policy(t testing.TB, doc map[string]any) did.Policy {
	issuer, ok := doc["issuer"].(string)
	if !ok {
		issuer = doc["issuer"].(map[string]any)["id"].(string)
	}
	keys := multikeys(t, v.keys)
	return did.Policy{Trust: did.Trust{Issuers: []string{issuer}}, Keys: map[string][]did.Key{issuer: keys}, Contexts: []string{examplesV2, citizenship}}
}

// The vectors of both recommendations: what is published holds, and its canonical form is the published one.
func TestDataIntegrityVectors(t *testing.T) {
	j := judge(time.Date(2024, 12, 24, 0, 0, 0, 0, time.UTC))
	for _, v := range diVectors {
		t.Run(v.file, func(t *testing.T) {
			var doc map[string]any
			decode(t, v.file, &doc)
			r := j.Verify(t.Context(), read(t, v.file), v.policy(t, doc))
			if r.Failed() != nil {
				t.Error(r.Failed(), r.Checks)
			}
			if v.canon == "" {
				return
			}
			dir := filepath.Dir(v.file)
			delete(doc, "proof")
			c := multikeys(t, v.keys)[0].Curve()
			same(t, c, marshal(t, doc), string(read(t, dir+"/"+v.canon)))
			same(t, c, read(t, dir+"/proofConfig"+v.options+".json"), string(read(t, dir+"/proofCanon"+v.options+".txt")))
		})
	}
}

func same(t *testing.T, c did.Curve, doc []byte, want string) {
	t.Helper()
	got, err := did.RDFC(t.Context(), c, doc, examplesV2, citizenship)
	if err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
