package authn_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// mds is a metadata service of our own: its root, the files that a Service reads, and what stands in the blob.
type mds struct {
	file, rootFile string
	root           *authntest.CA
	maker          *authntest.CA
	host           string
	number         int
	next           time.Time
	status         string
	protection     []string
	spoil          func(header map[string]any) // before it is signed
	tamper         bool                        // after
	signWith       *authntest.CA               // instead of root
}

var testAAGUID = [16]byte{0xca, 0xfe, 15: 1}

func newMDS(t *testing.T, now time.Time) *mds {
	t.Helper()
	dir := t.TempDir()
	m := &mds{
		file: filepath.Join(dir, "blob.jwt"), rootFile: filepath.Join(dir, "root.pem"), root: authntest.NewCA(t, now), maker: authntest.NewCA(t, now),
		host: "mds.fidoalliance.org", number: 7, next: now.AddDate(0, 0, 20), status: "FIDO_CERTIFIED_L2", protection: []string{"hardware", "secure_element"},
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.root.Cert.Raw})
	if err := os.WriteFile(m.rootFile, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *mds) policy(a authn.Attestation) authn.Policy {
	return authn.Policy{Passkey: authn.PasskeyPolicy{
		RPID: authntest.RPID, Origins: []string{authntest.Origin}, Attestation: a,
		Metadata: authn.MetadataPolicy{File: m.file, Root: m.rootFile},
	}}
}

func (m *mds) write(t *testing.T, now time.Time) {
	t.Helper()
	ca := m.root
	if m.signWith != nil {
		ca = m.signWith
	}
	cert, key := ca.Issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: m.host}, DNSNames: []string{m.host}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 3, 0),
	})
	header := map[string]any{"alg": "ES256", "typ": "JWT", "x5c": []string{base64.StdEncoding.EncodeToString(cert.Raw)}}
	if m.spoil != nil {
		m.spoil(header)
	}
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", testAAGUID[:4], testAAGUID[4:6], testAAGUID[6:8], testAAGUID[8:10], testAAGUID[10:])
	payload := map[string]any{
		"legalHeader": "test", "no": m.number, "nextUpdate": m.next.Format(time.DateOnly),
		"entries": []any{
			map[string]any{"aaguid": "not one"},
			map[string]any{
				"aaguid": uuid, "timeOfLastStatusChange": "2026-01-01",
				"statusReports": []any{map[string]any{"status": m.status, "effectiveDate": "2026-01-01"}},
				"metadataStatement": map[string]any{
					"aaguid": uuid, "description": "Test Key", "protocolFamily": "fido2", "schema": 3, "keyProtection": m.protection,
					"attestationTypes": []string{"basic_full"}, "attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(m.maker.Cert.Raw)},
				},
			},
		},
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(header) + "." + part(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	if m.tamper {
		sig[5] ^= 1
	}
	if err := os.WriteFile(m.file, []byte(signed+"."+base64.RawURLEncoding.EncodeToString(sig)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load starts a Service that reads the blob as it is written now.
func (m *mds) load(t *testing.T) error {
	t.Helper()
	clock := authntest.NewClock()
	m.write(t, clock.Now())
	e := newEngine(t, clock)
	_, err := authn.New(authn.Options{
		Users: e, Passkeys: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now, Policy: m.policy(authn.AttestDirect),
	})
	return err
}

func TestMetadataBlob(t *testing.T) {
	now := authntest.NewClock().Now()
	for _, c := range []struct {
		name  string
		spoil func(*mds)
		ok    bool
	}{
		{"good", func(*mds) {}, true},
		{"signature altered", func(m *mds) { m.tamper = true }, false},
		{"another root", func(m *mds) { m.signWith = authntest.NewCA(t, now) }, false},
		{"a certificate of somebody else under the same root", func(m *mds) { m.host = "www.example.com" }, false},
		{"root expired", func(m *mds) { m.root = authntest.NewCA(t, now.AddDate(-100, 0, 0)); m.writeRoot(t) }, false},
		{"alg none", func(m *mds) { m.spoil = func(h map[string]any) { h["alg"] = "none" } }, false},
		{"alg of another key", func(m *mds) { m.spoil = func(h map[string]any) { h["alg"] = "RS256" } }, false},
		{"no certificate", func(m *mds) { m.spoil = func(h map[string]any) { delete(h, "x5c") } }, false},
		{"certificate elsewhere", func(m *mds) { m.spoil = func(h map[string]any) { delete(h, "x5c"); h["x5u"] = "https://example.com/" } }, false},
		{"critical parameter", func(m *mds) { m.spoil = func(h map[string]any) { h["crit"] = []string{"b64"} } }, false},
		{"without a number", func(m *mds) { m.number = 0 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMDS(t, now)
			c.spoil(m)
			if err := m.load(t); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

func (m *mds) writeRoot(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(m.rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.root.Cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A blob that is older than one that was here before is refused, also after a restart.
func TestMetadataRollback(t *testing.T) {
	m := newMDS(t, authntest.NewClock().Now())
	for _, step := range []struct {
		number int
		ok     bool
	}{{7, true}, {7, true}, {9, true}, {8, false}, {9, true}, {10, true}} {
		m.number = step.number
		if err := m.load(t); (err == nil) != step.ok {
			t.Errorf("number %d: %v", step.number, err)
		}
	}
	if err := os.WriteFile(m.file+".no", []byte("many"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m.load(t) == nil {
		t.Error("a number that cannot be read was ignored")
	}
}

func TestMetadataReload(t *testing.T) {
	clock := authntest.NewClock()
	m := newMDS(t, clock.Now())
	m.write(t, clock.Now())
	h := newHouse(t, m.policy(authn.AttestDirect), cas)
	if n, until := h.MetadataState(); n != 7 || !until.After(m.next) {
		t.Errorf("%d, %v", n, until)
	}
	m.number, m.tamper = 8, true
	m.write(t, clock.Now())
	if err := h.ReloadMetadata(); err == nil {
		t.Error("an altered blob was taken")
	}
	if n, _ := h.MetadataState(); n != 7 {
		t.Errorf("number %d after a refusal", n)
	}
	m.tamper = false
	m.write(t, clock.Now())
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
	m := newMDS(t, now)
	m.write(t, now)
	h := newHouse(t, m.policy(authn.AttestEnterprise), cas)
	good := func() *authntest.Authenticator {
		return &authntest.Authenticator{AAGUID: testAAGUID, Attester: m.maker.NewAttester(t, testAAGUID, now.AddDate(50, 0, 0))}
	}
	other := [16]byte{1}
	for _, c := range []struct {
		name  string
		a     func() *authntest.Authenticator
		tweak func(*authntest.Ceremony)
		want  error
	}{
		{"H13 none", func() *authntest.Authenticator { return &authntest.Authenticator{AAGUID: testAAGUID} }, nil, authn.ErrAttestation},
		{"H13 none with a statement", good, func(c *authntest.Ceremony) { c.Format = "none" }, authn.ErrWrong},
		{"H13 self", good, func(c *authntest.Ceremony) { c.SelfAttest = true }, authn.ErrAttestation},
		{"H13 AAGUID that is not the certificate's", good, func(c *authntest.Ceremony) { c.AAGUID = other }, authn.ErrWrong},
		{"H13 make without metadata", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: other, Attester: m.maker.NewAttester(t, other, now.AddDate(50, 0, 0))}
		}, nil, authn.ErrAttestation},
		{"H13 certificate expired", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: testAAGUID, Attester: m.maker.NewAttester(t, testAAGUID, now.AddDate(-1, 0, 0))}
		}, nil, authn.ErrWrong},
		{"H13 unknown root", func() *authntest.Authenticator {
			return &authntest.Authenticator{AAGUID: testAAGUID, Attester: authntest.NewCA(t, now).NewAttester(t, testAAGUID, now.AddDate(50, 0, 0))}
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
			m := newMDS(t, clock.Now())
			m.write(t, clock.Now())
			h := newHouse(t, m.policy(authn.AttestIndirect), cas)
			attester := m.maker.NewAttester(t, testAAGUID, clock.Now().AddDate(50, 0, 0))
			a := &authntest.Authenticator{AAGUID: testAAGUID, Attester: attester}
			h.enrol(t, a, cas.ID)
			m.status, m.number = status, 8
			m.write(t, clock.Now())
			if err := h.ReloadMetadata(); err != nil {
				t.Fatal(err)
			}
			for _, b := range []*authntest.Authenticator{{AAGUID: testAAGUID, Attester: attester}, {AAGUID: testAAGUID}} {
				if err := h.register(t, b, cas.ID); !errors.Is(err, authn.ErrAttestation) || h.lastReason() != "broken" {
					t.Errorf("%v", err)
				}
			}
			if p, err := h.signIn(t, a); err != nil || p.Assurance() != ident.PhishingResistant {
				t.Errorf("signs in at %v, %v", p.Assurance(), err)
			}
			m.status, m.number = "FIDO_CERTIFIED", 9
			m.write(t, clock.Now())
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
			m := newMDS(t, clock.Now())
			m.protection = c.protection
			m.write(t, clock.Now())
			h := newHouse(t, m.policy(authn.AttestDirect), cas)
			a := &authntest.Authenticator{AAGUID: testAAGUID, Synced: c.synced, Attester: m.maker.NewAttester(t, testAAGUID, clock.Now().AddDate(50, 0, 0))}
			h.enrol(t, a, cas.ID)
			h.clock.Advance(c.later)
			if p, err := h.signIn(t, a); err != nil || p.Assurance() != c.want {
				t.Errorf("%v, %v, want %v", p.Assurance(), err, c.want)
			}
		})
	}
}
