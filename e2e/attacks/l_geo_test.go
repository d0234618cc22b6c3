package attacks

import (
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

// TestL1_WithoutFiles: a server that nobody gave any data knows countries all the same: a new one asks for the second
// factor.
func TestL1_WithoutFiles(t *testing.T) {
	t.Parallel()
	s := start(harness.Options{Engine: harness.SQLite, Seed: seed})
	const netherlands, brazilian = "193.0.6.139", "200.160.2.3"
	home := visitFrom(t, s, netherlands)
	if r := home.passwordStep("geo-otp"); asksCode(r) {
		home.submit("/code", with(fields(r), "code", codeOf("geo-otp")))
	}
	if !home.signedIn() {
		t.Fatal("not signed in at home")
	}
	home.submit("/logout", with(fields(home.get("/logout")), "decision", "leave"))
	abroad := visitFrom(t, s, brazilian)
	abroad.jar, abroad.http.Jar = home.jar, home.jar
	if r := abroad.passwordStep("geo-otp"); !asksCode(r) || abroad.signedIn() {
		t.Errorf("a new country asks nothing: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	found := map[string]bool{}
	for _, e := range trail(t, s) {
		if e.Type == "risk.decided" {
			found[e.IP+" "+e.Data["country"]] = true
		}
	}
	if !found[netherlands+" NL"] || !found[brazilian+" BR"] {
		t.Errorf("decisions in the trail: %v", found)
	}
}
