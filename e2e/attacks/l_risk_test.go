package attacks

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

const (
	sweden = "11.1.1."
	brazil = "12.1.1."
	japan  = "13.1.1."
)

// passwordStep signs in with the password and says what comes after it.
func (v *visitor) passwordStep(user string) reply {
	v.t.Helper()
	r := v.submit("/login", with(fields(v.get("/login?to=/account")), "identifier", user, "password", password))
	if asksCode(r) {
		return v.get(r.Header.Get("Location"))
	}
	return r
}

// asksCode says whether r is the page for the second factor, or leads there.
func asksCode(r reply) bool {
	return r.StatusCode == http.StatusOK && strings.Contains(r.body, `name="code"`) ||
		r.StatusCode == http.StatusSeeOther && strings.HasPrefix(r.Header.Get("Location"), "/code?")
}

// TestL1_L2_CountryAndDevice: a new country or a new device asks for the second factor, and what a browser claims about its
// address hides neither.
func TestL1_L2_CountryAndDevice(t *testing.T) {
	t.Parallel()
	s := secure()
	home := visitFrom(t, s, sweden+"1")
	if r := home.passwordStep("geo-otp"); asksCode(r) {
		home.submit("/code", with(fields(r), "code", codeOf("geo-otp")))
	}
	if !home.signedIn() {
		t.Fatal("not signed in at home")
	}
	out := func(v *visitor) { v.submit("/logout", with(fields(v.get("/logout")), "decision", "leave")) }
	out(home)
	// The same browser abroad: cookies travel, the country is new.
	abroad := visitFrom(t, s, brazil+"1")
	abroad.jar = home.jar
	abroad.http.Jar = home.jar
	if r := abroad.passwordStep("geo-otp"); !asksCode(r) || abroad.signedIn() {
		t.Errorf("a new country asks nothing: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	// A header of the browser stands left of what the proxy adds: it is hearsay.
	liar := visitFrom(t, s, sweden+"9, "+brazil+"2")
	liar.jar, liar.http.Jar = home.jar, home.jar
	r := liar.do(http.MethodPost, "/login", with(fields(liar.get("/login?to=/account")), "identifier", "geo-otp", "password", password).Encode(), http.Header{
		"Sec-Fetch-Site": {"same-origin"}, "CF-IPCountry": {"SE"}, "X-Real-IP": {sweden + "1"}, "True-Client-IP": {sweden + "1"}, "Forwarded": {"for=" + sweden + "1"}, "X-Country": {"SE"}, "X-Client-IP": {sweden + "1"}})
	if !asksCode(r) {
		t.Errorf("headers hide the country: %d", r.StatusCode)
	}
	// A new device at home.
	device := visitFrom(t, s, sweden+"2")
	if r := device.passwordStep("geo-otp"); !asksCode(r) || device.signedIn() {
		t.Errorf("a new device asks nothing: %d", r.StatusCode)
	}
	// A copied session cookie does not bring the device with it, and a made-up device is none.
	device.setCookie("did", "AAAA.AAAAAAAAAAAAAAAAAAAAAA")
	if r := device.passwordStep("geo-otp"); !asksCode(r) {
		t.Errorf("a forged device is known: %d", r.StatusCode)
	}
	// Answered with the second factor it goes on, and the token says so. L3: a wrong code is no answer.
	v := visitFrom(t, s, japan+"1")
	step := v.submit("/login", with(fields(v.get(v.authorize(request("house")).Header.Get("Location"))), "identifier", "geo-otp", "password", password))
	form := fields(v.get(step.Header.Get("Location")))
	if r := v.submit("/code", with(form, "code", "000000")); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("L3: a wrong code: %d", r.StatusCode)
	}
	if r := v.submit("/login", with(form, "identifier", "geo-otp", "password", password)); strings.HasPrefix(r.Header.Get("Location"), "/continue") || v.cookie("sid") != "" {
		t.Errorf("L3: the password again answers the step-up: %s", r.Header.Get("Location"))
	}
	form = fields(v.get("/code?i=" + form.Get("i")))
	step = v.submit("/code", with(form, "code", codeOf("geo-otp")))
	back := leads(v.get(step.Header.Get("Location"))).Query()
	c := claims(t, accepted(t, v.token("house", exchange(back.Get("code"), houseCB))).field("id_token"))
	if c["acr"] != "urn:postern:acr:aal2" {
		t.Errorf("acr %v", c["acr"])
	}
	found := map[string]int{}
	for _, e := range trail(t, s) {
		if e.Type == "risk.decided" && e.Outcome == audit.Denied {
			found[e.Data["country"]]++
		}
	}
	if found["BR"] < 2 || found["SE"] < 1 || found["JP"] < 1 {
		t.Errorf("decisions in the trail by country: %v", found)
	}
}

// TestL2_NoFactorToAsk: who has one factor only is let in from afar, for a shorter while, and the trail says so.
func TestL2_NoFactorToAsk(t *testing.T) {
	t.Parallel()
	s := secure()
	home, away := visitFrom(t, s, sweden+"20"), visitFrom(t, s, brazil+"20")
	home.signIn("geo-pwd")
	away.signIn("geo-pwd")
	n := 0
	for _, e := range trail(t, s) {
		if e.Type == "risk.decided" && e.IP == brazil+"20" && e.Data["country"] == "BR" {
			n++
		}
	}
	if n == 0 {
		t.Error("nothing is recorded of a sign-in from a new country")
	}
}

// TestL4_RefreshAbroad: a bearer refresh token from another country is refused, and works at home afterwards.
func TestL4_RefreshAbroad(t *testing.T) {
	t.Parallel()
	s := secure()
	home := visitFrom(t, s, sweden+"30")
	home.signIn("ann")
	tok := home.tokens("house", "openid").field("refresh_token")
	for _, ip := range []string{brazil + "30", "14.1.1.1"} { // another country, and one that nobody knows
		refused(t, visitFrom(t, s, ip).token("house", refresh(tok)), http.StatusBadRequest, "invalid_grant")
	}
	refused(t, visitFrom(t, s, sweden+"30, "+brazil+"31").token("house", refresh(tok)), http.StatusBadRequest, "invalid_grant")
	accepted(t, home.token("house", refresh(tok)))
	n := 0
	for _, e := range trail(t, s) {
		if e.Type == "risk.decided" && strings.HasPrefix(e.IP, brazil+"3") {
			n++
		}
	}
	if n < 2 {
		t.Errorf("%d decisions about refreshes abroad in the trail", n)
	}
}

// TestL1_UntrustedProxy: without a trusted proxy no header says where somebody is.
func TestL1_UntrustedProxy(t *testing.T) {
	t.Parallel()
	s := start(harness.Options{Engine: harness.SQLite, Seed: seed, Config: map[string]string{"proxies.trusted": "10.0.0.0/8", "geo.file": geoFile(house.TempDir())}})
	v := visitFrom(t, s, sweden+"1")
	v.signIn("bob")
	for _, e := range trail(t, s) {
		if e.IP != "" && e.IP != "127.0.0.1" && e.IP != "::1" {
			t.Errorf("%s believes a stranger's header: %s", e.Type, e.IP)
		}
	}
	// L6: the geo file is gone or damaged: a start with it fails, it is not taken for "everything is near".
	bad := filepath.Join(house.TempDir(), "bad.mmdb")
	if err := os.WriteFile(bad, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--set=geo.file=" + bad, "--set=listen.address=127.0.0.1:0", "--set=management.address="}, {"config", "validate", "--set=geo.file=" + bad + ".missing"}} {
		done := make(chan error, 1)
		go func() { _, err := s.Command(args...); done <- err }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%v succeeds", args)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%v serves without its geo database", args)
		}
	}
}

func TestL7_Expiry(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	tok := accepted(t, v.token("short", ownToken)).field("access_token")
	if !v.active("short", tok) {
		t.Error("a fresh token is inactive")
	}
	time.Sleep(2100 * time.Millisecond) // it lived one second
	if v.active("short", tok) || v.active("orders", tok) {
		t.Error("an expired token is active")
	}
	accepted(t, v.as("short", "/revoke", url.Values{"token": {tok}}))
	if !v.active("short", accepted(t, v.token("short", ownToken)).field("access_token")) {
		t.Error("the next token is inactive")
	}
}
