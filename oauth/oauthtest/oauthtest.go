// Package oauthtest builds the real protocol floors over a real SQLite database, for tests of what stands on them.
// It has no back door: every part is the one that the server uses.
package oauthtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
)

// Issuer is the issuer identifier in tests.
const Issuer = "https://id.example.com"

// House holds the parts. Clock may be moved.
type House struct {
	T          testing.TB
	Clock      time.Time
	DB         *sqldb.DB
	Sealer     *keys.Sealer
	Ring       *keys.Ring
	Audit      *audit.Writer
	Registry   *oauth.Registry
	Reader     *oauth.Reader
	Fetch      *egress.Client // loopback is allowed
	ClientKeys *oauth.ClientKeys
	Risk       *riskstep.Engine // the shipped policy; it knows no places
}

// Now is the clock of the house.
func (h *House) Now() time.Time { return h.Clock }

// SecretKeys are the keys of client secrets.
func (h *House) SecretKeys() [][]byte { return h.Sealer.Derive("client-secret") }

// New opens a house with clients and resources, each a JSON document; "client_secret" in a client is hashed on the way.
func New(t testing.TB, clients, resources []string) *House {
	t.Helper()
	ctx := context.Background()
	h := &House{T: t, Clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h.DB, err = sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "p.db"), Now: h.Now})
	must(err)
	t.Cleanup(func() { _ = h.DB.Close() })
	_, err = h.DB.Migrate(ctx)
	must(err)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	master, err := keys.LocalMaster(key)
	must(err)
	h.Sealer, err = keys.NewSealer(ctx, keys.SealerOptions{Store: h.DB, Masters: []keys.Master{master}, Now: h.Now, Rand: rand.Reader})
	must(err)
	h.Ring, err = keys.NewRing(ctx, keys.RingOptions{Store: h.DB, Sealer: h.Sealer, Use: "token", Algs: []string{"ES256", "EdDSA"}, EncAlgs: []string{"ECDH-ES"}, Now: h.Now,
		Ahead: time.Hour, Overlap: time.Hour})
	must(err)
	h.Audit, err = audit.NewWriter(ctx, audit.WriterOptions{Store: h.DB, Now: h.Now, Rand: rand.Reader})
	must(err)
	t.Cleanup(func() { _ = h.Audit.Close(context.Background()) })
	for _, r := range resources {
		res, err := oauth.ParseResource([]byte(r))
		must(err)
		must(h.DB.PutResource(ctx, oauth.Document{ID: res.ID, JSON: []byte(r), UpdatedAt: h.Clock}))
	}
	for _, c := range clients {
		must(h.DB.PutClient(ctx, h.client(c)))
	}
	h.Registry, err = oauth.NewRegistry(ctx, h.DB)
	must(err)
	h.Fetch = egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	h.ClientKeys = oauth.NewClientKeys(h.Fetch, h.Now)
	h.Reader = oauth.NewReader(oauth.ReaderOptions{Registry: h.Registry, Issuer: Issuer, Keys: h.ClientKeys, Ring: h.Ring, Fetch: h.Fetch, Now: h.Now})
	h.Risk, err = riskstep.New(riskstep.Options{Store: h.DB, Audit: h.Audit, Now: h.Now, NoGeo: riskstep.Absent, HashKey: func() [][]byte { return h.Sealer.Derive("risk-profile") }})
	must(err)
	return h
}

func (h *House) client(doc string) oauth.Document {
	h.T.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		h.T.Fatal(err)
	}
	id, _ := m["client_id"].(string)
	if secret, ok := m["client_secret"].(string); ok {
		delete(m, "client_secret")
		m["client_secret_hash"] = oauth.HashSecret(h.SecretKeys()[0], ident.ClientID(id), secret)
	}
	b, err := json.Marshal(m)
	if err != nil {
		h.T.Fatal(err)
	}
	c, err := oauth.ParseClient(b)
	if err != nil {
		h.T.Fatal(err)
	}
	d, err := c.Document(h.Clock)
	if err != nil {
		h.T.Fatal(err)
	}
	return d
}
