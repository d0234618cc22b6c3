// Package transit is a master key that lives in a KMS speaking the transit HTTP API of HashiCorp Vault and OpenBao:
// the key never leaves it. It wraps and unwraps data keys, a few when the server starts, and never signs or seals
// anything itself.
package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/postern-id/postern/keys"
)

const maxAnswer = 64 << 10 // bytes

// Options say where the key is.
type Options struct {
	URL       string         // of the server, https://kms.example:8200; http only on loopback
	Mount     string         // of the engine; "": transit
	Key       string         // name of the key, of a type that encrypts
	Token     string         // or
	TokenFile string         // read at each call, so that an agent can renew it
	Namespace string         // may be empty
	RootCAs   *x509.CertPool // nil: those of the system
	Timeout   time.Duration  // of one call; 0: 10 s
}

type master struct {
	opts   Options
	base   string
	client *http.Client
}

var segment = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// New returns the master key that o names. It calls nobody yet. Its ID is "transit:" with mount and key, so that the server may move.
func New(o Options) (keys.Master, error) {
	if o.Mount == "" {
		o.Mount = "transit"
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("transit: the URL is https://host:port")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, errors.New("transit: the URL must be https")
	}
	for _, part := range append(strings.Split(o.Mount, "/"), o.Key) {
		if !segment.MatchString(part) || strings.Trim(part, ".") == "" {
			return nil, fmt.Errorf("transit: unfit mount or key name %q", part)
		}
	}
	if (o.Token == "") == (o.TokenFile == "") {
		return nil, errors.New("transit: give a token or a token file, not both")
	}
	transport := &http.Transport{
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		MaxResponseHeaderBytes: 16 << 10,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
	return &master{opts: o, base: u.Scheme + "://" + u.Host + "/v1/" + o.Mount, client: &http.Client{
		Transport:     transport,
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token goes nowhere else
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (m *master) ID() string { return "transit:" + m.opts.Mount + "/" + m.opts.Key }

func (m *master) Wrap(ctx context.Context, plain []byte) ([]byte, error) {
	text, err := m.call(ctx, "encrypt", "plaintext", base64.StdEncoding.EncodeToString(plain), "ciphertext")
	if err == nil && text == "" {
		err = errors.New("transit: the answer holds no ciphertext")
	}
	return []byte(text), err
}

func (m *master) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	text, err := m.call(ctx, "decrypt", "ciphertext", string(wrapped), "plaintext")
	if err != nil {
		return nil, err
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(plain) == 0 {
		return nil, errors.New("transit: the answer holds no plaintext")
	}
	return plain, nil
}

// call posts one field and returns one field of the answer's data. Errors hold what the server complains of, never what was sent.
func (m *master) call(ctx context.Context, op, name, value, want string) (string, error) {
	token, err := m.token()
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.base+"/"+op+"/"+m.opts.Key, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true") // refused by a proxy that forwards blindly
	if m.opts.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", m.opts.Namespace)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("transit: %s: %w", op, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return "", fmt.Errorf("transit: %s: %w", op, err)
	}
	if len(text) > maxAnswer {
		return "", fmt.Errorf("transit: %s: the answer is longer than %d bytes", op, maxAnswer)
	}
	var answer struct {
		Data   map[string]json.RawMessage `json:"data"`
		Errors []string                   `json:"errors"`
	}
	err = json.Unmarshal(text, &answer)
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("transit: %s: status %d: %.200q", op, resp.StatusCode, answer.Errors)
	}
	var out string
	if err == nil {
		err = json.Unmarshal(answer.Data[want], &out)
	}
	if err != nil {
		return "", fmt.Errorf("transit: %s: unreadable answer", op)
	}
	return out, nil
}

func (m *master) token() (string, error) {
	if m.opts.TokenFile == "" {
		return m.opts.Token, nil
	}
	text, err := os.ReadFile(m.opts.TokenFile)
	if err != nil {
		return "", fmt.Errorf("transit: token file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(token) > 4096 || strings.ContainsAny(token, "\r\n") {
		return "", errors.New("transit: the token file holds no token")
	}
	return token, nil
}
