package did

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// mdlDS is the extended key usage of those who sign mdocs, ISO 18013-5 §B.1.4; stateOrProvince is X.520's.
var (
	mdlDS           = asn1.ObjectIdentifier{1, 0, 18013, 5, 1, 2}
	keyUsage        = asn1.ObjectIdentifier{2, 5, 29, 15}
	extKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37}
	stateOrProvince = asn1.ObjectIdentifier{2, 5, 4, 8}
)

// mdocSigner verifies x5chain up to an IACA of the policy and the profiles of both certificates, and returns the first.
// Where the policy trusts anybody and has no roots only the first one is looked at. ISO 18013-5 §9.3.3, §B.1.2 and §B.1.4.
func (e *exam) mdocSigner(chain [][]byte) (s signer, leaf *x509.Certificate, err error) {
	if len(chain) == 0 {
		return signer{id: "a signer without a name"}, nil, errors.New("the issuer shows no certificate (x5chain)")
	}
	var certs []*x509.Certificate
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return s, nil, errors.New("x5chain holds what is no certificate")
		}
		certs = append(certs, c)
	}
	leaf = certs[0]
	sum := sha256.Sum256(leaf.Raw)
	s = signer{id: "x5c:" + hex.EncodeToString(sum[:]), anchor: "x5c"}
	if err := documentSignerProfile(leaf); err != nil {
		return s, leaf, err
	}
	if e.at.Before(leaf.NotBefore) || e.at.After(leaf.NotAfter) {
		return s, leaf, errors.New("x5chain: the certificate is not valid at this time")
	}
	k, err := NewKey(leaf.PublicKey)
	if err != nil {
		return s, leaf, err
	}
	if len(e.p.Trust.Roots) > 0 || !e.p.Trust.Any {
		if err := e.iaca(certs); err != nil {
			return s, leaf, err
		}
		s.rooted = true
	}
	s.keys = []Key{k}
	return s, leaf, nil
}

// documentSignerProfile checks what a certificate says of itself, ISO 18013-5 §B.1.4.
func documentSignerProfile(c *x509.Certificate) error {
	switch {
	case c.Version != 3 || c.IsCA:
		return errors.New("x5chain: a certificate authority signs no documents")
	case c.KeyUsage != x509.KeyUsageDigitalSignature || !critical(c, keyUsage):
		return errors.New("x5chain: this certificate is not for signatures alone")
	case len(c.ExtKeyUsage) > 0 || !slices.ContainsFunc(c.UnknownExtKeyUsage, mdlDS.Equal) || !critical(c, extKeyUsage):
		return errors.New("x5chain: this certificate is not for signing mdocs (1.0.18013.5.1.2)")
	case len(c.Subject.Country) != 1:
		return errors.New("x5chain: this certificate names no country, or several")
	}
	return nil
}

// iaca checks that the chain ends at a root of the policy which is an IACA, ISO 18013-5 §B.1.2, of the same country and, where
// both name one, the same state.
func (e *exam) iaca(certs []*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range e.p.Trust.Roots {
		if c.IsCA && c.KeyUsage&x509.KeyUsageCertSign != 0 { // else it is a root of something else, or a signer's own
			roots.AddCert(c)
		}
	}
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	paths, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: e.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return errors.New("x5chain: the chain ends at no IACA root of the policy")
	}
	for _, path := range paths {
		if err = sameAuthority(certs[0].Subject, path[len(path)-1].Subject); err == nil {
			return nil
		}
	}
	return err
}

func sameAuthority(signer, root pkix.Name) error {
	if len(root.Country) > 0 && !slices.EqualFunc(signer.Country, root.Country, strings.EqualFold) {
		return errors.New("x5chain: the signer and the IACA are of different countries")
	}
	if s, r := stateOf(signer), stateOf(root); s != "" && r != "" && s != r {
		return errors.New("x5chain: the signer and the IACA are of different states")
	}
	return nil
}

// stateOf is the one stateOrProvinceName, "" if there is none.
func stateOf(n pkix.Name) string {
	for _, a := range n.Names {
		if s, isText := a.Value.(string); isText && a.Type.Equal(stateOrProvince) {
			return s
		}
	}
	return ""
}

func critical(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(x pkix.Extension) bool { return x.Critical && x.Id.Equal(id) })
}

// sameCountry checks that what a document says of its issuing country and state is what the certificate of its signer says.
// ISO 18013-5 §9.3.1.
func sameCountry(claims object, c *x509.Certificate) error {
	for space, v := range claims {
		values, _ := v.(object)
		country, named := values["issuing_country"]
		if named && (len(c.Subject.Country) != 1 || !strings.EqualFold(text(country), c.Subject.Country[0])) {
			return errors.New("issuing_country is not the country of the signer's certificate")
		}
		state, named := values["issuing_jurisdiction"]
		if s := stateOf(c.Subject); named && s != "" && space == "org.iso.18013.5.1" && text(state) != s {
			return errors.New("issuing_jurisdiction is not the state of the signer's certificate")
		}
	}
	return nil
}
