package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// The two kinds of JWS: docs/approver.md, "Signatures".
const (
	typProof    = "postern-approver+jws"
	typApproval = "postern-approval+jws"
)

const maxAnswer = 1 << 20 // bytes

var b64 = base64.RawURLEncoding

// client is an approver: where it is enrolled, under which name, and its key.
type client struct {
	Issuer string
	ID     string // "" before it enrols
	Key    *ecdsa.PrivateKey
	HTTP   *http.Client
	Now    func() time.Time
}

// question is one request that waits: docs/approver.md, "What waits".
type question struct {
	Statement map[string]any `json:"statement"`
	Digits    int            `json:"digits"`
	Compare   bool           `json:"compare"`
	NewPlace  bool           `json:"new_place"`
	Expires   time.Time      `json:"expires"`
}

func (q question) text(name string) string {
	s, _ := q.Statement[name].(string)
	return s
}

// refused is an error of the protocol.
type refused struct {
	Status int
	Code   string `json:"error"`
	Text   string `json:"error_description"`
}

func (r refused) Error() string { return fmt.Sprintf("%s: %s (%d)", r.Code, r.Text, r.Status) }

// jwk is the public key. RFC 7518 §6.2.1.
func (c *client) jwk() (json.RawMessage, error) {
	p, err := c.Key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, b64.EncodeToString(p[1:33]), b64.EncodeToString(p[33:])), nil
}

// sign is v as a compact JWS with ES256. RFC 7515 §7.1, RFC 7518 §3.4.
func (c *client) sign(typ string, v any) (string, error) {
	header := map[string]string{"alg": "ES256", "typ": typ}
	if c.ID != "" {
		header["kid"] = c.ID
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString(h) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, c.Key, sum[:])
	if err != nil {
		return "", err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + b64.EncodeToString(sig), nil
}

// call sends in as JSON (nil: nothing) with a proof for exactly this request, and reads the answer into out.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	to := c.Issuer + path
	id, sum := make([]byte, 16), sha256.Sum256(body)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	proof, err := c.sign(typProof, map[string]any{
		"htm": method, "htu": to, "iat": c.Now().Unix(), "jti": b64.EncodeToString(id), "bh": b64.EncodeToString(sum[:]),
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Approver "+proof)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		e := refused{Status: res.StatusCode}
		_ = json.Unmarshal(answer, &e) // whatever it says, it is a refusal
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// enrol makes the device an approver of the person whose code it is.
func (c *client) enrol(ctx context.Context, code, name string) error {
	jwk, err := c.jwk()
	if err != nil {
		return err
	}
	var out struct{ Approver, Name, User string }
	if err := c.call(ctx, http.MethodPost, "/approver/enrol", map[string]any{"code": code, "name": name, "jwk": jwk}, &out); err != nil {
		return err
	}
	c.ID = out.Approver
	return nil
}

func (c *client) waiting(ctx context.Context) ([]question, error) {
	var out struct{ Requests []question }
	err := c.call(ctx, http.MethodGet, "/approver/requests", nil, &out)
	return out.Requests, err
}

// approve signs what waits under handle, with number where it has to be typed. What is signed is what the server said just
// now and the person was shown.
func (c *client) approve(ctx context.Context, handle, number string) error {
	list, err := c.waiting(ctx)
	if err != nil {
		return err
	}
	for _, q := range list {
		if q.text("handle") != handle {
			continue
		}
		if !q.Compare {
			q.Statement["number"] = number
		}
		jws, err := c.sign(typApproval, q.Statement)
		if err != nil {
			return err
		}
		return c.call(ctx, http.MethodPost, "/approver/requests/"+url.PathEscape(handle), map[string]string{"decision": "approve", "jws": jws}, nil)
	}
	return errors.New("no such request waits")
}

func (c *client) deny(ctx context.Context, handle, reason string) error {
	return c.call(ctx, http.MethodPost, "/approver/requests/"+url.PathEscape(handle), map[string]string{"decision": "deny", "reason": reason}, nil)
}

// push has the server tell the device at endpoint when something waits; "" for no more.
func (c *client) push(ctx context.Context, endpoint, p256dh, auth string) error {
	return c.call(ctx, http.MethodPost, "/approver/push", map[string]string{"endpoint": endpoint, "p256dh": p256dh, "auth": auth}, nil)
}

func (c *client) remove(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/approver", nil, nil)
}

// save writes the key with its name; load reads it.
func (c *client) save(file string) error {
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "PRIVATE KEY", Headers: map[string]string{"Approver": c.ID, "Issuer": c.Issuer}, Bytes: der}
	return os.WriteFile(file, pem.EncodeToMemory(block), 0o600)
}

func load(file string) (*client, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s holds no key on P-256", file)
	}
	return newClient(block.Headers["Issuer"], block.Headers["Approver"], key), nil
}

// fresh is a client with a new key.
func fresh(issuer string) (*client, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newClient(issuer, "", key), nil
}

func newClient(issuer, id string, key *ecdsa.PrivateKey) *client {
	return &client{Issuer: strings.TrimSuffix(issuer, "/"), ID: id, Key: key, HTTP: &http.Client{Timeout: 10 * time.Second}, Now: time.Now}
}
