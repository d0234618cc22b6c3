package did_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
)

func hexBytes(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func multikey(code uint64, raw []byte) string { return "did:key:" + did.Multikey(code, raw) }

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want did.URL
		ok   bool
	}{
		{"did:example:123", did.URL{DID: "did:example:123"}, true},
		{"did:example:123/path/a", did.URL{DID: "did:example:123", Path: "/path/a"}, true},
		{"did:example:1:2%3A3?versionId=1#k-1", did.URL{DID: "did:example:1:2%3A3", Query: "versionId=1", Fragment: "k-1"}, true},
		{"did:example:123#a?b", did.URL{DID: "did:example:123", Fragment: "a?b"}, true},
		{"did:example:123#", did.URL{}, false},
		{"did:example:123?", did.URL{}, false},
		{"did:example:", did.URL{}, false},
		{"did:example", did.URL{}, false},
		{"did::1", did.URL{}, false},
		{"did:Example:1", did.URL{}, false},
		{"DID:example:1", did.URL{}, false},
		{"did:example:a b", did.URL{}, false},
		{"did:example:a%2", did.URL{}, false},
		{"did:example:ä", did.URL{}, false},
		{"did:example:a:", did.URL{}, false},
		{"did:example:1#a#b", did.URL{}, false},
		{"did:example:1#a\x00", did.URL{}, false},
		{"did:example:1@evil", did.URL{}, false},
		{" did:example:1", did.URL{}, false},
		{"did:example:" + strings.Repeat("a", 5000), did.URL{}, false},
		{"", did.URL{}, false},
	} {
		got, err := did.ParseURL(tt.in)
		if (err == nil) != tt.ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%.80q: %+v, %v", tt.in, got, err)
		}
		if tt.ok && got.String() != tt.in {
			t.Errorf("%q is written as %q", tt.in, got)
		}
	}
}

func TestParseDocument(t *testing.T) {
	const id = "did:web:example.com"
	key := `"publicKeyMultibase":"` + strings.TrimPrefix(someKey, "did:key:") + `"`
	method := func(more string) string {
		return `{"type":"Multikey","controller":"` + id + `",` + key + `,` + more + `}`
	}
	for _, tt := range []struct {
		name, doc string
		ok        bool
	}{
		{"least", `{"id":"` + id + `"}`, true},
		{"absolute and relative", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"#a"`) + `],"assertionMethod":["` + id + `#a"],"authentication":["#a"]}`, true},
		{"embedded", `{"id":"` + id + `","authentication":[` + method(`"id":"#a"`) + `]}`, true},
		{"method of an unknown type", `{"id":"` + id + `","verificationMethod":[{"id":"#a","type":"New","controller":"` + id + `"}],"assertionMethod":["#a"]}`, true},
		{"a reference to another's method", `{"id":"` + id + `","authentication":["did:web:other.example#a"]}`, true},
		{"service", `{"id":"` + id + `","service":[{"id":"#s","type":"X","serviceEndpoint":"https://x.example"}]}`, true},
		{"other id", `{"id":"did:web:example.org"}`, false},
		{"no id", `{}`, false},
		{"id in other case", `{"id":"did:web:EXAMPLE.com"}`, false},
		{"id a list", `{"id":["` + id + `"]}`, false},
		{"two ids", `{"id":"x","id":"` + id + `"}`, false},
		{"controller elsewhere", `{"id":"` + id + `","verificationMethod":[{"id":"#a","type":"Multikey","controller":"did:web:evil.example",` + key + `}],"assertionMethod":["#a"]}`, true},
		{"method of another DID", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"did:web:evil.example#a"`) + `],"assertionMethod":["did:web:evil.example#a"]}`, true},
		{"method without fragment", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"`+id+`"`) + `]}`, true},
		{"one id twice", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"#a"`) + `,` + method(`"id":"`+id+`#a"`) + `]}`, false},
		{"one id twice, embedded", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"#a"`) + `],"authentication":[` + method(`"id":"#a"`) + `]}`, false},
		{"dangling", `{"id":"` + id + `","assertionMethod":["#a"]}`, true},
		{"two keys in one", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"#a","publicKeyBase58":"1"`) + `]}`, false},
		{"a secret", `{"id":"` + id + `","verificationMethod":[` + method(`"id":"#a","secretKeyMultibase":"z1"`) + `]}`, false},
		{"no key", `{"id":"` + id + `","verificationMethod":[{"id":"#a","type":"Multikey","controller":"` + id + `"}]}`, false},
		{"type of another curve", `{"id":"` + id + `","verificationMethod":[{"id":"#a","type":"X25519KeyAgreementKey2020","controller":"` + id + `",` + key + `}]}`, false},
		{"methods an object", `{"id":"` + id + `","verificationMethod":{}}`, false},
		{"relationship a string", `{"id":"` + id + `","assertionMethod":"#a"}`, false},
		{"relationship a number", `{"id":"` + id + `","assertionMethod":[1]}`, false},
		{"service twice", `{"id":"` + id + `","service":[{"id":"#s","type":"X","serviceEndpoint":"a"},{"id":"#s","type":"X","serviceEndpoint":"b"}]}`, false},
		{"deep", `{"id":"` + id + `","x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, false},
		{"long", `{"id":"` + id + `","x":"` + strings.Repeat("x", 70000) + `"}`, false},
		{"many methods", `{"id":"` + id + `","verificationMethod":[` + strings.Repeat(method(`"id":"#a"`)+",", 65) + `1]}`, false},
		{"trailing", `{"id":"` + id + `"}{}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := did.ParseDocument(id, []byte(tt.doc))
			if (err == nil) != tt.ok {
				t.Errorf("error %v, want ok %v", err, tt.ok)
			}
			for _, url := range []string{id + "#a", "did:web:evil.example#a"} {
				if _, err := doc.Key(url, did.AssertionMethod); (err == nil) != (tt.name == "absolute and relative" && url == id+"#a") {
					t.Errorf("%s: %v", url, err)
				}
			}
		})
	}
	doc, err := did.ParseDocument(id, []byte(`{"id":"`+id+`","verificationMethod":[`+method(`"id":"#key-10"`)+`],"assertionMethod":["#key-10"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{id + "#key-1", "#key-10", "", id, id + "#KEY-10"} {
		if _, err := doc.Key(url, did.AssertionMethod); err == nil {
			t.Errorf("%q finds #key-10", url)
		}
	}
}

func TestBase58(t *testing.T) {
	for _, b := range [][]byte{{}, {0}, {0, 0, 1}, {255}, bytes.Repeat([]byte{255}, 64), []byte("Hello World!")} {
		got, err := did.Base58Decode(did.Base58Encode(b))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x became %x, %v", b, got, err)
		}
	}
	if got := did.Base58Encode([]byte("Hello World!")); got != "2NEpo7TZRRrLZSi2U" {
		t.Error(got)
	}
	if _, err := did.Base58Decode(strings.Repeat("z", 5000)); err == nil {
		t.Error("an input without end is decoded")
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("did:example:1:2%3A3/a?versionId=1#k-1")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := did.ParseURL(s)
		if err == nil && u.String() != s {
			t.Errorf("%q is written as %q", s, u)
		}
	})
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{someKey, p256Key, "did:web:example.com%3A3000:user:alice", didJWK(`{"kty":"OKP","crv":"Ed25519","x":"AA"}`)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range []did.Method{did.KeyMethod{}, did.JWKMethod{}, did.WebMethod{}, did.PeerMethod{}, did.NewWebVH(time.Now)} {
			if res, err := m.Resolve(t.Context(), did.ID(s), nil); err == nil && res.Document.ID != s {
				t.Errorf("%s answered with %q", s, res.Document.ID)
			}
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(webDocument("did:web:example.com")))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := did.ParseDocument("did:web:example.com", b)
		if err == nil && d.ID != "did:web:example.com" {
			t.Error(d.ID)
		}
	})
}
