package riskstep

import (
	"context"
	"time"
)

// State is what a signal found.
type State uint8

// States. Unknown counts as Novel wherever it matters.
const (
	Unknown State = iota // the signal is down, or its data is
	Usual
	Novel
	Absent // there is nothing to compare here, by configuration or by the nature of the address
)

// novel says whether s calls for caution.
func (s State) novel() bool { return s == Novel || s == Unknown }

// Reason is the key of a sentence that the person is shown; it stands in every language of the pages.
type Reason string

// Reasons.
const (
	ReasonCountry    Reason = "step.why.country"
	ReasonDevice     Reason = "step.why.device"
	ReasonAction     Reason = "step.why.action"     // the application asks for more
	ReasonCredential Reason = "step.why.credential" // what was shown may be in other hands
	ReasonUnmet      Reason = "unmet"               // the person has no factor that would be enough
)

// Finding is what a signal says.
type Finding struct {
	State  State
	Reason Reason // why, where State is Novel or Unknown
}

// Signal looks at one aspect. It may take microseconds: it stands in the way of every sign-in.
type Signal interface {
	Name() string
	Assess(ctx context.Context, v *View) Finding
}

// View is what signals look at: the question, the place, and what is known of the person.
type View struct {
	Input
	Policy     Policy
	Now        time.Time
	Place      Place
	PlaceState State // Usual: Place can be relied on; otherwise why not

	profile profile
	version int64
	keys    [][]byte
}

// History says whether anything is known of the person's habits.
func (v *View) History() bool {
	return v.profile.damaged || len(v.profile.entries) > 0 || v.profile.alerted(v.Now)
}
