package web

import (
	"context"
	"net/http"
)

type traceKey struct{}

// traced carries the W3C traceparent of a request in its context, for whoever makes spans. Trace Context §3.2.
func traced(r *http.Request) context.Context {
	tp := r.Header.Get("Traceparent")
	if len(tp) != 55 {
		return r.Context()
	}
	return context.WithValue(r.Context(), traceKey{}, tp)
}

// Traceparent is the header that came with the request of ctx, or "".
func Traceparent(ctx context.Context) string {
	tp, _ := ctx.Value(traceKey{}).(string)
	return tp
}
