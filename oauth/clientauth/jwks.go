package clientauth

import (
	"context"
	"sync"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/keys"
)

// How long fetched keys are used, and how soon they may be fetched again because none fitted: what bounds both the
// time in which a rotated key is picked up and the requests that an attacker can make us send.
const (
	jwksLife  = time.Minute
	jwksPause = 10 * time.Second
)

type jwksCache struct {
	fetch *egress.Client
	now   func() time.Time
	mu    sync.Mutex
	sets  map[string]*jwksEntry
}

type jwksEntry struct {
	mu  sync.Mutex // one fetch at a time for one URL
	set *keys.Set
	err error
	at  time.Time
}

func newJWKSCache(fetch *egress.Client, now func() time.Time) *jwksCache {
	return &jwksCache{fetch: fetch, now: now, sets: map[string]*jwksEntry{}}
}

// get returns the keys at url; fresh says that they were fetched by this call. again asks for a new fetch although the
// cached ones are young. A failed fetch leaves older keys in use.
func (j *jwksCache) get(ctx context.Context, url string, again bool) (set *keys.Set, fresh bool, err error) {
	j.mu.Lock()
	e := j.sets[url]
	if e == nil {
		e = &jwksEntry{}
		j.sets[url] = e
	}
	j.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	age := j.now().Sub(e.at)
	if age < jwksPause || age < jwksLife && !again && e.set != nil {
		return e.set, false, e.failure()
	}
	e.at = j.now()
	body, _, err := j.fetch.Get(ctx, url, "application/jwk-set+json, application/json")
	if err == nil {
		var parsed *keys.Set
		if parsed, err = keys.ParseSet(body); err == nil {
			e.set = parsed
		}
	}
	e.err = err
	return e.set, true, e.failure()
}

func (e *jwksEntry) failure() error {
	if e.set != nil {
		return nil
	}
	return e.err
}
