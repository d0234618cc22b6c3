package riskstep

import "context"

// credential asks whether what was shown may be in other hands: a passkey whose counter went back may have been copied
// (WebAuthn L3 §6.1.1), a password stands on a list of those that leaked, or what it
// began was denied as not the person's own.
type credential struct{}

func (credential) Name() string { return "credential" }

func (credential) Assess(_ context.Context, v *View) Finding {
	switch {
	case !v.Proof.Valid():
		return Finding{State: Absent}
	case v.Proof.Suspect() || v.Proof.Breached() || v.Proof.Doubted():
		return Finding{State: Novel, Reason: ReasonCredential}
	}
	return Finding{State: Usual}
}
