package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// FULL: a commit is on the disk before it is acknowledged, so that a kill or
// a power cut loses nothing; in WAL mode that is one fsync a transaction.
const (
	litePragmas = `PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;`
	liteWrite   = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000;`
	liteRead    = `PRAGMA query_only = ON; PRAGMA cache_size = -4000;`
)

var (
	liteBegin    = sql(`BEGIN IMMEDIATE`)
	liteCommit   = sql(`COMMIT`)
	liteRollback = sql(`ROLLBACK`)
)

// lite is SQLite: one connection writes, batch by batch; others read beside it. A database in
// memory has one connection for both.
type lite struct {
	path    string
	writer  chan *liteConn // one, or lent
	readers chan *liteConn // idle ones; nil stands for one that is not open yet
	lane    *lane
}

func openLite(path string, readers int) (*lite, error) {
	// The driver would read options from behind a ?, and SQLite a URI from "file:".
	if path == "" || strings.HasPrefix(path, "file:") || strings.ContainsAny(path, "?\x00") {
		return nil, errors.New("sqlite: the DSN must be a file's path without ? or file:, or :memory:")
	}
	if path != ":memory:" {
		// Made before SQLite makes it, so that only the owner can read it; WAL files inherit the mode.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	w, err := newLiteConn(path, litePragmas+liteWrite)
	if err != nil {
		return nil, err
	}
	l := &lite{path: path, writer: make(chan *liteConn, 1)}
	l.writer <- w
	if path == ":memory:" {
		l.readers = l.writer
	} else {
		l.readers = make(chan *liteConn, readers)
		for range readers {
			l.readers <- nil
		}
	}
	l.lane = newLane(l)
	return l, nil
}

func (l *lite) write(ctx context.Context, o *op) error { return l.lane.do(ctx, o) }

// transact is the lane's runner.
func (l *lite) transact(ops []*op) error {
	c := <-l.writer
	defer func() { l.writer <- c }()
	if err := c.control(liteBegin); err != nil {
		return err
	}
	for _, o := range ops {
		if err := c.run(o); err != nil {
			c.control(liteRollback) // fails only where SQLite has rolled back already
			return err
		}
	}
	if err := c.control(liteCommit); err != nil {
		c.control(liteRollback)
		return err
	}
	return nil
}

func (l *lite) read(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := l.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { l.readers <- c }()
	for attempt := 0; ; attempt++ {
		o.begin()
		if err = c.run(o); err == nil {
			return o.err
		}
		if f, _ := faultOf(err); f != transient || attempt == retries {
			return err
		}
		time.Sleep(time.Millisecond << attempt)
	}
}

func (l *lite) reader(ctx context.Context) (*liteConn, error) {
	var c *liteConn
	select {
	case c = <-l.readers:
	default:
		select {
		case c = <-l.readers:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if c != nil {
		if c.closed {
			l.readers <- c
			return nil, errClosed
		}
		return c, nil
	}
	c, err := newLiteConn(l.path, litePragmas+liteRead)
	if err != nil {
		l.readers <- nil
		return nil, err
	}
	return c, nil
}

func (l *lite) ping(ctx context.Context) error {
	return l.read(ctx, newOp(qPing).rows(func(*row) {}))
}

// close drains the lane and closes every connection, the writer last: it then folds the WAL into the file.
func (l *lite) close() error {
	l.lane.close()
	if l.readers != l.writer {
		for range cap(l.readers) {
			if c := <-l.readers; c != nil {
				c.close()
			}
		}
		for range cap(l.readers) {
			l.readers <- &liteConn{closed: true}
		}
	}
	w := <-l.writer
	err := w.close()
	l.writer <- w
	return err
}

// liteConn is a connection with its prepared statements. One goroutine at a time uses it.
type liteConn struct {
	c      driver.Conn
	stmts  map[*query]liteStmt
	named  []driver.NamedValue
	closed bool
}

type liteStmt interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newLiteConn(path, pragmas string) (*liteConn, error) {
	d, err := (&sqlite.Driver{}).Open(path)
	if err != nil {
		return nil, err
	}
	c := &liteConn{c: d, stmts: map[*query]liteStmt{}}
	if err := c.script(pragmas); err != nil {
		d.Close()
		return nil, err
	}
	return c, nil
}

func (c *liteConn) script(text string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

func (c *liteConn) close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	for _, s := range c.stmts {
		s.(driver.Stmt).Close()
	}
	return c.c.Close()
}

// run executes the steps of o. Contexts stay outside: the driver would start a goroutine for each.
func (c *liteConn) run(o *op) error {
	for i := range o.steps {
		if err := c.step(o, &o.steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *liteConn) control(q *query) error { return c.step(nil, &step{q: q}) }

func (c *liteConn) step(o *op, s *step) error {
	st, err := c.prepared(s.q)
	if err != nil {
		return err
	}
	c.named = c.named[:0]
	for i, a := range s.q.args {
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: s.args[a]})
	}
	if s.each != nil {
		return c.rows(st, o, s)
	}
	res, err := st.ExecContext(context.Background(), c.named)
	if err != nil {
		return err
	}
	s.n, err = res.RowsAffected()
	return err
}

func (c *liteConn) prepared(q *query) (liteStmt, error) {
	if c.closed {
		return nil, errClosed
	}
	if st, ok := c.stmts[q]; ok {
		return st, nil
	}
	s, err := c.c.(driver.ConnPrepareContext).PrepareContext(context.Background(), q.lite)
	if err != nil {
		return nil, err
	}
	st := s.(liteStmt)
	c.stmts[q] = st
	return st, nil
}

func (c *liteConn) rows(st liteStmt, o *op, s *step) error {
	rows, err := st.QueryContext(context.Background(), c.named)
	if err != nil {
		return err
	}
	r := row{lite: make([]driver.Value, len(rows.Columns()))}
	for {
		if err = rows.Next(r.lite); err != nil {
			break
		}
		s.n++
		r.i = 0
		s.each(&r)
	}
	if err == io.EOF {
		err = nil
	}
	o.err = errors.Join(o.err, r.err)
	return errors.Join(err, rows.Close())
}
