package pages

import (
	"html"
	"html/template"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-id/postern/web/locales"
)

// funcs are the words of one language, as templates call them.
func funcs(c *locales.Catalogue, l locales.Lang) template.FuncMap {
	w := words{c, l}
	return template.FuncMap{
		"t":          func(key string) string { return c.T(l, key) },
		"tf":         func(key string, args ...any) string { return c.T(l, key, args...) },
		"th":         w.strong,
		"tn":         func(key string, n int) string { return c.N(l, key, n) },
		"asset":      func(name string) string { return name },
		"wait":       func(d time.Duration) string { return c.Wait(l, d) },
		"ago":        func(now, t time.Time) string { return c.Ago(l, now, t) },
		"date":       locales.Date,
		"minute":     locales.Minute,
		"stamp":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"fresh":      locales.Fresh,
		"recent":     func(now, t time.Time) bool { return !now.IsZero() && now.Sub(t) < 5*time.Minute },
		"device":     w.device,
		"place":      w.place,
		"name":       w.name,
		"reason":     w.reason,
		"asks":       asks,
		"scope":      w.scope,
		"claim":      w.claim,
		"means":      w.methods,
		"list":       func(items []string) string { return strings.Join(items, c.T(l, "common.list")) },
		"event":      w.event,
		"worry":      worry,
		"done":       w.done,
		"kind":       kindOf,
		"letter":     letter,
		"web":        web,
		"help":       help,
		"events":     newEventList,
		"passkey":    w.passkey,
		"provider":   w.provider,
		"signal":     signal,
		"rings":      w.rings,
		"far":        w.far,
		"apart":      w.apart,
		"outcome":    approveOutcome,
		"pushed":     pushOutcome,
		"qr":         qr,
		"groups":     groups,
		"otpauth":    otpauth,
		"lowCodes":   lowCodes,
		"todo":       w.todo,
		"alert":      w.alert,
		"kinds":      kindOptions,
		"outcomes":   outcomeOptions,
		"weaknesses": w.weaknesses,
		"notice":     noticeOf,
		"told":       w.told,
		"linked":     linked,
		"first2":     func(rs []Reason) []Reason { return rs[:min(2, len(rs))] },
	}
}

type words struct {
	c *locales.Catalogue
	l locales.Lang
}

// strong fills the text of key with args, each bold and isolated, so that the writing direction of a name cannot
// turn the sentence around.
func (w words) strong(key string, args ...string) template.HTML {
	text, _ := w.c.Text(w.l, key)
	parts := strings.Split(text, "%s")
	var b strings.Builder
	for i, p := range parts {
		b.WriteString(html.EscapeString(p))
		if i < len(parts)-1 && i < len(args) {
			b.WriteString("<bdi>" + html.EscapeString(args[i]) + "</bdi>")
		}
	}
	return template.HTML(b.String()) // every part of it is escaped above
}

func (w words) place(code string) string {
	if s := w.c.Place(w.l, code); s != "" {
		return s
	}
	return w.c.T(w.l, "common.unknownloc")
}

// device turns "Chrome on Windows", as sessions keep it, into the words of the language.
func (w words) device(agent string) string {
	if agent == "" {
		return w.c.T(w.l, "sess.noname")
	}
	browser, system, ok := strings.Cut(agent, " on ")
	if !ok {
		return agent
	}
	return w.c.T(w.l, "sess.device", browser, system)
}

// name is how to speak of a client: by its name, its host, or as "the app".
func (w words) name(p Party) string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Host != "":
		return p.Host
	}
	return w.c.T(w.l, "common.app")
}

func (w words) reason(r Reason, client Party) string {
	switch r.Code {
	case ReasonDevice:
		return w.c.T(w.l, "step.why.device")
	case ReasonCountry:
		if p := w.c.Place(w.l, r.Country); p != "" {
			return w.c.T(w.l, "step.why.country", p)
		}
	case ReasonTravel:
		if p := w.c.Place(w.l, r.Country); p != "" && r.Ago > 0 {
			return w.c.T(w.l, "step.why.travel", p, w.c.Span(w.l, r.Ago))
		}
	case ReasonApp:
		return w.c.T(w.l, "step.why.app", w.name(client))
	case ReasonAge:
		return w.c.T(w.l, "step.why.age")
	}
	return w.c.T(w.l, "step.why.risk")
}

// offlineAccess is the scope of OIDC Core §11.
const offlineAccess = "offline_access"

var scopeKeys = map[string]string{
	"openid":      "scope.openid",
	"profile":     "scope.profile",
	"email":       "scope.email",
	"phone":       "scope.phone",
	"address":     "scope.address",
	offlineAccess: "consent.offline",
}

// asks returns ps with offline access, if it is among them or offline, once and as the last one.
func asks(ps []Permission, offline bool) []Permission {
	all, last := make([]Permission, 0, len(ps)+1), Permission{Scope: offlineAccess}
	for _, p := range ps {
		if p.Scope == offlineAccess {
			offline, last = true, p
			continue
		}
		all = append(all, p)
	}
	if offline {
		all = append(all, last)
	}
	return all
}

func (w words) scope(p Permission) string {
	if p.Text != "" {
		return p.Text
	}
	if key, ok := scopeKeys[p.Scope]; ok {
		return w.c.T(w.l, key)
	}
	return w.c.T(w.l, "consent.unknown", p.Scope)
}

var claimKeys = map[string]string{
	"name":                  "claim.name",
	"given_name":            "claim.given_name",
	"family_name":           "claim.family_name",
	"middle_name":           "claim.middle_name",
	"nickname":              "claim.nickname",
	"preferred_username":    "claim.preferred_username",
	"profile":               "claim.profile",
	"picture":               "claim.picture",
	"website":               "claim.website",
	"email":                 "claim.email",
	"email_verified":        "claim.email_verified",
	"gender":                "claim.gender",
	"birthdate":             "claim.birthdate",
	"zoneinfo":              "claim.zoneinfo",
	"locale":                "claim.locale",
	"phone_number":          "claim.phone_number",
	"phone_number_verified": "claim.phone_number_verified",
	"address":               "claim.address",
	"updated_at":            "claim.updated_at",
}

func (w words) claim(name string) string {
	if key, ok := claimKeys[name]; ok {
		return w.c.T(w.l, key)
	}
	return w.c.T(w.l, "consent.claim.unknown", name)
}

var methodKeys = map[string]string{
	"pwd": "method.pwd",
	"otp": "method.otp",
	"hwk": "method.passkey",
	"swk": "method.passkey",
}

// methods says in words how somebody signed in; "" where amr names no method that has words.
func (w words) methods(amr []string) string {
	var s []string
	for _, m := range amr {
		if key, ok := methodKeys[m]; ok {
			if word := w.c.T(w.l, key); !slices.Contains(s, word) {
				s = append(s, word)
			}
		}
	}
	return strings.Join(s, w.c.T(w.l, "common.list"))
}

var doneKeys = map[Done]string{
	DoneSignedOut: "sess.done",
	DoneOthersOut: "sess.done.others",
	DoneWithdrawn: "apps.done",
	DoneAdded:     "pk.saved",
	DoneRenamed:   "pk.renamed",
	DoneDeleted:   "pk.deleted",
	DoneTOTP:      "totp.done",
	DoneNoTOTP:    "totp.removed",
	DoneCodes:     "rc.saved",
	DonePassword:  "pw.done",
	DoneNoPass:    "pw.removed",
	DoneSettings:  "set.done",
	DoneStopped:   "alert.stopped",
	DoneFresh:     "set.export.ready",
	DoneOwned:     "alert.owned",
	DoneApprover:  "appr.added",
	DoneNamed:     "appr.renamed",
	DoneGone:      "appr.removed",
	DoneCodeSet:   "ucode.set",
	DoneCodeGone:  "ucode.gone",
	DoneTested:    "appr.tested",
}

func (w words) done(d Done) string {
	if key, ok := doneKeys[d]; ok {
		return w.c.T(w.l, key)
	}
	return ""
}

// letter is what stands in the tile of an app that has no picture.
func letter(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return "•"
	}
	return string(unicode.ToUpper(r))
}

// web returns u if it is a link into the web; "" otherwise.
func web(u string) string {
	if strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") {
		return u
	}
	return ""
}

// help is web for addresses that may also be mail.
func help(u string) string {
	if strings.HasPrefix(u, "mailto:") {
		return u
	}
	return web(u)
}
