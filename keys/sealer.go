package keys

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSealed is returned for bytes that this Sealer did not seal for this purpose, or that were altered.
var ErrSealed = errors.New("keys: cannot open what is sealed")

const (
	sealVersion = 1
	dataKeyID   = 8 // bytes; hexadecimal in DataKey.ID
	sealHeader  = 1 + dataKeyID
	settle      = 10 * time.Second // by then every node has reloaded, see Derive
	reloadWait  = 3 * time.Second
)

// SealerOptions are what a Sealer is made of.
type SealerOptions struct {
	Store   Store
	Masters []Master // the first wraps; the others only unwrap what an earlier first one wrapped
	Now     func() time.Time
	Rand    io.Reader // of data keys and their ids; nil: crypto/rand
}

// Sealer encrypts secrets at rest (signing keys, TOTP seeds) under data keys, which a master key wraps: the database alone,
// or the master key alone, opens nothing. It is safe for concurrent use.
type Sealer struct {
	opts  SealerOptions
	mu    sync.Mutex // one change or reload at a time
	state atomic.Pointer[sealerState]
	tried atomic.Int64 // Unix second of the last reload that Open asked for
}

type sealerState struct {
	newestFirst []openedKey
	byID        map[[dataKeyID]byte]openedKey
	derived     sync.Map // name → [][]byte per key, in the order of newestFirst
}

type openedKey struct {
	id        [dataKeyID]byte
	plain     []byte
	aead      cipher.AEAD
	createdAt time.Time
}

// NewSealer opens every data key and makes the first one if there is none. Nodes that do so at once make one each,
// and know both. An error names a master key that is missing.
func NewSealer(ctx context.Context, o SealerOptions) (*Sealer, error) {
	if o.Store == nil || len(o.Masters) == 0 || o.Now == nil {
		return nil, errors.New("keys: a sealer needs a store, a clock and at least one master key")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	s := &Sealer{opts: o}
	if err := s.Reload(ctx); err != nil {
		return nil, err
	}
	if len(s.state.Load().newestFirst) == 0 {
		if err := s.add(ctx); err != nil {
			return nil, err
		}
		if err := s.Reload(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Seal returns plain encrypted with AES-256-GCM, bound to purpose: version, id of the data key, nonce, ciphertext, tag; 37
// bytes more than plain. Nonces are random, so a data key should be replaced before 2^32 seals.
func (s *Sealer) Seal(purpose string, plain []byte) ([]byte, error) {
	k := s.state.Load().newestFirst[0]
	out := make([]byte, sealHeader, sealHeader+len(plain)+k.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], k.id[:])
	return k.aead.Seal(out, nil, plain, additional(out, purpose)), nil
}

// Open returns what Seal was given, or ErrSealed. A data key it does not know makes it look in the store, at most once a second.
func (s *Sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	id := [dataKeyID]byte(sealed[1:sealHeader])
	k, known := s.state.Load().byID[id]
	if !known {
		second := s.opts.Now().Unix()
		if s.tried.Swap(second) != second {
			ctx, cancel := context.WithTimeout(context.Background(), reloadWait)
			defer cancel()
			_ = s.Reload(ctx) // whatever came of it, the key is known now or it is not
		}
		if k, known = s.state.Load().byID[id]; !known {
			return nil, ErrSealed
		}
	}
	plain, err := k.aead.Open(nil, nil, sealed[sealHeader:], additional(sealed[:sealHeader], purpose))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// additional is what is authenticated beside the plaintext. The header has a fixed length, so purpose cannot run into it.
func additional(header []byte, purpose string) []byte {
	return append(slices.Clone(header[:sealHeader]), purpose...)
}

// Rotate makes a data key for all seals from now on, and wraps every data key anew under the first master:
// afterwards the other masters can be taken away. What was sealed before still opens.
func (s *Sealer) Rotate(ctx context.Context) error {
	if err := s.add(ctx); err != nil {
		return err
	}
	stored, err := s.opts.Store.DataKeys(ctx)
	if err != nil {
		return err
	}
	for _, d := range stored {
		plain, err := s.unwrap(ctx, d)
		if err != nil {
			return err
		}
		first := s.opts.Masters[0]
		if d.Wrapped, err = first.Wrap(ctx, plain); err != nil {
			return fmt.Errorf("keys: master %s: %w", first.ID(), err)
		}
		d.Master = first.ID()
		if err := s.opts.Store.PutDataKey(ctx, d); err != nil {
			return err
		}
	}
	return s.Reload(ctx)
}

func (s *Sealer) add(ctx context.Context) error {
	random := make([]byte, dataKeyID+32)
	if _, err := io.ReadFull(s.opts.Rand, random); err != nil {
		return fmt.Errorf("keys: no randomness: %w", err)
	}
	first := s.opts.Masters[0]
	wrapped, err := first.Wrap(ctx, random[dataKeyID:])
	if err != nil {
		return fmt.Errorf("keys: master %s: %w", first.ID(), err)
	}
	return s.opts.Store.PutDataKey(ctx, DataKey{
		ID: hex.EncodeToString(random[:dataKeyID]), Master: first.ID(), Wrapped: wrapped,
		CreatedAt: s.opts.Now().UTC().Truncate(time.Microsecond),
	})
}

func (s *Sealer) unwrap(ctx context.Context, d DataKey) ([]byte, error) {
	for _, m := range s.opts.Masters {
		if m.ID() != d.Master {
			continue
		}
		plain, err := m.Unwrap(ctx, d.Wrapped)
		if err != nil {
			return nil, fmt.Errorf("keys: data key %s: %w", d.ID, err)
		}
		if len(plain) != 32 {
			return nil, fmt.Errorf("keys: data key %s has %d bytes, not 32", d.ID, len(plain))
		}
		return plain, nil
	}
	return nil, fmt.Errorf("keys: data key %s is wrapped by master key %s, which is not configured", d.ID, d.Master)
}

// Reload reads the data keys again; call it each minute, or each second where Derive is used by many nodes. Only keys
// not known yet cost a call of their master. On an error the keys known so far stay in use.
func (s *Sealer) Reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.opts.Store.DataKeys(ctx)
	if err != nil {
		return err
	}
	next := &sealerState{byID: map[[dataKeyID]byte]openedKey{}}
	old := s.state.Load()
	changed := old == nil || len(old.newestFirst) != len(stored)
	for _, d := range stored {
		raw, err := hex.DecodeString(d.ID)
		if err != nil || len(raw) != dataKeyID {
			return fmt.Errorf("keys: %q is no id of a data key", d.ID)
		}
		id := [dataKeyID]byte(raw)
		var k openedKey
		if old != nil {
			k = old.byID[id]
		}
		if k.aead == nil {
			changed = true
			if k, err = s.openKey(ctx, id, d); err != nil {
				return err
			}
		}
		next.byID[id] = k
		next.newestFirst = append(next.newestFirst, k)
	}
	if changed { // else keep what was derived
		slices.Reverse(next.newestFirst)
		s.state.Store(next)
	}
	return nil
}

func (s *Sealer) openKey(ctx context.Context, id [dataKeyID]byte, d DataKey) (openedKey, error) {
	plain, err := s.unwrap(ctx, d)
	if err != nil {
		return openedKey{}, err
	}
	sealing, err := hkdf.Key(sha256.New, plain, nil, "postern seal", 32)
	if err != nil {
		return openedKey{}, err
	}
	aead, err := newGCM(sealing)
	return openedKey{id: id, plain: plain, aead: aead, createdAt: d.CreatedAt}, err
}

// Derive returns secrets of 32 bytes for name, one from each data key: make with the first, accept any. A data key
// comes first only ten seconds after it was made, when every node has it; until then it stands last. RFC 5869 §2.
// The result is shared; do not change it.
func (s *Sealer) Derive(name string) [][]byte {
	st := s.state.Load()
	secrets := st.secrets(name)
	now, young := s.opts.Now(), 0
	for young < len(secrets) && st.newestFirst[young].createdAt.Add(settle).After(now) {
		young++
	}
	if young == 0 {
		return secrets
	}
	if young == len(secrets) { // all of them: the oldest, on which nodes that start at once agree soonest
		young--
	}
	return slices.Concat(secrets[young:], secrets[:young])
}

// Anchor returns the secret of 32 bytes for name that stays the same for ever: it comes from the oldest data key, which every
// rotation keeps. It is for what must not change with the keys, such as pairwise subjects, and for nothing else.
func (s *Sealer) Anchor(name string) []byte {
	secrets := s.state.Load().secrets(name)
	return secrets[len(secrets)-1]
}

// secrets are those derived for name, in the order of newestFirst.
func (st *sealerState) secrets(name string) [][]byte {
	if v, found := st.derived.Load(name); found {
		return v.([][]byte)
	}
	var secrets [][]byte
	for _, k := range st.newestFirst {
		secret, err := hkdf.Key(sha256.New, k.plain, nil, "postern derive "+name, 32)
		if err != nil { // only where FIPS mode forbids the hash, which it does not
			panic("keys: " + err.Error())
		}
		secrets = append(secrets, secret)
	}
	st.derived.Store(name, secrets)
	return secrets
}
