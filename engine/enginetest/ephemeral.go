package enginetest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/store"
)

var ephemeralParts = []part[store.Ephemeral]{
	{"a value comes back as it was", ephemeralValues},
	{"put refuses what is there", ephemeralPut},
	{"expired is absent", ephemeralExpiry},
	{"take gives once and remembers", ephemeralTake},
	{"swap compares", ephemeralSwap},
	{"values are bounded", ephemeralBounds},
	{"64 takers, one winner", ephemeralTakers},
	{"64 putters, one winner", ephemeralPutters},
	{"64 swappers, one winner", ephemeralSwappers},
	{"take against swap", ephemeralTakeSwap},
	{"a cancelled caller is refused", ephemeralCancelled},
	{"behaves as the model", ephemeralModel},
}

func key() store.Key { return store.KeyOf("exam", name("key")) }

// holds demands what Get answers.
func holds(t tb, e store.Ephemeral, ctx context.Context, what string, k store.Key, v []byte, want error) {
	t.Helper()
	got, err := e.Get(ctx, k)
	answer(t, what+": Get", got, err, v, want)
}

// answer demands a value and an error together: ErrTaken comes with the value, other errors without.
func answer(t tb, what string, got []byte, err error, v []byte, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
	if want != nil && want != store.ErrTaken {
		v = nil
	}
	if !bytes.Equal(got, v) {
		t.Fatalf("%s: value %s, want %s", what, clip(got), clip(v))
	}
}

func ephemeralValues(r *room[store.Ephemeral]) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for what, v := range map[string][]byte{
		"text": []byte("v"), "every byte": all, "empty": {}, "zeros": make([]byte, 9), "unicode": []byte("Zoë 雲 🌫"),
		"not UTF-8": {0xff, 0xfe, 0}, "digits": []byte("0012"),
	} {
		k := key()
		must(r, r.e.Put(r.ctx, k, v, r.clock.in(time.Hour)))
		holds(r, r.e, r.ctx, what, k, v, nil)
		got, err := r.e.Take(r.ctx, k)
		answer(r, what+": Take", got, err, v, nil)
		holds(r, r.e, r.ctx, what+" after Take", k, v, store.ErrTaken)
	}
	holds(r, r.e, r.ctx, "a key never put", key(), nil, store.ErrNotFound)

	k := key()
	v := []byte("before")
	must(r, r.e.Put(r.ctx, k, v, r.clock.in(time.Hour)))
	copy(v, "AFTER!") // the caller's slice is the caller's
	holds(r, r.e, r.ctx, "after the caller reused its slice", k, []byte("before"), nil)
}

func ephemeralPut(r *room[store.Ephemeral]) {
	k := key()
	must(r, r.e.Put(r.ctx, k, []byte("first"), r.clock.in(time.Hour)))
	refuse(r, "Put over a present key", r.e.Put(r.ctx, k, []byte("second"), r.clock.in(time.Hour)), store.ErrExists)
	refuse(r, "Put of the same value", r.e.Put(r.ctx, k, []byte("first"), r.clock.in(time.Hour)), store.ErrExists)
	refuse(r, "Put that would have expired", r.e.Put(r.ctx, k, []byte("old"), r.clock.in(-time.Hour)), store.ErrExists)
	holds(r, r.e, r.ctx, "after refused Puts", k, []byte("first"), nil)

	_, err := r.e.Take(r.ctx, k)
	must(r, err)
	refuse(r, "Put over a taken key", r.e.Put(r.ctx, k, []byte("third"), r.clock.in(time.Hour)), store.ErrExists)
	holds(r, r.e, r.ctx, "after a Put over a taken key", k, []byte("first"), store.ErrTaken)
}

func ephemeralExpiry(r *room[store.Ephemeral]) {
	k, taken, swapped, other := key(), key(), key(), key()
	for _, k := range []store.Key{k, taken, swapped} {
		must(r, r.e.Put(r.ctx, k, []byte("v"), r.clock.in(time.Minute)))
	}
	must(r, r.e.Put(r.ctx, other, []byte("long"), r.clock.in(time.Hour)))
	_, err := r.e.Take(r.ctx, taken)
	must(r, err)
	r.clock.advance(30 * time.Second)
	must(r, r.e.Swap(r.ctx, swapped, []byte("v"), []byte("w")))

	r.clock.advance(30*time.Second - time.Microsecond)
	holds(r, r.e, r.ctx, "a microsecond before its expiry", k, []byte("v"), nil)
	holds(r, r.e, r.ctx, "taken, before its expiry", taken, []byte("v"), store.ErrTaken)
	r.clock.advance(time.Microsecond)
	for what, k := range map[string]store.Key{"put": k, "taken": taken, "swapped (a swap keeps the expiry)": swapped} {
		holds(r, r.e, r.ctx, "expired, "+what, k, nil, store.ErrNotFound)
		v, err := r.e.Take(r.ctx, k)
		answer(r, "Take of an expired key, "+what, v, err, nil, store.ErrNotFound)
		refuse(r, "Swap of an expired key, "+what, r.e.Swap(r.ctx, k, []byte("v"), []byte("x")), store.ErrNotFound)
	}
	holds(r, r.e, r.ctx, "another key", other, []byte("long"), nil)

	for _, k := range []store.Key{k, taken} {
		must(r, r.e.Put(r.ctx, k, []byte("again"), r.clock.in(time.Minute)))
		holds(r, r.e, r.ctx, "put over an expired one", k, []byte("again"), nil)
		v, err := r.e.Take(r.ctx, k)
		answer(r, "Take of what was put over an expired one", v, err, []byte("again"), nil)
	}
	_ = r.e.Put(r.ctx, swapped, []byte("late"), r.clock.in(-time.Second)) // whether this errs is the engine's choice
	holds(r, r.e, r.ctx, "put with an expiry in the past", swapped, nil, store.ErrNotFound)
}

func ephemeralTake(r *room[store.Ephemeral]) {
	v, err := r.e.Take(r.ctx, key())
	answer(r, "Take of a key never put", v, err, nil, store.ErrNotFound)

	k, other := key(), key()
	must(r, r.e.Put(r.ctx, k, []byte("v"), r.clock.in(time.Hour)))
	must(r, r.e.Put(r.ctx, other, []byte("o"), r.clock.in(time.Hour)))
	v, err = r.e.Take(r.ctx, k)
	answer(r, "first Take", v, err, []byte("v"), nil)
	for range 3 {
		v, err = r.e.Take(r.ctx, k)
		answer(r, "later Take", v, err, []byte("v"), store.ErrTaken)
	}
	refuse(r, "Swap of a taken key", r.e.Swap(r.ctx, k, []byte("v"), []byte("w")), store.ErrStale)
	holds(r, r.e, r.ctx, "taken", k, []byte("v"), store.ErrTaken)
	holds(r, r.e, r.ctx, "another key", other, []byte("o"), nil)
}

func ephemeralSwap(r *room[store.Ephemeral]) {
	refuse(r, "Swap of a key never put", r.e.Swap(r.ctx, key(), []byte("a"), []byte("b")), store.ErrNotFound)
	k := key()
	must(r, r.e.Put(r.ctx, k, []byte("a"), r.clock.in(time.Hour)))
	for _, wrong := range []string{"", "A", "a ", "aa"} {
		refuse(r, "stale Swap", r.e.Swap(r.ctx, k, []byte(wrong), []byte("x")), store.ErrStale)
	}
	holds(r, r.e, r.ctx, "after stale swaps", k, []byte("a"), nil)
	must(r, r.e.Swap(r.ctx, k, []byte("a"), []byte("b\x00")))
	refuse(r, "Swap from the value before", r.e.Swap(r.ctx, k, []byte("a"), []byte("c")), store.ErrStale)
	refuse(r, "Swap from a prefix", r.e.Swap(r.ctx, k, []byte("b"), []byte("c")), store.ErrStale)
	must(r, r.e.Swap(r.ctx, k, []byte("b\x00"), []byte("b\x00")))
	must(r, r.e.Swap(r.ctx, k, []byte("b\x00"), nil))
	must(r, r.e.Swap(r.ctx, k, []byte{}, []byte("end")))
	v, err := r.e.Take(r.ctx, k)
	answer(r, "Take after swaps", v, err, []byte("end"), nil)
}

func ephemeralBounds(r *room[store.Ephemeral]) {
	big, over := bytes.Repeat([]byte{0xa5}, store.MaxValue), make([]byte, store.MaxValue+1)
	k, none := key(), key()
	must(r, r.e.Put(r.ctx, k, []byte("small"), r.clock.in(time.Hour)))
	refuse(r, "Swap to a value over MaxValue", r.e.Swap(r.ctx, k, []byte("small"), over), nil)
	holds(r, r.e, r.ctx, "after a refused Swap", k, []byte("small"), nil)
	must(r, r.e.Swap(r.ctx, k, []byte("small"), big))
	holds(r, r.e, r.ctx, "a value of MaxValue", k, big, nil)
	refuse(r, "Put of a value over MaxValue", r.e.Put(r.ctx, none, over, r.clock.in(time.Hour)), nil)
	holds(r, r.e, r.ctx, "after a refused Put", none, nil, store.ErrNotFound)
	must(r, r.e.Put(r.ctx, none, big, r.clock.in(time.Hour)))
	v, err := r.e.Take(r.ctx, none)
	answer(r, "Take of a value of MaxValue", v, err, big, nil)
}

func ephemeralTakers(r *room[store.Ephemeral]) {
	for range 8 {
		k, v := key(), []byte(name("value"))
		must(r, r.e.Put(r.ctx, k, v, r.clock.in(time.Hour)))
		var wrong atomic.Int64
		contest(r, "Take", 64, store.ErrTaken, func(int) error {
			got, err := r.e.Take(r.ctx, k)
			if !bytes.Equal(got, v) {
				wrong.Add(1)
			}
			return err
		})
		if n := wrong.Load(); n > 0 {
			r.Fatalf("%d of 64 takers got another value", n)
		}
	}
}

func ephemeralPutters(r *room[store.Ephemeral]) {
	for round := range 6 {
		k := key()
		if round%2 == 1 { // an expired one lies there
			must(r, r.e.Put(r.ctx, k, []byte("old"), r.clock.in(time.Second)))
			r.clock.advance(time.Second)
		}
		w := contest(r, "Put", 64, store.ErrExists, func(i int) error {
			return r.e.Put(r.ctx, k, []byte{byte(i)}, r.clock.in(time.Hour))
		})
		holds(r, r.e, r.ctx, "the winner's value", k, []byte{byte(w)}, nil)
	}
}

func ephemeralSwappers(r *room[store.Ephemeral]) {
	for range 4 {
		k := key()
		must(r, r.e.Put(r.ctx, k, []byte("old"), r.clock.in(time.Hour)))
		w := contest(r, "Swap", 64, store.ErrStale, func(i int) error {
			return r.e.Swap(r.ctx, k, []byte("old"), []byte{byte(i)})
		})
		holds(r, r.e, r.ctx, "the winner's value", k, []byte{byte(w)}, nil)
	}
}

// ephemeralTakeSwap: either the swap came first and Take returns the new value, or it came late and failed.
func ephemeralTakeSwap(r *room[store.Ephemeral]) {
	for range 40 {
		k := key()
		must(r, r.e.Put(r.ctx, k, []byte("old"), r.clock.in(time.Hour)))
		var v []byte
		var took, swapped error
		together(2, func(i int) {
			if i == 0 {
				v, took = r.e.Take(r.ctx, k)
			} else {
				swapped = r.e.Swap(r.ctx, k, []byte("old"), []byte("new"))
			}
		})
		must(r, took)
		want := "new"
		if swapped != nil {
			refuse(r, "late Swap", swapped, store.ErrStale)
			want = "old"
		}
		answer(r, "Take against Swap", v, nil, []byte(want), nil)
		holds(r, r.e, r.ctx, "after both", k, []byte(want), store.ErrTaken)
	}
}

func ephemeralCancelled(r *room[store.Ephemeral]) {
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	k := key()
	must(r, r.e.Put(r.ctx, k, []byte("v"), r.clock.in(time.Hour)))
	if _, err := r.e.Take(ctx, k); err == nil {
		r.Fatalf("Take with a cancelled context succeeded")
	}
	refuse(r, "Put with a cancelled context", r.e.Put(ctx, key(), []byte("v"), r.clock.in(time.Hour)), nil)
}
