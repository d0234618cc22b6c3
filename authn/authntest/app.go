package authntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
)

// App is an approver that is a program: what docs/approver.md asks of one, in memory. ID is what it got when it enrolled.
type App struct {
	ID  string
	Key *ecdsa.PrivateKey
}

// NewApp makes one with a key of its own.
func NewApp(t testing.TB) *App {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return &App{Key: k}
}

// JWK is its public key.
func (a *App) JWK(t testing.TB) json.RawMessage {
	t.Helper()
	p, err := a.Key.PublicKey.Bytes()
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, b64u.EncodeToString(p[1:33]), b64u.EncodeToString(p[33:]))
}

// Sign is payload as a compact JWS of typ. RFC 7515 §7.1, RFC 7518 §3.4.
func (a *App) Sign(t testing.TB, typ string, payload []byte) string {
	t.Helper()
	header := map[string]string{"alg": "ES256", "typ": typ}
	if a.ID != "" {
		header["kid"] = a.ID
	}
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	input := b64u.EncodeToString(h) + "." + b64u.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, a.Key, sum[:])
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + b64u.EncodeToString(sig)
}

// Request is what it sends, with its proof.
func (a *App) Request(t testing.TB, method, url string, body []byte, now time.Time, tweaks ...func(map[string]any)) authn.AppRequest {
	t.Helper()
	sum := sha256.Sum256(body)
	claims := map[string]any{"htm": method, "htu": url, "iat": now.Unix(), "jti": b64u.EncodeToString(random(t, 16)), "bh": b64u.EncodeToString(sum[:])}
	for _, f := range tweaks {
		f(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return authn.AppRequest{Method: method, URL: url, Body: body, Proof: a.Sign(t, "postern-approver+jws", payload)}
}

// Enrolment is the body with which it enrols.
func (a *App) Enrolment(t testing.TB, code, name string) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"code": code, "name": name, "jwk": a.JWK(t)})
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return body
}

// Approve signs the statement of q with number.
func (a *App) Approve(t testing.TB, q authn.AppQuestion, number string, tweaks ...func(map[string]any)) string {
	t.Helper()
	var st map[string]any
	if err := json.Unmarshal(q.Statement, &st); err != nil {
		t.Fatalf("authntest: %v", err)
	}
	if !q.Compare {
		st["number"] = number
	}
	for _, f := range tweaks {
		f(st)
	}
	payload, err := json.Marshal(st)
	if err != nil {
		t.Fatalf("authntest: %v", err)
	}
	return a.Sign(t, "postern-approval+jws", payload)
}
