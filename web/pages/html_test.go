package pages

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/postern-id/postern/web/locales"
)

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

var script = regexp.MustCompile(`^/static/(app|passkey|codes|post|signout|approve|push|subscribe|bind)\.[0-9a-f]{12}\.js$`)

// faults returns what is wrong with a page, whatever it shows.
func faults(page string) (bad []string) {
	say := func(s ...string) { bad = append(bad, strings.Join(s, " ")) }
	for _, s := range []string{"ZgotmplZ", "no value", "%!", "common.", "login.err"} {
		if strings.Contains(page, s) {
			say("contains", s)
		}
	}
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	ids, labels := map[string]bool{}, map[string]bool{}
	for n := range root.Descendants() {
		if id, ok := attr(n, "id"); ok {
			if ids[id] {
				say("id twice:", id)
			}
			ids[id] = true
		}
		if n.Type == html.ElementNode && n.Data == "label" {
			to, _ := attr(n, "for")
			labels[to] = textOf(n) != ""
		}
	}
	count := map[string]int{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				say("inline", a.Key, "in", n.Data)
			}
			if a.Key == "aria-describedby" {
				for id := range strings.FieldsSeq(a.Val) {
					if !ids[id] {
						say("describes by nothing:", id)
					}
				}
			}
		}
		switch n.Data {
		case "iframe":
			box, _ := attr(n, "sandbox")
			_, hidden := attr(n, "hidden")
			if src, _ := attr(n, "src"); !strings.HasPrefix(src, "https://") || box == "" || strings.Contains(box, "top-navigation") || !hidden {
				say("iframe", src, box)
			}
		case "style", "object", "base", "img":
			say("has", n.Data)
		case "script":
			if src, _ := attr(n, "src"); !script.MatchString(src) || textOf(n) != "" {
				say("script", src)
			}
		case "link":
			if href, _ := attr(n, "href"); !strings.HasPrefix(href, "/static/") && href != "/manifest.webmanifest" {
				say("loads", href)
			}
		case "input":
			if typ, _ := attr(n, "type"); typ == "" {
				say("input without type")
			} else if id, _ := attr(n, "id"); typ != "hidden" && !labels[id] {
				say("input without label:", id)
			}
		case "button":
			name, _ := attr(n, "aria-label")
			if _, ok := attr(n, "type"); !ok || textOf(n)+name == "" {
				say("button without type or name")
			}
		case "a":
			href, _ := attr(n, "href")
			if u, err := url.Parse(href); err != nil || href == "" {
				say("link to", href)
			} else if strings.EqualFold(u.Scheme, "javascript") || strings.EqualFold(u.Scheme, "data") {
				say("link to", href)
			}
			if textOf(n) == "" {
				say("link without words")
			}
		case "form":
			action, _ := attr(n, "action")
			m, _ := attr(n, "method")
			if _, away := attr(n, "data-post"); away { // an answer that a client is posted: to a registered address, and with no token of ours
				if u, err := url.Parse(action); m != "post" || err != nil || u.Scheme != "https" && u.Scheme != "http" && action != "" {
					say("form", m, action)
				}
				break
			}
			if m != "post" && m != "get" || !strings.HasPrefix(action, "/") || strings.HasPrefix(action, "//") {
				say("form", m, action)
			}
			token := slices.ContainsFunc(slices.Collect(n.Descendants()), func(d *html.Node) bool { v, _ := attr(d, "name"); return v == "csrf" })
			if token != (m == "post") { // what is sent by GET stands in the address
				say("form", m, "with or without a token")
			}
		}
	}
	for _, tag := range []string{"h1", "title", "main", "header", "footer"} {
		if count[tag] != 1 {
			say("not exactly one", tag)
		}
	}
	return bad
}

func TestEveryPageInEveryLanguage(t *testing.T) {
	r := newRenderer(t)
	for _, l := range locales.All {
		for _, s := range states {
			t.Run(s.name+"/"+string(l), func(t *testing.T) {
				page := render(t, r, frame(l), s.view)
				for _, f := range faults(page) {
					t.Error(f)
				}
				if !strings.Contains(page, `<html lang="`+string(l)+`"`) {
					t.Error("wrong lang")
				}
			})
		}
	}
}

// Under an issuer with a path, nothing points outside of that path.
func TestBase(t *testing.T) {
	r := newRenderer(t)
	for _, s := range states {
		f := frame(locales.English)
		f.Base, f.Self = "/id", "/id/login"
		page := render(t, r, f, s.view)
		for _, path := range []string{"account", "static", "logout\"", "login\"", "code\"", "consent\""} {
			for _, name := range []string{"href", "src", "action"} {
				if strings.Contains(page, name+`="/`+path) {
					t.Errorf("%s: %s of /%s is outside of the base", s.name, name, path)
				}
			}
		}
		if !strings.Contains(page, `href="/id/static/app.`) {
			t.Errorf("%s: no style", s.name)
		}
	}
}

// The checks above must be able to fail.
func TestFaultsAreFound(t *testing.T) {
	whole := "<title>x</title><header></header><main><h1>x</h1>%</main><footer></footer>"
	for _, s := range []string{
		`<p style="color:red">`, `<a href="/" onclick="x">y</a>`, `<input type="text" id="q">`, `<button>x</button>`, `<script>x</script>`,
		`<script src="https://cdn.example/x.js"></script>`, `<a href="javascript:x">y</a>`, `<h1>again</h1>`, `<form method="post" action="/x"></form>`,
		`<form method="get" action="/x"><input type="hidden" name="csrf"></form>`, `<p aria-describedby="none">`, `<a href="#ZgotmplZ">x</a>`,
	} {
		if len(faults(strings.Replace(whole, "%", s, 1))) == 0 {
			t.Errorf("nothing wrong with %s", s)
		}
	}
	if f := faults(strings.Replace(whole, "%", "", 1)); len(f) > 0 {
		t.Errorf("found %v", f)
	}
}

// Whatever a client, a person or an operator calls things, the page keeps its shape.
func FuzzRender(f *testing.F) {
	f.Add("<script>alert(1)</script>", `"><a href=javascript:x>`, "//evil.example/?lang=x")
	f.Add("\u202eevil", "{{.}}", "/login?i=%zz")
	f.Add("\x00\xff", "'", "")
	r := newRenderer(f)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		p := Party{Name: a, Host: b, PolicyURL: c, TermsURL: a}
		fm := Form{CSRF: a, Interaction: b, Hidden: []Field{{a, b}}}
		back, _ := Registered(c)
		acct := Account{CSRF: a, Name: b, Done: DoneOf(c)}
		for _, v := range []View{
			Login{Form: fm, Client: p, Identifier: a, HelpURL: c, Fault: Rejected},
			Code{Form: fm, Client: p, Account: a, StepUp: true, Reasons: []Reason{{Code: ReasonCountry, Country: b}, {Code: ReasonApp}}, Context: Context{Device: a, Country: b, At: now}},
			Consent{Form: fm, Client: p, Account: a, Asks: Permissions(a, b), Claims: []string{c}, Resources: []string{a}, HostBefore: b, ReturnHost: c},
			Continue{To: back, Client: p},
			FormPost{To: back, Client: p, Fields: []Field{{a, b}, {c, a}}},
			Error{Kind: BadRequest, Client: p, Back: back, Details: []Field{{a, b}}},
			Sessions{Account: acct, Devices: []Device{{Name: a, Sessions: []Session{{ID: b, Country: c, Apps: []string{a}, AMR: []string{b}}}}}},
			Apps{Account: acct, Apps: []App{{ID: a, Client: p, Has: Permissions(b)}}},
			Activity{Account: acct, Events: []Event{{Type: a, Outcome: b, Device: c, App: a, IP: b}}},
		} {
			page := render(t, r, Frame{Lang: locales.Lang(b), Brand: a, RequestID: b, Self: c, Theme: Theme(a), Now: now}, v)
			for _, s := range faults(page) {
				// Words that were put in may look like a mistake of ours, and links of ours never do.
				if strings.HasPrefix(s, "contains") || s == "link to #ZgotmplZ" {
					continue
				}
				t.Errorf("%T: %s", v, s)
			}
		}
	})
}
