package pages

import (
	"errors"
	"time"

	"github.com/postern-id/postern/web/locales"
)

// MailKind is what a mail tells.
type MailKind string

// Mails. Each says what happened, what to do if it was not the person, and how to do it once.
const (
	MailNewDevice         MailKind = "newdevice"         // signed in on a device not seen before
	MailNewPlace          MailKind = "newplace"          // signed in from a country not seen before
	MailFactorAdded       MailKind = "factoradded"       // with Factor
	MailFactorRemoved     MailKind = "factorremoved"     // with Factor
	MailFactorChanged     MailKind = "factorchanged"     // with Factor: renamed, or codes replaced
	MailPasswordChanged   MailKind = "passwordchanged"   // or set
	MailCodesLow          MailKind = "codeslow"          // a recovery code was used; Left says how many are left
	MailRecoveryRequested MailKind = "recoveryrequested" // URL begins it; Until is when it can end
	MailRecoveryReady     MailKind = "recoveryready"     // the cool-down is over: URL goes on
	MailRecoveryCancelled MailKind = "recoverycancelled"
	MailRecoveryDone      MailKind = "recoverydone"
)

// Factor is a way to sign in, as mails and pages name it.
type Factor string

// Factors.
const (
	FactorPasskey  Factor = "passkey"
	FactorTOTP     Factor = "totp"
	FactorCodes    Factor = "codes"
	FactorPassword Factor = "password"
)

// MailData fills a mail. All addresses are absolute.
type MailData struct {
	Brand    string // "" is the name of the product
	Account  string // username or address, so that who has two knows which
	Factor   Factor
	Name     string // of the passkey; "" leaves it out
	Context  Context
	Left     int
	URL      string    // MailRecoveryRequested, MailRecoveryReady: where to go on
	Until    time.Time // MailRecoveryRequested: not before
	NotMeURL string    // one-time link; "" leaves it out
}

// ErrMail says that a kind of mail does not exist.
var ErrMail = errors.New("pages: no such mail")

// Mail returns the subject and the two bodies of a mail: text/plain and text/html, both in UTF-8. It fetches nothing
// when it is read, and no word of it comes from the person who caused it except Name.
func (r *Renderer) Mail(kind MailKind, l locales.Lang, d MailData) (subject, text, html string, err error) {
	return "", "", "", ErrMail
}
