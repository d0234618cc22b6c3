package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const (
	ceremonyKind = "authn.passkey"
	// CeremonyLife is how long a person may take: a page that offers passkeys in its fields waits with an open
	// challenge, and asks for a new one before this ends. WebAuthn L3 §15.1 recommends 5 to 10 minutes.
	CeremonyLife = 10 * time.Minute
	// maxResponse bounds what a browser sends, in bytes: the attestation of a TPM takes some 6 KiB.
	maxResponse = 48 << 10
)

type b64 []byte

func (b b64) String() string { return base64.RawURLEncoding.EncodeToString(b) }

func (b b64) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

func (b *b64) UnmarshalText(t []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, t)
	return err
}

// ceremony is what the server remembers between the options and the response.
type ceremony struct {
	Create      bool         `json:"create,omitempty"`
	Conditional bool         `json:"conditional,omitempty"` // creation without asking
	Bind        b64          `json:"bind"`                  // hash of what it belongs to
	Challenge   b64          `json:"challenge"`
	User        ident.UserID `json:"user,omitempty"`
	Listed      bool         `json:"listed,omitempty"` // only passkeys in Allow
	Allow       []b64        `json:"allow,omitempty"`
}

type entity struct {
	ID          any    `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
}

type descriptor struct {
	Type       string   `json:"type"`
	ID         b64      `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

type parameter struct {
	Type string `json:"type"`
	Alg  int64  `json:"alg"`
}

// requestOptions are PublicKeyCredentialRequestOptionsJSON. WebAuthn L3 §5.1.9.
type requestOptions struct {
	Challenge        b64          `json:"challenge"`
	Timeout          int64        `json:"timeout"`
	RPID             string       `json:"rpId"`
	AllowCredentials []descriptor `json:"allowCredentials"`
	UserVerification string       `json:"userVerification"`
}

// creationOptions are PublicKeyCredentialCreationOptionsJSON. WebAuthn L3 §5.1.8.
type creationOptions struct {
	RP                     entity         `json:"rp"`
	User                   entity         `json:"user"`
	Challenge              b64            `json:"challenge"`
	PubKeyCredParams       []parameter    `json:"pubKeyCredParams"`
	Timeout                int64          `json:"timeout"`
	ExcludeCredentials     []descriptor   `json:"excludeCredentials"`
	AuthenticatorSelection selection      `json:"authenticatorSelection"`
	Hints                  []string       `json:"hints"`
	Attestation            Attestation    `json:"attestation"`
	Extensions             map[string]any `json:"extensions"`
}

type selection struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"` // what Level 1 browsers read
	UserVerification   string `json:"userVerification"`
}

// begin makes the challenge of c, unless it has one, and keeps c; it returns the secret handle to it.
func (s *Service) begin(ctx context.Context, bind string, c *ceremony) (handle string, err error) {
	if bind == "" {
		return "", errors.New("authn: a ceremony belongs to something")
	}
	if c.Challenge == nil {
		challenge, err := s.random(32)
		if err != nil {
			return "", err
		}
		if err := c.Challenge.UnmarshalText([]byte(challenge)); err != nil {
			return "", fmt.Errorf("authn: ceremony: %w", err)
		}
	}
	if handle, err = s.random(32); err != nil {
		return "", err
	}
	of := sha256.Sum256([]byte(bind))
	c.Bind = of[:]
	v, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("authn: ceremony: %w", err)
	}
	if err := s.eph.Put(ctx, store.KeyOf(ceremonyKind, handle), v, s.now().Add(CeremonyLife)); err != nil {
		return "", fmt.Errorf("authn: ceremony: %w", err)
	}
	return handle, nil
}

// takeCeremony returns the ceremony of handle once; ErrWrong where it is not there, not for bind, or of the
// other kind. It is over in every case. WebAuthn L3 §13.4.3.
func (s *Service) takeCeremony(ctx context.Context, handle, bind string, create bool) (ceremony, error) {
	if len(handle) > 128 {
		return ceremony{}, ErrWrong
	}
	v, err := s.eph.Take(ctx, store.KeyOf(ceremonyKind, handle))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken) {
		return ceremony{}, ErrWrong
	}
	if err != nil {
		return ceremony{}, fmt.Errorf("authn: ceremony: %w", err)
	}
	var c ceremony
	if err := json.Unmarshal(v, &c); err != nil {
		return ceremony{}, fmt.Errorf("authn: ceremony: %w", err)
	}
	of := sha256.Sum256([]byte(bind))
	if subtle.ConstantTimeCompare(of[:], c.Bind) != 1 || c.Create != create {
		return ceremony{}, ErrWrong
	}
	return c, nil
}

func marshalOptions(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("authn: options: %w", err)
	}
	return b, nil
}

func describe(list []Passkey) []descriptor {
	out := []descriptor{}
	for _, p := range list {
		out = append(out, descriptor{Type: "public-key", ID: p.ID, Transports: p.Transports})
	}
	return out
}
