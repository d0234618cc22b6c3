package harness

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Browser is a browser that runs no scripts: it keeps cookies, follows what browsers follow (Location, and meta refresh)
// and sends forms with all that stands in them. It is for one goroutine. Page is what it shows now.
type Browser struct {
	Page  *Page
	IP    string      // its address, as a proxy reports it
	Extra http.Header // goes with every request, for example Accept-Language
	Jar   http.CookieJar
	Visit func(*Page) // told of every page on the way, also of those that send on at once; nil for none

	server *Server
	http   *http.Client
}

var browsers atomic.Int64

// agent is that of a common browser, so that devices have a name.
const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// NewBrowser returns a browser without cookies, at an address of its own network, so that limits by address do not
// meet the tests of others.
func (s *Server) NewBrowser() *Browser {
	n := browsers.Add(1)
	b := &Browser{server: s, IP: fmt.Sprintf("11.%d.%d.%d", 18+n/256%2, n%256, 1+n/512%250), Extra: http.Header{}} // of one country, as the data has it
	b.Jar, _ = cookiejar.New(nil)
	b.Move(b.IP)
	return b
}

// Move takes the browser, with all that it keeps, to another address.
func (b *Browser) Move(ip string) {
	b.IP, b.http = ip, b.server.Client(ip)
	b.http.Jar = b.Jar
}

// Steal copies the cookies of another browser whose names contain part.
func (b *Browser) Steal(from *Browser, part string) (n int) {
	u, err := url.Parse(b.server.Issuer)
	if err != nil {
		return 0
	}
	var taken []*http.Cookie
	for _, c := range from.Jar.Cookies(u) {
		if strings.Contains(c.Name, part) {
			taken = append(taken, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: strings.HasPrefix(c.Name, "__"), HttpOnly: true})
		}
	}
	b.Jar.SetCookies(u, taken)
	return len(taken)
}

// maxHops is how often a browser is sent on before it gives up.
const maxHops = 20

// Go opens a path below the issuer ("/account"), or an absolute URL of the server.
func (b *Browser) Go(to string) (*Page, error) {
	if strings.HasPrefix(to, "/") {
		to = b.server.Issuer + to
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	return b.follow(http.MethodGet, u, nil, "none")
}

// Submit sends a form of the page with a button pressed (name "" for the first one without a name) and fields filled in.
func (b *Browser) Submit(f Form, button, value string, fields url.Values) (*Page, error) {
	v := maps.Clone(f.Values)
	pressed := button == ""
	for _, x := range f.Buttons {
		pressed = pressed || x.Name == button && x.Value == value
	}
	if !pressed {
		return nil, fmt.Errorf("the form has no button %s=%s, only %v", button, value, f.Buttons)
	}
	if button != "" {
		v.Set(button, value)
	}
	maps.Copy(v, fields)
	if f.Method == http.MethodGet {
		to := *f.Action
		to.RawQuery = v.Encode()
		return b.follow(http.MethodGet, &to, nil, "same-origin")
	}
	return b.follow(http.MethodPost, f.Action, v, "same-origin")
}

// follow goes where it is sent until a page stands, or until it would leave the server.
func (b *Browser) follow(method string, to *url.URL, form url.Values, site string) (*Page, error) {
	for range maxHops {
		if b.Page != nil && to.Scheme+"://"+to.Host != b.Page.URL.Scheme+"://"+b.Page.URL.Host || !strings.HasPrefix(to.String(), b.server.Issuer) {
			return b.left(to), nil
		}
		p, err := b.fetch(method, to, form, site)
		if err != nil {
			return nil, err
		}
		b.Page = p
		if b.Visit != nil {
			b.Visit(p)
		}
		next := p.Refresh
		if p.Status == http.StatusFound || p.Status == http.StatusSeeOther {
			next = p.Header.Get("Location")
			site = "same-origin"
		}
		if next == "" {
			return p, nil
		}
		if to, err = p.URL.Parse(next); err != nil {
			return nil, fmt.Errorf("sent to %q: %w", next, err)
		}
		method, form = http.MethodGet, nil
	}
	return nil, errors.New("sent in circles")
}

// left notes that the browser would now leave for to.
func (b *Browser) left(to *url.URL) *Page {
	p := Page{}
	if b.Page != nil {
		p = *b.Page
	}
	p.Client, p.Forms = to, nil
	if p.URL == nil {
		p.URL = to
	}
	b.Page = &p
	return &p
}

func (b *Browser) fetch(method string, to *url.URL, form url.Values, site string) (*Page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, to.String(), body)
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("User-Agent", agent)
	h.Set("Accept", "text/html")
	h.Set("Sec-Fetch-Site", site)
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	if form != nil {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", "null") // our pages are sent with Referrer-Policy: no-referrer
	}
	for name, vs := range b.Extra {
		h[name] = slices.Clone(vs)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	p := &Page{Status: resp.StatusCode, URL: to, Header: resp.Header, Body: string(raw)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		p.parse()
	}
	return p, nil
}

// SignIn fills in the sign-in page that is shown. What comes next is whatever the server wants next: see Page.Name.
func (b *Browser) SignIn(identifier, password string) (*Page, error) {
	return b.fill("login", "", "", url.Values{"identifier": {identifier}, "password": {password}})
}

// Code fills in the page for the second factor.
func (b *Browser) Code(code string) (*Page, error) {
	return b.fill("code", "", "", url.Values{"code": {code}})
}

// Consent presses "allow" or "deny" on the consent page.
func (b *Browser) Consent(decision string) (*Page, error) {
	return b.fill("consent", "decision", decision, nil)
}

// Press presses a button of the form whose action ends with form.
func (b *Browser) Press(form, button, value string) (*Page, error) {
	return b.fill(form, button, value, nil)
}

func (b *Browser) fill(form, button, value string, fields url.Values) (*Page, error) {
	if b.Page == nil {
		return nil, errors.New("the browser shows no page")
	}
	f, ok := b.Page.Form(form)
	if !ok {
		return nil, fmt.Errorf("the browser shows %s, which has no %s form: %s", b.Page.Name(), form, b.Page.Text)
	}
	return b.Submit(f, button, value, fields)
}

// Login signs a person in for their own account, with a code where totp is not nil and the server asks for one. Any
// other outcome than the account page is an error.
func (b *Browser) Login(identifier, password string, totp *TOTP) error {
	if _, err := b.Go("/login?to=/account"); err != nil {
		return err
	}
	p, err := b.SignIn(identifier, password)
	if err == nil && p.Name() == "code" && totp != nil {
		p, err = b.Code(totp.Code())
	}
	if err != nil {
		return err
	}
	if p.Name() != "account" || p.Status != http.StatusOK {
		return fmt.Errorf("not signed in: %d %s: %s", p.Status, p.Name(), p.Text)
	}
	return nil
}

// Cookie returns the value of a cookie of the server, whichever prefix it has.
func (b *Browser) Cookie(name string) string {
	u, _ := url.Parse(b.server.Issuer)
	for _, c := range b.Jar.Cookies(u) {
		if strings.TrimPrefix(c.Name, "__Host-") == name {
			return c.Value
		}
	}
	return ""
}

// SetCookie puts a cookie of the server back, for example one that was stolen.
func (b *Browser) SetCookie(name, value string) {
	u, _ := url.Parse(b.server.Issuer)
	if u.Scheme == "https" {
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-" + name, Value: value, Path: "/", Secure: true, Expires: time.Now().Add(time.Hour)}})
		return
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Expires: time.Now().Add(time.Hour)}})
}
