package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/notify/webpush"
	"github.com/postern-id/postern/oauth"
)

const soon = 14 * day // before a certificate expires

func (d *diagnosis) certificate(cfg Config) {
	t := cfg.Listen.TLS
	if t.CertFile == "" {
		return
	}
	c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		d.add("tls", broken, trimPackage(err), "cert_file and key_file must belong together")
		return
	}
	u, _ := url.Parse(cfg.Issuer)
	left := c.Leaf.NotAfter.Sub(clock())
	switch {
	case c.Leaf.VerifyHostname(u.Hostname()) != nil:
		d.add("tls", broken, "the certificate is not for "+u.Hostname()+", the issuer's host", "get one that is")
	case left <= 0:
		d.add("tls", broken, "the certificate expired on "+date(c.Leaf.NotAfter), "renew it")
	case left < soon:
		d.add("tls", doubtful, "the certificate expires on "+date(c.Leaf.NotAfter), "renew it")
	default:
		d.add("tls", healthy, "the certificate is for "+u.Hostname()+" until "+date(c.Leaf.NotAfter), "")
	}
}

func (d *diagnosis) proxies(cfg Config) {
	for _, text := range cfg.Proxies.Trusted {
		if p, err := netip.ParsePrefix(text); err == nil && p.Bits() < 8 {
			d.add("proxies", broken, text+" lets nearly anybody claim any address", "name only the proxies themselves")
			return
		}
	}
	if len(cfg.Proxies.Trusted) > 0 {
		d.add("proxies", healthy, strings.Join(cfg.Proxies.Trusted, " ")+" may report the client's address", "")
	}
}

func (d *diagnosis) decisions(cfg Config) {
	if cfg.Backchannel.Decisions {
		d.add("backchannel", doubtful, "backchannel.decisions is on: a program can approve in the place of people", "switch it off where accounts are real")
	}
}

// disk looks after the SQLite file: room to grow, and nobody else reading it.
func (d *diagnosis) disk(cfg Config) {
	if cfg.Database.Driver != "sqlite" || cfg.Database.DSN == ":memory:" {
		return
	}
	file, _, _ := strings.Cut(strings.TrimPrefix(cfg.Database.DSN, "file:"), "?")
	if free, ok := freeBytes(filepath.Dir(file)); ok && free < 1<<30 {
		verdict := doubtful
		if free < 64<<20 {
			verdict = broken
		}
		d.add("disk", verdict, fmt.Sprintf("%d MiB are free beside %s", free>>20, file), "make room: nothing is accepted that cannot be written")
	} else if ok {
		d.add("disk", healthy, fmt.Sprintf("%d GiB are free", free>>30), "")
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.add("database file", doubtful, fmt.Sprintf("%s can be read by others (%s)", file, info.Mode().Perm()), "chmod 600 "+file)
	}
}

func (d *diagnosis) database(ctx context.Context, h *house) {
	begun := clock()
	if err := h.db.Ping(ctx); err != nil {
		d.unreachable("database", err)
		return
	}
	d.add("database", healthy, "answers within "+clock().Sub(begun).Round(10*time.Microsecond).String(), "")
	pending, err := h.db.Pending(ctx)
	switch {
	case err != nil:
		d.add("migrations", broken, trimPackage(err), "")
		return
	case len(pending) > 0:
		d.add("migrations", broken, fmt.Sprintf("%d are pending", len(pending)), "run 'postern migrate up'")
		return
	}
	d.add("migrations", healthy, "the database is up to date", "")
	d.masterKey(ctx, h)
	d.push(ctx, h)
	d.signingKeys(ctx, h)
	d.registered(ctx, h)
}

// masterKey tries whether every data key opens, without making one.
func (d *diagnosis) masterKey(ctx context.Context, h *house) {
	masters, err := h.masters()
	if err != nil {
		d.add("master key", broken, trimPackage(err), "")
		return
	}
	stored, err := h.db.DataKeys(ctx)
	if err != nil {
		d.add("master key", broken, trimPackage(err), "")
		return
	}
	old := false
	for _, k := range stored {
		i := slices.IndexFunc(masters, func(m keys.Master) bool { return m.ID() == k.Master })
		if i < 0 {
			d.add("master key", broken, "the database is sealed under master key "+k.Master+", which is not configured", "put it into secrets.previous")
			return
		}
		if _, err := masters[i].Unwrap(ctx, k.Wrapped); err != nil {
			d.add("master key", broken, trimPackage(err), "")
			return
		}
		old = old || i > 0
	}
	if old {
		d.add("master key", doubtful, "an earlier master key is still needed", "run 'postern secrets rotate'")
		return
	}
	d.add("master key", healthy, fmt.Sprintf("opens all %d data keys", len(stored)), "")
}

func (d *diagnosis) signingKeys(ctx context.Context, h *house) {
	list, err := h.db.SigningKeys(ctx)
	if err != nil {
		d.add("signing keys", broken, trimPackage(err), "")
		return
	}
	active, newest := 0, time.Time{}
	for _, k := range list {
		if k.CreatedAt.After(newest) {
			newest = k.CreatedAt
		}
		if k.Use != "token" || k.State != keys.Active {
			continue
		}
		active++
		if age := clock().Sub(k.ActiveAt); age > h.cfg.Keys.Rotate.D()+day {
			d.add("signing keys", doubtful, fmt.Sprintf("%s has signed for %s, longer than keys.rotate", k.ID, Duration(age.Round(time.Hour))), "is a server running? 'postern keys rotate' does it now")
		}
	}
	if newest.After(clock().Add(time.Minute)) {
		d.add("clock", broken, "a key was made at "+date(newest)+", which is in the future", "set the clock of this machine by NTP")
	} else {
		d.add("clock", healthy, date(clock())+", later than all that is stored", "")
	}
	if active == 0 {
		d.add("signing keys", doubtful, "there is none yet", "the first start of the server makes them")
		return
	}
	d.add("signing keys", healthy, fmt.Sprintf("%d sign, %d are published", active, len(list)), "")
}

// registered reads every client, and looks for what the server could not do for it.
func (d *diagnosis) registered(ctx context.Context, h *house) {
	clients, resources, _, err := h.db.Registry(ctx)
	if err != nil {
		d.add("clients", broken, trimPackage(err), "")
		return
	}
	for _, doc := range clients {
		c, err := oauth.ParseClient(doc.JSON)
		if err != nil {
			d.add("clients", broken, err.Error(), "the server does not start with it: delete or update the client")
			continue
		}
		for _, alg := range wantedAlgs([]*oauth.Client{c}) {
			if !slices.Contains(h.cfg.Tokens.Algs, alg) {
				d.add("clients", broken, fmt.Sprintf("%s wants %s, which is not in tokens.algs", c.ID, alg), "add it there, or change the client")
			}
		}
	}
	d.add("clients", healthy, fmt.Sprintf("%d clients, %d resources", len(clients), len(resources)), "")
}

// push tries whether the VAPID key comes out, without making one: browsers bind their subscriptions to it. RFC 8292 §2.
func (d *diagnosis) push(ctx context.Context, h *house) {
	stored, err := h.db.DataKeys(ctx)
	if err == nil && len(stored) == 0 { // the sealer would make one
		d.add("push", doubtful, "there is no VAPID key yet", "the first start of the server makes it")
		return
	}
	var sealer *keys.Sealer
	if err == nil {
		sealer, err = h.theSealer(ctx)
	}
	if err == nil {
		_, err = webpush.New(webpush.Options{Secret: sealer.Anchor(deriveVAPID), Subject: h.cfg.Issuer, Now: clock, Rand: random})
	}
	if err != nil {
		d.add("push", broken, "the VAPID key cannot be read: "+trimPackage(err), "it comes of the oldest data key: see the master key")
		return
	}
	d.add("push", healthy, "the VAPID key can be read", "")
}
