package attacks

import (
	"bytes"
	"crypto"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

var believedKey = ecKey()

// The servers that clients register themselves at: open to all, and by invitation.
var (
	openHouse = sync.OnceValue(func() *harness.Server {
		file := filepath.Join(house.TempDir(), "statements.json")
		if err := os.WriteFile(file, []byte(harness.PublicJWKS(believedKey, "s-1", "ES256")), 0o600); err != nil {
			panic(err)
		}
		return start(harness.Options{Engine: harness.SQLite, Seed: seed, TLS: true, Config: map[string]string{"registration.mode": "open", "registration.per_hour": "0",
			"egress.allow": "127.0.0.0/8", "registration.software_statement_issuers": "https://gov.example=" + file}})
	})
	byInvitation = sync.OnceValue(func() *harness.Server {
		return start(harness.Options{Engine: harness.SQLite, Seed: seed, Config: map[string]string{"registration.mode": "token"}})
	})
)

const someClient = `{"redirect_uris":["https://app.example/cb"]}`

// newcomer sends metadata to the endpoint, with a bearer token where there is one.
func (v *visitor) newcomer(metadata, token string) reply {
	v.t.Helper()
	return v.manage(http.MethodPost, v.s.Issuer+"/register", token, metadata)
}

func (v *visitor) manage(method, uri, token, metadata string) reply {
	v.t.Helper()
	h := http.Header{"Content-Type": {"application/json"}}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return v.do(method, uri, metadata, h)
}

func TestF1_RedirectURIs(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	for _, uri := range []string{"https://app.example/cb#x", "https://app.example/cb#", "javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "vbscript:x",
		"http://app.example/cb", "http://127.0.0.1.evil.example/cb", "http://localhost@evil.example/cb", "https://u:p@app.example/", "//app.example/cb", "cb", "", "file:///etc/passwd", "blob:https://app.example/x"} {
		raw, _ := json.Marshal(map[string]any{"redirect_uris": []string{"https://app.example/cb", uri}})
		refused(t, v.newcomer(string(raw), ""), http.StatusBadRequest, "invalid_redirect_uri")
	}
	for _, doc := range []string{`{}`, `{"redirect_uris":[]}`, `{"redirect_uris":null}`, `{"redirect_uris":"https://app.example/cb"}`, `[]`, `null`, `"x"`, `{`, ``, strings.Repeat(`{"a":`, 5000)} {
		refused(t, v.newcomer(doc, ""), http.StatusBadRequest, "invalid_client_metadata")
	}
	r := v.newcomer(`{"redirect_uris":["https://app.example/cb?x=1","http://127.0.0.1/cb","app.example:/cb"]}`, "")
	if r.StatusCode != http.StatusCreated || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, r.body)
	}
	refused(t, v.do(http.MethodPost, "/register", someClient, http.Header{"Content-Type": {"text/plain"}}), http.StatusBadRequest, "invalid_client_metadata") // what a page elsewhere could send
	if r := v.newcomer(`{"redirect_uris":["https://app.example/cb"],"client_uri":"https://app.example/`+strings.Repeat("x", 64<<10)+`"}`, ""); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("64 KiB and more: %d", r.StatusCode)
	}
}

func TestF2_Metadata(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, `["https://app.example/cb"]`)
		case "/redirect":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/endless":
			for range 4096 {
				fmt.Fprint(w, strings.Repeat(" ", 1024))
			}
		default:
			fmt.Fprint(w, `["https://other.example/cb"]`)
		}
	}))
	defer lists.Close()
	for _, more := range []string{`"initiate_login_uri":"http://app.example/login"`, `"jwks":{"keys":[]},"jwks_uri":"https://app.example/jwks"`,
		`"sector_identifier_uri":"` + lists.URL + `/bad"`, `"sector_identifier_uri":"` + lists.URL + `/redirect"`, `"sector_identifier_uri":"` + lists.URL + `/endless"`,
		`"sector_identifier_uri":"https://169.254.169.254/latest/meta-data"`, `"sector_identifier_uri":"https://10.0.0.1/"`, `"sector_identifier_uri":"file:///etc/passwd"`,
		`"token_endpoint_auth_method":"private_key_jwt"`, `"id_token_signed_response_alg":"none"`, `"id_token_signed_response_alg":"HS256"`, `"request_object_signing_alg":"none"`,
		`"response_types":["code","sudo"]`, `"subject_type":"secret"`, `"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}`, `"request_uris":["file:///etc/passwd"]`, `"scope":"orders:read"`} {
		refused(t, v.newcomer(`{"redirect_uris":["https://app.example/cb"],`+more+`}`, ""), http.StatusBadRequest, "invalid_client_metadata")
	}
	r := v.newcomer(`{"redirect_uris":["https://app.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"`+lists.URL+`/good"}`, "")
	if r.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestF3_Policy: what only an operator decides cannot be had by asking for it.
func TestF3_Policy(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	r := v.newcomer(`{"redirect_uris":["https://app.example/cb"],"client_id":"house","client_secret":"mine","skip_consent":true,"served_resources":["https://orders.example"],
		"scope":"openid orders:read","profile":"oauth21","web_origins":["https://evil.example"],"grant_types":["authorization_code","client_credentials"],"registered_by":""}`, "")
	id := r.field("client_id")
	if r.StatusCode != http.StatusCreated || id == "house" || r.field("client_secret") == "mine" || strings.Contains(r.body, "skip_consent") || r.field("scope") != "openid" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	as := basicWith(id, r.field("client_secret"))
	as.Set("Content-Type", "application/x-www-form-urlencoded")
	refused(t, v.do(http.MethodPost, "/token", "grant_type=client_credentials&scope=openid", as), http.StatusBadRequest, "unauthorized_client")
	if r := v.do(http.MethodPost, "/introspect", "token=x", as); r.StatusCode == http.StatusOK && strings.Contains(r.body, `"active":true`) {
		t.Errorf("%s", r.body)
	}
	if r := v.do(http.MethodOptions, "/token", "", http.Header{"Origin": {"https://evil.example"}}); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("its pages may call us")
	}
	v.signIn("cat")
	q := request("web")
	q.Set("client_id", id)
	q.Set("redirect_uri", "https://app.example/cb")
	q.Set("scope", "openid")
	page := v.authorize(q)
	for page.StatusCode == http.StatusSeeOther {
		page = v.get(page.Header.Get("Location"))
	}
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `name="decision" value="allow"`) || !strings.Contains(page.body, "been reviewed.") {
		t.Errorf("no consent is asked: %d %.400s", page.StatusCode, page.body)
	}
}

func TestF4_Texts(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	for _, member := range []string{"logo_uri", "policy_uri", "tos_uri", "client_uri"} {
		for _, uri := range []string{"javascript:alert(1)", "data:image/svg+xml,<svg onload=alert(1)>", "http://app.example/x", `\"><script>alert(1)</script>`} {
			refused(t, v.newcomer(`{"redirect_uris":["https://app.example/cb"],"`+member+`":"`+uri+`"}`, ""), http.StatusBadRequest, "invalid_client_metadata")
		}
	}
	name, err := json.Marshal(xssName)
	if err != nil {
		t.Fatal(err)
	}
	logos := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/logo":
			w.Header().Set("Content-Type", "text/html")
			m := image.NewNRGBA(image.Rect(0, 0, 600, 300))
			m.Set(0, 0, color.NRGBA{R: 255, A: 255})
			_ = png.Encode(w, m)
			fmt.Fprint(w, "<script>alert(4)</script>")
		case "/svg":
			w.Header().Set("Content-Type", "image/png")
			fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`)
		case "/bomb": // a header that promises 50,000 × 50,000 pixels
			b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\xc3\x50\x00\x00\xc3\x50\x08\x06\x00\x00\x00\x00\x00\x00\x00")
			_, _ = w.Write(b)
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(8 * time.Second):
			}
		case "/redirect":
			http.Redirect(w, r, "/logo", http.StatusFound)
		}
	}))
	defer logos.Close()
	page := func(logo string) string {
		r := v.newcomer(`{"redirect_uris":["https://app.example/cb"],"client_name":`+string(name)+`,"client_name#zh":"店","policy_uri":"https://app.example/p?\"onmouseover=alert(5)","tos_uri":"https://app.example/tos","logo_uri":"`+logo+`"}`, "")
		if r.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		q := request("web")
		q.Set("client_id", r.field("client_id"))
		q.Set("redirect_uri", "https://app.example/cb")
		begun := time.Now()
		p := v.authorize(q)
		p = v.get(p.Header.Get("Location"))
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("%s keeps the page waiting: %v", logo, took)
		}
		if strings.Contains(p.body, "<script>alert") || strings.Contains(p.body, `"onmouseover=`) || strings.Contains(p.body, "onerror=alert(2)>") || strings.Contains(p.body, logos.URL) {
			t.Errorf("%s: the page is not ours alone: %s", logo, p.body)
		}
		if !strings.Contains(p.body, "&lt;script&gt;alert(1)") || !strings.Contains(p.body, `href="https://app.example/tos"`) || !strings.Contains(p.body, `<span class="host">app.example</span>`) {
			t.Errorf("%s: name, terms or host are not on the page: %s", logo, p.body)
		}
		return p.body
	}
	body := page(logos.URL + "/logo")
	_, after, found := strings.Cut(body, `<img class="logo" src="`)
	src, _, _ := strings.Cut(after, `"`)
	if !found || !strings.HasPrefix(src, "/client-logo/") {
		t.Fatalf("no logo: %s", body)
	}
	src = strings.ReplaceAll(src, "&amp;", "&")
	r := v.get(src)
	m, format, err := image.DecodeConfig(strings.NewReader(r.body))
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "image/png" || format != "png" || err != nil || m.Width != 192 || m.Height != 96 ||
		bytes.Contains([]byte(r.body), []byte("alert")) || r.Header.Get("Content-Security-Policy") != "default-src 'none'" || len(r.Cookies()) > 0 {
		t.Errorf("%d %v %s %v %v", r.StatusCode, r.Header, format, m, err)
	}
	hash, client, _ := strings.Cut(src, "?")
	for _, path := range []string{hash, hash + "?c=web", "/client-logo/" + strings.Repeat("0", 32) + "?" + client, "/client-logo/x?" + client, "/client-logo/..%2f..%2fetc?" + client, hash + "?c=https://evil.example/x"} {
		if r := v.get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	for _, bad := range []string{"/svg", "/bomb", "/slow", "/redirect", "/none"} {
		if strings.Contains(page(logos.URL+bad), `<img class="logo"`) {
			t.Errorf("%s is shown", bad)
		}
	}
}

func TestF5_ForeignTokens(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	a, b := v.newcomer(someClient, ""), v.newcomer(someClient, "")
	uri, mine, other := a.field("registration_client_uri"), a.field("registration_access_token"), b.field("registration_access_token")
	doc := `{"client_id":"` + a.field("client_id") + `","redirect_uris":["https://evil.example/cb"]}`
	for _, tok := range []string{other, "", "prm_", mine + "x", mine[:len(mine)-2], a.field("client_secret"), strings.ToUpper(mine), strings.Repeat("a", 5000)} {
		for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			refused(t, v.manage(m, uri, tok, doc), http.StatusUnauthorized, "invalid_token")
		}
	}
	for _, h := range []http.Header{{"Authorization": {"Basic " + mine}}, {"Authorization": {mine}}, {"Authorization": {"Bearer " + mine, "Bearer " + other}}, {"Cookie": {"token=" + mine}}} {
		if r := v.do(http.MethodGet, uri, "", h); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v: %d", h, r.StatusCode)
		}
	}
	if r := v.get("/register/" + a.field("client_id") + "?access_token=" + mine); r.StatusCode != http.StatusUnauthorized { // RFC 6750 §5.3
		t.Errorf("in the URL: %d", r.StatusCode)
	}
	for _, id := range []string{"web", "nobody", "%00"} { // one that an operator made has no such token
		if r := v.manage(http.MethodGet, v.s.Issuer+"/register/"+id, mine, ""); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", id, r.StatusCode)
		}
	}
	if r := v.manage(http.MethodGet, uri, mine, ""); r.StatusCode != http.StatusOK || strings.Contains(r.body, "evil.example") || strings.Contains(r.body, "hash") || r.field("client_secret") != "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := v.manage(http.MethodDelete, uri, mine, ""); r.StatusCode != http.StatusNoContent || r.body != "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	refused(t, v.manage(http.MethodGet, uri, mine, ""), http.StatusUnauthorized, "invalid_token")
	q := request("web")
	q.Set("client_id", a.field("client_id"))
	shown(t, v.authorize(q), http.StatusBadRequest)

	w := visit(t, byInvitation())
	for _, tok := range []string{"", "x", "pit_", "pit_" + strings.Repeat("A", 43), mine} {
		refused(t, w.newcomer(someClient, tok), http.StatusUnauthorized, "invalid_token")
	}
	invite := func(args ...string) string {
		out, err := w.s.Command(append([]string{"client", "invite", "--output", "json"}, args...)...)
		var m map[string]string
		if err != nil || json.Unmarshal([]byte(out), &m) != nil {
			t.Fatalf("%v %s", err, out)
		}
		return m["initial_access_token"]
	}
	once, gone := invite(), invite("--expires", "1s")
	refused(t, w.newcomer(`{}`, once), http.StatusBadRequest, "invalid_client_metadata")
	codes := make(chan int, 12)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() { codes <- w.newcomer(someClient, once).StatusCode })
	}
	wg.Wait()
	close(codes)
	in := 0
	for c := range codes {
		if c == http.StatusCreated {
			in++
		} else if c != http.StatusUnauthorized {
			t.Errorf("answered %d", c)
		}
	}
	if in != 1 {
		t.Errorf("%d came in by one invitation", in)
	}
	time.Sleep(1100 * time.Millisecond)
	refused(t, w.newcomer(someClient, gone), http.StatusUnauthorized, "invalid_token")

	off := visit(t, plain())
	if r := off.newcomer(someClient, ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("switched off: %d", r.StatusCode)
	}
	if r := off.get("/.well-known/openid-configuration"); strings.Contains(r.body, "registration_endpoint") || strings.Contains(r.body, "client_id_metadata_document") {
		t.Error("what is switched off is offered")
	}
}

func TestF6_SoftwareStatements(t *testing.T) {
	t.Parallel()
	v := visit(t, openHouse())
	claims := map[string]any{"iss": "https://gov.example", "software_id": "s-1", "redirect_uris": []string{"https://approved.example/cb"}, "skip_consent": true}
	sign := func(key crypto.Signer, claims map[string]any) string {
		tok, err := harness.SignJWT(key, map[string]any{"alg": "ES256"}, claims)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	post := func(statement string) reply {
		return v.newcomer(`{"redirect_uris":["https://evil.example/cb"],"software_statement":"`+statement+`"}`, "")
	}
	good := sign(believedKey, claims)
	for name, bad := range forged(t, good, "JWT") {
		if strings.ContainsAny(bad, "\x00\xff") || name == "empty" {
			continue
		}
		r := post(strings.ReplaceAll(bad, `"`, `\"`))
		if r.StatusCode == http.StatusCreated && !strings.Contains(r.body, "approved.example") || r.StatusCode != http.StatusCreated && r.field("error") != "invalid_software_statement" &&
			r.field("error") != "unapproved_software_statement" && r.field("error") != "invalid_client_metadata" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		if r.StatusCode == http.StatusCreated {
			t.Errorf("%s is believed", name)
		}
	}
	refused(t, post(sign(otherKey, claims)), http.StatusBadRequest, "invalid_software_statement")
	refused(t, post(sign(believedKey, map[string]any{"iss": "https://gov.example", "exp": time.Now().Unix() - 3600})), http.StatusBadRequest, "invalid_software_statement")
	refused(t, post(sign(believedKey, map[string]any{"iss": "https://evil.example"})), http.StatusBadRequest, "unapproved_software_statement")
	refused(t, post(sign(believedKey, map[string]any{})), http.StatusBadRequest, "unapproved_software_statement")
	r := post(good)
	if r.StatusCode != http.StatusCreated || !strings.Contains(r.body, "approved.example") || strings.Contains(r.body, "evil.example") || strings.Contains(r.body, "skip_consent") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestF_Documents: a client that describes itself is fetched under guard, is what its URL says and nothing else, and people
// are told that nobody looked at it.
func TestF_Documents(t *testing.T) {
	t.Parallel()
	var self string
	docs := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		url := self + r.URL.Path
		switch r.URL.Path {
		case "/other":
			url = self + "/client"
		case "/redirect":
			http.Redirect(w, r, "/client", http.StatusFound)
			return
		case "/long":
			fmt.Fprint(w, strings.Repeat(" ", 6<<10))
		case "/secret":
			fmt.Fprintf(w, `{"client_id":%q,"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post","client_secret":"x"}`, url)
			return
		}
		fmt.Fprintf(w, `{"client_id":%q,"redirect_uris":["https://app.example/cb"],"client_name":"Bank","skip_consent":true,"scope":"openid orders:read"}`, url)
	}))
	defer docs.Close()
	self = docs.URL
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: docs.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(harness.Options{Engine: harness.SQLite, Seed: seed, Env: []string{"SSL_CERT_FILE=" + roots},
		Config: map[string]string{"registration.client_id_documents": "true", "egress.allow": "127.0.0.1/32"}})
	v := visit(t, s)
	if r := v.get("/.well-known/openid-configuration"); !strings.Contains(r.body, `"client_id_metadata_document_supported":true`) || strings.Contains(r.body, "registration_endpoint") {
		t.Errorf("%s", r.body)
	}
	ask := func(id, redirect string) reply {
		q := request("spa")
		q.Set("client_id", id)
		q.Set("redirect_uri", redirect)
		q.Set("scope", "openid")
		return v.authorize(q)
	}
	for _, id := range []string{self + "/other", self + "/redirect", self + "/long", self + "/secret", self + "/client?x=1", self + "/client#x", self + "/a/../client", self + "/%2e%2e/client",
		self, self + "/", strings.Replace(self, "https:", "http:", 1) + "/client", "https://169.254.169.254/latest", "https://10.0.0.1/client", "https://[::1]:443/client", "https://u@127.0.0.1/client", "file:///etc/passwd"} {
		shown(t, ask(id, "https://app.example/cb"), http.StatusBadRequest)
	}
	shown(t, ask(self+"/client", "https://evil.example/cb"), http.StatusBadRequest)
	v.signIn("cat")
	page := ask(self+"/client", "https://app.example/cb")
	for page.StatusCode == http.StatusSeeOther {
		page = v.get(page.Header.Get("Location"))
	}
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `value="allow"`) || !strings.Contains(page.body, "been reviewed.") ||
		!strings.Contains(page.body, `<p class="host">`+strings.TrimPrefix(self, "https://")+`</p>`) {
		t.Errorf("%d %.600s", page.StatusCode, page.body)
	}
	if r := v.get("/register/" + self + "/client"); r.StatusCode < 400 {
		t.Errorf("a document is managed here: %d", r.StatusCode)
	}
	off := visit(t, plain())
	q := request("spa")
	q.Set("client_id", self+"/client")
	shown(t, off.authorize(q), http.StatusBadRequest)
}
