package attacks

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

// TestI1_Passwords: what may be chosen, asked of the command that operators have; people cannot change theirs by page yet.
func TestI1_Passwords(t *testing.T) {
	t.Parallel()
	s := plain()
	set := func(pw string) error {
		user := "pw" + strings.ToLower(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, strings.ToLower(harness.Random())))
		_, err := s.CommandWith(pw+"\n", "user", "create", user, "--email", user+"@people.test", "--password-stdin")
		return err
	}
	for _, bad := range []string{"", "short", "fourteen-chars", "passwordpassword", "Password12345678", "aaaaaaaaaaaaaaaaaaaa", "123456789012345678", "qwertyuiopasdfghjkl", "abcabcabcabcabcabc", "p@ssw0rdp@ssw0rd"} {
		if err := set(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{"plum tractor violin", strings.Repeat("å日本語 ", 30) + "ende", "correct-horse-battery-staple-9"} {
		if err := set(good); err != nil {
			t.Errorf("%.20q is refused: %v", good, err)
		}
	}
	// Unicode in another normal form is the same password, and nothing is cut off.
	long := strings.Repeat("längeres Wort ", 12)
	if _, err := s.CommandWith(long+"\n", "user", "create", "umlaut", "--email", "umlaut@people.test", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	try := func(pw string) int {
		v := visit(t, s)
		return v.submit("/login", with(fields(v.get("/login")), "identifier", "umlaut", "password", pw)).StatusCode
	}
	if got := try(strings.ReplaceAll(long, "ä", "a\u0308")); got != http.StatusSeeOther {
		t.Errorf("decomposed: %d", got)
	}
	for _, wrong := range []string{long[:80], strings.TrimSuffix(long, "t "), long + "x", strings.ToUpper(long)} {
		if got := try(wrong); got != http.StatusUnauthorized {
			t.Errorf("%d for another password", got)
		}
	}
}

func TestI2_Guessing(t *testing.T) {
	t.Parallel()
	owner := visit(t, plain())
	owner.signIn("target") // a device that is known
	v := visit(t, plain())
	form := fields(v.get("/login"))
	statuses := map[int]int{}
	for range 30 {
		r := v.submit("/login", with(form, "identifier", "target", "password", "wrong-"+harness.Random()))
		statuses[r.StatusCode]++
		if r.StatusCode == http.StatusTooManyRequests && r.Header.Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if statuses[http.StatusUnauthorized] > 15 || statuses[http.StatusTooManyRequests] < 10 || len(statuses) != 2 {
		t.Errorf("30 guesses at one account: %v", statuses)
	}
	if r := v.submit("/login", with(form, "identifier", "target", "password", password)); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("in the delay the right password is told apart: %d", r.StatusCode)
	}
	// From many networks: the account itself has a budget.
	spread := map[int]int{}
	for range 40 {
		w := visit(t, plain())
		spread[w.submit("/login", with(fields(w.get("/login")), "identifier", "target", "password", "wrong-"+harness.Random())).StatusCode]++
	}
	if spread[http.StatusTooManyRequests] < 10 {
		t.Errorf("40 guesses from 40 networks: %v", spread)
	}
	owner.signIn("target") // the owner, on the known device, is not locked out
	v.recorded("password.failed", audit.Failed, 4)
	v.recorded("password.throttled", audit.Denied, 1)
}

// TestI2_Spraying: one password over many accounts from one network runs into the budget of the network and of the password.
func TestI2_Spraying(t *testing.T) {
	t.Parallel()
	limited := 0
	v := visit(t, plain())
	form := fields(v.get("/login"))
	for i := range 70 {
		r := v.submit("/login", with(form, "identifier", "nobody"+strings.Repeat("x", i), "password", "the-same-old-password"))
		if r.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 10 {
		t.Errorf("70 accounts were tried with one password, %d refused", limited)
	}
	visit(t, plain()).signIn("sprayed1")
}

func TestI3_UnknownUser(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	form := fields(v.get("/login"))
	try := func(identifier, pw string) (reply, time.Duration) {
		begun := time.Now()
		return v.submit("/login", with(form, "identifier", identifier, "password", pw)), time.Since(begun)
	}
	wrong, _ := try("sprayed2", "wrong-password-here")
	unknown, _ := try("sprayed9", "wrong-password-here")
	same := func(r reply) string {
		return strings.ReplaceAll(strings.ReplaceAll(r.body, "sprayed2", "X"), "sprayed9", "X")
	}
	ref := func(s string) string {
		i := strings.Index(s, "Reference")
		return s[:max(i, 0)]
	}
	if wrong.StatusCode != unknown.StatusCode || ref(same(wrong)) != ref(same(unknown)) {
		t.Errorf("wrong %d, unknown %d, and pages that differ:\n%s\n%s", wrong.StatusCode, unknown.StatusCode, wrong.body, unknown.body)
	}
	for name, vs := range wrong.Header {
		if name != "Date" && name != "Set-Cookie" && name != "Content-Length" && !slices.Equal(vs, unknown.Header[name]) {
			t.Errorf("header %s differs: %v %v", name, vs, unknown.Header[name])
		}
	}
	// The work is the same: an answer for a stranger that skips the hash is many times faster. Medians, wide margins.
	var known, strange []time.Duration
	for i := range 4 {
		_, d := try("sprayed2", "wrong-"+harness.Random())
		known = append(known, d)
		_, d = try("stranger"+strings.Repeat("x", i), "wrong-"+harness.Random())
		strange = append(strange, d)
	}
	slices.Sort(known)
	slices.Sort(strange)
	if k, s := known[1], strange[1]; s < k/8 {
		t.Errorf("an unknown person is refused in %v, a known one in %v", s, k)
	}
	for _, id := range []string{strings.Repeat("x", 15_000), "\x00", "\xff\xfe", "ann\u202e", "ann\x00", "%", "' OR '1'='1", "ann*", "<b>"} {
		w := visit(t, plain())
		r := w.submit("/login", with(fields(w.get("/login")), "identifier", id, "password", "wrong"))
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("identifier %.20q: %d", id, r.StatusCode)
		}
	}
	for _, pw := range []string{strings.Repeat("x", 15_000), "\x00", "\xff\xfe", strings.Repeat("\u0301", 2000)} {
		w := visit(t, plain())
		if r := w.submit("/login", with(fields(w.get("/login")), "identifier", "sprayed2", "password", pw)); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("password %.20q: %d", pw, r.StatusCode)
		}
	}
}

// half signs in as far as the page for the code.
func (v *visitor) half(user string) url.Values {
	v.t.Helper()
	r := v.submit("/login", with(fields(v.get(v.authorize(request("strict")).Header.Get("Location"))), "identifier", user, "password", password))
	to := r.Header.Get("Location")
	if !strings.HasPrefix(to, "/code?i=") {
		v.t.Fatalf("no second factor is asked: %d %q\n%s", r.StatusCode, to, r.body)
	}
	return fields(v.get(to))
}

func TestI4_TOTP(t *testing.T) {
	t.Parallel()
	app := harness.NewTOTP(totpSecret)
	step := func() int64 { return time.Now().Unix() / 30 }
	v := visit(t, plain())
	form := v.half("tom")
	for time.Now().Unix()%30 > 24 { // not while steps change
		time.Sleep(200 * time.Millisecond)
	}
	now := step()
	for _, code := range []string{app.At(now - 2), app.At(now + 2), app.At(now - 1000), "", "000000x", app.At(now)[:5], app.At(now) + "0"} {
		if r := v.submit("/code", with(form, "code", code)); r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusTooManyRequests {
			t.Errorf("code %q of another time: %d", code, r.StatusCode)
		}
	}
	if v.cookie("sid") != "" {
		t.Fatal("signed in by a wrong code")
	}
	first := visit(t, plain())
	f := first.half("tess")
	good := app.At(step())
	if r := first.submit("/code", with(f, "code", " "+good[:3]+" "+good[3:])); r.StatusCode != http.StatusSeeOther || first.cookie("sid") == "" {
		t.Fatalf("the right code: %d\n%s", r.StatusCode, r.body)
	}
	second := visit(t, plain())
	f = second.half("tess")
	if r := second.submit("/code", with(f, "code", good)); r.StatusCode != http.StatusUnauthorized || second.cookie("sid") != "" {
		t.Errorf("a used code: %d", r.StatusCode)
	}
	second.recorded("otp.failed", audit.Failed, 1)
	// Brute force.
	statuses := map[int]int{}
	for i := range 40 {
		statuses[second.submit("/code", with(f, "code", "9"+strings.Repeat("0", 4)+string(rune('0'+i%10)))).StatusCode]++
	}
	if statuses[http.StatusTooManyRequests] < 15 || statuses[http.StatusUnauthorized] > 20 {
		t.Errorf("40 codes: %v", statuses)
	}
	second.recorded("otp.throttled", audit.Denied, 1)
}

func TestI7_SkippedFactor(t *testing.T) {
	t.Parallel()
	v, attacker := visit(t, plain()), visit(t, plain())
	form := v.half("tia")
	i := form.Get("i")
	for _, path := range []string{"/continue?i=" + i, "/consent?i=" + i} {
		if r := v.get(path); !strings.HasPrefix(r.Header.Get("Location"), "/login?i=") || r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if v.signedIn() || v.cookie("sid") != "" {
		t.Fatal("half a sign-in opens the account")
	}
	toClient(t, v.s, v.authorize(with(request("strict"), "prompt", "none")), "https://strict.example/cb?", "st4te", "login_required")
	// The ticket in another browser, in another interaction, or none at all.
	if r := attacker.get("/code?i=" + i); r.StatusCode != http.StatusBadRequest {
		t.Errorf("the ticket opens in another browser: %d", r.StatusCode)
	}
	shown(t, attacker.submit("/code", with(form, "code", codeOf("tia"))), http.StatusBadRequest)
	theirs := attacker.half("tom")
	if r := attacker.submit("/code", with(form, "i", theirs.Get("i"), "csrf", theirs.Get("csrf"), "user", "tia", "identifier", "tia", "code", "000000")); r.StatusCode == http.StatusSeeOther {
		t.Errorf("the attacker's ticket takes the victim's name")
	}
	fresh := visit(t, plain())
	none := fields(begins(t, fresh, request("strict")))
	if r := fresh.submit("/code", with(none, "code", codeOf("tia"))); !strings.HasPrefix(r.Header.Get("Location"), "/login") {
		t.Errorf("a code without a password: %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	for _, h := range []string{"x", strings.Repeat("x", 5000), "\x00"} {
		if r := fresh.submit("/code", with(fields(fresh.get("/login")), "h", h, "code", "000000")); !strings.HasPrefix(r.Header.Get("Location"), "/login") {
			t.Errorf("a made-up ticket: %d %q", r.StatusCode, r.Header.Get("Location"))
		}
	}
	r := v.submit("/code", with(form, "code", codeOf("tia")))
	if back := leads(v.get(r.Header.Get("Location"))).Query(); back.Get("code") == "" {
		t.Errorf("with both factors: %d %v\n%s", r.StatusCode, back, r.body)
	} else if c := claims(t, accepted(t, v.token("strict", exchange(back.Get("code"), "https://strict.example/cb"))).field("id_token")); c["acr"] != "urn:postern:acr:aal2" {
		t.Errorf("acr %v", c["acr"])
	}
	if r := v.submit("/code", with(form, "code", codeOf("tom"))); r.StatusCode == http.StatusSeeOther && !strings.HasPrefix(r.Header.Get("Location"), "/login") {
		t.Errorf("a used ticket works again: %q", r.Header.Get("Location"))
	}
}

// TestI1_OwnPassword: what a person may choose on the page of the account.
func TestI1_OwnPassword(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	v.signIn("i1")
	now := password
	change := func(current, next string) reply {
		return v.submit("/account/password", with(fields(v.get("/account/password")), "current", current, "new", next))
	}
	for _, bad := range []string{"", "fourteen-chars", "passwordpassword", "aaaaaaaaaaaaaaaaaaaa", "i1@people.test-i1@people.test", now} {
		if r := change(now, bad); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(r.body, `role="alert"`) {
			t.Errorf("%q: %d", bad, r.StatusCode)
		}
	}
	if r := change("another password", "meadow-copper-lantern-3"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the old one: %d", r.StatusCode)
	}
	for _, good := range []string{strings.Repeat("å日本語 ", 30) + "ende", "meadow-copper-lantern-4"} {
		if r := change(now, good); r.Header.Get("Location") != "/account/password?done=password" {
			t.Fatalf("%.20q: %d %s", good, r.StatusCode, r.body)
		}
		now = good
	}
	w := visit(t, plain())
	for pw, want := range map[string]int{password: http.StatusUnauthorized, now: http.StatusSeeOther} {
		if r := w.submit("/login", with(fields(w.get("/login")), "identifier", "i1", "password", pw)); r.StatusCode != want {
			t.Errorf("%q afterwards: %d", pw, r.StatusCode)
		}
	}
}

// TestI3_Recovery: who asks for a way back in gets the same answer for everybody.
func TestI3_Recovery(t *testing.T) {
	t.Parallel()
	v := visit(t, plain())
	ask := func(identifier string) string {
		r := v.submit("/recover", with(fields(v.get("/recover")), "identifier", identifier))
		body, _, ok := strings.Cut(r.body, "Reference")
		if r.StatusCode != http.StatusOK || !ok {
			t.Fatalf("%.20s: %d %s", identifier, r.StatusCode, r.body)
		}
		return strings.ReplaceAll(body, identifier, "X")
	}
	want := ask("i3@people.test")
	for _, who := range []string{"nobody@people.test", "i3", strings.Repeat("x", 9000), "\x00", "<b>"} {
		if got := ask(who); got != want {
			t.Errorf("%.20q is told something else:\n%s", who, got)
		}
	}
}

// TestI8_HijackedSession: who holds a session, but shows less than its owner can, adds and removes nothing. The owner does,
// and is told.
func TestI8_HijackedSession(t *testing.T) {
	t.Parallel()
	owner := visit(t, plain())
	owner.signIn("i8")
	thief := visitFrom(t, plain(), owner.ip)
	thief.jar = owner.jar
	thief.http.Jar = owner.jar
	csrf := fields(thief.get("/account/settings")).Get("csrf")
	attempts := map[string]url.Values{
		"/account/recovery-codes": {"create": {"1"}}, "/account/totp": {"remove": {"1"}}, "/account/passkeys": {"delete": {"AAAA"}},
		"/account/password": {"current": {password}, "new": {"meadow-copper-lantern-5"}},
	}
	for path, form := range attempts {
		form.Set("csrf", csrf)
		r := thief.submit(path, form)
		if want := "/login?to=" + url.QueryEscape(path); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Location"))
		}
		if body := thief.get(path).body; strings.Contains(body, "<main") && strings.Contains(body, `action="`+path+`"`) {
			t.Errorf("%s offers its form", path)
		}
	}
	no(t, thief.ask("/webauthn/create/options", url.Values{"to": {"/account/passkeys"}, "csrf": {csrf}}, nil), "stale", http.StatusForbidden)
	owner.prove("i8", "/account/recovery-codes")
	if r := owner.submit("/account/recovery-codes", with(fields(owner.get("/account/recovery-codes")), "create", "1")); r.StatusCode != http.StatusOK || !strings.Contains(r.body, `class="codes"`) {
		t.Fatalf("the owner gets no codes: %d", r.StatusCode)
	}
	told := func(e audit.Event) bool {
		return strings.HasPrefix(e.Type, "mail.") && e.Data["kind"] == "factor_changed"
	}
	for range 50 {
		if slices.ContainsFunc(trail(t, plain()), told) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("nobody is told")
}
