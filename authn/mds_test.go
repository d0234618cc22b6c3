package authn_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

func demanding(m *authntest.Metadata, a authn.Attestation) authn.Policy {
	return authn.Policy{Passkey: authn.PasskeyPolicy{
		RPID: authntest.RPID, Origins: []string{authntest.Origin}, Attestation: a,
		Metadata: authn.MetadataPolicy{File: m.File, Root: m.RootFile},
	}}
}

// load starts a Service that reads the blob as it is written now.
func load(t *testing.T, m *authntest.Metadata) error {
	t.Helper()
	clock := authntest.NewClock()
	m.Write(t, clock.Now())
	e := newEngine(t, clock)
	_, err := authn.New(authn.Options{
		Users: e, Passkeys: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now, Policy: demanding(m, authn.AttestDirect),
	})
	return err
}

func TestMetadataBlob(t *testing.T) {
	now := authntest.NewClock().Now()
	for _, c := range []struct {
		name  string
		spoil func(*authntest.Metadata)
		ok    bool
	}{
		{"good", func(*authntest.Metadata) {}, true},
		{"signature altered", func(m *authntest.Metadata) { m.Tamper = true }, false},
		{"another root", func(m *authntest.Metadata) { m.SignWith = authntest.NewCA(t, now) }, false},
		{"a certificate of somebody else under the same root", func(m *authntest.Metadata) { m.Host = "www.example.com" }, false},
		{"root expired", func(m *authntest.Metadata) { m.Root = authntest.NewCA(t, now.AddDate(-100, 0, 0)); m.WriteRoot(t) }, false},
		{"alg none", func(m *authntest.Metadata) { m.Spoil = func(h map[string]any) { h["alg"] = "none" } }, false},
		{"alg of another key", func(m *authntest.Metadata) { m.Spoil = func(h map[string]any) { h["alg"] = "RS256" } }, false},
		{"no certificate", func(m *authntest.Metadata) { m.Spoil = func(h map[string]any) { delete(h, "x5c") } }, false},
		{"certificate elsewhere", func(m *authntest.Metadata) {
			m.Spoil = func(h map[string]any) { delete(h, "x5c"); h["x5u"] = "https://example.com/" }
		}, false},
		{"critical parameter", func(m *authntest.Metadata) { m.Spoil = func(h map[string]any) { h["crit"] = []string{"b64"} } }, false},
		{"without a number", func(m *authntest.Metadata) { m.Number = 0 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := authntest.NewMetadata(t, now)
			c.spoil(m)
			if err := load(t, m); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

// A blob that is older than one that was here before is refused, also after a restart.
func TestMetadataRollback(t *testing.T) {
	m := authntest.NewMetadata(t, authntest.NewClock().Now())
	for _, step := range []struct {
		number int
		ok     bool
	}{{7, true}, {7, true}, {9, true}, {8, false}, {9, true}, {10, true}} {
		m.Number = step.number
		if err := load(t, m); (err == nil) != step.ok {
			t.Errorf("number %d: %v", step.number, err)
		}
	}
	if err := os.WriteFile(m.File+".no", []byte("many"), 0o600); err != nil {
		t.Fatal(err)
	}
	if load(t, m) == nil {
		t.Error("a number that cannot be read was ignored")
	}
}

func TestMetadataReload(t *testing.T) {
	clock := authntest.NewClock()
	m := authntest.NewMetadata(t, clock.Now())
	m.Write(t, clock.Now())
	h := newHouse(t, demanding(m, authn.AttestDirect), cas)
	if n, until := h.MetadataState(); n != 7 || !until.After(m.Next) {
		t.Errorf("%d, %v", n, until)
	}
	m.Number, m.Tamper = 8, true
	m.Write(t, clock.Now())
	if err := h.ReloadMetadata(); err == nil {
		t.Error("an altered blob was taken")
	}
	if n, _ := h.MetadataState(); n != 7 {
		t.Errorf("number %d after a refusal", n)
	}
	m.Tamper = false
	m.Write(t, clock.Now())
	if err := h.ReloadMetadata(); err != nil {
		t.Error(err)
	}
	if n, _ := h.MetadataState(); n != 8 {
		t.Errorf("number %d", n)
	}
}

// H13, each row under a policy that demands attestation; the right authenticator is accepted after it.
func TestAttestationDemanded(t *testing.T) {
	clock := authntest.NewClock()
	now := clock.Now()
	m := authntest.NewMetadata(t, now)
	m.Write(t, now)
	h := newHouse(t, demanding(m, authn.AttestEnterprise), cas)
	good := func() *authntest.Authenticator {
		return &authntest.Authenticator{AAGUID: m.AAGUID, Attester: m.Maker.NewAttester(t, m.AAGUID, now.AddDate(50, 0, 0))}
	}
	other := [16]byte{1}
	for _, c := range []struct {
		name  string
		a     func() *authntest.Authenticator
		tweak func(*authntest.Ceremony)
		want  error
	}{
		{"H13 none", func() *authntest.Authenticator { return &authntest.Authenticator{AAGUID: m.AAGUID} }, nil, authn.ErrAttestation},
		{"H13 none with a statement", good, func(c *authntest.Ceremony) { c.Format = "none" }, authn.ErrWrong},
		{"H13 self", good, func(c *authntest.Ceremony) { c.SelfAttest = true }, authn.ErrAttestation},
		{"H13 AAGUID that is not the certificate's", good, func(c *authntest.Ceremony) { c.AAGUID = other }, authn.ErrWrong},
		{"H13 make without metadata", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: other, Attester: m.Maker.NewAttester(t, other, now.AddDate(50, 0, 0))}
		}, nil, authn.ErrAttestation},
		{"H13 certificate expired", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: m.AAGUID, Attester: m.Maker.NewAttester(t, m.AAGUID, now.AddDate(-1, 0, 0))}
		}, nil, authn.ErrWrong},
		{"H13 unknown root", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: m.AAGUID, Attester: authntest.NewCA(t, now).NewAttester(t, m.AAGUID, now.AddDate(50, 0, 0))}
		}, nil, authn.ErrAttestation},
	} {
		t.Run(c.name, func(t *testing.T) {
			tweaks := []func(*authntest.Ceremony){}
			if c.tweak != nil {
				tweaks = append(tweaks, c.tweak)
			}
			if err := h.register(t, c.a(), cas.ID, tweaks...); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			a := good()
			if p := h.enrol(t, a, cas.ID); p.Attested != "packed" {
				t.Errorf("the right one: %+v", p)
			}
			proof, err := h.signIn(t, a)
			if err != nil || proof.Assurance() != ident.HardwareBound || !slices.Contains(proof.AMR(), ident.HardwareKey) {
				t.Errorf("the right one signs in: %v, %v", proof.Assurance(), err)
			}
		})
	}
}

// H13: what is reported broken is refused under every policy, and no longer counts as hardware.
func TestMetadataStatus(t *testing.T) {
	for _, status := range []string{"REVOKED", "USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE", "USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE"} {
		t.Run("H13 "+status, func(t *testing.T) {
			clock := authntest.NewClock()
			m := authntest.NewMetadata(t, clock.Now())
			m.Write(t, clock.Now())
			h := newHouse(t, demanding(m, authn.AttestIndirect), cas)
			attester := m.Maker.NewAttester(t, m.AAGUID, clock.Now().AddDate(50, 0, 0))
			a := &authntest.Authenticator{AAGUID: m.AAGUID, Attester: attester}
			h.enrol(t, a, cas.ID)
			m.Status, m.Number = status, 8
			m.Write(t, clock.Now())
			if err := h.ReloadMetadata(); err != nil {
				t.Fatal(err)
			}
			for _, b := range []*authntest.Authenticator{{AAGUID: m.AAGUID, Attester: attester}, {AAGUID: m.AAGUID}} {
				if err := h.register(t, b, cas.ID); !errors.Is(err, authn.ErrAttestation) || h.lastReason() != "broken" {
					t.Errorf("%v", err)
				}
			}
			if p, err := h.signIn(t, a); err != nil || p.Assurance() != ident.PhishingResistant {
				t.Errorf("signs in at %v, %v", p.Assurance(), err)
			}
			m.Status, m.Number = "FIDO_CERTIFIED", 9
			m.Write(t, clock.Now())
			if err := h.ReloadMetadata(); err != nil {
				t.Fatal(err)
			}
			if p, err := h.signIn(t, a); err != nil || p.Assurance() != ident.HardwareBound {
				t.Errorf("once repaired it signs in at %v, %v", p.Assurance(), err)
			}
		})
	}
}

// What is believed of a make, by its metadata and what the passkey says of itself.
func TestHardware(t *testing.T) {
	for _, c := range []struct {
		name       string
		protection []string
		synced     bool
		later      time.Duration
		want       ident.Assurance
	}{
		{"hardware", []string{"hardware"}, false, 0, ident.HardwareBound},
		{"secure element", []string{"secure_element"}, false, 0, ident.HardwareBound},
		{"software", []string{"software"}, false, 0, ident.PhishingResistant},
		{"either", []string{"hardware", "software"}, false, 0, ident.PhishingResistant},
		{"copied to other devices", []string{"hardware"}, true, 0, ident.PhishingResistant},
		{"metadata in its grace", []string{"hardware"}, false, 49 * 24 * time.Hour, ident.HardwareBound},
		{"metadata too old", []string{"hardware"}, false, 52 * 24 * time.Hour, ident.PhishingResistant},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := authntest.NewClock()
			m := authntest.NewMetadata(t, clock.Now())
			m.Protection = c.protection
			m.Write(t, clock.Now())
			h := newHouse(t, demanding(m, authn.AttestDirect), cas)
			a := &authntest.Authenticator{AAGUID: m.AAGUID, Synced: c.synced, Attester: m.Maker.NewAttester(t, m.AAGUID, clock.Now().AddDate(50, 0, 0))}
			h.enrol(t, a, cas.ID)
			h.clock.Advance(c.later)
			if p, err := h.signIn(t, a); err != nil || p.Assurance() != c.want {
				t.Errorf("%v, %v, want %v", p.Assurance(), err, c.want)
			}
		})
	}
}
