package authn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/postern-id/postern/keys"
)

// The `typ` of what an app signs: neither of the two can pass for the other, nor for anything else. RFC 8725 §3.11.
const (
	typApproval = "postern-approval+jws" // a statement that it approves
	typApprover = "postern-approver+jws" // a request that it makes, see appProof
)

const (
	maxAppJWS = 8 << 10 // bytes of a JWS of either kind
	maxAppJWK = 1 << 10 // bytes
	// proofAge is how far the clock of an app may be away from ours.
	proofAge = time.Minute
)

// appKey is the public key of an app: ES256, RFC 7518 §3.4.
type appKey struct{ x, y b64 }

// parseAppKey reads a public JWK on P-256; the error is an ErrWrong. RFC 7517 §4, RFC 7518 §6.2.1.
func parseAppKey(jwk []byte) (appKey, error) {
	var m struct {
		Kty string  `json:"kty"`
		Crv string  `json:"crv"`
		X   b64     `json:"x"`
		Y   b64     `json:"y"`
		D   *string `json:"d"`
		Use string  `json:"use"`
		Alg string  `json:"alg"`
	}
	if len(jwk) > maxAppJWK || json.Unmarshal(jwk, &m) != nil {
		return appKey{}, refuse("key")
	}
	if m.Kty != "EC" || m.Crv != "P-256" || m.D != nil || m.Use != "" && m.Use != "sig" || m.Alg != "" && m.Alg != keys.ES256 || len(m.X) != 32 || len(m.Y) != 32 {
		return appKey{}, refuse("key")
	}
	k := appKey{m.X, m.Y}
	if _, err := k.public(); err != nil {
		return appKey{}, refuse("key")
	}
	return k, nil
}

// public refuses what is no point of the curve.
func (k appKey) public() (*ecdsa.PublicKey, error) {
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), bytes.Join([][]byte{{4}, k.x, k.y}, nil))
}

// jwk is the key with a name, or without one in the form whose hash is its thumbprint. RFC 7638 §3.2.
func (k appKey) jwk(id string) []byte {
	if id == "" {
		return fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, k.x, k.y)
	}
	return fmt.Appendf(nil, `{"crv":"P-256","kid":"%s","kty":"EC","x":"%s","y":"%s"}`, id, k.x, k.y)
}

func (k appKey) thumbprint() string {
	sum := sha256.Sum256(k.jwk(""))
	return b64(sum[:]).String()
}

// verifyApp returns what the owner of jwk signed as typ, and refuses everything else.
func verifyApp(jwk []byte, jws, typ string) ([]byte, error) {
	set, err := keys.ParseSet(fmt.Appendf(nil, `{"keys":[%s]}`, jwk))
	if err != nil || set.Len() != 1 {
		return nil, refuse("key")
	}
	v, err := set.Verify(jws, keys.Expect{Algs: []string{keys.ES256}, Typ: []string{typ}, MaxSize: maxAppJWS})
	switch {
	case errors.Is(err, keys.ErrSignature), errors.Is(err, keys.ErrNoKey):
		return nil, refuse("signature")
	case err != nil:
		return nil, refuse("malformed")
	}
	return v.Payload, nil
}

// AppRequest is what an app says that it asks for, which its proof has to confirm.
type AppRequest struct {
	Method string // htm
	URL    string // htu: without query and fragment
	Body   []byte // its hash is bh; nil or empty where there is none
	Proof  string // compact JWS, typ postern-approver+jws
}

// appProof is what an app signs to make a request, after RFC 9449 §4.2; with the hash of the body besides.
type appProof struct {
	Method   string `json:"htm"`
	URL      string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
	BodyHash b64    `json:"bh"` // SHA-256; of nothing too
}

// parse reads the payload of a proof and compares it with the request that it came with.
func (q AppRequest) parse(payload []byte, now time.Time) (appProof, error) {
	var p appProof
	if err := strictJSON(payload, &p); err != nil {
		return appProof{}, refuse("malformed")
	}
	sum := sha256.Sum256(q.Body)
	age := now.Sub(time.Unix(p.IssuedAt, 0))
	switch {
	case p.Method != q.Method || p.URL != q.URL:
		return appProof{}, refuse("target")
	case subtle.ConstantTimeCompare(p.BodyHash, sum[:]) != 1:
		return appProof{}, refuse("body")
	case p.IssuedAt <= 0 || age > proofAge || age < -proofAge:
		return appProof{}, refuse("time")
	case len(p.ID) < 16 || len(p.ID) > 128:
		return appProof{}, refuse("malformed")
	}
	return p, nil
}

// strictJSON reads one object into v, and refuses members that v does not have. The scanner of keys has refused duplicates.
func strictJSON(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("authn: more than one value")
	}
	return nil
}
