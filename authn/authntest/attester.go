package authntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// CA signs certificates for tests, as a maker of authenticators does, or the issuer of metadata.
type CA struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// NewCA makes a root that is valid from ten years before at to ninety after.
func NewCA(t testing.TB, at time.Time) *CA {
	t.Helper()
	ca := &CA{}
	ca.Cert, ca.Key = (*CA)(nil).Issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: at.AddDate(-10, 0, 0), NotAfter: at.AddDate(90, 0, 0),
	})
	return ca
}

// Issue signs a certificate after template for a new key; a nil CA has it sign itself.
func (ca *CA) Issue(t testing.TB, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	template.SerialNumber = new(big.Int).SetBytes(random(t, 8))
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.Cert, ca.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return cert, key
}

// Attester attests for a make of authenticators. WebAuthn L3 §8.2.
type Attester struct {
	chain [][]byte
	key   *ecdsa.PrivateKey
}

// NewAttester makes one for aaguid, whose certificate is valid until notAfter: the library
// looks at the clock on the wall, so that it should lie far off.
func (ca *CA) NewAttester(t testing.TB, aaguid [16]byte, notAfter time.Time) *Attester {
	t.Helper()
	id, err := asn1.Marshal(aaguid[:])
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	cert, key := ca.Issue(t, &x509.Certificate{
		Subject: pkix.Name{
			Country: []string{"DE"}, Organization: []string{"Test"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Test Key",
		},
		NotBefore: ca.Cert.NotBefore, NotAfter: notAfter, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: id}},
	})
	return &Attester{chain: [][]byte{cert.Raw}, key: key}
}

func (a *Attester) statement(t testing.TB, signed []byte) []byte {
	t.Helper()
	var chain [][]byte
	for _, c := range a.chain {
		chain = append(chain, cborBytes(c))
	}
	return cborMap(cborText("alg"), cborInt(ES256), cborText("sig"), cborBytes(sign(t, a.key, signed)), cborText("x5c"), cborArray(chain...))
}
