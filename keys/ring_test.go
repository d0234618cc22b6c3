package keys

import (
	"errors"
	"testing"
)

func TestRingSignsAndVerifiesEveryAlgorithm(t *testing.T) {
	st, c := &memory{}, newClock()
	r := testRing(t, st, testSealer(t, st, c.Now), c.Now, ES256, RS256, PS256, EdDSA)
	body, etag := r.JWKS()
	set, err := ParseSet(body)
	if err != nil || set.Len() != 8 || etag == "" {
		t.Fatalf("JWKS: %v, %d keys, etag %s", err, set.Len(), etag)
	}
	for _, alg := range append(r.Algs(), "") {
		want := alg
		if alg == "" {
			want = ES256
		}
		token, err := r.Sign(t.Context(), alg, "at+jwt", []byte(`{"sub":"ann"}`))
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]interface {
			Verify(string, Expect) (Verified, error)
		}{"ring": r, "set": set} {
			got, err := v.Verify(token, Expect{Algs: []string{want}, Typ: []string{"application/AT+JWT"}})
			if err != nil || got.Alg != want || string(got.Payload) != `{"sub":"ann"}` {
				t.Errorf("%s by %s: %+v %v", alg, name, got, err)
			}
			if _, err := v.Verify(token, Expect{Algs: []string{want}, Typ: []string{"JWT", ""}}); !errors.Is(err, ErrRefused) {
				t.Errorf("%s by %s: another typ: %v", alg, name, err)
			}
			if _, err := v.Verify(token[:len(token)-6]+"AAAAAA", Expect{Algs: []string{want}, Typ: []string{"at+jwt"}}); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s by %s: altered: %v", alg, name, err)
			}
		}
	}
}
