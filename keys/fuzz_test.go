package keys

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzParseSet(f *testing.F) {
	_, text := setOf(f, newKey(f, ES256), newKey(f, EdDSA), newKey(f, RS256))
	f.Add(text)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"","e":""},{"kty":"OKP","crv":"Ed25519","x":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSet(text)
		if err != nil {
			return
		}
		for _, k := range s.keys {
			again, err := marshalJWK(k.pub, map[string]string{"kid": k.id, "alg": k.algs[0], "use": "sig"})
			if err != nil {
				t.Fatalf("a key that was read cannot be written: %v", err)
			}
			if !json.Valid(again) || bytes.Contains(again, []byte(`"d":`)) {
				t.Fatalf("%s", again)
			}
		}
	})
}

func FuzzSetVerify(f *testing.F) {
	k := newKey(f, ES256)
	set, _ := setOf(f, k)
	good := forge(f, k, `{"alg":"ES256","kid":"`+k.ID()+`"}`, `{"sub":"ann"}`)
	f.Add(good)
	f.Add(strings.Repeat(".", 100))
	f.Add(forge(f, nil, `{"alg":"none","a":[{"b":"\u00e9\"\\"},1e9,{}]}`, `{}`))
	f.Fuzz(func(t *testing.T, token string) {
		v, err := set.Verify(token, Expect{Algs: ourAlgs, Typ: []string{AnyTyp}})
		if err == nil && string(v.Payload) != `{"sub":"ann"}` {
			t.Fatalf("verified %q", token)
		}
		_, payload, err := Peek(token)
		if m := map[string]any{}; err == nil && json.Unmarshal(payload, &m) != nil {
			t.Fatalf("peeked at %q", payload)
		}
	})
}

// FuzzUnique compares with a slow and simple reading by tokens.
func FuzzUnique(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"a":2}`, `{"a":[{"b":1},{"b":2}],"b":{"a":"\"}"}}`, `{"a":1,"\u0061":2}`, ` { "a" : [ ] } `, `{"a":1e5,"b":[1,2,[3,{}]],"c":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := unique(text)
		if !json.Valid(text) {
			if got == nil {
				t.Fatalf("accepts %q", text)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if slow := slowUnique(d); slow && got == nil {
			t.Fatalf("misses the duplicate in %q", text)
		} else if !slow && got != nil && got.Error() == "keys: duplicate JSON member" {
			t.Fatalf("sees a duplicate in %q", text)
		}
	})
}

// slowUnique says whether the next value holds a duplicate member.
func slowUnique(d *json.Decoder) bool {
	tok, err := d.Token()
	delim, ok := tok.(json.Delim)
	if err != nil || !ok {
		return false
	}
	seen, dup := map[string]bool{}, false
	for d.More() {
		if delim == '{' {
			name, _ := d.Token()
			dup = dup || seen[name.(string)]
			seen[name.(string)] = true
		}
		dup = slowUnique(d) || dup
	}
	_, _ = d.Token()
	return dup
}
