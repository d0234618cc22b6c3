package sqldb

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// A query is one statement of the set that both engines share. Arguments are $1, $2, … of type
// int64, string or []byte, each always of the same type; results are integers, text or bytes.
// What only PostgreSQL has to be told stands in the text as a word with an @:
// @share locks the rows read until the transaction ends, @skip locks them and passes over rows that others locked.
// SQLite has one writer, so that it needs neither.
type query struct {
	name string
	pg   string
	lite string // with ? in place of $1, $2, …
	args []int  // which argument each ? takes, from 0
}

var queryCount int

// sql makes a query; package variables only, so that the set is complete before the first connection.
func sql(text string) *query {
	queryCount++
	q := &query{name: fmt.Sprintf("postern_%d", queryCount)}
	q.pg = strings.NewReplacer("@share", "FOR SHARE OF s", "@skip", "FOR UPDATE SKIP LOCKED").Replace(text)
	text = strings.NewReplacer("@share", "", "@skip", "").Replace(text)
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' {
			b.WriteByte(text[i])
			continue
		}
		n := 0
		for i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
			i++
			n = n*10 + int(text[i]-'0')
		}
		q.args = append(q.args, n-1)
		b.WriteByte('?')
	}
	q.lite = b.String()
	return q
}

// A step is one statement of an op. n is the number of rows that it returned, or else changed.
type step struct {
	q    *query
	args []any
	each func(*row) // called for each row; on a retry it is called again
	n    int64
}

// An op is what is done in one transaction: its outcome derives from n of its steps and the rows
// that they returned, never from a read in between, so that ops can be committed together.
type op struct {
	steps []step
	lock  lock
	solo  bool   // may break a constraint: never shares a transaction
	long  bool   // reads many rows
	logs  bool   // writes to the log of revocations
	reset func() // before each attempt, where each appends
	err   error  // a row could not be decoded

	state atomic.Int32
	done  chan error
}

// The states of an op. A caller who gives up moves it from waiting to abandoned; it then never runs.
const (
	waiting int32 = iota
	running
	abandoned
)

// lock orders the ops of one transaction by the row that they lock first, so that two nodes
// which write the same rows wait for one another instead of deadlocking.
type lock struct {
	table byte
	key   string
}

func (l lock) compare(m lock) int {
	if l.table != m.table {
		return int(l.table) - int(m.table)
	}
	return strings.Compare(l.key, m.key)
}

// newOp makes an op of one step.
func newOp(q *query, args ...any) *op {
	return &op{steps: []step{{q: q, args: args}}}
}

func (o *op) then(q *query, args ...any) *op {
	o.steps = append(o.steps, step{q: q, args: args})
	return o
}

// rows has f called for each row of the last step.
func (o *op) rows(f func(*row)) *op {
	o.steps[len(o.steps)-1].each = f
	return o
}

func (o *op) locks(table byte, key string) *op {
	o.lock = lock{table, key}
	return o
}

func (o *op) begin() {
	o.err = nil
	for i := range o.steps {
		o.steps[i].n = 0
	}
	if o.reset != nil {
		o.reset()
	}
}

// errText refuses what PostgreSQL cannot store as text: without this look, one hostile string
// would make a whole batch fail and run again op by op.
var errText = errors.New("sqldb: text is not valid UTF-8 or contains NUL")

func (o *op) check() error {
	for i := range o.steps {
		for _, a := range o.steps[i].args {
			if s, ok := a.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
				return errText
			}
		}
	}
	return nil
}

// fault is what an error of a driver means to us.
type fault int

const (
	other     fault = iota
	unique          // a primary key or unique constraint
	checked         // a check constraint
	transient       // nothing happened, try again: deadlock, serialization, busy, a statement to prepare anew
)

// The server forgot a prepared statement, or its result changed with the schema: a new connection knows it anew.
const unprepared, outgrown = "26000", "0A000"

// faultOf classifies err; back is true if the engine says that nothing of the transaction happened.
func faultOf(err error) (f fault, back bool) {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pe.Code {
		case "23505":
			return unique, true
		case "23514":
			return checked, true
		case "40001", "40P01", "55P03", unprepared, outgrown:
			return transient, true
		}
		// A FATAL error can come after the commit record (57P01 while waiting for a standby).
		return other, pe.SeverityUnlocalized == "ERROR"
	}
	if se, ok := errors.AsType[*sqlite.Error](err); ok {
		switch se.Code() & 0xff {
		case lib.SQLITE_CONSTRAINT:
			if se.Code() == lib.SQLITE_CONSTRAINT_CHECK {
				return checked, true
			}
			return unique, true
		case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
			return transient, true
		}
		return other, true
	}
	if err != nil && pgconn.SafeToRetry(err) {
		return transient, true // nothing was sent
	}
	return other, false
}
