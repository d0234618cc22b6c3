package sqldb

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

const (
	maxBatch = 128     // ops in one transaction
	maxQueue = 1 << 14 // ops that wait; beyond, callers are refused rather than kept
	retries  = 5       // of an op that met a deadlock or a busy database
)

// Errors of the queue.
var (
	errClosed     = errors.New("sqldb: closed")
	errOverloaded = errors.New("sqldb: overloaded")
)

// A runner executes ops in one transaction, in one round trip where the engine allows. After an
// error for which faultOf says so, nothing of any op has happened.
type runner interface {
	transact(ops []*op) error
}

// A lane is a queue of ops with one or more workers. A worker takes all that waits, up to maxBatch,
// and commits it together; while it does, the next batch gathers. Nobody ever waits for a batch to fill.
type lane struct {
	mu      sync.Mutex
	some    sync.Cond
	queue   []*op
	taken   int // batches so far
	closed  bool
	workers sync.WaitGroup
}

func newLane(runners ...runner) *lane {
	l := &lane{}
	l.some.L = &l.mu
	for _, r := range runners {
		l.workers.Go(func() { l.work(r) })
	}
	return l
}

// do queues o and waits for its outcome. If ctx ends first, o is either never done, or done at
// some moment; its results must then not be touched.
func (l *lane) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.done = make(chan error, 1)
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return errClosed
	case len(l.queue) >= maxQueue:
		l.mu.Unlock()
		return errOverloaded
	}
	l.queue = append(l.queue, o)
	l.mu.Unlock()
	l.some.Signal()
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		o.state.CompareAndSwap(waiting, abandoned)
		return ctx.Err()
	}
}

// close refuses new ops, and returns when those that wait have been done.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.some.Broadcast()
	l.workers.Wait()
}

func (l *lane) work(r runner) {
	batch := make([]*op, 0, maxBatch)
	for {
		l.gather()
		batch = l.next(batch[:0])
		if len(batch) == 0 {
			return
		}
		commit(r, batch)
		clear(batch)
	}
}

// gather lets those run who are ready to, as long as more ops come of it, and four times at most.
// The callers whom the last commit answered are among them: without this, half of them miss the
// batch that takes the other half.
func (l *lane) gather() {
	for n, turns := -1, 4; turns > 0; turns-- {
		l.mu.Lock()
		now := len(l.queue)
		l.mu.Unlock()
		if now <= n || now >= maxBatch {
			return
		}
		n = now
		runtime.Gosched()
	}
}

// next waits for ops and returns those for the next transaction; none once the lane is closed and empty.
func (l *lane) next(batch []*op) []*op {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		n := 0
		for n < len(l.queue) && len(batch) < maxBatch {
			o := l.queue[n]
			if o.solo && len(batch) > 0 {
				break
			}
			n++
			if !o.state.CompareAndSwap(waiting, running) {
				continue
			}
			batch = append(batch, o)
			if o.solo {
				break
			}
		}
		rest := copy(l.queue, l.queue[n:])
		clear(l.queue[rest:])
		l.queue = l.queue[:rest]
		if len(batch) > 0 {
			l.taken++
			if rest > 0 {
				l.some.Signal()
			}
			return batch
		}
		if l.closed {
			return nil
		}
		l.some.Wait()
	}
}

// commit runs batch in one transaction. If that was rolled back, each op gets one of its own, so
// that a bad op cannot fail its neighbours.
func commit(r runner, batch []*op) {
	if len(batch) > 1 {
		for _, o := range batch {
			o.begin()
		}
		err := r.transact(batch)
		if _, back := faultOf(err); err == nil || !back {
			for _, o := range batch {
				o.done <- cmp.Or(err, o.err)
			}
			return
		}
	}
	for _, o := range batch {
		o.done <- alone(r, o)
	}
}

func alone(r runner, o *op) error {
	for attempt := 0; ; attempt++ {
		o.begin()
		err := r.transact([]*op{o})
		if err == nil {
			return o.err
		}
		if f, _ := faultOf(err); f != transient || attempt == retries {
			return err
		}
		time.Sleep(time.Millisecond << (2 * attempt))
	}
}
