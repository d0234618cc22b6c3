package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

const (
	recordSize = 4096
	// padTo is what the length of a message is rounded up to, in bytes: the push service sees how long it is.
	padTo = 512
)

// seal encrypts message for to, padded, with a key and a salt of its own.
func (s *Sender) seal(to Target, message []byte) ([]byte, error) {
	salt := make([]byte, 16)
	if _, err := io.ReadFull(s.opt.Rand, salt); err != nil {
		return nil, fmt.Errorf("webpush: salt: %w", err)
	}
	key, err := ecdh.P256().GenerateKey(s.opt.Rand)
	if err != nil {
		return nil, fmt.Errorf("webpush: key: %w", err)
	}
	return encrypt(to, message, (padTo-(len(message)+1)%padTo)%padTo, salt, key)
}

// encrypt makes the one record that a push is, with pad zeros behind the message. RFC 8291 §3, RFC 8188 §2.
func encrypt(to Target, message []byte, pad int, salt []byte, key *ecdh.PrivateKey) ([]byte, error) {
	if len(message)+pad > maxMessage {
		return nil, fmt.Errorf("webpush: a message of %d bytes", len(message))
	}
	point, err := bytesOf(to.P256DH)
	if err != nil {
		return nil, err
	}
	auth, err := bytesOf(to.Auth)
	if err != nil || len(auth) != 16 {
		return nil, ErrTarget
	}
	theirs, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	shared, err := key.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	ours := key.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, auth, "WebPush: info\x00"+string(point)+string(ours), 32)
	if err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	cek, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	gcm, err := cipher.NewGCM(block) // the nonce belongs to a key that is used once
	if err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	out := append(make([]byte, 0, 16+4+1+len(ours)+len(message)+1+pad+16), salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(append(out, byte(len(ours))), ours...)
	record := append(append(append(make([]byte, 0, len(message)+1+pad), message...), 2), make([]byte, pad)...) // 2: the last record
	return gcm.Seal(out, nonce, record, nil), nil
}

// bytesOf reads base64url as browsers write it, with padding or without; ErrTarget.
func bytesOf(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) > 128 {
		return nil, ErrTarget
	}
	return b, nil
}

// Check says whether a subscription that a browser sent can be spoken to; ErrTarget. Without keys it can only be woken.
func (t Target) Check() error {
	if t.P256DH == "" && t.Auth == "" {
		return nil
	}
	point, err := bytesOf(t.P256DH)
	if err != nil {
		return err
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil {
		return fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if auth, err := bytesOf(t.Auth); err != nil || len(auth) != 16 {
		return ErrTarget
	}
	return nil
}
