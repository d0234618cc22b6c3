package authn

import (
	"context"
	"fmt"
	"sync"
)

// laneWidth is how many guesses at one account are looked at side by side: fewer than are free, so that
// a person (or a program) who signs in many times at once is not taken for one who fails.
const laneWidth = 4

// lanes lets few guesses at each account through at a time; the others wait.
type lanes struct {
	mu      sync.Mutex
	open    map[string]*lane
	waiting int
	limit   int
}

type lane struct {
	slots chan struct{}
	users int // in it or waiting for it; an unused lane is forgotten
}

func newLanes(limit int) *lanes { return &lanes{open: map[string]*lane{}, limit: limit} }

// enter returns what must be called to leave; ErrBusy at once where too many wait already, the error of
// ctx where it ends first.
func (l *lanes) enter(ctx context.Context, account string) (leave func(), err error) {
	l.mu.Lock()
	ln := l.open[account]
	if ln == nil {
		ln = &lane{slots: make(chan struct{}, laneWidth)}
		l.open[account] = ln
	}
	if ln.users >= laneWidth && l.waiting >= l.limit {
		l.mu.Unlock()
		return nil, ErrBusy
	}
	ln.users++
	l.waiting++
	l.mu.Unlock()

	select {
	case ln.slots <- struct{}{}:
	case <-ctx.Done():
		err = fmt.Errorf("authn: waiting for one's turn: %w", ctx.Err())
	}
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
	if err != nil {
		l.forget(account, ln)
		return nil, err
	}
	return func() {
		<-ln.slots
		l.forget(account, ln)
	}, nil
}

func (l *lanes) forget(account string, ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.users--; ln.users == 0 {
		delete(l.open, account)
	}
}
