package authn

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
)

// MetadataPolicy says what the makers of authenticators vouch for: a FIDO Metadata Service blob. Without File there
// is none, and no authenticator's make is believed. Nothing is ever fetched.
type MetadataPolicy struct {
	File  string        // the blob as it was fetched, a JWS; its number is remembered in File + ".no"
	Root  string        // file with the root certificates that the blob's chain must end in, PEM
	Host  string        // whom the signing certificate must name: mds.fidoalliance.org
	Grace time.Duration // how long after its nextUpdate the blob still vouches: 30 days
}

func (p *MetadataPolicy) complete() error {
	if p.File == "" {
		return nil
	}
	if p.Root == "" {
		return errors.New("authn: metadata needs the root certificate that it is signed under")
	}
	if p.Host == "" {
		p.Host = "mds.fidoalliance.org"
	}
	if p.Grace == 0 {
		p.Grace = 30 * 24 * time.Hour
	}
	return nil
}

// metadataService answers for makes of authenticators. nil knows none.
type metadataService struct {
	policy MetadataPolicy
	now    func() time.Time
	blob   atomic.Pointer[metadataBlob]
}

func newMetadataService(p MetadataPolicy, now func() time.Time) (*metadataService, error) {
	if p.File == "" {
		return nil, nil
	}
	m := &metadataService{policy: p, now: now}
	return m, m.load()
}

// ReloadMetadata reads the metadata again; on an error, such as a blob older than the last one, what was read before
// still counts.
func (s *Service) ReloadMetadata() error {
	if s.mds == nil {
		return nil
	}
	return s.mds.load()
}

// MetadataState returns the number of the blob and until when it vouches; zeros where there is none. After that no
// make of authenticator is believed, and those that are reported broken are still refused.
func (s *Service) MetadataState() (number int64, until time.Time) {
	if s.mds == nil {
		return 0, time.Time{}
	}
	b := s.mds.blob.Load()
	return b.number, b.until
}

func (m *metadataService) entry(aaguid [16]byte) (e *metadata.Entry, vouches bool) {
	if m == nil {
		return nil, false
	}
	b := m.blob.Load()
	e = b.entries[aaguid]
	return e, e != nil && m.now().Before(b.until)
}

// broken are the reports after which a passkey of that make proves little. FIDO MDS v3.1 §3.1.4.
var broken = []metadata.AuthenticatorStatus{
	metadata.Revoked, metadata.UserVerificationBypass, metadata.AttestationKeyCompromise,
	metadata.UserKeyRemoteCompromise, metadata.UserKeyPhysicalCompromise,
}

func isBroken(e *metadata.Entry, now time.Time) bool {
	return slices.ContainsFunc(e.StatusReports, func(r metadata.StatusReport) bool {
		return slices.Contains(broken, r.Status) && r.InEffectAt(now)
	})
}

// hardware says whether keys of that make cannot leave their hardware.
func (m *metadataService) hardware(aaguid [16]byte) bool {
	e, vouches := m.entry(aaguid)
	if !vouches || isBroken(e, m.now()) {
		return false
	}
	p := e.MetadataStatement.KeyProtection
	return (slices.Contains(p, "hardware") || slices.Contains(p, "secure_element")) && !slices.Contains(p, "software")
}

// trust returns the format of an attestation, already verified, whose chain ends where the metadata says, "" for one
// that is not believed, and a refusal where policy demands one or the make is reported broken. WebAuthn L3 §7.1
// steps 22 to 24.
func (s *Service) trust(att *protocol.AttestationObject) (string, error) {
	e, vouches := s.mds.entry([16]byte(att.AuthData.AttData.AAGUID))
	if e != nil && isBroken(e, s.now()) {
		return "", refusal{"broken", ErrAttestation}
	}
	if vouches && e.MetadataStatement.AttestationTypes.HasCertificateTrustPath() && chained(att, e, s.now()) {
		return att.Format, nil
	}
	if a := s.policy.Passkey.Attestation; a == AttestDirect || a == AttestEnterprise {
		return "", refusal{"untrusted", ErrAttestation}
	}
	return "", nil
}

// oidSAN is critical in the certificates of TPMs, where it holds what only §8.3.1 of WebAuthn understands.
var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

// chained says whether the certificates of att end in a root of e. FIDO MDS v3.1 §3.2.
func chained(att *protocol.AttestationObject, e *metadata.Entry, now time.Time) bool {
	list, _ := att.AttStatement["x5c"].([]any)
	if len(list) == 0 || len(list) > 8 {
		return false
	}
	var certs []*x509.Certificate
	for _, c := range list {
		der, _ := c.([]byte)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return false
		}
		certs = append(certs, cert)
	}
	if protocol.AttestationFormat(att.Format) == protocol.AttestationFormatTPM {
		certs[0].UnhandledCriticalExtensions = slices.DeleteFunc(certs[0].UnhandledCriticalExtensions, oidSAN.Equal)
	}
	opts := e.MetadataStatement.Verifier(certs[1:])
	opts.CurrentTime = now
	_, err := certs[0].Verify(opts)
	return err == nil
}

func metadataError(err error) error { return fmt.Errorf("authn: metadata: %w", err) }
