package authn

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/postern-id/postern/ident"
)

var (
	// ErrUnknownPasskey says that nobody has a passkey with the credential id that was shown; it is an ErrWrong.
	// The page may tell the authenticator so (signalUnknownCredential, WebAuthn L3 §5.1.10).
	ErrUnknownPasskey = fmt.Errorf("%w: unknown passkey", ErrWrong)
	// ErrExists says that the authenticator holds a passkey of this account already, or that the credential id is taken.
	ErrExists = errors.New("authn: this passkey is registered already")
	// ErrFull says that the person has as many passkeys as one may have.
	ErrFull = errors.New("authn: too many passkeys")
	// ErrLast says that without this passkey the person could not sign in any more.
	ErrLast = errors.New("authn: the last way to sign in cannot be removed")
	// ErrAttestation says that policy does not accept this make of authenticator.
	ErrAttestation = errors.New("authn: policy refuses this authenticator")
)

// StepUp says that a change of factors needs a fresher or stronger sign-in.
type StepUp struct {
	Need ident.Assurance // at least this rung
}

func (s StepUp) Error() string {
	return "authn: a change of factors needs a sign-in at " + s.Need.ACR()
}

// Attestation is how much an authenticator has to say about its make. WebAuthn L3 §5.4.7.
type Attestation string

// The values of the specification. Direct and enterprise demand a chain to a root in the metadata; the other two
// take what comes, and believe only what has such a chain.
const (
	AttestNone       Attestation = "none"
	AttestIndirect   Attestation = "indirect"
	AttestDirect     Attestation = "direct"
	AttestEnterprise Attestation = "enterprise"
)

// COSE algorithms of passkeys. RFC 9053 §2, RFC 8812 §2.
const (
	algEdDSA int64 = -8
	algES256 int64 = -7
	algRS256 int64 = -257
)

// PasskeyPolicy is what an operator may choose about passkeys. Without RPID there are none.
type PasskeyPolicy struct {
	RPID   string // relying party identifier: a domain, for ever; WebAuthn L3 §4
	RPName string // as the person sees it: RPID
	// Origins may run ceremonies, compared exactly: https://host[:port], http only for localhost, or android:apk-key-hash:….
	// Those on other domains than RPID must also stand in /.well-known/webauthn (WebAuthn L3 §5.11).
	Origins     []string
	TopOrigins  []string    // pages that may embed those origins in a frame: none
	Attestation Attestation // none
	Algorithms  []int64     // of the three we verify, most wanted first: EdDSA, ES256, RS256
	OptionalUV  bool        // a sign-in may go without user verification; it is then one factor only
	Metadata    MetadataPolicy
}

func (p *PasskeyPolicy) complete() error {
	if p.RPID == "" {
		return nil
	}
	if p.RPName == "" {
		p.RPName = p.RPID
	}
	if p.Attestation == "" {
		p.Attestation = AttestNone
	}
	if p.Algorithms == nil {
		p.Algorithms = []int64{algEdDSA, algES256, algRS256}
	}
	if !isDomain(p.RPID) {
		return fmt.Errorf("authn: relying party identifier %q is not a lower-case domain", p.RPID)
	}
	if len(p.Origins) == 0 {
		return errors.New("authn: passkeys need at least one origin")
	}
	for _, o := range slices.Concat(p.Origins, p.TopOrigins) {
		if !isOrigin(o) {
			return fmt.Errorf("authn: %q is not an origin over https", o)
		}
	}
	for _, a := range p.Algorithms {
		if a != algEdDSA && a != algES256 && a != algRS256 {
			return fmt.Errorf("authn: algorithm %d is not one for passkeys", a)
		}
	}
	if len(p.Algorithms) == 0 {
		return errors.New("authn: passkeys need at least one algorithm")
	}
	switch p.Attestation {
	case AttestNone, AttestIndirect:
	case AttestDirect, AttestEnterprise:
		if p.Metadata.File == "" {
			return errors.New("authn: attestation cannot be demanded without metadata")
		}
	default:
		return fmt.Errorf("authn: unknown attestation %q", p.Attestation)
	}
	return p.Metadata.complete()
}

// isDomain says whether d is a lower-case domain in ASCII, and no address.
func isDomain(d string) bool {
	labels := strings.Split(d, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "-") != l || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(d) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// isOrigin says whether o is an origin as a browser serialises it, and safe.
func isOrigin(o string) bool {
	if hash, ok := strings.CutPrefix(o, "android:apk-key-hash:"); ok {
		return hash != ""
	}
	u, err := url.Parse(o)
	if err != nil || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != o {
		return false
	}
	switch host := u.Hostname(); u.Scheme {
	case "https":
		return u.Port() != "443"
	case "http": // a secure context only there: Secure Contexts §3.1
		return u.Port() != "80" && (host == "localhost" || strings.HasSuffix(host, ".localhost"))
	}
	return false
}

// handleOf is the user handle of user: 32 bytes that say nothing about them. WebAuthn L3 §14.6.1.
func handleOf(user ident.UserID) []byte {
	sum := sha256.Sum256([]byte("postern user handle\x00" + string(user)))
	return sum[:]
}

// factorOf is what p shows, by itself or with its user verified. What its maker attests counts as long as
// the metadata still vouches for it.
func (s *Service) factorOf(p Passkey, verified bool) factors {
	switch {
	case !verified:
		return hasTouch
	case p.Synced:
		return hasSynced
	case p.Attested != "" && s.mds.hardware(p.AAGUID):
		return hasHardware
	}
	return hasBound
}
