package oauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// Registry holds all clients and resources in memory, prepared, and sees within a second when somebody changed them.
// Reading it costs no lock and no I/O.
type Registry struct {
	store     RegistryStore
	documents *Documents // nil where clients do not describe themselves
	mu        sync.Mutex // one reload at a time
	parsed    map[string]parsed
	looks     atomic.Int32 // how often an unknown client may still make us look, until the next Reload
	snap      atomic.Pointer[snapshot]
}

// looksPerReload bounds what requests that name unknown clients cost the database.
const looksPerReload = 50

// parsed is a client whose document was read before; what did not change is not read again.
type parsed struct {
	sum    [sha256.Size]byte
	client *Client
}

type snapshot struct {
	rev       int64
	dynamic   int   // clients that registered themselves
	longest   int64 // seconds that an access token of any client lives at most, of those that have a time of their own
	clients   map[ident.ClientID]*Client
	resources map[string]*Resource
	byScope   map[string][]string // scope → resources that declare it
	scopes    []string            // all that anybody may ask
	origins   map[string]bool
	served    map[string]bool // resources that some client serves
}

// NewRegistry loads everything; a document that does not parse is an error that names it.
func NewRegistry(ctx context.Context, s RegistryStore) (*Registry, error) {
	r := &Registry{store: s, parsed: map[string]parsed{}}
	r.looks.Store(looksPerReload)
	return r, r.load(ctx)
}

// Reload loads again if the stored revision has moved. It is called each second; an error leaves the last snapshot in place.
func (r *Registry) Reload(ctx context.Context) error {
	r.looks.Store(looksPerReload)
	return r.Refresh(ctx)
}

// Refresh is Reload for whoever has just changed something.
func (r *Registry) Refresh(ctx context.Context) error {
	rev, err := r.store.RegistryRevision(ctx)
	if err != nil || rev == r.snap.Load().rev {
		return err
	}
	return r.load(ctx)
}

func (r *Registry) load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.snap.Load(); old != nil { // somebody may have loaded while we waited
		if rev, err := r.store.RegistryRevision(ctx); err == nil && rev == old.rev {
			return nil
		}
	}
	clients, resources, rev, err := r.store.Registry(ctx)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	s := &snapshot{rev: rev, clients: make(map[ident.ClientID]*Client, len(clients)), resources: map[string]*Resource{},
		byScope: map[string][]string{}, origins: map[string]bool{}, served: map[string]bool{}}
	s.scopes = slices.Clone(OpenIDScopes)
	for _, d := range resources {
		res, err := ParseResource(d.JSON)
		if err != nil {
			return fmt.Errorf("registry: %w", err)
		}
		s.resources[res.ID] = res
		for _, sc := range res.Scopes {
			s.byScope[sc] = append(s.byScope[sc], res.ID)
			s.scopes = append(s.scopes, sc)
		}
	}
	seen := make(map[string]parsed, len(clients))
	for _, d := range clients {
		p := parsed{sha256.Sum256(d.JSON), r.parsed[d.ID].client}
		if p.client == nil || p.sum != r.parsed[d.ID].sum {
			if p.client, err = ParseClient(d.JSON); err != nil {
				return fmt.Errorf("registry: %w", err)
			}
		}
		c := p.client
		seen[d.ID] = p
		s.clients[c.ID] = c
		if c.Origin == ByRegistration {
			s.dynamic++
		}
		s.longest = max(s.longest, c.TokenSeconds)
		for _, o := range c.WebOrigins {
			s.origins[o] = true
		}
		for _, raw := range c.RedirectURIs {
			if u, err := url.Parse(raw); err == nil && u.Host != "" {
				s.origins[u.Scheme+"://"+u.Host] = true
			}
		}
		for _, id := range c.Serves {
			s.served[id] = true
		}
	}
	slices.Sort(s.scopes)
	s.scopes = slices.Compact(s.scopes)
	r.parsed = seen
	r.snap.Store(s)
	return nil
}

// Describe lets clients describe themselves by documents; call it before the registry is used.
func (r *Registry) Describe(d *Documents) { r.documents = d }

// Client returns the registered client, or store.ErrNotFound; a disabled one is not found. It asks nobody: Find does.
func (r *Registry) Client(id ident.ClientID) (*Client, error) {
	c, ok := r.snap.Load().clients[id]
	if !ok && r.documents != nil {
		c, ok = r.documents.known(id)
	}
	if !ok || c.Disabled {
		return nil, errNoClient
	}
	return c, nil
}

var errNoClient = fmt.Errorf("client %w", store.ErrNotFound)

// Find is Client, and where the client is not known it looks whether another node registered it just now, or fetches the
// document that the client_id names. RFC 7591, OAuth Client ID Metadata Document.
func (r *Registry) Find(ctx context.Context, id ident.ClientID) (*Client, error) {
	if c, ok := r.snap.Load().clients[id]; ok {
		if c.Disabled {
			return nil, errNoClient
		}
		return c, nil
	}
	if r.documents != nil && isDocument(id) {
		return r.documents.Find(ctx, id)
	}
	if r.looks.Load() <= 0 || r.looks.Add(-1) < 0 {
		return nil, errNoClient
	}
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	return r.Client(id)
}

// Dynamic is how many clients registered themselves.
func (r *Registry) Dynamic() int { return r.snap.Load().dynamic }

// LongestAccess is how long an access token lives at most among the clients that have a time of their own; 0: none has.
func (r *Registry) LongestAccess() time.Duration {
	return time.Duration(r.snap.Load().longest) * time.Second
}

// Resource returns the declared resource, or store.ErrNotFound.
func (r *Registry) Resource(id string) (*Resource, error) {
	res, ok := r.snap.Load().resources[id]
	if !ok {
		return nil, fmt.Errorf("resource %w", store.ErrNotFound)
	}
	return res, nil
}

// ScopesSupported lists every scope of the server, sorted; for discovery.
func (r *Registry) ScopesSupported() []string { return r.snap.Load().scopes }

// Revision changes whenever a client or resource does.
func (r *Registry) Revision() int64 { return r.snap.Load().rev }

// Origin says whether some client may call us from a page of that origin. Fetch §3.2 (CORS protocol).
func (r *Registry) Origin(origin string) bool {
	return r.snap.Load().origins[origin] || r.documents != nil && r.documents.origin(origin)
}

// Served says whether some client is declared to serve the resource.
func (r *Registry) Served(resource string) bool { return r.snap.Load().served[resource] }

// Words are what scope means in a resource's own description; zero where nobody described it.
func (r *Registry) Words(scope string) Words {
	s := r.snap.Load()
	for _, id := range s.byScope[scope] {
		if w, ok := s.resources[id].Words[scope]; ok {
			return w
		}
	}
	return Words{}
}

// Audience is the `aud` of an access token for scope, where the client asked for the resources in want (RFC 8707 §2) or,
// where it asked for none, those that declare the scopes (RFC 9068 §3). self, our own issuer, is always the audience of a
// token that opens userinfo, and of one that nothing else claims. An undeclared resource, or one that the client may not
// name, is invalid_target.
func (r *Registry) Audience(c *Client, scope, want []string, self string) (aud, resources []string, err error) {
	s := r.snap.Load()
	for _, id := range want {
		if id == self {
			continue
		}
		if _, ok := s.resources[id]; !ok || len(c.Resources) > 0 && !slices.Contains(c.Resources, id) {
			return nil, nil, InvalidTarget("The resource is not one that this client may name.")
		}
		if !slices.Contains(resources, id) {
			resources = append(resources, id)
		}
	}
	if len(want) == 0 {
		for _, sc := range scope {
			for _, id := range s.byScope[sc] {
				if !slices.Contains(resources, id) && (len(c.Resources) == 0 || slices.Contains(c.Resources, id)) {
					resources = append(resources, id)
				}
			}
		}
	}
	aud = resources
	if len(aud) == 0 || slices.Contains(scope, "openid") {
		aud = append(slices.Clone(resources), self)
	}
	return aud, resources, nil
}
