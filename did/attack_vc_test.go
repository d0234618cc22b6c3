package did_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

const (
	contextV1 = "https://www.w3.org/2018/credentials/v1"
	contextV2 = "https://www.w3.org/ns/credentials/v2"
)

func (b *bench) credentialV2() claims {
	return claims{"@context": []any{contextV2}, "type": []any{"VerifiableCredential", "Degree"}, "issuer": b.issuer.DID(),
		"validFrom": now.Add(-time.Hour).Format(time.RFC3339), "validUntil": now.Add(time.Hour).Format(time.RFC3339),
		"credentialSubject": claims{"id": b.holder.DID(), "degree": "BSc"}}
}

func (b *bench) credentialV1() claims {
	return claims{"iss": b.issuer.DID(), "sub": b.holder.DID(), "nbf": now.Unix() - 3600, "exp": now.Unix() + 3600, "jti": "urn:uuid:1",
		"vc": claims{"@context": []any{contextV1}, "type": []any{"VerifiableCredential"}, "credentialSubject": claims{"id": b.holder.DID(), "degree": "BSc"}}}
}

func envelope(jwt string) claims {
	return claims{"@context": contextV2, "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + jwt}
}

// J12: credentials of both versions of the data model.
func TestJWTCredentialRefusals(t *testing.T) {
	b := newBench(t)
	stranger := didtest.NewSigner(t, "ES256")
	for version, head := range map[string]claims{"2.0": {"typ": "vc+jwt"}, "1.1": {"typ": "JWT"}} {
		base := b.credentialV2()
		inner := func(m claims) claims { return m }
		if version == "1.1" {
			base = b.credentialV1()
			inner = func(m claims) claims { return claims{"vc": with(b.credentialV1()["vc"].(claims), m)} }
		}
		kid := b.issuer.DID() + "#0"
		for _, header := range []claims{{}, {"kid": kid}, {"kid": "#0"}} {
			if r := b.verify(b.issuer.JWS(with(head, header), base)); !r.Holds() || r.Kind != did.KindCredential || r.Credentials()[0].Subject() != b.holder.DID() {
				t.Fatal(version, header, r.Failed())
			}
		}
		for _, tt := range []struct {
			name            string
			header, payload claims
			by              *didtest.Signer
			check           string
		}{
			{"alg none", claims{"alg": "none"}, nil, nil, "form"},
			{"alg HS256", claims{"alg": "HS256"}, nil, nil, "form"},
			{"crit", claims{"crit": []any{"b64"}, "b64": false}, nil, nil, "form"},
			{"kid of another DID", claims{"kid": stranger.DID() + "#0"}, nil, stranger, "proof"},
			{"kid of another DID, own key", claims{"kid": stranger.DID() + "#0"}, nil, nil, "proof"},
			{"kid that begins as the issuer", claims{"kid": b.issuer.DID() + "x#0"}, nil, nil, "proof"},
			{"kid without fragment", claims{"kid": b.issuer.DID()}, nil, nil, "proof"},
			{"kid of no key", claims{"kid": kid + "0"}, nil, nil, "proof"},
			{"kid empty", claims{"kid": ""}, nil, nil, "form"},
			{"kid a number", claims{"kid": 0}, nil, nil, "form"},
			{"jwk in the header", claims{"jwk": stranger.JWK()}, nil, stranger, "proof"},
			{"signed by another", nil, nil, stranger, "proof"},
			{"issuer and iss differ", nil, with(inner(claims{"issuer": stranger.DID()}), claims{"iss": b.issuer.DID()}), nil, "data model"},
			{"issuer a name", nil, with(inner(claims{"issuer": "Ann"}), claims{"iss": "Ann"}), nil, "data model"},
			{"no type", nil, inner(claims{"type": nil}), nil, "data model"},
			{"no subject", nil, inner(claims{"credentialSubject": nil}), nil, "data model"},
			{"context of another version", nil, inner(claims{"@context": []any{map[string]string{"2.0": contextV1, "1.1": contextV2}[version]}}), nil, "data model"},
			{"unknown context", nil, inner(claims{"@context": []any{base0(version), "https://evil.example/v1"}}), nil, "contexts"},
			{"inline context", nil, inner(claims{"@context": []any{base0(version), claims{"degree": "https://evil.example/"}}}), nil, "contexts"},
			{"expired", nil, claims{"exp": now.Unix() - 3600, "validFrom": nil, "nbf": nil, "iat": now.Unix() - 7200}, nil, "dates"},
			{"not yet valid", nil, claims{"nbf": now.Unix() + 1800}, nil, "dates"},
			{"unknown status", nil, inner(claims{"credentialStatus": claims{"type": "RevocationList2020Status", "id": "https://issuer.example/1#1"}}), nil, "status"},
			{"status without type", nil, inner(claims{"credentialStatus": claims{"id": "https://issuer.example/1#1"}}), nil, "data model"},
		} {
			t.Run(version+" "+tt.name, func(t *testing.T) {
				by := b.issuer
				if tt.by != nil {
					by = tt.by
				}
				b.refused(t, by.JWS(with(head, tt.header), with(base, tt.payload)), tt.check)
			})
		}
		t.Run(version+" every byte", func(t *testing.T) {
			s := b.issuer.JWS(head, base)
			for i := range s {
				bad := []byte(s)
				bad[i] ^= 2
				if b.verify(string(bad)).Holds() {
					t.Fatalf("byte %d can be changed", i)
				}
			}
		})
	}
	v1 := b.credentialV1()
	for what, payload := range map[string]claims{
		"sub is not the subject":  with(v1, claims{"sub": stranger.DID()}),
		"exp is not the end":      with(v1, claims{"vc": with(v1["vc"].(claims), claims{"expirationDate": now.Add(9999 * time.Hour).Format(time.RFC3339)})}),
		"jti is not the id":       with(v1, claims{"vc": with(v1["vc"].(claims), claims{"id": "urn:uuid:2"})}),
		"vc a list":               with(v1, claims{"vc": []any{v1["vc"]}}),
		"no iss":                  with(v1, claims{"iss": nil}),
		"both vc and vp":          with(v1, claims{"vp": claims{}}),
		"neither date of issuing": with(v1, claims{"nbf": nil}),
	} {
		t.Run("1.1 "+what, func(t *testing.T) { b.refused(t, b.issuer.JWS(claims{"typ": "JWT"}, payload), "data model") })
	}
	t.Run("2.0 with vc", func(t *testing.T) {
		b.refused(t, b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"vc": claims{}})), "data model")
	})
	t.Run("2.0 under the typ of 1.1", func(t *testing.T) {
		if b.verify(b.issuer.JWS(claims{"typ": "JWT"}, b.credentialV2())).Holds() {
			t.Error("it holds")
		}
	})
}

func base0(version string) string {
	return map[string]string{"2.0": contextV2, "1.1": contextV1}[version]
}

// J12: a key of the issuer that is not for assertions.
func TestKeyNotForAssertions(t *testing.T) {
	b := newBench(t)
	const id = "did:web:issuer.example"
	b.policy.Trust.Issuers = []string{id}
	jwk, _ := json.Marshal(b.issuer.JWK())
	method := `{"id":"#k","type":"JsonWebKey","controller":"` + id + `","publicKeyJwk":` + string(jwk) + `}`
	for use, holds := range map[string]bool{"assertionMethod": true, "authentication": false, "keyAgreement": false, "capabilityInvocation": false} {
		c := newBench(t)
		c.issuer, c.policy = b.issuer, b.policy
		c.in.Page("https://issuer.example/.well-known/did.json", `{"id":"`+id+`","verificationMethod":[`+method+`],"`+use+`":["#k"]}`)
		r := c.verify(b.issuer.JWS(claims{"typ": "vc+jwt", "kid": id + "#k"}, with(b.credentialV2(), claims{"issuer": id})))
		if r.Holds() != holds {
			t.Errorf("%s: %v", use, r.Failed())
		}
	}
}

// J12: presentations.
func TestJWTPresentationRefusals(t *testing.T) {
	b := newBench(t)
	stranger := didtest.NewSigner(t, "EdDSA")
	v2, v1 := b.issuer.JWS(claims{"typ": "vc+jwt"}, b.credentialV2()), b.issuer.JWS(claims{"typ": "JWT"}, b.credentialV1())
	of := func(s *didtest.Signer) string {
		return b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"credentialSubject": claims{"id": s.DID()}}))
	}
	dates := claims{"iat": now.Unix(), "aud": audience, "nonce": nonce}
	vp2 := with(dates, claims{"@context": []any{contextV2}, "type": "VerifiablePresentation", "holder": b.holder.DID(), "verifiableCredential": []any{envelope(v2)}})
	vp1 := with(dates, claims{"iss": b.holder.DID(), "vp": claims{"@context": []any{contextV1}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": []any{v1}}})
	inner1 := func(m claims) claims { return with(vp1, claims{"vp": with(vp1["vp"].(claims), m)}) }
	for _, tt := range []struct {
		name    string
		typ     string
		payload claims
		check   string
	}{
		{"2.0", "vp+jwt", vp2, ""},
		{"1.1", "JWT", vp1, ""},
		{"2.0 other aud", "vp+jwt", with(vp2, claims{"aud": "https://other.example"}), "audience"},
		{"2.0 two auds", "vp+jwt", with(vp2, claims{"aud": []any{audience, "https://other.example"}}), "audience"},
		{"1.1 no aud", "JWT", with(vp1, claims{"aud": nil}), "audience"},
		{"2.0 other nonce", "vp+jwt", with(vp2, claims{"nonce": "x"}), "nonce"},
		{"1.1 no nonce", "JWT", with(vp1, claims{"nonce": nil}), "nonce"},
		{"2.0 old", "vp+jwt", with(vp2, claims{"iat": now.Unix() - 3600}), "dates"},
		{"2.0 no date", "vp+jwt", with(vp2, claims{"iat": nil}), "dates"},
		{"1.1 expired", "JWT", with(vp1, claims{"exp": 1}), "dates"},
		{"2.0 holder is another", "vp+jwt", with(vp2, claims{"holder": stranger.DID()}), "holder"},
		{"2.0 iss is another", "vp+jwt", with(vp2, claims{"iss": stranger.DID()}), "data model"},
		{"1.1 iss is another", "JWT", with(vp1, claims{"iss": stranger.DID()}), "holder"},
		{"1.1 holder is not iss", "JWT", inner1(claims{"holder": stranger.DID()}), "data model"},
		{"2.0 no holder", "vp+jwt", with(vp2, claims{"holder": nil}), "holder"},
		{"2.0 a credential of another", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{envelope(v2), envelope(of(stranger))}}), "holder"},
		{"2.0 a credential of nobody", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{envelope(b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"credentialSubject": claims{"x": 1}})))}}), "holder"},
		{"2.0 no credential", "vp+jwt", with(vp2, claims{"verifiableCredential": nil}), "credentials"},
		{"2.0 a bare credential", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{b.credentialV2()}}), "credentials"},
		{"2.0 a credential as text", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{v2}}), "credentials"},
		{"2.0 a credential of bad typ", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{envelope(b.issuer.JWS(claims{"typ": "at+jwt"}, b.credentialV2()))}}), "data model"},
		{"2.0 a tampered credential", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{envelope(v2[:len(v2)-6] + "AAAAAA")}}), "proof"},
		{"2.0 a credential by the holder", "vp+jwt", with(vp2, claims{"verifiableCredential": []any{envelope(b.holder.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"issuer": b.holder.DID()})))}}), "trust"},
		{"2.0 many", "vp+jwt", with(vp2, claims{"verifiableCredential": repeat(envelope(v2), 17)}), "credentials"},
		{"1.1 a credential as object", "JWT", inner1(claims{"verifiableCredential": []any{claims{"@context": contextV1}}}), "credentials"},
		{"1.1 vp no object", "JWT", with(vp1, claims{"vp": "x"}), "data model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := b.holder.JWS(claims{"typ": tt.typ}, tt.payload)
			if tt.check != "" {
				b.refused(t, s, tt.check)
				return
			}
			p, ok := b.verify(s).Presentation()
			if !ok || p.Holder() != b.holder.DID() || len(p.Credentials()) != 1 || p.Credentials()[0].Issuer() != b.issuer.DID() {
				t.Fatal(b.verify(s).Failed())
			}
			b.refused(t, stranger.JWS(claims{"typ": tt.typ}, tt.payload), "holder")
		})
	}
	t.Run("bound by cnf to another key", func(t *testing.T) {
		c := b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"cnf": claims{"jwk": stranger.JWK()}}))
		b.refused(t, b.holder.JWS(claims{"typ": "vp+jwt"}, with(vp2, claims{"verifiableCredential": []any{envelope(c)}})), "holder")
	})
}

func repeat(v any, n int) (out []any) {
	for range n {
		out = append(out, v)
	}
	return out
}

func deflated(t *testing.T, data []byte, gz bool) string {
	t.Helper()
	var buf bytes.Buffer
	w := io.WriteCloser(zlib.NewWriter(&buf))
	if gz {
		w = gzip.NewWriter(&buf)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return did.B64.EncodeToString(buf.Bytes())
}

// J10: the Token Status List.
func TestTokenStatusList(t *testing.T) {
	const uri = "https://issuer.example/status/1"
	data := make([]byte, 1000)
	data[0], data[1] = 0b0000_0010, 0b0000_1001 // 1 bit: entries 1, 8 and 11
	stranger := didtest.NewSigner(t, "ES256")
	head := claims{"typ": "statuslist+jwt", "kid": "k"}
	base := claims{"sub": uri, "iat": now.Unix() - 10, "exp": now.Unix() + 600, "status_list": claims{"bits": 1, "lst": deflated(t, data, false)}}
	bomb := deflated(t, make([]byte, 17<<20), false)
	type served struct {
		header, payload claims
		by              *didtest.Signer
	}
	for _, tt := range []struct {
		name  string
		idx   any
		list  served
		holds bool
		why   string
	}{
		{"good", 0, served{}, true, ""},
		{"good, last", 7999, served{}, true, ""},
		{"revoked", 1, served{}, false, "revoked"},
		{"revoked in the next byte, LSB first", 8, served{}, false, "revoked"},
		{"not MSB first", 6, served{}, true, ""},
		{"beyond", 8000, served{}, false, "beyond"},
		{"far beyond", 1 << 39, served{}, false, "beyond"},
		{"negative", -1, served{}, false, "index"},
		{"index text", "1", served{}, false, "index"},
		{"suspended", 0, served{payload: claims{"status_list": claims{"bits": 2, "lst": deflated(t, []byte{2}, false)}}}, false, "suspended"},
		{"of own meaning", 0, served{payload: claims{"status_list": claims{"bits": 4, "lst": deflated(t, []byte{0x0f}, false)}}}, false, "unknown"},
		{"expired", 0, served{payload: claims{"exp": now.Unix() - 100}}, false, "expired"},
		{"from the future", 0, served{payload: claims{"iat": now.Unix() + 1000}}, false, "yet to come"},
		{"no iat", 0, served{payload: claims{"iat": nil}}, false, "iat"},
		{"of another address", 0, served{payload: claims{"sub": uri + "0"}}, false, "another address"},
		{"of nowhere", 0, served{payload: claims{"sub": nil}}, false, "another address"},
		{"by a stranger", 0, served{by: stranger}, false, "signature"},
		{"of a stranger", 0, served{payload: claims{"iss": "https://evil.example"}, by: stranger}, false, "somebody else"},
		{"typ JWT", 0, served{header: claims{"typ": "JWT"}}, false, "typ"},
		{"alg none", 0, served{header: claims{"alg": "none"}}, false, "alg"},
		{"3 bits", 0, served{payload: claims{"status_list": claims{"bits": 3, "lst": deflated(t, data, false)}}}, false, "bits"},
		{"gzip", 0, served{payload: claims{"status_list": claims{"bits": 1, "lst": deflated(t, data, true)}}}, false, "zlib"},
		{"cut off", 0, served{payload: claims{"status_list": claims{"bits": 1, "lst": deflated(t, data, false)[:10]}}}, false, ""},
		{"a bomb", 0, served{payload: claims{"status_list": claims{"bits": 1, "lst": bomb}}}, false, "more than"},
		{"no list", 0, served{payload: claims{"status_list": nil}}, false, "bits"},
		{"ttl negative", 0, served{payload: claims{"ttl": -1}}, false, "ttl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			by := b.issuer
			if tt.list.by != nil {
				by = tt.list.by
			}
			b.in.Page(uri, by.JWS(with(head, tt.list.header), with(base, tt.list.payload)))
			s := didtest.SDJWT(b.issuer.JWS(sdHead, with(b.sdClaims(), claims{"status": claims{"status_list": claims{"idx": tt.idx, "uri": uri}}})), nil, nil, nil, nil)
			if tt.holds {
				if r := b.verify(s); !r.Holds() {
					t.Error(r.Failed())
				}
				return
			}
			b.refused(t, s, "status")
			if err := b.verify(s).Failed(); !strings.Contains(err.Error(), tt.why) {
				t.Errorf("refused by %v, want %q", err, tt.why)
			}
		})
	}

	b := newBench(t)
	page := b.issuer.JWS(head, with(base, claims{"ttl": 30}))
	visits, status := 0, http.StatusOK
	b.in.Handle(uri, func(w http.ResponseWriter, _ *http.Request) {
		visits++
		w.WriteHeader(status)
		io.WriteString(w, page)
	})
	at := now
	clock := func() time.Time { return at }
	b.judge = did.New(did.Options{Resolver: did.NewResolver(did.ResolverOptions{Now: clock}), Fetch: b.in.Fetch, Now: clock})
	of := func(idx int) string {
		return didtest.SDJWT(b.issuer.JWS(sdHead, with(b.sdClaims(), claims{"status": claims{"status_list": claims{"idx": idx, "uri": uri}}})), nil, nil, nil, nil)
	}
	for i, step := range []struct {
		after  time.Duration
		idx    int
		status int
		holds  bool
		visits int
		change func(*did.Policy)
	}{
		{0, 0, 200, true, 1, nil},
		{29 * time.Second, 0, 500, true, 1, nil}, // from the cache
		{0, 1, 500, false, 1, nil},               // revoked, from the cache
		{0, 0, 500, false, 2, func(p *did.Policy) { p.Trust.Issuers = append(p.Trust.Issuers, "urn:x") }}, // not for another policy
		{2 * time.Second, 0, 500, false, 3, nil},                                                          // ttl is over: unreachable is refused
		{0, 0, 200, true, 4, nil},
		{0, 0, 200, true, 4, func(p *did.Policy) { p.Status = did.Ignored }},
	} {
		at, status = at.Add(step.after), step.status
		p := b.policy
		if step.change != nil {
			step.change(&p)
		}
		if r := b.judge.Verify(t.Context(), []byte(of(step.idx)), p); r.Holds() != step.holds || visits != step.visits {
			t.Errorf("step %d: %v, %d visits, want %v, %d", i, r.Failed(), visits, step.holds, step.visits)
		}
	}
}

// J10: the lists of the W3C.
func TestBitstringStatusList(t *testing.T) {
	const uri = "https://issuer.example/status/3"
	data := make([]byte, 16384)
	data[0], data[1] = 0b0100_0000, 0b1000_0000 // entries 1 and 8, most significant bit first
	stranger := didtest.NewSigner(t, "ES256")
	for _, form := range []struct{ entry, credential, subject, prefix string }{
		{"BitstringStatusListEntry", "BitstringStatusListCredential", "BitstringStatusList", "u"},
		{"StatusList2021Entry", "StatusList2021Credential", "StatusList2021", ""},
	} {
		subject := claims{"type": form.subject, "statusPurpose": "revocation", "encodedList": form.prefix + deflated(t, data, true)}
		for _, tt := range []struct {
			name          string
			entry         claims
			list, subject claims
			header        claims
			by            *didtest.Signer
			why           string // "": it holds
		}{
			{"good", nil, nil, nil, nil, nil, ""},
			{"good, not LSB first", claims{"statusListIndex": "6"}, nil, nil, nil, nil, ""},
			{"good, last", claims{"statusListIndex": "131071"}, nil, nil, nil, nil, ""},
			{"revoked", claims{"statusListIndex": "1"}, nil, nil, nil, nil, "revoked"},
			{"revoked, next byte", claims{"statusListIndex": "8"}, nil, nil, nil, nil, "revoked"},
			{"suspended", claims{"statusListIndex": "1", "statusPurpose": "suspension"}, nil, claims{"statusPurpose": []any{"revocation", "suspension"}}, nil, nil, "suspended"},
			{"a message", claims{"statusListIndex": "1", "statusPurpose": "message"}, nil, claims{"statusPurpose": "message"}, nil, nil, "unknown"},
			{"beyond", claims{"statusListIndex": "131072"}, nil, nil, nil, nil, "beyond"},
			{"index negative", claims{"statusListIndex": "-1"}, nil, nil, nil, nil, "index"},
			{"index absent", claims{"statusListIndex": nil}, nil, nil, nil, nil, "index"},
			{"other purpose", claims{"statusPurpose": "suspension"}, nil, nil, nil, nil, "does not speak"},
			{"no purpose", claims{"statusPurpose": nil}, nil, nil, nil, nil, "purpose"},
			{"http", claims{"statusListCredential": "http://issuer.example/status/3"}, nil, nil, nil, nil, "list"},
			{"elsewhere", claims{"statusListCredential": "https://other.example/status/3"}, nil, nil, nil, nil, "allows no visit"},
			{"expired", nil, claims{"validUntil": now.Add(-time.Hour).Format(time.RFC3339)}, nil, nil, nil, "expired"},
			{"of another address", nil, claims{"id": uri + "0"}, nil, nil, nil, "another address"},
			{"no status list", nil, claims{"type": []any{"VerifiableCredential"}}, nil, nil, nil, "it is no"},
			{"other subject", nil, nil, claims{"type": "X"}, nil, nil, "it is no"},
			{"by a stranger", nil, nil, nil, nil, stranger, "signature"},
			{"of a stranger", nil, claims{"issuer": stranger.DID()}, nil, nil, stranger, "list"},
			{"of another trusted", nil, claims{"issuer": issuerURL}, nil, nil, nil, ""},
			{"typ", nil, nil, nil, claims{"typ": "at+jwt"}, nil, "typ"},
			{"short", nil, nil, claims{"encodedList": form.prefix + deflated(t, data[:8192], true)}, nil, nil, "less than"},
			{"zlib", nil, nil, claims{"encodedList": form.prefix + deflated(t, data, false)}, nil, nil, "gzip"},
			{"a bomb", nil, nil, claims{"encodedList": form.prefix + deflated(t, make([]byte, 17<<20), true)}, nil, nil, "more than"},
			{"multibase z", nil, nil, claims{"encodedList": "z1111"}, nil, nil, ""},
			{"ttl zero", nil, nil, claims{"ttl": 0}, nil, nil, "ttl"},
		} {
			t.Run(form.entry+" "+tt.name, func(t *testing.T) {
				b := newBench(t)
				by := b.issuer
				if tt.by != nil {
					by = tt.by
				}
				list := with(b.credentialV2(), claims{"id": uri, "type": []any{"VerifiableCredential", form.credential}, "credentialSubject": with(subject, tt.subject)})
				b.in.Page(uri, by.JWS(with(claims{"typ": "vc+jwt"}, tt.header), with(list, tt.list)))
				entry := claims{"type": form.entry, "statusPurpose": "revocation", "statusListIndex": "0", "statusListCredential": uri}
				s := b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"credentialStatus": with(entry, tt.entry)}))
				switch tt.name {
				case "of another trusted":
					b.policy.Keys = map[string][]did.Key{issuerURL: {signerKey(t, b.issuer)}}
				case "multibase z":
					tt.why = "encodedList"
				}
				if tt.why == "" {
					if r := b.verify(s); !r.Holds() {
						t.Error(r.Failed())
					}
					return
				}
				b.refused(t, s, "status")
				if err := b.verify(s).Failed(); !strings.Contains(err.Error(), tt.why) {
					t.Errorf("refused by %v, want %q", err, tt.why)
				}
			})
		}
	}
	t.Run("one entry of two is bad", func(t *testing.T) {
		b := newBench(t)
		list := with(b.credentialV2(), claims{"type": []any{"VerifiableCredential", "BitstringStatusListCredential"},
			"credentialSubject": claims{"type": "BitstringStatusList", "statusPurpose": []any{"revocation", "suspension"}, "encodedList": "u" + deflated(t, data, true)}})
		b.in.Page(uri, b.issuer.JWS(claims{"typ": "vc+jwt"}, list))
		entry := func(purpose string, i int) claims {
			return claims{"type": "BitstringStatusListEntry", "statusPurpose": purpose, "statusListIndex": strconv.Itoa(i), "statusListCredential": uri}
		}
		b.refused(t, b.issuer.JWS(claims{"typ": "vc+jwt"}, with(b.credentialV2(), claims{"credentialStatus": []any{entry("revocation", 0), entry("suspension", 1)}})), "status")
	})
}

func signerKey(t *testing.T, s *didtest.Signer) did.Key {
	t.Helper()
	jwk, err := json.Marshal(s.JWK())
	if err != nil {
		t.Fatal(err)
	}
	return key(t, jwk)
}

// J11: both bit orders, by the vectors of their own specifications.
func TestStatusListVectors(t *testing.T) {
	var file struct {
		Size    int
		Vectors []struct {
			Bits     int
			Lst      string
			Statuses map[string]int
		}
	}
	decode(t, "token-status-list/status-list-vectors.json", &file)
	for _, v := range file.Vectors {
		set := map[int]byte{}
		for i, s := range v.Statuses {
			n, _ := strconv.Atoi(i)
			set[n] = byte(s)
		}
		for i := range file.Size {
			if i%101 == 0 {
				set[i] = set[i]
			}
		}
		got, err := did.TokenStatuses(v.Bits, v.Lst, maps.Keys(set))
		if err != nil || !maps.Equal(got, set) {
			t.Errorf("%d bits: %v, %d statuses", v.Bits, err, len(got))
		}
	}
	if len(file.Vectors) != 4 {
		t.Error("not all of them")
	}
	var empty struct {
		EncodedList string `json:"encodedList"`
		Bits        int
	}
	decode(t, "bitstring-status-list/empty-list.json", &empty)
	data, err := did.ParseBitstring(empty.EncodedList, false)
	if err != nil || len(data)*8 != empty.Bits || bytes.Trim(data, "\x00") != nil && len(bytes.Trim(data, "\x00")) > 0 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	short, err := did.TokenStatuses(1, "eNrbuRgAAhcBXQ", maps.Keys(map[int]byte{0: 0, 1: 0, 2: 0, 3: 0, 15: 0, 14: 0}))
	if want := (map[int]byte{0: 1, 1: 0, 2: 0, 3: 1, 14: 0, 15: 1}); err != nil || !maps.Equal(short, want) {
		t.Error(fmt.Sprint(short), err)
	}
}

// A stranger's credential names a list where we may go: nobody goes there for a stranger.
func TestNoVisitForStrangers(t *testing.T) {
	b := newBench(t)
	b.policy.Trust.Issuers = []string{issuerURL}
	b.in.Page("https://issuer.example/status", "x")
	c := with(b.credentialV2(), claims{"credentialStatus": claims{"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "0", "statusListCredential": "https://issuer.example/status"}})
	b.refused(t, b.issuer.JWS(claims{"typ": "vc+jwt"}, c), "trust")
	if b.in.Visits.Load() != 0 {
		t.Error("a stranger made us visit")
	}
}
