package authn

import "github.com/postern-id/postern/ident"

// factors is the set of what was shown in one proof, or of what a person has. Held proofs carry it as a
// number: new factors come at the end.
type factors uint16

const (
	hasPassword      factors = 1 << iota // a password that may stand alone
	hasShortPassword                     // a password so short that it needs a second factor beside it
	hasOTP                               // a time-based one-time password
	hasRecovery                          // a recovery code: a look-up secret
	hasTouch                             // a passkey that saw that somebody is there, not who
	hasSynced                            // a passkey that verified its user and may be copied to their other devices
	hasBound                             // a passkey that verified its user and stays on its device, as it says itself
	hasHardware                          // as hasBound, and its maker attests that hardware keeps it
	hasApproval                          // a device of theirs that took over a number and had its key sign for them
	hasProgram                           // nothing: a program decided in their place, for tests
)

type rung struct {
	of        factors
	assurance ident.Assurance
	amr       []ident.AMR
}

// rungs is what single factors add up to, strongest first; the first row whose factors are all
// there counts. NIST SP 800-63B-4 §2.1 to §2.3, §3.1.1.2 (a memorised secret that is the only
// factor has at least 15 characters), §3.1.2 (look-up secrets), §3.1.3 (out-of-band devices), §3.1.4 (one-time passwords), §3.1.6 and §3.1.7
// (cryptographic authenticators), §3.2.5 (phishing resistance), Appendix B (syncable authenticators).
// A passkey is bound to the name of the site, so that whatever stands beside it cannot be phished either.
var rungs = []rung{
	{hasHardware, ident.HardwareBound, []ident.AMR{ident.HardwareKey, ident.UserPresent, ident.MultiFactor}},
	{hasBound, ident.PhishingResistant, []ident.AMR{ident.HardwareKey, ident.UserPresent, ident.MultiFactor}},
	{hasSynced, ident.PhishingResistant, []ident.AMR{ident.SoftwareKey, ident.UserPresent, ident.MultiFactor}},
	{hasPassword | hasTouch, ident.PhishingResistant, []ident.AMR{ident.Password, ident.Possession, ident.UserPresent, ident.MultiFactor}},
	{hasShortPassword | hasTouch, ident.PhishingResistant, []ident.AMR{ident.Password, ident.Possession, ident.UserPresent, ident.MultiFactor}},
	{hasPassword | hasOTP, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasShortPassword | hasOTP, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasPassword | hasRecovery, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasShortPassword | hasRecovery, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasApproval, ident.AAL2, []ident.AMR{ident.Possession, ident.UserPresent, ident.MultiFactor}},
	{hasTouch, ident.AAL1, []ident.AMR{ident.Possession, ident.UserPresent}},
	{hasPassword, ident.AAL1, []ident.AMR{ident.Password}},
	{hasOTP, ident.AAL1, []ident.AMR{ident.OTP}},
	{hasRecovery, ident.AAL1, []ident.AMR{ident.OTP}},
	{hasProgram, ident.AAL1, nil},
	{hasShortPassword, ident.None, []ident.AMR{ident.Password}},
}

// worth is the row of rungs that f reaches; the zero rung for no factor.
func (f factors) worth() rung {
	for _, r := range rungs {
		if f&r.of == r.of {
			return r
		}
	}
	return rung{}
}
