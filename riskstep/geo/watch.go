package geo

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const checkEvery = 30 * time.Second // how often a file is looked at

// watched is a file that is read anew when it changes. What was read stands until something better is there.
type watched[T any] struct {
	path  string
	max   int64 // bytes
	parse func([]byte) (T, error)
	now   func() time.Time

	cur  atomic.Pointer[reading[T]]
	next atomic.Int64 // when to look at the file again, in Unix nanoseconds
	mu   sync.Mutex   // held by the one who looks
}

// reading is one reading of a file.
type reading[T any] struct {
	data   T
	mtime  time.Time
	size   int64
	failed error // why the latest change of the file could not be read; the reading before it stands
}

// watch reads the file at path.
func watch[T any](path string, max int64, now func() time.Time, parse func([]byte) (T, error)) (*watched[T], error) {
	w := &watched[T]{path: path, max: max, parse: parse, now: now}
	r, err := w.load()
	if err != nil {
		return nil, err
	}
	w.cur.Store(r)
	w.next.Store(now().Add(checkEvery).UnixNano())
	return w, nil
}

// get returns what the file holds.
func (w *watched[T]) get() *reading[T] {
	w.refresh()
	return w.cur.Load()
}

// refresh reads the file again if it changed. One caller does it, the others go on with what there is.
func (w *watched[T]) refresh() {
	now := w.now()
	if now.UnixNano() < w.next.Load() || !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	w.next.Store(now.Add(checkEvery).UnixNano())
	old := w.cur.Load()
	st, err := os.Stat(w.path)
	if err == nil && st.ModTime().Equal(old.mtime) && st.Size() == old.size {
		return
	}
	r := old
	if err == nil {
		r, err = w.load()
	}
	if err != nil {
		kept := *old
		kept.failed = err
		r = &kept
	}
	w.cur.Store(r)
}

func (w *watched[T]) load() (*reading[T], error) {
	f, err := os.Open(w.path)
	if err != nil {
		return nil, fmt.Errorf("geo: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("geo: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > w.max {
		return nil, fmt.Errorf("geo: %s is no file of up to %d MiB", w.path, w.max>>20)
	}
	b := make([]byte, st.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("geo: %s: %w", w.path, err)
	}
	d, err := w.parse(b)
	if err != nil {
		return nil, fmt.Errorf("geo: %s: %w", w.path, err)
	}
	return &reading[T]{data: d, mtime: st.ModTime(), size: st.Size()}, nil
}
