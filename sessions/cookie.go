package sessions

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/postern-id/postern/ident"
)

const (
	idBytes     = 16 // of a session's public name
	secretBytes = 32 // of its cookie
	deviceBytes = 16 // of a device cookie
	hintBytes   = 3  // names the key that a device cookie was made under
)

var b64 = base64.RawURLEncoding.Strict()

func (m *Manager) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(m.rand, b); err != nil {
		return "", fmt.Errorf("sessions: random: %w", err)
	}
	if n == idBytes {
		b[0] &= 0x7f // a name begins with a letter: a command line would take a leading hyphen for a flag
	}
	return b64.EncodeToString(b), nil
}

// splitCookie returns the two parts of "<id>.<secret>", or false for anything else.
func splitCookie(cookie string) (id ident.SessionID, secret string, ok bool) {
	a, secret, ok := strings.Cut(cookie, ".")
	if !ok || len(a) != b64.EncodedLen(idBytes) || len(secret) != b64.EncodedLen(secretBytes) || !isB64(a) || !isB64(secret) {
		return "", "", false
	}
	return ident.SessionID(a), secret, true
}

func isB64(s string) bool {
	_, err := b64.DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n")
}

func hashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// matches compares in constant time; a zero hash matches nothing.
func matches(have, want [sha256.Size]byte) bool {
	return want != [sha256.Size]byte{} && subtle.ConstantTimeCompare(have[:], want[:]) == 1
}

// NewDevice returns the value of a new device cookie: the hint of the current key and 128 random
// bits. It is "" where there is no key or no randomness.
func (m *Manager) NewDevice() string {
	keys := m.deviceKey()
	secret, err := m.random(deviceBytes)
	if err != nil || len(keys) == 0 {
		return ""
	}
	return hint(keys[0]) + "." + secret
}

// Device returns the name of the device that showed cookie, the same as long as the key it was made
// under is kept; "" for anything that NewDevice did not make.
func (m *Manager) Device(cookie string) ident.DeviceID {
	h, secret, ok := strings.Cut(cookie, ".")
	if !ok || len(secret) != b64.EncodedLen(deviceBytes) || !isB64(secret) {
		return ""
	}
	for _, k := range m.deviceKey() {
		if hint(k) == h {
			mac := hmac.New(sha256.New, k)
			mac.Write([]byte("device\x00" + secret))
			return ident.DeviceID(b64.EncodeToString(mac.Sum(nil)[:16]))
		}
	}
	return ""
}

func hint(key []byte) string {
	sum := sha256.Sum256(append([]byte("device hint\x00"), key...))
	return b64.EncodeToString(sum[:hintBytes])
}
