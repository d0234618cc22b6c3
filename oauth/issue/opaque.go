package issue

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
)

// opaquePrefix lets people and secret scanners recognise an opaque access token.
const opaquePrefix = "pat_"

var errOpaque = errors.New("issue: not an opaque token of this server")

// sealer makes opaque access tokens: what they say, encrypted and authenticated under a key of the server. Nothing is
// written when one is issued; that it still stands is asked of its grant whenever it is used.
type sealer struct {
	derive func(string) [][]byte
	rand   io.Reader
	aeads  sync.Map // key as string → cipher.AEAD
}

func (s *sealer) aead(key []byte) cipher.AEAD {
	if v, ok := s.aeads.Load(string(key)); ok {
		return v.(cipher.AEAD)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // derived keys have 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	s.aeads.Store(string(key), gcm)
	return gcm
}

func (s *sealer) seal(payload []byte) (string, error) {
	gcm := s.aead(s.derive("opaque-access-token")[0])
	buf := make([]byte, gcm.NonceSize(), gcm.NonceSize()+len(payload)+gcm.Overhead())
	if _, err := io.ReadFull(s.rand, buf); err != nil {
		return "", err
	}
	buf = gcm.Seal(buf, buf, payload, []byte(opaquePrefix))
	return opaquePrefix + base64.RawURLEncoding.EncodeToString(buf), nil
}

func (s *sealer) open(token string) ([]byte, error) {
	if len(token) > 8<<10 {
		return nil, errOpaque
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(token, opaquePrefix))
	if err != nil {
		return nil, errOpaque
	}
	for _, key := range s.derive("opaque-access-token") {
		gcm := s.aead(key)
		if len(raw) < gcm.NonceSize()+gcm.Overhead() {
			return nil, errOpaque
		}
		if out, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], []byte(opaquePrefix)); err == nil {
			return out, nil
		}
	}
	return nil, errOpaque
}
