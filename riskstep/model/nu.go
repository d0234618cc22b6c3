package model

import "math"

// Novelty rates: how often a level is new for a person, given how much there was to compare with and how long ago it
// was seen last. They are learnt for the whole tenant; what is shipped is where each starts.

const (
	countBuckets = 5
	gapBuckets   = 5
)

// countBucket sorts how many entries there were to compare with.
func countBucket(n float64) uint8 {
	switch {
	case n <= 1:
		return 0
	case n <= 2:
		return 1
	case n <= 4:
		return 2
	case n <= 8:
		return 3
	}
	return 4
}

// gapBucket sorts how long nothing was seen, in seconds: leases, versions and habits change with time, not with logins.
func gapBucket(s uint32) uint8 {
	switch {
	case s < 3*60*60:
		return 0
	case s < day:
		return 1
	case s < 4*day:
		return 2
	case s < 15*day:
		return 3
	}
	return 4
}

// shipped is how a rate starts: at one entry and a gap of days, how it falls with more entries, and whether it grows with
// the gap in proportion (what changes by the calendar) or slowly (what changes by habit).
var shipped = [levels]struct {
	one, fall float64
	calendar  bool
}{
	lCountry:   {.03, .8, false},
	lASN:       {.12, .5, false},
	lPrefix:    {.25, .4, true},
	lAddress:   {.30, .3, true},
	lDevice:    {.15, .5, false},
	lFamily:    {.004, .3, false},
	lFamilyNew: {.40, .4, false},
	lAgent:     {.12, .2, true},
	lAgentNew:  {.50, .2, true},
	lKey:       {.03, .3, false},
	lJA4:       {.02, .3, false},
	lJA4New:    {.20, .3, true},
}

var (
	typicalCount = [countBuckets]float64{1, 2, 3, 6, 13}
	slowly       = [gapBuckets]float64{.6, .8, 1, 1.3, 1.7}
	calendar     = [gapBuckets]float64{.2, .5, 1, 2, 3.5}
)

// shippedRate is where the rate of a level starts.
func shippedRate(level, n, gap int) float64 {
	s := &shipped[level]
	grows := &slowly
	if s.calendar {
		grows = &calendar
	}
	return min(s.one*math.Pow(typicalCount[n], -s.fall)*grows[gap], .9)
}

// shippedWeight is how many logins what is shipped counts for, in each cell.
const shippedWeight = 40

// mostNew bounds every rate, whatever blobs claim.
const mostNew = .95

// rates are novelty rates as they stand: no cell lower than one with more entries, none higher than one with a longer
// gap, so that learning never makes what was learnt look less like the person.
type rates [levels][countBuckets][gapBuckets]float32

func ratesOf(count func(level, n, gap int) (tried, new float64)) *rates {
	var r rates
	for level := range levels {
		for n := range countBuckets {
			for gap := range gapBuckets {
				tried, fresh := count(level, n, gap)
				rate := (fresh + shippedWeight*shippedRate(level, n, gap)) / (tried + shippedWeight)
				if n > 0 {
					rate = min(rate, float64(r[level][n-1][gap]))
				}
				r[level][n][gap] = float32(min(rate, mostNew))
			}
		}
		for n := range countBuckets {
			for gap := 1; gap < gapBuckets; gap++ {
				r[level][n][gap] = max(r[level][n][gap], r[level][n][gap-1])
			}
		}
	}
	return &r
}
