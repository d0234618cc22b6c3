package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/riskstep/geo"
	"github.com/postern-id/postern/riskstep/policy"
)

func (h *house) theRisk(ctx context.Context) (*riskstep.Engine, error) {
	if h.risk != nil {
		return h.risk, nil
	}
	sealer, journal, err := h.ground(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := riskRules(h.cfg.Risk.RulesFile)
	if err != nil {
		return nil, err
	}
	rulebook, err := h.cfg.Risk.Build(rules...)
	if err != nil {
		return nil, fmt.Errorf("risk: %w", err)
	}
	o := riskstep.Options{Store: h.db, Audit: journal, Counters: h.counters(), Now: clock, Policy: rulebook,
		HashKey: func() [][]byte { return sealer.Derive(deriveRisk) }, NoGeo: riskstep.Absent}
	if h.cfg.Geo.NoData == "unknown" {
		o.NoGeo = riskstep.Unknown
	}
	if h.atlas, err = geo.New(h.cfg.Geo.options()); err != nil {
		return nil, err
	}
	o.Geo, o.Networks = h.atlas.Places(), h.atlas.Networks()
	h.risk, err = riskstep.New(o)
	return h.risk, err
}

const maxRules = 256 << 10

// riskRules reads the rules of an operator: a YAML file with a list of them.
func riskRules(file string) ([]policy.Rule, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readLimited(file, maxRules)
	if err != nil {
		return nil, fmt.Errorf("risk.rules_file: %w", err)
	}
	var rules []policy.Rule
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&rules); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("risk.rules_file: %s: %w", file, err)
	}
	return rules, nil
}
