package enginetest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// walk is a stored person with a stored client and a live session.
type walk struct {
	user    authn.User
	client  ident.ClientID
	session sessions.Session
}

func newWalk(r *room[Engine]) walk {
	r.Helper()
	w := walk{user: newUser(r), client: newClient(r)}
	must(r, r.e.PutUser(r.ctx, w.user))
	w.session = w.newSession(r)
	must(r, r.e.InsertSession(r.ctx, w.session))
	return w
}

func newClient(r *room[Engine]) ident.ClientID {
	r.Helper()
	id := name("client")
	must(r, r.e.PutClient(r.ctx, document(r, id)))
	return ident.ClientID(id)
}

func document(r *room[Engine], id string) oauth.Document {
	return oauth.Document{ID: id, JSON: fmt.Appendf(nil, `{"client_id":%q}`, id), UpdatedAt: r.clock.now()}
}

// someSnapshot has every field filled.
var someSnapshot = riskstep.Snapshot{Country: "DE", ASN: 4_200_000_000, Network: "n<&>", Agent: "Chrome on 雲", JA4: "t13d", Key: "abc"}

// newSession returns a session of the person, not yet stored, with every field filled.
func (w walk) newSession(r *room[Engine]) sessions.Session {
	id := name("session")
	return sessions.Session{
		ID: ident.SessionID(id), User: w.user.ID, Device: "device", AuthTime: r.clock.now(), AMR: []ident.AMR{ident.Password, ident.OTP},
		Assurance: ident.AAL2, Raised: ident.PhishingResistant, RaisedUntil: r.clock.in(10 * time.Minute), Country: "DE",
		LastCountry: "BR", LastSpot: riskstep.Spot{Lat: -23.5, Lon: -46.6, Km: 28},
		Agent: "Chrome on 雲", Snapshot: someSnapshot, Limited: []string{"a b", "zoë"}, CreatedAt: r.clock.now(), LastSeen: r.clock.now(), IdleUntil: r.clock.in(24 * time.Hour), ExpiresAt: r.clock.in(48 * time.Hour),
		SecretHash: sha256.Sum256([]byte(id)), PrevHash: sha256.Sum256([]byte(id + "before")), PrevUntil: r.clock.in(time.Minute), Version: 1,
	}
}

// newGrant returns a grant under session sid, or under none, not yet stored, with every field of a fresh grant filled.
func (w walk) newGrant(r *room[Engine], sid ident.SessionID) oauth.Grant {
	return oauth.Grant{
		ID: ident.GrantID(name("grant")), Client: w.client, User: w.user.ID, Session: sid, Scope: []string{"openid", "a b", "zoë"},
		Resources: []string{"https://api.example/"}, Claims: json.RawMessage(`{"userinfo":{"name":null}}`), Nonce: "n<&>", Assurance: ident.AAL2,
		AMR: []ident.AMR{ident.Password, ident.OTP}, AuthTime: r.clock.now(), Offline: true, Country: "DE", Binding: "jkt:abc", Snapshot: someSnapshot,
		CreatedAt: r.clock.now(), ExpiresAt: r.clock.in(90 * 24 * time.Hour),
	}
}

// grant stores a new grant under sid.
func (w walk) grant(r *room[Engine], sid ident.SessionID) oauth.Grant {
	r.Helper()
	g := w.newGrant(r, sid)
	must(r, r.e.InsertGrant(r.ctx, g))
	return g
}

// alive demands that g reads as live everywhere.
func alive(r *room[Engine], what string, g oauth.Grant) {
	r.Helper()
	got := get(r.e.Grant(r.ctx, g.ID))(r)
	if !got.RevokedAt.IsZero() {
		r.Fatalf("%s: revoked (%s)", what, got.RevokeWhy)
	}
	for _, l := range get(r.e.GrantsOf(r.ctx, g.User, g.Client, r.clock.now()))(r) {
		if l.ID == g.ID {
			return
		}
	}
	r.Fatalf("%s: not among the live grants of its person", what)
}

// dead demands that g reads as live nowhere and cannot be used: it is gone, or revoked.
func dead(r *room[Engine], what string, g oauth.Grant) {
	r.Helper()
	got, err := r.e.Grant(r.ctx, g.ID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		r.Fatalf("%s: %v", what, err)
	case err == nil && got.RevokedAt.IsZero():
		r.Fatalf("%s: not revoked", what)
	}
	for _, client := range []ident.ClientID{g.Client, ""} {
		for _, l := range get(r.e.GrantsOf(r.ctx, g.User, client, r.clock.now()))(r) {
			if l.ID == g.ID {
				r.Fatalf("%s: among the live grants of its person", what)
			}
		}
	}
	refuse(r, what+": RotateGrant", r.e.RotateGrant(r.ctx, g.ID, got.RefreshSeq, sha256.Sum256([]byte("dead")), riskstep.Snapshot{}, r.clock.now()), store.ErrStale)
}

// revoked demands that g was revoked at and why, and changed in nothing else.
func revoked(r *room[Engine], what string, g oauth.Grant, at time.Time, why string) {
	r.Helper()
	dead(r, what, g)
	got := get(r.e.Grant(r.ctx, g.ID))(r)
	same(r, what+": RevokedAt", got.RevokedAt, at)
	if why != "" {
		same(r, what+": RevokeWhy", got.RevokeWhy, why)
	}
	g.RevokedAt, g.RevokeWhy, g.SessionEnds, g.Limited = got.RevokedAt, got.RevokeWhy, got.SessionEnds, got.Limited
	same(r, what, got, g)
}
