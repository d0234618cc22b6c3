package oauth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/postern-id/postern/store"
)

// elsewhere keeps requests of one kind whose person is elsewhere, while they last. What changes in one changes by one Swap: of
// an approval, a denial, an end and a poll in the same instant exactly one comes first, and the others see it.
type elsewhere[T any] struct {
	eph     store.Ephemeral
	none    error          // there is no such request, or it was forgotten
	decided error          // it was redeemed before
	open    func(*T) error // nil of a request that may still change
}

// swaps bounds how often a change is tried again because something else changed at the same time.
const swaps = 32

// key is where the request with that handle stands: the hash of its secret, in hex.
func (e elsewhere[T]) key(handle string) (k store.Key, err error) {
	b, err := hex.DecodeString(handle)
	if err != nil || len(b) != len(k) {
		return k, e.none
	}
	copy(k[:], b)
	return k, nil
}

func (e elsewhere[T]) put(ctx context.Context, handle string, r *T, until time.Time) error {
	k, err := e.key(handle)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return e.eph.Put(ctx, k, raw, until)
}

// get returns a request, whatever became of it, with the bytes that it was read from; store.ErrTaken with it if it was redeemed.
func (e elsewhere[T]) get(ctx context.Context, handle string) (*T, []byte, error) {
	k, err := e.key(handle)
	if err != nil {
		return nil, nil, err
	}
	raw, err := e.eph.Get(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, e.none
	}
	if err != nil && !errors.Is(err, store.ErrTaken) {
		return nil, nil, err
	}
	r := new(T)
	if bad := json.Unmarshal(raw, r); bad != nil {
		return nil, nil, bad
	}
	return r, raw, err
}

// change changes a request that is open, at once or not at all. change may be called several times, and its error ends the
// attempt.
func (e elsewhere[T]) change(ctx context.Context, handle string, change func(*T) error) error {
	k, err := e.key(handle)
	if err != nil {
		return err
	}
	for range swaps {
		r, old, err := e.get(ctx, handle)
		if errors.Is(err, store.ErrTaken) {
			return e.decided
		}
		if err == nil {
			err = e.open(r)
		}
		if err == nil {
			err = change(r)
		}
		if err != nil {
			return err
		}
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		err = e.eph.Swap(ctx, k, old, raw)
		if errors.Is(err, store.ErrNotFound) {
			return e.none
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return Unavailable(store.ErrStale)
}

// redeem takes a request: nil to exactly one caller, store.ErrTaken to the others.
func (e elsewhere[T]) redeem(ctx context.Context, handle string) error {
	k, err := e.key(handle)
	if err != nil {
		return err
	}
	_, err = e.eph.Take(ctx, k)
	return err
}

// The pace of polls, in seconds: who asks too early has to wait slower longer from then on, up to slowest. Asking too early
// after that changes nothing any more, so that it costs no write. RFC 8628 §3.5, CIBA Core §11.
const (
	slower  = 5
	slowest = 60
	early   = time.Second // what clocks and networks may be off by
)

var errTooEarly = errors.New("oauth: polled too early")

// poll notes that who asked polls; slow says that it did so too early. of are the fields of a request that say when it polled
// last and how long it has to wait.
func (e elsewhere[T]) poll(ctx context.Context, handle string, now time.Time, of func(*T) (polled *time.Time, interval *int64)) (slow bool, err error) {
	err = e.change(ctx, handle, func(r *T) error {
		polled, interval := of(r)
		slow = !polled.IsZero() && now.Add(early).Before(polled.Add(time.Duration(*interval)*time.Second))
		if slow && *interval >= slowest {
			return errTooEarly
		}
		if slow {
			*interval = min(*interval+slower, slowest)
		}
		*polled = now
		return nil
	})
	if errors.Is(err, errTooEarly) {
		return true, nil
	}
	return slow, err
}
