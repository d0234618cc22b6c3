package enginetest

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

var userParts = []part[Engine]{
	{"people come back as they were", usersValues},
	{"a username or address belongs to one", usersUnique},
	{"one of many gets a name", usersContest},
	{"people are listed in order", usersList},
	{"a deleted person leaves nothing but the trail", usersDelete},
}

var riskParts = []part[Engine]{
	{"a profile is compared and swapped", riskProfile},
	{"one writer wins a version", riskContest},
}

func newUser(r *room[Engine]) authn.User {
	n := name("user")
	return authn.User{ID: ident.UserID("id-" + n), Username: n, Email: n + "@example.com", CreatedAt: r.clock.now(), UpdatedAt: r.clock.now()}
}

func usersValues(r *room[Engine]) {
	full := newUser(r)
	full.EmailVerified, full.Disabled = true, true
	full.PasswordHash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
	full.TOTP = []byte{0, 0xff, 1, 0}
	full.Claims = map[string]json.RawMessage{
		"name": json.RawMessage(`"Zoë <&> 雲 🌫"`), "address": json.RawMessage(`{"country":"DE","lines":[1,2.50,null]}`),
		"number": json.RawMessage(`123456789012345678901234567890`), "updated": json.RawMessage(`true`), "": json.RawMessage(`""`),
	}
	full.CreatedAt = r.clock.now().In(time.FixedZone("east", 9*3600))
	full.UpdatedAt, full.RecoveredAt = r.clock.in(time.Microsecond), r.clock.in(2*time.Microsecond)
	bare := authn.User{ID: ident.UserID(name("bare")), Username: name("bare"), CreatedAt: r.clock.now()}
	big := newUser(r)
	big.Claims = map[string]json.RawMessage{"picture": json.RawMessage(`"` + strings.Repeat("é", 100<<10) + `"`)}

	for _, u := range []authn.User{full, bare, big} {
		must(r, r.e.PutUser(r.ctx, u))
		same(r, "User", get(r.e.User(r.ctx, u.ID))(r), u)
		same(r, "UserByIdentifier by name", get(r.e.UserByIdentifier(r.ctx, u.Username))(r), u)
	}
	same(r, "UserByIdentifier by address", get(r.e.UserByIdentifier(r.ctx, full.Email))(r), full)

	full.Username, full.Email = name("renamed"), name("moved")+"@example.org"
	full.RecoveredAt = time.Time{}
	full.TOTP, full.Claims, full.PasswordHash, full.Disabled, full.EmailVerified = nil, nil, "", false, false
	must(r, r.e.PutUser(r.ctx, full))
	same(r, "after a replacement", get(r.e.User(r.ctx, full.ID))(r), full)
	same(r, "by the new name", get(r.e.UserByIdentifier(r.ctx, full.Username))(r), full)

	_, err := r.e.User(r.ctx, "nobody")
	refuse(r, "User of nobody", err, store.ErrNotFound)
	for _, id := range []string{"nobody", "", "%", "_", string(full.ID)} {
		_, err = r.e.UserByIdentifier(r.ctx, id)
		refuse(r, "UserByIdentifier of "+id, err, store.ErrNotFound)
	}
}

func usersUnique(r *room[Engine]) {
	mail := name("Åsa") + "@Example.COM" // kept as written, found case-folded
	ann := newUser(r)
	ann.Username, ann.Email = name("ÅNN"), mail
	must(r, r.e.PutUser(r.ctx, ann))
	for _, id := range []string{strings.ToLower(ann.Username), strings.ToLower(mail)} {
		same(r, "case-folded identifier", get(r.e.UserByIdentifier(r.ctx, id))(r), ann)
	}
	bob := newUser(r)
	must(r, r.e.PutUser(r.ctx, bob))

	for _, tt := range []struct{ name, username, email string }{
		{"her username", ann.Username, ""},
		{"her username in other case", strings.ToLower(ann.Username), ""},
		{"her address", name("x"), ann.Email},
		{"her address in other case", name("x"), strings.ToUpper(ann.Email)},
		{"her address as username", ann.Email, ""},
		{"her username as address", name("x"), ann.Username},
	} {
		fresh := newUser(r)
		fresh.Username, fresh.Email = tt.username, tt.email
		refuse(r, "another person with "+tt.name, r.e.PutUser(r.ctx, fresh), store.ErrExists)
		_, err := r.e.User(r.ctx, fresh.ID)
		refuse(r, "the refused person", err, store.ErrNotFound)
		thief := bob
		thief.Username, thief.Email = tt.username, tt.email
		refuse(r, "a person who changes to "+tt.name, r.e.PutUser(r.ctx, thief), store.ErrExists)
	}
	same(r, "after refusals", get(r.e.User(r.ctx, bob.ID))(r), bob)
	same(r, "after refusals", get(r.e.UserByIdentifier(r.ctx, strings.ToLower(mail)))(r), ann)

	freed := ann.Username
	ann.Username = ann.Email // one's own address may be one's name
	must(r, r.e.PutUser(r.ctx, ann))
	_, err := r.e.UserByIdentifier(r.ctx, strings.ToLower(freed))
	refuse(r, "a name given up", err, store.ErrNotFound)
	bob.Username, bob.Email = freed, ""
	must(r, r.e.PutUser(r.ctx, bob))
	carol := newUser(r)
	carol.Email = "" // no address is nobody's
	must(r, r.e.PutUser(r.ctx, carol))
	must(r, r.e.DeleteUser(r.ctx, ann.ID))
	carol.Email = mail
	must(r, r.e.PutUser(r.ctx, carol))
}

func usersContest(r *room[Engine]) {
	for range 3 {
		us := make([]authn.User, 24)
		shared := name("shared")
		for i := range us {
			us[i] = newUser(r)
			if i%2 == 0 {
				us[i].Username = shared
			} else {
				us[i].Email = shared
			}
		}
		w := contest(r, "PutUser", len(us), store.ErrExists, func(i int) error { return r.e.PutUser(r.ctx, us[i]) })
		same(r, "the winner", get(r.e.UserByIdentifier(r.ctx, shared))(r), us[w])
	}
}

func usersList(r *room[Engine]) {
	same(r, "nobody", get(r.e.Users(r.ctx, "", 10))(r), []authn.User(nil))
	ids := []ident.UserID{"-", "B", "a", "a-b", "aa", "b", "é"} // in the order of their bytes
	var want []authn.User
	for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
		u := newUser(r)
		u.ID = ids[i]
		must(r, r.e.PutUser(r.ctx, u))
	}
	for _, id := range ids {
		want = append(want, get(r.e.User(r.ctx, id))(r))
	}
	same(r, "all", get(r.e.Users(r.ctx, "", 100))(r), want)
	same(r, "two", get(r.e.Users(r.ctx, "", 2))(r), want[:2])
	same(r, "two after B", get(r.e.Users(r.ctx, "B", 2))(r), want[2:4])
	same(r, "after one that is not there", get(r.e.Users(r.ctx, "a0", 100))(r), want[4:])
	same(r, "after the last", get(r.e.Users(r.ctx, "é", 100))(r), []authn.User(nil))
}

func usersDelete(r *room[Engine]) {
	w, other := newWalk(r), newWalk(r)
	g := w.grant(r, w.session.ID)
	loose := w.grant(r, "")
	theirs := other.grant(r, other.session.ID)
	must(r, r.e.PutConsent(r.ctx, oauth.Consent{User: w.user.ID, Client: w.client, Scope: []string{"openid"}, CreatedAt: r.clock.now(), UpdatedAt: r.clock.now()}))
	must(r, r.e.SaveRiskProfile(r.ctx, w.user.ID, 0, []byte("habits")))
	must(r, r.e.AppendAudit(r.ctx, []audit.Entry{entry(r, name("stream"), 1, w.user.ID)}))

	must(r, r.e.DeleteUser(r.ctx, w.user.ID))
	_, err := r.e.User(r.ctx, w.user.ID)
	refuse(r, "User", err, store.ErrNotFound)
	_, err = r.e.UserByIdentifier(r.ctx, w.user.Email)
	refuse(r, "UserByIdentifier", err, store.ErrNotFound)
	same(r, "sessions", get(r.e.SessionsOf(r.ctx, w.user.ID, r.clock.in(-time.Hour)))(r), []sessions.Session(nil))
	same(r, "grants", get(r.e.GrantsOf(r.ctx, w.user.ID, "", r.clock.now()))(r), []oauth.Grant(nil))
	same(r, "consents", get(r.e.Consents(r.ctx, w.user.ID))(r), []oauth.Consent(nil))
	blob, v, err := r.e.RiskProfile(r.ctx, w.user.ID)
	must(r, err)
	same(r, "risk profile", blob, []byte(nil))
	same(r, "version of the risk profile", v, int64(0))
	same(r, "the trail", len(get(r.e.AuditOfUser(r.ctx, w.user.ID, r.clock.in(time.Hour), 10))(r)), 1)
	if s, err := r.e.Session(r.ctx, w.session.ID); err == nil && s.EndedAt.IsZero() {
		r.Fatalf("the session of a deleted person is live")
	}
	dead(r, "a grant of a deleted person", g)
	dead(r, "a grant without session of a deleted person", loose)
	fresh := w.newGrant(r, w.session.ID)
	refuse(r, "InsertGrant under a deleted person's session", r.e.InsertGrant(r.ctx, fresh), store.ErrStale)
	refuse(r, "UpdateSession of a deleted person", r.e.UpdateSession(r.ctx, w.session), store.ErrStale)
	refuse(r, "a second DeleteUser", r.e.DeleteUser(r.ctx, w.user.ID), store.ErrNotFound)

	same(r, "another person", get(r.e.User(r.ctx, other.user.ID))(r), other.user)
	alive(r, "another person's grant", theirs)
	must(r, r.e.PutUser(r.ctx, w.user)) // the names are free again
}

// keptBlob is one of those that risk keeps: read and save are about one key.
type keptBlob struct {
	limit int
	read  func() ([]byte, int64, error)
	save  func(version int64, blob []byte) error
}

func riskBlobs(r *room[Engine]) []keptBlob {
	user, table := newWalk(r).user.ID, name("table")
	return []keptBlob{
		{2 << 10, func() ([]byte, int64, error) { return r.e.RiskProfile(r.ctx, user) },
			func(v int64, b []byte) error { return r.e.SaveRiskProfile(r.ctx, user, v, b) }},
		{1 << 20, func() ([]byte, int64, error) { return r.e.RiskTables(r.ctx, table) },
			func(v int64, b []byte) error { return r.e.SaveRiskTables(r.ctx, table, v, b) }},
	}
}

func riskProfile(r *room[Engine]) {
	for _, k := range riskBlobs(r) {
		read := func() ([]byte, int64) {
			b, v, err := k.read()
			must(r, err)
			return b, v
		}
		blob, v := read()
		same(r, "no blob", blob, []byte(nil))
		same(r, "version of no blob", v, int64(0))
		refuse(r, "a version that never was", k.save(1, []byte("x")), store.ErrStale)

		for _, b := range [][]byte{{0, 0xff, 0}, bytes.Repeat([]byte{0x80}, k.limit), []byte("short")} {
			must(r, k.save(v, b))
			refuse(r, "a stale blob", k.save(v, []byte("stale")), store.ErrStale)
			got, next := read()
			same(r, "blob", got, b)
			if next <= v {
				r.Fatalf("version %d after %d", next, v)
			}
			v = next
		}
		refuse(r, "a blob over the limit", k.save(v, make([]byte, k.limit+1)), nil)
		got, _ := read()
		same(r, "after a refusal", got, []byte("short"))
	}
}

func riskContest(r *room[Engine]) {
	for _, k := range riskBlobs(r) {
		for range 4 {
			_, v, err := k.read()
			must(r, err)
			i := contest(r, "saving a blob of risk", 24, store.ErrStale, func(i int) error { return k.save(v, []byte{byte(i)}) })
			blob, _, err := k.read()
			must(r, err)
			same(r, "the winner's blob", blob, []byte{byte(i)})
		}
	}
}
