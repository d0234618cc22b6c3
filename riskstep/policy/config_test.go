package policy

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestFromCosts(t *testing.T) {
	for _, tt := range []struct {
		name       string
		f, c, k, b float64
		want       Thresholds
	}{
		{"a passkey: to refuse never pays", 1, 99, 20, 1, Thresholds{0.01, 1}},
		{"a code by SMS stops three quarters", 1, 100, 20, 0.76, Thresholds{1.0 / 77, 19.0 / 43}},
		{"nothing is stopped: no challenge pays", 1, 100, 20, 0, Thresholds{1, 1.0 / 6}},
		{"a challenge costs nothing", 0, 100, 20, 1, Thresholds{0, 1}},
		{"to refuse is cheap", 5, 100, 1, 0.9, Thresholds{5.0 / 95, 1.0 / 101}},
		{"no cost at all", 1, 0, 1, 1, DefaultThresholds()},
		{"no number", math.NaN(), 1, 1, 1, DefaultThresholds()},
		{"no share", 1, 1, 1, 1.1, DefaultThresholds()},
	} {
		got := FromCosts(tt.f, tt.c, tt.k, tt.b)
		if math.Abs(got.StepUp-tt.want.StepUp) > 1e-9 || math.Abs(got.Deny-tt.want.Deny) > 1e-9 {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// What FromCosts says is what costs least: tried at every odds against the costs themselves.
func TestFromCostsIsCheapest(t *testing.T) {
	for _, x := range [][4]float64{{1, 100, 20, 0.9}, {1, 100, 20, 1}, {3, 40, 4, 0.5}, {5, 100, 1, 0.9}} {
		f, c, k, b := x[0], x[1], x[2], x[3]
		limits := FromCosts(f, c, k, b)
		for p := 0.001; p < 1; p += 0.001 {
			o := p / (1 - p)
			costs := map[string]float64{"allow": o * c, "stepup": f + (1-b)*o*c, "deny": k}
			says := "allow"
			if p >= limits.Deny {
				says = "deny"
			} else if p >= limits.StepUp {
				says = "stepup"
			}
			for what, cost := range costs {
				if cost < costs[says]*(1-0.02) {
					t.Fatalf("%v at P %.3f: %s costs %.3f, and %s %.3f", x, p, says, costs[says], what, cost)
				}
			}
		}
	}
}

func TestLevels(t *testing.T) {
	for p, want := range map[float64]string{0: "low", 0.1199: "low", 0.12: "medium", 0.4999: "medium", 0.5: "high", 1: "high"} {
		if got := LevelOf(p); got != want {
			t.Errorf("%v is %s, want %s", p, got, want)
		}
	}
	if LevelOf(math.NaN()) != "high" {
		t.Error("what is no number is not high")
	}
}

func TestBuild(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := DefaultConfig()
		change(&c)
		return c
	}
	atRisk := func() *Facts {
		return &Facts{Moment: "sign_in", Risk: Risk{P: 0.25, Novel: words{"device"}}, User: User{Best: 2}, Session: Session{AAL: 1}, Request: Request{Scopes: words{"payments"}}}
	}
	for _, tt := range []struct {
		name   string
		config Config
		rules  []Rule
		action Action
		rule   string
		shadow int
	}{
		{"as shipped", DefaultConfig(), nil, StepUp, "new_device", 0},
		{"without the rule of devices", with(func(c *Config) { c.NewDevice = false }), nil, StepUp, "risk", 0},
		{"and a higher threshold", with(func(c *Config) { c.NewDevice, c.Thresholds.StepUp = false, 0.3 }), nil, Allow, "", 0},
		{"by costs", with(func(c *Config) { c.Source, c.NewDevice, c.Costs.Takeover = "costs", false, 3 }), nil, Allow, "", 0},
		{"by a budget that knows nothing yet", with(func(c *Config) { c.Source, c.NewDevice = "budget", false }), nil, StepUp, "risk", 0},
		{"in shadow", with(func(c *Config) { c.Mode = "shadow" }), nil, Allow, "", 1},
		{"a rule of one's own", with(func(c *Config) { c.Sensitive = words{"payments"} }), []Rule{{Name: "own", When: "request.sensitive", Then: "deny"}}, Deny, "own", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.config.Build(tt.rules...)
			if err != nil {
				t.Fatal(err)
			}
			f := atRisk()
			o, err := p.Decide(f)
			if err != nil || o.Action != tt.action || o.Rule != tt.rule || len(o.Shadow) != tt.shadow {
				t.Fatalf("got %+v, %v", o, err)
			}
			if f.Risk.Level != "medium" || f.Limits != p.Thresholds() {
				t.Errorf("facts are not complete: %+v", f)
			}
		})
	}
	for name, c := range map[string]Config{
		"mode":      with(func(c *Config) { c.Mode = "" }),
		"source":    with(func(c *Config) { c.Source = "luck" }),
		"budget":    with(func(c *Config) { c.Budget = 0 }),
		"threshold": with(func(c *Config) { c.Thresholds.StepUp = math.NaN() }),
		"deny":      with(func(c *Config) { c.Thresholds.Deny = 0 }),
		"costs":     with(func(c *Config) { c.Source, c.Costs.Takeover = "costs", 0 }),
		"scope":     with(func(c *Config) { c.Sensitive = words{"two words"} }),
	} {
		if _, err := c.Build(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DefaultConfig().Build(Rule{Name: "new_device", When: "true", Then: "allow"}); err == nil {
		t.Error("a default rule can be replaced by one that allows")
	}
}

func TestRecord(t *testing.T) {
	r := Record{
		Model: "nlr-1", Facts: signIn(), Score: -4.400012345, Prior: -4.6, Types: [4]float64{0.7, 0.2, 0.08, 0.02}, MMDB: 1_760_000_000,
		Reasons: []Reason{{"device", -3, "known"}, {"network", 6.123456, "new_asn"}}, Outcome: Outcome{Action: Allow},
	}
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	want := r
	want.V, want.Score = 1, -4.4
	want.Reasons = []Reason{{"network", 6.1235, "new_asn"}, {"device", -3, "known"}}
	want.Facts.Risk.Bits = map[string]float64{"network": 6.1235, "device": -3}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
	if strings.Contains(string(b), `"bits"`) {
		t.Error("bits stand there twice")
	}
	if r.Facts.Risk.Bits["network"] != -1.5 || r.Reasons[0].Signal != "device" {
		t.Error("Marshal changed what it was given")
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := Record{Model: "m", Facts: signIn(), Outcome: Outcome{Action: Allow}}
	r.Facts.Request.Scopes = nil
	for range maxList {
		r.Facts.Request.Scopes = append(r.Facts.Request.Scopes, strings.Repeat("s", 100))
		r.Outcome.Shadow = append(r.Outcome.Shadow, Outcome{Action: Revoke, Rule: strings.Repeat("r", 64)})
	}
	b, err := r.Marshal()
	if err != nil || len(b) > maxRecord {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if got, err := ParseRecord(b); err != nil || !got.Cut {
		t.Errorf("%+v, %v", got, err)
	}
	r.Model = strings.Repeat("m", maxRecord)
	if _, err := r.Marshal(); err == nil {
		t.Error("what cannot be cut is written")
	}
}

func FuzzParseRecord(f *testing.F) {
	b, _ := Record{Model: "m", Facts: signIn(), Reasons: []Reason{{"device", -3, "known"}}, Outcome: Outcome{Action: StepUp, Required: 2}}.Marshal()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRecord(b); err == nil {
			if again, err := r.Marshal(); err == nil {
				if _, err := ParseRecord(again); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
