package sqldb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	pgTimeout = 15 * time.Second // of one transaction
	pgStale   = time.Second      // a connection that rested longer is tried before it is trusted
)

// pg is PostgreSQL, spoken to through pgx's own wire protocol: our three types need no mapping,
// and a batch is one pipeline with one Sync, which the server runs as one transaction in one round trip.
type pg struct {
	config  *pgconn.Config
	now     func() time.Time
	writes  *lane // one worker: what waits is committed together, and never against itself
	points  *lane // look-ups by key: those that wait at the same time travel together
	lists   *lane // longer reads, which must not hold up the look-ups
	workers []*pgConn
}

func openPG(ctx context.Context, dsn string, readers int, now func() time.Time) (*pg, error) {
	c, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err // pgconn leaves the password out
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	for k, v := range map[string]string{
		"application_name": "postern", "jit": "off", "idle_in_transaction_session_timeout": "20000",
	} {
		if _, ok := c.RuntimeParams[k]; !ok {
			c.RuntimeParams[k] = v
		}
	}
	p := &pg{config: c, now: now}
	w := &pgConn{config: c, now: now}
	if err := w.ready(ctx); err != nil {
		return nil, err
	}
	p.workers = append(p.workers, w)
	p.writes = newLane(w)
	// Two workers for look-ups cost a third less CPU than eight, as each takes more at a time.
	p.points = p.readers((readers + 1) / 2)
	p.lists = p.points
	if rest := readers / 2; rest > 0 {
		p.lists = p.readers(rest)
	}
	return p, nil
}

func (p *pg) readers(n int) *lane {
	var rs []runner
	for range n {
		r := &pgConn{config: p.config, now: p.now, reads: true}
		p.workers, rs = append(p.workers, r), append(rs, r)
	}
	return newLane(rs...)
}

func (p *pg) read(ctx context.Context, o *op) error {
	if o.long {
		return p.lists.do(ctx, o)
	}
	return p.points.do(ctx, o)
}

func (p *pg) write(ctx context.Context, o *op) error { return p.writes.do(ctx, o) }

func (p *pg) ping(ctx context.Context) error {
	return p.read(ctx, newOp(qPing).rows(func(*row) {}))
}

func (p *pg) close() error {
	p.writes.close()
	p.points.close()
	p.lists.close()
	var errs []error
	for _, w := range p.workers {
		errs = append(errs, w.close())
	}
	return errors.Join(errs...)
}

// pgConn is one worker's connection, made when first needed and again after it broke.
type pgConn struct {
	config *pgconn.Config
	now    func() time.Time
	reads  bool // what it runs changes nothing, and can be run again whatever happened
	c      *pgconn.PgConn
	stmts  map[*query]*pgconn.StatementDescription
	used   time.Time

	scratch []byte // arguments of one statement
	values  [][]byte
}

var binaryFormat = []int16{1}

// ready makes sure that there is a connection which answers.
func (p *pgConn) ready(ctx context.Context) error {
	if p.c != nil && !p.c.IsClosed() {
		if p.now().Sub(p.used) < pgStale {
			return nil
		}
		if p.c.Ping(ctx) == nil {
			return nil
		}
	}
	p.close()
	c, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	p.c, p.stmts = c, map[*query]*pgconn.StatementDescription{}
	return nil
}

func (p *pgConn) close() error {
	if p.c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := p.c.Close(ctx)
	p.c = nil
	return err
}

// transact is a lane's runner.
func (p *pgConn) transact(ops []*op) error {
	if len(ops) > 1 {
		slices.SortStableFunc(ops, func(a, b *op) int { return a.lock.compare(b.lock) })
	}
	err := p.attempt(ops)
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && (pe.Code == unprepared || pe.Code == outgrown) {
		p.close()
	}
	if err != nil && p.reads && (p.c == nil || p.c.IsClosed()) {
		for _, o := range ops {
			o.begin()
		}
		err = p.attempt(ops)
	}
	return err
}

func (p *pgConn) attempt(ops []*op) error {
	ctx, cancel := context.WithTimeout(context.Background(), pgTimeout)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(ops, func(o *op) bool { return o.logs }) {
		ops = append([]*op{newOp(qLogTurn, logTurn)}, ops...)
	}
	if err := p.prepare(ctx, ops); err != nil {
		return err
	}
	line := p.c.StartPipeline(ctx)
	for _, o := range ops {
		for i := range o.steps {
			p.send(line, &o.steps[i])
		}
	}
	err := line.Sync()
	for _, o := range ops {
		for i := range o.steps {
			if err == nil {
				err = receive(line, o, &o.steps[i])
			}
		}
	}
	// Close reads up to the end of the transaction, and returns the error of its commit.
	if end := line.Close(); err == nil {
		err = end
	}
	p.used = p.now()
	return err
}

// prepare makes the server know the statements of ops.
func (p *pgConn) prepare(ctx context.Context, ops []*op) error {
	for _, o := range ops {
		for i := range o.steps {
			s := &o.steps[i]
			if _, ok := p.stmts[s.q]; ok {
				continue
			}
			oids := make([]uint32, len(s.args))
			for j, a := range s.args {
				oids[j] = oidOf(a)
			}
			sd, err := p.c.Prepare(ctx, s.q.name, s.q.pg, oids)
			if err != nil {
				return err
			}
			p.stmts[s.q] = sd
		}
	}
	return nil
}

func oidOf(a any) uint32 {
	switch a.(type) {
	case int64:
		return 20 // int8
	case string:
		return 25 // text
	case []byte:
		return 17 // bytea
	}
	panic(fmt.Sprintf("sqldb: argument of type %T", a)) // a mistake in this package, found by its first test
}

func (p *pgConn) send(line *pgconn.Pipeline, s *step) {
	if p.scratch == nil {
		p.scratch = make([]byte, 0, 512) // never nil: a nil value would be NULL
	}
	p.scratch, p.values = p.scratch[:0], p.values[:0]
	for _, a := range s.args {
		switch v := a.(type) {
		case int64:
			n := len(p.scratch)
			p.scratch = binary.BigEndian.AppendUint64(p.scratch, uint64(v))
			p.values = append(p.values, p.scratch[n:])
		case string:
			n := len(p.scratch)
			p.scratch = append(p.scratch, v...)
			p.values = append(p.values, p.scratch[n:])
		case []byte:
			p.values = append(p.values, v)
		}
	}
	line.SendQueryStatement(p.stmts[s.q], p.values, binaryFormat, binaryFormat[:min(1, len(p.stmts[s.q].Fields))])
}

func receive(line *pgconn.Pipeline, o *op, s *step) error {
	res, err := line.GetResults()
	if err != nil {
		return err
	}
	rr, ok := res.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("unexpected result %T", res)
	}
	if s.each != nil {
		r := row{}
		for rr.NextRow() {
			r.pg, r.i = rr.Values(), 0
			s.each(&r)
		}
		o.err = errors.Join(o.err, r.err)
	}
	tag, err := rr.Close()
	s.n = tag.RowsAffected()
	return err
}
