package meta

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// FeedOptions are what a Feed stands on; Publish may be nil.
type FeedOptions struct {
	Store   oauth.RevocationStore
	Every   time.Duration                   // how often the log is looked at where no hint comes
	Publish func(ctx context.Context) error // tells the other nodes that there is something new
}

// Feed knows when the log of revocations has grown. Hints, from this node or another, are only hints: it looks by itself
// too, and what it tells is read from the log.
type Feed struct {
	opt    FeedOptions
	wrote  chan struct{} // this node wrote
	heard  chan struct{} // another node says so
	closed chan struct{} // Run has ended

	latest  atomic.Int64
	mu      sync.Mutex
	changed chan struct{} // closed when latest grows
	waiting map[ident.ClientID]int
	all     int
}

// How many questions wait at the same time for something to happen, beyond which they are refused.
const (
	maxWaiting    = 4096
	maxWaitingOne = 64 // of one client
)

// NewFeed returns a Feed, which tells nothing until Run.
func NewFeed(opt FeedOptions) *Feed {
	return &Feed{opt: opt, wrote: make(chan struct{}, 1), heard: make(chan struct{}, 1), closed: make(chan struct{}),
		changed: make(chan struct{}), waiting: map[ident.ClientID]int{}}
}

// Wrote says that this node wrote to the log.
func (f *Feed) Wrote() { nudge(f.wrote) }

// Heard says that another node did.
func (f *Feed) Heard() { nudge(f.heard) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // somebody said so already
	}
}

// Run looks at the log until ctx ends, and then lets everybody who waits go. report hears of every failure.
func (f *Feed) Run(ctx context.Context, report func(error)) error {
	defer close(f.closed)
	tick := time.NewTicker(f.opt.Every)
	defer tick.Stop()
	tell := make(chan struct{}, 1)
	var publisher sync.WaitGroup
	defer publisher.Wait()
	if f.opt.Publish != nil {
		publisher.Go(func() { f.publish(ctx, tell, report) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wrote:
			nudge(tell)
		case <-f.heard:
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		n, err := f.opt.Store.LatestRevocation(limited)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				report(err)
			}
			continue
		}
		if n != f.latest.Swap(n) { // also where it fell: a database was restored, and followers have to be told
			f.mu.Lock()
			close(f.changed)
			f.changed = make(chan struct{})
			f.mu.Unlock()
		}
	}
}

// publish tells the other nodes, beside the look at the log: a server of hints that hangs must not keep us from it.
func (f *Feed) publish(ctx context.Context, tell <-chan struct{}, report func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tell:
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		err := f.opt.Publish(limited)
		cancel()
		if err != nil && ctx.Err() == nil {
			report(err)
		}
	}
}

// next is closed when the log grows.
func (f *Feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// enter counts a question of c that may wait; false where there are too many.
func (f *Feed) enter(c ident.ClientID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all >= maxWaiting || f.waiting[c] >= maxWaitingOne {
		return false
	}
	f.all++
	f.waiting[c]++
	return true
}

func (f *Feed) leave(c ident.ClientID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.waiting[c]--; f.waiting[c] == 0 {
		delete(f.waiting, c)
	}
}
