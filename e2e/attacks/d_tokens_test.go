package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

func TestD1_TokenInURL(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	tok := v.tokens("house", "openid").field("access_token")
	q := "/userinfo?access_token=" + tok
	for _, r := range []reply{v.get(q), v.post(q, nil), v.do(http.MethodGet, q, "", http.Header{"Authorization": {"Bearer " + tok}}), v.post("/userinfo?access_token=", url.Values{"access_token": {tok}})} {
		if r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnauthorized || strings.Contains(r.body, "sub") {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
	for name, h := range map[string]http.Header{
		"two": {"Authorization": {"Bearer " + tok, "Bearer " + tok}}, "DPoP": {"Authorization": {"DPoP " + tok}}, "no scheme": {"Authorization": {tok}}, "Basic": {"Authorization": {"Basic " + tok}},
		"empty": {"Authorization": {"Bearer "}}, "nothing": {}, "cookie": {"Cookie": {"access_token=" + tok}}, "comma": {"Authorization": {"Bearer " + tok + ", Bearer x"}},
	} {
		if r := v.do(http.MethodGet, "/userinfo", "", h); r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	r := v.do(http.MethodPost, "/userinfo", url.Values{"access_token": {tok}}.Encode(), http.Header{"Authorization": {"Bearer " + tok}})
	refused(t, r, http.StatusBadRequest, "invalid_request")
	accepted(t, v.userinfo(tok))
	accepted(t, v.post("/userinfo", url.Values{"access_token": {tok}}))
}

func TestD6_D7_WrongTokens(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	all := v.tokens("house", "openid orders:read")
	opaque := v.tokens("opaque", "openid")
	own := accepted(t, v.token("svc", ownToken)).field("access_token")
	elsewhere := accepted(t, v.token("house", exchange(v.code(with(request("house"), "scope", "orders:read")), houseCB))).field("access_token")
	bad := forged(t, all.field("access_token"), "at+jwt")
	bad["ID token"] = all.field("id_token")
	bad["refresh token"] = all.field("refresh_token")
	bad["of a client"] = own
	bad["for another audience"] = elsewhere
	bad["opaque, changed"] = opaque.field("access_token")[:len(opaque.field("access_token"))-2] + "AA"
	bad["opaque, cut"] = opaque.field("access_token")[:30]
	bad["opaque, empty"] = "pat_"
	bad["jwt in opaque"] = "pat_" + all.field("access_token")
	begun := time.Now()
	for name, tok := range bad {
		if strings.ContainsAny(tok, "\x00\xff") {
			tok = url.QueryEscape(tok)
		}
		r := v.userinfo(tok)
		if r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("userinfo takes %s: %d %s", name, r.StatusCode, r.body)
		}
		if name != "of a client" && name != "for another audience" && name != "refresh token" && v.active("house", tok) {
			t.Errorf("introspection takes %s", name)
		}
		if r := v.as("house", "/revoke", url.Values{"token": {tok}}); name != "of a client" && name != "refresh token" && name != "for another audience" && r.StatusCode != http.StatusOK {
			t.Errorf("revocation of %s: %d", name, r.StatusCode)
		}
		if name == "refresh token" { // it was just revoked, with its family
			all = v.tokens("house", "openid orders:read")
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("hostile tokens took %v", took)
	}
	accepted(t, v.userinfo(all.field("access_token")))
	accepted(t, v.userinfo(opaque.field("access_token")))
	// The other spelling of an ECDSA signature is genuine, and falls with the first.
	parts := strings.Split(all.field("access_token"), ".")
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	parts[2] = base64.RawURLEncoding.EncodeToString(otherSignature(sig))
	accepted(t, v.as("house", "/revoke", url.Values{"token": {all.field("access_token")}}))
	if r := v.userinfo(strings.Join(parts, ".")); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("another spelling of a revoked token lives: %d", r.StatusCode)
	}
	v.recorded("token.revoked", audit.OK, 1)
}

func TestD10_Introspection(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	person := v.tokens("house", "openid orders:read")
	own := accepted(t, v.token("svc", with(ownToken, "scope", "orders:read"))).field("access_token")
	at := person.field("access_token")
	q := url.Values{"token": {at}}
	refused(t, v.as("", "/introspect", q), http.StatusUnauthorized, "invalid_client")
	refused(t, v.as("", "/introspect", with(q, "client_id", "spa")), http.StatusUnauthorized, "invalid_client")
	refused(t, v.as("", "/introspect", with(q, "client_id", "house")), http.StatusUnauthorized, "invalid_client")
	refused(t, v.do(http.MethodPost, "/introspect", q.Encode(), http.Header{"Authorization": {"Bearer " + at}}), http.StatusUnauthorized, "invalid_client")
	for _, f := range []url.Values{{}, {"token": {""}}, {"token": {at, at}}} {
		refused(t, v.as("orders", "/introspect", f), http.StatusBadRequest, "invalid_request")
	}
	for _, c := range []struct {
		client, token string
		want          bool
	}{
		{"orders", at, true}, {"house", at, true}, {"stock", at, false}, {"house2", at, false}, {"svc", at, false},
		{"orders", own, true}, {"svc", own, true}, {"stock", own, false},
		{"orders", person.field("refresh_token"), false}, {"house", person.field("refresh_token"), true}, {"house2", person.field("refresh_token"), false},
		{"orders", person.field("id_token"), false}, {"orders", "unknown", false}, {"orders", "\x00", false}, {"orders", strings.Repeat("x", 30_000), false},
	} {
		if got := v.active(c.client, c.token); got != c.want {
			t.Errorf("%s asks about %.12s…: active=%v, want %v", c.client, c.token, got, c.want)
		}
	}
	// a wrong hint changes nothing, and no secret is told
	r := accepted(t, v.as("orders", "/introspect", with(q, "token_type_hint", "refresh_token")))
	if strings.Contains(r.body, at) || !strings.Contains(r.body, `"active":true`) {
		t.Errorf("introspection: %s", r.body)
	}
	// revocation by others: refused, nothing changes
	refused(t, v.as("house2", "/revoke", q), http.StatusBadRequest, "invalid_grant", "invalid_request", "unauthorized_client")
	refused(t, v.as("house2", "/revoke", url.Values{"token": {person.field("refresh_token")}}), http.StatusBadRequest, "invalid_grant", "invalid_request", "unauthorized_client")
	refused(t, v.as("", "/revoke", with(q, "client_id", "spa")), http.StatusBadRequest, "invalid_grant", "invalid_request", "unauthorized_client")
	refused(t, v.as("", "/revoke", q), http.StatusUnauthorized, "invalid_client")
	if !v.active("house", at) {
		t.Error("a stranger revoked the token")
	}
	accepted(t, v.as("house", "/revoke", q))
	if v.active("house", at) || v.active("house", person.field("refresh_token")) {
		t.Error("revocation does not reach the whole authorization")
	}
	refused(t, v.token("house", refresh(person.field("refresh_token"))), http.StatusBadRequest, "invalid_grant")
}

// TestD_RevocationLog: what ended is told to nobody but clients with a secret, and tells them nothing of others' tokens.
func TestD_RevocationLog(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	tok := v.tokens("house", "openid orders:read")
	accepted(t, v.as("house", "/revoke", url.Values{"token": {tok.field("refresh_token")}}))

	at := tok.field("access_token")
	for name, h := range map[string]http.Header{
		"nobody": {}, "a person's token": {"Authorization": {"Bearer " + at}}, "a public client": basic("spa"),
		"no secret":     {"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("orders:"))}},
		"another's":     {"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("orders:house"))}},
		"the session's": {"Cookie": {"access_token=" + at}},
	} {
		r := v.do(http.MethodGet, "/revocations?after=0", "", h)
		if r.StatusCode != http.StatusUnauthorized || strings.Contains(r.body, "entries") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	for _, q := range []string{"after=-1", "after=1&after=2", "after=x", "wait=-1", "wait=1e3", "after=" + strings.Repeat("9", 40), "after=%00"} {
		refused(t, v.do(http.MethodGet, "/revocations?"+q, "", basic("orders")), http.StatusBadRequest, "invalid_request")
	}
	begun := time.Now()
	r := accepted(t, v.do(http.MethodGet, "/revocations?wait=25", "", basic("stock"))) // there is something: no waiting
	if time.Since(begun) > 5*time.Second || !strings.Contains(r.body, `"kind":"grant"`) {
		t.Errorf("after %v: %s", time.Since(begun), r.body)
	}
	said := claims(t, at)
	for _, name := range []string{"sub", "sid", "gid", "jti", "client_id"} {
		if s, _ := said[name].(string); s == "" || strings.Contains(r.body, s) {
			t.Errorf("the log tells %s %q in the clear", name, s)
		}
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
	}
}

func TestD13_JWKS(t *testing.T) {
	s := secure() // not parallel: it rotates
	v := visit(t, s)
	v.signIn("cat")
	old := v.tokens("house", "openid").field("access_token")
	check := func() map[string]bool {
		r := v.get("/jwks")
		if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Cache-Control"), "public, max-age=") || r.Header.Get("Set-Cookie") != "" || r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%d, %v", r.StatusCode, r.Header)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal([]byte(r.body), &set); err != nil || len(set.Keys) == 0 {
			t.Fatalf("%v: %s", err, r.body)
		}
		kids := map[string]bool{}
		for _, k := range set.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if k[private] != nil {
					t.Errorf("a private member %q", private)
				}
			}
			kid, _ := k["kid"].(string)
			alg, _ := k["alg"].(string)
			// what signs says by which alg; what is encrypted to may be for several
			if kid == "" || kids[kid] || k["kty"] == "oct" || k["use"] != "sig" && k["use"] != "enc" || k["use"] == "sig" && alg == "" || strings.HasPrefix(alg, "HS") {
				t.Errorf("the key %v", k)
			}
			kids[kid] = true
		}
		return kids
	}
	before := check()
	if _, err := s.Command("keys", "rotate", "--now"); err != nil {
		if _, err = s.Command("keys", "rotate"); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		after := check()
		fresh := false
		for kid := range before {
			if !after[kid] {
				t.Errorf("the key %s is gone right after a rotation", kid)
			}
		}
		for kid := range after {
			fresh = fresh || !before[kid]
		}
		if fresh {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no new key after a rotation")
		}
		time.Sleep(100 * time.Millisecond)
	}
	accepted(t, v.userinfo(old))
	h, _, err := harness.DecodeJWT(old)
	if err != nil || !before[h["kid"].(string)] {
		t.Errorf("%v: kid %v", err, h["kid"])
	}
}
