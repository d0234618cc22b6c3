package authn

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
)

// ProofLife is how long a proof can be used and within what time two proofs can be combined.
const ProofLife = 10 * time.Minute

// ErrCombine is returned by With for proofs that do not belong together: of two people, further
// apart than ProofLife, or not valid.
var ErrCombine = errors.New("authn: these proofs do not combine")

// Proof is the evidence that a person showed one or more factors. Only this package makes one; its
// zero value proves nothing.
type Proof struct {
	id       string
	user     ident.UserID
	factors  factors
	from, at time.Time // when the first and the last of its factors were shown
	suspect  bool
	// What has to be known of the account.
	breached, recovered, doubted bool
}

// ID names the proof; a riskstep.Decision is bound to it. It is no secret.
func (p Proof) ID() string { return p.id }

// User is who it is.
func (p Proof) User() ident.UserID { return p.user }

// AMR lists the methods that were used, and `mfa` where there were two factors. RFC 8176 §2.
func (p Proof) AMR() []ident.AMR { return slices.Clone(p.factors.worth().amr) }

// Assurance is the rung that the factors reach together. It is None for a proof that cannot stand
// alone, such as a password too short to be a single factor: With completes it. After a recovery it is
// AAL1 at most, whatever was shown: see Recovered.
func (p Proof) Assurance() ident.Assurance {
	if a := p.factors.worth().assurance; !p.recovered || a < ident.AAL1 {
		return a
	}
	return ident.AAL1
}

// At is when the last of its factors was shown.
func (p Proof) At() time.Time { return p.at }

// Suspect says that a passkey of this proof may have been cloned: its counter went back, now or earlier.
// WebAuthn L3 §6.1.1.
func (p Proof) Suspect() bool { return p.suspect }

// Breached says that its password is on the list of those that leaked, or that the list cannot be read.
func (p Proof) Breached() bool { return p.breached }

// Doubted says that its password may be known to others: the person said so of a request that came of it, or somebody asked
// for approvals as guessers do.
func (p Proof) Doubted() bool { return p.doubted }

// Recovered says that the account was recovered with nothing but its mailbox, and that its owner has not added a
// factor since.
func (p Proof) Recovered() bool { return p.recovered }

// methods are its AMR, for the trail.
func (p Proof) methods() string {
	words := make([]string, 0, 4)
	for _, m := range p.AMR() {
		words = append(words, string(m))
	}
	return strings.Join(words, " ")
}

// Valid says whether this is a proof at all.
func (p Proof) Valid() bool { return p.id != "" && p.user != "" && p.factors != 0 }

// Fresh says whether all of its factors were shown within the ProofLife before now.
func (p Proof) Fresh(now time.Time) bool {
	return p.Valid() && !p.at.After(now) && now.Sub(p.from) <= ProofLife
}

// With combines two proofs of one person, all of whose factors were shown within ProofLife, into
// one; what they add up to stands in assurance.go. Otherwise it returns ErrCombine.
func (p Proof) With(q Proof) (Proof, error) {
	if !p.Valid() || !q.Valid() || p.user != q.user {
		return Proof{}, ErrCombine
	}
	from, at := p.from, p.at
	if q.from.Before(from) {
		from = q.from
	}
	if q.at.After(at) {
		at = q.at
	}
	if at.Sub(from) > ProofLife {
		return Proof{}, ErrCombine
	}
	sum := sha256.Sum256([]byte(p.id + "\x00" + q.id))
	return Proof{
		id:   base64.RawURLEncoding.EncodeToString(sum[:16]),
		user: p.user, factors: p.factors | q.factors, from: from, at: at, suspect: p.suspect || q.suspect,
		breached: p.breached || q.breached, recovered: p.recovered || q.recovered, doubted: p.doubted || q.doubted,
	}, nil
}
