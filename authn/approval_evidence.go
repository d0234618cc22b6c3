package authn

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// ErrEvidence says that evidence does not prove what it says.
var ErrEvidence = errors.New("authn: the evidence does not verify")

// Evidence is what proves an approval to others, without this server: what was signed, by which key, and how. It stands
// in the audit event approval.approved, bytes in base64url.
type Evidence struct {
	V int `json:"v"`
	// By a passkey: WebAuthn L3 §7.2.
	Statement         b64    `json:"statement,omitempty"`
	RPID              string `json:"rp_id,omitempty"`
	Credential        b64    `json:"credential,omitempty"`
	PublicKey         b64    `json:"public_key,omitempty"` // COSE_Key
	AuthenticatorData b64    `json:"authenticator_data,omitempty"`
	ClientData        b64    `json:"client_data,omitempty"`
	Signature         b64    `json:"signature,omitempty"`
	// By an app.
	JWS string          `json:"jws,omitempty"`
	JWK json.RawMessage `json:"jwk,omitempty"`
}

// ParseEvidence reads Evidence as an audit event holds it; ErrEvidence.
func ParseEvidence(text []byte) (Evidence, error) {
	var e Evidence
	if err := strictJSON(text, &e); err != nil || e.V != 1 {
		return Evidence{}, ErrEvidence
	}
	if again, err := json.Marshal(e); err != nil || !bytes.Equal(again, text) { // one spelling only: also of base64url
		return Evidence{}, ErrEvidence
	}
	return e, nil
}

// Verify checks the signature and returns what was signed, as JSON, and the thumbprint (RFC 7638) or credential id of the
// key; ErrEvidence.
func (e Evidence) Verify() (statement []byte, key string, err error) {
	if e.JWS != "" {
		return e.verifyKey()
	}
	var client struct{ Type, Challenge string }
	var data protocol.AuthenticatorData
	rp, client1 := sha256.Sum256([]byte(e.RPID)), sha256.Sum256(e.ClientData)
	switch {
	case json.Unmarshal(e.ClientData, &client) != nil, client.Type != "webauthn.get":
		return nil, "", fmt.Errorf("%w: client data", ErrEvidence)
	case client.Challenge != b64(challengeOf(e.Statement)).String():
		return nil, "", fmt.Errorf("%w: something else was signed", ErrEvidence)
	case data.Unmarshal(e.AuthenticatorData) != nil, !bytes.Equal(data.RPIDHash, rp[:]), !data.Flags.UserVerified(), !data.Flags.UserPresent():
		return nil, "", fmt.Errorf("%w: authenticator data", ErrEvidence)
	}
	if _, err := checkKey(e.PublicKey, nil); err != nil {
		return nil, "", fmt.Errorf("%w: key", ErrEvidence)
	}
	k, err := webauthncose.ParsePublicKey(e.PublicKey)
	if err != nil {
		return nil, "", fmt.Errorf("%w: key", ErrEvidence)
	}
	ok, err := webauthncose.VerifySignature(k, bytes.Join([][]byte{e.AuthenticatorData, client1[:]}, nil), e.Signature)
	if err != nil || !ok {
		return nil, "", fmt.Errorf("%w: signature", ErrEvidence)
	}
	if err := checkStatement(e.Statement); err != nil {
		return nil, "", err
	}
	return e.Statement, e.Credential.String(), nil
}

// checkStatement says whether text is the canonical form of a statement that approves.
func checkStatement(text []byte) error {
	var st statement
	if err := strictJSON(text, &st); err != nil || !st.approves() {
		return fmt.Errorf("%w: statement", ErrEvidence)
	}
	if again, err := st.canonical(); err != nil || !bytes.Equal(again, text) {
		return fmt.Errorf("%w: statement", ErrEvidence)
	}
	return nil
}

func (e Evidence) verifyKey() ([]byte, string, error) {
	k, err := parseAppKey(e.JWK)
	if err != nil {
		return nil, "", fmt.Errorf("%w: key", ErrEvidence)
	}
	payload, err := verifyApp(e.JWK, e.JWS, typApproval)
	if err != nil {
		return nil, "", fmt.Errorf("%w: signature", ErrEvidence)
	}
	var st statement
	if err := strictJSON(payload, &st); err != nil || !st.approves() {
		return nil, "", fmt.Errorf("%w: statement", ErrEvidence)
	}
	return payload, k.thumbprint(), nil
}
