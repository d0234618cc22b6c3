package authntest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Metadata is a FIDO metadata service of a test's own, which knows one make of authenticators: its root, the files that a
// Service reads, and what stands in the blob. FIDO Metadata Service 3.1 §3.1.
type Metadata struct {
	File, RootFile string
	Root           *CA
	Maker          *CA      // of the authenticators
	AAGUID         [16]byte // of the make
	Host           string   // in the certificate of the signer
	Number         int
	Next           time.Time
	Status         string
	Protection     []string
	Spoil          func(header map[string]any) // before it is signed
	Tamper         bool                        // after
	SignWith       *CA                         // instead of Root
}

// NewMetadata makes one whose root is on file; the blob is there after Write.
func NewMetadata(t testing.TB, now time.Time) *Metadata {
	t.Helper()
	dir := t.TempDir()
	m := &Metadata{
		File: filepath.Join(dir, "blob.jwt"), RootFile: filepath.Join(dir, "root.pem"), Root: NewCA(t, now), Maker: NewCA(t, now), AAGUID: [16]byte{0xca, 0xfe, 15: 1},
		Host: "mds.fidoalliance.org", Number: 7, Next: now.AddDate(0, 0, 20), Status: "FIDO_CERTIFIED_L2", Protection: []string{"hardware", "secure_element"},
	}
	m.WriteRoot(t)
	return m
}

// WriteRoot puts the certificate of the root on file.
func (m *Metadata) WriteRoot(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(m.RootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Root.Cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Write signs the blob and puts it on file.
func (m *Metadata) Write(t testing.TB, now time.Time) {
	t.Helper()
	ca := m.Root
	if m.SignWith != nil {
		ca = m.SignWith
	}
	cert, key := ca.Issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: m.Host}, DNSNames: []string{m.Host}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 3, 0),
	})
	header := map[string]any{"alg": "ES256", "typ": "JWT", "x5c": []string{base64.StdEncoding.EncodeToString(cert.Raw)}}
	if m.Spoil != nil {
		m.Spoil(header)
	}
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", m.AAGUID[:4], m.AAGUID[4:6], m.AAGUID[6:8], m.AAGUID[8:10], m.AAGUID[10:])
	payload := map[string]any{
		"legalHeader": "test", "no": m.Number, "nextUpdate": m.Next.Format(time.DateOnly),
		"entries": []any{
			map[string]any{"aaguid": "not one"},
			map[string]any{
				"aaguid": uuid, "timeOfLastStatusChange": "2026-01-01",
				"statusReports": []any{map[string]any{"status": m.Status, "effectiveDate": "2026-01-01"}},
				"metadataStatement": map[string]any{
					"aaguid": uuid, "description": "Test Key", "protocolFamily": "fido2", "schema": 3, "keyProtection": m.Protection,
					"attestationTypes": []string{"basic_full"}, "attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(m.Maker.Cert.Raw)},
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
	if m.Tamper {
		sig[5] ^= 1
	}
	if err := os.WriteFile(m.File, []byte(signed+"."+base64.RawURLEncoding.EncodeToString(sig)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
