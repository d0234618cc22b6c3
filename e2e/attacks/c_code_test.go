package attacks

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
)

const houseCB = "https://house.example/cb"

func TestC2_ParallelRedemption(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	code := v.code(request("house"))
	var mu sync.Mutex
	var wg sync.WaitGroup
	var won []reply
	for range 50 {
		wg.Go(func() {
			r := v.token("house", exchange(code, houseCB))
			mu.Lock()
			defer mu.Unlock()
			if r.StatusCode == http.StatusOK {
				won = append(won, r)
			} else {
				refused(t, r, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of 50 redemptions succeed", len(won))
	}
	if v.active("house", won[0].field("access_token")) { // 49 replays revoked it, RFC 6749 §4.1.2
		t.Error("a code was replayed and its tokens live")
	}
	v.recorded("code.replayed", audit.Failed, 1)
	v.tokens("house", "openid")
}

func TestC3_CodeExpired(t *testing.T) {
	t.Parallel()
	v := visitFrom(t, secure(), "11.1.3.1")
	v.signIn("cat")
	old, again := v.code(request("house")), v.code(request("house"))
	accepted(t, v.token("house", exchange(again, houseCB)))
	time.Sleep(10_500 * time.Millisecond) // tokens.code of this server
	refused(t, v.token("house", exchange(old, houseCB)), http.StatusBadRequest, "invalid_grant")
	v.tokens("house", "openid")
}

func TestC4_C5_CodeBinding(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	code := v.code(request("house"))
	good := exchange(code, houseCB)
	for _, client := range []string{"house2", "web", "opaque"} {
		refused(t, v.token(client, good), http.StatusBadRequest, "invalid_grant")
	}
	refused(t, v.token("", with(good, "client_id", "spa")), http.StatusBadRequest, "invalid_grant")
	for _, to := range []string{"", "https://house.example/CB", "https://house.example/cb/", "https://house2.example/cb", "https://evil.example/cb", houseCB + "?x", "\x00"} {
		refused(t, v.token("house", with(good, "redirect_uri", to)), http.StatusBadRequest, "invalid_grant")
	}
	for _, c := range []string{"", code + "x", code[:len(code)-1], strings.ToUpper(code), code + "\x00", " " + code, "pac_", strings.Repeat("x", 50_000), "\xff", "../" + code, "%"} {
		refused(t, v.token("house", with(good, "code", c)), http.StatusBadRequest, "invalid_grant", "invalid_request")
	}
	for _, ver := range []string{"", verifier[:42], verifier + "x", strings.ToLower(verifier), challenge, strings.Repeat("a", 129), strings.Repeat("a", 43), "\x00"} {
		refused(t, v.token("house", with(good, "code_verifier", ver)), http.StatusBadRequest, "invalid_grant", "invalid_request")
	}
	// None of it used the code up: who holds the right parts is not harmed by guesses.
	accepted(t, v.token("house", good))
	refused(t, v.token("house", good), http.StatusBadRequest, "invalid_grant")
}

func TestC7_VerifierWithoutChallenge(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	stripped := with(request("house"), "code_challenge", "", "code_challenge_method", "")
	code := v.code(stripped)
	refused(t, v.token("house", exchange(code, houseCB)), http.StatusBadRequest, "invalid_grant")
	accepted(t, v.token("house", with(exchange(code, houseCB), "code_verifier", "")))
}

func TestC8_NoClientAuthentication(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	code := v.code(request("house"))
	good := exchange(code, houseCB)
	unauthorized := func(r reply) {
		t.Helper()
		if r.StatusCode == http.StatusBadRequest {
			refused(t, r, http.StatusBadRequest, "invalid_client", "invalid_request")
			return
		}
		refused(t, r, http.StatusUnauthorized, "invalid_client")
	}
	unauthorized(v.token("", good))
	unauthorized(v.token("", with(good, "client_id", "house")))
	unauthorized(v.token("", with(good, "client_id", "house", "client_secret", "")))
	unauthorized(v.token("house2", with(good, "client_id", "house")))
	unauthorized(v.token("house", with(good, "client_id", "house2")))
	unauthorized(v.token("house", with(good, "client_secret", secretOf("house")))) // two ways at once
	for _, auth := range []string{"Basic", "Basic ", "Basic !!!", "Basic aG91c2U", "Bearer x", "basic " + enc("house"), "Negotiate x", "Basic " + enc(":"), "\x01"} {
		if auth == "\x01" {
			continue // no client can send it
		}
		unauthorized(v.do(http.MethodPost, "/token", good.Encode(), http.Header{"Authorization": {auth}}))
	}
	h := basic("house")
	h["Authorization"] = append(h["Authorization"], basic("house2").Get("Authorization"))
	unauthorized(v.do(http.MethodPost, "/token", good.Encode(), h))
	for _, id := range []string{strings.Repeat("x", 60_000), "a\r\nb", "\x00", "\xff\xfe", "é", "' OR 1=1 --"} {
		unauthorized(v.token("", with(good, "client_id", id, "client_secret", "x")))
	}
	// A registered method is the only one.
	unauthorized(v.token("", with(ownToken, "client_id", "basic", "client_secret", secretOf("basic"))))
	unauthorized(v.token("post", ownToken))
	accepted(t, v.token("basic", ownToken))
	accepted(t, v.token("", with(ownToken, "client_id", "post", "client_secret", secretOf("post"))))
	accepted(t, v.token("house", good))
	v.recorded("client.authenticated", audit.Failed, 3)
	for _, e := range trail(t, v.s) {
		if len(e.Client) > 256 {
			t.Errorf("the audit trail takes a client_id of %d bytes from a stranger", len(e.Client))
		}
	}
}

func TestC15_ReservedCharacters(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	accepted(t, v.token(oddClient, ownToken))
	accepted(t, v.token("", with(ownToken, "client_id", oddClient, "client_secret", oddSecret)))
	raw := http.Request{Header: http.Header{}}
	raw.SetBasicAuth(url.QueryEscape(oddClient), oddSecret) // not encoded, as many clients do: another secret, and refused
	refused(t, v.do(http.MethodPost, "/token", ownToken.Encode(), raw.Header), http.StatusUnauthorized, "invalid_client")
	for _, secret := range []string{oddSecret + " ", strings.TrimSuffix(oddSecret, "'"), url.QueryEscape(oddSecret), strings.ToUpper(oddSecret), ""} {
		refused(t, v.do(http.MethodPost, "/token", ownToken.Encode(), basicWith(oddClient, secret)), http.StatusUnauthorized, "invalid_client")
	}
	for _, broken := range []string{"%", "%zz", "%4"} {
		b := http.Request{Header: http.Header{}}
		b.SetBasicAuth(broken, broken)
		refused(t, v.do(http.MethodPost, "/token", ownToken.Encode(), b.Header), http.StatusUnauthorized, "invalid_client")
	}
	accepted(t, v.token(oddClient, ownToken))
}

func TestC16_SecretBruteForce(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	accepted(t, v.token("brute", ownToken))
	var known, limited int
	for range 40 {
		r := v.do(http.MethodPost, "/token", ownToken.Encode(), basicWith("brute", "guess"))
		stranger := v.do(http.MethodPost, "/token", ownToken.Encode(), basicWith("brute-no-such", "guess"))
		if r.StatusCode != stranger.StatusCode || r.body != stranger.body {
			t.Fatalf("known %d %s, unknown %d %s", r.StatusCode, r.body, stranger.StatusCode, stranger.body)
		}
		switch r.StatusCode {
		case http.StatusUnauthorized:
			known++
		case http.StatusTooManyRequests:
			limited++
			if r.Header.Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		default:
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	}
	if known > 25 || limited < 10 {
		t.Errorf("%d guesses are looked at, %d limited", known, limited)
	}
	if r := v.token("brute", ownToken); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("within the limit the right secret is told apart: %d", r.StatusCode)
	}
	accepted(t, visit(t, plain()).token("brute", ownToken)) // the client itself, elsewhere, is not locked out
	v.recorded("client.authenticated", audit.Failed, 15)
}

func TestC19_C20_C21_Refresh(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	tok := v.tokens("house", "openid orders:read").field("refresh_token")
	refused(t, v.token("house2", refresh(tok)), http.StatusBadRequest, "invalid_grant")
	refused(t, v.token("", with(refresh(tok), "client_id", "spa")), http.StatusBadRequest, "invalid_grant")
	refused(t, v.token("", refresh(tok)), http.StatusUnauthorized, "invalid_client")
	refused(t, v.token("", with(refresh(tok), "client_id", "house")), http.StatusUnauthorized, "invalid_client")
	refused(t, v.token("svc", refresh(tok)), http.StatusBadRequest, "unauthorized_client")
	for _, scope := range []string{"openid orders:read email", "admin", "orders:write", "openid OPENID"} {
		refused(t, v.token("house", with(refresh(tok), "scope", scope)), http.StatusBadRequest, "invalid_scope")
	}
	refused(t, v.token("house", with(refresh(tok), "resource", "https://evil.example")), http.StatusBadRequest, "invalid_target")
	dot := strings.LastIndex(tok, ".")
	for _, bad := range []string{"", tok + "x", tok[:len(tok)-1], tok[:dot+1] + strings.Repeat("A", 43), strings.Replace(tok, ".1.", ".2.", 1), strings.Replace(tok, ".1.", ".99999999999999999999.", 1),
		strings.Replace(tok, ".1.", ".-1.", 1), strings.Replace(tok, ".1.", ".0.", 1), strings.Replace(tok, ".1.", ".01.", 1), tok + "\x00", "prt_..", strings.Repeat("prt_", 9000), "\xff"} {
		refused(t, v.token("house", refresh(bad)), http.StatusBadRequest, "invalid_grant", "invalid_request")
	}
	// No guess harmed the family.
	next := accepted(t, v.token("house", with(refresh(tok), "scope", "openid")))
	if next.field("scope") != "openid" {
		t.Errorf("scope %q", next.field("scope"))
	}
	if again := accepted(t, v.token("house", refresh(next.field("refresh_token")))); again.field("scope") != "openid orders:read" {
		t.Errorf("a narrowed refresh narrows for ever: %q", again.field("scope"))
	}
}

func TestC24_GrantTypes(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	for _, g := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"Client_Credentials", "client_credentials ", "client_credentials\x00", strings.Repeat("x", 30_000), "é", "\""} {
		refused(t, v.token("svc", url.Values{"grant_type": {g}, "username": {"cat"}, "password": {password}}), http.StatusBadRequest, "unsupported_grant_type")
	}
	for _, g := range []string{"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"} { // known here, but not to this client
		refused(t, v.token("svc", url.Values{"grant_type": {g}, "device_code": {"x"}, "auth_req_id": {"x"}}), http.StatusBadRequest, "unauthorized_client")
	}
	refused(t, v.token("svc", url.Values{}), http.StatusBadRequest, "invalid_request")
	refused(t, v.token("svc", url.Values{"grant_type": {"client_credentials", "client_credentials"}}), http.StatusBadRequest, "invalid_request")
	refused(t, v.token("house", ownToken), http.StatusBadRequest, "unauthorized_client")
	refused(t, v.token("", with(ownToken, "client_id", "spa")), http.StatusBadRequest, "unauthorized_client")
	for _, scope := range []string{"openid", "orders:read openid", "profile", "offline_access", "orders:write", "\"", "é"} {
		refused(t, v.token("svc", with(ownToken, "scope", scope)), http.StatusBadRequest, "invalid_scope")
	}
	if r := accepted(t, v.token("svc", ownToken)); r.field("refresh_token") != "" || r.field("id_token") != "" {
		t.Errorf("client credentials give %s", r.body)
	}
}

func TestC26_WrongPlace(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	code := v.code(request("house"))
	good := exchange(code, houseCB)
	both := with(good, "client_id", "house", "client_secret", secretOf("house"))
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		r := v.do(method, "/token?"+both.Encode(), "", basic("house"))
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "POST" {
			t.Errorf("%s /token: %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	refused(t, v.do(http.MethodPost, "/token?"+both.Encode(), "", basic("house")), http.StatusBadRequest, "invalid_request")
	refused(t, v.do(http.MethodPost, "/token?code="+code, with(good, "code", "").Encode(), basic("house")), http.StatusBadRequest, "invalid_request")
	refused(t, v.do(http.MethodPost, "/token?x", good.Encode(), basic("house")), http.StatusBadRequest, "invalid_request")
	for _, ct := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", "", "application/x-www-form-urlencoded, text/plain", "application/x-www-form-urlencodedx"} {
		h := basic("house")
		h["Content-Type"] = []string{ct}
		refused(t, v.do(http.MethodPost, "/token", good.Encode(), h), http.StatusUnsupportedMediaType, "invalid_request")
	}
	h := basic("house")
	h["Content-Type"] = []string{"application/x-www-form-urlencoded; charset=UTF-8"}
	accepted(t, v.do(http.MethodPost, "/token", good.Encode(), h))
}
