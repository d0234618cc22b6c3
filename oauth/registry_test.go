package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/store"
)

func newcomer(tb testing.TB, h *oauthtest.House, id string) {
	tb.Helper()
	c := oauth.Client{ID: ident.ClientID(id), Origin: oauth.ByRegistration, RedirectURIs: []string{"https://" + id + ".example/cb"}, AuthMethod: "none"}
	doc, err := c.Document(h.Clock)
	if err != nil {
		tb.Fatal(err)
	}
	if err := h.DB.PutClient(context.Background(), doc); err != nil {
		tb.Fatal(err)
	}
}

// TestFindLooksForNewcomers: a client that another node registered is found on demand, and nobody can make us look for
// strangers without end.
func TestFindLooksForNewcomers(t *testing.T) {
	h := oauthtest.New(t, nil, nil)
	ctx := context.Background()
	newcomer(t, h, "a")
	if _, err := h.Registry.Client("a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Client asked the store: %v", err)
	}
	if c, err := h.Registry.Find(ctx, "a"); err != nil || c.ID != "a" {
		t.Errorf("%v %v", c, err)
	}
	for i := range 100 {
		if _, err := h.Registry.Find(ctx, ident.ClientID(fmt.Sprint("stranger", i))); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	newcomer(t, h, "b")
	if _, err := h.Registry.Find(ctx, "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after many strangers it still looks: %v", err)
	}
	if err := h.Registry.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Registry.Find(ctx, "b"); err != nil || h.Registry.Dynamic() != 2 {
		t.Errorf("after the next reload: %v, %d clients", err, h.Registry.Dynamic())
	}
}

// TestReloadKeepsWhatDidNotChange: only documents that changed are parsed again.
func TestReloadKeepsWhatDidNotChange(t *testing.T) {
	h := oauthtest.New(t, []string{`{"client_id":"old","redirect_uris":["https://old.example/cb"]}`, `{"client_id":"gone","redirect_uris":["https://gone.example/cb"]}`}, nil)
	ctx := context.Background()
	before, err := h.Registry.Client("old")
	if err != nil {
		t.Fatal(err)
	}
	newcomer(t, h, "new")
	if err := errors.Join(h.DB.DeleteClient(ctx, "gone", h.Clock), h.Registry.Reload(ctx)); err != nil {
		t.Fatal(err)
	}
	if after, err := h.Registry.Client("old"); err != nil || after != before {
		t.Errorf("parsed again: %v", err)
	}
	if _, err := h.Registry.Client("gone"); err == nil {
		t.Error("a deleted client is still there")
	}
	changed := *before
	changed.Name = "Old"
	doc, err := changed.Document(h.Clock) // within the same microsecond as before
	if err == nil {
		err = errors.Join(h.DB.PutClient(ctx, doc), h.Registry.Reload(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
	if after, err := h.Registry.Client("old"); err != nil || after.Name != "Old" {
		t.Errorf("the change is not seen: %v", err)
	}
}

// BenchmarkReload is what one registration costs where there are 10,000 clients already.
func BenchmarkReload(b *testing.B) {
	h := oauthtest.New(b, nil, nil)
	ctx := context.Background()
	for i := range 10_000 {
		newcomer(b, h, fmt.Sprint("client-", i))
	}
	if err := h.Registry.Reload(ctx); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		newcomer(b, h, "one-more")
		b.StartTimer()
		if err := h.Registry.Reload(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
