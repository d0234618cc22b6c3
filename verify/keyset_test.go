package verify_test

import (
	"testing"

	"github.com/postern-id/postern/verify"
)

const (
	// RFC 7517 appendix A.1 and A.2.
	ecXY  = `"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	ecD   = `"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"`
	okpX  = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"` // RFC 8037 appendix A.2
	rsaNE = `"kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"`
)

var keySets = []struct {
	name, json string
	want       int // usable keys; 0 for an error
}{
	{"EC", `{"keys":[{` + ecXY + `}]}`, 1},
	{"three kinds", `{"keys":[{` + ecXY + `},{` + okpX + `},{` + rsaNE + `}]}`, 3},
	{"unknown kinds are left out", `{"keys":[{"kty":"AKP","alg":"ML-DSA-44"},{` + ecXY + `},5,null,{}]}`, 1},
	{"private key", `{"keys":[{` + ecXY + `,` + ecD + `}]}`, 0},
	{"symmetric key", `{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}]}`, 0},
	{"encryption key", `{"keys":[{` + ecXY + `,"use":"enc"}]}`, 0},
	{"key_ops without verify", `{"keys":[{` + ecXY + `,"key_ops":["deriveKey"]}]}`, 0},
	{"key_ops with verify", `{"keys":[{` + ecXY + `,"key_ops":["verify"]}]}`, 1},
	{"alg of another kind", `{"keys":[{` + ecXY + `,"alg":"RS256"}]}`, 0},
	{"alg HS256 on RSA", `{"keys":[{` + rsaNE + `,"alg":"HS256"}]}`, 0},
	{"RSA of 16 bits", `{"keys":[{"kty":"RSA","n":"w8s","e":"AQAB"}]}`, 0},
	{"point off the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}]}`, 0},
	{"empty", `{"keys":[]}`, 0},
	{"no keys", `{}`, 0},
	{"no JSON", `<html>`, 0},
}

func TestParseKeySet(t *testing.T) {
	for _, tt := range keySets {
		t.Run(tt.name, func(t *testing.T) {
			got, err := verify.ParseKeySet([]byte(tt.json))
			if got != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("got %d keys, %v; want %d", got, err, tt.want)
			}
		})
	}
}
