package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

// maker attests keys as the makers of Android devices do.
type maker struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newMaker(t *testing.T) maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "maker"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2048, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return maker{cert, key}
}

func (m maker) file(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// description is what the hardware says of a key.
type description struct {
	level     int
	challenge string
	tags      []int
	origin    int
}

func good(code string) description {
	return description{level: 1, challenge: strings.ReplaceAll(code, "-", ""), tags: []int{1, 504, 702}}
}

func (d description) der(t *testing.T) []byte {
	t.Helper()
	marshal := func(v any) []byte {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var hardware []byte
	for _, tag := range d.tags {
		inner := marshal(2)
		if tag == 702 {
			inner = marshal(d.origin)
		}
		hardware = append(hardware, marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: inner})...)
	}
	sum := sha256.Sum256([]byte(d.challenge))
	return marshal(struct {
		Version            int
		Level              asn1.Enumerated
		KeyVersion         int
		KeyLevel           asn1.Enumerated
		Challenge, ID      []byte
		Software, Hardware asn1.RawValue
	}{300, asn1.Enumerated(d.level), 300, asn1.Enumerated(d.level), sum[:], []byte{}, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true},
		asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: hardware}})
}

func (m maker) attest(t *testing.T, key *ecdsa.PublicKey, description []byte) []string {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "key"}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2048, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}, Value: description}}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, m.cert, key, m.key)
	if err != nil {
		t.Fatal(err)
	}
	return []string{base64.StdEncoding.EncodeToString(der), base64.StdEncoding.EncodeToString(m.cert.Raw)}
}

func TestAttestedApp(t *testing.T) {
	m, other := newMaker(t), newMaker(t)
	type want struct {
		demanded, taken bool // whether it is enrolled where attestation is demanded, and where it is taken
		format          string
	}
	for _, c := range []struct {
		name   string
		attest func(t *testing.T, app *authntest.App, code string) any
		want   want
	}{
		{"right", func(t *testing.T, app *authntest.App, code string) any {
			return m.attest(t, &app.Key.PublicKey, good(code).der(t))
		}, want{true, true, "android-key"}},
		{"none", func(*testing.T, *authntest.App, string) any { return nil }, want{false, true, ""}},
		{"another maker", func(t *testing.T, app *authntest.App, code string) any {
			return other.attest(t, &app.Key.PublicKey, good(code).der(t))
		}, want{}},
		{"another key", func(t *testing.T, _ *authntest.App, code string) any {
			return m.attest(t, &authntest.NewApp(t).Key.PublicKey, good(code).der(t))
		}, want{}},
		{"for another code", func(t *testing.T, app *authntest.App, _ string) any {
			return m.attest(t, &app.Key.PublicKey, good("AAAAAAAAAAAAAAAA").der(t))
		}, want{}},
		{"in software", func(t *testing.T, app *authntest.App, code string) any {
			d := good(code)
			d.level = 0
			return m.attest(t, &app.Key.PublicKey, d.der(t))
		}, want{}},
		{"imported", func(t *testing.T, app *authntest.App, code string) any {
			d := good(code)
			d.origin = 2
			return m.attest(t, &app.Key.PublicKey, d.der(t))
		}, want{}},
		{"of no known origin", func(t *testing.T, app *authntest.App, code string) any {
			d := good(code)
			d.tags = []int{504}
			return m.attest(t, &app.Key.PublicKey, d.der(t))
		}, want{}},
		{"usable by anybody", func(t *testing.T, app *authntest.App, code string) any {
			d := good(code)
			d.tags = []int{503, 504, 702}
			return m.attest(t, &app.Key.PublicKey, d.der(t))
		}, want{}},
		{"without its user", func(t *testing.T, app *authntest.App, code string) any {
			d := good(code)
			d.tags = []int{1, 702}
			return m.attest(t, &app.Key.PublicKey, d.der(t))
		}, want{}},
		{"no description", func(t *testing.T, app *authntest.App, _ string) any {
			return m.attest(t, &app.Key.PublicKey, []byte{0x30})
		}, want{}},
		{"no chain", func(*testing.T, *authntest.App, string) any { return []string{} }, want{}},
		{"no certificate", func(*testing.T, *authntest.App, string) any { return []string{"AAAA", "%"} }, want{}},
	} {
		for _, demanded := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				h := newHouse(t, authn.Policy{Approvers: authn.ApproverPolicy{Roots: m.file(t), Attested: demanded}})
				code, err := h.BeginAppEnrolment(ctx, authntest.Ann.ID, ident.Env{})
				if err != nil {
					t.Fatal(err)
				}
				app := authntest.NewApp(t)
				body := map[string]any{"code": code, "name": "x", "jwk": app.JWK(t)}
				if x5c := c.attest(t, app, code); x5c != nil {
					body["attestation"] = map[string]any{"format": "android-key", "x5c": x5c}
				}
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				a, err := h.EnrolApp(ctx, app.Request(t, "POST", enrolURL, text, h.clock.Now()), ident.Env{})
				ok := c.want.taken
				if demanded {
					ok = c.want.demanded
				}
				if (err == nil) != ok || err == nil && a.Attested != c.want.format || err != nil && (!errors.Is(err, authn.ErrWrong) || h.lastReason() != "attestation") {
					t.Errorf("%q, %v, want %v %q", a.Attested, err, ok, c.want.format)
				}
			})
		}
	}
}

func TestAttestationPolicy(t *testing.T) {
	no := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(no, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := authntest.NewClock()
	e := newEngine(t, clock)
	for name, p := range map[string]authn.ApproverPolicy{"demanded without roots": {Attested: true}, "no file": {Roots: no + "x"}, "no certificate": {Roots: no}} {
		_, err := authn.New(authn.Options{Users: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now, Policy: authn.Policy{Approvers: p}})
		if err == nil {
			t.Errorf("%s is a policy", name)
		}
	}
}
