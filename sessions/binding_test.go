package sessions_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
)

var e64 = base64.RawURLEncoding.EncodeToString

// soft is a key in this process, as a browser or a chip holds one.
type soft struct {
	crypto.Signer
	alg string
}

func newSoft(t testing.TB, alg string) soft {
	t.Helper()
	var s crypto.Signer
	var err error
	if alg == "RS256" {
		s, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return soft{s, alg}
}

func (s soft) jwk() string {
	switch p := s.Public().(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"e":"AQAB","kty":"RSA","n":%q}`, e64(p.N.Bytes()))
	case *ecdsa.PublicKey:
		b, _ := p.Bytes()
		return fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, e64(b[1:33]), e64(b[33:]))
	}
	return ""
}

func (s soft) id() string {
	sum := sha256.Sum256([]byte(s.jwk()))
	return e64(sum[:])
}

// sign signs claims under a header; a header without "jwk" carries none.
func (s soft) sign(t testing.TB, header map[string]any, claims map[string]any) string {
	t.Helper()
	h, err1 := json.Marshal(header)
	c, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	input := e64(h) + "." + e64(c)
	sum := sha256.Sum256([]byte(input))
	if k, ok := s.Signer.(*ecdsa.PrivateKey); ok {
		a, b, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + e64(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
	}
	sig, err := s.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + e64(sig)
}

const (
	appURL  = "https://id.example.com/device-key/prove"
	chipURL = "https://id.example.com/dbsc/register"
)

func (s soft) app(t testing.TB, challenge string) sessions.Claim {
	return sessions.Claim{Level: ident.KeyInApp, Audience: appURL, Token: s.sign(t,
		map[string]any{"typ": sessions.TypApp, "alg": s.alg, "jwk": json.RawMessage(s.jwk())}, map[string]any{"aud": appURL, "jti": challenge})}
}

func (s soft) chip(t testing.TB, challenge string) sessions.Claim {
	return sessions.Claim{Level: ident.KeyInChip, Audience: chipURL, Token: s.sign(t,
		map[string]any{"typ": sessions.TypChip, "alg": s.alg, "jwk": json.RawMessage(s.jwk())}, map[string]any{"jti": challenge})}
}

func (s soft) renewal(t testing.TB, challenge string) sessions.Claim {
	return sessions.Claim{Level: ident.KeyInChip, Audience: chipURL, KeyID: s.id(), Token: s.sign(t,
		map[string]any{"typ": sessions.TypChip, "alg": s.alg}, map[string]any{"jti": challenge})}
}

// bench is a desk with keys.
type bench struct {
	*desk
	*sessions.Keys
	store sessions.KeyStore
}

func newBench(t testing.TB, p sessions.Policy) *bench {
	t.Helper()
	d := newDesk(t, p)
	k, err := sessions.NewKeys(sessions.KeysOptions{Manager: d.Manager, Store: d.db, Ephemeral: d.db})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{d, k, d.db}
}

// count is how many events of a type there are.
func (b *bench) count(typ string) (n int) {
	for _, e := range b.trail.Events() {
		if e.Type == typ {
			n++
		}
	}
	return n
}

func (b *bench) challenge(t testing.TB, device ident.DeviceID) string {
	t.Helper()
	c, err := b.Challenge(device)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is env once it shows the bound cookie of p.
func (b *bench) with(env ident.Env, p sessions.Proved) ident.Env {
	env.Key, env.KeyID = b.Shown(p.Cookie, env.Device)
	return env
}

func TestProve(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	s, cookie := b.start(t, authntest.Ann, false, laptop)
	k := newSoft(t, "ES256")

	// The first key, right after the sign-in.
	p, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), &s, laptop)
	if err != nil || p.Key.ID != k.id() || p.Key.Level != ident.KeyInApp || string(p.Key.JWK) != k.jwk() || p.Session.Snapshot.Key != k.id() {
		t.Fatalf("%+v, %v", p, err)
	}
	here := b.with(laptop, p)
	if here.Key != ident.KeyInApp || here.KeyID != k.id() {
		t.Fatalf("shown: %+v", here)
	}
	if got, _, err := b.Check(ctx, cookie, here); err != nil || got.Snapshot.Key != k.id() {
		t.Fatalf("with the key: %+v, %v", got, err)
	}
	// Without it, and with another's.
	got, _, err := b.Check(ctx, cookie, laptop)
	if !errors.Is(err, sessions.ErrKeyMissing) || got.ID != s.ID {
		t.Errorf("without the key: %v", err)
	}
	thief := here
	thief.KeyID = newSoft(t, "ES256").id()
	if _, _, err := b.Check(ctx, cookie, thief); !errors.Is(err, sessions.ErrOtherKey) {
		t.Errorf("with another key: %v", err)
	}
	// The bound cookie belongs to its device, and lasts ten minutes.
	if level, id := b.Shown(p.Cookie, "phone"); level != ident.NoKey || id != "" {
		t.Errorf("another device: %v %s", level, id)
	}
	b.clock.Advance(sessions.BoundLife - time.Second)
	if level, _ := b.Shown(p.Cookie, "laptop"); level != ident.KeyInApp {
		t.Error("a second before its end")
	}
	b.clock.Advance(2 * time.Second)
	if level, _ := b.Shown(p.Cookie, "laptop"); level != ident.NoKey {
		t.Error("after its end")
	}
	b.clock.Advance(10 * time.Minute)
	// Whoever has only the cookie renews neither its secret nor the time that it may idle.
	if _, renewed, err := b.Check(ctx, cookie, laptop); !errors.Is(err, sessions.ErrKeyMissing) || renewed != "" {
		t.Errorf("renewed without the key: %q, %v", renewed, err)
	}
	if cur, err := b.Alive(ctx, s.ID); err != nil || !cur.LastSeen.Equal(got.LastSeen) {
		t.Errorf("kept alive without the key: %v, %v", cur.LastSeen, err)
	}
	// A proof renews it, now without anybody signing in, and before the next sign-in too.
	for _, s := range []*sessions.Session{&got, nil} {
		if p, err = b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), s, laptop); err != nil || p.Key.User != "u-ann" {
			t.Errorf("renewed: %+v, %v", p, err)
		}
	}
	if n := b.count("device.key_registered"); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// What is refused, and why. Rows of E and L of the attacks.
func TestProveRefuses(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	s, _ := b.start(t, authntest.Ann, false, laptop)
	k, other, rs := newSoft(t, "ES256"), newSoft(t, "ES256"), newSoft(t, "RS256")
	fresh := func() string { return b.challenge(t, "laptop") }
	used := fresh()
	if _, err := b.Prove(ctx, k.chip(t, used), &s, laptop); err != nil {
		t.Fatal(err)
	}
	s.Snapshot.Key = k.id()
	stale := fresh()
	head := func(typ, alg string, key soft) map[string]any {
		return map[string]any{"typ": typ, "alg": alg, "jwk": json.RawMessage(key.jwk())}
	}
	claim := func(level ident.KeyProof, token string) sessions.Claim {
		return sessions.Claim{Level: level, Token: token, Audience: appURL}
	}
	none := head(sessions.TypChip, "none", k)
	unsigned := k.sign(t, none, map[string]any{"jti": fresh()})
	b.clock.Advance(0)
	for _, tt := range []struct {
		name string
		c    sessions.Claim
		s    *sessions.Session
		want error
	}{
		{"a challenge twice", k.chip(t, used), &s, sessions.ErrChallenge},
		{"another device's challenge", k.chip(t, b.challenge(t, "phone")), &s, sessions.ErrChallenge},
		{"no challenge", k.chip(t, ""), &s, sessions.ErrChallenge},
		{"a made-up challenge", k.chip(t, e64(make([]byte, 52))), &s, sessions.ErrChallenge},
		{"alg none", claim(ident.KeyInChip, unsigned[:strings.LastIndex(unsigned, ".")+1]), &s, sessions.ErrProof},
		{"alg none with a signature", claim(ident.KeyInChip, unsigned), &s, sessions.ErrProof},
		{"typ of the script at the browser's", claim(ident.KeyInChip, k.sign(t, head(sessions.TypApp, "ES256", k), map[string]any{"jti": fresh()})), &s, sessions.ErrProof},
		{"typ of the browser at the script's", claim(ident.KeyInApp, k.sign(t, head(sessions.TypChip, "ES256", k), map[string]any{"jti": fresh(), "aud": appURL})), &s, sessions.ErrProof},
		{"typ of a DPoP proof", claim(ident.KeyInApp, k.sign(t, head("dpop+jwt", "ES256", k), map[string]any{"jti": fresh(), "aud": appURL})), &s, sessions.ErrProof},
		{"for somebody else", claim(ident.KeyInApp, other.sign(t, head(sessions.TypApp, "ES256", other), map[string]any{"jti": fresh(), "aud": "https://evil.example/device-key/prove"})), &s, sessions.ErrProof},
		{"for nobody", claim(ident.KeyInApp, other.sign(t, head(sessions.TypApp, "ES256", other), map[string]any{"jti": fresh()})), &s, sessions.ErrProof},
		{"a browser's for somebody else", claim(ident.KeyInChip, k.sign(t, head(sessions.TypChip, "ES256", k), map[string]any{"jti": fresh(), "aud": "https://evil.example/"})), &s, sessions.ErrProof},
		{"RS256 of the script", claim(ident.KeyInApp, rs.sign(t, head(sessions.TypApp, "RS256", rs), map[string]any{"jti": fresh(), "aud": appURL})), &s, sessions.ErrProof},
		{"signed by another", claim(ident.KeyInChip, other.sign(t, head(sessions.TypChip, "ES256", k), map[string]any{"jti": fresh()})), &s, sessions.ErrProof},
		{"a renewal signed by another", sessions.Claim{Level: ident.KeyInChip, KeyID: k.id(), Audience: chipURL, Token: other.renewal(t, fresh()).Token}, &s, sessions.ErrProof},
		{"a renewal of an unknown key", other.renewal(t, fresh()), &s, sessions.ErrUnknownKey},
		{"a chip's key by a script", k.app(t, fresh()), &s, sessions.ErrProof},
		{"oversized", claim(ident.KeyInChip, k.sign(t, head(sessions.TypChip, "ES256", k), map[string]any{"jti": fresh(), "a": strings.Repeat("x", 8<<10)})), &s, sessions.ErrProof},
		{"nonsense", claim(ident.KeyInChip, "a.b.c"), &s, sessions.ErrProof},
		{"another key for a bound session", other.app(t, fresh()), &s, sessions.ErrOtherKey},
		{"another key of better keeping, without the old one", rs.chip(t, fresh()), &s, sessions.ErrOtherKey},
		{"an unknown key and nobody signed in", other.app(t, fresh()), nil, sessions.ErrUnknownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := b.Prove(ctx, tt.c, tt.s, laptop)
			if !errors.Is(err, tt.want) || p.Cookie != "" {
				t.Errorf("got %v and %q, want %v", err, p.Cookie, tt.want)
			}
		})
	}
	b.clock.Advance(sessions.ChallengeLife)
	if _, err := b.Prove(ctx, k.chip(t, stale), &s, laptop); !errors.Is(err, sessions.ErrChallenge) {
		t.Errorf("an old challenge: %v", err)
	}
	if b.count("device.key_refused") == 0 {
		t.Error("no trace")
	}
	if keys, err := b.Of(ctx, "u-ann"); err != nil || len(keys) != 1 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}

// A session takes its first key right after its sign-in. Later it takes only one for which the person vouched before.
func TestLateKeys(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	k, thief := newSoft(t, "ES256"), newSoft(t, "ES256")
	old, _ := b.start(t, authntest.Ann, false, laptop)
	if _, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), &old, laptop); err != nil {
		t.Fatal(err)
	}
	s, cookie := b.start(t, authntest.Ann, false, laptop) // signed in without showing the key
	b.clock.Advance(11 * time.Minute)
	if _, err := b.Prove(ctx, thief.app(t, b.challenge(t, "laptop")), &s, laptop); !errors.Is(err, sessions.ErrUnknownKey) {
		t.Errorf("a key that nobody vouched for: %v", err)
	}
	if _, err := b.Prove(ctx, k.app(t, b.challenge(t, "phone")), &s, phone); !errors.Is(err, sessions.ErrUnknownKey) {
		t.Errorf("from another device: %v", err)
	}
	p, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), &s, laptop)
	if err != nil || p.Session.Snapshot.Key != k.id() {
		t.Fatalf("a key from before: %+v, %v", p, err)
	}
	if _, _, err := b.Check(ctx, cookie, laptop); !errors.Is(err, sessions.ErrKeyMissing) {
		t.Errorf("it is not bound: %v", err)
	}
	// Somebody else of the same browser is bound to the same key, and vouches for it themselves.
	theirs, _ := b.start(t, authntest.Ben, true, laptop)
	if _, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), &theirs, laptop); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(ctx, "u-ann", "laptop"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), nil, laptop); err != nil {
		t.Errorf("a key that another still vouches for: %v", err)
	}
}

// A browser that makes a key in hardware moves its session on to it, and requests that were under way are no theft.
func TestBetterKey(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	app, chip := newSoft(t, "ES256"), newSoft(t, "RS256")
	s, cookie := b.start(t, authntest.Ann, false, laptop)
	p, err := b.Prove(ctx, app.app(t, b.challenge(t, "laptop")), &s, laptop)
	if err != nil {
		t.Fatal(err)
	}
	withApp := b.with(laptop, p)
	better, err := b.Prove(ctx, chip.chip(t, b.challenge(t, "laptop")), p.Session, withApp)
	if err != nil || better.Session.Snapshot.Key != chip.id() || better.Key.Level != ident.KeyInChip {
		t.Fatalf("%+v, %v", better, err)
	}
	withChip := b.with(laptop, better)
	if _, err := b.check(cookie, withChip); err != nil {
		t.Errorf("with the better key: %v", err)
	}
	cur, _, err := b.Check(ctx, cookie, withApp)
	if !errors.Is(err, sessions.ErrOtherKey) {
		t.Fatalf("with the old one: %v", err)
	}
	if under, err := b.Mismatch(ctx, cur, withApp); err != nil || !under {
		t.Errorf("a request under way: %v, %v", under, err)
	}
	if _, err := b.Prove(ctx, app.app(t, b.challenge(t, "laptop")), &cur, withChip); !errors.Is(err, sessions.ErrOtherKey) {
		t.Errorf("back to the lesser key: %v", err)
	}
	if _, err := b.Prove(ctx, chip.renewal(t, b.challenge(t, "laptop")), &cur, laptop); err != nil {
		t.Errorf("renewed: %v", err)
	}
	b.clock.Advance(2 * time.Minute)
	if under, err := b.Mismatch(ctx, cur, withApp); err != nil || under {
		t.Errorf("two minutes later: %v, %v", under, err)
	}
	if _, err := b.check(cookie, withChip); !errors.Is(err, sessions.ErrNone) {
		t.Errorf("the session goes on: %v", err)
	}
	if b.count("session.key_mismatch") != 1 {
		t.Error("no trace of the mismatch")
	}
}

// A step-up stands for the device as it is: a key that it lost binds the session no longer.
func TestRaiseRebinds(t *testing.T) {
	b := newBench(t, sessions.Policy{Bearer: 8 * time.Hour})
	k := newSoft(t, "ES256")
	s, _ := b.start(t, authntest.Ann, false, laptop)
	if want := b.clock.Now().Add(8 * time.Hour); !s.ExpiresAt.Equal(want) {
		t.Errorf("a bearer's session ends at %v, want %v", s.ExpiresAt, want)
	}
	p, err := b.Prove(ctx, k.app(t, b.challenge(t, "laptop")), &s, laptop)
	if err != nil {
		t.Fatal(err)
	}
	proof, d := b.prove(t, riskstep.AtStepUp, authntest.Ann, false, laptop, s.Assurance)
	lost, cookie, err := b.Raise(ctx, *p.Session, proof, d, laptop)
	if err != nil || lost.Snapshot.Key != "" {
		t.Fatalf("%+v, %v", lost, err)
	}
	if _, err := b.check(cookie, laptop); err != nil {
		t.Errorf("after the key was lost: %v", err)
	}
	here := b.with(laptop, p)
	proof, d = b.prove(t, riskstep.AtStepUp, authntest.Ann, false, here, s.Assurance)
	if lost, _, err = b.Raise(ctx, lost, proof, d, here); err != nil || lost.Snapshot.Key != k.id() || !lost.ExpiresAt.Equal(b.clock.Now().Add(24*time.Hour)) {
		t.Errorf("with the key again: %+v, %v", lost, err)
	}
	if next, _ := b.start(t, authntest.Ann, false, here); next.Snapshot.Key != k.id() {
		t.Error("a sign-in with a key is not bound to it")
	}
}

// Whoever answers a challenge on whichever node, it is answered once; and of two keys that race, one binds.
func TestRaces(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	other, err := sessions.NewKeys(sessions.KeysOptions{Manager: b.Manager, Store: b.store, Ephemeral: b.db})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := b.start(t, authntest.Ann, false, laptop)
	k := newSoft(t, "ES256")
	c := k.app(t, b.challenge(t, "laptop"))
	nodes := []*sessions.Keys{b.Keys, other}
	won := together(16, func(i int) error { _, err := nodes[i%2].Prove(ctx, c, &s, laptop); return err })
	if won != 1 {
		t.Errorf("%d answers to one challenge", won)
	}
	s, _ = b.start(t, authntest.Ann, false, phone)
	claims := make([]sessions.Claim, 8)
	for i := range claims {
		claims[i] = newSoft(t, "ES256").app(t, b.challenge(t, "phone"))
	}
	if won = together(8, func(i int) error { _, err := nodes[i%2].Prove(ctx, claims[i], &s, phone); return err }); won != 1 {
		t.Errorf("%d keys bound one session", won)
	}
}

// together counts who succeeds of n at the same moment.
func together(n int, f func(int) error) (won int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			if f(i) == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return won
}

// A rotated secret still opens what was sealed under the one before.
func TestBoundRotation(t *testing.T) {
	b := newBench(t, sessions.Policy{})
	s, _ := b.start(t, authntest.Ann, false, laptop)
	p, err := b.Prove(ctx, newSoft(t, "ES256").app(t, b.challenge(t, "laptop")), &s, laptop)
	if err != nil {
		t.Fatal(err)
	}
	b.keys = append([][]byte{[]byte(strings.Repeat("n", 32))}, b.keys...)
	if level, _ := b.Shown(p.Cookie, "laptop"); level != ident.KeyInApp {
		t.Error("under the secret before")
	}
	b.keys = b.keys[:1]
	if level, _ := b.Shown(p.Cookie, "laptop"); level != ident.NoKey {
		t.Error("under a secret that is gone")
	}
}

func FuzzProve(f *testing.F) {
	b := newBench(f, sessions.Policy{})
	k := newSoft(f, "ES256")
	f.Add(k.app(f, "x").Token, "", "x")
	f.Add(k.chip(f, "x").Token, k.id(), "AAAA")
	f.Fuzz(func(t *testing.T, token, id, cookie string) {
		for _, level := range []ident.KeyProof{ident.NoKey, ident.KeyInApp, ident.KeyInChip} {
			if p, err := b.Prove(context.Background(), sessions.Claim{Level: level, Token: token, KeyID: id, Audience: appURL}, nil, laptop); err == nil {
				t.Errorf("taken: %+v", p)
			}
		}
		if level, id := b.Shown(cookie, "laptop"); level != ident.NoKey || id != "" {
			t.Errorf("shown: %v %s", level, id)
		}
	})
}

func BenchmarkProve(b *testing.B) {
	w := newBench(b, sessions.Policy{})
	s, _ := w.start(b, authntest.Ann, false, laptop)
	k := newSoft(b, "ES256")
	p, err := w.Prove(ctx, k.app(b, w.challenge(b, "laptop")), &s, laptop)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("proof", func(b *testing.B) {
		claims := make([]sessions.Claim, b.N)
		for i := range claims {
			claims[i] = k.app(b, w.challenge(b, "laptop"))
		}
		b.ResetTimer()
		for i := range b.N {
			if _, err := w.Prove(ctx, claims[i], p.Session, laptop); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bound cookie", func(b *testing.B) {
		for b.Loop() {
			w.Shown(p.Cookie, "laptop")
		}
	})
}
