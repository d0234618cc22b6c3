package pages

import "time"

// NotMe is /not-me, where the link of a mail leads: nothing happens before the button is pressed, since scanners of mail
// follow links. It posts csrf and Hidden, with decision=mine for a sign-in that was theirs after all.
type NotMe struct {
	Form
	Mine    bool     // offers to say that it was them
	What    MailKind // which mail
	Factor  Factor   // with mails about a factor
	Account string
	Context Context
}

// Recover is /recover: who has lost all ways to sign in says who they are. It posts identifier, csrf, i.
type Recover struct {
	Form
	Client     Party
	Identifier string
	BackURL    string // path to sign in
	HelpURL    string
	Fault      Fault
	RetryIn    time.Duration
}

// RecoverOpen is where the link of a recovery leads first: nothing begins before the button is pressed, since scanners
// of mail follow links. It posts csrf and Hidden to Action.
type RecoverOpen struct {
	Form
	Account string
}

// RecoverWait is where the link of a recovery leads before its time. It posts decision=cancel, csrf and Hidden to
// /recover/cancel, or Action. A passkey goes through the script with the hidden fields, and ends the wait too.
type RecoverWait struct {
	Form
	Account string
	Until   time.Time
	Passkey bool   // has a passkey, perhaps still at hand
	Show    string // path that a code of a factor is posted to, with the same fields: it ends the wait
	Fault   Fault
	RetryIn time.Duration
}

// RecoverSet is where the link of a recovery leads when the time has come. A password posts new, csrf and Hidden to
// /recover/set, or Action; a passkey goes through the script with the hidden fields.
type RecoverSet struct {
	Form
	Account  string
	Passkey  bool // offers to make a passkey
	Password bool // offers to set a password
	Least    int  // characters of a password
	Weak     []Weakness
	Fault    Fault
}

// Notice says that something is done, and what comes next.
type Notice struct {
	What      Told
	Client    Party
	SignInURL string        // path to sign in; "" is /login
	Wait      time.Duration // with ToldRecoverWaits
}

// Told is what a Notice says.
type Told uint8

// What a Notice can say.
const (
	ToldRecoverSent      Told = iota // a mail is on its way, if there is such an account: says nothing else
	ToldRecoverWaits                 // the mail was confirmed: the cool-down of Wait runs
	ToldRecoverCancelled             // somebody who may has stopped the recovery
	ToldRecovered                    // the new way to sign in is set
	ToldNotMe                        // the report was taken: all devices are signed out
)

// Outbox is /dev/outbox: what would have been sent. Each leads to itself with ?m=ID.
type Outbox struct{ Mails []OutboxMail } // newest first

// OutboxMail is one mail of the outbox; as a page it shows Text, with its links.
type OutboxMail struct {
	ID      string
	To      string
	Subject string
	Text    string
	At      time.Time
}
