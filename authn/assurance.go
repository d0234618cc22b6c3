package authn

import "github.com/postern-id/postern/ident"

// factors is the set of what was shown in one proof, or of what a person has.
type factors uint8

const (
	hasPassword      factors = 1 << iota // a password that may stand alone
	hasShortPassword                     // a password so short that it needs a second factor beside it
	hasOTP                               // a time-based one-time password
)

type rung struct {
	of        factors
	assurance ident.Assurance
	amr       []ident.AMR
}

// rungs is what single factors add up to, strongest first; the first row whose factors are all
// there counts. NIST SP 800-63B-4 §2.1 to §2.3, §3.1.1.2 (a memorised secret that is the only
// factor has at least 15 characters), §3.1.4 (one-time passwords).
var rungs = []rung{
	{hasPassword | hasOTP, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasShortPassword | hasOTP, ident.AAL2, []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}},
	{hasPassword, ident.AAL1, []ident.AMR{ident.Password}},
	{hasOTP, ident.AAL1, []ident.AMR{ident.OTP}},
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
