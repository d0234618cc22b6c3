package attacks

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/e2e/harness"
	"github.com/postern-id/postern/oauth"
)

const told = "Ahd7-told-client-notification-token-0451"

// centre is a server with clients that ask for people by back channel, and what those clients were told.
type centre struct {
	*harness.Server
	mu    sync.Mutex
	heard map[string][]string // path: authorization and body
}

var backchannel = sync.OnceValue(func() *centre {
	c := &centre{heard: map[string][]string{}}
	ear := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.heard[r.URL.Path] = append(c.heard[r.URL.Path], r.Header.Get("Authorization")+" "+string(body))
		c.mu.Unlock()
		switch r.URL.Path {
		case "/401":
			w.WriteHeader(http.StatusUnauthorized)
		case "/301":
			http.Redirect(w, r, "/followed", http.StatusMovedPermanently)
		case "/307":
			http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/200":
			_, _ = w.Write([]byte(`{"thanks":true}`))
		}
	}))
	house.Cleanup(ear.Close)
	type object = map[string]any
	var clients, users []object
	client := func(id string, more object) {
		doc := object{"client_id": id, "client_secret": secretOf(id), "skip_consent": true, "grant_types": []string{oauth.CIBAGrant, "refresh_token"}, "scope": "openid profile offline_access"}
		for k, v := range more {
			doc[k] = v
		}
		clients = append(clients, doc)
	}
	client("desk", nil)
	client("desk2", nil)
	client("coded", object{"backchannel_user_code_parameter": true})
	client("signs", object{"backchannel_authentication_request_signing_alg": "ES256", "jwks": json.RawMessage(harness.PublicJWKS(esKey, "es-1", "ES256"))})
	for _, how := range []string{"200", "401", "301", "307", "500"} {
		client("ping-"+how, object{"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": ear.URL + "/" + how})
	}
	client("push", object{"backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": ear.URL + "/push"})
	for _, name := range []string{"gia", "gil", "gus", "gwen", "gale", "gigi", "gina"} {
		users = append(users, object{"username": name, "email": name + "@people.test", "password": password})
	}
	seed, err := json.Marshal(object{"clients": clients, "users": users})
	if err != nil {
		panic(err)
	}
	c.Server = start(harness.Options{Engine: harness.SQLite, Seed: string(seed), Config: map[string]string{"egress.allow": "127.0.0.1/32"}})
	return c
})

// phone is somebody's app that approves.
type phone struct {
	*visitor
	*authntest.App
	owner *visitor // its person, signed in
}

var codeOnPage = regexp.MustCompile(`<p class="code"><b>([A-Z0-9-]+)</b>`)

// enrolled signs user in, makes an app theirs, and returns it.
func enrolled(t *testing.T, user string) *phone {
	t.Helper()
	v := visit(t, backchannel().Server)
	v.signIn(user)
	m := codeOnPage.FindStringSubmatch(v.submit("/account/approvers", with(fields(v.get("/account/approvers")), "app", "1")).body)
	if m == nil {
		t.Fatal("no code for an app")
	}
	p := &phone{visit(t, backchannel().Server), authntest.NewApp(t), v}
	r := p.call("POST", "/approver/enrol", p.Enrolment(t, html.UnescapeString(m[1]), user+"'s phone"))
	if p.ID = r.field("approver"); r.StatusCode != http.StatusCreated || p.ID == "" {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return p
}

// call sends a request of the app, with its proof.
func (p *phone) call(method, path string, body []byte, tweaks ...func(map[string]any)) reply {
	p.t.Helper()
	q := p.Request(p.t, method, p.s.Issuer+path, body, time.Now(), tweaks...)
	return p.do(method, path, string(body), http.Header{"Authorization": {"Approver " + q.Proof}, "Content-Type": {"application/json"}})
}

// waiting is what the app is asked.
func (p *phone) waiting() []authn.AppQuestion {
	p.t.Helper()
	var out struct{ Requests []authn.AppQuestion }
	r := p.call("GET", "/approver/requests", nil)
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || r.StatusCode != http.StatusOK {
		p.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return out.Requests
}

func handleOf(q authn.AppQuestion) string {
	var st struct{ Handle string }
	_ = json.Unmarshal(q.Statement, &st)
	return st.Handle
}

func (p *phone) decide(handle string, body map[string]string) reply {
	p.t.Helper()
	raw, _ := json.Marshal(body)
	return p.call("POST", "/approver/requests/"+handle, raw)
}

func (p *phone) approve(q authn.AppQuestion, tweaks ...func(map[string]any)) reply {
	p.t.Helper()
	return p.decide(handleOf(q), map[string]string{"decision": "approve", "jws": p.Approve(p.t, q, "", tweaks...)})
}

// call centre side

func ask(client, user string, pairs ...string) url.Values {
	return with(url.Values{"scope": {"openid"}, "login_hint": {user}, "client_notification_token": {told}}, pairs...)
}

func (v *visitor) askFor(client, user string, pairs ...string) string {
	v.t.Helper()
	return accepted(v.t, v.as(client, "/bc-authorize", ask(client, user, pairs...))).field("auth_req_id")
}

func (v *visitor) fetch(client, id string) reply {
	v.t.Helper()
	return v.token(client, url.Values{"grant_type": {oauth.CIBAGrant}, "auth_req_id": {id}})
}

// TestG1_SignedRequests: a signed request that lacks something, lies in the wrong time or is somebody else's asks nobody.
func TestG1_SignedRequests(t *testing.T) {
	t.Parallel()
	p, v, now := enrolled(t, "gia"), visit(t, backchannel().Server), time.Now().Unix()
	object := func(key *ecdsa.PrivateKey, header map[string]any, pairs ...any) string {
		claims := map[string]any{"iss": "signs", "aud": v.s.Issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": harness.Random(), "scope": "openid", "login_hint": "gia"}
		for i := 0; i+1 < len(pairs); i += 2 {
			if claims[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
				delete(claims, pairs[i].(string))
			}
		}
		token, err := harness.SignJWT(key, header, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	es := map[string]any{"alg": "ES256", "kid": "es-1", "typ": "oauth-authz-req+jwt"}
	good := object(esKey, es)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, form := range map[string]url.Values{
		"no aud": {"request": {object(esKey, es, "aud", nil)}}, "another aud": {"request": {object(esKey, es, "aud", "https://evil.example")}},
		"no iss": {"request": {object(esKey, es, "iss", nil)}}, "another iss": {"request": {object(esKey, es, "iss", "desk")}},
		"no exp": {"request": {object(esKey, es, "exp", nil)}}, "expired": {"request": {object(esKey, es, "exp", now-120, "nbf", now-300)}},
		"exp in 70 min": {"request": {object(esKey, es, "exp", now+70*60)}}, "no iat": {"request": {object(esKey, es, "iat", nil)}},
		"no nbf": {"request": {object(esKey, es, "nbf", nil)}}, "nbf in 10 min": {"request": {object(esKey, es, "nbf", now+600, "exp", now+900)}},
		"nbf 70 min ago": {"request": {object(esKey, es, "nbf", now-70*60)}}, "no jti": {"request": {object(esKey, es, "jti", nil)}},
		"another key": {"request": {object(otherKey, es)}}, "none": {"request": {none}},
		"RS256": {"request": {object(esKey, map[string]any{"alg": "RS256", "kid": "es-1"})}}, "no such alg": {"request": {object(esKey, map[string]any{"alg": "ES999", "kid": "es-1"})}},
		"unsigned": ask("signs", "gia"), "beside it": {"request": {object(esKey, es)}, "login_hint": {"gia"}}, "twice": {"request": {good, good}},
		"by reference": {"request_uri": {"https://signs.example/r"}},
	} {
		t.Run(name, func(t *testing.T) {
			no(t, v.as("signs", "/bc-authorize", form), "invalid_request", http.StatusBadRequest)
		})
	}
	if n := len(p.waiting()); n != 0 {
		t.Fatalf("%d requests wait", n)
	}
	accepted(t, v.as("signs", "/bc-authorize", url.Values{"request": {good}}))
	no(t, v.as("signs", "/bc-authorize", url.Values{"request": {good}}), "invalid_request", http.StatusBadRequest) // and once more
	if n := len(p.waiting()); n != 1 {
		t.Errorf("%d requests wait", n)
	}
}

// TestG5_UserCode: whoever does not know what the person told those whom they let ask them asks nobody, learns not whether there
// is such a person, and after a few guesses not even a right one counts.
func TestG5_UserCode(t *testing.T) {
	t.Parallel()
	owner, v := visit(t, backchannel().Server), visit(t, backchannel().Server)
	refused := func(want, who string, more ...string) {
		t.Helper()
		no(t, v.as("coded", "/bc-authorize", ask("coded", who, more...)), want, http.StatusBadRequest)
	}
	refused("missing_user_code", "gina")
	refused("invalid_user_code", "gina", "user_code", "k9fx") // none is set
	owner.signIn("gina")
	page := owner.submit("/account/approvers", with(fields(owner.get("/account/approvers")), "usercode", "set", "secret", "k9fx"))
	if page.StatusCode >= 400 {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	p := enrolled(t, "gina")
	accepted(t, v.as("coded", "/bc-authorize", ask("coded", "gina", "user_code", "k9fx")))
	for i := range 5 {
		for _, who := range []string{"gina", "nobody-here"} {
			refused("invalid_user_code", who, "user_code", fmt.Sprintf("k9f%d", i))
		}
	}
	refused("invalid_user_code", "gina", "user_code", "k9fx")
	if n := len(p.waiting()); n != 1 {
		t.Errorf("%d requests wait", n)
	}
	told := map[string]int{}
	for _, e := range trail(t, v.s) {
		if e.User != "" {
			told[e.Type]++
		}
		if strings.Contains(fmt.Sprintf("%+v", e), "k9fx") {
			t.Errorf("%s holds the code", e.Type)
		}
	}
	if told["user_code.set"] != 1 || told["user_code.failed"] != 5 || told["user_code.throttled"] != 1 {
		t.Errorf("the trail: %v", told)
	}
}

// TestG3_G4_AuthReqID: another client's, too fast, after a no, after the end, after success.
func TestG3_G4_AuthReqID(t *testing.T) {
	t.Parallel()
	p, v := enrolled(t, "gil"), visit(t, backchannel().Server)
	id := v.askFor("desk", "gil", "scope", "openid offline_access", "binding_message", "Order 4711")
	no(t, v.fetch("desk2", id), "invalid_grant", http.StatusBadRequest)
	no(t, v.fetch("push", id), "unauthorized_client", http.StatusBadRequest)
	no(t, v.fetch("desk", id+"x"), "invalid_grant", http.StatusBadRequest)
	no(t, v.post("/token", url.Values{"grant_type": {oauth.CIBAGrant}, "auth_req_id": {id}}), "invalid_client", http.StatusUnauthorized)
	no(t, v.fetch("desk", id), "authorization_pending", http.StatusBadRequest)
	no(t, v.fetch("desk", id), "slow_down", http.StatusBadRequest)
	if r := p.approve(p.waiting()[0]); r.StatusCode >= 300 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	no(t, v.fetch("desk2", id), "invalid_grant", http.StatusBadRequest)
	results := make([]string, 16)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = fmt.Sprint(v.fetch("desk", id).StatusCode) })
	}
	wg.Wait()
	if ok := len(slices.DeleteFunc(slices.Clone(results), func(s string) bool { return s != "200" })); ok != 1 {
		t.Errorf("%d of 16 got tokens: %v", ok, results)
	}
	no(t, v.fetch("desk", id), "invalid_grant", http.StatusBadRequest)

	short := v.askFor("desk", "gil", "requested_expiry", "1")
	time.Sleep(2 * time.Second)
	no(t, v.fetch("desk", short), "expired_token", http.StatusBadRequest)
	id = v.askFor("desk", "gil")
	if r := p.decide(handleOf(p.waiting()[0]), map[string]string{"decision": "deny"}); r.StatusCode >= 300 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	for range 2 {
		no(t, v.fetch("desk", id), "access_denied", http.StatusBadRequest)
	}
	no(t, v.as("desk", "/bc-authorize", ask("desk", "gil")), "slow_down", http.StatusTooManyRequests) // who was told no asks again
}

// TestG5_BindingMessage: what is odd is refused, what is shown is shown as it is.
func TestG5_BindingMessage(t *testing.T) {
	t.Parallel()
	p, v := enrolled(t, "gus"), visit(t, backchannel().Server)
	for name, text := range map[string]string{"long": strings.Repeat("1234567890", 8) + "1", "lines": "a\nb", "nul": "a\x00b", "turned": "\u202eevil", "invisible": "a\u200bb",
		"no text": "\xff\xfe", "escape": "\x1b[31mred", "separator": "a\u2028b"} {
		t.Run(name, func(t *testing.T) {
			no(t, v.as("desk", "/bc-authorize", ask("desk", "gus", "binding_message", text)), "invalid_binding_message", http.StatusBadRequest)
		})
	}
	const odd = `<script>alert(1)</script> & "€" 雲 http://evil.example`
	v.askFor("desk", "gus", "binding_message", odd)
	q := p.waiting()
	var st struct{ Text, App string }
	if len(q) != 1 || json.Unmarshal(q[0].Statement, &st) != nil || st.Text != odd || st.App != "desk" {
		t.Fatalf("%+v", q)
	}
	r := p.owner.get("/approve/" + handleOf(q[0]))
	if r.StatusCode != http.StatusOK || !strings.Contains(html.UnescapeString(r.body), odd) || strings.Contains(r.body, "<script>alert") || strings.Contains(r.body, `href="http://evil`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// TestG6_Ping: whatever the client answers it is told once, nothing follows a redirect, and it gets what it asked for.
func TestG6_Ping(t *testing.T) {
	t.Parallel()
	p, v := enrolled(t, "gwen"), visit(t, backchannel().Server)
	for _, how := range []string{"200", "401", "301", "307", "500"} {
		id := v.askFor("ping-"+how, "gwen")
		if r := p.approve(p.waiting()[0]); r.StatusCode >= 300 {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		c := backchannel()
		want := "Bearer " + told + ` {"auth_req_id":"` + id + `"}`
		soon(t, "the ping of "+how, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return slices.Equal(c.heard["/"+how], []string{want})
		})
		accepted(t, v.fetch("ping-"+how, id))
	}
	id := v.askFor("push", "gwen")
	if r := p.approve(p.waiting()[0]); r.StatusCode >= 300 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	c := backchannel()
	soon(t, "the tokens", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.heard["/push"]) == 1 })
	no(t, v.fetch("push", id), "unauthorized_client", http.StatusBadRequest)
	time.Sleep(2 * time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, list := range c.heard {
		if path == "/followed" || len(list) != 1 {
			t.Errorf("%s: %d", path, len(list))
		}
	}
}

// TestG9_Approvals: signed by nobody's key, a removed one, another person's; replayed, for another question, changed, too late, or twice.
func TestG9_Approvals(t *testing.T) {
	t.Parallel()
	p, other, v := enrolled(t, "gale"), enrolled(t, "gigi"), visit(t, backchannel().Server)
	id := v.askFor("desk", "gale")
	q := p.waiting()[0]
	handle := handleOf(q)
	stranger := &phone{p.visitor, authntest.NewApp(t), p.owner}
	stranger.ID = p.ID
	refusedAs := func(name string, r reply, statuses ...int) {
		t.Helper()
		if !slices.Contains(statuses, r.StatusCode) {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
		no(t, v.fetch("desk", id), map[bool]string{true: "authorization_pending", false: "slow_down"}[name == "a key that is nobody's"], http.StatusBadRequest)
	}
	refusedAs("a key that is nobody's", stranger.approve(q), 401)
	refusedAs("signed by another key", p.decide(handle, map[string]string{"decision": "approve", "jws": stranger.Approve(t, q, "")}), 400, 401)
	refusedAs("another person's device", other.approve(q), 401, 404)
	refusedAs("another person says no", other.decide(handle, map[string]string{"decision": "deny"}), 404)
	refusedAs("another text", p.approve(q, func(m map[string]any) { m["text"] = "something else" }), 400, 401)
	refusedAs("another decision", p.approve(q, func(m map[string]any) { m["decision"] = "deny" }), 400, 401)
	id2 := v.askFor("desk2", "gale")
	i := slices.IndexFunc(p.waiting(), func(x authn.AppQuestion) bool { return handleOf(x) != handle })
	refusedAs("for another question", p.decide(handle, map[string]string{"decision": "approve", "jws": p.Approve(t, p.waiting()[i], "")}), 400, 401)
	jws := p.Approve(t, q, "")
	if r := p.decide(handle, map[string]string{"decision": "approve", "jws": jws}); r.StatusCode >= 300 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	for name, r := range map[string]reply{"replayed": p.decide(handle, map[string]string{"decision": "approve", "jws": jws}), "a second time": p.approve(q),
		"denied afterwards": p.decide(handle, map[string]string{"decision": "deny"})} {
		if r.StatusCode != http.StatusConflict {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	accepted(t, v.fetch("desk", id))
	late := v.askFor("desk", "gale", "requested_expiry", "1")
	j := slices.IndexFunc(p.waiting(), func(x authn.AppQuestion) bool { return !strings.Contains(string(x.Statement), `"client":"desk2"`) })
	if j < 0 {
		t.Fatal("nothing waits")
	}
	lateQ := p.waiting()[j]
	time.Sleep(2 * time.Second)
	if r := p.approve(lateQ); r.StatusCode != http.StatusConflict {
		t.Errorf("too late: %d %s", r.StatusCode, r.body)
	}
	no(t, v.fetch("desk", late), "expired_token", http.StatusBadRequest)
	last := p.waiting()[0]
	if r := p.call("DELETE", "/approver", nil); r.StatusCode >= 300 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if r := p.approve(last); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a removed key: %d %s", r.StatusCode, r.body)
	}
	no(t, v.fetch("desk2", id2), "authorization_pending", http.StatusBadRequest)
	failed := 0
	for _, e := range trail(t, v.s) {
		if e.Type == "approval.failed" {
			failed++
		}
	}
	if failed < 3 {
		t.Errorf("%d failures on record", failed)
	}
}
