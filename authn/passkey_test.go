package authn_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// Cas has neither password nor code: passkeys only.
var cas = authntest.Person{ID: "u-cas", Username: "cas"}

const bind = "interaction"

func (h *house) enrol(t testing.TB, a *authntest.Authenticator, user ident.UserID) authn.Passkey {
	t.Helper()
	options, handle, err := h.BeginRegistration(ctx, bind, user)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Register(ctx, handle, bind, a.Register(t, options), "", ident.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) register(t testing.TB, a *authntest.Authenticator, user ident.UserID, tweaks ...func(*authntest.Ceremony)) error {
	t.Helper()
	options, handle, err := h.BeginRegistration(ctx, bind, user)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Register(ctx, handle, bind, a.Register(t, options, tweaks...), "", ident.Env{})
	return err
}

// signIn is a discoverable sign-in.
func (h *house) signIn(t testing.TB, a *authntest.Authenticator, tweaks ...func(*authntest.Ceremony)) (authn.Proof, error) {
	t.Helper()
	options, handle, err := h.BeginPasskey(ctx, bind, "")
	if err != nil {
		t.Fatal(err)
	}
	return h.Passkey(ctx, handle, bind, a.Assert(t, options, tweaks...), from("192.0.2.1", "dev"))
}

// lastReason is the code of the last event in the trail.
func (h *house) lastReason() string {
	evs := h.trail.Events()
	if len(evs) == 0 {
		return "nothing recorded"
	}
	return evs[len(evs)-1].Reason
}

func TestPasskey(t *testing.T) {
	for _, c := range []struct {
		name string
		a    authntest.Authenticator
		want ident.Assurance
		amr  []ident.AMR
	}{
		{"device-bound ES256", authntest.Authenticator{}, ident.PhishingResistant, []ident.AMR{"hwk", "user", "mfa"}},
		{"synced EdDSA", authntest.Authenticator{Alg: authntest.EdDSA, Synced: true}, ident.PhishingResistant, []ident.AMR{"swk", "user", "mfa"}},
		{"synced RS256", authntest.Authenticator{Alg: authntest.RS256, Synced: true}, ident.PhishingResistant, []ident.AMR{"swk", "user", "mfa"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, authn.Policy{}, cas)
			p := h.enrol(t, &c.a, cas.ID)
			if p.User != cas.ID || p.Synced != c.a.Synced || p.BackedUp != c.a.Synced || !p.Verifies || p.Name != "Passkey" || p.Attested != "" || !slices.Equal(p.Transports, []string{"internal", "hybrid"}) {
				t.Errorf("registered %+v", p)
			}
			f, err := h.Factors(ctx, cas.ID)
			if err != nil || f.Passkeys != 1 || f.Best != c.want {
				t.Errorf("factors %+v, %v", f, err)
			}
			h.trail.Events()
			proof, err := h.signIn(t, &c.a)
			if err != nil || proof.User() != cas.ID || proof.Assurance() != c.want || !slices.Equal(proof.AMR(), c.amr) || proof.Suspect() {
				t.Fatalf("%v %v %v %v, %v", proof.User(), proof.Assurance(), proof.AMR(), proof.Suspect(), err)
			}
			evs := h.trail.Events()
			if len(evs) != 1 || evs[0].Type != "passkey.verified" || evs[0].Outcome != audit.OK || evs[0].User != cas.ID {
				t.Errorf("recorded %+v", evs)
			}
			list, err := h.Passkeys(ctx, cas.ID)
			if err != nil || len(list) != 1 || !list[0].UsedAt.Equal(h.clock.Now()) {
				t.Errorf("afterwards %+v, %v", list, err)
			}
		})
	}
}

func TestPasskeyOptions(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{}
	p := h.enrol(t, a, cas.ID)
	var create struct {
		RP, User               map[string]string
		PubKeyCredParams       []struct{ Alg int64 }
		ExcludeCredentials     []struct{ ID string }
		AuthenticatorSelection map[string]any
		Hints                  []string
		Attestation            string
		Challenge              string
	}
	options, _, err := h.BeginRegistration(ctx, bind, cas.ID)
	if err != nil || json.Unmarshal(options, &create) != nil {
		t.Fatalf("%s, %v", options, err)
	}
	id := base64.RawURLEncoding.EncodeToString(p.ID)
	if create.RP["id"] != authntest.RPID || create.User["name"] != "cas" || create.Attestation != "none" ||
		fmt.Sprint(create.PubKeyCredParams) != "[{-8} {-7} {-257}]" || len(create.ExcludeCredentials) != 1 || create.ExcludeCredentials[0].ID != id ||
		create.AuthenticatorSelection["residentKey"] != "required" || create.AuthenticatorSelection["userVerification"] != "required" || len(create.Challenge) != 43 {
		t.Errorf("%s", options)
	}
	if handle, err := base64.RawURLEncoding.DecodeString(create.User["id"]); err != nil || len(handle) != 32 || bytes.Contains(handle, []byte("cas")) {
		t.Errorf("user handle %q", handle)
	}
	s, err := h.Signals(ctx, cas.ID)
	if err != nil || s.RPID != authntest.RPID || s.UserID != create.User["id"] || s.Name != "cas" || !slices.Equal(s.AllAcceptedCredentialIDs, []string{id}) {
		t.Errorf("signals %+v, %v", s, err)
	}
	if _, _, err := h.BeginPasskey(ctx, "", ""); err == nil {
		t.Error("a ceremony that belongs to nothing")
	}
}

// assertionRows are wrong assertions; the right one is accepted after each.
var assertionRows = []struct {
	name   string
	tweak  func(*authntest.Ceremony)
	reason string
}{
	{"H1 challenge altered", func(c *authntest.Ceremony) { c.Challenge = "A" + c.Challenge[1:] + "" }, "challenge"},
	{"H1 no challenge", func(c *authntest.Ceremony) { c.Challenge = "" }, "challenge"},
	{"H2 type of registration", func(c *authntest.Ceremony) { c.Type = "webauthn.create" }, "type"},
	{"H3 sub-domain", func(c *authntest.Ceremony) { c.Origin = "https://a.id.example.org" }, "origin"},
	{"H3 parent domain", func(c *authntest.Ceremony) { c.Origin = "https://example.org" }, "origin"},
	{"H3 http", func(c *authntest.Ceremony) { c.Origin = "http://id.example.org" }, "origin"},
	{"H3 other port", func(c *authntest.Ceremony) { c.Origin = "https://id.example.org:8443" }, "origin"},
	{"H3 look-alike", func(c *authntest.Ceremony) { c.Origin = "https://id.exаmple.org" }, "origin"},
	{"H3 with a path", func(c *authntest.Ceremony) { c.Origin = "https://id.example.org/x" }, "origin"},
	{"H3 with a user", func(c *authntest.Ceremony) { c.Origin = "https://x@id.example.org" }, "origin"},
	{"H3 in capitals", func(c *authntest.Ceremony) { c.Origin = "https://ID.example.org" }, "origin"},
	{"H3 unknown app", func(c *authntest.Ceremony) { c.Origin = "android:apk-key-hash:abc" }, "origin"},
	{"H3 none", func(c *authntest.Ceremony) { c.Origin = "" }, "origin"},
	{"H4 crossOrigin", func(c *authntest.Ceremony) { c.CrossOrigin = true }, "cross_origin"},
	{"H4 topOrigin", func(c *authntest.Ceremony) { c.CrossOrigin, c.TopOrigin = true, "https://evil.example" }, "cross_origin"},
	{"H4 topOrigin alone", func(c *authntest.Ceremony) { c.TopOrigin = authntest.Origin }, "cross_origin"},
	{"H5 another relying party", func(c *authntest.Ceremony) { c.RPID = "example.org" }, "relying_party"},
	{"user absent", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUP }, "presence"},
	{"user not verified", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUV }, "verification"},
	{"backed up, not eligible", func(c *authntest.Ceremony) { c.Flags |= authntest.FlagBS }, "backup"},
	{"eligible all at once", func(c *authntest.Ceremony) { c.Flags |= authntest.FlagBE }, "backup"},
	{"H10 handle of another", func(c *authntest.Ceremony) { c.UserHandle = bytes.Repeat([]byte{1}, 32) }, "user_handle"},
	{"H10 handle missing", func(c *authntest.Ceremony) { c.UserHandle = nil }, "user_handle"},
	{"H11 bad signature", func(c *authntest.Ceremony) { c.Sign = func([]byte) []byte { return make([]byte, 70) } }, "signature"},
	{"H11 no signature", func(c *authntest.Ceremony) { c.Sign = func([]byte) []byte { return nil } }, "signature"},
	{"H11 raw, not DER", func(c *authntest.Ceremony) { c.Encode = rawSignature }, "signature"},
	{"H9 a credential id too long", func(c *authntest.Ceremony) { c.ID = make([]byte, 1024) }, "malformed"},
	{"remote client data", func(c *authntest.Ceremony) { c.Extensions = map[string]any{"remoteClientDataJSON": true} }, "extension"},
}

// rawSignature is r and s of an ES256 signature, as JOSE has them and WebAuthn does not. WebAuthn L3 §6.5.5.
func rawSignature(der []byte) []byte {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil
	}
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

func TestPasskeyRefused(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{}
	h.enrol(t, a, cas.ID)
	for _, c := range assertionRows {
		t.Run(c.name, func(t *testing.T) {
			h.trail.Events()
			proof, err := h.signIn(t, a, c.tweak)
			if !errors.Is(err, authn.ErrWrong) || errors.Is(err, authn.ErrUnknownPasskey) || proof.Valid() {
				t.Errorf("%v", err)
			}
			if got := h.lastReason(); got != c.reason {
				t.Errorf("recorded %q, want %q", got, c.reason)
			}
			if _, err := h.signIn(t, a); err != nil {
				t.Errorf("the right one: %v", err)
			}
		})
	}
}

// H1: each ceremony is taken once, in time, by whom it belongs to.
func TestPasskeyCeremony(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{Synced: true}
	h.enrol(t, a, cas.ID)
	for _, c := range []struct {
		name string
		do   func(options []byte, handle string) error
	}{
		{"twice", func(options []byte, handle string) error {
			response := a.Assert(t, options)
			if _, err := h.Passkey(ctx, handle, bind, response, ident.Env{}); err != nil {
				t.Fatal(err)
			}
			_, err := h.Passkey(ctx, handle, bind, response, ident.Env{})
			return err
		}},
		{"after a wrong try", func(options []byte, handle string) error {
			_, _ = h.Passkey(ctx, handle, bind, []byte("{}"), ident.Env{})
			_, err := h.Passkey(ctx, handle, bind, a.Assert(t, options), ident.Env{})
			return err
		}},
		{"of another session", func(options []byte, handle string) error {
			_, err := h.Passkey(ctx, handle, "other", a.Assert(t, options), ident.Env{})
			return err
		}},
		{"challenge of another ceremony", func(options []byte, _ string) error {
			_, handle, err := h.BeginPasskey(ctx, bind, "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.Passkey(ctx, handle, bind, a.Assert(t, options), ident.Env{})
			return err
		}},
		{"as a registration", func(options []byte, handle string) error {
			_, err := h.Register(ctx, handle, bind, a.Assert(t, options), "", ident.Env{})
			return err
		}},
		{"expired", func(options []byte, handle string) error {
			h.clock.Advance(authn.CeremonyLife)
			_, err := h.Passkey(ctx, handle, bind, a.Assert(t, options), ident.Env{})
			return err
		}},
		{"no handle", func(options []byte, _ string) error {
			_, err := h.Passkey(ctx, strings.Repeat("x", 1<<20), bind, a.Assert(t, options), ident.Env{})
			return err
		}},
		{"huge", func(_ []byte, handle string) error {
			_, err := h.Passkey(ctx, handle, bind, bytes.Repeat([]byte("["), 1<<20), ident.Env{})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			options, handle, err := h.BeginPasskey(ctx, bind, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.do(options, handle); !errors.Is(err, authn.ErrWrong) {
				t.Errorf("%v", err)
			}
			if _, err := h.signIn(t, a); err != nil {
				t.Errorf("the right one: %v", err)
			}
		})
	}
}

// DEPENDENCIES.md: the library takes one assertion as often as it comes; we take it once, however many come at once.
func TestPasskeyOnce(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{Synced: true}
	h.enrol(t, a, cas.ID)
	options, handle, err := h.BeginPasskey(ctx, bind, "")
	if err != nil {
		t.Fatal(err)
	}
	response := a.Assert(t, options)
	var wins int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := h.Passkey(ctx, handle, bind, response, ident.Env{}); err == nil {
				mu.Lock()
				wins++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if wins != 1 {
		t.Errorf("%d of 32 won", wins)
	}
}

// H10: only what was asked for.
func TestPasskeyAllowed(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, cas)
	a, b := &authntest.Authenticator{}, &authntest.Authenticator{}
	h.enrol(t, a, cas.ID)
	anns := h.enrol(t, b, authntest.Ann.ID)
	options, handle, err := h.BeginPasskey(ctx, bind, cas.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Passkey(ctx, handle, bind, b.AssertWith(t, anns.ID, options), ident.Env{}); !errors.Is(err, authn.ErrWrong) || h.lastReason() != "not_allowed" {
		t.Errorf("another's passkey: %v", err)
	}
	options, handle, _ = h.BeginPasskey(ctx, bind, cas.ID)
	noHandle := func(c *authntest.Ceremony) { c.UserHandle = nil } // allowed where the passkey was named
	if p, err := h.Passkey(ctx, handle, bind, a.Assert(t, options, noHandle), ident.Env{}); err != nil || p.User() != cas.ID {
		t.Errorf("one's own: %v", err)
	}
	if err := h.DeletePasskey(ctx, authntest.Ann.ID, anns.ID, ident.Env{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.signIn(t, b); !errors.Is(err, authn.ErrUnknownPasskey) || !errors.Is(err, authn.ErrWrong) || h.lastReason() != "unknown" {
		t.Errorf("a deleted passkey: %v", err)
	}
	if _, _, err := h.BeginPasskey(ctx, bind, authntest.Ann.ID); !errors.Is(err, authn.ErrOff) {
		t.Errorf("somebody without a passkey: %v", err)
	}
	gone := cas
	gone.Disabled = true
	authntest.Enrol(t, h.Service, h.engine, gone)
	if _, err := h.signIn(t, a); !errors.Is(err, authn.ErrWrong) || h.lastReason() != "disabled" {
		t.Errorf("a disabled account: %v", err)
	}
}

// registrationRows are wrong registrations; the right one is accepted after each.
var registrationRows = []struct {
	name   string
	tweak  func(*authntest.Ceremony)
	want   error
	reason string
}{
	{"H1 challenge altered", func(c *authntest.Ceremony) { c.Challenge += "A" }, authn.ErrWrong, "challenge"},
	{"H2 type of sign-in", func(c *authntest.Ceremony) { c.Type = "webauthn.get" }, authn.ErrWrong, "type"},
	{"H3 origin", func(c *authntest.Ceremony) { c.Origin = "https://evil.example" }, authn.ErrWrong, "origin"},
	{"H4 crossOrigin", func(c *authntest.Ceremony) { c.CrossOrigin = true }, authn.ErrWrong, "cross_origin"},
	{"H5 another relying party", func(c *authntest.Ceremony) { c.RPID = "example.org" }, authn.ErrWrong, "relying_party"},
	{"user absent", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUP }, authn.ErrWrong, "presence"},
	{"user not verified", func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUV }, authn.ErrWrong, "verification"},
	{"backed up, not eligible", func(c *authntest.Ceremony) { c.Flags |= authntest.FlagBS }, authn.ErrWrong, "backup"},
	{"H9 credential id too long", func(c *authntest.Ceremony) { c.ID = make([]byte, 1024) }, authn.ErrWrong, "credential_id"},
	{"H11 low-order key", func(c *authntest.Ceremony) {
		c.PublicKey = authntest.COSEEd25519(append([]byte{1}, make([]byte, 31)...))
	}, authn.ErrWrong, "weak_key"},
	{"H11 short key", func(c *authntest.Ceremony) { c.PublicKey = authntest.COSEEd25519(make([]byte, 5)) }, authn.ErrWrong, "key"},
	{"no key", func(c *authntest.Ceremony) { c.PublicKey = []byte{0xa0} }, authn.ErrWrong, "key"},
	{"H13 none with a statement", func(c *authntest.Ceremony) { c.Statement = []byte{0xa1, 0x61, 'x', 0x01} }, authn.ErrWrong, "attestation"},
	{"H13 unknown format", func(c *authntest.Ceremony) { c.Format = "better" }, authn.ErrWrong, "attestation"},
	{"H13 packed without a signature", func(c *authntest.Ceremony) { c.Format = "packed" }, authn.ErrWrong, "attestation"},
}

func TestRegisterRefused(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	for _, c := range registrationRows {
		t.Run(c.name, func(t *testing.T) {
			h.trail.Events()
			if err := h.register(t, &authntest.Authenticator{}, cas.ID, c.tweak); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if got := h.lastReason(); got != c.reason && !(c.reason == "credential_id" && got == "malformed") {
				t.Errorf("recorded %q, want %q", got, c.reason)
			}
			if err := h.register(t, &authntest.Authenticator{}, cas.ID); err != nil {
				t.Errorf("the right one: %v", err)
			}
		})
	}
}

// H9: a credential id belongs to one.
func TestRegisterTaken(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, cas)
	p := h.enrol(t, &authntest.Authenticator{}, cas.ID)
	same := func(c *authntest.Ceremony) { c.ID = p.ID }
	for _, user := range []ident.UserID{authntest.Ann.ID, cas.ID} {
		if err := h.register(t, &authntest.Authenticator{}, user, same); !errors.Is(err, authn.ErrExists) {
			t.Errorf("%s: %v", user, err)
		}
	}
	if err := h.register(t, &authntest.Authenticator{}, authntest.Ann.ID); err != nil {
		t.Error(err)
	}
	if _, _, err := h.BeginRegistration(ctx, bind, "nobody"); err == nil {
		t.Error("a passkey of nobody")
	}
}

// Presence may be missing only where the browser was to make the passkey without asking.
func TestRegisterConditional(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	quiet := func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUP | authntest.FlagUV }
	if err := h.register(t, &authntest.Authenticator{}, cas.ID, quiet); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("asked for: %v", err)
	}
	a := &authntest.Authenticator{Synced: true}
	options, handle, err := h.BeginConditionalRegistration(ctx, bind, cas.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Register(ctx, handle, bind, a.Register(t, options, quiet), " My\u202e key\n", ident.Env{})
	if err != nil || p.Verifies || p.Name != "My key" {
		t.Fatalf("%+v, %v", p, err)
	}
	if proof, err := h.signIn(t, a); err != nil || proof.Assurance() != ident.PhishingResistant {
		t.Errorf("%v, %v", proof.Assurance(), err)
	}
}

func TestPasskeyWithoutVerification(t *testing.T) {
	policy := authn.Policy{Passkey: authn.PasskeyPolicy{RPID: authntest.RPID, Origins: []string{authntest.Origin}, OptionalUV: true}}
	h := newHouse(t, policy, authntest.Ann)
	a := &authntest.Authenticator{}
	h.enrol(t, a, authntest.Ann.ID)
	touch, err := h.signIn(t, a, func(c *authntest.Ceremony) { c.Flags &^= authntest.FlagUV })
	if err != nil || touch.Assurance() != ident.AAL1 || !slices.Equal(touch.AMR(), []ident.AMR{"pop", "user"}) {
		t.Fatalf("%v %v, %v", touch.Assurance(), touch.AMR(), err)
	}
	both, err := touch.With(authntest.Proof(t, h.Service, h.clock, authntest.Ann, false, ident.Env{}))
	if err != nil || both.Assurance() != ident.PhishingResistant || !slices.Contains(both.AMR(), ident.MultiFactor) {
		t.Errorf("with a password: %v %v, %v", both.Assurance(), both.AMR(), err)
	}
}

func TestPasskeyClone(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{}
	h.enrol(t, a, cas.ID)
	clone := a.Clone()
	for range 3 {
		if p, err := h.signIn(t, a); err != nil || p.Suspect() {
			t.Fatalf("%v, suspect %v", err, p.Suspect())
		}
	}
	p, err := h.signIn(t, clone)
	if err != nil || !p.Suspect() || h.lastReason() != "counter" {
		t.Errorf("the clone: %v, suspect %v", err, p.Suspect())
	}
	handle, err := h.Hold(ctx, p, bind)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := h.Resume(ctx, handle, bind); err != nil || !held.Suspect() {
		t.Errorf("held: %v, suspect %v", err, held.Suspect())
	}
	if p, err := h.signIn(t, a); err != nil || !p.Suspect() {
		t.Errorf("the original afterwards: %v, suspect %v", err, p.Suspect())
	}
}

// Of uses at the same moment each is counted, the greatest count stays, and the passkey is suspect exactly where one of
// the proofs is: those that came in another order than they were made.
func TestPasskeyCounterTogether(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{}
	h.enrol(t, a, cas.ID)
	var wg sync.WaitGroup
	var suspects atomic.Int64
	for range 12 {
		options, handle, err := h.BeginPasskey(ctx, bind, "")
		if err != nil {
			t.Fatal(err)
		}
		response := a.Assert(t, options)
		wg.Go(func() {
			proof, err := h.Passkey(ctx, handle, bind, response, ident.Env{})
			if err != nil {
				t.Error(err)
			}
			if proof.Suspect() {
				suspects.Add(1)
			}
		})
	}
	wg.Wait()
	list, err := h.Passkeys(ctx, cas.ID)
	if err != nil || list[0].SignCount != 12 || (suspects.Load() > 0) != list[0].Suspect {
		t.Errorf("%d suspects, %+v, %v", suspects.Load(), list[0], err)
	}
}

// WebAuthn L3 §6.1.1, against a model: a counter that stands still or goes back makes suspect for ever, unless it was
// never used.
func TestPasskeyCounterModel(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	rapid.Check(t, func(rt *rapid.T) {
		a := &authntest.Authenticator{}
		p := h.enrol(t, a, cas.ID)
		defer func() {
			if err := h.engine.DeletePasskey(ctx, cas.ID, p.ID, true); err != nil {
				t.Fatal(err)
			}
		}()
		var stored uint32
		suspect := false
		for _, count := range rapid.SliceOfN(rapid.Uint32Range(0, 5), 1, 6).Draw(rt, "counts") {
			proof, err := h.signIn(t, a, func(c *authntest.Ceremony) { c.Count = count })
			suspect = suspect || count <= stored && (count != 0 || stored != 0)
			stored = max(stored, count)
			if err != nil || proof.Suspect() != suspect {
				rt.Fatalf("count %d: suspect %v, want %v, %v", count, proof.Suspect(), suspect, err)
			}
		}
		if got, err := h.engine.Passkey(ctx, p.ID); err != nil || got.SignCount != stored || got.Suspect != suspect {
			rt.Fatalf("%+v, %v, want %d, %v", got, err, stored, suspect)
		}
	})
}

// H16: whoever is asked for, the answer has the same shape, and stays the same.
func TestPasskeyUnknownUser(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, cas)
	h.enrol(t, &authntest.Authenticator{}, cas.ID)
	allowed := func(s *authn.Service, identifier string) (string, map[string]json.RawMessage) {
		t.Helper()
		options, handle, err := s.BeginPasskeyFor(ctx, bind, identifier)
		if err != nil || len(handle) != 43 {
			t.Fatal(err)
		}
		var o map[string]json.RawMessage
		if err := json.Unmarshal(options, &o); err != nil {
			t.Fatal(err)
		}
		return string(o["allowCredentials"]), o
	}
	_, real := allowed(h.Service, "cas")
	seen := map[string]string{}
	for _, who := range []string{"cas", "ann", "ann@example.com", "nobody", "nobody@example.com", ""} {
		first, o := allowed(h.Service, who)
		again, _ := allowed(h.Service, strings.ToUpper(who))
		if first != again {
			t.Errorf("%q changes: %s, %s", who, first, again)
		}
		if len(o) != len(real) {
			t.Errorf("%q has another shape", who)
		}
		var list []struct {
			Type, ID   string
			Transports []string
		}
		if err := json.Unmarshal([]byte(first), &list); err != nil || len(list) == 0 || list[0].Type != "public-key" || list[0].ID == "" || len(list[0].Transports) == 0 {
			t.Errorf("%q: %s", who, first)
		}
		seen[first] = who
	}
	if len(seen) != 5 { // ann and her address are one
		t.Errorf("%d different lists of 5: %v", len(seen), seen)
	}
}

// A restart changes no list of somebody who has no passkeys.
func TestPasskeyUnknownUserRestart(t *testing.T) {
	clock := authntest.NewClock()
	e, sealer := newEngine(t, clock), authntest.NewSealer()
	var lists []string
	for range 2 {
		s, err := authn.New(authn.Options{
			Users: e, Passkeys: e, Ephemeral: e, Counters: e, Sealer: sealer, Audit: &authntest.Trail{}, Now: clock.Now,
			Policy: authn.Policy{Passkey: authn.PasskeyPolicy{RPID: authntest.RPID, Origins: []string{authntest.Origin}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		options, _, err := s.BeginPasskeyFor(ctx, bind, "nobody")
		var o struct{ AllowCredentials json.RawMessage }
		if err != nil || json.Unmarshal(options, &o) != nil {
			t.Fatal(err)
		}
		lists = append(lists, string(o.AllowCredentials))
	}
	if lists[0] != lists[1] {
		t.Errorf("%s, then %s", lists[0], lists[1])
	}
}

// A sign-in that was begun for somebody makes nobody a passkey of theirs.
func TestRegisterWithSignIn(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	h.enrol(t, &authntest.Authenticator{}, cas.ID)
	options, handle, err := h.BeginPasskey(ctx, bind, cas.ID)
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Challenge string }
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	creation, _, err := h.BeginRegistration(ctx, bind, cas.ID)
	if err != nil {
		t.Fatal(err)
	}
	response := (&authntest.Authenticator{}).Register(t, creation, func(c *authntest.Ceremony) { c.Challenge = o.Challenge })
	if _, err := h.Register(ctx, handle, bind, response, "", ident.Env{}); !errors.Is(err, authn.ErrWrong) || h.lastReason() != "ceremony" {
		t.Errorf("%v", err)
	}
	if list, _ := h.Passkeys(ctx, cas.ID); len(list) != 1 {
		t.Errorf("%d passkeys", len(list))
	}
}

// H17: somebody who has only passkeys is not signed in by a password, and the try is on record.
func TestPasskeyOnlyAccount(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{}
	h.enrol(t, a, cas.ID)
	h.trail.Events()
	if err := h.try("cas", "any password at all", ident.Env{}); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("%v", err)
	}
	if evs := h.trail.Events(); len(evs) != 1 || evs[0].Type != "password.failed" || evs[0].User != cas.ID {
		t.Errorf("recorded %+v", evs)
	}
	if _, err := h.signIn(t, a); err != nil {
		t.Error(err)
	}
}

// H15: the last passkey stays; a change of factors needs a fresh sign-in at the highest rung.
func TestPasskeyLast(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, cas)
	p, q := h.enrol(t, &authntest.Authenticator{}, cas.ID), h.enrol(t, &authntest.Authenticator{}, cas.ID)
	if err := h.DeletePasskey(ctx, authntest.Ann.ID, p.ID, ident.Env{}); err == nil {
		t.Error("another's passkey was deleted")
	}
	if err := h.RenamePasskey(ctx, authntest.Ann.ID, p.ID, "x", ident.Env{}); err == nil {
		t.Error("another's passkey was renamed")
	}
	if err := h.RenamePasskey(ctx, cas.ID, p.ID, "Phone", ident.Env{}); err != nil {
		t.Error(err)
	}
	if list, _ := h.Passkeys(ctx, cas.ID); len(list) != 2 || list[0].Name != "Phone" && list[1].Name != "Phone" {
		t.Errorf("%+v", list)
	}
	if err := h.DeletePasskey(ctx, cas.ID, p.ID, ident.Env{}); err != nil {
		t.Fatal(err)
	}
	if err := h.DeletePasskey(ctx, cas.ID, q.ID, ident.Env{}); !errors.Is(err, authn.ErrLast) || h.lastReason() != "last" {
		t.Errorf("the last: %v", err)
	}
	anns := h.enrol(t, &authntest.Authenticator{}, authntest.Ann.ID)
	if err := h.DeletePasskey(ctx, authntest.Ann.ID, anns.ID, ident.Env{}); err != nil {
		t.Errorf("the last beside a password: %v", err)
	}
}

func TestCheckChange(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, cas)
	h.enrol(t, &authntest.Authenticator{}, cas.ID)
	now := h.clock.Now()
	for _, c := range []struct {
		name string
		user ident.UserID
		have ident.Assurance
		at   time.Time
		need ident.Assurance // None for allowed
	}{
		{"H15 fresh, high", cas.ID, ident.PhishingResistant, now, ident.None},
		{"H15 fresh, low", cas.ID, ident.AAL2, now, ident.PhishingResistant},
		{"H15 stale", cas.ID, ident.HardwareBound, now.Add(-authn.ProofLife - 1), ident.PhishingResistant},
		{"H15 from the future", cas.ID, ident.HardwareBound, now.Add(1), ident.PhishingResistant},
		{"a password is all she has", authntest.Ann.ID, ident.AAL1, now, ident.None},
		{"nothing shown", authntest.Ann.ID, ident.None, now, ident.AAL1},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := h.CheckChange(ctx, c.user, c.have, c.at)
			s, _ := errors.AsType[authn.StepUp](err)
			if (err == nil) != (c.need == ident.None) || s.Need != c.need {
				t.Errorf("%v, want %v", err, c.need)
			}
		})
	}
}

// Without its entry in the trail nothing happens.
func TestPasskeyTrailDown(t *testing.T) {
	h := newHouse(t, authn.Policy{}, cas)
	a := &authntest.Authenticator{Synced: true}
	p := h.enrol(t, a, cas.ID)
	h.enrol(t, &authntest.Authenticator{}, cas.ID)
	h.trail.Down(true)
	if err := h.register(t, &authntest.Authenticator{}, cas.ID); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("register: %v", err)
	}
	if proof, err := h.signIn(t, a); !errors.Is(err, authntest.ErrTrail) || proof.Valid() {
		t.Errorf("sign in: %v", err)
	}
	if err := h.DeletePasskey(ctx, cas.ID, p.ID, ident.Env{}); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("delete: %v", err)
	}
	if list, _ := h.Passkeys(ctx, cas.ID); len(list) != 2 {
		t.Errorf("%d passkeys", len(list))
	}
}

func TestPasskeyPolicy(t *testing.T) {
	good := func() authn.PasskeyPolicy {
		return authn.PasskeyPolicy{RPID: "example.org", Origins: []string{"https://id.example.org", "http://localhost:8080", "android:apk-key-hash:abc"}}
	}
	for _, c := range []struct {
		name  string
		spoil func(*authn.PasskeyPolicy)
		ok    bool
	}{
		{"good", func(*authn.PasskeyPolicy) {}, true},
		{"no origin", func(p *authn.PasskeyPolicy) { p.Origins = nil }, false},
		{"origin over http", func(p *authn.PasskeyPolicy) { p.Origins = []string{"http://example.org"} }, false},
		{"origin with a path", func(p *authn.PasskeyPolicy) { p.Origins = []string{"https://example.org/"} }, false},
		{"origin with its usual port", func(p *authn.PasskeyPolicy) { p.Origins = []string{"https://example.org:443"} }, false},
		{"origin in capitals", func(p *authn.PasskeyPolicy) { p.Origins = []string{"https://Example.org"} }, false},
		{"any origin", func(p *authn.PasskeyPolicy) { p.Origins = []string{"*"} }, false},
		{"address", func(p *authn.PasskeyPolicy) { p.RPID = "127.0.0.1" }, false},
		{"URL", func(p *authn.PasskeyPolicy) { p.RPID = "https://example.org" }, false},
		{"capitals", func(p *authn.PasskeyPolicy) { p.RPID = "Example.org" }, false},
		{"attestation without metadata", func(p *authn.PasskeyPolicy) { p.Attestation = authn.AttestDirect }, false},
		{"unknown attestation", func(p *authn.PasskeyPolicy) { p.Attestation = "some" }, false},
		{"unknown algorithm", func(p *authn.PasskeyPolicy) { p.Algorithms = []int64{-65535} }, false},
		{"metadata without a root", func(p *authn.PasskeyPolicy) { p.Metadata.File = "blob" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := authntest.NewClock()
			e := newEngine(t, clock)
			p := good()
			c.spoil(&p)
			_, err := authn.New(authn.Options{
				Users: e, Passkeys: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now,
				Policy: authn.Policy{Passkey: p},
			})
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}
