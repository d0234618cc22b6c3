package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/engine/redisdb"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/keys/transit"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth/meta"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/riskstep/geo"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
	"github.com/postern-id/postern/web"
)

// clock and random are the only sources of time and randomness of the product; everything else is given them.
var (
	clock            = func() time.Time { return time.Now() }
	random io.Reader = rand.Reader
)

// The names under which secrets are derived from the data keys. They are for ever.
const (
	deriveClientSecret = "client-secret"
	deriveRisk         = "risk-profile"
	deriveDevice       = "device"
	deriveCounters     = "counters"
)

const (
	auditOverlap = 100 * 365 * day // a checkpoint must verify for as long as anybody asks
	connectLimit = 10 * time.Second
)

// house holds the parts of the server, each built when it is first needed: a command that only reads never opens an
// audit stream, and one that prints a key never hashes a password. It is for one goroutine until it is built.
type house struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics // nil in commands
	db      *sqldb.DB
	feed    *meta.Feed  // nil in commands
	redis   *redisdb.DB // nil where none is configured

	sealer  *keys.Sealer
	tokens  *keys.Ring
	journal *audit.Writer
	people  *authn.Service
	risk    *riskstep.Engine
	session *sessions.Manager
	notices *notify.Service
	dev     bool // what would be mailed is shown instead
	pseudo  int  // by how many percent dev makes the texts of pages longer
	atlas   *geo.Atlas
}

// openHouse connects to the database and to Redis. The error is coded exitUnreachable where one does not answer.
func openHouse(ctx context.Context, cfg Config, log *slog.Logger) (*house, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	h := &house{cfg: cfg, log: log}
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: cfg.Database.Driver, DSN: cfg.Database.DSN, Now: clock, MaxConns: cfg.Database.MaxConns, Revoked: h.wrote})
	if err == nil {
		if err = db.Ping(ctx); err != nil {
			db.Close()
		}
	}
	if err != nil {
		return nil, unreachable("the database does not answer (database.dsn %s): %s", redactURL(cfg.Database.DSN), oneBreath(err))
	}
	h.db = db
	if cfg.Redis.URL == "" {
		return h, nil
	}
	if h.redis, err = redisdb.Open(ctx, redisdb.Options{URL: cfg.Redis.URL, Prefix: cfg.Redis.Prefix, Now: clock}); err == nil {
		err = h.redis.Ping(ctx)
	}
	if err != nil {
		h.close(ctx)
		return nil, unreachable("Redis does not answer (redis.url %s): %s", redactURL(cfg.Redis.URL), oneBreath(err))
	}
	return h, nil
}

// close ends what was opened, in the order in which the parts stand on one another.
func (h *house) close(ctx context.Context) error {
	var errs []error
	if h.journal != nil {
		errs = append(errs, h.journal.Close(ctx))
	}
	if h.redis != nil {
		errs = append(errs, h.redis.Close())
	}
	return errors.Join(append(errs, h.db.Close())...)
}

// migrated refuses a database on which migrations are pending; with up it applies them first.
func (h *house) migrated(ctx context.Context, up bool) error {
	if up {
		applied, err := h.db.Migrate(ctx)
		if len(applied) > 0 {
			h.log.Info("migrated", "applied", strings.Join(applied, " "))
		}
		return err
	}
	pending, err := h.db.Pending(ctx)
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("the database lacks %d migrations: run 'postern migrate up', or set database.migrate", len(pending))
	}
	return err
}

// ephemeral is where short-lived values are kept.
func (h *house) ephemeral() store.Ephemeral {
	if h.redis != nil {
		return h.redis
	}
	return h.db
}

// counters count under names that an engine cannot read: they hold networks, and names of accounts.
func (h *house) counters() store.Counters {
	c := blindCounters{h.db, h.sealer.Anchor(deriveCounters)}
	if h.redis != nil {
		c.Counters = h.redis
	}
	return c
}

func (h *house) masters() ([]keys.Master, error) {
	var list []keys.Master
	s := h.cfg.Secrets
	if s.KMS.URL != "" {
		m, err := transit.New(transitOptions(s.KMS))
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	for _, text := range append([]string{s.Master}, s.Previous...) {
		if text == "" {
			continue
		}
		m, err := keys.ParseMaster(text)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func transitOptions(k KMSConfig) transit.Options {
	return transit.Options{URL: k.URL, Mount: k.Mount, Key: k.Key, Token: k.Token, TokenFile: k.TokenFile}
}

func (h *house) theSealer(ctx context.Context) (*keys.Sealer, error) {
	if h.sealer != nil {
		return h.sealer, nil
	}
	masters, err := h.masters()
	if err != nil {
		return nil, err
	}
	h.sealer, err = keys.NewSealer(ctx, keys.SealerOptions{Store: h.db, Masters: masters, Now: clock, Rand: random})
	return h.sealer, err
}

// ring opens the keys of a use: "token", "enc" (which the ring of tokens keeps too), or "audit" for checkpoints.
func (h *house) ring(ctx context.Context, use string) (*keys.Ring, error) {
	sealer, err := h.theSealer(ctx)
	if err != nil {
		return nil, err
	}
	k, o := h.cfg.Keys, keys.RingOptions{Store: h.db, Sealer: sealer, Use: use, Now: clock}
	if use == "audit" {
		o.Algs, o.Overlap = []string{keys.ES256}, auditOverlap
		return keys.NewRing(ctx, o)
	}
	o.Algs = []string{h.cfg.Tokens.Alg}
	for _, alg := range h.cfg.Tokens.Algs {
		if alg != h.cfg.Tokens.Alg {
			o.Algs = append(o.Algs, alg)
		}
	}
	o.Use, o.EncAlgs = "token", h.cfg.Tokens.Decryption
	o.Every, o.Ahead, o.Overlap = k.Rotate.D(), k.Ahead.D(), k.Overlap.D()
	return keys.NewRing(ctx, o)
}

func (h *house) theTokens(ctx context.Context) (_ *keys.Ring, err error) {
	if h.tokens == nil {
		h.tokens, err = h.ring(ctx, "token")
	}
	return h.tokens, err
}

// theJournal opens an audit stream of this process.
func (h *house) theJournal(ctx context.Context) (_ *audit.Writer, err error) {
	if h.journal == nil {
		o := audit.WriterOptions{Store: h.db, Now: clock, Rand: random, NoIP: h.cfg.Audit.AddressRetention == 0}
		if h.metrics != nil {
			o.Observe = h.metrics.Observe
		}
		h.journal, err = audit.NewWriter(ctx, o)
	}
	return h.journal, err
}

// ground is what nearly every part stands on: what seals, and the trail.
func (h *house) ground(ctx context.Context) (*keys.Sealer, *audit.Writer, error) {
	sealer, err := h.theSealer(ctx)
	if err != nil {
		return nil, nil, err
	}
	journal, err := h.theJournal(ctx)
	return sealer, journal, err
}

// record writes what an operator does, before it is done.
func (h *house) record(ctx context.Context, e audit.Event) error {
	j, err := h.theJournal(ctx)
	if err != nil {
		return err
	}
	e.Actor, e.Outcome = "operator", audit.OK
	return j.Record(ctx, e)
}

func (h *house) thePeople(ctx context.Context) (*authn.Service, error) {
	if h.people != nil {
		return h.people, nil
	}
	sealer, journal, err := h.ground(ctx)
	if err != nil {
		return nil, err
	}
	o := authn.Options{
		Users: h.db, Passkeys: h.db, Recovery: h.db, Approvers: h.db, Ephemeral: h.ephemeral(), Counters: h.counters(), Sealer: sealer, Audit: journal,
		Now: clock, Rand: random, Policy: h.peoplePolicy(),
	}
	if h.canRecover() {
		notices, err := h.theNotices(ctx)
		if err != nil {
			return nil, err
		}
		o.TellRecovery = notices.Recovery
	}
	h.people, err = authn.New(o)
	return h.people, err
}

// canRecover says whether a lost account can come back: only where its owner can be told.
func (h *house) canRecover() bool { return h.cfg.Recovery.Enabled && (h.dev || h.cfg.Mail.Host != "") }

// peoplePolicy is how people may sign in.
func (h *house) peoplePolicy() authn.Policy {
	p := h.cfg.Password
	return authn.Policy{
		Password: p.Enabled, MinLengthSingle: p.MinLength, MinLengthWithSecond: p.MinLength2, BlocklistFile: p.BlocklistFile, BreachFile: p.BreachFile,
		Argon2:    authn.Argon2Params{MemoryKiB: uint32(p.MemoryKiB), Time: uint32(p.Passes), Parallelism: uint8(p.Threads)},
		HashSlots: p.Slots, Passkey: h.passkeyPolicy(), Recovery: authn.RecoveryPolicy{Off: !h.canRecover(), Cooldown: h.cfg.Recovery.Cooldown.D()},
		Approvers:        authn.ApproverPolicy{Roots: h.cfg.Approvers.Roots, Attested: h.cfg.Approvers.Attested},
		ProgramDecisions: h.cfg.Backchannel.Decisions,
	}
}

// passkeyPolicy is without a relying party where there can be no passkeys: an address is no domain.
func (h *house) passkeyPolicy() authn.PasskeyPolicy {
	p := h.cfg.Passkeys
	u, err := url.Parse(h.cfg.Issuer)
	if err != nil || !p.Enabled {
		return authn.PasskeyPolicy{}
	}
	id := p.RPID
	if id == "" {
		id = u.Hostname()
	}
	if net.ParseIP(id) != nil {
		return authn.PasskeyPolicy{}
	}
	return authn.PasskeyPolicy{RPID: id, RPName: p.Name, Origins: append([]string{u.Scheme + "://" + u.Host}, p.Origins...),
		Attestation: authn.Attestation(p.Attestation), Metadata: authn.MetadataPolicy{File: p.MetadataFile, Root: p.MetadataRoot}}
}

// theNotices is what tells people about their accounts.
func (h *house) theNotices(ctx context.Context) (*notify.Service, error) {
	if h.notices != nil {
		return h.notices, nil
	}
	sealer, journal, err := h.ground(ctx)
	if err != nil {
		return nil, err
	}
	words, err := web.MailWriter("")
	if err != nil {
		return nil, err
	}
	risk, err := h.theRisk(ctx)
	if err != nil {
		return nil, err
	}
	o := notify.Options{Country: func(ip netip.Addr) string { return risk.Locate(ip).Country },
		Store: h.db, Sealer: sealer, Ephemeral: h.ephemeral(), Render: words, Audit: journal, Now: clock, Rand: random,
		BaseURL: h.cfg.Issuer}
	if m := h.cfg.Mail; m.Host != "" {
		o.From, o.Transport = m.From, smtp(m)
	}
	h.notices, err = notify.New(o)
	return h.notices, err
}

func smtp(m MailConfig) notify.SMTP {
	return notify.SMTP{Host: m.Host, Port: m.Port, Security: notify.Security(m.Security), Username: m.Username, Password: m.Password}
}

func (h *house) theSessions(ctx context.Context) (*sessions.Manager, error) {
	if h.session != nil {
		return h.session, nil
	}
	sealer, journal, err := h.ground(ctx)
	if err != nil {
		return nil, err
	}
	s := h.cfg.Sessions
	p := sessions.Policy{Bearer: s.Bearer.D(), Raise: s.Raised.D(), RotateEvery: s.Rotate.D(), PerUser: s.PerUser}
	for rung, l := range map[ident.Assurance]LifeConfig{
		ident.AAL1: s.AAL1, ident.AAL2: s.AAL2, ident.PhishingResistant: s.PHR, ident.HardwareBound: s.PHRH,
	} {
		p.Lives[rung] = sessions.Life{Idle: l.Idle.D(), Absolute: l.Absolute.D()}
	}
	h.session, err = sessions.New(sessions.Options{Store: h.db, Audit: journal, Now: clock, Rand: random,
		DeviceKey: func() [][]byte { return sealer.Derive(deriveDevice) }, Policy: p, Locate: h.locate, Risk: h.judge()})
	return h.session, err
}

// locate is where ip is. The commands of operators have no risk engine, and no addresses to ask about.
func (h *house) locate(ip netip.Addr) riskstep.Place {
	if h.risk == nil {
		return riskstep.Place{}
	}
	return h.risk.Locate(ip)
}

// judge is who judges sessions in use; nobody for the commands of operators.
func (h *house) judge() sessions.Judge {
	if h.risk == nil {
		return nil
	}
	return h.risk
}

// randomText returns n random bytes in base64url.
func randomText(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("no randomness: %w", err)
	}
	b[0] &= 0x7f // begins with a letter: a command line would take a leading hyphen for a flag
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// listen opens a TCP listener; a taken port is said plainly.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		var oe *net.OpError
		if errors.As(err, &oe) && errors.Is(oe.Err, os.ErrPermission) {
			return nil, fmt.Errorf("cannot listen on %s: ports under 1024 need a privilege", address)
		}
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}
