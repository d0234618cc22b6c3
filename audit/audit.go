// Package audit is the one door for "what happened": events, the hash chain that proves nothing
// was altered or removed, signed checkpoints that can leave the database, and their verification.
// It never decides, and never logs. An event is durable before the act that it describes; if it
// cannot be written, the act fails.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// Outcome is how an act ended.
type Outcome string

// Outcomes.
const (
	OK     Outcome = "ok"
	Denied Outcome = "denied" // policy or the person said no
	Failed Outcome = "failed" // wrong credential, replay, bad request
)

// Event is one thing that happened. Data holds small facts (never a secret, at most 16 entries);
// personal data stands only in User, IP and Agent, which are left out of telemetry.
type Event struct {
	Type    string            `json:"type"` // noun.verb in the past tense: "session.started"
	Outcome Outcome           `json:"outcome"`
	Actor   string            `json:"actor,omitempty"` // "user", "client", "operator", "system"
	User    ident.UserID      `json:"user,omitempty"`
	Client  ident.ClientID    `json:"client,omitempty"`
	Session ident.SessionID   `json:"session,omitempty"`
	Grant   ident.GrantID     `json:"grant,omitempty"`
	Device  ident.DeviceID    `json:"device,omitempty"`
	Reason  string            `json:"reason,omitempty"`     // a code, not prose
	IP      string            `json:"ip,omitempty"`         // given to Record, and read where it was not erased; not part of the chain
	Address string            `json:"ip_address,omitempty"` // commitment to IP; only Record sets it
	Agent   string            `json:"agent,omitempty"`
	Request string            `json:"request,omitempty"`
	Data    map[string]string `json:"data,omitempty"`
	// Evidence is JSON that proves the act to others, such as what a person signed: at most 6 KiB, kept whole or not at all,
	// and left out of telemetry.
	Evidence json.RawMessage `json:"evidence,omitempty"`
}

// Entry is an event in its chain. Each running process writes a stream of its own, so that no two
// writers ever wait for one another; Hash covers Stream, Seq, At, Prev and Body.
type Entry struct {
	Stream string
	Seq    int64             // from 1, without gaps
	At     time.Time         // UTC, microseconds
	Prev   [sha256.Size]byte // Hash of Seq-1; zero for 1
	Hash   [sha256.Size]byte
	User   ident.UserID // copied from the event, so that a person's own activity can be found
	Type   string
	Body   []byte // the event as JSON, exactly the bytes that were hashed

	// The address stands beside the chain, which holds a commitment to it, so that it can be erased.
	IP   string
	Salt []byte // of the commitment
}

// Head is the last entry of a stream.
type Head struct {
	Stream string            `json:"stream"`
	Seq    int64             `json:"seq"`
	Hash   [sha256.Size]byte `json:"-"`
}

// Store keeps entries. Engines implement it; nothing ever deletes one, or changes what is chained.
type Store interface {
	// AppendAudit writes entries in one transaction, all or none; store.ErrExists if one (Stream, Seq) is there.
	AppendAudit(ctx context.Context, entries []Entry) error
	// ReadAudit returns up to limit entries of stream with Seq >= from, in order.
	ReadAudit(ctx context.Context, stream string, from int64, limit int) ([]Entry, error)
	// AuditHeads returns the last entry of every stream, ordered by stream.
	AuditHeads(ctx context.Context) ([]Head, error)
	// AuditOfUser returns up to limit entries about user older than before, newest first.
	AuditOfUser(ctx context.Context, user ident.UserID, before time.Time, limit int) ([]Entry, error)
	// EraseAddresses removes IP and Salt of up to limit entries older than before, the oldest first, and returns how many had any.
	EraseAddresses(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Recorder writes events. Record returns when the event is durable.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}
