package did_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// J13 and J14 of credentials: each is refused, and for its own reason.
func TestDataIntegrityAttacks(t *testing.T) {
	b := newBench(t)
	stranger := didtest.NewSigner(t, "ES256")
	issued := func(doc, proof claims) claims {
		return secure(t, b.issuer, diCredential(b.issuer, b.holder, doc), proof)
	}
	altered := func(doc, changes claims) claims { return with(doc, changes) }
	proofOf := func(doc claims) claims { return maps.Clone(doc["proof"].(claims)) }
	reproof := func(doc, changes claims) claims { return with(doc, claims{"proof": with(proofOf(doc), changes)}) }
	good := issued(nil, nil)
	status := claims{"id": "https://issuer.example/s#1", "type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "1", "statusListCredential": "https://issuer.example/s"}
	for _, tt := range []struct {
		name string
		doc  claims
		why  string // "": it holds
	}{
		{"good", good, ""},
		{"good, over JSON", issued(nil, claims{"cryptosuite": "ecdsa-jcs-2019"}), ""},
		{"good, version 1.1", issued(claims{"@context": []any{"https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/data-integrity/v2"}, "issuanceDate": "2020-01-01T00:00:00Z", "validFrom": nil, "validUntil": nil}, nil), ""},
		{"expiry of the proof to come", issued(nil, claims{"expires": now.Add(time.Hour).UTC().Format(time.RFC3339)}), ""},
		{"no proof", altered(good, claims{"proof": []any{}}), "proof is empty"},

		{"proof a text", altered(good, claims{"proof": "x"}), "proof"},
		{"nine proofs", altered(good, claims{"proof": []any{good["proof"], good["proof"], good["proof"], good["proof"], good["proof"], good["proof"], good["proof"], good["proof"], good["proof"]}}), "one to 8 proofs"},
		{"purpose authentication", issued(nil, claims{"proofPurpose": "authentication"}), "proofPurpose"},
		{"purpose absent", issued(nil, claims{"proofPurpose": nil}), "proofPurpose"},
		{"by a stranger under the issuer's name", secure(t, stranger, diCredential(b.issuer, b.holder, nil), nil), "verificationMethod"},
		{"by a stranger, method of the issuer", secure(t, stranger, diCredential(b.issuer, b.holder, nil), claims{"verificationMethod": b.issuer.DID() + "#0"}), "not by this key"},
		{"by a stranger", secure(t, stranger, diCredential(stranger, b.holder, nil), nil), "not on the list"},
		{"method not in the document", issued(nil, claims{"verificationMethod": b.issuer.DID() + "#1"}), "verificationMethod"},
		{"method without fragment", reproof(good, claims{"verificationMethod": b.issuer.DID()}), "names no key"},
		{"method within", reproof(good, claims{"verificationMethod": claims{"id": b.issuer.DID() + "#0", "publicKeyJwk": stranger.JWK()}}), "verificationMethod"},
		{"expired proof", issued(nil, claims{"expires": now.Add(-time.Hour).UTC().Format(time.RFC3339)}), "expired"},
		{"proof of tomorrow", issued(nil, claims{"created": now.Add(time.Hour).UTC().Format(time.RFC3339)}), "yet to come"},
		{"date without zone", reproof(good, claims{"created": "2020-01-01T00:00:00"}), "time zone"},
		{"expired", issued(claims{"validUntil": "2021-01-01T00:00:00Z"}, nil), "expired"},
		{"not yet valid", issued(claims{"validFrom": "2035-01-01T00:00:00Z"}, nil), "not valid before"},
		{"a presentation's proof", issued(nil, claims{"challenge": nonce}), "presentation"},
		{"unknown suite", reproof(good, claims{"cryptosuite": "bbs-2023"}), `"bbs-2023" is not verified here`},
		{"suite of another curve", reproof(good, claims{"cryptosuite": "eddsa-rdfc-2022"}), "a key of P-256"},
		{"unknown type", reproof(good, claims{"type": "RsaSignature2018", "cryptosuite": nil}), "RsaSignature2018"},
		{"suite as a type", reproof(good, claims{"type": "ecdsa-rdfc-2019", "cryptosuite": nil}), "cryptosuite"},
		{"old type as a suite", reproof(good, claims{"cryptosuite": "Ed25519Signature2020"}), "cryptosuite"},
		{"suite and old type", reproof(good, claims{"type": "Ed25519Signature2020"}), "cryptosuite"},
		{"value of another base", reproof(good, claims{"proofValue": "uAAAA"}), "base58btc"},
		{"value empty", reproof(good, claims{"proofValue": ""}), "base58btc"},
		{"contexts in the proof", reproof(good, claims{"@context": []any{contextV2}}), "contexts of its own"},
		{"fewer contexts in the proof", altered(issued(nil, claims{"cryptosuite": "ecdsa-jcs-2019"}), claims{"@context": []any{contextV2, "https://www.w3.org/ns/did/v1"}}), "proof"},
		{"other contexts in the proof, and signed", issued(claims{"@context": []any{contextV2, "https://www.w3.org/ns/did/v1"}}, claims{"cryptosuite": "ecdsa-jcs-2019", "@context": []any{contextV2}}), "other contexts"},
		{"a date of another version", issued(claims{"@context": []any{contextV2, examplesV2}, "expirationDate": "2021-01-01T00:00:00Z"}, nil), "not what it says"},

		{"context of a stranger", altered(good, claims{"@context": []any{contextV2, "https://evil.example/v1"}}), "unknown here"},
		{"context inline", altered(good, claims{"@context": []any{contextV2, claims{"isAdmin": "urn:x"}}}), "inline"},
		{"context inline, deeper", issuedOr(good, "credentialSubject", claims{"id": b.holder.DID(), "@context": claims{"x": "urn:x"}, "x": "1"}), "inline"},
		{"context known, not pinned", altered(good, claims{"@context": []any{contextV2, "https://named.example/v1"}}), "contexts"},
		{"undefined term", issuedOr(good, "isAdmin", true), "no context defines"},
		{"undefined term, deeper", issuedOr(good, "credentialSubject", claims{"id": b.holder.DID(), "isAdmin": true}), "no context defines"},
		{"undefined term, over JSON", altered(issued(nil, claims{"cryptosuite": "ecdsa-jcs-2019"}), claims{"isAdmin": true}), "no context defines"},
		{"undefined type", issuedOr(good, "type", []any{"VerifiableCredential", "Admin"}), "not defined"},
		{"a relative id", issuedOr(good, "credentialSubject", claims{"id": "me", "name": "x"}), "URL"},
		{"a relative value", issuedOr(good, "termsOfUse", claims{"id": "urn:x", "type": "x y"}), "terms"},
		{"null", issuedOr(good, "credentialSubject", claims{"id": b.holder.DID(), "name": nullValue}), "null"},
		{"a blank node's name", issuedOr(good, "credentialSubject", claims{"id": "_:b0", "name": "x"}), ""},
		{"@index", issuedOr(good, "@index", "x"), "keyword"},
		{"@included", issuedOr(good, "@included", []any{claims{"id": "urn:uuid:1", "name": "x"}}), "keyword"},
		{"@graph", issuedOr(good, "@graph", []any{}), "keyword"},
		{"@reverse", issuedOr(good, "@reverse", claims{}), "keyword"},
		{"@direction", issuedOr(good, "name", claims{"@value": "x", "@direction": "rtl"}), "keyword"},
		{"a keyword of tomorrow", issuedOr(good, "@admin", true), "keyword"},
		{"@type beside type", altered(good, claims{"@type": "VerifiableCredential", "type": []any{"VerifiableCredential"}}), "beside its alias"},
		{"subject twice", issuedOr(good, "credentialSubject", claims{"id": "urn:uuid:1", "name": "x"}), "about the document itself"},

		// What the signature does not see: the same statements, written so that a reader of JSON misses them.
		{"expiry out of sight", renamed(issued(claims{"validUntil": "2021-01-01T00:00:00Z"}, nil), "validUntil", claims{"@value": "2021-01-01T00:00:00Z", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}), "no term"},
		{"status out of sight", renamed(issued(claims{"credentialStatus": status}, nil), "credentialStatus", status), "no term"},
		{"status unreachable", issued(claims{"credentialStatus": status}, nil), "status"},
		{"status of a stranger's kind", issued(claims{"credentialStatus": claims{"id": "urn:x", "type": "https://x.example/Status"}}, nil), "unknown here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := b.policy
			p.Contexts = []string{"https://named.example/v1", examplesV2}
			raw := strings.ReplaceAll(string(marshal(t, tt.doc)), `"`+nullValue+`"`, "null")
			r := b.judge.Verify(t.Context(), []byte(raw), p)
			err := r.Failed()
			switch {
			case strings.HasPrefix(tt.name, "good"), strings.HasSuffix(tt.name, "to come"):
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), tt.why):
				t.Errorf("%v, want %q", err, tt.why)
			}
			if len(r.Credentials()) > 0 != (err == nil) {
				t.Error("a refused credential is given out")
			}
		})
	}
}

const nullValue = "the value null"

// issuedOr is doc with one member more, which nobody signed: what is asked about it comes before the signature.
func issuedOr(doc claims, name string, v any) claims { return with(doc, claims{name: v}) }

// renamed writes a term as the IRI that it stands for.
func renamed(doc claims, name string, v any) claims {
	return with(doc, claims{name: nil, "https://www.w3.org/2018/credentials#" + name: v})
}

// Two proofs, one bad; and chains that do not hold together.
func TestDataIntegrityProofSets(t *testing.T) {
	b := newBench(t)
	stranger := didtest.NewSigner(t, "ES256")
	doc := diCredential(b.issuer, b.holder, nil)
	by := func(s *didtest.Signer, doc, proof claims) claims {
		return secure(t, s, with(doc, claims{"proof": proof["over"]}), with(with(claims{}, proof), claims{"over": nil}))["proof"].(claims)
	}
	first := by(b.issuer, doc, claims{"id": "urn:p:1"})
	second := by(b.issuer, doc, claims{"id": "urn:p:2", "previousProof": "urn:p:1", "over": []any{first}})
	third := by(b.issuer, doc, claims{"previousProof": []any{"urn:p:1", "urn:p:2"}, "over": []any{first, second}})
	for _, tt := range []struct {
		name   string
		proofs []any
		why    string
	}{
		{"one", []any{first}, ""},
		{"two", []any{first, by(b.issuer, doc, nil)}, ""},
		{"a chain", []any{first, second}, ""},
		{"a longer chain", []any{third, second, first}, ""},
		{"a chain without its beginning", []any{second}, "previousProof"},
		{"a chain over another beginning", []any{by(b.issuer, doc, claims{"id": "urn:p:1"}), second}, "not by this key"},
		{"a chain that says it is none", []any{first, with(second, claims{"previousProof": nil})}, "not by this key"},
		{"one that follows itself", []any{with(first, claims{"previousProof": "urn:p:1"})}, "previousProof"},
		{"one before twice", []any{first, with(second, claims{"previousProof": []any{"urn:p:1", "urn:p:1"}})}, "previousProof"},
		{"one id twice", []any{first, first}, "one id"},
		{"one bad", []any{first, with(by(b.issuer, doc, nil), claims{"proofValue": "z" + strings.Repeat("2", 87)})}, "proof"},
		{"one unknown", []any{first, claims{"type": "NewProof", "verificationMethod": "did:x:y#1"}}, "NewProof"},
		{"one by a stranger", []any{first, by(stranger, doc, nil)}, "verificationMethod"},
		{"one for another purpose", []any{first, by(b.issuer, doc, claims{"proofPurpose": "authentication"})}, "proofPurpose"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := b.judge.Verify(t.Context(), marshal(t, with(doc, claims{"proof": tt.proofs})), b.policy).Failed()
			if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v, want %q", err, tt.why)
			}
		})
	}
}

// The method must be listed in the issuer's document, by the issuer, for issuing.
func TestDataIntegrityMethods(t *testing.T) {
	b := newBench(t)
	const issuer = "did:web:issuer.example"
	b.policy.Trust.Issuers = []string{issuer}
	method := func(changes claims) claims {
		return with(claims{"id": issuer + "#k", "type": "JsonWebKey", "controller": issuer, "publicKeyJwk": b.issuer.JWK()}, changes)
	}
	for _, tt := range []struct {
		name     string
		document claims
		holds    bool
	}{
		{"listed", claims{"verificationMethod": []any{method(nil)}, "assertionMethod": []any{issuer + "#k"}}, true},
		{"embedded", claims{"assertionMethod": []any{method(nil)}}, true},
		{"for authentication only", claims{"verificationMethod": []any{method(nil)}, "authentication": []any{issuer + "#k"}}, false},
		{"for nothing", claims{"verificationMethod": []any{method(nil)}}, false},
		{"controlled by another", claims{"assertionMethod": []any{method(claims{"controller": "did:web:other.example"})}}, false},
		{"under a longer name", claims{"assertionMethod": []any{method(claims{"id": issuer + "#k1"})}}, false},
		{"another key", claims{"assertionMethod": []any{method(claims{"publicKeyJwk": b.holder.JWK()})}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.in.Page("https://issuer.example/.well-known/did.json", string(marshal(t, with(tt.document, claims{"id": issuer}))))
			clock := func() time.Time { return now }
			j := did.New(did.Options{Resolver: did.NewResolver(did.ResolverOptions{Methods: []did.Method{did.WebMethod{}}, Now: clock}), Fetch: b.in.Fetch, Now: clock})
			doc := secure(t, b.issuer, with(diCredential(b.issuer, b.holder, nil), claims{"issuer": issuer}), claims{"verificationMethod": issuer + "#k"})
			if err := j.Verify(t.Context(), marshal(t, doc), b.policy).Failed(); (err == nil) != tt.holds {
				t.Error(err)
			}
		})
	}
}

func TestDataIntegrityPresentations(t *testing.T) {
	b := newBench(t)
	stranger := didtest.NewSigner(t, "EdDSA")
	vc := secure(t, b.issuer, diCredential(b.issuer, b.holder, nil), nil)
	shown := claims{"proofPurpose": "authentication", "challenge": nonce, "domain": audience}
	vp := func(doc, proof claims) claims {
		merged := maps.Clone(shown) // nil takes away what secure puts there
		maps.Copy(merged, proof)
		return secure(t, b.holder, with(claims{"@context": []any{contextV2}, "type": []any{"VerifiablePresentation"}, "holder": b.holder.DID(), "verifiableCredential": []any{vc}}, doc), merged)
	}
	good := vp(nil, nil)
	forStranger := secure(t, b.issuer, diCredential(b.issuer, stranger, nil), nil)
	ago := func(d time.Duration) string { return now.Add(-d).UTC().Format(time.RFC3339) }
	jwt := b.issuer.JWS(claims{"typ": "vc+jwt"}, with(diCredential(b.issuer, b.holder, nil), claims{"proof": nil}))
	for _, tt := range []struct {
		name   string
		doc    claims
		policy func(*did.Policy)
		why    string
	}{
		{"good", good, nil, ""},
		{"good, the holder unnamed", vp(claims{"holder": nil}, nil), nil, ""},
		{"good, a JWT within", vp(claims{"verifiableCredential": []any{envelope(jwt)}}, nil), nil, ""},
		{"good, two", vp(claims{"verifiableCredential": []any{vc, vc}}, nil), nil, ""},
		{"another challenge", vp(nil, claims{"challenge": "x"}), nil, "another request"},
		{"no challenge", vp(nil, claims{"challenge": nil}), nil, "another request"},
		{"another domain", vp(nil, claims{"domain": "https://other.example"}), nil, "somebody else"},
		{"two domains", vp(nil, claims{"domain": []any{audience, "https://other.example"}}), nil, "somebody else"},
		{"no domain", vp(nil, claims{"domain": nil}), nil, "somebody else"},
		{"a policy without nonce", good, func(p *did.Policy) { p.Nonce = "" }, "no nonce"},
		{"a policy without audience", good, func(p *did.Policy) { p.Audience = "" }, "no audience"},
		{"old", vp(nil, claims{"created": ago(time.Hour)}), nil, "older"},
		{"undated", vp(nil, claims{"created": nil}), nil, "no date"},
		{"purpose of an issuer", vp(nil, claims{"proofPurpose": "assertionMethod"}), nil, "proofPurpose"},
		{"by a stranger under the holder's name", secure(t, stranger, with(good, claims{"proof": nil}), shown), nil, "verificationMethod"},
		{"somebody else's credential", secure(t, stranger, with(good, claims{"proof": nil, "holder": stranger.DID()}), shown), nil, "somebody else"},
		{"about somebody else", vp(claims{"verifiableCredential": []any{vc, forStranger}}, nil), nil, "somebody else"},
		{"nothing within", vp(claims{"verifiableCredential": nil}, nil), nil, "there is none"},
		{"one within that nobody signed", vp(claims{"verifiableCredential": []any{with(vc, claims{"proof": nil})}}, nil), nil, "nobody signed"},
		{"one within that was changed", vp(claims{"verifiableCredential": []any{with(vc, claims{"validUntil": "2037-01-01T00:00:00Z"})}}, nil), nil, "not by this key"},
		{"another within", with(good, claims{"verifiableCredential": []any{forStranger}}), nil, "not by this key"},
		{"one more within", with(good, claims{"verifiableCredential": []any{vc, vc}}), nil, "not by this key"},
		{"a text within", with(good, claims{"verifiableCredential": []any{jwt}}), nil, "no object"},
		{"many within", with(good, claims{"verifiableCredential": make([]any, 17)}), nil, "more than 16"},
		{"no proof", with(good, claims{"proof": []any{}}), nil, "proof is empty"},
		{"a term more", with(good, claims{"isAdmin": true}), nil, "no context defines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := b.policy
			if tt.policy != nil {
				tt.policy(&p)
			}
			r := b.judge.Verify(t.Context(), marshal(t, tt.doc), p)
			err := r.Failed()
			if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v, want %q: %v", err, tt.why, r.Checks)
			}
			if _, ok := r.Presentation(); ok != (tt.why == "") {
				t.Errorf("presentation %v", ok)
			}
		})
	}
	p := b.policy
	p.Holder = did.OnlyPresentations
	if b.judge.Verify(t.Context(), marshal(t, vc), p).Holds() {
		t.Error("a credential is taken for a presentation")
	}
}

// A list that is secured within says what a list says.
func TestDataIntegrityStatusList(t *testing.T) {
	b := newBench(t)
	const uri = "https://issuer.example/status/9"
	data := make([]byte, 16384)
	data[0] = 0b0100_0000
	list := func(by *didtest.Signer, changes claims) string {
		return string(marshal(t, secure(t, by, with(diCredential(by, b.holder, claims{"id": uri, "type": []any{"VerifiableCredential", "BitstringStatusListCredential"},
			"credentialSubject": claims{"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": "u" + deflated(t, data, true)}}), changes), nil)))
	}
	for _, tt := range []struct {
		name, list, index, why string
	}{
		{"good", list(b.issuer, nil), "0", ""},
		{"revoked", list(b.issuer, nil), "1", "revoked"},
		{"changed", strings.Replace(list(b.issuer, nil), "2036", "2037", 1), "0", "status"},
		{"of a stranger", list(didtest.NewSigner(t, "ES256"), nil), "0", "status"},
		{"expired", list(b.issuer, claims{"validUntil": "2021-01-01T00:00:00Z"}), "0", "expired"},
		{"that has a status", list(b.issuer, claims{"credentialStatus": claims{"type": "x:y"}}), "0", ""},
		{"unsigned", `{"@context":["` + contextV2 + `"]}`, "0", "status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := b.again()
			b.in.Page(uri, tt.list)
			vc := secure(t, b.issuer, diCredential(b.issuer, b.holder, claims{"credentialStatus": claims{"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": tt.index, "statusListCredential": uri}}), nil)
			err := b.judge.Verify(t.Context(), marshal(t, vc), b.policy).Failed()
			if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v, want %q", err, tt.why)
			}
		})
	}
}

// again is the same bench with a judge that remembers nothing.
func (b *bench) again() *bench {
	c := *b
	clock := func() time.Time { return now }
	c.judge = did.New(did.Options{Resolver: did.NewResolver(did.ResolverOptions{Methods: []did.Method{did.KeyMethod{}, did.JWKMethod{}, did.WebMethod{}}, Now: clock}), Fetch: b.in.Fetch, Now: clock})
	return &c
}

// Whatever somebody sends who is believed, the answer comes soon and in little memory.
func TestDataIntegrityBombs(t *testing.T) {
	b := newBench(t)
	b.policy.Trust, b.policy.Contexts = did.Trust{Any: true}, []string{examplesV2}
	nested := func(width, depth int) any {
		var level func(d int) any
		level = func(d int) any {
			if d == 0 {
				return claims{"x": "y"}
			}
			items := make([]any, width)
			for i := range items {
				items[i] = level(d - 1)
			}
			return claims{"x": items}
		}
		return level(depth)
	}
	many := func(n int, v any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = v
		}
		return out
	}
	base := secure(t, b.issuer, diCredential(b.issuer, b.holder, claims{"@context": []any{contextV2, examplesV2}}), nil)
	for name, v := range map[string]any{
		"eight alike":       claims{"x": many(8, claims{"x": claims{"y": "z"}})},
		"nine in nine":      nested(9, 2),
		"a deep tree":       nested(3, 5),
		"four hundred":      many(400, claims{"x": claims{}}),
		"too many":          many(5000, "x"),
		"objects":           many(500, claims{"type": "VerifiableCredential"}),
		"types":             many(250, claims{"type": many(16, "VerifiableCredential")}),
		"presentations":     many(250, claims{"type": []any{"VerifiablePresentation", "VerifiableCredential", "DataIntegrityProof", "BitstringStatusList"}}),
		"contexts":          many(39, claims{"@context": many(16, contextV2), "id": "urn:x", "x": "y"}),
		"contexts and more": many(300, claims{"@context": contextV2}),
		"deep":              json.RawMessage(strings.Repeat(`{"x":`, 40) + `1` + strings.Repeat("}", 40)),
		"a long text":       strings.Repeat("\x01", 80<<10),
		"a long list":       claims{"x": claims{"@list": many(2000, "x")}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := marshal(t, with(base, claims{"evidence": nil, "credentialSubject": claims{"id": b.holder.DID(), "more": v}}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			r := b.judge.Verify(t.Context(), raw, b.policy)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; r.Holds() || took > 3*time.Second || allocated > 512 {
				t.Errorf("%d bytes: holds %v after %s and %d MiB", len(raw), r.Holds(), took, allocated)
			}
			t.Log(len(raw), took, (after.TotalAlloc-before.TotalAlloc)>>20, "MiB", r.Failed())
		})
	}
}

// FuzzDataIntegrity gives documents to the judge, as they are and with a proof that holds the issuer's name.
func FuzzDataIntegrity(f *testing.F) {
	for _, v := range diVectors {
		f.Add(read(f, v.file))
	}
	for _, name := range []string{"ed25519-2018", "ecdsa-sd-2023", "presentation"} {
		f.Add(read(f, "di/"+name+".json"))
	}
	j := judge(time.Date(2026, 11, 24, 0, 1, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, input []byte) {
		p := did.Policy{Trust: did.Trust{Any: true}, Contexts: []string{examplesV2, citizenship}, Audience: audience, Nonce: nonce}
		start := time.Now()
		r := j.Verify(t.Context(), input, p)
		if r.Holds() != (r.Failed() == nil) || time.Since(start) > 10*time.Second {
			t.Error(r.Failed(), time.Since(start))
		}
		if _, err := did.RDFC(t.Context(), did.P256, input, examplesV2); err == nil {
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
		j.Verify(t.Context(), fmt.Appendf(nil, `{"@context":["%s"],"type":"VerifiableCredential","issuer":"did:x:y","credentialSubject":%s,"proof":{}}`, contextV2, input), p)
	})
}
