package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// reference is the exam's own candidate: an engine in memory, right by its simplicity (one lock around every
// method), and wrong in exactly one way where fault names one.
type reference struct {
	mu    sync.Mutex
	now   func() time.Time
	fault string

	ephemeral map[store.Key]*modelled
	counters  map[string]*counted
	trail     []audit.Entry
	keys      []keys.Record
	keysRev   int64
	dataKeys  []keys.DataKey
	users     map[ident.UserID]authn.User
	profiles  map[string]profile
	passkeys  []authn.Passkey
	approvers []authn.Approver
	userCodes map[ident.UserID]userCode
	codes     map[ident.UserID][]code
	sessions  map[ident.SessionID]sessions.Session
	boundKeys []sessions.DeviceKey
	grants    map[ident.GrantID]oauth.Grant
	consents  map[consentKey]oauth.Consent
	clients   map[string]oauth.Document
	resources map[string]oauth.Document
	registry  int64
	mails     []notify.Record
	once      map[string]time.Time
	outboxes  map[oauth.DeliveryKind][]oauth.Delivery
	log       []oauth.Revocation
	logged    int64
}

type counted struct {
	total int64
	end   time.Time
}

type profile struct {
	blob    []byte
	version int64
}

type consentKey struct {
	user   ident.UserID
	client ident.ClientID
}

var errTooBig = errors.New("reference: value too big")

func newReference(now func() time.Time, fault string) *reference {
	return &reference{
		now: now, fault: fault, ephemeral: map[store.Key]*modelled{}, counters: map[string]*counted{}, users: map[ident.UserID]authn.User{},
		codes: map[ident.UserID][]code{}, userCodes: map[ident.UserID]userCode{},
		profiles: map[string]profile{}, sessions: map[ident.SessionID]sessions.Session{}, grants: map[ident.GrantID]oauth.Grant{},
		consents: map[consentKey]oauth.Consent{}, clients: map[string]oauth.Document{}, resources: map[string]oauth.Document{}, once: map[string]time.Time{},
		outboxes: map[oauth.DeliveryKind][]oauth.Delivery{},
	}
}

// has reports whether this candidate has the fault.
func (m *reference) has(fault string) bool { return m.fault == fault }

// gap lets others in between a look and the write that follows it, where the candidate has that fault.
func (m *reference) gap(fault string) {
	if m.has(fault) {
		m.mu.Unlock()
		runtime.Gosched()
		time.Sleep(50 * time.Microsecond)
		m.mu.Lock()
	}
}

// micros is t as every engine returns it.
func (m *reference) micros(t time.Time) time.Time {
	switch {
	case t.IsZero() && m.has("a zero time becomes 1970"):
		return time.Unix(0, 0).UTC()
	case t.IsZero():
		return time.Time{}
	case m.has("times lose their microseconds"):
		return t.UTC().Truncate(time.Millisecond)
	case m.has("times keep their zone"):
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// order compares identifiers.
func (m *reference) order(a, b string) int {
	if m.has("names are ordered by a locale") { // case and punctuation weigh little
		fold := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
		return cmp.Or(cmp.Compare(fold(a), fold(b)), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

// first returns at most limit of list.
func first[E any](list []E, limit int) []E { return list[:min(limit, len(list))] }

// --- store.Ephemeral

func (m *reference) live(k store.Key) *modelled {
	e := m.ephemeral[k]
	switch {
	case e == nil || m.has("nothing expires"):
		return e
	case m.has("expiry is late by one tick") && m.now().Equal(e.exp):
		return e
	case !m.now().Before(e.exp):
		return nil
	}
	return e
}

func (m *reference) Put(ctx context.Context, k store.Key, v []byte, exp time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(v) > store.MaxValue && !m.has("Put has no bound") {
		return errTooBig
	}
	if ctx.Err() != nil && !m.has("Put ignores its context") {
		return ctx.Err()
	}
	e := m.live(k)
	if m.has("Put refuses the expired") {
		e = m.ephemeral[k]
	}
	if m.has("Put replaces the taken") && e != nil && e.taken {
		e = nil
	}
	m.gap("Put looks, then writes")
	if e != nil && !m.has("Put ignores existence") {
		return store.ErrExists
	}
	if !m.has("Put keeps the caller's slice") {
		v = bytes.Clone(v)
	}
	m.ephemeral[k] = &modelled{v: v, exp: exp}
	return nil
}

func (m *reference) Get(_ context.Context, k store.Key) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.live(k); e != nil && e.taken && m.has("Get forgets the taking") {
		return e.v, nil
	}
	return expect(m.live(k))
}

func (m *reference) Swap(_ context.Context, k store.Key, old, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(v) > store.MaxValue && !m.has("Swap has no bound") {
		return errTooBig
	}
	e := m.live(k)
	if e == nil {
		return store.ErrNotFound
	}
	stale := !bytes.Equal(e.v, old) && !m.has("Swap ignores the old value")
	if m.has("Swap compares a prefix") {
		stale = !bytes.HasPrefix(e.v, old)
	}
	m.gap("Swap looks, then writes")
	if stale || e.taken && !m.has("Swap ignores the taking") {
		return store.ErrStale
	}
	e.v = bytes.Clone(v)
	if m.has("Swap prolongs") {
		e.exp = e.exp.Add(time.Minute)
	}
	return nil
}

func (m *reference) Take(ctx context.Context, k store.Key) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil && !m.has("Take ignores its context") {
		return nil, ctx.Err()
	}
	v, err := expect(m.live(k))
	m.gap("Take looks, then writes")
	if e := m.live(k); e != nil {
		e.taken = true
		if m.has("Take deletes") {
			delete(m.ephemeral, k)
		}
	}
	if err == store.ErrTaken && m.has("a late Take gets no value") {
		v = nil
	}
	return v, err
}

// --- store.Counters

func (m *reference) Add(ctx context.Context, key string, n int64, window time.Duration) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil && !m.has("Add ignores its context") {
		return 0, ctx.Err()
	}
	if m.has("counter keys are case-folded") {
		key = strings.ToLower(key)
	}
	c := m.counters[key]
	if c == nil || !m.now().Before(c.end) && !m.has("a window never ends") {
		m.gap("a new window is opened twice")
		c = &counted{end: m.now().Add(window)}
		m.counters[key] = c
	}
	total := c.total + n
	m.gap("Add reads, then writes")
	c.total = total
	if m.has("Add prolongs the window") {
		c.end = m.now().Add(window)
	}
	if m.has("a counter stops at zero") {
		c.total = max(0, c.total)
	}
	return c.total, nil
}

// --- audit.Store

func (m *reference) AppendAudit(_ context.Context, entries []audit.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	type place struct {
		stream string
		seq    int64
	}
	there := map[place]bool{}
	for _, e := range m.trail {
		there[place{e.Stream, e.Seq}] = true
	}
	m.gap("AppendAudit looks, then writes")
	kept := len(m.trail)
	for _, e := range entries {
		if there[place{e.Stream, e.Seq}] && !m.has("AppendAudit appends twice") {
			if !m.has("AppendAudit keeps a part") {
				m.trail = m.trail[:kept]
			}
			return store.ErrExists
		}
		there[place{e.Stream, e.Seq}] = true
		e.At = m.micros(e.At)
		m.trail = append(m.trail, e)
	}
	return nil
}

func (m *reference) ReadAudit(_ context.Context, stream string, from int64, limit int) (out []audit.Entry, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.trail {
		if e.Stream == stream && (e.Seq >= from || m.has("ReadAudit ignores from")) {
			out = append(out, e)
		}
	}
	return first(out, limit), nil
}

func (m *reference) AuditHeads(context.Context) (out []audit.Head, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	heads := map[string]audit.Head{}
	for _, e := range m.trail {
		if e.Seq > heads[e.Stream].Seq {
			heads[e.Stream] = audit.Head{Stream: e.Stream, Seq: e.Seq, Hash: e.Hash}
		}
	}
	for _, s := range slices.SortedFunc(maps.Keys(heads), m.order) {
		out = append(out, heads[s])
	}
	return out, nil
}

func (m *reference) AuditOfUser(_ context.Context, user ident.UserID, before time.Time, limit int) (out []audit.Entry, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.trail {
		if e.User == user && (e.At.Before(before) || m.has("AuditOfUser includes its bound") && e.At.Equal(before)) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b audit.Entry) int { return b.At.Compare(a.At) })
	return first(out, limit), nil
}

func (m *reference) EraseAddresses(_ context.Context, before time.Time, limit int) (n int64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	order := make([]int, len(m.trail))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return m.trail[a].At.Compare(m.trail[b].At) })
	for _, i := range order {
		e := &m.trail[i]
		if e.IP == "" || !e.At.Before(before) && !m.has("EraseAddresses includes its bound") || n == int64(limit) {
			continue
		}
		if e.IP = ""; !m.has("EraseAddresses leaves the salt") {
			e.Salt = nil
		}
		if m.has("EraseAddresses forgets who it was") {
			e.User = ""
		}
		n++
	}
	return n, nil
}

// --- keys.Store

func (m *reference) SigningKeys(context.Context) ([]keys.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.keys)
	slices.SortFunc(out, func(a, b keys.Record) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}

func (m *reference) ApplyKeys(_ context.Context, rev int64, put []keys.Record, remove []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stale := rev != m.keysRev && !m.has("ApplyKeys ignores the revision")
	m.gap("ApplyKeys looks, then writes")
	if stale && !m.has("a stale ApplyKeys removes") {
		return store.ErrStale
	}
	m.keys = slices.DeleteFunc(m.keys, func(k keys.Record) bool {
		return slices.Contains(remove, k.ID) || slices.ContainsFunc(put, func(p keys.Record) bool { return p.ID == k.ID })
	})
	if stale {
		return store.ErrStale
	}
	for _, k := range put {
		k.CreatedAt, k.ActiveAt, k.RetiredAt, k.RemoveAt = m.micros(k.CreatedAt), m.micros(k.ActiveAt), m.micros(k.RetiredAt), m.micros(k.RemoveAt)
		m.keys = append(m.keys, k)
	}
	m.keysRev++
	return nil
}

func (m *reference) KeysRevision(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keysRev, nil
}

func (m *reference) DataKeys(context.Context) ([]keys.DataKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.dataKeys)
	slices.SortFunc(out, func(a, b keys.DataKey) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}

func (m *reference) PutDataKey(_ context.Context, k keys.DataKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.has("PutDataKey never replaces") {
		m.dataKeys = slices.DeleteFunc(m.dataKeys, func(d keys.DataKey) bool { return d.ID == k.ID })
	}
	k.CreatedAt = m.micros(k.CreatedAt)
	m.dataKeys = append(m.dataKeys, k)
	return nil
}
