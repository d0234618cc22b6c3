package attacks

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/oauth"
)

// asked is what a device knows of its request.
type asked struct{ device, user, link string }

// device asks for a person as a public client does.
func (v *visitor) device(client, scope string) asked {
	v.t.Helper()
	r := accepted(v.t, v.post("/device_authorization", url.Values{"client_id": {client}, "scope": {scope}}))
	return asked{r.field("device_code"), r.field("user_code"), r.field("verification_uri_complete")}
}

func (v *visitor) poll(client string, a asked) reply {
	v.t.Helper()
	return v.post("/token", url.Values{"client_id": {client}, "grant_type": {oauth.DeviceGrant}, "device_code": {a.device}})
}

// enter types a code into the page, and returns what comes of it.
func (v *visitor) enter(code string) reply {
	v.t.Helper()
	return v.submit("/device", with(fields(v.get("/device")), "user_code", code))
}

// confirm enters the code and says that the device is theirs; it returns what is due then.
func (v *visitor) confirm(code string) reply {
	v.t.Helper()
	return v.submit("/device", with(fields(v.enter(code)), "decision", "yes"))
}

// connect does all of it, in a session, for a client that needs no consent.
func (v *visitor) connect(code string) reply {
	v.t.Helper()
	to := v.confirm(code).Header.Get("Location")
	if !strings.HasPrefix(to, "/continue?") {
		v.t.Fatalf("sent to %q", to)
	}
	return v.get(to)
}

const (
	isConnected = "Device connected."
	isNot       = "The device was not connected."
)

// TestG_UserCodeGuessed: whoever guesses is stopped after ten codes, by network and by account, also with a right one then.
func TestG_UserCodeGuessed(t *testing.T) {
	t.Parallel()
	tv, mallory := visit(t, plain()), visit(t, plain())
	a := tv.device("tv", "openid")
	for i := range 14 {
		r := mallory.enter("BCDF-GHJK")
		if i < 10 && r.StatusCode != http.StatusUnprocessableEntity || i >= 10 && r.StatusCode != http.StatusTooManyRequests {
			t.Errorf("guess %d: %d", i, r.StatusCode)
		}
	}
	if r := mallory.enter(a.user); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" || strings.Contains(r.body, "in front of you") {
		t.Errorf("the right code after too many wrong ones: %d", r.StatusCode)
	}
	mallory.recorded("device.guessed", audit.Denied, 1)
	account := visit(t, plain())
	account.signIn("bob")
	for i := range 11 {
		account.ip = freshNetwork()
		account.http = plain().Client(account.ip)
		account.http.Jar = account.jar
		if r := account.enter("BCDF-GHJK"); (r.StatusCode == http.StatusTooManyRequests) != (i == 10) {
			t.Errorf("guess %d of one account: %d", i, r.StatusCode)
		}
	}
	if r := visit(t, plain()).enter(a.user); r.StatusCode != http.StatusOK {
		t.Errorf("somebody else: %d", r.StatusCode)
	}
}

var changing = regexp.MustCompile(`<code>[0-9a-f]{16}</code>|value="[^"]*"|user_code=[^"&]*`)

// TestG_UserCodeTellsNothing: a code that never was, one that was denied, one that was used and one that another browser
// took are one page.
func TestG_UserCodeTellsNothing(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	denied, used, taken := v.device("tv", "openid"), v.device("tv", "openid"), v.device("tv", "openid")
	v.submit("/device", with(fields(v.enter(denied.user)), "decision", "no"))
	v.connect(used.user)
	v.confirm(taken.user)
	other := visit(t, plain())
	var first string
	for name, code := range map[string]string{"unknown": "BCDF-GHJK", "denied": denied.user, "used": used.user, "another browser's": taken.user, "none": "x", "empty": "-"} {
		r := other.enter(code)
		page := changing.ReplaceAllString(strings.ReplaceAll(r.body, " autofocus", ""), "")
		if first == "" {
			first = page
		}
		if r.StatusCode != http.StatusUnprocessableEntity || page != first {
			t.Errorf("%s: %d, and another page", name, r.StatusCode)
		}
	}
	if r := other.submit("/device", with(fields(v.enter(taken.user)), "decision", "yes")); r.StatusCode != http.StatusForbidden {
		t.Errorf("the form of another browser: %d", r.StatusCode)
	}
}

// TestG_DeviceLink: a link fills in the code and does nothing else; nobody says yes who was not asked, and no other site says
// it for them.
func TestG_DeviceLink(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	a := v.device("tv", "openid")
	page := v.get(strings.TrimPrefix(a.link, v.s.Issuer))
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `value="`+a.user+`"`) || strings.Contains(page.body, "in front of you") {
		t.Errorf("the link: %d", page.StatusCode)
	}
	v.get("/device?user_code=" + a.user + "&decision=yes")
	for name, form := range map[string]url.Values{
		"yes with the token of the first page": with(fields(page), "user_code", a.user, "decision", "yes"),
		"yes without a token":                  {"user_code": {a.user}, "decision": {"yes"}},
		"yes with the token of another code":   with(fields(v.enter(v.device("tv", "openid").user)), "user_code", a.user, "decision", "yes"),
	} {
		if r := v.submit("/device", form); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
	form := with(fields(v.enter(a.user)), "decision", "yes")
	if r := v.do(http.MethodPost, "/device", form.Encode(), http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}); r.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", r.StatusCode)
	}
	refused(t, v.poll("tv", a), http.StatusBadRequest, "authorization_pending")
	for _, x := range []string{`"><script>alert(1)</script>`, "BCDF-GHJK\x00", strings.Repeat("B", 9000)} {
		if r := v.get("/device?user_code=" + url.QueryEscape(x)); r.StatusCode != http.StatusOK || strings.Contains(r.body, "<script>alert") {
			t.Errorf("%.20q: %d", x, r.StatusCode)
		}
	}
}

// TestG_DevicePolls: too fast is told, the code serves one client once, and a replay takes back what it gave.
func TestG_DevicePolls(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	a := v.device("tv", "openid profile offline_access")
	refused(t, v.poll("tv", a), http.StatusBadRequest, "authorization_pending")
	refused(t, v.poll("tv", a), http.StatusBadRequest, "slow_down")
	refused(t, v.poll("tv2", a), http.StatusBadRequest, "invalid_grant")
	refused(t, v.poll("spa", a), http.StatusBadRequest, "unauthorized_client")
	refused(t, v.poll("tv", asked{device: a.user}), http.StatusBadRequest, "invalid_grant")
	refused(t, v.post("/device_authorization", url.Values{"client_id": {"spa"}}), http.StatusBadRequest, "unauthorized_client")
	refused(t, v.post("/device_authorization", url.Values{"client_id": {"web"}}), http.StatusUnauthorized, "invalid_client")
	refused(t, v.post("/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid orders:write"}}), http.StatusBadRequest, "invalid_scope")
	if r := v.connect(a.user); !strings.Contains(r.body, isConnected) {
		t.Fatalf("not connected: %d", r.StatusCode)
	}
	refused(t, v.poll("tv2", a), http.StatusBadRequest, "invalid_grant")
	got := accepted(t, v.poll("tv", a))
	access := got.field("access_token")
	if v.userinfo(access).StatusCode != http.StatusOK {
		t.Error("the token opens nothing")
	}
	refused(t, v.poll("tv", a), http.StatusBadRequest, "invalid_grant")
	if v.userinfo(access).StatusCode == http.StatusOK {
		t.Error("the device_code was replayed and its tokens live")
	}
	v.recorded("device.replayed", audit.Failed, 1)
	v.recorded("device.approved", audit.OK, 1)

	// Many at once: one gets it.
	a = v.device("tv", "openid")
	v.connect(a.user)
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 30 {
		wg.Go(func() {
			r := v.poll("tv", a)
			mu.Lock()
			defer mu.Unlock()
			if r.StatusCode == http.StatusOK {
				won++
			} else {
				refused(t, r, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 30 polls got tokens", won)
	}

	// The end of the person's session is the end of the device's tokens.
	a = v.device("tv", "openid offline_access")
	v.connect(a.user)
	got = accepted(t, v.poll("tv", a))
	v.submit("/logout", with(fields(v.get("/logout")), "decision", "logout"))
	refused(t, v.post("/token", with(refresh(got.field("refresh_token")), "client_id", "tv")), http.StatusBadRequest, "invalid_grant")
}

// TestG_DeviceYesAndNo: in two tabs at once, one outcome, and both pages tell that one.
func TestG_DeviceYesAndNo(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("cat")
	for round := range 8 {
		a := v.device("tv", "openid")
		no := with(fields(v.enter(a.user)), "decision", "no")
		to := v.confirm(a.user).Header.Get("Location")
		var yes, stopped reply
		var wg sync.WaitGroup
		wg.Go(func() { yes = v.get(to) })
		wg.Go(func() { stopped = v.submit("/device", no) })
		wg.Wait()
		connected, denied := strings.Contains(yes.body, isConnected), strings.Contains(stopped.body, isNot)
		if connected == denied {
			t.Errorf("round %d: connected %v, denied %v", round, connected, denied)
		}
		if r := v.poll("tv", a); connected {
			accepted(t, r)
		} else {
			refused(t, r, http.StatusBadRequest, "access_denied")
		}
	}
	v.recorded("device.denied", audit.Denied, 1)
}

// TestG_DeviceElsewhere: a device in another country needs a fresh passkey; who has none is refused, and neither a session nor
// a password replaces it.
func TestG_DeviceElsewhere(t *testing.T) {
	t.Parallel()
	s := secure()
	tv, victim := visitFrom(t, s, brazil+"40"), visitFrom(t, s, sweden+"40")
	victim.signIn("dev-pwd")
	a := tv.device("tv", "openid")
	if page := victim.enter(a.user); !strings.Contains(page.body, "Brazil") || !strings.Contains(page.body, "Sweden") || !strings.Contains(page.body, "passkey") {
		t.Error("the page does not say where the device is")
	}
	to := victim.confirm(a.user).Header.Get("Location")
	r := victim.submit("/login", with(fields(victim.get(to)), "identifier", "dev-pwd", "password", password))
	if !strings.Contains(r.body, isNot) || !strings.Contains(r.body, "/account/passkeys") {
		t.Errorf("without a passkey: %d %s\n%.500s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	refused(t, tv.poll("tv", a), http.StatusBadRequest, "access_denied")
	victim.recorded("device.denied", audit.Denied, 1)

	holder, key := visitFrom(t, s, sweden+"41"), fob(s)
	holder.signIn("dev-key")
	holder.enrol(key)
	holder.touch(key) // the session is as strong as it gets, and that is not enough
	a = tv.device("tv", "openid offline_access")
	to = holder.confirm(a.user).Header.Get("Location")
	if !strings.HasPrefix(to, "/login?") {
		t.Fatalf("a session of a passkey is enough: %s", to)
	}
	page := holder.get(to)
	r = holder.submit("/login", with(fields(page), "identifier", "dev-key", "password", password))
	if loc := r.Header.Get("Location"); !strings.HasPrefix(loc, "/code?") {
		t.Errorf("the password is enough: %d %s", r.StatusCode, loc)
	}
	i := fields(page).Get("i")
	if r := holder.get("/continue?i=" + i); strings.Contains(r.body, isConnected) {
		t.Error("connected without a passkey")
	}
	refused(t, tv.poll("tv", a), http.StatusBadRequest, "authorization_pending")
	c := holder.begin("get", fields(page), nil)
	holder.done(holder.finish(c, key.Assert(t, c.options)), "/continue?i="+i)
	if r := holder.get("/continue?i=" + i); !strings.Contains(r.body, isConnected) {
		t.Fatalf("with a passkey: %d", r.StatusCode)
	}
	got := accepted(t, tv.poll("tv", a))
	accepted(t, tv.post("/token", with(refresh(got.field("refresh_token")), "client_id", "tv"))) // it lives where the device is

	// In the same country the ordinary session is enough.
	near := visitFrom(t, s, "11.77.1.1")
	a = near.device("tv", "openid")
	if r := holder.connect(a.user); !strings.Contains(r.body, isConnected) {
		t.Errorf("in the same country: %d", r.StatusCode)
	}
}

// TestG_DeviceTwoBrowsers: the browser that says yes first is the only one that goes on, whoever looks over the shoulder.
func TestG_DeviceTwoBrowsers(t *testing.T) {
	t.Parallel()
	v, thief := visit(t, plain()), visit(t, plain())
	v.signIn("cat")
	thief.signIn("eve")
	a := v.device("tv", "openid")
	early := with(fields(thief.enter(a.user)), "decision", "yes") // the thief is on the page of the code before
	to := v.confirm(a.user).Header.Get("Location")
	if r := thief.submit("/device", early); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a second browser says yes: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := thief.get(to); r.StatusCode != http.StatusBadRequest {
		t.Errorf("the interaction of another browser: %d", r.StatusCode)
	}
	if r := v.get(to); !strings.Contains(r.body, isConnected) {
		t.Fatal("the first browser does not come to its end")
	}
	if r := v.get(to); strings.Contains(r.body, isConnected) || r.StatusCode != http.StatusOK {
		t.Errorf("a second time: %d", r.StatusCode)
	}
	c := claims(t, accepted(t, v.poll("tv", a)).field("id_token"))
	if c["aud"] != "tv" || c["nonce"] != nil {
		t.Errorf("the ID token: %v", c)
	}
}
