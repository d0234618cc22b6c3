package clients

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// signIn is a person at a browser without scripts: it opens the address of an authorization request, fills in every form
// that it meets, and returns the parameters with which it is sent to the client.
func signIn(t *testing.T, address string) url.Values {
	t.Helper()
	q, err := newBrowser().walk(address, redirectURI)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// browser keeps cookies and follows what browsers follow: Location and meta refresh.
type browser struct{ http http.Client }

func newBrowser() *browser {
	b := &browser{}
	b.http.Jar, _ = cookiejar.New(nil)
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// page is what matters of an HTML page: where it sends the browser, or its form, filled in.
type page struct {
	text    string
	refresh string
	action  string
	fields  url.Values
}

// walk goes on from address until it would open a page that begins with end, and returns that page's query.
func (b *browser) walk(address, end string) (url.Values, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	var form url.Values
	for range 20 {
		p, next, err := b.load(to, form)
		if err != nil {
			return nil, err
		}
		form = nil
		if next == "" {
			if next, form = p.action, p.fields; next == "" {
				return nil, fmt.Errorf("%s: a page that leads nowhere: %s", to, p.text)
			}
		}
		if to, err = to.Parse(next); err != nil {
			return nil, err
		}
		if strings.HasPrefix(to.String(), end) {
			return to.Query(), nil
		}
	}
	return nil, fmt.Errorf("%s: sent in circles", to)
}

// load gets a page, or posts a form. next is where it leads by itself, "" where a person must do something.
func (b *browser) load(to *url.URL, form url.Values) (p page, next string, err error) {
	req, err := http.NewRequest(http.MethodGet, to.String(), nil)
	if form != nil {
		req, err = http.NewRequest(http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	}
	if err != nil {
		return p, "", err
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", "null") // pages with Referrer-Policy: no-referrer have no other
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return p, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusFound || resp.StatusCode == http.StatusSeeOther {
		return p, resp.Header.Get("Location"), nil
	}
	root, err := html.Parse(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return p, "", err
	}
	p.fields = url.Values{}
	p.read(root)
	if resp.StatusCode != http.StatusOK {
		return p, "", fmt.Errorf("%s: %s: %s", to, resp.Status, strings.Join(strings.Fields(p.text), " "))
	}
	return p, p.refresh, nil
}

// read collects what the elements of n say, and fills in what a person would.
func (p *page) read(n *html.Node) {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
	}
	switch {
	case n.Type == html.TextNode:
		p.text += n.Data
	case n.Data == "meta" && attr["http-equiv"] == "refresh":
		_, p.refresh, _ = strings.Cut(attr["content"], "url=")
	case n.Data == "form" && attr["method"] == "post":
		p.action = attr["action"]
	case n.Data == "input":
		_, checked := attr["checked"]
		switch name := attr["name"]; {
		case name == "identifier":
			p.fields.Set(name, username)
		case name == "password":
			p.fields.Set(name, password)
		case attr["type"] != "checkbox" || checked:
			p.fields.Add(name, attr["value"])
		}
	case n.Data == "button" && attr["value"] == "allow":
		p.fields.Set(attr["name"], attr["value"])
	}
	for c := range n.ChildNodes() {
		p.read(c)
	}
}
