package policy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	maxRecord = 3 << 10 // bytes
	recordV   = 1
)

var errRecord = errors.New("policy: not a record of a decision")

// Record is what is kept of a decision: enough to explain it, and to try other rules on it. It holds no address.
type Record struct {
	V       int        `json:"v"` // 1; Marshal sets it
	Model   string     `json:"model"`
	Facts   Facts      `json:"facts"`
	Score   float64    `json:"score"` // logit of P
	Prior   float64    `json:"prior"` // logit
	Types   [4]float64 `json:"types"` // posterior of naive, vpn, targeted, stolen
	Reasons []Reason   `json:"reasons,omitempty"`
	Outcome Outcome    `json:"outcome"`
	MMDB    int64      `json:"mmdb,omitempty"` // when the data of networks was built, Unix seconds; 0 where there is none
	Cut     bool       `json:"cut,omitempty"`  // scopes or shadow outcomes were left out
}

// Reason is one contribution to the score.
type Reason struct {
	Signal string  `json:"s"`
	Bits   float64 `json:"b"` // positive for an attack
	Level  string  `json:"l,omitempty"`
}

// Marshal returns r as JSON of at most 3 KiB. Where it would be longer, scopes and outcomes in shadow are left out, which
// Cut says. Numbers are rounded to what tells something; risk.bits stand in Reasons only.
func (r Record) Marshal() ([]byte, error) {
	r.V = recordV
	r.Facts.Risk.Bits = nil
	r.Facts.Risk.P = digits(r.Facts.Risk.P)
	r.Facts.Limits = Thresholds{digits(r.Facts.Limits.StepUp), digits(r.Facts.Limits.Deny)}
	r.Score, r.Prior = digits(r.Score), digits(r.Prior)
	for i := range r.Types {
		r.Types[i] = digits(r.Types[i])
	}
	r.Reasons = slices.Clone(r.Reasons)
	for i := range r.Reasons {
		r.Reasons[i].Bits = digits(r.Reasons[i].Bits)
	}
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return cmp.Compare(math.Abs(b.Bits), math.Abs(a.Bits)) })
	for {
		b, err := json.Marshal(r)
		if err != nil || len(b) <= maxRecord {
			return b, err
		}
		scopes, shadow, narrow := r.Facts.Request.Scopes, r.Outcome.Shadow, r.Outcome.Narrow
		if r.Cut = true; len(scopes)+len(shadow)+len(narrow) == 0 {
			return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
		}
		r.Facts.Request.Scopes, r.Outcome.Shadow = scopes[:len(scopes)/2], shadow[:len(shadow)/2]
		if len(scopes)+len(shadow) == 0 {
			r.Outcome.Narrow = narrow[:len(narrow)/2]
		}
	}
}

// digits is x with five digits: more tell nothing more of a risk.
func digits(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	unit := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(x))))
	if rounded := math.Round(x*unit) / unit; !math.IsNaN(rounded) && !math.IsInf(rounded, 0) {
		return rounded
	}
	return x
}

// ParseRecord reads what Marshal wrote; risk.bits are those of Reasons again.
func ParseRecord(b []byte) (*Record, error) {
	if len(b) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	if r.V != recordV {
		return nil, fmt.Errorf("%w: version %d", errRecord, r.V)
	}
	if len(r.Reasons) > 0 {
		r.Facts.Risk.Bits = make(map[string]float64, len(r.Reasons))
	}
	for _, x := range r.Reasons {
		r.Facts.Risk.Bits[x.Signal] += x.Bits
	}
	return &r, nil
}
