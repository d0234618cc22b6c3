package did_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// secure signs doc as Data Integrity does. proof is what its proof says beside the value; the cryptosuite, the method and the
// date are those of s unless it says so.
func secure(t testing.TB, s *didtest.Signer, doc, proof claims) claims {
	t.Helper()
	curve, suite := did.Ed25519, "eddsa-rdfc-2022"
	switch s.Alg {
	case "ES256":
		curve, suite = did.P256, "ecdsa-rdfc-2019"
	case "ES384":
		curve, suite = did.P384, "ecdsa-rdfc-2019"
	}
	p := with(claims{"type": "DataIntegrityProof", "cryptosuite": suite, "created": now.UTC().Format(time.RFC3339),
		"verificationMethod": s.DID() + "#0", "proofPurpose": "assertionMethod"}, proof)
	unsecured := with(doc, claims{"proof": nil})
	if p["previousProof"] != nil {
		unsecured = doc
	}
	form := func(v claims) []byte {
		if strings.Contains(text(p["cryptosuite"]), "jcs") {
			b, err := did.CanonicalJSON(marshal(t, v))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		lines, err := did.RDFC(t.Context(), curve, marshal(t, v), examplesV2)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(lines)
	}
	contexts := doc["@context"]
	if own := p["@context"]; own != nil {
		contexts = own
	}
	var data []byte
	for _, b := range [][]byte{form(with(p, claims{"@context": contexts})), form(unsecured)} {
		if curve == did.P384 {
			sum := sha512.Sum384(b)
			data = append(data, sum[:]...)
		} else {
			sum := sha256.Sum256(b)
			data = append(data, sum[:]...)
		}
	}
	if strings.Contains(text(p["cryptosuite"]), "jcs") {
		p["@context"] = contexts
	}
	p["proofValue"] = "z" + did.Base58Encode(s.Sign(data))
	return with(doc, claims{"proof": p})
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func diCredential(issuer, holder *didtest.Signer, changes claims) claims {
	return with(claims{"@context": []any{contextV2}, "id": "urn:uuid:1", "type": []any{"VerifiableCredential"}, "issuer": issuer.DID(),
		"validFrom": "2020-01-01T00:00:00Z", "validUntil": "2036-01-01T00:00:00Z",
		"credentialSubject": claims{"id": holder.DID()}}, changes)
}

// Credentials of another implementation hold.
func TestDataIntegrityOfOthers(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC)
	j := judge(at)
	for name, want := range map[string]string{"ed25519-2018": "", "ed25519-2020": "", "eddsa-rdfc-2022": "", "ecdsa-rdfc-2019": "", "ecdsa-sd-2023": "",
		"presentation": "", "sd-base": "base proof"} {
		r := j.Verify(t.Context(), read(t, "di/"+name+".json"), did.Policy{Trust: did.Trust{Any: true}, Contexts: []string{examplesV2}, Audience: audience, Nonce: nonce})
		if err := r.Failed(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if _, ok := r.Presentation(); ok != (name == "presentation") {
			t.Errorf("%s: presentation %v", name, ok)
		}
	}
}

// change calls try with doc after one change of each member and each value of it, and puts it back.
func change(v any, path string, try func(what string)) {
	set := func(what string, put func(any), old, changed any) {
		put(changed)
		try(path + " " + what)
		put(old)
	}
	visit := func(item any, put func(any), path string) {
		switch x := item.(type) {
		case string:
			if x == "" {
				x = "x"
			}
			last := "x"
			if strings.HasSuffix(x, "x") {
				last = "y"
			}
			set(path, put, item, x[:len(x)-1]+last)
			set(path+" longer", put, item, x+"x")
		case json.Number:
			set(path, put, item, json.Number("7"))
		case bool:
			set(path, put, item, !x)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, item := range maps.Clone(v) {
			visit(item, func(x any) { v[name] = x }, name)
			delete(v, name)
			try(path + " without " + name)
			v["undefined:"+name] = item
			try(path + " renamed " + name)
			delete(v, "undefined:"+name)
			v[name] = item
			change(item, path+"/"+name, try)
		}
		v["isAdmin"] = true
		try(path + " with more")
		delete(v, "isAdmin")
	case []any:
		for i, item := range v {
			visit(item, func(x any) { v[i] = x }, fmt.Sprint(i))
			change(item, fmt.Sprintf("%s/%d", path, i), try)
		}
	}
}

// Whatever is changed in a published credential, once, it is refused.
func TestDataIntegrityMutations(t *testing.T) {
	j := judge(time.Date(2024, 12, 24, 0, 0, 0, 0, time.UTC))
	n := 0
	for _, v := range diVectors {
		t.Run(v.file, func(t *testing.T) {
			dec := json.NewDecoder(strings.NewReader(string(read(t, v.file))))
			dec.UseNumber()
			var doc map[string]any
			if err := dec.Decode(&doc); err != nil {
				t.Fatal(err)
			}
			p := v.policy(t, doc)
			p.Contexts = p.Contexts[:len(p.Contexts)-1]
			if strings.Contains(fmt.Sprint(doc["@context"]), citizenship) {
				p.Contexts = []string{citizenship}
			}
			if r := j.Verify(t.Context(), marshal(t, doc), p); r.Failed() != nil {
				t.Fatal(r.Failed())
			}
			change(doc, "", func(what string) {
				n++
				if j.Verify(t.Context(), marshal(t, doc), p).Holds() {
					t.Errorf("after a change it holds:%s", what)
				}
			})
			if r := j.Verify(t.Context(), marshal(t, doc), p); r.Failed() != nil {
				t.Fatal("the test did not put everything back:", r.Failed())
			}
		})
	}
	t.Log(n, "changes")
	if n < 1000 {
		t.Errorf("only %d changes", n)
	}
}

// Options that are written without JSON-LD are what JSON-LD makes of them.
func TestPlainOptionsAreThoseOfJSONLD(t *testing.T) {
	contexts := [][]any{{contextV2}, {contextV2, examplesV2}, {"https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/data-integrity/v2"}}
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.StringN(0, 6, -1)
		url := rapid.SampledFrom([]string{"did:x:y#1", "urn:a", "https://a.example/b?c#d"})
		date := rapid.SampledFrom([]string{"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+01:00"})
		p := claims{"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "verificationMethod": url.Draw(t, "method"),
			"proofPurpose": rapid.SampledFrom([]string{"assertionMethod", "authentication"}).Draw(t, "purpose")}
		for name, draw := range map[string]func() any{
			"id": func() any { return url.Draw(t, "id") }, "created": func() any { return date.Draw(t, "created") }, "expires": func() any { return date.Draw(t, "expires") },
			"challenge": func() any { return some.Draw(t, "challenge") }, "nonce": func() any { return some.Draw(t, "nonce") }, "domain": func() any { return []any{some.Draw(t, "domain"), "x"} },
			"previousProof": func() any { return []any{url.Draw(t, "previous"), url.Draw(t, "previous")} },
		} {
			if rapid.Bool().Draw(t, name) {
				p[name] = draw()
			}
		}
		under := rapid.SampledFrom(contexts).Draw(t, "contexts")
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := did.PlainOptions(text, under)
		text, err = json.Marshal(with(p, claims{"@context": under}))
		if err != nil {
			t.Fatal(err)
		}
		want, err := did.RDFC(context.Background(), did.Ed25519, text, examplesV2)
		if !ok || err != nil || got != want {
			t.Fatalf("%v %v\n%s\nwant\n%s", ok, err, got, want)
		}
	})
	for _, bad := range []string{`{"type":"X"}`, `{"proofPurpose":"keyAgreement"}`, `{"isAdmin":"x"}`, `{"nonce":1}`, `{"id":"x"}`, `{"nonce":null}`} {
		if got, ok := did.PlainOptions([]byte(bad), []any{contextV2}); ok {
			t.Errorf("%s is %s", bad, got)
		}
	}
}

// Contexts are shared by all who verify.
func TestDataIntegrityConcurrently(t *testing.T) {
	j := judge(time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC))
	var wg sync.WaitGroup
	for _, name := range []string{"ed25519-2018", "ed25519-2020", "eddsa-rdfc-2022", "ecdsa-rdfc-2019", "ecdsa-sd-2023", "presentation", "eddsa-rdfc-2022", "presentation"} {
		raw := read(t, "di/"+name+".json")
		wg.Go(func() {
			for range 5 {
				r := j.Verify(t.Context(), raw, did.Policy{Trust: did.Trust{Any: true}, Contexts: []string{examplesV2}, Audience: audience, Nonce: nonce})
				if r.Failed() != nil {
					t.Error(name, r.Failed())
				}
			}
		})
	}
	wg.Wait()
}
