package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/span"
	"github.com/postern-id/postern/web"
)

// newLogger writes one line an entry to w. It is the only writer of logs; domain code records audit events instead.
func newLogger(c LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // validated before
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// startTraces plugs a tracer into package span where an endpoint is configured, and returns what flushes and stops it.
// Without an endpoint no span is ever made.
func startTraces(ctx context.Context, c TelemetryConfig, version string, log *slog.Logger) (stop func(context.Context) error, err error) {
	if c.Endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	url := strings.TrimSuffix(c.Endpoint, "/")
	if !strings.HasSuffix(url, "/v1/traces") {
		url += "/v1/traces" // OTLP, "OTLP/HTTP Request"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", c.Service), attribute.String("service.version", version))),
	)
	tracer := provider.Tracer("github.com/postern-id/postern")
	span.Use(func(ctx context.Context, name string) (context.Context, func(error)) {
		return startSpan(ctx, tracer, name)
	})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are not delivered", "err", err.Error()) }))
	return func(ctx context.Context) error {
		span.Use(nil)
		return provider.Shutdown(ctx)
	}, nil
}

// startSpan begins a span under the one in ctx or, for the first of a request, under the caller's traceparent. An error
// marks the span without its text, which could name a person.
func startSpan(ctx context.Context, tracer trace.Tracer, name string) (context.Context, func(error)) {
	if tp := web.Traceparent(ctx); tp != "" && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": tp})
	}
	ctx, s := tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			s.SetStatus(codes.Error, "")
		}
		s.End()
	}
}

// metrics are what Prometheus reads. Labels have few values by construction: codes and patterns, never an identifier.
type metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	requests *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_events_total",
			Help: "What happened, as the audit trail has it."}, []string{"type", "outcome", "reason"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "postern_http_request_seconds",
			Help:    "Time to answer a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}}, []string{"route", "status"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postern_background_failures_total",
			Help: "Failed runs of periodic work."}, []string{"task"}),
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postern_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": version}}, func() float64 { return 1 })
	m.registry.MustRegister(m.events, m.requests, m.failures, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gauge registers a number that is read when Prometheus asks.
func (m *metrics) gauge(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// Observe counts an audit event.
func (m *metrics) Observe(e audit.Event) {
	m.events.WithLabelValues(e.Type, string(e.Outcome), e.Reason).Inc()
}

// ObserveRequest counts a request: route is the pattern of the route table, never the path.
func (m *metrics) ObserveRequest(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
