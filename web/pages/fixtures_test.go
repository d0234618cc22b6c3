package pages

import (
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
	{Name: "Chrome on Windows", Current: true, Sessions: []Session{
		{ID: "s1", Current: true, Country: "CN", CreatedAt: now.Add(-3 * time.Hour), LastSeen: now, AMR: []string{"pwd", "otp"}, Apps: []string{"Harbor Wallet", "Ledger"}},
	}},
	{Name: "Safari on iPhone", Sessions: []Session{
		{ID: "s2", Country: "SG", CreatedAt: now.Add(-50 * time.Hour), LastSeen: now.Add(-2 * time.Hour), AMR: []string{"pwd"}, Apps: []string{"Harbor Wallet"}},
		{ID: "s3", Country: "", CreatedAt: now.Add(-60 * 24 * time.Hour), LastSeen: now.Add(-40 * 24 * time.Hour), AMR: []string{"pwd"}},
	}},
}}

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
		Asks:   append(Permissions("phone", "address", "ledger:read"), Permission{"ledger:move", "Prepare transfers for you to approve"}),
		Has:    Permissions("openid", "profile"),
		Claims: []string{"birthdate", "email_verified", "shoe_size"}, Resources: []string{"https://api.ledger.example/v2"},
		Offline: true, ReturnHost: "ledger.example"}},
	{"continue", Continue{To: to("https://harbor.example/cb?code=abc&state=x%22&iss=https%3A%2F%2Fid.example"), Client: harbor}},
	{"continue-scheme", Continue{To: to("app.harbor:/cb?code=abc&state='\"<x>"), Client: harbor}},
	{"continue-denied", Continue{To: to("http://127.0.0.1:4711/cb?error=access_denied"), Denied: true}},
	{"logout", Logout{Form: form, Client: harbor, Account: "lin@demo.test"}},
	{"signedout", SignedOut{}},
	{"signedout-back", SignedOut{Client: harbor, Back: to("https://harbor.example/bye")}},
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
	{"activity-empty", Activity{Account: Account{CSRF: "x", Name: "lin", Done: DoneSignedOut}}},
}
