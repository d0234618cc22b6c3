package harness

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
)

// Page is what a browser shows, or where it stopped.
type Page struct {
	Status  int
	URL     *url.URL
	Header  http.Header
	Body    string
	Text    string // what a person reads, white space collapsed
	Title   string
	Lang    string
	Forms   []Form
	Links   []string // absolute
	Images  []string // absolute
	Frames  []string // of <iframe>, absolute
	Refresh string   // where <meta http-equiv=refresh> leads, absolute; "" without one

	// Client is set where the browser was sent on to somebody else, such as a client's redirection URI, which it
	// never fetches. All else but URL is then of the page that sent it.
	Client *url.URL
}

// Form is a form with the values that it would send now.
type Form struct {
	Method  string // GET or POST
	Action  *url.URL
	Values  url.Values
	Buttons []Button
}

// Button is a submit button; Name may be "".
type Button struct{ Name, Value, Label string }

// Name is what the page is for: the last element of its main form's action ("login", "code", "consent", "logout"), or of
// its path; "client" where the browser stopped before somebody else.
func (p *Page) Name() string {
	if p.Client != nil {
		return "client"
	}
	for _, f := range p.Forms {
		if last := path.Base(f.Action.Path); f.Method == http.MethodPost && (last == "login" || last == "code" || last == "consent" || last == "logout") {
			return last
		}
	}
	return path.Base(p.URL.Path)
}

// Form returns the form whose action ends with name.
func (p *Page) Form(name string) (Form, bool) {
	for _, f := range p.Forms {
		if path.Base(f.Action.Path) == name {
			return f, true
		}
	}
	return Form{}, false
}

// FormWith returns the form in which the field has the value.
func (p *Page) FormWith(field, value string) (Form, bool) {
	for _, f := range p.Forms {
		if f.Values.Get(field) == value {
			return f, true
		}
	}
	return Form{}, false
}

// Params are the parameters with which the client was reached, in the query or the fragment; nil elsewhere.
func (p *Page) Params() url.Values {
	if p.Client == nil {
		return nil
	}
	v := p.Client.Query()
	if inside, err := url.ParseQuery(p.Client.EscapedFragment()); err == nil {
		for name, values := range inside {
			v[name] = append(v[name], values...)
		}
	}
	return v
}

// parse reads what a browser without scripts would see.
func (p *Page) parse() {
	root, err := html.ParseWithOptions(strings.NewReader(p.Body), html.ParseOptionEnableScripting(false))
	if err != nil {
		return // the parser takes anything; only reading can fail
	}
	var text strings.Builder
	p.walk(root, nil, &text)
	p.Text = strings.Join(strings.Fields(text.String()), " ")
}

func (p *Page) walk(n *html.Node, form *Form, text *strings.Builder) {
	switch n.Type {
	case html.TextNode:
		text.WriteString(n.Data + " ")
	case html.ElementNode:
		switch n.Data {
		case "script", "style":
			return
		case "html":
			p.Lang = attr(n, "lang")
		case "title":
			p.Title = inner(n)
		case "meta":
			p.meta(n)
		case "a":
			if u := p.resolve(attr(n, "href")); u != nil {
				p.Links = append(p.Links, u.String())
			}
		case "img":
			if u := p.resolve(attr(n, "src")); u != nil {
				p.Images = append(p.Images, u.String())
			}
		case "iframe":
			if u := p.resolve(attr(n, "src")); u != nil {
				p.Frames = append(p.Frames, u.String())
			}
		case "form":
			p.Forms = append(p.Forms, Form{Method: strings.ToUpper(attr(n, "method")), Action: p.resolve(attr(n, "action")), Values: url.Values{}})
			form = &p.Forms[len(p.Forms)-1]
			if form.Method == "" {
				form.Method = http.MethodGet
			}
		case "input", "button", "textarea":
			form.take(n)
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.walk(c, form, text)
	}
}

// take adds a control to a form; f may be nil.
func (f *Form) take(n *html.Node) {
	if f == nil || has(n, "disabled") {
		return
	}
	name, typ := attr(n, "name"), strings.ToLower(attr(n, "type"))
	switch {
	case n.Data == "button" && typ == "button", typ == "reset", typ == "image":
	case n.Data == "button", typ == "submit":
		f.Buttons = append(f.Buttons, Button{name, attr(n, "value"), inner(n)})
	case name == "", (typ == "checkbox" || typ == "radio") && !has(n, "checked"):
	case n.Data == "textarea":
		f.Values.Add(name, inner(n))
	default:
		f.Values.Add(name, attr(n, "value"))
	}
}

func (p *Page) meta(n *html.Node) {
	if !strings.EqualFold(attr(n, "http-equiv"), "refresh") {
		return
	}
	_, to, _ := strings.Cut(attr(n, "content"), ";")
	to = strings.TrimSpace(to)
	if len(to) > 4 && strings.EqualFold(to[:4], "url=") {
		if u := p.resolve(to[4:]); u != nil {
			p.Refresh = u.String()
		}
	}
}

func (p *Page) resolve(ref string) *url.URL {
	u, err := p.URL.Parse(ref)
	if err != nil {
		return nil
	}
	return u
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func inner(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
