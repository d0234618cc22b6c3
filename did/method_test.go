package did_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
	"github.com/postern-id/postern/egress"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(read(t, name), v); err != nil {
		t.Fatal(err)
	}
}

const (
	someKey = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
	p256Key = "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv"
)

// J15: wrong multicodec, wrong length, points beside the curve, points of small order.
func TestKeyMethod(t *testing.T) {
	didtest.Method(t, didtest.Exam{
		Method: did.KeyMethod{},
		Good:   []string{someKey, p256Key, "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", "did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"},
		Bad: map[string]string{
			"not base58btc":             "did:key:6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
			"a letter base58 lacks":     "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDoo0p",
			"base64url":                 "did:key:u7QGrzYX0",
			"empty":                     "did:key:z",
			"multicodec of a hash":      multikey(0x12, make([]byte, 32)),
			"a private key":             multikey(0x1300, make([]byte, 32)),
			"RSA":                       multikey(0x1205, make([]byte, 270)),
			"BLS12-381":                 multikey(0xeb, make([]byte, 96)),
			"a long varint":             "did:key:z" + did.Base58Encode(append([]byte{0xed, 0x81, 0x00}, hexBytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")...)),
			"31 bytes":                  multikey(0xed, make([]byte, 31)),
			"33 bytes":                  multikey(0xed, make([]byte, 33)),
			"no point of Ed25519":       multikey(0xed, append([]byte{2}, make([]byte, 31)...)),
			"Ed25519: neutral":          multikey(0xed, append([]byte{1}, make([]byte, 31)...)),
			"Ed25519: order 4":          multikey(0xed, make([]byte, 32)),
			"Ed25519: order 8":          multikey(0xed, hexBytes("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
			"Ed25519: order 8, other":   multikey(0xed, hexBytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")),
			"Ed25519: y of p+1":         multikey(0xed, hexBytes("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
			"P-256: no point":           multikey(0x1200, append([]byte{2}, hexBytes(strings.Repeat("ff", 32))...)),
			"P-256: prefix 4":           multikey(0x1200, append([]byte{4}, make([]byte, 32)...)),
			"P-256: prefix of P-384":    multikey(0x1201, append([]byte{2}, make([]byte, 32)...)),
			"secp256k1: no point":       multikey(0xe7, append([]byte{2}, hexBytes(strings.Repeat("ff", 32))...)),
			"secp256k1: point infinity": multikey(0xe7, make([]byte, 33)),
		},
	})
}

func TestKeyVectors(t *testing.T) {
	for _, file := range []string{"ed25519-x25519", "nist-curves", "secp256k1"} {
		var vectors map[string]struct {
			DIDDocument json.RawMessage `json:"didDocument"`
		}
		decode(t, "did-key/"+file+".json", &vectors)
		if len(vectors) < 5 {
			t.Fatalf("only %d vectors in %s", len(vectors), file)
		}
		for id, v := range vectors {
			t.Run(id, func(t *testing.T) {
				want, err := did.ParseDocument(id, v.DIDDocument)
				if err != nil {
					t.Fatal(err)
				}
				res, err := did.KeyMethod{}.Resolve(t.Context(), did.ID(id), nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, use := range []did.Relationship{did.AssertionMethod, did.Authentication, did.CapabilityDelegation, did.CapabilityInvocation} {
					url, theirs, err1 := want.Only(use)
					ours, err2 := res.Document.Key(url, use)
					if err1 != nil || err2 != nil || !ours.Equal(theirs) {
						t.Errorf("%s: %v, %v", use, err1, err2)
					}
				}
			})
		}
	}
	var agreement struct {
		DIDDocument map[string]json.RawMessage `json:"didDocument"`
	}
	decode(t, "did-key/x25519.json", &agreement)
	for id, text := range agreement.DIDDocument {
		want, err := did.ParseDocument(id, text)
		if err != nil {
			t.Fatal(err)
		}
		res, err := did.KeyMethod{}.Resolve(t.Context(), did.ID(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		url, theirs, err1 := want.Only(did.KeyAgreement)
		ours, err2 := res.Document.Key(url, did.KeyAgreement)
		if err1 != nil || err2 != nil || !ours.Equal(theirs) || len(res.Document.Uses(did.AssertionMethod)) != 0 {
			t.Errorf("%s: %v, %v", id, err1, err2)
		}
	}
}

func didJWK(jwk string) string { return "did:jwk:" + did.B64.EncodeToString([]byte(jwk)) }

// J15: a JWK with a private member.
func TestJWKMethod(t *testing.T) {
	var file struct {
		Vectors []struct {
			DID string          `json:"did"`
			JWK json.RawMessage `json:"jwk"`
		} `json:"vectors"`
	}
	decode(t, "did-jwk/did-jwk.json", &file)
	var good []string
	for _, v := range file.Vectors {
		good = append(good, v.DID)
		res, err := did.JWKMethod{}.Resolve(t.Context(), did.ID(v.DID), nil)
		want, err2 := did.ParseJWK(v.JWK)
		if err != nil || err2 != nil || len(res.Document.Methods) != 1 {
			t.Fatalf("%v, %v", err, err2)
		}
		if m := res.Document.Methods[0]; m.ID != v.DID+"#0" || !m.Key.Equal(want) {
			t.Errorf("%s has %s", v.DID, m.ID)
		}
	}
	x25519, err := did.JWKMethod{}.Resolve(t.Context(), did.ID(good[1]), nil)
	if err != nil || len(x25519.Document.Uses(did.AssertionMethod)) != 0 || len(x25519.Document.Uses(did.KeyAgreement)) != 1 {
		t.Errorf("use enc is for agreement only: %v", err)
	}
	const ed = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	didtest.Method(t, didtest.Exam{Method: did.JWKMethod{}, Good: append(good, didJWK("{"+ed+"}")), Bad: map[string]string{
		"a private member":  didJWK("{" + ed + `,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`),
		"d, but empty":      didJWK("{" + ed + `,"d":""}`),
		"symmetric":         didJWK(`{"kty":"oct","k":"AAAA"}`),
		"not on the curve":  didJWK(`{"kty":"EC","crv":"P-256","x":"acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0","y":"_KcyLj9vWMptnmKtm46GqDz8wf74I5LKgrl2GzH3nSI"}`),
		"unknown curve":     didJWK(`{"kty":"EC","crv":"P-192","x":"AAAA","y":"AAAA"}`),
		"x too short":       didJWK(`{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`),
		"duplicate members": didJWK("{" + ed + `,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`),
		"use":               didJWK("{" + ed + `,"use":"both"}`),
		"an array":          didJWK("[]"),
		"padding":           didJWK("{"+ed+" }") + "%3D",
		"no base64":         "did:jwk:.",
		"short RSA":         didJWK(`{"kty":"RSA","n":"` + strings.Repeat("A", 172) + `","e":"AQAB"}`),
	}})
}

func TestPeerMethod(t *testing.T) {
	ed, x := strings.TrimPrefix(someKey, "did:key:"), "z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"
	two := "did:peer:2.E" + x + ".V" + ed + ".A" + ed + ".SeyJ0IjoiZG0ifQ"
	didtest.Method(t, didtest.Exam{Method: did.PeerMethod{}, Good: []string{"did:peer:0" + ed, two}, Bad: map[string]string{
		"numalgo 1": "did:peer:1zQmZMygzYqNwU6Uhmewx5Xepf2VLp5S4HLSwwgf2aiKZuwa", "numalgo 4": "did:peer:4zQm", "unknown purpose": "did:peer:2.X" + ed,
		"empty part": "did:peer:2..V" + ed, "purpose without key": "did:peer:2.V", "X25519 signs": "did:peer:2.V" + x, "Ed25519 agrees": "did:peer:2.E" + ed,
		"unknown curve": "did:peer:0" + strings.TrimPrefix(multikey(0xeb, make([]byte, 96)), "did:key:"), "no base58btc": "did:peer:2.VuAA",
	}})
	res, err := did.PeerMethod{}.Resolve(t.Context(), did.ID(two), nil)
	if err != nil || len(res.Document.Methods) != 3 {
		t.Fatal(err)
	}
	if _, err := res.Document.Key(two+"#key-3", did.AssertionMethod); err != nil {
		t.Error(err)
	}
	if _, err := res.Document.Key(two+"#key-2", did.AssertionMethod); err == nil {
		t.Error("a key serves only its purpose")
	}
}

func webDocument(id string) string {
	return `{"@context":"https://www.w3.org/ns/did/v1","id":"` + id + `","verificationMethod":[{"id":"` + id + `#k","type":"Multikey","controller":"` +
		id + `","publicKeyMultibase":"` + strings.TrimPrefix(someKey, "did:key:") + `"}],"assertionMethod":["#k"]}`
}

// J16: internal addresses, redirects, the document of another, http, 10 MB.
func TestWebMethod(t *testing.T) {
	var file struct {
		Map    [][2]string `json:"map"`
		Refuse []string    `json:"refuse_added_here"`
	}
	decode(t, "did-web/did-web-urls.json", &file)
	for _, m := range file.Map {
		t.Run(m[0], func(t *testing.T) {
			in := didtest.NewInternet(t)
			in.Page(m[1], webDocument(m[0]))
			res, err := did.WebMethod{}.Resolve(t.Context(), did.ID(m[0]), in.Fetch)
			if err != nil || res.Document.ID != m[0] || in.Visits.Load() != 1 {
				t.Errorf("%v after %d visits", err, in.Visits.Load())
			}
		})
	}
	bad := map[string]string{}
	for _, id := range append(file.Refuse, "did:web:example.com%3A0", "did:web:example.com%3A080", "did:web:example.com%3A", "did:web:example.com%3A80%3A80",
		"did:web:good.example%40127.0.0.1%3A8443", "did:web:example.com::x", "did:web:example.com:%2E%2E", "did:web:example.com:a%2Fb", "did:web:example.com:%252e%252e",
		"did:web:example.com:a%00", "did:web:0x7f000001", "did:web:2130706433", "did:web:127.1", "did:web:1.2.3.0x4", "did:web:internal", "did:web:-a.example",
		"did:web:example.com.", "did:web:exa%6Dple.com", "did:web:example.com%3Fx", "did:web:"+strings.Repeat("a.", 130)+"example") {
		bad[id] = id
	}
	const id = "did:web:example.com"
	didtest.Method(t, didtest.Exam{Method: did.WebMethod{}, Good: []string{id}, URL: "https://example.com/.well-known/did.json", Page: webDocument(id), Bad: bad})

	guard := egress.New(egress.Options{})
	for _, host := range []string{"localhost", "localhost%3A8443"} {
		_, err := did.WebMethod{}.Resolve(t.Context(), did.ID("did:web:"+host), guard.Get)
		if !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestResolver(t *testing.T) {
	in := didtest.NewInternet(t)
	const id = "did:web:example.com"
	in.Page("https://example.com/.well-known/did.json", webDocument(id))
	now := time.Unix(1e9, 0)
	r := did.NewResolver(did.ResolverOptions{Methods: []did.Method{did.KeyMethod{}, did.WebMethod{}}, Now: func() time.Time { return now }, TTL: time.Minute, Size: 2})
	visits := func(want int64, fetch did.Fetch, wantErr error) {
		t.Helper()
		if _, err := r.Resolve(t.Context(), id, fetch); !errors.Is(err, wantErr) {
			t.Errorf("error %v, want %v", err, wantErr)
		}
		if in.Visits.Load() != want {
			t.Errorf("%d visits, want %d", in.Visits.Load(), want)
		}
	}
	visits(0, nil, did.ErrOffline) // is not remembered
	visits(1, in.Fetch, nil)
	visits(1, in.Fetch, nil)
	visits(1, nil, nil)
	now = now.Add(time.Minute)
	visits(1, nil, did.ErrOffline)
	visits(2, in.Fetch, nil)
	for _, other := range []did.ID{someKey, p256Key, "did:web:a.example", "did:web:b.example"} {
		r.Resolve(t.Context(), other, in.Fetch)
	}
	if n := r.Size(); n > 2 {
		t.Errorf("%d answers are kept, want 2", n)
	}
	before := in.Visits.Load()
	for range 3 {
		if _, err := r.Resolve(t.Context(), "did:web:nobody.example", in.Fetch); err == nil {
			t.Error("resolved nobody")
		}
	}
	if in.Visits.Load() != before+1 {
		t.Error("a failure is forgotten at once")
	}
	if _, err := r.Resolve(t.Context(), "did:example:1", in.Fetch); !errors.Is(err, did.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := r.Key(t.Context(), id+"#k", did.AssertionMethod, in.Fetch); err != nil {
		t.Error(err)
	}
	for _, url := range []string{id + "#k2", id + "#", id, id + "?versionId=1#k", id + "/x#k", "#k", someKey + "#k"} {
		if _, err := r.Key(t.Context(), url, did.AssertionMethod, in.Fetch); err == nil {
			t.Errorf("found %s", url)
		}
	}
	if _, err := r.Key(t.Context(), id+"#k", did.Authentication, in.Fetch); !errors.Is(err, did.ErrNoKey) {
		t.Error("a key serves only what it is listed for", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, other := range []did.ID{someKey, id, "did:web:a.example"} {
				r.Resolve(t.Context(), other, in.Fetch)
			}
		})
	}
	wg.Wait()
}
