package attacks

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertion signs a client assertion of key-es whose header and claims are changed; nil removes a member.
func assertion(t testing.TB, key crypto.Signer, header, claims map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	h := map[string]any{"alg": "ES256", "kid": "es-1", "typ": "JWT"}
	c := map[string]any{"iss": "key-es", "sub": "key-es", "aud": plain().Issuer, "jti": harness.Random(), "iat": now, "exp": now + 60}
	for _, m := range []struct{ to, from map[string]any }{{h, header}, {c, claims}} {
		maps.Copy(m.to, m.from)
		maps.DeleteFunc(m.to, func(_ string, v any) bool { return v == nil })
	}
	s, err := harness.SignJWT(key, h, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asserted(a string) url.Values {
	return with(ownToken, "client_assertion", a, "client_assertion_type", assertionType)
}

func TestC11_AssertionHeader(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	good := assertion(t, esKey, nil, nil)
	bad := map[string]string{
		"foreign key":       assertion(t, otherKey, nil, nil),
		"foreign, no kid":   assertion(t, otherKey, map[string]any{"kid": nil}, nil),
		"foreign with jwk":  assertion(t, otherKey, map[string]any{"jwk": json.RawMessage(jwkOf(t)), "kid": "evil"}, nil),
		"jku":               assertion(t, otherKey, map[string]any{"jku": "http://127.0.0.1:1/jwks", "kid": "evil"}, nil),
		"x5u":               assertion(t, otherKey, map[string]any{"x5u": "http://127.0.0.1:1/x", "kid": nil}, nil),
		"bad kid":           assertion(t, esKey, map[string]any{"kid": "es-2"}, nil),
		"kid no text":       assertion(t, esKey, map[string]any{"kid": 7}, nil),
		"typ of a token":    assertion(t, esKey, map[string]any{"typ": "at+jwt"}, nil),
		"typ logout":        assertion(t, esKey, map[string]any{"typ": "logout+jwt"}, nil),
		"crit":              assertion(t, esKey, map[string]any{"crit": []string{"exp"}}, nil),
		"RS256 of another":  assertion(t, rsKey, map[string]any{"alg": "RS256", "kid": "rs-1"}, nil),
		"RS256, right kid":  assertion(t, rsKey, map[string]any{"alg": "RS256"}, nil),
		"none":              enc(`{"alg":"none"}`) + "." + strings.Split(good, ".")[1] + ".",
		"twice alg":         enc(`{"alg":"none","alg":"ES256","kid":"es-1"}`) + "." + strings.SplitN(good, ".", 2)[1],
		"hs256, public key": hs256(map[string]any{"alg": "HS256", "kid": "es-1"}, map[string]any{"iss": "key-es", "sub": "key-es", "aud": v.s.Issuer, "jti": "x", "exp": time.Now().Unix() + 60}, []byte(harness.PublicJWKS(esKey, "es-1", "ES256"))),
		"not a JWT":         "x.y.z", "empty": "", "huge": good + strings.Repeat("A", 20_000), "binary": "\x00\xff",
	}
	for name, a := range bad {
		r := v.token("", asserted(a))
		if r.StatusCode != http.StatusUnauthorized || r.field("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	refused(t, v.token("", with(asserted(good), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")), http.StatusBadRequest, "invalid_request")
	refused(t, v.token("", with(asserted(good), "client_assertion_type", "")), http.StatusBadRequest, "invalid_request")
	refused(t, v.token("", with(asserted(good), "client_id", "key-rs")), http.StatusUnauthorized, "invalid_client")
	refused(t, v.token("svc", asserted(good)), http.StatusUnauthorized, "invalid_client")
	accepted(t, visit(t, plain()).token("", asserted(good)))
	v.recorded("client.authenticated", audit.Failed, 5)
	// A client with a secret has no keys, whoever signs.
	refused(t, v.token("", asserted(assertion(t, otherKey, nil, map[string]any{"iss": "svc", "sub": "svc"}))), http.StatusUnauthorized, "invalid_client")
}

func TestC12_C13_AssertionClaims(t *testing.T) {
	t.Parallel()
	iss, now := plain().Issuer, time.Now().Unix()
	for name, c := range map[string]map[string]any{
		"aud evil": {"aud": "https://evil.example"}, "aud none": {"aud": nil}, "aud empty": {"aud": ""}, "aud []": {"aud": []string{}}, "aud slash": {"aud": iss + "/"},
		"aud prefix": {"aud": iss + ".evil.example"}, "aud two servers": {"aud": []string{iss, "https://evil.example"}}, "aud object": {"aud": map[string]any{"x": iss}}, "aud number": {"aud": 7},
		"aud list": {"aud": []string{iss}}, "aud endpoint": {"aud": iss + "/token"}, "aud both": {"aud": []string{iss, iss + "/token"}}, // but see below
		"aud authorize": {"aud": iss + "/authorize"}, "aud upper": {"aud": strings.ToUpper(iss)},
		"exp past": {"exp": now - 300}, "exp a day ahead": {"exp": now + 86_400}, "exp none": {"exp": nil}, "exp huge": {"exp": json.Number("1e300")}, "exp negative": {"exp": -1}, "exp text": {"exp": "soon"}, "exp null": {"exp": json.RawMessage("null")},
		"no sub": {"sub": nil}, "no iss": {"iss": nil}, "iss other": {"iss": "key-rs"}, "sub other": {"sub": "svc"}, "both other": {"sub": "key-rs", "iss": "key-rs"}, "sub list": {"sub": []string{"key-es"}},
		"iat ahead": {"iat": now + 120}, "nbf ahead": {"nbf": now + 120}, "no jti": {"jti": nil}, "jti empty": {"jti": ""}, "jti long": {"jti": strings.Repeat("x", 600)}, "jti number": {"jti": 7},
	} {
		v := visit(t, plain())
		r := v.token("", asserted(assertion(t, esKey, nil, c)))
		if r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusBadRequest || r.field("error") != "invalid_client" && r.field("error") != "invalid_request" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	v := visit(t, plain())
	for name, c := range map[string]map[string]any{
		"plain": nil, "10 s ahead": {"iat": now + 10, "nbf": now + 10}, "a little past": {"exp": now - 5}, "no iat": {"iat": nil}, "fraction": {"exp": float64(now) + 60.5},
	} {
		if r := v.token("", asserted(assertion(t, esKey, nil, c))); r.StatusCode != http.StatusOK {
			t.Errorf("%s is refused: %s", name, r.body)
		}
	}
}

// By the habits of OpenID Connect an assertion may name an endpoint, or several of ours; a client has to be registered so.
func TestC12_AudienceByProfile(t *testing.T) {
	t.Parallel()
	iss := plain().Issuer
	me := func(aud any) url.Values {
		return asserted(assertion(t, esKey, nil, map[string]any{"iss": "key-oidc", "sub": "key-oidc", "aud": aud}))
	}
	v := visit(t, plain())
	for name, aud := range map[string]any{"issuer": iss, "list": []string{iss}, "endpoint": iss + "/token", "both": []string{iss, iss + "/token"}} {
		if r := v.token("", me(aud)); r.StatusCode != http.StatusOK {
			t.Errorf("%s is refused: %s", name, r.body)
		}
	}
	for name, aud := range map[string]any{"evil": "https://evil.example", "two servers": []string{iss, "https://evil.example"}, "authorize": iss + "/authorize"} {
		if r := v.token("", me(aud)); r.field("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
}

func TestC13_AssertionReplay(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	once := assertion(t, esKey, nil, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 15 {
		wg.Go(func() {
			r := v.token("", asserted(once))
			mu.Lock()
			defer mu.Unlock()
			if r.StatusCode == http.StatusOK {
				won++
			} else {
				refused(t, r, http.StatusUnauthorized, "invalid_client")
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 15 uses of one assertion succeed", won)
	}
	other := visit(t, plain())
	refused(t, other.as("", "/introspect", url.Values{"token": {"x"}, "client_assertion": {once}, "client_assertion_type": {assertionType}}), http.StatusUnauthorized, "invalid_client")
	// The same jti in another spelling of the signature is the same assertion.
	parts := strings.Split(assertion(t, esKey, nil, nil), ".")
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	accepted(t, other.token("", asserted(strings.Join(parts, "."))))
	parts[2] = base64.RawURLEncoding.EncodeToString(otherSignature(sig))
	refused(t, other.token("", asserted(strings.Join(parts, "."))), http.StatusUnauthorized, "invalid_client")
	accepted(t, other.token("", asserted(assertion(t, esKey, nil, nil))))
}
