package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type doctorCmd struct {
	configFlags
	outputFlags
}

// The verdicts of a check.
const (
	healthy  = "ok"
	doubtful = "warn" // works, but somebody should look
	broken   = "fail"
)

// finding is what one check found.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
}

// diagnosis collects findings and the exit code that the worst of them deserves.
type diagnosis struct {
	Findings []finding `json:"findings"`
	code     int
}

func (d *diagnosis) add(check, verdict, detail, fix string) {
	d.Findings = append(d.Findings, finding{check, verdict, detail, fix})
	if verdict == broken && d.code == exitOK {
		d.code = exitFailed
	}
}

func (c doctorCmd) Run(t *terminal) error {
	d := &diagnosis{}
	cfg, err := c.load(t)
	var fs faults
	if errors.As(err, &fs) {
		d.code = exitConfig
		for _, f := range fs {
			d.add("config", broken, f.String(), "mend the configuration; 'postern config schema' describes it")
		}
	} else {
		d.add("config", healthy, "valid", "")
		d.examine(t.ctx, cfg.Config)
	}
	out := table{json: d}
	bad := 0
	for _, f := range d.Findings {
		text := f.Detail
		if f.Fix != "" {
			text += ": " + f.Fix
		}
		out.add(f.Verdict, f.Check, text)
		if f.Verdict == broken {
			bad++
		}
	}
	if err := c.print(t.out, out); err != nil {
		return err
	}
	if d.code != exitOK {
		return coded{d.code, fmt.Errorf("%d checks failed", bad)}
	}
	return nil
}

// examine runs every check that a valid configuration allows. It changes nothing.
func (d *diagnosis) examine(ctx context.Context, cfg Config) {
	d.issuer(ctx, cfg)
	d.certificate(cfg)
	d.proxies(cfg)
	d.decisions(cfg)
	d.geo(cfg)
	d.disk(cfg)
	redis := cfg
	cfg.Redis = RedisConfig{} // a Redis that is down must not hide what the database says
	h, err := openHouse(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		d.unreachable("database", err)
		return
	}
	defer h.close(context.WithoutCancel(ctx))
	d.database(ctx, h)
	if redis.Redis.URL != "" {
		d.redis(ctx, redis)
	}
}

func (d *diagnosis) unreachable(check string, err error) {
	d.add(check, broken, err.Error(), "is it running, and may this machine reach it?")
	d.code = exitUnreachable
}

func (d *diagnosis) redis(ctx context.Context, cfg Config) {
	begun := clock()
	h, err := openHouse(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		d.unreachable("redis", err)
		return
	}
	d.add("redis", healthy, "answers, connected within "+clock().Sub(begun).Round(time.Millisecond).String(), "")
	h.close(context.WithoutCancel(ctx))
}

// issuer asks the public URL who it is, as a client would.
func (d *diagnosis) issuer(ctx context.Context, cfg Config) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil {
		return
	}
	if u.Scheme == "http" {
		d.add("cookies", doubtful, "the issuer is http, so every __Host- cookie has a twin that is not Secure and has no prefix", "fine on localhost, nowhere else")
	} else {
		d.add("cookies", healthy, "the issuer is https: cookies are Secure and bound to "+u.Hostname(), "")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	meta, at, err := discover(ctx, cfg.Issuer)
	switch {
	case err != nil:
		d.add("issuer", doubtful, cfg.Issuer+" does not answer from here: "+err.Error(), "start the server, or check DNS, TLS and the proxy")
		return
	case meta != cfg.Issuer:
		d.add("issuer", broken, fmt.Sprintf("%s says it is %q", cfg.Issuer, meta), "set issuer to what clients use, exactly")
		return
	}
	d.add("issuer", healthy, cfg.Issuer+" answers and names itself", "")
	if skew := clock().Sub(at).Abs(); !at.IsZero() && skew > 5*time.Second {
		d.add("clock", broken, fmt.Sprintf("this machine and the server are %s apart", skew.Round(time.Second)), "run NTP on both")
	}
}

// discover returns the issuer that a server names, and its time.
func discover(ctx context.Context, issuer string) (string, time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", time.Time{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return "", time.Time{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", time.Time{}, fmt.Errorf("status %d", res.StatusCode)
	}
	var m struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&m); err != nil {
		return "", time.Time{}, errors.New("no JSON")
	}
	at, _ := http.ParseTime(res.Header.Get("Date"))
	return m.Issuer, at, nil
}

type healthcheckCmd struct {
	configFlags
	URL string `placeholder:"URL" help:"The /readyz to ask; made from management.address if not given."`
}

func (c healthcheckCmd) Run(t *terminal) error {
	target := c.URL
	if target == "" {
		// Only the address matters, so that a probe needs none of the secrets.
		cfg, _ := c.load(t)
		host := cfg.Management.Address
		if host == "" {
			return usage("management.address is empty: give --url")
		}
		host = strings.NewReplacer("0.0.0.0:", "127.0.0.1:", "[::]:", "[::1]:").Replace(host)
		if strings.HasPrefix(host, ":") {
			host = "127.0.0.1" + host
		}
		target = "http://" + host + "/readyz"
	}
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return usage("--url %s is no URL", target)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return unreachable("%s does not answer", target)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", oneLine(strings.TrimSpace(string(body))))
	}
	fmt.Fprintln(t.out, "ready")
	return nil
}
