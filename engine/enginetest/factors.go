package enginetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/store"
)

var factorParts = []part[Engine]{
	{"passkeys come back as they were", passkeysValues},
	{"a credential id belongs to one", passkeysUnique},
	{"a person has at most so many", passkeysFull},
	{"one of many uses moves a counter", passkeysCount},
	{"what is suspect stays so", passkeysSuspect},
	{"of the last two one stays", passkeysLast},
	{"recovery codes are replaced as a whole", codesReplace},
	{"a recovery code is taken once", codesTake},
	{"the factors of a deleted person go", factorsDelete},
}

// newPasskey returns one of w's, not yet stored, with every field filled.
func (w walk) newPasskey(r *room[Engine]) authn.Passkey {
	id := name("credential")
	return authn.Passkey{
		ID: append([]byte{0, 0xff, '%'}, id...), User: w.user.ID, Name: "Zoë's <key> 雲", PublicKey: []byte{0xa5, 0, 1, 0xff}, Alg: -257,
		AAGUID: [16]byte{0, 1, 2, 15: 0xff}, Attested: "packed", Transports: []string{"internal", "hybrid"}, Attachment: "platform",
		SignCount: 1<<32 - 2, Synced: true, BackedUp: true, Verifies: true, CreatedAt: r.clock.now(), UsedAt: r.clock.in(time.Microsecond), UsedOn: "Chrome on 雲",
	}
}

func (w walk) passkey(r *room[Engine]) authn.Passkey {
	r.Helper()
	p := w.newPasskey(r)
	must(r, r.e.AddPasskey(r.ctx, p))
	return p
}

func passkeysValues(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	same(r, "none", get(r.e.Passkeys(r.ctx, w.user.ID))(r), []authn.Passkey(nil))
	full, bare := w.newPasskey(r), authn.Passkey{ID: []byte(name("bare")), User: w.user.ID, PublicKey: []byte{1}, CreatedAt: r.clock.in(-time.Second)}
	long := other.newPasskey(r)
	long.ID = bytes.Repeat([]byte{0xfe}, 1023)
	for _, p := range []authn.Passkey{full, bare, long} {
		must(r, r.e.AddPasskey(r.ctx, p))
		same(r, "Passkey", get(r.e.Passkey(r.ctx, p.ID))(r), p)
	}
	same(r, "oldest first", get(r.e.Passkeys(r.ctx, w.user.ID))(r), []authn.Passkey{bare, full})
	same(r, "another's", get(r.e.Passkeys(r.ctx, other.user.ID))(r), []authn.Passkey{long})
	same(r, "nobody's", get(r.e.Passkeys(r.ctx, ""))(r), []authn.Passkey(nil))

	must(r, r.e.RenamePasskey(r.ctx, w.user.ID, full.ID, "other"))
	full.Name = "other"
	used := full
	used.SignCount, used.BackedUp, used.UsedAt, used.UsedOn = 1<<32-1, false, r.clock.in(time.Hour), "Safari on Mac"
	changed := used
	changed.Name, changed.User, changed.PublicKey, changed.Synced, changed.Verifies = "no", other.user.ID, []byte{9}, false, false
	must(r, r.e.UsePasskey(r.ctx, changed, full.SignCount))
	same(r, "a use changes only what it may", get(r.e.Passkey(r.ctx, full.ID))(r), used)
	refuse(r, "a use at a past count", r.e.UsePasskey(r.ctx, changed, full.SignCount), store.ErrStale)

	for _, id := range [][]byte{nil, []byte("nobody's"), full.ID[:len(full.ID)-1], append(bytes.Clone(full.ID), 0)} {
		_, err := r.e.Passkey(r.ctx, id)
		refuse(r, "Passkey that is not there", err, store.ErrNotFound)
		refuse(r, "UsePasskey that is not there", r.e.UsePasskey(r.ctx, authn.Passkey{ID: id}, 0), store.ErrNotFound)
		refuse(r, "RenamePasskey that is not there", r.e.RenamePasskey(r.ctx, w.user.ID, id, "x"), store.ErrNotFound)
		refuse(r, "DeletePasskey that is not there", r.e.DeletePasskey(r.ctx, w.user.ID, id, true), store.ErrNotFound)
	}
	refuse(r, "RenamePasskey of another", r.e.RenamePasskey(r.ctx, other.user.ID, full.ID, "x"), store.ErrNotFound)
	refuse(r, "DeletePasskey of another", r.e.DeletePasskey(r.ctx, other.user.ID, full.ID, true), store.ErrNotFound)
	same(r, "after refusals", get(r.e.Passkey(r.ctx, full.ID))(r), used)
	must(r, r.e.DeletePasskey(r.ctx, w.user.ID, full.ID, false))
	same(r, "the other one", get(r.e.Passkeys(r.ctx, w.user.ID))(r), []authn.Passkey{bare})
}

func passkeysUnique(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	p := w.passkey(r)
	refuse(r, "the same again", r.e.AddPasskey(r.ctx, p), store.ErrExists)
	thief := other.newPasskey(r)
	thief.ID = p.ID
	refuse(r, "the same for another", r.e.AddPasskey(r.ctx, thief), store.ErrExists)
	same(r, "its owner's", get(r.e.Passkey(r.ctx, p.ID))(r), p)
	ghost := p
	ghost.ID, ghost.User = []byte(name("ghost")), "nobody"
	refuse(r, "of nobody", r.e.AddPasskey(r.ctx, ghost), store.ErrNotFound)

	fresh := []authn.Passkey{w.newPasskey(r), other.newPasskey(r)}
	fresh[1].ID = fresh[0].ID
	i := contest(r, "AddPasskey", 16, store.ErrExists, func(i int) error { return r.e.AddPasskey(r.ctx, fresh[i%2]) })
	same(r, "the winner's", get(r.e.Passkey(r.ctx, fresh[0].ID))(r), fresh[i%2])
}

func passkeysFull(r *room[Engine]) {
	w := newWalk(r)
	for range authn.MaxPasskeys - 1 {
		w.passkey(r)
	}
	fresh := make([]authn.Passkey, 12)
	for i := range fresh {
		fresh[i] = w.newPasskey(r)
	}
	contest(r, "AddPasskey", len(fresh), store.ErrStale, func(i int) error { return r.e.AddPasskey(r.ctx, fresh[i]) })
	list := get(r.e.Passkeys(r.ctx, w.user.ID))(r)
	same(r, "passkeys", len(list), authn.MaxPasskeys)
	refuse(r, "one that is there of a full person", r.e.AddPasskey(r.ctx, list[0]), store.ErrExists)
	must(r, r.e.DeletePasskey(r.ctx, w.user.ID, list[0].ID, false))
	w.passkey(r)
}

func passkeysCount(r *room[Engine]) {
	w := newWalk(r)
	p := w.newPasskey(r)
	p.SignCount = 0
	must(r, r.e.AddPasskey(r.ctx, p))
	for range 4 {
		was := p.SignCount
		i := contest(r, "UsePasskey", 24, store.ErrStale, func(i int) error {
			q := p
			q.SignCount = was + 1 + uint32(i)
			return r.e.UsePasskey(r.ctx, q, was)
		})
		p.SignCount = was + 1 + uint32(i)
		same(r, "the winner's count", get(r.e.Passkey(r.ctx, p.ID))(r), p)
	}
}

func passkeysSuspect(r *room[Engine]) {
	w := newWalk(r)
	p := w.passkey(r)
	bad, good := p, p
	bad.Suspect = true
	must(r, r.e.UsePasskey(r.ctx, bad, p.SignCount))
	good.UsedAt = r.clock.in(time.Hour) // read before it became suspect
	must(r, r.e.UsePasskey(r.ctx, good, p.SignCount))
	good.Suspect = true
	same(r, "after a use that did not know", get(r.e.Passkey(r.ctx, p.ID))(r), good)
}

func passkeysLast(r *room[Engine]) {
	for range 4 {
		w := newWalk(r)
		two := []authn.Passkey{w.passkey(r), w.passkey(r)}
		contest(r, "DeletePasskey", 2, store.ErrStale, func(i int) error { return r.e.DeletePasskey(r.ctx, w.user.ID, two[i].ID, false) })
		left := get(r.e.Passkeys(r.ctx, w.user.ID))(r)
		same(r, "left", len(left), 1)
		refuse(r, "the last one", r.e.DeletePasskey(r.ctx, w.user.ID, left[0].ID, false), store.ErrStale)
		must(r, r.e.DeletePasskey(r.ctx, w.user.ID, left[0].ID, true))
	}
}

func newCodes(n int) (out [][sha256.Size]byte) {
	for range n {
		out = append(out, sha256.Sum256([]byte(name("code"))))
	}
	return out
}

func (w walk) codes(r *room[Engine]) [2]int {
	r.Helper()
	left, of, err := r.e.RecoveryCodes(r.ctx, w.user.ID)
	must(r, err)
	return [2]int{left, of}
}

func codesReplace(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	same(r, "none", w.codes(r), [2]int{})
	old, fresh := newCodes(10), newCodes(8)
	must(r, r.e.PutRecoveryCodes(r.ctx, other.user.ID, old, r.clock.now()))
	must(r, r.e.PutRecoveryCodes(r.ctx, w.user.ID, old, r.clock.now())) // two may have the same
	same(r, "ten", w.codes(r), [2]int{10, 10})
	same(r, "left", get(r.e.TakeRecoveryCode(r.ctx, w.user.ID, old[0], r.clock.now()))(r), 9)
	same(r, "nine", w.codes(r), [2]int{9, 10})
	same(r, "another's", other.codes(r), [2]int{10, 10})

	must(r, r.e.PutRecoveryCodes(r.ctx, w.user.ID, fresh, r.clock.now()))
	same(r, "fresh ones", w.codes(r), [2]int{8, 8})
	_, err := r.e.TakeRecoveryCode(r.ctx, w.user.ID, old[1], r.clock.now())
	refuse(r, "an old code", err, store.ErrNotFound)
	must(r, r.e.PutRecoveryCodes(r.ctx, w.user.ID, nil, r.clock.now()))
	same(r, "none again", w.codes(r), [2]int{})
	_, err = r.e.TakeRecoveryCode(r.ctx, w.user.ID, fresh[0], r.clock.now())
	refuse(r, "a removed code", err, store.ErrNotFound)
	refuse(r, "codes of nobody", r.e.PutRecoveryCodes(r.ctx, "nobody", fresh, r.clock.now()), store.ErrNotFound)
}

func codesTake(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	codes := newCodes(10)
	must(r, r.e.PutRecoveryCodes(r.ctx, w.user.ID, codes, r.clock.now()))
	must(r, r.e.PutRecoveryCodes(r.ctx, other.user.ID, newCodes(10), r.clock.now()))
	_, err := r.e.TakeRecoveryCode(r.ctx, other.user.ID, codes[0], r.clock.now())
	refuse(r, "another's code", err, store.ErrNotFound)
	_, err = r.e.TakeRecoveryCode(r.ctx, w.user.ID, [sha256.Size]byte{}, r.clock.now())
	refuse(r, "no code", err, store.ErrNotFound)

	same(r, "at no time", get(r.e.TakeRecoveryCode(r.ctx, w.user.ID, codes[0], time.Time{}))(r), 9)
	_, err = r.e.TakeRecoveryCode(r.ctx, w.user.ID, codes[0], time.Time{})
	refuse(r, "a code twice", err, store.ErrNotFound)
	contest(r, "TakeRecoveryCode", 24, store.ErrNotFound, func(int) error {
		_, err := r.e.TakeRecoveryCode(r.ctx, w.user.ID, codes[1], r.clock.now())
		return err
	})
	var mu sync.Mutex
	var lefts []int
	var failed error
	together(8, func(i int) {
		left, err := r.e.TakeRecoveryCode(r.ctx, w.user.ID, codes[2+i], r.clock.now())
		mu.Lock()
		defer mu.Unlock()
		lefts, failed = append(lefts, left), errors.Join(failed, err)
	})
	must(r, failed)
	slices.Sort(lefts)
	same(r, "what was left to each", lefts, []int{0, 1, 2, 3, 4, 5, 6, 7})
	same(r, "in the end", w.codes(r), [2]int{0, 10})
}

func factorsDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	p, theirs := w.passkey(r), other.passkey(r)
	must(r, r.e.PutRecoveryCodes(r.ctx, w.user.ID, newCodes(2), r.clock.now()))
	must(r, r.e.DeleteUser(r.ctx, w.user.ID))
	_, err := r.e.Passkey(r.ctx, p.ID)
	refuse(r, "a deleted person's passkey", err, store.ErrNotFound)
	same(r, "codes", w.codes(r), [2]int{})
	refuse(r, "a passkey for a deleted person", r.e.AddPasskey(r.ctx, p), store.ErrNotFound)
	same(r, "another's", get(r.e.Passkey(r.ctx, theirs.ID))(r), theirs)
	p.User, p.Name = other.user.ID, strings.Repeat("名", 64) // the credential id is free again
	must(r, r.e.AddPasskey(r.ctx, p))
	same(r, "with a long name", get(r.e.Passkey(r.ctx, p.ID))(r), p)
}
