package register

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/oauthtest"
)

// desk is the endpoint over real floors.
type desk struct {
	*oauthtest.House
	t    *testing.T
	s    *Service
	came []ident.ClientID
	ip   string
}

func open(t *testing.T, change func(*Options)) *desk {
	t.Helper()
	d := &desk{House: oauthtest.New(t, nil, nil), t: t, ip: "192.0.2.1"}
	opt := Options{Issuer: oauthtest.Issuer, Endpoint: oauthtest.Issuer + "/register", Open: true,
		Allow:    oauth.Outsiders{Profile: "oidc", Scopes: append([]string{"orders:read"}, oauth.OpenIDScopes...), SigningAlgs: d.Ring.Algs()},
		Registry: d.Registry, Store: d.DB, Ephemeral: d.DB, Counters: d.DB, Audit: d.Audit, Fetch: d.Fetch, SecretKeys: d.SecretKeys,
		Registered: func(c *oauth.Client) { d.came = append(d.came, c.ID) }, Now: d.Now, Rand: rand.Reader}
	if change != nil {
		change(&opt)
	}
	d.s = New(opt)
	return d
}

type reply struct {
	status int
	m      map[string]any
	h      http.Header
}

func (r reply) text(name string) string { s, _ := r.m[name].(string); return s }

func (d *desk) call(method, path, token, body string) reply {
	r := httptest.NewRequest(method, "https://id.example.com"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h := d.s.Create
	if id, ok := strings.CutPrefix(path, "/register/"); ok {
		r.SetPathValue("client", id)
		h = d.s.Manage
	}
	r = r.WithContext(oauth.WithEnv(r.Context(), ident.Env{IP: netip.MustParseAddr(d.ip)}))
	if err := h(w, r); err != nil {
		e := oauth.AsError(err)
		return reply{e.Status, map[string]any{"error": e.Code, "error_description": e.Description}, w.Header()}
	}
	out := reply{status: w.Code, h: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out.m); err != nil {
			d.t.Fatal(err)
		}
	}
	return out
}

func (d *desk) create(body string) reply { return d.call("POST", "/register", "", body) }

func (d *desk) want(r reply, status int, code string) {
	d.t.Helper()
	if r.status != status || code != "" && r.m["error"] != code {
		d.t.Errorf("got %d %v, want %d %s", r.status, r.m, status, code)
	}
}

const plain = `{"redirect_uris":["https://app.example/cb"]}`

func TestDefaults(t *testing.T) {
	d := open(t, nil)
	r := d.create(plain)
	d.want(r, 201, "")
	if r.h.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be cached")
	}
	for name, want := range map[string]any{"token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "ES256",
		"application_type": "web", "subject_type": "public", "client_secret_expires_at": 0.0, "client_id_issued_at": float64(d.Clock.Unix())} {
		if r.m[name] != want {
			t.Errorf("%s is %v, want %v", name, r.m[name], want)
		}
	}
	for name, want := range map[string]string{"grant_types": "[authorization_code]", "response_types": "[code]", "redirect_uris": "[https://app.example/cb]"} {
		if got := fmt.Sprint(r.m[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	id := ident.ClientID(r.text("client_id"))
	c, err := d.Registry.Client(id) // at once, on this node
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != oauth.ByRegistration || c.Profile != "oidc" || !oauth.SecretMatches(d.SecretKeys(), c.SecretHash, id, r.text("client_secret")) {
		t.Errorf("registered as %+v", c)
	}
	if len(d.came) != 1 || d.came[0] != id {
		t.Errorf("told of %v", d.came)
	}
	if r.text("registration_client_uri") != oauthtest.Issuer+"/register/"+string(id) || !strings.HasPrefix(r.text("registration_access_token"), "prm_") {
		t.Errorf("management: %v", r.m)
	}
	for name := range r.m {
		if strings.Contains(name, "hash") || name == "profile" || name == "registered_by" {
			t.Errorf("the answer shows %s", name)
		}
	}
}

// TestOnlyOperatorsDecide: what is policy is not read from a request, and not given to a program alone.
func TestOnlyOperatorsDecide(t *testing.T) {
	d := open(t, nil)
	r := d.create(`{"redirect_uris":["https://app.example/cb"],"client_id":"mine","client_secret":"known","skip_consent":true,"Skip_Consent":true,"minimum_acr":"x",
		"profile":"fapi2","served_resources":["https://api.example"],"web_origins":["https://evil.example"],"allowed_resources":["https://api.example"],
		"access_token_format":"opaque","access_token_lifetime":86400,"require_pkce":false,"registered_by":"","disabled":true,"client_secret_hash":"hmac-sha256:x",
		"registration_access_token_hash":"hmac-sha256:x","grant_types":["authorization_code","client_credentials","urn:ietf:params:oauth:grant-type:device_code"],
		"scope":"openid admin orders:read","unheard_of":{"a":[1]},"client_name#ja":"店","tos_uri#en":"https://app.example/tos","client_name#":"x"}`)
	d.want(r, 201, "")
	c, err := d.Registry.Client(ident.ClientID(r.text("client_id")))
	if err != nil {
		t.Fatal(err)
	}
	if c.ID == "mine" || r.text("client_secret") == "known" || c.SkipConsent || c.MinimumACR != "" || c.Profile != "oidc" || c.Serves != nil || c.WebOrigins != nil ||
		c.Resources != nil || c.TokenFormat != "" || c.TokenSeconds != 0 || c.RequirePKCE != nil || c.Origin != oauth.ByRegistration || c.Disabled {
		t.Errorf("an outsider decided: %+v", c)
	}
	if c.Allows("client_credentials") || c.Scope != "orders:read openid" || c.Names["ja"] != "店" || len(c.Names) != 1 {
		t.Errorf("registered as %+v", c)
	}
}

func TestRefused(t *testing.T) {
	sector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/ok", http.StatusFound)
			return
		}
		fmt.Fprint(w, map[string]string{"/ok": `["https://app.example/cb","https://b.example/cb"]`, "/other": `["https://evil.example/cb"]`, "/object": `{"a":1}`}[r.URL.Path])
	}))
	defer sector.Close()
	d := open(t, nil)
	with := func(more string) string { return `{"redirect_uris":["https://app.example/cb"],` + more + `}` }
	redirect := func(uri string) string { return `{"redirect_uris":["` + uri + `"]}` }
	const meta, uri = "invalid_client_metadata", "invalid_redirect_uri"
	for name, c := range map[string]struct{ body, want string }{
		"fragment":                  {redirect("https://app.example/cb#f"), uri},
		"empty fragment":            {redirect("https://app.example/cb#"), uri},
		"javascript":                {redirect("javascript:alert(1)"), uri},
		"JavaScript":                {redirect("JavaScript:alert(1)"), uri},
		"data":                      {redirect("data:text/html,x"), uri},
		"http":                      {redirect("http://app.example/cb"), uri},
		"http near loopback":        {redirect("http://localhost.evil.example/cb"), uri},
		"relative":                  {redirect("/cb"), uri},
		"user information":          {redirect("https://u:p@app.example/cb"), uri},
		"too many":                  {`{"redirect_uris":["https://a.example/cb"` + strings.Repeat(`,"https://a.example/cb"`, 64) + `]}`, uri},
		"implicit on localhost":     {`{"redirect_uris":["https://localhost/cb"],"response_types":["id_token"]}`, uri},
		"implicit without TLS":      {`{"redirect_uris":["http://127.0.0.1/cb"],"response_types":["code id_token"]}`, uri},
		"no redirect_uris":          {`{}`, meta},
		"not an object":             {`[]`, meta},
		"null":                      {`null`, meta},
		"not JSON":                  {`{"redirect_uris":`, meta},
		"two documents":             {plain + plain, meta},
		"wrong type":                {`{"redirect_uris":"https://app.example/cb"}`, meta},
		"name of the wrong type":    {with(`"client_name#ja":1`), meta},
		"http initiate_login_uri":   {with(`"initiate_login_uri":"http://app.example/login"`), meta},
		"local initiate_login_uri":  {with(`"initiate_login_uri":"http://localhost/login"`), meta},
		"javascript logo":           {with(`"logo_uri":"javascript:alert(1)"`), meta},
		"data policy":               {with(`"policy_uri":"data:text/html,x"`), meta},
		"http request_uris":         {with(`"request_uris":["http://app.example/r"]`), meta},
		"fragment after logout":     {with(`"post_logout_redirect_uris":["https://app.example/#x"]`), meta},
		"both kinds of keys":        {with(`"jwks":{"keys":[]},"jwks_uri":"https://app.example/jwks"`), meta},
		"private_key_jwt, no keys":  {with(`"token_endpoint_auth_method":"private_key_jwt"`), meta},
		"method":                    {with(`"token_endpoint_auth_method":"tls_client_auth"`), meta},
		"unsigned ID tokens":        {with(`"id_token_signed_response_alg":"none"`), meta},
		"alg without a key":         {with(`"id_token_signed_response_alg":"RS256"`), meta},
		"alg without a key, claims": {with(`"userinfo_signed_response_alg":"PS256"`), meta},
		"unsigned requests":         {with(`"request_object_signing_alg":"none"`), meta},
		"encrypted requests":        {with(`"request_object_encryption_alg":"ECDH-ES"`), meta},
		"response type":             {with(`"response_types":["code foo"]`), meta},
		"only for programs":         {with(`"grant_types":["client_credentials"]`), meta},
		"only foreign scopes":       {with(`"scope":"admin"`), meta},
		"negative age":              {with(`"default_max_age":-1`), meta},
		"control characters":        {with(`"client_name":"a\u0000b"`), meta},
		"long name":                 {with(`"client_name":"` + strings.Repeat("x", 201) + `"`), meta},
		"pairwise on two hosts":     {`{"redirect_uris":["https://a.example/cb","https://b.example/cb"],"subject_type":"pairwise"}`, meta},
		"sector elsewhere":          {with(`"sector_identifier_uri":"` + sector.URL + `/other"`), meta},
		"sector that is no list":    {with(`"sector_identifier_uri":"` + sector.URL + `/object"`), meta},
		"sector that redirects":     {with(`"sector_identifier_uri":"` + sector.URL + `/redirect"`), meta},
		"sector beyond the guard":   {with(`"sector_identifier_uri":"https://10.0.0.1/"`), meta},
		"sector over http":          {with(`"sector_identifier_uri":"http://app.example/"`), meta},
	} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			d.want(d.create(c.body), 400, c.want)
		})
	}
	d.t = t
	if n := d.Registry.Dynamic(); n != 0 {
		t.Errorf("%d clients were registered", n)
	}
	good := `{"redirect_uris":["https://app.example/cb","https://b.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"` + sector.URL + `/ok"}`
	d.want(d.create(good), 201, "")
}

func TestContentType(t *testing.T) {
	d := open(t, nil)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json-patch"} {
		r := httptest.NewRequest("POST", "/register", strings.NewReader(plain))
		r.Header.Set("Content-Type", kind)
		if err := d.s.Create(httptest.NewRecorder(), r); err == nil {
			t.Errorf("%q is taken", kind)
		}
	}
}

func TestGrantsAreMadeToFit(t *testing.T) {
	d := open(t, nil)
	for name, c := range map[string]struct{ body, grants, responses string }{
		"implicit":        {`"response_types":["id_token"]`, "[implicit]", "[id_token]"},
		"hybrid":          {`"response_types":["id_token code"],"grant_types":["authorization_code"]`, "[authorization_code implicit]", "[code id_token]"},
		"refresh too":     {`"grant_types":["authorization_code","refresh_token"]`, "[authorization_code refresh_token]", "[code]"},
		"code is missing": {`"response_types":["code"],"grant_types":["refresh_token"]`, "[refresh_token authorization_code]", "[code]"},
		"twice":           {`"grant_types":["authorization_code","authorization_code"]`, "[authorization_code]", "[code]"},
	} {
		r := d.create(`{"redirect_uris":["https://app.example/cb"],` + c.body + `}`)
		if g, rt := fmt.Sprint(r.m["grant_types"]), fmt.Sprint(r.m["response_types"]); g != c.grants || rt != c.responses {
			t.Errorf("%s: %s %s, want %s %s", name, g, rt, c.grants, c.responses)
		}
	}
}

func TestPublicAndKeys(t *testing.T) {
	d := open(t, nil)
	for name, body := range map[string]string{"public": `"token_endpoint_auth_method":"none"`,
		"keys": `"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/jwks"`} {
		r := d.create(`{"redirect_uris":["https://app.example/cb"],` + body + `}`)
		d.want(r, 201, "")
		if _, ok := r.m["client_secret"]; ok || r.m["client_secret_expires_at"] != nil {
			t.Errorf("%s has a secret: %v", name, r.m)
		}
	}
}

// TestManage is RFC 7592: read, replace, end; each only by the token of that client.
func TestManage(t *testing.T) {
	d := open(t, nil)
	a, b := d.create(`{"redirect_uris":["https://a.example/cb"],"client_name":"A","policy_uri":"https://a.example/p"}`), d.create(plain)
	path := "/register/" + a.text("client_id")
	mine, other := a.text("registration_access_token"), b.text("registration_access_token")
	for name, tok := range map[string]string{"of another": other, "none": "", "wrong": "prm_x", "the secret": a.text("client_secret"), "cut": mine[:len(mine)-1], "long": "prm_" + strings.Repeat("a", 600)} {
		for _, m := range []string{"GET", "PUT", "DELETE"} {
			if r := d.call(m, path, tok, `{}`); r.status != 401 || r.m["error"] != "invalid_token" {
				t.Errorf("%s %s: %d %v", m, name, r.status, r.m)
			}
		}
	}
	d.want(d.call("GET", "/register/unknown", mine, ""), 401, "invalid_token")
	got := d.call("GET", path, mine, "")
	if got.status != 200 || got.text("client_name") != "A" || got.text("registration_access_token") != mine || got.m["client_secret"] != nil {
		t.Errorf("read: %d %v", got.status, got.m)
	}
	id := a.text("client_id")
	put := func(more string) reply {
		return d.call("PUT", path, mine, `{"client_id":"`+id+`","redirect_uris":["https://a.example/new"]`+more+`}`)
	}
	for name, r := range map[string]reply{"another id": d.call("PUT", path, mine, `{"client_id":"x","redirect_uris":["https://a.example/cb"]}`),
		"no id": d.call("PUT", path, mine, plain), "wrong secret": put(`,"client_secret":"x"`), "bad metadata": put(`,"logo_uri":"javascript:x"`)} {
		if r.status != 400 || r.m["error"] != "invalid_client_metadata" {
			t.Errorf("%s: %d %v", name, r.status, r.m)
		}
	}
	r := put(`,"client_secret":"` + a.text("client_secret") + `","client_name":null,"skip_consent":true`)
	if r.status != 200 || r.m["client_name"] != nil || r.m["policy_uri"] != nil || fmt.Sprint(r.m["redirect_uris"]) != "[https://a.example/new]" || r.m["client_secret"] != nil {
		t.Errorf("replaced: %d %v", r.status, r.m)
	}
	c, err := d.Registry.Client(ident.ClientID(id))
	if err != nil || c.SkipConsent || !oauth.SecretMatches(d.SecretKeys(), c.SecretHash, c.ID, a.text("client_secret")) {
		t.Errorf("after the update: %v %+v", err, c)
	}
	if r = put(`,"token_endpoint_auth_method":"none"`); r.m["client_secret"] != nil {
		t.Errorf("public: %v", r.m)
	}
	if r = put(``); r.text("client_secret") == "" || r.text("client_secret") == a.text("client_secret") {
		t.Errorf("a client that is confidential again has no new secret: %v", r.m)
	}
	d.want(d.call("DELETE", path, mine, ""), 204, "")
	d.want(d.call("GET", path, mine, ""), 401, "invalid_token")
	if _, err := d.Registry.Client(ident.ClientID(id)); err == nil {
		t.Error("it is still there")
	}
	var types []string
	heads, err := d.DB.AuditHeads(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		entries, err := d.DB.ReadAudit(context.Background(), h.Stream, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			types = append(types, e.Type)
		}
	}
	if want := "[stream.opened client.registered client.registered client.updated client.updated client.updated client.deleted]"; fmt.Sprint(types) != want {
		t.Errorf("recorded %v", types)
	}
}

// TestWhatOperatorsDecidedStays: an update by the client changes none of it.
func TestWhatOperatorsDecidedStays(t *testing.T) {
	d := open(t, nil)
	r := d.create(plain)
	c, err := d.Registry.Client(ident.ClientID(r.text("client_id")))
	if err != nil {
		t.Fatal(err)
	}
	changed := *c
	changed.MinimumACR, changed.TokenSeconds, changed.Profile = ident.ACRs[1], 60, "oauth21"
	doc, err := changed.Document(d.Clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.DB.PutClient(context.Background(), doc); err != nil {
		t.Fatal(err)
	}
	path, token := "/register/"+r.text("client_id"), r.text("registration_access_token")
	d.want(d.call("PUT", path, token, `{"client_id":"`+r.text("client_id")+`","redirect_uris":["https://app.example/cb"],"minimum_acr":"","profile":"oidc"}`), 200, "")
	if c, err = d.Registry.Client(c.ID); err != nil || c.MinimumACR != ident.ACRs[1] || c.TokenSeconds != 60 || c.Profile != "oauth21" {
		t.Errorf("%v %+v", err, c)
	}
	if err := d.DB.DeleteClient(context.Background(), string(c.ID), d.Clock); err != nil { // behind our back
		t.Fatal(err)
	}
	d.want(d.call("PUT", path, token, `{"client_id":"`+r.text("client_id")+`","redirect_uris":["https://app.example/cb"]}`), 401, "invalid_token")
	if n := d.Registry.Dynamic(); n != 0 {
		t.Errorf("%d came back", n)
	}
}

func (d *desk) invite(i Invite) string {
	d.t.Helper()
	token, err := i.Issue(context.Background(), d.DB, rand.Reader, d.Clock.Add(time.Hour))
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func TestInvitations(t *testing.T) {
	d := open(t, func(o *Options) { o.Open = false })
	d.want(d.create(plain), 401, "invalid_token")
	once := d.invite(Invite{Uses: 1, Profile: "oauth21"})
	d.want(d.call("POST", "/register", once, `{}`), 400, "invalid_client_metadata") // a mistake costs nothing
	r := d.call("POST", "/register", once, plain)
	d.want(r, 201, "")
	if c, err := d.Registry.Client(ident.ClientID(r.text("client_id"))); err != nil || c.Profile != "oauth21" {
		t.Errorf("%v %+v", err, c)
	}
	d.want(d.call("POST", "/register", once, plain), 401, "invalid_token")
	thrice := d.invite(Invite{Uses: 3})
	for range 3 {
		d.want(d.call("POST", "/register", thrice, plain), 201, "")
	}
	d.want(d.call("POST", "/register", thrice, plain), 401, "invalid_token")
	late := d.invite(Invite{Uses: 1})
	for name, tok := range map[string]string{"unknown": "pit_x", "registration access token": r.text("registration_access_token"), "changed": late + "x", "no prefix": strings.TrimPrefix(late, "pit_")} {
		if r := d.call("POST", "/register", tok, plain); r.status != 401 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	d.Clock = d.Clock.Add(time.Hour)
	d.want(d.call("POST", "/register", late, plain), 401, "invalid_token")
	for _, n := range []int{0, MaxUses + 1} {
		if _, err := (Invite{Uses: n}).Issue(context.Background(), d.DB, rand.Reader, d.Clock); err == nil {
			t.Errorf("%d uses are allowed", n)
		}
	}
}

// TestOneUseIsOneClient: of many who come at once with the same invitation, one gets in.
func TestOneUseIsOneClient(t *testing.T) {
	d := open(t, func(o *Options) { o.Open = false; o.Registered = nil })
	token := d.invite(Invite{Uses: 1})
	var wg sync.WaitGroup
	codes := make([]int, 16)
	for i := range codes {
		wg.Go(func() { codes[i] = d.call("POST", "/register", token, plain).status })
	}
	wg.Wait()
	in := 0
	for _, c := range codes {
		if c == 201 {
			in++
		} else if c != 401 {
			t.Errorf("answered %d", c)
		}
	}
	if in != 1 || d.Registry.Dynamic() != 1 {
		t.Errorf("%d got in, %d clients", in, d.Registry.Dynamic())
	}
}

func TestLimits(t *testing.T) {
	d := open(t, func(o *Options) { o.PerHour, o.Max = 2, 3 })
	d.want(d.create(plain), 201, "")
	d.want(d.create(plain), 201, "")
	d.want(d.create(plain), 429, "slow_down")
	d.ip = "198.51.100.1"
	d.want(d.create(plain), 201, "")
	d.want(d.create(plain), 403, "access_denied")
	d.want(d.call("POST", "/register", d.invite(Invite{Uses: 1}), plain), 403, "access_denied")
}

func key(t *testing.T) (*ecdsa.PrivateKey, *keys.Set) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := keys.ParseSet(fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}]}`, b64(pub[1:33]), b64(pub[33:])))
	if err != nil {
		t.Fatal(err)
	}
	return k, set
}

func sign(t *testing.T, k *ecdsa.PrivateKey, claims string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	pad := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }
	return input + "." + b64(append(pad(r), pad(s)...))
}

// TestStatements is RFC 7591 §2.3: the claims of an issuer that is trusted win; others are refused.
func TestStatements(t *testing.T) {
	trusted, set := key(t)
	stranger, _ := key(t)
	d := open(t, func(o *Options) { o.Statements = map[string]*keys.Set{"https://gov.example": set} })
	now := d.Clock.Unix()
	claims := `{"iss":"https://gov.example","software_id":"s-1","client_name":"Approved","redirect_uris":["https://approved.example/cb"],"skip_consent":true,"client_id":"x"}`
	good := sign(t, trusted, claims)
	post := func(statement string) reply {
		return d.create(`{"redirect_uris":["https://app.example/cb"],"client_name":"Mine","logo_uri":"https://app.example/l.png","software_statement":"` + statement + `"}`)
	}
	r := post(good)
	d.want(r, 201, "")
	if r.text("client_name") != "Approved" || fmt.Sprint(r.m["redirect_uris"]) != "[https://approved.example/cb]" || r.text("software_statement") != good || r.text("logo_uri") == "" || r.text("client_id") == "x" {
		t.Errorf("%v", r.m)
	}
	c, err := d.Registry.Client(ident.ClientID(r.text("client_id")))
	if err != nil || c.SkipConsent {
		t.Errorf("%v %+v", err, c)
	}
	// An update without the statement does not shake it off.
	put := d.call("PUT", "/register/"+r.text("client_id"), r.text("registration_access_token"), `{"client_id":"`+r.text("client_id")+`","redirect_uris":["https://evil.example/cb"]}`)
	if put.status != 200 || fmt.Sprint(put.m["redirect_uris"]) != "[https://approved.example/cb]" || put.text("software_statement") != good {
		t.Errorf("%d %v", put.status, put.m)
	}
	parts := strings.Split(good, ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(claims, "approved.example", "evil.example", 1)))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, s := range map[string]string{"forged": sign(t, stranger, claims), "changed": parts[0] + "." + other + "." + parts[2], "unsigned": none + "." + parts[1] + ".",
		"garbage": "x", "empty": "", "expired": sign(t, trusted, fmt.Sprintf(`{"iss":"https://gov.example","exp":%d}`, now-3600)),
		"not yet": sign(t, trusted, fmt.Sprintf(`{"iss":"https://gov.example","nbf":%d}`, now+3600)), "for others": sign(t, trusted, `{"iss":"https://gov.example","aud":"https://x.example"}`),
		"huge exp": sign(t, trusted, `{"iss":"https://gov.example","exp":-1e300}`)} {
		if r := post(s); r.status != 400 || r.m["error"] != "invalid_software_statement" {
			t.Errorf("%s: %d %v", name, r.status, r.m)
		}
	}
	for name, s := range map[string]string{"stranger": sign(t, stranger, `{"iss":"https://evil.example"}`), "nobody": sign(t, stranger, `{}`)} {
		if r := post(s); r.status != 400 || r.m["error"] != "unapproved_software_statement" {
			t.Errorf("%s: %d %v", name, r.status, r.m)
		}
	}
	d.want(post(sign(t, trusted, `{"iss":"https://gov.example","aud":["a","https://id.example.com"],"exp":`+fmt.Sprint(now+60)+`}`)), 201, "")
	d.want(d.create(`{"redirect_uris":["https://app.example/cb"],"software_statement":7}`), 400, "invalid_software_statement")
}

// FuzzMetadata: whatever an outsider sends, what is registered reads back as it was, and none of it is policy.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(`{"redirect_uris":["https://a.example/cb","app:/cb"],"response_types":["id_token code"],"client_name#ja":"店","scope":"openid","jwks":{"keys":[]},"contacts":["a"]}`))
	f.Add([]byte(`{"skip_consent":true,"default_max_age":1e3,"logo_uri":"javascript:","request_uris":["https://a.example/r#x"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		allow := oauth.Outsiders{Profile: "oidc", Scopes: oauth.OpenIDScopes, SigningAlgs: []string{"ES256", "RS256"}}
		m, err := parse(body)
		if err != nil {
			return
		}
		c, err := allow.Read(m)
		if err != nil {
			return
		}
		c.ID, c.SecretHash, c.Origin = "id", "hmac-sha256:x", oauth.ByRegistration
		if c, err = allow.Check(c); err != nil {
			return
		}
		doc, err := c.Document(time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := oauth.ParseClient(doc.JSON)
		if err != nil {
			t.Fatalf("what was registered cannot be read: %v\n%s", err, doc.JSON)
		}
		if again.SkipConsent || again.Profile != "oidc" || again.Disabled || again.Serves != nil || again.Allows("client_credentials") {
			t.Errorf("policy: %s", doc.JSON)
		}
		second, err := again.Document(time.Time{})
		if err != nil || string(second.JSON) != string(doc.JSON) {
			t.Errorf("%s\nbecame\n%s", doc.JSON, second.JSON)
		}
	})
}
