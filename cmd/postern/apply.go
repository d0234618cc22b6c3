package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

// change is one thing that a seed file makes different.
type change struct {
	Action string   `json:"action"` // create or update
	Kind   string   `json:"kind"`   // client, user or resource
	Name   string   `json:"name"`
	Fields []string `json:"fields,omitempty"` // what differs; never the values
	Warn   string   `json:"warning,omitempty"`

	do func(context.Context) error
}

// plan returns what has to change so that the database is as s declares. It writes nothing. What no seed file declares
// stays; what one leaves out of a declared user stays too, whereas clients and resources become exactly what is declared.
func (h *house) plan(ctx context.Context, s *seed) ([]change, error) {
	if err := h.canSign(s.clients()); err != nil {
		return nil, err
	}
	clients, resources, _, err := h.db.Registry(ctx)
	if err != nil {
		return nil, err
	}
	var list []change
	for _, r := range s.Resources {
		doc, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		c, err := documentChange("resource", r.ID, doc, resources)
		if err != nil {
			return nil, err
		}
		c.do = func(ctx context.Context) error { return h.putResource(ctx, r.ID, doc) }
		list = append(list, c)
	}
	for _, sc := range s.Clients {
		c, err := h.planClient(ctx, sc, clients)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	users, err := h.planUsers(ctx, s.Users)
	if err != nil {
		return nil, err
	}
	list = append(list, users...)
	return slices.DeleteFunc(list, func(c change) bool { return c.Action == "" }), nil
}

// canSign refuses clients that want an algorithm which is not enabled.
func (h *house) canSign(clients []*oauth.Client) error {
	var fs faults
	for _, c := range clients {
		for _, alg := range wantedAlgs([]*oauth.Client{c}) {
			if !slices.Contains(h.cfg.Tokens.Algs, alg) {
				fs.add("", "client "+string(c.ID), "wants %s, which is not in tokens.algs", alg)
			}
		}
	}
	return fs.err()
}

// documentChange compares a document with the stored one of that name. The Action is "" where they are the same.
func documentChange(kind, id string, doc []byte, stored []oauth.Document) (change, error) {
	c := change{Kind: kind, Name: id}
	i := slices.IndexFunc(stored, func(d oauth.Document) bool { return d.ID == id })
	if i < 0 {
		c.Action = "create"
		return c, nil
	}
	var want, have map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(doc, &want), json.Unmarshal(stored[i].JSON, &have)); err != nil {
		return c, fmt.Errorf("%s %q: %w", kind, id, err)
	}
	c.Fields = differing(have, want)
	if len(c.Fields) > 0 {
		c.Action = "update"
	}
	return c, nil
}

// differing lists the members that are not the same in both, as an operator names them.
func differing(a, b map[string]json.RawMessage) []string {
	var names []string
	for name := range maps.Keys(a) {
		if _, ok := b[name]; !ok {
			names = append(names, name)
		}
	}
	for name, v := range b {
		if !sameJSON(a[name], v) {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if strings.HasPrefix(name, "client_secret_") {
			names[i] = "client_secret"
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

// planClient keeps the stored hash where the declared secret already matches it: a hash made anew would be no change.
func (h *house) planClient(ctx context.Context, sc seedClient, stored []oauth.Document) (change, error) {
	want := *sc.Client
	if sc.secret != "" {
		sealer, err := h.theSealer(ctx)
		if err != nil {
			return change{}, err
		}
		under := sealer.Derive(deriveClientSecret)
		want.SecretHash = oauth.HashSecret(under[0], want.ID, sc.secret)
		if have := storedClient(stored, want.ID); have != nil && oauth.SecretMatches(under, have.SecretHash, want.ID, sc.secret) {
			want.SecretHash, want.OldHash, want.OldUntil = have.SecretHash, have.OldHash, have.OldUntil
		}
	}
	doc, err := json.Marshal(&want)
	if err != nil {
		return change{}, err
	}
	c, err := documentChange("client", string(want.ID), doc, stored)
	c.do = func(ctx context.Context) error { return h.putClient(ctx, &want) }
	return c, err
}

func storedClient(stored []oauth.Document, id ident.ClientID) *oauth.Client {
	for _, d := range stored {
		if d.ID == string(id) {
			if c, err := oauth.ParseClient(d.JSON); err == nil {
				return c
			}
		}
	}
	return nil
}

func (h *house) putClient(ctx context.Context, c *oauth.Client) error {
	doc, err := c.Document(clock().UTC())
	if err != nil {
		return err
	}
	if err := h.record(ctx, audit.Event{Type: "client.declared", Client: c.ID}); err != nil {
		return err
	}
	return h.db.PutClient(ctx, doc)
}

func (h *house) putResource(ctx context.Context, id string, doc []byte) error {
	if err := h.record(ctx, audit.Event{Type: "resource.declared", Data: map[string]string{"resource": id}}); err != nil {
		return err
	}
	return h.db.PutResource(ctx, oauth.Document{ID: id, JSON: doc, UpdatedAt: clock().UTC()})
}

func (h *house) planUsers(ctx context.Context, users []seedUser) ([]change, error) {
	if len(users) == 0 {
		return nil, nil
	}
	people, err := h.thePeople(ctx)
	if err != nil {
		return nil, err
	}
	var list []change
	var fs faults
	for _, su := range users {
		have, err := h.db.UserByIdentifier(ctx, authn.NormalizeIdentifier(su.user.Username))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		c, err := h.planUser(ctx, people, su, have)
		var weak authn.WeakPassword
		if errors.As(err, &weak) {
			fs.add(su.where, "", "password of %q is refused: %s", su.user.Username, weakWords(weak))
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, fs.err()
}

// planUser compares a declared user with the stored one, whose ID is "" where there is none.
func (h *house) planUser(ctx context.Context, people *authn.Service, su seedUser, have authn.User) (change, error) {
	c := change{Kind: "user", Name: su.user.Username, Action: "update"}
	want := have
	want.Username, want.Claims = su.user.Username, maps.Clone(have.Claims)
	if have.ID == "" {
		c.Action = "create"
		id, err := randomText(16)
		if err != nil {
			return c, err
		}
		want.ID, want.CreatedAt = ident.UserID(id), clock().UTC()
	}
	c.Fields = su.merge(&want)
	newTOTP := su.totp != nil && !h.totpMatches(want, su.totp)
	newPassword := false
	if su.password != "" {
		same, err := people.Holds(ctx, want, su.password)
		if err != nil {
			return c, err
		}
		newPassword = !same
	}
	if newTOTP {
		c.Fields = append(c.Fields, "totp_secret")
	}
	if newPassword {
		c.Fields = append(c.Fields, "password")
		judged := want
		if newTOTP {
			judged.TOTP = su.totp // only whether there is one counts
		}
		warn, err := tolerated(people.CheckPassword(judged, su.password))
		if err != nil {
			return c, err
		}
		c.Warn = warn
	}
	if have.ID != "" && len(c.Fields) == 0 {
		c.Action = ""
	}
	c.do = func(ctx context.Context) error {
		return h.putUser(ctx, people, want, su, newTOTP, newPassword, have.ID != "")
	}
	return c, nil
}

// merge puts what is declared into u, and returns the names of what differs.
func (su seedUser) merge(u *authn.User) []string {
	var fields []string
	if su.user.Email != "" && su.user.Email != u.Email {
		u.Email, u.EmailVerified = su.user.Email, false
		fields = append(fields, "email")
	}
	if su.verified != nil && *su.verified != u.EmailVerified {
		u.EmailVerified = *su.verified
		fields = append(fields, "email_verified")
	}
	for _, name := range slices.Sorted(maps.Keys(su.user.Claims)) {
		if v := su.user.Claims[name]; !sameJSON(u.Claims[name], v) {
			if u.Claims == nil {
				u.Claims = map[string]json.RawMessage{}
			}
			u.Claims[name] = v
			fields = append(fields, name)
		}
	}
	return fields
}

// putUser writes the person. A new password of somebody who was there before ends all of their sessions.
func (h *house) putUser(ctx context.Context, people *authn.Service, u authn.User, su seedUser, newTOTP, newPassword, existed bool) error {
	if err := h.record(ctx, audit.Event{Type: "user.declared", User: u.ID}); err != nil {
		return err
	}
	u.UpdatedAt = clock().UTC()
	err := h.db.PutUser(ctx, u)
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("user %q: another user has this username or e-mail", u.Username)
	}
	if err == nil && newTOTP {
		u, err = people.EnrolTOTP(ctx, u, su.totp)
	}
	if err == nil && newPassword {
		if u.PasswordHash, err = people.HashPassword(ctx, su.password); err == nil {
			err = h.db.PutUser(ctx, u)
		}
	}
	if err == nil && newPassword && existed {
		err = h.endSessions(ctx, u.ID, "password_changed")
	}
	return err
}

func (h *house) endSessions(ctx context.Context, user ident.UserID, reason string) error {
	m, err := h.theSessions(ctx)
	if err != nil {
		return err
	}
	_, err = m.EndAll(ctx, user, "", reason)
	return err
}

// totpMatches says whether u has that shared secret already.
func (h *house) totpMatches(u authn.User, secret []byte) bool {
	if len(u.TOTP) == 0 || h.sealer == nil {
		return false
	}
	have, err := h.sealer.Open("authn.totp/"+string(u.ID), u.TOTP)
	return err == nil && hmac.Equal(have, secret)
}

// tolerated turns what an operator may decide about a declared password into a warning: that it is easy to guess. That it
// is too short to sign in with stays an error.
func tolerated(err error) (warning string, _ error) {
	var weak authn.WeakPassword
	if !errors.As(err, &weak) || slices.Contains(weak.Codes, authn.TooShort) || slices.Contains(weak.Codes, authn.TooLong) {
		return "", err
	}
	return "the password is easy to guess: " + weakWords(weak), nil
}

func weakWords(w authn.WeakPassword) string {
	words := map[string]string{authn.TooShort: "too short", authn.TooLong: "too long", authn.Common: "too common",
		authn.ContainsIdentifier: "made of the name or address"}
	var list []string
	for _, code := range w.Codes {
		list = append(list, words[code])
	}
	return strings.Join(list, ", ")
}
