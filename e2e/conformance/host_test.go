package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"image"
	"image/color"
	"image/png"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// host is where all relying parties live: callbacks, keys, request objects, logos, and what logout calls. Each module
// has a place of its own, /a/<alias>/.
type host struct {
	URL    string // https, no trailing slash
	CA     string // PEM file of the authority that its certificate is from
	Client *http.Client

	mu   sync.Mutex
	docs map[string]doc        // by path
	got  map[string][]delivery // what came to the logout addresses, by path
}

type doc struct{ contentType, body string }

// delivery is a request that reached the relying party.
type delivery struct {
	Method, Path, ContentType string
	Query, Form               url.Values
	Fragment                  url.Values `json:"-"` // the browser's to know; nil without one
}

func newHost(t *testing.T) *host {
	h := &host{docs: map[string]doc{}, got: map[string][]delivery{}}
	s := httptest.NewUnstartedServer(h)
	cert, root := certificate(t)
	h.CA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(h.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	h.URL = "https://localhost:" + port
	pool := x509.NewCertPool()
	pool.AddCert(root)
	h.Client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return h
}

// certificate makes a test authority and a certificate of it for localhost.
func certificate(t *testing.T) (tls.Certificate, *x509.Certificate) {
	sign := func(tmpl, parent *x509.Certificate, pub *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	now, caKey, leafKey := time.Now(), key(), key()
	tmpl := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour),
			NotAfter: now.Add(24 * time.Hour), BasicConstraintsValid: true}
	}
	ca := tmpl(1, "Conformance Test Authority")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	root := sign(ca, ca, &caKey.PublicKey, caKey)
	leaf := tmpl(2, "localhost")
	leaf.DNSNames, leaf.KeyUsage, leaf.ExtKeyUsage = []string{"localhost"}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return tls.Certificate{Certificate: [][]byte{sign(leaf, root, &leafKey.PublicKey, caKey).Raw}, PrivateKey: leafKey}, root
}

// publish puts a document at a path; again replaces it.
func (h *host) publish(path, contentType, body string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.docs[path] = doc{contentType, body}
	return h.URL + path
}

// arrived is what came to a logout address so far.
func (h *host) arrived(path string) []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]delivery(nil), h.got[path]...)
}

// ServeHTTP answers with a published document, and otherwise with what it was asked, so that whoever asked knows what came.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	d, ok := h.docs[r.URL.Path]
	h.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	if ok {
		w.Header().Set("Content-Type", d.contentType)
		_, _ = w.Write([]byte(d.body))
		return
	}
	got := delivery{Method: r.Method, Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Query: r.URL.Query()}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got.Form = r.PostForm
	if strings.HasSuffix(r.URL.Path, "channel_logout") {
		h.mu.Lock()
		h.got[r.URL.Path] = append(h.got[r.URL.Path], got)
		h.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(got)
}

// logo is a picture of 64 by 64 points.
func logo() string {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 {
		img.Set(i, i, color.RGBA{R: 200, A: 255})
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.String()
}
