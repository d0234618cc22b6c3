package pages

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

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
	FactorApprover Factor = "approver"
	FactorUserCode Factor = "usercode" // lets others ask: nobody signs in by it
)

// MailData fills a mail. All addresses are absolute.
type MailData struct {
	Brand    string // "" is the name of the product
	Account  string // username or address, so that who has two knows which
	Factor   Factor
	Name     string // of the passkey; "" leaves it out
	Context  Context
	Left     int       // MailCodesLow
	URL      string    // MailRecoveryRequested, MailRecoveryReady: where to go on
	Until    time.Time // MailRecoveryRequested: not before; zero leaves it out
	NotMeURL string    // one-time link; "" leaves it out
}

// letterKeys are the texts of a kind of mail: its subject, what happened, and what to do with URL.
type letterKeys struct{ Subject, Body, Go string }

var letters = map[MailKind]letterKeys{
	MailNewDevice:         {"mail.newdevice.subject", "mail.newdevice", ""},
	MailNewPlace:          {"mail.newplace.subject", "mail.newplace", ""},
	MailFactorAdded:       {"mail.factoradded.subject", "mail.factoradded", ""},
	MailFactorRemoved:     {"mail.factorremoved.subject", "mail.factorremoved", ""},
	MailFactorChanged:     {"mail.factorchanged.subject", "mail.factorchanged", ""},
	MailPasswordChanged:   {"mail.passwordchanged.subject", "mail.passwordchanged", ""},
	MailCodesLow:          {"mail.codeslow.subject", "mail.codeslow", ""},
	MailRecoveryRequested: {"mail.recoveryrequested.subject", "mail.recoveryrequested", "mail.recoveryrequested.go"},
	MailRecoveryReady:     {"mail.recoveryready.subject", "mail.recoveryready", "mail.recoveryready.go"},
	MailRecoveryCancelled: {"mail.recoverycancelled.subject", "mail.recoverycancelled", ""},
	MailRecoveryDone:      {"mail.recoverydone.subject", "mail.recoverydone", ""},
}

var factorKeys = map[Factor]string{
	FactorPasskey:  "factor.passkey",
	FactorTOTP:     "factor.totp",
	FactorCodes:    "factor.codes",
	FactorPassword: "factor.password",
	FactorApprover: "factor.approver",
	FactorUserCode: "factor.usercode",
}

func (w words) factor(f Factor) string {
	if key, ok := factorKeys[f]; ok {
		return w.c.T(w.l, key)
	}
	return w.c.T(w.l, "factor.other")
}

// told is what happened, in a sentence; "" for a mail that does not exist.
func (w words) told(kind MailKind, f Factor) string {
	keys, ok := letters[kind]
	if !ok {
		return ""
	}
	return w.fill(keys.Body, f)
}

// fill is the text of key, with the factor in it where the text asks for one.
func (w words) fill(key string, f Factor) string {
	if text, _ := w.c.Text(w.l, key); strings.Contains(text, "%s") {
		return w.c.T(w.l, key, w.factor(f))
	}
	return w.c.T(w.l, key)
}

// ErrMail says that a kind of mail does not exist, or that an address in it is none.
var ErrMail = errors.New("pages: no such mail")

// letterBody is a mail as its two templates see it.
type letterBody struct {
	Brand, Lang, What, Go, URL, NotMe, NotMeURL, Foot string
	Lines                                             []Field
}

// Mail returns the subject and the two bodies of a mail: text/plain and text/html, both in UTF-8. It loads nothing when
// it is read. Of what it says only Name may come from somebody else than us: on one line, within quotes, and short.
func (r *Renderer) Mail(kind MailKind, l locales.Lang, d MailData) (subject, text, html string, err error) {
	keys, ok := letters[kind]
	if !ok || d.URL != "" && web(d.URL) == "" || d.NotMeURL != "" && web(d.NotMeURL) == "" {
		return "", "", "", fmt.Errorf("%w: %q", ErrMail, kind)
	}
	if _, ok := r.pages[l]; !ok {
		l = locales.English
	}
	w := words{r.cat, l}
	if d.Brand == "" {
		d.Brand = w.c.T(l, "app.name")
	}
	m := letterBody{Brand: line(d.Brand), Lang: string(l), What: w.fill(keys.Body, d.Factor), Foot: w.c.T(l, "mail.foot", line(d.Brand))}
	if kind == MailCodesLow {
		m.What += " " + w.c.N(l, "mail.left", d.Left)
	}
	m.Lines = w.facts(d)
	if keys.Go != "" && d.URL != "" {
		m.Go, m.URL = w.c.T(l, keys.Go), d.URL
	}
	if d.NotMeURL != "" {
		m.NotMe, m.NotMeURL = w.c.T(l, "mail.notme"), d.NotMeURL
	}
	var plain, rich bytes.Buffer
	if err := plainMail.Execute(&plain, m); err != nil {
		return "", "", "", fmt.Errorf("pages: mail: %w", err)
	}
	if err := richMail.Execute(&rich, m); err != nil {
		return "", "", "", fmt.Errorf("pages: mail: %w", err)
	}
	return w.fill(keys.Subject, d.Factor) + " · " + m.Brand, plain.String(), rich.String(), nil
}

// facts are the lines between what happened and what to do.
func (w words) facts(d MailData) (out []Field) {
	add := func(key, value string) { out = append(out, Field{w.c.T(w.l, key), value}) }
	if d.Account != "" {
		add("acct.nav", line(d.Account))
	}
	if d.Name != "" {
		add("pk.name", line(d.Name))
	}
	if !d.Context.At.IsZero() {
		add("approve.device", w.device(line(d.Context.Device)))
		add("approve.where", w.place(d.Context.Country))
		add("approve.when", locales.Minute(d.Context.At))
	}
	if !d.Until.IsZero() {
		add("recover.wait.until", locales.Minute(d.Until))
	}
	return out
}

// line is s on one line and short, for headers and for words of strangers.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s)
	if rs := []rune(s); len(rs) > 254 {
		s = string(rs[:254])
	}
	return s
}
