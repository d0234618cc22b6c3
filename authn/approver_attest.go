package authn

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// ApproverPolicy is what an operator may choose about apps that approve.
type ApproverPolicy struct {
	Roots    string // file with the root certificates of key attestation, PEM, at most 1 MiB: none is believed
	Attested bool   // only apps whose key is attested can be enrolled
}

// AttestAndroid is the format of attestation that Android's hardware gives of keys in it.
const AttestAndroid = "android-key"

const maxRoots = 1 << 20 // bytes

// roots reads the roots; nil where there are none.
func (p ApproverPolicy) roots() (*x509.CertPool, error) {
	if p.Roots == "" {
		if p.Attested {
			return nil, errors.New("authn: attestation cannot be demanded of apps without roots")
		}
		return nil, nil
	}
	pem, err := readFile(p.Roots, maxRoots)
	if err != nil {
		return nil, fmt.Errorf("authn: roots of apps: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("authn: roots of apps: no certificates in PEM")
	}
	return pool, nil
}

// appAttestation is what an app shows of where its key lives.
type appAttestation struct {
	Format string   `json:"format"`
	X5C    []string `json:"x5c"` // DER in base64, leaf first; RFC 7515 §4.1.6
}

// attested returns the format of an attestation of k that was made for code, or "" where none is believed. One that is
// there and wrong is refused.
func (s *Service) attested(a *appAttestation, k appKey, code string) (string, error) {
	switch {
	case s.appRoots == nil:
		return "", nil
	case a == nil && !s.policy.Approvers.Attested:
		return "", nil
	case a == nil || a.Format != AttestAndroid || !s.android(a.X5C, k, code):
		return "", refuse("attestation")
	}
	return a.Format, nil
}

// android checks a chain of Android Key Attestation: that it ends in a root, that its key is k, and that the hardware
// says: made in it, for code, used only after it has verified its user.
func (s *Service) android(x5c []string, k appKey, code string) bool {
	if len(x5c) == 0 || len(x5c) > 8 {
		return false
	}
	leaf, between, err := parseChain(x5c)
	if err != nil {
		return false
	}
	if pub, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		return false
	} else if want, err := k.public(); err != nil || !want.Equal(pub) {
		return false
	}
	opts := x509.VerifyOptions{Roots: s.appRoots, Intermediates: between, CurrentTime: s.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := leaf.Verify(opts); err != nil {
		return false
	}
	for _, x := range leaf.Extensions {
		if x.Id.Equal(oidAndroidKey) {
			challenge := sha256.Sum256([]byte(plainCode(code)))
			return checkAndroidKey(x.Value, challenge[:])
		}
	}
	return false
}

// oidAndroidKey is the extension that describes a key of Android.
var oidAndroidKey = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}

// The tags of what the hardware enforces that count here.
const (
	tagNoAuth, tagUserAuth, tagOrigin = 503, 504, 702
	inSoftware                        = 0 // security level; 1: trusted environment, 2: StrongBox
)

// checkAndroidKey reads a KeyDescription.
func checkAndroidKey(der, challenge []byte) bool {
	var d struct {
		Version      int
		Level        asn1.Enumerated
		KeyVersion   int
		KeyLevel     asn1.Enumerated
		Challenge    []byte
		UniqueID     []byte
		Software     asn1.RawValue
		HardwareOnly asn1.RawValue
	}
	if rest, err := asn1.Unmarshal(der, &d); err != nil || len(rest) > 0 {
		return false
	}
	if d.Level == inSoftware || d.KeyLevel == inSoftware || subtle.ConstantTimeCompare(d.Challenge, challenge) != 1 {
		return false
	}
	var tags []int
	for rest := d.HardwareOnly.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil || v.Class != asn1.ClassContextSpecific {
			return false
		}
		if v.Tag == tagOrigin { // GENERATED is 0: not imported, not derived elsewhere
			var origin int
			if more, err := asn1.Unmarshal(v.Bytes, &origin); err != nil || len(more) > 0 || origin != 0 {
				return false
			}
		}
		tags = append(tags, v.Tag)
	}
	return slices.Contains(tags, tagOrigin) && slices.Contains(tags, tagUserAuth) && !slices.Contains(tags, tagNoAuth)
}
