package authn

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// Argon2Params are the costs of argon2id, RFC 9106 §3.1. The zero value means the default.
type Argon2Params struct {
	MemoryKiB   uint32 // 19456 (19 MiB)
	Time        uint32 // 2
	Parallelism uint8  // 1
}

func (p Argon2Params) withDefaults() Argon2Params {
	if p == (Argon2Params{}) {
		return Argon2Params{MemoryKiB: 19 << 10, Time: 2, Parallelism: 1}
	}
	return p
}

// check bounds the costs: a hash read from outside must not cost more than a machine can bear.
func (p Argon2Params) check() error {
	if p.MemoryKiB < 8*uint32(p.Parallelism) || p.MemoryKiB > 1<<20 || p.Time < 1 || p.Time > 16 || p.Parallelism < 1 || p.Parallelism > 16 {
		return fmt.Errorf("authn: argon2id with m=%d t=%d p=%d is out of bounds", p.MemoryKiB, p.Time, p.Parallelism)
	}
	return nil
}

const (
	saltLen = 16
	keyLen  = 32
)

// phc is a parsed PHC string of argon2id.
type phc struct {
	params    Argon2Params
	salt, key []byte
}

var errPHC = errors.New("authn: not a PHC string of argon2id")

// parsePHC reads "$argon2id$v=19$m=…,t=…,p=…$salt$key" and nothing else.
func parsePHC(s string) (phc, error) {
	var h phc
	parts := strings.Split(s, "$")
	if len(s) > 512 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return h, errPHC
	}
	var m, t, p uint32
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p); err != nil || n != 3 || p > 255 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", m, t, p) {
		return h, errPHC
	}
	h.params = Argon2Params{MemoryKiB: m, Time: t, Parallelism: uint8(p)}
	if err := h.params.check(); err != nil {
		return h, err
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return h, errPHC
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return h, errPHC
	}
	return h, nil
}

func (h phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.params.MemoryKiB, h.params.Time, h.params.Parallelism, b64(h.salt), b64(h.key))
}

// hasher runs argon2id in a bounded number of slots, behind a bounded queue.
type hasher struct {
	params  Argon2Params
	rand    io.Reader
	slots   chan struct{}
	waiting atomic.Int64
	limit   int64
	dummy   phc // what an unknown person's password is compared with
}

func newHasher(p Policy, rand io.Reader) (*hasher, error) {
	h := &hasher{params: p.Argon2, rand: rand, slots: make(chan struct{}, p.HashSlots), limit: int64(p.QueueLimit)}
	raw := make([]byte, saltLen+keyLen)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return nil, fmt.Errorf("authn: random: %w", err)
	}
	h.dummy = phc{params: h.params, salt: raw[:saltLen], key: raw[saltLen:]}
	return h, nil
}

// enter waits for a slot: ErrBusy at once where too many wait already, the error of ctx where it ends first.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.limit {
		h.waiting.Add(-1)
		return ErrBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("authn: waiting to hash: %w", ctx.Err())
	}
}

func (h *hasher) leave() { <-h.slots }

// hash returns the PHC string of password with the present costs and a new salt.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	out := phc{params: h.params, salt: make([]byte, saltLen)}
	if _, err := io.ReadFull(h.rand, out.salt); err != nil {
		return "", fmt.Errorf("authn: random: %w", err)
	}
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	out.key = argon2.IDKey([]byte(password), out.salt, h.params.Time, h.params.MemoryKiB, h.params.Parallelism, keyLen)
	return out.String(), nil
}

// compare says whether password is that of want. It costs the same whether it is or not.
func (h *hasher) compare(ctx context.Context, password string, want phc) (bool, error) {
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	p := want.params
	got := argon2.IDKey([]byte(password), want.salt, p.Time, p.MemoryKiB, p.Parallelism, uint32(len(want.key)))
	return subtle.ConstantTimeCompare(got, want.key) == 1, nil
}
