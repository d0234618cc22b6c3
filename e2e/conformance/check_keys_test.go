package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/postern-id/postern/e2e/harness"
)

var b64 = base64.RawURLEncoding

// keySet is the JWK Set of the server, by kid.
type keySet map[string]map[string]any

// fetchKeys fetches the keys of the server and checks the set. RFC 7517 §4.5, §5, RFC 7518 §6.3.2, OIDC Core §10.1.
func (m *run) fetchKeys() keySet {
	r := m.call(http.MethodGet, m.text("jwks_uri"), "", nil)
	list, _ := r.fields["keys"].([]any)
	if r.status != http.StatusOK || len(list) == 0 {
		m.stop("jwks_uri answers %v", r)
	}
	set := keySet{}
	for _, x := range list {
		k, _ := x.(map[string]any)
		kid, _ := k["kid"].(string)
		if kid == "" || k["kty"] == nil {
			m.fail("a key of the server has no kid or no kty: %v", k)
		}
		if set[kid] != nil {
			m.fail("the kid %s is there twice", kid)
		}
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if k[secret] != nil {
				m.fail("the key %s shows its %s", kid, secret)
			}
		}
		if _, err := publicKey(k); err != nil {
			m.fail("the key %s: %v", kid, err)
		}
		set[kid] = k
	}
	return set
}

// signing are the kids of the keys that sign.
func (s keySet) signing() (out []string) {
	for kid, k := range s {
		if k["use"] == nil || k["use"] == "sig" {
			out = append(out, kid)
		}
	}
	slices.Sort(out)
	return out
}

func publicKey(k map[string]any) (crypto.PublicKey, error) {
	part := func(name string) *big.Int {
		s, _ := k[name].(string)
		raw, err := b64.DecodeString(s)
		if err != nil {
			return new(big.Int)
		}
		return new(big.Int).SetBytes(raw)
	}
	switch kty := k["kty"]; {
	case kty == "RSA":
		if n := part("n"); n.BitLen() >= 2048 {
			return &rsa.PublicKey{N: n, E: int(part("e").Int64())}, nil
		}
		return nil, errors.New("fewer than 2048 bits")
	case kty == "EC" && k["crv"] == "P-256":
		point := append([]byte{4}, append(part("x").FillBytes(make([]byte, 32)), part("y").FillBytes(make([]byte, 32))...)...)
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	case kty == "OKP" && k["crv"] == "Ed25519":
		return ed25519.PublicKey(part("x").FillBytes(make([]byte, 32))), nil
	}
	return nil, fmt.Errorf("no key that is known here: %v %v", k["kty"], k["crv"])
}

// verify checks a JWT with the key that its kid names.
func (s keySet) verify(token string) (header, claims map[string]any, err error) {
	if header, claims, err = harness.DecodeJWT(token); err != nil {
		return nil, nil, err
	}
	kid, _ := header["kid"].(string)
	k := s[kid]
	if k == nil {
		return header, claims, errNoKey
	}
	if alg := k["alg"]; alg != nil && alg != header["alg"] {
		return header, claims, fmt.Errorf("alg is %v, that of the key %v", header["alg"], alg)
	}
	pub, err := publicKey(k)
	if err != nil {
		return header, claims, err
	}
	i := strings.LastIndexByte(token, '.')
	sig, err := b64.DecodeString(token[i+1:])
	if err != nil {
		return header, claims, err
	}
	return header, claims, checkSignature(header["alg"], pub, []byte(token[:i]), sig)
}

var errNoKey = errors.New("no key has the kid of the token")

func checkSignature(alg any, pub crypto.PublicKey, input, sig []byte) error {
	sum := sha256.Sum256(input)
	good := false
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if alg == "RS256" {
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig)
		}
		if alg == "PS256" {
			return rsa.VerifyPSS(k, crypto.SHA256, sum[:], sig, nil)
		}
	case *ecdsa.PublicKey:
		good = alg == "ES256" && len(sig) == 64 && ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case ed25519.PublicKey:
		good = (alg == "EdDSA" || alg == "Ed25519") && ed25519.Verify(k, input, sig)
	}
	if !good {
		return fmt.Errorf("the signature with %v is wrong", alg)
	}
	return nil
}

// verified is verify for a token that has to be good. A key that came since the module began is fetched: others rotate.
func (m *run) verified(what, token string) (header, claims map[string]any) {
	header, claims, err := m.keys.verify(token)
	if errors.Is(err, errNoKey) && header["kid"] != nil {
		m.keys = m.fetchKeys()
		header, claims, err = m.keys.verify(token)
	}
	if err != nil {
		m.stop("the %s: %v", what, err)
	}
	return header, claims
}

// jwks is the key set of a client; kid may be "".
func jwks(key *rsa.PrivateKey, kid string) map[string]any {
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(harness.PublicJWKS(key, kid, "RS256")), &set); err != nil {
		panic(err)
	}
	if kid == "" {
		delete(set.Keys[0], "kid")
	}
	return map[string]any{"keys": set.Keys}
}

func readAll(m *run, resp *http.Response) string {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	m.must(err)
	return string(raw)
}
