package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxDocument   = 1 << 20          // bytes of discovery, JWKS and introspection answers
	fetchTimeout  = 5 * time.Second  // of one request
	flightTimeout = 12 * time.Second // of discovery and JWKS together
	patience      = 2 * time.Second  // how long a request waits for new keys while stale ones are at hand

	minFresh, defaultFresh, maxFresh = time.Minute, 5 * time.Minute, time.Hour

	kidInterval   = 10 * time.Second // between two fetches that unknown key ids cause
	retryInterval = 10 * time.Second // between two attempts while old keys are at hand
	firstInterval = time.Second      // between two attempts while there are none
	discoveryAge  = time.Hour
)

// Discovery is what this package and small clients need of the issuer's metadata. RFC 8414 §2, OIDC Discovery §3.
type Discovery struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	// RevocationsEndpoint tells what ended or narrowed before it expired; Postern has one.
	RevocationsEndpoint string `json:"postern_revocations_endpoint"`
	// ResponseIss says that authorization responses carry `iss`. RFC 9207 §3.
	ResponseIss bool `json:"authorization_response_iss_parameter_supported"`
}

// snapshot is what is known of the issuer at one moment. It never changes.
type snapshot struct {
	keySet
	discovery    Discovery
	discoveredAt time.Time
	etag         string
	refreshAt    time.Time // from here on fetch again, in the background
	freshUntil   time.Time // from here on wait a little for the fetch
	usableUntil  time.Time // from here on the keys verify nothing
}

// provider knows the metadata and keys of one issuer. Requests cause every fetch; at most one is under way.
type provider struct {
	config
	issuer string
	base   context.Context // values only; it never ends

	snap atomic.Pointer[snapshot]

	mu      sync.Mutex
	flight  chan struct{} // closed when the fetch under way has ended; nil if there is none
	lastTry time.Time
	lastKid time.Time // the last fetch that an unknown key id caused
	lastErr error
}

func newProvider(ctx context.Context, issuer string, c config) (*provider, error) {
	if err := checkURL(issuer); err != nil {
		return nil, fmt.Errorf("verify: issuer %q: %w", issuer, err)
	}
	return &provider{config: c, issuer: issuer, base: context.WithoutCancel(ctx)}, nil
}

// current returns a snapshot that may be used now. A snapshot near the end of its freshness is refreshed in the
// background; past it the caller waits for at most patience, unless the fetch before failed too; past StaleFor it is
// refused with ErrUnavailable.
func (p *provider) current(ctx context.Context) (*snapshot, error) {
	s, now := p.snap.Load(), p.now()
	switch {
	case s == nil:
		if err := wait(ctx, p.start(nil, &p.lastTry, firstInterval), flightTimeout); err != nil {
			return nil, err
		}
	case now.Before(s.refreshAt):
		return s, nil
	case now.Before(s.freshUntil):
		p.start(s, &p.lastTry, retryInterval)
		return s, nil
	default:
		done := p.start(s, &p.lastTry, retryInterval)
		if now.Before(s.usableUntil) && p.failing() {
			return s, nil // an issuer that hangs must not slow every request down
		}
		if err := wait(ctx, done, patience); err != nil {
			return nil, err
		}
	}
	if s = p.snap.Load(); s != nil && p.now().Before(s.usableUntil) {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return nil, fmt.Errorf("%w: %v", ErrUnavailable, p.lastErr)
}

// key returns the key with kid for alg. An unknown one causes a fetch, at most one in kidInterval, so that a rotation is
// seen at once and a stream of invented ids costs the issuer nothing.
func (p *provider) key(ctx context.Context, kid, alg string) (*publicKey, error) {
	s, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	if k := s.find(kid, alg); k != nil {
		return k, nil
	}
	if err := wait(ctx, p.start(s, &p.lastKid, kidInterval), flightTimeout); err != nil {
		return nil, err
	}
	if k := p.snap.Load().find(kid, alg); k != nil {
		return k, nil
	}
	return nil, invalid("no such key")
}

// start begins a fetch, or joins the one under way, unless a newer snapshot than seen is there already or the last fetch
// of this cause began less than interval ago. The channel closes at its end; nil if there is nothing to wait for.
func (p *provider) start(seen *snapshot, last *time.Time, interval time.Duration) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	switch {
	case p.snap.Load() != seen:
		return nil
	case p.flight != nil:
		return p.flight
	case !last.IsZero() && now.Sub(*last) < interval:
		return nil
	}
	p.lastTry, *last = now, now
	p.flight = make(chan struct{})
	go p.fly(seen)
	return p.flight
}

// failing reports whether the last fetch that ended has failed.
func (p *provider) failing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastErr != nil
}

func (p *provider) fly(old *snapshot) {
	ctx, cancel := context.WithTimeout(p.base, flightTimeout)
	defer cancel()
	s, err := p.fetch(ctx, old)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.snap.Store(s)
	}
	p.lastErr = err
	close(p.flight)
	p.flight = nil
}

func wait(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	if done == nil {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// fetch reads the issuer's keys, and its metadata where old has none or an aged one.
func (p *provider) fetch(ctx context.Context, old *snapshot) (*snapshot, error) {
	s := &snapshot{}
	if old != nil {
		*s = *old
	}
	if old == nil || p.now().Sub(old.discoveredAt) > discoveryAge {
		d, err := p.discover(ctx)
		switch {
		case err == nil:
			if d.JWKSURI != s.discovery.JWKSURI {
				s.etag = ""
			}
			s.discovery, s.discoveredAt = d, p.now()
		case old == nil:
			return nil, err
		}
	}
	header := http.Header{"Accept": {"application/jwk-set+json, application/json"}}
	if s.etag != "" {
		header.Set("If-None-Match", s.etag)
	}
	res, body, err := p.get(ctx, s.discovery.JWKSURI, header)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusNotModified && s.etag != "":
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("JWKS: status %d", res.StatusCode)
	default:
		if s.keySet, err = parseKeySet(body); err != nil {
			return nil, err
		}
		s.etag = res.Header.Get("ETag")
	}
	now, fresh := p.now(), freshness(res.Header)
	s.refreshAt = now.Add(fresh * 3 / 4)
	s.freshUntil = now.Add(fresh)
	s.usableUntil = now.Add(fresh + p.stale)
	return s, nil
}

// discover reads the metadata at the address of OpenID Connect, else at that of RFC 8414.
func (p *provider) discover(ctx context.Context) (Discovery, error) {
	var d Discovery
	for _, u := range []string{
		strings.TrimSuffix(p.issuer, "/") + "/.well-known/openid-configuration", // OIDC Discovery §4
		wellKnown(p.issuer, "oauth-authorization-server"),                       // RFC 8414 §3.1
	} {
		res, body, err := p.get(ctx, u, http.Header{"Accept": {"application/json"}})
		if err != nil {
			return d, err
		}
		if res.StatusCode == http.StatusNotFound {
			continue
		}
		if res.StatusCode != http.StatusOK {
			return d, fmt.Errorf("discovery: status %d", res.StatusCode)
		}
		if err := json.Unmarshal(body, &d); err != nil {
			return d, errors.New("discovery: not JSON")
		}
		if d.Issuer != p.issuer { // RFC 8414 §3.3
			return d, fmt.Errorf("discovery: issuer is %q, not %q", d.Issuer, p.issuer)
		}
		if err := checkURL(d.JWKSURI); err != nil {
			return d, fmt.Errorf("discovery: jwks_uri %w", err)
		}
		return d, nil
	}
	return d, errors.New("discovery: not found")
}

func (p *provider) get(ctx context.Context, url string, header http.Header) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header = header
	return do(p.http, req)
}

// do returns an answer with at most maxDocument bytes of body.
func do(c *http.Client, req *http.Request) (*http.Response, []byte, error) {
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return nil, nil, err
	}
	if len(body) > maxDocument {
		return nil, nil, fmt.Errorf("answer is longer than %d bytes", maxDocument)
	}
	return res, body, nil
}

// boundedClient is a copy of c that has a timeout and follows no redirect.
func boundedClient(c *http.Client) *http.Client {
	var b http.Client
	if c != nil {
		b = *c
	}
	if b.Timeout == 0 {
		b.Timeout = fetchTimeout
	}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &b
}

// freshness is the `max-age` of an answer, within bounds. RFC 9111 §5.2.2.1.
func freshness(h http.Header) time.Duration {
	fresh := defaultFresh
	for d := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(d)), "=")
		switch name {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				fresh = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(fresh, minFresh), maxFresh)
}
