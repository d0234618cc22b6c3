package keys

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/span"
)

// Backend makes signing keys and opens them. Without one, keys live in this process and are stored as sealed PKCS#8.
type Backend interface {
	// Generate makes a key for alg. ref is kept in Record.Sealed: what Open needs to find the key again.
	Generate(ctx context.Context, alg string) (pub crypto.PublicKey, ref []byte, err error)
	// Open returns the key of rec, whose ID() is rec.ID and whose Alg() is rec.Alg.
	Open(ctx context.Context, rec Record) (Key, error)
}

// RingOptions are what a Ring is made of.
type RingOptions struct {
	Store   Store
	Sealer  *Sealer
	Backend Backend  // nil: software keys
	Use     string   // "token" or "audit"; a ring sees no other key, but that of tokens also sees those for encryption
	Algs    []string // the first is the default
	EncAlgs []string // of what is encrypted to us, from EncryptionAlgs; RSA-OAEP* costs an RSA key, ECDH-ES* an EC key. Empty: nothing is
	Now     func() time.Time

	Every   time.Duration // rotate so often; 0: by hand
	Ahead   time.Duration // a key that Tick activates has been published for so long: the lifetime of JWKS caches
	Overlap time.Duration // a retired key verifies for so long: the longest lifetime of what it signed, and a minute
}

// Ring is the signing keys of one use: one active key for each algorithm, the next one published ahead, and the retired
// ones until all that they signed has expired. Many nodes share one set of keys through the Store. It is safe for
// concurrent use; Sign, Verify, Decrypt and JWKS take no lock and never touch the store.
//
// The ring of tokens also has the keys for encryption: see encryption.go.
type Ring struct {
	opts  RingOptions
	kinds []string   // the Record.Alg of the keys that it keeps: opts.Algs, then those for opts.EncAlgs
	mu    sync.Mutex // one change or reload at a time
	state atomic.Pointer[ringState]
}

type ringState struct {
	rev     int64
	records []Record
	opened  map[string]openedRecord // by kid
	active  map[string]*signer      // by alg
	keys    []publicKey             // that verify: all that are published to do so, active ones first
	enc     []*decrypter            // active ones first
	jwks    []byte
	etag    string
}

// openedRecord is what a record became once it was opened: never done twice.
type openedRecord struct {
	key Key // nil once retired
	pub publicKey
	enc *decrypter // of a key for encryption, in place of key and pub
	jwk []byte
}

// signer is an active key with its headers ready.
type signer struct {
	key     Key
	headers sync.Map // typ → string
	count   atomic.Int32
}

const maxHeaders = 32 // kept ready for a key; typ is chosen by our code, so this is never reached

// NewRing loads the keys and makes an active and a next one for each algorithm where they are missing.
// Nodes that do so at once end up with the same keys.
func NewRing(ctx context.Context, o RingOptions) (*Ring, error) {
	switch {
	case o.Store == nil || o.Now == nil || o.Use == "" || len(o.Algs) == 0 || o.Sealer == nil:
		return nil, errors.New("keys: a ring needs a store, a sealer, a clock, a use and an algorithm")
	case o.Overlap <= 0 || o.Ahead < 0 || o.Every < 0 || o.Every > 0 && o.Every < o.Ahead:
		return nil, errors.New("keys: a ring needs an overlap, and may not rotate more often than it publishes ahead")
	}
	for i, alg := range o.Algs {
		if !slices.Contains([]string{ES256, RS256, PS256, EdDSA}, alg) || slices.Contains(o.Algs[:i], alg) {
			return nil, fmt.Errorf("keys: %q is no algorithm to sign with, or stands twice", alg)
		}
	}
	if err := checkEncAlgs(o); err != nil {
		return nil, err
	}
	o.Algs, o.EncAlgs = slices.Clone(o.Algs), slices.Clone(o.EncAlgs)
	if o.Backend == nil {
		o.Backend = software{o.Sealer}
	}
	r := &Ring{opts: o, kinds: append(slices.Clone(o.Algs), encKinds(o.EncAlgs)...)}
	return r, r.change(ctx, func(*edit) error { return nil })
}

// Sign returns payload as a compact JWS, RFC 7515 §7.1, by the active key for alg ("": the default).
// typ "" leaves the parameter out.
func (r *Ring) Sign(ctx context.Context, alg, typ string, payload []byte) (_ string, err error) {
	ctx, end := span.Start(ctx, "keys.Sign")
	defer func() { end(err) }()
	if alg == "" {
		alg = r.opts.Algs[0]
	}
	s := r.state.Load().active[alg]
	if s == nil {
		return "", fmt.Errorf("keys: no active %s key for %s", r.opts.Use, alg)
	}
	head, err := s.header(typ)
	if err != nil {
		return "", err
	}
	return compact(ctx, s.key, head, payload)
}

func (s *signer) header(typ string) (string, error) {
	if h, found := s.headers.Load(typ); found {
		return h.(string), nil
	}
	h, err := encodeHeader(s.key, typ)
	if err == nil && s.count.Add(1) <= maxHeaders {
		s.headers.Store(typ, h)
	}
	return h, err
}

// Verify is Set.Verify with the keys of this ring. Where e.Algs is empty, all that the ring's keys serve are accepted:
// each of them serves one.
func (r *Ring) Verify(token string, e Expect) (Verified, error) {
	if len(e.Algs) == 0 {
		e.Algs = ourAlgs
	}
	return verify(token, e, r.state.Load().keys)
}

var ourAlgs = []string{ES256, RS256, PS256, EdDSA}

// JWKS returns the published keys as a JWK set, RFC 7517 §5, and a strong ETag in quotes. The active keys stand first. The
// bytes are shared; do not change them.
func (r *Ring) JWKS() (body []byte, etag string) {
	st := r.state.Load()
	return st.jwks, st.etag
}

// Algs are the algorithms that the ring signs with; the first is the default.
func (r *Ring) Algs() []string { return slices.Clone(r.opts.Algs) }

// List returns the keys, oldest first, without what is sealed.
func (r *Ring) List() []Record {
	list := slices.Clone(r.state.Load().records)
	for i := range list {
		list[i].Sealed = nil
	}
	return list
}

// load makes records the state. Everything published comes out of what was sealed, never from a column that
// whoever writes to the database could have put there: PublicJWK is for reading only.
func (r *Ring) load(ctx context.Context, rev int64, records []Record) error {
	old := r.state.Load()
	next := &ringState{rev: rev, records: records, opened: map[string]openedRecord{}, active: map[string]*signer{}}
	for _, rec := range records {
		var o openedRecord
		if old != nil {
			o = old.opened[rec.ID]
		}
		if rec.State == Retired {
			o.key = nil
		}
		if rec.Use == useEnc {
			if o.enc == nil {
				var err error
				if o, err = r.openEnc(rec); err != nil {
					return err
				}
			}
			next.opened[rec.ID] = o
			continue
		}
		if o.pub.pub == nil || o.key == nil && rec.State != Retired {
			var err error
			if o, err = r.open(ctx, rec); err != nil {
				return err
			}
		}
		next.opened[rec.ID] = o
		if rec.State != Active || !slices.Contains(r.opts.Algs, rec.Alg) {
			continue
		}
		if old != nil && old.active[rec.Alg] != nil && old.active[rec.Alg].key == o.key {
			next.active[rec.Alg] = old.active[rec.Alg] // keeps its headers
		} else {
			next.active[rec.Alg] = &signer{key: o.key}
		}
	}
	next.publish(r.kinds)
	r.state.Store(next)
	return nil
}

func (r *Ring) open(ctx context.Context, rec Record) (openedRecord, error) {
	if rec.State == Retired { // the private half is gone
		text, err := r.opts.Sealer.Open(retirePurpose(rec.ID, rec.Alg), rec.Sealed)
		if err != nil {
			return openedRecord{}, fmt.Errorf("keys: %s: %w", rec.ID, err)
		}
		pub, err := parseJWK(text)
		return openedRecord{pub: pub, jwk: text}, err
	}
	key, err := r.opts.Backend.Open(ctx, rec)
	if err != nil {
		return openedRecord{}, fmt.Errorf("keys: %s: %w", rec.ID, err)
	}
	if key.ID() != rec.ID || key.Alg() != rec.Alg {
		return openedRecord{}, fmt.Errorf("keys: %s: its back end holds another key", rec.ID)
	}
	text, err := PublicJWK(key)
	if err != nil {
		return openedRecord{}, err
	}
	pub, err := parseJWK(text)
	return openedRecord{key: key, pub: pub, jwk: text}, err
}

// publish prepares the JWKS: active keys first, by the order of kinds, for clients that take the first key that fits.
func (st *ringState) publish(kinds []string) {
	order := slices.Clone(st.records)
	rank := func(rec Record) int {
		i := slices.Index(kinds, rec.Alg)
		if i < 0 {
			i = len(kinds)
		}
		return slices.Index([]State{Active, Next, Retired}, rec.State)*(len(kinds)+1) + i
	}
	slices.SortStableFunc(order, func(a, b Record) int { return cmp.Compare(rank(a), rank(b)) })
	var body bytes.Buffer
	body.WriteString(`{"keys":[`)
	separator := ""
	for _, rec := range order {
		o := st.opened[rec.ID]
		if o.enc != nil {
			st.enc = append(st.enc, o.enc)
			if rec.State != Active || !slices.Contains(kinds, rec.Alg) {
				continue
			}
		} else {
			st.keys = append(st.keys, o.pub)
		}
		body.WriteString(separator)
		body.Write(o.jwk)
		separator = ","
	}
	body.WriteString(`]}`)
	st.jwks = body.Bytes()
	sum := sha256.Sum256(st.jwks)
	st.etag = `"` + b64.EncodeToString(sum[:16]) + `"`
}
