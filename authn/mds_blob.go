package authn

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
)

const (
	maxBlob = 64 << 20 // bytes; that of today has 9 MiB
	maxRoot = 1 << 20
)

type metadataBlob struct {
	number  int64
	until   time.Time
	entries map[[16]byte]*metadata.Entry
}

// load reads and verifies the blob and refuses one with a smaller number than was ever seen. FIDO MDS v3.1 §3.2.
func (m *metadataService) load() error {
	raw, err := readFile(m.policy.File, maxBlob)
	if err != nil {
		return metadataError(err)
	}
	pem, err := readFile(m.policy.Root, maxRoot)
	if err != nil {
		return metadataError(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return metadataError(fmt.Errorf("no certificate in %s", m.policy.Root))
	}
	payload, err := verifyBlob(raw, roots, m.policy.Host, m.now())
	if err != nil {
		return metadataError(err)
	}
	b, err := parseBlob(payload, m.policy.Grace)
	if err != nil {
		return metadataError(err)
	}
	if err := m.remember(b.number); err != nil {
		return metadataError(err)
	}
	m.blob.Store(b)
	return nil
}

// remember keeps the greatest number that was ever seen beside the blob.
func (m *metadataService) remember(number int64) error {
	file := m.policy.File + ".no"
	var last int64
	switch text, err := os.ReadFile(file); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if last, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	switch {
	case number < last:
		return fmt.Errorf("blob number %d is older than %d, which was here before", number, last)
	case number == last:
		return nil
	}
	if err := os.WriteFile(file+".new", strconv.AppendInt(nil, number, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// verifyBlob returns the payload of a compact JWS whose certificate names host and chains to roots. RFC 7515 §5.2.
func verifyBlob(raw []byte, roots *x509.CertPool, host string, now time.Time) ([]byte, error) {
	parts := bytes.Split(bytes.TrimSpace(raw), []byte("."))
	if len(parts) != 3 {
		return nil, errors.New("no compact JWS")
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().AppendDecode(nil, p); err != nil {
			return nil, err
		}
	}
	var h struct {
		Alg  string          `json:"alg"`
		X5C  []string        `json:"x5c"`
		Crit json.RawMessage `json:"crit"`
	}
	if err := json.Unmarshal(decoded[0], &h); err != nil {
		return nil, err
	}
	if len(h.X5C) == 0 || len(h.X5C) > 8 || h.Crit != nil {
		return nil, errors.New("header without certificates, or with critical parameters")
	}
	leaf, between, err := parseChain(h.X5C)
	if err != nil {
		return nil, err
	}
	// The roots of the real one sign for half of the web: the name is what makes it theirs.
	if _, err := leaf.Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, err
	}
	signed := raw[bytes.Index(raw, parts[0]):][:len(parts[0])+1+len(parts[1])]
	return decoded[1], verifyJWS(leaf.PublicKey, h.Alg, signed, decoded[2])
}

func parseChain(x5c []string) (leaf *x509.Certificate, between *x509.CertPool, err error) {
	between = x509.NewCertPool()
	for i, text := range x5c {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			leaf = cert
		} else {
			between.AddCert(cert)
		}
	}
	return leaf, between, nil
}

func verifyJWS(key any, alg string, signed, sig []byte) error {
	sum := sha256.Sum256(signed)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if alg == "RS256" {
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig)
		}
	case *ecdsa.PublicKey:
		if alg == "ES256" && len(sig) == 64 && ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			return nil
		}
	}
	return fmt.Errorf("signature with %q does not verify", alg)
}

// parseBlob reads a payload. An entry that cannot be read is left out: nobody vouches for it then.
func parseBlob(payload []byte, grace time.Duration) (*metadataBlob, error) {
	var p struct {
		Number     int64             `json:"no"`
		NextUpdate string            `json:"nextUpdate"`
		Entries    []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	next, err := time.Parse(time.DateOnly, p.NextUpdate)
	if err != nil {
		return nil, err
	}
	if p.Number <= 0 {
		return nil, errors.New("blob without a number")
	}
	b := &metadataBlob{number: p.Number, until: next.AddDate(0, 0, 1).Add(grace), entries: map[[16]byte]*metadata.Entry{}}
	for _, raw := range p.Entries {
		var j metadata.EntryJSON
		if json.Unmarshal(raw, &j) != nil {
			continue
		}
		e, err := j.Parse()
		if err == nil && e.AaGUID != [16]byte{} {
			b.entries[e.AaGUID] = &e
		}
	}
	return b, nil
}

func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is over %d MiB", name, limit>>20)
	}
	return b, err
}
