package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// hygieia is somebody whose every datum is easy to find again.
const hygieia = `users:
  - username: hygieia-of-kos
    email: hygieia@asklepieion.test
    password: serpent-bowl-laurel-61
    totp_secret: KRUGS4ZANFZSAYJAORXXI4BAONSWG4TF
    name: Hygieia Asklepiades
    given_name: Hygieia
    family_name: Asklepiades
    birthdate: "1931-12-25"
    phone_number: "+30 2242 028765"
`

// TestNothingPersonalIsTold: after journeys that succeed and fail in many ways, neither the log, even at its most talkative,
// nor the metrics, nor the traces hold anything about the person, or any secret.
func TestNothingPersonalIsTold(t *testing.T) {
	traces := &collector{}
	otlp := httptest.NewServer(traces)
	defer otlp.Close()
	cast := harness.NewCast()
	s := harness.Start(t, harness.Options{Engine: harness.SQLite, Seed: strings.Replace(cast.Seed, "users:\n", hygieia, 1),
		Config: map[string]string{"log.level": "debug", "telemetry.endpoint": otlp.URL}})
	told := secrets{"e-mail": "hygieia@asklepieion.test", "local part": "hygieia", "username": "hygieia-of-kos", "name": "Asklepiades",
		"birthdate": "1931-12-25", "phone": "028765", "password": "serpent-bowl-laurel-61", "shared secret": "KRUGS4ZANFZSAYJAORXXI4BAONSWG4TF"}
	scandal(t, s, cast, told)
	if err := s.Stop(); err != nil { // so that traces are flushed
		t.Error(err)
	}
	spans := traces.String()
	if !strings.Contains(spans, "/token") {
		t.Errorf("the traces hold nothing: %d bytes", len(spans))
	}
	for where, text := range map[string]string{"log": s.Log(), "metrics": told["metrics"], "traces": spans} {
		if len(text) < 1000 {
			t.Errorf("the %s is too short to be one: %q", where, text)
		}
		for what, secret := range told {
			if what == "metrics" || secret == "" {
				continue
			}
			if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
				t.Errorf("the %s tells the %s: %q", where, what, text[max(0, i-120):min(len(text), i+len(secret)+60)])
			}
		}
		if ip := regexp.MustCompile(`\b198\.1[89]\.\d+\.\d+\b`).FindString(text); ip != "" {
			t.Errorf("the %s tells an address: %s", where, ip)
		}
		if strings.Contains(text, "Firefox") {
			t.Errorf("the %s tells the browser", where)
		}
	}
}

// secrets are what must not be found, by what they are.
type secrets map[string]string

// scandal does all that a log could be tempted to tell, and notes the secrets that came up.
func scandal(t *testing.T, s *harness.Server, cast *harness.Cast, told secrets) {
	t.Helper()
	check := must[*harness.Page](t)
	answer := must[*harness.Answer](t)
	app := cast.RP(s, "app1")
	b := s.NewBrowser()
	a := app.Authorize(url.Values{"scope": {"openid profile email phone"}, "login_hint": {told["e-mail"]}})
	told["state"], told["nonce"], told["verifier"], told["client secret"] = a.State, a.Nonce, a.Verifier, app.Secret
	check(b.Go(a.URL))
	check(b.SignIn(told["e-mail"], "a-wrong-password-"+told["name"]))
	check(b.SignIn(told["username"], told["password"]))
	p := check(b.Consent("allow"))
	told["code"] = p.Params().Get("code")
	told["session cookie"], told["device cookie"] = b.Cookie("sid"), b.Cookie("did")
	tok := answer(app.Exchange(a, told["code"], nil))
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		told[name] = tok.Get(name)
	}
	_, claims, err := harness.DecodeJWT(told["id_token"])
	if err != nil {
		t.Fatal(err, tok)
	}
	told["sub"], told["sid"] = claims["sub"].(string), claims["sid"].(string)
	// a second factor, right and wrong
	totp := harness.NewTOTP(told["shared secret"])
	a2 := app.Authorize(url.Values{"acr_values": {"urn:postern:acr:aal2"}})
	check(b.Go(a2.URL))
	check(b.SignIn(told["username"], told["password"]))
	check(b.Code("271828"))
	if p := check(b.Code(totp.Code())); p.Params().Get("code") == "" {
		t.Fatalf("no step-up: %s", p.Text)
	}
	told["raised session cookie"] = b.Cookie("sid")
	// every endpoint, well and badly
	answer(s.UserInfo(http.MethodGet, told["access_token"]))
	answer(s.UserInfo(http.MethodPost, told["access_token"]+"x"))
	answer(s.Get("/userinfo?access_token="+url.QueryEscape(told["access_token"]), nil))
	answer(app.Introspect(told["access_token"]))
	next := answer(app.Refresh(told["refresh_token"], nil))
	told["next refresh token"] = next.Get("refresh_token")
	wrong := *app
	wrong.Secret = "the-wrong-secret-of-" + told["name"]
	answer(wrong.Refresh(told["next refresh token"], nil))
	answer(app.Exchange(a, told["code"], nil)) // a replay
	answer(app.Token(url.Values{"grant_type": {"password"}, "username": {told["e-mail"]}, "password": {told["password"]}}))
	answer(app.Token(url.Values{"grant_type": {told["e-mail"]}}))
	answer(app.Revoke(told["next refresh token"]))
	answer(s.Get("/"+told["e-mail"]+"?q="+url.QueryEscape(told["password"]), nil))
	answer(s.Get("/authorize?client_id="+url.QueryEscape(told["e-mail"]), nil))
	answer(s.Get("/authorize?client_id=app1&redirect_uri=https://x.example/"+url.QueryEscape(told["e-mail"]), nil))
	answer(s.Get("/account?%zz="+url.QueryEscape(told["e-mail"]), http.Header{"Cookie": {"sid=" + told["session cookie"] + "; did=" + told["e-mail"]},
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Baggage": {"who=" + told["e-mail"]}}))
	for _, page := range []string{"/account", "/account/sessions", "/account/apps", "/account/activity", "/logout?id_token_hint=" + told["id_token"]} {
		check(b.Go(page))
	}
	stranger := s.NewBrowser()
	check(stranger.Go("/login?to=/account"))
	for range 7 { // until the throttle speaks
		p, err := stranger.SignIn(told["username"], "guess-"+told["password"])
		if err != nil {
			break
		}
		if p.Status == http.StatusTooManyRequests {
			break
		}
	}
	for _, args := range [][]string{{"keys", "rotate"}, {"user", "update", told["username"], "--disable"}, {"user", "delete", told["username"]}} {
		if _, err := s.Command(args...); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(1200 * time.Millisecond) // periodic work
	metrics, err := s.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	told["metrics"] = metrics
}

// collector takes traces as an OTLP collector does, and keeps their bytes.
type collector struct {
	mu sync.Mutex
	b  strings.Builder
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, _ := io.ReadAll(body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b.Write(raw)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}
