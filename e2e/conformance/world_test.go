package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

// world is what all modules share: the server, the relying party's host, people and keys.
type world struct {
	server *harness.Server
	host   *host
	people []person
	keys   []*rsa.PrivateKey // of clients; made once, since what matters is which of them a client uses when
	turn   atomic.Int64
	slots  chan struct{} // modules at work at once; the suite runs three
	early  chan struct{} // the same for those that wait long
	report *report
}

const (
	atWork    = 6
	maxPeople = 24 // so that nobody comes near the limit of sessions
)

func newWorld(t *testing.T) *world {
	h := newHost(t)
	w := &world{host: h, slots: make(chan struct{}, atWork), early: make(chan struct{}, 2), report: &report{}}
	for range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		w.keys = append(w.keys, k)
	}
	for i := range maxPeople {
		w.people = append(w.people, person{fmt.Sprintf("buffy%02d", i), "stake-library-hellmouth-" + harness.Random()[:12]})
	}
	w.server = harness.Start(t, harness.Options{Engine: harness.SQLite, TLS: true, Seed: w.seed(), Env: []string{"SSL_CERT_FILE=" + h.CA},
		Config: map[string]string{
			"tokens.algs": "ES256,RS256", "egress.allow": "127.0.0.0/8,::1/128", "registration.mode": "open", "registration.per_hour": "0",
			"password.passes": "1", "sessions.per_user": "150", "sessions.management_iframe": "true", "log.level": "warn",
		}})
	return w
}

// visitor is somebody at a new browser.
func (w *world) visitor() *visitor {
	return newVisitor(w.server, w.host, w.people[int(w.turn.Add(1))%len(w.people)])
}

// seed declares the people, who have every claim there is, and the static clients.
func (w *world) seed() string {
	var b strings.Builder
	b.WriteString("users:\n")
	for i, p := range w.people {
		fmt.Fprintf(&b, `  - username: %s
    email: %[1]s@sunnydale.test
    email_verified: true
    password: %s
    name: Buffy Anne Summers the %d.
    given_name: Buffy
    family_name: Summers
    middle_name: Anne
    nickname: Buff
    profile: https://sunnydale.test/%[1]s
    picture: https://sunnydale.test/%[1]s.png
    website: https://%[1]s.sunnydale.test/
    gender: female
    birthdate: "1981-01-19"
    zoneinfo: America/Los_Angeles
    locale: en-US
    phone_number: "+1 805 555 0142"
    phone_number_verified: true
    address: {formatted: "1630 Revello Drive, Sunnydale", street_address: 1630 Revello Drive, locality: Sunnydale, region: CA, postal_code: "95037", country: US}
`, p.username, p.password, i)
	}
	b.WriteString("clients:\n")
	for _, c := range []struct{ id, auth, more string }{
		{"suite-1", "client_secret_basic", ""},
		{"suite-2", "client_secret_basic", ""},
		{"suite-post", "client_secret_post", ""},
		{"suite-back", "client_secret_basic", "    backchannel_logout_uri: $BASE/backchannel_logout\n    backchannel_logout_session_required: true\n"},
		{"suite-front", "client_secret_basic", "    frontchannel_logout_uri: $BASE/frontchannel_logout\n    frontchannel_logout_session_required: true\n"},
	} {
		b.WriteString(strings.ReplaceAll(fmt.Sprintf(`  - client_id: %s
    client_name: Conformance Suite
    profile: oidc
    client_secret: %s
    token_endpoint_auth_method: %s
    redirect_uris: [$BASE/callback]
    post_logout_redirect_uris: [$BASE/post_logout_redirect]
    grant_types: [authorization_code, implicit, refresh_token]
    response_types: [code, id_token, id_token token, code id_token, code token, code id_token token]
%s`, c.id, staticSecret(c.id), c.auth, c.more), "$BASE", w.host.URL+"/a/"+c.id))
	}
	return b.String()
}

func staticSecret(id string) string { return id + "-secret-0f1e2d3c4b5a6978" }
