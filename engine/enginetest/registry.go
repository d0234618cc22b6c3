package enginetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

var registryParts = []part[Engine]{
	{"documents come back as they were", registryDocuments},
	{"every write raises the revision", registryRevision},
	{"documents are bounded", registryBounds},
	{"a reading is one snapshot", registrySnapshot},
	{"a deleted client takes its grants along", registryDelete},
}

// registry is what Registry returned, the documents by ID, whatever their order.
func registry(r *room[Engine]) (clients, resources []oauth.Document, rev int64) {
	r.Helper()
	clients, resources, rev, err := r.e.Registry(r.ctx)
	must(r, err)
	for _, ds := range [][]oauth.Document{clients, resources} {
		slices.SortFunc(ds, func(a, b oauth.Document) int { return strings.Compare(a.ID, b.ID) })
	}
	return clients, resources, rev
}

// sameDocuments compares the JSON by its meaning: a database may keep it in a form of its own.
func sameDocuments(r *room[Engine], what string, got, want []oauth.Document) {
	r.Helper()
	type doc struct {
		ID          string
		JSON        json.RawMessage
		UpdatedAt   time.Time
		Backchannel bool
	}
	open := func(ds []oauth.Document) (out []doc) {
		for _, d := range ds {
			out = append(out, doc{d.ID, d.JSON, d.UpdatedAt, d.Backchannel})
		}
		return out
	}
	same(r, what, open(got), open(want))
}

func registryDocuments(r *room[Engine]) {
	clients, resources, rev := registry(r)
	if len(clients)+len(resources) != 0 || rev != 0 {
		r.Fatalf("an empty registry has %d clients, %d resources, revision %d", len(clients), len(resources), rev)
	}
	a, b := document(r, "a"), document(r, "b/雲?x=<&>")
	a.JSON = []byte(`{"client_name":"Zoë <&>","n":12345678901234567890,"nested":{"list":[1,"",null,{}]}}`)
	res := document(r, "a") // a resource of a client's name is another thing
	res.UpdatedAt = r.clock.now().In(time.FixedZone("east", 3600))
	must(r, r.e.PutClient(r.ctx, b))
	must(r, r.e.PutClient(r.ctx, a))
	must(r, r.e.PutResource(r.ctx, res))
	clients, resources, _ = registry(r)
	sameDocuments(r, "clients", clients, []oauth.Document{a, b})
	sameDocuments(r, "resources", resources, []oauth.Document{res})

	a.JSON, a.UpdatedAt, a.Backchannel = []byte(`{}`), r.clock.in(time.Hour), true
	must(r, r.e.PutClient(r.ctx, a))
	res.JSON = []byte(`{"scopes":[]}`)
	must(r, r.e.PutResource(r.ctx, res))
	clients, resources, _ = registry(r)
	sameDocuments(r, "clients after a replacement", clients, []oauth.Document{a, b})
	sameDocuments(r, "resources after a replacement", resources, []oauth.Document{res})

	must(r, r.e.DeleteClient(r.ctx, "a", r.clock.now()))
	clients, resources, _ = registry(r)
	sameDocuments(r, "clients after a deletion", clients, []oauth.Document{b})
	sameDocuments(r, "resources after a client's deletion", resources, []oauth.Document{res})
	must(r, r.e.DeleteResource(r.ctx, "a"))
	refuse(r, "DeleteResource of nothing", r.e.DeleteResource(r.ctx, "a"), store.ErrNotFound)
	refuse(r, "DeleteClient of nothing", r.e.DeleteClient(r.ctx, "a", r.clock.now()), store.ErrNotFound)
}

func registryRevision(r *room[Engine]) {
	last := get(r.e.RegistryRevision(r.ctx))(r)
	same(r, "revision of nothing", last, int64(0))
	for i, write := range []func() error{
		func() error { return r.e.PutClient(r.ctx, document(r, "c")) },
		func() error { return r.e.PutClient(r.ctx, document(r, "c")) }, // unchanged, but written
		func() error { return r.e.PutResource(r.ctx, document(r, "r")) },
		func() error { return r.e.PutResource(r.ctx, document(r, "r")) },
		func() error { return r.e.DeleteClient(r.ctx, "c", r.clock.now()) },
		func() error { return r.e.DeleteResource(r.ctx, "r") },
	} {
		must(r, write())
		rev := get(r.e.RegistryRevision(r.ctx))(r)
		if rev <= last {
			r.Fatalf("write %d: revision %d after %d", i, rev, last)
		}
		_, _, at := registry(r)
		same(r, "revision of the snapshot", at, rev)
		last = rev
	}
	errs := make([]error, 16)
	together(len(errs), func(i int) { errs[i] = r.e.PutClient(r.ctx, document(r, fmt.Sprint("c", i))) })
	for _, err := range errs {
		must(r, err)
	}
	if rev := get(r.e.RegistryRevision(r.ctx))(r); rev < last+int64(len(errs)) {
		r.Fatalf("%d concurrent writes raised the revision from %d to %d", len(errs), last, rev)
	}
}

func registryBounds(r *room[Engine]) {
	const limit = 256 << 10
	sized := func(n int) []byte {
		frame := `{"k":""}`
		return fmt.Appendf(nil, `{"k":"%s"}`, bytes.Repeat([]byte("x"), n-len(frame)))
	}
	d := document(r, "big")
	d.JSON = sized(limit)
	must(r, r.e.PutClient(r.ctx, d))
	must(r, r.e.PutResource(r.ctx, d))
	over := d
	over.JSON = sized(limit + 1)
	refuse(r, "PutClient over the limit", r.e.PutClient(r.ctx, over), nil)
	refuse(r, "PutResource over the limit", r.e.PutResource(r.ctx, over), nil)
	clients, resources, _ := registry(r)
	sameDocuments(r, "clients", clients, []oauth.Document{d})
	sameDocuments(r, "resources", resources, []oauth.Document{d})
}

// registrySnapshot reads while one writer adds clients and resources in pairs: a revision has one content.
func registrySnapshot(r *room[Engine]) {
	const writes = 60
	var written sync.Map // revision → how many documents there were
	written.Store(int64(0), 0)
	var writeErr error
	type reading struct {
		n   int
		rev int64
		err error
	}
	readings := make([][]reading, 3)
	stop := make(chan struct{})
	together(len(readings)+1, func(i int) {
		if i == len(readings) {
			defer close(stop)
			for n := range writes {
				put := r.e.PutClient
				if n%2 == 1 {
					put = r.e.PutResource
				}
				if writeErr = put(r.ctx, document(r, fmt.Sprint("d", n))); writeErr != nil {
					return
				}
				rev, err := r.e.RegistryRevision(r.ctx)
				if writeErr = err; err != nil {
					return
				}
				written.Store(rev, n+1)
				time.Sleep(100 * time.Microsecond) // so that an engine in memory is read in between, too
			}
			return
		}
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, res, rev, err := r.e.Registry(r.ctx)
			readings[i] = append(readings[i], reading{len(c) + len(res), rev, err})
		}
	})
	must(r, writeErr)
	for _, list := range readings {
		for _, got := range list {
			must(r, got.err)
			if want, ok := written.Load(got.rev); !ok || want != got.n {
				r.Fatalf("at revision %d: %d documents, want %v", got.rev, got.n, want)
			}
		}
	}
}

func registryDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	g, loose := w.grant(r, w.session.ID), w.grant(r, "")
	theirs := other.newGrant(r, other.session.ID)
	theirs.Client = w.client
	must(r, r.e.InsertGrant(r.ctx, theirs))
	machine := oauth.Grant{ID: ident.GrantID(name("machine")), Client: w.client, CreatedAt: r.clock.now(), ExpiresAt: r.clock.in(time.Hour)}
	must(r, r.e.InsertGrant(r.ctx, machine))
	elsewhere := w.newGrant(r, w.session.ID)
	elsewhere.Client = other.client
	must(r, r.e.InsertGrant(r.ctx, elsewhere))
	kept := w.consent(r)
	kept.Client = other.client
	for _, c := range []oauth.Consent{w.consent(r), kept} {
		must(r, r.e.PutConsent(r.ctx, c))
	}
	before := w.grant(r, w.session.ID)
	early := r.clock.now()
	get(r.e.RevokeGrant(r.ctx, before.ID, early, "earlier"))(r)

	r.clock.advance(time.Minute)
	at := r.clock.now()
	must(r, r.e.DeleteClient(r.ctx, string(w.client), at))
	revoked(r, "a grant to a deleted client", g, at, "")
	revoked(r, "a grant of no session to a deleted client", loose, at, "")
	revoked(r, "another person's grant to a deleted client", theirs, at, "")
	revoked(r, "nobody's grant to a deleted client", machine, at, "")
	revoked(r, "a grant revoked before", before, early, "earlier")
	alive(r, "a grant to another client", elsewhere)
	same(r, "consents", get(r.e.Consents(r.ctx, w.user.ID))(r), []oauth.Consent{kept})
}
