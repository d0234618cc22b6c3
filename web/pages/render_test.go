package pages

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/static"
)

func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	cat, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cat)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, r *Renderer, f Frame, v View) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Render(&b, f, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryPageHasAState(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range states {
		seen[s.view.page()] = true
	}
	for _, name := range pageNames {
		if !seen[name] {
			t.Errorf("no fixture for %s", name)
		}
	}
}

func TestEveryErrorHasItsWords(t *testing.T) {
	for k := Broken; k <= Unavailable; k++ {
		if messages[k].Body == "" {
			t.Errorf("kind %d has no message", k)
		}
	}
}

// Every key is used by a template or by the code, and every key that they use exists.
func TestKeysAreUsed(t *testing.T) {
	cat, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	var src strings.Builder
	for _, glob := range []string{"html/*.html", "*.go", "../locales/*.go"} {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", glob, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			src.Write(b)
		}
	}
	text := src.String()
	for key := range cat.Keys(locales.English) {
		if !strings.Contains(text, `"`+strings.TrimSuffix(key, ".one")+`"`) && !strings.HasPrefix(key, "place.") {
			t.Errorf("%s is used nowhere", key)
		}
	}
	for _, m := range regexp.MustCompile(`\b(?:t|tf|th|tn|T|N|strong)[ (](?:w\.l, )?"([a-z]+\.[\w.]+)"`).FindAllStringSubmatch(text, -1) {
		if _, ok := cat.Text(locales.English, m[1]); !ok {
			t.Errorf("%s is used and does not exist", m[1])
		}
	}
	for _, keys := range []map[string]string{scopeKeys, claimKeys, methodKeys, eventKeys} {
		for _, key := range keys {
			if _, ok := cat.Text(locales.English, key); !ok {
				t.Errorf("%s is used and does not exist", key)
			}
		}
	}
}

func TestWhatAPageSays(t *testing.T) {
	r := newRenderer(t)
	tests := []struct {
		name       string
		frame      Frame
		view       View
		want, lack []string
	}{
		{"a fault is in the title", frame(locales.English), Login{Fault: Rejected}, []string{"<title>Error: Sign in · Postern</title>", `role="alert"`}, nil},
		{"what was typed is kept", frame(locales.English), Login{Identifier: `o"neil@x`, Fault: Rejected}, []string{`value="o&#34;neil@x"`}, nil},
		{"no fault, no alert", frame(locales.English), Login{}, []string{"<title>Sign in · Postern</title>"}, []string{`role="alert"`, "aria-invalid"}},
		{"waiting in words", frame(locales.Chinese), Login{Fault: RateLimited, RetryIn: 61e9}, []string{"尝试次数过多，请在2分钟后重试。"}, nil},
		{"own brand", Frame{Brand: "Acme <ID>"}, Login{}, []string{"Sign in · Acme &lt;ID&gt;"}, []string{"Postern"}},
		{"theme", Frame{Theme: Dark}, Login{}, []string{`<html lang="en" data-theme="dark">`}, nil},
		{"theme from nowhere", Frame{Theme: `"x`}, Login{}, []string{`<html lang="en">`}, nil},
		{"unknown language is English", Frame{Lang: "xx"}, Login{}, []string{`<html lang="en">`}, nil},
		{"language link keeps the query", frame(locales.English), Login{}, []string{`href="/login?i=Zk3v&amp;lang=zh-CN&amp;x=1"`}, nil},
		{"development banner", Frame{Dev: true}, Login{}, []string{`class="dev"`}, nil},
		{"deny stands before allow", frame(locales.English), Consent{}, []string{`value="deny">Don&#39;t allow</button><button type="submit" name="decision" value="allow"`}, nil},
		{"unknown scope is shown", frame(locales.English), Consent{Asks: Permissions("a:b<c")}, []string{"no description: a:b&lt;c"}, nil},
		{"text of the deployment", frame(locales.English), Consent{Asks: []Permission{{Scope: "x", Text: "Do <x>"}}}, []string{"<li>Do &lt;x&gt;</li>"}, []string{"no description"}},
		{"script link is no link", frame(locales.English), Consent{Client: Party{PolicyURL: "javascript:x"}}, nil, []string{"javascript"}},
		{"two reasons at most", frame(locales.English), Code{StepUp: true, Reasons: []Reason{{Code: ReasonDevice}, {Code: ReasonAge}, {Code: ReasonRisk}}},
			[]string{"recognise this device", "It has been a while"}, []string{"unusual"}},
		{"reason without a place is general", frame(locales.English), Code{StepUp: true, Reasons: []Reason{{Code: ReasonCountry, Country: "??"}}}, []string{"unusual"}, nil},
		{"custom scheme", frame(locales.English), Continue{To: to("app.harbor:/cb?code=a&state='b")},
			[]string{`content="0;url=app.harbor:/cb?code=a&amp;state=%27b"`, `href="app.harbor:/cb?code=a&amp;state=%27b"`}, nil},
		{"nowhere to go on to", frame(locales.English), Continue{}, nil, []string{"http-equiv", "href=\"\""}},
		{"denied is not signed in", frame(locales.English), Continue{To: to("https://a.example/"), Denied: true, Client: harbor}, []string{"Taking you back to Harbor Wallet"}, []string{"Signed in"}},
		{"details only where given", frame(locales.English), Error{Kind: BadRedirect}, []string{"9f2c71d04be8"}, []string{"<details"}},
		{"a fault of ours can be tried again", frame(locales.English), Error{}, []string{`href="/login?i=Zk3v&amp;x=1">Try again`}, nil},
		{"a wrong request cannot", frame(locales.English), Error{Kind: BadRedirect}, nil, []string{"Try again"}},
		{"unknown kind is ours", frame(locales.English), Error{Kind: 200}, []string{"Something went wrong on our side"}, nil},
		{"device in words", frame(locales.Chinese), someSessions, []string{"Windows上的Chrome"}, nil},
		{"inner workings are left out", frame(locales.English), Activity{Events: events}, []string{"Sign-in blocked", "Sign-in failed"}, []string{"token.issued"}},
		{"a question is no block", frame(locales.English), Activity{Events: []Event{{Type: "risk.decided", Outcome: "denied", At: now}}}, []string{"Extra check"}, []string{"Sign-in blocked"}},
		{"of what an operator did no place is claimed", frame(locales.English), Activity{Events: []Event{{Type: "user.updated", Outcome: "ok", At: now}}}, []string{"Account details changed"}, []string{"Unknown location"}},
		{"only inner workings, but older ones", frame(locales.English), Activity{Events: events[4:5], Older: "/x"}, []string{"Older activity"}, []string{"No activity"}},
		{"event without words is shown by type", frame(locales.English), Activity{Events: []Event{{Type: "a.b", At: now}}}, []string{"Account event: a.b"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := render(t, r, tt.frame, tt.view)
			for _, s := range tt.want {
				if !strings.Contains(got, s) {
					t.Errorf("lacks %s in\n%s", s, got)
				}
			}
			for _, s := range tt.lack {
				if strings.Contains(got, s) {
					t.Errorf("has %s in\n%s", s, got)
				}
			}
		})
	}
}

func TestOfflineAccessOnce(t *testing.T) {
	r := newRenderer(t)
	for _, v := range []Consent{
		{Asks: Permissions("offline_access", "openid")},
		{Asks: Permissions("openid"), Offline: true},
		{Asks: Permissions("offline_access", "openid"), Offline: true},
	} {
		got := render(t, r, frame(locales.English), v)
		if n := strings.Count(got, "Keep access when"); n != 1 {
			t.Errorf("%+v: %d times", v, n)
		}
	}
}

type failing struct{}

var errFull = errors.New("full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestRenderReturnsTheErrorOfTheWriter(t *testing.T) {
	if err := newRenderer(t).Render(failing{}, Frame{}, Login{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

// A whole sign-in page, with everything that it loads, compressed.
func TestBudget(t *testing.T) {
	r := newRenderer(t)
	size := func(b []byte) int {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(b)
		z.Close()
		return out.Len()
	}
	assets := 0
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		b, err := os.ReadFile("../static/" + name)
		if err != nil || static.Path(name) == "" {
			t.Fatalf("%s: %v", name, err)
		}
		assets += size(b)
	}
	for _, s := range states {
		if n := assets + size([]byte(render(t, r, frame(locales.Chinese), s.view))); n > 8<<10 {
			t.Errorf("%s: %d bytes, want at most 8 KiB", s.name, n)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	r := newRenderer(b)
	for _, name := range []string{"login", "consent", "sessions"} {
		for _, s := range states {
			if s.name != name {
				continue
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				f := frame(locales.Chinese)
				for b.Loop() {
					if err := r.Render(io.Discard, f, s.view); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	cat, err := locales.Load()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := New(cat); err != nil {
			b.Fatal(err)
		}
	}
}
