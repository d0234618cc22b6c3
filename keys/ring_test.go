package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/keys/keystest"
	"github.com/postern-id/postern/store"
)

var at = keys.Expect{Typ: []string{"at+jwt"}}

func sign(t fataler, r *keys.Ring, alg string) string {
	t.Helper()
	token, err := r.Sign(ctx, alg, "at+jwt", []byte(`{"sub":"ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRingSignsAndVerifies(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	algs := []string{keys.ES256, keys.RS256, keys.PS256, keys.EdDSA}
	r := newRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, algs...)
	body, etag := r.JWKS()
	set, err := keys.ParseSet(body)
	if err != nil || set.Len() != 8 || len(etag) < 10 {
		t.Fatalf("JWKS: %v, %d keys, etag %s", err, set.Len(), etag)
	}
	for _, alg := range append(algs, "") {
		token, want := sign(t, r, alg), alg
		if alg == "" {
			want = keys.ES256
		}
		e := keys.Expect{Algs: []string{want}, Typ: []string{"application/AT+JWT"}}
		for name, verify := range map[string]func(string, keys.Expect) (keys.Verified, error){"ring": r.Verify, "set": set.Verify} {
			got, err := verify(token, e)
			if err != nil || got.Alg != want || string(got.Payload) != `{"sub":"ann"}` {
				t.Errorf("%s by %s: %+v %v", alg, name, got, err)
			}
			if _, err := verify(token, keys.Expect{Algs: []string{want}, Typ: []string{"JWT", ""}}); !errors.Is(err, keys.ErrRefused) {
				t.Errorf("%s by %s, another typ: %v", alg, name, err)
			}
		}
	}
	if _, err := r.Sign(ctx, "HS256", "", []byte(`{}`)); err == nil {
		t.Error("signs with HS256")
	}
}

// states lists the keys as "alg state", sorted.
func states(r *keys.Ring) (list []string) {
	for _, rec := range r.List() {
		list = append(list, rec.Alg+" "+string(rec.State))
	}
	slices.Sort(list)
	return list
}

func kidOf(r *keys.Ring, s keys.State) string {
	for _, rec := range r.List() {
		if rec.State == s {
			return rec.ID
		}
	}
	return ""
}

func TestLifeOfAKey(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(r *keys.Ring, c *clock) error
		want []string
		old  error // of a token signed before
	}{
		{"nothing", func(r *keys.Ring, c *clock) error { return r.Tick(ctx) }, []string{"ES256 active", "ES256 next"}, nil},
		{"rotate", func(r *keys.Ring, c *clock) error { return r.Rotate(ctx, "") }, []string{"ES256 active", "ES256 next", "ES256 retired"}, nil},
		{"retire active", func(r *keys.Ring, c *clock) error { return r.Retire(ctx, kidOf(r, keys.Active)) }, []string{"ES256 active", "ES256 next", "ES256 retired"}, nil},
		{"retire next", func(r *keys.Ring, c *clock) error { return r.Retire(ctx, kidOf(r, keys.Next)) }, []string{"ES256 active", "ES256 next"}, nil},
		{"remove active", func(r *keys.Ring, c *clock) error { return r.Remove(ctx, kidOf(r, keys.Active)) }, []string{"ES256 active", "ES256 next"}, keys.ErrNoKey},
		{"remove next", func(r *keys.Ring, c *clock) error { return r.Remove(ctx, kidOf(r, keys.Next)) }, []string{"ES256 active", "ES256 next"}, nil},
		{"before its time", func(r *keys.Ring, c *clock) error { c.Add(every - time.Second); return r.Tick(ctx) }, []string{"ES256 active", "ES256 next"}, nil},
		{"in its time", func(r *keys.Ring, c *clock) error { c.Add(every); return r.Tick(ctx) }, []string{"ES256 active", "ES256 next", "ES256 retired"}, nil},
		{"its successor was published late", func(r *keys.Ring, c *clock) error {
			c.Add(every - ahead + time.Second)
			if err := r.Remove(ctx, kidOf(r, keys.Next)); err != nil {
				return err
			}
			c.Add(ahead - time.Second)
			return r.Tick(ctx)
		}, []string{"ES256 active", "ES256 next"}, nil},
		{"within the overlap", func(r *keys.Ring, c *clock) error {
			if err := r.Rotate(ctx, ""); err != nil {
				return err
			}
			c.Add(overlap - time.Second)
			return r.Tick(ctx)
		}, []string{"ES256 active", "ES256 next", "ES256 retired"}, nil},
		{"after the overlap", func(r *keys.Ring, c *clock) error {
			if err := r.Rotate(ctx, ""); err != nil {
				return err
			}
			c.Add(overlap)
			return r.Tick(ctx)
		}, []string{"ES256 active", "ES256 next"}, keys.ErrNoKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			db := open(t, c.Now)
			s := newSealer(t, db, c.Now, newMaster(t))
			r := newRing(t, db, s, c.Now, keys.ES256)
			old, next := sign(t, r, ""), kidOf(r, keys.Next)
			active := kidOf(r, keys.Active)
			if err := tt.act(r, c); err != nil {
				t.Fatal(err)
			}
			if got := states(r); !slices.Equal(got, tt.want) {
				t.Errorf("%v; want %v", got, tt.want)
			}
			if _, err := r.Verify(old, at); !errors.Is(err, tt.old) {
				t.Errorf("the old token: %v; want %v", err, tt.old)
			}
			if now := kidOf(r, keys.Active); now != active && now != next {
				t.Errorf("%s signs, which was not published", now)
			}
			again := newRing(t, db, s, c.Now, keys.ES256) // a node that starts later sees the same
			b1, e1 := r.JWKS()
			if b2, e2 := again.JWKS(); !bytes.Equal(b1, b2) || e1 != e2 {
				t.Errorf("another node publishes\n%s\nnot\n%s", b2, b1)
			}
			if _, err := again.Verify(sign(t, r, ""), at); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnknownKeysAreNotFound(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	r := newRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, keys.ES256)
	if err := r.Remove(ctx, "x"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := r.Retire(ctx, "x"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// D13: no private members, unique kids, `use` and `alg` set, the old key kept after rotation.
func TestJWKS(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	r := newRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, keys.RS256, keys.ES256, keys.EdDSA, keys.PS256)
	old := kidOf(r, keys.Active)
	_, etag := r.JWKS()
	for _, alg := range r.Algs() {
		if err := r.Rotate(ctx, alg); err != nil {
			t.Fatal(err)
		}
	}
	body, etag2 := r.JWKS()
	if etag == etag2 {
		t.Error("another set, the same ETag")
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) != 12 {
		t.Fatal(err, len(set.Keys))
	}
	public := map[string][]string{"RSA": {"alg", "e", "kid", "kty", "n", "use"}, "EC": {"alg", "crv", "kid", "kty", "use", "x", "y"}, "OKP": {"alg", "crv", "kid", "kty", "use", "x"}}
	seen := map[any]bool{}
	for i, k := range set.Keys {
		if got := slices.Sorted(maps.Keys(k)); !slices.Equal(got, public[k["kty"].(string)]) {
			t.Errorf("members %v", got)
		}
		if seen[k["kid"]] || k["use"] != "sig" {
			t.Errorf("key %v", k)
		}
		seen[k["kid"]] = true
		if i < 4 && k["alg"] != r.Algs()[i] {
			t.Errorf("key %d is for %v: the active ones stand first", i, k["alg"])
		}
	}
	if !seen[old] {
		t.Error("the old key is gone")
	}
}

func TestRingsThatStartAndRotateAtOnceAgree(t *testing.T) {
	c := newClock()
	db, m := open(t, c.Now), newMaster(t)
	rings := make([]*keys.Ring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() { rings[i] = newRing(t, db, newSealer(t, db, c.Now, m), c.Now, keys.ES256, keys.EdDSA) })
	}
	wg.Wait()
	agree := func(want []string) {
		t.Helper()
		first, _ := rings[0].JWKS()
		for i, r := range rings {
			if err := r.Tick(ctx); err != nil {
				t.Fatal(err)
			}
			if got := states(r); !slices.Equal(got, want) {
				t.Errorf("ring %d: %v; want %v", i, got, want)
			}
			if i == 0 {
				first, _ = r.JWKS()
			}
			if body, _ := r.JWKS(); !bytes.Equal(body, first) {
				t.Errorf("ring %d publishes another set", i)
			}
		}
	}
	agree([]string{"ES256 active", "ES256 next", "EdDSA active", "EdDSA next"})
	for _, r := range rings {
		wg.Go(func() {
			if err := r.Rotate(ctx, keys.ES256); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	agree([]string{"ES256 active", "ES256 next", "ES256 retired", "EdDSA active", "EdDSA next"})
}

// Whoever can write to the database, but has no master key, can not make us publish a key.
func TestKeysCannotBeSmuggledIn(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	r := newRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, keys.ES256)
	if err := r.Rotate(ctx, ""); err != nil {
		t.Fatal(err)
	}
	before, _ := r.JWKS()
	evil := keystest.New(t, keys.ES256)
	text, _ := keys.PublicJWK(evil)
	all, _ := db.SigningKeys(ctx)
	for _, rec := range all {
		for name, bent := range map[string]keys.Record{
			"its public half": {ID: rec.ID, Use: rec.Use, Alg: rec.Alg, State: rec.State, Sealed: rec.Sealed, PublicJWK: text, CreatedAt: rec.CreatedAt, ActiveAt: rec.ActiveAt, RetiredAt: rec.RetiredAt, RemoveAt: rec.RemoveAt},
			"its kid":         {ID: evil.ID(), Use: rec.Use, Alg: rec.Alg, State: rec.State, Sealed: rec.Sealed, PublicJWK: text, CreatedAt: rec.CreatedAt, ActiveAt: rec.ActiveAt, RetiredAt: rec.RetiredAt, RemoveAt: rec.RemoveAt.Add(time.Hour)},
			"not sealed":      {ID: evil.ID(), Use: rec.Use, Alg: rec.Alg, State: rec.State, Sealed: text, PublicJWK: text, CreatedAt: rec.CreatedAt, RemoveAt: c.Now().Add(time.Hour)},
		} {
			rev, _ := db.KeysRevision(ctx)
			if err := db.ApplyKeys(ctx, rev, []keys.Record{bent}, nil); err != nil {
				t.Fatal(err)
			}
			_ = r.Tick(ctx) // may fail: the old keys stay
			if body, _ := r.JWKS(); bytes.Contains(body, []byte(evil.ID())) || !bytes.Equal(body, before) {
				t.Errorf("%s %s: publishes %s", rec.State, name, body)
			}
			rev, _ = db.KeysRevision(ctx)
			if err := db.ApplyKeys(ctx, rev, []keys.Record{rec}, []string{evil.ID()}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// No token fails at a verifier that fetched the key set before the rotation, whichever node signed, while keys rotate under load.
func TestRotationUnderLoad(t *testing.T) {
	c := newClock()
	db, m := open(t, c.Now), newMaster(t)
	a := newRing(t, db, newSealer(t, db, c.Now, m), c.Now, keys.ES256)
	b := newRing(t, db, newSealer(t, db, c.Now, m), c.Now, keys.ES256)
	var cached atomic.Pointer[keys.Set]
	fetch := func() {
		body, _ := a.JWKS()
		set, err := keys.ParseSet(body)
		if err != nil {
			t.Error(err)
		}
		cached.Store(set)
	}
	fetch()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var count atomic.Int64
	for _, r := range []*keys.Ring{a, b, a, b} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := cached.Load()
				token := sign(t, r, "")
				for name, verify := range map[string]func(string, keys.Expect) (keys.Verified, error){"cached set": before.Verify, "a": a.Verify, "b": b.Verify} {
					if _, err := verify(token, keys.Expect{Algs: []string{keys.ES256}, Typ: []string{"at+jwt"}}); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
				count.Add(1)
			}
		})
	}
	for range 10 {
		time.Sleep(20 * time.Millisecond)
		if err := a.Rotate(ctx, ""); err != nil {
			t.Error(err)
		}
		c.Add(time.Second)
		if err := errors.Join(b.Tick(ctx), a.Tick(ctx)); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond) // what was signed with the set fetched before is through
		fetch()
	}
	close(stop)
	wg.Wait()
	if count.Load() < 100 {
		t.Errorf("only %d tokens", count.Load())
	}
}

// TestRingModel plays random changes on two nodes against a model of what must verify.
func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		db := openDSN(t, ":memory:", c.Now)
		defer db.Close()
		s := newSealer(t, db, c.Now, newMaster(t))
		rings := []*keys.Ring{newRing(t, db, s, c.Now, keys.EdDSA), newRing(t, db, s, c.Now, keys.EdDSA)}
		type issued struct {
			token, kid string
			until      time.Time // verifies until then at least
		}
		var tokens []issued
		removed := map[string]bool{}
		node := rapid.SampledFrom(rings)
		tick := func() {
			for _, r := range rings {
				if err := r.Tick(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"sign": func(t *rapid.T) {
				token := sign(t, node.Draw(t, "node"), "")
				h, _, _ := keys.Peek(token)
				tokens = append(tokens, issued{token, h.KeyID, c.Now().Add(overlap - 2*time.Second)})
			},
			"rotate": func(t *rapid.T) {
				if err := node.Draw(t, "node").Rotate(ctx, ""); err != nil {
					t.Fatal(err)
				}
			},
			"retire": func(t *rapid.T) {
				r := node.Draw(t, "node")
				if err := r.Retire(ctx, rapid.SampledFrom(r.List()).Draw(t, "key").ID); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
			},
			"remove": func(t *rapid.T) {
				r := node.Draw(t, "node")
				kid := rapid.SampledFrom(r.List()).Draw(t, "key").ID
				if err := r.Remove(ctx, kid); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				removed[kid] = true
			},
			"second": func(*rapid.T) { c.Add(time.Second); tick() },
			"minute": func(*rapid.T) { c.Add(time.Minute); tick() },
			"day":    func(*rapid.T) { c.Add(every); tick() },
			"": func(t *rapid.T) {
				tick()
				for _, r := range rings {
					if got := fmt.Sprint(slices.DeleteFunc(states(r), func(s string) bool { return s == "EdDSA retired" })); got != "[EdDSA active EdDSA next]" {
						t.Fatalf("states %s", got)
					}
					for _, i := range tokens {
						_, err := r.Verify(i.token, at)
						if removed[i.kid] && err == nil {
							t.Fatal("a token of a removed key verifies")
						}
						if !removed[i.kid] && err != nil && c.Now().Before(i.until) {
							t.Fatalf("a token fails within the overlap: %v", err)
						}
					}
				}
			},
		})
	})
}
