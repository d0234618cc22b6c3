package did_test

import (
	"cmp"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/postern-id/postern/did"
)

type (
	cmap  = map[string]any
	chead = map[int64]any
)

const pidType = "eu.europa.ec.eudi.pid.1"

// mdocMaker makes a presentation, and lets a test change each thing before it goes into the next.
type mdocMaker struct {
	certs     func(root, leaf *x509.Certificate)
	space     string // the namespace; "": that of the type
	selfRoot  bool   // the signer's own certificate is the policy's root
	items     func([]cmap) []cmap
	mso       func(cmap)
	head      func(protected, open chead)
	sign1     func([]any)
	disclosed func([]cbor.RawMessage) []cbor.RawMessage
	signed    func(cmap)                  // IssuerSigned
	spaces    cmap                        // what the device says
	device    func(protected, open chead) // of its signature or MAC
	auth      func(cmap)                  // deviceAuth
	document  func(cmap)
	response  func(cmap)
	policy    func(*did.Policy)
	mac       bool
	nowhere   bool // the device signs for no session at all
	alone     bool // the IssuerSigned only
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func encode(t testing.TB, v any) cbor.RawMessage {
	t.Helper()
	mode := must[cbor.EncMode](t)(cbor.CanonicalEncOptions().EncMode())
	return must[[]byte](t)(mode.Marshal(v))
}

func tagged(t testing.TB, v any) cbor.RawMessage {
	t.Helper()
	return encode(t, cbor.Tag{Number: 24, Content: []byte(encode(t, v))})
}

func tdate(at time.Time) any { return cbor.Tag{Number: 0, Content: at.UTC().Format(time.RFC3339)} }

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func coseEC2(k *ecdsa.PrivateKey) chead {
	b, _ := k.PublicKey.Bytes()
	return chead{1: 2, -1: 1, -2: b[1:33], -3: b[33:]}
}

func rawSignature(t testing.TB, k *ecdsa.PrivateKey, input []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func (m mdocMaker) certificates(t testing.TB, key *ecdsa.PrivateKey) (root, leaf []byte) {
	t.Helper()
	iaca := p256(t)
	r := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "IACA", Country: []string{"UT"}}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	l := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "DS", Country: []string{"UT"}}, NotBefore: now.AddDate(0, -2, 0), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{ekuOf(t, asn1.ObjectIdentifier{1, 0, 18013, 5, 1, 2})}}
	if m.certs != nil {
		m.certs(r, l)
	}
	create := must[[]byte](t)
	root = create(x509.CreateCertificate(rand.Reader, r, r, &iaca.PublicKey, iaca))
	return root, create(x509.CreateCertificate(rand.Reader, l, r, &key.PublicKey, iaca))
}

// ekuOf is a critical extended key usage; the library writes it as one that is not.
func ekuOf(t testing.TB, ids ...asn1.ObjectIdentifier) pkix.Extension {
	t.Helper()
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: must[[]byte](t)(asn1.Marshal(ids))}
}

// call changes v, where a test asks for it.
func call[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

func (m mdocMaker) issuerSigned(t testing.TB, device *ecdsa.PrivateKey) (signed cmap, root []byte) {
	t.Helper()
	key := p256(t)
	root, leaf := m.certificates(t, key)
	if m.selfRoot {
		root = leaf
	}
	space := cmp.Or(m.space, pidType)
	var items []cmap
	for i, name := range []string{"family_name", "age_over_18", "issuing_country"} {
		items = append(items, cmap{"digestID": i, "random": slices.Repeat([]byte{byte(i)}, 16), "elementIdentifier": name, "elementValue": []any{"Doe", true, "UT"}[i]})
	}
	if m.items != nil {
		items = m.items(items)
	}
	digests, raw := map[uint64][]byte{}, []cbor.RawMessage{}
	for i, it := range items {
		b := tagged(t, it)
		sum := sha256.Sum256(b)
		raw, digests[uint64(i)] = append(raw, b), sum[:]
	}
	mso := cmap{"version": "1.0", "digestAlgorithm": "SHA-256", "valueDigests": cmap{space: digests}, "docType": pidType,
		"deviceKeyInfo": cmap{"deviceKey": coseEC2(device)}, "validityInfo": cmap{"signed": tdate(now.AddDate(0, -1, 0)), "validFrom": tdate(now.AddDate(0, -1, 0)), "validUntil": tdate(now.AddDate(0, 1, 0))}}
	call(m.mso, mso)
	protected, open := chead{1: -7}, chead{33: leaf}
	if m.head != nil {
		m.head(protected, open)
	}
	payload := tagged(t, mso)
	sign1 := []any{[]byte(encode(t, protected)), open, []byte(payload), nil}
	sign1[3] = rawSignature(t, key, encode(t, []any{"Signature1", sign1[0], []byte{}, []byte(payload)}))
	call(m.sign1, sign1)
	if m.disclosed != nil {
		raw = m.disclosed(raw)
	}
	signed = cmap{"nameSpaces": cmap{space: raw}, "issuerAuth": sign1}
	call(m.signed, signed)
	return signed, root
}

// make returns what is presented, and a policy under which it holds unless something was changed.
func (m mdocMaker) make(t testing.TB) ([]byte, did.Policy) {
	t.Helper()
	device := p256(t)
	reader := must[*ecdh.PrivateKey](t)(ecdh.P256().GenerateKey(rand.Reader))
	signed, root := m.issuerSigned(t, device)
	p := did.Policy{Trust: did.Trust{Roots: []*x509.Certificate{must[*x509.Certificate](t)(x509.ParseCertificate(root))}}, Transcript: did.OpenID4VPTranscript("x509_san_dns:v.example", nonce, "https://v.example/r", did.Key{}), ReaderKey: reader}
	// written out here once more, so that the helper is not its own witness
	info := sha256.Sum256(encode(t, []any{"x509_san_dns:v.example", nonce, nil, "https://v.example/r"}))
	var session any = []any{nil, nil, []any{"OpenID4VPHandover", info[:]}}
	if m.nowhere {
		session, p.Transcript = nil, did.Transcript{}
	}
	spaces := m.spaces
	if spaces == nil {
		spaces = cmap{}
	}
	over := tagged(t, []any{"DeviceAuthentication", session, pidType, tagged(t, spaces)})
	auth := cmap{}
	if m.mac {
		protected, open := chead{1: 5}, chead{}
		if m.device != nil {
			m.device(protected, open)
		}
		secret := must[[]byte](t)(must[*ecdh.PrivateKey](t)(device.ECDH()).ECDH(reader.PublicKey()))
		salt := sha256.Sum256(tagged(t, session))
		h := hmac.New(sha256.New, must[[]byte](t)(hkdf.Key(sha256.New, secret, salt[:], "EMacKey", 32)))
		h.Write(encode(t, []any{"MAC0", []byte(encode(t, protected)), []byte{}, []byte(over)}))
		auth["deviceMac"] = []any{[]byte(encode(t, protected)), open, nil, h.Sum(nil)}
	} else {
		protected, open := chead{1: -7}, chead{}
		if m.device != nil {
			m.device(protected, open)
		}
		sig := rawSignature(t, device, encode(t, []any{"Signature1", []byte(encode(t, protected)), []byte{}, []byte(over)}))
		auth["deviceSignature"] = []any{[]byte(encode(t, protected)), open, nil, sig}
	}
	call(m.auth, auth)
	document := cmap{"docType": pidType, "issuerSigned": signed, "deviceSigned": cmap{"nameSpaces": tagged(t, spaces), "deviceAuth": auth}}
	call(m.document, document)
	response := cmap{"version": "1.0", "documents": []any{document}, "status": 0}
	call(m.response, response)
	if m.policy != nil {
		m.policy(&p)
	}
	if m.alone {
		return encode(t, signed), p
	}
	return encode(t, response), p
}
