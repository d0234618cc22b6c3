package policy

import "errors"

// Record is what is kept of a decision: enough to explain it, and to try other rules on it. It holds no address.
type Record struct {
	V       int        `json:"v"` // 1
	Model   string     `json:"model"`
	Facts   Facts      `json:"facts"`
	Score   float64    `json:"score"` // logit of P
	Prior   float64    `json:"prior"` // logit
	Types   [4]float64 `json:"types"` // posterior of naive, vpn, targeted, stolen
	Reasons []Reason   `json:"reasons,omitempty"`
	Outcome Outcome    `json:"outcome"`
	MMDB    int64      `json:"mmdb,omitempty"` // build epoch of the data of networks, Unix seconds; 0 where there is none
}

// Reason is one contribution to the score.
type Reason struct {
	Signal string  `json:"s"`
	Bits   float64 `json:"b"`
	Level  string  `json:"l,omitempty"`
}

// Marshal returns r as JSON of at most 3 KiB. What is too long is left out from its least telling end.
func (r *Record) Marshal() ([]byte, error) { return nil, errors.New("policy: no record") }

// ParseRecord reads what Marshal wrote.
func ParseRecord(b []byte) (*Record, error) { return nil, errors.New("policy: no record") }
