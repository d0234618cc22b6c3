package meta_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/meta"
)

// told is an answer of /revocations.
type told struct {
	Entries []struct {
		Seq, At, Until    int64
		Kind, Hash, Scope string
	}
	Next        int64
	More, Reset bool
}

func (d *desk) log(client, query string) (told, *oauth.Error) {
	d.T.Helper()
	r := httptest.NewRequest(http.MethodGet, "/revocations?"+query, nil)
	if client != "" {
		r.SetBasicAuth(client, "s3cret")
	}
	w := httptest.NewRecorder()
	if err := d.Revocations(w, r); err != nil {
		return told{}, oauth.AsError(err)
	}
	var a told
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Header().Get("Cache-Control") != "no-store" {
		d.T.Fatalf("%v: %v %s", err, w.Header(), w.Body)
	}
	return a, nil
}

// run runs the feed for the time of the test.
func (d *desk) run() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.feed.Run(ctx, func(err error) { d.T.Error(err) })
	}()
	d.T.Cleanup(func() { stop(); <-ended })
}

func TestRevocationsRefusals(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ name, client, query, want string }{
		{"in order", "api", "", ""},
		{"any confidential client", "other", "after=0&wait=0", ""},
		{"nobody", "", "", "invalid_client"},
		{"a public client", "", "client_id=pub", "invalid_client"},
		{"a secret in the URL", "", "client_id=api&client_secret=s3cret", "invalid_client"},
		{"negative", "api", "after=-1", "invalid_request"},
		{"no number", "api", "after=x", "invalid_request"},
		{"too large", "api", "after=99999999999999999999", "invalid_request"},
		{"twice", "api", "after=1&after=2", "invalid_request"},
		{"wait no number", "api", "wait=forever", "invalid_request"},
	} {
		got := ""
		if _, e := d.log(c.client, c.query); e != nil {
			got = e.Code
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if w, e := post(d.Revocations, "api", url.Values{"after": {"0"}}); e != nil || !strings.Contains(w.Body.String(), `"entries":[]`) {
		t.Errorf("as a form: %v %s", e, w.Body)
	}
	if _, e := post(d.Revocations, "", url.Values{"client_id": {"pub"}}); e == nil || e.Code != "invalid_client" {
		t.Errorf("a public client by a form: %v", e)
	}
}

// Everything that ends is told, in words that only who holds the token understands.
func TestRevocationsTell(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	a, b, c := d.grant("app", "openid", "api:read"), d.grant("app", "openid"), d.grant("app", "openid")
	if _, err := d.DB.EndSession(ctx, a.grant.Session, d.Clock, "logout"); err != nil {
		t.Fatal(err)
	}
	if _, e := post(d.Revoke, "app", url.Values{"token": {b.access}}); e != nil {
		t.Fatal(e)
	}
	if _, err := d.DB.LimitSession(ctx, c.grant.Session, []string{"email", "api:read"}, d.Clock); err != nil {
		t.Fatal(err)
	}
	got, e := d.log("api", "")
	if e != nil || len(got.Entries) != 3 || got.Reset || got.More || got.Next != got.Entries[2].Seq {
		t.Fatalf("%+v %v", got, e)
	}
	for i, want := range [][3]string{{"session", string(a.grant.Session), ""}, {"grant", string(b.grant.ID), ""}, {"limit", string(c.grant.Session), "api:read email"}} {
		if g := got.Entries[i]; g.Kind != want[0] || g.Hash != meta.HashOf(want[1]) || g.Scope != want[2] || g.At != d.Clock.Unix() || g.Until <= g.At {
			t.Errorf("entry %d: %+v, want %v", i, g, want)
		}
	}
	if more, _ := d.log("api", "after="+itoa(got.Entries[1].Seq)); len(more.Entries) != 1 || more.Entries[0].Kind != "limit" {
		t.Errorf("after the second: %+v", more)
	}
	if beyond, _ := d.log("api", "wait=9&after="+itoa(got.Next+1)); !beyond.Reset || beyond.Next != 0 {
		t.Errorf("beyond the end: %+v", beyond)
	}
	d.Clock = d.Clock.Add(oauth.MaxAccess + time.Hour)
	if late, _ := d.log("api", ""); len(late.Entries) != 0 || late.Next != got.Next {
		t.Errorf("when no token can be alive: %+v", late)
	}
}

// A token of a client for itself is told too.
func TestRevocationsOfAClientsOwn(t *testing.T) {
	d := open(t)
	c, err := d.Registry.Client("app")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := d.issuer.AccessToken(context.Background(), c, nil, []string{"api:read"}, []string{"https://api.example"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.issuer.Read(tok.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, e := post(d.Revoke, "app", url.Values{"token": {tok.AccessToken}}); e != nil {
		t.Fatal(e)
	}
	if got, e := d.log("api", ""); e != nil || len(got.Entries) != 1 || got.Entries[0].Kind != "token" || got.Entries[0].Hash != meta.HashOf(a.ID) {
		t.Errorf("%+v %v", got, e)
	}
}

// Whoever waits hears of it at once, also by nothing but the look at the log.
func TestRevocationsWait(t *testing.T) {
	for name, hint := range map[string]bool{"with a hint": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.run()
			g := d.grant("app", "openid")
			begun := time.Now()
			time.AfterFunc(100*time.Millisecond, func() {
				_, _ = d.DB.EndSession(context.Background(), g.grant.Session, d.Clock, "logout")
				if hint {
					d.feed.Wrote()
				}
			})
			got, e := d.log("api", "wait=20")
			if e != nil || len(got.Entries) != 1 {
				t.Fatalf("%+v %v", got, e)
			}
			if took := time.Since(begun); took < 100*time.Millisecond || took > 3*time.Second {
				t.Errorf("heard after %v", took)
			}
			begun = time.Now()
			if got, e = d.log("api", "wait=1&after="+itoa(got.Next)); e != nil || len(got.Entries) != 0 || time.Since(begun) < 900*time.Millisecond {
				t.Errorf("%+v %v after %v, want nothing after a second", got, e, time.Since(begun))
			}
		})
	}
}

// One client cannot hold all places.
func TestRevocationsBound(t *testing.T) {
	d := open(t)
	d.run()
	answers := make(chan *oauth.Error, 70)
	for range cap(answers) {
		go func() {
			_, e := d.log("api", "wait=1")
			answers <- e
		}()
	}
	refused := 0
	for range cap(answers) {
		if e := <-answers; e != nil {
			refused++
		}
	}
	if refused != 6 {
		t.Errorf("%d of %d refused, want 6", refused, cap(answers))
	}
	if _, e := d.log("api", ""); e != nil {
		t.Errorf("afterwards: %v", e)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
