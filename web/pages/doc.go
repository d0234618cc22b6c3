// Package pages owns what people see: the templates of every page, the view structs that fill them,
// and their rendering. It never reads a request, decides nothing and knows no store: a handler gives
// it a Frame and a view, and gets bytes.
//
// A page works without a script and carries no inline style or script, so that the policy
//
//	default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self';
//	base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
//
// holds for all of them. A form whose answer ends at a client answers 303 to a page of ours which shows
// Continue: under form-action 'self' a browser follows no redirect from a form to another origin.
//
// # Passkeys
//
// The one thing that needs a script is WebAuthn, in static/passkey.js. It speaks JSON with four endpoints of ours, all by
// POST from the same origin with Content-Type application/json, the cookies, and the header X-CSRF with the value that
// the page carries (Form.CSRF of the form whose ceremony it is; the same about: interaction or account). fields below are
// the hidden fields of that form, csrf apart, each a string: i (the interaction), or to and h without one (see Form.Hidden),
// whatever else Hidden holds, as the handle of a recovery, and pk, which on the form of a sign-in is "1" where this browser
// could make a passkey.
//
//	POST /webauthn/get/options     {…fields, "identifier"?: what was typed or is known}
//	→ 200 {"options": PublicKeyCredentialRequestOptionsJSON, "handle": string}
//	POST /webauthn/get             {…fields, "handle": string, "response": AuthenticationResponseJSON}
//	→ 200 {"to": path, "signal"?: Signal}
//	POST /webauthn/create/options  {…fields, "conditional"?: true}
//	→ 200 {"options": PublicKeyCredentialCreationOptionsJSON, "handle": string}
//	POST /webauthn/create          {…fields, "handle": string, "response": RegistrationResponseJSON, "conditional"?: true}
//	→ 200 {"to": path, "signal"?: Signal}
//
// identifier is a hint only: without it options have an empty allowCredentials, and unknown ones get made-up ids.
// conditional says that the browser made the passkey by itself after a password (mediation "conditional"), so that the
// user-presence flag may be unset, WebAuthn L3 §5.1.3. to is a path of this origin with Base before it, where the browser
// goes next: /consent, /continue, /code, an account page with done=added, /passkey with made=1. signal is passed on to
// the Signal API before that. options.timeout, in milliseconds, is how long a handle lives: the script renews an armed
// autofill before. Any failure is a 4xx or 5xx with
//
//	{"error": "unknown" | "expired" | "rate" | "stale" | "rejected" | …}
//
// unknown: no such credential here (the script tells the password manager to hide it); expired: the handle or the page
// is too old; rate: too many attempts; stale: a fresh proof is needed first, with "to" the path that asks for it;
// anything else reads as "that did not work".
//
// # Approvals
//
// static/approve.js, static/push.js and static/subscribe.js speak to the paths below in the same manner; X-CSRF is that of the
// form on their page.
//
//	POST /approve/{handle}/options  {"number": digits}                  → {"options", "handle"} as above
//	POST /approve/{handle}/sign     {"handle", "response"}              → {"to": path}
//	POST /push/state                {…fields, "r": handle of a request} → {"state": "pending" | … | "gone"}
//	POST /account/approvers/push    {"endpoint", "p256dh", "auth"}      → {"to": path}
//
// An error with "to" ends the matter: that page says what became of it.
//
// Paths: /login, /code, /recovery-code, /passkey (the prompt), /push, /approve, /account and below it /passkeys, /approvers, /totp, /recovery-codes,
// /password, /sessions, /apps, /activity, /settings; /not-me, /recover, /recover/cancel, /recover/set, /dev/outbox.
package pages
