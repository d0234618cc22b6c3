package pages

import (
	"time"

	"github.com/postern-id/postern/web/locales"
)

// Passkeys is /account/passkeys. Forms post rename=ID with name, or delete=ID; adding goes through the script.
type Passkeys struct {
	Account
	Passkeys []Passkey // oldest first
	Full     bool      // no more can be added
	Signal   Signal
}

// Passkey is one of a person's passkeys.
type Passkey struct {
	ID       string // credential id in base64url
	Name     string // as the person calls it; "" takes Provider
	Provider string // from authn.ProviderOf; "" is not known
	AddedAt  time.Time
	UsedAt   time.Time // zero: never
	UsedOn   string    // "Chrome on Windows"
	Synced   bool      // backed up, or may be (BE)
	Key      bool      // a security key that goes from device to device (cross-platform attachment)
	Suspect  bool      // its counter went back: it may have been copied
	Only     bool      // the last way to sign in: it cannot be deleted
}

// Signal is what a browser may tell the person's password managers, by the Signal API of WebAuthn L3 §5.1.10.
// The zero value tells nothing.
type Signal struct {
	RPID        string   `json:"rpId"`
	UserID      string   `json:"userId"`                   // user handle in base64url
	Accepted    []string `json:"allAcceptedCredentialIds"` // all of them in base64url, or the others get hidden
	Name        string   `json:"name"`
	DisplayName string   `json:"displayName"`
}

// TOTP is /account/totp: how to set up an authenticator app, or, where On, what is set up. Forms post code with Hidden,
// or remove=1.
type TOTP struct {
	Account
	On     bool
	Since  time.Time // with On; zero: not known
	Needed bool      // with On: it cannot be removed, since no other second factor is left
	QR     [][]bool  // modules of the QR code by row, true is dark, without a quiet zone
	Secret string    // in base32; shown in groups of four
	URI    string    // otpauth://totp/…
	Hidden []Field   // what the handler needs back to find the secret; never the secret itself
}

// RecoveryCodes is /account/recovery-codes. Forms post create=1 for new codes, or saved=1 once they are kept.
// A page with Codes is the only one that ever shows them.
type RecoveryCodes struct {
	Account
	Codes    []string // new ones, as XXXX-XXXX; none: only how many are left
	Hidden   []Field  // with Codes: what the handler needs back
	Username string   // with Codes: whose they are, for the print
	Site     string   // with Codes: host where they are good, for the print; "" leaves it out
	Left, Of int
}

// Password is /account/password. It posts current (where Has) and new.
type Password struct {
	Account
	Username string // for password managers
	Has      bool   // there is one, to be entered first
	Spare    bool   // it can be removed: there is a passkey
	Least    int    // characters
	Weak     []Weakness
}

// Weakness is why a new password was refused.
type Weakness uint8

// Weaknesses.
const (
	TooShort  Weakness = iota
	TooLong            // longer than the deployment takes
	Breached           // on a list of passwords that attackers know
	Personal           // made of the person's own name, address or of this service's name
	Unchanged          // the same as the one before
)

// Settings is /account/settings. It posts lang ("", "en", "zh-CN") and theme ("", "light", "dark").
type Settings struct {
	Account
	Choice    locales.Lang // "" follows the browser
	ExportURL string       // path that downloads what is known of the person; "" where there is none
}
