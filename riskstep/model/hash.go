package model

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
)

// hash is 48 bits of a keyed function of user, level and value: it links nothing across people, and nothing at all
// without the key. 48 bits among 16 entries make a chance hit less likely than 2⁻⁴⁴.
type hash [6]byte

// maxKeys is how many keys are read at most: the current one, and those that it replaced.
const maxKeys = 3

// label separates the keys of this package from whatever else a tenant's key is used for.
const label = "postern risk model: ring, version 3"

// Hasher makes keyed hashes under a tenant's keys. It writes under the first and reads under all, so that keys can be
// rotated. Safe for concurrent use.
//
// The function is the CBC-MAC of AES-256 under HMAC-SHA-256(key, label). Each message says its lengths before its
// contents, so that none is the beginning of another; on such messages CBC-MAC is a pseudorandom function (Petrank and
// Rackoff, 2000). It is a tenth as dear as an HMAC and takes no memory.
type Hasher struct {
	blocks []cipher.Block
	raw    [][]byte // as profiles of versions 1 and 2 used them
	pool   sync.Pool
}

// NewHasher returns a Hasher over at most three keys, the current one first. Without any key nothing is ever recognised.
func NewHasher(keys ...[]byte) *Hasher {
	h := &Hasher{pool: sync.Pool{New: func() any { return new(mac) }}}
	for _, k := range keys[:min(len(keys), maxKeys)] {
		if len(k) == 0 {
			continue
		}
		derive := hmac.New(sha256.New, k)
		derive.Write([]byte(label))
		block, err := aes.NewCipher(derive.Sum(nil))
		if err != nil { // 32 bytes are a key of AES
			continue
		}
		h.blocks, h.raw = append(h.blocks, block), append(h.raw, slices.Clone(k))
	}
	return h
}

// The levels of what is hashed: a value of one never equals a value of another.
const (
	levelPrefix byte = iota + 1
	levelAddress
	levelDevice
	levelKey
	levelAgent
	levelJA4
)

// mac is the working memory of one hash; it is pooled, as the cipher is an interface and its arguments escape.
type mac struct {
	user, state [16]byte
	used        int
	block       cipher.Block
}

// start begins a message about user; more than one value may follow, each with value.
func (m *mac) start(block cipher.Block, user string) {
	m.block, m.state, m.used = block, [16]byte{}, 0
	m.length(len(user))
	absorb(m, user)
	m.close()
	m.user = m.state
}

func (m *mac) length(n int) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	absorb(m, b[:])
}

func absorb[T string | []byte](m *mac, v T) {
	for len(v) > 0 {
		n := min(len(v), len(m.state)-m.used)
		into := m.state[m.used : m.used+n]
		for i := range into {
			into[i] ^= v[i]
		}
		v = v[n:]
		if m.used += n; m.used == len(m.state) {
			m.block.Encrypt(m.state[:], m.state[:])
			m.used = 0
		}
	}
}

// close pads to a whole block; the length that stands before the contents makes zeros unambiguous.
func (m *mac) close() {
	if m.used > 0 {
		m.block.Encrypt(m.state[:], m.state[:])
		m.used = 0
	}
}

// value returns the hash of v at a level, for the user of start.
func value[T string | []byte](m *mac, level byte, v T) (h hash) {
	m.state, m.used = m.user, 1
	m.state[0] ^= level
	m.length(len(v))
	absorb(m, v)
	m.close()
	copy(h[:], m.state[:])
	if h == (hash{}) { // zero means that there is no value
		h[0] = 1
	}
	return h
}

// digest is the hashes of one login under one key.
type digest struct{ prefix, address, device, key, agent, ja4 hash }

// digests are the hashes of l under every key; n of them.
func (h *Hasher) digests(l *Login, out *[maxKeys]digest) (n int) {
	if h == nil || len(h.blocks) == 0 {
		return 0
	}
	m := h.pool.Get().(*mac)
	defer h.pool.Put(m)
	prefix, address := l.networks()
	for i, block := range h.blocks {
		d := &out[i]
		m.start(block, l.User)
		if prefix.n > 0 {
			d.prefix = value(m, levelPrefix, prefix.b[:prefix.n])
		}
		if address.n > 0 {
			d.address = value(m, levelAddress, address.b[:address.n])
		}
		if l.Device != "" {
			d.device = value(m, levelDevice, bounded(l.Device))
		}
		if l.KeyID != "" {
			d.key = value(m, levelKey, bounded(l.KeyID))
		}
		if l.Agent.Raw != "" {
			d.agent = value(m, levelAgent, bounded(l.Agent.Raw))
		}
		if l.JA4 != "" {
			d.ja4 = value(m, levelJA4, bounded(l.JA4))
		}
	}
	return len(h.blocks)
}

// bounded cuts what somebody else chose to a length that costs nothing to hash.
func bounded(s string) string { return s[:min(len(s), maxText)] }

// maxText is how much of a name or an agent is looked at, in bytes.
const maxText = 512
