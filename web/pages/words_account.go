package pages

import (
	"encoding/json"
	"strings"
)

// passkey is how a passkey is called.
func (w words) passkey(p Passkey) string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Provider != "":
		return p.Provider
	}
	return w.c.T(w.l, "pk.unnamed")
}

// provider is who is asked to forget a passkey.
func (w words) provider(p Passkey) string {
	if p.Provider != "" {
		return p.Provider
	}
	return w.c.T(w.l, "pk.manager")
}

// signal is s for the script; "" where there is nothing to tell.
func signal(s Signal) string {
	if s.RPID == "" || s.UserID == "" {
		return ""
	}
	if s.Accepted == nil {
		s.Accepted = []string{}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b)
}

// task is one thing that would make an account safer.
type task struct{ Title, Why, Go, Path string }

const fewCodes = 3

// lowCodes says whether new recovery codes should be made.
func lowCodes(left int) bool { return left <= fewCodes }

// todo is what a person should do for the safety of their account, the most urgent first.
func (w words) todo(v Overview) (list []task) {
	add := func(title, why, verb, path string) {
		list = append(list, task{w.c.T(w.l, title), w.c.T(w.l, why), w.c.T(w.l, verb), path})
	}
	switch {
	case v.Passkeys == 0:
		add("check.passkey", "check.passkey.why", "check.create", "/account/passkeys")
		if !v.TOTP && v.Password {
			add("totp.enrol.title", "check.totp.why", "check.setup", "/account/totp")
		}
	case v.Passkeys == 1 && v.CodesLeft == 0:
		add("check.second", "check.second.why", "check.add", "/account/passkeys")
	}
	switch {
	case v.CodesOf == 0 && (v.Passkeys > 0 || v.TOTP):
		add("rc.title", "check.codes.why", "check.create", "/account/recovery-codes")
	case v.CodesOf > 0 && lowCodes(v.CodesLeft):
		add("check.low", "check.low.why", "check.create", "/account/recovery-codes")
	}
	return list
}

// alert is how an Alert reads; Path is where it is looked at, "" for a button.
func (w words) alert(a Alert) task {
	t := func(key string, args ...any) string { return w.c.T(w.l, key, args...) }
	switch a.What {
	case AlertRecovery:
		return task{t("alert.recovery"), t("alert.recovery.why"), t("recover.cancel"), ""}
	case AlertSignIn:
		title := t("alert.device", w.device(a.Context.Device))
		if a.NewPlace {
			title = t("alert.place", w.place(a.Context.Country))
		}
		return task{title, t("alert.signin.why"), t("check.look"), a.Path}
	case AlertReported:
		return task{t("pw.title"), t("alert.reported.why"), t("acct.change"), a.Path}
	case AlertAdded:
		return task{t("alert.added", a.Name), t("alert.added.why"), t("check.look"), a.Path}
	case AlertSuspect:
		return task{t("alert.suspect", a.Name), t("alert.suspect.why"), t("check.look"), a.Path}
	}
	return task{w.c.N(w.l, "check.alerts", a.Count), t("check.alerts.why"), t("check.look"), a.Path}
}

// weaknesses says what is wrong with a new password, a sentence each.
func (w words) weaknesses(list []Weakness, least int) (out []string) {
	for _, v := range list {
		switch v {
		case TooShort:
			out = append(out, w.c.T(w.l, "pw.short", least))
		case TooLong:
			out = append(out, w.c.T(w.l, "pw.long"))
		case Breached:
			out = append(out, w.c.T(w.l, "pw.breached"))
		case Personal:
			out = append(out, w.c.T(w.l, "pw.personal"))
		default:
			out = append(out, w.c.T(w.l, "pw.same"))
		}
	}
	return out
}

// telling is how a Notice reads, as keys.
type telling struct {
	Title, Body, More string
	Go                bool // signing in is what comes next
}

var tellings = [...]telling{
	ToldRecoverSent:      {"recover.sent.title", "recover.sent", "recover.sent.more", false},
	ToldRecoverWaits:     {"recover.wait.title", "recover.wait.body", "recover.wait.then", false},
	ToldRecoverCancelled: {"recover.cancelled.title", "recover.cancelled", "", true},
	ToldRecovered:        {"recover.done.title", "recover.done", "recover.done.more", true},
	ToldNotMe:            {"notme.done.title", "notme.done", "notme.done.more", true},
}

func noticeOf(t Told) telling {
	if int(t) < len(tellings) {
		return tellings[t]
	}
	return tellings[ToldRecoverSent]
}

// piece is a part of a text, perhaps a link.
type piece struct {
	Text string
	Link bool
}

// linked finds the lines of a text that are links.
func linked(text string) (out []piece) {
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if web(bare) == "" || strings.ContainsAny(bare, " \t") {
			out = append(out, piece{Text: line})
			continue
		}
		out = append(out, piece{bare, true}, piece{Text: "\n"})
	}
	return out
}
