package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// Limit is one budget of failures. Free failures cost nothing; after them one attempt is looked at in
// each delay, which begins with First and doubles up to Longest; after Max nothing is looked at until
// the window ends. No budget ever locks for good.
type Limit struct {
	Free, Max      int64
	Window         time.Duration // begins with the first failure; a success of the person empties it
	First, Longest time.Duration
}

func (l Limit) delay(n int64) time.Duration {
	d := l.First
	for i := l.Free + 1; i < n && d < l.Longest; i++ {
		d *= 2
	}
	return min(d, l.Longest)
}

// Limits are the budgets of guessing. The zero value of a Limit is its default.
//
// A device on which the person has signed in before has a budget of its own and none of the others,
// so that nobody elsewhere can lock its owner out. NIST SP 800-63B-4 §3.2.2.
type Limits struct {
	Device        Limit // one account from one known device
	AccountPrefix Limit // one identifier from one network prefix
	Account       Limit // one account from everywhere: at most 100 consecutive failures
	Prefix        Limit // all accounts from one network prefix: /24 or /48
	Secret        Limit // one password tried on many accounts
}

func (l Limits) withDefaults() Limits {
	def := func(v *Limit, d Limit) {
		if *v == (Limit{}) {
			*v = d
		}
	}
	const day = 24 * time.Hour
	def(&l.Device, Limit{5, 100, day, time.Second, 15 * time.Minute})
	def(&l.AccountPrefix, Limit{5, 30, day, time.Second, 15 * time.Minute})
	def(&l.Account, Limit{20, 100, day, time.Second, 15 * time.Minute})
	def(&l.Prefix, Limit{50, 500, time.Hour, 250 * time.Millisecond, 5 * time.Second})
	def(&l.Secret, Limit{30, 300, time.Hour, 500 * time.Millisecond, time.Minute})
	return l
}

// deviceMemory is how long a device counts as known after a complete sign-in on it.
const deviceMemory = 90 * 24 * time.Hour

type throttle struct {
	counters store.Counters
	eph      store.Ephemeral
	now      func() time.Time
	limits   Limits
	key      []byte // of this process: makes a counter's name say nothing about the password
}

func newThrottle(o Options) (*throttle, error) {
	t := &throttle{counters: o.Counters, eph: o.Ephemeral, now: o.Now, limits: o.Policy.Throttle, key: make([]byte, 32)}
	if _, err := io.ReadFull(o.Rand, t.key); err != nil {
		return nil, fmt.Errorf("authn: random: %w", err)
	}
	return t, nil
}

type budget struct {
	name  string
	limit Limit
	own   bool // belongs to this account: a success empties it
}

// guess is what is tried: by whom, from where.
type guess struct {
	factor     string // "pwd", "otp"
	account    string // the person, or the identifier that names nobody
	identifier string // as typed, normalised
	secret     string // "" where it is not worth counting
	env        ident.Env
}

// attempt holds the reservations of one guess.
type attempt struct {
	t       *throttle
	taken   []budget
	totals  []int64
	known   bool // made on a known device
	account string
	device  ident.DeviceID
}

// enter counts g as a failure in advance, so that parallel guesses cannot share a look, or returns
// Throttled. log says whether a refusal is the first of its delay, and so worth an audit event.
func (t *throttle) enter(ctx context.Context, g guess) (a *attempt, log bool, err error) {
	a = &attempt{t: t, account: g.account, device: g.env.Device}
	if a.known, err = t.knows(ctx, g.account, g.env.Device); err != nil {
		return nil, false, err
	}
	for _, b := range t.budgets(g, a.known) {
		n, err := t.counters.Add(ctx, b.name, 1, b.limit.Window)
		if err != nil {
			a.abandon(ctx)
			return nil, false, fmt.Errorf("authn: throttle: %w", err)
		}
		a.taken, a.totals = append(a.taken, b), append(a.totals, n)
		if n <= b.limit.Free {
			continue
		}
		wait, quiet := b.limit.delay(n), b.name+":gate"
		if n > b.limit.Max {
			wait, quiet = b.limit.Window, b.name+":shut"
		}
		// The window of this counter is the delay itself: it begins with the one attempt that is looked at.
		looks, err := t.counters.Add(ctx, quiet, 1, min(wait, b.limit.Longest))
		if err == nil && looks == 1 && n <= b.limit.Max {
			continue
		}
		a.abandon(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("authn: throttle: %w", err)
		}
		return nil, looks <= 2, Throttled{RetryAfter: wait}
	}
	return a, false, nil
}

// budgets are the budgets that g draws on, those of the guesser first: who is refused there must
// not use up what belongs to the account.
func (t *throttle) budgets(g guess, known bool) []budget {
	if known {
		return []budget{{name("device", g.factor, g.account, string(g.env.Device)), t.limits.Device, true}}
	}
	prefix := prefixOf(g.env.IP)
	bs := []budget{{name("prefix", g.factor, prefix), t.limits.Prefix, false}}
	if g.secret != "" {
		mac := hmac.New(sha256.New, t.key)
		mac.Write([]byte(g.secret))
		bs = append(bs, budget{name("secret", g.factor, string(mac.Sum(nil))), t.limits.Secret, false})
	}
	return append(bs,
		budget{name("account-prefix", g.factor, g.identifier, prefix), t.limits.AccountPrefix, true},
		budget{name("account", g.factor, g.account), t.limits.Account, true})
}

// succeed empties the person's own budgets and gives the others their reservation back.
func (a *attempt) succeed(ctx context.Context) error {
	for i, b := range a.taken {
		back := int64(1)
		if b.own {
			back = a.totals[i]
		}
		if _, err := a.t.counters.Add(ctx, b.name, -back, b.limit.Window); err != nil {
			return fmt.Errorf("authn: throttle: %w", err)
		}
	}
	return nil
}

// abandon gives the reservations back: the guess was never looked at.
func (a *attempt) abandon(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, b := range a.taken {
		// A reservation that cannot be given back counts as a failure: the safe side.
		_, _ = a.t.counters.Add(ctx, b.name, -1, b.limit.Window)
	}
}

func (t *throttle) knows(ctx context.Context, account string, device ident.DeviceID) (bool, error) {
	if device == "" {
		return false, nil
	}
	_, err := t.eph.Get(ctx, store.KeyOf("authn.device", account+"\x00"+string(device)))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("authn: known device: %w", err)
	}
	return true, nil
}

// remember makes the device of a complete sign-in a known one.
func (a *attempt) remember(ctx context.Context) error {
	if a.known || a.device == "" {
		return nil
	}
	k := store.KeyOf("authn.device", a.account+"\x00"+string(a.device))
	err := a.t.eph.Put(ctx, k, []byte{1}, a.t.now().Add(deviceMemory))
	if err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("authn: known device: %w", err)
	}
	return nil
}

// name is the key of a counter: it tells which budget it is and nothing about whom it counts.
func name(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "authn:" + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:15])
}

// prefixOf is the /24 or /48 of ip: what one household or attacker holds at least.
func prefixOf(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}
