package backchannel_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/backchannel"
	"github.com/postern-id/postern/store"
)

func (c *counter) tick(nodes ...*backchannel.CIBA) {
	c.T.Helper()
	for _, n := range nodes {
		if err := n.Tick(context.Background()); err != nil {
			c.T.Fatal(err)
		}
	}
}

func (c *counter) answers(status ...int) {
	var mu sync.Mutex
	c.say = func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(status[0])
		if len(status) > 1 {
			status = status[1:]
		}
	}
}

// A node that dies after a decision and before its delivery leaves it to another, which tells once.
func TestCIBADies(t *testing.T) {
	for _, client := range []string{"ping", "push"} {
		t.Run(client, func(t *testing.T) {
			c := shop(t, false)
			_, approval := c.asked(client)
			if err := c.approve(approval); err != nil { // and here its node dies
				t.Fatal(err)
			}
			two, three := backchannel.NewCIBA(c.options), backchannel.NewCIBA(c.options)
			c.tick(two, three, two)
			c.wait(5 * time.Minute)
			c.tick(three)
			if told := c.notices(); len(told) != 1 || told[0].path != "/told" || client == "push" && told[0].body["access_token"] == nil {
				t.Errorf("%+v", told)
			}
		})
	}
}

// broken is a store of what is short-lived that breaks down when a request is decided.
type broken struct {
	store.Ephemeral
	after func()
}

func (b *broken) Swap(ctx context.Context, k store.Key, old, v []byte) error {
	err := b.Ephemeral.Swap(ctx, k, old, v)
	if err == nil && bytes.Contains(v, []byte(`"status":"approved"`)) && bytes.Contains(v, []byte(`"client_id"`)) {
		b.after()
	}
	return err
}

// There is no instant in which a node could die and the client hear of it only at the end of the time: the order to look at
// a request stands before its decision.
func TestCIBANoGap(t *testing.T) {
	c := shop(t, false)
	two := backchannel.NewCIBA(c.options)
	b := &broken{Ephemeral: c.DB}
	dying := c.options
	dying.Requests.Ephemeral = b
	c.CIBA = backchannel.NewCIBA(dying)
	_, approval := c.asked("push")
	told := -1
	b.after = func() {
		c.tick(two)
		told = len(c.notices())
	}
	if err := c.approve(approval); err != nil || told != 1 {
		t.Errorf("%v, told %d in the instant of the decision", err, told)
	}

	c = shop(t, false) // one that was about to be decided, and was not, is looked at until it is
	id, approval := c.asked("ping")
	if err := c.DB.HurryDelivery(t.Context(), oauth.CIBADelivery, oauth.CIBAHandle(id), c.now()); err != nil {
		t.Fatal(err)
	}
	c.tick(c.CIBA)
	if n := len(c.notices()); n != 0 {
		t.Fatalf("told %d times before there is anything to tell", n)
	}
	c.wait(time.Second)
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	c.tick(c.CIBA)
	if n := len(c.notices()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Whoever pushes, and however often: one set of tokens.
func TestCIBAOneSet(t *testing.T) {
	c := shop(t, false)
	c.answers(http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusNoContent)
	_, approval := c.asked("push")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	nodes := []*backchannel.CIBA{c.CIBA, backchannel.NewCIBA(c.options)}
	for i := range 30 {
		c.tick(nodes[i%2], nodes[1-i%2])
		c.wait(time.Second)
	}
	told := c.notices()
	if len(told) != 3 {
		t.Fatalf("told %d times", len(told))
	}
	first := jwtClaims(t, told[0].body["access_token"].(string))
	for _, n := range told {
		claims := jwtClaims(t, n.body["access_token"].(string))
		if claims["jti"] != first["jti"] || claims["exp"] != first["exp"] || claims["jti"] == "" || n.body["refresh_token"] != told[0].body["refresh_token"] {
			t.Errorf("another set: %v, first %v", claims, first)
		}
	}
	if a, b := told[0].body["expires_in"].(float64), told[2].body["expires_in"].(float64); a-b != 10 && a-b != 9 && a-b != 11 {
		t.Errorf("expires in %v, ten seconds later in %v", a, b)
	}
	if _, err := c.send(c.endpoint.Token, "push", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {told[2].body["refresh_token"].(string)}}); err != nil {
		t.Error(err)
	}

	c = shop(t, false) // both at the same time
	_, approval = c.asked("push")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		n := backchannel.NewCIBA(c.options)
		wg.Go(func() { _ = n.Tick(context.Background()) })
	}
	wg.Wait()
	if told := c.notices(); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
}

// A node that dies while it sends: the next one sends the same tokens once its lease is over; the single ping of a strict
// profile is sent by nobody again.
func TestCIBADiesSending(t *testing.T) {
	for _, x := range []struct {
		client string
		tries  int
		want   int
	}{{"push", 5, 2}, {"ping", 5, 2}, {"ping", 1, 1}} {
		c := shop(t, false)
		ctx, cancel := context.WithCancel(context.Background())
		once := sync.OnceFunc(cancel)
		c.say = func(http.ResponseWriter, *http.Request) { once(); time.Sleep(50 * time.Millisecond) }
		if x.tries == 1 {
			c.options.Deliveries = strict{c.DB}
			c.CIBA = backchannel.NewCIBA(c.options)
		}
		_, approval := c.asked(x.client, "requested_expiry", "600")
		if err := c.approve(approval); err != nil {
			t.Fatal(err)
		}
		_ = c.Tick(ctx)
		two := backchannel.NewCIBA(c.options)
		c.tick(two)
		if n := len(c.notices()); n != 1 {
			t.Errorf("%s: told %d times while a lease runs", x.client, n)
		}
		c.wait(time.Minute)
		c.tick(two)
		told := c.notices()
		if len(told) != x.want {
			t.Errorf("%s of %d tries: told %d times, want %d", x.client, x.tries, len(told), x.want)
		}
		if x.client == "push" && jwtClaims(t, told[0].body["access_token"].(string))["jti"] != jwtClaims(t, told[1].body["access_token"].(string))["jti"] {
			t.Error("two sets of tokens")
		}
	}
}

// strict queues every delivery as the profile does whose pings are sent once.
type strict struct{ oauth.DeliveryStore }

func (s strict) QueueDelivery(ctx context.Context, kind oauth.DeliveryKind, d oauth.Delivery) error {
	d.Tries = 1
	return s.DeliveryStore.QueueDelivery(ctx, kind, d)
}

// How often a client is told that does not take it.
func TestCIBATries(t *testing.T) {
	if p, ok := oauth.PolicyOf("fapi-ciba"); !ok || !p.PingOnce {
		t.Error("the strict profile lets a ping be repeated")
	}
	for _, x := range []struct {
		name, client string
		once         bool
		status       int
		want         int
	}{
		{"in trouble", "push", false, 503, 5}, {"in trouble, pinged", "ping", false, 503, 5}, {"in trouble, pinged once", "ping", true, 503, 1},
		{"refuses", "push", false, 401, 1}, {"leads elsewhere", "push", false, 307, 1}, {"leads elsewhere, pinged", "ping", false, 302, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := shop(t, false)
			c.say = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(x.status)
			}
			if x.once {
				c.options.Deliveries = strict{c.DB}
				c.CIBA = backchannel.NewCIBA(c.options)
			}
			_, approval := c.asked(x.client)
			if err := c.approve(approval); err != nil {
				t.Fatal(err)
			}
			for range 180 {
				c.tick(c.CIBA)
				c.wait(time.Second)
			}
			told := c.notices()
			if len(told) != x.want || slices.ContainsFunc(told, func(n notice) bool { return n.path != "/told" }) {
				t.Errorf("told %d times, want %d", len(told), x.want)
			}
			if grants, err := c.DB.GrantsOf(t.Context(), authntest.Ann.ID, "push", c.now()); err != nil || len(grants) > 0 {
				t.Errorf("tokens that nobody took stand: %+v, %v", grants, err)
			}
			list, err := c.DB.DeliveriesOf(t.Context(), oauth.CIBADelivery, ident.ClientID(x.client), time.Time{}, 10)
			if err != nil || len(list) != 1 || !list[0].DueAt.IsZero() || list[0].Failure == "" || list[0].Attempts != x.want {
				t.Errorf("not given up: %+v, %v", list, err)
			}
		})
	}
}

// What is over gives nothing any more, whichever node notices, and what leads inside is not sent.
func TestCIBATooLate(t *testing.T) {
	c := shop(t, false)
	_, approval := c.asked("push")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	c.wait(2*time.Minute + oauth.CIBALate)
	c.tick(backchannel.NewCIBA(c.options))
	if told := c.notices(); len(told) != 0 {
		t.Errorf("told %+v", told)
	}
	if grants, err := c.DB.GrantsOf(t.Context(), authntest.Ann.ID, "push", c.now()); err != nil || len(grants) > 0 {
		t.Errorf("%+v, %v", grants, err)
	}

	c = shop(t, false) // its node dies, and nobody decides
	id, _ := c.asked("push")
	c.wait(2*time.Minute + 2*time.Second)
	c.tick(backchannel.NewCIBA(c.options))
	if told := c.notices(); len(told) != 1 || told[0].body["error"] != "expired_token" || told[0].body["auth_req_id"] != id {
		t.Errorf("told %+v", told)
	}

	c = shop(t, false)
	c.options.Egress = egress.New(egress.Options{}) // loopback is no public address
	c.CIBA = backchannel.NewCIBA(c.options)
	if _, approval = c.asked("push"); c.approve(approval) != nil {
		t.Fatal("not approved")
	}
	c.tick(c.CIBA)
	if told := c.notices(); len(told) != 0 {
		t.Errorf("told inside: %+v", told)
	}
}
