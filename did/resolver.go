package did

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/postern-id/postern/span"
)

// Fetch visits an https URL and returns its body and headers: egress.Client.Get is one. What it is given refuses internal
// addresses, follows no redirect and bounds size and time. A nil Fetch visits nothing.
type Fetch func(ctx context.Context, url, accept string) (body []byte, header http.Header, err error)

// get is f, or ErrOffline where nothing may be visited.
func (f Fetch) get(ctx context.Context, url, accept string) ([]byte, http.Header, error) {
	if f == nil {
		return nil, nil, ErrOffline
	}
	return f(ctx, url, accept)
}

// Method resolves the DIDs of one method. Every method sits the exam of didtest.
type Method interface {
	// Name is the method's name, "web" of did:web.
	Name() string
	// Resolve returns the document of id, whose method is Name. ErrInvalid if id breaks the method's rules, ErrNotFound,
	// ErrDocument if what is there is no document of id, ErrOffline if it would have to visit and fetch is nil.
	Resolve(ctx context.Context, id ID, fetch Fetch) (Resolution, error)
}

// Resolution is what a method found, DID Resolution §4.
type Resolution struct {
	Document    Document
	Deactivated bool // no error: there is a document, but nobody speaks for it any more
	VersionID   string
	VersionTime time.Time     // when this version was made, where the method says so
	MaxAge      time.Duration // how long the answer may be kept; 0: as the resolver thinks fit
}

// ResolverOptions make a Resolver.
type ResolverOptions struct {
	Methods []Method
	Now     func() time.Time
	TTL     time.Duration // how long an answer is kept at most; default 5 min
	Size    int           // how many answers are kept; default 1024
}

// Resolver resolves DIDs of the methods that were plugged in, and keeps answers for a while. It is safe for concurrent use.
type Resolver struct {
	methods map[string]Method
	now     func() time.Time
	ttl     time.Duration
	size    int

	mu    sync.Mutex
	cache map[ID]cached
}

type cached struct {
	Resolution
	err error
	exp time.Time
}

// forgetFailure is how long a failed visit is remembered, so that many presentations do not become many visits.
const forgetFailure = 10 * time.Second

// NewResolver returns a Resolver.
func NewResolver(o ResolverOptions) *Resolver {
	r := &Resolver{methods: map[string]Method{}, now: o.Now, ttl: o.TTL, size: o.Size, cache: map[ID]cached{}}
	if r.ttl <= 0 {
		r.ttl = 5 * time.Minute
	}
	if r.size <= 0 {
		r.size = 1024
	}
	for _, m := range o.Methods {
		r.methods[m.Name()] = m
	}
	return r
}

// Resolve returns the document of id, which others hold too: it must not be changed. fetch is what the caller may visit; nil: nothing. A document in the cache is no visit.
// DID Resolution §4.
func (r *Resolver) Resolve(ctx context.Context, id ID, fetch Fetch) (res Resolution, err error) {
	if _, err := ParseID(string(id)); err != nil {
		return Resolution{}, err
	}
	m, ok := r.methods[id.Method()]
	if !ok {
		return Resolution{}, fmt.Errorf("%w: %s", ErrUnsupported, id.Method())
	}
	if c, ok := r.cached(id); ok {
		return c.Resolution, c.err
	}
	ctx, end := span.Start(ctx, "did.Resolve")
	res, err = m.Resolve(ctx, id, fetch)
	end(err)
	if err == nil && res.Document.ID != string(id) {
		res, err = Resolution{}, fmt.Errorf("%w: the method answered with another's", ErrDocument)
	}
	if errors.Is(err, ErrOffline) || ctx.Err() != nil { // says something about the caller, not about the DID
		return Resolution{}, err
	}
	r.keep(id, res, err)
	return res, err
}

func (r *Resolver) cached(id ID) (cached, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.cache[id]
	return c, ok && r.now().Before(c.exp)
}

func (r *Resolver) keep(id ID, res Resolution, err error) {
	age := r.ttl
	if res.MaxAge > 0 && res.MaxAge < age {
		age = res.MaxAge
	}
	if err != nil {
		age = forgetFailure
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, again := r.cache[id]; !again && len(r.cache) >= r.size {
		r.makeRoom(now)
	}
	r.cache[id] = cached{res, err, now.Add(age)}
}

// makeRoom drops what has expired, or else anything: a map is walked in no order that a stranger could use.
func (r *Resolver) makeRoom(now time.Time) {
	for id, c := range r.cache {
		if !now.Before(c.exp) {
			delete(r.cache, id)
		}
	}
	for id := range r.cache {
		if len(r.cache) < r.size {
			return
		}
		delete(r.cache, id)
	}
}

// Key returns the key that url names, if the document of its DID lists it for rel and is not deactivated.
func (r *Resolver) Key(ctx context.Context, url string, rel Relationship, fetch Fetch) (Key, error) {
	u, err := ParseURL(url)
	if err != nil {
		return Key{}, err
	}
	if u.Fragment == "" || u.Path != "" || u.Query != "" { // a version in the query would name a key that was replaced
		return Key{}, fmt.Errorf("%w: a key is named by DID and fragment", ErrInvalid)
	}
	res, err := r.Resolve(ctx, u.DID, fetch)
	if err != nil {
		return Key{}, err
	}
	if res.Deactivated {
		return Key{}, ErrDeactivated
	}
	return res.Document.Key(url, rel)
}
