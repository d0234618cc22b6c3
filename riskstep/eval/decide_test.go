package eval

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-id/postern/riskstep/policy"
)

func TestActions(t *testing.T) {
	const (
		home  = `{"t":"2026-01-01T09:00:00Z","user":"u","net":{"country":"NO","asn":2119},"device":"d1"}` + "\n"
		again = `{"t":"2026-01-02T09:00:00Z","user":"u","net":{"country":"NO","asn":2119},"device":"d1"}` + "\n"
		away  = `{"t":"2026-01-03T09:00:00Z","user":"u","net":{"country":"BR","asn":100,"hosting":true},"device":"d2"}` + "\n"
	)
	strong := strings.ReplaceAll(away, `"device"`, `"strong":true,"device"`)
	nowhere := strings.ReplaceAll(again, `"country":"NO","asn":2119`, "")
	for _, tt := range []struct {
		name, in string
		change   func(*policy.Config)
		rules    []policy.Rule
		want     string
	}{
		{"a new device from elsewhere", home + again + away, nil, nil, "allow allow step_up"},
		{"a passkey answers", home + again + strong, nil, nil, "allow allow allow"},
		{"data that should be there", home + nowhere, nil, nil, "allow step_up"},
		{"thresholds", home + again + away, func(c *policy.Config) { c.Thresholds = policy.Thresholds{StepUp: 1e-9, Deny: 1} }, nil, "step_up step_up step_up"},
		{"deny", home + strong, func(c *policy.Config) { c.Thresholds = policy.Thresholds{StepUp: .01, Deny: 1e-9} }, nil, "deny deny"},
		{"a rule", home + again + strong, nil, []policy.Rule{{Name: "no_hosts", When: "net.hosting && user.logins == 2 && risk.bits.network > 0.0 && risk.novel.device", Then: "deny"}}, "allow allow deny"},
		{"shadow", home + again + away, func(c *policy.Config) { c.Mode = "shadow" }, nil, "allow allow allow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := policy.DefaultConfig()
			c.Thresholds.StepUp = .9
			if tt.change != nil {
				tt.change(&c)
			}
			o := options()
			var err error
			if o.Policy, err = c.Build(tt.rules...); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := Replay(context.Background(), strings.NewReader(tt.in), &out, o); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range regexp.MustCompile(`"action":"(\w+)"`).FindAllStringSubmatch(out.String(), -1) {
				got = append(got, m[1])
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s\n%s", got, tt.want, out.String())
			}
		})
	}
}
