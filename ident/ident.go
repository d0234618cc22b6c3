// Package ident is the vocabulary every floor shares: identifiers, authentication
// methods, assurance and the environment of a request. It does no I/O and decides nothing.
package ident

import "net/netip"

type (
	// UserID names a person for ever; it is the `sub` of a client with public subjects.
	UserID string
	// ClientID is the `client_id` of RFC 6749 §2.2.
	ClientID string
	// SessionID is the public name of a session, the `sid` of OIDC Back-Channel Logout §2.1. It is no secret.
	SessionID string
	// DeviceID names a browser or phone of one person, derived from its device cookie. It is no secret.
	DeviceID string
	// GrantID names one authorization of one client; a refresh family is a grant.
	GrantID string
)

// AMR is one authentication method reference of RFC 8176 §2.
type AMR string

// The methods Postern uses.
const (
	Password    AMR = "pwd"
	OTP         AMR = "otp"
	MultiFactor AMR = "mfa"
	HardwareKey AMR = "hwk"
	SoftwareKey AMR = "swk"
	UserPresent AMR = "user"
	Possession  AMR = "pop"
	RiskBased   AMR = "rba"
)

// Assurance orders how sure an authentication is; a greater value satisfies a smaller one.
type Assurance uint8

// The rungs, after NIST SP 800-63B-4 and the OpenID EAP ACR values.
const (
	None              Assurance = iota
	AAL1                        // one factor
	AAL2                        // two distinct factors
	PhishingResistant           // `phr`: two factors, phishing-resistant
	HardwareBound               // `phrh`: as phr, in hardware that cannot be copied
)

// ACRs lists the `acr` value of each rung, weakest first, from AAL1 on; index i is rung i+1.
var ACRs = [...]string{"urn:postern:acr:aal1", "urn:postern:acr:aal2", "phr", "phrh"}

// Env is where a request comes from, as far as we believe it: the address is that of the peer or,
// where the peer is a configured proxy, the one which it reports.
type Env struct {
	IP        netip.Addr
	UserAgent string   // at most 512 bytes
	Device    DeviceID // "" where the browser showed no device cookie of ours
	RequestID string
	Hints     string   // low-entropy client hints as sent: brands, platform and mobile, joined by "; "; at most 256 bytes
	JA4       string   // fingerprint of the TLS client where we, or a trusted proxy, end its connection; otherwise ""
	Key       KeyProof // how well the device just proved that it holds a key of its own
	KeyID     string   // RFC 7638 thumbprint of that key; "" where Key is NoKey
}

// KeyProof orders how well a device proved a key of its own: what a cookie alone shows can be copied.
type KeyProof uint8

// Proofs of a key.
const (
	NoKey     KeyProof = iota
	KeyInApp           // a key that scripts can use and not read: it stays in the browser's profile
	KeyInChip          // a key that the browser keeps in hardware (Device Bound Session Credentials)
)
