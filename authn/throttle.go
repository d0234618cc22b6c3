package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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
	lanes    *lanes
}

func newThrottle(o Options) (*throttle, error) {
	t := &throttle{counters: o.Counters, eph: o.Ephemeral, now: o.Now, limits: o.Policy.Throttle, key: make([]byte, 32), lanes: newLanes(o.Policy.QueueLimit)}
	if _, err := io.ReadFull(o.Rand, t.key); err != nil {
		return nil, fmt.Errorf("authn: random: %w", err)
	}
	return t, nil
}

type budget struct {
	name  string
	limit Limit
	// own says that it belongs to this account: it is drawn on in advance, so that parallel guesses
	// cannot share a look, and a success empties it. The others count failures once they are known.
	own bool
}

// guess is what is tried: by whom, from where.
type guess struct {
	factor     string // "pwd", "otp"
	account    string // the person, or the identifier that names nobody
	identifier string // as typed, normalised
	secret     string // "" where it is not worth counting
	env        ident.Env
	// strict says that a known device has no budget of its own: where a password is all that most people show, any device
	// becomes known by it, also that of who has stolen it.
	strict bool
}

// attempt is a guess that may be looked at. Its end is fail, succeed or abandon, and then leave.
type attempt struct {
	t       *throttle
	budgets []budget
	drawn   []int64 // totals of those that were drawn on, 0 for the others
	known   bool    // made on a known device
	account string
	device  ident.DeviceID
	leave   func()
}

// enter lets g be looked at, or returns Throttled, or ErrBusy. log says whether a refusal is the first
// of its delay, and so worth an audit event.
func (t *throttle) enter(ctx context.Context, g guess) (a *attempt, log bool, err error) {
	leave, err := t.lanes.enter(ctx, g.factor+"\x00"+g.account)
	if err != nil {
		return nil, false, err
	}
	a = &attempt{t: t, account: g.account, device: g.env.Device, leave: leave}
	if log, err = a.draw(ctx, g); err != nil {
		a.abandon(ctx)
		leave()
		return nil, log, err
	}
	return a, false, nil
}

// draw draws on the budgets of g, one after another.
func (a *attempt) draw(ctx context.Context, g guess) (log bool, err error) {
	if !g.strict {
		if a.known, err = a.t.knows(ctx, g.account, g.env.Device); err != nil {
			return false, err
		}
	}
	for _, b := range a.t.budgets(g, a.known) {
		add := int64(0)
		if b.own {
			add = 1
		}
		n, err := a.t.counters.Add(ctx, b.name, add, b.limit.Window)
		if err != nil {
			return false, fmt.Errorf("authn: throttle: %w", err)
		}
		a.budgets, a.drawn = append(a.budgets, b), append(a.drawn, n*add)
		if n += 1 - add; n <= b.limit.Free { // n is now the number of this guess in either case
			continue
		}
		wait, gate := b.limit.delay(n), b.name+":gate"
		if n > b.limit.Max {
			wait, gate = b.limit.Window, b.name+":shut"
		}
		// The window of this counter is the delay itself: it begins with the one guess that is looked at.
		looks, err := a.t.counters.Add(ctx, gate, 1, min(wait, b.limit.Longest))
		if err != nil {
			return false, fmt.Errorf("authn: throttle: %w", err)
		}
		if looks > 1 || n > b.limit.Max {
			return looks <= 2, Throttled{RetryAfter: wait}
		}
	}
	return false, nil
}

// budgets are the budgets that g draws on, those of the guesser first: who is refused there must
// not use up what belongs to the account.
func (t *throttle) budgets(g guess, known bool) []budget {
	if known {
		return []budget{{name("device", g.factor, g.account, string(g.env.Device)), t.limits.Device, true}}
	}
	prefix := ident.Network(g.env.IP)
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

// succeed empties the person's own budgets.
func (a *attempt) succeed(ctx context.Context) error {
	return a.settle(ctx, func(i int, b budget) int64 { return -a.drawn[i] })
}

// fail counts the failure where it was not counted in advance.
func (a *attempt) fail(ctx context.Context) error {
	return a.settle(ctx, func(_ int, b budget) int64 {
		if b.own {
			return 0
		}
		return 1
	})
}

// abandon takes back what was drawn: the guess was never looked at. What cannot be taken back counts as
// a failure, which is the safe side.
func (a *attempt) abandon(ctx context.Context) {
	_ = a.settle(ctx, func(_ int, b budget) int64 {
		if b.own {
			return -1
		}
		return 0
	})
}

// settle adds to each budget what change says, even where the caller has gone away meanwhile.
func (a *attempt) settle(ctx context.Context, change func(i int, b budget) int64) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for i, b := range a.budgets {
		if n := change(i, b); n != 0 {
			_, err := a.t.counters.Add(ctx, b.name, n, b.limit.Window)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("authn: throttle: %w", err)
	}
	return nil
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
