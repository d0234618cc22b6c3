package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/web"
)

type serveCmd struct {
	configFlags
	Issuer     string `placeholder:"URL" help:"Same as --set issuer=URL."`
	Listen     string `placeholder:"HOST:PORT" help:"Same as --set listen.address=HOST:PORT."`
	Management string `placeholder:"HOST:PORT" help:"Same as --set management.address=HOST:PORT."`
	Migrate    bool   `help:"Same as --set database.migrate=true."`
}

func (c serveCmd) Run(t *terminal) error {
	var sets []string
	for path, v := range map[string]string{"issuer": c.Issuer, "listen.address": c.Listen, "management.address": c.Management} {
		if v != "" {
			sets = append(sets, path+"="+v)
		}
	}
	if c.Migrate {
		sets = append(sets, "database.migrate=true")
	}
	cfg, err := c.load(t, sets...)
	if err != nil {
		return err
	}
	return serve(t.ctx, cfg.Config, newLogger(cfg.Log, t.err))
}

// serve runs the server until ctx ends, and then drains it.
func serve(ctx context.Context, cfg Config, logger *slog.Logger) error {
	h, err := openHouse(ctx, cfg, logger)
	if err != nil {
		return err
	}
	h.metrics = newMetrics(buildVersion())
	s, err := newServer(ctx, h)
	if err != nil {
		return errors.Join(err, h.close(context.WithoutCancel(ctx)))
	}
	logger.Info("ready", "issuer", cfg.Issuer, "listen", s.public.Addr().String(), "version", buildVersion())
	return s.run(ctx)
}

// server is a house with open doors.
type server struct {
	house      *house
	site       *site
	mgmt       *management
	public     net.Listener
	private    net.Listener // nil where switched off
	cert       atomic.Pointer[tls.Certificate]
	stopTraces func(context.Context) error
	more       []func(ctx context.Context) error // served beside it, until ctx ends
}

// newServer migrates or checks the database, builds the site and opens the listeners. It closes nothing of h on an error.
func newServer(ctx context.Context, h *house) (_ *server, err error) {
	s := &server{house: h}
	if err := h.migrated(ctx, h.cfg.Database.Migrate); err != nil {
		return nil, err
	}
	if s.stopTraces, err = startTraces(ctx, h.cfg.Telemetry, buildVersion(), h.log); err != nil {
		return nil, err
	}
	if s.site, err = h.site(ctx, false, prefixes(h.cfg.Egress.Allow)); err != nil {
		return nil, err
	}
	if err := s.loadCert(); err != nil {
		return nil, err
	}
	if s.public, err = listen(h.cfg.Listen.Address); err != nil {
		return nil, err
	}
	if h.cfg.Management.Address != "" {
		if s.private, err = listen(h.cfg.Management.Address); err != nil {
			s.public.Close()
			return nil, err
		}
	}
	return s, nil
}

// loadCert reads the certificate, if there is one, for the connections from now on.
func (s *server) loadCert() error {
	t := s.house.cfg.Listen.TLS
	if t.CertFile == "" {
		return nil
	}
	c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return fmt.Errorf("listen.tls: %w", err)
	}
	s.cert.Store(&c)
	return nil
}

// run serves until ctx ends or a listener fails; then it lets requests under way finish and closes everything.
func (s *server) run(ctx context.Context) error {
	h := s.house
	s.mgmt = s.management()
	public, private := s.httpServer(s.site.handler), s.httpServer(s.mgmt.handler())
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	start := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				stop(err)
			}
		})
	}
	start(func() error { return s.servePublic(public) })
	if s.private != nil {
		start(func() error { return private.Serve(s.private) })
	}
	for _, f := range s.more {
		start(func() error { return f(ctx) })
	}
	for _, t := range s.tasks() {
		wg.Go(func() { t.loop(ctx, h) })
	}
	start(func() error { return s.site.logouts.Run(ctx, s.reporter("logout")) })
	start(func() error { return h.runFeed(ctx, s.reporter("revocations")) })
	start(func() error { return s.site.ciba.Run(ctx, s.reporter("backchannel")) })
	<-ctx.Done()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	h.log.Info("shutting down")
	s.mgmt.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(h.cfg.Listen.Drain.D(), time.Millisecond))
	defer cancel()
	if public.Shutdown(drain) != nil {
		public.Close()
	}
	private.Close()
	wg.Wait()
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelLast()
	return errors.Join(err, s.stopTraces(last), h.close(last))
}

func (s *server) servePublic(public *http.Server) error {
	if s.cert.Load() == nil {
		return public.Serve(s.public)
	}
	lowest := uint16(tls.VersionTLS12)
	if s.house.cfg.Listen.TLS.MinVersion == "1.3" {
		lowest = tls.VersionTLS13
	}
	return web.ServeTLS(public, s.public, &tls.Config{MinVersion: lowest, CipherSuites: aead,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil }})
}

// aead are the suites of TLS 1.2 with forward secrecy and authenticated encryption: Go's own choice still has those with
// CBC in it. Those of TLS 1.3 are not for choice. RFC 9325 §4.2.
var aead = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

func (s *server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: log.New(serverLog{s.house.log}, "", 0)}
}

// serverLog takes what net/http complains of into the log, without the addresses of people.
type serverLog struct{ log *slog.Logger }

var peerAddress = regexp.MustCompile(`(from|serving) (\[[0-9a-fA-F:.%]+\]|[0-9.]+):\d+`)

func (l serverLog) Write(p []byte) (int, error) {
	text := peerAddress.ReplaceAllString(strings.TrimSpace(string(p)), "$1 a client")
	level := slog.LevelDebug // a stranger's broken handshake is no news
	if strings.Contains(text, "panic") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "http", "err", text)
	return len(p), nil
}

func (s *server) management() *management {
	h := s.house
	checks := []readiness{
		{"database", h.db.Ping},
		{"migrations", func(ctx context.Context) error { return h.migrated(ctx, false) }},
		{"keys", func(context.Context) error { return activeKeys(s.site.tokens) }},
	}
	if h.redis != nil {
		checks = append(checks, readiness{"redis", h.redis.Ping})
	}
	h.metrics.gauge("postern_key_age_seconds", "Age of the oldest key that signs.", func() float64 {
		var oldest time.Duration
		for _, k := range s.site.tokens.List() {
			if k.State == keys.Active {
				oldest = max(oldest, clock().Sub(k.ActiveAt))
			}
		}
		return oldest.Seconds()
	})
	if p := h.atlas.Places(); p != nil {
		h.metrics.gauge("postern_geo_age_seconds", "Age of the data of where addresses are.", func() float64 { return p.Age().Seconds() })
	}
	if n := h.atlas.Networks(); n != nil {
		h.metrics.gauge("postern_geo_networks_age_seconds", "Age of the data of whose addresses are.", func() float64 { return n.Age().Seconds() })
	}
	return &management{checks: checks, metrics: h.metrics.handler()}
}

// activeKeys checks that every algorithm has a key that signs.
func activeKeys(ring *keys.Ring) error {
	list := ring.List()
	for _, alg := range ring.Algs() {
		if !slices.ContainsFunc(list, func(k keys.Record) bool { return k.Alg == alg && k.State == keys.Active }) {
			return fmt.Errorf("no active key for %s", alg)
		}
	}
	return nil
}

// task is periodic work.
type task struct {
	name  string
	every time.Duration
	run   func(context.Context) error
}

func (s *server) tasks() []task {
	h := s.house
	list := []task{
		{"keys", time.Second, s.site.tokens.Tick},
		{"registry", time.Second, func(ctx context.Context) error {
			defer h.remember(s.site.registry)
			return s.site.registry.Reload(ctx)
		}},
		{"data_keys", time.Second, s.site.sealer.Reload},
		{"certificate", time.Minute, func(context.Context) error { return s.loadCert() }},
		{"risk", time.Minute, h.risk.Sync},
		{"sweep", time.Minute, func(ctx context.Context) error {
			_, err := h.db.Sweep(ctx, clock())
			return errors.Join(err, h.eraseAddresses(ctx))
		}},
	}
	if h.cfg.Mail.Host != "" {
		list = append(list, task{"mail", 5 * time.Second, func(ctx context.Context) error {
			_, err := h.notices.Tick(ctx)
			return err
		}})
	}
	if file := h.cfg.Audit.CheckpointFile; file != "" {
		list = append(list, task{"checkpoint", h.cfg.Audit.CheckpointEvery.D(), func(ctx context.Context) error {
			line, err := h.checkpoint(ctx)
			if err != nil {
				return err
			}
			return appendLine(file, line)
		}})
	}
	return list
}

// reporter counts the failures of work that goes on all the time, and logs one a minute at most.
func (s *server) reporter(name string) func(error) {
	var mu sync.Mutex
	var last time.Time
	return func(err error) {
		s.house.metrics.failures.WithLabelValues(name).Inc()
		mu.Lock()
		defer mu.Unlock()
		if now := clock(); now.Sub(last) >= time.Minute {
			last = now
			s.house.log.Error("periodic work fails", "task", name, "err", err.Error())
		}
	}
}

// loop runs t until ctx ends. A failure is logged when it begins and when it ends, and counted each time.
func (t task) loop(ctx context.Context, h *house) {
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, max(30*time.Second, t.every/2))
		err := t.run(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			h.metrics.failures.WithLabelValues(t.name).Inc()
			if !failing {
				h.log.Error("periodic work fails", "task", t.name, "err", err.Error())
			}
		case failing:
			h.log.Info("periodic work recovered", "task", t.name)
		}
		failing = err != nil
	}
}
