package authn

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// What is checked here is checked once more by the library. Here it is compared exactly, where the library
// compares hosts and forgets paths, and each refusal has its own code for the trail.

// maxCredentialID is the length of a credential id in bytes. WebAuthn L3 §7.1 step 25.
const maxCredentialID = 1023

// checkClient checks what the browser says about itself: WebAuthn L3 §7.1 steps 7 to 11, §7.2 steps 10 to 14.
func (s *Service) checkClient(raw []byte, typ string, challenge b64) error {
	var d struct {
		Type        string  `json:"type"`
		Challenge   string  `json:"challenge"`
		Origin      string  `json:"origin"`
		CrossOrigin bool    `json:"crossOrigin"`
		TopOrigin   *string `json:"topOrigin"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return refuse("malformed")
	}
	policy := s.policy.Passkey
	switch {
	case d.Type != typ:
		return refuse("type")
	case subtle.ConstantTimeCompare([]byte(d.Challenge), []byte(challenge.String())) != 1:
		return refuse("challenge")
	case !slices.Contains(policy.Origins, d.Origin):
		return refuse("origin")
	case (d.CrossOrigin || d.TopOrigin != nil) && len(policy.TopOrigins) == 0:
		return refuse("cross_origin")
	case d.TopOrigin != nil && !(d.CrossOrigin && slices.Contains(policy.TopOrigins, *d.TopOrigin)):
		return refuse("cross_origin")
	}
	return nil
}

// checkAuthenticator checks what the authenticator says about itself: WebAuthn L3 §7.1 steps 13 to 18, §7.2
// steps 15 to 19. present and verified say what it must have seen of its user.
func (s *Service) checkAuthenticator(a *protocol.AuthenticatorData, present, verified bool) error {
	rp := sha256.Sum256([]byte(s.policy.Passkey.RPID))
	switch {
	case subtle.ConstantTimeCompare(a.RPIDHash, rp[:]) != 1:
		return refuse("relying_party")
	case present && !a.Flags.UserPresent():
		return refuse("presence")
	case verified && !a.Flags.UserVerified():
		return refuse("verification")
	case a.Flags.HasBackupState() && !a.Flags.HasBackupEligible():
		return refuse("backup")
	}
	return nil
}

// checkKey returns the algorithm of a COSE_Key; refused where it is none of algorithms, which may be nil for all that
// we verify, or where its key is weak.
func checkKey(cose []byte, algorithms []int64) (alg int64, err error) {
	if algorithms == nil {
		algorithms = []int64{algEdDSA, algES256, algRS256}
	}
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return 0, refuse("key")
	}
	switch k := parsed.(type) {
	case webauthncose.OKPPublicKeyData:
		if alg = k.Algorithm; weakEd25519(k.XCoord) {
			return 0, refuse("weak_key")
		}
	case webauthncose.EC2PublicKeyData:
		alg = k.Algorithm
	case webauthncose.RSAPublicKeyData:
		n := new(big.Int).SetBytes(k.Modulus).BitLen()
		if alg = k.Algorithm; n < 2048 || n > 4096 { // an enormous key would be our work, not theirs
			return 0, refuse("weak_key")
		}
	}
	if !slices.Contains(algorithms, alg) {
		return 0, refuse("algorithm")
	}
	return alg, nil
}

// lowOrder are the points of small order, and their encodings that are not canonical, without the sign: under such
// a key there are signatures that fit any message. RFC 8032 §5.1.7, RFC 7748 §6.1.
var lowOrder = strings.Fields(`
	0000000000000000000000000000000000000000000000000000000000000000
	0100000000000000000000000000000000000000000000000000000000000000
	26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
	c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
	ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
	edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
	eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f`)

func weakEd25519(x []byte) bool {
	if len(x) != 32 {
		return true
	}
	x = slices.Clone(x)
	x[31] &= 0x7f
	return slices.Contains(lowOrder, hex.EncodeToString(x))
}
