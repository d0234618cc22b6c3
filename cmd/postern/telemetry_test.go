package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/span"
)

func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, body...)
		if r.URL.Path != "/v1/traces" {
			t.Errorf("sent to %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	stop, err := startTraces(t.Context(), TelemetryConfig{Endpoint: collector.URL, Service: "svc", Sample: 1}, "1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := span.Start(t.Context(), "outer.Floor")
	_, endInner := span.Start(ctx, "inner.Floor")
	endInner(errors.New("ann@example.com is unknown"))
	end(nil)
	if err := stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"outer.Floor", "inner.Floor", "svc"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("%q was not delivered", want)
		}
	}
	if bytes.Contains(got, []byte("ann@example.com")) {
		t.Error("an error's text was delivered")
	}
	if again, _ := span.Start(t.Context(), "x"); again != t.Context() {
		t.Error("spans are still made after the end")
	}
}

func TestMetricsHaveFewLabels(t *testing.T) {
	m := newMetrics("1")
	m.Observe(audit.Event{Type: "session.started", Outcome: audit.OK, User: "u1", Client: "c1", IP: "192.0.2.1", Agent: "Firefox"})
	m.Observe(audit.Event{Type: "session.started", Outcome: audit.OK, User: "u2", Client: "c2"})
	m.ObserveRequest("/token", 200, time.Millisecond)
	rec := httptest.NewRecorder()
	m.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	body := rec.Body.String()
	if !strings.Contains(body, `postern_events_total{outcome="ok",reason="",type="session.started"} 2`) || !strings.Contains(body, `postern_http_request_seconds_count{route="/token",status="200"} 1`) {
		t.Errorf("got %s", body)
	}
	for _, private := range []string{"u1", "c1", "192.0.2.1", "Firefox"} {
		if strings.Contains(body, private) {
			t.Errorf("the metrics hold %s", private)
		}
	}
}
