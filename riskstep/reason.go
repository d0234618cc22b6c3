package riskstep

// Reason is the key of a sentence that the person is shown; it stands in every language of the pages.
type Reason string

// Reasons.
const (
	ReasonCountry    Reason = "step.why.country"
	ReasonDevice     Reason = "step.why.device"
	ReasonAction     Reason = "step.why.action"     // the application asks for more
	ReasonCredential Reason = "step.why.credential" // what was shown may be in other hands
	ReasonRisk       Reason = "step.why.risk"       // the whole is unusual
	ReasonKey        Reason = "step.why.key"        // another key than that of the device
	ReasonUnmet      Reason = "unmet"               // the person has no factor that would be enough
)
