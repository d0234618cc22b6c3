package sessions

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/postern-id/postern/ident"
)

// What a device is given is authenticated by a MAC under the secrets that name devices, over what it is, the device and
// its content. Nothing of it is stored.
const (
	thumbBytes     = sha256.Size
	boundBytes     = 1 + 8 + thumbBytes // level, expiry, thumbprint
	nonceBytes     = 12
	challengeBytes = 8 + nonceBytes // expiry, nonce
	macBytes       = sha256.Size
	labelBound     = "bound\x00"
	labelChallenge = "challenge\x00"
)

func seal(secret []byte, label string, device ident.DeviceID, content []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(label))
	m.Write([]byte(device))
	m.Write([]byte{0})
	m.Write(content)
	return m.Sum(nil)
}

func (k *Keys) sealed(label string, device ident.DeviceID, content []byte) (string, error) {
	secrets := k.m.deviceKey()
	if len(secrets) == 0 {
		return "", errors.New("sessions: no secret")
	}
	return b64.EncodeToString(append(content, seal(secrets[0], label, device, content)...)), nil
}

// opened is the content of n bytes that sealed made, or false. Its first eight bytes from at on are when it ends.
func (k *Keys) opened(text, label string, device ident.DeviceID, n, at int) (content []byte, exp time.Time, ok bool) {
	if len(text) != b64.EncodedLen(n+macBytes) {
		return nil, exp, false
	}
	raw, err := b64.DecodeString(text)
	if err != nil || len(raw) != n+macBytes {
		return nil, exp, false
	}
	for _, secret := range k.m.deviceKey() {
		if hmac.Equal(raw[n:], seal(secret, label, device, raw[:n])) {
			exp = time.Unix(int64(binary.BigEndian.Uint64(raw[at:])), 0)
			return raw[:n], exp, k.m.now().Before(exp)
		}
	}
	return nil, exp, false
}

// cookie is the value of a bound cookie: device proved that it holds the key id, kept at level.
func (k *Keys) cookie(device ident.DeviceID, level ident.KeyProof, id string) (string, error) {
	thumb, err := b64.DecodeString(id)
	if err != nil || len(thumb) != thumbBytes {
		return "", fmt.Errorf("sessions: %q is no thumbprint", id)
	}
	content := binary.BigEndian.AppendUint64([]byte{byte(level)}, uint64(k.m.now().Add(BoundLife).Unix()))
	return k.sealed(labelBound, device, append(content, thumb...))
}

// Shown is what a bound cookie of device says: how its key is kept, and the thumbprint; NoKey and "" for anything else.
func (k *Keys) Shown(cookie string, device ident.DeviceID) (ident.KeyProof, string) {
	if device == "" {
		return ident.NoKey, ""
	}
	content, _, ok := k.opened(cookie, labelBound, device, boundBytes, 1)
	if !ok {
		return ident.NoKey, ""
	}
	return ident.KeyProof(content[0]), b64.EncodeToString(content[9:])
}

// Challenge is what device may sign within ChallengeLife, once.
func (k *Keys) Challenge(device ident.DeviceID) (string, error) {
	content := binary.BigEndian.AppendUint64(nil, uint64(k.m.now().Add(ChallengeLife).Unix()))
	nonce := make([]byte, nonceBytes)
	if _, err := io.ReadFull(k.m.rand, nonce); err != nil {
		return "", fmt.Errorf("sessions: random: %w", err)
	}
	return k.sealed(labelChallenge, device, append(content, nonce...))
}

// open says whether challenge is one of device that has not ended, and when it does.
func (k *Keys) open(challenge string, device ident.DeviceID) (exp time.Time, ok bool) {
	_, exp, ok = k.opened(challenge, labelChallenge, device, challengeBytes, 0)
	return exp, ok
}
