package oauth

import (
	"context"
	"errors"
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
	maxSets   = 10_000 // key sets remembered at once
)

// ClientKeys are the public keys of clients: those registered, and those behind a jwks_uri, fetched when they are needed and
// again within a minute. It is safe for concurrent use.
type ClientKeys struct {
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

// NewClientKeys returns an empty cache that fetches through fetch.
func NewClientKeys(fetch *egress.Client, now func() time.Time) *ClientKeys {
	return &ClientKeys{fetch: fetch, now: now, sets: map[string]*jwksEntry{}}
}

var errNoKeys = errors.New("the client has no keys")

// Verify checks a token with the keys of c; where they lie behind jwks_uri and none fits, they are fetched once more, so that
// a rotated key is picked up.
func (k *ClientKeys) Verify(ctx context.Context, c *Client, token string, e keys.Expect) (keys.Verified, error) {
	if c.JWKSURI == "" {
		if c.Keys() == nil {
			return keys.Verified{}, errNoKeys
		}
		return c.Keys().Verify(token, e)
	}
	set, fresh, err := k.get(ctx, c.JWKSURI, false)
	if err != nil {
		return keys.Verified{}, err
	}
	v, err := set.Verify(token, e)
	if err == nil || fresh {
		return v, err
	}
	if set, _, err = k.get(ctx, c.JWKSURI, true); err != nil {
		return keys.Verified{}, err
	}
	return set.Verify(token, e)
}

// Encrypt returns payload as a compact JWE for c, under its registered alg and enc. OIDC Core §10.2.
func (k *ClientKeys) Encrypt(ctx context.Context, c *Client, alg, enc, cty string, payload []byte) (string, error) {
	set := c.Keys()
	if c.JWKSURI != "" {
		var err error
		if set, _, err = k.get(ctx, c.JWKSURI, false); err != nil {
			return "", err
		}
	}
	if set == nil {
		return "", errNoKeys
	}
	return set.Encrypt(alg, enc, cty, payload)
}

// get returns the keys at url; fresh says that they were fetched by this call. again asks for a new fetch although the
// cached ones are young. A failed fetch leaves older keys in use.
func (k *ClientKeys) get(ctx context.Context, url string, again bool) (set *keys.Set, fresh bool, err error) {
	k.mu.Lock()
	e := k.sets[url]
	if e == nil {
		if len(k.sets) >= maxSets { // a bound on memory: forget, and fetch again what is needed
			clear(k.sets)
		}
		e = &jwksEntry{}
		k.sets[url] = e
	}
	k.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	age := k.now().Sub(e.at)
	if age < jwksPause || age < jwksLife && !again && e.set != nil {
		return e.set, false, e.failure()
	}
	e.at = k.now()
	body, _, err := k.fetch.Get(ctx, url, "application/jwk-set+json, application/json")
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
