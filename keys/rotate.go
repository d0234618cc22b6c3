package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern-id/postern/store"
)

// maxTries bounds how often a change starts anew because another node changed the keys meanwhile. Each time somebody
// got through, so this many would have to be at it at once.
const maxTries = 50

// Rotate makes the next key for alg the active one at once, whether or not it has been published for Ahead, retires
// the active one, and publishes a new next. Where another node rotates at the same time, one of the two counts.
// An alg of EncAlgs rotates the key that serves it, and with it all others of its type.
func (r *Ring) Rotate(ctx context.Context, alg string) error {
	if alg == "" {
		alg = r.opts.Algs[0]
	}
	if slices.Contains(r.opts.EncAlgs, alg) {
		alg = encKind(alg)
	}
	if !slices.Contains(r.kinds, alg) {
		return fmt.Errorf("keys: this ring has no keys for %q", alg)
	}
	before := edit{all: r.state.Load().records}
	var from string
	if i := before.find(alg, Active); i >= 0 {
		from = before.all[i].ID
	}
	return r.change(ctx, func(e *edit) error {
		if i := e.find(alg, Active); i >= 0 && e.all[i].ID == from {
			return e.retire(i)
		}
		return nil
	})
}

// Retire takes a key out of use but leaves it published until all that it signed has expired: an active key makes room for
// the next one, a next key is replaced, a retired one stays. store.ErrNotFound if there is none.
func (r *Ring) Retire(ctx context.Context, kid string) error {
	return r.change(ctx, func(e *edit) error {
		i, err := e.byID(kid)
		if err != nil {
			return err
		}
		switch e.all[i].State {
		case Active:
			return e.retire(i)
		case Next: // it never signed
			e.drop(i)
		}
		return nil
	})
}

// Remove takes a key that is compromised out of the JWKS at once: nothing that it signed verifies any more.
// store.ErrNotFound if there is none.
func (r *Ring) Remove(ctx context.Context, kid string) error {
	return r.change(ctx, func(e *edit) error {
		i, err := e.byID(kid)
		if err == nil {
			e.drop(i)
		}
		return err
	})
}

// Tick takes over what other nodes changed, activates keys whose time has come and removes those whose time is over.
// Call it each second; mostly it costs one read of a number. On an error the keys known so far stay in use.
func (r *Ring) Tick(ctx context.Context) error {
	st := r.state.Load()
	rev, err := r.opts.Store.KeysRevision(ctx)
	if err != nil {
		return err
	}
	if rev == st.rev && !r.due(st.records) {
		return nil
	}
	return r.change(ctx, func(e *edit) error { return r.schedule(e) })
}

func (r *Ring) due(records []Record) bool {
	e := edit{ring: r, all: records, now: r.opts.Now()}
	for i, rec := range records {
		if e.expired(i) || rec.State == Active && e.aged(i) {
			return true
		}
	}
	return false
}

func (r *Ring) schedule(e *edit) error {
	for i := range slices.Backward(e.all) {
		if e.expired(i) {
			e.drop(i)
		}
	}
	for i := range e.all {
		if e.all[i].State == Active && e.aged(i) {
			if err := e.retire(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// change reads the keys, lets f edit them, completes them (an active and a next key for each algorithm) and writes what
// differs, all against one revision; if that has passed meanwhile, it begins again.
func (r *Ring) change(ctx context.Context, f func(*edit) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range maxTries {
		rev, err := r.opts.Store.KeysRevision(ctx) // first: what is read later is at least as new
		if err != nil {
			return err
		}
		all, err := r.opts.Store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(rec Record) bool { return !r.sees(rec.Use) })
		e := &edit{ctx: ctx, ring: r, all: all, now: r.opts.Now().UTC().Truncate(time.Microsecond), put: map[string]bool{}}
		if err := f(e); err != nil {
			return err
		}
		if err := e.complete(); err != nil {
			return err
		}
		if len(e.put) == 0 && len(e.remove) == 0 {
			return r.load(ctx, rev, e.all)
		}
		err = r.opts.Store.ApplyKeys(ctx, rev, e.changed(), e.remove)
		if err == nil {
			return r.load(ctx, rev+1, e.all)
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return fmt.Errorf("keys: the keys change too fast: %w", store.ErrStale)
}

// edit is one change in the making.
type edit struct {
	ctx    context.Context
	ring   *Ring
	now    time.Time
	all    []Record
	put    map[string]bool // the kids in all that are new or changed
	remove []string
}

func (e *edit) changed() (put []Record) {
	for _, rec := range e.all {
		if e.put[rec.ID] {
			put = append(put, rec)
		}
	}
	return put
}

func (e *edit) find(alg string, s State) int {
	return slices.IndexFunc(e.all, func(rec Record) bool { return rec.Alg == alg && rec.State == s })
}

func (e *edit) byID(kid string) (int, error) {
	i := slices.IndexFunc(e.all, func(rec Record) bool { return rec.ID == kid })
	if i < 0 {
		return i, fmt.Errorf("keys: no key %q: %w", kid, store.ErrNotFound)
	}
	return i, nil
}

func (e *edit) expired(i int) bool {
	rec := e.all[i]
	return rec.State == Retired && !rec.RemoveAt.IsZero() && !rec.RemoveAt.After(e.now)
}

// aged says whether the active key i has signed for long enough and its successor has been published for long enough.
func (e *edit) aged(i int) bool {
	o, rec := &e.ring.opts, e.all[i]
	next := e.find(rec.Alg, Next)
	return o.Every > 0 && slices.Contains(e.ring.kinds, rec.Alg) && !rec.ActiveAt.Add(o.Every).After(e.now) &&
		next >= 0 && !e.all[next].CreatedAt.Add(o.Ahead).After(e.now)
}

func (e *edit) drop(i int) {
	e.remove = append(e.remove, e.all[i].ID)
	delete(e.put, e.all[i].ID)
	e.all = slices.Delete(e.all, i, i+1)
}

// retire keeps the public half of signing key i, sealed so that nobody can smuggle in another, and lets go of the private
// one. A key for encryption stays whole: what was encrypted to it is still on its way.
func (e *edit) retire(i int) error {
	rec := e.all[i]
	if rec.Use != useEnc {
		o, err := e.ring.open(e.ctx, rec)
		if err != nil {
			return err
		}
		if rec.Sealed, err = e.ring.opts.Sealer.Seal(retirePurpose(rec.ID, rec.Alg), o.jwk); err != nil {
			return err
		}
	}
	rec.State, rec.RetiredAt, rec.RemoveAt = Retired, e.now, e.now.Add(e.ring.opts.Overlap)
	e.all[i], e.put[rec.ID] = rec, true
	return nil
}

// complete gives each algorithm of the ring an active key, if need be the next one, and then a next one.
func (e *edit) complete() error {
	for _, alg := range e.ring.kinds {
		if e.find(alg, Active) < 0 {
			i := e.find(alg, Next)
			if i < 0 {
				var err error
				if i, err = e.add(alg); err != nil {
					return err
				}
			}
			e.all[i].State, e.all[i].ActiveAt = Active, e.now
			e.put[e.all[i].ID] = true
		}
		if e.find(alg, Next) < 0 {
			if _, err := e.add(alg); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *edit) add(alg string) (int, error) {
	rec := Record{Use: e.ring.opts.Use, Alg: alg, State: Next, CreatedAt: e.now}
	with, generate := map[string]string{"alg": alg, "use": "sig"}, e.ring.opts.Backend.Generate
	if isEncKind(alg) {
		rec.Use, with, generate = useEnc, map[string]string{"use": "enc"}, e.ring.generateEnc
	}
	pub, ref, err := generate(e.ctx, alg)
	if err != nil {
		return 0, err
	}
	if rec.ID, err = kidOf(pub); err != nil {
		return 0, err
	}
	with["kid"] = rec.ID
	if rec.PublicJWK, err = marshalJWK(pub, with); err != nil {
		return 0, err
	}
	rec.Sealed = ref
	e.all = append(e.all, rec)
	e.put[rec.ID] = true
	return len(e.all) - 1, nil
}
