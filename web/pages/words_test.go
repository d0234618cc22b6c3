package pages

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/web/locales"
)

func english(t testing.TB) words {
	t.Helper()
	cat, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	return words{cat, locales.English}
}

// The path of a QR code draws the dark modules, and only them, within its margin.
func TestQR(t *testing.T) {
	want := modules(29)
	c := qr(want)
	if c.Size != 37 {
		t.Errorf("size %d", c.Size)
	}
	got := make([][]bool, 29)
	for y := range got {
		got[y] = make([]bool, 29)
	}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(c.Path, -1) {
		var n [4]int
		for i := range n {
			if err := json.Unmarshal([]byte(m[i+1]), &n[i]); err != nil {
				t.Fatal(err)
			}
		}
		for x := n[0]; x < n[0]+n[2]; x++ {
			got[n[1]-quiet][x-quiet] = true
		}
		if n[2] != n[3] {
			t.Errorf("not a rectangle: %s", m[0])
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("another picture")
	}
	if qr(nil) != nil {
		t.Error("a picture of nothing")
	}
}

func TestSmallWords(t *testing.T) {
	w := english(t)
	tests := []struct{ name, got, want string }{
		{"groups", groups("JBSWY3DPEH"), "JBSW Y3DP EH"},
		{"otpauth", string(otpauth("otpauth://totp/a?secret=b")), "otpauth://totp/a?secret=b"},
		{"not otpauth", string(otpauth("javascript:x")), ""},
		{"otpauth with a quote", string(otpauth(`otpauth://totp/"x`)), ""},
		{"name of a passkey", w.passkey(passkeys[0]), "Work laptop"},
		{"name from its provider", w.passkey(passkeys[1]), "iCloud Keychain"},
		{"no name at all", w.passkey(Passkey{}), "Passkey"},
		{"unknown provider", w.provider(Passkey{}), "your password manager"},
		{"nothing to signal", signal(Signal{RPID: "id.example"}), ""},
		{"no passkey is left", signal(Signal{RPID: "a", UserID: "b"}), `{"rpId":"a","userId":"b","allAcceptedCredentialIds":[],"name":"","displayName":""}`},
		{"one way, two classes", w.methods([]string{"hwk", "swk", "user", "pwd"}), "passkey, password"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestTodo(t *testing.T) {
	w := english(t)
	tests := []struct {
		name string
		in   Overview
		want []string
	}{
		{"only a password", Overview{Password: true}, []string{"/account/passkeys", "/account/totp"}},
		{"password and app", Overview{Password: true, TOTP: true}, []string{"/account/passkeys", "/account/recovery-codes"}},
		{"one passkey", Overview{Passkeys: 1}, []string{"/account/passkeys", "/account/recovery-codes"}},
		{"one passkey and codes", Overview{Passkeys: 1, CodesLeft: 10, CodesOf: 10}, nil},
		{"two passkeys and codes", Overview{Passkeys: 2, CodesLeft: 4, CodesOf: 10}, nil},
		{"few codes", Overview{Passkeys: 2, CodesLeft: 3, CodesOf: 10}, []string{"/account/recovery-codes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range w.todo(tt.in) {
				got = append(got, v.Path)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLinked(t *testing.T) {
	got := linked("a\nhttps://x.example/?a=b\nsee https://x.example now\njavascript:x\n")
	want := []piece{{Text: "a\n"}, {"https://x.example/?a=b", true}, {Text: "\n"}, {Text: "see https://x.example now\n"}, {Text: "javascript:x\n"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// Every text that a table names exists.
func TestTables(t *testing.T) {
	w := english(t)
	var keys []string
	for _, m := range []map[Done]string{doneKeys} {
		for _, k := range m {
			keys = append(keys, k)
		}
	}
	for _, k := range factorKeys {
		keys = append(keys, k)
	}
	for _, v := range letters {
		keys = append(keys, v.Subject, v.Body, v.Go)
	}
	for _, v := range tellings {
		keys = append(keys, v.Title, v.Body, v.More)
	}
	for _, v := range messages {
		keys = append(keys, v.Title, v.Body)
	}
	for _, k := range keys {
		if _, ok := w.c.Text(locales.English, k); k != "" && !ok {
			t.Errorf("%s does not exist", k)
		}
	}
}

var letterData = MailData{
	Account: "lin@demo.test", Factor: FactorPasskey, Name: "Work <laptop>",
	Context: Context{Device: "Chrome on Windows", Country: "SG", At: now}, Left: 1,
	URL: "https://id.example/recover?t=a&b=c", Until: now.Add(24 * time.Hour), NotMeURL: "https://id.example/not-me?t=z",
}

func TestMail(t *testing.T) {
	r := newRenderer(t)
	for kind, keys := range letters {
		for _, l := range locales.All {
			subject, text, html, err := r.Mail(kind, l, letterData)
			if err != nil {
				t.Fatal(err)
			}
			where := string(kind) + "/" + string(l)
			for _, bad := range []string{"%!", "mail.f", "mail.n", "mail.r", "no value", "ZgotmplZ", "\r"} {
				if strings.Contains(subject+text+html, bad) {
					t.Errorf("%s: contains %q:\n%s", where, bad, text)
				}
			}
			if strings.Contains(subject, "\n") || !strings.HasSuffix(subject, " · Postern") {
				t.Errorf("%s: subject %q", where, subject)
			}
			if !strings.Contains(text, "\nhttps://id.example/not-me?t=z\n") || !strings.Contains(html, `href="https://id.example/not-me?t=z"`) {
				t.Errorf("%s: no link for who did not do this", where)
			}
			if (keys.Go != "") != strings.Contains(text, "\nhttps://id.example/recover?t=a&b=c\n") {
				t.Errorf("%s: a link to go on where there should be none, or none:\n%s", where, text)
			}
			if strings.Contains(html, "<laptop>") || strings.Contains(html, "src=") || strings.Contains(html, "url(") {
				t.Errorf("%s: loads or runs something:\n%s", where, html)
			}
		}
	}
}

func TestMailSays(t *testing.T) {
	r := newRenderer(t)
	subject, text, _, err := r.Mail(MailCodesLow, locales.English, MailData{Brand: "Acme\r\nBcc: x", Account: "lin", Left: 1})
	want := "Somebody signed in to your account with a recovery code. 1 code is left.\n\nAccount: lin\n\n-- \n" +
		"This email was sent by AcmeBcc: x about the security of your account. We never ask for your password or a code by email.\n"
	if err != nil || subject != "A recovery code was used · AcmeBcc: x" || text != want {
		t.Errorf("%v\n%s\n%s", err, subject, text)
	}
	for name, d := range map[MailKind]MailData{"x": {}, MailNewDevice: {NotMeURL: "javascript:x"}, MailRecoveryReady: {URL: "/recover"}} {
		if _, _, _, err := r.Mail(name, locales.English, d); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
}
