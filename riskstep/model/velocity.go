package model

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Pressure is what attempts of late say of the next one: what each count adds to the log-odds of an attack, at
// least 0. They are bounded together.
type Pressure struct {
	Prefix, ASN, Account, Tenant float64
}

// Velocity counts attempts and failures of late, by network, provider, account and tenant. Counts fade by half in ten
// minutes (an hour for accounts, a day for what is usual in the tenant). Its memory is bounded: what is seen least
// makes room. It keeps no address, only what a secret of the process makes of it. Safe for concurrent use.
type Velocity struct {
	mu     sync.Mutex
	seed   maphash.Seed
	sets   [velocitySets][velocityWays]tally
	tenant tally
	usual  tally
}

const (
	velocitySets = 4096 // power of two
	velocityWays = 4
)

// tally is the counts of one key.
type tally struct {
	key             uint64
	at              int64 // seconds, when the counts were right
	attempts, fails float32
	// accounts has a bit for each sixty-fourth of the accounts that failed; those of the last half hour stand in before.
	accounts, before uint64
	turned           int64
}

// Half-lives, in seconds.
const (
	waveLife    = 10 * 60
	accountLife = 60 * 60
	usualLife   = 24 * 60 * 60
	turnAfter   = 30 * 60
)

const (
	kindPrefix  = "prefix"
	kindNet     = "asn"
	kindAccount = "account"
	kindTenant  = "tenant"
)

// NewVelocity returns one that has seen nothing.
func NewVelocity() *Velocity { return &Velocity{seed: maphash.MakeSeed()} }

// Observe counts l.
func (v *Velocity) Observe(l *Login) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := l.At.Unix()
	user := v.hash(kindAccount, l.User)
	v.tenant.count(now, waveLife, l.Failed, user)
	v.usual.count(now, usualLife, l.Failed, user)
	v.find(user, now, accountLife).count(now, accountLife, l.Failed, user)
	if k, ok := v.prefix(l); ok {
		v.find(k, now, waveLife).count(now, waveLife, l.Failed, user)
	}
	if l.Net.ASN != 0 {
		v.find(v.asn(l.Net.ASN), now, waveLife).count(now, waveLife, l.Failed, user)
	}
}

// Pressure is what the counts say of l, which they need not contain.
func (v *Velocity) Pressure(l *Login) (p Pressure) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := l.At.Unix()
	base := v.usual.faded(now, usualLife).ratio(.1, 50)
	if t := v.peek(v.hash(kindAccount, l.User)); t != nil {
		// Two slips are everybody's.
		p.Account = min(math.Log1p(max(0, float64(t.faded(now, accountLife).fails)-2)/2), 2)
	}
	if k, ok := v.prefix(l); ok {
		if t := v.peek(k); t != nil {
			p.Prefix = min(t.excess(now, base, 5)*t.spread(), 3)
		}
	}
	if l.Net.ASN != 0 {
		if t := v.peek(v.asn(l.Net.ASN)); t != nil {
			p.ASN = min(t.excess(now, base, 20)*t.spread(), 2)
		}
	}
	p.Tenant = min(v.tenant.excess(now, base, 100), 1.5)
	return p
}

// Set puts totals of the last ten minutes (an hour for accounts) that were counted elsewhere, up to a time, in place
// of what was counted here. kind is "prefix" (key: as netip.Prefix writes it), "asn" (a decimal), "account" (the user)
// or "tenant" (no key).
func (v *Velocity) Set(kind, key string, failures, attempts float64, at time.Time) {
	now := at.Unix()
	if !(failures >= 0 && attempts >= failures) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	t, life := &v.tenant, int64(waveLife)
	if kind == kindAccount {
		life = accountLife
	}
	switch kind {
	case kindAccount:
		t = v.find(v.hash(kind, key), now, life)
	case kindPrefix:
		p, err := netip.ParsePrefix(key)
		if err != nil {
			return
		}
		k, _ := v.prefix(&Login{Net: Net{Prefix: p}})
		t = v.find(k, now, life)
	case kindNet:
		asn, err := strconv.ParseUint(key, 10, 32)
		if err != nil {
			return
		}
		t = v.find(v.asn(uint32(asn)), now, life)
	case kindTenant:
	default:
		return
	}
	t.fade(now, life)
	t.fails, t.attempts = float32(min(failures, 1e9)), float32(min(attempts, 1e9))
}

func (v *Velocity) hash(kind, key string) uint64 {
	return maphash.String(v.seed, key) ^ uint64(len(kind))<<56 | 1
}

func (v *Velocity) asn(asn uint32) uint64 {
	return mix(maphash.Comparable(v.seed, uint64(asn))) | 1
}

func (v *Velocity) prefix(l *Login) (uint64, bool) {
	network, _ := l.networks()
	if network.n == 0 {
		return 0, false
	}
	return maphash.Bytes(v.seed, network.b[:network.n]) | 1, true
}

func (v *Velocity) peek(key uint64) *tally {
	set := &v.sets[key>>1&(velocitySets-1)]
	for i := range set {
		if set[i].key == key {
			return &set[i]
		}
	}
	return nil
}

// find returns the tally of key, which may take the place of that with the fewest failures and attempts.
func (v *Velocity) find(key uint64, now, life int64) *tally {
	if t := v.peek(key); t != nil {
		return t
	}
	set := &v.sets[key>>1&(velocitySets-1)]
	least := &set[0]
	for i := range set {
		if set[i].worth(now, life) < least.worth(now, life) {
			least = &set[i]
		}
	}
	*least = tally{key: key, at: now, turned: now}
	return least
}

func (t *tally) worth(now, life int64) float32 {
	f := t.faded(now, life)
	return f.attempts + 4*f.fails
}

// fade brings the counts up to now. A clock that goes back fades nothing.
func (t *tally) fade(now, life int64) {
	if now <= t.at {
		return
	}
	keep := float32(math.Exp2(-float64(now-t.at) / float64(life)))
	t.attempts, t.fails, t.at = t.attempts*keep, t.fails*keep, now
	if now-t.turned > turnAfter {
		t.before, t.accounts, t.turned = t.accounts, 0, now
	}
}

func (t tally) faded(now, life int64) tally {
	t.fade(now, life)
	return t
}

func (t *tally) count(now, life int64, failed bool, user uint64) {
	t.fade(now, life)
	t.attempts++
	if failed {
		t.fails++
		t.accounts |= 1 << (mix(user) & 63)
	}
}

// ratio is the share of failures, starting at prior, which counts for weight attempts.
func (t tally) ratio(prior, weight float64) float64 {
	return (float64(t.fails) + prior*weight) / (float64(t.attempts) + weight)
}

// quiet is how many times as often as usual attempts may fail before it says anything.
const quiet = 1.5

// excess is ln of how much more often than usual attempts fail, beyond what is chance.
func (t *tally) excess(now int64, base, weight float64) float64 {
	return max(0, math.Log(t.faded(now, waveLife).ratio(base, weight)/base/quiet))
}

// spread is how much failures look like those of one who tries many accounts, from 0 to 1: one person who fails ten
// times fails at one account.
func (t *tally) spread() float64 {
	return min(float64(max(bits.OnesCount64(t.accounts|t.before)-1, 0))/5, 1)
}
