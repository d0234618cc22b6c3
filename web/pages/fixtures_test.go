package pages

import (
	"strings"
	"time"

	"github.com/postern-id/postern/web/locales"
)

var now = time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)

func frame(l locales.Lang) Frame {
	return Frame{Lang: l, RequestID: "9f2c71d04be8", Self: "/login?i=Zk3v&x=1", Now: now}
}

func to(u string) Redirect {
	r, err := Registered(u)
	if err != nil {
		panic(err)
	}
	return r
}

var harbor = Party{
	Name: "Harbor Wallet", Host: "harbor.example",
	PolicyURL: "https://harbor.example/privacy", TermsURL: "https://harbor.example/terms",
}

var form = Form{CSRF: "c5rf+/=", Interaction: "Zk3v", Hidden: []Field{{"state", `"><b>`}}}

var account = Account{CSRF: "c5rf+/=", Name: "lin@demo.test"}

var events = []Event{
	{Type: "session.started", Outcome: "ok", At: now.Add(-2 * time.Minute), Device: "Chrome on Windows", Country: "CN", IP: "203.0.113.7"},
	{Type: "session.raised", Outcome: "ok", At: now.Add(-40 * time.Minute), Device: "Chrome on Windows", Country: "CN", IP: "203.0.113.7"},
	{Type: "consent.given", Outcome: "ok", At: now.Add(-3 * time.Hour), Device: "Safari on iPhone", Country: "SG", App: "Harbor Wallet"},
	{Type: "password.failed", Outcome: "failed", At: now.Add(-26 * time.Hour), Device: "Firefox on Linux", Country: "DE", IP: "2001:db8::77"},
	{Type: "token.issued", Outcome: "ok", At: now.Add(-27 * time.Hour)},
	{Type: "risk.decided", Outcome: "denied", Action: "deny", At: now.Add(-28 * time.Hour), Device: "Firefox on Linux", Country: "DE", IP: "2001:db8::77"},
	{Type: "ledger.weighed", Outcome: "ok", At: now.Add(-60 * 24 * time.Hour)},
}

var someSessions = Sessions{Account: account, Keeps: 5 * time.Minute, Devices: []Device{
	{Name: "Chrome on Windows", Current: true, Bound: "hardware", Sessions: []Session{
		{ID: "s1", Current: true, Country: "CN", CreatedAt: now.Add(-3 * time.Hour), LastSeen: now, AMR: []string{"pwd", "otp"}, Apps: []string{"Harbor Wallet", "Ledger"}},
	}},
	{Name: "Safari on iPhone", Bound: "browser", Sessions: []Session{
		{ID: "s2", Country: "SG", CreatedAt: now.Add(-50 * time.Hour), LastSeen: now.Add(-2 * time.Hour), AMR: []string{"swk", "user", "hwk"}, Apps: []string{"Harbor Wallet"}, Far: Far{Known: true, Km: 4470, Bearing: 205}},
		{ID: "s3", Country: "", CreatedAt: now.Add(-60 * 24 * time.Hour), LastSeen: now.Add(-40 * 24 * time.Hour), AMR: []string{"pwd"}},
	}},
	{Name: "Firefox on Linux", Sessions: []Session{
		{ID: "s4", Country: "DE", CreatedAt: now.Add(-24 * time.Hour), LastSeen: now.Add(-20 * time.Hour), AMR: []string{"pwd", "otp"}, Far: Far{Known: true, Km: 7830, Bearing: 318}},
		{ID: "s5", Country: "CN", CreatedAt: now.Add(-48 * time.Hour), LastSeen: now.Add(-30 * time.Hour), AMR: []string{"swk"}, Far: Far{Known: true, Km: 2, Bearing: 90}},
	}},
}}

// modules look like a QR code: the three corners, and noise that is the same every time.
func modules(n int) [][]bool {
	m := make([][]bool, n)
	seed := uint32(7)
	for y := range m {
		m[y] = make([]bool, n)
		for x := range m[y] {
			seed = seed*1664525 + 1013904223
			m[y][x] = seed>>30&1 == 1
			for _, c := range [][2]int{{0, 0}, {n - 7, 0}, {0, n - 7}} {
				if dx, dy := x-c[0], y-c[1]; -1 <= dx && dx <= 7 && -1 <= dy && dy <= 7 {
					ring := max(max(3-dx, dx-3), max(3-dy, dy-3))
					m[y][x] = ring != 2 && ring != 4
				}
			}
		}
	}
	return m
}

var passkeys = []Passkey{
	{ID: "cGsx", Name: "Work laptop", Provider: "Windows Hello", AddedAt: now.Add(-90 * 24 * time.Hour), UsedAt: now.Add(-3 * time.Hour), UsedOn: "Chrome on Windows"},
	{ID: "cGsy", Provider: "iCloud Keychain", AddedAt: now.Add(-20 * 24 * time.Hour), UsedAt: now.Add(-50 * 24 * time.Hour), UsedOn: "Safari on iPhone", Synced: true},
	{ID: "cGsz", Name: "Blue <key>", AddedAt: now, Key: true, Suspect: true},
}

var passkeySignal = Signal{RPID: "localhost", UserID: "dQ", Accepted: []string{"cGsx", "cGsy"}, Name: "lin", DisplayName: `Lin "L" Wei`}

var someAlerts = []Alert{
	{What: AlertRecovery, Until: now.Add(24 * time.Hour)},
	{What: AlertSignIn, Path: "/not-me?s=x&at=1", Context: Context{Device: "Chrome on Windows", Country: "DE", At: now.Add(-time.Hour)}},
	{What: AlertSignIn, NewPlace: true, Path: "/not-me?s=y&at=2", Context: Context{Country: "SG", At: now.Add(-2 * time.Hour)}},
	{What: AlertReported, Path: "/account/password"},
	{What: AlertAdded, Name: "Work <laptop>", Path: "/account/passkeys"},
	{What: AlertSuspect, Name: "Blue key", Path: "/account/passkeys"},
	{What: AlertFailed, Count: 7, Path: "/account/activity?outcome=bad"},
}

var recoveryCodes = strings.Fields("7KQM-2XVB 9DFT-H4PW C3NR-8ZJY V6GS-QA5E 2MXK-T9BD W8HP-4RFC J5ZN-Y7VG EQ3A-6SMK B2TX-D9WH P4FR-C8NJ")

var signInAsk = Approve{Account: account, Handle: "h-1", Client: harbor, Context: Context{Device: "Firefox on Linux", Country: "NL", At: now}, NewPlace: true, Digits: 2}

var payAsk = Approve{Account: account, Handle: "h-2", Client: harbor, Asks: true, Text: "Transfer <b> 12", Amount: "1,250.00", Currency: "EUR", Payee: "Merel & Co", Compare: "4217", Allows: Permissions("openid", "email", "offline_access"), AllowsAt: []string{"https://films.example"}, Context: Context{At: now}}

var someApprovers = []Approver{
	{ID: "a1", Name: "Chrome on Android", Here: true, Push: true, AddedAt: now.Add(-90 * 24 * time.Hour), UsedAt: now.Add(-3 * time.Hour), PushedAt: now.Add(-3 * time.Hour)},
	{ID: "a2", Name: "Lin's <app>", App: true, Push: true, AddedAt: now, FailedAt: now.Add(-time.Minute)},
	{ID: "a3", Name: "Firefox on Linux", AddedAt: now},
}

// states are all pages in all the states that a person can meet.
var states = []struct {
	name string
	view View
}{
	{"login", Login{Form: form, Client: harbor, Cancel: true}},
	{"login-bare", Login{Form: form, HelpURL: "mailto:help@id.example"}},
	{"login-rejected", Login{Form: form, Client: harbor, Identifier: "lin@demo.test", Fault: Rejected, Cancel: true}},
	{"login-rate", Login{Form: form, Client: harbor, Identifier: "lin@demo.test", Fault: RateLimited, RetryIn: 61 * time.Second}},
	{"login-empty", Login{Form: form, Client: Party{Host: "harbor.example"}, Fault: Incomplete}},
	{"login-known", Login{Form: form, Client: harbor, Identifier: "lin@demo.test", Known: true, SwitchURL: "/login?i=Zk3v&switch=1", HelpURL: "https://id.example/help"}},
	{"login-passkey", Login{Form: form, Client: harbor, Passkey: true, Cancel: true, RecoverURL: "/recover?i=Zk3v"}},
	{"login-remembered", Login{Form: form, Client: harbor, Identifier: "lin@demo.test", Passkey: true, Remembered: "lin@demo.test", SwitchURL: "/login?i=Zk3v&switch=1", Cancel: true}},
	{"login-nopassword", Login{Form: form, Client: harbor, Passkey: true, NoPassword: true, Cancel: true, RecoverURL: "/recover?i=Zk3v"}},
	{"login-nopassword-empty", Login{Form: form, Client: harbor, Passkey: true, NoPassword: true, Fault: Incomplete}},
	{"login-passkey-known", Login{Form: form, Client: harbor, Identifier: "lin@demo.test", Known: true, Passkey: true, SwitchURL: "/login?i=Zk3v&switch=1", Cancel: true}},
	{"login-only-known", Login{Form: form, Identifier: "lin@demo.test", Known: true, Passkey: true, NoPassword: true, SwitchURL: "/login?switch=1"}},
	{"code-passkey", Code{Form: form, Client: harbor, Account: "lin@demo.test", SwitchURL: "/login?i=Zk3v&switch=1", Passkey: true, StepUp: true, NotMe: true, RecoverURL: "/recovery-code?i=Zk3v",
		Reasons: []Reason{{Code: ReasonCountry, Country: "SG"}}, Context: Context{Device: "Safari on iPhone", Country: "SG", At: now}}},
	{"code-passkey-only", Code{Form: form, Client: harbor, Account: "lin@demo.test", Passkey: true, NoCode: true, StepUp: true, Cancel: true, Reasons: []Reason{{Code: ReasonDevice}}}},
	{"code-passkey-rejected", Code{Form: form, Client: harbor, Account: "lin@demo.test", Passkey: true, RecoverURL: "/recovery-code", Fault: Skewed}},
	{"code-recovery-only", Code{Form: form, Client: harbor, Account: "lin@demo.test", NoCode: true, RecoverURL: "/recovery-code", Cancel: true}},
	{"recoverycode", RecoveryCode{Form: form, Client: harbor, Account: "lin@demo.test", SwitchURL: "/login?switch=1", BackURL: "/code?i=Zk3v", Cancel: true, HelpURL: "https://id.example/help"}},
	{"recoverycode-rejected", RecoveryCode{Form: form, Account: "lin@demo.test", Fault: Rejected, Left: 4}},
	{"recoverycode-used", RecoveryCode{Form: form, Fault: Replayed}},
	{"recoverycode-empty", RecoveryCode{Form: form, Fault: Incomplete}},
	{"recoverycode-rate", RecoveryCode{Form: form, Fault: RateLimited, RetryIn: time.Minute}},
	{"passkeyprompt", PasskeyPrompt{Form: form, Client: harbor}},
	{"passkeyprompt-auto", PasskeyPrompt{Form: form, Auto: true}},
	{"passkeyprompt-made", PasskeyPrompt{Form: form, Made: true, Here: "iCloud Keychain"}},
	{"passkeyprompt-silent", PasskeyPrompt{Form: form, Made: true, Silent: true, Here: "Google Password Manager"}},
	{"passkeyprompt-somewhere", PasskeyPrompt{Form: form, Made: true}},
	{"code", Code{Form: form, Client: harbor, Account: "lin@demo.test", SwitchURL: "/login?i=Zk3v&switch=1"}},
	{"code-stepup", Code{Form: form, Client: harbor, Account: "lin@demo.test", StepUp: true, NotMe: true,
		Reasons: []Reason{{Code: ReasonCountry, Country: "SG"}, {Code: ReasonDevice}, {Code: ReasonRisk}},
		Context: Context{Device: "Safari on iPhone", Country: "SG", At: now}, HelpURL: "https://id.example/help"}},
	{"code-travel", Code{Form: form, Client: harbor, StepUp: true, Reasons: []Reason{{Code: ReasonTravel, Country: "DE", Ago: 2 * time.Hour}, {Code: ReasonApp}}}},
	{"code-age", Code{Form: form, StepUp: true, Cancel: true, Reasons: []Reason{{Code: ReasonAge}, {Code: "whatever"}}, Context: Context{At: now}}},
	{"code-rejected", Code{Form: form, Client: harbor, Account: "lin@demo.test", Fault: Rejected, Left: 2}},
	{"code-last", Code{Form: form, Client: harbor, Account: "lin@demo.test", Fault: Rejected, Left: 1}},
	{"code-used", Code{Form: form, Client: harbor, Fault: Replayed}},
	{"code-empty", Code{Form: form, Client: harbor, Fault: Incomplete}},
	{"code-rate", Code{Form: form, Client: harbor, Fault: RateLimited, RetryIn: 15 * time.Minute}},
	{"consent", Consent{Form: form, Client: harbor, Account: "lin@demo.test", SwitchURL: "/login?i=Zk3v&switch=1",
		Asks: Permissions("openid", "profile", "email", "offline_access"), ReturnHost: "app.harbor.example"}},
	{"consent-full", Consent{Form: form, Client: Party{Name: "Ledger <Pro>", Host: "ledger.example", PolicyURL: "javascript:alert(1)", TermsURL: "https://ledger.example/terms", Unverified: true},
		Account: "lin@demo.test", SwitchURL: "/login?i=Zk3v&switch=1", HostBefore: "old-ledger.example",
		Asks:   append([]Permission{{Scope: "phone"}, {Scope: "address", Optional: true}, {Scope: "ledger:read", Optional: true}}, Permission{Scope: "ledger:move", Optional: true, Unticked: true, Text: "Prepare transfers for you to approve"}),
		Has:    Permissions("openid", "profile"),
		Claims: []string{"birthdate", "email_verified", "shoe_size"}, Resources: []string{"https://api.ledger.example/v2"},
		Offline: true, ReturnHost: "ledger.example"}},
	{"login-push", Login{Form: form, Client: harbor, Passkey: true, Remembered: "lin@demo.test", Push: "lin@demo.test", Cancel: true}},
	{"code-push", Code{Form: form, Client: harbor, Account: "lin@demo.test", NoCode: true, Push: true, Cancel: true}},
	{"code-push-passkey", Code{Form: form, Client: harbor, Account: "lin@demo.test", Passkey: true, NoCode: true, Push: true, Cancel: true}},
	{"push", Push{Form: form, Client: harbor, State: "pending", Devices: []string{"Lin's <phone>", "Tablet"}, Inbox: "id.example/approve", Number: "07", Left: 119 * time.Second, Handle: "h-1", Cancel: true}},
	{"push-denied", Push{Form: form, Client: harbor, State: "denied", Handle: "h-1"}},
	{"push-wrong", Push{Form: form, State: "wrong", Handle: "h-1"}},
	{"push-expired", Push{Form: form, State: "expired", Handle: "h-1"}},
	{"push-superseded", Push{Form: form, State: "superseded", Handle: "h-1"}},
	{"push-approved", Push{Form: form, State: "approved", Handle: "h-1"}},
	{"push-rate", Push{Form: form, RetryIn: 15 * time.Minute, Cancel: true}},
	{"approvals", Approvals{Account: account, Waiting: []Approve{signInAsk, payAsk}}},
	{"approvals-empty", Approvals{Account: account}},
	{"approve", signInAsk},
	{"approve-unable", Approve{Account: account, Handle: "h-3", Context: Context{At: now}, Digits: 3, Unable: true}},
	{"approve-pay", payAsk},
	{"approvedone", ApproveDone{State: "approved"}},
	{"approvedone-ask", ApproveDone{State: "approved", Asks: true}},
	{"approvedone-denied", ApproveDone{State: "denied"}},
	{"approvedone-denied-ask", ApproveDone{State: "denied", Asks: true}},
	{"approvedone-wrong", ApproveDone{State: "wrong"}},
	{"approvedone-expired", ApproveDone{State: "expired"}},
	{"approvedone-cancelled", ApproveDone{State: "cancelled"}},
	{"approvedone-superseded", ApproveDone{State: "superseded"}},
	{"approvers", Approvers{Account: account, Here: true, Key: "BP4z", Approvers: someApprovers, CodeMin: 4, CodeMax: 64}},
	{"approvers-usercode", Approvers{Account: account, Approvers: someApprovers, CodeMin: 4, CodeMax: 64, CodeAt: now, CodeFault: "ucode.short"}},
	{"approvers-usercode-common", Approvers{Account: account, Approvers: someApprovers, CodeMin: 4, CodeMax: 64, CodeFault: "ucode.common"}},
	{"approvers-none", Approvers{Account: account}},
	{"approvers-nopasskey", Approvers{Account: account, NoPasskey: true}},
	{"approvers-full", Approvers{Account: account, Full: true, Untested: true, Approvers: someApprovers}},
	{"approvers-code", Approvers{Account: account, Code: "ABCD-EFGH-JKMN-PQRS", QR: modules(29), Life: 5 * time.Minute}},
	{"approvers-confirm", Approvers{Account: Account{CSRF: "c5rf+/=", ConfirmURL: "/login?to=/account/approvers"}, Here: true, Key: "BP4z", Approvers: someApprovers}},
	{"continue", Continue{To: to("https://harbor.example/cb?code=abc&state=x%22&iss=https%3A%2F%2Fid.example"), Client: harbor}},
	{"devicekey", DeviceKey{CSRF: "c5rf+/=", To: "/consent?i=Zk3v&x=%22", Skip: "/device-key?skip=1&to=%2Fconsent%3Fi%3DZk3v"}},
	{"continue-scheme", Continue{To: to("app.harbor:/cb?code=abc&state='\"<x>"), Client: harbor}},
	{"formpost", FormPost{To: to("https://harbor.example/cb"), Client: harbor, Fields: []Field{{"code", "abc"}, {"state", `"><script>x</script>`}}}},
	{"formpost-denied", FormPost{To: to("https://harbor.example/cb"), Denied: true, Fields: []Field{{"error", "access_denied"}}}},
	{"continue-denied", Continue{To: to("http://127.0.0.1:4711/cb?error=access_denied"), Denied: true}},
	{"logout", Logout{Form: form, Client: harbor, Account: "lin@demo.test"}},
	{"signedout", SignedOut{}},
	{"signedout-back", SignedOut{Client: harbor, Back: to("https://harbor.example/bye")}},
	{"signedout-frames", SignedOut{Frames: []Redirect{to("https://harbor.example/out?iss=x&sid=y")}}},
	{"signingout", SigningOut{To: to("https://harbor.example/bye?state=x%22"), Client: harbor, Frames: []Redirect{to("https://harbor.example/out?a=1&iss=x&sid=y"), to("https://ledger.example/'><script>")}}},
	{"signingout-bare", SigningOut{To: to("https://harbor.example/bye")}},
	{"finished", Finished{Client: harbor, Back: to("app.harbor:/home")}},
	{"finished-bare", Finished{}},
	{"error", Error{}},
	{"error-expired", Error{Kind: Expired}},
	{"error-redirect", Error{Kind: BadRedirect, Details: []Field{{"error", "invalid_request"}, {"redirect_uri", "https://evil.example/<cb>"}}}},
	{"error-client", Error{Kind: BadClient}},
	{"error-request", Error{Kind: BadRequest, Client: harbor, Back: to("app.harbor:/cb?error=invalid_scope")}},
	{"error-refused", Error{Kind: Refused, Client: harbor, Back: to("https://harbor.example/cb?error=access_denied")}},
	{"error-disabled", Error{Kind: Disabled}},
	{"error-notfound", Error{Kind: NotFound}},
	{"error-toomany", Error{Kind: TooMany, RetryIn: 90 * time.Second}},
	{"error-toomany-bare", Error{Kind: TooMany}},
	{"error-forged", Error{Kind: Forged}},
	{"error-unavailable", Error{Kind: Unavailable}},
	{"error-usedlink", Error{Kind: UsedLink}},
	{"error-stale", Error{Kind: Stale}},
	{"overview-fine", Overview{Account: Account{CSRF: "x", Name: "Lin Wei", Done: DoneTOTP}, Username: "lin", Email: "lin@demo.test", Passkeys: 2, NoPassword: true, TOTP: true, CodesLeft: 9, CodesOf: 10, Sessions: 1}},
	{"overview-alerts", Overview{Account: account, Username: "lin", Passkeys: 1, Password: true, CodesLeft: 2, CodesOf: 10, StopCSRF: "y", Alerts: someAlerts, Sessions: 3, Apps: 1, Recent: events[3:6]}},
	{"passkeys", Passkeys{Account: account, Passkeys: passkeys, Signal: passkeySignal}},
	{"passkeys-none", Passkeys{Account: account}},
	{"passkeys-only", Passkeys{Account: Account{CSRF: "x", Name: "lin", Done: DoneRenamed}, Passkeys: []Passkey{{ID: "cGsx", Name: "Work laptop", AddedAt: now, Only: true, Synced: true}}, Full: true}},
	{"passkeys-confirm", Passkeys{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/passkeys"}, Passkeys: passkeys[:2]}},
	{"totp", TOTP{Account: account, QR: modules(33), Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", URI: "otpauth://totp/Postern:lin%40demo.test?secret=JBSWY3DPEHPK3PXP&issuer=Postern", Hidden: []Field{{"h", "x"}}}},
	{"totp-rejected", TOTP{Account: Account{CSRF: "x", Name: "lin", Fault: Rejected}, QR: modules(29), Secret: "JBSWY3DPEHPK3PXP", URI: "javascript:x"}},
	{"totp-skew", TOTP{Account: Account{CSRF: "x", Name: "lin", Fault: Skewed}, Secret: "JBSWY3DPEHPK3PXP"}},
	{"totp-on", TOTP{Account: account, On: true, Since: now.Add(-90 * 24 * time.Hour)}},
	{"totp-needed", TOTP{Account: account, On: true, Needed: true}},
	{"totp-confirm", TOTP{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/totp"}}},
	{"totp-on-confirm", TOTP{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/totp"}, On: true}},
	{"recoverycodes", RecoveryCodes{Account: account, Codes: recoveryCodes, Site: "id.example", Username: "lin@demo.test", Hidden: []Field{{"h", "x"}}}},
	{"recoverycodes-unsaved", RecoveryCodes{Account: Account{CSRF: "x", Name: "lin", Fault: Incomplete}, Codes: recoveryCodes, Username: "lin"}},
	{"recoverycodes-none", RecoveryCodes{Account: account}},
	{"recoverycodes-left", RecoveryCodes{Account: Account{CSRF: "x", Name: "lin", Done: DoneCodes}, Left: 10, Of: 10}},
	{"recoverycodes-low", RecoveryCodes{Account: account, Left: 2, Of: 10}},
	{"recoverycodes-confirm", RecoveryCodes{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/recovery-codes"}, Left: 2, Of: 10}},
	{"password", Password{Account: account, Username: "lin", Has: true, Spare: true, Least: 15}},
	{"password-weak", Password{Account: account, Username: "lin", Has: true, Least: 15, Weak: []Weakness{TooShort, Breached, Personal, Unchanged, TooLong}}},
	{"password-wrong", Password{Account: Account{CSRF: "x", Name: "lin", Fault: Rejected}, Username: "lin", Has: true, Least: 15}},
	{"password-rate", Password{Account: Account{CSRF: "x", Name: "lin", Fault: RateLimited, RetryIn: time.Minute}, Has: true, Least: 15}},
	{"password-set", Password{Account: Account{CSRF: "x", Name: "lin", Fault: Incomplete}, Username: "lin", Least: 15}},
	{"password-confirm", Password{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/password"}, Has: true, Least: 15}},
	{"settings", Settings{Account: account, Choice: locales.Chinese, ExportURL: "/export"}},
	{"settings-confirm", Settings{Account: Account{CSRF: "x", Name: "lin", ConfirmURL: "/login?to=/account/settings"}, ExportURL: "/export"}},
	{"settings-done", Settings{Account: Account{CSRF: "x", Name: "lin", Done: DoneSettings}}},
	{"notme", NotMe{Form: form, What: MailFactorAdded, Factor: FactorPasskey, Account: "lin@demo.test", Context: Context{Device: "Firefox on Linux", Country: "DE", At: now}}},
	{"notme-bare", NotMe{Form: form, What: "x"}},
	{"device", DeviceCode{Form: form}},
	{"device-filled", DeviceCode{Form: form, Code: "BCDF-GHJK"}},
	{"device-wrong", DeviceCode{Form: form, Code: "BCDF-GHJK", Fault: Rejected}},
	{"device-rate", DeviceCode{Form: form, Code: "BCDF-GHJK", Fault: RateLimited, RetryIn: 10 * time.Minute}},
	{"deviceconfirm", DeviceConfirm{Form: form, Client: harbor, Code: "BCDF-GHJK", Device: "Chrome on Android", Near: true, Here: "CN"}},
	{"deviceconfirm-away", DeviceConfirm{Form: form, Client: harbor, Code: "BCDF-GHJK", There: "DE", Here: "CN", Far: Far{Known: true, Km: 8830, Off: 50}, Away: true, Passkey: true}},
	{"deviceconfirm-unsure", DeviceConfirm{Form: form, Client: Party{Name: "TV <b>", Unverified: true}, Code: "BCDF-GHJK", Here: "CN", Away: true}},
	{"devicedone", DeviceDone{Client: harbor, Connected: true}},
	{"devicedone-stopped", DeviceDone{Client: harbor}},
	{"devicedone-late", DeviceDone{Client: harbor, Late: true}},
	{"devicedone-unmet", DeviceDone{Client: harbor, Unmet: true}},
	{"recover", Recover{Form: form, Client: harbor, BackURL: "/login?i=Zk3v", HelpURL: "mailto:help@id.example"}},
	{"recover-rate", Recover{Form: form, Identifier: "lin@demo.test", Fault: RateLimited, RetryIn: time.Hour}},
	{"recover-empty", Recover{Form: form, Fault: Incomplete}},
	{"recoveropen", RecoverOpen{Form: form, Account: "lin@demo.test"}},
	{"recoverwait", RecoverWait{Form: form, Account: "lin@demo.test", Until: now.Add(24 * time.Hour)}},
	{"recoverwait-show", RecoverWait{Form: form, Account: "lin@demo.test", Until: now.Add(24 * time.Hour), Passkey: true, Show: "/recover/show", Fault: Rejected}},
	{"recoverset", RecoverSet{Form: form, Account: "lin@demo.test", Passkey: true, Password: true, Least: 15}},
	{"recoverset-weak", RecoverSet{Form: form, Account: "lin@demo.test", Password: true, Least: 15, Weak: []Weakness{Breached}}},
	{"recoverset-empty", RecoverSet{Form: form, Account: "lin@demo.test", Passkey: true, Password: true, Least: 15, Fault: Incomplete}},
	{"recoverset-passkey", RecoverSet{Form: form, Account: "lin@demo.test", Passkey: true}},
	{"notice-sent", Notice{What: ToldRecoverSent}},
	{"notice-waits", Notice{What: ToldRecoverWaits, Wait: 24 * time.Hour}},
	{"notice-cancelled", Notice{What: ToldRecoverCancelled}},
	{"notice-recovered", Notice{What: ToldRecovered, SignInURL: "/login?i=Zk3v"}},
	{"notice-notme", Notice{What: ToldNotMe}},
	{"outbox", Outbox{Mails: []OutboxMail{{ID: "m2", To: "lin@demo.test", Subject: "New device signed in · Postern", At: now}, {ID: "m1", To: "mei@demo.test", Subject: "A <subject>", At: now.Add(-time.Hour)}}}},
	{"outbox-empty", Outbox{}},
	{"outboxmail", OutboxMail{ID: "m2", To: "lin@demo.test", Subject: "New device signed in · Postern", At: now, Text: "Your account was used.\n\nIf this wasn't you:\nhttps://id.example/not-me?t=abc&x=1\n\njavascript:alert(1)\n-- \nPostern\n"}},
	{"overview", Overview{Account: account, Username: "lin", Email: "lin@demo.test", Password: true, Sessions: 3, Apps: 1, Recent: events[:3]}},
	{"overview-bare", Overview{Account: Account{CSRF: "x", Name: "lin"}, Username: "lin", TOTP: true, Sessions: 1}},
	{"sessions", someSessions},
	{"sessions-done", Sessions{Account: Account{CSRF: "x", Name: "lin", Done: DoneOthersOut}, Devices: someSessions.Devices[:1]}},
	{"apps", Apps{Account: account, Apps: []App{
		{ID: "harbor", Client: harbor, Has: Permissions("openid", "profile", "ledger:read"), Offline: true, Since: now.Add(-90 * 24 * time.Hour), Used: now.Add(-time.Hour)},
		{ID: "x", Client: Party{Host: "x.example"}, Has: Permissions("openid"), Since: now},
	}}},
	{"apps-done", Apps{Account: Account{CSRF: "x", Name: "lin", Done: DoneWithdrawn}}},
	{"activity", Activity{Account: account, Events: events, Older: "/older?before=1795000000"}},
	{"activity-filtered", Activity{Account: account, Filter: Filter{Kind: KindSignIn, Outcome: OutcomeBad}, Events: []Event{{Type: "session.started", Outcome: "ok", At: now, Device: "Chrome on Windows", Report: "/not-me?s=x&at=1"}}}},
	{"activity-none", Activity{Account: account, Filter: Filter{Outcome: OutcomeBad}}},
	{"overview-recovery", Overview{Account: account, Passkeys: 2, CodesLeft: 9, CodesOf: 10, Alerts: someAlerts[:1]}},
	{"notme-mine", NotMe{Form: form, What: MailNewDevice, Account: "lin", Mine: true, Context: Context{Device: "Chrome on Windows", At: now}}},
	{"activity-empty", Activity{Account: Account{CSRF: "x", Name: "lin", Done: DoneSignedOut}}},
}
