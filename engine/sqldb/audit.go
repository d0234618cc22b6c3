package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const auditColumns = `stream, seq, at, prev, hash, user_id, type, body, ip, ip_salt`

// qAppend holds the statement for 1, 2, 4, … entries: one statement for several costs little more than for one.
var qAppend = [...]*query{appendOf(1), appendOf(2), appendOf(4), appendOf(8), appendOf(16), appendOf(32)}

func appendOf(n int) *query {
	var b strings.Builder
	b.WriteString(`INSERT INTO audit (` + auditColumns + `) VALUES `)
	for i := range n {
		if i > 0 {
			b.WriteString(`, `)
		}
		a := i * 10
		fmt.Fprintf(&b, `($%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d, $%d)`, a+1, a+2, a+3, a+4, a+5, a+6, a+7, a+8, a+9, a+10)
	}
	return sql(b.String())
}

var (
	qReadAudit = sql(`SELECT ` + auditColumns + ` FROM audit WHERE stream = $1 AND seq >= $2 ORDER BY seq LIMIT $3`)
	// From stream to stream by the index, so that the cost is that of the streams, not of the entries.
	qHeads = sql(`WITH RECURSIVE s (stream) AS (
			SELECT min(stream) FROM audit
			UNION ALL
			SELECT (SELECT min(a.stream) FROM audit a WHERE a.stream > s.stream) FROM s WHERE s.stream IS NOT NULL
		), h (stream, seq) AS (
			SELECT stream, (SELECT max(a.seq) FROM audit a WHERE a.stream = s.stream) FROM s WHERE s.stream IS NOT NULL
		)
		SELECT a.stream, a.seq, a.hash FROM h JOIN audit a ON a.stream = h.stream AND a.seq = h.seq ORDER BY a.stream`)
	qAuditOfUser = sql(`SELECT ` + auditColumns + ` FROM audit
		WHERE user_id = $1 AND user_id <> '' AND at < $2 ORDER BY at DESC, stream DESC, seq DESC LIMIT $3`)
)

// The primary key is the order of the table: the rows are found by an index of those alone that have an address.
var qEraseAddresses = sql(`UPDATE audit SET ip = '', ip_salt = $1
	WHERE (stream, seq) IN (SELECT stream, seq FROM audit WHERE ip <> '' AND at < $2 ORDER BY at, stream, seq LIMIT $3 @skip)`)

// EraseAddresses implements audit.Store.
func (db *DB) EraseAddresses(ctx context.Context, before time.Time, limit int) (int64, error) {
	return db.change(ctx, "erase addresses", newOp(qEraseAddresses, []byte{}, micros(before), atMost(limit)))
}

// AppendAudit implements audit.Store.
func (db *DB) AppendAudit(ctx context.Context, entries []audit.Entry) error {
	entries = slices.Clone(entries) // an op may outlive its caller's wait
	o := &op{}
	for size := len(qAppend) - 1; len(entries) > 0; {
		if 1<<size > len(entries) {
			size--
			continue
		}
		args := make([]any, 0, 10<<size)
		for i := range entries[:1<<size] {
			e := &entries[i]
			args = append(args, e.Stream, e.Seq, micros(e.At), e.Prev[:], e.Hash[:], string(e.User), e.Type, bytesOf(e.Body), e.IP, bytesOf(e.Salt))
		}
		o.then(qAppend[size], args...)
		entries = entries[1<<size:]
	}
	if len(o.steps) == 0 {
		return nil
	}
	_, err := db.change(ctx, "append audit", o)
	return translate(err, unique, store.ErrExists)
}

// translate adds domain to an err of kind f.
func translate(err error, f fault, domain error) error {
	if err == nil {
		return nil
	}
	if got, _ := faultOf(err); got == f {
		return fmt.Errorf("%w (%w)", domain, err)
	}
	return err
}

func scanEntry(r *row) audit.Entry {
	return audit.Entry{
		Stream: r.text(), Seq: r.int(), At: r.time(), Prev: r.hash(), Hash: r.hash(),
		User: ident.UserID(r.text()), Type: r.text(), Body: r.blob(), IP: r.text(), Salt: r.blob(),
	}
}

// ReadAudit implements audit.Store.
func (db *DB) ReadAudit(ctx context.Context, stream string, from int64, limit int) ([]audit.Entry, error) {
	return all(ctx, db, "read audit", scanEntry, qReadAudit, stream, from, atMost(limit))
}

// atMost bounds what one call can ask for.
func atMost(limit int) int64 { return int64(min(max(limit, 0), 10_000)) }

// AuditHeads implements audit.Store.
func (db *DB) AuditHeads(ctx context.Context) ([]audit.Head, error) {
	return all(ctx, db, "audit heads", func(r *row) audit.Head {
		return audit.Head{Stream: r.text(), Seq: r.int(), Hash: r.hash()}
	}, qHeads)
}

// AuditOfUser implements audit.Store.
func (db *DB) AuditOfUser(ctx context.Context, user ident.UserID, before time.Time, limit int) ([]audit.Entry, error) {
	return all(ctx, db, "audit of user", scanEntry, qAuditOfUser, string(user), micros(before), atMost(limit))
}
