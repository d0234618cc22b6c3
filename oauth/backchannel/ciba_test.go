package backchannel_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/oauth/token"
	"github.com/postern-id/postern/sessions"
)

const notifyToken = "8d67dc78-7faa-4d41-aabd-67707b374255"

// counter is a shop whose clients ask for Ann and Ben, who are not in front of them; Ann has an app to approve with.
type counter struct {
	*oauthtest.House
	*backchannel.CIBA
	options  backchannel.CIBAOptions // of it: another node has the same
	people   *authn.Service
	issuer   *issue.Issuer
	sessions *sessions.Manager
	endpoint *token.Endpoint
	app      *authntest.App // Ann's
	key      *authntest.App // of the client signs
	tally    *tally
	ahead    atomic.Int64 // by which the clock is ahead of that of the house, which cannot be moved while others look

	mu   sync.Mutex
	told []notice // what clients were told
	say  func(http.ResponseWriter, *http.Request)
}

// notice is one request to a client's notification endpoint.
type notice struct {
	path, auth, kind string
	body             map[string]any
}

func (c *counter) notices() []notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]notice(nil), c.told...)
}

func shop(t testing.TB, decisions bool) *counter {
	t.Helper()
	c := &counter{app: authntest.NewApp(t), key: authntest.NewApp(t)}
	c.key.ID = "k1"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := notice{path: r.URL.Path, auth: r.Header.Get("Authorization"), kind: r.Header.Get("Content-Type")}
		_ = json.NewDecoder(r.Body).Decode(&n.body)
		c.mu.Lock()
		c.told = append(c.told, n)
		say := c.say
		c.mu.Unlock()
		if say != nil {
			say(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(srv.Close)
	client := func(id, more string) string {
		return `{"client_id":"` + id + `","client_secret":"s3cret","client_name":"The ` + id + `","grant_types":["` + oauth.CIBAGrant + `","refresh_token"],
			"scope":"openid profile email offline_access films"` + more + `}`
	}
	jwk := strings.Replace(string(c.key.JWK(t)), `{`, `{"kid":"k1","alg":"ES256","use":"sig",`, 1)
	keys := `"jwks":{"keys":[` + jwk + `]}`
	to := `,"skip_consent":true,"backchannel_client_notification_endpoint":"` + srv.URL + `/told"`
	c.House = oauthtest.New(t, []string{
		client("poll", `,"skip_consent":true`), client("other", `,"skip_consent":true`), client("asks", ``), client("coded", `,"skip_consent":true,"client_name#zh":"柜台","backchannel_user_code_parameter":true`),
		client("ping", to+`,"backchannel_token_delivery_mode":"ping"`), client("push", to+`,"backchannel_token_delivery_mode":"push"`),
		client("signs", `,"skip_consent":true,"backchannel_authentication_request_signing_alg":"ES256",`+keys),
		client("keyed", `,"skip_consent":true,`+keys), client("strong", `,"skip_consent":true,"minimum_acr":"phr"`),
		client("pair", `,"skip_consent":true,"subject_type":"pairwise","redirect_uris":["https://pair.example/cb"]`),
		`{"client_id":"web","client_secret":"s3cret","redirect_uris":["https://web.example/cb"]}`},
		[]string{`{"resource":"https://films.example","scopes":["films"]}`})
	derive := func(name string) func() [][]byte { return func() [][]byte { return c.Sealer.Derive(name) } }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	c.tally = &tally{Engine: c.DB, did: map[string]int{}}
	c.people, err = authn.New(authn.Options{Users: c.tally, Passkeys: c.tally, Recovery: c.DB, Approvers: c.tally, Ephemeral: c.tally, Counters: c.tally, Sealer: c.Sealer,
		Audit: trail{c.Audit, c.tally}, Now: c.now, Policy: authn.Policy{Password: true, Argon2: authn.Argon2Params{MemoryKiB: 8, Time: 1, Parallelism: 1}, ProgramDecisions: decisions}})
	must(err)
	for _, p := range []authntest.Person{authntest.Ann, authntest.Ben} {
		authntest.Enrol(t, c.people, c.DB, p)
	}
	code, err := c.people.BeginAppEnrolment(context.Background(), authntest.Ann.ID, ident.Env{})
	must(err)
	a, err := c.people.EnrolApp(context.Background(), c.app.Request(t, "POST", "https://id.example.com/e", c.app.Enrolment(t, code, "Ann's phone"), c.Clock), ident.Env{})
	must(err)
	c.app.ID = a.ID
	c.sessions, err = sessions.New(sessions.Options{Store: c.DB, Audit: c.Audit, Now: c.now, DeviceKey: derive("device")})
	must(err)
	c.issuer = issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: c.Ring, Derive: c.Sealer.Derive, Anchor: c.Sealer.Anchor, Keys: c.ClientKeys,
		Registry: c.Registry, Users: c.DB, Now: c.now})
	auth := clientauth.New(clientauth.Options{Registry: c.Registry, Ephemeral: c.DB, Counters: c.DB, Audit: c.Audit, Keys: c.ClientKeys,
		SecretKeys: c.SecretKeys, Issuer: oauthtest.Issuer, Now: c.now})
	c.options = backchannel.CIBAOptions{Registry: c.Registry, Reader: c.Reader, Auth: auth, Keys: c.ClientKeys, Issue: c.issuer,
		Requests: oauth.CIBARequests{Ephemeral: c.tally, Now: c.now}, People: c.people, Users: c.tally, Seen: c.DB.Session, Risk: c.Risk, Sessions: c.sessions,
		Grants: c.DB, Consents: c.DB, Counters: c.tally, Deliveries: c.DB, Sealer: c.Sealer, Egress: c.Fetch, Audit: trail{c.Audit, c.tally}, Now: c.now}
	c.CIBA = backchannel.NewCIBA(c.options)
	c.endpoint = token.New(token.Options{Registry: c.Registry, Auth: auth, Issue: c.issuer, Grants: c.DB, Ephemeral: c.DB, CIBA: c.CIBA,
		Devices: oauth.Devices{Ephemeral: c.DB, Now: c.now}, Risk: c.Risk, Sessions: c.sessions, Audit: c.Audit, Now: c.now, Grace: 20 * time.Second})
	return c
}

// now is the clock.
func (c *counter) now() time.Time { return c.Now().Add(time.Duration(c.ahead.Load())) }

func (c *counter) wait(d time.Duration) { c.Clock = c.Clock.Add(d) }

// here is where a person is who approves.
var here = ident.Env{IP: netip.MustParseAddr("198.51.100.7"), Device: "ann's-phone", UserAgent: "Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile"}

func (c *counter) send(h func(http.ResponseWriter, *http.Request) error, client string, form url.Values) (map[string]any, *oauth.Error) {
	c.T.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		r.SetBasicAuth(client, "s3cret")
	}
	w := httptest.NewRecorder()
	if err := h(w, r.WithContext(at("192.0.2.1", ""))); err != nil {
		if w.Body.Len() > 0 {
			c.T.Error("an error and an answer")
		}
		return nil, oauth.AsError(err)
	}
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Header().Get("Cache-Control") != "no-store" {
		c.T.Errorf("%v: %s", err, w.Body)
	}
	return out, nil
}

func wish(pairs ...string) url.Values {
	v := url.Values{"scope": {"openid"}, "login_hint": {"ann"}, "client_notification_token": {notifyToken}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// asked is an accepted request: its auth_req_id and the handle that Ann's app sees.
func (c *counter) asked(client string, pairs ...string) (id, approval string) {
	c.T.Helper()
	out, err := c.send(c.Authorize, client, wish(pairs...))
	if err != nil {
		c.T.Fatal(err)
	}
	id, _ = out["auth_req_id"].(string)
	r, bad := c.Requests().Get(context.Background(), oauth.CIBAHandle(id))
	if bad != nil {
		c.T.Fatal(bad)
	}
	return id, r.Approval
}

// poll is what the token endpoint says: "ok" with tokens, or an error.
func (c *counter) poll(client, id string) (map[string]any, string) {
	c.T.Helper()
	out, err := c.send(c.endpoint.Token, client, url.Values{"grant_type": {oauth.CIBAGrant}, "auth_req_id": {id}})
	if err != nil {
		return nil, err.Code
	}
	return out, "ok"
}

// approve is what Ann's app does, and the handler that takes it.
func (c *counter) approve(approval string) error {
	c.T.Helper()
	ctx := context.Background()
	a, err := c.people.App(ctx, c.app.Request(c.T, "GET", "https://id.example.com/r", nil, c.now()), here)
	if err != nil {
		return err
	}
	list, err := c.people.AppQuestions(ctx, a)
	if err != nil {
		return err
	}
	for _, q := range list {
		var st struct{ Handle, Number string }
		if err := json.Unmarshal(q.Statement, &st); err != nil {
			return err
		}
		if st.Handle == approval {
			if _, err := c.people.ApproveByKey(ctx, c.app.ID, approval, c.app.Approve(c.T, q, st.Number), here); err != nil {
				return err
			}
			return c.Decided(ctx, approval, here)
		}
	}
	return authn.ErrNoApproval
}

func (c *counter) deny(approval string) error {
	ctx := context.Background()
	if err := c.people.DenyApproval(ctx, authntest.Ann.ID, approval, authn.DenyNotMe, here); err != nil {
		return err
	}
	return c.Decided(ctx, approval, here)
}

func code(e *oauth.Error) string {
	if e == nil {
		return "ok"
	}
	return e.Code
}

// What is refused asks nobody, and what is asked is answered as the specification has it.
func TestCIBARequest(t *testing.T) {
	c := shop(t, false)
	long := strings.Repeat("x", 81)
	for _, x := range []struct {
		name, client string
		pairs        []string
		want         string
	}{
		{"plain", "poll", nil, "ok"},
		{"no client", "", nil, "invalid_client"},
		{"not registered for it", "web", nil, "unauthorized_client"},
		{"no openid", "poll", []string{"scope", "profile"}, "invalid_scope"},
		{"no scope", "poll", []string{"scope", ""}, "invalid_scope"},
		{"unknown scope", "poll", []string{"scope", "openid admin"}, "invalid_scope"},
		{"no hint", "poll", []string{"login_hint", ""}, "invalid_request"},
		{"two hints", "poll", []string{"id_token_hint", "x"}, "invalid_request"},
		{"nobody", "poll", []string{"login_hint", "zed"}, "unknown_user_id"},
		{"nobody who can approve", "poll", []string{"login_hint", "ben"}, "unknown_user_id"},
		{"message", "poll", []string{"binding_message", "Transfer 42 € to 雲"}, "ok"},
		{"long message", "poll", []string{"binding_message", long}, "invalid_binding_message"},
		{"two lines", "poll", []string{"binding_message", "a\nb"}, "invalid_binding_message"},
		{"turned around", "poll", []string{"binding_message", "a\u202eb"}, "invalid_binding_message"},
		{"expiry as text", "poll", []string{"requested_expiry", "30"}, "ok"},
		{"no expiry", "poll", []string{"requested_expiry", "0"}, "invalid_request"},
		{"odd expiry", "poll", []string{"requested_expiry", "soon"}, "invalid_request"},
		{"details", "poll", []string{"authorization_details", "[]"}, "invalid_authorization_details"},
		{"unknown resource", "poll", []string{"resource", "https://evil.example"}, "invalid_target"},
		{"request_uri", "poll", []string{"request_uri", "https://a.example"}, "invalid_request"},
		{"a user code nobody asked for", "poll", []string{"user_code", "1234"}, "ok"},
		{"too strong", "strong", nil, "unmet_authentication_requirements"},
		{"as strong as can be", "poll", []string{"acr_values", "phr"}, "ok"},
		{"unsigned", "signs", nil, "invalid_request"},
		{"ping", "ping", nil, "ok"},
		{"ping without a token", "ping", []string{"client_notification_token", ""}, "invalid_request"},
		{"short token", "ping", []string{"client_notification_token", "abc"}, "invalid_request"},
		{"long token", "push", []string{"client_notification_token", strings.Repeat("a", 1025)}, "invalid_request"},
		{"odd token", "push", []string{"client_notification_token", notifyToken + "\r\nX: y"}, "invalid_request"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.wait(16 * time.Minute) // the limits of asking are authn's
			out, err := c.send(c.Authorize, x.client, wish(x.pairs...))
			if code(err) != x.want {
				t.Fatalf("%v, want %s", err, x.want)
			}
			if err != nil {
				if waiting, bad := c.people.PendingApprovals(context.Background(), authntest.Ann.ID); len(waiting) > 0 || bad != nil {
					t.Errorf("somebody was asked: %v %v", waiting, bad)
				}
				return
			}
			id, _ := out["auth_req_id"].(string)
			if !strings.HasPrefix(id, "pcr_") || len(id) < 40 || out["interval"] != 5.0 || len(fmt.Sprint(out["comparison_code"])) != 2 {
				t.Errorf("%v", out)
			}
			if want := map[string]float64{"expiry as text": 30}[x.name]; want != 0 && out["expires_in"] != want || out["expires_in"].(float64) > 600 {
				t.Errorf("%v", out["expires_in"])
			}
			waiting, bad := c.people.PendingApprovals(context.Background(), authntest.Ann.ID)
			if bad != nil || len(waiting) != 1 || waiting[0].App != "The "+x.client || waiting[0].Number != out["comparison_code"] || waiting[0].Kind != authn.ApproveBackchannel {
				t.Errorf("asked: %+v, %v", waiting, bad)
			}
		})
	}
	if out, err := c.send(c.Authorize, "push", wish()); err != nil || out["interval"] != nil {
		t.Errorf("a client that is pushed is told to wait: %v %v", out, err)
	}
}

// claims are those of a good signed request, changed by pairs; nil removes.
func (c *counter) claims(pairs ...any) map[string]any {
	now := c.now().Unix()
	m := map[string]any{"iss": "signs", "aud": oauthtest.Issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": c.issuer.NewID(), "scope": "openid",
		"login_hint": "ann", "binding_message": "1234"}
	for i := 0; i+1 < len(pairs); i += 2 {
		if m[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

func (c *counter) signed(key *authntest.App, claims map[string]any) string {
	b, err := json.Marshal(claims)
	if err != nil {
		c.T.Fatal(err)
	}
	return key.Sign(c.T, "oauth-authz-req+jwt", b)
}

// G1: a signed request lacks nothing and lies in no wrong time, and is sent once.
func TestCIBASigned(t *testing.T) {
	c := shop(t, false)
	stranger := authntest.NewApp(t)
	stranger.ID = "k1"
	now := c.Clock.Unix()
	minutes := func(n int64) int64 { return now + n*60 }
	for _, x := range []struct {
		name  string
		pairs []any
		want  string
	}{
		{"good", nil, "ok"},
		{"audience as a list", []any{"aud", []string{"https://a.example", oauthtest.Issuer}}, "ok"},
		{"expiry as a number", []any{"requested_expiry", 45}, "ok"},
		{"expiry as text", []any{"requested_expiry", "45"}, "ok"},
		{"no aud", []any{"aud", nil}, "invalid_request"},
		{"another aud", []any{"aud", "https://evil.example"}, "invalid_request"},
		{"no iss", []any{"iss", nil}, "invalid_request"},
		{"another iss", []any{"iss", "poll"}, "invalid_request"},
		{"no exp", []any{"exp", nil}, "invalid_request"},
		{"expired", []any{"exp", minutes(-5), "nbf", minutes(-10), "iat", minutes(-10)}, "invalid_request"},
		{"exp in 70 minutes", []any{"exp", minutes(70)}, "invalid_request"},
		{"no iat", []any{"iat", nil}, "invalid_request"},
		{"no nbf", []any{"nbf", nil}, "invalid_request"},
		{"nbf in 10 minutes", []any{"nbf", minutes(10), "exp", minutes(15)}, "invalid_request"},
		{"nbf 70 minutes ago", []any{"nbf", minutes(-70), "exp", minutes(1)}, "invalid_request"},
		{"no jti", []any{"jti", nil}, "invalid_request"},
		{"odd jti", []any{"jti", 7}, "invalid_request"},
		{"another client", []any{"client_id", "poll"}, "invalid_request"},
		{"another object within", []any{"request", "x"}, "invalid_request"},
		{"two hints", []any{"id_token_hint", "x"}, "invalid_request"},
		{"an assertion within", []any{"client_assertion", "x"}, "invalid_request"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.Clock = time.Unix(now, 0).UTC()
			_, err := c.send(c.Authorize, "signs", url.Values{"request": {c.signed(c.key, c.claims(x.pairs...))}})
			if code(err) != x.want {
				t.Errorf("%v, want %s", err, x.want)
			}
		})
	}
	good := c.signed(c.key, c.claims())
	parts := strings.Split(good, ".")
	head := func(alg string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","kid":"k1"}`))
	}
	for name, object := range map[string]string{
		"another key": c.signed(stranger, c.claims()), "none": head("none") + "." + parts[1] + ".", "RS256": head("RS256") + "." + parts[1] + "." + parts[2],
		"bad alg": head("XX256") + "." + parts[1] + "." + parts[2], "no JWT": "x", "empty": "", "cut": good[:len(good)-2], "not an object": c.key.Sign(t, "JWT", []byte("[]")),
	} {
		if _, err := c.send(c.Authorize, "signs", url.Values{"request": {object}}); code(err) != "invalid_request" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, beside := range []string{"scope", "login_hint", "nonsense"} {
		if _, err := c.send(c.Authorize, "signs", url.Values{"request": {c.signed(c.key, c.claims())}, beside: {"openid"}}); code(err) != "invalid_request" {
			t.Errorf("%s beside: %v", beside, err)
		}
	}
	c.wait(16 * time.Minute)
	good = c.signed(c.key, c.claims())
	for i, want := range []string{"ok", "invalid_request"} {
		if _, err := c.send(c.Authorize, "signs", url.Values{"request": {good}}); code(err) != want {
			t.Errorf("time %d: %v", i+1, err)
		}
	}
}

// One person has many names; none of another client's is among them.
func TestCIBAHints(t *testing.T) {
	c := shop(t, false)
	ctx := context.Background()
	id, approval := c.asked("poll")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	mine, state := c.poll("poll", id)
	if state != "ok" {
		t.Fatal(state)
	}
	id, approval = c.asked("pair")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	pairs, state := c.poll("pair", id)
	if state != "ok" {
		t.Fatal(state)
	}
	hint := func(key *authntest.App, sub map[string]string, more ...any) string {
		m := c.claims("iss", "keyed", "sub_id", sub, "scope", nil, "login_hint", nil, "jti", nil, "nbf", nil)
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		b, _ := json.Marshal(m)
		return key.Sign(t, "JWT", b)
	}
	c.wait(16 * time.Minute) // the ID tokens have expired
	past := c.Clock.Add(-5 * time.Minute).Unix()
	for _, x := range []struct{ name, client, hint, value, want string }{
		{"name", "poll", "login_hint", "ANN", "ok"},
		{"mail", "poll", "login_hint", "ann@example.com", "ok"},
		{"subject", "poll", "login_hint", "u-ann", "ok"},
		{"no subject of a pairwise client", "pair", "login_hint", "u-ann", "unknown_user_id"},
		{"ID token", "poll", "id_token_hint", mine["id_token"].(string), "ok"},
		{"pairwise ID token", "pair", "id_token_hint", pairs["id_token"].(string), "ok"},
		{"another client's ID token", "other", "id_token_hint", mine["id_token"].(string), "invalid_request"},
		{"an access token", "poll", "id_token_hint", mine["access_token"].(string), "invalid_request"},
		{"garbage", "poll", "id_token_hint", "x.y.z", "invalid_request"},
		{"token with a subject", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "iss_sub", "iss": oauthtest.Issuer, "sub": "u-ann"}), "ok"},
		{"token with a mail", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "email", "email": "ann@example.com"}), "ok"},
		{"token with anything", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "opaque", "id": "ann"}), "ok"},
		{"another issuer's subject", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "iss_sub", "iss": "https://a.example", "sub": "u-ann"}), "unknown_user_id"},
		{"unknown format", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "phone_number"}), "invalid_request"},
		{"expired token", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "opaque", "id": "ann"}, "exp", past), "expired_login_hint_token"},
		{"token for elsewhere", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "opaque", "id": "ann"}, "aud", "https://a.example"), "invalid_request"},
		{"token of another client", "keyed", "login_hint_token", hint(c.key, map[string]string{"format": "opaque", "id": "ann"}, "iss", "poll"), "invalid_request"},
		{"token of another key", "keyed", "login_hint_token", hint(authntest.NewApp(t), map[string]string{"format": "opaque", "id": "ann"}), "invalid_request"},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := c.send(c.Authorize, x.client, wish("login_hint", "", x.hint, x.value))
			if code(err) != x.want {
				t.Errorf("%v, want %s", err, x.want)
			}
			for _, a := range must(c.people.PendingApprovals(ctx, authntest.Ann.ID))(t) {
				_ = c.people.DenyApproval(ctx, authntest.Ann.ID, a.Handle, authn.DenyCancel, here)
			}
		})
	}
	// Whoever looks for people is told nothing more, not even of those who are there.
	c.wait(16 * time.Minute)
	for range 30 {
		if _, err := c.send(c.Authorize, "other", wish("login_hint", "nobody")); code(err) != "unknown_user_id" {
			t.Fatal(err)
		}
	}
	for client, want := range map[string]string{"other": "slow_down", "poll": "ok"} {
		if _, err := c.send(c.Authorize, client, wish()); code(err) != want {
			t.Errorf("%s afterwards: %v", client, err)
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func jwtClaims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return maps.Clone(m)
}

// number is the number that a question shows for comparison.
func number(t testing.TB, q authn.AppQuestion) string {
	t.Helper()
	var st struct{ Number string }
	if err := json.Unmarshal(q.Statement, &st); err != nil {
		t.Fatal(err)
	}
	return st.Number
}
