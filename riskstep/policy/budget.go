package policy

import (
	"sync"
	"time"
)

// Budget turns a share of legitimate sign-ins that may be challenged into a threshold. It is safe for concurrent use.
type Budget struct {
	share float64
	mu    sync.Mutex
}

// NewBudget returns an empty Budget for share, between 0 and 1.
func NewBudget(share float64) *Budget { return &Budget{share: share} }

// Observe counts the score (a logit) of a sign-in that succeeded, of somebody with at least five sign-ins before.
func (b *Budget) Observe(at time.Time, score float64) {}

// Delta returns what was observed since it was last called, and forgets it; nil where that is nothing.
func (b *Budget) Delta() []byte { return nil }

// Replace makes blob, which the nodes share, what the threshold is computed from.
func (b *Budget) Replace(blob []byte) error { return nil }

// MergeBudgets returns the blob of all that is in a and in b; at most 4 KiB. The order does not matter; nil is nothing.
func MergeBudgets(a, b []byte) ([]byte, error) { return nil, nil }

// Threshold is the probability that the share of sign-ins in the last thirty days reached; cold as long as too few are known.
func (b *Budget) Threshold(cold float64) float64 { return cold }
