package did_test

import (
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// What a verification costs, beside the signatures within.
func BenchmarkVerify(b *testing.B) {
	issuer, holder := didtest.NewSigner(b, "ES256"), didtest.NewSigner(b, "ES256")
	name, digest := didtest.Disclosure(b, "salt", "name", "Ann")
	sd := didtest.SDJWT(issuer.JWS(sdHead, claims{"iss": issuerURL, "vct": "urn:test:1", "iat": now.Unix(), "exp": now.Unix() + 3600, "cnf": claims{"jwk": holder.JWK()}, "_sd": []any{digest}}),
		[]string{name}, holder, nil, kbClaims())
	vc := issuer.JWS(claims{"typ": "vc+jwt"}, claims{"@context": []any{contextV2}, "type": "VerifiableCredential", "issuer": issuer.DID(), "credentialSubject": claims{"id": holder.DID()}})
	vp := holder.JWS(claims{"typ": "vp+jwt"}, with(kbClaims(), claims{"@context": []any{contextV2}, "type": "VerifiablePresentation", "holder": holder.DID(), "verifiableCredential": []any{envelope(vc)}}))
	clock := func() time.Time { return now }
	j := did.New(did.Options{Resolver: did.NewResolver(did.ResolverOptions{Methods: did.Methods(clock), Now: clock}), Now: clock})
	k, err := did.ParseJWK([]byte(`{"kty":"EC","crv":"P-256","x":"` + issuer.JWK()["x"].(string) + `","y":"` + issuer.JWK()["y"].(string) + `"}`))
	if err != nil {
		b.Fatal(err)
	}
	p := did.Policy{Trust: did.Trust{Issuers: []string{issuerURL, issuer.DID()}}, Keys: map[string][]did.Key{issuerURL: {k}}, Audience: audience, Nonce: nonce}
	for name, input := range map[string]string{"sd-jwt-vc with key binding, 2 signatures": sd, "vc+jwt, 1 signature": vc, "vp+jwt of one, 2 signatures": vp} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if r := j.Verify(b.Context(), []byte(input), p); !r.Holds() {
					b.Fatal(r.Failed())
				}
			}
		})
	}
	b.Run("one ES256 signature", func(b *testing.B) {
		for b.Loop() {
			k.Verify("ES256", []byte(vc), []byte("................................................................"))
		}
	})
}
