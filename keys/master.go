package keys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Master wraps the data keys that in turn seal secrets. It may live in a KMS and be slow: it is asked when a
// process starts and when data keys change, never while a request waits.
type Master interface {
	ID() string // what tells it from other masters; never anything secret
	Wrap(ctx context.Context, plain []byte) ([]byte, error)
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
}

const masterSize = 32

type localMaster struct {
	id   string
	aead cipher.AEAD
}

// LocalMaster is a master key held in memory: AES-256-GCM under key, which has 32 bytes. Its ID is a fingerprint
// from which the key cannot be found.
func LocalMaster(key []byte) (Master, error) {
	if len(key) != masterSize {
		return nil, fmt.Errorf("keys: a master key has %d bytes, not %d", masterSize, len(key))
	}
	if len(strings.Trim(string(key), string(key[:1]))) == 0 {
		return nil, errors.New("keys: this master key is one byte repeated; make a random one")
	}
	id, err := hkdf.Key(sha256.New, key, nil, "postern master key id", 8)
	if err != nil {
		return nil, err
	}
	wrap, err := hkdf.Key(sha256.New, key, nil, "postern master key wrap", 32)
	if err != nil {
		return nil, err
	}
	aead, err := newGCM(wrap)
	if err != nil {
		return nil, err
	}
	return &localMaster{id: "local:" + hex.EncodeToString(id), aead: aead}, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (m *localMaster) ID() string { return m.id }

func (m *localMaster) Wrap(_ context.Context, plain []byte) ([]byte, error) {
	return m.aead.Seal(nil, nil, plain, []byte(m.id)), nil
}

func (m *localMaster) Unwrap(_ context.Context, wrapped []byte) ([]byte, error) {
	plain, err := m.aead.Open(nil, nil, wrapped, []byte(m.id))
	if err != nil {
		return nil, fmt.Errorf("keys: master %s cannot unwrap this data key", m.id)
	}
	return plain, nil
}

// ParseMaster reads a master key as a file or the environment gives it: 32 bytes in base64 (either alphabet, padded or
// not, with or without "base64:" in front) or 64 hexadecimal digits. White space around it is ignored; errors never repeat it.
func ParseMaster(text string) (Master, error) {
	text = strings.TrimSpace(text)
	text, forced := strings.CutPrefix(text, "base64:")
	if text == "" {
		return nil, errors.New("keys: the master key is empty")
	}
	if !forced && len(text) == 2*masterSize {
		if key, err := hex.DecodeString(text); err == nil {
			return LocalMaster(key)
		}
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	key, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return nil, errors.New("keys: the master key is neither base64 nor 64 hexadecimal digits")
	}
	return LocalMaster(key)
}

// NewMasterText returns a new master key in the form that ParseMaster reads; random nil means crypto/rand.
// It panics if random ends early, which crypto/rand never does.
func NewMasterText(random io.Reader) string {
	if random == nil {
		random = rand.Reader
	}
	key := make([]byte, masterSize)
	if _, err := io.ReadFull(random, key); err != nil {
		panic("keys: no randomness: " + err.Error())
	}
	return "base64:" + base64.StdEncoding.EncodeToString(key)
}
