package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// A Budget counts scores by day in bins of half a logit: the first is all below lowest, the last all from lowest + 15.5
// on. Days and bins are so few, and a count so small, that the whole is at most 4 KiB.
const (
	bins      = 33
	lowest    = -9.5
	width     = 0.5
	keptDays  = 30
	maxCount  = 1<<28 - 1 // in a day and a bin; more are not counted
	maxBudget = 4 << 10   // bytes of a blob
	minSeen   = 2000      // sign-ins from which on the threshold is computed

	minShare, maxShare = 0.0001, 0.5
	// A budget is only a budget: what is a thousand times likelier to be its owner is not challenged because some share has
	// to be, and what is as likely an attack as not is, because somebody could have shifted the share.
	leastP, mostP = 0.001, HighFrom
)

const aDay = 24 * time.Hour

var errBudget = errors.New("policy: not a budget")

// days are counts by the number of the day since 1970, UTC.
type days map[uint32]*[bins]uint32

// Budget turns a share of legitimate sign-ins that may be challenged into a threshold. It is safe for concurrent use.
type Budget struct {
	share float64
	mu    sync.Mutex
	all   days // what is known: of all nodes, and of this one
	delta days // of this one since Delta
	stale bool
	limit float64 // the threshold, unless stale; 0 where too few are known
	fresh int     // observations since it was computed
}

// NewBudget returns an empty Budget for share, between 0 and 1.
func NewBudget(share float64) *Budget { return &Budget{share: share, all: days{}, delta: days{}} }

// Observe counts the score (a logit) of a sign-in that succeeded, of somebody with at least five sign-ins before.
func (b *Budget) Observe(at time.Time, score float64) {
	if math.IsNaN(score) || at.Unix() < 0 {
		return
	}
	day, bin := uint32(at.Unix()/int64(aDay/time.Second)), binOf(score)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.add(day, bin, 1)
	b.delta.add(day, bin, 1)
	if b.fresh++; b.fresh >= 256 {
		b.stale, b.fresh = true, 0
	}
}

// Delta returns what was observed since it was last called, and forgets it; nil where that is nothing.
func (b *Budget) Delta() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.delta) == 0 {
		return nil
	}
	blob := b.delta.blob()
	b.delta = days{}
	return blob
}

// Replace makes blob, which the nodes share, what the threshold is computed from, with what this one has not given by
// Delta yet. An error leaves it as it was.
func (b *Budget) Replace(blob []byte) error {
	all, err := parseDays(blob)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all.merge(b.delta)
	b.all, b.stale = all, true
	return nil
}

// MergeBudgets returns the blob of all that is in a and in b; at most 4 KiB. The order does not matter; nil is nothing.
func MergeBudgets(a, b []byte) ([]byte, error) {
	x, err := parseDays(a)
	if err != nil {
		return nil, err
	}
	y, err := parseDays(b)
	if err != nil {
		return nil, err
	}
	x.merge(y)
	return x.blob(), nil
}

// Threshold is the probability that the share of sign-ins in the last thirty days reached, between 0.001 and 0.5; cold as
// long as fewer than 2000 are known.
func (b *Budget) Threshold(cold float64) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stale {
		b.limit, b.stale = b.all.quantile(b.share), false
	}
	if b.limit == 0 {
		return cold
	}
	return b.limit
}

func binOf(score float64) int {
	return int(min(max(math.Floor((score-lowest)/width)+1, 0), bins-1))
}

func (d days) add(day uint32, bin int, n uint32) {
	row := d[day]
	if row == nil {
		row = new([bins]uint32)
		d[day] = row
		d.trim()
	}
	row[bin] = min(row[bin]+min(n, maxCount), maxCount)
}

// trim forgets days that are over. The newest day decides: there is no clock here.
func (d days) trim() {
	if len(d) <= 1 {
		return
	}
	last := slices.Max(slices.Collect(maps.Keys(d)))
	maps.DeleteFunc(d, func(day uint32, _ *[bins]uint32) bool { return day+keptDays <= last })
}

func (d days) merge(other days) {
	for day, row := range other {
		for bin, n := range row {
			if n > 0 {
				d.add(day, bin, n)
			}
		}
	}
}

// quantile is the probability that share of what is counted reached; 0 where too little is.
func (d days) quantile(share float64) float64 {
	var sum [bins]float64
	total := 0.0
	for _, row := range d {
		for bin, n := range row {
			sum[bin] += float64(n)
			total += float64(n)
		}
	}
	if total < minSeen {
		return 0
	}
	above, want := 0.0, share*total
	for bin := bins - 1; bin >= 0; bin-- {
		if above+sum[bin] < want {
			above += sum[bin]
			continue
		}
		// Within a bin, as a tail falls: so that at a share of 2 % it is 2 %, not what the bin's edge happens to be.
		part := (want - above) / sum[bin]
		if above > 0 {
			part = math.Log(want/above) / math.Log((above+sum[bin])/above)
		}
		score := lowest + width*(float64(bin)-part)
		return min(max(1/(1+math.Exp(-score)), leastP), mostP)
	}
	return leastP
}

// blob is version, number of days, and of each from the newest on: the day, or how many days before the newest it
// was, and the count of every bin. The same counts give the same bytes.
func (d days) blob() []byte {
	order := slices.Sorted(maps.Keys(d))
	slices.Reverse(order)
	out := []byte{1, byte(len(order))}
	for i, day := range order {
		if i == 0 {
			out = binary.AppendUvarint(out, uint64(day))
		} else {
			out = append(out, byte(order[0]-day))
		}
		for _, n := range d[day] {
			out = binary.AppendUvarint(out, uint64(n))
		}
	}
	return out
}

func parseDays(blob []byte) (days, error) {
	d := days{}
	if len(blob) == 0 {
		return d, nil
	}
	if len(blob) > maxBudget || len(blob) < 2 || blob[0] != 1 || blob[1] > keptDays {
		return nil, errBudget
	}
	count, rest := int(blob[1]), blob[2:]
	next := func(limit uint64) (uint32, error) {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > limit {
			return 0, fmt.Errorf("%w: a number that is none", errBudget)
		}
		rest = rest[n:]
		return uint32(v), nil
	}
	var newest uint32
	for i := range count {
		day, err := next(math.MaxUint32)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			newest = day
		} else if day == 0 || day >= keptDays || day > newest {
			return nil, fmt.Errorf("%w: a day that is too old", errBudget)
		} else {
			day = newest - day
		}
		if d[day] != nil {
			return nil, fmt.Errorf("%w: a day that is there twice", errBudget)
		}
		row := new([bins]uint32)
		for bin := range row {
			if row[bin], err = next(maxCount); err != nil {
				return nil, err
			}
		}
		d[day] = row
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: something follows it", errBudget)
	}
	return d, nil
}
