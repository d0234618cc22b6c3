package web

import (
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/web/pages"
)

// nearby is how far apart two sessions can be, in km, that are called near each other.
const nearby = 250

// far is where a session was used last, from where the one at hand is. Where the two circles meet, no distance can be
// told: they are near each other if even their far ends are, and otherwise nothing is known.
func far(here, there riskstep.Spot) pages.Far {
	if !here.Known() || !there.Known() {
		return pages.Far{}
	}
	km, bearing := here.To(there)
	off := float64(here.Km + there.Km)
	if km <= off {
		return pages.Far{Known: km+off <= nearby}
	}
	return pages.Far{Known: true, Km: km, Off: off, Bearing: bearing}
}
