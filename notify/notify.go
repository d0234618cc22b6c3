// Package notify owns what the owner of an account is told about it: a durable outbox, its delivery by mail, and the
// one-time "this was not me" links. It never decides that something happened, never words a mail (the pages do), and
// never logs or shows an address: what a mail holds lies sealed until it is sent.
package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// Kind is what a message tells.
type Kind string

// Kinds of messages.
const (
	NewDevice         Kind = "new_device"
	NewPlace          Kind = "new_place"
	FactorAdded       Kind = "factor_added"
	FactorChanged     Kind = "factor_changed"
	FactorRemoved     Kind = "factor_removed"
	PasswordChanged   Kind = "password_changed"
	RecoveryStarted   Kind = "recovery_started"   // with URL
	RecoveryReady     Kind = "recovery_ready"     // with URL: the cool-down is over
	RecoveryCancelled Kind = "recovery_cancelled" //
	RecoveryDone      Kind = "recovery_done"
	RecoveryCodesLow  Kind = "recovery_codes_low" // with Left
	SessionsRevoked   Kind = "sessions_revoked"
)

// Names of what Message.Data may hold. Values are what the person knows, never a secret except Secret.
const (
	Device  = "device"  // family only: "Chrome on Windows"
	Country = "country" // ISO 3166-1 alpha-2
	Factor  = "factor"  // passkey, totp, codes, password
	Name    = "name"    // as the person calls a passkey
	Left    = "left"    // recovery codes that are left
	Until   = "until"   // RFC 3339: when a recovery can end
	Account = "account" // username or address; Tell fills it in
	URL     = "url"     // where a recovery goes on; made from Secret
	Secret  = "secret"  // of that link; taken out before anybody reads the message
)

// Message is one thing that a person is told.
type Message struct {
	ID        string
	User      ident.UserID
	Kind      Kind
	Lang      string // BCP 47, or "" for the deployment's own
	To        string // address
	Data      map[string]string
	Session   ident.SessionID // that it is about, or ""
	CreatedAt time.Time
	NotBefore time.Time // of the next attempt; zero once it was given up
	SentAt    time.Time // zero until then
	Attempts  int
}

// Record is a Message as it lies in the outbox: address, data and the secret of its link are in Sealed.
type Record struct {
	ID        string
	User      ident.UserID
	Kind      Kind
	Lang      string
	Session   ident.SessionID
	Sealed    []byte // at most 16 KiB
	CreatedAt time.Time
	NotBefore time.Time
	SentAt    time.Time
	Attempts  int
}

// Store keeps the outbox. Engines implement it.
type Store interface {
	// EnqueueMail inserts r. Where dedup is not "" and was used before with an until that is not over, nothing is
	// inserted: store.ErrExists. So it is for an ID that is there.
	EnqueueMail(ctx context.Context, r Record, dedup string, until time.Time) error
	// DueMail claims up to limit that are neither sent nor given up and due (NotBefore <= now), the longest due first,
	// for one caller among all nodes: it moves their NotBefore to now+lease and returns them so, with Attempts one higher.
	DueMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Record, error)
	// MailSent marks it as sent; store.ErrNotFound.
	MailSent(ctx context.Context, id string, at time.Time) error
	// MailFailed has it tried again at next, or never where next is zero; store.ErrNotFound. What was sent stays sent.
	MailFailed(ctx context.Context, id string, next time.Time) error
	// DropMail removes what was not sent yet of this kind and person.
	DropMail(ctx context.Context, user ident.UserID, kind Kind) error
	// Mails returns up to limit, newest first, sent or not.
	Mails(ctx context.Context, limit int) ([]Record, error)
}

// Sealer encrypts what must be read again; keys.Sealer is one.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

// Render words a message; link is its "this was not me", absolute. The pages have one.
type Render func(m Message, link string) (subject, text, html string, err error)

// Options are what a Service stands on. All must be set, except Transport (then messages stay in the outbox, where the
// development page shows them), Rand (crypto/rand) and Country.
type Options struct {
	Store       Store
	Sealer      Sealer
	Ephemeral   store.Ephemeral
	Render      Render
	Transport   Transport
	Audit       audit.Recorder
	Now         func() time.Time
	Rand        io.Reader
	Country     func(netip.Addr) string // ISO 3166-1 alpha-2, or "" where that is not known; nil knows none
	BaseURL     string                  // https://host, of the links
	NotMePath   string                  // /not-me?t=, before the secret
	RecoverPath string                  // /recover/go?t=, before the secret
	From        string                  // address, with or without a name
}

// Service tells.
type Service struct {
	o    Options
	from mail.Address
	wake chan struct{}
}

const (
	// LinkLife is how long a "this was not me" link works.
	LinkLife  = 7 * 24 * time.Hour
	maxSealed = 16 << 10
)

// New returns a Service, or an error for a missing part.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Sealer == nil || o.Ephemeral == nil || o.Render == nil || o.Audit == nil || o.Now == nil || o.BaseURL == "" {
		return nil, errors.New("notify: Store, Sealer, Ephemeral, Render, Audit, Now and BaseURL are needed")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.NotMePath == "" {
		o.NotMePath = "/not-me?t="
	}
	if o.RecoverPath == "" {
		o.RecoverPath = "/recover/go?t="
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	s := &Service{o: o, wake: make(chan struct{}, 1)}
	if o.Transport != nil || o.From != "" {
		a, err := mail.ParseAddress(o.From)
		if err != nil || !printable(o.From) {
			return nil, fmt.Errorf("notify: %q is not an address to send from", o.From)
		}
		s.from = *a
	}
	return s, nil
}

// Note is what to tell.
type Note struct {
	Kind      Kind
	Lang      string            // "" takes the person's `locale`
	Data      map[string]string // at most 16 entries
	Session   ident.SessionID   // that it is about, so that "this was not me" can end it
	Dedup     string            // the same kind and Dedup is told once in 24 hours; "" always tells
	NotBefore time.Time         // zero: now
}

// letter is what a Record seals.
type letter struct {
	To   string            `json:"to"`
	Data map[string]string `json:"data,omitempty"`
	Link string            `json:"link"` // secret of "this was not me"
}

// Tell puts n into the outbox for u, and nothing else: delivery is for Run. Who has no address is told nothing, and
// nobody (the zero User) is told nothing in the same time.
func (s *Service) Tell(ctx context.Context, u authn.User, n Note) error {
	now := s.o.Now().UTC()
	id, err := s.random(16)
	if err != nil {
		return err
	}
	link, err := s.random(32)
	if err != nil {
		return err
	}
	if u.ID == "" || u.Email == "" {
		return s.nothing(ctx, id, now)
	}
	data := map[string]string{Account: u.Username}
	for k, v := range n.Data {
		data[k] = v
	}
	plain, err := json.Marshal(letter{To: u.Email, Data: data, Link: link})
	if err != nil {
		return fmt.Errorf("notify: tell: %w", err)
	}
	if len(plain) > maxSealed/2 || len(data) > 17 {
		return errors.New("notify: too much to tell")
	}
	sealed, err := s.o.Sealer.Seal(purpose(id), plain)
	if err != nil {
		return fmt.Errorf("notify: tell: %w", err)
	}
	r := Record{ID: id, User: u.ID, Kind: n.Kind, Lang: n.Lang, Session: n.Session, Sealed: sealed, CreatedAt: now, NotBefore: n.NotBefore.UTC()}
	if r.Lang == "" {
		r.Lang = langOf(u)
	}
	if n.NotBefore.IsZero() {
		r.NotBefore = now
	}
	dedup := ""
	if n.Dedup != "" {
		dedup = string(u.ID) + "\x00" + string(n.Kind) + "\x00" + n.Dedup
	}
	if err := s.o.Store.EnqueueMail(ctx, r, dedup, now.Add(24*time.Hour)); err != nil && !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("notify: tell: %w", err)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// nothing takes as long as telling: one durable write.
func (s *Service) nothing(ctx context.Context, id string, now time.Time) error {
	if err := s.o.Ephemeral.Put(ctx, store.KeyOf("notify.nothing", id), []byte{1}, now.Add(time.Minute)); err != nil {
		return fmt.Errorf("notify: tell: %w", err)
	}
	return nil
}

// Recovery tells u the news of a recovery of their account; it is what authn.Options.TellRecovery wants.
func (s *Service) Recovery(ctx context.Context, u authn.User, n authn.RecoveryNews) error {
	data := map[string]string{Device: sessions.FamilyOf(n.Env.UserAgent)}
	if s.o.Country != nil && n.Env.IP.IsValid() {
		data[Country] = s.o.Country(n.Env.IP)
	}
	if n.Secret != "" {
		data[Secret] = n.Secret
	}
	if !n.ReadyAt.IsZero() {
		data[Until] = n.ReadyAt.UTC().Format(time.RFC3339)
	}
	note := Note{Data: data}
	switch n.Step {
	case authn.RecoveryRequested:
		note.Kind = RecoveryStarted
	case authn.RecoveryOpened:
		note.Kind, note.NotBefore, note.Dedup = RecoveryReady, n.ReadyAt, n.ID
	case authn.RecoveryCancelled:
		note.Kind = RecoveryCancelled
	case authn.RecoveryDone:
		note.Kind = RecoveryDone
	}
	if n.Step == authn.RecoveryCancelled || n.Step == authn.RecoveryDone {
		if err := s.o.Store.DropMail(ctx, u.ID, RecoveryReady); err != nil {
			return fmt.Errorf("notify: recovery: %w", err)
		}
	}
	return s.Tell(ctx, u, note)
}

// Outbox returns the newest messages, open, with the link of each: for the development page only.
func (s *Service) Outbox(ctx context.Context, limit int) (messages []Message, links []string, err error) {
	records, err := s.o.Store.Mails(ctx, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("notify: outbox: %w", err)
	}
	for _, r := range records {
		m, l, err := s.open(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		messages, links = append(messages, m), append(links, l)
	}
	return messages, links, nil
}

// Word renders m as it is sent.
func (s *Service) Word(m Message, link string) (subject, text, html string, err error) {
	return s.o.Render(m, link)
}

// open unseals r and makes its link work.
func (s *Service) open(ctx context.Context, r Record) (Message, string, error) {
	plain, err := s.o.Sealer.Open(purpose(r.ID), r.Sealed)
	if err != nil {
		return Message{}, "", fmt.Errorf("notify: open: %w", err)
	}
	var l letter
	if err := json.Unmarshal(plain, &l); err != nil {
		return Message{}, "", fmt.Errorf("notify: open: %w", err)
	}
	m := Message{
		ID: r.ID, User: r.User, Kind: r.Kind, Lang: r.Lang, To: l.To, Data: l.Data, Session: r.Session,
		CreatedAt: r.CreatedAt, NotBefore: r.NotBefore, SentAt: r.SentAt, Attempts: r.Attempts,
	}
	if secret := m.Data[Secret]; secret != "" {
		m.Data[URL] = s.o.BaseURL + s.o.RecoverPath + secret
	}
	delete(m.Data, Secret)
	if err := s.arm(ctx, m, l.Link); err != nil {
		return Message{}, "", err
	}
	return m, s.o.BaseURL + s.o.NotMePath + l.Link, nil
}

// purpose binds what is sealed to its row.
func purpose(id string) string { return "notify.mail/" + id }

func langOf(u authn.User) (lang string) {
	if err := json.Unmarshal(u.Claims["locale"], &lang); err != nil || len(lang) > 35 { // RFC 5646 §4.4.1
		return ""
	}
	return lang
}

func (s *Service) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		return "", fmt.Errorf("notify: random: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
