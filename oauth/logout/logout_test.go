package logout_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/courier"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/logout"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/sessions"
)

// world is a house with clients whose servers are one test server: /<client> is where each is told.
type world struct {
	*oauthtest.House
	t     *testing.T
	mu    sync.Mutex
	calls []string // client and sid
	reply map[string]http.HandlerFunc
	n     int
}

func newWorld(t *testing.T, clients ...string) (*world, logout.Options) {
	w := &world{t: t, reply: map[string]http.HandlerFunc{}}
	srv := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(srv.Close)
	docs := []string{`{"client_id":"quiet","client_secret":"x","redirect_uris":["https://q.example/cb"]}`,
		`{"client_id":"inside","client_secret":"x","redirect_uris":["https://i.example/cb"],"backchannel_logout_uri":"https://10.0.0.1/out"}`}
	for _, c := range clients {
		docs = append(docs, fmt.Sprintf(`{"client_id":%q,"client_secret":"x","redirect_uris":["https://a.example/cb"],"backchannel_logout_uri":%q}`, c, srv.URL+"/"+c))
	}
	w.House = oauthtest.New(t, docs, nil)
	i := issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: w.Ring, Derive: w.Sealer.Derive, Anchor: w.Sealer.Anchor, Keys: w.ClientKeys, Registry: w.Registry, Users: w.DB, Now: w.Now, Rand: rand.Reader})
	return w, logout.Options{Store: w.DB, Registry: w.Registry, Issue: i, Egress: w.Fetch, Audit: w.Audit, Now: w.Now}
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	client := strings.TrimPrefix(r.URL.Path, "/")
	token := strings.Split(r.PostFormValue("logout_token"), ".")
	var claims struct{ Sid string }
	if r.Method == http.MethodPost && len(token) == 3 {
		raw, _ := base64.RawURLEncoding.DecodeString(token[1])
		_ = json.Unmarshal(raw, &claims)
	}
	w.mu.Lock()
	w.calls = append(w.calls, client+" "+claims.Sid)
	reply := w.reply[client]
	w.mu.Unlock()
	if reply != nil {
		reply(rw, r)
	}
}

// ends makes a session with a grant to each client, ends it, and returns its name.
func (w *world) ends(clients ...ident.ClientID) ident.SessionID {
	w.t.Helper()
	w.n++
	ctx, id := context.Background(), ident.SessionID(fmt.Sprint("s", w.n))
	must(w.t, w.DB.InsertSession(ctx, sessions.Session{ID: id, User: "ann", CreatedAt: w.Clock, IdleUntil: w.Clock.Add(time.Hour), ExpiresAt: w.Clock.Add(time.Hour), Version: 1}))
	for _, c := range clients {
		must(w.t, w.DB.InsertGrant(ctx, oauth.Grant{ID: ident.GrantID(string(c) + string(id)), Client: c, User: "ann", Session: id, CreatedAt: w.Clock, ExpiresAt: w.Clock.Add(time.Hour)}))
	}
	_, err := w.DB.EndSession(ctx, id, w.Clock, "logout")
	must(w.t, err)
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// took returns the calls since the last time, sorted.
func (w *world) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Sorted(slices.Values(w.calls))
	w.calls = nil
	return out
}

// events are those about logout: type, reason, client and attempts.
func (w *world) events() (out []string) {
	w.t.Helper()
	heads, err := w.DB.AuditHeads(context.Background())
	must(w.t, err)
	for _, h := range heads {
		list, err := w.DB.ReadAudit(context.Background(), h.Stream, 1, 1000)
		must(w.t, err)
		for _, entry := range list {
			var e audit.Event
			must(w.t, json.Unmarshal(entry.Body, &e))
			if !strings.HasPrefix(e.Type, "logout.") {
				continue
			}
			if e.User != "" || strings.Contains(string(entry.Body), "ann") {
				w.t.Errorf("an event tells of the person: %s", entry.Body)
			}
			out = append(out, strings.Join(strings.Fields(strings.Join([]string{e.Type, e.Reason, string(e.Client), e.Data["attempts"], e.Data["status"]}, " ")), " "))
		}
	}
	return out
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// Every client of an ended session that wants to be told is told once.
func TestDelivers(t *testing.T) {
	w, opt := newWorld(t, "a", "b")
	w.reply["b"] = status(http.StatusNoContent, "")
	c := logout.New(opt)
	s1, s2 := w.ends("a", "b", "quiet"), w.ends("a")
	must(t, c.Tick(t.Context()))
	must(t, c.Tick(t.Context()))
	if got, want := w.took(), []string{"a " + string(s1), "a " + string(s2), "b " + string(s1)}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if got := slices.Sorted(slices.Values(w.events())); !slices.Equal(got, []string{"logout.delivered a 1", "logout.delivered a 1", "logout.delivered b 1"}) {
		t.Errorf("events %v", got)
	}
}

// E5: what fails is tried again a few times within ten minutes; what cannot succeed is not.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client ident.ClientID
		reply  http.HandlerFunc
		tries  int
		last   string
	}{
		{"a server in trouble", "a", status(http.StatusServiceUnavailable, ""), 5, "logout.given_up status a 5 503"},
		{"a redirect", "a", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, 5, "logout.given_up status a 5 307"},
		{"a page of a proxy", "a", status(http.StatusBadRequest, "<html>"), 5, "logout.given_up status a 5 400"},
		{"accepted is not done", "a", status(http.StatusAccepted, ""), 5, "logout.given_up status a 5 202"},
		{"hangs up", "a", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 5, "logout.given_up unreachable a 5"},
		{"does not accept the token", "a", status(http.StatusBadRequest, `{"error":"invalid_request"}`), 1, "logout.given_up rejected a 1 400"},
		{"an address inside", "inside", nil, 0, "logout.given_up address inside 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, opt := newWorld(t, "a", "elsewhere")
			w.reply["a"] = tt.reply
			c := logout.New(opt)
			w.ends(tt.client)
			for range 12 * 60 {
				must(t, c.Tick(t.Context()))
				w.Clock = w.Clock.Add(time.Second)
			}
			if got := w.took(); len(got) != tt.tries || slices.Contains(got, "elsewhere ") {
				t.Errorf("%d tries: %v", len(got), got)
			}
			events := w.events()
			if n := max(1, tt.tries); len(events) != n || events[n-1] != tt.last {
				t.Errorf("events %v", events)
			}
			list, err := w.DB.DeliveriesOf(t.Context(), oauth.LogoutDelivery, tt.client, time.Time{}, 10)
			if err != nil || len(list) != 1 || !list[0].DueAt.IsZero() || !list[0].DeliveredAt.IsZero() || list[0].Failure == "" {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}

// A second attempt may succeed.
func TestComesBack(t *testing.T) {
	w, opt := newWorld(t, "a")
	w.reply["a"] = status(http.StatusBadGateway, "")
	c := logout.New(opt)
	w.ends("a")
	must(t, c.Tick(t.Context()))
	w.mu.Lock()
	w.reply["a"] = nil
	w.mu.Unlock()
	must(t, c.Tick(t.Context())) // not yet due
	w.Clock = w.Clock.Add(10 * time.Second)
	must(t, c.Tick(t.Context()))
	if got := w.events(); !slices.Equal(got, []string{"logout.failed status a 1 502", "logout.delivered a 2"}) {
		t.Errorf("events %v", got)
	}
}

// E5: a client that hangs delays nobody else, and is not asked once for each of its sessions.
func TestHanging(t *testing.T) {
	w, opt := newWorld(t, "slow", "quick")
	release := make(chan struct{})
	w.reply["slow"] = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	for range 20 {
		w.ends("slow", "quick")
	}
	c := logout.New(opt)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, func(err error) { t.Error(err) }) }()
	quick := func() (n, slow int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, call := range w.calls {
			if strings.HasPrefix(call, "quick") {
				n++
			} else {
				slow++
			}
		}
		return n, slow
	}
	deadline := time.Now().Add(4 * time.Second) // less than the hanging ones take
	for n, _ := quick(); n < 20; n, _ = quick() {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of 20 while another client hangs", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(2500 * time.Millisecond) // further rounds begin, and leave the hanging one alone
	if _, slow := quick(); slow > 4 {
		t.Errorf("%d requests hang at one client", slow)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(release)
	for _, e := range w.events() {
		if strings.Contains(e, "slow") {
			t.Errorf("who is stopped records nothing: %s", e)
		}
	}
}

// Of two nodes one tells; one that was stopped in the middle leaves it to the other, after its lease.
func TestTwoNodes(t *testing.T) {
	w, opt := newWorld(t, "a", "b", "c")
	one, two := logout.New(opt), logout.New(opt)
	for range 10 {
		w.ends("a", "b", "c")
	}
	var wg sync.WaitGroup
	for _, c := range []*courier.Courier{one, two} {
		wg.Go(func() {
			if err := c.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.took(); len(got) != 30 || len(slices.Compact(got)) != 30 {
		t.Errorf("%d deliveries", len(got))
	}
	w.reply["a"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	w.ends("a")
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_ = one.Tick(short)
	w.mu.Lock()
	w.reply["a"] = nil
	w.mu.Unlock()
	w.took()
	w.Clock = w.Clock.Add(30 * time.Second)
	must(t, two.Tick(t.Context()))
	if got := w.took(); len(got) != 0 {
		t.Errorf("told while another's lease runs: %v", got)
	}
	w.Clock = w.Clock.Add(30 * time.Second)
	must(t, two.Tick(t.Context()))
	if got := w.took(); len(got) != 1 {
		t.Errorf("after the lease: %v", got)
	}
}

// A client that is no longer registered, or wants it no more, is not visited.
func TestUnregistered(t *testing.T) {
	w, opt := newWorld(t, "a")
	w.ends("a")
	must(t, w.DB.DeleteClient(t.Context(), "a", w.Clock))
	must(t, w.Registry.Reload(t.Context()))
	must(t, logout.New(opt).Tick(t.Context()))
	if got := w.events(); len(w.took()) != 0 || !slices.Equal(got, []string{"logout.given_up unregistered a 1"}) {
		t.Errorf("events %v", got)
	}
}

// Without an allowance nothing leaves for this machine.
func TestLoopbackIsRefused(t *testing.T) {
	w, opt := newWorld(t, "a")
	opt.Egress = egress.New(egress.Options{})
	w.ends("a")
	must(t, logout.New(opt).Tick(t.Context()))
	if got := w.events(); len(w.took()) != 0 || !slices.Equal(got, []string{"logout.given_up address a 1"}) {
		t.Errorf("events %v", got)
	}
}
