package harness

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"
)

// TOTP is an authenticator app: RFC 6238 with SHA-1, six digits, thirty seconds.
type TOTP struct {
	secret []byte
	mu     sync.Mutex
	last   int64 // the step whose code was given out last
}

// NewTOTP reads a shared secret in base32.
func NewTOTP(secret string) *TOTP {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(secret, "=")))
	if err != nil {
		panic("harness: a shared secret that is not base32: " + secret)
	}
	return &TOTP{secret: raw}
}

// Code returns a code that is accepted now and was not given out before: a code works once, so that after the current one
// comes the next, which a server takes as early as one step ahead. Past that it waits.
func (a *TOTP) Code() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now().Unix() / 30
	step := max(now-1, a.last+1)
	for step > time.Now().Unix()/30+1 {
		time.Sleep(100 * time.Millisecond)
	}
	a.last = step
	return a.At(step)
}

// At returns the code of a step of thirty seconds since 1970.
func (a *TOTP) At(step int64) string {
	m := hmac.New(sha1.New, a.secret)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	m.Write(b[:])
	sum := m.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}
