package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-id/postern/engine/enginetest"
)

// prepareDev makes the command line of `postern dev`.
func (s *Server) prepareDev() error {
	if s.opt.TLS || len(s.opt.Config) > 0 || s.opt.Engine != Memory && s.opt.Engine != SQLite {
		return errors.New("harness: dev takes no TLS, no settings and no other engine than SQLite")
	}
	s.args = []string{"dev", "--listen", "127.0.0.1:0", "--json", "--log", "info"}
	if s.opt.Seed != "" {
		seed, err := s.write("seed.yaml", s.opt.Seed)
		if err != nil {
			return err
		}
		s.args = append(s.args, "--seed", seed)
	}
	if s.opt.Engine == SQLite {
		data := filepath.Join(s.dir, "data")
		s.args = append(s.args, "--data", data)
	}
	return nil
}

// prepareServe makes the configuration of `postern serve`, migrates the database and applies the seed.
func (s *Server) prepareServe() error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	scheme, tlsConf := "http", ""
	if s.opt.TLS {
		if tlsConf, err = s.certify(); err != nil {
			return err
		}
		scheme = "https"
	}
	s.Issuer, s.Management = scheme+"://localhost:"+ports[0], "http://127.0.0.1:"+ports[1]
	driver, dsn, redis := "sqlite", filepath.Join(s.dir, "postern.db"), ""
	if s.opt.Engine != SQLite {
		driver, dsn = "postgres", enginetest.Postgres(s.t)
	}
	if s.opt.Engine == PostgresRedis {
		redis = "redis:\n  url: " + enginetest.Redis(s.t) + "\n"
	}
	master := make([]byte, 32)
	if _, err := rand.Read(master); err != nil {
		return err
	}
	conf, err := s.write("postern.yaml", fmt.Sprintf(`issuer: %s
listen:
  address: 127.0.0.1:%s
  drain: 2s
%smanagement:
  address: 127.0.0.1:%s
database:
  driver: %s
  dsn: %q
  max_conns: 12
%ssecrets:
  master: %s
proxies:
  trusted: [127.0.0.0/8]
`, s.Issuer, ports[0], tlsConf, ports[1], driver, dsn, redis, base64.StdEncoding.EncodeToString(master)))
	if err != nil {
		return err
	}
	s.args, s.conf = []string{"serve"}, []string{"POSTERN_CONFIG=" + conf}
	for path, v := range s.opt.Config {
		s.conf = append(s.conf, "POSTERN_"+strings.ToUpper(strings.ReplaceAll(path, ".", "_"))+"="+v)
	}
	return s.populate()
}

func (s *Server) populate() error {
	if _, err := s.Command("migrate"); err != nil {
		return err
	}
	if s.opt.Seed == "" {
		return nil
	}
	_, err := s.CommandWith(s.opt.Seed, "apply", "-f", "-")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the seed is refused: %w", err)
	}
	return err
}

// certify makes a certificate for localhost, which the harness then trusts, and the lines of configuration that use it.
func (s *Server) certify() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	block := func(typ string, b []byte) string { return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b})) }
	cert := block("CERTIFICATE", der)
	certFile, err := s.write("tls.crt", cert)
	if err != nil {
		return "", err
	}
	keyFile, err := s.write("tls.key", block("PRIVATE"+" KEY", pkcs8))
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert))
	s.Transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return strings.Join([]string{"  tls:", "    cert_file: " + certFile, "    key_file: " + keyFile, ""}, "\n"), nil
}
