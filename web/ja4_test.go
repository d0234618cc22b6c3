package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// FoxIO JA4: TLS Client Fingerprinting, the example of the specification in the order of its JA4_ro; and the one
// published for a browser without TLS 1.3. GREASE is added, which is not to count.
func TestJA4(t *testing.T) {
	schemes := []tls.SignatureScheme{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}
	ciphers := []uint16{0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35}
	extensions := []uint16{0xeaea, 0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa, 0x15, 0x8a8a}
	for _, tc := range []struct {
		name, want string
		h          tls.ClientHelloInfo
	}{
		{"TLS 1.3", "t13d1516h2_8daaf6152771_e5627efa2ab1", tls.ClientHelloInfo{CipherSuites: ciphers, Extensions: extensions,
			SignatureSchemes: schemes, SupportedProtos: []string{"h2", "http/1.1"}, SupportedVersions: []uint16{0xfafa, 0x0304, 0x0303}}},
		{"TLS 1.2", "t12d1209h2_d34a8e72043a_b39be8c56a14", tls.ClientHelloInfo{
			CipherSuites:     []uint16{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35},
			Extensions:       []uint16{0, 0x17, 0xff01, 0xa, 0xb, 0x23, 0x10, 5, 0xd},
			SignatureSchemes: append(schemes[:8:8], 0x0201), SupportedProtos: []string{"h2"}, SupportedVersions: []uint16{0x0303, 0x0302, 0x0301}}},
		{"no signature algorithms", "t13d1516h1_8daaf6152771_6d807ffa2a79", tls.ClientHelloInfo{CipherSuites: ciphers, Extensions: extensions,
			SupportedProtos: []string{"http/1.1"}, SupportedVersions: []uint16{0x0304}}},
		{"nothing", "t00i000000_000000000000_000000000000", tls.ClientHelloInfo{}},
	} {
		if got := JA4(&tc.h); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		} else if readJA4(got) != got {
			t.Errorf("%s: a proxy could not say %s", tc.name, got)
		}
	}
	for proto, want := range map[string]string{"": "00", "h": "hh", "h2": "h2", "http/1.1": "h1", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01"} {
		if got := ja4ALPN([]string{proto}); got != want {
			t.Errorf("ALPN %q: %s, want %s", proto, got, want)
		}
	}
}

// The fingerprint reaches the request over HTTP/1.1 and over HTTP/2, and is the same for all requests of a connection.
func TestJA4OfConnection(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	crt := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, crt, crt, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	crt, _ = x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(crt)
	s := &Server{}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Print", s.ja4(r, false))
		w.Header().Set("Proxied", s.ja4(r, true))
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- ServeTLS(srv, l, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	}()
	t.Cleanup(func() { srv.Shutdown(context.Background()); <-done })
	seen := map[string]bool{}
	for _, two := range []bool{false, true} {
		c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: two, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
		defer c.CloseIdleConnections()
		for range 2 {
			r, err := c.Get("https://" + l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			print := r.Header.Get("Print")
			if want := map[bool]string{false: "t13d", true: "t13d"}[two]; readJA4(print) == "" || !strings.HasPrefix(print, want) || (r.ProtoMajor == 2) != two || strings.HasPrefix(print[8:], "h2") != two {
				t.Errorf("%s: %q", r.Proto, print)
			}
			if r.Header.Get("Proxied") != "" {
				t.Error("the connection of a proxy is taken for the client's")
			}
			seen[print] = true
		}
	}
	if len(seen) != 2 {
		t.Errorf("fingerprints %v of two clients", seen)
	}
}

// What a proxy says counts if it is one of ours, has the form, and says it once.
func TestJA4Header(t *testing.T) {
	s := &Server{opt: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, JA4Header: "X-JA4"}}
	const good = "t13d1516h2_8daaf6152771_e5627efa2ab1"
	for _, tc := range []struct {
		name, from string
		values     []string
		want       string
	}{
		{"a proxy", "10.0.0.1:1", []string{good}, good},
		{"a stranger", "192.0.2.1:1", []string{good}, ""},
		{"twice", "10.0.0.1:1", []string{good, good}, ""},
		{"nothing", "10.0.0.1:1", nil, ""},
		{"another thing", "10.0.0.1:1", []string{"chrome"}, ""},
		{"too long", "10.0.0.1:1", []string{good + "0"}, ""},
		{"in capitals", "10.0.0.1:1", []string{"t13d1516h2_8DAAF6152771_e5627efa2ab1"}, ""},
		{"a bracket in it", "10.0.0.1:1", []string{"t13d1516h2_8daaf615277<_e5627efa2ab1"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header = tc.from, http.Header{"X-Ja4": tc.values}
		if got := s.env(r).JA4; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestHints(t *testing.T) {
	s := &Server{}
	long := strings.Repeat("x", 500)
	for _, tc := range []struct {
		name, brands, platform, mobile, want string
	}{
		{"Chromium", `"Chromium";v="130", "Not?A_Brand";v="99"`, `"Linux"`, "?0", `"Chromium";v="130", "Not?A_Brand";v="99"; "Linux"; ?0`},
		{"none", "", "", "", ""},
		{"one", "", `"Android"`, "", `"Android"`},
		{"not text", "a\x01\xffb\r\nc", "", "?1", "abc; ?1"},
		{"too long", long, long, long, long[:128] + "; " + long[:126]},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Sec-Ch-Ua": {tc.brands}, "Sec-Ch-Ua-Platform": {tc.platform}, "Sec-Ch-Ua-Mobile": {tc.mobile}}
		if got := s.env(r).Hints; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Whatever a proxy sends, what is read is the same or nothing, and safe to keep.
func FuzzReadJA4(f *testing.F) {
	f.Add("t13d1516h2_8daaf6152771_e5627efa2ab1")
	f.Add("t13d1516h2__8daaf615277_e5627efa2ab1")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		got := readJA4(s)
		if got != "" && (got != s || len(got) != 36 || strings.Trim(got, "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
			t.Fatalf("%q from %q", got, s)
		}
	})
}

func BenchmarkJA4(b *testing.B) {
	h := &tls.ClientHelloInfo{CipherSuites: make([]uint16, 16), Extensions: make([]uint16, 18), SignatureSchemes: make([]tls.SignatureScheme, 8),
		SupportedProtos: []string{"h2"}, SupportedVersions: []uint16{0x0304}}
	b.ReportAllocs()
	for b.Loop() {
		JA4(h)
	}
}
