package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// certificate writes a self-signed certificate for localhost and returns its files.
func certificate(t *testing.T, dir string, notAfter time.Time, name string) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return cert, key
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startServe runs postern serve and waits until it is ready.
func startServe(t *testing.T, environ []string, management string, args ...string) (stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	logs, done := &locked{}, make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"serve"}, args...), environ, strings.NewReader(""), io.Discard, logs)
	}()
	for range 250 {
		if r := call(t, "", nil, "healthcheck", "--url", "http://"+management+"/readyz"); r.code == exitOK {
			break
		}
		select {
		case code := <-done:
			cancel()
			t.Fatalf("ended with %d: %s", code, logs.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	var once sync.Once
	code := -1
	stop = func() (int, string) {
		once.Do(func() {
			cancel()
			code = <-done
		})
		return code, logs.String()
	}
	t.Cleanup(func() { stop() })
	return stop
}

func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, time.Now().Add(90*24*time.Hour), "localhost")
	address, management := freePort(t), freePort(t)
	_, port, _ := net.SplitHostPort(address)
	issuer := "https://localhost:" + port
	environ := []string{"POSTERN_DATABASE_DSN=" + filepath.Join(dir, "p.db"), "POSTERN_SECRETS_MASTER=" + testMaster,
		"POSTERN_LISTEN_TLS_CERT_FILE=" + cert, "POSTERN_LISTEN_TLS_KEY_FILE=" + key,
		"POSTERN_AUDIT_CHECKPOINT_FILE=" + filepath.Join(dir, "checkpoints")}
	args := []string{"--issuer", issuer, "--listen", address, "--management", management}
	if r := call(t, "", environ, append([]string{"serve"}, args...)...); r.code != exitFailed || !strings.Contains(r.err, "postern migrate up") {
		t.Errorf("a new database without --migrate: %+v", r)
	}
	stop := startServe(t, environ, management, append(args, "--migrate")...)

	roots := x509.NewCertPool()
	raw, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(raw)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	res, err := client.Get(issuer + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got %s %s", res.Proto, res.Status)
	}
	old := &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", address, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is accepted")
	}
	if plain, err := http.Get("http://" + address + "/healthz"); err == nil {
		if plain.Body.Close(); plain.StatusCode != http.StatusBadRequest {
			t.Errorf("http on the TLS port: %s", plain.Status)
		}
	}
	code, logs := stop()
	if code != exitOK || !strings.Contains(logs, `"msg":"ready"`) || !strings.Contains(logs, "shutting down") {
		t.Errorf("code %d: %s", code, logs)
	}
	if strings.Contains(logs, "127.0.0.1:") && strings.Contains(strings.ReplaceAll(logs, address, ""), "127.0.0.1:") {
		t.Errorf("the log holds a client's address: %s", logs)
	}
}

// Requests under way finish; readyz says at once that no more should come.
func TestDrain(t *testing.T) {
	h, err := openHouse(t.Context(), memory(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.metrics = newMetrics("test")
	s, err := newServer(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	began, finish := make(chan struct{}), make(chan struct{})
	s.site.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-finish
		w.WriteHeader(http.StatusTeapot)
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	status := make(chan int, 1)
	go func() {
		res, err := http.Get("http://" + s.public.Addr().String())
		if err != nil {
			status <- 0
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	<-began
	cancel()
	code := 0
	for range 100 { // the management listener answers while the public one drains
		if res, err := http.Get("http://" + s.private.Addr().String() + "/readyz"); err == nil {
			res.Body.Close()
			if code = res.StatusCode; code == http.StatusServiceUnavailable {
				break
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if code != http.StatusServiceUnavailable {
		t.Errorf("readyz while draining: %d", code)
	}
	close(finish)
	if got := <-status; got != http.StatusTeapot {
		t.Errorf("the request under way got %d", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := h.db.Ping(t.Context()); err == nil {
		t.Error("the database is still open")
	}
}

// memory is a configuration that needs nothing.
func memory() Config {
	c := Defaults()
	c.Issuer, c.Listen.Address, c.Management.Address = "http://localhost:8080", "127.0.0.1:0", "127.0.0.1:0"
	c.Database.DSN, c.Database.Migrate, c.Secrets.Master = ":memory:", true, testMaster
	return c
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cfg := memory()
	cfg.Listen.TLS.CertFile, cfg.Listen.TLS.KeyFile = certificate(t, dir, time.Now().Add(time.Hour), "localhost")
	s := &server{house: &house{cfg: cfg}}
	if err := s.loadCert(); err != nil {
		t.Fatal(err)
	}
	first := s.cert.Load()
	certificate(t, dir, time.Now().Add(2*time.Hour), "localhost")
	if err := s.loadCert(); err != nil || bytes.Equal(first.Certificate[0], s.cert.Load().Certificate[0]) {
		t.Errorf("the old certificate is still served: %v", err)
	}
	second := s.cert.Load()
	write(t, cfg.Listen.TLS.CertFile, "half a file")
	if err := s.loadCert(); err == nil || s.cert.Load() != second {
		t.Errorf("a broken file takes the certificate away: %v", err)
	}
}

func TestServerLogNamesNobody(t *testing.T) {
	var b bytes.Buffer
	l := serverLog{newLogger(LogConfig{Level: "debug", Format: "text"}, &b)}
	for _, line := range []string{"http: TLS handshake error from 192.0.2.7:4711: EOF", "http: panic serving [2001:db8::1]:4711: boom"} {
		if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
			t.Error(n, err)
		}
	}
	if out := b.String(); strings.Contains(out, "192.0.2.7") || strings.Contains(out, "2001:db8") || !strings.Contains(out, "level=ERROR") {
		t.Errorf("logged %s", out)
	}
}
