package attacks

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/e2e/harness"
)

type tweak = func(*authntest.Ceremony)

// lie is a wrong assertion or registration.
type lie struct {
	name  string
	tweak tweak
}

// lies tells each lie at a sign-in of a person with a passkey; the truth is accepted after each.
func lies(t *testing.T, user string, list []lie) {
	t.Helper()
	_, a := holder(t, plain(), user)
	v := visit(t, plain())
	page := fields(v.get("/login"))
	for _, l := range list {
		t.Run(l.name, func(t *testing.T) {
			v.t = t
			c := v.begin("get", page, nil)
			response := a.Assert(t, c.options, l.tweak)
			no(t, v.finish(c, response), "rejected", http.StatusBadRequest, http.StatusUnauthorized)
			if v.cookie("sid") != "" {
				t.Fatal("signed in")
			}
			no(t, v.finish(c, a.Assert(t, c.options)), "rejected", http.StatusBadRequest, http.StatusUnauthorized) // the ceremony is dead
			truth := visit(t, plain())
			truth.touch(a)
		})
	}
	v.t = t
	v.recorded("passkey.failed", audit.Failed, len(list))
}

// forgeries tries each lie at a registration; the truth is accepted after each.
func forgeries(t *testing.T, user string, list []lie) {
	t.Helper()
	v, _ := holder(t, plain(), user)
	page := fields(v.get("/account/passkeys"))
	for _, l := range list {
		t.Run(l.name, func(t *testing.T) {
			v.t = t
			c := v.begin("create", page, nil)
			no(t, v.finish(c, fob(plain()).Register(t, c.options, l.tweak)), "rejected", http.StatusBadRequest, http.StatusUnauthorized)
			v.enrol(fob(plain()))
		})
	}
	v.t = t
	v.recorded("passkey.refused", audit.Failed, len(list))
}

// TestH1_Challenge: altered, missing, used, of another ceremony, of another browser, of another interaction, for the
// other kind of ceremony. What is expired is in web, with a clock.
func TestH1_Challenge(t *testing.T) {
	t.Parallel()
	list := []lie{
		{"altered", func(c *authntest.Ceremony) { c.Challenge = c.Challenge[1:] + c.Challenge[:1] }},
		{"longer", func(c *authntest.Ceremony) { c.Challenge += "AAAA" }},
		{"none", func(c *authntest.Ceremony) { c.Challenge = "" }},
	}
	lies(t, "h1a", list)
	forgeries(t, "h1b", list)
	owner, a := holder(t, plain(), "h1c")
	v, thief := visit(t, plain()), visit(t, plain())
	page, theirs := fields(v.get("/login")), fields(thief.get("/login"))

	used := v.begin("get", page, nil)
	response := a.Assert(t, used.options)
	v.done(v.finish(used, response), "/account")
	no(t, v.finish(used, response), "rejected", http.StatusUnauthorized)

	first, second := v.begin("get", page, nil), v.begin("get", page, nil)
	first.handle = second.handle
	no(t, v.finish(first, a.Assert(t, first.options)), "rejected", http.StatusUnauthorized)

	stolen := v.begin("get", page, nil)
	stolen.page = theirs
	no(t, thief.finish(stolen, a.Assert(t, stolen.options)), "rejected", http.StatusUnauthorized)
	if thief.cookie("sid") != "" {
		t.Fatal("a ceremony of one browser signs in another")
	}
	elsewhere := thief.begin("get", theirs, nil)
	elsewhere.page = fields(begins(t, thief, request("house")))
	no(t, thief.finish(elsewhere, a.Assert(t, elsewhere.options)), "rejected", http.StatusUnauthorized)

	c := owner.begin("get", fields(owner.get("/account/passkeys")), nil)
	c.kind = "create"
	no(t, owner.finish(c, a.Assert(t, c.options)), "rejected", http.StatusUnauthorized)
	for _, handle := range []string{"", "x", strings.Repeat("A", 43), "\x00", strings.Repeat("x", 15_000)} {
		no(t, v.ask("/webauthn/get", page, map[string]any{"handle": handle, "response": json.RawMessage(response)}), "rejected", http.StatusUnauthorized)
	}
	for _, body := range []any{nil, "x", []int{1}, map[string]any{}, map[string]any{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": map[string]any{}}} {
		again := v.begin("get", page, nil)
		no(t, v.ask("/webauthn/get", page, map[string]any{"handle": again.handle, "response": body}), "rejected", http.StatusUnauthorized)
	}
	visit(t, plain()).touch(a)
}

func TestH2_Type(t *testing.T) {
	t.Parallel()
	lies(t, "h2a", []lie{{"webauthn.create", func(c *authntest.Ceremony) { c.Type = "webauthn.create" }}, {"payment.get", func(c *authntest.Ceremony) { c.Type = "payment.get" }}})
	forgeries(t, "h2b", []lie{{"webauthn.get", func(c *authntest.Ceremony) { c.Type = "webauthn.get" }}})
}

func TestH3_Origin(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(plain().Issuer)
	if err != nil {
		t.Fatal(err)
	}
	from := func(origin string) tweak { return func(c *authntest.Ceremony) { c.Origin = origin } }
	list := []lie{
		{"sub-domain", from("http://a.localhost:" + u.Port())}, {"other scheme", from("https://" + u.Host)}, {"other port", from("http://localhost:1")},
		{"no port", from("http://localhost")}, {"look-alike", from("http://1ocalhost:" + u.Port())}, {"the address", from("http://127.0.0.1:" + u.Port())},
		{"with a path", from(plain().Issuer + "/")}, {"unknown app", from("android:apk-key-hash:AAAA")}, {"null", from("null")}, {"none", func(c *authntest.Ceremony) { c.Origin = "" }},
	}
	lies(t, "h3a", list)
	forgeries(t, "h3b", list)
}

func TestH4_CrossOrigin(t *testing.T) {
	t.Parallel()
	list := []lie{
		{"crossOrigin", func(c *authntest.Ceremony) { c.CrossOrigin = true }},
		{"topOrigin", func(c *authntest.Ceremony) { c.CrossOrigin, c.TopOrigin = true, "https://evil.example" }},
		{"topOrigin alone", func(c *authntest.Ceremony) { c.TopOrigin = c.Origin }},
	}
	lies(t, "h4a", list)
	forgeries(t, "h4b", list)
}

func TestH5_RelyingParty(t *testing.T) {
	t.Parallel()
	list := []lie{{"another", func(c *authntest.Ceremony) { c.RPID = "evil.example" }}, {"with a port", func(c *authntest.Ceremony) { c.RPID += ":80" }}}
	lies(t, "h5a", list)
	forgeries(t, "h5b", list)
}

func TestH9_CredentialID(t *testing.T) {
	t.Parallel()
	long := []lie{{"1024 bytes", func(c *authntest.Ceremony) { c.ID = make([]byte, 1024) }}}
	lies(t, "h9a", long)
	forgeries(t, "h9b", append(long, lie{"none", func(c *authntest.Ceremony) { c.ID = nil }}))

	v := visit(t, plain())
	v.signIn("h9c")
	c := v.begin("create", fields(v.get("/account/passkeys")), nil)
	first := fob(plain()).Register(t, c.options)
	v.done(v.finish(c, first), "/account/passkeys?done=added")
	id, err := base64.RawURLEncoding.DecodeString(idOf(first))
	if err != nil {
		t.Fatal(err)
	}
	other := visit(t, plain())
	other.signIn("h9d")
	c = other.begin("create", fields(other.get("/account/passkeys")), nil)
	no(t, other.finish(c, fob(plain()).Register(t, c.options, func(c *authntest.Ceremony) { c.ID = id })), "exists", http.StatusConflict)
	other.enrol(fob(plain()))
}

// TestH10_Whose: a passkey that was not asked for, and one that names another owner, or none.
func TestH10_Whose(t *testing.T) {
	t.Parallel()
	lies(t, "h10a", []lie{
		{"handle of another", func(c *authntest.Ceremony) { c.UserHandle = bytes.Repeat([]byte{1}, 32) }},
		{"handle missing", func(c *authntest.Ceremony) { c.UserHandle = nil }},
		{"handle empty", func(c *authntest.Ceremony) { c.UserHandle = []byte{} }},
	})
	_, a := holder(t, plain(), "h10b")
	mine := fob(plain())
	v := visit(t, plain())
	v.signIn("h10c")
	c := v.begin("create", fields(v.get("/account/passkeys")), nil)
	made := mine.Register(t, c.options)
	v.done(v.finish(c, made), "/account/passkeys?done=added")
	id, _ := base64.RawURLEncoding.DecodeString(idOf(made))

	w := visit(t, plain())
	c = w.begin("get", fields(w.get("/login")), map[string]any{"identifier": "h10b"})
	no(t, w.finish(c, mine.AssertWith(t, id, c.options)), "rejected", http.StatusUnauthorized)
	c = w.begin("get", c.page, map[string]any{"identifier": "h10b"})
	theirs := func(x *authntest.Ceremony) { x.UserHandle = handleIn(t, a, plain()) }
	no(t, w.finish(c, mine.AssertWith(t, id, c.options, theirs)), "rejected", http.StatusUnauthorized)
	c = w.begin("get", c.page, map[string]any{"identifier": "h10b"})
	w.done(w.finish(c, a.Assert(t, c.options)), "/account")
}

// handleIn is the user handle that an authenticator keeps for its passkey.
func handleIn(t testing.TB, a *authntest.Authenticator, s *harness.Server) []byte {
	t.Helper()
	v := visit(t, s)
	c := v.begin("get", fields(v.get("/login")), nil)
	var got []byte
	a.Assert(t, c.options, func(x *authntest.Ceremony) { got = x.UserHandle })
	return got
}

func TestH11_Signature(t *testing.T) {
	t.Parallel()
	lies(t, "h11a", []lie{
		{"zeros", func(c *authntest.Ceremony) { c.Sign = func([]byte) []byte { return make([]byte, 70) } }},
		{"none", func(c *authntest.Ceremony) { c.Sign = func([]byte) []byte { return nil } }},
		{"raw, not DER", func(c *authntest.Ceremony) { c.Encode = rawSignature }},
		{"with more behind", func(c *authntest.Ceremony) { c.Encode = func(b []byte) []byte { return append(b, 0) } }},
		{"user absent", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUP }},
		{"user not verified", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUV }},
	})
	forgeries(t, "h11b", []lie{
		{"low-order Ed25519 key", func(c *authntest.Ceremony) {
			c.PublicKey = authntest.COSEEd25519(append([]byte{1}, make([]byte, 31)...))
		}},
		{"short key", func(c *authntest.Ceremony) { c.PublicKey = authntest.COSEEd25519(make([]byte, 5)) }},
		{"no key", func(c *authntest.Ceremony) { c.PublicKey = []byte{0xa0} }},
	})
}

// rawSignature is r and s, as JOSE has them and WebAuthn does not. WebAuthn L3 §6.5.5.
func rawSignature(der []byte) []byte {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil
	}
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

// TestH13_Attestation: a deployment that admits only makes that it knows from metadata.
func TestH13_Attestation(t *testing.T) {
	t.Parallel()
	now := time.Now()
	far := now.AddDate(50, 0, 0)
	m := authntest.NewMetadata(t, now)
	m.Write(t, now)
	policy := func(attestation string) *harness.Server {
		return harness.Start(t, harness.Options{Engine: harness.SQLite, Seed: seed, Config: map[string]string{
			"passkeys.attestation": attestation, "passkeys.metadata_file": m.File, "passkeys.metadata_root": m.RootFile}})
	}
	s := policy("enterprise")
	make := func(aaguid [16]byte, ca *authntest.CA, until time.Time) *authntest.Authenticator {
		return &authntest.Authenticator{Origin: s.Issuer, AAGUID: aaguid, Attester: ca.NewAttester(t, m.AAGUID, until)}
	}
	other := [16]byte{1}
	good := func() *authntest.Authenticator { return make(m.AAGUID, m.Maker, far) }
	v := visit(t, s)
	v.signIn("ann")
	for i, c := range []struct {
		name  string
		a     *authntest.Authenticator
		tweak tweak
	}{
		{"none", fob(s), nil},
		{"none with a statement", good(), func(c *authntest.Ceremony) { c.Format = "none" }},
		{"self", good(), func(c *authntest.Ceremony) { c.SelfAttest = true }},
		{"AAGUID that is not the certificate's", good(), func(c *authntest.Ceremony) { c.AAGUID = other }},
		{"make without metadata", &authntest.Authenticator{Origin: s.Issuer, AAGUID: other, Attester: m.Maker.NewAttester(t, other, far)}, nil},
		{"certificate expired", make(m.AAGUID, m.Maker, now.AddDate(-1, 0, 0)), nil},
		{"unknown root", make(m.AAGUID, authntest.NewCA(t, now), far), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			v.t = t
			tweaks := []tweak{}
			if c.tweak != nil {
				tweaks = append(tweaks, c.tweak)
			}
			begun := v.begin("create", fields(v.get("/account/passkeys")), nil)
			no(t, v.finish(begun, c.a.Register(t, begun.options, tweaks...)), "rejected", http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden)
			a := good()
			v.enrol(a)
			if i == 0 {
				v.touch(a)
			}
		})
	}
	v.t = t
	m.Status, m.Number = "USER_KEY_REMOTE_COMPROMISE", 8
	m.Write(t, now)
	late := policy("indirect") // a compromise is refused under every policy
	w := visit(t, late)
	w.signIn("ann")
	c := w.begin("create", fields(w.get("/account/passkeys")), nil)
	broken := &authntest.Authenticator{Origin: late.Issuer, AAGUID: m.AAGUID, Attester: m.Maker.NewAttester(t, m.AAGUID, far)}
	no(t, w.finish(c, broken.Register(t, c.options)), "rejected", http.StatusForbidden)
	w.enrol(fob(late))
}

// TestH15_Change: without a session, with one that shows less than the person has, and with a ceremony of somebody else
// nothing is added or taken; and the last way in stays. That a proof grows stale is in web, with a clock.
func TestH15_Change(t *testing.T) {
	t.Parallel()
	owner, a := holder(t, plain(), "h15")
	other := visit(t, plain())
	other.signIn("h15b")
	theirs := other.begin("create", fields(other.get("/account/passkeys")), nil)

	stranger := visit(t, plain())
	no(t, stranger.ask("/webauthn/create/options", fields(stranger.get("/login")), nil), "stale", http.StatusForbidden)
	theirs.page = fields(stranger.get("/login"))
	no(t, stranger.finish(theirs, fob(plain()).Register(t, theirs.options)), "stale", http.StatusForbidden)

	thief := visitFrom(t, plain(), owner.ip) // who knows the password, and sits at the owner's device: elsewhere more is asked
	thief.setCookie("did", owner.cookie("did"))
	thief.signIn("h15")
	page := fields(thief.get("/login"))
	no(t, thief.ask("/webauthn/create/options", page, nil), "stale", http.StatusForbidden)
	theirs.page = page
	no(t, thief.finish(theirs, fob(plain()).Register(t, theirs.options)), "stale", http.StatusForbidden)
	if body := thief.get("/account/passkeys").body; strings.Contains(body, `name="delete"`) || strings.Contains(body, `name="rename"`) {
		t.Error("the page offers to change what it does not let change")
	}
	id := passkeyOn(t, owner)
	for _, form := range []url.Values{{"delete": {id}}, {"rename": {id}, "name": {"mine"}}} {
		form.Set("csrf", fields(thief.get("/account/sessions")).Get("csrf"))
		if r := thief.submit("/account/passkeys", form); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/login?to=") {
			t.Errorf("%v by a password alone: %d %s", form, r.StatusCode, r.Header.Get("Location"))
		}
	}
	theirs.page = fields(owner.get("/account/passkeys"))
	no(t, owner.finish(theirs, fob(plain()).Register(t, theirs.options)), "rejected", http.StatusBadRequest, http.StatusUnauthorized)
	if passkeyOn(t, owner) != id {
		t.Fatal("the passkey is another one")
	}
	thief.touch(a) // with the passkey it is the owner
	thief.enrol(fob(plain()))

	// The last way in: a passkey, once the password is gone.
	keep, b := holder(t, plain(), "h15c")
	only := passkeyOn(t, keep)
	form := fields(keep.get("/account/password"))
	if r := keep.submit("/account/password", with(form, "remove", "1")); r.Header.Get("Location") != "/account/password?done=nopass" {
		t.Fatalf("the password stays: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := keep.get("/account/passkeys"); strings.Contains(r.body, `name="delete"`) {
		t.Error("the last passkey is offered for deletion")
	}
	csrf := fields(keep.get("/account/passkeys")).Get("csrf")
	keep.submit("/account/passkeys", url.Values{"csrf": {csrf}, "delete": {only}})
	if passkeyOn(t, keep) != only {
		t.Fatal("the last passkey is gone")
	}
	keep.enrol(fob(plain()))
	if r := keep.submit("/account/passkeys", url.Values{"csrf": {csrf}, "delete": {only}}); r.Header.Get("Location") != "/account/passkeys?done=deleted" {
		t.Errorf("one of two stays: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	w := visit(t, plain())
	c := w.begin("get", fields(w.get("/login")), nil)
	no(t, w.finish(c, b.Assert(t, c.options)), "unknown", http.StatusUnauthorized)

	// The last way in: a password, where there is no passkey.
	p := visit(t, plain())
	p.signIn("h15d")
	if r := p.submit("/account/password", with(fields(p.get("/account/password")), "remove", "1")); r.Header.Get("Location") != "/account/password" {
		t.Errorf("the last password: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	visit(t, plain()).signIn("h15d")
}

// passkeyOn is the id of the first passkey on the page of the account.
func passkeyOn(t testing.TB, v *visitor) string {
	t.Helper()
	_, rest, _ := strings.Cut(v.get("/account/passkeys").body, `name="rename" value="`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok || id == "" {
		t.Fatal("no passkey on the page")
	}
	return id
}

// TestH16_WhoHasPasskeys: for whomever a sign-in is begun, the answer has the same shape and takes its time.
func TestH16_WhoHasPasskeys(t *testing.T) {
	t.Parallel()
	_, a := holder(t, plain(), "h16")
	v := visit(t, plain())
	page := fields(v.get("/login"))
	shape := func(identifier string) (keys []string, ids string, took time.Duration) {
		t.Helper()
		begun := time.Now()
		c := v.begin("get", page, map[string]any{"identifier": identifier})
		took = time.Since(begun)
		var o map[string]json.RawMessage
		var list []struct {
			Type, ID   string
			Transports []string
		}
		if json.Unmarshal(c.options, &o) != nil || json.Unmarshal(o["allowCredentials"], &list) != nil || len(list) == 0 || len(list) > 3 {
			t.Fatalf("%s: %s", identifier, c.options)
		}
		for name := range o {
			keys = append(keys, name)
		}
		slices.Sort(keys)
		for _, d := range list {
			if raw, err := base64.RawURLEncoding.DecodeString(d.ID); d.Type != "public-key" || len(d.Transports) == 0 || err != nil || len(raw) < 16 {
				t.Errorf("%s: %s", identifier, o["allowCredentials"])
			}
			ids += d.ID + " "
		}
		return keys, ids, took
	}
	want, _, _ := shape("h16")
	seen := map[string]string{}
	var times [2][]time.Duration
	for range 9 {
		for i, who := range []string{"h16", "h16-nobody"} {
			keys, ids, took := shape(who)
			if !slices.Equal(keys, want) {
				t.Errorf("%s has %v, not %v", who, keys, want)
			}
			if was, ok := seen[who]; ok && was != ids {
				t.Errorf("%s changes: %s, then %s", who, was, ids)
			}
			seen[who] = ids
			times[i] = append(times[i], took)
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	if has, hasNot := times[0][4], times[1][4]; hasNot > 4*has+5*time.Millisecond || has > 4*hasNot+5*time.Millisecond {
		t.Errorf("somebody takes %v, nobody %v", has, hasNot)
	}
	for _, who := range []string{"ann", "h16-nobody@people.test", "H16-NOBODY", "", strings.Repeat("x", 10_000), "\x00", "<b>"} {
		if keys, ids, _ := shape2(t, v, page, who); who != "" && (!slices.Equal(keys, want) || ids == "") {
			t.Errorf("%.20q has another shape: %v", who, keys)
		}
	}
	// With a made-up passkey nobody gets in, and the real one works.
	c := v.begin("get", page, map[string]any{"identifier": "h16-nobody"})
	var o struct{ AllowCredentials []struct{ ID string } }
	if err := json.Unmarshal(c.options, &o); err != nil {
		t.Fatal(err)
	}
	id, _ := base64.RawURLEncoding.DecodeString(o.AllowCredentials[0].ID)
	open := v.begin("get", page, nil)
	no(t, v.finish(c, a.Assert(t, open.options, func(x *authntest.Ceremony) { x.ID = id })), "unknown", http.StatusUnauthorized)
	c = v.begin("get", page, map[string]any{"identifier": "h16"})
	v.done(v.finish(c, a.Assert(t, c.options)), "/account")
}

func shape2(t testing.TB, v *visitor, page url.Values, who string) (keys []string, ids string, ok bool) {
	t.Helper()
	c := v.begin("get", page, map[string]any{"identifier": who})
	var o map[string]json.RawMessage
	if json.Unmarshal(c.options, &o) != nil {
		return nil, "", false
	}
	for name := range o {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys, string(o["allowCredentials"]), true
}

// TestH17_Downgrade: an account that has only passkeys is not entered by anything weaker, a client that asks for a
// phishing-resistant sign-in is not given a weaker one, and who tries is on record.
func TestH17_Downgrade(t *testing.T) {
	t.Parallel()
	owner, a := holder(t, plain(), "h17")
	if r := owner.submit("/account/password", with(fields(owner.get("/account/password")), "remove", "1")); r.Header.Get("Location") != "/account/password?done=nopass" {
		t.Fatalf("the password stays: %d", r.StatusCode)
	}
	v := visit(t, plain())
	form := fields(v.get("/login"))
	try := func(user, pw string) reply {
		return v.submit("/login", with(form, "identifier", user, "password", pw))
	}
	only, nobody := try("h17", password), try("h17-nobody", password)
	same := func(r reply) string {
		body, _, _ := strings.Cut(strings.ReplaceAll(r.body, "h17-nobody", "h17"), "Reference")
		return body
	}
	if only.StatusCode != http.StatusUnauthorized || nobody.StatusCode != http.StatusUnauthorized || same(only) != same(nobody) {
		t.Errorf("by a password that is gone: %d, as nobody: %d", only.StatusCode, nobody.StatusCode)
	}
	if v.cookie("sid") != "" {
		t.Fatal("signed in")
	}
	v.recorded("password.failed", audit.Failed, 2)

	// A password and a code where a passkey is asked for.
	keep := visit(t, plain())
	keep.prove("h17b", "/account/passkeys")
	b := fob(plain())
	keep.enrol(b)
	w := visit(t, plain())
	page := begins(t, w, with(request("house"), "acr_values", "phr"))
	r := w.submit("/login", with(fields(page), "identifier", "h17b", "password", password))
	to := r.Header.Get("Location")
	if !strings.HasPrefix(to, "/code?i=") {
		t.Fatalf("nothing more is asked: %d %s", r.StatusCode, to)
	}
	code := fields(w.get(to))
	if r := w.submit("/code", with(code, "code", codeOf("h17b"))); strings.Contains(r.Header.Get("Location"), "/continue") || leads(r).Query().Has("code") {
		t.Errorf("a code stands in for a passkey: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := w.get("/continue?i=" + code.Get("i")); leads(r).Query().Has("code") || r.location().Query().Has("code") {
		t.Error("the page for the passkey can be skipped")
	}
	again := begins(t, w, with(request("house"), "acr_values", "phr"))
	c := w.begin("get", fields(again), nil)
	done := w.finish(c, b.Assert(t, c.options))
	if back := leads(w.get(done.field("to"))).Query(); back.Get("code") == "" {
		t.Fatalf("with a passkey: %s", done.body)
	} else if got := claims(t, accepted(t, w.token("house", exchange(back.Get("code"), "https://house.example/cb"))).field("id_token")); got["acr"] != "phr" {
		t.Errorf("acr %v", got["acr"])
	}
	visit(t, plain()).touch(a)
}
