package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-id/postern/riskstep/eval"
	"github.com/postern-id/postern/riskstep/geo"
	"github.com/postern-id/postern/riskstep/model"
)

type riskReplayCmd struct {
	configFlags
	In  string `type:"path" default:"-" placeholder:"FILE" help:"Logins in order of time: lines of JSON, or the CSV of the RBA data set; - reads standard input."`
	Out string `type:"path" default:"-" placeholder:"FILE" help:"Where the decisions go, a line of JSON for each login; - is standard output. A file is written whole or not at all."`
}

// Run judges recorded logins with a fresh state; docs/risk-replay.md has the format.
func (c riskReplayCmd) Run(t *terminal) (err error) {
	o, err := c.options(t)
	if err != nil {
		return err
	}
	in := t.in
	if c.In != "-" {
		f, err := os.Open(c.In)
		if err != nil {
			return usage("%w", plainIO(err))
		}
		defer f.Close()
		in = f
	}
	if c.Out == "-" {
		return replay(t, in, t.out, o)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), ".replay-*") // 0600: who signs in when is nobody else's business
	if err != nil {
		return err
	}
	err = errors.Join(replay(t, in, f, o), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.Out)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func replay(t *terminal, in io.Reader, out io.Writer, o eval.Options) error {
	_, err := eval.Replay(t.ctx, in, out, o)
	var line *eval.LineError
	if errors.As(err, &line) {
		return usage("%w", err)
	}
	return err
}

// options are what the sections risk and geo of the configuration say, or what is shipped. The rest of a configuration need
// not be there: nothing is opened.
func (c riskReplayCmd) options(t *terminal) (o eval.Options, err error) {
	cfg, err := c.load(t)
	var fs faults
	if errors.As(err, &fs) {
		var ours faults
		for _, f := range fs {
			if f.Path == "" || strings.HasPrefix(f.Path, "risk") || strings.HasPrefix(f.Path, "geo") {
				ours = append(ours, f)
			}
		}
		err = ours.err()
	}
	if err != nil {
		return o, err
	}
	rules, err := riskRules(cfg.Risk.RulesFile)
	if err != nil {
		return o, coded{exitConfig, err}
	}
	rulebook, err := cfg.Risk.Build(rules...)
	if err != nil {
		return o, coded{exitConfig, fmt.Errorf("risk: %w", err)}
	}
	atlas, err := geo.New(cfg.Geo.options())
	if err != nil {
		return o, coded{exitConfig, err}
	}
	// What is hashed is gone with the process. The key is always the same, so that the same logins get the same scores.
	key := []byte("what a replay hashes its names by")
	return eval.Options{Model: model.Default(), Key: key, Policy: rulebook, Locate: finder(atlas, cfg.Geo.NoData == "unknown")}, nil
}

// finder looks addresses up as the server does: what the data should have and has not, or is too old to be relied on, is
// unknown.
func finder(atlas *geo.Atlas, insist bool) func(netip.Addr) model.Net {
	places, networks := atlas.Places(), atlas.Networks()
	return func(ip netip.Addr) (n model.Net) {
		ip = ip.Unmap()
		switch {
		case ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast():
			return n
		case places != nil:
			p, err := places.Locate(ip)
			if err == nil && p.Local {
				return n
			}
			if err != nil || !p.Known || len(p.Country) != 2 {
				n.State = model.Unknown
				break
			}
			n.State, n.Country, n.Lat, n.Lon, n.Km = model.Known, p.Country, p.Spot.Lat, p.Spot.Lon, p.Spot.Km
		case insist:
			n.State = model.Unknown
		default:
			return n
		}
		if networks == nil {
			return n
		}
		w, err := networks.Network(ip)
		if err != nil {
			n.State = model.Unknown
			return n
		}
		n.ASN, n.Hosting, n.Anonymous, n.Tor, n.Mobile = w.ASN, w.Hosting, w.Anonymous, w.Tor, w.Mobile
		return n
	}
}
