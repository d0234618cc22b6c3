package enginetest

import (
	"bytes"
	"errors"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/store"
)

// modelled is what the model knows of one key.
type modelled struct {
	v     []byte
	exp   time.Time
	taken bool
}

// ephemeralModel drives the engine and a map side by side through random histories over three keys.
func ephemeralModel(r *room[store.Ephemeral]) {
	rapid.Check(r.T, func(t *rapid.T) {
		ks := []store.Key{key(), key(), key()}
		model := map[store.Key]*modelled{}
		live := func(k store.Key) *modelled {
			if m := model[k]; m != nil && r.clock.now().Before(m.exp) {
				return m
			}
			return nil
		}
		someKey := rapid.SampledFrom(ks)
		someValue := rapid.SampledFrom([][]byte{{}, []byte("a"), []byte("b"), {0, 1, 0}})
		someWhile := rapid.Int64Range(1, 5e6)

		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := someKey.Draw(t, "key"), someValue.Draw(t, "value")
				exp := r.clock.in(time.Duration(someWhile.Draw(t, "µs")) * time.Microsecond)
				var want error
				if live(k) != nil {
					want = store.ErrExists
				} else {
					model[k] = &modelled{v: v, exp: exp}
				}
				if err := r.e.Put(r.ctx, k, v, exp); !errors.Is(err, want) {
					t.Fatalf("Put: %v, want %v", err, want)
				}
			},
			"take": func(t *rapid.T) {
				k := someKey.Draw(t, "key")
				v, err := r.e.Take(r.ctx, k)
				want, wantErr := expect(live(k))
				answer(t, "Take", v, err, want, wantErr)
				if m := live(k); m != nil {
					m.taken = true
				}
			},
			"swap": func(t *rapid.T) {
				k, old, v := someKey.Draw(t, "key"), someValue.Draw(t, "old"), someValue.Draw(t, "value")
				var want error
				switch m := live(k); {
				case m == nil:
					want = store.ErrNotFound
				case m.taken || !bytes.Equal(m.v, old):
					want = store.ErrStale
				default:
					m.v = v
				}
				if err := r.e.Swap(r.ctx, k, old, v); !errors.Is(err, want) {
					t.Fatalf("Swap: %v, want %v", err, want)
				}
			},
			"time passes": func(t *rapid.T) {
				r.clock.advance(time.Duration(someWhile.Draw(t, "µs")) * time.Microsecond)
			},
			"": func(t *rapid.T) {
				for _, k := range ks {
					v, err := r.e.Get(r.ctx, k)
					want, wantErr := expect(live(k))
					answer(t, "Get", v, err, want, wantErr)
				}
			},
		})
	})
}

// expect is what Get and Take answer for m, nil where it is absent.
func expect(m *modelled) ([]byte, error) {
	switch {
	case m == nil:
		return nil, store.ErrNotFound
	case m.taken:
		return m.v, store.ErrTaken
	}
	return m.v, nil
}
