package oauth_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// TestMain makes the certificate of httptest one that this process trusts, since documents are fetched over https only.
func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil)
	dir, err := os.MkdirTemp("", "roots")
	if err == nil {
		file := filepath.Join(dir, "roots.pem")
		err = errors.Join(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600), os.Setenv("SSL_CERT_FILE", file))
	}
	s.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// site publishes documents, and counts who asks.
type site struct {
	*httptest.Server
	asked  atomic.Int32
	mu     sync.Mutex
	answer func(w http.ResponseWriter, self string)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(w, s.URL+r.URL.Path)
}

func (s *site) set(f func(w http.ResponseWriter, self string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func publish(w http.ResponseWriter, self string) {
	w.Header().Set("Cache-Control", "max-age=600")
	fmt.Fprintf(w, `{"client_id":%q,"redirect_uris":["https://app.example/cb"],"client_name":"App"}`, self)
}

func TestFindDocuments(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "p.db"), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	reg, err := oauth.NewRegistry(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{answer: publish}
	s.Server = httptest.NewTLSServer(s)
	defer s.Close()
	guard := egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxBody: oauth.DocumentSize}
	fresh := func(g egress.Options) *oauth.Documents {
		return oauth.NewDocuments(oauth.DocumentsOptions{Fetch: egress.New(g), Counters: db, Now: clock,
			Allow: oauth.Outsiders{Profile: "oidc", Scopes: oauth.OpenIDScopes, SigningAlgs: []string{"ES256"}}})
	}
	id := ident.ClientID(s.URL + "/client")
	if _, err := reg.Find(ctx, id); !errors.Is(err, store.ErrNotFound) || s.asked.Load() != 0 {
		t.Fatalf("without the switch: %v, asked %d times", err, s.asked.Load())
	}
	reg.Describe(fresh(guard))
	if _, err := reg.Client(id); err == nil {
		t.Error("known before anybody asked")
	}
	var wg sync.WaitGroup
	for range 8 { // one fetch for all
		wg.Go(func() {
			if c, err := reg.Find(ctx, id); err != nil || c.Name != "App" || !c.Public() {
				t.Errorf("%v %+v", err, c)
			}
		})
	}
	wg.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := reg.Client(id); err != nil || !reg.Origin("https://app.example") || reg.Origin("https://evil.example") {
		t.Errorf("not known afterwards: %v", err)
	}
	now = now.Add(9 * time.Minute)
	_, _ = reg.Find(ctx, id)
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked again although it may be used for 10 minutes: %d", n)
	}
	s.set(func(w http.ResponseWriter, _ string) { w.WriteHeader(500) })
	now = now.Add(2 * time.Minute)
	if _, err := reg.Find(ctx, id); err != nil || s.asked.Load() != 2 {
		t.Errorf("a host that is down: %v, asked %d times", err, s.asked.Load())
	}
	if _, err := reg.Find(ctx, id); err != nil || s.asked.Load() != 2 {
		t.Errorf("asked again at once: %v, %d", err, s.asked.Load())
	}
	now = now.Add(24 * time.Hour)
	if _, err := reg.Find(ctx, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after a day: %v", err)
	}
	if _, err := reg.Client(id); err == nil {
		t.Error("known after a day")
	}
	s.set(publish)
	if _, err := reg.Find(ctx, id); !errors.Is(err, store.ErrNotFound) { // the failure is remembered
		t.Errorf("%v", err)
	}
	now = now.Add(time.Minute)
	if _, err := reg.Find(ctx, id); err != nil {
		t.Errorf("after the pause: %v", err)
	}

	for name, f := range map[string]func(http.ResponseWriter, string){
		"redirect": func(w http.ResponseWriter, self string) { w.Header().Set("Location", self+"2"); w.WriteHeader(302) },
		"long": func(w http.ResponseWriter, self string) {
			fmt.Fprintf(w, `{"client_id":%q,"redirect_uris":["https://app.example/cb"],"x":%q}`, self, strings.Repeat("x", oauth.DocumentSize))
		},
		"other": func(w http.ResponseWriter, self string) { publish(w, self+"x") },
		"404":   func(w http.ResponseWriter, self string) { w.WriteHeader(404); publish(w, self) },
	} {
		s.set(f)
		if _, err := reg.Find(ctx, ident.ClientID(s.URL+"/"+name)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.set(publish)
	before := s.asked.Load()
	strict := fresh(egress.Options{MaxBody: oauth.DocumentSize})
	if _, err := strict.Find(ctx, id); !errors.Is(err, egress.ErrRefused) || s.asked.Load() != before {
		t.Errorf("a special address: %v", err)
	}
	from := oauth.WithEnv(ctx, ident.Env{IP: netip.MustParseAddr("192.0.2.9")})
	many := fresh(guard)
	in := 0
	for i := range 30 + 10 {
		if _, err := many.Find(from, ident.ClientID(fmt.Sprintf("%s/c%d", s.URL, i))); err == nil {
			in++
		}
	}
	if in != 30 {
		t.Errorf("one network caused %d fetches", in)
	}
}
