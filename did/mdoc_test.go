package did_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

func failed(r did.Report) (out []string) {
	for _, c := range r.Checks {
		if !c.Held {
			out = append(out, strings.TrimPrefix(c.Name, "credential 1: "))
		}
	}
	return out
}

func TestMdocHolds(t *testing.T) {
	again := func(o cmap) { o["documents"] = append(o["documents"].([]any), o["documents"].([]any)[0]) }
	for _, c := range []struct {
		name string
		m    mdocMaker
		kind did.Kind
		n    int
	}{
		{"with a signature", mdocMaker{}, did.KindPresentation, 1},
		{"with a MAC", mdocMaker{mac: true}, did.KindPresentation, 1},
		{"two documents", mdocMaker{response: again}, did.KindPresentation, 2},
		{"alone", mdocMaker{alone: true}, did.KindCredential, 1},
		{"nothing disclosed", mdocMaker{signed: func(o cmap) { delete(o, "nameSpaces") }}, did.KindPresentation, 1},
		{"some disclosed", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage { return l[1:2] }}, did.KindPresentation, 1},
		{"COSE tag", mdocMaker{signed: func(o cmap) { o["issuerAuth"] = cbor.Tag{Number: 18, Content: o["issuerAuth"]} }}, did.KindPresentation, 1},
		{"members that are the issuer's own", mdocMaker{mso: func(o cmap) { o["org.example"] = "x" }}, did.KindPresentation, 1},
		{"an end in white space", mdocMaker{alone: true, items: func(l []cmap) []cmap { l[2]["elementIdentifier"] = "country "; return l }}, did.KindCredential, 1},
		{"a device that may say more", mdocMaker{spaces: cmap{"ns": cmap{"a": 1}, "other": cmap{"b": 2}}, mso: func(o cmap) {
			o["deviceKeyInfo"].(cmap)["keyAuthorizations"] = cmap{"nameSpaces": []string{"ns"}, "dataElements": cmap{"other": []string{"b"}}}
		}}, did.KindPresentation, 1},
		{"a compressed key of the device", mdocMaker{mso: func(o cmap) {
			k := o["deviceKeyInfo"].(cmap)["deviceKey"].(chead)
			k[-3] = k[-3].([]byte)[31]&1 == 1
		}}, did.KindPresentation, 1},
		{"the audience and nonce that were asked for", mdocMaker{policy: func(p *did.Policy) { p.Audience, p.Nonce = "x509_san_dns:v.example", nonce }}, did.KindPresentation, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			input, p := c.m.make(t)
			r := judge(now).Verify(t.Context(), input, p)
			if !r.Holds() || r.Kind != c.kind || len(r.Credentials()) != c.n {
				t.Fatal(r.Failed(), r.Kind, r.Checks)
			}
			shown, ok := r.Presentation()
			if ok != (c.kind == did.KindPresentation) || ok && (shown.Nonce() != nonce || shown.Audience() != "x509_san_dns:v.example" || shown.Holder() == "") {
				t.Error("presentation", ok, shown)
			}
			if _, said := r.Credentials()[0].Claims()["ns"]; said {
				t.Error("what the device says became a claim")
			}
			p.Trust = did.Trust{}
			if judge(now).Verify(t.Context(), input, p).Holds() {
				t.Error("it holds for a policy that trusts nobody")
			}
		})
	}
}

func TestMdocRefused(t *testing.T) {
	other := func(t *testing.T) *x509.Certificate {
		_, p := mdocMaker{}.make(t)
		return p.Trust.Roots[0]
	}
	validity := func(name string, v any) mdocMaker {
		return mdocMaker{mso: func(o cmap) { o["validityInfo"].(cmap)[name] = v }}
	}
	item := func(f func(cmap)) mdocMaker {
		return mdocMaker{items: func(l []cmap) []cmap { f(l[0]); return l }}
	}
	device := func(f func(chead)) mdocMaker {
		return mdocMaker{mso: func(o cmap) { f(o["deviceKeyInfo"].(cmap)["deviceKey"].(chead)) }}
	}
	cert := func(f func(root, leaf *x509.Certificate)) mdocMaker { return mdocMaker{certs: f} }
	// forge is an item that the issuer never saw.
	forged := tagged(t, cmap{"digestID": 0, "random": make([]byte, 16), "elementIdentifier": "family_name", "elementValue": "Roe"})
	for _, c := range []struct {
		name, want string // the checks that fail
		m          mdocMaker
	}{
		{"root of another", "proof trust", mdocMaker{policy: func(p *did.Policy) { p.Trust.Roots = []*x509.Certificate{other(t)} }}},
		{"no roots", "proof trust", mdocMaker{policy: func(p *did.Policy) { p.Trust.Roots = nil }}},
		{"trust in anybody does not undo the roots", "proof", mdocMaker{policy: func(p *did.Policy) { p.Trust = did.Trust{Any: true, Roots: []*x509.Certificate{other(t)}} }}},
		{"a root that is no authority", "proof trust", mdocMaker{selfRoot: true}},
		{"a root that signs no certificates", "proof trust", cert(func(r, _ *x509.Certificate) { r.KeyUsage = x509.KeyUsageCRLSign })},
		{"a root that expired", "proof trust", cert(func(r, _ *x509.Certificate) { r.NotAfter = now.AddDate(0, 0, -1) })},
		{"a signer that expired", "proof trust", cert(func(_, l *x509.Certificate) { l.NotAfter = now.AddDate(0, 0, -1) })},
		{"a signer that expired, and trust in anybody", "proof", mdocMaker{certs: func(_, l *x509.Certificate) { l.NotAfter = now.AddDate(0, 0, -1) }, policy: func(p *did.Policy) { p.Trust = did.Trust{Any: true} }}},
		{"a signer yet to come, and trust in anybody", "proof", mdocMaker{certs: func(_, l *x509.Certificate) { l.NotBefore = now.AddDate(0, 0, 1) }, policy: func(p *did.Policy) { p.Trust = did.Trust{Any: true} }}},
		{"a signer yet to come", "proof trust", cert(func(_, l *x509.Certificate) { l.NotBefore = now.AddDate(0, 0, 1) })},
		{"a signer not yet valid when it signed", "dates", cert(func(_, l *x509.Certificate) { l.NotBefore = now.AddDate(0, 0, -1) })},
		{"a signer that is an authority", "proof trust", cert(func(r, l *x509.Certificate) { r.MaxPathLenZero, l.IsCA, l.BasicConstraintsValid = false, true, true })},
		{"a signer for other uses", "proof trust", cert(func(_, l *x509.Certificate) { l.KeyUsage |= x509.KeyUsageKeyAgreement })},
		{"a signer for no use", "proof trust", cert(func(_, l *x509.Certificate) { l.KeyUsage = 0 })},
		{"a signer without extended use", "proof trust", cert(func(_, l *x509.Certificate) { l.ExtraExtensions = nil })},
		{"a reader's certificate", "proof trust", cert(func(_, l *x509.Certificate) {
			l.ExtraExtensions = []pkix.Extension{ekuOf(t, asn1.ObjectIdentifier{1, 0, 18013, 5, 1, 6})}
		})},
		{"a signer for TLS as well", "proof trust", cert(func(_, l *x509.Certificate) {
			l.ExtraExtensions = []pkix.Extension{ekuOf(t, asn1.ObjectIdentifier{1, 0, 18013, 5, 1, 2}, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})}
		})},
		{"extended use not critical", "proof trust", cert(func(_, l *x509.Certificate) { l.ExtraExtensions[0].Critical = false })},
		{"an extension nobody knows", "proof trust", cert(func(_, l *x509.Certificate) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		})},
		{"no country", "proof trust", cert(func(_, l *x509.Certificate) { l.Subject.Country = nil })},
		{"no country, and trust in anybody", "proof", mdocMaker{certs: func(_, l *x509.Certificate) { l.Subject.Country = nil }, policy: func(p *did.Policy) { p.Trust = did.Trust{Any: true} }}},
		{"use not critical", "proof trust", cert(func(_, l *x509.Certificate) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}})
		})},
		{"another country than the root", "proof trust", cert(func(_, l *x509.Certificate) { l.Subject.Country = []string{"XX"} })},
		{"another state than the root", "proof trust", cert(func(r, l *x509.Certificate) { r.Subject.Province, l.Subject.Province = []string{"A"}, []string{"B"} })},
		{"another state than the document", "disclosures", mdocMaker{space: "org.iso.18013.5.1", certs: func(_, l *x509.Certificate) { l.Subject.Province = []string{"UT-A"} },
			items: func(l []cmap) []cmap {
				l[0]["elementIdentifier"], l[0]["elementValue"] = "issuing_jurisdiction", "UT-B"
				return l
			}}},
		{"another country than the document", "disclosures", cert(func(r, l *x509.Certificate) { r.Subject.Country, l.Subject.Country = []string{"XX"}, []string{"XX"} })},

		{"no certificate", "proof trust", mdocMaker{head: func(_, o chead) { delete(o, 33) }}},
		{"no certificate, and trust in anybody", "proof", mdocMaker{head: func(_, o chead) { delete(o, 33) }, policy: func(p *did.Policy) { p.Trust = did.Trust{Any: true} }}},
		{"a certificate twice", "issuerAuth", mdocMaker{head: func(p, o chead) { p[33] = o[33] }}},
		{"a certificate that is none", "proof trust", mdocMaker{head: func(_, o chead) { o[33] = []byte("x") }}},
		{"a list of one certificate", "issuerAuth", mdocMaker{head: func(_, o chead) { o[33] = []any{o[33]} }}},
		{"too many certificates", "issuerAuth", mdocMaker{head: func(_, o chead) { o[33] = slices.Repeat([]any{o[33]}, 7) }}},
		{"no alg", "issuerAuth", mdocMaker{head: func(p, _ chead) { delete(p, 1) }}},
		{"alg not protected", "issuerAuth", mdocMaker{head: func(p, o chead) { delete(p, 1); p[4], o[1] = []byte("k"), -7 }}},
		{"another alg", "proof trust", mdocMaker{head: func(p, _ chead) { p[1] = -35 }}},
		{"alg as text", "issuerAuth", mdocMaker{head: func(p, _ chead) { p[1] = "ES256" }}},
		{"crit", "issuerAuth", mdocMaker{head: func(p, _ chead) { p[2] = []int{33} }}},
		{"crit not protected", "issuerAuth", mdocMaker{head: func(_, o chead) { o[2] = []int{33} }}},
		{"a signature of zeros", "proof trust", mdocMaker{sign1: func(l []any) { l[3] = make([]byte, 64) }}},
		{"a signature cut short", "proof trust", mdocMaker{sign1: func(l []any) { l[3] = l[3].([]byte)[:63] }}},
		{"no signature", "issuerAuth", mdocMaker{sign1: func(l []any) { l[3] = nil }}},
		{"nothing signed", "issuerAuth", mdocMaker{sign1: func(l []any) { l[2] = nil }}},
		{"something else signed", "issuerAuth", mdocMaker{sign1: func(l []any) { l[2] = []byte(encode(t, "x")) }}},
		{"a fifth part", "issuerAuth", mdocMaker{signed: func(o cmap) { o["issuerAuth"] = append(o["issuerAuth"].([]any), nil) }}},
		{"the tag of a MAC", "issuerAuth", mdocMaker{signed: func(o cmap) { o["issuerAuth"] = cbor.Tag{Number: 17, Content: o["issuerAuth"]} }}},

		{"another version", "issuerAuth", mdocMaker{mso: func(o cmap) { o["version"] = "2.0" }}},
		{"another docType in the MSO", "type holder", mdocMaker{mso: func(o cmap) { o["docType"] = "other" }}},
		{"another docType in the document", "type", mdocMaker{document: func(o cmap) { o["docType"] = "other" }}},
		{"a type that nobody asked for", "type", mdocMaker{policy: func(p *did.Policy) { p.Types = []string{"org.iso.18013.5.1.mDL"} }}},
		{"digests of SHA-1", "issuerAuth", mdocMaker{mso: func(o cmap) { o["digestAlgorithm"] = "SHA-1" }}},
		{"digests of another algorithm", "disclosures", mdocMaker{mso: func(o cmap) { o["digestAlgorithm"] = "SHA-512" }}},
		{"no digests", "issuerAuth", mdocMaker{mso: func(o cmap) { delete(o, "valueDigests") }}},
		{"digests of another namespace", "disclosures", mdocMaker{mso: func(o cmap) { o["valueDigests"] = cmap{"other": cmap{}} }}},
		{"no device", "issuerAuth", mdocMaker{mso: func(o cmap) { delete(o, "deviceKeyInfo") }}},
		{"a device's private key", "issuerAuth", device(func(k chead) { k[-4] = make([]byte, 32) })},
		{"a device's key off its curve", "issuerAuth", device(func(k chead) { k[-2] = make([]byte, 32) })},
		{"a device's key of another curve", "issuerAuth", device(func(k chead) { k[-1] = 2 })},
		{"a device's key of no curve", "issuerAuth", device(func(k chead) { k[-1] = 99 })},
		{"a device's key for agreement", "holder", device(func(k chead) { k[3] = -25 })},
		{"no validity", "issuerAuth", mdocMaker{mso: func(o cmap) { delete(o, "validityInfo") }}},
		{"expired", "dates", validity("validUntil", tdate(now.Add(-time.Hour)))},
		{"not valid yet", "dates", validity("validFrom", tdate(now.Add(time.Hour)))},
		{"signed in the future", "issuerAuth", validity("signed", tdate(now.Add(time.Hour)))},
		{"a date that is text", "issuerAuth", validity("validUntil", now.Format(time.RFC3339))},
		{"a date in seconds", "issuerAuth", validity("validUntil", cbor.Tag{Number: 1, Content: now.Unix()})},
		{"a status nobody knows", "status", mdocMaker{mso: func(o cmap) { o["status"] = cmap{"identifier_list": cmap{}} }}},
		{"a status that cannot be looked up", "status", mdocMaker{mso: func(o cmap) { o["status"] = cmap{"status_list": cmap{"idx": 1, "uri": "https://a.example/l"}} }}},

		{"a forged item", "disclosures", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage { l[0] = forged; return l }}},
		{"an item twice", "disclosures", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage { return append(l, l[0]) }}},
		{"an item more", "disclosures", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage {
			return append(l, tagged(t, cmap{"digestID": 9, "random": make([]byte, 16), "elementIdentifier": "age_over_21", "elementValue": true}))
		}}},
		{"an item in other bytes", "disclosures", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage {
			var in cbor.RawTag
			var b []byte
			if cbor.Unmarshal(l[0], &in) != nil || cbor.Unmarshal(in.Content, &b) != nil {
				t.Fatal()
			}
			l[0] = slices.Concat([]byte{0xd8, 24, 0x59, 0, byte(len(b))}, b) // the same item, its length spelled longer
			return l
		}}},
		{"an item without its tag", "disclosures", mdocMaker{disclosed: func(l []cbor.RawMessage) []cbor.RawMessage { l[0] = encode(t, []byte(l[0])); return l }}},
		{"an element twice under two digests", "disclosures", item(func(o cmap) { o["elementIdentifier"] = "age_over_18" })},
		{"an item with more members", "disclosures", item(func(o cmap) { o["x"] = 1 })},
		{"an item with fewer members", "disclosures", item(func(o cmap) { delete(o, "elementValue") })},
		{"a short random value", "disclosures", item(func(o cmap) { o["random"] = make([]byte, 15) })},
		{"a value that is no number", "disclosures", item(func(o cmap) { o["elementValue"] = math.NaN() })},
		{"a value beyond JSON", "disclosures", item(func(o cmap) { o["elementValue"] = map[any]any{true: 1} })},
		{"items of another namespace", "disclosures", mdocMaker{signed: func(o cmap) { o["nameSpaces"] = cmap{"other": o["nameSpaces"].(cmap)[pidType]} }}},
		{"another member of IssuerSigned", "issuerAuth", mdocMaker{signed: func(o cmap) { o["x"] = 1 }}},
		{"no issuerAuth", "issuerAuth", mdocMaker{signed: func(o cmap) { delete(o, "issuerAuth") }}},

		{"no transcript", "holder", mdocMaker{policy: func(p *did.Policy) { p.Transcript = did.Transcript{} }}},
		{"no transcript, and a signature for none", "holder", mdocMaker{nowhere: true}},
		{"another nonce", "holder", mdocMaker{policy: func(p *did.Policy) {
			p.Transcript = did.OpenID4VPTranscript("x509_san_dns:v.example", "other", "https://v.example/r", did.Key{})
		}}},
		{"another client", "holder", mdocMaker{policy: func(p *did.Policy) {
			p.Transcript = did.OpenID4VPTranscript("x509_san_dns:w.example", nonce, "https://v.example/r", did.Key{})
		}}},
		{"another response URI", "holder", mdocMaker{policy: func(p *did.Policy) {
			p.Transcript = did.OpenID4VPTranscript("x509_san_dns:v.example", nonce, "https://v.example/s", did.Key{})
		}}},
		{"another key of the response", "holder", mdocMaker{policy: func(p *did.Policy) {
			k, err := did.NewKey(&p256(t).PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			p.Transcript = did.OpenID4VPTranscript("x509_san_dns:v.example", nonce, "https://v.example/r", k)
		}}},
		{"the policy asks for another audience", "session", mdocMaker{policy: func(p *did.Policy) { p.Audience = "other" }}},
		{"the policy asks for another nonce", "session", mdocMaker{policy: func(p *did.Policy) { p.Nonce = "other" }}},
		{"a device of another", "holder", mdocMaker{mso: func(o cmap) { o["deviceKeyInfo"] = cmap{"deviceKey": coseEC2(p256(t))} }}},
		{"a device that says what it may not", "holder", mdocMaker{spaces: cmap{pidType: cmap{"age_over_21": true}}}},
		{"a device that says what another element may", "holder", mdocMaker{spaces: cmap{"ns": cmap{"a": 1}}, mso: func(o cmap) {
			o["deviceKeyInfo"].(cmap)["keyAuthorizations"] = cmap{"dataElements": cmap{"ns": []string{"b"}}}
		}}},
		{"a device that signed something else", "holder", mdocMaker{document: func(o cmap) { o["deviceSigned"].(cmap)["nameSpaces"] = tagged(t, cmap{"ns": cmap{}}) }}},
		{"neither signature nor MAC", "holder", mdocMaker{auth: func(o cmap) { clear(o) }}},
		{"signature and MAC", "holder", mdocMaker{auth: func(o cmap) { o["deviceMac"] = o["deviceSignature"] }}},
		{"the signature as a MAC", "holder", mdocMaker{auth: func(o cmap) { o["deviceMac"] = o["deviceSignature"]; delete(o, "deviceSignature") }}},
		{"a payload in the device's signature", "holder", mdocMaker{auth: func(o cmap) { o["deviceSignature"].([]any)[2] = []byte("x") }}},
		{"another alg of the device", "holder", mdocMaker{device: func(p, _ chead) { p[1] = -8 }}},
		{"crit of the device", "holder", mdocMaker{device: func(p, _ chead) { p[2] = []int{1} }}},
		{"the device signed nothing", "form", mdocMaker{document: func(o cmap) { delete(o, "deviceSigned") }}},
		{"a MAC without the reader's key", "holder", mdocMaker{mac: true, policy: func(p *did.Policy) { p.ReaderKey = nil }}},
		{"a MAC with another reader's key", "holder", mdocMaker{mac: true, policy: func(p *did.Policy) {
			p.ReaderKey = must[*ecdh.PrivateKey](t)(ecdh.P256().GenerateKey(rand.Reader))
		}}},
		{"a MAC with a key of another curve", "holder", mdocMaker{mac: true, policy: func(p *did.Policy) {
			p.ReaderKey = must[*ecdh.PrivateKey](t)(ecdh.P384().GenerateKey(rand.Reader))
		}}},
		{"a MAC cut short", "holder", mdocMaker{mac: true, auth: func(o cmap) { l := o["deviceMac"].([]any); l[3] = l[3].([]byte)[:16] }}},
		{"an empty MAC", "holder", mdocMaker{mac: true, auth: func(o cmap) { o["deviceMac"].([]any)[3] = []byte{} }}},
		{"a MAC of 64 bits", "holder", mdocMaker{mac: true, device: func(p, _ chead) { p[1] = 4 }}},
		{"a MAC for another session", "holder", mdocMaker{mac: true, policy: func(p *did.Policy) { p.Transcript = did.DCAPITranscript("https://v.example", nonce, did.Key{}) }}},

		{"a response of another version", "form", mdocMaker{response: func(o cmap) { o["version"] = "2.0" }}},
		{"a response with an error", "form", mdocMaker{response: func(o cmap) { o["status"] = 10 }}},
		{"a response without a document", "form", mdocMaker{response: func(o cmap) { o["documents"] = []any{} }}},
		{"a response with something else", "form", mdocMaker{response: func(o cmap) { o["zkDocuments"] = []any{} }}},
		{"too many documents", "form", mdocMaker{response: func(o cmap) { o["documents"] = slices.Repeat(o["documents"].([]any), 17) }}},
		{"a document with something else", "form", mdocMaker{document: func(o cmap) { o["x"] = 1 }}},
		{"a credential alone where a presentation is required", "holder", mdocMaker{alone: true, policy: func(p *did.Policy) { p.Holder = did.OnlyPresentations }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			input, p := c.m.make(t)
			r := judge(now).Verify(t.Context(), input, p)
			if got := strings.Join(failed(r), " "); r.Holds() || got != c.want || r.Format != "mso_mdoc" {
				t.Errorf("failed: %q, want %q; %s, %+v", got, c.want, r.Format, r.Checks)
			}
			if _, ok := r.Presentation(); ok || len(r.Credentials()) > 0 {
				t.Error("what was refused is evidence")
			}
		})
	}
}

// One bad document spoils the response.
func TestMdocSecondDocument(t *testing.T) {
	m := mdocMaker{response: func(o cmap) {
		first := o["documents"].([]any)[0].(cmap)
		o["documents"] = []any{first, cmap{"docType": "other", "issuerSigned": first["issuerSigned"], "deviceSigned": first["deviceSigned"]}}
	}}
	input, p := m.make(t)
	if r := judge(now).Verify(t.Context(), input, p); r.Holds() || r.Failed().Error() == "" || !strings.Contains(r.Failed().Error(), "credential 2") {
		t.Error(r.Failed())
	}
}

// Every bit counts.
func TestMdocFlipped(t *testing.T) {
	for _, mac := range []bool{false, true} {
		input, p := mdocMaker{mac: mac}.make(t)
		j := judge(now)
		for i := range input {
			changed := slices.Clone(input)
			changed[i] ^= 1 << (i % 8)
			if j.Verify(t.Context(), changed, p).Holds() {
				t.Errorf("it holds with a bit flipped in byte %d of %d: % x", i, len(input), input[max(0, i-8):i+1])
			}
			if i > 0 && j.Verify(t.Context(), input[:i], p).Holds() {
				t.Error("it holds when cut at", i)
			}
		}
		if j.Verify(t.Context(), append(input, 0), p).Holds() {
			t.Error("something may follow")
		}
	}
}

// The status of an mdoc is looked up as that of any other, and its list is signed under a root of the policy.
func TestMdocStatus(t *testing.T) {
	const uri = "https://issuer.example/status/1"
	b := newBench(t)
	ca, signs := didtest.NewSigner(t, "ES256"), didtest.NewSigner(t, "ES256")
	root := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, ca, ca)
	leaf := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "lists"}, KeyUsage: x509.KeyUsageDigitalSignature}, root, signs, ca)
	b.in.Page(uri, signs.JWS(claims{"typ": "statuslist+jwt", "x5c": []string{base64.StdEncoding.EncodeToString(leaf.Raw)}},
		claims{"sub": uri, "iat": now.Unix() - 10, "exp": now.Unix() + 600, "status_list": claims{"bits": 1, "lst": deflated(t, []byte{0b10}, false)}}))
	for index, why := range []string{"", "revoked"} {
		m := mdocMaker{mso: func(o cmap) { o["status"] = cmap{"status_list": cmap{"idx": index, "uri": uri}} }}
		input, p := m.make(t)
		p.Visit = []string{"issuer.example"}
		p.Trust.Roots = append(p.Trust.Roots, root)
		r := b.judge.Verify(t.Context(), input, p)
		if err := r.Failed(); (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
			t.Error(index, err)
		}
	}
}

// What nobody should read, or not for long.
func TestMdocBombs(t *testing.T) {
	input, p := mdocMaker{}.make(t)
	twice := bytes.Replace(input, []byte("gversion"), []byte("gversion\x631.0gversion"), 1)
	twice[0]++
	deep := append([]byte("\xa1gversion"), bytes.Repeat([]byte{0x81}, 400<<10)...)
	for name, bad := range map[string][]byte{
		"a member twice":     twice,
		"nested deep":        deep,
		"a huge map":         []byte("\xbb\x00\x00\x00\x00\xff\xff\xff\xffgversion"),
		"a huge list":        []byte("\xa1gversion\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
		"a huge text":        []byte("\xa1gversion\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"),
		"indefinite":         slices.Concat([]byte{0xbf}, input[1:], []byte{0xff}),
		"empty":              []byte("\xa1gversionc1.0"),
		"too long":           append(slices.Clone(input), make([]byte, 1<<20)...),
		"padded base64":      []byte(did.B64.EncodeToString(input) + "="),
		"broken base64":      []byte(did.B64.EncodeToString(input)[:20] + "\n" + did.B64.EncodeToString(input)[20:]),
		"text with a number": []byte("\xa1gversion\x01"),
	} {
		r := judge(now).Verify(t.Context(), bad, p)
		if r.Holds() {
			t.Error(name, "holds")
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(name, err)
		}
	}
}

func FuzzMdoc(f *testing.F) {
	for _, m := range []mdocMaker{{}, {mac: true}, {alone: true}} {
		input, _ := m.make(f)
		f.Add(input)
	}
	raw, p := annexD(f)
	f.Add(raw)
	p.Status = did.Ignored
	j := judge(time.Unix(1601560000, 0))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := j.Verify(t.Context(), input, p)
		if r.Holds() != (r.Failed() == nil) || r.Holds() != (len(r.Credentials()) > 0) {
			t.Error("a report contradicts itself")
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
		if _, err := did.ParseTranscript(input); err == nil && len(input) > 64<<10 {
			t.Error("a transcript of any length")
		}
	})
}

func BenchmarkMdoc(b *testing.B) {
	for name, m := range map[string]mdocMaker{"presentation, 3 signatures": {}, "presentation with MAC, 2 signatures": {mac: true}, "IssuerSigned, 2 signatures": {alone: true}} {
		input, p := m.make(b)
		j := judge(now)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if r := j.Verify(b.Context(), input, p); !r.Holds() {
					b.Fatal(r.Failed())
				}
			}
		})
	}
}
