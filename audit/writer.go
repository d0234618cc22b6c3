package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/store"
)

// Errors of Record.
var (
	ErrClosed = errors.New("audit: the writer is closed")
	ErrBusy   = errors.New("audit: too many events wait to be written")
)

const (
	maxBatch    = 256  // events in one transaction
	maxWaiting  = 8192 // events; more are refused, so that an engine that hangs does not fill the memory
	appendLimit = 15 * time.Second
)

// WriterOptions are what a Writer is made of.
type WriterOptions struct {
	Store   Store
	Now     func() time.Time
	Rand    io.Reader   // nil: crypto/rand
	NoIP    bool        // no address is kept, not even a commitment to one
	Observe func(Event) // called with each event that became durable, in order; it must not block. May be nil
}

// Writer writes events into a stream of its own. Events that come while others are being written go into the next
// transaction together, so that throughput grows with load and a lone event waits for nobody.
type Writer struct {
	opts WriterOptions
	head Entry // the last durable entry; only the goroutine that runs touches it
	lost bool  // an append failed and could not be looked up: it may have been written all the same

	mu      sync.Mutex
	waiting []*waiter
	closed  bool
	wake    chan struct{} // holds one
	done    chan struct{}
}

type waiter struct {
	ctx   context.Context
	event Event // with its address
	body  []byte
	salt  []byte
	err   chan error // holds one
}

// NewWriter opens a stream, whose first entry "stream.opened" names the last entries of the newest other streams: who
// removes a whole stream, or its end, leaves a gap that the others tell of.
func NewWriter(ctx context.Context, o WriterOptions) (*Writer, error) {
	if o.Store == nil || o.Now == nil {
		return nil, errors.New("audit: a writer needs a store and a clock")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	random := make([]byte, 8)
	if _, err := io.ReadFull(o.Rand, random); err != nil {
		return nil, fmt.Errorf("audit: no randomness: %w", err)
	}
	heads, err := o.Store.AuditHeads(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	now := stamp(o.Now())
	w := &Writer{opts: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	// Names sort by the time of opening, so that the newest streams are the last of AuditHeads.
	w.head.Stream = now.Format("20060102T150405Z") + "-" + hex.EncodeToString(random)
	opened, text, err := opening(heads)
	if err != nil {
		return nil, err
	}
	first := w.next(now, &waiter{event: opened, body: text}, w.head)
	if err := o.Store.AppendAudit(ctx, []Entry{first}); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	w.head = first
	w.observe(opened)
	go w.run()
	return w, nil
}

func (w *Writer) next(at time.Time, it *waiter, prev Entry) Entry {
	n := Entry{Stream: w.head.Stream, Seq: prev.Seq + 1, At: at, Prev: prev.Hash, User: it.event.User, Type: it.event.Type, Body: it.body,
		IP: it.event.IP, Salt: it.salt}
	n.Hash = n.hash()
	return n
}

// Record returns when e is durable; until then the act that it describes must not happen. If ctx ends first, e may or may not
// have been written. ErrEvent, ErrBusy, ErrClosed, or what the store said.
func (w *Writer) Record(ctx context.Context, e Event) (err error) {
	ctx, end := span.Start(ctx, "audit.Record")
	defer func() { end(err) }()
	if w.opts.NoIP {
		e.IP = ""
	}
	e.IP = clean(e.IP, maxName)
	detached, salt, err := detach(e, w.opts.Rand)
	if err != nil {
		return err
	}
	fitted, text, err := fit(detached)
	if err != nil {
		return err
	}
	fitted.IP = e.IP
	if err := ctx.Err(); err != nil {
		return err
	}
	it := &waiter{ctx: ctx, event: fitted, body: text, salt: salt, err: make(chan error, 1)}
	w.mu.Lock()
	switch {
	case w.closed:
		err = ErrClosed
	case len(w.waiting) >= maxWaiting:
		err = ErrBusy
	default:
		w.waiting = append(w.waiting, it)
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	w.nudge()
	select {
	case err := <-it.err:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what waits, refuses what comes, and returns when the stream has ended or ctx has.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) run() {
	defer close(w.done)
	for range w.wake {
		for {
			w.mu.Lock()
			batch := w.waiting[:min(len(w.waiting), maxBatch)]
			w.waiting = w.waiting[len(batch):]
			closed := w.closed
			w.mu.Unlock()
			if len(batch) > 0 {
				w.write(batch)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

// write appends batch in one transaction and answers everybody in it. Its context is none of theirs: one who hangs up
// must not take the others along.
func (w *Writer) write(batch []*waiter) {
	ctx, cancel := context.WithTimeout(context.Background(), appendLimit)
	defer cancel()
	live := batch[:0]
	for _, it := range batch {
		if err := it.ctx.Err(); err != nil {
			it.err <- err
			continue
		}
		live = append(live, it)
	}
	if len(live) == 0 {
		return
	}
	err := w.append(ctx, live)
	for _, it := range live {
		if err == nil {
			w.observe(it.event)
		}
		it.err <- err
	}
}

func (w *Writer) append(ctx context.Context, batch []*waiter) error {
	if w.lost {
		if err := w.catchUp(ctx); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	now := stamp(w.opts.Now())
	entries, prev := make([]Entry, 0, len(batch)), w.head
	for _, it := range batch {
		prev = w.next(now, it, prev)
		entries = append(entries, prev)
	}
	err := w.opts.Store.AppendAudit(ctx, entries)
	if err == nil {
		w.head = prev
		return nil
	}
	// The answer may have been lost, not the transaction.
	w.lost = true
	if again := w.catchUp(ctx); again == nil && w.head.Seq >= prev.Seq && w.head.Hash == prev.Hash {
		return nil
	}
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("an earlier append came late: %w", err)
	}
	return fmt.Errorf("audit: %w", err)
}

// catchUp moves the head over what was written although its append reported an error. Nobody else knows the stream, so what
// chains on is ours; anything else is an attack, and the writer stays where it is.
func (w *Writer) catchUp(ctx context.Context) error {
	for {
		entries, err := w.opts.Store.ReadAudit(ctx, w.head.Stream, w.head.Seq+1, maxBatch)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Stream != w.head.Stream || e.Seq != w.head.Seq+1 || e.Prev != w.head.Hash || e.Hash != e.hash() {
				return fmt.Errorf("stream %s: foreign entry %d", w.head.Stream, e.Seq)
			}
			w.head = e
		}
		if len(entries) == 0 {
			w.lost = false
			return nil
		}
	}
}

func (w *Writer) observe(e Event) {
	if w.opts.Observe != nil {
		w.opts.Observe(e)
	}
}
