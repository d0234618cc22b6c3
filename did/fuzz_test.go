package did_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// FuzzVerify gives whole inputs to the judge under a policy that believes anybody and visits nobody: whatever it is, the
// answer is a report, and an honest one.
func FuzzVerify(f *testing.F) {
	var file struct{ Vectors []struct{ Compact string } }
	decode(f, "sd-jwt-rfc9901/rfc9901-compact.json", &file)
	for _, v := range file.Vectors {
		f.Add([]byte(v.Compact))
	}
	names, _ := filepath.Glob("testdata/vc-jose-cose/*.txt")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	j := judge(time.Unix(1748536900, 0))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := j.Verify(t.Context(), input, did.Policy{Trust: did.Trust{Any: true}, Typ: []string{"example+sd-jwt"}, Holder: did.HolderIgnored, Audience: "a", Nonce: "n"})
		if r.Holds() != (r.Failed() == nil) || r.Holds() != (len(r.Credentials()) > 0) {
			t.Error("a report contradicts itself")
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
		if (did.Report{}).Holds() || j.Verify(t.Context(), input, did.Policy{}).Holds() {
			t.Error("the zero policy accepts something")
		}
	})
}

// FuzzSigned gives a signed payload, so that what stands behind the signature is reached.
func FuzzSigned(f *testing.F) {
	s := didtest.NewSigner(f, "EdDSA")
	for _, typ := range []string{"vc+jwt", "vp+jwt", "JWT", "dc+sd-jwt", "vc+sd-jwt", "statuslist+jwt"} {
		f.Add(typ, `{"iss":"x","vct":"x","_sd":["a"],"vc":{},"credentialStatus":[{}],"status":{"status_list":{"idx":1,"uri":"https://a"}}}`, `["s","n",{"_sd":[]}]`)
	}
	j := judge(time.Unix(1748536900, 0))
	f.Fuzz(func(t *testing.T, typ, payload, disclosure string) {
		var p map[string]any
		if json.Unmarshal([]byte(payload), &p) != nil || p == nil {
			return
		}
		p["iss"], p["issuer"] = s.DID(), s.DID()
		input := s.JWS(map[string]any{"typ": typ}, p)
		if strings.Contains(typ, "sd") {
			input += "~" + did.B64.EncodeToString([]byte(disclosure)) + "~"
		}
		j.Verify(t.Context(), []byte(input), did.Policy{Trust: did.Trust{Any: true}, Typ: []string{"sd"}})
	})
}

func FuzzStatusList(f *testing.F) {
	f.Add("eNrbuRgAAhcBXQ", 1)
	f.Add("H4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA", 8)
	f.Fuzz(func(t *testing.T, s string, bits int) {
		did.TokenStatuses(bits, s, func(yield func(int) bool) { _ = yield(0) && yield(7) && yield(1<<30) })
		did.ParseBitstring(s, true)
		did.ParseBitstring(s, false)
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(`{"trust":{"issuers":["a"],"roots":["-----BEGIN"]},"keys":{"a":[{}]},"leeway":"1s"}`))
	f.Fuzz(func(t *testing.T, text []byte) { did.ParsePolicy(text) })
}

func TestParsePolicy(t *testing.T) {
	p, err := did.ParsePolicy([]byte(`{"trust":{"issuers":["did:web:a.example"]},"at":"2026-01-01T00:00:00Z","leeway":"5s","max_age":"1m","status":"ignored",
		"holder":"required","audience":"a","nonce":"n","types":["t"],"typ":["x+sd-jwt"],"contexts":["https://c.example"],"visit":["*"],
		"keys":{"i":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}`))
	if err != nil || p.Status != did.Ignored || p.Holder != did.OnlyPresentations || len(p.Keys["i"]) != 1 || p.Leeway != 5*time.Second || p.MaxAge != time.Minute || p.At.Unix() != 1767225600 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := did.ParsePolicy([]byte(`{}`)); err != nil || p.Trust.Any || p.Status != did.Required {
		t.Error(err)
	}
	for _, bad := range []string{``, `[]`, `{"trust":"all"}`, `{"trust":{"issuer":["x"]}}`, `{"trust":{"roots":["x"]}}`, `{"nonce":""}`, `{"nonce":1}`, `{"status":"maybe"}`,
		`{"leeway":"-1s"}`, `{"leeway":1}`, `{"at":"now"}`, `{"types":[]}`, `{"types":[1]}`, `{"unknown":1}`, `{"trust":"any","trust":"any"}`, `{"keys":{"i":[{}]}}`, `{"keys":1}`} {
		if _, err := did.ParsePolicy([]byte(bad)); err == nil {
			t.Errorf("%s is a policy", bad)
		}
	}
}
