package riskstep_test

import (
	"testing"
	"time"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep"
)

// What two nodes learn they learn together, whoever shares first, and nothing is told twice.
func TestSync(t *testing.T) {
	d := newDesk(t, nil)
	second, err := riskstep.New(riskstep.Options{Store: d.store, Geo: d.atlas, Audit: d.trail, Now: d.clock.Now, HashKey: func() [][]byte { return d.keys }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		dec := d.ask(authntest.Ben, true, env(inDE, ident.DeviceID(rune('a'+i))), nil)
		if err := d.Learn(ctx, dec); err != nil {
			t.Fatal(err)
		}
		d.clock.Advance(26 * time.Hour)
	}
	version := func(name string) int64 {
		t.Helper()
		blob, v, err := d.store.RiskTables(ctx, name)
		if err != nil || len(blob) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(blob), err)
		}
		return v
	}
	for range 2 {
		for _, e := range []*riskstep.Engine{d.Engine, second} {
			if err := e.Sync(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if v := version("model"); v != 1 {
			t.Fatalf("the tables were written %d times, for one thing learnt", v)
		}
	}
	if v := version("budget"); v != 1 {
		t.Errorf("the budget was written %d times", v)
	}
	dec := d.ask(authntest.Ann, false, env(inFR, "z"), nil)
	if err := second.Learn(ctx, dec); err != nil {
		t.Fatal(err)
	}
	if err := second.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if v := version("model"); v != 2 {
		t.Errorf("what the second node learnt was written %d times", v-1)
	}
}
