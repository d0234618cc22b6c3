// Package keystest is the exam that every signing back end sits, and what tests need to stand in for a client that signs.
// It is for tests only.
package keystest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/postern-id/postern/keys"
)

// Key examines k: its public half fits its alg and is published without private members, what it signs verifies with
// that half alone and has JOSE form, another input does not verify, it signs for many at once, and it
// heeds a context that has ended. RFC 7515 §5.1, RFC 7518 §3.
func Key(t *testing.T, k keys.Key) {
	t.Helper()
	if k.ID() == "" || k.ID() != k.ID() {
		t.Fatalf("kid %q", k.ID())
	}
	size := map[string]int{keys.ES256: 64, keys.EdDSA: 64, keys.RS256: 0, keys.PS256: 0}
	want, known := size[k.Alg()]
	if !known {
		t.Fatalf("alg %q", k.Alg())
	}
	text := JWKS(t, k)
	for _, member := range []string{`"d"`, `"p"`, `"q"`, `"k"`} {
		if bytes.Contains(text, []byte(member+":")) {
			t.Fatalf("private member %s is published", member)
		}
	}
	set, err := keys.ParseSet(text)
	if err != nil || set.Len() != 1 {
		t.Fatalf("public half: %v, %d keys", err, set.Len())
	}
	e := keys.Expect{Algs: []string{k.Alg()}, Typ: []string{"exam+jwt"}, MaxSize: 1 << 20}

	payloads := [][]byte{[]byte(`{}`), []byte(`{"sub":"ann"}`), fmt.Appendf(nil, `{"long":%q}`, bytes.Repeat([]byte("x"), 64<<10))}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			payload := payloads[i%len(payloads)]
			token, err := keys.SignWith(context.Background(), k, "exam+jwt", payload)
			if err != nil {
				t.Errorf("sign: %v", err)
				return
			}
			got, err := set.Verify(token, e)
			if err != nil || !bytes.Equal(got.Payload, payload) || got.KeyID != k.ID() {
				t.Errorf("verify: %+v %v", got, err)
			}
		})
	}
	wg.Wait()

	sig, err := k.Sign(context.Background(), []byte("input"))
	if err != nil {
		t.Fatal(err)
	}
	if want != 0 && len(sig) != want {
		t.Errorf("%s signatures have %d bytes, not %d", k.Alg(), want, len(sig))
	}
	head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":"exam+jwt"}`, k.Alg(), k.ID()))
	if _, err := set.Verify(head+".e30."+base64.RawURLEncoding.EncodeToString(sig), e); err == nil {
		t.Error("a signature over something else verifies")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Sign(ended, []byte("input")); err == nil {
		t.Error("signs although its context has ended")
	}
}

// New returns a fresh software key.
func New(t testing.TB, alg string) keys.Key {
	t.Helper()
	k, err := keys.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// JWKS returns the public halves of ks as a JWK set.
func JWKS(t testing.TB, ks ...keys.Key) []byte {
	t.Helper()
	var list []json.RawMessage
	for _, k := range ks {
		text, err := keys.PublicJWK(k)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	text, err := json.Marshal(map[string]any{"keys": slices.Concat([]json.RawMessage{}, list)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Sign returns claims (marshalled, unless they are []byte) as a compact JWS whose header holds `alg` and `kid` of k, overlaid
// with header: a nil there takes a parameter away. So it also makes what no honest client would send.
func Sign(t testing.TB, k keys.Key, header map[string]any, claims any) string {
	t.Helper()
	h := map[string]any{"alg": k.Alg(), "kid": k.ID()}
	for name, v := range header {
		h[name] = v
		if v == nil {
			delete(h, name)
		}
	}
	payload, ok := claims.([]byte)
	if !ok {
		payload = marshal(t, claims)
	}
	enc := base64.RawURLEncoding
	input := enc.EncodeToString(marshal(t, h)) + "." + enc.EncodeToString(payload)
	sig, err := k.Sign(context.Background(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + enc.EncodeToString(sig)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
