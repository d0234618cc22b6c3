package did_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

var now = time.Unix(1_800_000_000, 0)

const (
	issuerURL = "https://issuer.example"
	audience  = "https://verifier.example"
	nonce     = "n-0S6_WzA2Mj"
)

type claims = map[string]any

// bench is an internet with an issuer and a holder on it, and a judge that may visit them.
type bench struct {
	t              *testing.T
	in             *didtest.Internet
	issuer, holder *didtest.Signer
	judge          *did.Judge
	policy         did.Policy
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, in: didtest.NewInternet(t), issuer: didtest.NewSigner(t, "ES256"), holder: didtest.NewSigner(t, "EdDSA")}
	clock := func() time.Time { return now }
	methods := []did.Method{did.KeyMethod{}, did.JWKMethod{}, did.WebMethod{}}
	b.judge = did.New(did.Options{Resolver: did.NewResolver(did.ResolverOptions{Methods: methods, Now: clock}), Fetch: b.in.Fetch, Now: clock})
	b.in.Page("https://issuer.example/.well-known/jwt-vc-issuer", `{"issuer":"`+issuerURL+`","jwks":`+b.issuer.JWKS("k")+`}`)
	b.policy = did.Policy{Trust: did.Trust{Issuers: []string{issuerURL, b.issuer.DID()}}, Visit: []string{"issuer.example"}, Audience: audience, Nonce: nonce}
	return b
}

// with is a copy of m with changes; nil deletes.
func with(m, changes claims) claims {
	out := maps.Clone(m)
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func (b *bench) verify(s string) did.Report {
	return b.judge.Verify(b.t.Context(), []byte(s), b.policy)
}

// refused checks that input is refused by the check named.
func (b *bench) refused(t *testing.T, s, check string) {
	t.Helper()
	r := b.verify(s)
	if r.Holds() || len(r.Credentials()) > 0 {
		t.Fatal("it holds")
	}
	if _, ok := r.Presentation(); ok {
		t.Error("a refused presentation is evidence")
	}
	for _, c := range r.Checks {
		if !c.Held {
			if c.Name != check && !strings.HasSuffix(c.Name, ": "+check) {
				t.Errorf("refused by %q (%s), want %q", c.Name, c.Why, check)
			}
			return
		}
	}
	t.Error("no check says why")
}

func (b *bench) sdClaims() claims {
	return claims{"iss": issuerURL, "vct": "urn:test:1", "iat": now.Unix() - 60, "exp": now.Unix() + 3600, "cnf": claims{"jwk": b.holder.JWK()}}
}

func kbClaims() claims {
	return claims{"aud": audience, "nonce": nonce, "iat": now.Unix()}
}

var sdHead = claims{"typ": "dc+sd-jwt", "kid": "k"}

// J1, J3, J4: what a holder may do wrong with an SD-JWT VC, and what an issuer may.
func TestSDJWTRefusals(t *testing.T) {
	b := newBench(t)
	name, digest := didtest.Disclosure(t, "salt", "name", "Ann")
	elem, elemDigest := didtest.Disclosure(t, "salt", "DE")
	base := with(b.sdClaims(), claims{"_sd": []any{digest}, "_sd_alg": "sha-256", "nationalities": []any{claims{"...": elemDigest}}})
	good := b.issuer.JWS(sdHead, base)
	r := b.verify(didtest.SDJWT(good, []string{name, elem}, b.holder, nil, kbClaims()))
	p, ok := r.Presentation() // J4: its cnf.jwk has the least members
	if !ok || p.Credentials()[0].Claims()["name"] != "Ann" || p.Credentials()[0].Claims()["_sd"] != nil || p.Nonce() != nonce {
		t.Fatal(r.Failed(), r.Checks)
	}
	if r := b.verify(didtest.SDJWT(good, nil, b.holder, nil, kbClaims())); !r.Holds() || r.Credentials()[0].Claims()["name"] != nil {
		t.Error(r.Failed())
	}
	if r := b.verify(didtest.SDJWT(good, nil, nil, nil, nil)); !r.Holds() || r.Kind != did.KindCredential {
		t.Error(r.Failed())
	}

	for _, tt := range []struct {
		name       string
		header, kb claims
		by         *didtest.Signer
		check      string
	}{
		{"another's key", nil, nil, didtest.NewSigner(t, "EdDSA"), "holder"},
		{"another's key of another type", nil, nil, didtest.NewSigner(t, "ES256"), "holder"},
		{"typ JWT", claims{"typ": "JWT"}, nil, nil, "holder"},
		{"alg none", claims{"alg": "none"}, nil, nil, "holder"},
		{"alg of another key", claims{"alg": "ES256"}, nil, nil, "holder"},
		{"crit", claims{"crit": []any{"x"}}, nil, nil, "holder"},
		{"sd_hash of another", nil, claims{"sd_hash": didtest.Digest("x")}, nil, "holder"},
		{"no sd_hash", nil, claims{"sd_hash": nil}, nil, "holder"},
		{"iat a year ago", nil, claims{"iat": now.Unix() - 365*86400}, nil, "holder"},
		{"iat in a year", nil, claims{"iat": now.Unix() + 365*86400}, nil, "holder"},
		{"iat ten minutes ago", nil, claims{"iat": now.Unix() - 600}, nil, "holder"},
		{"iat text", nil, claims{"iat": "now"}, nil, "holder"},
		{"no iat", nil, claims{"iat": nil}, nil, "holder"},
		{"expired", nil, claims{"exp": now.Unix() - 600}, nil, "holder"},
		{"other nonce", nil, claims{"nonce": "other"}, nil, "nonce"},
		{"no nonce", nil, claims{"nonce": nil}, nil, "nonce"},
		{"nonce a list", nil, claims{"nonce": []any{nonce}}, nil, "nonce"},
		{"other aud", nil, claims{"aud": "https://other.example"}, nil, "audience"},
		{"aud a list", nil, claims{"aud": []any{audience}}, nil, "audience"},
		{"no aud", nil, claims{"aud": nil}, nil, "audience"},
	} {
		t.Run("J1 "+tt.name, func(t *testing.T) {
			if tt.by == nil {
				tt.by = b.holder
			}
			kb := maps.Clone(kbClaims())
			maps.Copy(kb, tt.kb)
			b.refused(t, didtest.SDJWT(good, []string{name}, tt.by, tt.header, kb), tt.check)
		})
	}
	t.Run("J1 proof moved to other disclosures", func(t *testing.T) {
		s := didtest.SDJWT(good, []string{name}, b.holder, nil, kbClaims())
		b.refused(t, strings.Replace(s, name+"~", "", 1), "holder")
	})
	t.Run("J1 missing where it is demanded", func(t *testing.T) {
		c := newBench(t)
		c.issuer, c.judge, c.policy = b.issuer, b.judge, b.policy
		c.policy.Holder = did.OnlyPresentations
		c.refused(t, didtest.SDJWT(good, nil, nil, nil, nil), "holder")
	})

	disclose := func(elements ...any) (string, string) { return didtest.Disclosure(t, elements...) }
	type made struct {
		payload     claims
		disclosures []string
	}
	for what, m := range map[string]func() made{
		"digest twice": func() made {
			return made{with(base, claims{"x": claims{"_sd": []any{digest}}}), []string{name}}
		},
		"digest twice, undisclosed": func() made { return made{with(base, claims{"_sd": []any{"a", "a"}}), nil} },
		"disclosure not referenced": func() made { d, _ := disclose("salt", "age", 1); return made{base, []string{d}} },
		"disclosure twice":          func() made { return made{base, []string{name, name}} },
		"claim called _sd": func() made {
			d, h := disclose("s", "_sd", []any{})
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"claim called ...": func() made {
			d, h := disclose("s", "...", 1)
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"overwrites": func() made {
			d, h := disclose("s", "sub", "eve")
			return made{with(base, claims{"sub": "ann", "_sd": []any{h}}), []string{d}}
		},
		"two of one name": func() made {
			d, h := disclose("s", "name", "Eve")
			return made{with(base, claims{"_sd": []any{digest, h}}), []string{name, d}}
		},
		"unknown _sd_alg":      func() made { return made{with(base, claims{"_sd_alg": "md5"}), nil} },
		"_sd_alg a number":     func() made { return made{with(base, claims{"_sd_alg": 256}), nil} },
		"_sd_alg below":        func() made { return made{with(base, claims{"x": claims{"_sd_alg": "sha-256"}}), nil} },
		"_sd no array":         func() made { return made{with(base, claims{"_sd": digest}), nil} },
		"_sd of numbers":       func() made { return made{with(base, claims{"_sd": []any{1}}), nil} },
		"... outside an array": func() made { return made{with(base, claims{"x": claims{"y": claims{"...": "a"}}}), nil} },
		"... with more": func() made {
			return made{with(base, claims{"nationalities": []any{claims{"...": elemDigest, "x": 1}}}), []string{elem}}
		},
		"member as element": func() made {
			return made{with(base, claims{"nationalities": []any{claims{"...": digest}}, "_sd": nil}), []string{name}}
		},
		"element as member": func() made {
			return made{with(base, claims{"_sd": []any{elemDigest}, "nationalities": nil}), []string{elem}}
		},
		"hidden vct": func() made {
			d, h := disclose("s", "vct", "urn:test:1")
			return made{with(base, claims{"_sd": []any{h}, "vct": nil}), []string{d}}
		},
		"hidden iss": func() made {
			d, h := disclose("s", "iss", issuerURL)
			return made{with(base, claims{"_sd": []any{h}, "iss": nil}), []string{d}}
		},
		"hidden exp": func() made {
			d, h := disclose("s", "exp", 1)
			return made{with(base, claims{"_sd": []any{h}, "exp": nil}), []string{d}}
		},
		"hidden nbf": func() made {
			d, h := disclose("s", "nbf", 1)
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"hidden cnf": func() made {
			d, h := disclose("s", "cnf", claims{})
			return made{with(base, claims{"_sd": []any{h}, "cnf": nil}), []string{d}}
		},
		"hidden status": func() made {
			d, h := disclose("s", "status", claims{})
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"hidden within status":      func() made { return made{with(base, claims{"status": claims{"_sd": []any{"a"}}}), nil} },
		"hidden within cnf":         func() made { return made{with(base, claims{"cnf": claims{"jwk": claims{"_sd": []any{"a"}}}}), nil} },
		"disclosure of one element": func() made { d, h := disclose("s"); return made{with(base, claims{"_sd": []any{h}}), []string{d}} },
		"disclosure of four": func() made {
			d, h := disclose("s", "a", 1, 2)
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"salt a number": func() made {
			d, h := disclose(1, "a", 1)
			return made{with(base, claims{"_sd": []any{h}}), []string{d}}
		},
		"disclosure an object": func() made {
			d := did.B64.EncodeToString([]byte(`{"a":1}`))
			return made{with(base, claims{"_sd": []any{didtest.Digest(d)}}), []string{d}}
		},
		"disclosure with duplicates": func() made {
			d := did.B64.EncodeToString([]byte(`["s","a",{"b":1,"b":2}]`))
			return made{with(base, claims{"_sd": []any{didtest.Digest(d)}}), []string{d}}
		},
		"empty disclosure": func() made { return made{base, []string{""}} },
		"disclosures in a chain": func() made {
			d, h := disclose("s", "x", 1)
			all := []string{d}
			for range 70 {
				d, h = disclose("s", "x", claims{"_sd": []any{h}})
				all = append(all, d)
			}
			return made{with(base, claims{"_sd": []any{h}}), all}
		},
	} {
		t.Run("J3 "+what, func(t *testing.T) {
			x := m()
			b.refused(t, didtest.SDJWT(b.issuer.JWS(sdHead, x.payload), x.disclosures, b.holder, nil, kbClaims()), "disclosures")
		})
	}

	for _, tt := range []struct {
		name    string
		header  claims
		payload claims
		check   string
	}{
		{"expired", nil, claims{"exp": now.Unix() - 61}, "dates"},
		{"not yet", nil, claims{"nbf": now.Unix() + 61}, "dates"},
		{"issued tomorrow", nil, claims{"iat": now.Unix() + 86400}, "dates"},
		{"exp text", nil, claims{"exp": "2099"}, "dates"},
		{"no vct", nil, claims{"vct": nil}, "type"},
		{"no iss", nil, claims{"iss": nil}, "proof"},
		{"another iss", nil, claims{"iss": "https://other.example"}, "proof"},
		{"iss a DID", claims{"kid": nil}, claims{"iss": b.issuer.DID()}, "proof"},
		{"kid of nobody", claims{"kid": "x"}, nil, "proof"},
		{"alg none", claims{"alg": "none"}, nil, "form"},
		{"alg HS256", claims{"alg": "HS256"}, nil, "form"},
		{"alg of another key", claims{"alg": "EdDSA"}, nil, "proof"},
		{"crit", claims{"crit": []any{"exp"}}, nil, "form"},
		{"cnf with a private key", nil, claims{"cnf": claims{"jwk": with(b.holder.JWK(), claims{"d": "AAAA"})}}, "holder"},
		{"cnf without key", nil, claims{"cnf": claims{"kid": "x"}}, "holder"},
		{"no cnf", nil, claims{"cnf": nil}, "holder"},
		{"unknown status", nil, claims{"status": claims{"x": 1}}, "status"},
	} {
		t.Run("issuer: "+tt.name, func(t *testing.T) {
			s := b.issuer.JWS(with(sdHead, tt.header), with(base, tt.payload))
			b.refused(t, didtest.SDJWT(s, []string{name}, b.holder, nil, kbClaims()), tt.check)
		})
	}
	t.Run("J2 signed by another", func(t *testing.T) {
		s := didtest.NewSigner(t, "ES256").JWS(sdHead, base)
		b.refused(t, didtest.SDJWT(s, []string{name}, b.holder, nil, kbClaims()), "proof")
	})
	t.Run("policies", func(t *testing.T) {
		s := didtest.SDJWT(good, []string{name}, b.holder, nil, kbClaims())
		for what, p := range map[string]did.Policy{
			"zero":             {},
			"nobody trusted":   with2(b.policy, func(p *did.Policy) { p.Trust = did.Trust{} }),
			"another trusted":  with2(b.policy, func(p *did.Policy) { p.Trust.Issuers = []string{issuerURL + "/"} }),
			"no visits":        with2(b.policy, func(p *did.Policy) { p.Visit = nil }),
			"visits elsewhere": with2(b.policy, func(p *did.Policy) { p.Visit = []string{"example"} }),
			"no nonce":         with2(b.policy, func(p *did.Policy) { p.Nonce = "" }),
			"other type":       with2(b.policy, func(p *did.Policy) { p.Types = []string{"urn:test:2"} }),
			"long ago":         with2(b.policy, func(p *did.Policy) { p.At = now.Add(-24 * time.Hour) }),
		} {
			before := b.in.Visits.Load()
			if b.judge.Verify(t.Context(), []byte(s), p).Holds() {
				t.Errorf("%s: it holds", what)
			}
			if b.in.Visits.Load() != before && what != "no nonce" && what != "other type" && what != "long ago" {
				t.Errorf("%s: a stranger made us visit", what)
			}
		}
	})
}

func with2(p did.Policy, change func(*did.Policy)) did.Policy {
	change(&p)
	return p
}

// J2: the issuer's metadata.
func TestIssuerMetadata(t *testing.T) {
	other := didtest.NewSigner(t, "ES256")
	for _, tt := range []struct {
		name, page string
		holds      bool
	}{
		{"jwks", `{"issuer":"https://issuer.example","jwks":%}`, true},
		{"another issuer", `{"issuer":"https://issuer.example/x","jwks":%}`, false},
		{"no issuer", `{"jwks":%}`, false},
		{"jwks and jwks_uri", `{"issuer":"https://issuer.example","jwks":%,"jwks_uri":"https://issuer.example/jwks"}`, false},
		{"neither", `{"issuer":"https://issuer.example"}`, false},
		{"jwks_uri", `{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/jwks"}`, true},
		{"jwks_uri where we may not go", `{"issuer":"https://issuer.example","jwks_uri":"https://other.example/jwks"}`, false},
		{"http", `{"issuer":"https://issuer.example","jwks_uri":"http://issuer.example/jwks"}`, false},
		{"another's key", `{"issuer":"https://issuer.example","jwks":` + other.JWKS("k") + `}`, false},
		{"huge", `{"issuer":"https://issuer.example","x":"` + strings.Repeat("x", 70000) + `","jwks":%}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.in.Page("https://issuer.example/.well-known/jwt-vc-issuer", strings.Replace(tt.page, "%", b.issuer.JWKS("k"), 1))
			b.in.Page("https://issuer.example/jwks", b.issuer.JWKS("k"))
			b.in.Page("https://other.example/jwks", b.issuer.JWKS("k"))
			r := b.verify(didtest.SDJWT(b.issuer.JWS(sdHead, b.sdClaims()), nil, nil, nil, nil))
			if r.Holds() != tt.holds {
				t.Error(r.Failed())
			}
		})
	}
}

// certificate makes one for key, signed by parent, or by itself.
func certificate(t *testing.T, template *x509.Certificate, parent *x509.Certificate, key, by *didtest.Signer) *x509.Certificate {
	t.Helper()
	template.SerialNumber, template.NotBefore = big.NewInt(now.Unix()), now.Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = now.Add(time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Key.Public(), by.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// J2: chains to an unknown root, names of others, expired certificates, wrong usage.
func TestX5C(t *testing.T) {
	b := newBench(t)
	ca, evil := didtest.NewSigner(t, "ES256"), didtest.NewSigner(t, "ES256")
	authority := func(by *didtest.Signer) *x509.Certificate {
		return certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, by, by)
	}
	root, evilRoot := authority(ca), authority(evil)
	uri, _ := url.Parse(issuerURL)
	otherURI, _ := url.Parse("https://issuer.example.evil.example")
	b.policy.Trust = did.Trust{Roots: []*x509.Certificate{root}}
	for _, tt := range []struct {
		name  string
		leaf  x509.Certificate
		by    *didtest.Signer
		root  *x509.Certificate
		iss   any
		check string
	}{
		{"URI", x509.Certificate{URIs: []*url.URL{uri}}, ca, root, issuerURL, ""},
		{"DNS name", x509.Certificate{DNSNames: []string{"issuer.example"}, KeyUsage: x509.KeyUsageDigitalSignature}, ca, root, issuerURL, ""},
		{"no iss", x509.Certificate{DNSNames: []string{"issuer.example"}}, ca, root, nil, ""},
		{"unknown root of the same name", x509.Certificate{URIs: []*url.URL{uri}}, evil, evilRoot, issuerURL, "proof"},
		{"name of another", x509.Certificate{URIs: []*url.URL{otherURI}, DNSNames: []string{"issuer.example.evil.example"}}, ca, root, issuerURL, "proof"},
		{"no name", x509.Certificate{}, ca, root, issuerURL, "proof"},
		{"expired", x509.Certificate{URIs: []*url.URL{uri}, NotAfter: now.Add(-time.Minute)}, ca, root, issuerURL, "proof"},
		{"not for signatures", x509.Certificate{URIs: []*url.URL{uri}, KeyUsage: x509.KeyUsageKeyAgreement}, ca, root, issuerURL, "proof"},
		{"an authority", x509.Certificate{URIs: []*url.URL{uri}, IsCA: true, BasicConstraintsValid: true}, ca, root, issuerURL, "proof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := certificate(t, &tt.leaf, tt.root, b.issuer, tt.by)
			x5c := []any{base64.StdEncoding.EncodeToString(leaf.Raw), base64.StdEncoding.EncodeToString(tt.root.Raw)}
			s := didtest.SDJWT(b.issuer.JWS(claims{"typ": "dc+sd-jwt", "x5c": x5c}, with(b.sdClaims(), claims{"iss": tt.iss})), nil, nil, nil, nil)
			if tt.check == "" {
				if r := b.verify(s); !r.Holds() {
					t.Fatal(r.Failed())
				}
				b.refused(t, didtest.SDJWT(evil.JWS(claims{"typ": "dc+sd-jwt", "x5c": x5c}, b.sdClaims()), nil, nil, nil, nil), "proof")
				return
			}
			b.refused(t, s, tt.check)
		})
	}
	for what, x5c := range map[string]any{"empty": []any{}, "text": "x", "numbers": []any{1}, "no certificate": []any{"AAAA"}, "many": strings.Split(strings.Repeat("AAAA ", 20), " ")} {
		t.Run(what, func(t *testing.T) {
			if r := b.verify(didtest.SDJWT(b.issuer.JWS(claims{"typ": "dc+sd-jwt", "x5c": x5c}, b.sdClaims()), nil, nil, nil, nil)); r.Holds() {
				t.Error("it holds")
			}
		})
	}
}

func TestReport(t *testing.T) {
	var zero did.Report
	if zero.Holds() || zero.Failed() == nil || (did.Presentation{}).Valid() {
		t.Error("a zero value holds")
	}
	j := judge(now)
	for input, want := range map[string]string{
		`{"proof":{}}`: "Data Integrity", `{"@context":[]}`: "nobody signed", `{"signatures":[]}`: "JSON serialization", "": "empty",
		"\xa2x": "CBOR", "hello": "unknown", "e30.e30.": "alg", didtest.NewSigner(t, "ES256").JWS(claims{"typ": "at+jwt"}, claims{}): "at+jwt",
		strings.Repeat("x", 600<<10): "more than",
	} {
		r := j.Verify(t.Context(), []byte(input), did.Policy{Trust: did.Trust{Any: true}})
		if r.Holds() || !strings.Contains(r.Failed().Error(), want) {
			t.Errorf("%.40q: %v, want %q", input, r.Failed(), want)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
	k, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := did.NewKey(k.Public()); err == nil {
		t.Error("P-224 is a key")
	}
}
