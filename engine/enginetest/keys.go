package enginetest

import (
	"bytes"
	"time"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/store"
)

var keyParts = []part[Engine]{
	{"signing keys come back as they were", keysRecords},
	{"a change is all or none, at its revision", keysRevision},
	{"one change wins a revision", keysContest},
	{"data keys", keysData},
}

func record(r *room[Engine], age time.Duration) keys.Record {
	return keys.Record{
		ID: name("kid"), Use: "token", Alg: "ES256", State: keys.Next, Sealed: []byte{0, 1, 0xff, 0}, PublicJWK: []byte(`{"kty":"EC","crv":"P-256"}`),
		CreatedAt: r.clock.in(-age),
	}
}

func keysRecords(r *room[Engine]) {
	same(r, "no keys", get(r.e.SigningKeys(r.ctx))(r), []keys.Record(nil))
	same(r, "revision of no keys", get(r.e.KeysRevision(r.ctx))(r), int64(0))

	young, old, middle := record(r, time.Hour), record(r, 3*time.Hour), record(r, 2*time.Hour)
	old.State, old.Use, old.Alg = keys.Retired, "audit", "EdDSA"
	old.ActiveAt, old.RetiredAt, old.RemoveAt = r.clock.in(-2*time.Hour), r.clock.in(-time.Hour), r.clock.in(time.Microsecond)
	middle.Sealed = bytes.Repeat([]byte{7}, 8<<10)
	middle.ActiveAt = r.clock.now().In(time.FixedZone("west", -7*3600))
	must(r, r.e.ApplyKeys(r.ctx, 0, []keys.Record{young, old, middle}, nil))
	same(r, "oldest first", get(r.e.SigningKeys(r.ctx))(r), []keys.Record{old, middle, young})
	same(r, "revision", get(r.e.KeysRevision(r.ctx))(r), int64(1))

	young.State, young.ActiveAt = keys.Active, r.clock.now()
	must(r, r.e.ApplyKeys(r.ctx, 1, []keys.Record{young}, []string{old.ID, "never there"}))
	same(r, "after a replacement and a removal", get(r.e.SigningKeys(r.ctx))(r), []keys.Record{middle, young})
	must(r, r.e.ApplyKeys(r.ctx, 2, nil, []string{middle.ID, young.ID}))
	same(r, "after the removal of all", get(r.e.SigningKeys(r.ctx))(r), []keys.Record(nil))
	same(r, "the revision never falls", get(r.e.KeysRevision(r.ctx))(r), int64(3))
}

func keysRevision(r *room[Engine]) {
	k := record(r, time.Hour)
	for _, rev := range []int64{1, -1, 7} {
		refuse(r, "ApplyKeys at a revision that never was", r.e.ApplyKeys(r.ctx, rev, []keys.Record{k}, nil), store.ErrStale)
	}
	same(r, "after refusals", get(r.e.SigningKeys(r.ctx))(r), []keys.Record(nil))
	must(r, r.e.ApplyKeys(r.ctx, 0, []keys.Record{k}, nil))
	changed := k
	changed.State = keys.Active
	for _, rev := range []int64{0, 2} {
		refuse(r, "stale ApplyKeys", r.e.ApplyKeys(r.ctx, rev, []keys.Record{changed, record(r, 0)}, []string{k.ID}), store.ErrStale)
	}
	same(r, "after stale changes", get(r.e.SigningKeys(r.ctx))(r), []keys.Record{k})
	same(r, "revision after stale changes", get(r.e.KeysRevision(r.ctx))(r), int64(1))
}

func keysContest(r *room[Engine]) {
	var want []keys.Record
	for rev := range int64(4) {
		candidates := make([]keys.Record, 16)
		for i := range candidates {
			candidates[i] = record(r, time.Hour-time.Duration(rev)*time.Minute)
		}
		w := contest(r, "ApplyKeys", len(candidates), store.ErrStale, func(i int) error {
			return r.e.ApplyKeys(r.ctx, rev, candidates[i:i+1], nil)
		})
		want = append(want, candidates[w])
		same(r, "the winners' keys", get(r.e.SigningKeys(r.ctx))(r), want)
		same(r, "the revision", get(r.e.KeysRevision(r.ctx))(r), rev+1)
	}
}

func keysData(r *room[Engine]) {
	same(r, "no data keys", get(r.e.DataKeys(r.ctx))(r), []keys.DataKey(nil))
	young := keys.DataKey{ID: "young", Master: "m1", Wrapped: []byte{0, 1, 2}, CreatedAt: r.clock.now()}
	old := keys.DataKey{ID: "old", Master: "m1", Wrapped: bytes.Repeat([]byte{9}, 512), CreatedAt: r.clock.in(-time.Hour)}
	must(r, r.e.PutDataKey(r.ctx, young))
	must(r, r.e.PutDataKey(r.ctx, old))
	same(r, "oldest first", get(r.e.DataKeys(r.ctx))(r), []keys.DataKey{old, young})
	old.Master, old.Wrapped = "m2", []byte{3}
	must(r, r.e.PutDataKey(r.ctx, old))
	same(r, "after a replacement", get(r.e.DataKeys(r.ctx))(r), []keys.DataKey{old, young})
	same(r, "data keys leave the key set alone", get(r.e.KeysRevision(r.ctx))(r), int64(0))
}
