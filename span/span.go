// Package span lets every floor say where a request spends its time. It knows no tracing library: the binary plugs one
// in, and without one a span costs a load of a pointer. A name is the place in the code; it never carries data.
package span

import (
	"context"
	"sync/atomic"
)

// Starter begins a span within ctx; end finishes it and notes err.
type Starter func(ctx context.Context, name string) (inner context.Context, end func(err error))

var starter atomic.Pointer[Starter]

// Use plugs in what makes spans; nil plugs it out.
func Use(s Starter) {
	if s == nil {
		starter.Store(nil)
		return
	}
	starter.Store(&s)
}

func nothing(error) {}

// Start begins a span named "package.Function".
func Start(ctx context.Context, name string) (context.Context, func(err error)) {
	s := starter.Load()
	if s == nil {
		return ctx, nothing
	}
	return (*s)(ctx, name)
}
