package authn_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

var ctx = context.Background()

// house is a service with what stands around it.
type house struct {
	*authn.Service
	clock  *authntest.Clock
	trail  *authntest.Trail
	engine authntest.Engine
}

func newHouse(t testing.TB, p authn.Policy, people ...authntest.Person) *house {
	t.Helper()
	h := &house{clock: authntest.NewClock(), trail: &authntest.Trail{}}
	h.engine = newEngine(t, h.clock)
	h.Service = authntest.Service(t, authntest.Options{Engine: h.engine, Clock: h.clock, Trail: h.trail, Policy: p, People: people})
	h.trail.Events()
	return h
}

func from(ip string, device ident.DeviceID) ident.Env {
	return ident.Env{IP: netip.MustParseAddr(ip), UserAgent: "test", Device: device}
}

func (h *house) try(identifier, password string, env ident.Env) error {
	_, err := h.Password(ctx, authn.Attempt{Identifier: identifier, Password: password, Env: env})
	return err
}

// fail tries a wrong password n times, waiting as long as it is told to, and returns how many were looked at.
func (h *house) fail(t *testing.T, n int, identifier string, env func(i int) ident.Env) (looked int) {
	t.Helper()
	for i := range n {
		err := h.try(identifier, fmt.Sprintf("wrong password %d", i), env(i))
		var th authn.Throttled
		switch {
		case errors.Is(err, authn.ErrWrong):
			looked++
		case !errors.As(err, &th) || th.RetryAfter <= 0:
			t.Fatalf("try %d: %v", i, err)
		}
	}
	return looked
}

func TestPassword(t *testing.T) {
	gone := authntest.Person{Username: "gone", Password: "nobody lives here now", Disabled: true}
	bare := authntest.Person{Username: "bare"}
	h := newHouse(t, authn.Policy{}, authntest.Ann, authntest.Ben, gone, bare)
	env := from("192.0.2.1", "dev")
	for _, c := range []struct {
		name, identifier, password string
		want                       error
	}{
		{"username", "ann", authntest.Ann.Password, nil},
		{"e-mail in another case", " Ann@EXAMPLE.com ", authntest.Ann.Password, nil},
		{"full width", "ａｎｎ", authntest.Ann.Password, nil},
		{"wrong", "ann", authntest.Ann.Password + " ", authn.ErrWrong},
		{"of another", "ann", authntest.Ben.Password, authn.ErrWrong},
		{"unknown", "eve", authntest.Ann.Password, authn.ErrWrong},
		{"disabled", "gone", gone.Password, authn.ErrWrong},
		{"without a password", "bare", "", authn.ErrWrong},
		{"no identifier", "", authntest.Ann.Password, authn.ErrWrong},
		{"identifier beyond bounds", strings.Repeat("a", 1<<20), "x", authn.ErrWrong},
		{"password beyond bounds", "ann", strings.Repeat("a", 1<<20), authn.ErrWrong},
		{"password no text", "ann", "\xff", authn.ErrWrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := h.Password(ctx, authn.Attempt{Identifier: c.identifier, Password: c.password, Env: env, Client: "app"})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if p.Valid() != (c.want == nil) {
				t.Fatal("a proof where there is none, or none where there is")
			}
			if c.want == nil && (p.User() != "u-ann" || p.Assurance() != ident.AAL1 || !slices.Equal(p.AMR(), []ident.AMR{ident.Password}) || !p.At().Equal(h.clock.Now())) {
				t.Errorf("%+v", p)
			}
			evs := h.trail.Events()
			if len(evs) != 1 || evs[0].Client != "app" || evs[0].IP != "192.0.2.1" || (evs[0].Outcome == audit.OK) != (c.want == nil) {
				t.Errorf("recorded %+v", evs)
			}
		})
	}
}

func TestPasswordOff(t *testing.T) {
	clock := authntest.NewClock()
	e := newEngine(t, clock)
	s, err := authn.New(authn.Options{Users: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Password(ctx, authn.Attempt{Identifier: "ann", Password: "x"}); !errors.Is(err, authn.ErrOff) {
		t.Errorf("%v, want ErrOff", err)
	}
}

// I1: what is refused with a reason, and what is not.
func TestI1WeakPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "breached")
	if err := os.WriteFile(file, []byte("Leaked From Somewhere\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, authn.Policy{BlocklistFile: file})
	single := authn.User{ID: "u", Username: "anna.smith", Email: "annie@bigcorp.example"}
	second := single
	second.TOTP = []byte("sealed")
	for _, c := range []struct {
		name, password string
		user           authn.User
		want           []string
	}{
		{"fourteen characters", "x9 fob kale zu", single, []string{authn.TooShort}},
		{"fifteen characters", "x9 fob kale zu7", single, nil},
		{"seven beside a second factor", "x9 fob ", second, []string{authn.TooShort}},
		{"eight beside a second factor", "x9 fob k", second, nil},
		{"empty", "", single, []string{authn.TooShort}},
		{"common", "Password", second, []string{authn.Common}},
		{"common with digits for letters", "P4ssw0rd", second, []string{authn.Common}},
		{"common with a tail", "sunshine2026!", second, []string{authn.Common}},
		{"common twice", "passwordpassword", single, []string{authn.Common}},
		{"from the file", "leaked from SOMEWHERE", single, []string{authn.Common}},
		{"one character", strings.Repeat("z", 20), single, []string{authn.Common}},
		{"two in turn", strings.Repeat("qw", 10), single, []string{authn.Common}},
		{"sequence", "abcdefghijklmnop", single, []string{authn.Common}},
		{"keyboard", "qwertyuiopasdfgh", single, []string{authn.Common}},
		{"digits", "1234567890123456", single, []string{authn.Common}},
		{"the username", "anna.smith2026!", single, []string{authn.ContainsIdentifier}},
		{"the e-mail", "annie@bigcorp.example", single, []string{authn.ContainsIdentifier}},
		{"the product", "Postern-2026-ok", single, []string{authn.ContainsIdentifier}},
		{"a name in a passphrase", "annie walks nine brown dogs", single, nil},
		{"sixty-four of any script", strings.Repeat("日本語のパスワードはとても長い。", 4), single, nil},
		{"256 characters", strings.Repeat("four score and seven years ago! ", 8), single, nil},
		{"emoji", "🐎🔋📎✅ horse battery", single, nil},
		{"longer than policy", strings.Repeat("four score and seven years ago! ", 40), single, []string{authn.TooLong}},
		{"not text", "four score and \xff seven", single, []string{authn.TooLong}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var weak authn.WeakPassword
			err := h.CheckPassword(c.user, c.password)
			if errors.As(err, &weak) != (c.want != nil) || !reflect.DeepEqual(weak.Codes, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// I1: long passwords in any script, whole, however their characters are composed.
func TestI1NormalisedNotTruncated(t *testing.T) {
	long := strings.Repeat("déjà vu ", 32)
	h := newHouse(t, authn.Policy{}, authntest.Person{Username: "ann", Password: long})
	env := from("192.0.2.1", "")
	decomposed := strings.NewReplacer("é", "e\u0301", "à", "a\u0300").Replace(long)
	if err := h.try("ann", decomposed, env); err != nil {
		t.Errorf("decomposed: %v", err)
	}
	if err := h.try("ann", long[:len(long)-1], env); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("without its last character: %v", err)
	}
	if err := h.try("ann", long+"x", env); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("with one more: %v", err)
	}
}

// I2, C16: a hundred and one wrong tries at one account from everywhere; growing delays; no lock for good.
func TestI2OneAccount(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	everywhere := func(i int) ident.Env { return from(fmt.Sprintf("10.%d.%d.1", i%200, i/200), "") }
	looked := 0
	for range 23 * 12 { // all day, every five minutes from somewhere new
		looked += h.fail(t, 1, "ann", func(int) ident.Env { return everywhere(looked) })
		h.clock.Advance(5 * time.Minute)
	}
	if looked < 20 || looked > 100 {
		t.Errorf("%d guesses were looked at in a day, want at most 100", looked)
	}
	if err := h.try("ann", authntest.Ann.Password, from("172.16.0.1", "")); !errors.As(err, new(authn.Throttled)) {
		t.Errorf("after a hundred: %v", err)
	}
	h.clock.Advance(25 * time.Hour)
	if err := h.try("ann", authntest.Ann.Password, from("172.16.0.1", "")); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// I2: the delays begin after five failures and grow; a success ends them.
func TestI2Delays(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	here := from("192.0.2.1", "")
	if got := h.fail(t, 50, "ann", func(int) ident.Env { return here }); got != 6 {
		t.Errorf("%d looked at in one instant, want 6", got)
	}
	var waits []time.Duration
	for range 4 {
		var th authn.Throttled
		if err := h.try("ann", "wrong", here); !errors.As(err, &th) {
			t.Fatalf("not throttled: %v", err)
		}
		waits = append(waits, th.RetryAfter)
		h.clock.Advance(th.RetryAfter)
		if err := h.try("ann", "wrong", here); !errors.Is(err, authn.ErrWrong) {
			t.Fatalf("after %v: %v", th.RetryAfter, err)
		}
	}
	if !slices.IsSorted(waits) || waits[3] < 2*waits[0] {
		t.Errorf("waits %v do not grow", waits)
	}
	h.clock.Advance(time.Hour)
	if err := h.try("ann", authntest.Ann.Password, here); err != nil {
		t.Fatal(err)
	}
	if got := h.fail(t, 5, "ann", func(int) ident.Env { return here }); got != 5 {
		t.Errorf("%d looked at after a success, want 5", got)
	}
}

// I2: at the end of a budget nothing is looked at until its window ends, however long one waits in between.
func TestI2Most(t *testing.T) {
	limit := authn.Limit{Free: 3, Max: 10, Window: time.Hour, First: time.Second, Longest: time.Second}
	h := newHouse(t, authn.Policy{Throttle: authn.Limits{AccountPrefix: limit}})
	here, looked := from("192.0.2.1", ""), 0
	for range 20 {
		looked += h.fail(t, 1, "ann", func(int) ident.Env { return here })
		h.clock.Advance(time.Second)
	}
	var th authn.Throttled
	if err := h.try("ann", authntest.Ann.Password, here); looked != 10 || !errors.As(err, &th) || th.RetryAfter != time.Hour {
		t.Errorf("%d looked at, then %v", looked, err)
	}
	if err := h.try("ann", authntest.Ann.Password, from("198.51.100.1", "")); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	h.clock.Advance(time.Hour)
	if err := h.try("ann", authntest.Ann.Password, here); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// I2: parallel guesses share one budget.
func TestI2Parallel(t *testing.T) {
	h := newHouse(t, authn.Policy{QueueLimit: 100})
	var wg sync.WaitGroup
	looked := make([]bool, 40)
	for i := range looked {
		wg.Go(func() { looked[i] = errors.Is(h.try("ann", "wrong", from("192.0.2.1", "")), authn.ErrWrong) })
	}
	wg.Wait()
	n := 0
	for _, l := range looked {
		if l {
			n++
		}
	}
	if n > 6 {
		t.Errorf("%d of 40 parallel guesses were looked at, want at most 6", n)
	}
}

// I2: the owner on a device known to the account is not locked out by anybody elsewhere.
func TestI2OwnerOnKnownDevice(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	home := from("192.0.2.1", "ann's laptop")
	if err := h.try("ann", authntest.Ann.Password, home); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		h.fail(t, 1, "ann", func(int) ident.Env {
			return from(fmt.Sprintf("10.0.%d.1", i%250), ident.DeviceID(fmt.Sprint("mallory", i)))
		})
		h.clock.Advance(time.Minute)
	}
	h.fail(t, 2, "ann", func(int) ident.Env { return from("10.0.251.1", "") })
	if err := h.try("ann", authntest.Ann.Password, from("10.0.3.1", "somebody's")); !errors.As(err, new(authn.Throttled)) {
		t.Errorf("elsewhere: %v, want Throttled", err)
	}
	if err := h.try("ann", authntest.Ann.Password, from("10.0.3.1", "ann's laptop")); err != nil {
		t.Errorf("on the known device: %v", err)
	}
	if got := h.fail(t, 20, "ann", func(int) ident.Env { return home }); got > 6 {
		t.Errorf("a stolen device cookie buys %d guesses at once", got)
	}
	if err := h.try("ben", "wrong", from("10.9.9.9", "ann's laptop")); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("ann's device on ben's account: %v", err)
	}
}

// I2: one password sprayed over people, and many people tried from one network.
func TestI2Spray(t *testing.T) {
	for _, c := range []struct {
		name     string
		password func(i int) string
		env      func(i int) ident.Env
		most     int
	}{
		{"one password from everywhere", func(int) string { return "Summer2026!" }, func(i int) ident.Env { return from(fmt.Sprintf("10.%d.%d.1", i%250, i/250), "") }, 31},
		{"one network", func(i int) string { return fmt.Sprint("guess ", i) }, func(i int) ident.Env { return from(fmt.Sprintf("192.0.2.%d", i%250), "") }, 51},
		{"one IPv6 network", func(i int) string { return fmt.Sprint("guess ", i) }, func(i int) ident.Env { return from(fmt.Sprintf("2001:db8:1:%x::1", i), "") }, 51},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, looked := newHouse(t, authn.Policy{}), 0
			for i := range 400 {
				if errors.Is(h.try(fmt.Sprint("user", i), c.password(i), c.env(i)), authn.ErrWrong) {
					looked++
				}
			}
			if looked > c.most {
				t.Errorf("%d of 400 looked at, want at most %d", looked, c.most)
			}
			if err := h.try("ann", authntest.Ann.Password, from("172.16.0.1", "")); err != nil {
				t.Errorf("meanwhile elsewhere: %v", err)
			}
		})
	}
}

// I3: unknown, wrong and disabled are alike: the answer, the throttle, the event but for whom it is about.
func TestI3Indistinguishable(t *testing.T) {
	h := newHouse(t, authn.Policy{}, authntest.Ann, authntest.Person{Username: "gone", Password: "nobody lives here now", Disabled: true})
	type trace struct {
		errs []string
		evs  []audit.Event
	}
	run := func(identifier, password, ip string) trace {
		var tr trace
		for range 12 {
			tr.errs = append(tr.errs, h.try(identifier, password, from(ip, "")).Error())
		}
		tr.evs = h.trail.Events()
		for i := range tr.evs {
			tr.evs[i].User, tr.evs[i].IP = "", ""
		}
		return tr
	}
	want := run("ann", "wrong", "192.0.2.1")
	for name, got := range map[string]trace{"unknown": run("eve", "wrong once", "198.51.100.1"), "disabled": run("gone", "nobody lives here now", "203.0.113.1")} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", name, got, want)
		}
	}
}

// I3: the same work is done for an unknown person.
func TestI3Timing(t *testing.T) {
	h := newHouse(t, authn.Policy{Argon2: authn.Argon2Params{MemoryKiB: 4096, Time: 2, Parallelism: 1}})
	known, unknown := time.Hour, time.Hour // the least of each, taken in turn: what the machine does besides hits both
	for i := range 15 {
		for identifier, least := range map[string]*time.Duration{"ann": &known, "eve": &unknown} {
			start := time.Now()
			_ = h.try(identifier, fmt.Sprint("wrong", identifier, i), from(fmt.Sprintf("10.1.%d.1", i), ""))
			*least = min(*least, time.Since(start))
		}
		h.clock.Advance(time.Hour)
	}
	if r := float64(known) / float64(unknown); r < .4 || r > 2.5 {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
}

// The entry comes before the act: without it there is no proof, and no answer but an error.
func TestTrailDown(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	h.trail.Down(true)
	env := from("192.0.2.1", "")
	for _, password := range []string{authntest.Ann.Password, "wrong"} {
		p, err := h.Password(ctx, authn.Attempt{Identifier: "ann", Password: password, Env: env})
		if !errors.Is(err, authntest.ErrTrail) || p.Valid() {
			t.Errorf("%q: %v, %v", password, p.Valid(), err)
		}
	}
	if _, err := h.SetPassword(ctx, authn.User{ID: "u-ann", Username: "ann"}, "another good passphrase"); !errors.Is(err, authntest.ErrTrail) {
		t.Errorf("SetPassword: %v", err)
	}
	h.trail.Down(false)
	if err := h.try("ann", authntest.Ann.Password, env); err != nil {
		t.Errorf("the password changed all the same: %v", err)
	}
}

func TestRehash(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	before, _ := h.engine.User(ctx, "u-ann")
	stronger, err := authn.New(authn.Options{
		Users: h.engine, Ephemeral: h.engine, Counters: h.engine, Sealer: authntest.NewSealer(), Audit: h.trail, Now: h.clock.Now,
		Policy: authn.Policy{Password: true, Argon2: authn.Argon2Params{MemoryKiB: 16, Time: 2, Parallelism: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Service = stronger
	for _, password := range []string{"wrong", authntest.Ann.Password, authntest.Ann.Password} {
		_ = h.try("ann", password, from("192.0.2.1", ""))
	}
	after, _ := h.engine.User(ctx, "u-ann")
	if after.PasswordHash == before.PasswordHash || !strings.Contains(after.PasswordHash, "$m=16,t=2,p=1$") {
		t.Errorf("%q became %q", before.PasswordHash, after.PasswordHash)
	}
	n := 0
	for _, e := range h.trail.Events() {
		if e.Type == "password.rehashed" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("rehashed %d times, want once", n)
	}
}

// Beyond the queue an attempt is refused at once, and it costs the account nothing.
func TestBusy(t *testing.T) {
	h := newHouse(t, authn.Policy{HashSlots: 1, QueueLimit: 1, Argon2: authn.Argon2Params{MemoryKiB: 32 << 10, Time: 4, Parallelism: 1}})
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() { errs[i] = h.try("ann", authntest.Ann.Password, from("192.0.2.1", "")) })
	}
	wg.Wait()
	count := map[string]int{}
	for _, err := range errs {
		switch {
		case err == nil:
			count["ok"]++
		case errors.Is(err, authn.ErrBusy):
			count["busy"]++
		case errors.As(err, new(authn.Throttled)):
			count["throttled"]++
		default:
			t.Errorf("%v", err)
		}
	}
	if count["ok"] == 0 || count["busy"] == 0 {
		t.Errorf("%v", count)
	}
	if got := h.fail(t, 5, "ann", func(int) ident.Env { return from("192.0.2.1", "") }); got != 5 {
		t.Errorf("%d of 5 looked at afterwards: the refused ones were counted", got)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	h := newHouse(t, authn.Policy{HashSlots: 1, QueueLimit: 8, Argon2: authn.Argon2Params{MemoryKiB: 64 << 10, Time: 8, Parallelism: 1}})
	done := make(chan struct{})
	go func() { defer close(done); _ = h.try("ben", authntest.Ben.Password, from("192.0.2.2", "")) }()
	time.Sleep(20 * time.Millisecond)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := h.Password(short, authn.Attempt{Identifier: "ann", Password: authntest.Ann.Password, Env: from("192.0.2.1", "")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	<-done
}

func TestNewRefuses(t *testing.T) {
	clock := authntest.NewClock()
	e := newEngine(t, clock)
	good := authn.Options{Users: e, Ephemeral: e, Counters: e, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now}
	for name, spoil := range map[string]func(*authn.Options){
		"no store":             func(o *authn.Options) { o.Users = nil },
		"no trail":             func(o *authn.Options) { o.Audit = nil },
		"seven characters":     func(o *authn.Options) { o.Policy.MinLengthWithSecond = 7 },
		"single below second":  func(o *authn.Options) { o.Policy.MinLengthSingle, o.Policy.MinLengthWithSecond = 8, 9 },
		"shorter than 256":     func(o *authn.Options) { o.Policy.MaxLength = 255 },
		"argon2 out of bounds": func(o *authn.Options) { o.Policy.Argon2 = authn.Argon2Params{MemoryKiB: 1, Time: 1, Parallelism: 1} },
		"no blocklist there":   func(o *authn.Options) { o.Policy.BlocklistFile = "/nowhere" },
	} {
		o := good
		spoil(&o)
		if _, err := authn.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := authn.New(good); err != nil {
		t.Error(err)
	}
}
