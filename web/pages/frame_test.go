package pages

import (
	"strings"
	"testing"

	"github.com/postern-id/postern/web/locales"
)

func TestRegistered(t *testing.T) {
	tests := []struct {
		name, in, want string // want "" is refused
	}{
		{"https", "https://a.example/cb?code=x&state=y", "https://a.example/cb?code=x&state=y"},
		{"loopback", "http://127.0.0.1:4711/cb", "http://127.0.0.1:4711/cb"},
		{"custom scheme", "app.harbor:/cb", "app.harbor:/cb"},
		{"quotes", `a-b+c.1:/x'"<>`, "a-b+c.1:/x%27%22%3C%3E"},
		{"javascript", "JavaScript:alert(1)", ""},
		{"data", "data:text/html,x", ""},
		{"file", "file:///etc/passwd", ""},
		{"relative", "/cb", ""},
		{"no scheme", "://a", ""},
		{"scheme begins with a digit", "1a:/x", ""},
		{"space in scheme", "java script:x", ""},
		{"newline", "https://a.example/\nx", ""},
		{"tab in scheme", "java\tscript:x", ""},
		{"empty", "", ""},
		{"too long", "https://a.example/" + strings.Repeat("a", 9<<10), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Registered(tt.in)
			if r.String() != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", r, err)
			}
		})
	}
}

func TestLangURL(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"bare", "/login", "/login?lang=zh-CN"},
		{"keeps", "/login?i=a%26b", "/login?i=a%26b&lang=zh-CN"},
		{"replaces", "/login?lang=en&i=1", "/login?i=1&lang=zh-CN"},
		{"other origin", "https://evil.example/x", "/?lang=zh-CN"},
		{"no scheme", "//evil.example/x", "/?lang=zh-CN"},
		{"slashes", "///evil.example", "/?lang=zh-CN"},
		{"back slash", `/\evil.example`, `/%5Cevil.example?lang=zh-CN`},
		{"encoded slash", "/a%2Fb", "/a%2Fb?lang=zh-CN"},
		{"empty", "", "/?lang=zh-CN"},
		{"rubbish", "/%zz", "/?lang=zh-CN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := LangURL(tt.in, locales.Chinese); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestThemeOf(t *testing.T) {
	for in, want := range map[string]Theme{"dark": Dark, "light": Light, "": System, "x": System} {
		if got := ThemeOf(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestDoneOf(t *testing.T) {
	for in, want := range map[string]Done{"withdrawn": DoneWithdrawn, "othersout": DoneOthersOut, "signedout": DoneSignedOut, "": NothingDone, "<b>": NothingDone} {
		if got := DoneOf(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add("https://a.example/cb")
	f.Add("//evil.example")
	f.Add("java\nscript:x")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := Registered(s); err == nil && (strings.ContainsAny(r.String(), "\"'<> \n") || strings.HasPrefix(strings.ToLower(r.String()), "javascript:")) {
			t.Errorf("registered %q", r)
		}
		if u := LangURL(s, locales.English); !strings.HasPrefix(u, "/") || strings.HasPrefix(u, "//") || strings.HasPrefix(u, `/\`) {
			t.Errorf("language link %q", u)
		}
	})
}
