// Package verifytest is an issuer for the unit tests of resource servers and relying parties: discovery, JWKS,
// introspection and the log of revocations over real HTTP on loopback, and tokens with any header and claim, right or wrong. It never checks
// anybody and has no place outside tests.
package verifytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Issuer is a running issuer. It is safe for concurrent use.
type Issuer struct {
	// URL is the issuer identifier, http on loopback.
	URL string

	t   testing.TB
	mux *http.ServeMux
	now func() time.Time

	mu       sync.Mutex
	keys     []*Key // published, oldest first
	active   *Key
	next     *Key
	rotation int
	down     bool
	control  string
	requests map[string]int
	opaque   map[string]map[string]any
	clients  map[string]string // id → secret, for introspection and the log
	log      []entry
	seq      int64
	logged   chan struct{} // closed when something is appended
}

// NewIssuer starts an issuer that signs with ES256 until the test ends. clock may be nil for the real time.
func NewIssuer(t testing.TB, clock func() time.Time) *Issuer {
	t.Helper()
	if clock == nil {
		clock = time.Now
	}
	i := &Issuer{
		t: t, mux: http.NewServeMux(), now: clock, control: "public, max-age=300",
		requests: map[string]int{}, opaque: map[string]map[string]any{}, clients: map[string]string{}, logged: make(chan struct{}),
	}
	i.active = i.newKey("ES256")
	i.keys = []*Key{i.active}
	i.mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	i.mux.HandleFunc("GET /jwks", i.jwks)
	i.mux.HandleFunc("POST /introspect", i.introspect)
	i.mux.HandleFunc("GET /revocations", i.revocations)
	s := httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(s.Close)
	i.URL = s.URL
	return i
}

// Handle adds an endpoint; discovery names /authorize, /token, /userinfo and /logout, which answer 404 until added.
func (i *Issuer) Handle(pattern string, h http.HandlerFunc) { i.mux.HandleFunc(pattern, h) }

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.requests[r.URL.Path]++
	down := i.down
	i.mu.Unlock()
	if down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	i.mux.ServeHTTP(w, r)
}

// SetDown makes every endpoint answer 503, or ends that.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// SetCacheControl sets the Cache-Control of the JWKS; it is `public, max-age=300` at first.
func (i *Issuer) SetCacheControl(v string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.control = v
}

// Requests is how often path was asked for, such as "/jwks".
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// AddClient lets a client introspect with client_secret_basic.
func (i *Issuer) AddClient(id, secret string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[id] = secret
}

// PublishNext puts the key of the next Rotate into the JWKS ahead of its use.
func (i *Issuer) PublishNext(alg string) {
	k := i.newKey(alg)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next = k
	i.keys = append(i.keys, k)
}

// Rotate signs with the next key from now on, or with a new one if none was published; old keys stay in the JWKS.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	k := i.next
	i.next = nil
	alg := i.active.Alg
	i.mu.Unlock()
	if k == nil {
		k = i.newKey(alg)
		i.mu.Lock()
		i.keys = append(i.keys, k)
		i.mu.Unlock()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.active = k
}

// Retire takes every key out of the JWKS but the active and the next one.
func (i *Issuer) Retire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = []*Key{i.active}
	if i.next != nil {
		i.keys = append(i.keys, i.next)
	}
}

// Key is the key that signs now.
func (i *Issuer) Key() *Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.active
}

func (i *Issuer) newKey(alg string) *Key {
	i.mu.Lock()
	i.rotation++
	id := fmt.Sprintf("key-%d", i.rotation)
	i.mu.Unlock()
	k, err := NewKey(id, alg)
	if err != nil {
		i.t.Fatalf("verifytest: %v", err)
	}
	return k
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"issuer":                       i.URL,
		"authorization_endpoint":       i.URL + "/authorize",
		"token_endpoint":               i.URL + "/token",
		"userinfo_endpoint":            i.URL + "/userinfo",
		"introspection_endpoint":       i.URL + "/introspect",
		"end_session_endpoint":         i.URL + "/logout",
		"jwks_uri":                     i.URL + "/jwks",
		"postern_revocations_endpoint": i.URL + "/revocations",
		"authorization_response_iss_parameter_supported": true,
	})
}

func (i *Issuer) jwks(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys := make([]map[string]string, 0, len(i.keys))
	for _, k := range i.keys {
		keys = append(keys, k.JWK())
	}
	control := i.control
	i.mu.Unlock()
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	etag := `"` + digest(b) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", control)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Write(b)
}

func (i *Issuer) introspect(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	i.mu.Lock()
	defer i.mu.Unlock()
	if want, ok := i.clients[id]; !ok || secret != want {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claims, ok := i.opaque[r.PostFormValue("token")]
	if !ok {
		claims = map[string]any{"active": false}
	}
	writeJSON(w, claims)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
