package did

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// maxTranscript is the size of a SessionTranscript, in bytes.
const maxTranscript = 64 << 10

// Transcript is the SessionTranscript that the device of an mdoc signs: what both sides know of their session. The zero value
// is none, and presentations of mdocs are refused with it. ISO 18013-5 §9.1.5.1.
type Transcript struct {
	raw             []byte
	audience, nonce string // what it holds, where we made it
}

// ParseTranscript takes the encoded SessionTranscript of another protocol, or SessionTranscriptBytes (the same within
// #6.24), of at most 64 KiB. That it holds a nonce of ours, used once, is for the caller to see to.
func ParseTranscript(raw []byte) (Transcript, error) {
	if len(raw) > maxTranscript {
		return Transcript{}, fmt.Errorf("did: a SessionTranscript of more than %d bytes", maxTranscript)
	}
	if major(raw) == majorTag {
		inner, err := embedded(raw)
		if err != nil {
			return Transcript{}, err
		}
		raw = inner
	}
	parts, err := cborList(raw)
	if err != nil || len(parts) != 3 {
		return Transcript{}, fmt.Errorf("%w: no SessionTranscript", errCBOR)
	}
	return Transcript{raw: slices.Clone(raw)}, nil
}

// Bytes is the encoded SessionTranscript, nil of the zero value. The caller must not change it.
func (t Transcript) Bytes() []byte { return t.raw }

// OpenID4VPTranscript is the SessionTranscript of a response by redirect or direct_post: clientID with its prefix, as in the
// request, and encryption the key that the response is encrypted to, zero if it is not. OpenID4VP §B.2.6.1.
func OpenID4VPTranscript(clientID, nonce, responseURI string, encryption Key) Transcript {
	return handover("OpenID4VPHandover", clientID, nonce, clientID, nonce, thumbprint(encryption), responseURI)
}

// DCAPITranscript is the SessionTranscript of a response by the Digital Credentials API to a page of origin. Its audience is
// "origin:" and the origin, as in every other format. OpenID4VP §B.2.6.2 and §A.4.
func DCAPITranscript(origin, nonce string, encryption Key) Transcript {
	return handover("OpenID4VPDCAPIHandover", "origin:"+origin, nonce, origin, nonce, thumbprint(encryption))
}

func handover(name, audience, nonce string, info ...any) Transcript {
	sum := sha256.Sum256(encodeCBOR(info))
	return Transcript{raw: encodeCBOR([]any{nil, nil, []any{name, sum[:]}}), audience: audience, nonce: nonce}
}

// thumbprint is the SHA-256 thumbprint of a key in bytes, nil of none.
func thumbprint(k Key) any {
	b, err := b64.DecodeString(k.Thumbprint())
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// deviceAuth verifies that the device which the issuer named signed this document for this session. ISO 18013-5 §9.1.3.
func (e *exam) deviceAuth(m *mso, signed members) error {
	spaces := signed["nameSpaces"]
	inner, err := embedded(spaces)
	if err != nil {
		return errors.New("it has no DeviceNameSpacesBytes")
	}
	if err := m.authorises(inner); err != nil {
		return err
	}
	auth, err := cborMembers(signed["deviceAuth"])
	if err != nil || len(auth) != 1 {
		return errors.New("it has not one signature or one MAC of the device")
	}
	if e.p.Transcript.raw == nil {
		return errors.New("the policy names no SessionTranscript")
	}
	over := embed(encodeCBOR([]any{"DeviceAuthentication", cbor.RawMessage(e.p.Transcript.raw), m.docType, spaces}))
	if raw, found := auth["deviceSignature"]; found {
		c, err := parseCOSE(raw, 18)
		if err == nil && (c.payload != nil || !c.signedBy(m.device, over)) {
			err = errors.New("the signature is not by the device, or for another session")
		}
		return err
	}
	c, err := parseCOSE(auth["deviceMac"], 17)
	if err != nil {
		return err
	}
	return e.deviceMAC(m.device, c, over)
}

// deviceMAC verifies a MAC under a key agreed with the device. ISO 18013-5 §9.1.3.5; RFC 9052 §6.3.
func (e *exam) deviceMAC(device Key, c cose, over []byte) error {
	if e.p.ReaderKey == nil {
		return errors.New("the policy has no reader's key for the device's MAC")
	}
	if c.alg != hmac256 || c.payload != nil {
		return errors.New("the device's MAC is none of HMAC 256/256, detached")
	}
	pub, err := agreement(device)
	if err != nil {
		return err
	}
	secret, err := e.p.ReaderKey.ECDH(pub)
	if err != nil {
		return errors.New("the reader's key and the device's are of different kinds")
	}
	salt := sha256.Sum256(embed(e.p.Transcript.raw))
	key, err := hkdf.Key(sha256.New, secret, salt[:], "EMacKey", sha256.Size)
	if err != nil {
		return err
	}
	h := hmac.New(sha256.New, key)
	h.Write(encodeCBOR([]any{"MAC0", c.protected, []byte{}, over}))
	if !hmac.Equal(h.Sum(nil), c.tag) {
		return errors.New("the MAC is not by the device, or for another session")
	}
	return nil
}

// agreement is a key as ECDH takes it.
func agreement(k Key) (*ecdh.PublicKey, error) {
	switch p := k.pub.(type) {
	case *ecdsa.PublicKey:
		return p.ECDH()
	case *ecdh.PublicKey:
		return p, nil
	}
	return nil, errors.New("the device's key is not for agreement")
}
