package main

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3". Otherwise the module's version stands in.
var version = ""

// buildVersion is what this binary calls itself.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func thisVersion() versionInfo {
	return versionInfo{buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
}

// readiness is one condition for taking requests.
type readiness struct {
	name  string
	check func(context.Context) error
}

const readyTimeout = 2 * time.Second

// management serves the operator: /livez, /readyz, /metrics and /version. It shows no personal data.
type management struct {
	checks   []readiness
	metrics  http.Handler
	draining atomic.Bool
}

func (m *management) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", m.ready)
	mux.Handle("GET /metrics", m.metrics)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, thisVersion()) })
	return mux
}

// ready answers 200 where every check passes, otherwise 503 with what does not. Details stay on this listener.
func (m *management) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	status, result := http.StatusOK, map[string]string{}
	if m.draining.Load() {
		status, result["shutdown"] = http.StatusServiceUnavailable, "draining"
	}
	for _, c := range m.checks {
		result[c.name] = "ok"
		if err := c.check(ctx); err != nil {
			status, result[c.name] = http.StatusServiceUnavailable, trimPackage(err)
		}
	}
	writeJSON(w, status, result)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
