package enginetest

import (
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

var deviceKeyParts = []part[Engine]{
	{"keys of devices come back as they were", deviceKeysValues},
	{"a key that is proved again keeps all but its time", deviceKeysAgain},
	{"a person has at most so many keys, the ones proved last", deviceKeysFull},
	{"keys go with their device, and with their person", deviceKeysDelete},
}

func (w walk) newDeviceKey(r *room[Engine], device ident.DeviceID) sessions.DeviceKey {
	return sessions.DeviceKey{User: w.user.ID, Device: device, ID: name("key"), Level: ident.KeyInChip, JWK: []byte(`{"kty":"EC"}`),
		CreatedAt: r.clock.now(), ProvedAt: r.clock.in(time.Microsecond)}
}

func (w walk) deviceKey(r *room[Engine], device ident.DeviceID) sessions.DeviceKey {
	r.Helper()
	k := w.newDeviceKey(r, device)
	must(r, r.e.PutDeviceKey(r.ctx, k))
	return k
}

func deviceKeysValues(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	same(r, "none", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey(nil))
	one := w.deviceKey(r, "d1")
	two := w.newDeviceKey(r, "d2")
	two.Level, two.ProvedAt = ident.KeyInApp, r.clock.in(time.Hour)
	must(r, r.e.PutDeviceKey(r.ctx, two))
	same(r, "the one proved last comes first", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{two, one})
	same(r, "DeviceKey", get(r.e.DeviceKey(r.ctx, "d1", one.ID))(r), one)
	theirs := one
	theirs.User, theirs.CreatedAt, theirs.Level = other.user.ID, r.clock.in(time.Second), ident.KeyInApp
	must(r, r.e.PutDeviceKey(r.ctx, theirs))
	same(r, "whoever registered it first", get(r.e.DeviceKey(r.ctx, "d1", one.ID))(r), one)
	same(r, "another's", get(r.e.DeviceKeysOf(r.ctx, other.user.ID))(r), []sessions.DeviceKey{theirs})
	for _, q := range [][2]string{{"d2", one.ID}, {"", one.ID}, {"d1", ""}, {"d1", two.ID}, {"d1", "\xff"}} {
		_, err := r.e.DeviceKey(r.ctx, ident.DeviceID(q[0]), q[1])
		refuse(r, "a key of another device", err, store.ErrNotFound)
	}
	ghost := one
	ghost.User = "nobody"
	refuse(r, "of nobody", r.e.PutDeviceKey(r.ctx, ghost), store.ErrNotFound)
}

func deviceKeysAgain(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	k := w.deviceKey(r, "d")
	theirs := k
	theirs.User = other.user.ID
	must(r, r.e.PutDeviceKey(r.ctx, theirs))
	changed := k
	changed.Level, changed.JWK, changed.CreatedAt, changed.ProvedAt = ident.KeyInApp, []byte("no"), r.clock.in(time.Hour), r.clock.in(time.Minute)
	must(r, r.e.PutDeviceKey(r.ctx, changed))
	k.ProvedAt = r.clock.in(time.Minute)
	same(r, "again", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{k})
	changed.ProvedAt = r.clock.now()
	must(r, r.e.PutDeviceKey(r.ctx, changed))
	must(r, r.e.TouchDeviceKey(r.ctx, "d", k.ID, r.clock.now()))
	same(r, "never back", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{k})
	must(r, r.e.TouchDeviceKey(r.ctx, "d", k.ID, r.clock.in(time.Hour)))
	k.ProvedAt, theirs.ProvedAt = r.clock.in(time.Hour), r.clock.in(time.Hour)
	same(r, "touched", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{k})
	same(r, "touched for all", get(r.e.DeviceKeysOf(r.ctx, other.user.ID))(r), []sessions.DeviceKey{theirs})
	must(r, r.e.TouchDeviceKey(r.ctx, "elsewhere", k.ID, r.clock.in(2*time.Hour)))
	same(r, "another device", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{k})
}

func deviceKeysFull(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	theirs := other.deviceKey(r, "d")
	oldest := w.deviceKey(r, "d")
	for range sessions.MaxDeviceKeys - 2 {
		k := w.newDeviceKey(r, ident.DeviceID(name("device")))
		k.ProvedAt = r.clock.in(time.Hour)
		must(r, r.e.PutDeviceKey(r.ctx, k))
	}
	fresh := make([]sessions.DeviceKey, 12)
	for i := range fresh {
		fresh[i] = w.newDeviceKey(r, "d")
		fresh[i].ProvedAt = r.clock.in(2 * time.Hour)
	}
	together(len(fresh), func(i int) { must(r, r.e.PutDeviceKey(r.ctx, fresh[i])) })
	list := get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r)
	same(r, "keys", len(list), sessions.MaxDeviceKeys)
	_, err := r.e.DeviceKey(r.ctx, "d", oldest.ID)
	refuse(r, "the oldest", err, store.ErrNotFound)
	for _, k := range fresh {
		same(r, "a fresh one", get(r.e.DeviceKey(r.ctx, "d", k.ID))(r), k)
	}
	must(r, r.e.PutDeviceKey(r.ctx, oldest)) // proved before all others, and yet it is the one that is being put
	same(r, "the one that was put", get(r.e.DeviceKey(r.ctx, "d", oldest.ID))(r), oldest)
	same(r, "keys", len(get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r)), sessions.MaxDeviceKeys)
	same(r, "another's", get(r.e.DeviceKeysOf(r.ctx, other.user.ID))(r), []sessions.DeviceKey{theirs})
}

func deviceKeysDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	theirs := other.deviceKey(r, "d1")
	w.deviceKey(r, "d1")
	w.deviceKey(r, "d1")
	kept := w.deviceKey(r, "d2")
	same(r, "of one device", get(r.e.DeleteDeviceKeys(r.ctx, w.user.ID, "d1"))(r), int64(2))
	same(r, "a second time", get(r.e.DeleteDeviceKeys(r.ctx, w.user.ID, "d1"))(r), int64(0))
	same(r, "left", get(r.e.DeviceKeysOf(r.ctx, w.user.ID))(r), []sessions.DeviceKey{kept})
	w.deviceKey(r, "d3")
	same(r, "of all", get(r.e.DeleteDeviceKeys(r.ctx, w.user.ID, ""))(r), int64(2))
	k := w.deviceKey(r, "d4")
	must(r, r.e.DeleteUser(r.ctx, w.user.ID))
	_, err := r.e.DeviceKey(r.ctx, "d4", k.ID)
	refuse(r, "a deleted person's key", err, store.ErrNotFound)
	refuse(r, "a key for a deleted person", r.e.PutDeviceKey(r.ctx, k), store.ErrNotFound)
	same(r, "another's", get(r.e.DeviceKeysOf(r.ctx, other.user.ID))(r), []sessions.DeviceKey{theirs})
}
