package redisdb

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/postern-id/postern/engine/enginetest"
	"github.com/postern-id/postern/store"
)

func open(t testing.TB, now func() time.Time) *DB {
	t.Helper()
	d, err := Open(t.Context(), Options{URL: enginetest.Redis(t), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestExam(t *testing.T) {
	t.Run("Ephemeral", func(t *testing.T) {
		enginetest.RunEphemeral(t, func(t *testing.T, now func() time.Time) store.Ephemeral { return open(t, now) })
	})
	t.Run("Counters", func(t *testing.T) {
		enginetest.RunCounters(t, func(t *testing.T, now func() time.Time) store.Counters { return open(t, now) })
	})
}

// In a cluster a script that touched a second key, or one that it was not told of, would be refused.
func TestExamInACluster(t *testing.T) {
	url := enginetest.RedisCluster(t)
	var serial atomic.Int64
	cluster := func(t *testing.T, now func() time.Time) *DB {
		d, err := Open(t.Context(), Options{URL: url, Prefix: fmt.Sprintf("exam%d:", serial.Add(1)), Now: now})
		noError(t, err)
		t.Cleanup(func() { d.Close() })
		if _, ok := d.client.(*redis.ClusterClient); !ok {
			t.Fatalf("a client of one server: %T", d.client)
		}
		return d
	}
	t.Run("Ephemeral", func(t *testing.T) {
		enginetest.RunEphemeral(t, func(t *testing.T, now func() time.Time) store.Ephemeral { return cluster(t, now) })
	})
	t.Run("Counters", func(t *testing.T) {
		enginetest.RunCounters(t, func(t *testing.T, now func() time.Time) store.Counters { return cluster(t, now) })
	})
}

func TestEverythingExpiresByItself(t *testing.T) {
	d := open(t, time.Now)
	k, ctx := store.KeyOf("test", "k"), t.Context()
	check := func(what string, least, most time.Duration) {
		t.Helper()
		keys, err := d.client.Keys(ctx, "*").Result()
		if err != nil || len(keys) == 0 {
			t.Fatalf("%s: keys %v, %v", what, keys, err)
		}
		for _, key := range keys {
			if !strings.HasPrefix(key, "postern:") {
				t.Errorf("%s: key %q without the prefix", what, key)
			}
			if ttl := d.client.PTTL(ctx, key).Val(); ttl <= least || ttl > most {
				t.Errorf("%s: %q lives %v, want between %v and %v", what, key, ttl, least, most)
			}
		}
	}
	noError(t, d.Put(ctx, k, []byte("v"), time.Now().Add(time.Minute)))
	check("Put", time.Minute, time.Minute+skew)
	noError(t, d.Swap(ctx, k, []byte("v"), []byte("w")))
	check("Swap", time.Minute, time.Minute+skew)
	_, err := d.Take(ctx, k)
	noError(t, err)
	check("Take", time.Minute, time.Minute+skew)
	noError(t, d.Put(ctx, store.KeyOf("test", "far"), nil, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	check("a far expiry", time.Minute, 21*365*24*time.Hour)
	noError(t, d.client.FlushDB(ctx).Err())
	_, err = d.Add(ctx, "c", 1, time.Minute)
	noError(t, err)
	check("Add", time.Minute, time.Minute+skew)
	noError(t, d.client.FlushDB(ctx).Err())
	_, err = d.Add(ctx, "c", 0, time.Minute)
	noError(t, err)
	if n := d.client.DBSize(ctx).Val(); n != 0 {
		t.Errorf("a look at a counter left %d keys behind", n)
	}
}

// A node behind by less than skew must still find the trace of what a node ahead has put.
func TestClockSkew(t *testing.T) {
	url, now := enginetest.Redis(t), time.Now()
	node := func(off time.Duration) *DB {
		d, err := Open(t.Context(), Options{URL: url, Now: func() time.Time { return now.Add(off) }})
		noError(t, err)
		t.Cleanup(func() { d.Close() })
		return d
	}
	ahead, behind := node(5*time.Second), node(0)
	k, exp := store.KeyOf("jti", "x"), now.Add(5*time.Second+time.Millisecond)
	noError(t, ahead.Put(t.Context(), k, nil, exp))
	time.Sleep(20 * time.Millisecond) // its expiry by the clock ahead has passed
	wantError(t, behind.Put(t.Context(), k, nil, exp), store.ErrExists.Error())
}

func TestFailsClosed(t *testing.T) {
	ctx, k := t.Context(), store.KeyOf("test", "k")
	t.Run("server gone", func(t *testing.T) {
		d := open(t, time.Now)
		noError(t, d.Put(ctx, k, []byte("v"), time.Now().Add(time.Hour)))
		d.client.Close()
		_, get := d.Get(ctx, k)
		_, take := d.Take(ctx, k)
		_, add := d.Add(ctx, "c", 1, time.Minute)
		for name, err := range map[string]error{"Get": get, "Take": take, "Add": add, "Put": d.Put(ctx, k, nil, time.Now().Add(time.Hour)),
			"Swap": d.Swap(ctx, k, nil, nil), "Ping": d.Ping(ctx), "Publish": d.Publish(ctx, "t", []byte("m")), "Subscribe": d.Subscribe(ctx, "t", func([]byte) {})} {
			if err == nil || strings.Contains(err.Error(), "store:") {
				t.Errorf("%s: error %v, want one that says nothing of the key", name, err)
			}
		}
	})
	t.Run("not our value", func(t *testing.T) {
		d := open(t, time.Now)
		for _, v := range []string{"", "x", "0", "0123", "2" + micros(time.Now().Add(time.Hour)) + "v", "0abcdefghijklmnop", "0-000000000000001"} {
			noError(t, d.client.Set(ctx, d.key(k), v, time.Hour).Err())
			if got, err := d.Get(ctx, k); err == nil {
				t.Errorf("Get of %q: %q", v, got)
			}
			if got, err := d.Take(ctx, k); err == nil {
				t.Errorf("Take of %q: %q", v, got)
			}
		}
		noError(t, d.client.Del(ctx, d.key(k)).Err())
		noError(t, d.client.LPush(ctx, d.key(k), "a list").Err())
		_, err := d.Take(ctx, k)
		wantError(t, err, "WRONGTYPE")
	})
	t.Run("scripts forgotten", func(t *testing.T) {
		d := open(t, time.Now)
		noError(t, d.client.ScriptFlush(ctx).Err())
		noError(t, d.Put(ctx, k, []byte("v"), time.Now().Add(time.Hour)))
		noError(t, d.client.ScriptFlush(ctx).Err())
		v, err := d.Take(ctx, k)
		noError(t, err)
		if string(v) != "v" {
			t.Errorf("value %q", v)
		}
	})
	t.Run("arguments", func(t *testing.T) {
		d := open(t, time.Now)
		_, err := d.Add(ctx, strings.Repeat("k", MaxCounterKey+1), 1, time.Minute)
		wantError(t, err, "over the limit")
		_, err = d.Add(ctx, "k", 1, 0)
		wantError(t, err, "window")
		wantError(t, d.Publish(ctx, "t", nil), "empty")
	})
}

// A command that changes something must reach Redis once, even where its answer is lost.
func TestNothingIsSentTwice(t *testing.T) {
	direct := open(t, time.Now)
	var lose atomic.Bool
	d, err := Open(t.Context(), Options{URL: "redis://" + losing(t, direct.client.(*redis.Client).Options().Addr, &lose), Now: time.Now})
	noError(t, err)
	defer d.Close()
	k, ctx := store.KeyOf("test", "once"), t.Context()
	noError(t, d.Put(ctx, k, []byte("v"), time.Now().Add(time.Hour)))
	_, err = d.Take(ctx, k) // both scripts are known now
	noError(t, err)
	before := calls(t, direct)
	lose.Store(true)
	if _, err = d.Take(ctx, k); err == nil {
		t.Fatal("Take succeeded without an answer")
	}
	if n := calls(t, direct) - before; n != 1 {
		t.Errorf("Take was sent %d times, want 1", n)
	}
}

// losing stands before a server and, once lose is true, hangs up instead of passing on the next answer.
func losing(t *testing.T, server string, lose *atomic.Bool) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				io.Copy(up, client)
				up.Close()
			}()
			go func() {
				defer client.Close()
				defer up.Close()
				for b := make([]byte, 64<<10); ; {
					n, err := up.Read(b)
					if err != nil || lose.CompareAndSwap(true, false) {
						return
					}
					client.Write(b[:n])
				}
			}()
		}
	}()
	return l.Addr().String()
}

func calls(t *testing.T, d *DB) (n int) {
	t.Helper()
	info, err := d.client.Info(t.Context(), "commandstats").Result()
	noError(t, err)
	fmt.Sscanf(field(info, "cmdstat_evalsha"), "calls=%d", &n)
	return n
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct{ name, url, want string }{
		{"no scheme", "localhost:6379", "URL"},
		{"another scheme", "http://:sesame@localhost", "URL"},
		{"unparsable", "redis://:sesame@local host:x", "URL"},
		{"unparsable cluster", "redis://:sesame@h:1?addr=h:2&nonsense=1", "URL"},
		{"nobody there", "redis://:sesame@127.0.0.1:1", "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), Options{URL: tt.url, Now: time.Now})
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	_, err := Open(t.Context(), Options{URL: enginetest.Redis(t)})
	wantError(t, err, "clock")
}

func TestOpenRefusesEviction(t *testing.T) {
	d := open(t, time.Now)
	url, ctx := enginetest.Redis(t), t.Context()
	set := func(memory, policy string) {
		noError(t, d.client.ConfigSet(ctx, "maxmemory", memory).Err())
		noError(t, d.client.ConfigSet(ctx, "maxmemory-policy", policy).Err())
	}
	t.Cleanup(func() {
		c := d.client.(*redis.Client)
		if err := c.ConfigSet(context.Background(), "maxmemory", "0").Err(); err != nil {
			t.Error(err)
		}
		c.ConfigSet(context.Background(), "maxmemory-policy", "noeviction")
	})
	for _, tt := range []struct{ memory, policy, want string }{
		{"100mb", "allkeys-lru", "noeviction"}, {"100mb", "volatile-ttl", "noeviction"}, {"100mb", "noeviction", ""}, {"0", "allkeys-lru", ""},
	} {
		set(tt.memory, tt.policy)
		got, err := Open(ctx, Options{URL: url, Now: time.Now})
		if tt.want != "" {
			wantError(t, err, tt.want)
			continue
		}
		noError(t, err)
		got.Close()
	}
}

func TestFanOut(t *testing.T) {
	url := enginetest.Redis(t)
	a, err := Open(t.Context(), Options{URL: url, Now: time.Now})
	noError(t, err)
	defer a.Close()
	b, err := Open(t.Context(), Options{URL: url, Now: time.Now})
	noError(t, err)
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 100)
	noError(t, b.Subscribe(ctx, "revoked", func(p []byte) {
		if p == nil {
			got <- "gap"
			return
		}
		got <- string(p)
	}))
	noError(t, a.Publish(ctx, "other", []byte("not for b")))
	for i := range 3 {
		noError(t, a.Publish(ctx, "revoked", fmt.Append(nil, "m", i)))
	}
	want := func(w string) {
		t.Helper()
		select {
		case g := <-got:
			if g != w {
				t.Fatalf("received %q, want %q", g, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("never received %q", w)
		}
	}
	want("m0")
	want("m1")
	want("m2")
	noError(t, a.client.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err())
	want("gap")
	noError(t, a.Publish(ctx, "revoked", []byte("after the gap")))
	want("after the gap")
	cancel()
	var n atomic.Int64
	for range 100 {
		n.Store(a.client.PubSubNumSub(t.Context(), "postern:revoked").Val()["postern:revoked"])
		if n.Load() == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%d subscribers are left after the context ended", n.Load())
}

func FuzzParse(f *testing.F) {
	now := time.Unix(1900000000, 0)
	f.Add("0" + micros(now.Add(time.Hour)) + "value")
	f.Add("1" + micros(now) + "")
	f.Add("2")
	f.Fuzz(func(t *testing.T, stored string) {
		v, err := parse(stored, now)
		if err == nil && stored != "0"+stored[1:header]+string(v) {
			t.Errorf("%q parsed to %q", stored, v)
		}
	})
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one with %q", err, part)
	}
}
