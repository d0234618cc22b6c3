package did_test

import (
	"testing"
	"time"

	"github.com/postern-id/postern/did"
)

// What a verification of Data Integrity costs, beside the signatures within.
func BenchmarkDataIntegrity(b *testing.B) {
	j := judge(time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC))
	p := did.Policy{Trust: did.Trust{Any: true}, Contexts: []string{examplesV2, citizenship}, Audience: audience, Nonce: nonce}
	run := func(name string, raw []byte, p did.Policy) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := j.Verify(b.Context(), raw, p); !r.Holds() {
					b.Fatal(r.Failed())
				}
			}
		})
	}
	for _, v := range []struct{ name, file string }{
		{"Ed25519Signature2018, 1 signature", "di/ed25519-2018.json"}, {"eddsa-rdfc-2022, 1 signature", "di/eddsa-rdfc-2022.json"},
		{"ecdsa-rdfc-2019, 1 signature", "di/ecdsa-rdfc-2019.json"}, {"ecdsa-sd-2023, 7 signatures", "di/ecdsa-sd-2023.json"},
		{"presentation of one, 2 signatures", "di/presentation.json"},
	} {
		run(v.name, read(b, v.file), p)
	}
	for _, v := range diVectors[2:3] {
		var doc map[string]any
		decode(b, v.file, &doc)
		run("eddsa-jcs-2022, 1 signature", read(b, v.file), v.policy(b, doc))
	}
	k := multikeys(b, eddsa+"keyPair.json")[0]
	b.Run("one Ed25519 signature", func(b *testing.B) {
		for b.Loop() {
			k.Verify("EdDSA", make([]byte, 64), make([]byte, 64))
		}
	})
}
