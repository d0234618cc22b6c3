package verify_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/verify"
	"github.com/postern-id/postern/verify/verifytest"
)

// follow returns a resource server that follows an issuer, and knows all that it said so far.
func follow(t *testing.T, options ...verify.Option) (*verifytest.Issuer, *verify.ResourceServer, *clock) {
	t.Helper()
	iss, rs, c := setup(t, append(options, verify.FollowRevocations(t.Context(), "rs", "secret"))...)
	iss.AddClient("rs", "secret")
	waitFor(t, "the first answer", rs.Following)
	return iss, rs, c
}

// heard waits until rs has heard what iss says in the end.
func heard(t *testing.T, iss *verifytest.Issuer, rs *verify.ResourceServer) {
	t.Helper()
	jti := "last-" + time.Now().String()
	iss.Log("token", jti)
	last := iss.AccessToken(verifytest.Claim("jti", jti))
	waitFor(t, "the last entry", func() bool { _, err := rs.Verify(t.Context(), last); return err != nil })
}

func TestFollowEnds(t *testing.T) {
	iss, rs, c := follow(t)
	for _, tt := range []struct {
		name, kind, value, claim string
	}{
		{"its session", "session", "sid-1", "sid"}, {"its grant", "grant", "gid-1", "gid"},
		{"itself", "token", "jti-1", "jti"}, {"its client", "client", "client-1", "client_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mine, other := iss.AccessToken(verifytest.Claim(tt.claim, tt.value)), iss.AccessToken(verifytest.Claim(tt.claim, tt.value+"x"))
			mustVerify(t, rs, mine)
			iss.Log(tt.kind, tt.value)
			waitFor(t, "its end", func() bool { _, err := rs.Verify(t.Context(), mine); return errors.Is(err, verify.ErrInvalid) })
			mustVerify(t, rs, other)
		})
	}
	c.Add(2 * time.Second)
	mustVerify(t, rs, iss.AccessToken(verifytest.Claim("client_id", "client-1"))) // a new client of that name
	if _, err := rs.Verify(t.Context(), iss.AccessToken(verifytest.Claim("sid", "sid-1"))); err == nil {
		t.Error("a session that ended has new tokens")
	}
}

// More than one page, kinds that nobody knows yet, and names of another kind.
func TestFollowPages(t *testing.T) {
	iss, rs, _ := setup(t, verify.FollowRevocations(t.Context(), "rs", "secret"))
	for range 7 {
		iss.Log("session", "x")
		iss.Log("something", "session-1")
		iss.Log("grant", "session-1")
	}
	iss.Log("session", "sid-9")
	iss.AddClient("rs", "secret")
	waitFor(t, "all pages", rs.Following)
	if _, err := rs.Verify(t.Context(), iss.AccessToken(verifytest.Claim("sid", "sid-9"))); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("the last of many: %v", err)
	}
	mustVerify(t, rs, iss.AccessToken())
}

func TestFollowLimits(t *testing.T) {
	iss, rs, c := follow(t)
	tok := iss.AccessToken(verifytest.WithScope("pay", "read"))
	read := func() verify.Token {
		t.Helper()
		got, err := rs.Verify(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ask := func(scope string, more ...verify.Requirement) (int, verify.Challenge) {
		t.Helper()
		w := call(rs.Require(scope, more...), bearer(tok))
		c, err := verify.ParseChallenge(w.Header().Get("WWW-Authenticate"))
		if w.Code != http.StatusOK && err != nil {
			t.Fatal(err)
		}
		return w.Code, c
	}
	if code, _ := ask("pay"); code != http.StatusOK {
		t.Fatalf("before: %d", code)
	}
	iss.Log("limit", "session-1", "pay", "admin")
	waitFor(t, "the limit", func() bool { return !read().HasScope("pay") })
	if got := read(); !slices.Equal(got.Scopes, []string{"read"}) || !slices.Equal(got.Limited, []string{"pay", "admin"}) {
		t.Errorf("scopes %v, limited %v", got.Scopes, got.Limited)
	}
	code, ch := ask("pay")
	if code != http.StatusUnauthorized || ch.Error != "insufficient_user_authentication" || !ch.HasMaxAge || ch.MaxAge != 0 || !slices.Equal(ch.ACRValues, []string{"urn:postern:acr:aal2"}) {
		t.Errorf("%d %+v, want to be asked for a new authentication", code, ch)
	}
	if _, ch = ask("pay", verify.ACR("phr")); !slices.Equal(ch.ACRValues, []string{"phr"}) {
		t.Errorf("with a class of its own: %v", ch.ACRValues)
	}
	if code, ch = ask("write"); code != http.StatusForbidden || ch.Error != "insufficient_scope" {
		t.Errorf("a scope that was never granted: %d %s", code, ch.Error)
	}
	if code, _ = ask("read"); code != http.StatusOK {
		t.Errorf("what is left: %d", code)
	}
	iss.Log("limit", "session-1", "read")
	waitFor(t, "another limit", func() bool { return read().HasScope("pay") })
	if read().HasScope("read") {
		t.Error("the new limit does not hold")
	}
	iss.Log("limit", "session-1")
	waitFor(t, "the end of the limit", func() bool { return read().HasScope("read") })

	// Who proved more has a new token before we hear that the limit is lifted.
	iss.Log("limit", "session-1", "pay")
	waitFor(t, "the limit again", func() bool { return !read().HasScope("pay") })
	old := tok
	c.Add(4 * time.Second)
	tok = iss.AccessToken(verifytest.WithScope("pay", "read"))
	if !read().HasScope("pay") {
		t.Error("a token that was issued after a step-up is limited")
	}
	if tok = old; read().HasScope("pay") {
		t.Error("the token of before is not")
	}

	// A token that was issued under a limit says so itself.
	tok = iss.AccessToken(verifytest.WithScope("read"), verifytest.Claim("limited_scope", "pay"))
	if code, ch = ask("pay"); code != http.StatusUnauthorized || ch.Error != "insufficient_user_authentication" {
		t.Errorf("issued under a limit: %d %s", code, ch.Error)
	}
}

// While the issuer is silent, tokens are asked about; while it is away, nothing gets in.
func TestFollowSilence(t *testing.T) {
	iss, rs, c := follow(t)
	ok, revoked := iss.AccessToken(), iss.AccessToken()
	iss.Revoke(revoked) // at introspection only: what is known of revocations says nothing of it
	mustVerify(t, rs, revoked)
	c.Add(31 * time.Second)
	if rs.Following() {
		t.Fatal("following after 31 s of silence")
	}
	mustVerify(t, rs, ok)
	if _, err := rs.Verify(t.Context(), revoked); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("asked about: %v", err)
	}
	iss.SetDown(true)
	c.Add(11 * time.Second)
	if _, err := rs.Verify(t.Context(), ok); !errors.Is(err, verify.ErrUnavailable) {
		t.Errorf("with the issuer away: %v", err)
	}
	iss.SetDown(false)
	iss.Log("session", "elsewhere")
	waitFor(t, "contact again", rs.Following)
	mustVerify(t, rs, iss.AccessToken())
}

// Before the first answer, and with the wrong secret, tokens are asked about.
func TestFollowNotYet(t *testing.T) {
	iss, rs, _ := setup(t, verify.FollowRevocations(t.Context(), "rs", "wrong"))
	iss.AddClient("rs", "secret")
	if _, err := rs.Verify(t.Context(), iss.AccessToken()); !errors.Is(err, verify.ErrUnavailable) || rs.Following() {
		t.Errorf("with a wrong secret: %v, following %v", err, rs.Following())
	}
}

// An issuer whose log begins again is followed again; what it had said stays true.
func TestFollowReset(t *testing.T) {
	iss, rs, _ := follow(t)
	iss.Log("session", "sid-1")
	iss.Log("session", "sid-2")
	heard(t, iss, rs)
	iss.Restore(1)
	iss.Log("session", "sid-3")
	fresh := iss.AccessToken(verifytest.Claim("sid", "sid-3"))
	waitFor(t, "what was said after the reset", func() bool { _, err := rs.Verify(t.Context(), fresh); return errors.Is(err, verify.ErrInvalid) })
	if _, err := rs.Verify(t.Context(), iss.AccessToken(verifytest.Claim("sid", "sid-2"))); err == nil {
		t.Error("what ended lives again")
	}
}

// Where there is no room for all, tokens are asked about until what is missing matters no longer.
func TestFollowFull(t *testing.T) {
	iss, rs, c := setup(t, verify.FollowRevocations(t.Context(), "rs", "secret"), verify.MaxRevoked(2))
	for _, sid := range []string{"a", "b", "c", "a"} {
		iss.Log("session", sid)
	}
	iss.AddClient("rs", "secret")
	token := iss.AccessToken()
	before := iss.Requests("/introspect")
	waitFor(t, "an answer", func() bool { _, err := rs.Verify(t.Context(), token); return err == nil })
	time.Sleep(50 * time.Millisecond)
	if rs.Following() || iss.Requests("/introspect") == before {
		t.Error("it believes to know all")
	}
	c.Add(11 * time.Minute)
	iss.Log("session", "d")
	waitFor(t, "room again", rs.Following)
}

func TestFollowOptions(t *testing.T) {
	var none context.Context
	for name, o := range map[string]verify.Option{
		"no client":  verify.FollowRevocations(context.Background(), "", "x"),
		"no context": verify.FollowRevocations(none, "x", "x"),
		"too short":  verify.RevocationSilence(time.Second), "too long": verify.RevocationSilence(time.Hour),
	} {
		if _, err := verify.NewResourceServer(t.Context(), "https://issuer.example", verify.Audience(api), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, rs, _ := setup(t); rs.Following() {
		t.Error("following nobody")
	}
}

func FuzzRevocations(f *testing.F) {
	for _, s := range []string{`{"entries":[],"next":0}`, `{"entries":[],"next":0,"reset":true}`, `{}`, `null`, `{"entries":[],"next":5,"more":true}`,
		`{"entries":[{"seq":6,"at":1,"kind":"session","hash":"AAAAAAAAAAAAAAAAAAAAAA","until":2}],"next":6}`,
		`{"entries":[{"seq":6,"at":1,"kind":"","hash":"","until":2}],"next":6}`} {
		f.Add([]byte(s), int64(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, after int64) {
		if after < 0 {
			return
		}
		next, reset, err := verify.ParsePage(b, after)
		if err == nil && !reset && next < after || err == nil && reset && next >= max(after, 1) {
			t.Errorf("after %d comes %d, reset %v", after, next, reset)
		}
	})
}
