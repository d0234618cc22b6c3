package pages

import "time"

// eventList is what the shared list of events needs.
type eventList struct {
	Now    time.Time
	Events []Event
}

// newEventList leaves out what only engineers read.
func newEventList(now time.Time, es []Event) eventList {
	l := eventList{Now: now, Events: make([]Event, 0, len(es))}
	for _, e := range es {
		if shown(e) {
			l.Events = append(l.Events, e)
		}
	}
	return l
}

func shown(e Event) bool { return !inner[e.Type] || worry(e) }

// inner are the types of events that accompany what a person does and say nothing to them, unless they went wrong.
var inner = map[string]bool{
	"session.rotated":   true,
	"password.verified": true,
	"password.rehashed": true,
	"passkey.verified":  true,
	"otp.verified":      true,
	"risk.decided":      true,
	"grant.created":     true,
	"token.issued":      true,
	"risk.unlearned":    true,
	"session.bound":     true,
	"recovery.restored": true,

	"user_code.verified":  true,
	"approval.asked":      true,
	"approval.redeemed":   true,
	"approval.cancelled":  true,
	"approval.superseded": true,
}

// eventKeys are the words for what the audit trail calls Type, or Type and Action.
var eventKeys = map[string]string{
	"session.started":        "act.signin",
	"session.raised":         "act.confirmed",
	"session.ended":          "act.signout",
	"session.all_ended":      "act.allout",
	"password.failed":        "act.failed",
	"password.changed":       "act.password",
	"otp.failed":             "act.codefailed",
	"otp.enrolled":           "act.totpadded",
	"otp.removed":            "act.totpremoved",
	"passkey.registered":     "act.pkadded",
	"passkey.renamed":        "act.pkrenamed",
	"passkey.deleted":        "act.pkremoved",
	"passkey.failed":         "act.pkfailed",
	"passkey.refused":        "act.pkrefused",
	"password.removed":       "act.password",
	"recovery_codes.created": "act.codescreated",
	"recovery_code.verified": "act.codeused",
	"recovery_code.failed":   "act.codefailed",
	"recovery.requested":     "act.recovery",
	"recovery.opened":        "act.recovery",
	"recovery.proved":        "act.codeused",
	"recovery.cancelled":     "act.recoverycancelled",
	"recovery.done":          "act.recoverydone",
	"notice.disowned":        "act.notme",
	"notice.confirmed":       "act.me",
	"data.exported":          "act.exported",
	"risk.decided":           "act.unusual",
	"risk.decided/deny":      "act.blocked",
	"user_code.set":          "act.codeset",
	"user_code.removed":      "act.codegone",
	"user_code.failed":       "act.codewrong",
	"user_code.throttled":    "act.codeguessed",
	"approver.added":         "act.approveradded",
	"approver.renamed":       "act.approverrenamed",
	"approver.removed":       "act.approverremoved",
	"approval.approved":      "act.approved",
	"approval.denied":        "act.approvaldenied",
	"approval.wrong_number":  "act.approvalwrong",
	"approval.flooded":       "act.approvalflood",
	"approval.failed":        "act.approvalfailed",
	"consent.given":          "act.appallowed",
	"consent.denied":         "act.appdenied",
	"device.approved":        "act.device",
	"device.key_registered":  "act.keyadded",
	"device.key_removed":     "act.keyremoved",
	"device.key_refused":     "act.keyrefused",
	"session.key_mismatch":   "act.keymismatch",
	"device.denied":          "act.devicedenied",
	"device.guessed":         "act.deviceguessed",
	"consent.withdrawn":      "act.appremoved",
	"token.revoked":          "act.tokenrevoked",
	"code.replayed":          "act.replay",
	"refresh.replayed":       "act.replay",
	"user.created":           "act.created",
	"user.updated":           "act.updated",
	"user.declared":          "act.updated",
	"user.disabled":          "act.disabled",
}

func (w words) event(e Event) string {
	if key, ok := eventKeys[e.Type+"/"+e.Action]; ok {
		return w.c.T(w.l, key)
	}
	if key, ok := eventKeys[e.Type]; ok {
		return w.c.T(w.l, key)
	}
	return w.c.T(w.l, "act.other", e.Type)
}

// worry says whether an event deserves a second look.
func worry(e Event) bool { return e.Outcome == "denied" || e.Outcome == "failed" }

// message is how an error page reads: the keys of its title and of its sentence.
type message struct{ Title, Body string }

var messages = map[Kind]message{
	Broken:      {"err.broken.title", "err.broken"},
	Expired:     {"err.expired.title", "err.expired"},
	BadRedirect: {"err.title", "err.redirect"},
	BadClient:   {"err.title", "err.client"},
	BadRequest:  {"err.title", "err.request"},
	Refused:     {"err.title", "err.refused"},
	Disabled:    {"err.title", "err.disabled"},
	NotFound:    {"err.notfound.title", "err.notfound"},
	TooMany:     {"err.toomany.title", "err.toomany"},
	Forged:      {"err.forged.title", "err.forged"},
	Unavailable: {"err.unavailable.title", "err.unavailable"},
	UsedLink:    {"err.usedlink.title", "err.usedlink"},
	Stale:       {"err.stale.title", "err.stale"},
}

func kindOf(k Kind) message {
	if m, ok := messages[k]; ok {
		return m
	}
	return messages[Broken]
}
