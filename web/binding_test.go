package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web/webtest"
)

// guest is a browser: its cookies, and the key that it keeps.
type guest struct {
	t      *testing.T
	s      *webtest.Server
	cookie string
	key    *ecdsa.PrivateKey
}

func newGuest(t *testing.T, s *webtest.Server, cookie string) *guest {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t, s, cookie, k}
}

// do makes one request as a browser that navigates, and keeps what the answer sets.
func (g *guest) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequest(method, oauthtest.Issuer+path, strings.NewReader(body))
	r.Header.Set("Cookie", g.cookie)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.s.Handler.ServeHTTP(w, r)
	g.cookie = cookies(g.cookie, w)
	return w
}

func (g *guest) get(path string) *httptest.ResponseRecorder {
	g.t.Helper()
	return g.do(http.MethodGet, path, "")
}

func (g *guest) without(names ...string) *guest {
	var kept []string
	for _, c := range strings.Split(g.cookie, "; ") {
		if name, _, _ := strings.Cut(c, "="); !slices.Contains(names, strings.TrimPrefix(name, "__Host-")) {
			kept = append(kept, c)
		}
	}
	return &guest{g.t, g.s, strings.Join(kept, "; "), g.key}
}

func (g *guest) has(name string) bool { return strings.Contains("; "+g.cookie, "; __Host-"+name+"=") }

func (g *guest) jwk() string {
	b, _ := g.key.PublicKey.Bytes()
	e := base64.RawURLEncoding.EncodeToString
	return `{"crv":"P-256","kty":"EC","x":"` + e(b[1:33]) + `","y":"` + e(b[33:]) + `"}`
}

func (g *guest) jws(header, payload string) string {
	e := base64.RawURLEncoding.EncodeToString
	input := e([]byte(header)) + "." + e([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	a, b, err := ecdsa.Sign(rand.Reader, g.key, sum[:])
	if err != nil {
		g.t.Fatal(err)
	}
	return input + "." + e(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
}

// csrf is the token of a page of ours for this browser, whoever is signed in.
func (g *guest) csrf() string {
	page := g.without("sid", "dbk", "dk")
	c := hiddenOf(page.get("/login").Body.String()).Get("csrf")
	if !g.has("did") { // the page gave the browser its name
		for _, v := range strings.Split(page.cookie, "; ") {
			if strings.HasPrefix(v, "__Host-did=") {
				g.cookie += "; " + v
			}
		}
	}
	return c
}

// post speaks to the endpoint of the script.
func (g *guest) post(body map[string]any) (int, map[string]any) {
	g.t.Helper()
	b, _ := json.Marshal(body)
	w := g.do(http.MethodPost, "/device-key/prove", string(b), "Content-Type", "application/json", "Sec-Fetch-Dest", "empty", "X-CSRF", g.csrf())
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w.Code, out
}

func (g *guest) challenge() string {
	g.t.Helper()
	status, out := g.post(map[string]any{})
	c, _ := out["challenge"].(string)
	if status != http.StatusOK || c == "" {
		g.t.Fatalf("no challenge: %d %v", status, out)
	}
	return c
}

func (g *guest) proof(challenge string) string {
	return g.jws(`{"typ":"postern-device-key+jwt","alg":"ES256","jwk":`+g.jwk()+`}`, `{"aud":"`+oauthtest.Issuer+`/device-key/prove","jti":"`+challenge+`"}`)
}

// prove does what the script does.
func (g *guest) prove() (int, map[string]any) {
	g.t.Helper()
	return g.post(map[string]any{"proof": g.proof(g.challenge())})
}

func bound(t *testing.T) (*webtest.Server, *guest) {
	t.Helper()
	s := shell(t, nil)
	g := newGuest(t, s, s.Cookie("ann", passphrase))
	if status, out := g.prove(); status != http.StatusOK || out["left"] != 600.0 || !g.has("dbk") {
		t.Fatalf("the first key: %d %v %s", status, out, g.cookie)
	}
	return s, g
}

const proveFirst = "/device-key?to="

// E7: a cookie that was copied is challenged wherever it is shown; whoever was signed in goes on.
func TestE7_StolenCookie(t *testing.T) {
	s, g := bound(t)
	if w := g.get("/account"); w.Code != http.StatusOK {
		t.Fatalf("the owner: %d", w.Code)
	}
	for name, thief := range map[string]*guest{
		"session and device": g.without("dbk", "dk"), "session alone": g.without("dbk", "dk", "did"), "with the hint": g.without("dbk"),
	} {
		thief.key = newGuest(t, s, "").key
		for _, path := range []string{"/account", "/account/sessions", "/account/export", strings.ReplaceAll(authorization, "&prompt=none", ""), authorization} {
			if w := thief.get(path); w.Code != http.StatusSeeOther || w.Header().Get("Location") != proveFirst+url.QueryEscape(path) {
				t.Errorf("%s: %s: %d %s", name, path, w.Code, w.Header().Get("Location"))
			}
		}
		if w := thief.do(http.MethodGet, "/account", "", "Secure-Session-Skipped", "unreachable"); w.Code != http.StatusSeeOther {
			t.Errorf("%s: a browser that says why it has no proof: %d", name, w.Code)
		}
		if w := thief.do(http.MethodPost, "/webauthn/create/options", `{"to":"/account/passkeys"}`, "Content-Type", "application/json"); w.Code != http.StatusUnauthorized ||
			!strings.Contains(w.Body.String(), "/device-key?to=") {
			t.Errorf("%s: a script: %d %s", name, w.Code, w.Body)
		}
		if w := thief.do(http.MethodPost, "/account/sessions", "others=1", "Content-Type", "application/x-www-form-urlencoded"); w.Code != http.StatusSeeOther ||
			!strings.HasPrefix(w.Header().Get("Location"), "/login?to=") {
			t.Errorf("%s: a form: %d %s", name, w.Code, w.Header().Get("Location"))
		}
		// A key of their own is of no use: the session has one.
		if status, out := thief.prove(); status != http.StatusConflict || out["error"] != "other" || thief.has("dbk") {
			t.Errorf("%s: a key of their own: %d %v", name, status, out)
		}
		// Where they give up, nobody is signed in.
		w := thief.get("/device-key?skip=1&to=/account")
		if w.Header().Get("Location") != "/account" {
			t.Errorf("%s: skipped to %s", name, w.Header().Get("Location"))
		}
		if w := thief.get("/account"); w.Header().Get("Location") != "/login?to=/account" {
			t.Errorf("%s: then: %d %s", name, w.Code, w.Header().Get("Location"))
		}
		if w := thief.get("/login?to=/account"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "ann") {
			t.Errorf("%s: the sign-in tells whose cookie it is: %d", name, w.Code)
		}
		if w := thief.get(authorization); !strings.Contains(w.Header().Get("Location"), "error=login_required") {
			t.Errorf("%s: silently: %s", name, w.Header().Get("Location"))
		}
	}
	if w := g.get("/account"); w.Code != http.StatusOK {
		t.Errorf("the owner does not go on: %d", w.Code)
	}
}

// E7: with another key than its own a session ends, and all that derives from it.
func TestE7_AnotherKey(t *testing.T) {
	s, g := bound(t)
	s.Person("eve", passphrase)
	eve := newGuest(t, s, s.Cookie("eve", passphrase))
	if status, _ := eve.prove(); status != http.StatusOK {
		t.Fatal("eve has no key")
	}
	i := strings.Index(g.cookie, "__Host-sid=")
	stolen, _, _ := strings.Cut(g.cookie[i:], "; ")
	thief := eve.without("sid")
	thief.cookie += "; " + stolen
	if w := thief.get("/account"); w.Header().Get("Location") != "/login?to=/account" || thief.has("sid") {
		t.Errorf("the thief: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w := g.get("/account"); w.Code != http.StatusSeeOther {
		t.Errorf("the session goes on: %d", w.Code)
	}
	if w := eve.get("/account"); w.Code != http.StatusOK {
		t.Errorf("eve's own: %d", w.Code)
	}
}

// L5: what proves a key cannot be replayed, forged, or used later.
func TestL5_Proofs(t *testing.T) {
	s, g := bound(t)
	later := g.without()
	s.Clock = s.Clock.Add(10*time.Minute + time.Second)
	if w := later.get("/account"); !strings.HasPrefix(w.Header().Get("Location"), proveFirst) {
		t.Errorf("a stolen proof after its time: %d", w.Code)
	}
	c := g.challenge()
	p := g.proof(c)
	if status, _ := g.post(map[string]any{"proof": p}); status != http.StatusOK {
		t.Fatalf("renewed: %d", status)
	}
	if status, out := later.post(map[string]any{"proof": p}); status != http.StatusUnauthorized || out["error"] != "expired" || later.has("dbk") && later.cookie == g.cookie {
		t.Errorf("a proof twice: %d %v", status, out)
	}
	header := `{"typ":"postern-device-key+jwt","alg":"ES256","jwk":` + g.jwk() + `}`
	payload := `{"aud":"` + oauthtest.Issuer + `/device-key/prove","jti":"` + g.challenge() + `"}`
	none := g.jws(strings.Replace(header, "ES256", "none", 1), payload)
	for name, proof := range map[string]string{
		"none": none[:strings.LastIndex(none, ".")+1], "none, signed": none,
		"another audience": g.jws(header, strings.Replace(payload, "id.example", "evil.example", 1)),
		"another typ":      g.jws(strings.Replace(header, "postern-device-key+jwt", "dbsc+jwt", 1), payload),
		"large":            g.jws(header, strings.Replace(payload, "{", `{"a":"`+strings.Repeat("x", 8<<10)+`",`, 1)),
		"no JWS":           "x",
	} {
		if status, out := g.post(map[string]any{"proof": proof}); status != http.StatusBadRequest || out["error"] != "proof" {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, _ := g.post(map[string]any{"proof": strings.Repeat("x", 17<<10)}); status < 400 || status >= 500 {
		t.Errorf("oversized: %d", status)
	}
	if w := g.do(http.MethodPost, "/device-key/prove", "{}", "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
	if w := g.do(http.MethodPost, "/device-key/prove", "{}", "Content-Type", "application/json", "X-CSRF", "x"); w.Code != http.StatusForbidden {
		t.Errorf("without the token of our page: %d", w.Code)
	}
	if w := g.do(http.MethodPost, "/device-key/prove", "{}", "Content-Type", "text/plain"); w.Code != http.StatusBadRequest {
		t.Errorf("as a form could: %d", w.Code)
	}
}

// A browser that keeps a key proves it before the sign-in, and its session is bound from the start.
func TestKeyBeforeSignIn(t *testing.T) {
	s, g := bound(t)
	g = g.without("sid", "dbk")
	w := g.get("/login?to=/account")
	if w.Header().Get("Location") != proveFirst+url.QueryEscape("/login?to=/account") {
		t.Fatalf("a browser with a key: %d %s", w.Code, w.Header().Get("Location"))
	}
	if page := g.get(w.Header().Get("Location")); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `data-to="/login?to=/account"`) {
		t.Errorf("the page: %d %s", page.Code, page.Body)
	}
	if status, out := g.prove(); status != http.StatusOK {
		t.Fatalf("before the sign-in: %d %v", status, out)
	}
	w = g.get("/login?to=/account")
	form := hiddenOf(w.Body.String())
	form.Set("identifier", "ann")
	form.Set("password", passphrase)
	if w = g.do(http.MethodPost, "/login", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); w.Header().Get("Location") != "/account" {
		t.Fatalf("the sign-in: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w := g.get("/account"); w.Code != http.StatusOK {
		t.Errorf("signed in: %d", w.Code)
	}
	if w := g.without("dbk").get("/account"); !strings.HasPrefix(w.Header().Get("Location"), proveFirst) {
		t.Errorf("the session is not bound: %d", w.Code)
	}
	// Programs that drive forms, and browsers that could not show a key a moment ago, are asked for none.
	s.Clock = s.Clock.Add(time.Hour)
	plain := g.without("sid", "dbk")
	if w := plain.do(http.MethodGet, "/login?to=/account", "", "Sec-Fetch-Dest", ""); w.Code != http.StatusOK {
		t.Errorf("a program: %d", w.Code)
	}
	plain.get("/device-key?skip=1&to=/login")
	if w := plain.get("/login?to=/account"); w.Code != http.StatusOK {
		t.Errorf("after a failure: %d", w.Code)
	}
}

// A browser without a key is asked to make one on its way to a client, once.
func TestKeyOnTheWay(t *testing.T) {
	s := shell(t, nil)
	g := newGuest(t, s, s.Cookie("ann", passphrase))
	w := g.get("/continue?i=x")
	if w.Header().Get("Location") != proveFirst+url.QueryEscape("/continue?i=x") {
		t.Fatalf("on the way: %d %s", w.Code, w.Header().Get("Location"))
	}
	g.get("/device-key?skip=1&to=/continue?i=x")
	if w := g.get("/continue?i=x"); w.Code == http.StatusSeeOther {
		t.Errorf("asked again: %s", w.Header().Get("Location"))
	}
	late := newGuest(t, s, s.Cookie("ann", passphrase))
	s.Clock = s.Clock.Add(11 * time.Minute)
	if w := late.get("/continue?i=x"); w.Code == http.StatusSeeOther {
		t.Error("long after the sign-in")
	}
	if status, out := late.prove(); status != http.StatusForbidden || out["error"] != "unknown" {
		t.Errorf("a first key long after the sign-in: %d %v", status, out)
	}
	if w := late.get("/account"); w.Code != http.StatusOK || w.Header().Get("Secure-Session-Registration") != "" {
		t.Errorf("a session without a key: %d", w.Code)
	}
}

// A1: the page leads only to paths of ours.
func TestKeyPageLeadsHome(t *testing.T) {
	s, g := bound(t)
	_ = s
	for to, want := range map[string]string{
		"/authorize?client_id=house&x=%2F%2F": "/authorize?client_id=house&x=%2F%2F", "/": "/", "": "/account", "//evil.example": "/account", "https://evil.example/": "/account",
		`/\evil.example`: "/account", "/a/../b": "/account", "/x#y": "/account", "javascript:alert(1)": "/account", "/a\tb": "/account", "/device-key?to=/": "/account", "account": "/account",
	} {
		if w := g.get(proveFirst + url.QueryEscape(to)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%q leads to %d %s, want %s", to, w.Code, w.Header().Get("Location"), want)
		}
	}
}

// The protocol of the browser itself: registration, a challenge, refresh, and its end. RISK E7.
func TestDBSC(t *testing.T) {
	s := shell(t, nil)
	g := newGuest(t, s, s.Cookie("ann", passphrase))
	w := g.get("/account")
	offer := w.Header().Get("Secure-Session-Registration")
	if !strings.HasPrefix(offer, `(ES256 RS256);path="/dbsc/register";challenge="`) {
		t.Fatalf("no offer: %q", offer)
	}
	_, c, _ := strings.Cut(offer, `challenge="`)
	c = strings.TrimSuffix(c, `"`)
	register := func(challenge string) *httptest.ResponseRecorder {
		return g.do(http.MethodPost, "/dbsc/register", "", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site",
			"Secure-Session-Response", `"`+g.jws(`{"typ":"dbsc+jwt","alg":"ES256","jwk":`+g.jwk()+`}`, `{"jti":"`+challenge+`"}`)+`"`)
	}
	w = register(c)
	var got struct {
		ID      string `json:"session_identifier"`
		Refresh string `json:"refresh_url"`
		Scope   struct {
			Origin string `json:"origin"`
			Site   *bool  `json:"include_site"`
		}
		Credentials []struct{ Type, Name, Attributes string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.ID) != 43 || got.Refresh != "/dbsc/refresh" ||
		got.Scope.Origin != oauthtest.Issuer || got.Scope.Site == nil || *got.Scope.Site || len(got.Credentials) != 1 {
		t.Fatalf("registered: %d %s", w.Code, w.Body)
	}
	set := ""
	for _, line := range w.Header().Values("Set-Cookie") {
		if strings.HasPrefix(line, got.Credentials[0].Name+"=") {
			set = line
		}
	}
	for _, a := range strings.Split(got.Credentials[0].Attributes, "; ") {
		if !strings.Contains(set, "; "+a) {
			t.Errorf("the cookie lacks %s: %s", a, set)
		}
	}
	if got.Credentials[0].Name != "__Host-dbk" || strings.Count(set, ";") != strings.Count(got.Credentials[0].Attributes, ";")+2 || !strings.Contains(set, "; Max-Age=600") {
		t.Errorf("attributes %q, cookie %q", got.Credentials[0].Attributes, set)
	}
	if w := g.get("/account"); w.Code != http.StatusOK || w.Header().Get("Secure-Session-Registration") != "" {
		t.Errorf("with the key: %d, offered again %q", w.Code, w.Header().Get("Secure-Session-Registration"))
	}
	if w := register(c); w.Code != http.StatusForbidden || w.Header().Get("Secure-Session-Challenge") == "" {
		t.Errorf("one challenge twice: %d", w.Code)
	}

	// The bound cookie goes; without it nothing works, and with a proof it comes back.
	s.Clock = s.Clock.Add(11 * time.Minute)
	g = g.without("dbk")
	if w := g.get("/account"); w.Code != http.StatusSeeOther {
		t.Errorf("without it: %d", w.Code)
	}
	refresh := func(g *guest, id, jws string) *httptest.ResponseRecorder {
		h := []string{"Sec-Fetch-Dest", "empty", "Sec-Secure-Session-Id", `"` + id + `"`}
		if jws != "" {
			h = append(h, "Secure-Session-Response", `"`+jws+`"`)
		}
		return g.do(http.MethodPost, "/dbsc/refresh", "", h...)
	}
	ask := func(g *guest) string {
		w := refresh(g, got.ID, "")
		c, id, _ := strings.Cut(w.Header().Get("Secure-Session-Challenge"), ";")
		if w.Code != http.StatusForbidden || id != `id="`+got.ID+`"` {
			t.Fatalf("no challenge: %d %v", w.Code, w.Header())
		}
		return strings.Trim(c, `"`)
	}
	sign := func(g *guest, c string) string { return g.jws(`{"typ":"dbsc+jwt","alg":"ES256"}`, `{"jti":"`+c+`"}`) }
	older, newer := ask(g), ask(g)
	if w := refresh(g, got.ID, sign(g, older)); w.Code != http.StatusOK || !g.has("dbk") {
		t.Errorf("a challenge before the latest: %d %s", w.Code, w.Body)
	}
	if w := g.get("/account"); w.Code != http.StatusOK {
		t.Errorf("renewed: %d", w.Code)
	}
	if w := refresh(g, got.ID, sign(g, older)); w.Code != http.StatusForbidden {
		t.Errorf("twice: %d", w.Code)
	}
	s.Clock = s.Clock.Add(3 * time.Minute)
	if w := refresh(g, got.ID, sign(g, newer)); w.Code != http.StatusForbidden {
		t.Errorf("an old challenge: %d", w.Code)
	}
	thief := g.without("dbk")
	thief.key = newGuest(t, s, "").key
	if w := refresh(thief, got.ID, sign(thief, ask(thief))); w.Code != http.StatusBadRequest || thief.has("dbk") {
		t.Errorf("signed by another: %d", w.Code)
	}
	none := sign(g, ask(g))
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"dbsc+jwt","alg":"none"}`))
	if w := refresh(thief, got.ID, head+none[strings.Index(none, "."):strings.LastIndex(none, ".")+1]); w.Code != http.StatusBadRequest {
		t.Errorf("alg none: %d", w.Code)
	}
	if w := refresh(g, "short", ""); w.Code != http.StatusBadRequest {
		t.Errorf("no session: %d", w.Code)
	}

	// The person signs this device out from another one: its key is forgotten, and the browser told so.
	other := newGuest(t, s, s.Cookie("ann", passphrase))
	list := other.get("/account/sessions")
	if !strings.Contains(list.Body.String(), "Bound to this device’s hardware") {
		t.Error("the list does not say that the device is bound")
	}
	form := url.Values{"csrf": {hiddenOf(list.Body.String()).Get("csrf")}, "others": {"1"}}
	if w := other.do(http.MethodPost, "/account/sessions", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); w.Code != http.StatusSeeOther {
		t.Fatalf("signed out: %d", w.Code)
	}
	if w := refresh(g, got.ID, sign(g, ask(g))); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"continue":false}` {
		t.Errorf("a key that is forgotten: %d %s", w.Code, w.Body)
	}
}

// A browser that could only keep a key in its profile moves on to one in hardware, without anybody noticing.
func TestDBSCAfterScript(t *testing.T) {
	_, g := bound(t)
	w := g.get("/account")
	_, c, ok := strings.Cut(w.Header().Get("Secure-Session-Registration"), `challenge="`)
	if !ok {
		t.Fatal("no offer")
	}
	chip := newGuest(t, g.s, g.cookie)
	w = chip.do(http.MethodPost, "/dbsc/register", "", "Secure-Session-Response", chip.jws(`{"typ":"dbsc+jwt","alg":"ES256","jwk":`+chip.jwk()+`}`, `{"jti":"`+strings.TrimSuffix(c, `"`)+`"}`))
	if w.Code != http.StatusOK {
		t.Fatalf("registered: %d %s", w.Code, w.Body)
	}
	if w := chip.get("/account"); w.Code != http.StatusOK {
		t.Errorf("with the better key: %d", w.Code)
	}
	if w := g.get("/account"); w.Code != http.StatusOK {
		t.Errorf("a request under way: %d", w.Code)
	}
	if status, out := chip.post(map[string]any{}); status != http.StatusOK || out["done"] != true {
		t.Errorf("the script has nothing to do: %d %v", status, out)
	}
}

// "This was not me" ends the sessions and forgets every key; the activity tells when a device was bound.
func TestNotMeForgetsKeys(t *testing.T) {
	s, g := bound(t)
	other := newGuest(t, s, s.Cookie("ann", passphrase))
	page := other.get("/account/activity").Body.String()
	if !strings.Contains(page, "Sign-in bound to a device") {
		t.Error("the activity does not tell of the key")
	}
	if list, err := s.Keys.Of(t.Context(), "id-ann"); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	links := regexp.MustCompile(`/not-me\?[^"]*`).FindAllString(page, -1)
	if len(links) == 0 {
		t.Fatal("nothing can be disowned")
	}
	for _, link := range links {
		form := hiddenOf(other.get(html.UnescapeString(link)).Body.String())
		other.do(http.MethodPost, "/not-me", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	if list, err := s.Keys.Of(t.Context(), "id-ann"); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if w := g.get("/account"); w.Code != http.StatusSeeOther {
		t.Errorf("still signed in: %d", w.Code)
	}
}
