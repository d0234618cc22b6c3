package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/postern-id/postern/examples/wallet"
	"github.com/postern-id/postern/keys"
)

type devCmd struct {
	Listen     string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen, on this machine only; port 0 takes free ports."`
	Wallet     string `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Where the demo wallet listens; another port if it is taken."`
	Management string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where /livez /readyz /metrics are; another port if it is taken."`
	Data       string `type:"path" placeholder:"DIR" help:"Keep everything in this directory. Otherwise it is in memory and gone at the end."`
	Seed       string `type:"path" placeholder:"FILE" help:"Clients, users and resources to declare beside the demo's."`
	Geo        string `type:"path" placeholder:"FILE" help:"MMDB file of where addresses are, as geo.file. The header X-Forwarded-For of a request says its address."`
	Pseudo     int    `placeholder:"PERCENT" help:"Make every text of the pages longer by so much, to see whether they hold it."`
	JSON       bool   `name:"json" help:"Print one line of JSON once it serves, for scripts."`
	Log        string `enum:"debug,info,warn,error" default:"warn" help:"The least level of log lines."`
}

// dev is one run of the demo.
type dev struct {
	cmd    devCmd
	cfg    Config
	seed   *seed
	demo   demo
	base   string // of the wallet
	public net.Listener
	wallet net.Listener
	priv   net.Listener
}

func (c devCmd) Run(t *terminal) error {
	if issuer := lookup(t.environ, "POSTERN_ISSUER"); issuer != "" && !loopbackURL(issuer) {
		return coded{exitConfig, fmt.Errorf("POSTERN_ISSUER is %s: dev is for this machine only, use 'postern serve'", issuer)}
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !loopbackHost(host) {
		return usage("--listen %s: dev listens on 127.0.0.1, ::1 or localhost only, use 'postern serve'", c.Listen)
	}
	if c.Pseudo < 0 || c.Pseudo > 200 {
		return usage("--pseudo %d: between 0 and 200", c.Pseudo)
	}
	d := &dev{cmd: c, seed: &seed{}}
	if c.Seed != "" {
		if d.seed, err = readSeed(t, c.Seed); err != nil {
			return err
		}
	}
	if err := d.listen(); err != nil {
		return err
	}
	defer d.close()
	log := newLogger(LogConfig{Level: c.Log, Format: "text"}, t.err)
	if err := d.configure(); err != nil {
		return err
	}
	s, err := d.build(t.ctx, log)
	if err != nil {
		return err
	}
	if err := d.announce(t); err != nil {
		return err
	}
	go debug.FreeOSMemory() // what hashing the demo user's password took is not needed again
	return s.run(t.ctx)
}

func loopbackURL(raw string) bool {
	_, rest, ok := strings.Cut(raw, "://")
	host, _, _ := strings.Cut(rest, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return ok && loopbackHost(strings.Trim(host, "[]"))
}

// listen opens the three ports. Only the first one must be the one that was asked for.
func (d *dev) listen() (err error) {
	if d.public, err = listen(d.cmd.Listen); err != nil {
		return fmt.Errorf("%w: choose another with --listen 127.0.0.1:PORT", err)
	}
	free := strings.HasSuffix(d.cmd.Listen, ":0")
	if d.wallet, err = listenNear(d.cmd.Wallet, free); err != nil {
		return err
	}
	d.priv, err = listenNear(d.cmd.Management, free)
	return err
}

// listenNear opens address or, where it is taken or free is set, the next free port.
func listenNear(address string, free bool) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !loopbackHost(host) {
		return nil, usage("%s is no address on this machine", address)
	}
	if free {
		return listen(net.JoinHostPort(host, "0"))
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, usage("%s has no port", address)
	}
	for range 20 {
		l, err := listen(net.JoinHostPort(host, strconv.Itoa(n)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		n++
	}
	return listen(net.JoinHostPort(host, "0"))
}

func (d *dev) close() {
	for _, l := range []net.Listener{d.public, d.wallet, d.priv} {
		if l != nil {
			l.Close()
		}
	}
}

// origin is how a browser names a listener: by localhost, which later is the RP ID of passkeys.
func origin(l net.Listener) string {
	a := l.Addr().(*net.TCPAddr)
	host := "localhost"
	if !a.IP.Equal(net.IPv4(127, 0, 0, 1)) && !a.IP.Equal(net.IPv6loopback) {
		host = a.IP.String()
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// configure makes the configuration, the master key and the demo user's credentials; with --data what was made before.
func (d *dev) configure() error {
	d.cfg = Defaults()
	d.cfg.Issuer, d.base = origin(d.public), origin(d.wallet)
	if d.cmd.Geo != "" {
		d.cfg.Geo.File, d.cfg.Geo.MaxAge = d.cmd.Geo, 0            // of any age
		d.cfg.Proxies.Trusted = []string{"127.0.0.0/8", "::1/128"} // so that somebody on this machine can be anywhere
	}
	d.cfg.Database.DSN, d.cfg.Database.Migrate = ":memory:", true
	d.cfg.Listen.Drain = Duration(2e9)
	d.cfg.Registration.Mode, d.cfg.Registration.PerHour = "open", 0 // only this machine can reach it
	d.cfg.Secrets.Master = keys.NewMasterText(random)
	d.cfg.Tokens.Algs = append([]string{keys.ES256, keys.EdDSA}, wantedAlgs(d.seed.clients())...) // RSA only where it is asked for: making such a key is slow
	slices.Sort(d.cfg.Tokens.Algs)
	d.cfg.Tokens.Algs = slices.Compact(d.cfg.Tokens.Algs)
	if err := d.makeDemo(); err != nil || d.cmd.Data == "" {
		return err
	}
	if err := os.MkdirAll(d.cmd.Data, 0o700); err != nil {
		return err
	}
	d.cfg.Database.DSN = filepath.Join(d.cmd.Data, "postern.db")
	master, err := keep(filepath.Join(d.cmd.Data, "master.key"), []byte(d.cfg.Secrets.Master+"\n"))
	if err != nil {
		return err
	}
	d.cfg.Secrets.Master = strings.TrimSpace(string(master))
	made, err := json.Marshal(d.demo)
	if err != nil {
		return err
	}
	kept, err := keep(filepath.Join(d.cmd.Data, "demo.json"), append(made, '\n'))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(kept, &d.demo); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.cmd.Data, "demo.json"), err)
	}
	return nil
}

// keep writes content to a new file that only its owner can read, or returns what the file holds already.
func keep(file string, content []byte) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return readLimited(file, maxSecret)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(content)
	return content, errors.Join(err, f.Sync(), f.Close())
}

// build makes the server with the demo in it.
func (d *dev) build(ctx context.Context, log *slog.Logger) (_ *server, err error) {
	h, err := openHouse(ctx, d.cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(context.WithoutCancel(ctx)))
		}
	}()
	h.dev, h.pseudo = true, d.cmd.Pseudo
	h.metrics = newMetrics(buildVersion())
	if err := h.migrated(ctx, true); err != nil {
		return nil, err
	}
	if err := d.populate(ctx, h); err != nil {
		return nil, err
	}
	st, err := h.site(ctx, true, prefixes([]string{"127.0.0.0/8", "::1/128"}))
	if err != nil {
		return nil, err
	}
	front, err := wallet.New(wallet.Options{Issuer: d.cfg.Issuer, ClientID: demoWallet, BaseURL: d.base, Context: ctx, APIClientID: demoAPI, APISecret: d.demo.APISecret, Now: clock, Log: log})
	if err != nil {
		return nil, err
	}
	s := &server{house: h, site: st, public: d.public, private: d.priv, stopTraces: func(context.Context) error { return nil }}
	s.more = []func(context.Context) error{func(ctx context.Context) error {
		srv := s.httpServer(front)
		context.AfterFunc(ctx, func() { srv.Close() })
		return srv.Serve(d.wallet)
	}}
	return s, nil
}

// readyLine is what --json prints once it serves. Its members are stable.
type readyLine struct {
	Ready      bool        `json:"ready"`
	Issuer     string      `json:"issuer"`
	Wallet     string      `json:"wallet"`
	Management string      `json:"management"`
	Resource   string      `json:"resource"` // the audience of the wallet's API
	User       readyUser   `json:"user"`
	Client     readyClient `json:"client"` // public
	API        readyClient `json:"api"`    // confidential, may introspect
	Version    string      `json:"version"`
}

type readyUser struct {
	Username   string `json:"username"`
	Email      string `json:"email"`
	Password   string `json:"password"`
	TOTPSecret string `json:"totp_secret,omitempty"` // base32
}

type readyClient struct {
	ID          string `json:"client_id"`
	Secret      string `json:"client_secret,omitempty"`
	RedirectURI string `json:"redirect_uri,omitempty"`
}

func (d *dev) ready(management string) readyLine {
	front := wallet.Options{BaseURL: d.base}
	return readyLine{
		Ready: true, Issuer: d.cfg.Issuer, Wallet: d.base, Management: management, Resource: front.Resource(),
		User:   readyUser{d.demo.Username, d.demo.Email, d.demo.Password, d.demo.TOTPSecret},
		Client: readyClient{ID: demoWallet, RedirectURI: front.RedirectURI()},
		API:    readyClient{ID: demoAPI, Secret: d.demo.APISecret}, Version: buildVersion(),
	}
}

// announce tells where everything is. The listeners are open, so that a connection made now is answered.
func (d *dev) announce(t *terminal) error {
	management := origin(d.priv)
	if d.cmd.JSON {
		return json.NewEncoder(t.out).Encode(d.ready(management))
	}
	where := "in memory (use --data DIR to keep it)"
	if d.cmd.Data != "" {
		where = "in " + d.cmd.Data
	}
	bold := func(s string) string { return t.paint(t.out, "1", s) }
	faint := func(s string) string { return t.paint(t.out, "2", s) }
	_, err := fmt.Fprintf(t.out, `
  %s %s

  Wallet      %s   %s
  Account     %s
  Approve     %s   %s
  Discovery   %s
  Operator    %s   %s

  Sign in as  %s   password %s
              authenticator secret %s
  API client  %s   secret %s

  %s

`,
		bold("Postern "+buildVersion()), faint("· dev mode · data "+where),
		bold(d.base+"/"), faint("start here: sign in, see your tokens, call an API"),
		d.cfg.Issuer+"/account",
		d.cfg.Issuer+"/account/approvers", faint("in a second browser with a passkey: it becomes a second device"), d.cfg.Issuer+"/.well-known/openid-configuration",
		management+"/metrics", faint("/livez /readyz /version"),
		bold(d.demo.Email), bold(d.demo.Password), d.demo.TOTPSecret,
		demoAPI, d.demo.APISecret, faint("Ctrl-C ends it."))
	return err
}
